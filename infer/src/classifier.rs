//! A model behind its contract: beats in, classes and probabilities out.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use anyhow::{Context, Result, anyhow, bail, ensure};
use data::Class;
use data::pipeline::beats::Beats;
use data::pipeline::input::InputSpec;
use models::Contract;
use models::contract::{Decision, Reject};
use models::onnx::{BEAT, LOGITS, PROBABILITIES, RHYTHM, TARGET};
use ort::session::Session;
use ort::value::{Outlet, TensorElementType, TensorRef};

use crate::runtime;

/// Beats per call of the graph. Fewer leave the blocked kernels idle, more
/// fall out of the cache.
pub const BATCH: usize = 64;

/// Most threads that can be asked for: far more than any machine has cores.
pub const MOST_THREADS: usize = 1024;

/// A number of threads, for command lines.
///
/// # Errors
/// In words: it is no number, or beyond 1 to [`MOST_THREADS`].
pub fn threads(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse::<NonZeroUsize>().ok();
    number
        .filter(|n| n.get() <= MOST_THREADS)
        .ok_or_else(|| format!("it may be 1 to {MOST_THREADS}"))
}

/// Chunks that wait in front of each worker while the reader is ahead.
const QUEUE: usize = 2;

/// The model's answer for one beat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Scores before the softmax, in the order of [`Class::ALL`]; negative
    /// infinity for a class that the model does not know.
    pub logits: [f32; Class::ALL.len()],
    /// Calibrated probabilities, in the order of [`Class::ALL`].
    pub probabilities: [f32; Class::ALL.len()],
    /// The most probable class.
    pub class: Class,
    /// Why this beat is left to a human, if it is.
    pub reject: Option<Reject>,
}

impl Prediction {
    /// The probability of the predicted class.
    pub fn probability(&self) -> f32 {
        self.probabilities[self.class.index()]
    }

    /// The same without the figures of the other classes.
    pub fn decision(&self) -> Decision {
        Decision {
            class: self.class,
            probability: self.probability(),
            reject: self.reject,
        }
    }
}

/// A classifier that has been checked against its contract.
pub struct Classifier {
    /// What the model expects and what its answers mean.
    pub contract: Contract,
    model: Model,
    /// One session per worker; all but the first are built when they are needed.
    sessions: Vec<Option<Session>>,
}

/// What every worker reads.
struct Model {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Classifier {
    /// Loads an ONNX file that carries a contract, to run on every core.
    ///
    /// # Errors
    /// The file cannot be read, ONNX Runtime is missing, the model has no
    /// contract, or its inputs and outputs are not what the contract says.
    pub fn load(path: &Path) -> Result<Classifier> {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        Classifier::with_threads(path, cores)
    }

    /// As [`Classifier::load`], with a number of threads, at least 1.
    ///
    /// # Errors
    /// As [`Classifier::load`].
    pub fn with_threads(path: &Path, threads: usize) -> Result<Classifier> {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        let contract =
            models::onnx::contract(&bytes).with_context(|| path.display().to_string())?;
        let session = runtime::session(&bytes, path)?;
        check_graph(&contract, session.inputs(), session.outputs())
            .with_context(|| path.display().to_string())?;
        let mut sessions = vec![Some(session)];
        sessions.resize_with(threads.max(1), || None);
        Ok(Classifier {
            contract,
            model: Model {
                path: path.into(),
                bytes,
            },
            sessions,
        })
    }

    /// The file that the model was loaded from.
    pub fn path(&self) -> &Path {
        &self.model.path
    }

    /// Classifies beats in memory, one prediction per row.
    ///
    /// # Errors
    /// The beats were prepared otherwise than the contract says, or ONNX
    /// Runtime fails.
    pub fn classify(&mut self, beats: &Beats) -> Result<Vec<Prediction>> {
        check_beats(&self.contract, beats)?;
        let rows = beats.len();
        let workers = self.sessions.len().min(rows.div_ceil(BATCH)).max(1);
        let share = rows.div_ceil(workers).next_multiple_of(BATCH);
        let (model, contract) = (&self.model, &self.contract);
        let parts: Vec<Result<Vec<Prediction>>> = std::thread::scope(|scope| {
            let running: Vec<_> = self.sessions[..workers]
                .iter_mut()
                .enumerate()
                .map(|(i, slot)| {
                    let range = (i * share).min(rows)..((i + 1) * share).min(rows);
                    scope.spawn(move || run(model, contract, slot, beats, range))
                })
                .collect();
            running.into_iter().map(joined).collect()
        });
        let mut all = Vec::with_capacity(rows);
        for part in parts {
            all.extend(part?);
        }
        Ok(all)
    }

