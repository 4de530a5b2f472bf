//! Beats through the network.

use models::architecture::{NORM_EPSILON, Node, Op};
use tch::{Kind, Tensor};

use super::{Affine, Layer, Norm, ResidualCnn, Slot};

/// Weight of a batch in the running batch-norm statistics.
const NORM_MOMENTUM: f64 = 0.1;

/// Beats per call when nothing is to be learned.
const EVALUATION_BATCH: i64 = 512;

/// What a batch teaches.
#[derive(Debug)]
pub struct Lesson {
    /// Logits `[N, classes]`, with their way back to the values.
    pub logits: Tensor,
    /// The running batch-norm statistics with this batch in them, for
    /// [`ResidualCnn::keep`].
    pub statistics: Tensor,
}

impl ResidualCnn {
    /// Logits `[N, classes]` of windows `[N, channels, length]` and, for a
    /// network that has them, rhythm features `[N, features]`: with the running
    /// statistics, without dropout, in `f32`. `ages` are those of the rows, `[N]`
    /// of `i64`; without them no row knows of another.
    pub fn forward(&self, beat: &Tensor, rhythm: Option<&Tensor>, ages: Option<&Tensor>) -> Tensor {
        Pass::new(self, &self.statistics, None).run(beat, rhythm, ages)
    }

    /// The same to learn from: with the statistics of this batch, with dropout,
    /// and with convolutions in `precision`. The network stays as it is.
    pub fn learn(
        &self,
        beat: &Tensor,
        rhythm: Option<&Tensor>,
        ages: Option<&Tensor>,
        precision: Kind,
    ) -> Lesson {
        // libtorch moves the statistics that it is given.
        let statistics = self.statistics.copy();
        let logits = Pass::new(self, &statistics, Some(precision)).run(beat, rhythm, ages);
        Lesson { logits, statistics }
    }

    /// Takes over the statistics of a [`Lesson`].
    pub fn keep(&mut self, statistics: Tensor) {
        self.statistics = statistics;
    }

    /// Logits `[N, classes]` of any number of beats, on their device, without
    /// a gradient; as [`ResidualCnn::forward`].
    pub fn logits(&self, beats: &Tensor, rhythm: Option<&Tensor>, ages: Option<&Tensor>) -> Tensor {
        let _guard = tch::no_grad_guard();
        let rows = beats.size()[0];
        let nodes = &self.network.nodes;
        let is_memory = |node: &Node| matches!(node.op, Op::BeatConv { .. });
        let memory = nodes.iter().position(is_memory).unwrap_or(nodes.len());
        // Windows go through in parts; what remembers sees all beats at once.
        let wanted = |i: &usize| {
            let later = nodes[memory..].iter().flat_map(|node| &node.inputs);
            later.chain([&(nodes.len() - 1)]).any(|input| input == i)
        };
        let wanted: Vec<usize> = (0..memory).filter(wanted).collect();
        let pass = Pass::new(self, &self.statistics, None);
        let parts: Vec<Vec<Tensor>> = (0..rows)
            .step_by(EVALUATION_BATCH as usize)
            .map(|start| {
                let count = EVALUATION_BATCH.min(rows - start);
                let rhythm = rhythm.map(|r| r.narrow(0, start, count));
                let inputs = (&beats.narrow(0, start, count), rhythm.as_ref(), None);
                let mut results = Vec::with_capacity(memory);
                pass.go_on(&mut results, memory, inputs);
                wanted.iter().map(|&i| results[i].shallow_clone()).collect()
            })
            .collect();
        let mut results: Vec<Tensor> = (0..memory).map(|_| Tensor::new()).collect();
        for (place, &i) in wanted.iter().enumerate() {
            let of_parts: Vec<&Tensor> = parts.iter().map(|part| &part[place]).collect();
            results[i] = Tensor::cat(&of_parts, 0);
        }
        pass.go_on(&mut results, nodes.len(), (beats, rhythm, ages));
        results.pop().unwrap_or_else(|| beats.shallow_clone())
    }
}

/// Windows, rhythm features and ages.
type Inputs<'a> = (&'a Tensor, Option<&'a Tensor>, Option<&'a Tensor>);

