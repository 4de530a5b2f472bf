//! The residual CNN as data. The libtorch module, the ONNX forward graph and
//! the ONNX gradient graph are all built from the node list made here.

mod check;

use serde::{Deserialize, Serialize};

/// Added to the variance in batch norm before its root is taken.
pub const NORM_EPSILON: f64 = 1e-5;

/// A residual 1-D CNN over a beat window, with an optional branch for rhythm
/// features that joins before the head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Channels of the window.
    pub channels: usize,
    /// Samples per channel.
    pub length: usize,
    /// Rhythm features; 0 for a network with one input.
    pub rhythm: usize,
    /// Classes.
    pub classes: usize,
    /// A convolution before the first block.
    pub stem: Option<Stem>,
    /// The residual blocks, from input to output.
    pub blocks: Vec<Block>,
    /// How the last feature map becomes a vector.
    pub pooling: Pooling,
    /// Widths of the dense layers of the rhythm branch.
    pub rhythm_hidden: Vec<usize>,
    /// Widths of the hidden dense layers of the head.
    pub hidden: Vec<usize>,
    /// Dropout probability before each dense layer of the head but the first.
    pub dropout: f64,
}

/// Convolution, batch norm and ReLU ahead of the residual blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stem {
    /// Output channels.
    pub channels: usize,
    /// Kernel length, odd.
    pub kernel: usize,
    /// Stride.
    pub stride: usize,
}

/// Two convolutions with a shortcut around them.
///
/// The shortcut is a 1x1 convolution with batch norm where the channels or the
/// length change, else the identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Output channels.
    pub channels: usize,
    /// Kernel length of both convolutions, odd.
    pub kernel: usize,
    /// Stride of the first convolution and of the shortcut.
    #[serde(default = "one")]
    pub stride: usize,
    /// Dilation of both convolutions.
    #[serde(default = "one")]
    pub dilation: usize,
    /// Size of the max pooling after the block; 1 for none.
    #[serde(default = "one")]
    pub pool: usize,
}

fn one() -> usize {
    1
}

/// How the last feature map becomes a vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The mean over time.
    #[default]
    Average,
    /// The mean and the maximum over time, side by side.
    AverageMax,
    /// No pooling: every position feeds the head.
    Flatten,
}

/// One step of a network. Node `i` may use only nodes before `i`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// What is computed.
    pub op: Op,
    /// Indices of the nodes whose results it takes.
    pub inputs: Vec<usize>,
    /// Shape of its result without the batch: `[channels, length]` or `[features]`.
    pub shape: Vec<usize>,
}

/// What a [`Node`] computes. Layers carry the name that prefixes their
/// parameters: `NAME.weight`, `NAME.bias`, and with batch norm
/// `NAME.norm.{weight,bias,mean,variance}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// The input `beat`, `[channels, length]`.
    Beat,
    /// The input `rhythm`, `[features]`.
    Rhythm,
    /// 1-D convolution with bias, weight `[outputs, inputs, kernel]`.
    Conv {
        /// Prefix of its parameters.
        name: String,
        /// Kernel length.
        kernel: usize,
        /// Stride.
        stride: usize,
        /// Dilation.
        dilation: usize,
        /// Zeros added on each side.
        padding: usize,
        /// Whether batch norm follows.
        norm: bool,
    },
    /// `y = W x + b`, weight `[outputs, inputs]`.
    Dense {
        /// Prefix of its parameters.
        name: String,
        /// Whether batch norm follows.
        norm: bool,
    },
    /// `max(x, 0)`.
    Relu,
    /// Sum of two equal shapes.
    Add,
    /// Maximum over non-overlapping stretches; a rest shorter than `size` is
    /// dropped. The first of equal maxima takes the gradient, here and in
    /// [`Op::GlobalMaxPool`].
    MaxPool {
        /// Length of a stretch.
        size: usize,
    },
    /// Mean over non-overlapping stretches; a rest shorter than `size` is dropped.
    AveragePool {
        /// Length of a stretch.
        size: usize,
    },
    /// Mean over all samples of a channel.
    GlobalAveragePool,
    /// Maximum over all samples of a channel.
    GlobalMaxPool,
    /// `[channels, length]` to `[channels * length]`.
    Flatten,
    /// Joins vectors.
    Concat,
    /// Dropout while training, the identity otherwise.
    Dropout {
        /// Probability of a zero.
        probability: f64,
    },
}

/// An architecture that cannot be built, and why.
#[derive(Debug, thiserror::Error)]
#[error("architecture: {0}")]
pub struct ArchitectureError(String);

/// An [`Architecture`] unrolled into nodes; the last node gives the logits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// The nodes, in an order in which they can be computed.
    pub nodes: Vec<Node>,
    /// Index of the last convolution stage, the one Grad-CAM looks at.
    pub last_stage: usize,
}

/// A named parameter or batch-norm statistic and its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Full name, such as `block1.conv1.weight`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// False for batch-norm statistics, which no gradient reaches.
    pub trainable: bool,
}

