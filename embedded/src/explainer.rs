//! The gradient graph in tract: what of a beat speaks for its class.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use models::explain::{GradientGraph, Gradients, InputBatch};
use models::{Contract, onnx};
use tract_core::prelude::*;
use tract_onnx::prelude::{Framework, InferenceModelExt};

use crate::error::{Error, Result};

/// Rows that one run of the graph takes.
const BATCH: usize = 32;

/// The gradient graph of a classifier. Several threads may use one at the same time.
pub struct Explainer {
    contract: Contract,
    path: PathBuf,
    plan: Arc<TypedSimplePlan>,
}

impl Explainer {
    /// Builds the graph from the bytes of a classifier that this project exported;
    /// `path` is only named in messages.
    ///
    /// # Errors
    /// The file holds no network to build it from; the model has a memory, which
    /// tract cannot differentiate; or tract refuses the graph.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Explainer> {
        let refused = |cause| Error::model(path, cause);
        let (network, weights, contract) = onnx::network(bytes).map_err(refused)?;
        if contract.memory.is_some() {
            return Err(Error::graph(
                path,
                "it remembers beats, and such models are explained by `infer explain` alone",
            ));
        }
        let graph = onnx::explainer(&network, &weights, &contract)
            .map_err(|cause| Error::graph(path, cause.to_string()))?;
        let plan = tract_onnx::onnx()
            .model_for_read(&mut &graph[..])?
            .into_optimized()?
            .into_runnable()?;
        Ok(Explainer {
            contract,
            path: path.into(),
            plan,
        })
    }

    fn batch(&self, windows: &[f32], rhythm: &[f32], targets: &[i64]) -> TractResult<Gradients> {
        let (input, rows) = (&self.contract.input, targets.len());
        let shape = [rows, input.channels(), input.length()];
        let mut inputs: TVec<TValue> = tvec![Tensor::from_shape(&shape, windows)?.into_tvalue()];
        let features = input.rhythm.len();
        if features > 0 {
            inputs.push(Tensor::from_shape(&[rows, features], rhythm)?.into_tvalue());
        }
        inputs.push(Tensor::from_shape(&[rows], targets)?.into_tvalue());
        // Logits, saliency, that of the rhythm features if any, Grad-CAM.
        let outputs = self.plan.run(inputs)?;
        let values = |place: usize| -> TractResult<Vec<f32>> {
            let output = outputs
                .get(place)
                .ok_or_else(|| TractError::msg("the graph has too few outputs"))?;
            let view = output.to_plain_array_view::<f32>()?;
            Ok(view.iter().copied().collect())
        };
        Ok(Gradients {
            logits: values(0)?,
            saliency: values(1)?,
            rhythm: match features {
                0 => Vec::new(),
                _ => values(2)?,
            },
            gradcam: values(if features > 0 { 3 } else { 2 })?,
        })
    }
}

impl GradientGraph for Explainer {
    type Error = Error;

    fn contract(&self) -> &Contract {
        &self.contract
    }

    fn rows_at_once(&self) -> usize {
        BATCH
    }

    fn run(&self, rows: &InputBatch, targets: &[i64]) -> Result<Gradients> {
        let fits = rows.beats_of(&self.contract, targets.len());
        fits.map_err(|why| Error::Unfit(format!("{}: {why}", self.path.display())))?;
        let input = &self.contract.input;
        let (width, features) = (input.window_values(), input.rhythm.len());
        let parts = targets.chunks(BATCH).enumerate().map(|(i, targets)| {
            let at = |width: usize| i * BATCH * width..(i * BATCH + targets.len()) * width;
            let (windows, rhythm) = (&rows.windows[at(width)], &rows.rhythm[at(features)]);
            Ok(self.batch(windows, rhythm, targets)?)
        });
        Ok(Gradients::joined(parts.collect::<Result<Vec<_>>>()?))
    }
}
