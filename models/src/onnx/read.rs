//! Reading back what this crate has written.

use prost::Message;

use super::graph::NETWORK_KEY;
use crate::architecture::Network;
use crate::contract::{Contract, ContractError, METADATA_KEY};
use crate::messages::ModelProto;
use crate::seal;
use crate::weights::{Tensor, Weights};

/// The contract inside an ONNX file.
///
/// # Errors
/// [`ContractError`] when the bytes are no ONNX model, do not fit their seal, or
/// have no contract or one that this version cannot honour.
pub fn contract(bytes: &[u8]) -> Result<Contract, ContractError> {
    contract_of(&decode(bytes)?)
}

/// The network, without batch norm, and its weights inside a classifier or an
/// explainer that this crate has written, with the contract: enough to write
/// either again.
///
/// # Errors
/// As [`contract`]; [`ContractError::Unreadable`] for a file whose network is
/// missing or damaged.
pub fn network(bytes: &[u8]) -> Result<(Network, Weights, Contract), ContractError> {
    let model = decode(bytes)?;
    let contract = contract_of(&model)?;
    let damaged = |what: String| ContractError::Unreadable(what);
    let json = metadata(&model, NETWORK_KEY)
        .ok_or_else(|| damaged(format!("the file has no metadata {NETWORK_KEY}")))?;
    let network = Network::from_json(json).map_err(|e| damaged(e.to_string()))?;
    let mut weights = Weights::default();
    let initializers = model.graph.map(|g| g.initializer).unwrap_or_default();
    for parameter in network.parameters() {
        // A missing one is reported by the check below.
        if let Some(stored) = initializers.iter().find(|t| t.name == parameter.name) {
            let values = stored
                .floats()
                .ok_or_else(|| damaged(format!("{} is not stored as floats", parameter.name)))?;
            let shape = parameter.shape;
            weights.0.insert(parameter.name, Tensor { shape, values });
        }
    }
    weights
        .check(&network)
        .map_err(|e| damaged(e.to_string()))?;
    Ok((network, weights, contract))
}

fn decode(bytes: &[u8]) -> Result<ModelProto, ContractError> {
    seal::verify(bytes)?;
    ModelProto::decode(bytes)
        .map_err(|e| ContractError::Unreadable(format!("the file is not an ONNX model ({e})")))
}

fn contract_of(model: &ModelProto) -> Result<Contract, ContractError> {
    Contract::from_json(metadata(model, METADATA_KEY).ok_or(ContractError::Missing)?)
}

fn metadata<'a>(model: &'a ModelProto, key: &str) -> Option<&'a str> {
    let entry = model.metadata_props.iter().find(|p| p.key == key)?;
    Some(&entry.value)
}