impl Architecture {
    /// The network of the notebook "MIT-BIH ECG Heartbeat Classification with
    /// Residual 1D CNN": 215,269 parameters.
    pub fn notebook() -> Architecture {
        let block = |channels, pool| Block {
            channels,
            kernel: 3,
            stride: 1,
            dilation: 1,
            pool,
        };
        Architecture {
            channels: 1,
            length: 187,
            rhythm: 0,
            classes: 5,
            stem: None,
            blocks: vec![block(32, 2), block(64, 2), block(128, 2), block(128, 1)],
            pooling: Pooling::Average,
            rhythm_hidden: Vec::new(),
            hidden: vec![64],
            dropout: 0.3,
        }
    }

    /// Unrolls the description into nodes and checks every shape.
    ///
    /// # Errors
    /// [`ArchitectureError`] for an even kernel, a zero, a window that is used
    /// up before the last block, or a rhythm branch without rhythm features.
    pub fn network(&self) -> Result<Network, ArchitectureError> {
        let refuse = |what: String| Err(ArchitectureError(what));
        if self.channels == 0 || self.length == 0 || self.classes < 2 {
            return refuse("channels and length must be above 0 and classes above 1".into());
        }
        if self.blocks.is_empty() {
            return refuse("at least one block is needed".into());
        }
        if self.rhythm == 0 && !self.rhythm_hidden.is_empty() {
            return refuse("rhythm_hidden is set but the input has no rhythm features".into());
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return refuse(format!("dropout is {}, not in [0, 1)", self.dropout));
        }
        let mut g = Builder::default();
        let mut at = g.push(Op::Beat, &[], vec![self.channels, self.length]);
        if let Some(stem) = self.stem {
            at = g.conv(at, "stem", stem.channels, stem.kernel, stem.stride, 1)?;
            at = g.same_shape(Op::Relu, &[at]);
        }
        let mut last_stage = at;
        for (i, block) in self.blocks.iter().enumerate() {
            let name = format!("block{}", i + 1);
            let (input, conv) = (at, |part: &str| format!("{name}.{part}"));
            at = g.conv(
                at,
                &conv("conv1"),
                block.channels,
                block.kernel,
                block.stride,
                block.dilation,
            )?;
            at = g.same_shape(Op::Relu, &[at]);
            at = g.conv(
                at,
                &conv("conv2"),
                block.channels,
                block.kernel,
                1,
                block.dilation,
            )?;
            let shortcut = if g.nodes[input].shape == g.nodes[at].shape {
                input
            } else {
                g.conv(input, &conv("shortcut"), block.channels, 1, block.stride, 1)?
            };
            at = g.same_shape(Op::Add, &[at, shortcut]);
            at = g.same_shape(Op::Relu, &[at]);
            last_stage = at;
            if block.pool > 1 {
                at = g.pool(at, Op::MaxPool { size: block.pool }, block.pool)?;
            } else if block.pool == 0 {
                return refuse(format!("{name}: pool is 0; 1 means none"));
            }
        }
        let [channels, length] = g.nodes[at].shape[..] else {
            return refuse("the last stage has no feature map".into());
        };
        at = match self.pooling {
            Pooling::Average => g.push(Op::GlobalAveragePool, &[at], vec![channels]),
            Pooling::AverageMax => {
                let mean = g.push(Op::GlobalAveragePool, &[at], vec![channels]);
                let max = g.push(Op::GlobalMaxPool, &[at], vec![channels]);
                g.push(Op::Concat, &[mean, max], vec![2 * channels])
            }
            Pooling::Flatten => g.push(Op::Flatten, &[at], vec![channels * length]),
        };
        if self.rhythm > 0 {
            let mut branch = g.push(Op::Rhythm, &[], vec![self.rhythm]);
            for (i, &width) in self.rhythm_hidden.iter().enumerate() {
                branch = g.dense(branch, &format!("rhythm{}", i + 1), width, true)?;
                branch = g.same_shape(Op::Relu, &[branch]);
            }
            let width = g.nodes[at].shape[0] + g.nodes[branch].shape[0];
            at = g.push(Op::Concat, &[at, branch], vec![width]);
        }
        for (i, &width) in self.hidden.iter().enumerate() {
            at = g.dense(at, &format!("dense{}", i + 1), width, false)?;
            at = g.same_shape(Op::Relu, &[at]);
            if self.dropout > 0.0 {
                let probability = self.dropout;
                at = g.same_shape(Op::Dropout { probability }, &[at]);
            }
        }
        g.dense(at, "logits", self.classes, false)?;
        Ok(Network {
            nodes: g.nodes,
            last_stage,
        })
    }
}

