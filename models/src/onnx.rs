//! ONNX files: the classifier, its explainer, and the contract inside either.

mod evaluate;
mod gradient;
mod graph;
mod operators;
mod read;
mod rules;

use crate::architecture::{Network, Op};
pub use crate::contract::{BEAT, LOGITS, PROBABILITIES, RHYTHM, STATE, STATE_OUT};
use crate::contract::{Contract, Memory};
use crate::messages::DataType;
use crate::weights::{Weights, WeightsError};
pub use evaluate::{Dense, EvaluateError, evaluate};
use graph::Graph;
pub use read::{TensorSpec, contract, network, tensors};
pub use rules::head::Head;
use rules::{head, memory, shape};

/// Name of the explainer's input that takes a class index per row, `[batch]`,
/// or [`PREDICTED`].
pub const TARGET: &str = "target";
/// The [`TARGET`] that stands for the class with the highest logit.
pub const PREDICTED: i64 = -1;
/// The [`TARGET`] that is no class of any model: of that row nothing is explained.
pub const NO_TARGET: i64 = i64::MAX;
/// Name of the gradient with respect to `beat`, `[batch, channels, length]`.
pub const SALIENCY: &str = "saliency";
/// Name of the gradient with respect to `rhythm`, `[batch, features]`.
pub const RHYTHM_SALIENCY: &str = "rhythm_saliency";
/// Name of the Grad-CAM output, `[batch, length]`.
pub const GRADCAM: &str = "gradcam";

/// Why a network cannot be written as ONNX.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The weights are not those of the network.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The contract describes another input or output.
    #[error(
        "the contract has {what} = {contract}, the network has {network}; build the network from the contract's input"
    )]
    Contract {
        /// What differs.
        what: &'static str,
        /// In the contract.
        contract: usize,
        /// In the network.
        network: usize,
    },
    /// There is no gradient for an output of the explainer.
    #[error("the logits do not depend on what '{0}' explains; check the network's nodes")]
    Unused(&'static str),
}

/// The classifier as the bytes of an `.onnx` file.
///
/// Inputs `beat [batch, channels, length]` and, if the network has one,
/// `rhythm [batch, features]`; outputs `logits` and
/// `probabilities = softmax(logits / temperature)`, both `[batch, classes]`.
///
/// Where the network has a memory, the rows are consecutive beats, and there is an
/// input `state [values]` with an output `state_out` that takes its place for the
/// beats to come. The answers do not depend on how the beats are cut into calls.
///
/// Batch norm is folded into the layers; the contract travels in the metadata,
/// under a seal ([`crate::seal`]).
///
/// # Errors
/// [`ExportError`] when network, weights and contract do not belong together.
pub fn classifier(
    network: &Network,
    weights: &Weights,
    contract: &Contract,
) -> Result<Vec<u8>, ExportError> {
    let (network, weights) = weights.folded(network)?;
    check_contract(&network, contract)?;
    let mut g = Graph::default();
    declare_inputs(&mut g, &network);
    memory::recall(&mut g, &network);
    let values = rules::forward(&mut g, &network, &weights);
    let logits = &values[values.len() - 1];
    head::softmax(&mut g, PROBABILITIES, logits, contract.temperature);
    let classes = [contract.classes.len()];
    g.output(LOGITS, DataType::Float, &classes, "Class scores");
    g.output(
        PROBABILITIES,
        DataType::Float,
        &classes,
        "softmax(logits / temperature)",
    );
    memory::keep(&mut g, &network);
    let doc = format!(
        "Heartbeat classifier, classes {}. Its input is defined by the contract in the metadata.",
        class_names(contract)
    );
    Ok(g.into_bytes("classifier", &doc, &network, contract))
}

/// The explainer as the bytes of an `.onnx` file: [`explainer_of`] the logit.
///
/// # Errors
/// As [`classifier`].
pub fn explainer(
    network: &Network,
    weights: &Weights,
    contract: &Contract,
) -> Result<Vec<u8>, ExportError> {
    explainer_of(Head::Logit, network, weights, contract)
}

