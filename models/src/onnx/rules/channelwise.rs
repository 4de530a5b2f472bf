//! Nodes with one number per channel of a map.

use super::Place;
use crate::onnx::graph::{Graph, Value, int};

/// `y = w x + b`, `w` and `b [channels]`: what batch norm is once folded.
pub(super) fn norm(g: &mut Graph, at: &Place, x: &Value) -> Value {
    let (w, b) = (numbers(g, at, "weight"), numbers(g, at, "bias"));
    let scaled = g.node("Mul", &format!("{}.scaled", at.name), &[x, &w], vec![]);
    g.node("Add", at.name, &[&scaled, &b], vec![])
}

/// `dx = w dy`.
pub(super) fn norm_gradient(g: &mut Graph, at: &Place, dy: &Value) -> Value {
    let w = numbers(g, at, "weight");
    g.node("Mul", &format!("{}.backward", at.name), &[dy, &w], vec![])
}

/// A parameter of a number per channel.
fn numbers(g: &mut Graph, at: &Place, part: &str) -> Value {
    let name = format!("{}.{part}", at.node.op.name().unwrap_or_default());
    let (channels, _) = at.map();
    g.floats(&name, &[channels, 1, 1], at.weights.values(&name))
}

/// `y = s x` of a map `x` and a vector `s [batch, channels]`.
pub(super) fn gate(g: &mut Graph, at: &Place, x: &Value, s: &Value) -> Value {
    let (channels, _) = at.map();
    let column = g.reshape(&column(at), s, &[channels, 1, 1]);
    g.node("Mul", at.name, &[x, &column], vec![])
}

/// `dx = s dy` and `ds = sum over time of x dy`.
pub(super) fn gate_gradient(g: &mut Graph, at: &Place, x: &Value, dy: &Value) -> Vec<Value> {
    let name = format!("{}.backward", at.name);
    let dx = g.node("Mul", &format!("{name}0"), &[dy, &column(at)], vec![]);
    let product = g.node("Mul", &format!("{name}.product"), &[dy, x], vec![]);
    let axis = g.integers("time.axis", &[3]);
    let sum = g.node(
        "ReduceSum",
        &format!("{name}.sum"),
        &[&product, &axis],
        vec![int("keepdims", 1)],
    );
    let ds = g.node(
        "Flatten",
        &format!("{name}1"),
        &[&sum],
        vec![int("axis", 1)],
    );
    vec![dx, ds]
}

/// The vector of a gate as a map of length 1, a value of the forward pass.
fn column(at: &Place) -> Value {
    format!("{}.column", at.name)
}
