//! The detector's candidates with what the reference says of them, and how a
//! network fares.

use std::collections::HashSet;

use data::Result;
use data::pipeline::detector::{Detector, Features, Network};
use data::pipeline::readable::Readability;

use crate::recordings::{Recording, rate};

/// Seconds within which a candidate can be a reference's beat.
const NEAR: f64 = 0.12;
/// Candidates this near to a beat that another one is, in seconds: they are no
/// beats, but little harm is done by them.
const BESIDE: f64 = 0.15;
/// How much these count.
const BESIDE_WEIGHT: f32 = 0.3;
/// Seconds within which a found beat is a reference's one, as EC57 has it.
const MATCH: f64 = 0.15;

/// A candidate to learn from.
pub struct Example {
    pub features: Features,
    pub beat: bool,
    pub weight: f32,
}

/// Who decides about candidates, and thereby what levels and rhythm they are
/// judged by.
#[derive(Clone, Copy)]
pub enum Teacher<'a> {
    Reference,
    Network(&'a Network),
}

/// Runs the detector over a signal; `judge` as in [`Detector::push_judged`].
/// Returns the frames of the beats.
fn run(recording: &Recording, judge: &mut impl FnMut(u64, &Features) -> f32) -> Result<Vec<u64>> {
    let mut readability = Readability::new(rate(), 1);
    let mut detector = Detector::new(rate(), 1)?;
    let mut beats = Vec::new();
    for value in &recording.signal {
        if let Some(change) = readability.push(&[*value]) {
            detector.turn(change);
        }
        beats.extend(detector.push_judged(&[*value], judge));
    }
    Ok(beats)
}

/// All candidates of a signal that the reference tells something of.
pub fn examples(recording: &Recording, teacher: Teacher<'_>) -> Result<Vec<Example>> {
    let mut places = Vec::new();
    run(recording, &mut |at, _| {
        places.push(at);
        0.0
    })?;
    let chosen = chosen(&places, &recording.beats);
    let mut examples = Vec::new();
    run(recording, &mut |at, features| {
        let beat = chosen.contains(&at);
        let frame = at as f64;
        let beside = !beat && nearest(&recording.beats, frame) < BESIDE * rate();
        if !recording.excludes(frame) {
            examples.push(Example {
                features: *features,
                beat,
                weight: if beside { BESIDE_WEIGHT } else { 1.0 },
            });
        }
        match teacher {
            Teacher::Reference => f32::from(beat),
            Teacher::Network(network) => network.score(features),
        }
    })?;
    Ok(examples)
}

/// The candidates nearest to each beat, where one is near.
fn chosen(places: &[u64], beats: &[f64]) -> HashSet<u64> {
    let near = |beat: &f64| {
        let at = places.partition_point(|place| (*place as f64) < *beat);
        let around = &places[at.saturating_sub(2)..(at + 2).min(places.len())];
        let distance = |place: &u64| (*place as f64 - beat).abs();
        let best = around
            .iter()
            .min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
        (distance(best) < NEAR * rate()).then_some(*best)
    };
    beats.iter().filter_map(near).collect()
}

/// Frames to the nearest of the beats, which ascend.
fn nearest(beats: &[f64], frame: f64) -> f64 {
    let at = beats.partition_point(|beat| *beat < frame);
    let around = &beats[at.saturating_sub(1)..(at + 1).min(beats.len())];
    let distances = around.iter().map(|beat| (beat - frame).abs());
    distances.fold(f64::INFINITY, f64::min)
}

/// Beats found, missed and invented.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    pub found: u64,
    pub missed: u64,
    pub invented: u64,
}

impl Count {
    pub fn add(&mut self, other: Count) {
        self.found += other.found;
        self.missed += other.missed;
        self.invented += other.invented;
    }

    /// Sensitivity and positive predictivity.
    pub fn rates(&self) -> [f64; 2] {
        let part = |others: u64| self.found as f64 / (self.found + others).max(1) as f64;
        [part(self.missed), part(self.invented)]
    }
}

/// How a network fares on a signal outside fibrillation, from its first frame.
/// A first look only: figures to quote are those of `data score`.
pub fn score(recording: &Recording, network: &Network) -> Result<Count> {
    let found = run(recording, &mut |_, features| network.score(features))?;
    let mut count = Count::default();
    let mut beats = recording.beats.iter().copied().peekable();
    let window = MATCH * rate();
    for at in found.iter().map(|at| *at as f64) {
        while let Some(beat) = beats.next_if(|beat| *beat < at - window) {
            count.missed += u64::from(!recording.excludes(beat));
        }
        match beats.next_if(|beat| *beat <= at + window) {
            Some(beat) => count.found += u64::from(!recording.excludes(beat)),
            None => count.invented += u64::from(!recording.excludes(at)),
        }
    }
    count.missed += beats.filter(|beat| !recording.excludes(*beat)).count() as u64;
    Ok(count)
}
