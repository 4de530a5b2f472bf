//! Everything that changes during a run, and its checkpoint: one safetensors
//! file, written whole or not at all, from which the run goes on as if it had
//! never stopped.

use std::path::Path;

use data::output::OutputFile;
use data::record::checksum::hexadecimal;
use models::Network;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::loss_and_confusion::Figures;
use crate::network::ResidualCnn;
use crate::optimiser::Optimiser;
use crate::run::RunFolder;
use crate::schedule::Plateau;
use data::record::error::{ensure, told};

/// Key of the counters, as JSON bytes, among the tensors.
const COUNTERS: &str = "counters";

/// Key of the checksum over all the others.
const DIGEST: &str = "sha256";

/// What an epoch came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Number from 1.
    pub epoch: usize,
    /// Learning rate of its last step.
    pub learning_rate: f64,
    /// Mean training loss, with augmentation, smoothing and the like.
    pub train_loss: f64,
    /// On the validation part.
    pub validation: Figures,
    /// Whether it is the best so far.
    pub best: bool,
    /// Training speed, beats per second.
    pub beats_per_second: f64,
    /// Duration, validation included, seconds.
    pub seconds: f64,
}

/// The numbers of a run that are not tensors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    /// Finished epochs.
    pub epoch: usize,
    /// Finished steps of the epoch under way.
    pub step: usize,
    /// Sum of the losses of those steps.
    pub loss: f64,
    /// Steps of the optimiser in all.
    pub steps: u64,
    /// What the plateau schedule remembers.
    pub plateau: Plateau,
    /// Best monitored figure.
    pub best: Option<f64>,
    /// Epochs since then.
    pub stalled: usize,
    /// SHA-256 of the beats that the run trains and validates on.
    pub data_sha256: String,
    /// The finished epochs.
    pub history: Vec<Epoch>,
}

/// Everything that changes during a run.
pub struct State {
    /// The network that the steps move.
    pub model: ResidualCnn,
    /// The running average of its weights.
    pub average: Option<ResidualCnn>,
    /// The best network so far.
    pub best: ResidualCnn,
    /// The optimiser and its memory.
    pub optimiser: Optimiser,
    /// Everything else.
    pub counters: Counters,
}

impl State {
    /// The start of a run.
    pub fn new(model: ResidualCnn, optimiser: Optimiser, averaged: bool) -> State {
        State {
            average: averaged.then(|| model.duplicate()),
            best: model.duplicate(),
            model,
            optimiser,
            counters: Counters::default(),
        }
    }

    /// The network that is validated: the average where there is one.
    pub fn validated(&self) -> &ResidualCnn {
        self.average.as_ref().unwrap_or(&self.model)
    }

    /// Moves the average towards the present weights, with `decay` as the
    /// weight of the past; less at the start, when the past is short.
    pub fn update_average(&mut self, decay: f64) {
        let Some(average) = &mut self.average else {
            return;
        };
        let _guard = tch::no_grad_guard();
        let steps = self.optimiser.steps as f64;
        let weight = 1.0 - decay.min((1.0 + steps) / (10.0 + steps));
        let _ = average
            .values
            .detach()
            .lerp_(&self.model.values.detach(), weight);
        let _ = average.statistics.lerp_(&self.model.statistics, weight);
    }

    /// Keeps a copy of the validated network as the best.
    pub fn keep_best(&mut self) {
        self.best = self.validated().duplicate();
    }

