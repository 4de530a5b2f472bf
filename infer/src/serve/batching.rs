//! Requests of several clients in one run of a graph.
//!
//! Each request waits as one or more *pieces* of at most a batch of rows. A worker
//! takes the piece that has waited longest and, with it, those behind it that are
//! for the same model, until the batch is full or the first has waited for as long
//! as it may. Rows do not depend on each other, so that an answer is the same
//! whoever shares its run, to the last bit.
//!
//! What waits is bounded. A request that finds no room is refused at once, and one
//! whose sender has gone is not run.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::metrics::Metrics;
use super::repository::Model;
use super::tensor::{Refusal, Tensor, Values};

/// How requests are brought together.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Most rows of a run.
    pub batch: usize,
    /// How long the first request of a run may wait for others.
    pub delay: Duration,
    /// Most rows that wait.
    pub queue: usize,
    /// Runs at once.
    pub workers: usize,
}

/// The request behind pieces.
struct Request {
    model: Arc<Model>,
    inputs: Vec<Values>,
    /// Rows of all inputs that have rows.
    rows: usize,
}

/// Rows of a request that wait to be run.
struct Piece {
    request: Arc<Request>,
    rows: Range<usize>,
    arrived: Instant,
    reply: oneshot::Sender<Result<Vec<Tensor>, Refusal>>,
}

/// The queue in front of all graphs, and the threads that run them.
pub struct Batcher {
    shared: Arc<Shared>,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    settings: Settings,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Piece>,
    /// Rows of all that wait.
    rows: usize,
    stopping: bool,
}