    /// Classifies chunks of beats as they are read, in bounded memory: the
    /// source runs on a thread of its own, the model on the workers, and
    /// `sink` gets the chunks in their order on the calling thread.
    ///
    /// # Errors
    /// The first error of the source, of a chunk (as [`Classifier::classify`])
    /// or of the sink, in the order of the chunks.
    pub fn stream(
        &mut self,
        chunks: impl Iterator<Item = Result<Beats>> + Send,
        mut sink: impl FnMut(Beats, Vec<Prediction>) -> Result<()>,
    ) -> Result<()> {
        let (model, contract) = (&self.model, &self.contract);
        std::thread::scope(|scope| {
            let mut inboxes = Vec::new();
            let mut outboxes = Vec::new();
            for slot in &mut self.sessions {
                let (inbox, jobs) = sync_channel::<Result<Beats>>(QUEUE);
                let (results, outbox) = sync_channel(QUEUE);
                scope.spawn(move || {
                    for job in jobs {
                        let answer = job.and_then(|beats| {
                            check_beats(contract, &beats)?;
                            let rows = 0..beats.len();
                            let answer = run(model, contract, slot, &beats, rows)?;
                            Ok((beats, answer))
                        });
                        // A closed channel means that the sink has given up.
                        if results.send(answer).is_err() {
                            return;
                        }
                    }
                });
                inboxes.push(inbox);
                outboxes.push(outbox);
            }
            scope.spawn(move || {
                for (i, chunk) in chunks.enumerate() {
                    let failed = chunk.is_err();
                    if inboxes[i % inboxes.len()].send(chunk).is_err() || failed {
                        return;
                    }
                }
            });
            // Chunk i went to worker i modulo their number, so asking them in
            // turn keeps the order without a buffer that could grow.
            for outbox in outboxes.iter().cycle() {
                match outbox.recv() {
                    Ok(answer) => {
                        let (beats, predictions) = answer?;
                        sink(beats, predictions)?;
                    }
                    Err(_) => break,
                }
            }
            Ok(())
        })
    }
}

/// The result of a worker; its panic goes on in the caller.
fn joined<T>(handle: std::thread::ScopedJoinHandle<'_, T>) -> T {
    handle
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Whether the graph has the inputs and outputs that the contract promises.
fn check_graph(contract: &Contract, inputs: &[Outlet], outputs: &[Outlet]) -> Result<()> {
    let input = &contract.input;
    let window = vec![input.channels() as i64, input.length() as i64];
    let classes = vec![contract.classes.len() as i64];
    let mut wanted = vec![(BEAT, window)];
    if !input.rhythm.is_empty() {
        wanted.push((RHYTHM, vec![input.rhythm.len() as i64]));
    }
    check_outlets("input", &wanted, inputs)?;
    if let Some(extra) = inputs
        .iter()
        .find(|i| !wanted.iter().any(|w| w.0 == i.name()))
    {
        bail!(
            "the contract knows no input '{}': {}",
            extra.name(),
            if extra.name() == TARGET {
                "this is an explain graph; give the classifier it was exported with"
            } else {
                "the model was changed after its export; export it again with `train --export`"
            }
        );
    }
    let wanted = [(LOGITS, classes.clone()), (PROBABILITIES, classes)];
    check_outlets("output", &wanted, outputs)
}

fn check_outlets(kind: &str, wanted: &[(&str, Vec<i64>)], found: &[Outlet]) -> Result<()> {
    for (name, shape) in wanted {
        let outlet = found.iter().find(|o| o.name() == *name);
        let Some(outlet) = outlet else {
            let names: Vec<_> = found.iter().map(Outlet::name).collect();
            bail!(
                "the contract needs the {kind} '{name}', the graph has {}",
                names.join(", ")
            );
        };
        let element = outlet.dtype().tensor_type();
        ensure!(
            element == Some(TensorElementType::Float32),
            "{kind} '{name}' is {}, not a tensor of 32-bit floats",
            outlet.dtype()
        );
        let dims: Vec<i64> = outlet
            .dtype()
            .tensor_shape()
            .into_iter()
            .flat_map(|s| s.iter().copied())
            .collect();
        let batch_is_free = dims.first() == Some(&-1);
        // A dimension that the graph leaves open is settled by the first run.
        let fits = |found: &i64, wanted: &i64| found == wanted || *found == -1;
        let same =
            dims.len() == shape.len() + 1 && dims[1..].iter().zip(shape).all(|(f, w)| fits(f, w));
        ensure!(
            same,
            "by the contract the {kind} '{name}' has shape {}, in the graph {}",
            shown(std::iter::once(&-1).chain(shape)),
            shown(&dims)
        );
        ensure!(
            batch_is_free,
            "the {kind} '{name}' takes batches of {} only; export the model with a free batch dimension",
            dims[0]
        );
    }
    Ok(())
}

/// A shape as `[N, 1, 187]`.
fn shown<'a>(dims: impl IntoIterator<Item = &'a i64>) -> String {
    let dims: Vec<_> = dims
        .into_iter()
        .map(|d| if *d < 0 { "N".into() } else { d.to_string() })
        .collect();
    format!("[{}]", dims.join(", "))
}

/// What differs between how beats were prepared and what a model expects, one
/// line per setting; empty when they fit.
pub fn differences(beats: &InputSpec, model: &InputSpec) -> Vec<String> {
    let object = |spec| match serde_json::to_value(spec) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (beats, model) = (object(beats), object(model));
    beats
        .iter()
        .filter(|(key, value)| model.get(*key) != Some(value))
        .map(|(key, value)| {
            let wanted = model.get(key).unwrap_or(&serde_json::Value::Null);
            format!("{key} is {value}, the model needs {wanted}")
        })
        .collect()
}

fn check_beats(contract: &Contract, beats: &Beats) -> Result<()> {
    if beats.input == contract.input {
        return Ok(());
    }
    bail!(
        "the beats do not fit the model: {}; prepare them with this model's contract or choose another with --model",
        differences(&beats.input, &contract.input).join("; ")
    )
}

/// Runs rows of `beats` through the session in `slot`, building it first if
/// this worker has none yet.
fn run(
    model: &Model,
    contract: &Contract,
    slot: &mut Option<Session>,
    beats: &Beats,
    rows: Range<usize>,
) -> Result<Vec<Prediction>> {
    let session = match slot {
        Some(session) => session,
        None => slot.insert(runtime::session(&model.bytes, &model.path)?),
    };
    let mut all = Vec::with_capacity(rows.len());
    let mut at = rows.start;
    while at < rows.end {
        let batch = at..(at + BATCH).min(rows.end);
        at = batch.end;
        run_batch(contract, session, beats, batch, &mut all)
            .with_context(|| model.path.display().to_string())?;
    }
    Ok(all)
}

fn run_batch(
    contract: &Contract,
    session: &mut Session,
    beats: &Beats,
    rows: Range<usize>,
    all: &mut Vec<Prediction>,
) -> Result<()> {
    let input = &contract.input;
    let values = |width: usize| rows.start * width..rows.end * width;
    let windows = &beats.windows[values(input.window_values())];
    let shape = [rows.len(), input.channels(), input.length()];
    let failed = |e: ort::Error| anyhow!("ONNX Runtime: {}", e.message());
    let windows = TensorRef::from_array_view((shape, windows)).map_err(failed)?;
    let outputs = if input.rhythm.is_empty() {
        session.run(ort::inputs![BEAT => windows])
    } else {
        let width = input.rhythm.len();
        let rhythm = &beats.rhythm[values(width)];
        let rhythm = TensorRef::from_array_view(([rows.len(), width], rhythm)).map_err(failed)?;
        session.run(ort::inputs![BEAT => windows, RHYTHM => rhythm])
    }
    .map_err(failed)?;
    let extract = |name: &str| -> Result<&[f32]> {
        let (_, values) = outputs[name].try_extract_tensor::<f32>().map_err(failed)?;
        let expected = rows.len() * contract.classes.len();
        ensure!(
            values.len() == expected,
            "output '{name}' has {} values for {} beats of {} classes",
            values.len(),
            rows.len(),
            contract.classes.len()
        );
        Ok(values)
    };
    let width = contract.classes.len();
    let logits = extract(LOGITS)?.chunks_exact(width);
    let probabilities = extract(PROBABILITIES)?.chunks_exact(width);
    for (row, (logits, probabilities)) in rows.zip(logits.zip(probabilities)) {
        let decision = contract
            .decide(probabilities)
            .with_context(|| format!("the model's answer for row {row} is not a number"))?;
        let mut prediction = Prediction {
            logits: [f32::NEG_INFINITY; Class::ALL.len()],
            probabilities: [0.0; Class::ALL.len()],
            class: decision.class,
            // No heartbeat can be in a flat window, whatever the network says.
            reject: decision
                .with_signal(beats.is_readable(row) && !beats.is_flat(row))
                .reject,
        };
        for (i, class) in contract.classes.iter().enumerate() {
            prediction.logits[class.index()] = logits[i];
            prediction.probabilities[class.index()] = probabilities[i];
        }
        all.push(prediction);
    }
    Ok(())
}
