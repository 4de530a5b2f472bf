//! Streaming change of sampling rate by windowed sinc, without drift.
//!
//! Output `k` is the input at time `k * step`, where `step` is the exact ratio
//! of the two rates kept in integers, so that a month of samples ends where it
//! should. The kernels are tabulated per phase, each with unit gain at 0 Hz.

use crate::record::error::{Error, Result};
use crate::signal::frames::{Frames, MOST};
use crate::signal::vectors::dot;

/// Rates are told apart to a millionth of a hertz.
const MICROHERTZ: f64 = 1e6;
/// Most phases in the table. A ratio that needs more uses the nearest phase,
/// which is off by at most half of `1 / MOST_PHASES` input samples.
const MOST_PHASES: u64 = 1024;
/// Stop-band attenuation of the anti-alias filter in dB.
const ATTENUATION: f64 = 60.0;
/// Edges of the transition, as parts of the lower of both rates. What folds
/// back lands above the pass band.
const PASS: f64 = 0.4;
const STOP: f64 = 0.6;

/// The exact ratio of an input rate to an output rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    /// Input samples in `output` output samples.
    input: u64,
    /// Output samples in `input` input samples.
    output: u64,
}

impl Ratio {
    /// The ratio of two rates in Hz, to a millionth of a hertz.
    ///
    /// # Errors
    /// [`Error::Invalid`] for rates that are not between 1 Hz and 1 MHz.
    pub fn new(input: f64, output: f64) -> Result<Ratio> {
        let exact = |fs: f64| -> Result<u64> {
            if (1.0..=1e6).contains(&fs) {
                Ok((fs * MICROHERTZ).round() as u64)
            } else {
                Err(Error::Invalid(format!(
                    "a sampling rate of {fs} Hz cannot be resampled; give a rate between 1 and 1,000,000 Hz"
                )))
            }
        };
        let (input, output) = (exact(input)?, exact(output)?);
        let divisor = greatest_common_divisor(input, output);
        Ok(Ratio {
            input: input / divisor,
            output: output / divisor,
        })
    }

    /// The output sample nearest to an input sample.
    pub fn to_output(self, input: u64) -> u64 {
        nearest(input, self.output, self.input)
    }

    /// The input sample nearest to an output sample.
    pub fn to_input(self, output: u64) -> u64 {
        nearest(output, self.input, self.output)
    }

    /// Input samples per output sample.
    pub fn step(self) -> f64 {
        self.input as f64 / self.output as f64
    }
}

