//! What kind of rhythm a window shows: a network with one hidden layer.

use super::shapes::INPUTS;

/// Hidden units.
pub const UNITS: usize = 16;
/// Kinds of window: another rhythm, ventricular tachycardia, fibrillation or
/// flutter.
pub const KINDS: usize = 3;
/// Standardised inputs are cut off here, in training too.
pub const LIMIT: f32 = 4.0;

/// The network's weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Subtracted from the inputs.
    pub centres: [f32; INPUTS],
    /// They are multiplied by it then, and cut off at [`LIMIT`].
    pub scales: [f32; INPUTS],
    /// Per input the weights to all units, which then run side by side.
    pub first: [[f32; UNITS]; INPUTS],
    /// Bias per unit.
    pub first_biases: [f32; UNITS],
    /// Per kind the weights of the units.
    pub second: [[f32; UNITS]; KINDS],
    /// Bias per kind.
    pub second_biases: [f32; KINDS],
}

impl Network {
    /// The inputs as the first layer takes them.
    #[inline]
    pub fn standardise(&self, inputs: &[f32; INPUTS]) -> [f32; INPUTS] {
        let mut out = [0.0; INPUTS];
        let standards = self.centres.iter().zip(&self.scales);
        for (out, (x, (centre, scale))) in out.iter_mut().zip(inputs.iter().zip(standards)) {
            *out = ((x - centre) * scale).clamp(-LIMIT, LIMIT);
        }
        out
    }

    /// What the hidden units say of standardised inputs, and the probabilities
    /// of the kinds.
    #[inline]
    pub fn forward(&self, standardised: &[f32; INPUTS]) -> ([f32; UNITS], [f32; KINDS]) {
        let mut hidden = self.first_biases;
        for (x, weights) in standardised.iter().zip(&self.first) {
            for (sum, weight) in hidden.iter_mut().zip(weights) {
                *sum += weight * x;
            }
        }
        hidden = hidden.map(|sum| sum.max(0.0));
        let mut out = self.second_biases;
        for (out, weights) in out.iter_mut().zip(&self.second) {
            *out += hidden.iter().zip(weights).map(|(h, w)| h * w).sum::<f32>();
        }
        let most = out.iter().fold(f32::MIN, |a, &b| a.max(b));
        let exponentials = out.map(|o| (o - most).exp());
        let total: f32 = exponentials.iter().sum();
        (hidden, exponentials.map(|e| e / total))
    }

    /// Probabilities that a window shows each kind.
    pub fn kinds(&self, inputs: &[f32; INPUTS]) -> [f32; KINDS] {
        self.forward(&self.standardise(inputs)).1
    }
}
