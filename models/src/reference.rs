//! A network computed in f64 straight from its definition, batch norm and all:
//! slow, and the measure for every graph and engine.

use crate::architecture::{NORM_EPSILON, Network, Node, Op};
use crate::weights::{Weights, WeightsError};

/// The value of every node for one beat.
pub type Values = Vec<Vec<f64>>;

/// A network with its weights widened to f64.
pub struct Reference<'a> {
    network: &'a Network,
    layers: Vec<Layer>,
}

/// The parameters of one node; empty for nodes without.
#[derive(Default)]
struct Layer {
    weight: Vec<f64>,
    bias: Vec<f64>,
    /// Per output channel `a` and `b` of the batch norm `a x + b`.
    norm: Option<(Vec<f64>, Vec<f64>)>,
}

impl<'a> Reference<'a> {
    /// Takes a network and its weights.
    ///
    /// # Errors
    /// As [`Weights::check`].
    pub fn new(network: &'a Network, weights: &Weights) -> Result<Reference<'a>, WeightsError> {
        weights.check(network)?;
        let wide = |name: String| -> Vec<f64> {
            let values = weights.0.get(&name).map(|t| &t.values[..]);
            values.unwrap_or(&[]).iter().map(|&v| v.into()).collect()
        };
        let norm_of = |name: &str| {
            let part = |part| wide(format!("{name}.norm.{part}"));
            let a: Vec<f64> = part("weight")
                .iter()
                .zip(part("variance"))
                .map(|(g, v)| g / (v + NORM_EPSILON).sqrt())
                .collect();
            let scaled = a.iter().zip(part("mean")).map(|(a, m)| a * m);
            let b = part("bias")
                .iter()
                .zip(scaled)
                .map(|(b, m)| b - m)
                .collect();
            (a, b)
        };
        let layer = |node: &Node| match &node.op {
            Op::Conv { name, norm, .. } | Op::Dense { name, norm } => Layer {
                weight: wide(format!("{name}.weight")),
                bias: wide(format!("{name}.bias")),
                norm: norm.then(|| norm_of(name)),
            },
            Op::BeatConv { name, .. } => Layer {
                weight: wide(format!("{name}.weight")),
                bias: wide(format!("{name}.bias")),
                norm: None,
            },
            Op::Norm { name, folded } => Layer {
                norm: Some(match folded {
                    true => (wide(format!("{name}.weight")), wide(format!("{name}.bias"))),
                    false => norm_of(name),
                }),
                ..Layer::default()
            },
            _ => Layer::default(),
        };
        Ok(Reference {
            network,
            layers: network.nodes.iter().map(layer).collect(),
        })
    }

    /// The value of every node for one beat `[channels x length]` and its
    /// rhythm features; the last one is the logits. No beat comes before it.
    pub fn values(&self, beat: &[f64], rhythm: &[f64]) -> Values {
        self.values_after(&[], beat, rhythm)
    }

    /// The values of every one of consecutive beats, from the beginning of a
    /// stretch on.
    pub fn sequence(&self, beats: &[f64], rhythm: &[f64]) -> Vec<Values> {
        let (channels, length) = self.network.window().unwrap_or((1, 1));
        let features = self.network.rhythm();
        let mut all = Vec::new();
        for (t, beat) in beats.chunks_exact(channels * length).enumerate() {
            let rhythm = &rhythm[t * features..(t + 1) * features];
            let values = self.values_after(&all, beat, rhythm);
            all.push(values);
        }
        all
    }

    fn values_after(&self, past: &[Values], beat: &[f64], rhythm: &[f64]) -> Values {
        let mut values: Vec<Vec<f64>> = Vec::with_capacity(self.network.nodes.len());
        for (node, layer) in self.network.nodes.iter().zip(&self.layers) {
            let inputs: Vec<&[f64]> = node.inputs.iter().map(|&i| &values[i][..]).collect();
            let value = match node.op {
                Op::Beat => beat.to_vec(),
                Op::Rhythm => rhythm.to_vec(),
                Op::Conv { .. } => layer.normalised(self.conv(node, layer, inputs[0])),
                Op::BeatConv {
                    kernel, dilation, ..
                } => {
                    let before = |beats: usize| {
                        let place = past.len().checked_sub(beats)?;
                        Some(&past[place][node.inputs[0]][..])
                    };
                    let taps = (0..kernel).map(|j| match dilation * (kernel - 1 - j) {
                        0 => Some(inputs[0]),
                        beats => before(beats),
                    });
                    layer.over_beats(&taps.collect::<Vec<_>>(), inputs[0].len())
                }
                Op::Dense { .. } => layer.normalised(layer.dense(inputs[0])),
                Op::Norm { .. } => layer.normalised(inputs[0].to_vec()),
                Op::Relu => inputs[0].iter().map(|x| x.max(0.0)).collect(),
                Op::Sigmoid => inputs[0].iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect(),
                Op::Gate => {
                    let channels = inputs[0].chunks_exact(node.shape[1]).zip(inputs[1]);
                    channels
                        .flat_map(|(x, s)| x.iter().map(move |x| x * s))
                        .collect()
                }
                Op::Add => inputs[0]
                    .iter()
                    .zip(inputs[1])
                    .map(|(a, b)| a + b)
                    .collect(),
                Op::MaxPool { size } => self.stretches(node, inputs[0], size, maximum),
                Op::AveragePool { size } => self.stretches(node, inputs[0], size, mean),
                Op::GlobalAveragePool => self.stretches(node, inputs[0], usize::MAX, mean),
                Op::GlobalMaxPool => self.stretches(node, inputs[0], usize::MAX, maximum),
                Op::Concat => inputs.concat(),
                Op::Flatten | Op::Dropout { .. } => inputs[0].to_vec(),
            };
            values.push(value);
        }
        values
    }

    /// The logits for one beat `[channels x length]` and its rhythm features.
    pub fn logits(&self, beat: &[f64], rhythm: &[f64]) -> Vec<f64> {
        self.values(beat, rhythm).pop().unwrap_or_default()
    }

    /// Central differences `(f(x + h) - f(x - h)) / 2h` of a number made from
    /// the logits of the last of consecutive beats, for each of `places`, which
    /// count the values of all `beat` windows and then those of `rhythm`. `None` where a ReLU switches or a maximum changes
    /// hands between the two sides, because there they are not the gradient.
    pub fn differences(
        &self,
        beat: &[f64],
        rhythm: &[f64],
        places: impl IntoIterator<Item = usize>,
        step: f64,
        of: impl Fn(&[f64]) -> f64,
    ) -> Vec<Option<f64>> {
        let mut x = [beat, rhythm].concat();
        let mut side = |i: usize, step: f64| {
            let before = x[i];
            x[i] += step;
            let values = self.sequence(&x[..beat.len()], &x[beat.len()..]);
            x[i] = before;
            let logits = values.last().and_then(|values| values.last());
            let f = logits.map_or(f64::NAN, |logits| of(logits));
            let branches = values.iter().flat_map(|values| self.branches(values));
            (f, branches.collect::<Vec<_>>())
        };
        places
            .into_iter()
            .map(|i| {
                let ((up, up_branches), (down, down_branches)) = (side(i, step), side(i, -step));
                (up_branches == down_branches).then_some((up - down) / (2.0 * step))
            })
            .collect()
    }

    /// How near the values of a beat are to a kink, where the gradient jumps:
    /// the least distance of a ReLU's input from 0, and of a maximum other than 0
    /// from the next value, as a part of the largest value there.
    pub fn margin(&self, values: &[Vec<f64>]) -> f64 {
        let mut least = f64::INFINITY;
        for node in &self.network.nodes {
            let size = match node.op {
                Op::Relu => 1,
                Op::MaxPool { size } => size,
                Op::GlobalMaxPool => usize::MAX,
                _ => continue,
            };
            let x = &values[node.inputs[0]];
            let scale = x.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
            if node.op == Op::Relu {
                least = x.iter().fold(least, |m, v| m.min(v.abs() / scale));
                continue;
            }
            let length = self.network.nodes[node.inputs[0]].shape[1];
            for channel in x.chunks_exact(length) {
                for stretch in channel.chunks_exact(size.min(length)) {
                    let first = first_maximum(stretch);
                    // Behind a ReLU, equal zeros pass nothing to either; a sum
                    // without one has other maxima than 0.
                    if stretch[first] == 0.0 {
                        continue;
                    }
                    let others = stretch.iter().enumerate().filter(|(i, _)| *i != first);
                    let leads = others.map(|(_, v)| (stretch[first] - v) / scale);
                    least = leads.fold(least, f64::min);
                }
            }
        }
        least
    }

    /// Which way every ReLU and every maximum went.
    fn branches(&self, values: &[Vec<f64>]) -> Vec<usize> {
        let mut branches = Vec::new();
        for node in &self.network.nodes {
            let size = match node.op {
                Op::Relu => {
                    let x = &values[node.inputs[0]];
                    branches.extend(x.iter().map(|&x| usize::from(x > 0.0)));
                    continue;
                }
                Op::MaxPool { size } => size,
                Op::GlobalMaxPool => usize::MAX,
                _ => continue,
            };
            let length = self.network.nodes[node.inputs[0]].shape[1];
            for channel in values[node.inputs[0]].chunks_exact(length) {
                branches.extend(channel.chunks_exact(size.min(length)).map(first_maximum));
            }
        }
        branches
    }

    fn conv(&self, node: &Node, layer: &Layer, x: &[f64]) -> Vec<f64> {
        let Op::Conv {
            kernel,
            stride,
            dilation,
            padding,
            ..
        } = node.op
        else {
            return Vec::new();
        };
        let [inputs, length] = self.network.nodes[node.inputs[0]].shape[..] else {
            return Vec::new();
        };
        let mut y = Vec::with_capacity(node.shape.iter().product());
        for (o, bias) in layer.bias.iter().enumerate() {
            for t in 0..node.shape[1] {
                let mut sum = *bias;
                for c in 0..inputs {
                    for k in 0..kernel {
                        let at = (t * stride + k * dilation).checked_sub(padding);
                        if let Some(at) = at.filter(|&at| at < length) {
                            sum += layer.weight[(o * inputs + c) * kernel + k] * x[c * length + at];
                        }
                    }
                }
                y.push(sum);
            }
        }
        y
    }

    /// Reduces stretches of `size` samples, or of the whole channel where that
    /// is shorter.
    fn stretches(
        &self,
        node: &Node,
        x: &[f64],
        size: usize,
        reduce: fn(&[f64]) -> f64,
    ) -> Vec<f64> {
        let length = self.network.nodes[node.inputs[0]].shape[1];
        let channels = x.chunks_exact(length);
        channels
            .flat_map(|c| c.chunks_exact(size.min(length)).map(reduce))
            .collect()
    }
}

impl Layer {
    /// `y = b + sum_j W[j] x_j` of the beats under a kernel; a beat that is not
    /// there is 0.
    fn over_beats(&self, taps: &[Option<&[f64]>], inputs: usize) -> Vec<f64> {
        let rows = self.weight.chunks_exact(inputs * taps.len());
        let outputs = rows.zip(&self.bias).map(|(row, bias)| {
            let at = |i: usize, j: usize| row[i * taps.len() + j];
            let terms = taps.iter().enumerate().flat_map(|(j, x)| {
                let values = x.iter().flat_map(|x| x.iter()).enumerate();
                values.map(move |(i, x)| at(i, j) * x)
            });
            bias + terms.sum::<f64>()
        });
        outputs.collect()
    }

    fn dense(&self, x: &[f64]) -> Vec<f64> {
        let rows = self.weight.chunks_exact(x.len());
        let dot = |row: &[f64]| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
        rows.zip(&self.bias).map(|(row, b)| dot(row) + b).collect()
    }

    fn normalised(&self, mut y: Vec<f64>) -> Vec<f64> {
        if let Some((a, b)) = &self.norm {
            let samples = y.len() / a.len();
            for (c, channel) in y.chunks_exact_mut(samples).enumerate() {
                for v in channel {
                    *v = a[c] * *v + b[c];
                }
            }
        }
        y
    }
}

fn maximum(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn first_maximum(values: &[f64]) -> usize {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = i;
        }
    }
    best
}