/// The explainer as the bytes of an `.onnx` file: the classifier with its
/// exact input gradient as ordinary nodes.
///
/// Inputs as the classifier's, and `target [batch]`, a class index per row or
/// -1 for the predicted one. Outputs `logits [batch, classes]`; `saliency
/// [batch, channels, length]` and `rhythm_saliency [batch, features]`, the
/// gradient of the target's `head` with respect to the inputs; and `gradcam
/// [batch, length]`. A target that is no class gives zeros.
///
/// Where the network has a memory, the rows are consecutive beats from the
/// beginning of a stretch on, and the gradient is that of the sum of all rows'
/// targets: with [`NO_TARGET`] for all rows but the last, that of the last beat's
/// target with respect to every beat. Rows as many as the contract's memory has
/// beats are enough, since no answer depends on more.
///
/// # Errors
/// As [`classifier`].
pub fn explainer_of(
    head: Head,
    network: &Network,
    weights: &Weights,
    contract: &Contract,
) -> Result<Vec<u8>, ExportError> {
    let (network, weights) = weights.folded(network)?;
    check_contract(&network, contract)?;
    let mut g = Graph::default();
    declare_inputs(&mut g, &network);
    let target = g.input(
        TARGET,
        DataType::Int64,
        &[],
        "Class index; -1 for the predicted class",
    );
    memory::forget(&mut g, &network);
    let values = rules::forward(&mut g, &network, &weights);
    let logits = &values[values.len() - 1];
    let classes = contract.classes.len();
    let onehot = gradient::target(&mut g, &target, logits, classes);
    let seed = head::gradient(&mut g, head, logits, &onehot, contract.temperature);
    let gradients = gradient::backward(&mut g, &network, &weights, &values, seed);

    g.output(LOGITS, DataType::Float, &[classes], "Class scores");
    for (node, gradient) in network.nodes.iter().zip(&gradients) {
        let name = match node.op {
            Op::Beat => SALIENCY,
            Op::Rhythm => RHYTHM_SALIENCY,
            _ => continue,
        };
        let gradient = gradient.as_ref().ok_or(ExportError::Unused(name))?;
        if node.op == Op::Beat {
            shape::unmap(&mut g, name, gradient);
        } else {
            g.node("Identity", name, &[gradient], vec![]);
        }
        g.output(name, DataType::Float, &node.shape, "Gradient of the target");
    }
    let stage = network.last_stage;
    let importance = gradients[stage].as_ref();
    let importance = importance.ok_or(ExportError::Unused(GRADCAM))?;
    gradient::gradcam(&mut g, &network, &values[stage], importance, GRADCAM);
    let length = [contract.input.length()];
    g.output(GRADCAM, DataType::Float, &length, "Grad-CAM, last stage");
    let doc = format!(
        "Explainer of a heartbeat classifier, classes {}: gradients as ordinary nodes. Its input is defined by the contract in the metadata.",
        class_names(contract)
    );
    Ok(g.into_bytes("explainer", &doc, &network, contract))
}

fn declare_inputs(g: &mut Graph, network: &Network) {
    for node in &network.nodes {
        match node.op {
            Op::Beat => g.input(BEAT, DataType::Float, &node.shape, "Beat windows"),
            Op::Rhythm => g.input(RHYTHM, DataType::Float, &node.shape, "Rhythm features"),
            _ => continue,
        };
    }
}

fn class_names(contract: &Contract) -> String {
    let names: Vec<&str> = contract.classes.names().collect();
    names.join(" ")
}

fn check_contract(network: &Network, contract: &Contract) -> Result<(), ExportError> {
    let (channels, length) = network.window().unwrap_or_default();
    let classes = network.nodes.last().map_or(0, |n| n.shape[0]);
    let input = &contract.input;
    let memory = network.memory();
    let beats = |memory: Option<Memory>| memory.map_or(1, |m| m.beats);
    let state = |memory: Option<Memory>| memory.map_or(0, |m| m.state);
    for (what, contract, network) in [
        ("channels", input.channels(), channels),
        ("length", input.length(), length),
        ("rhythm features", input.rhythm.len(), network.rhythm()),
        ("classes", contract.classes.len(), classes),
        ("beats of memory", beats(contract.memory), beats(memory)),
        ("values of state", state(contract.memory), state(memory)),
    ] {
        if contract != network {
            return Err(ExportError::Contract {
                what,
                contract,
                network,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod memory_tests;
#[cfg(test)]
mod tests;
