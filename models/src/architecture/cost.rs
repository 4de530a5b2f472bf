//! What a network costs, and how much of the window its values see.

use super::nodes::{Network, Node, Op, Parameter};

/// Most weights of a layer, with the zeros between dilated ones, and most values
/// of its result that the lean reader of `embedded` takes: far above those of any
/// model for a small machine, a limit on what a hostile file can ask for.
pub const EDGE_VALUES: usize = 1 << 22;
/// That reader multiplies so many outputs at once, and fills up to them.
pub const EDGE_LANES: usize = 8;

/// The receptive field of a feature map: position `t` sees the samples from
/// `start + step t` to `end + step t` of the window, of which those outside it
/// are padding.
///
/// Of the beat itself `start = end = 0` and `step = 1`. Through a convolution
/// with kernel `k`, stride `s`, dilation `d` and padding `p`
///
/// `start' = start - p step`, `end' = end + (d (k - 1) - p) step`, `step' = s step`,
///
/// a pooling of `k` being one with `s = k` and `p = 0`; a sum sees what both of
/// its terms see (Araujo et al., "Computing receptive fields of convolutional
/// neural networks", 2019). All are whole numbers, kept as floats because those
/// of a hostile file may be of any size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field {
    /// First sample that the first position sees.
    pub start: f64,
    /// Last sample that the first position sees.
    pub end: f64,
    /// Samples from one position to the next.
    pub step: f64,
}

impl Field {
    /// Samples that a position sees.
    pub fn size(&self) -> f64 {
        self.end - self.start + 1.0
    }

    /// The sample, or the place between two, that position `t` lies at.
    pub fn centre(&self, t: usize) -> f64 {
        (self.start + self.end) / 2.0 + self.step * t as f64
    }

    /// Through a kernel that reaches over `reach + 1` samples.
    fn through(self, reach: usize, stride: usize, padding: usize) -> Field {
        let (reach, padding) = (reach as f64, padding as f64);
        Field {
            start: self.start - padding * self.step,
            end: self.end + (reach - padding) * self.step,
            step: self.step * stride as f64,
        }
    }

    fn joined(self, other: Field) -> Field {
        Field {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
            step: self.step,
        }
    }
}

