//! What the page shows of the signal, gathered in one reading of the recording:
//! excerpts for strips, the mean beat of each class, and an envelope of the whole.

use std::ops::Range;

use data::formats::Recording;

use crate::beats::BeatLog;
use crate::error::Result;

/// Samples that are read at once.
const AT_ONCE: usize = 8192;
/// A mean beat reaches from so many seconds before its fiducial point to so many
/// behind it.
const MEAN_BEAT: [f64; 2] = [0.3, 0.5];
/// One step of the envelope, in mV: it reaches to 127 steps.
pub(crate) const ENVELOPE_STEP: f32 = 0.04;
/// The envelope's value where there is no signal.
const ABSENT: i8 = i8::MIN;
/// Corner frequency in Hz below which the envelope leaves the signal out, so that
/// a drifting baseline does not carry it off.
const ENVELOPE_CORNER: f64 = 0.5;

/// A stretch of the signal.
#[derive(Clone, Debug, PartialEq)]
pub struct Excerpt {
    /// Its first sample, in samples of the recording.
    pub start: u64,
    /// Samples per second.
    pub fs: f64,
    /// In mV; NaN where there is no signal.
    pub samples: Vec<f32>,
}

/// The mean of a class's beats.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanBeat {
    /// The place of the class in the list of classes.
    pub class: usize,
    /// How many beats it is the mean of.
    pub count: u64,
    /// In mV around the beat's own mean, at the recording's rate.
    pub samples: Vec<f32>,
    /// Seconds before the fiducial point that it begins.
    pub before: f64,
}

/// The lowest and the highest value of each of equal steps of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// Steps per second.
    pub per_second: f64,
    /// Per step the lowest and the highest value in steps of 0.04 mV around
    /// the baseline, -128 twice where there is no signal.
    pub steps: Vec<[i8; 2]>,
}

/// What was gathered.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// One for each span that was asked for, cut to the recording.
    pub excerpts: Vec<Excerpt>,
    /// One for each class that has beats with all of their signal.
    pub means: Vec<MeanBeat>,
    /// Of the whole recording.
    pub envelope: Envelope,
}

/// Reads the lead at the place `lead` once, in bounded memory but for what is asked
/// for: `spans` are in samples of the recording, and `per_second` is how many steps
/// the envelope has in a second.
///
/// # Errors
/// Those of [`data::formats::Chunks::read`].
pub fn gather(
    recording: &Recording,
    lead: usize,
    log: &BeatLog,
    spans: &[Range<u64>],
    per_second: f64,
) -> Result<Gathered> {
    let fs = recording.fs;
    let mut chunks = recording.chunks(&[lead])?;
    let mut excerpts: Vec<Excerpt> = spans
        .iter()
        .map(|span| Excerpt {
            start: span.start,
            fs,
            samples: Vec::new(),
        })
        .collect();
    let mut means = Means::new(log);
    let mut envelope = Gauge::new(fs, per_second);
    let mut columns = [Vec::new()];
    let mut at = 0_u64;
    while chunks.read(AT_ONCE, &mut columns)? > 0 {
        let samples = &columns[0];
        let end = at + samples.len() as u64;
        for (span, excerpt) in spans.iter().zip(&mut excerpts) {
            let from = span.start.clamp(at, end) - at;
            let to = span.end.clamp(at, end) - at;
            excerpt
                .samples
                .extend(&samples[from as usize..(to as usize).max(from as usize)]);
        }
        means.add(at, samples);
        envelope.add(samples);
        at = end;
        columns[0].clear();
    }
    Ok(Gathered {
        excerpts,
        means: means.finish(),
        envelope: envelope.finish(),
    })
}

/// Sums the signal around the beats of each class.
struct Means<'a> {
    log: &'a BeatLog,
    before: usize,
    length: usize,
    /// Per class the sum and how many beats it is of.
    sums: Vec<(Vec<f64>, u64)>,
    /// The next beat.
    next: usize,
    /// What was read last, and where its first sample is.
    held: Vec<f32>,
    held_at: u64,
}