fn nearest(value: u64, times: u64, over: u64) -> u64 {
    let (times, over) = (u128::from(times), u128::from(over));
    ((u128::from(value) * times + over / 2) / over) as u64
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Resamples interleaved leads. Allocates only in [`Resampler::new`].
#[derive(Clone, Debug)]
pub struct Resampler {
    ratio: Ratio,
    leads: usize,
    /// Kernel length; even.
    taps: usize,
    /// Rows of the table, and the kernels row by row.
    phases: u64,
    kernels: Vec<f32>,
    /// Per lead, `capacity` past input samples; `filled` of them are valid.
    history: Vec<f32>,
    capacity: usize,
    filled: usize,
    /// Where the next output's kernel starts in `history`, and how far the
    /// output lies behind its input sample, in parts of `ratio.output`.
    at: usize,
    remainder: u64,
    /// The step from one output to the next: whole input samples, and the rest
    /// in parts of `ratio.output`.
    whole: usize,
    part: u64,
    /// The frames that are passed on next, lead by lead: their number, where
    /// each one's kernel lies in the table and its input in the history, and
    /// the input frames that it needed.
    count: usize,
    places: [(usize, usize); MOST],
    needed: [usize; MOST],
    output: Vec<f32>,
    /// The frame passed on last.
    last: Vec<f32>,
    /// The last input frame, taken up again at the end.
    ending: Vec<f32>,
    started: bool,
}

impl Resampler {
    /// A resampler of `leads` interleaved leads from `input` to `output` Hz.
    ///
    /// # Errors
    /// As [`Ratio::new`].
    pub fn new(input: f64, output: f64, leads: usize) -> Result<Resampler> {
        let ratio = Ratio::new(input, output)?;
        let lower = input.min(output);
        let same = ratio.input == ratio.output;
        // Kaiser's estimate of the length for this attenuation and transition.
        let width = 2.0 * std::f64::consts::PI * (STOP - PASS) * lower / input;
        let estimate = ((ATTENUATION - 8.0) / (2.285 * width)).ceil() as usize;
        // A multiple of 8 lets the sum run in whole vectors.
        let taps = if same {
            2
        } else {
            estimate.next_multiple_of(8)
        };
        let phases = ratio.output.min(MOST_PHASES);
        let cutoff = 0.5 * (PASS + STOP) * lower / input;
        let kernels = if same {
            vec![1.0, 0.0]
        } else {
            (0..phases)
                .flat_map(|p| kernel(taps, p as f64 / phases as f64, cutoff))
                .collect()
        };
        let capacity = taps + 512;
        Ok(Resampler {
            ratio,
            leads,
            taps,
            phases: if same { 1 } else { phases },
            kernels,
            history: vec![0.0; leads * capacity],
            capacity,
            filled: 0,
            at: 0,
            remainder: 0,
            whole: (ratio.input / ratio.output) as usize,
            part: ratio.input % ratio.output,
            count: 0,
            places: [(0, 0); MOST],
            needed: [0; MOST],
            output: vec![0.0; leads * MOST],
            last: vec![0.0; leads],
            ending: vec![0.0; leads],
            started: false,
        })
    }

    /// The exact ratio of the rates.
    pub fn ratio(&self) -> Ratio {
        self.ratio
    }

    /// Input samples after an output's own time that must arrive before it
    /// can be computed.
    pub fn delay(&self) -> usize {
        self.taps / 2
    }

    /// Takes input frames, interleaved, and passes on the output frames that
    /// they complete, some at a time, with the number of these input frames
    /// that each one needed.
    ///
    /// Before the first sample the input is taken to have been constant.
    #[inline]
    pub fn push(&mut self, frames: &[f32], emit: &mut impl FnMut(Frames<'_>, &[usize])) {
        if !self.started && !frames.is_empty() {
            self.started = true;
            self.filled = self.taps / 2 - 1;
            for (lead, &value) in frames[..self.leads].iter().enumerate() {
                let start = lead * self.capacity;
                self.history[start..start + self.filled].fill(value);
            }
        }
        let count = frames.len() / self.leads;
        let mut taken = 0;
        while taken < count {
            if self.filled == self.capacity {
                self.slide();
            }
            let before = self.filled;
            let part = (count - taken).min(self.capacity - before);
            self.take(&frames[taken * self.leads..][..part * self.leads]);
            while self.at + self.taps <= self.filled {
                self.make_next();
                let needed = &mut self.needed[..self.count];
                needed.iter_mut().for_each(|n| *n = *n + taken - before);
                let output = &self.output[..self.count * self.leads];
                emit(Frames::new(output, self.count), needed);
            }
            taken += part;
        }
    }

    /// Appends input frames to the history.
    #[inline]
    fn take(&mut self, frames: &[f32]) {
        let part = frames.len() / self.leads;
        for lead in 0..self.leads {
            let room = &mut self.history[lead * self.capacity + self.filled..][..part];
            if self.leads == 1 {
                room.copy_from_slice(frames);
                continue;
            }
            let new = frames[lead..].iter().step_by(self.leads);
            for (place, value) in room.iter_mut().zip(new) {
                *place = *value;
            }
        }
        self.filled += part;
    }

    /// Passes on the output frames that still lack input, taking the input to
    /// stay constant, and forgets everything.
    pub fn finish(&mut self, emit: &mut impl FnMut(Frames<'_>)) {
        if self.started {
            let mut ending = std::mem::take(&mut self.ending);
            for (lead, value) in ending.iter_mut().enumerate() {
                *value = self.history[lead * self.capacity + self.filled - 1];
            }
            for _ in 0..self.taps / 2 {
                self.push(&ending, &mut |frames, _| emit(frames));
            }
            self.ending = ending;
        }
        self.reset();
    }

    /// The output frame passed on last.
    pub fn last(&self) -> &[f32] {
        &self.last
    }

    /// Forgets everything; the next frame is time 0.
    pub fn reset(&mut self) {
        self.started = false;
        self.filled = 0;
        self.at = 0;
        self.remainder = 0;
    }

    /// Makes the next output frames, as many as can be, at most [`MOST`]. What
    /// each one needs is counted in frames of the history.
    fn make_next(&mut self) {
        self.count = 0;
        while self.count < MOST && self.at + self.taps <= self.filled {
            self.places[self.count] = (self.phase() * self.taps, self.at);
            self.needed[self.count] = self.at + self.taps;
            self.count += 1;
            self.at += self.whole;
            self.remainder += self.part;
            if self.remainder >= self.ratio.output {
                self.remainder -= self.ratio.output;
                self.at += 1;
            }
        }
        let leads = self.output.chunks_exact_mut(self.count);
        for (lead, output) in leads.enumerate().take(self.leads) {
            let history = &self.history[lead * self.capacity..][..self.filled];
            for (out, &(row, at)) in output.iter_mut().zip(&self.places) {
                let kernel = &self.kernels[row..row + self.taps];
                *out = dot(kernel, &history[at..at + self.taps]);
            }
            self.last[lead] = output[self.count - 1];
        }
    }

    /// The row of the table for the next output.
    #[inline]
    fn phase(&self) -> usize {
        let phase = if self.phases == self.ratio.output {
            self.remainder
        } else {
            // Rounding up past the last phase would need the next sample.
            nearest(self.remainder, self.phases, self.ratio.output).min(self.phases - 1)
        };
        phase as usize
    }

    /// Moves what the next output needs to the front of the history.
    fn slide(&mut self) {
        let drop = self.at.min(self.filled);
        for lead in 0..self.leads {
            let start = lead * self.capacity;
            self.history
                .copy_within(start + drop..start + self.filled, start);
        }
        self.filled -= drop;
        self.at -= drop;
    }
}

/// A windowed-sinc kernel for an output that lies `fraction` of a sample
/// behind input `taps / 2 - 1`; `cutoff` in cycles per input sample.
fn kernel(taps: usize, fraction: f64, cutoff: f64) -> Vec<f32> {
    use std::f64::consts::PI;
    // Kaiser's shape parameter for more than 50 dB.
    let beta = 0.1102 * (ATTENUATION - 8.7);
    let half = taps as f64 / 2.0;
    let mut values: Vec<f64> = (0..taps)
        .map(|j| {
            let t = j as f64 - (half - 1.0) - fraction;
            let sinc = if t == 0.0 {
                2.0 * cutoff
            } else {
                (2.0 * PI * cutoff * t).sin() / (PI * t)
            };
            let edge = (1.0 - (t / half).powi(2)).max(0.0);
            sinc * bessel_i0(beta * edge.sqrt()) / bessel_i0(beta)
        })
        .collect();
    let gain: f64 = values.iter().sum();
    values.iter_mut().for_each(|v| *v /= gain);
    values.into_iter().map(|v| v as f32).collect()
}

/// Modified Bessel function of the first kind, order 0, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..60 {
        term *= (x / (2.0 * f64::from(k))).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn resample(input: f64, output: f64, samples: &[f32]) -> Vec<f32> {
        let mut resampler = Resampler::new(input, output, 1).unwrap();
        let mut out = Vec::new();
        for &x in samples {
            resampler.push(&[x], &mut |y, _| out.extend(y.leads().next().unwrap()));
        }
        resampler.finish(&mut |y| out.extend(y.leads().next().unwrap()));
        out
    }

    fn sine(frequency: f64, fs: f64, n: usize) -> Vec<f32> {
        (0..n)
            .map(|i| (2.0 * std::f64::consts::PI * frequency * i as f64 / fs).sin() as f32)
            .collect()
    }

    proptest! {
        #[test]
        fn a_sine_in_the_pass_band_keeps_its_amplitude_and_phase(
            fs in 100.0..1000.0f64, frequency in 1.0..38.0f64,
        ) {
            let n = (6.0 * fs) as usize;
            let out = resample(fs, 128.0, &sine(frequency, fs, n));
            // Away from the edges, where the input is taken as constant.
            let inner = out.len() - 128;
            for (k, &y) in out.iter().enumerate().take(inner).skip(128) {
                let expected = (2.0 * std::f64::consts::PI * frequency * k as f64 / 128.0).sin();
                prop_assert!((f64::from(y) - expected).abs() < 4e-3,
                    "sample {k}: {y} for {expected}");
            }
        }

        #[test]
        fn frequencies_that_would_fold_into_the_band_are_removed(
            fs in 200.0..1000.0f64, part in 0.0..1.0f64,
        ) {
            let frequency = 80.0 + part * (0.5 * fs - 80.0);
            let out = resample(fs, 128.0, &sine(frequency, fs, (6.0 * fs) as usize));
            for &y in &out[128..out.len() - 128] {
                prop_assert!(y.abs() < 2e-3, "{frequency} Hz left {y}");
            }
        }

        #[test]
        fn positions_survive_the_way_there_and_back(
            fs in 128.0..1000.0f64, sample in 0..1u64 << 50,
        ) {
            let ratio = Ratio::new(fs, 128.0).unwrap();
            let back = ratio.to_input(ratio.to_output(sample));
            prop_assert!(back.abs_diff(sample) as f64 <= 0.5 * ratio.step() + 1.0);
        }
    }

    #[test]
    fn a_month_ends_where_it_should() {
        // 2.6e9 seconds of 360 Hz, whole seconds land on whole seconds.
        let ratio = Ratio::new(360.0, 128.0).unwrap();
        for second in [1, 86_400, 30 * 86_400, 2_600_000_000] {
            assert_eq!(ratio.to_input(128 * second), 360 * second);
            assert_eq!(ratio.to_output(360 * second), 128 * second);
        }
    }

    #[test]
    fn the_state_after_many_samples_is_that_of_the_arithmetic() {
        // The stepping of `emit_next`, run for 10^9 input samples by its
        // closed form and for 10^6 by the resampler itself.
        let mut resampler = Resampler::new(257.0, 128.0, 1).unwrap();
        let mut outputs = 0u64;
        let inputs = 1_000_000u64;
        for _ in 0..inputs {
            resampler.push(&[0.0], &mut |y, _| outputs += y.count() as u64);
        }
        let newest = inputs - 1 - resampler.delay() as u64;
        // All outputs at or before the newest computable time, output 0 included.
        assert_eq!(outputs, newest * 128 / 257 + 1);
        let ratio = resampler.ratio();
        assert_eq!(ratio.to_input(128 * 4_000_000), 257 * 4_000_000);
    }

    #[test]
    fn equal_rates_pass_samples_through() {
        let x = sine(9.0, 128.0, 500);
        assert_eq!(resample(128.0, 128.0, &x), x);
    }

    #[test]
    fn a_constant_stays_constant() {
        for y in resample(333.3, 128.0, &vec![2.5; 3000]) {
            assert!((y - 2.5).abs() < 1e-5);
        }
    }

    #[test]
    fn impossible_rates_are_refused() {
        for fs in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let message = Resampler::new(fs, 128.0, 1).unwrap_err().to_string();
            assert!(message.contains("sampling rate"), "{message}");
        }
    }
}
