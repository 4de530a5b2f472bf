//! Augmentation of a batch of windows, on tensors and on the device: what
//! another electrode, another amplifier and another detector would have made
//! of the same beat.
//!
//! The random numbers are libtorch's, which the loop seeds before each step.

use data::pipeline::input::{InputSpec, Layout};
use tch::{Kind, Tensor};

/// How strongly windows are varied; 0 leaves a property alone.
#[derive(Clone, Debug, Default)]
pub struct Augmentation {
    /// FeatureScaler deviation of white noise, in units of the window; each beat
    /// draws its own level between nothing and this.
    pub noise: f64,
    /// FeatureScaler deviation of the logarithm of a beat's gain.
    pub gain: f64,
    /// Largest displacement of the fiducial point, in samples.
    pub shift: f64,
    /// Largest relative change of the time scale.
    pub stretch: f64,
    /// FeatureScaler deviation of a slow sinusoid's amplitude, in units of the window.
    pub wander: f64,
    /// FeatureScaler deviation of white noise on the rhythm features.
    pub rhythm_noise: f64,
    /// Share of the rhythm features that are set to 0, their mean.
    pub rhythm_dropout: f64,
    /// Sampling rate of the windows, Hz.
    pub(crate) fs: f64,
    /// Sample of the fiducial point, about which time is stretched.
    pub(crate) fiducial: f64,
    /// Channels of one lead: the window and, with a template, its difference.
    pub(crate) per_lead: i64,
    /// Whether zeros pad the end of a window and must stay zero.
    pub(crate) padded: bool,
}

/// Frequencies of the wander, Hz: breathing and movement.
const WANDER_BAND: [f64; 2] = [0.05, 0.7];

impl Augmentation {
    /// No augmentation of windows made as `input` says.
    pub fn none(input: &InputSpec) -> Augmentation {
        Augmentation {
            fs: input.fs,
            fiducial: input.before as f64,
            per_lead: if input.template { 2 } else { 1 },
            padded: input.layout != Layout::Window,
            ..Augmentation::default()
        }
    }

    /// Varied copies of windows `[rows, channels, length]`.
    pub fn apply(&self, windows: &Tensor) -> Tensor {
        let mut x = windows.shallow_clone();
        if self.shift > 0.0 || self.stretch > 0.0 {
            x = self.warp(&x);
        }
        let before = x.shallow_clone();
        let (rows, channels, length) = extents(&x);
        let options = (x.kind(), x.device());
        if self.gain > 0.0 {
            x = &x * (Tensor::randn([rows, 1, 1], options) * self.gain).exp();
        }
        let leads = channels / self.per_lead;
        // What the electrode adds appears in the window and, alike, in its
        // difference from the template.
        let spread = |added: Tensor| {
            added
                .unsqueeze(2)
                .expand([rows, leads, self.per_lead, length], false)
                .reshape([rows, channels, length])
        };
        if self.noise > 0.0 {
            let level = Tensor::rand([rows, 1, 1], options) * self.noise;
            x = &x + spread(Tensor::randn([rows, leads, length], options) * level);
        }
        if self.wander > 0.0 {
            let [low, high] = WANDER_BAND;
            let frequency = Tensor::rand([rows, leads, 1], options) * (high - low) + low;
            let phase = Tensor::rand([rows, leads, 1], options);
            let time = Tensor::arange(length, options) / self.fs;
            let angle = (frequency * time + phase) * (2.0 * std::f64::consts::PI);
            let amplitude = Tensor::randn([rows, leads, 1], options) * self.wander;
            x = &x + spread(angle.sin() * amplitude);
        }
        if self.padded { x * present(&before) } else { x }
    }

    /// Varied copies of standardised rhythm features `[rows, features]`.
    pub fn apply_rhythm(&self, rhythm: &Tensor) -> Tensor {
        let mut x = rhythm.shallow_clone();
        if self.rhythm_noise > 0.0 {
            x = &x + x.randn_like() * self.rhythm_noise;
        }
        if self.rhythm_dropout > 0.0 {
            x = &x * x.rand_like().ge(self.rhythm_dropout).to_kind(x.kind());
        }
        x
    }

    /// Moves and stretches time, linear between samples; a window's ends are
    /// held, padding enters as zeros.
    fn warp(&self, x: &Tensor) -> Tensor {
        let (rows, channels, length) = extents(x);
        let options = (x.kind(), x.device());
        let even = |limit: f64| (Tensor::rand([rows, 1], options) * 2.0 - 1.0) * limit;
        let time = Tensor::arange(length, options) - self.fiducial;
        let position = time * (even(self.stretch) + 1.0) + (even(self.shift) + self.fiducial);
        let last = (length - 1) as f64;
        let held = position.clamp(0.0, last);
        let low = held.floor().clamp_max(last - 1.0);
        let fraction = (&held - &low).unsqueeze(1);
        let index = low
            .to_kind(Kind::Int64)
            .unsqueeze(1)
            .expand([rows, channels, length], false);
        let (left, right) = (
            x.gather(2, &index, false),
            x.gather(2, &(&index + 1), false),
        );
        let warped = &left + (right - &left) * fraction;
        if self.padded {
            let inside = position.ge(0.0).logical_and(&position.le(last));
            warped * inside.unsqueeze(1).to_kind(x.kind())
        } else {
            warped
        }
    }
}

/// 1 up to the last value of a window that is not zero, 0 in the padding.
fn present(x: &Tensor) -> Tensor {
    let from_end = x.abs().flip([-1]).cumsum(-1, x.kind());
    from_end.gt(0.0).flip([-1]).to_kind(x.kind())
}

fn extents(x: &Tensor) -> (i64, i64, i64) {
    let size = x.size();
    (size[0], size[1], size[2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn ramp(rows: i64) -> Tensor {
        let row = Tensor::arange(187, (Kind::Float, Device::Cpu)) / 187.0;
        let row = row
            * Tensor::arange(187, (Kind::Float, Device::Cpu))
                .lt(120.0)
                .to_kind(Kind::Float);
        row.view([1, 1, 187]).repeat([rows, 1, 1])
    }

    fn strong() -> Augmentation {
        Augmentation {
            noise: 0.1,
            gain: 0.1,
            wander: 0.1,
            ..Augmentation::none(&InputSpec::kaggle())
        }
    }

    #[test]
    fn padding_stays_zero_and_the_beat_changes() {
        tch::manual_seed(1);
        let x = ramp(16);
        let y = strong().apply(&x);
        assert_eq!(y.narrow(2, 120, 67).abs().max().double_value(&[]), 0.0);
        assert!((&y - &x).abs().max().double_value(&[]) > 0.05);
    }

    #[test]
    fn shift_moves_a_ramp_by_at_most_its_limit() {
        tch::manual_seed(1);
        let x = ramp(64);
        let shifted = Augmentation {
            shift: 2.0,
            ..Augmentation::none(&InputSpec::kaggle())
        };
        // Inside the ramp a shift by s samples changes every value by s / 187.
        let change = (shifted.apply(&x) - &x)
            .narrow(2, 10, 100)
            .abs()
            .max()
            .double_value(&[])
            * 187.0;
        assert!(change > 1.0 && change <= 2.0 + 1e-3, "{change}");
    }
}