impl<'a> Means<'a> {
    fn new(log: &'a BeatLog) -> Means<'a> {
        let [before, after] = MEAN_BEAT.map(|seconds| (seconds * log.fs).round() as usize);
        let length = before + after;
        Means {
            log,
            before,
            length,
            sums: vec![(vec![0.0; length], 0); log.classes.len()],
            next: 0,
            held: Vec::new(),
            held_at: 0,
        }
    }

    fn add(&mut self, at: u64, samples: &[f32]) {
        let end = at + samples.len() as u64;
        self.held.extend(samples);
        while let Some(beat) = self.log.beats.get(self.next) {
            let start = beat.sample.saturating_sub(self.before as u64);
            if start + self.length as u64 > end {
                break;
            }
            self.next += 1;
            // A beat before the first sample that is held has no beginning.
            let whole = beat.sample >= self.before as u64 && start >= self.held_at;
            let from = start.saturating_sub(self.held_at) as usize;
            let around = self.held.get(from..from + self.length);
            if let Some(around) = around.filter(|_| whole && beat.reject.is_none()) {
                let mean = around.iter().map(|v| f64::from(*v)).sum::<f64>() / self.length as f64;
                if mean.is_finite() {
                    let (sum, count) = &mut self.sums[usize::from(beat.class)];
                    let values = sum.iter_mut().zip(around);
                    values.for_each(|(sum, value)| *sum += f64::from(*value) - mean);
                    *count += 1;
                }
            }
        }
        let spare = self.held.len().saturating_sub(2 * self.length);
        self.held.drain(..spare);
        self.held_at += spare as u64;
    }

    fn finish(self) -> Vec<MeanBeat> {
        let classes = self.sums.into_iter().enumerate();
        classes
            .filter(|(_, (_, count))| *count > 0)
            .map(|(class, (sum, count))| MeanBeat {
                class,
                count,
                samples: sum.iter().map(|v| (v / count as f64) as f32).collect(),
                before: self.before as f64 / self.log.fs,
            })
            .collect()
    }
}

/// Takes the envelope of a signal without its slow parts.
struct Gauge {
    /// Samples of a step, and how many of the present one are over.
    per_step: f64,
    seen: f64,
    /// The present step: the lowest and the highest value.
    range: Option<[f32; 2]>,
    /// What a sample's difference from the baseline moves it by.
    share: f32,
    baseline: Option<f32>,
    envelope: Envelope,
}

impl Gauge {
    fn new(fs: f64, per_second: f64) -> Gauge {
        let per_second = per_second.min(fs);
        Gauge {
            per_step: fs / per_second,
            seen: 0.0,
            range: None,
            share: (std::f64::consts::TAU * ENVELOPE_CORNER / fs).min(1.0) as f32,
            baseline: None,
            envelope: Envelope {
                per_second,
                steps: Vec::new(),
            },
        }
    }

    fn add(&mut self, samples: &[f32]) {
        for &sample in samples {
            if sample.is_finite() {
                let baseline = self.baseline.get_or_insert(sample);
                *baseline += self.share * (sample - *baseline);
                let value = sample - *baseline;
                let [low, high] = self.range.get_or_insert([value, value]);
                *low = low.min(value);
                *high = high.max(value);
            } else {
                self.baseline = None;
            }
            self.seen += 1.0;
            if self.seen >= self.per_step {
                self.seen -= self.per_step;
                self.step();
            }
        }
    }

    fn step(&mut self) {
        let quantised = |value: f32| (value / ENVELOPE_STEP).round().clamp(-127.0, 127.0) as i8;
        let step = self.range.take().map(|range| range.map(quantised));
        self.envelope.steps.push(step.unwrap_or([ABSENT; 2]));
    }

    fn finish(mut self) -> Envelope {
        if self.seen > 0.0 {
            self.step();
        }
        self.envelope
    }
}

impl Envelope {
    /// The envelope for the page's script: base64 of a raw DEFLATE stream of the
    /// lowest values of all steps, then of the highest, each as its difference from
    /// the one before, modulo 256.
    pub(crate) fn packed(&self) -> String {
        let mut bytes = Vec::with_capacity(2 * self.steps.len());
        for side in 0..2 {
            let mut before = 0_i8;
            for step in &self.steps {
                bytes.push(step[side].wrapping_sub(before) as u8);
                before = step[side];
            }
        }
        crate::beats::deflated(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beats::tests::log;

    #[test]
    fn an_envelope_keeps_every_peak_and_tells_of_gaps() {
        let mut gauge = Gauge::new(100.0, 10.0);
        let mut signal = vec![0.5_f32; 95];
        signal[42] = 1.5;
        signal[60..75].fill(f32::NAN);
        gauge.add(&signal[..33]);
        gauge.add(&signal[33..]);
        let envelope = gauge.finish();
        assert_eq!(envelope.steps.len(), 10);
        let [_, high] = envelope.steps[4];
        assert!((23..=25).contains(&high), "{high}");
        assert_eq!(envelope.steps[6], [ABSENT; 2]);
        assert_eq!(envelope.steps[8], [0, 0]);
    }

    #[test]
    fn a_mean_beat_is_that_of_its_class_however_it_is_read() {
        // A V beat is a peak of 2 mV, an N beat one of 1 mV, on a baseline of 3.
        let log = log(1.0, "NNVN");
        let mut signal = vec![3.0_f32; 600];
        for beat in &log.beats {
            signal[beat.sample as usize] += if beat.class == 2 { 2.0 } else { 1.0 };
        }
        let of = |piece: usize| {
            let mut means = Means::new(&log);
            for (i, samples) in signal.chunks(piece).enumerate() {
                means.add((i * piece) as u64, samples);
            }
            means.finish()
        };
        let means = of(600);
        assert_eq!(means.len(), 2);
        assert_eq!((means[0].class, means[0].count), (0, 3));
        assert_eq!((means[1].class, means[1].count), (2, 1));
        let peak = |mean: &MeanBeat| mean.samples[30] - mean.samples[0];
        assert!((peak(&means[0]) - 1.0).abs() < 1e-6 && (peak(&means[1]) - 2.0).abs() < 1e-6);
        for piece in [1, 7, 64] {
            assert_eq!(of(piece), means, "{piece}");
        }
    }
}
