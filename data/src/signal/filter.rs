//! The causal band-pass: two second-order Butterworth sections in series.

use crate::record::error::{Error, Result};
use crate::signal::frames::MOST;
use std::array::from_fn as array;
use std::f64::consts::{PI, SQRT_2};

/// A second-order section in transposed direct form II, in `f64`, or `N` of
/// them side by side. Of a Butterworth section's numerator the last factor is
/// the first, and the middle one plus or minus twice that.
#[derive(Clone, Copy, Debug)]
struct Section<const N: usize = 1> {
    gain: [f64; N],
    middle: [f64; N],
    a: [[f64; N]; 2],
    state: [[f64; N]; 2],
}

impl Section {
    /// A Butterworth low-pass, or high-pass, by the bilinear transform with
    /// its corner in place.
    fn butterworth(corner: f64, fs: f64, high: bool) -> Section {
        let k = (PI * corner / fs).tan();
        let scale = 1.0 / (1.0 + SQRT_2 * k + k * k);
        Section {
            gain: [if high { scale } else { k * k * scale }],
            middle: [if high { -2.0 } else { 2.0 }],
            a: [
                [2.0 * (k * k - 1.0) * scale],
                [(1.0 - SQRT_2 * k + k * k) * scale],
            ],
            state: [[0.0]; 2],
        }
    }

    /// The numerator, and the denominator but for its leading 1.
    fn factors(&self) -> ([f64; 3], [f64; 2]) {
        let ([gain], [middle]) = (self.gain, self.middle);
        ([gain, middle * gain, gain], self.a.map(|[a]| a))
    }

    /// The state in which a constant input `x` gives a constant output, and
    /// that output.
    fn settle(&mut self, x: f64) -> f64 {
        let ([b0, b1, b2], [a1, a2]) = self.factors();
        let y = x * (b0 + b1 + b2) / (1.0 + a1 + a2);
        self.state = [[y - b0 * x], [b2 * x - a2 * y]];
        y
    }

    fn phase(&self, frequency: f64, fs: f64) -> f64 {
        let w = 2.0 * PI * frequency / fs;
        let (s1, c1) = w.sin_cos();
        let (s2, c2) = (2.0 * w).sin_cos();
        let ([b0, b1, b2], [a1, a2]) = self.factors();
        let numerator = (-b1 * s1 - b2 * s2).atan2(b0 + b1 * c1 + b2 * c2);
        let denominator = (-a1 * s1 - a2 * s2).atan2(1.0 + a1 * c1 + a2 * c2);
        numerator - denominator
    }
}

impl<const N: usize> Section<N> {
    /// Sections side by side.
    fn beside(sections: [&Section; N]) -> Section<N> {
        Section {
            gain: sections.map(|s| s.gain[0]),
            middle: sections.map(|s| s.middle[0]),
            a: [0, 1].map(|i| sections.map(|s| s.a[i][0])),
            state: [0, 1].map(|i| sections.map(|s| s.state[i][0])),
        }
    }

    #[inline]
    fn step(&mut self, x: [f64; N]) -> [f64; N] {
        let [first, second] = self.state;
        let [a1, a2] = self.a;
        let outer: [f64; N] = array(|i| self.gain[i] * x[i]);
        let y: [f64; N] = array(|i| outer[i] + first[i]);
        self.state = [
            array(|i| self.middle[i] * outer[i] - a1[i] * y[i] + second[i]),
            array(|i| outer[i] - a2[i] * y[i]),
        ];
        y
    }
}

/// Causal band-pass of one lead, started as if the first sample had been
/// there for ever.
#[derive(Clone, Debug)]
pub struct BandPass {
    high: Section,
    low: Section,
    started: bool,
}

impl BandPass {
    /// A band-pass between two corners in Hz, 12 dB per octave on each side.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless `0 < band[0] < band[1] < fs / 2`.
    pub fn new(band: [f64; 2], fs: f64) -> Result<BandPass> {
        let [low, high] = band;
        if !(low > 0.0 && low < high && high < fs / 2.0) {
            return Err(Error::Invalid(format!(
                "a band-pass from {low} to {high} Hz cannot be made at {fs} Hz; the corners must rise and stay below half the rate"
            )));
        }
        Ok(BandPass {
            high: Section::butterworth(low, fs, true),
            low: Section::butterworth(high, fs, false),
            started: false,
        })
    }

    /// Filters one sample.
    #[inline]
    pub fn step(&mut self, x: f32) -> f32 {
        self.start(x);
        let [y] = self.low.step(self.high.step([f64::from(x)]));
        y as f32
    }

    /// The first sample is taken to have been there for ever.
    #[inline]
    fn start(&mut self, x: f32) {
        if !self.started {
            self.started = true;
            let y = self.high.settle(f64::from(x));
            self.low.settle(y);
        }
    }