impl Network {
    /// The receptive field of every node; `None` for vectors, which have no
    /// positions. A gate scales whole channels by what it sees of the whole
    /// window; the field after it is that of the map.
    pub fn fields(&self) -> Vec<Option<Field>> {
        let mut fields: Vec<Option<Field>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let of = |input: usize| node.inputs.get(input).and_then(|&i| fields[i]);
            let field = match (&node.op, of(0)) {
                (Op::Beat, _) => Some(Field {
                    start: 0.0,
                    end: 0.0,
                    step: 1.0,
                }),
                _ if node.shape.len() < 2 => None,
                (
                    &Op::Conv {
                        kernel,
                        stride,
                        dilation,
                        padding,
                        ..
                    },
                    Some(field),
                ) => Some(field.through(dilation * (kernel - 1), stride, padding)),
                (&(Op::MaxPool { size } | Op::AveragePool { size }), Some(field)) => {
                    Some(field.through(size - 1, size, 0))
                }
                (Op::Add, Some(field)) => of(1).map(|other| field.joined(other)),
                (_, field) => field,
            };
            fields.push(field);
        }
        fields
    }

    /// The first layer that is beyond [`EDGE_VALUES`].
    pub fn beyond_edge(&self) -> Option<&str> {
        let beyond = |node: &&Node| {
            let taps = match node.op {
                Op::Conv {
                    kernel, dilation, ..
                } => dilation * (kernel - 1) + 1,
                Op::BeatConv { kernel, .. } => kernel,
                Op::Dense { .. } => 1,
                _ => return false,
            };
            let inputs = self.nodes[node.inputs[0]].shape[0];
            let outputs = node.shape[0].next_multiple_of(EDGE_LANES);
            let values: usize = node.shape.iter().product();
            taps * inputs * outputs > EDGE_VALUES || values > EDGE_VALUES
        };
        self.nodes.iter().find(beyond)?.op.name()
    }

    /// Number of trainable values.
    pub fn parameter_count(&self) -> usize {
        self.nodes.iter().map(|node| self.parameters_in(node)).sum()
    }

    /// Trainable values of one node.
    pub fn parameters_in(&self, node: &Node) -> usize {
        let size = |p: Parameter| p.shape.iter().product::<usize>();
        let all = self.parameters_of(node).into_iter();
        all.filter(|p| p.trainable).map(size).sum()
    }

    /// Multiply-accumulates for one beat, batch norm folded.
    pub fn macs(&self) -> usize {
        self.nodes.iter().map(|node| self.macs_of(node)).sum()
    }

    /// Multiply-accumulates of one node: those of convolutions and dense
    /// layers, and the products of norms by themselves and of gates.
    pub fn macs_of(&self, node: &Node) -> usize {
        let values: usize = node.shape.iter().product();
        let inputs = || self.nodes[node.inputs[0]].shape[0];
        match node.op {
            Op::Conv { kernel, .. } | Op::BeatConv { kernel, .. } => values * inputs() * kernel,
            Op::Dense { .. } => values * inputs(),
            Op::Norm { .. } | Op::Gate => values,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::architecture::{Architecture, Block, Stem};
    use crate::reference::Reference;
    use crate::weights::{Tensor, Weights};

    /// The last map of a network whose weights are all 1: where it changes is
    /// what it sees.
    #[test]
    fn a_field_is_what_changes_a_value() {
        let architecture = Architecture {
            length: 120,
            stem: Some(Stem {
                channels: 2,
                kernel: 7,
                stride: 2,
            }),
            blocks: vec![
                Block {
                    dilation: 2,
                    pool: 2,
                    ..Block::new(2, 3)
                },
                Block {
                    stride: 2,
                    pre_activation: true,
                    ..Block::new(3, 5)
                },
            ],
            hidden: Vec::new(),
            ..Architecture::notebook()
        };
        let network = architecture.network().unwrap();
        let mut weights = Weights::default();
        for parameter in network.parameters() {
            let values = vec![1.0; parameter.shape.iter().product()];
            let shape = parameter.shape;
            weights.0.insert(parameter.name, Tensor { shape, values });
        }
        let reference = Reference::new(&network, &weights).unwrap();
        let stage = network.last_stage;
        let field = network.fields()[stage].unwrap();
        let (t, length) = (7, network.nodes[stage].shape[1]);
        assert!(t < length);
        let value = |beat: &[f64]| reference.values(beat, &[])[stage][t];
        let still = vec![1.0; 120];
        let seen: Vec<usize> = (0..120)
            .filter(|&i| {
                let mut beat = still.clone();
                beat[i] += 1.0;
                value(&beat) != value(&still)
            })
            .collect();
        let at = |edge: f64| edge + field.step * t as f64;
        assert_eq!(seen[0] as f64, at(field.start));
        assert_eq!(*seen.last().unwrap() as f64, at(field.end));
        assert_eq!(field.step, 8.0);
        // 7 of the stem, 2 x 4 x 2 of the first block, 1 x 2 of its pooling,
        // 4 x 4 + 4 x 8 of the second block.
        assert_eq!(field.size(), 7.0 + 16.0 + 2.0 + 16.0 + 32.0);
    }

    #[test]
    fn vectors_have_no_field_and_parts_make_the_whole() {
        let network = Architecture::notebook().network().unwrap();
        let vectors = network.nodes.iter().zip(network.fields());
        for (node, field) in vectors {
            assert_eq!(field.is_some(), node.shape.len() == 2, "{node:?}");
        }
        let counted: usize = network
            .parameters()
            .iter()
            .filter(|p| p.trainable)
            .map(|p| p.shape.iter().product::<usize>())
            .sum();
        assert_eq!(network.parameter_count(), counted);
    }
}
