//! How likely a candidate is a QRS complex: a network with one hidden layer.

use super::weights::{FIRST_BIASES, FIRST_WEIGHTS, SECOND_BIASES, SECOND_WEIGHTS};

/// What the decision about a candidate goes by.
pub(super) const FEATURES: usize = FIRST_WEIGHTS[0].len();
const UNITS: usize = FIRST_WEIGHTS.len();

/// The features of one candidate, in the order of `Detector::features`.
pub(super) type Features = [f32; FEATURES];

/// The first layer feature by feature: the sums of all units then run side by
/// side.
static BY_FEATURE: [[f32; UNITS]; FEATURES] = {
    let mut weights = [[0.0; UNITS]; FEATURES];
    let mut at = 0;
    while at < UNITS * FEATURES {
        let (unit, feature) = (at / FEATURES, at % FEATURES);
        weights[feature][unit] = FIRST_WEIGHTS[unit][feature];
        at += 1;
    }
    weights
};

/// Probability that the candidate is a QRS complex.
pub(super) fn score(features: &Features) -> f32 {
    let mut sums = [0.0f32; UNITS];
    for (weights, x) in BY_FEATURE.iter().zip(features) {
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum += weight * x;
        }
    }
    let mut logit = SECOND_BIASES[0];
    for ((sum, bias), out) in sums.iter().zip(&FIRST_BIASES).zip(&SECOND_WEIGHTS[0]) {
        logit += out * (sum + bias).max(0.0);
    }
    1.0 / (1.0 + (-logit).exp())
}
