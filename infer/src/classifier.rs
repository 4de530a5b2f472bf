//! A model behind its contract: beats in, classes and probabilities out.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::sync_channel;

use data::pipeline::beats::Beats;
use data::record::error::ensure;
use models::Contract;
use models::contract::{Decision, Reject};
use models::fit::{differences, out_of_order};
use models::onnx::{BEAT, LOGITS, PROBABILITIES, RHYTHM, STATE, STATE_OUT, TARGET};
use ort::session::Session;
use ort::value::{Outlet, TensorElementType, TensorRef};

use crate::error::{Error, Result};
pub use crate::pool::BATCH;
use crate::pool::Pool;
use crate::runtime;

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

/// Beats of a piece of a recording that one session classifies by itself, for a
/// model with a memory: the beats ahead of it are then few beside it.
const PIECE: usize = 8 * BATCH;

/// Chunks that wait in front of each worker while the reader is ahead.
const QUEUE: usize = 2;

/// The model's answer for one beat.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Scores before the softmax, in the order of the contract's classes.
    pub logits: Vec<f32>,
    /// Calibrated probabilities, in the same order.
    pub probabilities: Vec<f32>,
    /// The place of the most probable class in the contract's list.
    pub class: usize,
    /// Why this beat is left to a human, if it is.
    pub reject: Option<Reject>,
}

impl Prediction {
    /// The probability of the predicted class.
    pub fn probability(&self) -> f32 {
        self.probabilities[self.class]
    }

