//! How likely a candidate is a QRS complex: a network with one hidden layer.

use super::weights::{FIRST_BIASES, FIRST_WEIGHTS, SECOND_BIASES, SECOND_WEIGHTS};

/// What the decision about a candidate goes by.
pub(super) const FEATURES: usize = FIRST_WEIGHTS[0].len();

/// The features of one candidate, in the order of `Detector::features`.
pub(super) type Features = [f32; FEATURES];

/// Probability that the candidate is a QRS complex.
pub(super) fn score(features: &Features) -> f32 {
    let mut logit = SECOND_BIASES[0];
    let units = FIRST_WEIGHTS.iter().zip(&FIRST_BIASES);
    for ((weights, bias), out) in units.zip(&SECOND_WEIGHTS[0]) {
        let sum: f32 = weights.iter().zip(features).map(|(w, x)| w * x).sum();
        logit += out * (sum + bias).max(0.0);
    }
    1.0 / (1.0 + (-logit).exp())
}