    /// The next sample is a first sample again.
    pub fn reset(&mut self) {
        self.started = false;
    }

    /// By how many samples a wave of about this frequency is moved: the
    /// low-pass's group delay. The high-pass tilts waves but hardly moves them.
    pub fn delay(&self, frequency: f64, fs: f64) -> f64 {
        let step = 0.01;
        let phase = |f: f64| self.low.phase(f, fs);
        -(phase(frequency + step) - phase(frequency - step)) / (2.0 * 2.0 * PI * step / fs)
    }
}

/// Filters the same samples, at most [`MOST`], by several filters. A filter waits for itself from
/// sample to sample; side by side they wait together.
pub(crate) fn run<const N: usize>(
    filters: [&mut BandPass; N],
    samples: &[f32],
    mut outputs: [&mut [f32]; N],
) {
    let Some(&first) = samples.first() else {
        return;
    };
    let filters = filters.map(|filter| {
        filter.start(first);
        filter
    });
    let mut high = Section::beside(filters.each_ref().map(|f| &f.high));
    let mut low = Section::beside(filters.each_ref().map(|f| &f.low));
    // Side by side in memory too, or the compiler sees no vectors.
    let mut filtered = [[0.0f64; N]; MOST];
    let filtered = &mut filtered[..samples.len()];
    for (y, x) in filtered.iter_mut().zip(samples) {
        *y = low.step(high.step([f64::from(*x); N]));
    }
    for (i, output) in outputs.iter_mut().enumerate() {
        for (out, y) in output.iter_mut().zip(&*filtered) {
            *out = y[i] as f32;
        }
    }
    for (i, filter) in filters.into_iter().enumerate() {
        filter.high.state = high.state.map(|s| [s[i]]);
        filter.low.state = low.state.map(|s| [s[i]]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::FRAC_1_SQRT_2;

    fn gain(frequency: f64) -> f64 {
        let mut filter = BandPass::new([0.5, 40.0], 128.0).unwrap();
        let mut largest = 0.0f32;
        for i in 0..128 * 40 {
            let x = (2.0 * PI * frequency * f64::from(i) / 128.0).sin() as f32;
            let y = filter.step(x);
            if i > 128 * 20 {
                largest = largest.max(y.abs());
            }
        }
        f64::from(largest)
    }

    #[test]
    fn corners_are_3_db_down_and_the_middle_is_flat() {
        assert!((gain(0.5) - FRAC_1_SQRT_2).abs() < 0.01);
        assert!((gain(40.0) - FRAC_1_SQRT_2).abs() < 0.02);
        assert!((gain(8.0) - 1.0).abs() < 0.01);
        assert!(gain(0.05) < 0.011);
    }

    #[test]
    fn an_offset_leaves_no_trace() {
        let mut filter = BandPass::new([0.5, 40.0], 128.0).unwrap();
        for _ in 0..1000 {
            assert!(filter.step(-7.0).abs() < 1e-9);
        }
        filter.reset();
        assert!(filter.step(1000.0).abs() < 1e-9);
    }

    #[test]
    fn filters_side_by_side_give_what_each_gives_alone() {
        let samples: Vec<f32> = (0..300).map(|i| (i * 7919 % 101) as f32).collect();
        let filters = [[0.5, 40.0], [4.0, 24.0]].map(|band| BandPass::new(band, 128.0).unwrap());
        let alone = filters.clone().map(|mut filter| -> Vec<f32> {
            let filtered = samples.iter().map(|x| filter.step(*x));
            filtered.collect()
        });
        let [mut a, mut b] = filters;
        let mut outputs = [vec![0.0; 300], vec![0.0; 300]];
        for from in (0..300).step_by(20) {
            let range = from..from + 20;
            let places = outputs.each_mut().map(|out| &mut out[range.clone()]);
            run([&mut a, &mut b], &samples[range], places);
        }
        assert_eq!(outputs, alone);
    }

    #[test]
    fn the_stated_delay_is_that_of_a_pulse() {
        let mut filter = BandPass::new([0.5, 40.0], 1000.0).unwrap();
        let pulse = |i: i32| (-0.5 * (f64::from(i - 500) / 12.0).powi(2)).exp() as f32;
        let out: Vec<f32> = (0..1000).map(|i| filter.step(pulse(i))).collect();
        let peak = (0..1000)
            .max_by(|&a, &b| out[a].total_cmp(&out[b]))
            .unwrap();
        let stated = filter.delay(10.0, 1000.0);
        assert!(
            (peak as f64 - 500.0 - stated).abs() < 2.0,
            "{peak} {stated}"
        );
    }

    #[test]
    fn impossible_bands_are_refused() {
        for band in [[0.0, 40.0], [40.0, 0.5], [0.5, 64.0], [f64::NAN, 40.0]] {
            assert!(BandPass::new(band, 128.0).is_err());
        }
    }
}
