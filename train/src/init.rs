//! Training that starts from a model: its network and its weights.
//!
//! An exported network has its batch norms folded into its layers and is
//! trained on without them, so that before the first step it answers as the
//! model does. A few patients are enough to adapt such a network, while batch
//! statistics of few patients would undo what it knows.

use std::path::Path;

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
use data::record::error::ensure;

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
        let bytes = std::fs::read(path).map_err(data::Error::io(path))?;
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
                "--init: the model reads beats that are prepared in another way: {}; leave out --input and --leads",
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

    /// Puts the model's weights into a fresh network of its shape. Of the last
    /// layer, classes of the same name keep their weights; others keep the
    /// fresh ones.
    fn fill(&self, fresh: &ResidualCnn, settings: &Settings) -> Result<Weights> {
        let mut weights = fresh.weights()?;
        for (name, values) in &self.weights.0 {
            let Some(place) = weights.0.get_mut(name) else {
                continue;
            };
            match name.strip_prefix(HEAD).is_some_and(|n| n.starts_with('.')) {
                true => self.fill_head(place, values, settings),
                false => *place = values.clone(),
            }
        }
        Ok(weights)
    }

    /// Rows of the last layer by the names of the classes.
    fn fill_head(&self, place: &mut Tensor, values: &Tensor, settings: &Settings) {
        let width = values.values.len() / self.contract.classes.len();
        for (row, name) in settings.classes.names().enumerate() {
            let known = self.contract.classes.names().position(|n| n == name);
            if let Some(from) = known {
                place.values[row * width..][..width]
                    .copy_from_slice(&values.values[from * width..][..width]);
            }
        }
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
    let fresh = ResidualCnn::new(network, settings.seed, device)?;
    let Some(init) = init else {
        return Ok(fresh);
    };
    let weights = init.fill(&fresh, settings)?;
    ResidualCnn::from_weights(fresh.network().clone(), &weights, device)
}
