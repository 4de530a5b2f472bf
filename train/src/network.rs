//! The residual CNN in libtorch, built from its description.
//!
//! All trainable values lie in one flat tensor and all batch-norm statistics
//! in another: a step of the optimiser, weight averaging and a checkpoint are
//! then a handful of calls, whatever the depth.
//!
//! Convolutions run as 2-D ones of height 1 on channels-last memory, where
//! libtorch's CPU kernels are fastest; tch has no memory-format argument, so the
//! layout is made by permuting a contiguous `[N, 1, L, C]` tensor.

use anyhow::{Context, Result, bail, ensure};
use models::architecture::{NORM_EPSILON, Network, Op, Parameter};
use models::weights::{self, Weights};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use tch::{Device, Kind, Tensor};

/// Weight of a batch in the running batch-norm statistics.
const NORM_MOMENTUM: f64 = 0.1;

/// Beats per call when nothing is to be learned.
const EVALUATION_BATCH: i64 = 512;

/// The residual CNN with its values, on one device.
pub struct ResidualCnn {
    network: Network,
    trainable: Vec<Slot>,
    tracked: Vec<Slot>,
    /// Per node, where its parameters are; `None` for nodes without any.
    layers: Vec<Option<Layer>>,
    /// All trainable values, flat, `f32`.
    pub values: Tensor,
    /// Running means and variances of the batch norms, flat, `f32`.
    pub statistics: Tensor,
}

/// A parameter's place in its flat tensor.
#[derive(Clone, Debug)]
struct Slot {
    parameter: Parameter,
    size: i64,
}

/// Indices into `trainable` and `tracked` of one layer's parameters.
#[derive(Clone, Copy, Debug)]
struct Layer {
    weight: usize,
    bias: usize,
    norm: Option<Norm>,
}

#[derive(Clone, Copy, Debug)]
struct Norm {
    weight: usize,
    bias: usize,
    mean: usize,
    variance: usize,
}

/// Whether a pass learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics, dropout, and convolutions in this precision.
    Training(Kind),
    /// Running statistics, no dropout, `f32`.
    Evaluation,
}

