//! An ONNX graph under construction: values are known by name, constants are
//! stored once.

use std::ops::Range;

use prost::Message;

use crate::architecture::Network;
use crate::contract::{Contract, METADATA_KEY};
use crate::messages::{
    AttributeProto, AttributeType, DataType, Dimension, Extent, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, StringStringEntryProto, TensorProto, TensorShapeProto, TensorTypeProto,
    TypeProto, ValueInfoProto,
};
use crate::seal::with_seal;

/// Operators as of ONNX 1.8, the first set whose `Softmax` works along one
/// axis: whatever reads a newer set reads this one.
const OPSET: i64 = 13;
/// The file format that came with it.
const IR_VERSION: i64 = 7;
/// Name of the batch axis, whose extent is left open.
const BATCH: &str = "batch";

/// Key of the network, as JSON, in `metadata_props`: with the constants, which
/// bear the names of the parameters, it lets a file be read back.
pub(super) const NETWORK_KEY: &str = "ectopy.network";

/// Name of a value in the graph.
pub(super) type Value = String;

/// Nodes, constants, inputs and outputs, in the order they were added.
#[derive(Default)]
pub(super) struct Graph(GraphProto);

impl Graph {
    /// Declares an input of `[batch, shape..]`.
    pub fn input(&mut self, name: &str, kind: DataType, shape: &[usize], doc: &str) -> Value {
        self.0.input.push(value_info(name, kind, batch(shape), doc));
        name.into()
    }

    /// Declares an input of floats `[count]`, the same for any batch.
    pub fn vector_input(&mut self, name: &str, count: usize, doc: &str) -> Value {
        let shape = vec![Extent::DimValue(count as i64)];
        let input = value_info(name, DataType::Float, shape, doc);
        self.0.input.push(input);
        name.into()
    }

    /// Declares the value `name` as an output of floats `[count]`.
    pub fn vector_output(&mut self, name: &str, count: usize, doc: &str) {
        let shape = vec![Extent::DimValue(count as i64)];
        let output = value_info(name, DataType::Float, shape, doc);
        self.0.output.push(output);
    }

    /// Declares the value `name` as an output of `[batch, shape..]`.
    pub fn output(&mut self, name: &str, kind: DataType, shape: &[usize], doc: &str) {
        self.0
            .output
            .push(value_info(name, kind, batch(shape), doc));
    }

    /// A constant of 32-bit floats.
    pub fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Value {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(name, DataType::Float, shape, raw)
    }

    /// A vector of 64-bit integers, as shapes and axes are given.
    pub fn integers(&mut self, name: &str, values: &[i64]) -> Value {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(name, DataType::Int64, &[values.len()], raw)
    }

    fn constant(
        &mut self,
        name: &str,
        kind: DataType,
        shape: &[usize],
        raw_data: Vec<u8>,
    ) -> Value {
        if !self.0.initializer.iter().any(|t| t.name == name) {
            self.0.initializer.push(TensorProto {
                name: name.into(),
                data_type: kind as i32,
                dims: shape.iter().map(|&d| d as i64).collect(),
                raw_data,
            });
        }
        name.into()
    }

    /// Adds a node with one result, which takes the node's name.
    pub fn node(
        &mut self,
        op: &str,
        name: &str,
        inputs: &[&Value],
        attributes: Vec<AttributeProto>,
    ) -> Value {
        self.0.node.push(NodeProto {
            op_type: op.into(),
            name: name.into(),
            input: inputs.iter().map(|&i| i.clone()).collect(),
            output: vec![name.into()],
            attribute: attributes,
            ..NodeProto::default()
        });
        name.into()
    }

    /// `x` with its axes after the batch laid out anew.
    pub fn reshape(&mut self, name: &str, x: &Value, shape: &[usize]) -> Value {
        // 0 keeps the axis as it is: the batch stays open.
        let mut target = vec![0];
        target.extend(shape.iter().map(|&d| d as i64));
        let target = self.integers(&format!("shape{shape:?}"), &target);
        self.node("Reshape", name, &[x, &target], vec![])
    }

    /// The values of `x` in `range` along `axis`.
    pub fn slice(&mut self, name: &str, x: &Value, axis: i64, range: Range<usize>) -> Value {
        let mut index = |i: usize| self.integers(&format!("index{i}"), &[i as i64]);
        let (start, end, axis) = (index(range.start), index(range.end), index(axis as usize));
        self.node("Slice", name, &[x, &start, &end, &axis], vec![])
    }

