//! The signal between beats, shortened or lengthened where nothing happens.

use std::f64::consts::{PI, TAU};

use rand_chacha::ChaCha8Rng;

use super::{Fused, Plan, even};
use crate::record::annotation::Annotation;

/// Where a P wave begins and ends, in seconds before the R wave.
const P_WAVE: [f64; 2] = [0.24, 0.06];
/// Where the quiet stretch before a P wave ends, in seconds before the R wave.
const QUIET: f64 = 0.26;
/// The signal after the beat before gives way to the one before the next beat
/// over so many seconds.
const CROSSFADE: f64 = 0.1;

/// Where a wide QRS begins, in seconds before the R wave.
const ONSET: f64 = 0.16;
/// Where the T wave has ended, in seconds after the R wave.
const AFTER: f64 = 0.45;

/// One signal with its beats where the plans want them.
pub(super) fn rebuild(samples: &[f32], beats: &[Plan], fs: f64) -> Vec<f32> {
    let (Some(first), Some(last)) = (beats.first(), beats.last()) else {
        return samples.to_vec();
    };
    let mut source = samples.to_vec();
    for pair in beats.windows(2) {
        scale_p_wave(&mut source, pair[0].at, pair[1].at, pair[1].p, fs);
        if pair[0].dropped {
            take_out(&mut source, pair[0].at, pair[1].at, fs);
        }
        if let Some(fused) = pair[0].fused {
            fuse(samples, &mut source, pair[0].at, fused, fs);
        }
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

/// Replaces the QRS and the T wave of the beat at `at` by a straight line.
fn take_out(samples: &mut [f32], at: usize, next: usize, fs: f64) {
    let [p, q] = P_WAVE.map(|seconds| (seconds * fs) as usize);
    let from = at.saturating_sub(q);
    let to = next.saturating_sub(p).min(at + (AFTER * fs) as usize);
    let Some(between) = samples.get_mut(from..to.max(at + q)) else {
        return;
    };
    let n = between.len() as f32;
    let (start, end) = (between[0], between[between.len() - 1]);
    for (j, value) in between.iter_mut().enumerate() {
        *value = start + (end - start) * j as f32 / n;
    }
}

/// Mixes a part of another beat into the one at `at`, from the onset of a wide
/// QRS to the end of the T wave. Both are taken from where they stand before
/// the QRS, so that the baseline makes no step.
fn fuse(recorded: &[f32], samples: &mut [f32], at: usize, fused: Fused, fs: f64) {
    let [before, after, ramp] = [ONSET, AFTER, CROSSFADE].map(|s| (s * fs) as usize);
    let (Some(own), Some(other)) = (at.checked_sub(before), fused.with.checked_sub(before)) else {
        return;
    };
    let n = before + after;
    let (Some(own), Some(other)) = (
        samples.get_mut(own..own + n),
        recorded.get(other..other + n),
    ) else {
        return;
    };
    let offset = own[0] - other[0];
    for (j, (value, other)) in own.iter_mut().zip(other).enumerate() {
        let edge = (j.min(n - 1 - j) as f64 / ramp as f64).min(1.0);
        let weight = fused.part * (0.5 - 0.5 * (PI * edge).cos());
        *value += (weight * f64::from(other + offset - *value)) as f32;
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
pub(super) struct FibrillationWave {
    /// Amplitude as a part of the QRS.
    pub share: f64,
    frequency: f64,
    drift: f64,
}

impl FibrillationWave {
    pub fn draw(rng: &mut ChaCha8Rng) -> FibrillationWave {
        FibrillationWave {
            share: even(rng, 0.0, 0.06),
            frequency: even(rng, 4.5, 8.0),
            drift: even(rng, 0.1, 0.4),
        }
    }

    pub fn add(&self, samples: &mut [f32], size: f64, fs: f64) {
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
pub(super) fn typical_height(samples: &[f32], beats: &[Annotation], fs: f64) -> f64 {
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