impl Batcher {
    /// Starts the workers.
    pub fn new(settings: Settings, metrics: Arc<Metrics>) -> Batcher {
        let shared = Arc::new(Shared {
            settings,
            metrics,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let workers = (0..settings.workers)
            .map(|_| {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.work())
            })
            .collect();
        Batcher {
            shared,
            workers: Mutex::new(workers),
        }
    }

    /// Runs a model on inputs in the graph's order, all of `rows` rows, and gives its
    /// outputs. Who drops the future calls the request off.
    ///
    /// # Errors
    /// [`Refusal::Busy`] when there is no room to wait, [`Refusal::Stopping`] when
    /// the server ends, and those of [`Model::run`].
    pub async fn run(
        &self,
        model: &Arc<Model>,
        inputs: Vec<Values>,
        rows: usize,
    ) -> Result<Vec<Tensor>, Refusal> {
        let batch = match model.batched {
            true => self.shared.settings.batch,
            false => rows,
        };
        let request = Arc::new(Request {
            model: Arc::clone(model),
            inputs,
            rows,
        });
        let arrived = Instant::now();
        let (pieces, answers): (Vec<Piece>, Vec<_>) = (0..rows)
            .step_by(batch)
            .map(|start| {
                let (reply, answer) = oneshot::channel();
                let piece = Piece {
                    request: Arc::clone(&request),
                    rows: start..rows.min(start + batch),
                    arrived,
                    reply,
                };
                (piece, answer)
            })
            .unzip();
        self.shared.enter(pieces, rows)?;
        let mut whole: Option<Vec<Tensor>> = None;
        for answer in answers {
            // A worker that is gone has dropped what it held.
            let part = answer.await.map_err(|_| Refusal::Stopping)??;
            match &mut whole {
                None => whole = Some(part),
                Some(all) => join(all, part),
            }
        }
        whole.ok_or_else(|| Refusal::Invalid("the request has no rows".into()))
    }

    /// Runs what waits, takes nothing new, and ends the workers.
    pub fn stop(&self) {
        self.shared.state().stopping = true;
        self.shared.changed.notify_all();
        let workers =
            std::mem::take(&mut *self.workers.lock().unwrap_or_else(PoisonError::into_inner));
        for worker in workers {
            // A worker that panicked has told so.
            let _ = worker.join();
        }
    }
}

/// Appends the rows of `part` to those of `all`.
fn join(all: &mut [Tensor], part: Vec<Tensor>) {
    for (all, part) in all.iter_mut().zip(part) {
        if let (Some(rows), Some(more)) = (all.shape.first_mut(), part.shape.first()) {
            *rows += more;
        }
        all.values.extend(&part.values, 0..part.values.len());
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, pieces: Vec<Piece>, rows: usize) -> Result<(), Refusal> {
        let mut state = self.state();
        if state.stopping {
            return Err(Refusal::Stopping);
        }
        // A request that is larger than the queue has its turn when all is quiet.
        let room = state.rows == 0 || state.rows + rows <= self.settings.queue;
        if !room {
            return Err(Refusal::Busy);
        }
        state.rows += rows;
        let several = pieces.len() > 1;
        state.waiting.extend(pieces);
        self.metrics.queue(state.rows);
        drop(state);
        match several {
            true => self.changed.notify_all(),
            false => self.changed.notify_one(),
        }
        Ok(())
    }

    fn work(&self) {
        while let Some(pieces) = self.take() {
            let mut pieces: Vec<Piece> = pieces;
            pieces.retain(|piece| !piece.reply.is_closed());
            if !pieces.is_empty() {
                self.run(pieces);
            }
        }
    }

    /// The pieces of the next run, all of one model; `None` when the server ends and
    /// nothing waits.
    fn take(&self) -> Option<Vec<Piece>> {
        let mut state = self.state();
        loop {
            if let Some(first) = state.waiting.pop_front() {
                return Some(self.gather(state, first));
            }
            if state.stopping {
                return None;
            }
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Adds to the first piece what fits into its run.
    fn gather(&self, mut state: MutexGuard<'_, State>, first: Piece) -> Vec<Piece> {
        let Settings { batch, delay, .. } = self.settings;
        let until = first.arrived + delay;
        let (mut rows, mut pieces) = (first.rows.len(), vec![first]);
        loop {
            let mut at = 0;
            while rows < batch && at < state.waiting.len() {
                let next = &state.waiting[at];
                let model = &pieces[0].request.model;
                let fits = rows + next.rows.len() <= batch;
                if fits && model.batched && Arc::ptr_eq(&next.request.model, model) {
                    rows += next.rows.len();
                    pieces.extend(state.waiting.remove(at));
                } else {
                    at += 1;
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            let alone = !pieces[0].request.model.batched;
            if rows >= batch || alone || left.is_zero() || state.stopping {
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.rows = state.rows.saturating_sub(rows);
        self.metrics.queue(state.rows);
        let more = !state.waiting.is_empty();
        drop(state);
        if more {
            // This worker may have been woken for what it did not take.
            self.changed.notify_one();
        }
        pieces
    }

    fn run(&self, pieces: Vec<Piece>) {
        let model = Arc::clone(&pieces[0].request.model);
        let rows = pieces.iter().map(|piece| piece.rows.len()).sum();
        let whole = pieces.len() == 1 && pieces[0].rows.len() == pieces[0].request.rows;
        let started = Instant::now();
        let outcome = match whole {
            true => model.run(&pieces[0].request.inputs, rows),
            false => model.run(&stacked(&model, &pieces, rows), rows),
        };
        self.metrics.ran(&model, rows, started.elapsed());
        let outputs = match outcome {
            Ok(outputs) => outputs,
            Err(refusal) => {
                for piece in pieces {
                    let _ = piece.reply.send(Err(refusal.clone()));
                }
                return;
            }
        };
        if let Some(place) = model.probabilities() {
            self.metrics.classified(&model, &outputs[place]);
        }
        let mut pieces = pieces;
        if let [_] = pieces[..] {
            let alone = pieces.pop();
            alone.map(|piece| piece.reply.send(Ok(outputs)));
            return;
        }
        let mut start = 0;
        for piece in pieces {
            let part = start..start + piece.rows.len();
            start = part.end;
            // Its sender may have gone meanwhile.
            let _ = piece.reply.send(Ok(cut(&outputs, rows, part)));
        }
    }
}

/// The inputs of several pieces, one below the other.
fn stacked(model: &Model, pieces: &[Piece], rows: usize) -> Vec<Values> {
    let inputs = model.inputs.iter().enumerate();
    inputs
        .map(|(place, spec)| {
            let width = pieces[0].request.inputs[place].len() / pieces[0].request.rows.max(1);
            let mut all = Values::empty(spec.data_type, width * rows);
            for piece in pieces {
                let Range { start, end } = piece.rows;
                let values = &piece.request.inputs[place];
                all.extend(values, start * width..end * width);
            }
            all
        })
        .collect()
}

/// A part of the rows of tensors.
fn cut(outputs: &[Tensor], rows: usize, part: Range<usize>) -> Vec<Tensor> {
    let each = outputs.iter().map(|tensor| {
        let width = tensor.values.len() / rows.max(1);
        let mut values = Values::empty(tensor.values.data_type(), width * part.len());
        values.extend(&tensor.values, part.start * width..part.end * width);
        let mut shape = tensor.shape.clone();
        if let Some(first) = shape.first_mut() {
            *first = part.len();
        }
        Tensor {
            name: tensor.name.clone(),
            shape,
            values,
        }
    });
    each.collect()
}
