//! From the description to nodes.

use super::nodes::{Network, Node, Op};
use super::{Architecture, ArchitectureError, BeatLayer, Block, PoolKind, Pooling};

impl Architecture {
    /// Unrolls the description into nodes and checks every shape.
    ///
    /// # Errors
    /// [`ArchitectureError`] for an even kernel, a zero, a ratio that leaves no
    /// channel, a window that is used up before the last block, a rhythm branch
    /// without rhythm features, or a layer of memory that sees one beat.
    pub fn network(&self) -> Result<Network, ArchitectureError> {
        self.check_numbers()?;
        let mut g = Builder::default();
        let beat = g.push(Op::Beat, &[], vec![self.channels, self.length]);
        let (last_stage, map) = self.stages(&mut g, beat)?;
        let vector = self.pooled(&mut g, map);
        let joined = self.with_rhythm(&mut g, vector)?;
        self.head(&mut g, joined)?;
        Ok(Network {
            nodes: g.nodes,
            last_stage,
        })
    }

    fn check_numbers(&self) -> Result<(), ArchitectureError> {
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
        Ok(())
    }

    /// Stem and blocks; the last stage, and the map after its pooling.
    fn stages(&self, g: &mut Builder, beat: usize) -> Result<(usize, usize), ArchitectureError> {
        let mut at = beat;
        if let Some(stem) = self.stem {
            let conv = Conv {
                channels: stem.channels,
                kernel: stem.kernel,
                stride: stem.stride,
                dilation: 1,
                norm: true,
            };
            at = g.conv(at, "stem".into(), conv)?;
            at = g.same_shape(Op::Relu, &[at]);
        }
        let mut last_stage = at;
        let is_pre = |i: usize| self.blocks.get(i).is_some_and(|b| b.pre_activation);
        for (i, block) in self.blocks.iter().enumerate() {
            let name = format!("block{}", i + 1);
            let raw = is_pre(i) && i > 0 && is_pre(i - 1);
            at = g.block(at, &name, block, raw)?;
            if !is_pre(i) {
                at = g.same_shape(Op::Relu, &[at]);
            } else if !is_pre(i + 1) {
                at = g.activated(at, format!("{name}.out"));
            }
            last_stage = at;
            at = g.pool(at, &name, block)?;
        }
        Ok((last_stage, at))
    }

    /// The last map as a vector.
    fn pooled(&self, g: &mut Builder, map: usize) -> usize {
        let values = g.nodes[map].shape.iter().product();
        let channels = g.nodes[map].shape[0];
        match self.pooling {
            Pooling::Average => g.push(Op::GlobalAveragePool, &[map], vec![channels]),
            Pooling::AverageMax => {
                let mean = g.push(Op::GlobalAveragePool, &[map], vec![channels]);
                let max = g.push(Op::GlobalMaxPool, &[map], vec![channels]);
                g.push(Op::Concat, &[mean, max], vec![2 * channels])
            }
            Pooling::Flatten => g.push(Op::Flatten, &[map], vec![values]),
        }
    }

    /// The vector, and the rhythm branch where there is one.
    fn with_rhythm(&self, g: &mut Builder, vector: usize) -> Result<usize, ArchitectureError> {
        if self.rhythm == 0 {
            return Ok(vector);
        }
        let mut branch = g.push(Op::Rhythm, &[], vec![self.rhythm]);
        for (i, &width) in self.rhythm_hidden.iter().enumerate() {
            branch = g.dense(branch, format!("rhythm{}", i + 1), width, true)?;
            branch = g.same_shape(Op::Relu, &[branch]);
        }
        let width = g.nodes[vector].shape[0] + g.nodes[branch].shape[0];
        Ok(g.push(Op::Concat, &[vector, branch], vec![width]))
    }

    fn head(&self, g: &mut Builder, vector: usize) -> Result<(), ArchitectureError> {
        let mut at = vector;
        if self.hidden.is_empty() {
            at = g.remembering(at, &self.memory)?;
        }
        for (i, &width) in self.hidden.iter().enumerate() {
            at = g.dense(at, format!("dense{}", i + 1), width, false)?;
            at = g.same_shape(Op::Relu, &[at]);
            if i == 0 {
                at = g.remembering(at, &self.memory)?;
            }
            if self.dropout > 0.0 {
                let probability = self.dropout;
                at = g.same_shape(Op::Dropout { probability }, &[at]);
            }
        }
        g.dense(at, "logits".into(), self.classes, false)?;
        Ok(())
    }
}

/// The numbers of a convolution.
#[derive(Clone, Copy)]
struct Conv {
    channels: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    /// Whether batch norm follows.
    norm: bool,
}

impl Block {
    /// Its convolutions, from input to sum.
    fn convolutions(&self, name: &str) -> Result<Vec<Conv>, ArchitectureError> {
        let conv = Conv {
            channels: self.channels,
            kernel: self.kernel,
            stride: self.stride,
            dilation: self.dilation,
            norm: true,
        };
        let of_one = Conv {
            kernel: 1,
            stride: 1,
            dilation: 1,
            ..conv
        };
        let mut all = if self.bottleneck == 0 {
            vec![conv, Conv { stride: 1, ..conv }]
        } else {
            let channels = self.part(name, "bottleneck", self.bottleneck)?;
            vec![
                Conv { channels, ..of_one },
                Conv { channels, ..conv },
                of_one,
            ]
        };
        // The next block's norm is that of a raw sum.
        if let Some(last) = all.last_mut() {
            last.norm = !self.pre_activation;
        }
        Ok(all)
    }

