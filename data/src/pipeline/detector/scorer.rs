//! How likely a candidate is a QRS complex: a network with one hidden layer.

/// Values that the decision about a candidate goes by, in the order of
/// `Detector::features`.
pub const FEATURES: usize = 22;
/// Units of the hidden layer.
pub const UNITS: usize = 24;

/// The features of one candidate.
pub type Features = [f32; FEATURES];

/// `sigmoid(second . relu(first^T x + first_biases) + second_bias)` is the
/// probability that a candidate with features `x` is a QRS complex.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// `[features][units]`: the sums of all units run side by side.
    pub first: [[f32; UNITS]; FEATURES],
    /// `[units]`.
    pub first_biases: [f32; UNITS],
    /// `[units]`.
    pub second: [f32; UNITS],
    /// Of the only output.
    pub second_bias: f32,
}

impl Network {
    /// Values of the hidden layer, `[units]`, and the output before the sigmoid.
    pub fn forward(&self, features: &Features) -> ([f32; UNITS], f32) {
        let mut hidden = [0.0f32; UNITS];
        for (weights, x) in self.first.iter().zip(features) {
            for (sum, weight) in hidden.iter_mut().zip(weights) {
                *sum += weight * x;
            }
        }
        let mut logit = self.second_bias;
        for ((sum, bias), out) in hidden.iter_mut().zip(&self.first_biases).zip(&self.second) {
            *sum = (*sum + bias).max(0.0);
            logit += out * *sum;
        }
        (hidden, logit)
    }

    /// Probability that the candidate is a QRS complex.
    pub fn score(&self, features: &Features) -> f32 {
        let (_, logit) = self.forward(features);
        1.0 / (1.0 + (-logit).exp())
    }
}