/// One pass, with views of the values by parameter.
struct Pass<'a> {
    model: &'a ResidualCnn,
    full: Vec<Tensor>,
    /// The same in the precision of convolutions, where that is another.
    reduced: Option<Vec<Tensor>>,
    tracked: Vec<Tensor>,
    training: bool,
    precision: Kind,
}

impl<'a> Pass<'a> {
    /// `training` is the precision of convolutions in a pass that learns and
    /// moves `statistics`; `None` for one that leaves them alone.
    fn new(model: &'a ResidualCnn, statistics: &Tensor, training: Option<Kind>) -> Pass<'a> {
        let precision = training.unwrap_or(Kind::Float);
        let sizes = |slots: &[Slot]| slots.iter().map(|s| s.size).collect::<Vec<i64>>();
        let trainable = sizes(&model.trainable);
        let reduced = || {
            let values = model.values.to_kind(precision);
            values.split_with_sizes(&trainable, 0)
        };
        Pass {
            model,
            full: model.values.split_with_sizes(&trainable, 0),
            reduced: (precision != Kind::Float).then(reduced),
            tracked: statistics.split_with_sizes(sizes(&model.tracked), 0),
            training: training.is_some(),
            precision,
        }
    }

    fn run(&self, beat: &Tensor, rhythm: Option<&Tensor>, ages: Option<&Tensor>) -> Tensor {
        let count = self.model.network.nodes.len();
        let mut results = Vec::with_capacity(count);
        self.go_on(&mut results, count, (beat, rhythm, ages));
        results.pop().unwrap_or_else(|| beat.shallow_clone())
    }

    /// Adds the results of the nodes after those that are there, up to `end`.
    fn go_on(&self, results: &mut Vec<Tensor>, end: usize, (beat, rhythm, ages): Inputs) {
        let nodes = &self.model.network.nodes;
        let layers = nodes.iter().zip(&self.model.layers);
        for (node, layer) in layers.take(end).skip(results.len()) {
            let result = match &node.op {
                Op::Beat => channels_last(&beat.to_kind(self.precision)),
                Op::Rhythm => rhythm.map_or_else(
                    || {
                        let size = [beat.size()[0], node.shape[0] as i64];
                        Tensor::zeros(size, (Kind::Float, beat.device()))
                    },
                    |r| r.to_kind(Kind::Float),
                ),
                Op::BeatConv { .. } => {
                    self.over_beats(node, *layer, &results[node.inputs[0]], ages)
                }
                _ => {
                    let inputs: Vec<&Tensor> = node.inputs.iter().map(|&i| &results[i]).collect();
                    self.result(node, *layer, &inputs)
                }
            };
            results.push(result);
        }
    }

    /// The beats under the kernel side by side, then a dense layer.
    fn over_beats(&self, node: &Node, layer: Layer, x: &Tensor, ages: Option<&Tensor>) -> Tensor {
        let (
            &Op::BeatConv {
                kernel, dilation, ..
            },
            Some(affine),
        ) = (&node.op, layer.affine)
        else {
            unreachable!("only convolutions over beats come here, and they have a slot");
        };
        let rows = x.size()[0];
        let options = (Kind::Int64, x.device());
        let alone = Tensor::zeros([rows], options);
        let ages = ages.unwrap_or(&alone);
        let place = Tensor::arange(rows, options);
        // One row more, of zeros, stands for beats that are not there.
        let nobody = Tensor::full([rows], rows, options);
        let known = x.constant_pad_nd([0, 0, 0, 1]);
        let taps = (0..kernel).map(|j| match (dilation * (kernel - 1 - j)) as i64 {
            0 => x.shallow_clone(),
            back => {
                let index = (&place - back).where_self(&ages.ge(back), &nobody);
                known.index_select(0, &index)
            }
        });
        let taps = Tensor::cat(&taps.collect::<Vec<_>>(), 1);
        // Flat values lie as `[outputs, kernel, inputs]`.
        let weight = self.full[affine.weight].view([node.shape[0] as i64, -1]);
        taps.linear(&weight, Some(&self.full[affine.bias]))
    }

    /// What a node makes of its inputs.
    fn result(&self, node: &Node, layer: Layer, inputs: &[&Tensor]) -> Tensor {
        let x = inputs[0];
        match (&node.op, layer.affine) {
            (Op::Conv { .. }, Some(affine)) => {
                self.normalised(self.convolved(node, affine, x), layer.norm)
            }
            (Op::Dense { .. }, Some(affine)) => {
                let channels = self.inputs_of(affine);
                let weight = self.full[affine.weight].view([node.shape[0] as i64, channels]);
                let y = x.linear(&weight, Some(&self.full[affine.bias]));
                self.normalised(y, layer.norm)
            }
            (Op::Norm { .. }, None) => self.normalised(x.shallow_clone(), layer.norm),
            (Op::Norm { .. }, Some(affine)) => {
                let column = |slot: usize| per_channel(&self.full[slot].unsqueeze(0), x);
                x * column(affine.weight) + column(affine.bias)
            }
            (Op::Relu, _) => x.relu(),
            (Op::Sigmoid, _) => x.sigmoid(),
            (Op::Gate, _) => x * per_channel(inputs[1], x),
            (Op::Add, _) => x + inputs[1],
            (Op::MaxPool { size }, _) => {
                let window = [1, *size as i64];
                x.max_pool2d(window, window, [0, 0], [1, 1], false)
            }
            (Op::AveragePool { size }, _) => {
                let window = [1, *size as i64];
                x.avg_pool2d(window, window, [0, 0], false, true, None)
            }
            (Op::GlobalAveragePool, _) => x.mean_dim([2_i64, 3].as_slice(), false, Kind::Float),
            (Op::GlobalMaxPool, _) => {
                let highest = x.squeeze_dim(2).max_dim(2, false).0;
                highest.to_kind(Kind::Float)
            }
            (Op::Flatten, _) => x.flatten(1, -1).to_kind(Kind::Float),
            (Op::Concat, _) => Tensor::cat(inputs, 1),
            (Op::Dropout { probability }, _) => x.dropout(*probability, self.training),
            (
                Op::Beat | Op::Rhythm | Op::Conv { .. } | Op::BeatConv { .. } | Op::Dense { .. },
                _,
            ) => {
                unreachable!("inputs are given, and every layer has a slot")
            }
        }
    }

    fn convolved(&self, node: &Node, layer: Affine, x: &Tensor) -> Tensor {
        let Op::Conv {
            kernel,
            stride,
            dilation,
            padding,
            ..
        } = node.op
        else {
            unreachable!("only convolutions are convolved");
        };
        let from = self.reduced.as_ref().unwrap_or(&self.full);
        let channels = self.inputs_of(layer);
        let weight = from[layer.weight]
            .view([node.shape[0] as i64, 1, kernel as i64, channels])
            .permute([0, 3, 1, 2]);
        x.conv2d(
            &weight,
            Some(&from[layer.bias]),
            [1, stride as i64],
            [0, padding as i64],
            [1, dilation as i64],
            1,
        )
    }

    fn normalised(&self, x: Tensor, norm: Option<Norm>) -> Tensor {
        match norm {
            None => x,
            Some(n) => x.batch_norm(
                Some(&self.full[n.weight]),
                Some(&self.full[n.bias]),
                Some(&self.tracked[n.mean]),
                Some(&self.tracked[n.variance]),
                self.training,
                NORM_MOMENTUM,
                NORM_EPSILON,
                true,
            ),
        }
    }

    /// Channels, or values, that a layer takes.
    fn inputs_of(&self, layer: Affine) -> i64 {
        self.model.trainable[layer.weight].parameter.shape[1] as i64
    }
}

/// Values `[N, C]` beside the map `x`, in its precision.
fn per_channel(values: &Tensor, x: &Tensor) -> Tensor {
    values.to_kind(x.kind()).unsqueeze(2).unsqueeze(3)
}

/// `[N, C, L]` to `[N, C, 1, L]` in channels-last memory.
fn channels_last(x: &Tensor) -> Tensor {
    x.permute([0, 2, 1])
        .contiguous()
        .unsqueeze(1)
        .permute([0, 3, 1, 2])
}
