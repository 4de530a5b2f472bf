//! What a recording adds to the heart: wander, muscle and mains.

use std::f64::consts::TAU;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::morphology::LEADS;

/// Strength of each disturbance, in mV.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Amplitude of the baseline wander.
    pub wander: f64,
    /// Standard deviation of muscle noise at rest; bursts are up to five times that.
    pub muscle: f64,
    /// Amplitude of the mains hum.
    pub mains: f64,
    /// Mains frequency in Hz.
    pub mains_hz: f64,
}

impl Default for Noise {
    /// A good ambulatory recording.
    fn default() -> Self {
        Noise {
            wander: 0.08,
            muscle: 0.012,
            mains: 0.008,
            mains_hz: 60.0,
        }
    }
}

impl Noise {
    /// No disturbance at all.
    pub const NONE: Noise = Noise {
        wander: 0.0,
        muscle: 0.0,
        mains: 0.0,
        mains_hz: 60.0,
    };
}

/// A sinusoid advanced by rotation: one complex product per sample.
#[derive(Clone, Debug)]
pub(super) struct Oscillator {
    re: f64,
    im: f64,
    cos: f64,
    sin: f64,
}

impl Oscillator {
    pub(super) fn new(hz: f64, phase: f64, fs: f64) -> Oscillator {
        let step = TAU * hz / fs;
        Oscillator {
            re: phase.cos(),
            im: phase.sin(),
            cos: step.cos(),
            sin: step.sin(),
        }
    }

    /// The value now, in -1 to 1; moves on by one sample.
    pub(super) fn next(&mut self) -> f64 {
        let now = self.re;
        let re = self.re * self.cos - self.im * self.sin;
        let im = self.re * self.sin + self.im * self.cos;
        // One Newton step towards length 1, or rounding would let a month-long
        // tone swell or fade.
        let correction = 1.5 - 0.5 * (re * re + im * im);
        self.re = re * correction;
        self.im = im * correction;
        now
    }
}

/// The disturbances of one recording, sample by sample.
#[derive(Clone, Debug)]
pub(super) struct Disturbance {
    noise: Noise,
    fs: f64,
    rng: ChaCha8Rng,
    wander: Vec<(Oscillator, [f64; LEADS.len()])>,
    mains: Oscillator,
    mains_gain: [f64; LEADS.len()],
    /// One-pole states that take the wander's part out of the muscle noise.
    muscle: [f64; LEADS.len()],
    /// Present level of muscle activity and where it is heading.
    level: f64,
    target: f64,
    /// Samples until the target changes.
    hold: u32,
}

impl Disturbance {
    pub(super) fn new(noise: Noise, breaths_hz: f64, fs: f64, seed: u64) -> Disturbance {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(2);
        let mut wander = Vec::new();
        // Respiration, and drifts of the electrodes slower than it.
        for (hz, share) in [(breaths_hz, 0.5), (0.05, 0.5), (0.11, 0.3), (0.37, 0.15)] {
            let hz = hz * (0.9 + 0.2 * rng.random::<f64>());
            let phase = TAU * rng.random::<f64>();
            let gains = std::array::from_fn(|_| share * (0.5 + rng.random::<f64>()));
            wander.push((Oscillator::new(hz, phase, fs), gains));
        }
        let mains_gain = std::array::from_fn(|_| 0.5 + rng.random::<f64>());
        Disturbance {
            noise,
            fs,
            mains: Oscillator::new(noise.mains_hz, 0.0, fs),
            mains_gain,
            wander,
            muscle: [0.0; LEADS.len()],
            level: 1.0,
            target: 1.0,
            hold: 0,
            rng,
        }
    }

    /// Adds one sample of every lead.
    pub(super) fn add(&mut self, frame: &mut [f64]) {
        if self.noise.wander > 0.0 {
            for (tone, gains) in &mut self.wander {
                let value = self.noise.wander * tone.next();
                for (x, gain) in frame.iter_mut().zip(gains) {
                    *x += *gain * value;
                }
            }
        }
        // Above half the sampling rate there is no mains tone to be sampled.
        if self.noise.mains > 0.0 && self.noise.mains_hz < self.fs / 2.0 {
            let value = self.noise.mains * self.mains.next();
            for (x, gain) in frame.iter_mut().zip(&self.mains_gain) {
                *x += *gain * value;
            }
        }
        if self.noise.muscle > 0.0 {
            self.muscle(frame);
        }
    }

    fn muscle(&mut self, frame: &mut [f64]) {
        if self.hold == 0 {
            // Mostly rest, now and then a burst of a few seconds.
            let burst = self.rng.random::<f64>() < 0.08;
            self.target = match burst {
                true => 2.0 + 3.0 * self.rng.random::<f64>(),
                false => 1.0,
            };
            self.hold = (self.fs * (1.0 + 5.0 * self.rng.random::<f64>())) as u32;
        }
        self.hold -= 1;
        self.level += (self.target - self.level) * (4.0 / self.fs).min(1.0);
        // White noise less its part below about 20 Hz.
        let pole = 1.0 - (-TAU * 20.0 / self.fs).exp();
        for (x, low) in frame.iter_mut().zip(&mut self.muscle) {
            let white: f64 = StandardNormal.sample(&mut self.rng);
            *low += pole * (white - *low);
            *x += self.noise.muscle * self.level * (white - *low);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_oscillator_keeps_amplitude_and_frequency() {
        let mut tone = Oscillator::new(1.0, 0.0, 360.0);
        let mut last = 0.0;
        for _ in 0..360 * 1000 {
            last = tone.next();
        }
        // The last value read is one sample before a whole number of turns.
        let expected = (TAU / 360.0).cos();
        assert!((last - expected).abs() < 1e-6, "{last} {expected}");
    }

    #[test]
    fn without_noise_nothing_is_added() {
        let mut d = Disturbance::new(Noise::NONE, 0.25, 360.0, 1);
        let mut frame = [0.0; LEADS.len()];
        d.add(&mut frame);
        assert_eq!(frame, [0.0; LEADS.len()]);
    }
}
