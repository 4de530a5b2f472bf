//! Real recordings with their beats moved in time.
//!
//! Premature supraventricular beats and atrial fibrillation are what a
//! classifier sees too few patients of. Both are mostly a matter of *when* a
//! beat comes and of its P wave, so they can be made from anybody's recording:
//! the signal between two beats is shortened where nothing happens, or the
//! next P wave laid over the T wave before it; or it is lengthened by a flat
//! stretch. The result is an annotated recording like any other and goes
//! through the same pipeline, so that every feature and template sees it.

use std::f64::consts::{PI, TAU};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::aami::{Class, Convention};
use crate::annotation::{Annotation, Symbol};
use crate::record::Record;

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
    Arrhythmia,
    /// Sick sinus: an ectopic focus of ordinary rate makes most beats, in runs
    /// that end in a pause until the slow sinus node takes a beat or a few.
    SickSinus,
}

/// Shortest interval between two beats, in seconds.
const SHORTEST: f64 = 0.28;
/// Where a P wave begins and ends, in seconds before the R wave.
const P_WAVE: [f64; 2] = [0.24, 0.06];
/// Where the quiet stretch before a P wave ends, in seconds before the R wave.
const QUIET: f64 = 0.26;
/// The signal after the beat before gives way to the one before the next beat
/// over so many seconds.
const CROSSFADE: f64 = 0.1;
/// Intervals over which the local sinus rhythm is the median.
const LOCAL: usize = 10;

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
        Retiming::Premature => premature(&mut beats, record.fs, &mut rng),
        Retiming::Fibrillation => {
            fibrillation(&mut beats, &mut rng);
            wave = Some(FibrillationWave::draw(&mut rng));
        }
        Retiming::Arrhythmia => arrhythmia(&mut beats, &mut rng),
        Retiming::SickSinus => sick_sinus(&mut beats, record.fs, &mut rng),
    }
    let shortest = (SHORTEST * record.fs).round();
    let mut at = beats.first().map_or(0, |b| b.at);
    let mut moved = Vec::with_capacity(beats.len());
    for (i, beat) in beats.iter_mut().enumerate() {
        if i > 0 {
            beat.interval = beat.interval.round().max(shortest.min(beat.recorded));
            at += beat.interval as usize;
        }
        moved.push(Annotation::new(at as i64, beat.symbol));
    }
    let mut retimed = record.clone();
    for signal in &mut retimed.signals {
        signal.samples = rebuild(&signal.samples, &beats, record.fs);
        if let Some(wave) = &wave {
            let size = wave.share * typical_height(&signal.samples, &moved, record.fs);
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

/// How premature beats come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pattern {
    Alone,
    EverySecond,
    EveryThird,
    Runs,
}

/// What one focus does for a while.
struct Episode {
    pattern: Pattern,
    /// Probability that a beat which can be premature is, when alone.
    probability: f64,
    /// Coupling interval as a part of the sinus interval, and its spread.
    coupling: f64,
    spread: f64,
    /// Factor of the P wave.
    p: f64,
    /// Part of the prematurity that the following pause makes up for.
    pause: f64,
}

impl Episode {
    fn draw(rng: &mut ChaCha8Rng) -> Episode {
        use Pattern::*;
        let pattern = [Alone, EverySecond, EveryThird, Runs][rng.random_range(0..4)];
        let p = p_wave(rng);
        let pause = match rng.random_range(0..3) {
            0 => 0.0,
            1 => even(rng, 0.0, 0.4),
            _ => even(rng, 0.3, 1.0),
        };
        Episode {
            pattern,
            probability: even(rng, 0.02, 0.15),
            coupling: even(rng, 0.5, 0.95),
            spread: [0.02, 0.06][rng.random_range(0..2)],
            p,
            pause,
        }
    }

    /// Premature beats in a row, from here on.
    fn run(&self, rng: &mut ChaCha8Rng) -> usize {
        match self.pattern {
            // Geometric, 9 beats on average.
            Pattern::Runs => (2 + geometric(rng, 0.88)).min(100),
            _ if rng.random::<f64>() < 0.07 => 2,
            _ => 1,
        }
    }
}

fn premature(beats: &mut [Plan], fs: f64, rng: &mut ChaCha8Rng) {
    let sinus = |beats: &[Plan], i: usize| {
        let mut near: Vec<f64> = beats[i.saturating_sub(LOCAL).max(1)..=i]
            .iter()
            .map(|b| b.recorded)
            .collect();
        near.sort_by(f64::total_cmp);
        near[near.len() / 2]
    };
    let (mut i, mut until) = (3, 0);
    let mut episode = Episode::draw(rng);
    while i + 3 < beats.len() {
        if i >= until {
            until = i + rng.random_range(60..500);
            episode = Episode::draw(rng);
        }
        let among_normal = beats[i - 2..i + 3].iter().all(|b| b.class == Class::N);
        let probability = match episode.pattern {
            Pattern::Alone => episode.probability,
            Pattern::Runs => 0.5 * episode.probability,
            Pattern::EverySecond | Pattern::EveryThird => 0.95,
        };
        if !among_normal || rng.random::<f64>() >= probability {
            i += 1;
            continue;
        }
        let base = sinus(beats, i);
        let coupling = if episode.pattern == Pattern::Alone && rng.random::<f64>() < 0.5 {
            even(rng, 0.5, 0.92)
        } else {
            episode.coupling
        };
        let first = i;
        let wanted = first + episode.run(rng);
        while i < wanted && i + 2 < beats.len() && beats[i].class == Class::N {
            let interval = beats[i].recorded.min(base) * coupling;
            let interval = interval * normal(rng, episode.spread).exp();
            beats[i].interval = interval.max(SHORTEST * fs);
            beats[i].p = episode.p;
            beats[i].symbol = Symbol::S;
            i += 1;
        }
        // The beat after the last premature one comes late.
        let gained = (base - beats[first].interval).max(0.0);
        beats[i].interval += gained * episode.pause * normal(rng, 0.05).exp();
        i += match episode.pattern {
            Pattern::EverySecond => 1,
            _ => 2,
        };
    }
}

/// Draws how often in a row something happens that goes on with this
/// probability.
fn geometric(rng: &mut ChaCha8Rng, on: f64) -> usize {
    let u: f64 = rng.random::<f64>().max(1e-9);
    (u.ln() / on.ln()) as usize
}

/// Draws what becomes of an ectopic focus's P wave: as it was, turned or
/// flattened, or of another size.
fn p_wave(rng: &mut ChaCha8Rng) -> f64 {
    match rng.random_range(0..3) {
        0 => 1.0,
        1 => even(rng, -0.8, 0.6),
        _ => even(rng, 0.0, 1.5),
    }
}

fn typical_interval(beats: &[Plan]) -> f64 {
    let mut all: Vec<f64> = beats.iter().skip(1).map(|b| b.recorded).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

fn sick_sinus(beats: &mut [Plan], fs: f64, rng: &mut ChaCha8Rng) {
    // Within what hearts do: ectopic beats at 50 to 120, sinus at 22 to 70 a minute.
    let ectopic = (typical_interval(beats) * even(rng, 0.65, 1.1)).clamp(0.5 * fs, 1.2 * fs);
    let sinus = (ectopic * even(rng, 1.25, 2.6)).clamp(0.85 * fs, 2.7 * fs);
    let (spread, sinus_spread) = (even(rng, 0.01, 0.08), even(rng, 0.03, 0.2));
    let (on, sinus_on) = (even(rng, 0.5, 0.92), even(rng, 0.0, 0.4));
    let first = even(rng, 0.8, 1.1);
    let p = p_wave(rng);
    let plain = [0.0, 0.3][rng.random_range(0..2)];
    let (mut i, mut until, mut quiet) = (1, 0, false);
    while i < beats.len() {
        if i >= until {
            until = i + rng.random_range(60..500);
            quiet = rng.random::<f64>() < plain;
        }
        if quiet {
            i += 1;
            continue;
        }
        let run = 1 + geometric(rng, on);
        for k in 0..run.min(beats.len() - i) {
            let beat = &mut beats[i];
            i += 1;
            if !matches!(beat.class, Class::N | Class::S) {
                continue;
            }
            let coupling = if k == 0 { first } else { 1.0 };
            beat.interval = ectopic * coupling * normal(rng, spread).exp();
            beat.symbol = Symbol::S;
            beat.p = p;
        }
        let run = 1 + geometric(rng, sinus_on.max(1e-9));
        for _ in 0..run.min(beats.len() - i) {
            if matches!(beats[i].class, Class::N) {
                beats[i].interval = sinus * normal(rng, sinus_spread).exp();
            }
            i += 1;
        }
    }
}

fn fibrillation(beats: &mut [Plan], rng: &mut ChaCha8Rng) {
    let median = typical_interval(beats);
    // DS1's own fibrillation spreads by 0.25 to 0.35.
    let (rate, spread) = (even(rng, 0.65, 1.1), even(rng, 0.15, 0.38));
    let p = even(rng, -0.1, 0.1);
    for beat in beats {
        let interval = median * rate * normal(rng, spread).exp();
        // A ventricular beat is not made late: that would be an escape beat.
        beat.interval = match beat.class {
            Class::V | Class::F => interval.min(beat.recorded),
            _ => interval,
        };
        beat.p = p;
        if beat.class == Class::S {
            beat.symbol = Symbol::N;
        }
    }
}

fn arrhythmia(beats: &mut [Plan], rng: &mut ChaCha8Rng) {
    let (breath, depth) = (even(rng, 3.0, 9.0), even(rng, 0.05, 0.16));
    let phase = even(rng, 0.0, TAU);
    for i in 1..beats.len() {
        let swing = depth * (TAU * i as f64 / breath + phase).sin() + normal(rng, 0.01);
        if beats[i - 1].class == Class::N && beats[i].class == Class::N {
            beats[i].interval *= 1.0 + swing;
        }
    }
}

/// One signal with its beats where the plans want them.
fn rebuild(samples: &[f32], beats: &[Plan], fs: f64) -> Vec<f32> {
    let (Some(first), Some(last)) = (beats.first(), beats.last()) else {
        return samples.to_vec();
    };
    let mut source = samples.to_vec();
    for pair in beats.windows(2) {
        scale_p_wave(&mut source, pair[0].at, pair[1].at, pair[1].p, fs);
    }
    let mut out = source[..first.at].to_vec();
    for pair in beats.windows(2) {
        let between = &source[pair[0].at..pair[1].at];
        stretch(between, pair[1].interval as usize, fs, &mut out);
    }
    out.extend_from_slice(&source[last.at..]);
    out
}

/// Multiplies the P wave before the beat at `at` by `factor`, above the line
/// between its ends.
fn scale_p_wave(samples: &mut [f32], previous: usize, at: usize, factor: f64, fs: f64) {
    let [from, to] = P_WAVE.map(|seconds| (seconds * fs) as usize);
    if factor == 1.0 || at < previous + from + (0.15 * fs) as usize {
        return;
    }
    let wave = &mut samples[at - from..at - to];
    let n = wave.len() as f64;
    let (start, end) = (f64::from(wave[0]), f64::from(wave[wave.len() - 1]));
    for (j, value) in wave.iter_mut().enumerate() {
        let part = (j as f64 + 0.5) / n;
        let line = start + (end - start) * part;
        let change = (factor - 1.0) * (PI * part).sin().sqrt() * (f64::from(*value) - line);
        *value += change as f32;
    }
}

/// Appends what lies between two beats, made `n` samples long: the beginning
/// as it was after the first beat, the end as it was before the second. What
/// is too long loses its quiet stretch; what is too short gains one.
fn stretch(between: &[f32], n: usize, fs: f64, out: &mut Vec<f32>) {
    let l = between.len();
    if n == l {
        out.extend_from_slice(between);
        return;
    }
    let samples = |seconds: f64| (seconds * fs) as usize;
    let quiet = l.saturating_sub(samples(QUIET)).max(l / 2).min(l - 1);
    let end = n.saturating_sub(samples(P_WAVE[0])).max(9 * n / 20);
    let begin = end.saturating_sub(samples(CROSSFADE)).max(samples(0.15));
    let width = end.saturating_sub(begin).max(4) as f64;
    for t in 0..n {
        let part = ((t as f64 + 0.5 - begin as f64) / width).clamp(0.0, 1.0);
        let weight = (0.5 - 0.5 * (PI * part).cos()) as f32;
        let left = between[t.min(quiet)];
        let right = between[(l + t).saturating_sub(n).clamp(quiet, l - 1)];
        out.push(left * (1.0 - weight) + right * weight);
    }
}

/// Fibrillating atria: a wave of 4.5 to 8 Hz whose rate and size wander.
struct FibrillationWave {
    /// Amplitude as a part of the QRS.
    share: f64,
    frequency: f64,
    drift: f64,
}

impl FibrillationWave {
    fn draw(rng: &mut ChaCha8Rng) -> FibrillationWave {
        FibrillationWave {
            share: even(rng, 0.0, 0.06),
            frequency: even(rng, 4.5, 8.0),
            drift: even(rng, 0.1, 0.4),
        }
    }

    fn add(&self, samples: &mut [f32], size: f64, fs: f64) {
        let mut phase = 0.0_f64;
        for (i, value) in samples.iter_mut().enumerate() {
            let t = i as f64 / fs;
            phase += TAU * (self.frequency + 0.5 * (TAU * self.drift * t).sin()) / fs;
            let wave = phase.sin() + 0.4 * (2.0 * phase).sin();
            *value += (size * wave * (1.0 + 0.4 * (TAU * 0.23 * t).sin())) as f32;
        }
    }
}

/// Median peak-to-peak height around the beats; NaN samples are passed over.
fn typical_height(samples: &[f32], beats: &[Annotation], fs: f64) -> f64 {
    let reach = (0.06 * fs) as usize;
    let mut heights: Vec<f64> = beats
        .iter()
        .filter_map(|b| {
            let at = b.sample as usize;
            let near = samples.get(at.saturating_sub(reach)..at + reach)?;
            let low = near.iter().copied().fold(f32::INFINITY, f32::min);
            let high = near.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            Some(f64::from(high - low)).filter(|h| h.is_finite())
        })
        .collect();
    heights.sort_by(f64::total_cmp);
    heights.get(heights.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Signal;

    const FS: f64 = 250.0;
    const RR: usize = 200;

    /// A steady rhythm: a narrow R wave of 1 mV and a P wave of 0.2 mV.
    fn steady(beats: usize) -> (Record, Vec<Annotation>) {
        let bump = |t: f64, width: f64| (-0.5 * (t / width).powi(2)).exp();
        let samples = (0..(beats + 1) * RR)
            .map(|i| {
                let t = (i as f64 + 0.5 * RR as f64) % RR as f64 - 0.5 * RR as f64;
                (bump(t / FS, 0.01) + 0.2 * bump(t / FS + 0.16, 0.02)) as f32
            })
            .collect();
        let record = Record {
            name: "steady".into(),
            fs: FS,
            signals: vec![Signal {
                name: "MLII".into(),
                units: "mV".into(),
                samples,
            }],
            comments: Vec::new(),
        };
        let marks = (1..=beats).map(|b| Annotation::new((b * RR) as i64, Symbol::N));
        (record, marks.collect())
    }

    fn intervals(annotations: &[Annotation]) -> Vec<i64> {
        annotations
            .windows(2)
            .map(|p| p[1].sample - p[0].sample)
            .collect()
    }

    #[test]
    fn the_beats_are_where_the_annotations_say() {
        let (record, marks) = steady(400);
        for kind in [
            Retiming::Premature,
            Retiming::Fibrillation,
            Retiming::Arrhythmia,
            Retiming::SickSinus,
        ] {
            let (moved, annotations) = retime(&record, &marks, kind, 5);
            assert_eq!(annotations.len(), marks.len());
            assert_ne!(intervals(&annotations), intervals(&marks));
            let samples = &moved.signals[0].samples;
            for annotation in &annotations {
                let at = annotation.sample as usize;
                let near = &samples[at - 10..at + 10];
                let top = (0..20)
                    .max_by(|&a, &b| near[a].total_cmp(&near[b]))
                    .unwrap();
                assert!(top.abs_diff(10) <= 1, "{kind:?} at {at}: {top}");
                assert!(near[10] > 0.8, "{kind:?} at {at}: {}", near[10]);
            }
        }
    }

    #[test]
    fn premature_beats_are_early_and_are_marked() {
        let (record, marks) = steady(3000);
        let (_, annotations) = retime(&record, &marks, Retiming::Premature, 1);
        let early = intervals(&annotations);
        let is_premature = |i: usize| annotations[i + 1].symbol == Symbol::S;
        let count = (0..early.len()).filter(|&i| is_premature(i)).count();
        assert!(count > 100 && count < 2000, "{count}");
        let mean = |wanted: bool| {
            let of: Vec<i64> = (0..early.len())
                .filter(|&i| is_premature(i) == wanted)
                .map(|i| early[i])
                .collect();
            of.iter().sum::<i64>() as f64 / of.len() as f64
        };
        assert!(mean(true) < 0.85 * RR as f64 && mean(false) >= RR as f64);
    }

    #[test]
    fn fibrillation_is_irregular_and_without_p_waves() {
        let (record, marks) = steady(500);
        let (moved, annotations) = retime(&record, &marks, Retiming::Fibrillation, 2);
        let ln: Vec<f64> = intervals(&annotations)
            .iter()
            .map(|&i| (i as f64).ln())
            .collect();
        let mean = ln.iter().sum::<f64>() / ln.len() as f64;
        let spread = (ln.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / ln.len() as f64).sqrt();
        assert!(spread > 0.08, "{spread}");
        let before_r = |r: &Record, a: &Annotation| {
            f64::from(r.signals[0].samples[a.sample as usize - (0.16 * FS) as usize])
        };
        let p = |r: &Record, a: &[Annotation]| {
            a[1..].iter().map(|a| before_r(r, a)).sum::<f64>() / a.len() as f64
        };
        assert!(p(&moved, &annotations).abs() < 0.3 * p(&record, &marks));
    }

    #[test]
    fn in_a_sick_sinus_most_beats_are_ectopic_and_sinus_beats_are_late() {
        let (record, marks) = steady(2000);
        // A patient may have plain sinus rhythm for a while: look at several.
        let beats: Vec<(Symbol, i64)> = (0..8)
            .flat_map(|seed| {
                let (_, annotations) = retime(&record, &marks, Retiming::SickSinus, seed);
                let symbols = annotations[1..].iter().map(|a| a.symbol);
                symbols.zip(intervals(&annotations)).collect::<Vec<_>>()
            })
            .collect();
        let mean = |symbol: Symbol| {
            let of: Vec<i64> = beats
                .iter()
                .filter(|(s, _)| *s == symbol)
                .map(|(_, interval)| *interval)
                .collect();
            (of.len(), of.iter().sum::<i64>() as f64 / of.len() as f64)
        };
        let ((ectopic, short), (sinus, long)) = (mean(Symbol::S), mean(Symbol::N));
        assert!(ectopic > sinus && sinus > 100, "{ectopic} {sinus}");
        assert!(long > 1.1 * short, "{long} {short}");
    }

    #[test]
    fn the_seed_decides() {
        let (record, marks) = steady(100);
        let make = |seed| retime(&record, &marks, Retiming::Premature, seed);
        assert_eq!(make(3), make(3));
        assert_ne!(make(3).1, make(4).1);
    }

    #[test]
    fn a_record_without_beats_is_left_as_it_is() {
        let (record, _) = steady(5);
        let (same, none) = retime(&record, &[], Retiming::Arrhythmia, 1);
        assert_eq!(same, record);
        assert!(none.is_empty());
    }
}