    /// Writes everything to the checkpoint of `run`, after the one that is there
    /// has become its previous one.
    ///
    /// # Errors
    /// When the disk is full or the folder cannot be written.
    pub fn save(&self, run: &RunFolder) -> Result<()> {
        let path = &run.checkpoint();
        let counters = Counters {
            steps: self.optimiser.steps,
            ..self.counters.clone()
        };
        let json = serde_json::to_vec(&counters)?;
        let mut tensors = vec![
            (COUNTERS.to_string(), Tensor::from_slice(&json)),
            ("optimiser.mean".into(), self.optimiser.mean.shallow_clone()),
            (
                "optimiser.square".into(),
                self.optimiser.square.shallow_clone(),
            ),
        ];
        for (name, model) in self.networks() {
            tensors.push((format!("{name}.values"), model.values.detach()));
            tensors.push((
                format!("{name}.statistics"),
                model.statistics.shallow_clone(),
            ));
        }
        for (_, tensor) in &mut tensors {
            *tensor = tensor.to_device(Device::Cpu).contiguous();
        }
        let digest = digest(&tensors)?;
        tensors.push((DIGEST.into(), Tensor::from_slice(digest.as_bytes())));
        let file = OutputFile::create(path)?;
        Tensor::write_safetensors(&tensors, file.temporary_path())
            .map_err(|e| data::Error::malformed(path, e.to_string()))?;
        if path.exists() {
            let previous = run.previous_checkpoint();
            std::fs::rename(path, &previous).map_err(data::Error::io(&previous))?;
        }
        file.commit()?;
        Ok(())
    }

    /// Goes on from the last checkpoint of `run` that is whole, or from the start
    /// where it has none yet; says so where that is not the last one.
    ///
    /// # Errors
    /// When every checkpoint is damaged or of another network.
    pub fn resume(&mut self, run: &RunFolder) -> Result<()> {
        let (last, previous) = (run.checkpoint(), run.previous_checkpoint());
        if !last.exists() && !previous.exists() {
            eprintln!(
                "{}: no epoch was finished; starting anew",
                run.path().display()
            );
            return Ok(());
        }
        let Err(error) = self.load(&last) else {
            return Ok(());
        };
        if self.load(&previous).is_err() {
            return Err(error);
        }
        eprintln!(
            "{}; going on from the one before, after epoch {}",
            told(&error),
            self.counters.epoch
        );
        if last.exists() {
            // The next checkpoint must not make it the previous one.
            let aside = run.file("checkpoint.damaged.safetensors");
            std::fs::rename(&last, &aside).map_err(data::Error::io(&aside))?;
        }
        Ok(())
    }

    fn networks(&self) -> Vec<(&'static str, &ResidualCnn)> {
        let mut all = vec![("model", &self.model), ("best", &self.best)];
        all.extend(self.average.as_ref().map(|a| ("average", a)));
        all
    }

    /// Reads what [`State::save`] wrote into this state, whose network and
    /// settings must be those of the run.
    ///
    /// # Errors
    /// When the file is missing, damaged, or of another network.
    pub fn load(&mut self, path: &Path) -> Result<()> {
        let tensors = read(path)?;
        let device = self.model.values.device();
        let get = |name: &str, like: &Tensor| -> Result<Tensor> {
            let tensor = find(&tensors, name, path)?;
            ensure(
                tensor.size() == like.size() && tensor.kind() == like.kind(),
                || {
                    Error::Run(format!(
                        "{}: {name} has shape {:?}, the settings' network needs {:?}; resume with the settings of the run",
                        path.display(),
                        tensor.size(),
                        like.size()
                    ))
                },
            )?;
            Ok(tensor.to_device(device))
        };
        let restore = |name: &str, model: &ResidualCnn| -> Result<ResidualCnn> {
            Ok(ResidualCnn::with_values(
                model.network().clone(),
                get(&format!("{name}.values"), &model.values)?,
                get(&format!("{name}.statistics"), &model.statistics)?,
            ))
        };
        let counters: Counters = counters(&tensors, path)?;
        let model = restore("model", &self.model)?;
        let best = restore("best", &self.best)?;
        let average = match &self.average {
            Some(average) => Some(restore("average", average)?),
            None => None,
        };
        self.optimiser.mean = get("optimiser.mean", &self.optimiser.mean)?;
        self.optimiser.square = get("optimiser.square", &self.optimiser.square)?;
        self.optimiser.steps = counters.steps;
        (self.model, self.best, self.average, self.counters) = (model, best, average, counters);
        Ok(())
    }
}

