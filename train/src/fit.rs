//! The training loop.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Instant;

use models::Network;
use tch::{Device, Kind, Tensor};

use crate::augment::Augmentation;
use crate::chunks::Chunks;
use crate::cli::Request;
use crate::error::{Error, Result};
use crate::examples::{Batch, Examples};
use crate::loss::Loss;
use crate::loss_and_confusion::LossAndConfusion;
use crate::network::ResidualCnn;
use crate::optimiser::{self, Optimiser};
use crate::progress::Progress;
use crate::sampler::{Sampler, mix};
use crate::schedule::Schedule;
use crate::settings::Settings;
use crate::state::{Epoch, State};
use data::record::error::ensure;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All epochs, or no better figure for as long as the patience lasts.
    Finished,
    /// A signal; the checkpoint is written.
    Interrupted,
}

/// What ends a run early.
#[derive(Debug, Default)]
pub struct Stop {
    /// The signal that asked for it, 0 for none: the step under way is the last.
    signal: AtomicI32,
    /// Whether steps are made, so that there is something to save.
    learning: AtomicBool,
}

impl Stop {
    /// Asks the run to end after this step; `false` where it makes no steps, or
    /// was asked before.
    pub fn ask(&self, signal: i32) -> bool {
        let again = self.signal.swap(signal, Ordering::SeqCst) != 0;
        !again && self.learning.load(Ordering::SeqCst)
    }

    /// The signal that asked the run to end.
    pub fn signal(&self) -> Option<i32> {
        Some(self.signal.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
    }

    fn is_asked(&self) -> bool {
        self.signal().is_some()
    }
}

/// What a step needs besides the state.
pub struct Stepper {
    augmentation: Augmentation,
    loss: Loss,
    precision: Kind,
    clip: f64,
    average: f64,
}

impl Stepper {
    /// The steps of a run with these settings on these examples.
    pub fn new(settings: &Settings, augmentation: Augmentation, train: &Examples) -> Stepper {
        let class_weights =
            (settings.class_weights > 0.0).then(|| class_weights(train, settings.class_weights));
        Stepper {
            augmentation,
            loss: Loss {
                gamma: settings.gamma,
                label_smoothing: settings.label_smoothing,
                class_weights,
                logit_adjustment: logit_adjustment(settings, train),
                distillation: settings.distillation(),
            },
            precision: settings.precision.kind(train.labels.device()),
            clip: settings.clip,
            average: settings.average,
        }
    }

    /// One step: augment, forward, backward, move. The batch's loss, still on
    /// the device.
    pub fn step(&self, state: &mut State, batch: &Batch, learning_rate: f64) -> Tensor {
        let windows = self.augmentation.apply(&batch.windows);
        let rhythm = batch
            .rhythm
            .as_ref()
            .map(|r| self.augmentation.apply_rhythm(r));
        let (rhythm, ages) = (rhythm.as_ref(), batch.ages.as_ref());
        let lesson = state.model.learn(&windows, rhythm, ages, self.precision);
        let loss = self.loss.mean(
            &lesson.logits,
            &batch.labels,
            batch.teacher.as_ref(),
            batch.weights.as_ref(),
        );
        let gradients = Tensor::run_backward(&[&loss], &[&state.model.values], false, false);
        let gradient = optimiser::clip(&gradients[0], self.clip);
        state
            .optimiser
            .step(&state.model.values, &gradient, learning_rate);
        state.model.keep(lesson.statistics);
        state.update_average(self.average);
        loss.detach()
    }
}

/// What the epochs of a run show.
enum Plan {
    /// Beats by themselves.
    Beats(Sampler),
    /// Chunks of consecutive beats, for a network that remembers.
    Chunks(Chunks),
}

impl Plan {
    fn new(settings: &Settings, train: &Examples, network: &Network) -> Result<Plan> {
        let sampler = sampler(settings, train);
        let ages = train.ages.as_ref().filter(|_| network.memory().is_some());
        let Some(ages) = ages else {
            return Ok(Plan::Beats(sampler));
        };
        let ages = Vec::<i64>::try_from(ages.to_device(Device::Cpu))?;
        let ages: Vec<usize> = ages.into_iter().map(|age| age as usize).collect();
        let (length, seed) = (settings.chunk, settings.seed);
        Ok(Plan::Chunks(Chunks::new(sampler, &ages, length, seed)))
    }

