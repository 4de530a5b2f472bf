//! Dense layers.
//!
//! Where the batch axis is time, a layer is written as a convolution of a map of
//! one sample, for the reason that [`super::memory`] gives.

use super::Place;
use crate::architecture::Op;
use crate::onnx::graph::{Graph, Value, int, ints};

/// `y = W x + b`, `W [outputs, inputs]`.
pub(super) fn forward(g: &mut Graph, at: &Place, x: &Value) -> Value {
    let (w, layer) = weight(g, at);
    let name = format!("{layer}.bias");
    let b = g.floats(&name, &at.node.shape, at.weights.values(&name));
    if at.in_time {
        return beat_by_beat(g, at.name, x, at.inputs[0].shape[0], &[&w, &b]);
    }
    g.node("Gemm", at.name, &[x, &w, &b], vec![int("transB", 1)])
}

/// `dx = dy W`.
pub(super) fn gradient(g: &mut Graph, at: &Place, dy: &Value) -> Value {
    let name = format!("{}.backward", at.name);
    if at.in_time {
        let (outputs, inputs) = (at.node.shape[0], at.inputs[0].shape[0]);
        let weight = format!("{}.weight", at.node.op.name().unwrap_or_default());
        let values = at.weights.values(&weight);
        let turned = (0..inputs).flat_map(|i| values.iter().skip(i).step_by(inputs));
        let turned: Vec<f32> = turned.copied().collect();
        let shape = [inputs, outputs, 1, 1];
        let w = g.floats(&format!("{weight}.backward"), &shape, &turned);
        return beat_by_beat(g, &name, dy, outputs, &[&w]);
    }
    let (w, _) = weight(g, at);
    g.node("MatMul", &name, &[dy, &w], vec![])
}

/// The product with every row by itself.
fn beat_by_beat(
    g: &mut Graph,
    name: &str,
    x: &Value,
    channels: usize,
    parameters: &[&Value],
) -> Value {
    let map = g.reshape(&format!("{name}.column"), x, &[channels, 1, 1]);
    let inputs: Vec<&Value> = std::iter::once(&map)
        .chain(parameters.iter().copied())
        .collect();
    let attributes = vec![ints("kernel_shape", &[1, 1])];
    let map = g.node("Conv", &format!("{name}.map"), &inputs, attributes);
    g.node("Flatten", name, &[&map], vec![int("axis", 1)])
}

fn weight<'a>(g: &mut Graph, at: &Place<'a>) -> (Value, &'a str) {
    let layer = match &at.node.op {
        Op::Dense { name, .. } => name,
        _ => "",
    };
    let name = format!("{layer}.weight");
    let shape = [at.node.shape[0], at.inputs[0].shape[0], 1, 1];
    let shape = if at.in_time { &shape[..] } else { &shape[..2] };
    (g.floats(&name, shape, at.weights.values(&name)), layer)
}