    /// The rows of `x` from `start` to `end`, along the batch; those below 0 count
    /// from its end, and `None` is the end itself.
    pub fn rows(&mut self, name: &str, x: &Value, start: i64, end: Option<i64>) -> Value {
        let mut index = |i: i64| self.integers(&format!("index{i}"), &[i]);
        let (start, axis) = (index(start), index(0));
        let end = match end {
            Some(end) => index(end),
            None => self.integers("index.end", &[i64::MAX]),
        };
        self.node("Slice", name, &[x, &start, &end, &axis], vec![])
    }

    /// `x` in another shape, its batch included.
    pub fn shaped(&mut self, name: &str, x: &Value, shape: &[usize]) -> Value {
        let target: Vec<i64> = shape.iter().map(|&d| d as i64).collect();
        let target = self.integers(&format!("whole{shape:?}"), &target);
        self.node("Reshape", name, &[x, &target], vec![])
    }

    /// `x` cut along `axis` into parts of one.
    pub fn split(&mut self, name: &str, x: &Value, axis: i64, count: usize) -> Vec<Value> {
        let parts: Vec<Value> = (0..count).map(|k| format!("{name}{k}")).collect();
        self.0.node.push(NodeProto {
            op_type: "Split".into(),
            name: name.into(),
            input: vec![x.clone()],
            output: parts.clone(),
            attribute: vec![int("axis", axis)],
            ..NodeProto::default()
        });
        parts
    }

    /// A feature map with zeros after its last sample.
    pub fn pad_end(&mut self, name: &str, x: &Value, zeros: usize) -> Value {
        let pads = [0, 0, 0, 0, 0, 0, 0, zeros as i64];
        let pads = self.integers(&format!("pads{zeros}"), &pads);
        self.node("Pad", name, &[x, &pads], vec![])
    }

    /// 1 where `x` is above `limit`, or above 0 without one; else 0.
    pub fn above(&mut self, name: &str, x: &Value, limit: Option<&Value>) -> Value {
        let zero = self.floats("zero.float", &[], &[0.0]);
        let limit = limit.unwrap_or(&zero);
        let yes = self.node("Greater", &format!("{name}.is"), &[x, limit], vec![]);
        self.node(
            "Cast",
            name,
            &[&yes],
            vec![int("to", DataType::Float as i64)],
        )
    }

    /// The integers of `x`, whose last axis is 1, as rows of `count` with a 1
    /// at their place; a row of zeros for an integer outside.
    pub fn one_of(&mut self, name: &str, x: &Value, count: usize) -> Value {
        let places: Vec<i64> = (0..count as i64).collect();
        let places = self.integers(&format!("places{count}"), &places);
        let same = self.node("Equal", &format!("{name}.is"), &[x, &places], vec![]);
        self.node(
            "Cast",
            name,
            &[&same],
            vec![int("to", DataType::Float as i64)],
        )
    }

    /// The finished model with its network, contract and seal, as the bytes of
    /// an `.onnx` file.
    pub fn into_bytes(
        mut self,
        name: &str,
        doc: &str,
        network: &Network,
        contract: &Contract,
    ) -> Vec<u8> {
        self.0.name = name.into();
        self.0.doc_string = doc.into();
        let entry = |key: &str, value| StringStringEntryProto {
            key: key.into(),
            value,
        };
        let model = ModelProto {
            ir_version: IR_VERSION,
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: OPSET,
            }],
            producer_name: "ectopy".into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            model_version: 1,
            doc_string: doc.into(),
            graph: Some(self.0),
            metadata_props: vec![
                entry(METADATA_KEY, contract.to_json()),
                entry(NETWORK_KEY, network.to_json()),
            ],
        };
        with_seal(model.encode_to_vec())
    }
}

/// `[batch, shape..]`.
fn batch(shape: &[usize]) -> Vec<Extent> {
    let fixed = shape.iter().map(|&d| Extent::DimValue(d as i64));
    std::iter::once(Extent::DimParam(BATCH.into()))
        .chain(fixed)
        .collect()
}

fn value_info(name: &str, kind: DataType, shape: Vec<Extent>, doc: &str) -> ValueInfoProto {
    let axis = |extent| Dimension {
        value: Some(extent),
    };
    let dim = shape.into_iter().map(axis).collect();
    ValueInfoProto {
        name: name.into(),
        doc_string: doc.into(),
        r#type: Some(TypeProto {
            tensor_type: Some(TensorTypeProto {
                elem_type: kind as i32,
                shape: Some(TensorShapeProto { dim }),
            }),
        }),
    }
}

/// An attribute that is one integer.
pub(super) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Int as i32,
        i: value,
        ..AttributeProto::default()
    }
}

/// An attribute that is a list of integers.
pub(super) fn ints(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Ints as i32,
        ints: values.iter().map(|&v| v as i64).collect(),
        ..AttributeProto::default()
    }
}