impl ResidualCnn {
    /// A fresh network: He initialisation for layers that a ReLU follows,
    /// PyTorch's default for biases and the last layer, drawn from `seed`.
    ///
    /// # Errors
    /// When libtorch cannot allocate on `device`.
    pub fn new(network: Network, seed: u64, device: Device) -> Result<ResidualCnn> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut values: Vec<f32> = Vec::new();
        let mut statistics: Vec<f32> = Vec::new();
        let parameters = network.parameters();
        let mut fan_in = 1;
        for parameter in &parameters {
            let count: usize = parameter.shape.iter().product();
            let name = parameter.name.as_str();
            if name.ends_with("norm.weight") {
                values.extend(std::iter::repeat_n(1.0, count));
            } else if name.ends_with("norm.bias") {
                values.extend(std::iter::repeat_n(0.0, count));
            } else if name.ends_with("norm.variance") {
                statistics.extend(std::iter::repeat_n(1.0, count));
            } else if name.ends_with("norm.mean") {
                statistics.extend(std::iter::repeat_n(0.0, count));
            } else if name.ends_with(".weight") && name != "logits.weight" {
                fan_in = parameter.shape[1..].iter().product();
                let deviation = (2.0 / fan_in as f32).sqrt();
                values.extend((0..count).map(|_| {
                    let draw: f32 = StandardNormal.sample(&mut random);
                    draw * deviation
                }));
            } else {
                if name.ends_with(".weight") {
                    fan_in = parameter.shape[1..].iter().product();
                }
                let bound = 1.0 / (fan_in as f32).sqrt();
                values.extend((0..count).map(|_| random.random_range(-bound..=bound)));
            }
        }
        let values = Tensor::f_from_slice(&values)?.f_to_device(device)?;
        let statistics = Tensor::f_from_slice(&statistics)?.f_to_device(device)?;
        Ok(ResidualCnn::with_values(network, values, statistics))
    }

    /// A network over flat tensors that [`ResidualCnn::new`] laid out.
    pub(crate) fn with_values(network: Network, values: Tensor, statistics: Tensor) -> ResidualCnn {
        let (mut trainable, mut tracked) = (Vec::new(), Vec::new());
        for parameter in network.parameters() {
            let size = parameter.shape.iter().product::<usize>() as i64;
            let list = if parameter.trainable {
                &mut trainable
            } else {
                &mut tracked
            };
            list.push(Slot { parameter, size });
        }
        // Parameters come in the order of the nodes, so their indices can be
        // counted off.
        let (mut next, mut next_tracked) = (0, 0);
        let layers = network
            .nodes
            .iter()
            .map(|node| {
                let (Op::Conv { norm, .. } | Op::Dense { norm, .. }) = node.op else {
                    return None;
                };
                let (weight, bias) = (next, next + 1);
                next += 2;
                let norm = norm.then(|| {
                    let norm = Norm {
                        weight: next,
                        bias: next + 1,
                        mean: next_tracked,
                        variance: next_tracked + 1,
                    };
                    next += 2;
                    next_tracked += 2;
                    norm
                });
                Some(Layer { weight, bias, norm })
            })
            .collect();
        ResidualCnn {
            network,
            trainable,
            tracked,
            layers,
            values: values.detach().set_requires_grad(true),
            statistics,
        }
    }

    /// The same network with a copy of the values.
    pub fn duplicate(&self) -> ResidualCnn {
        ResidualCnn::with_values(
            self.network.clone(),
            self.values.detach().copy(),
            self.statistics.copy(),
        )
    }

    /// The description that it was built from.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The values of a parameter, in its shape; a view, so that writing to it
    /// changes the network.
    pub fn parameter(&self, name: &str) -> Option<Tensor> {
        let mut start = 0;
        for slot in &self.trainable {
            if slot.parameter.name == name {
                let shape: Vec<i64> = slot.parameter.shape.iter().map(|&n| n as i64).collect();
                let values = self.values.detach().narrow(0, start, slot.size);
                return Some(values.view(shape.as_slice()));
            }
            start += slot.size;
        }
        None
    }

    /// 1 for every value that weight decay may shrink (the weights of
    /// convolutions and dense layers), 0 for biases and batch norms.
    pub fn decay_mask(&self) -> Tensor {
        let decays = |p: &Parameter| p.shape.len() > 1;
        let mask: Vec<f32> = self
            .trainable
            .iter()
            .flat_map(|s| {
                let value = if decays(&s.parameter) { 1.0 } else { 0.0 };
                std::iter::repeat_n(value, s.size as usize)
            })
            .collect();
        Tensor::from_slice(&mask).to_device(self.values.device())
    }

    /// Logits `[N, classes]` of windows `[N, channels, length]` and, for a
    /// network that has them, rhythm features `[N, features]`.
    pub fn forward(&self, beat: &Tensor, rhythm: Option<&Tensor>, mode: Mode) -> Tensor {
        let (training, precision) = match mode {
            Mode::Training(kind) => (true, kind),
            Mode::Evaluation => (false, Kind::Float),
        };
        let sizes: Vec<i64> = self.trainable.iter().map(|s| s.size).collect();
        let full = self.values.split_with_sizes(&sizes, 0);
        let reduced = (precision != Kind::Float)
            .then(|| self.values.to_kind(precision).split_with_sizes(&sizes, 0));
        let sizes: Vec<i64> = self.tracked.iter().map(|s| s.size).collect();
        let tracked = self.statistics.split_with_sizes(&sizes, 0);
        let normalise = |x: Tensor, norm: Option<Norm>| match norm {
            None => x,
            Some(n) => x.batch_norm(
                Some(&full[n.weight]),
                Some(&full[n.bias]),
                Some(&tracked[n.mean]),
                Some(&tracked[n.variance]),
                training,
                NORM_MOMENTUM,
                NORM_EPSILON,
                true,
            ),
        };

        let mut results: Vec<Tensor> = Vec::with_capacity(self.network.nodes.len());
        for (node, layer) in self.network.nodes.iter().zip(&self.layers) {
            let input = |i: usize| &results[node.inputs[i]];
            let result = match (&node.op, layer) {
                (Op::Beat, _) => channels_last(&beat.to_kind(precision)),
                (Op::Rhythm, _) => rhythm.map_or_else(
                    || {
                        Tensor::zeros(
                            [beat.size()[0], node.shape[0] as i64],
                            (Kind::Float, beat.device()),
                        )
                    },
                    |r| r.to_kind(Kind::Float),
                ),
                (
                    Op::Conv {
                        kernel,
                        stride,
                        dilation,
                        padding,
                        ..
                    },
                    Some(layer),
                ) => {
                    let from = reduced.as_ref().unwrap_or(&full);
                    let channels = self.trainable[layer.weight].parameter.shape[1] as i64;
                    let weight = from[layer.weight]
                        .view([node.shape[0] as i64, 1, *kernel as i64, channels])
                        .permute([0, 3, 1, 2]);
                    let x = input(0).conv2d(
                        &weight,
                        Some(&from[layer.bias]),
                        [1, *stride as i64],
                        [0, *padding as i64],
                        [1, *dilation as i64],
                        1,
                    );
                    normalise(x, layer.norm)
                }
                (Op::Dense { .. }, Some(layer)) => {
                    let inputs = self.trainable[layer.weight].parameter.shape[1] as i64;
                    let weight = full[layer.weight].view([node.shape[0] as i64, inputs]);
                    normalise(
                        input(0).linear(&weight, Some(&full[layer.bias])),
                        layer.norm,
                    )
                }
                (Op::Relu, _) => input(0).relu(),
                (Op::Add, _) => input(0) + input(1),
                (Op::MaxPool { size }, _) => {
                    let window = [1, *size as i64];
                    input(0).max_pool2d(window, window, [0, 0], [1, 1], false)
                }
                (Op::AveragePool { size }, _) => {
                    let window = [1, *size as i64];
                    input(0).avg_pool2d(window, window, [0, 0], false, true, None)
                }
                (Op::GlobalAveragePool, _) => {
                    input(0).mean_dim([2_i64, 3].as_slice(), false, Kind::Float)
                }
                (Op::GlobalMaxPool, _) => input(0)
                    .squeeze_dim(2)
                    .max_dim(2, false)
                    .0
                    .to_kind(Kind::Float),
                (Op::Flatten, _) => input(0).flatten(1, -1).to_kind(Kind::Float),
                (Op::Concat, _) => {
                    let parts: Vec<&Tensor> = node.inputs.iter().map(|&i| &results[i]).collect();
                    Tensor::cat(&parts, 1)
                }
                (Op::Dropout { probability }, _) => input(0).dropout(*probability, training),
                (Op::Conv { .. } | Op::Dense { .. }, None) => {
                    unreachable!("every layer has a slot")
                }
            };
            results.push(result);
        }
        results.pop().unwrap_or_else(|| beat.shallow_clone())
    }

    /// Logits `[N, classes]` of any number of beats, on their device, without
    /// a gradient.
    pub fn logits(&self, beats: &Tensor, rhythm: Option<&Tensor>) -> Tensor {
        let _guard = tch::no_grad_guard();
        let rows = beats.size()[0];
        let parts: Vec<Tensor> = (0..rows)
            .step_by(EVALUATION_BATCH as usize)
            .map(|start| {
                let count = EVALUATION_BATCH.min(rows - start);
                let rhythm = rhythm.map(|r| r.narrow(0, start, count));
                self.forward(
                    &beats.narrow(0, start, count),
                    rhythm.as_ref(),
                    Mode::Evaluation,
                )
            })
            .collect();
        Tensor::cat(&parts, 0)
    }

    /// The weights by name, in the layout of [`Network::parameters`].
    ///
    /// # Errors
    /// When libtorch cannot copy them to the CPU.
    pub fn weights(&self) -> Result<Weights> {
        let mut all = Weights::default();
        for (slots, flat) in [
            (&self.trainable, &self.values),
            (&self.tracked, &self.statistics),
        ] {
            let flat = flat.detach().to_device(Device::Cpu);
            let mut start = 0;
            for slot in slots {
                let mut tensor = flat.narrow(0, start, slot.size);
                start += slot.size;
                if let &[outputs, inputs, kernel] = slot.parameter.shape.as_slice() {
                    tensor = tensor
                        .view([outputs as i64, kernel as i64, inputs as i64])
                        .permute([0, 2, 1]);
                }
                let values = Vec::<f32>::try_from(tensor.contiguous().view(-1))?;
                let shape = slot.parameter.shape.clone();
                all.0.insert(
                    slot.parameter.name.clone(),
                    weights::Tensor { shape, values },
                );
            }
        }
        Ok(all)
    }

    /// A network with the values of `weights`, the inverse of
    /// [`ResidualCnn::weights`].
    ///
    /// # Errors
    /// When a parameter is missing or has another shape.
    pub fn from_weights(
        network: Network,
        weights: &Weights,
        device: Device,
    ) -> Result<ResidualCnn> {
        let (mut values, mut statistics) = (Vec::new(), Vec::new());
        for parameter in network.parameters() {
            let found = weights
                .0
                .get(&parameter.name)
                .with_context(|| format!("the weights lack {}", parameter.name))?;
            if found.shape != parameter.shape {
                bail!(
                    "{} has shape {:?}, expected {:?}",
                    parameter.name,
                    found.shape,
                    parameter.shape
                );
            }
            let mut tensor = Tensor::f_from_slice(&found.values)?;
            if let &[outputs, inputs, kernel] = parameter.shape.as_slice() {
                tensor = tensor
                    .f_view([outputs as i64, inputs as i64, kernel as i64])?
                    .permute([0, 2, 1]);
            }
            let list = if parameter.trainable {
                &mut values
            } else {
                &mut statistics
            };
            list.push(tensor.contiguous().view(-1));
        }
        ensure!(!values.is_empty(), "the network has no parameters");
        // A network without batch norm has no statistics to join.
        let join = |parts: Vec<Tensor>| match parts.is_empty() {
            true => Tensor::zeros([0], (Kind::Float, device)),
            false => Tensor::cat(&parts, 0).to_device(device),
        };
        Ok(ResidualCnn::with_values(
            network,
            join(values),
            join(statistics),
        ))
    }
}

