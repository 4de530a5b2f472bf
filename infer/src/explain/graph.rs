//! The gradient graph behind its contract, run in batches on every core.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use data::Class;
use data::pipeline::beats::Beats;
use models::Contract;
use models::onnx;
use ort::session::Session;
use ort::value::TensorRef;

use crate::classifier::BATCH;
use crate::runtime;

/// What the file of an explain graph is called beside its classifier's.
const ENDING: &str = "explain.onnx";

/// Rows to explain: windows and rhythm features, row after row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// `rows x channels x length` values.
    pub windows: Vec<f32>,
    /// `rows x features` values.
    pub rhythm: Vec<f32>,
}

/// What the graph says about rows, row after row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gradients {
    /// `rows x classes`.
    pub logits: Vec<f32>,
    /// Gradient of the target's logit, `rows x channels x length`.
    pub saliency: Vec<f32>,
    /// Gradient of the target's logit, `rows x features`.
    pub rhythm: Vec<f32>,
    /// `rows x length`.
    pub gradcam: Vec<f32>,
}

/// A gradient graph that has been checked against its contract.
pub struct Explainer {
    /// What the model expects and what its answers mean.
    pub contract: Contract,
    path: PathBuf,
    sessions: Vec<Session>,
}

impl Explainer {
    /// The explainer of a classifier: the file `NAME.explain.onnx` beside
    /// `NAME.onnx` if there is one, else a graph built from the classifier. A
    /// path to an explain graph is taken as it is.
    ///
    /// # Errors
    /// A file cannot be read, the graph beside the classifier has another
    /// contract, or ONNX Runtime refuses it.
    pub fn of(model: &Path, threads: usize) -> Result<Explainer> {
        let shown = || model.display().to_string();
        let bytes = std::fs::read(model).with_context(shown)?;
        let contract = onnx::contract(&bytes).with_context(shown)?;
        if model.to_string_lossy().ends_with(ENDING) {
            return Explainer::load(model, &bytes, contract, threads);
        }
        let beside = model.with_extension(ENDING);
        if !beside.exists() {
            return Explainer::built(model, &bytes, threads);
        }
        let bytes = std::fs::read(&beside).with_context(|| beside.display().to_string())?;
        let found = onnx::contract(&bytes).with_context(|| beside.display().to_string())?;
        ensure!(
            found.hash() == contract.hash(),
            "{} does not explain {}: their contracts differ (hash {} and {}); export both again with `train --export`",
            beside.display(),
            model.display(),
            &found.hash()[..12],
            &contract.hash()[..12]
        );
        Explainer::load(&beside, &bytes, contract, threads)
    }

    /// An explainer written from the network inside a classifier's file.
    fn built(model: &Path, bytes: &[u8], threads: usize) -> Result<Explainer> {
        let shown = || model.display().to_string();
        let (network, weights, contract) = onnx::network(bytes).with_context(shown)?;
        let graph = onnx::explainer(&network, &weights, &contract).with_context(shown)?;
        Explainer::load(model, &graph, contract, threads)
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
        let sessions = (0..threads.max(1))
            .map(|_| runtime::session(bytes, path))
            .collect::<Result<Vec<Session>>>()?;
        let has_target = |s: &Session| s.inputs().iter().any(|i| i.name() == onnx::TARGET);
        ensure!(
            sessions.iter().all(has_target),
            "{}: the graph has no input '{}', so it is not an explain graph; export it again with `train --export`",
            path.display(),
            onnx::TARGET
        );
        Ok(Explainer {
            contract,
            path: path.into(),
            sessions,
        })
    }

    /// The file that the graph was loaded or built from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Sessions that run at once.
    pub fn threads(&self) -> usize {
        self.sessions.len()
    }

    /// The output index of a class.
    ///
    /// # Errors
    /// The model does not know the class.
    pub fn target(&self, class: Class) -> Result<i64> {
        let classes = &self.contract.classes;
        let names: Vec<&str> = classes.iter().map(|c| c.name()).collect();
        let index = classes.iter().position(|c| *c == class);
        index.map(|i| i as i64).with_context(|| {
            format!(
                "{} has no class {class}; its classes are {}",
                self.path.display(),
                names.join(", ")
            )
        })
    }

    /// Logits, gradients and Grad-CAM of rows, each for its target: an output
    /// index, or -1 for the predicted class.
    ///
    /// # Errors
    /// The rows are not as wide as the contract says, or ONNX Runtime fails.
    pub fn run(&mut self, rows: &Rows, targets: &[i64]) -> Result<Gradients> {
        let input = &self.contract.input;
        let widths = (input.window_values(), input.rhythm.len());
        let count = targets.len();
        ensure!(
            rows.windows.len() == count * widths.0 && rows.rhythm.len() == count * widths.1,
            "{count} rows of {} values and {} rhythm features are needed, {} and {} values are given",
            widths.0,
            widths.1,
            rows.windows.len(),
            rows.rhythm.len()
        );
        let shape = [input.channels(), input.length()];
        let workers = self.sessions.len().min(count.div_ceil(BATCH)).max(1);
        let share = count.div_ceil(workers).next_multiple_of(BATCH);
        let parts: Vec<Result<Gradients>> = std::thread::scope(|scope| {
            let running: Vec<_> = self.sessions[..workers]
                .iter_mut()
                .enumerate()
                .map(|(i, session)| {
                    let range = (i * share).min(count)..((i + 1) * share).min(count);
                    scope.spawn(move || {
                        let mut part = Gradients::default();
                        for start in range.clone().step_by(BATCH) {
                            let batch = start..(start + BATCH).min(range.end);
                            let at = |width| batch.start * width..batch.end * width;
                            let (windows, rhythm) =
                                (&rows.windows[at(widths.0)], &rows.rhythm[at(widths.1)]);
                            part.extend(session, shape, windows, rhythm, &targets[batch])?;
                        }
                        Ok(part)
                    })
                })
                .collect();
            let joined = running.into_iter().map(|handle| handle.join());
            joined
                .map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        let mut all = Gradients::default();
        for part in parts {
            let part = part.with_context(|| self.path.display().to_string())?;
            all.logits.extend(part.logits);
            all.saliency.extend(part.saliency);
            all.rhythm.extend(part.rhythm);
            all.gradcam.extend(part.gradcam);
        }
        Ok(all)
    }
}

impl Gradients {
    /// Runs one batch and adds its results.
    fn extend(
        &mut self,
        session: &mut Session,
        [channels, length]: [usize; 2],
        windows: &[f32],
        rhythm: &[f32],
        targets: &[i64],
    ) -> Result<()> {
        let failed = |e: ort::Error| anyhow!("ONNX Runtime: {}", e.message());
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
        let take = |name: &str, to: &mut Vec<f32>| -> Result<()> {
            let value = outputs
                .get(name)
                .with_context(|| format!("the graph has no output '{name}'"))?;
            to.extend(value.try_extract_tensor::<f32>().map_err(failed)?.1);
            Ok(())
        };
        take(onnx::LOGITS, &mut self.logits)?;
        take(onnx::SALIENCY, &mut self.saliency)?;
        take(onnx::GRADCAM, &mut self.gradcam)?;
        if !rhythm.is_empty() {
            take(onnx::RHYTHM_SALIENCY, &mut self.rhythm)?;
        }
        Ok(())
    }
}

impl Rows {
    /// All rows of `beats`.
    pub fn of(beats: &Beats) -> Rows {
        Rows {
            windows: beats.windows.clone(),
            rhythm: beats.rhythm.clone(),
        }
    }
}
