//! An ONNX graph computed node by node, straight from the standard's text.
//!
//! It is slow and takes no short cut, which makes it a measure of what was
//! written: an exporter can check its own file without an inference engine. It
//! knows the operators that this crate writes, on dense tensors.

use std::collections::HashMap;

use prost::Message;

use super::operators;
use crate::contract::ContractError;
use crate::messages::{GraphProto, ModelProto, NodeProto, TensorProto};
use crate::seal;

/// A dense tensor in row-major order. Integers and truth values are held as
/// floats too: those in these graphs are far below 2^53.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// The shape; empty for a single number.
    pub shape: Vec<usize>,
    /// As many values as the product of the shape.
    pub values: Vec<f64>,
}

impl Dense {
    /// A tensor of this shape.
    pub fn new(shape: &[usize], values: impl IntoIterator<Item = f64>) -> Dense {
        Dense {
            shape: shape.into(),
            values: values.into_iter().collect(),
        }
    }
}

/// Why a graph cannot be computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// The bytes are no model of this project.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// A node asks for what is not known here.
    #[error("node '{node}' ({operator}): {what}")]
    Node {
        /// Its name.
        node: String,
        /// Its operator.
        operator: String,
        /// What is wrong.
        what: String,
    },
    /// An output that no node makes.
    #[error("the graph has no value '{0}'")]
    Missing(String),
}

/// Computes the outputs of a model file from its inputs by name, in the order
/// in which the file declares them. Values between nodes are rounded to 32-bit
/// floats, as an engine's are.
///
/// # Errors
/// [`EvaluateError`].
pub fn evaluate(bytes: &[u8], inputs: &[(&str, Dense)]) -> Result<Vec<Dense>, EvaluateError> {
    seal::verify(bytes)?;
    let model = ModelProto::decode(bytes)
        .map_err(|e| ContractError::Unreadable(format!("the file is not an ONNX model ({e})")))?;
    let graph = model.graph.unwrap_or_default();
    let mut values: HashMap<String, Dense> = inputs
        .iter()
        .map(|(name, value)| ((*name).into(), value.clone()))
        .collect();
    for constant in &graph.initializer {
        let value =
            stored(constant).ok_or_else(|| EvaluateError::Missing(constant.name.clone()))?;
        values.insert(constant.name.clone(), value);
    }
    for node in &graph.node {
        let results = compute(node, &values).map_err(|what| EvaluateError::Node {
            node: node.name.clone(),
            operator: node.op_type.clone(),
            what,
        })?;
        values.extend(node.output.iter().cloned().zip(results));
    }
    outputs(&graph, &mut values)
}

fn outputs(
    graph: &GraphProto,
    values: &mut HashMap<String, Dense>,
) -> Result<Vec<Dense>, EvaluateError> {
    let outputs = graph.output.iter().map(|output| {
        let value = values.remove(&output.name);
        value.ok_or_else(|| EvaluateError::Missing(output.name.clone()))
    });
    outputs.collect()
}

fn stored(constant: &TensorProto) -> Option<Dense> {
    let shape = constant.dims.iter().map(|d| usize::try_from(*d));
    let shape: Vec<usize> = shape.collect::<Result<_, _>>().ok()?;
    let values: Vec<f64> = match (constant.floats(), constant.integers()) {
        (Some(floats), _) => floats.into_iter().map(f64::from).collect(),
        (_, Some(integers)) => integers.into_iter().map(|i| i as f64).collect(),
        _ => return None,
    };
    (values.len() == shape.iter().product::<usize>()).then_some(Dense { shape, values })
}

/// The results of one node.
fn compute(node: &NodeProto, values: &HashMap<String, Dense>) -> Result<Vec<Dense>, String> {
    let inputs = node.input.iter().map(|name| {
        let value = values.get(name);
        value.ok_or_else(|| format!("its input '{name}' has not been computed"))
    });
    let inputs: Vec<&Dense> = inputs.collect::<Result<_, _>>()?;
    let mut results = operators::apply(node, &inputs)?;
    for value in results.iter_mut().flat_map(|r| &mut r.values) {
        *value = f64::from(*value as f32);
    }
    Ok(results)
}