    /// Logits and probabilities.
    pub(crate) fn scores(&self) -> [&[f32]; 2] {
        [&self.logits, &self.probabilities]
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

/// A classifier that has been checked against its contract. Several threads
/// may use one at the same time.
///
/// ```
/// use std::path::Path;
///
/// use data::pipeline::prepare;
/// use data::simulate::synth::{self, Settings};
/// use infer::Classifier;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shipped");
/// let classifier = Classifier::load(&models.join("resnet.onnx"))?;
/// let (record, reference) = synth::record("s1", &Settings::new(250.0, 1), 60.0)?;
/// let (input, classes) = (&classifier.contract.input, &classifier.contract.classes);
/// let beats = prepare::record(&record, &reference, input, classes)?;
/// let predictions = classifier.classify(&beats)?;
/// let right = predictions.iter().zip(&beats.labels);
/// let right = right.filter(|(prediction, class)| prediction.class == **class);
/// assert!(10 * right.count() > 8 * beats.len());
/// # Ok(())
/// # }
/// ```
pub struct Classifier {
    /// What the model expects and what its answers mean.
    pub contract: Contract,
    pool: Pool,
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
        let bytes = models::shipped::read(path)?;
        let contract = models::onnx::contract(&bytes).map_err(Error::model(path))?;
        let pool = Pool::new(path, bytes, threads)?;
        pool.with(|session| {
            check_graph(&contract, session.inputs(), session.outputs())
                .map_err(|detail| Error::graph(path, detail))
        })?;
        Ok(Classifier { contract, pool })
    }

    /// The file that the model was loaded from.
    pub fn path(&self) -> &Path {
        self.pool.path()
    }

    /// Its sessions.
    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Classifies beats in memory, one prediction per row.
    ///
    /// # Errors
    /// The beats were prepared otherwise than the contract says, or ONNX
    /// Runtime fails.
    pub fn classify(&self, beats: &Beats) -> Result<Vec<Prediction>> {
        self.check(beats)?;
        let Some(memory) = self.contract.memory else {
            let run = |session: &mut Session, rows| self.run(session, beats, rows, &mut Vec::new());
            return Ok(self.pool.batches(beats.len(), run)?.concat());
        };
        // No answer depends on more beats than the memory has, so that a piece
        // begun so many earlier gives what the whole would, to the last bit.
        let ages = beats.ages();
        let piece = |rows: Range<usize>| {
            let ahead = ages[rows.start].min(memory.beats - 1);
            let from = rows.start - ahead..rows.end;
            let mut answers = self.rows(beats, from, &mut self.begin())?;
            Ok(answers.split_off(ahead))
        };
        let starts = (0..beats.len()).step_by(PIECE);
        let pieces: Vec<_> = starts.map(|at| at..beats.len().min(at + PIECE)).collect();
        Ok(self.pool.pieces(&pieces, piece)?.concat())
    }

    /// What the model remembers before the first beat.
    pub fn begin(&self) -> State {
        State(vec![0.0; self.contract.memory.map_or(0, |m| m.state)])
    }

    /// Classifies the beats that come after those that `state` is of, and moves it
    /// on, on this thread alone. However beats are cut into calls, each gets the
    /// same answer, to the last bit.
    ///
    /// # Errors
    /// As [`Classifier::classify`]; the state is then of no use.
    pub fn go_on(&self, beats: &Beats, state: &mut State) -> Result<Vec<Prediction>> {
        self.check(beats)?;
        self.rows(beats, 0..beats.len(), state)
    }

    /// Classifies chunks of beats as they are read, in bounded memory: the
    /// source runs on a thread of its own, the model on the workers, and
    /// `sink` gets the chunks in their order on the calling thread. A model with a
    /// memory runs on one worker, because each chunk goes on where the one before
    /// it ended.
    ///
    /// # Errors
    /// The first error of the source, of a chunk (as [`Classifier::classify`])
    /// or of the sink, in the order of the chunks.
    pub fn stream(
        &self,
        chunks: impl Iterator<Item = Result<Beats>> + Send,
        mut sink: impl FnMut(Beats, Vec<Prediction>) -> Result<()>,
    ) -> Result<()> {
        std::thread::scope(|scope| {
            let mut inboxes = Vec::new();
            let mut outboxes = Vec::new();
            let workers = match self.contract.memory {
                Some(_) => 1,
                None => self.pool.size(),
            };
            for _ in 0..workers {
                let (inbox, jobs) = sync_channel::<Result<Beats>>(QUEUE);
                let (results, outbox) = sync_channel(QUEUE);
                scope.spawn(move || {
                    let mut state = self.begin();
                    for job in jobs {
                        let answer = job.and_then(|beats| {
                            let answer = self.go_on(&beats, &mut state)?;
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

    /// The answers for rows, batch by batch, after those that `state` is of.
    fn rows(
        &self,
        beats: &Beats,
        rows: Range<usize>,
        state: &mut State,
    ) -> Result<Vec<Prediction>> {
        let remembers = self.contract.memory.is_some();
        let begins = |row: &usize| remembers && beats.begins[*row];
        let mut all = Vec::with_capacity(rows.len());
        let mut start = rows.start;
        while start < rows.end {
            if begins(&start) {
                state.0.fill(0.0);
            }
            let most = rows.end.min(start + BATCH);
            let end = (start + 1..most).find(begins).unwrap_or(most);
            let run = |session: &mut Session| self.run(session, beats, start..end, &mut state.0);
            all.extend(self.pool.with(run)?);
            start = end;
        }
        Ok(all)
    }

    fn check(&self, beats: &Beats) -> Result<()> {
        let differ = differences(&beats.input, &self.contract.input);
        ensure(differ.is_empty(), || {
            Error::Unfit(format!(
                "the beats do not fit the model: {}; prepare them with this model's contract or choose another with --model",
                differ.join("; ")
            ))
        })?;
        match out_of_order(self.contract.memory, beats) {
            Some(why) => Err(Error::Unfit(why.into())),
            None => Ok(()),
        }
    }

    /// The answers for one batch of rows; `state` is what is held of those before
    /// and becomes what is held for those to come.
    fn run(
        &self,
        session: &mut Session,
        beats: &Beats,
        rows: Range<usize>,
        state: &mut [f32],
    ) -> Result<Vec<Prediction>> {
        let input = &self.contract.input;
        let values = |width: usize| rows.start * width..rows.end * width;
        let windows = &beats.windows[values(input.window_values())];
        let shape = [rows.len(), input.channels(), input.length()];
        let failed = |e: ort::Error| runtime::failed(self.path(), &e);
        let windows = TensorRef::from_array_view((shape, windows)).map_err(failed)?;
        let mut inputs = ort::inputs![BEAT => windows];
        if !input.rhythm.is_empty() {
            let width = input.rhythm.len();
            let rhythm = &beats.rhythm[values(width)];
            let rhythm = TensorRef::from_array_view(([rows.len(), width], rhythm));
            inputs.push((RHYTHM.into(), rhythm.map_err(failed)?.into()));
        }
        let held = state.to_vec();
        if !held.is_empty() {
            let held = TensorRef::from_array_view(([held.len()], &held[..]));
            inputs.push((STATE.into(), held.map_err(failed)?.into()));
        }
        let outputs = session.run(inputs).map_err(failed)?;
        if !held.is_empty() {
            let kept = outputs[STATE_OUT].try_extract_tensor::<f32>();
            state.copy_from_slice(kept.map_err(failed)?.1);
        }
        let width = self.contract.classes.len();
        let extract = |name: &str| -> Result<&[f32]> {
            let (_, values) = outputs[name].try_extract_tensor::<f32>().map_err(failed)?;
            ensure(values.len() == rows.len() * width, || {
                let detail = format!(
                    "output '{name}' has {} values for {} beats of {width} classes",
                    values.len(),
                    rows.len()
                );
                Error::graph(self.path(), detail)
            })?;
            Ok(values)
        };
        let logits = extract(LOGITS)?.chunks_exact(width);
        let probabilities = extract(PROBABILITIES)?.chunks_exact(width);
        rows.clone()
            .zip(logits.zip(probabilities))
            .map(|(row, (logits, probabilities))| {
                self.prediction(beats, row, logits, probabilities)
            })
            .collect()
    }

    fn prediction(
        &self,
        beats: &Beats,
        row: usize,
        logits: &[f32],
        probabilities: &[f32],
    ) -> Result<Prediction> {
        let decision = self.contract.decide(probabilities).ok_or_else(|| {
            let detail = format!("the model's answer for row {row} is not a number");
            Error::graph(self.path(), detail)
        })?;
        Ok(Prediction {
            logits: logits.to_vec(),
            probabilities: probabilities.to_vec(),
            class: decision.class,
            // No heartbeat can be in a flat window, whatever the network says.
            reject: decision
                .with_signal(beats.is_readable(row) && !beats.is_flat(row))
                .reject,
        })
    }
}

/// What a model remembers of the beats before; nothing for one without a memory.
/// It is of the beats that were classified with it last, in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct State(Vec<f32>);

/// Whether the graph has the inputs and outputs that the contract promises.
fn check_graph(contract: &Contract, inputs: &[Outlet], outputs: &[Outlet]) -> Result<(), String> {
    let input = &contract.input;
    let window = vec![input.channels() as i64, input.length() as i64];
    let classes = vec![contract.classes.len() as i64];
    let mut wanted = vec![(BEAT, window)];
    if !input.rhythm.is_empty() {
        wanted.push((RHYTHM, vec![input.rhythm.len() as i64]));
    }
    check_outlets("input", &wanted, inputs)?;
    let state = contract.memory.map(|memory| memory.state as i64);
    check_state("input", STATE, state, inputs)?;
    check_state("output", STATE_OUT, state, outputs)?;
    let known = |name: &str| name == STATE || wanted.iter().any(|w| w.0 == name);
    if let Some(extra) = inputs.iter().find(|i| !known(i.name())) {
        return Err(format!(
            "the contract knows no input '{}': {}",
            extra.name(),
            if extra.name() == TARGET {
                "this is an explain graph; give the classifier it was exported with"
            } else {
                "the model was changed after its export; export it again with `train --export`"
            }
        ));
    }
    let wanted = [(LOGITS, classes.clone()), (PROBABILITIES, classes)];
    check_outlets("output", &wanted, outputs)
}

/// The state is a vector that no batch belongs to, and is there with a memory only.
fn check_state(
    kind: &str,
    name: &str,
    values: Option<i64>,
    found: &[Outlet],
) -> Result<(), String> {
    let outlet = found.iter().find(|o| o.name() == name);
    let shape = outlet.map(|outlet| {
        let dims = outlet.dtype().tensor_shape();
        let dims = dims.into_iter().flat_map(|s| s.iter().copied());
        dims.collect::<Vec<i64>>()
    });
    let float = |o: &Outlet| o.dtype().tensor_type() == Some(TensorElementType::Float32);
    let fits = shape == values.map(|values| vec![values]) && outlet.is_none_or(float);
    ensure(fits, || {
        format!(
            "by the contract the {kind} '{name}' is {}, in the graph {}; export the model again with `train --export`",
            values.map_or("none".into(), |values| format!("{values} numbers")),
            shape.map_or("none".into(), |dims| shown(&dims)),
        )
    })
}

fn check_outlets(kind: &str, wanted: &[(&str, Vec<i64>)], found: &[Outlet]) -> Result<(), String> {
    for (name, shape) in wanted {
        let outlet = found.iter().find(|o| o.name() == *name);
        let Some(outlet) = outlet else {
            let names: Vec<_> = found.iter().map(Outlet::name).collect();
            return Err(format!(
                "the contract needs the {kind} '{name}', the graph has {}",
                names.join(", ")
            ));
        };
        let element = outlet.dtype().tensor_type();
        ensure(element == Some(TensorElementType::Float32), || {
            format!(
                "{kind} '{name}' is {}, not a tensor of 32-bit floats",
                outlet.dtype()
            )
        })?;
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
        ensure(same, || {
            format!(
                "by the contract the {kind} '{name}' has shape {}, in the graph {}",
                shown(std::iter::once(&-1).chain(shape)),
                shown(&dims)
            )
        })?;
        ensure(batch_is_free, || {
            format!(
                "the {kind} '{name}' takes batches of {} only; export the model with a free batch dimension",
                dims[0]
            )
        })?;
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