    /// The channels that a ratio leaves.
    fn part(&self, name: &str, what: &str, ratio: usize) -> Result<usize, ArchitectureError> {
        match self.channels / ratio {
            0 => Err(ArchitectureError(format!(
                "{name}: a {what} of 1 to {ratio} leaves none of its {} channels; the ratio may be 1 to {0}",
                self.channels
            ))),
            part => Ok(part),
        }
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

    /// A block up to the sum with its shortcut; `raw` says that its input is
    /// such a sum.
    fn block(
        &mut self,
        input: usize,
        name: &str,
        block: &Block,
        raw: bool,
    ) -> Result<usize, ArchitectureError> {
        let from = if raw {
            self.activated(input, name.into())
        } else {
            input
        };
        let mut at = from;
        for (i, conv) in block.convolutions(name)?.into_iter().enumerate() {
            if i > 0 {
                at = self.same_shape(Op::Relu, &[at]);
            }
            at = self.conv(at, format!("{name}.conv{}", i + 1), conv)?;
        }
        if block.squeeze > 0 {
            at = self.squeezed(at, name, block)?;
        }
        let shortcut = if self.nodes[input].shape == self.nodes[at].shape {
            input
        } else {
            let conv = Conv {
                channels: block.channels,
                kernel: 1,
                stride: block.stride,
                dilation: 1,
                norm: !block.pre_activation,
            };
            self.conv(from, format!("{name}.shortcut"), conv)?
        };
        Ok(self.same_shape(Op::Add, &[at, shortcut]))
    }

    /// The layers of a memory of beats over a vector.
    fn remembering(
        &mut self,
        vector: usize,
        layers: &[BeatLayer],
    ) -> Result<usize, ArchitectureError> {
        let mut at = vector;
        for (i, layer) in layers.iter().enumerate() {
            let BeatLayer {
                channels,
                kernel,
                dilation,
            } = *layer;
            let name = format!("memory{}", i + 1);
            if channels == 0 || kernel < 2 || dilation == 0 {
                return Err(ArchitectureError(format!(
                    "{name}: {channels} channels, a kernel of {kernel} beats and dilation {dilation}; channels and dilation must be above 0, and a kernel of fewer than 2 beats remembers none"
                )));
            }
            let shortcut = match self.nodes[at].shape[0] == channels {
                true => at,
                false => self.dense(at, format!("{name}.shortcut"), channels, false)?,
            };
            let op = Op::BeatConv {
                name,
                kernel,
                dilation,
            };
            let seen = self.push(op, &[at], vec![channels]);
            at = self.same_shape(Op::Add, &[seen, shortcut]);
            at = self.same_shape(Op::Relu, &[at]);
        }
        Ok(at)
    }

    /// Batch norm and ReLU of a raw sum.
    fn activated(&mut self, sum: usize, name: String) -> usize {
        let folded = false;
        let norm = self.same_shape(Op::Norm { name, folded }, &[sum]);
        self.same_shape(Op::Relu, &[norm])
    }

    /// Squeeze-excitation of a map.
    fn squeezed(
        &mut self,
        map: usize,
        name: &str,
        block: &Block,
    ) -> Result<usize, ArchitectureError> {
        let channels = block.channels;
        let width = block.part(name, "squeeze-excitation", block.squeeze)?;
        let means = self.push(Op::GlobalAveragePool, &[map], vec![channels]);
        let squeezed = self.dense(means, format!("{name}.squeeze"), width, false)?;
        let squeezed = self.same_shape(Op::Relu, &[squeezed]);
        let excited = self.dense(squeezed, format!("{name}.excite"), channels, false)?;
        let gate = self.same_shape(Op::Sigmoid, &[excited]);
        Ok(self.same_shape(Op::Gate, &[map, gate]))
    }

    fn conv(&mut self, input: usize, name: String, conv: Conv) -> Result<usize, ArchitectureError> {
        let Conv {
            channels,
            kernel,
            stride,
            dilation,
            norm,
        } = conv;
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
            name,
            kernel,
            stride,
            dilation,
            padding,
            norm,
        };
        Ok(self.push(op, &[input], vec![channels, length]))
    }

    /// The pooling after a block, where it has one.
    fn pool(
        &mut self,
        input: usize,
        name: &str,
        block: &Block,
    ) -> Result<usize, ArchitectureError> {
        let shape = &self.nodes[input].shape;
        let (size, channels, samples) = (block.pool, shape[0], shape[1]);
        let op = match (size, block.pool_kind) {
            (0, _) => {
                return Err(ArchitectureError(format!(
                    "{name}: pool is 0; 1 means none"
                )));
            }
            (1, _) => return Ok(input),
            (_, PoolKind::Max) => Op::MaxPool { size },
            (_, PoolKind::Average) => Op::AveragePool { size },
        };
        if samples < size {
            return Err(ArchitectureError(format!(
                "{name}: a pooling of {size} finds only {samples} samples; use a longer window or fewer poolings"
            )));
        }
        Ok(self.push(op, &[input], vec![channels, samples / size]))
    }

    fn dense(
        &mut self,
        input: usize,
        name: String,
        width: usize,
        norm: bool,
    ) -> Result<usize, ArchitectureError> {
        if width == 0 {
            return Err(ArchitectureError(format!("{name}: width is 0")));
        }
        Ok(self.push(Op::Dense { name, norm }, &[input], vec![width]))
    }
}
