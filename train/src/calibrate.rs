//! Calibration on the validation part: the temperature that makes
//! probabilities honest, and the threshold below which a beat is better left
//! to a human.

use tch::{Kind, Tensor};

use crate::examples::Examples;

/// Temperatures among which the best is sought.
const RANGE: [f64; 2] = [0.05, 20.0];

/// The temperature `T` that gives `softmax(logits / T)` the smallest
/// cross-entropy on these examples (Guo et al. 2017), by golden-section search
/// over its logarithm, in which the cross-entropy has one minimum.
pub fn temperature(logits: &Tensor, examples: &Examples) -> f64 {
    let loss = |log_t: f64| {
        let scaled = logits.to_kind(Kind::Double) / log_t.exp();
        scaled
            .cross_entropy_for_logits(&examples.labels)
            .double_value(&[])
    };
    let golden = (5_f64.sqrt() - 1.0) / 2.0;
    let [mut low, mut high] = RANGE.map(f64::ln);
    let (mut left, mut right) = (high - golden * (high - low), low + golden * (high - low));
    let (mut at_left, mut at_right) = (loss(left), loss(right));
    while high - low > 1e-4 {
        if at_left < at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - golden * (high - low);
            at_left = loss(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + golden * (high - low);
            at_right = loss(right);
        }
    }
    ((low + high) / 2.0).exp()
}

/// The largest probability of a beat below which `share` of these beats fall.
pub fn reject_threshold(logits: &Tensor, temperature: f64, share: f64) -> f64 {
    let sure = (logits.to_kind(Kind::Double) / temperature).softmax(-1, Kind::Double);
    let (largest, _) = sure.max_dim(-1, false);
    largest
        .quantile_scalar(share, None, false, "linear")
        .double_value(&[])
}
