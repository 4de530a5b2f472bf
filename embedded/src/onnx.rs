//! The parts of an ONNX file that a classifier is made of, with the field
//! numbers of onnx.proto3. What else a file holds is passed over.

/// `ModelProto`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Model {
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
    #[prost(message, repeated, tag = "14")]
    pub metadata: Vec<Entry>,
}

/// `StringStringEntryProto`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Entry {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

/// `GraphProto`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Graph {
    #[prost(message, repeated, tag = "1")]
    pub nodes: Vec<Node>,
    #[prost(message, repeated, tag = "5")]
    pub constants: Vec<Constant>,
    #[prost(message, repeated, tag = "11")]
    pub inputs: Vec<Port>,
    #[prost(message, repeated, tag = "12")]
    pub outputs: Vec<Port>,
}

/// `ValueInfoProto`, its name.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Port {
    #[prost(string, tag = "1")]
    pub name: String,
}

/// `NodeProto`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Node {
    #[prost(string, repeated, tag = "1")]
    pub inputs: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub outputs: Vec<String>,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(string, tag = "4")]
    pub operator: String,
    #[prost(message, repeated, tag = "5")]
    pub attributes: Vec<Attribute>,
}

/// `AttributeProto`, where it is an integer or several.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Attribute {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(int64, tag = "3")]
    pub integer: i64,
    #[prost(int64, repeated, tag = "8")]
    pub integers: Vec<i64>,
}

/// `TensorProto`, its values as bytes.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Constant {
    #[prost(int64, repeated, tag = "1")]
    pub shape: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub kind: i32,
    #[prost(string, tag = "8")]
    pub name: String,
    #[prost(bytes = "vec", tag = "9")]
    pub bytes: Vec<u8>,
}

impl Constant {
    /// `TensorProto.DataType`.
    const FLOAT: i32 = 1;
    const INT64: i32 = 7;

    /// The values, if they are 32-bit floats.
    pub fn floats(&self) -> Option<Vec<f32>> {
        let (values, rest) = self.bytes.as_chunks::<4>();
        (self.kind == Constant::FLOAT && rest.is_empty())
            .then(|| values.iter().map(|v| f32::from_le_bytes(*v)).collect())
    }

    /// The values, if they are 64-bit integers.
    pub fn integers(&self) -> Option<Vec<i64>> {
        let (values, rest) = self.bytes.as_chunks::<8>();
        (self.kind == Constant::INT64 && rest.is_empty())
            .then(|| values.iter().map(|v| i64::from_le_bytes(*v)).collect())
    }
}

impl Node {
    /// The integer of this name.
    pub fn integer(&self, name: &str) -> Option<i64> {
        let found = self.attributes.iter().find(|a| a.name == name)?;
        Some(found.integer)
    }

    /// The integers of this name, if none is negative.
    pub fn sizes(&self, name: &str) -> Option<Vec<usize>> {
        let found = self.attributes.iter().find(|a| a.name == name)?;
        let sizes = found.integers.iter().map(|i| usize::try_from(*i).ok());
        sizes.collect()
    }
}
