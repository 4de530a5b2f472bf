//! The residual CNN in libtorch, built from its description.
//!
//! All trainable values lie in one flat tensor and all batch-norm statistics
//! in another: a step of the optimiser, weight averaging and a checkpoint are
//! then a handful of calls, whatever the depth.
//!
//! Convolutions run as 2-D ones of height 1 on channels-last memory, where
//! libtorch's CPU kernels are fastest; tch has no memory-format argument, so the
//! layout is made by permuting a contiguous `[N, 1, L, C]` tensor.
//!
//! The rows of a batch are beats. Where the network has a memory they are
//! consecutive beats of one stretch or of several, one after the other, and a
//! number per row, its age, says how many beats of its stretch come before it in
//! the batch.
//!
//! A pass changes nothing: what a batch makes of the batch-norm statistics is
//! part of the answer ([`Lesson`]), and the caller keeps it or not.

mod pass;
#[cfg(test)]
mod tests;

use data::record::error::ensure;
use models::architecture::{Network, Op, Parameter};
use models::weights::{self, Weights};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
pub use pass::Lesson;

/// Weights of the layers that a softmax or a sigmoid follows.
const PLAIN: [&str; 2] = ["logits.weight", "excite.weight"];

/// The residual CNN with its values, on one device.
pub struct ResidualCnn {
    network: Network,
    trainable: Vec<Slot>,
    tracked: Vec<Slot>,
    /// Per node, where its parameters are.
    layers: Vec<Layer>,
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

/// Indices into `trainable` and `tracked` of a node's parameters, as far as it
/// has any.
#[derive(Clone, Copy, Debug, Default)]
struct Layer {
    affine: Option<Affine>,
    norm: Option<Norm>,
}

#[derive(Clone, Copy, Debug)]
struct Affine {
    weight: usize,
    bias: usize,
}

#[derive(Clone, Copy, Debug)]
struct Norm {
    weight: usize,
    bias: usize,
    mean: usize,
    variance: usize,
}

impl ResidualCnn {
    /// A fresh network: He initialisation for layers that a ReLU follows,
    /// PyTorch's default for biases and for the layers of logits and gates,
    /// drawn from `seed`.
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
            } else if name.ends_with(".weight") && !PLAIN.iter().any(|plain| name.ends_with(plain))
            {
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
                let (affine, norm) = match node.op {
                    Op::Conv { norm, .. } | Op::Dense { norm, .. } => (true, norm),
                    Op::BeatConv { .. } => (true, false),
                    Op::Norm { folded, .. } => (folded, !folded),
                    _ => (false, false),
                };
                let affine = affine.then(|| {
                    let (weight, bias) = (next, next + 1);
                    next += 2;
                    Affine { weight, bias }
                });
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
                Layer { affine, norm }
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
        self.mask(|parameter| parameter.shape.len() > 1)
    }

    /// 1 for every value of the parameters that are meant, else 0.
    pub fn mask(&self, meant: impl Fn(&Parameter) -> bool) -> Tensor {
        let mask: Vec<f32> = self
            .trainable
            .iter()
            .flat_map(|s| {
                let value = if meant(&s.parameter) { 1.0 } else { 0.0 };
                std::iter::repeat_n(value, s.size as usize)
            })
            .collect();
        Tensor::from_slice(&mask).to_device(self.values.device())
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
                .ok_or_else(|| Error::Network(format!("the weights lack {}", parameter.name)))?;
            if found.shape != parameter.shape {
                return Err(Error::Network(format!(
                    "{} has shape {:?}, expected {:?}",
                    parameter.name, found.shape, parameter.shape
                )));
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
        ensure(!values.is_empty(), || {
            Error::Network("the network has no parameters".into())
        })?;
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
