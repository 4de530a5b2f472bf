//! Convolution.
//!
//! With `y[t] = b + sum_j w[j] x[s t + d j - p]` the gradient is
//! `dx[i] = sum_{t, j: s t + d j - p = i} dy[t] w[j]`. For stride `s` the
//! positions `i = s q + r` of one phase `r` only meet the taps `j` with
//! `d j = r + p (mod s)`, so each phase is itself a convolution of `dy`, with
//! the taps of that phase reversed. The phases are computed side by side as
//! channels of one convolution and then interleaved: nothing is multiplied by
//! inserted zeros, and the engine's ordinary convolution kernels do the work.

use super::Place;
use crate::architecture::Op;
use crate::onnx::graph::{Graph, Value, ints};

/// `y = w * x + b`.
pub(super) fn forward(g: &mut Graph, at: &Place, x: &Value) -> Value {
    let Some(layer) = Layer::of(at) else {
        return x.clone();
    };
    let (outputs, _) = at.map();
    let w = g.floats(
        &format!("{}.weight", layer.name),
        &[outputs, layer.inputs, 1, layer.kernel],
        layer.weight,
    );
    let b = g.floats(&format!("{}.bias", layer.name), &[outputs], layer.bias);
    let attributes = vec![
        ints("kernel_shape", &[1, layer.kernel]),
        ints("strides", &[1, layer.stride]),
        ints("dilations", &[1, layer.dilation]),
        ints("pads", &[0, layer.padding, 0, layer.padding]),
    ];
    g.node("Conv", at.name, &[x, &w, &b], attributes)
}

/// `dx` from `dy`.
pub(super) fn gradient(g: &mut Graph, at: &Place, dy: &Value) -> Value {
    let Some(layer) = Layer::of(at) else {
        return dy.clone();
    };
    let (outputs, out_length) = at.map();
    let (inputs, length) = at.input_map();
    let Backward {
        taps,
        step,
        before,
        weight,
    } = layer.backward(outputs);
    let (stride, name) = (layer.stride, at.name);
    let per_phase = length.div_ceil(stride);
    let w = g.floats(
        &format!("{}.weight.backward", layer.name),
        &[inputs * stride, outputs, 1, taps],
        &weight,
    );
    // Negative padding leaves out what the forward pass never wrote or used.
    let after = (per_phase + (taps - 1) * step) as i64 - out_length as i64 - before;
    let unused = |padding: i64| (-padding).max(0) as usize;
    let dy = if before.min(after) < 0 {
        let name = format!("{name}.backward.used");
        g.slice(&name, dy, 3, unused(before)..out_length - unused(after))
    } else {
        dy.clone()
    };
    let zeros = |padding: i64| padding.max(0) as usize;
    let attributes = vec![
        ints("kernel_shape", &[1, taps]),
        ints("dilations", &[1, step]),
        ints("pads", &[0, zeros(before), 0, zeros(after)]),
    ];
    let dx = g.node("Conv", &format!("{name}.backward"), &[&dy, &w], attributes);
    if stride == 1 {
        return dx;
    }
    // [batch, inputs * stride, 1, per_phase] to [batch, inputs, 1, length]
    let split = g.reshape(
        &format!("{name}.backward.phases"),
        &dx,
        &[inputs, stride, per_phase],
    );
    let interleaved = g.node(
        "Transpose",
        &format!("{name}.backward.interleaved"),
        &[&split],
        vec![ints("perm", &[0, 1, 3, 2])],
    );
    let joined = g.reshape(
        &format!("{name}.backward.joined"),
        &interleaved,
        &[inputs, 1, per_phase * stride],
    );
    if per_phase * stride == length {
        joined
    } else {
        g.slice(&format!("{name}.backward.window"), &joined, 3, 0..length)
    }
}

/// A convolution's settings and parameters.
struct Layer<'a> {
    name: &'a str,
    inputs: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    padding: usize,
    /// `[outputs, inputs, kernel]`.
    weight: &'a [f32],
    bias: &'a [f32],
}

/// The convolution over `dy` that gives all phases of `dx`.
struct Backward {
    /// Kernel length.
    taps: usize,
    /// Dilation.
    step: usize,
    /// Zeros ahead of `dy`; below 0, values to leave out.
    before: i64,
    /// `[inputs, stride, outputs, taps]`.
    weight: Vec<f32>,
}

impl<'a> Layer<'a> {
    fn of(at: &Place<'a>) -> Option<Layer<'a>> {
        let &Op::Conv {
            ref name,
            kernel,
            stride,
            dilation,
            padding,
            ..
        } = &at.node.op
        else {
            return None;
        };
        Some(Layer {
            name,
            inputs: at.inputs[0].shape[0],
            kernel,
            stride,
            dilation,
            padding,
            weight: at.weights.values(&format!("{name}.weight")),
            bias: at.weights.values(&format!("{name}.bias")),
        })
    }

    fn backward(&self, outputs: usize) -> Backward {
        // Phase r at q takes dy[q - u] times w[j] for d j = r + p + s u.
        let (s, d, p) = (
            self.stride as i64,
            self.dilation as i64,
            self.padding as i64,
        );
        let meetings: Vec<(usize, usize, i64)> = (0..self.stride)
            .flat_map(|r| (0..self.kernel).map(move |j| (r, j)))
            .filter_map(|(r, j)| {
                let distance = d * j as i64 - r as i64 - p;
                (distance.rem_euclid(s) == 0).then_some((r, j, distance.div_euclid(s)))
            })
            .collect();
        // With stride 1 the taps are as far apart as in the forward pass.
        let step = if self.stride == 1 { d } else { 1 };
        let last = meetings.iter().map(|m| m.2).max().unwrap_or(0);
        let first = meetings.iter().map(|m| m.2).min().unwrap_or(0);
        let taps = ((last - first) / step) as usize + 1;
        let mut weight = vec![0.0; self.inputs * self.stride * outputs * taps];
        for (r, j, u) in meetings {
            let tap = ((last - u) / step) as usize;
            for i in 0..self.inputs {
                for o in 0..outputs {
                    let to = ((i * self.stride + r) * outputs + o) * taps + tap;
                    weight[to] = self.weight[(o * self.inputs + i) * self.kernel + j];
                }
            }
        }
        Backward {
            taps,
            step: step as usize,
            before: last,
            weight,
        }
    }
}
