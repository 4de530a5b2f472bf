//! The explainer: the forward pass, then reverse-mode differentiation written
//! out as nodes, then Grad-CAM from what both have computed.

use super::graph::{Graph, Value, int};
use super::rules;
use crate::architecture::Network;
use crate::weights::Weights;

/// Adds the gradient of `head` of the class `target` with respect to every
/// node of a network; `None` for nodes that the last one does not depend on.
pub(super) fn backward(
    g: &mut Graph,
    network: &Network,
    weights: &Weights,
    values: &[Value],
    seed: Value,
) -> Vec<Option<Value>> {
    let mut gradients: Vec<Option<Value>> = vec![None; values.len()];
    if let Some(last) = gradients.last_mut() {
        *last = Some(seed);
    }
    for i in (0..values.len()).rev() {
        let Some(dy) = gradients[i].clone() else {
            continue;
        };
        let name = network.name(i);
        let place = rules::place(network, weights, i, &name);
        let inputs = &place.node.inputs;
        let x: Vec<&Value> = inputs.iter().map(|&i| &values[i]).collect();
        let parts = rules::gradient_rule(g, &place, &x, &values[i], &dy);
        for (&input, part) in inputs.iter().zip(parts) {
            gradients[input] = Some(match gradients[input].take() {
                None => part,
                // A value used twice receives both gradients.
                Some(other) => {
                    let name = format!("{}.sum{i}", network.name(input));
                    g.node("Add", &name, &[&other, &part], vec![])
                }
            });
        }
    }
    gradients
}

/// The one-hot class of every row, `[batch, classes]`: the one asked for, or
/// the predicted one where the target is below 0.
pub(super) fn target(g: &mut Graph, target: &Value, logits: &Value, classes: usize) -> Value {
    let attributes = vec![int("axis", 1), int("keepdims", 0)];
    let predicted = g.node("ArgMax", "target.predicted", &[logits], attributes);
    let zero = g.integers("zero", &[0]);
    let open = g.node("Less", "target.open", &[target, &zero], vec![]);
    let class = g.node(
        "Where",
        "target.class",
        &[&open, &predicted, target],
        vec![],
    );
    let axis = g.integers("class.axis", &[1]);
    let column = g.node("Unsqueeze", "target.column", &[&class, &axis], vec![]);
    g.one_of("target.onehot", &column, classes)
}

/// Grad-CAM over `map`, the value of the last convolution stage `[batch,
/// channels, 1, positions]`: `relu(sum_c mean_t(gradient_c) map_c)`, drawn out
/// over the window's samples by straight lines between the positions' centres.
pub(super) fn gradcam(
    g: &mut Graph,
    network: &Network,
    map: &Value,
    gradient: &Value,
    name: &str,
) -> Value {
    let [channels, positions] = network.nodes[network.last_stage].shape[..] else {
        return map.clone();
    };
    let importance = g.node(
        "GlobalAveragePool",
        "gradcam.importance",
        &[gradient],
        vec![],
    );
    let row = g.reshape("gradcam.row", &importance, &[1, channels]);
    let features = g.reshape("gradcam.features", map, &[channels, positions]);
    let sum = g.node("MatMul", "gradcam.sum", &[&row, &features], vec![]);
    let positive = g.node("Relu", "gradcam.positive", &[&sum], vec![]);
    let coarse = g.reshape("gradcam.coarse", &positive, &[positions]);
    let length = network.window().map_or(0, |w| w.1);
    let lines = g.floats(
        "gradcam.lines",
        &[positions, length],
        &straight_lines(&centres(network, network.last_stage), length),
    );
    g.node("MatMul", name, &[&coarse, &lines], vec![])
}

/// Where the values of node `i` lie in the window, in samples.
fn centres(network: &Network, i: usize) -> Vec<f64> {
    let field = network.fields()[i];
    let positions = 0..network.nodes[i].shape.get(1).copied().unwrap_or(0);
    field.map_or(Vec::new(), |f| positions.map(|t| f.centre(t)).collect())
}

/// The matrix `[centres, length]` that interpolates linearly between values at
/// `centres` and holds the first and last value beyond them.
fn straight_lines(centres: &[f64], length: usize) -> Vec<f32> {
    let mut matrix = vec![0.0; centres.len() * length];
    for t in 0..length {
        let after = centres.partition_point(|&c| c < t as f64);
        let mut put = |row: usize, share: f64| matrix[row * length + t] = share as f32;
        if after == 0 {
            put(0, 1.0);
        } else if after == centres.len() {
            put(after - 1, 1.0);
        } else {
            let (left, right) = (centres[after - 1], centres[after]);
            let share = (t as f64 - left) / (right - left);
            put(after - 1, 1.0 - share);
            put(after, share);
        }
    }
    matrix
}

#[cfg(test)]
mod tests;
