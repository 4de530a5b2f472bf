//! Nodes that treat every value by itself. The gradient of a sum is its own
//! gradient, once for each term.

use crate::onnx::graph::{Graph, Value};

/// `y = max(x, 0)`.
pub(super) fn relu(g: &mut Graph, name: &str, x: &Value) -> Value {
    g.node("Relu", name, &[x], vec![])
}

/// `dx = dy` where `y > 0`, else 0.
pub(super) fn relu_gradient(g: &mut Graph, name: &str, y: &Value, dy: &Value) -> Value {
    let open = g.above(&format!("{name}.open"), y, None);
    g.node("Mul", &format!("{name}.backward"), &[dy, &open], vec![])
}

/// `y = 1 / (1 + exp(-x))`.
pub(super) fn sigmoid(g: &mut Graph, name: &str, x: &Value) -> Value {
    g.node("Sigmoid", name, &[x], vec![])
}

/// `dx = dy (y - y y)`.
pub(super) fn sigmoid_gradient(g: &mut Graph, name: &str, y: &Value, dy: &Value) -> Value {
    let name = format!("{name}.backward");
    let square = g.node("Mul", &format!("{name}.square"), &[y, y], vec![]);
    let slope = g.node("Sub", &format!("{name}.slope"), &[y, &square], vec![]);
    g.node("Mul", &name, &[dy, &slope], vec![])
}

/// `y = a + b`.
pub(super) fn add(g: &mut Graph, name: &str, a: &Value, b: &Value) -> Value {
    g.node("Add", name, &[a, b], vec![])
}
