//! Dense layers.

use super::Place;
use crate::architecture::Op;
use crate::onnx::graph::{Graph, Value, int};

/// `y = W x + b`, `W [outputs, inputs]`.
pub(super) fn forward(g: &mut Graph, at: &Place, x: &Value) -> Value {
    let (w, layer) = weight(g, at);
    let name = format!("{layer}.bias");
    let b = g.floats(&name, &at.node.shape, at.weights.values(&name));
    g.node("Gemm", at.name, &[x, &w, &b], vec![int("transB", 1)])
}

/// `dx = dy W`.
pub(super) fn gradient(g: &mut Graph, at: &Place, dy: &Value) -> Value {
    let (w, _) = weight(g, at);
    g.node(
        "MatMul",
        &format!("{}.backward", at.name),
        &[dy, &w],
        vec![],
    )
}

fn weight<'a>(g: &mut Graph, at: &Place<'a>) -> (Value, &'a str) {
    let layer = match &at.node.op {
        Op::Dense { name, .. } => name,
        _ => "",
    };
    let name = format!("{layer}.weight");
    let shape = [at.node.shape[0], at.inputs[0].shape[0]];
    (g.floats(&name, &shape, at.weights.values(&name)), layer)
}
