//! What kind of rhythm a window shows: a network with one hidden layer.

use super::shapes::INPUTS;
use super::weights::{CENTRES, FIRST, FIRST_BIASES, SCALES, SECOND, SECOND_BIASES};

/// Standardised inputs are cut off here, in training too.
const LIMIT: f32 = 4.0;

/// Probabilities that a window shows another rhythm, ventricular tachycardia,
/// and fibrillation or flutter.
pub fn kinds(inputs: &[f32; INPUTS]) -> [f32; 3] {
    let mut sums = FIRST_BIASES;
    let standards = CENTRES.iter().zip(&SCALES);
    for ((x, (centre, scale)), weights) in inputs.iter().zip(standards).zip(&FIRST) {
        let x = ((x - centre) * scale).clamp(-LIMIT, LIMIT);
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum += weight * x;
        }
    }
    let mut out = SECOND_BIASES;
    for (out, weights) in out.iter_mut().zip(&SECOND) {
        for (sum, weight) in sums.iter().zip(weights) {
            *out += weight * sum.max(0.0);
        }
    }
    let most = out.iter().fold(f32::MIN, |a, &b| a.max(b));
    let exponentials = out.map(|o| (o - most).exp());
    let total: f32 = exponentials.iter().sum();
    exponentials.map(|e| e / total)
}