impl Network {
    /// All parameters and batch-norm statistics, in the order of the nodes.
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut all = Vec::new();
        for node in &self.nodes {
            let (name, norm) = match &node.op {
                Op::Conv { name, norm, .. } | Op::Dense { name, norm } => (name, *norm),
                _ => continue,
            };
            let outputs = node.shape[0];
            let mut weight = vec![outputs, self.nodes[node.inputs[0]].shape[0]];
            if let Op::Conv { kernel, .. } = node.op {
                weight.push(kernel);
            }
            let mut add = |part: &str, shape: Vec<usize>, trainable| {
                all.push(Parameter {
                    name: format!("{name}.{part}"),
                    shape,
                    trainable,
                });
            };
            add("weight", weight, true);
            add("bias", vec![outputs], true);
            if norm {
                add("norm.weight", vec![outputs], true);
                add("norm.bias", vec![outputs], true);
                add("norm.mean", vec![outputs], false);
                add("norm.variance", vec![outputs], false);
            }
        }
        all
    }

    /// Channels and length of the window that it takes.
    pub fn window(&self) -> Option<(usize, usize)> {
        let beat = self.nodes.iter().find(|n| n.op == Op::Beat)?;
        Some((beat.shape[0], beat.shape[1]))
    }

    /// Rhythm features that it takes; 0 for a network with one input.
    pub fn rhythm(&self) -> usize {
        let rhythm = self.nodes.iter().find(|n| n.op == Op::Rhythm);
        rhythm.map_or(0, |n| n.shape[0])
    }

    /// Number of trainable values.
    pub fn parameter_count(&self) -> usize {
        let sizes = self.parameters().into_iter().filter(|p| p.trainable);
        sizes.map(|p| p.shape.iter().product::<usize>()).sum()
    }

    /// Multiply-accumulates of convolutions and dense layers for one beat,
    /// batch norm folded.
    pub fn macs(&self) -> usize {
        let cost = |node: &Node| match node.op {
            Op::Conv { kernel, .. } => {
                node.shape.iter().product::<usize>() * self.nodes[node.inputs[0]].shape[0] * kernel
            }
            Op::Dense { .. } => node.shape[0] * self.nodes[node.inputs[0]].shape[0],
            _ => 0,
        };
        self.nodes.iter().map(cost).sum()
    }
}

/// Appends nodes while keeping track of shapes.
#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
}

impl Builder {
    fn push(&mut self, op: Op, inputs: &[usize], shape: Vec<usize>) -> usize {
        self.nodes.push(Node {
            op,
            inputs: inputs.to_vec(),
            shape,
        });
        self.nodes.len() - 1
    }

    fn same_shape(&mut self, op: Op, inputs: &[usize]) -> usize {
        self.push(op, inputs, self.nodes[inputs[0]].shape.clone())
    }

    fn conv(
        &mut self,
        input: usize,
        name: &str,
        channels: usize,
        kernel: usize,
        stride: usize,
        dilation: usize,
    ) -> Result<usize, ArchitectureError> {
        if channels == 0 || stride == 0 || dilation == 0 {
            return Err(ArchitectureError(format!(
                "{name}: channels, stride and dilation must be above 0"
            )));
        }
        if kernel.is_multiple_of(2) {
            return Err(ArchitectureError(format!(
                "{name}: kernel is {kernel}; only odd kernels keep a window centred"
            )));
        }
        let padding = dilation * (kernel - 1) / 2;
        let length = (self.nodes[input].shape[1] - 1) / stride + 1;
        let op = Op::Conv {
            name: name.into(),
            kernel,
            stride,
            dilation,
            padding,
            norm: true,
        };
        Ok(self.push(op, &[input], vec![channels, length]))
    }

    fn pool(&mut self, input: usize, op: Op, size: usize) -> Result<usize, ArchitectureError> {
        let (channels, length) = (
            self.nodes[input].shape[0],
            self.nodes[input].shape[1] / size,
        );
        if length == 0 {
            return Err(ArchitectureError(format!(
                "a pooling of {size} finds only {} samples; use a longer window or fewer poolings",
                self.nodes[input].shape[1]
            )));
        }
        Ok(self.push(op, &[input], vec![channels, length]))
    }

    fn dense(
        &mut self,
        input: usize,
        name: &str,
        width: usize,
        norm: bool,
    ) -> Result<usize, ArchitectureError> {
        if width == 0 {
            return Err(ArchitectureError(format!("{name}: width is 0")));
        }
        let name = name.into();
        Ok(self.push(Op::Dense { name, norm }, &[input], vec![width]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notebook_network_has_its_published_size() {
        let network = Architecture::notebook().network().unwrap();
        assert_eq!(network.parameter_count(), 215_269);
        assert_eq!(network.nodes.last().unwrap().shape, [5]);
    }

    #[test]
    fn impossible_networks_are_refused() {
        let mut even = Architecture::notebook();
        even.blocks[0].kernel = 4;
        assert!(even.network().unwrap_err().to_string().contains("odd"));
        let mut short = Architecture::notebook();
        short.length = 7;
        assert!(short.network().unwrap_err().to_string().contains("pooling"));
    }
}
