//! Nodes that only move values.

use super::Place;
use crate::onnx::graph::{Graph, Value, int};

/// `[batch, channels, length]` to a feature map of height 1.
pub(super) fn map(g: &mut Graph, name: &str, x: &Value) -> Value {
    let axes = g.integers("height", &[2]);
    g.node("Unsqueeze", name, &[x, &axes], vec![])
}

/// A feature map of height 1 to `[batch, channels, length]`.
pub(in crate::onnx) fn unmap(g: &mut Graph, name: &str, x: &Value) -> Value {
    let axes = g.integers("height", &[2]);
    g.node("Squeeze", name, &[x, &axes], vec![])
}

/// A feature map to a vector.
pub(super) fn flatten(g: &mut Graph, name: &str, x: &Value) -> Value {
    g.node("Flatten", name, &[x], vec![int("axis", 1)])
}

/// A vector to a feature map.
pub(super) fn flatten_gradient(g: &mut Graph, at: &Place, dy: &Value) -> Value {
    let (channels, length) = at.input_map();
    g.reshape(&format!("{}.backward", at.name), dy, &[channels, 1, length])
}

/// Vectors side by side.
pub(super) fn concat(g: &mut Graph, name: &str, x: &[&Value]) -> Value {
    g.node("Concat", name, x, vec![int("axis", 1)])
}

/// Each input takes its own stretch.
pub(super) fn concat_gradient(g: &mut Graph, at: &Place, dy: &Value) -> Vec<Value> {
    let mut start = 0;
    let mut parts = Vec::with_capacity(at.inputs.len());
    for (i, input) in at.inputs.iter().enumerate() {
        let end = start + input.shape[0];
        let name = format!("{}.backward{i}", at.name);
        parts.push(g.slice(&name, dy, 1, start..end));
        start = end;
    }
    parts
}
