//! Explanations: what of a beat speaks for its class, by the gradient graph of the
//! model in whatever engine.

pub mod integrated_gradients;
pub mod methods;
mod portions;
pub mod remembered;

pub use portions::{Portion, portions};

use data::pipeline::beats::Beats;

use crate::Contract;

/// Rows to explain: windows and rhythm features, row after row. Of a model that
/// remembers beats, a row is several consecutive beats of which the last one is
/// explained, all rows of as many.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InputBatch {
    /// `rows x beats x channels x length` values.
    pub windows: Vec<f32>,
    /// `rows x beats x features` values.
    pub rhythm: Vec<f32>,
}

impl InputBatch {
    /// All rows of `beats`.
    pub fn of(beats: &Beats) -> InputBatch {
        InputBatch {
            windows: beats.windows.clone(),
            rhythm: beats.rhythm.clone(),
        }
    }

    /// Beats of a row, where these are `count` rows for a model of this contract: 1
    /// for one without a memory.
    ///
    /// # Errors
    /// In words: the rows are not as wide as the contract says.
    pub fn beats_of(&self, contract: &Contract, count: usize) -> Result<usize, String> {
        let input = &contract.input;
        let beats = match contract.memory {
            Some(_) => self.windows.len() / (count * input.window_values()).max(1),
            None => 1,
        };
        let (window, rhythm) = (beats * input.window_values(), beats * input.rhythm.len());
        if self.windows.len() == count * window && self.rhythm.len() == count * rhythm {
            return Ok(beats);
        }
        Err(format!(
            "{count} rows of {window} values and {rhythm} rhythm features are needed, {} and {} values are given",
            self.windows.len(),
            self.rhythm.len()
        ))
    }
}

/// What the graph says about rows, row after row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gradients {
    /// `rows x classes`.
    pub logits: Vec<f32>,
    /// Gradient of the target's logit, `rows x beats x channels x length`.
    pub saliency: Vec<f32>,
    /// Gradient of the target's logit, `rows x beats x features`.
    pub rhythm: Vec<f32>,
    /// `rows x length`, of the last beat.
    pub gradcam: Vec<f32>,
}

impl Gradients {
    /// The answer to several rows, from those to parts of them in their order.
    pub fn joined(parts: impl IntoIterator<Item = Gradients>) -> Gradients {
        let mut all = Gradients::default();
        for part in parts {
            all.logits.extend(part.logits);
            all.saliency.extend(part.saliency);
            all.rhythm.extend(part.rhythm);
            all.gradcam.extend(part.gradcam);
        }
        all
    }

    /// What was asked of the last of several beats.
    pub fn of_the_last(mut self, beats: usize) -> Gradients {
        let last = |values: &mut Vec<f32>| {
            let width = values.len() / beats.max(1);
            values.drain(..values.len() - width);
        };
        last(&mut self.logits);
        last(&mut self.gradcam);
        self
    }
}

/// A model's gradient graph in some engine.
pub trait GradientGraph {
    /// Why it has no answer.
    type Error: From<data::Error>;

    /// What the model expects and what its answers mean.
    fn contract(&self) -> &Contract;

    /// So many rows of one call are worth it; more only take memory.
    fn rows_at_once(&self) -> usize;

    /// Logits, gradients and Grad-CAM of rows, each for its target: an output
    /// index, or -1 for the predicted class.
    ///
    /// # Errors
    /// The rows are not as wide as the contract says, or the engine fails.
    fn run(&self, rows: &InputBatch, targets: &[i64]) -> Result<Gradients, Self::Error>;
}