/// The best network in a checkpoint, on `device`.
///
/// # Errors
/// When the file is missing, damaged, or of another network.
pub fn best_of(path: &Path, network: Network, device: Device) -> Result<ResidualCnn> {
    let tensors = read(path)?;
    let fresh = ResidualCnn::new(network, 0, Device::Cpu)?;
    let take = |name: &str, like: &Tensor| -> Result<Tensor> {
        let tensor = find(&tensors, name, path)?;
        ensure(tensor.size() == like.size(), || {
            Error::Run(format!(
                "{}: {name} has shape {:?}, its settings' network needs {:?}",
                path.display(),
                tensor.size(),
                like.size()
            ))
        })?;
        Ok(tensor.to_device(device))
    };
    let values = take("best.values", &fresh.values)?;
    let statistics = take("best.statistics", &fresh.statistics)?;
    Ok(ResidualCnn::with_values(
        fresh.network().clone(),
        values,
        statistics,
    ))
}

fn read(path: &Path) -> Result<Vec<(String, Tensor)>> {
    ensure(path.is_file(), || {
        Error::Run(format!(
            "{}: no checkpoint here; name the folder of a run that finished at least one epoch",
            path.display()
        ))
    })?;
    let mut tensors = Tensor::read_safetensors(path).map_err(|e| {
        Error::Run(format!(
            "{}: not a checkpoint, or damaged: {e}",
            path.display()
        ))
    })?;
    let at = tensors.iter().position(|(name, _)| name == DIGEST);
    let at = at.ok_or_else(|| {
        Error::Run(format!(
            "{}: the checkpoint has no checksum: it is damaged, or of an earlier version of this program; train anew",
            path.display()
        ))
    })?;
    let (_, stated) = tensors.swap_remove(at);
    let whole = stated.kind() == Kind::Uint8
        && Vec::<u8>::try_from(&stated)? == digest(&tensors)?.as_bytes();
    ensure(whole, || {
        Error::Run(format!(
            "{}: the checkpoint is damaged: its content does not match its checksum",
            path.display()
        ))
    })?;
    Ok(tensors)
}

/// SHA-256 over names, kinds, shapes and values, in hexadecimal.
fn digest(tensors: &[(String, Tensor)]) -> Result<String> {
    let mut sorted: Vec<_> = tensors.iter().collect();
    sorted.sort_by_key(|(name, _)| name);
    let mut hash = Sha256::new();
    for (name, tensor) in sorted {
        let (kind, size) = (tensor.kind(), tensor.size());
        hash.update(format!("{name}\n{kind:?}\n{size:?}\n"));
        let mut bytes = vec![0; tensor.numel() * kind.elt_size_in_bytes()];
        tensor
            .contiguous()
            .f_copy_data_u8(&mut bytes, tensor.numel())?;
        hash.update(bytes);
    }
    Ok(hexadecimal(&hash.finalize()))
}

fn find<'a>(tensors: &'a [(String, Tensor)], name: &str, path: &Path) -> Result<&'a Tensor> {
    tensors
        .iter()
        .find(|(n, _)| n == name)
        .map(|(_, t)| t)
        .ok_or_else(|| {
            Error::Run(format!(
                "{}: the checkpoint lacks {name}; it is of another kind of run",
                path.display()
            ))
        })
}

fn counters(tensors: &[(String, Tensor)], path: &Path) -> Result<Counters> {
    let json = find(tensors, COUNTERS, path)?;
    ensure(json.kind() == Kind::Uint8, || {
        Error::Run(format!("{}: damaged counters", path.display()))
    })?;
    let json = Vec::<u8>::try_from(json)?;
    serde_json::from_slice(&json)
        .map_err(|e| Error::Run(format!("{}: damaged counters: {e}", path.display())))
}