/// `[N, C, L]` to `[N, C, 1, L]` in channels-last memory.
fn channels_last(x: &Tensor) -> Tensor {
    x.permute([0, 2, 1])
        .contiguous()
        .unsqueeze(1)
        .permute([0, 3, 1, 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use models::Architecture;
    use models::architecture::{Block, Pooling, Stem};

    fn architecture() -> Architecture {
        Architecture {
            channels: 2,
            length: 61,
            rhythm: 4,
            classes: 5,
            stem: Some(Stem {
                channels: 6,
                kernel: 7,
                stride: 2,
            }),
            blocks: vec![
                Block {
                    channels: 8,
                    kernel: 5,
                    stride: 1,
                    dilation: 2,
                    pool: 2,
                },
                Block {
                    channels: 8,
                    kernel: 3,
                    stride: 2,
                    dilation: 1,
                    pool: 1,
                },
            ],
            pooling: Pooling::AverageMax,
            rhythm_hidden: vec![7],
            hidden: vec![9],
            dropout: 0.2,
        }
    }

    fn built() -> ResidualCnn {
        let network = architecture().network().unwrap();
        ResidualCnn::new(network, 3, Device::Cpu).unwrap()
    }

    fn inputs(rows: i64) -> (Tensor, Tensor) {
        let options = (Kind::Float, Device::Cpu);
        (
            Tensor::randn([rows, 2, 61], options),
            Tensor::randn([rows, 4], options),
        )
    }

    #[test]
    fn flat_tensors_hold_every_parameter() {
        let model = built();
        assert_eq!(
            model.values.size1().unwrap(),
            model.network().parameter_count() as i64
        );
        model.weights().unwrap().check(model.network()).unwrap();
    }

    #[test]
    fn weights_survive_extraction() {
        let model = built();
        let (beat, rhythm) = inputs(5);
        // Moves the running statistics away from where they start.
        let _ = model.forward(&beat, Some(&rhythm), Mode::Training(Kind::Float));
        let weights = model.weights().unwrap();
        let network = model.network().clone();
        let again = ResidualCnn::from_weights(network, &weights, Device::Cpu).unwrap();
        assert_eq!(again.values, model.values);
        assert_eq!(again.statistics, model.statistics);
        assert_eq!(again.weights().unwrap(), weights);
        let logits = |m: &ResidualCnn| m.logits(&beat, Some(&rhythm));
        assert_eq!(logits(&again), logits(&model));
    }

    /// Against libtorch's own layers, without the layout tricks.
    #[test]
    fn a_convolution_block_is_the_textbook_one() {
        let model = built();
        let (beat, rhythm) = inputs(3);
        let weights = model.weights().unwrap();
        let get = |name: &str| {
            let t = &weights.0[name];
            let shape: Vec<i64> = t.shape.iter().map(|&n| n as i64).collect();
            Tensor::from_slice(&t.values).view(shape.as_slice())
        };
        let conv = |x: &Tensor, name: &str, stride: i64, padding: i64, dilation: i64| {
            x.conv1d(
                &get(&format!("{name}.weight")),
                Some(&get(&format!("{name}.bias"))),
                [stride],
                [padding],
                [dilation],
                1,
            ) / (1.0 + NORM_EPSILON).sqrt()
        };
        let x = conv(&beat, "stem", 2, 3, 1).relu();
        let y = conv(
            &conv(&x, "block1.conv1", 1, 4, 2).relu(),
            "block1.conv2",
            1,
            4,
            2,
        );
        let x = (y + conv(&x, "block1.shortcut", 1, 0, 1))
            .relu()
            .max_pool1d([2], [2], [0], [1], false);
        let y = conv(
            &conv(&x, "block2.conv1", 2, 1, 1).relu(),
            "block2.conv2",
            1,
            1,
            1,
        );
        let x = (y + conv(&x, "block2.shortcut", 2, 0, 1)).relu();
        let linear = |x: &Tensor, name: &str| {
            x.linear(
                &get(&format!("{name}.weight")),
                Some(&get(&format!("{name}.bias"))),
            )
        };
        let branch = (linear(&rhythm, "rhythm1") / (1.0 + NORM_EPSILON).sqrt()).relu();
        let pooled = Tensor::cat(
            &[x.mean_dim(2, false, Kind::Float), x.amax(2, false), branch],
            1,
        );
        let expected = linear(&linear(&pooled, "dense1").relu(), "logits");
        let found = model.logits(&beat, Some(&rhythm));
        let difference = (found - expected).abs().max().double_value(&[]);
        assert!(difference < 1e-5, "{difference:e}");
    }

    #[test]
    fn reduced_precision_stays_close() {
        let model = built();
        let (beat, rhythm) = inputs(64);
        let network = Architecture {
            dropout: 0.0,
            ..architecture()
        }
        .network()
        .unwrap();
        let model =
            ResidualCnn::from_weights(network, &model.weights().unwrap(), Device::Cpu).unwrap();
        let pass = |kind| {
            model
                .forward(&beat, Some(&rhythm), Mode::Training(kind))
                .to_kind(Kind::Float)
        };
        let (full, reduced) = (pass(Kind::Float), pass(Kind::BFloat16));
        let difference = (&full - reduced).abs().mean(Kind::Float).double_value(&[]);
        let scale = full.std(false).double_value(&[]);
        assert!(
            difference > 0.0 && difference < 0.05 * scale,
            "{difference} of {scale}"
        );
    }

    #[test]
    fn weights_of_another_network_are_refused() {
        let weights = built().weights().unwrap();
        let other = Architecture::notebook().network().unwrap();
        let error = ResidualCnn::from_weights(other, &weights, Device::Cpu)
            .err()
            .unwrap();
        assert!(error.to_string().contains("block1.conv1.weight"), "{error}");
    }
}