    /// The batches of an epoch, each of about so many beats, as chunks of rows: of
    /// one row each where beats are shown by themselves.
    fn batches(&self, epoch: usize, beats: usize) -> Vec<Vec<Range<usize>>> {
        let (shown, count): (Vec<Range<usize>>, usize) = match self {
            Plan::Beats(sampler) => {
                let rows = sampler.epoch(epoch).into_iter().map(|row| row as usize);
                (rows.map(|row| row..row + 1).collect(), beats)
            }
            Plan::Chunks(chunks) => (chunks.epoch(epoch), (beats / chunks.length()).max(1)),
        };
        let batches = shown.chunks(count).map(<[_]>::to_vec);
        // Batch norm cannot do with a rest of a single beat.
        batches.filter(|batch| rows_of(batch) > 1).collect()
    }

    fn batch(&self, train: &Examples, chunks: &[Range<usize>]) -> Batch {
        match self {
            Plan::Beats(_) => {
                let rows: Vec<i64> = chunks.iter().map(|row| row.start as i64).collect();
                train.batch(&rows)
            }
            Plan::Chunks(plan) => train.chunks(chunks, plan.row_weights()),
        }
    }
}

fn rows_of(chunks: &[Range<usize>]) -> usize {
    chunks.iter().map(Range::len).sum()
}

fn sampler(settings: &Settings, train: &Examples) -> Sampler {
    Sampler::new(
        &train.class_of,
        train.classes.len(),
        &train.weights,
        settings.balance,
        settings.shown,
        settings.seed,
    )
}

/// Logit adjustment (Menon et al. 2021): `ln(p_shown / p_prior) - bias`,
/// `[classes]`, where `p_shown` is how often the sampler shows a class and
/// `p_prior` how often it occurs; nothing where all are 0.
fn logit_adjustment(settings: &Settings, train: &Examples) -> Option<Tensor> {
    let sampler = sampler(settings, train);
    let (shown, occurs) = (sampler.shares(), &train.occurs);
    let offsets: Vec<f32> = (0..shown.len())
        .map(|c| {
            let more = (shown[c] / occurs[c]).ln();
            let more = if more.is_finite() { more } else { 0.0 };
            (more - settings.class_bias.get(c).copied().unwrap_or(0.0)) as f32
        })
        .collect();
    let matters = offsets.iter().any(|o| o.abs() > 1e-6);
    matters.then(|| Tensor::from_slice(&offsets).to_device(train.labels.device()))
}

/// The state in which training with these settings begins from `model`.
pub fn start(settings: &Settings, model: ResidualCnn) -> State {
    let optimiser = Optimiser::new(
        settings.optimiser,
        settings.weight_decay,
        model.decay_mask(),
    );
    let frozen = &settings.freeze;
    let optimiser = match frozen.is_empty() {
        true => optimiser,
        false => {
            let stays = |name: &str| frozen.iter().any(|f| name.starts_with(f.as_str()));
            optimiser.moving(model.mask(|parameter| !stays(&parameter.name)))
        }
    };
    State::new(model, optimiser, settings.average > 0.0)
}

/// Trains from wherever `state` is until the run ends, leaving the best network
/// in `state.best` and a checkpoint and the metrics of every epoch in `run`.
///
/// # Errors
/// When the loss is no longer a number, or a file cannot be written.
pub fn fit(
    request: &Request,
    stepper: &Stepper,
    train: &Examples,
    validation: &Examples,
    state: &mut State,
    stop: &Stop,
) -> Result<Ending> {
    stop.learning.store(true, Ordering::SeqCst);
    let ending = steps(request, stepper, train, validation, state, stop)?;
    stop.learning.store(false, Ordering::SeqCst);
    // A wish that came after the last step is a wish as well.
    Ok(match stop.is_asked() {
        true => Ending::Interrupted,
        false => ending,
    })
}

fn steps(
    request: &Request,
    stepper: &Stepper,
    train: &Examples,
    validation: &Examples,
    state: &mut State,
    stop: &Stop,
) -> Result<Ending> {
    let Request { settings, run, .. } = request;
    let schedule: Schedule = settings.schedule();
    let plan = Plan::new(settings, train, state.model.network())?;
    let batch = settings.batch.min(train.rows());
    let mut progress = Progress::new(settings);
    let last = request.stop_after.map(|n| state.counters.epoch + n);

    while !finished(settings, state) {
        let started = Instant::now();
        let (epoch, first) = (state.counters.epoch, state.counters.step);
        let batches = plan.batches(epoch, batch);
        let mut loss_sum = Tensor::from(state.counters.loss).to_device(train.labels.device());
        let mut rate = 0.0;
        progress.begin(epoch + 1, batches.len(), first);
        for (step, rows) in batches.iter().enumerate().skip(first) {
            tch::manual_seed(mix(settings.seed, epoch as u64, step as u64) as i64);
            let part = (step + 1) as f64 / batches.len() as f64;
            rate = schedule.rate(epoch as f64 + part, &state.counters.plateau);
            loss_sum += stepper.step(state, &plan.batch(train, rows), rate);
            progress.step(step + 1);
            if stop.is_asked() && step + 1 < batches.len() {
                state.counters.step = step + 1;
                state.counters.loss = loss_sum.double_value(&[]);
                state.save(run)?;
                return Ok(Ending::Interrupted);
            }
        }
        let train_loss = loss_sum.double_value(&[]) / batches.len() as f64;
        let shown: usize = batches.iter().skip(first).map(|rows| rows_of(rows)).sum();
        let beats_per_second = shown as f64 / started.elapsed().as_secs_f64();
        ensure(train_loss.is_finite(), || {
            Error::Diverged(format!(
                "the training loss of epoch {} is {train_loss}: the training diverged; lower --learning-rate or set --clip 1",
                epoch + 1
            ))
        })?;

        let figures = LossAndConfusion::of(state.validated(), validation)?.figures();
        let monitored = figures.monitored(settings.monitor, epoch + 1, &settings.classes);
        let improved = state.counters.best.is_none_or(|best| monitored > best);
        if improved {
            state.keep_best();
        }
        let counters = &mut state.counters;
        if improved {
            counters.best = Some(monitored);
        }
        counters.stalled = if improved { 0 } else { counters.stalled + 1 };
        schedule.after_epoch(improved, &mut counters.plateau);
        (counters.epoch, counters.step, counters.loss) = (epoch + 1, 0, 0.0);
        counters.history.push(Epoch {
            epoch: epoch + 1,
            learning_rate: rate,
            train_loss,
            validation: figures,
            best: improved,
            beats_per_second,
            seconds: started.elapsed().as_secs_f64(),
        });
        run.write_history(&state.counters.history, &settings.classes)?;
        state.save(run)?;
        progress.end(&state.counters.history);
        let enough = stop.is_asked() || last.is_some_and(|last| state.counters.epoch >= last);
        if enough && !finished(settings, state) {
            return Ok(Ending::Interrupted);
        }
    }
    Ok(Ending::Finished)
}

fn finished(settings: &Settings, state: &State) -> bool {
    is_over(settings, state.counters.epoch, state.counters.stalled)
}

/// Whether a run is done that has so many epochs behind it, of which so many
/// came after the best one.
pub fn is_over(settings: &Settings, epochs: usize, stalled: usize) -> bool {
    let exhausted = settings.patience > 0 && stalled >= settings.patience;
    exhausted || epochs >= settings.epochs
}

/// `1 / count^exponent` per class, scaled to a mean of 1 over the rows; 1 for a
/// class without rows.
fn class_weights(train: &Examples, exponent: f64) -> Tensor {
    let mut counts = vec![0.0_f64; train.classes.len()];
    for &class in &train.class_of {
        counts[class] += 1.0;
    }
    let weight = |&c: &f64| if c > 0.0 { c.powf(-exponent) } else { 0.0 };
    let raw: Vec<f64> = counts.iter().map(weight).collect();
    let mean = raw.iter().zip(&counts).map(|(w, c)| w * c).sum::<f64>() / train.rows() as f64;
    let scaled = |w: f64| if w > 0.0 { (w / mean) as f32 } else { 1.0 };
    let weights: Vec<f32> = raw.into_iter().map(scaled).collect();
    Tensor::from_slice(&weights).to_device(train.labels.device())
}
