//! Convolution over beats, whose batch axis is time.
//!
//! The beats under the kernel are laid side by side as the samples of a map of
//! height 1, a map for each beat, `[batch, channels, 1, kernel]`, and an ordinary
//! convolution makes one value of each. A product over all beats would be less to
//! write; but engines cut it according to the number of its rows, and the last
//! bits with it. As a map each beat is computed in the same way, whether it comes
//! alone or with others.
//!
//! What comes before the first row is the value `NAME.held`: a stretch of the
//! state, or zeros.

use super::Place;
use crate::architecture::{Held, Network, Op};
use crate::contract::{STATE, STATE_OUT};
use crate::onnx::graph::{Graph, Value, int, ints};

/// Declares the state as an input and hands out its stretches.
pub(in crate::onnx) fn recall(g: &mut Graph, network: &Network) {
    let held = network.held();
    let count = held.iter().map(Held::len).sum();
    if count == 0 {
        return;
    }
    let doc = "What is held of the beats before; zeros at the beginning of a stretch";
    let state = g.vector_input(STATE, count, doc);
    for held in &held {
        let name = network.name(held.node);
        let range = held.start..held.start + held.len();
        let flat = g.slice(&format!("{name}.held.flat"), &state, 0, range);
        g.shaped(&held_of(&name), &flat, &[held.beats, held.width]);
    }
}

/// Zeros in the place of the state: a stretch begins with the first row.
pub(in crate::onnx) fn forget(g: &mut Graph, network: &Network) {
    for held in network.held() {
        let name = held_of(&network.name(held.node));
        g.floats(&name, &[held.beats, held.width], &vec![0.0; held.len()]);
    }
}

/// The state after the last row as an output.
pub(in crate::onnx) fn keep(g: &mut Graph, network: &Network) {
    let held = network.held();
    let mut parts = Vec::with_capacity(held.len());
    for held in &held {
        let name = network.name(held.node);
        let last = -(held.beats as i64);
        let rows = g.rows(&format!("{name}.kept"), &seen_of(&name), last, None);
        parts.push(g.shaped(&format!("{name}.kept.flat"), &rows, &[held.len()]));
    }
    if parts.is_empty() {
        return;
    }
    let parts: Vec<&Value> = parts.iter().collect();
    g.node("Concat", STATE_OUT, &parts, vec![int("axis", 0)]);
    let count = held.iter().map(Held::len).sum();
    g.vector_output(STATE_OUT, count, "The state for the beats to come");
}

fn held_of(name: &str) -> Value {
    format!("{name}.held")
}

/// The rows held and the present ones after them.
fn seen_of(name: &str) -> Value {
    format!("{name}.seen")
}

/// `y[t] = b + sum_j W[j] x[t - d (k - 1 - j)]`.
pub(super) fn forward(g: &mut Graph, at: &Place, x: &Value) -> Value {
    let Some(layer) = Layer::of(at) else {
        return x.clone();
    };
    let name = layer.name;
    let (outputs, inputs) = (at.node.shape[0], at.inputs[0].shape[0]);
    let seen = g.node(
        "Concat",
        &seen_of(name),
        &[&held_of(name), x],
        vec![int("axis", 0)],
    );
    let weight = format!("{name}.weight");
    let shape = [outputs, inputs, 1, layer.kernel];
    let w = g.floats(&weight, &shape, at.weights.values(&weight));
    let bias = format!("{name}.bias");
    let b = g.floats(&bias, &[outputs], at.weights.values(&bias));
    layer.product(g, at.name, &seen, &[&w, &b])
}

/// `dx[t] = sum_j W[j]^T dy[t + d (k - 1 - j)]`, with 0 for beats after the last
/// one: the same with the taps reversed and zeros at the other end.
pub(super) fn gradient(g: &mut Graph, at: &Place, dy: &Value) -> Value {
    let Some(layer) = Layer::of(at) else {
        return dy.clone();
    };
    let (kernel, name) = (layer.kernel, layer.name);
    let (outputs, inputs) = (at.node.shape[0], at.inputs[0].shape[0]);
    let beats = layer.dilation * (kernel - 1);
    let zeros = g.floats(
        &format!("{name}.backward.after"),
        &[beats, outputs],
        &vec![0.0; beats * outputs],
    );
    let padded = g.node(
        "Concat",
        &format!("{name}.backward.padded"),
        &[dy, &zeros],
        vec![int("axis", 0)],
    );
    let weight = at.weights.values(&format!("{name}.weight"));
    let mut turned = vec![0.0; weight.len()];
    for (place, value) in weight.iter().enumerate() {
        let (o, i, j) = (
            place / kernel / inputs,
            place / kernel % inputs,
            place % kernel,
        );
        turned[(i * outputs + o) * kernel + kernel - 1 - j] = *value;
    }
    let shape = [inputs, outputs, 1, kernel];
    let w = g.floats(&format!("{name}.weight.backward"), &shape, &turned);
    layer.product(g, &format!("{}.backward", at.name), &padded, &[&w])
}

struct Layer<'a> {
    name: &'a str,
    kernel: usize,
    dilation: usize,
}

impl<'a> Layer<'a> {
    fn of(at: &Place<'a>) -> Option<Layer<'a>> {
        match &at.node.op {
            Op::BeatConv {
                name,
                kernel,
                dilation,
            } => Some(Layer {
                name,
                kernel: *kernel,
                dilation: *dilation,
            }),
            _ => None,
        }
    }

    /// What the parameters make of the rows of `x` under the kernel, `d (k - 1)`
    /// rows fewer than `x` has.
    fn product(&self, g: &mut Graph, name: &str, x: &Value, parameters: &[&Value]) -> Value {
        let axes = g.integers("map.axes", &[2, 3]);
        let taps: Vec<Value> = (0..self.kernel)
            .map(|j| {
                let after = self.dilation * (self.kernel - 1 - j);
                let end = (after > 0).then_some(-(after as i64));
                let start = (self.dilation * j) as i64;
                let rows = g.rows(&format!("{name}.rows{j}"), x, start, end);
                g.node(
                    "Unsqueeze",
                    &format!("{name}.tap{j}"),
                    &[&rows, &axes],
                    vec![],
                )
            })
            .collect();
        let taps: Vec<&Value> = taps.iter().collect();
        let taps = g.node(
            "Concat",
            &format!("{name}.taps"),
            &taps,
            vec![int("axis", 3)],
        );
        let attributes = vec![ints("kernel_shape", &[1, self.kernel])];
        let inputs: Vec<&Value> = std::iter::once(&taps)
            .chain(parameters.iter().copied())
            .collect();
        let map = g.node("Conv", &format!("{name}.map"), &inputs, attributes);
        g.node("Flatten", name, &[&map], vec![int("axis", 1)])
    }
}
