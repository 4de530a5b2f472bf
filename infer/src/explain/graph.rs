//! The gradient graph behind its contract, run in batches on every core.

use std::ops::Range;
use std::path::{Path, PathBuf};

use data::record::error::ensure;
use models::Contract;
use models::explain::{GradientGraph, Gradients, InputBatch};
use models::onnx;
use models::shipped;
use ort::session::Session;
use ort::value::TensorRef;

use crate::error::{Error, Result};
use crate::pool::{BATCH, Pool};

/// A gradient graph that has been checked against its contract. Several
/// threads may use one at the same time.
pub struct Explainer {
    /// What the model expects and what its answers mean.
    pub contract: Contract,
    pool: Pool,
}

impl Explainer {
    /// The explainer of a classifier: the file that [`shipped::explain_graph`] says
    /// if there is one, else a graph built from the classifier. A path to an explain
    /// graph is taken as it is.
    ///
    /// # Errors
    /// A file cannot be read, the graph beside the classifier has another
    /// contract, or ONNX Runtime refuses it.
    pub fn of(model: &Path, threads: usize) -> Result<Explainer> {
        let (path, bytes, contract) = graph_of(model)?;
        Explainer::load(&path, &bytes, contract, threads)
    }

    /// The explainer that `bytes` hold; `path` is for messages.
    ///
    /// # Errors
    /// ONNX Runtime refuses the graph, or it is not an explain graph.
    pub fn load(
        path: &Path,
        bytes: &[u8],
        contract: Contract,
        threads: usize,
    ) -> Result<Explainer> {
        let pool = Pool::new(path, bytes.to_vec(), threads)?;
        pool.with(|session| {
            ensure(session.inputs().iter().any(|i| i.name() == onnx::TARGET), || {
                let detail = format!(
                    "the graph has no input '{}', so it is not an explain graph; export it again with `train --export`",
                    onnx::TARGET
                );
                Error::graph(path, detail)
            })
        })?;
        Ok(Explainer { contract, pool })
    }

    /// The file that the graph was loaded or built from.
    pub fn path(&self) -> &Path {
        self.pool.path()
    }

    /// Its sessions.
    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Sessions that run at once.
    pub fn threads(&self) -> usize {
        self.pool.size()
    }

    /// The output index of the class of this name.
    ///
    /// # Errors
    /// The model does not know the class.
    pub fn target(&self, class: &str) -> Result<usize> {
        let classes = &self.contract.classes;
        classes.named(class).ok_or_else(|| {
            let names: Vec<&str> = classes.names().collect();
            Error::usage(format!(
                "{} has no class '{class}'; its classes are {}",
                self.path().display(),
                names.join(", ")
            ))
        })
    }
}

impl GradientGraph for Explainer {
    type Error = Error;

    fn contract(&self) -> &Contract {
        &self.contract
    }

    fn rows_at_once(&self) -> usize {
        BATCH * self.threads()
    }

    fn run(&self, rows: &InputBatch, targets: &[i64]) -> Result<Gradients> {
        let input = &self.contract.input;
        let count = targets.len();
        let beats = rows.beats_of(&self.contract, count).map_err(Error::Unfit)?;
        let widths = (beats * input.window_values(), beats * input.rhythm.len());
        let shape = [input.channels(), input.length()];
        let run = |session: &mut Session, batch: Range<usize>, targets: &[i64]| {
            let at = |width| batch.start * width..batch.end * width;
            let (windows, rhythm) = (&rows.windows[at(widths.0)], &rows.rhythm[at(widths.1)]);
            run_batch(session, shape, windows, rhythm, targets)
                .map_err(|detail| Error::graph(self.path(), detail))
        };
        let parts = match self.contract.memory {
            None => self.pool.batches(count, |session, batch| {
                run(session, batch.clone(), &targets[batch])
            })?,
            Some(_) => {
                // The graph's rows are the beats of one row, and only of the last
                // is anything asked.
                let each: Vec<Range<usize>> = (0..count).map(|row| row..row + 1).collect();
                self.pool.pieces(&each, |row| {
                    let mut of_beats = vec![onnx::NO_TARGET; beats];
                    if let Some(last) = of_beats.last_mut() {
                        *last = targets[row.start];
                    }
                    let found = self.pool.with(|session| run(session, row, &of_beats))?;
                    Ok(found.of_the_last(beats))
                })?
            }
        };
        Ok(Gradients::joined(parts))
    }
}

/// The explain graph of a classifier as bytes, the file that it comes from and its
/// contract; see [`Explainer::of`].
///
/// # Errors
/// As [`Explainer::of`].
pub(crate) fn graph_of(model: &Path) -> Result<(PathBuf, Vec<u8>, Contract)> {
    let bytes = shipped::read(model)?;
    let contract = onnx::contract(&bytes).map_err(Error::model(model))?;
    if shipped::is_explain_graph(model) {
        return Ok((model.into(), bytes, contract));
    }
    let beside = shipped::explain_graph(model);
    if !beside.exists() {
        let (network, weights, contract) = onnx::network(&bytes).map_err(Error::model(model))?;
        let graph =
            onnx::explainer(&network, &weights, &contract).map_err(Error::explain(model))?;
        return Ok((model.into(), graph, contract));
    }
    let bytes = std::fs::read(&beside).map_err(data::Error::io(&beside))?;
    let found = onnx::contract(&bytes).map_err(Error::model(&beside))?;
    ensure(found.hash() == contract.hash(), || {
        let detail = format!(
            "it does not explain {}: their contracts differ (hash {} and {}); export both again with `train --export`",
            model.display(),
            &found.hash()[..12],
            &contract.hash()[..12]
        );
        Error::graph(&beside, detail)
    })?;
    Ok((beside, bytes, contract))
}

/// Runs one batch. Errors are in words.
fn run_batch(
    session: &mut Session,
    [channels, length]: [usize; 2],
    windows: &[f32],
    rhythm: &[f32],
    targets: &[i64],
) -> Result<Gradients, String> {
    let failed = |e: ort::Error| format!("ONNX Runtime: {}", e.message());
    let rows = targets.len();
    let beat = TensorRef::from_array_view(([rows, channels, length], windows));
    let target = TensorRef::from_array_view(([rows], targets)).map_err(failed)?;
    let mut inputs = ort::inputs![
        onnx::BEAT => beat.map_err(failed)?,
        onnx::TARGET => target,
    ];
    if !rhythm.is_empty() {
        let features = TensorRef::from_array_view(([rows, rhythm.len() / rows], rhythm));
        inputs.push((onnx::RHYTHM.into(), features.map_err(failed)?.into()));
    }
    let outputs = session.run(inputs).map_err(failed)?;
    let take = |name: &str| -> Result<Vec<f32>, String> {
        let value = outputs.get(name);
        let value = value.ok_or_else(|| format!("the graph has no output '{name}'"))?;
        Ok(value
            .try_extract_tensor::<f32>()
            .map_err(failed)?
            .1
            .to_vec())
    };
    Ok(Gradients {
        logits: take(onnx::LOGITS)?,
        saliency: take(onnx::SALIENCY)?,
        gradcam: take(onnx::GRADCAM)?,
        rhythm: match rhythm.is_empty() {
            true => Vec::new(),
            false => take(onnx::RHYTHM_SALIENCY)?,
        },
    })
}
