//! Reading back what this crate has written.

use prost::Message;

use super::graph::NETWORK_KEY;
use crate::architecture::Network;
use crate::contract::{Contract, ContractError, METADATA_KEY};
use crate::messages::{DataType, Dimension, Extent, ModelProto, ValueInfoProto};
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

/// A tensor that a graph takes or gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub data_type: DataType,
    /// Its axes; `None` for one that is as long as the caller makes it.
    pub shape: Vec<Option<usize>>,
}

/// What the graph in an ONNX file takes, and what it gives.
///
/// # Errors
/// As [`contract`].
pub fn tensors(bytes: &[u8]) -> Result<[Vec<TensorSpec>; 2], ContractError> {
    let graph = decode(bytes)?.graph.unwrap_or_default();
    let specs = |values: &[ValueInfoProto]| values.iter().map(spec).collect();
    Ok([specs(&graph.input), specs(&graph.output)])
}

fn spec(value: &ValueInfoProto) -> TensorSpec {
    let tensor = value.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
    let extent = |axis: &Dimension| match &axis.value {
        Some(Extent::DimValue(size)) => usize::try_from(*size).ok(),
        _ => None,
    };
    let axes = tensor.and_then(|t| t.shape.as_ref()).map(|s| &s.dim);
    TensorSpec {
        name: value.name.clone(),
        data_type: tensor.map_or(DataType::Undefined, |t| t.elem_type()),
        shape: axes.into_iter().flatten().map(extent).collect(),
    }
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
