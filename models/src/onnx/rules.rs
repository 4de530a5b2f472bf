//! What each kind of node computes, and how a gradient goes back through it.
//!
//! One file per family of nodes holds the forward rule and, beside it, the
//! gradient rule. Feature maps are `[batch, channels, 1, length]`: engines
//! have their fast convolution kernels for images, so a 1-D network is written
//! as images of height 1.

mod channelwise;
mod convolution;
mod dense;
pub(super) mod head;
pub(super) mod memory;
mod pointwise;
mod pooling;
pub(super) mod shape;

use super::graph::{Graph, Value};
use crate::architecture::{Network, Node, Op};
use crate::weights::Weights;

/// A node with what its rules need to know of its surroundings.
pub(super) struct Place<'a> {
    /// What its value is called in the graph; its other values start with it.
    pub name: &'a str,
    /// The node.
    pub node: &'a Node,
    /// The nodes that it takes.
    pub inputs: Vec<&'a Node>,
    /// The parameters of a network without batch norm.
    pub weights: &'a Weights,
    /// Whether the batch axis is time: what is computed of a beat may then not
    /// depend, to the last bit, on how many come with it.
    pub in_time: bool,
}

/// A rule's shapes: channels and length of a feature map.
type Map = (usize, usize);

impl Place<'_> {
    fn input_map(&self) -> Map {
        map(self.inputs[0])
    }

    fn map(&self) -> Map {
        map(self.node)
    }
}

fn map(node: &Node) -> Map {
    (node.shape[0], node.shape.get(1).copied().unwrap_or(1))
}

/// Adds every node of a network without batch norm; returns the value of each.
/// [`memory::recall`] or [`memory::forget`] comes before.
pub(super) fn forward(g: &mut Graph, network: &Network, weights: &Weights) -> Vec<Value> {
    let mut values: Vec<Value> = Vec::with_capacity(network.nodes.len());
    for i in 0..network.nodes.len() {
        let name = network.name(i);
        let place = place(network, weights, i, &name);
        let inputs: Vec<&Value> = place.node.inputs.iter().map(|&i| &values[i]).collect();
        let value = forward_rule(g, &place, &inputs);
        values.push(value);
    }
    values
}

pub(super) fn place<'a>(
    network: &'a Network,
    weights: &'a Weights,
    i: usize,
    name: &'a str,
) -> Place<'a> {
    let node = &network.nodes[i];
    Place {
        name,
        node,
        inputs: node.inputs.iter().map(|&i| &network.nodes[i]).collect(),
        weights,
        in_time: network.memory().is_some(),
    }
}

fn forward_rule(g: &mut Graph, at: &Place, x: &[&Value]) -> Value {
    match &at.node.op {
        Op::Beat => shape::map(g, at.name, &super::BEAT.into()),
        Op::Rhythm => super::RHYTHM.into(),
        Op::Conv { .. } => convolution::forward(g, at, x[0]),
        Op::BeatConv { .. } => memory::forward(g, at, x[0]),
        Op::Dense { .. } => dense::forward(g, at, x[0]),
        Op::Norm { .. } => channelwise::norm(g, at, x[0]),
        Op::Relu => pointwise::relu(g, at.name, x[0]),
        Op::Sigmoid => pointwise::sigmoid(g, at.name, x[0]),
        Op::Gate => channelwise::gate(g, at, x[0], x[1]),
        Op::Add => pointwise::add(g, at.name, x[0], x[1]),
        Op::MaxPool { size } => pooling::max(g, at.name, x[0], *size),
        Op::AveragePool { size } => pooling::average(g, at.name, x[0], *size),
        Op::GlobalAveragePool => pooling::global_average(g, at.name, x[0]),
        Op::GlobalMaxPool => pooling::global_max(g, at.name, x[0]),
        Op::Flatten => shape::flatten(g, at.name, x[0]),
        Op::Concat => shape::concat(g, at.name, x),
        Op::Dropout { .. } => x[0].clone(),
    }
}

/// The gradients with respect to a node's inputs.
///
/// `x` and `y` are the values that went into the node and came out of it, `dy`
/// is the gradient with respect to `y`.
pub(super) fn gradient_rule(
    g: &mut Graph,
    at: &Place,
    x: &[&Value],
    y: &Value,
    dy: &Value,
) -> Vec<Value> {
    let dx = match &at.node.op {
        Op::Beat | Op::Rhythm => return Vec::new(),
        Op::Add => return vec![dy.clone(), dy.clone()],
        Op::Concat => return shape::concat_gradient(g, at, dy),
        Op::Gate => return channelwise::gate_gradient(g, at, x[0], dy),
        Op::Conv { .. } => convolution::gradient(g, at, dy),
        Op::BeatConv { .. } => memory::gradient(g, at, dy),
        Op::Dense { .. } => dense::gradient(g, at, dy),
        Op::Norm { .. } => channelwise::norm_gradient(g, at, dy),
        Op::Relu => pointwise::relu_gradient(g, at.name, y, dy),
        Op::Sigmoid => pointwise::sigmoid_gradient(g, at.name, y, dy),
        Op::MaxPool { size } => pooling::max_gradient(g, at, *size, x[0], dy),
        Op::AveragePool { size } => pooling::average_gradient(g, at, *size, dy),
        Op::GlobalAveragePool => pooling::global_average_gradient(g, at, dy),
        Op::GlobalMaxPool => pooling::global_max_gradient(g, at, x[0], dy),
        Op::Flatten => shape::flatten_gradient(g, at, dy),
        Op::Dropout { .. } => dy.clone(),
    };
    vec![dx]
}
