//! The network as a list of nodes, each with its shape and its parameters.

use serde::{Deserialize, Serialize};

use crate::contract::{LOGITS, RHYTHM};

/// Added to the variance in batch norm before its root is taken.
pub const NORM_EPSILON: f64 = 1e-5;

/// One step of a network. Node `i` may use only nodes before `i`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// What is computed.
    pub op: Op,
    /// Indices of the nodes whose results it takes.
    pub inputs: Vec<usize>,
    /// Shape of its result without the batch: `[channels, length]` or `[features]`.
    pub shape: Vec<usize>,
}

/// What a [`Node`] computes. Layers carry the name that prefixes their
/// parameters: `NAME.weight`, `NAME.bias`, and with batch norm
/// `NAME.norm.{weight,bias,mean,variance}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// The input `beat`, `[channels, length]`.
    Beat,
    /// The input `rhythm`, `[features]`.
    Rhythm,
    /// 1-D convolution with bias, weight `[outputs, inputs, kernel]`.
    Conv {
        /// Prefix of its parameters.
        name: String,
        /// Kernel length.
        kernel: usize,
        /// Stride.
        stride: usize,
        /// Dilation.
        dilation: usize,
        /// Zeros added on each side.
        padding: usize,
        /// Whether batch norm follows.
        norm: bool,
    },
    /// Causal convolution over beats with bias, weight `[outputs, inputs,
    /// kernel]`: `y[t] = b + sum_j W[j] x[t - dilation (kernel - 1 - j)]`, with 0
    /// for beats ahead of the first one.
    BeatConv {
        /// Prefix of its parameters.
        name: String,
        /// Beats that are looked at.
        kernel: usize,
        /// Beats from one of them to the next.
        dilation: usize,
    },
    /// `y = W x + b`, weight `[outputs, inputs]`.
    Dense {
        /// Prefix of its parameters.
        name: String,
        /// Whether batch norm follows.
        norm: bool,
    },
    /// Batch norm by itself, over the channels of a map, where no layer stands
    /// ahead that could take it up. Folded it is `y = w x + b` with a number per
    /// channel, `NAME.weight` and `NAME.bias`.
    Norm {
        /// Prefix of its parameters.
        name: String,
        /// Whether it is folded.
        folded: bool,
    },
    /// `max(x, 0)`.
    Relu,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// Each channel of a map times its value of a vector.
    Gate,
    /// Sum of two equal shapes.
    Add,
    /// Maximum over non-overlapping stretches; a rest shorter than `size` is
    /// dropped. The first of equal maxima takes the gradient, here and in
    /// [`Op::GlobalMaxPool`].
    MaxPool {
        /// Length of a stretch.
        size: usize,
    },
    /// Mean over non-overlapping stretches; a rest shorter than `size` is dropped.
    AveragePool {
        /// Length of a stretch.
        size: usize,
    },
    /// Mean over all samples of a channel.
    GlobalAveragePool,
    /// Maximum over all samples of a channel.
    GlobalMaxPool,
    /// `[channels, length]` to `[channels * length]`.
    Flatten,
    /// Joins vectors.
    Concat,
    /// Dropout while training, the identity otherwise.
    Dropout {
        /// Probability of a zero.
        probability: f64,
    },
}

/// An [`Architecture`](super::Architecture) unrolled into nodes; the last node gives the logits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// The nodes, in an order in which they can be computed.
    pub nodes: Vec<Node>,
    /// Index of the last convolution stage, the one Grad-CAM looks at.
    pub last_stage: usize,
}

/// A named parameter or batch-norm statistic and its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Full name, such as `block1.conv1.weight`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// False for batch-norm statistics, which no gradient reaches.
    pub trainable: bool,
}

impl Network {
    /// All parameters and batch-norm statistics, in the order of the nodes.
    pub fn parameters(&self) -> Vec<Parameter> {
        let nodes = self.nodes.iter();
        nodes.flat_map(|node| self.parameters_of(node)).collect()
    }

    /// Those of one node.
    pub fn parameters_of(&self, node: &Node) -> Vec<Parameter> {
        let Some(name) = node.op.name() else {
            return Vec::new();
        };
        let outputs = node.shape[0];
        let inputs = self.nodes[node.inputs[0]].shape[0];
        let (weight, norm) = match node.op {
            Op::Conv { kernel, norm, .. } => (Some(vec![outputs, inputs, kernel]), norm),
            Op::BeatConv { kernel, .. } => (Some(vec![outputs, inputs, kernel]), false),
            Op::Dense { norm, .. } => (Some(vec![outputs, inputs]), norm),
            Op::Norm { folded, .. } => (folded.then(|| vec![outputs]), !folded),
            _ => (None, false),
        };
        let part = |part: &str, shape: Vec<usize>, trainable| Parameter {
            name: format!("{name}.{part}"),
            shape,
            trainable,
        };
        let mut all = Vec::new();
        if let Some(weight) = weight {
            all.push(part("weight", weight, true));
            all.push(part("bias", vec![outputs], true));
        }
        if norm {
            for (statistic, trainable) in [
                ("weight", true),
                ("bias", true),
                ("mean", false),
                ("variance", false),
            ] {
                all.push(part(&format!("norm.{statistic}"), vec![outputs], trainable));
            }
        }
        all
    }

    /// What node `i` is called, in the ONNX graph too.
    pub fn name(&self, i: usize) -> String {
        if i + 1 == self.nodes.len() {
            return LOGITS.into();
        }
        let kind = match &self.nodes[i].op {
            Op::Conv { name, .. }
            | Op::BeatConv { name, .. }
            | Op::Dense { name, .. }
            | Op::Norm { name, .. } => return name.clone(),
            Op::Beat => return "beat.map".into(),
            Op::Rhythm => return RHYTHM.into(),
            Op::Relu => "relu",
            Op::Sigmoid => "sigmoid",
            Op::Add => "add",
            Op::Gate => "gate",
            Op::MaxPool { .. } => "maxpool",
            Op::AveragePool { .. } => "averagepool",
            Op::GlobalAveragePool => "mean",
            Op::GlobalMaxPool => "max",
            Op::Flatten => "flatten",
            Op::Concat => "concat",
            Op::Dropout { .. } => "dropout",
        };
        format!("{kind}{i}")
    }

    /// Channels and length of the window that it takes.
    pub fn window(&self) -> Option<(usize, usize)> {
        let beat = self.nodes.iter().find(|n| n.op == Op::Beat)?;
        Some((beat.shape[0], beat.shape[1]))
    }

    /// Rhythm features that it takes; 0 for a network with one input.
    pub fn rhythm(&self) -> usize {
        let rhythm = self.nodes.iter().find(|n| n.op == Op::Rhythm);
        rhythm.map_or(0, |n| n.shape[0])
    }
}

impl Op {
    /// The name of a layer, which prefixes its parameters.
    pub fn name(&self) -> Option<&str> {
        match self {
            Op::Conv { name, .. }
            | Op::BeatConv { name, .. }
            | Op::Dense { name, .. }
            | Op::Norm { name, .. } => Some(name),
            _ => None,
        }
    }
}
