//! Real recordings with their beats moved in time.
//!
//! Premature supraventricular beats and atrial fibrillation are what a
//! classifier sees too few patients of. Both are mostly a matter of *when* a
//! beat comes and of its P wave, so they can be made from anybody's recording:
//! the signal between two beats is shortened where nothing happens, or the
//! next P wave laid over the T wave before it; or it is lengthened by a flat
//! stretch. The result is an annotated recording like any other and goes
//! through the same pipeline, so that every feature and template sees it.

mod rhythms;
mod signal;
#[cfg(test)]
mod tests;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use signal::FibrillationWave;

use crate::record::Record;
use crate::record::aami::{Class, Convention};
use crate::record::annotation::{Annotation, Symbol};

/// What a recording is turned into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retiming {
    /// Normal beats become supraventricular premature ones: alone, every
    /// second or third beat, or in runs of tachycardia.
    Premature,
    /// An irregular rhythm without P waves; the beats stay what they are, and
    /// supraventricular ones become normal.
    Fibrillation,
    /// A sinus rhythm that swings with the breath; the beats stay what they are.
    SinusArrhythmia,
    /// Sick sinus: an ectopic focus of ordinary rate makes most beats, in runs
    /// that end in a pause until the slow sinus node takes a beat or a few.
    SickSinus,
    /// Some P waves are not followed by a beat; the beats that remain stay what
    /// they are.
    Block,
    /// Normal beats become fusion beats: half themselves, half a ventricular
    /// beat of the same recording. Without such beats nothing changes.
    Fusion,
}

/// Shortest interval between two beats, in seconds.
const SHORTEST: f64 = 0.28;

/// A beat and what becomes of it.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Its sample, and its class.
    at: usize,
    class: Class,
    symbol: Symbol,
    /// Samples since the beat before, as recorded and as they shall be.
    recorded: f64,
    interval: f64,
    /// Factor of the P wave.
    p: f64,
    /// Its QRS and T are taken out; only its P wave stays.
    dropped: bool,
    /// The beat that it is mixed with, and that beat's part in it.
    fused: Option<Fused>,
}

/// A part of another beat.
#[derive(Clone, Copy, Debug)]
struct Fused {
    /// Sample of the other beat.
    with: usize,
    /// 0 to 1.
    part: f64,
}

/// `record` with its beats retimed, and the annotations that go with it. All
/// signals are retimed alike; annotations that are not beats are left out. The
/// same seed gives the same recording.
pub fn retime(
    record: &Record,
    annotations: &[Annotation],
    kind: Retiming,
    seed: u64,
) -> (Record, Vec<Annotation>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut beats = plans(record, annotations);
    let mut wave = None;
    match kind {
        Retiming::Premature => rhythms::premature(&mut beats, record.fs, &mut rng),
        Retiming::Fibrillation => {
            rhythms::fibrillation(&mut beats, &mut rng);
            wave = Some(FibrillationWave::draw(&mut rng));
        }
        Retiming::SinusArrhythmia => rhythms::arrhythmia(&mut beats, &mut rng),
        Retiming::SickSinus => rhythms::sick_sinus(&mut beats, record.fs, &mut rng),
        Retiming::Block => rhythms::block(&mut beats, &mut rng),
        Retiming::Fusion => rhythms::fusion(&mut beats, record.fs, &mut rng),
    }
    let shortest = (SHORTEST * record.fs).round();
    let mut at = beats.first().map_or(0, |b| b.at);
    let mut moved = Vec::with_capacity(beats.len());
    for (i, beat) in beats.iter_mut().enumerate() {
        if i > 0 {
            beat.interval = beat.interval.round().max(shortest.min(beat.recorded));
            at += beat.interval as usize;
        }
        if !beat.dropped {
            moved.push(Annotation::new(at as i64, beat.symbol));
        }
    }
    let mut retimed = record.clone();
    for signal in &mut retimed.signals {
        signal.samples = signal::rebuild(&signal.samples, &beats, record.fs);
        if let Some(wave) = &wave {
            let size = wave.share * signal::typical_height(&signal.samples, &moved, record.fs);
            wave.add(&mut signal.samples, size, record.fs);
        }
    }
    (retimed, moved)
}

fn plans(record: &Record, annotations: &[Annotation]) -> Vec<Plan> {
    let mut beats: Vec<Plan> = Vec::new();
    for annotation in annotations {
        let class = Class::from_symbol(annotation.symbol, Convention::Literature);
        let (Some(class), Ok(at)) = (class, usize::try_from(annotation.sample)) else {
            continue;
        };
        let after = beats.last().map_or(0, |b| b.at + 1);
        if at < after || at >= record.len() {
            continue;
        }
        let recorded = beats.last().map_or(0, |b| at - b.at) as f64;
        beats.push(Plan {
            at,
            class,
            symbol: annotation.symbol,
            recorded,
            interval: recorded,
            p: 1.0,
            dropped: false,
            fused: None,
        });
    }
    beats
}

fn even(rng: &mut ChaCha8Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * rng.random::<f64>()
}

fn normal(rng: &mut ChaCha8Rng, deviation: f64) -> f64 {
    let z: f64 = StandardNormal.sample(rng);
    deviation * z
}
