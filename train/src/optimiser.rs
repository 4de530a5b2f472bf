//! Adam and AdamW over one flat tensor.
//!
//! tch can neither save nor load the state of libtorch's own optimisers, so a
//! run could not be resumed exactly with them.

use serde::{Deserialize, Serialize};
use tch::Tensor;

/// How weight decay enters a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum Algorithm {
    /// Added to the gradient (Kingma & Ba 2015).
    Adam,
    /// Apart from the gradient (Loshchilov & Hutter 2019).
    AdamW,
}

/// Weight of the past in the mean gradient.
const BETA1: f64 = 0.9;
/// Weight of the past in the mean squared gradient.
const BETA2: f64 = 0.999;
/// Keeps the division finite.
const EPSILON: f64 = 1e-8;

/// Adam's state for one flat tensor of values.
#[derive(Debug)]
pub struct Optimiser {
    algorithm: Algorithm,
    weight_decay: f64,
    /// 1 where weight decay applies, else 0.
    decay_mask: Tensor,
    /// 1 for what moves, else 0; `None` where everything does.
    moving: Option<Tensor>,
    /// Steps taken.
    pub steps: u64,
    /// Mean gradient.
    pub mean: Tensor,
    /// Mean squared gradient.
    pub square: Tensor,
}

impl Optimiser {
    /// An optimiser that has taken no step.
    pub fn new(algorithm: Algorithm, weight_decay: f64, decay_mask: Tensor) -> Optimiser {
        Optimiser {
            algorithm,
            weight_decay,
            steps: 0,
            mean: decay_mask.zeros_like(),
            square: decay_mask.zeros_like(),
            decay_mask,
            moving: None,
        }
    }

    /// The same, but values where `mask` is 0 stay as they are.
    pub fn moving(mut self, mask: Tensor) -> Optimiser {
        self.decay_mask *= &mask;
        self.moving = Some(mask);
        self
    }

    /// Moves `values` one step against `gradient`.
    pub fn step(&mut self, values: &Tensor, gradient: &Tensor, learning_rate: f64) {
        let _guard = tch::no_grad_guard();
        let mut values = values.detach();
        self.steps += 1;
        let (decayed, masked);
        let mut gradient = gradient;
        if let Some(mask) = &self.moving {
            masked = gradient * mask;
            gradient = &masked;
        }
        if self.weight_decay > 0.0 {
            match self.algorithm {
                Algorithm::Adam => {
                    decayed = gradient + &values * &self.decay_mask * self.weight_decay;
                    gradient = &decayed;
                }
                Algorithm::AdamW => {
                    values -= &values * &self.decay_mask * (learning_rate * self.weight_decay);
                }
            }
        }
        let _ = self.mean.lerp_(gradient, 1.0 - BETA1);
        let _ = self.square.lerp_(&gradient.square(), 1.0 - BETA2);
        let steps = self.steps as f64;
        let rate = learning_rate / (1.0 - BETA1.powf(steps));
        let correction = (1.0 - BETA2.powf(steps)).sqrt();
        let scale = self.square.sqrt() / correction + EPSILON;
        values -= &self.mean / scale * rate;
    }
}

/// Shortens `gradient` to the length `limit` if it is longer; 0 never does.
pub fn clip(gradient: &Tensor, limit: f64) -> Tensor {
    if limit <= 0.0 {
        return gradient.shallow_clone();
    }
    let length = gradient.norm();
    gradient * (limit / (length + 1e-6)).clamp_max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::nn::{self, OptimizerConfig};
    use tch::{Device, Kind};

    /// A loss whose gradient changes with the values.
    fn loss(values: &Tensor, target: &Tensor) -> Tensor {
        ((values - target).square() + (values * 3.0).sin()).mean(Kind::Float)
    }

    /// Ours after 50 steps against libtorch's own optimiser.
    fn against_libtorch(algorithm: Algorithm, weight_decay: f64) -> f64 {
        tch::manual_seed(5);
        let target = Tensor::randn([40], (Kind::Float, Device::Cpu));
        let start = Tensor::randn([40], (Kind::Float, Device::Cpu));

        let store = nn::VarStore::new(Device::Cpu);
        let theirs = store.root().var_copy("values", &start);
        let mut reference = match algorithm {
            Algorithm::Adam => nn::adam(BETA1, BETA2, weight_decay)
                .build(&store, 1e-2)
                .unwrap(),
            Algorithm::AdamW => nn::adamw(BETA1, BETA2, weight_decay)
                .build(&store, 1e-2)
                .unwrap(),
        };
        let ours = start.copy().set_requires_grad(true);
        let mut optimiser = Optimiser::new(algorithm, weight_decay, ours.ones_like().detach());
        for _ in 0..50 {
            reference.backward_step(&loss(&theirs, &target));
            let loss = loss(&ours, &target);
            let gradient = Tensor::run_backward(&[&loss], &[&ours], false, false);
            optimiser.step(&ours, &gradient[0], 1e-2);
        }
        assert!((&ours - &start).abs().max().double_value(&[]) > 0.1);
        (ours - theirs).abs().max().double_value(&[])
    }

    #[test]
    fn steps_are_those_of_libtorch() {
        for weight_decay in [0.0, 0.1] {
            for algorithm in [Algorithm::Adam, Algorithm::AdamW] {
                let difference = against_libtorch(algorithm, weight_decay);
                assert!(
                    difference < 2e-6,
                    "{algorithm:?} {weight_decay}: {difference:e}"
                );
            }
        }
    }

    #[test]
    fn weight_decay_spares_what_the_mask_spares() {
        let values = Tensor::from_slice(&[1.0_f32, 1.0]).set_requires_grad(true);
        let mask = Tensor::from_slice(&[1.0_f32, 0.0]);
        let mut optimiser = Optimiser::new(Algorithm::AdamW, 0.5, mask);
        optimiser.step(&values, &Tensor::from_slice(&[0.0_f32, 0.0]), 0.1);
        assert_eq!(Vec::<f32>::try_from(values.detach()).unwrap(), [0.95, 1.0]);
    }

    #[test]
    fn long_gradients_are_shortened() {
        let long = Tensor::from_slice(&[3.0_f32, 4.0]);
        assert!((clip(&long, 1.0).norm().double_value(&[]) - 1.0).abs() < 1e-5);
        assert_eq!(clip(&long, 10.0), long);
        assert_eq!(clip(&long, 0.0), long);
    }
}
