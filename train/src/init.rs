//! Training that starts from a model: its network and its weights.
//!
//! An exported network has its batch norms folded into its layers and is
//! trained on without them, so that before the first step it answers as the
//! model does. A few patients are enough to adapt such a network, while batch
//! statistics of few patients would undo what it knows.

use std::path::Path;

use data::record::classes::BeatClass;
use data::record::error::ensure;
use models::architecture::{Network, Node};
use models::fit::differences;
use models::onnx;
use models::shipped;
use models::weights::{Tensor, Weights};
use models::{Contract, contract::ContractError};
use tch::Device;

use crate::error::{Error, Result};
use crate::network::ResidualCnn;
use crate::settings::Settings;

/// The layer whose outputs are the classes.
const HEAD: &str = "logits";

/// A model to start from.
pub struct Init {
    network: Network,
    weights: Weights,
    /// What the model expects and tells apart.
    pub contract: Contract,
}

impl Init {
    /// Reads a classifier that `train` has exported; a shipped model is found by
    /// its name.
    ///
    /// # Errors
    /// When the file cannot be read, or is no such model.
    pub fn read(path: &Path) -> Result<Init> {
        let path = &shipped::find(path);
        let bytes = shipped::read(path)?;
        let told = |e: ContractError| Error::usage(format!("--init {}: {e}", path.display()));
        let (network, weights, contract) = onnx::network(&bytes).map_err(told)?;
        Ok(Init {
            network,
            weights,
            contract,
        })
    }

    /// The model that the settings start from, if they do.
    ///
    /// # Errors
    /// As [`Init::read`].
    pub fn of(settings: &Settings) -> Result<Option<Init>> {
        settings.init.as_deref().map(Init::read).transpose()
    }

    /// The model's network with as many outputs as the settings have classes.
    ///
    /// # Errors
    /// When the model reads beats that are prepared in another way, or a layer
    /// to freeze is not in it.
    fn network(&self, settings: &Settings) -> Result<Network> {
        let differ = differences(&settings.input, &self.contract.input);
        ensure(differ.is_empty(), || {
            Error::usage(format!(
                "--init: the model reads beats that are prepared in another way: {}; start from a model of such beats, or leave out --input and --leads",
                differ.join("; ")
            ))
        })?;
        let mut network = self.network.clone();
        if let Some(head) = network.nodes.last_mut() {
            head.shape = vec![settings.classes.len()];
        }
        let names: Vec<String> = network.nodes.iter().filter_map(layer).collect();
        for frozen in &settings.freeze {
            ensure(names.iter().any(|name| name.starts_with(frozen)), || {
                Error::usage(format!(
                    "--freeze {frozen}: no layer's name begins so; the layers are {}",
                    names.join(", ")
                ))
            })?;
        }
        Ok(network)
    }

    /// The model's weights, with a last layer for the classes of the settings.
    fn fitted(&self, settings: &Settings) -> Weights {
        let mut weights = self.weights.clone();
        for (name, values) in &mut weights.0 {
            if name.strip_prefix(HEAD).is_some_and(|n| n.starts_with('.')) {
                *values = self.head(values, settings);
            }
        }
        weights
    }

    /// The last layer's weights or biases, a row per class of the settings.
    ///
    /// A row is that of the class which the new one comes [`from`](Init::from),
    /// or zeros, the same for every class that the model does not know: random
    /// rows would favour one of them, and the order of the classes would count.
    /// The biases of `k` classes that share a row are smaller by `ln k`, so
    /// that together they are as likely as the one before.
    fn head(&self, old: &Tensor, settings: &Settings) -> Tensor {
        let width = old.values.len() / self.contract.classes.len();
        let from = self.from(settings);
        let mut values = Vec::with_capacity(from.len() * width);
        for source in &from {
            let Some(source) = *source else {
                values.extend(std::iter::repeat_n(0.0, width));
                continue;
            };
            let sharing = from.iter().filter(|&&f| f == Some(source)).count();
            let less = match old.shape.len() {
                1 => (sharing as f32).ln(),
                _ => 0.0,
            };
            values.extend(
                old.values[source * width..][..width]
                    .iter()
                    .map(|v| v - less),
            );
        }
        let mut shape = old.shape.clone();
        shape[0] = from.len();
        Tensor { shape, values }
    }

    /// For each class of the settings the model's class that it begins as: the
    /// one that holds its labels, by the first that any holds, else the one of
    /// its name.
    fn from(&self, settings: &Settings) -> Vec<Option<usize>> {
        let known = &self.contract.classes;
        let holding = |label: &String| known.iter().position(|c| c.labels().contains(label));
        let of_class = |class: &BeatClass| {
            let by_label = class.labels().iter().find_map(holding);
            by_label.or_else(|| known.named(class.name()))
        };
        settings.classes.iter().map(of_class).collect()
    }

    /// What training starts from, in words: where each class comes from, and
    /// which layers learn.
    pub fn told(&self, settings: &Settings) -> String {
        let from = self.from(settings);
        let origin = |(name, from): (&str, &Option<usize>)| match from {
            Some(from) => format!("{name} as its {}", self.contract.classes.name(*from)),
            None => format!("{name} anew"),
        };
        let classes: Vec<String> = settings.classes.names().zip(&from).map(origin).collect();
        let names = self.network.nodes.iter().filter_map(layer);
        let (frozen, learning): (Vec<String>, Vec<String>) =
            names.partition(|name| settings.freeze.iter().any(|f| name.starts_with(f)));
        let frozen = match frozen.is_empty() {
            true => String::new(),
            false => format!("; frozen: {}", frozen.join(" ")),
        };
        format!(
            "starts from the model; classes: {}; learning: {}{frozen}",
            classes.join(", "),
            learning.join(" ")
        )
    }
}

/// The name of a node's layer, if it has parameters.
fn layer(node: &Node) -> Option<String> {
    node.op.name().map(String::from)
}

/// The network of some settings: the one that they describe, or that of the
/// model that they start from.
///
/// # Errors
/// When it cannot be built, or the model does not fit.
pub fn network(settings: &Settings, init: Option<&Init>) -> Result<Network> {
    match init {
        Some(init) => init.network(settings),
        None => Ok(settings.architecture(&settings.input).network()?),
    }
}

/// The network as training begins: fresh, or as the model has it.
///
/// # Errors
/// When libtorch cannot allocate on `device`, or the model does not fit.
pub fn model(
    settings: &Settings,
    init: Option<&Init>,
    network: Network,
    device: Device,
) -> Result<ResidualCnn> {
    match init {
        Some(init) => ResidualCnn::from_weights(network, &init.fitted(settings), device),
        None => ResidualCnn::new(network, settings.seed, device),
    }
}
