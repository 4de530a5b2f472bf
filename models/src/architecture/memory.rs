//! What a network remembers of earlier beats.

use super::nodes::{Network, Op};
use crate::contract::Memory;

/// What a convolution over beats holds: the last values of its input, oldest
/// first, as a stretch of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The node.
    pub node: usize,
    /// Beats that are held, `d (k - 1)`.
    pub beats: usize,
    /// Values of a beat.
    pub width: usize,
    /// Place of the first value in the state.
    pub start: usize,
}

impl Held {
    /// Values that are held.
    pub fn len(&self) -> usize {
        self.beats * self.width
    }

    /// Whether none are.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Network {
    /// What is held of earlier beats, in the order of the state.
    pub fn held(&self) -> Vec<Held> {
        let mut start = 0;
        let mut all = Vec::new();
        for (node, at) in self.nodes.iter().enumerate() {
            if let Op::BeatConv {
                kernel, dilation, ..
            } = at.op
            {
                let held = Held {
                    node,
                    beats: dilation * (kernel - 1),
                    width: self.nodes[at.inputs[0]].shape[0],
                    start,
                };
                start += held.len();
                all.push(held);
            }
        }
        all
    }

    /// The receptive field of every node in beats: the present one, and those held
    /// on the longest way to it.
    pub fn beats(&self) -> Vec<usize> {
        let held = self.held();
        let mut beats = Vec::with_capacity(self.nodes.len());
        for (i, node) in self.nodes.iter().enumerate() {
            let own = held.iter().find(|held| held.node == i);
            let inputs = node.inputs.iter().map(|&input| beats[input]);
            beats.push(inputs.max().unwrap_or(1) + own.map_or(0, |held| held.beats));
        }
        beats
    }

    /// The memory, as the contract tells it; `None` for a network that sees one
    /// beat.
    pub fn memory(&self) -> Option<Memory> {
        let state = self.held().iter().map(Held::len).sum();
        let beats = self.beats().last().copied().unwrap_or(1);
        (state > 0).then(|| Memory::of(beats, state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::{Architecture, BeatLayer};

    fn layer(channels: usize, kernel: usize, dilation: usize) -> BeatLayer {
        BeatLayer {
            channels,
            kernel,
            dilation,
        }
    }

    #[test]
    fn a_memory_reaches_as_far_as_its_layers_together() {
        let mut architecture = Architecture::notebook();
        assert_eq!(architecture.network().unwrap().memory(), None);
        architecture.memory = vec![layer(64, 3, 1), layer(16, 4, 2)];
        let network = architecture.network().unwrap();
        let held = network.held();
        let told: Vec<_> = held.iter().map(|h| (h.beats, h.width, h.start)).collect();
        assert_eq!(told, [(2, 64, 0), (6, 64, 128)]);
        assert_eq!(network.memory(), Some(Memory::of(9, 128 + 384)));
        let more = 64 * 64 * 3 + 64 + 64 * 16 * 4 + 16 + 64 * 16 + 16 - 48 * 5;
        assert_eq!(network.parameter_count(), 215_269 + more);
        let plain = Architecture::notebook().network().unwrap();
        let more = 64 * 64 * 3 + 64 * 16 * 4 + 64 * 16 - 48 * 5;
        assert_eq!(network.macs(), plain.macs() + more);
    }

    #[test]
    fn a_memory_of_one_beat_is_refused() {
        let mut architecture = Architecture::notebook();
        for wrong in [layer(64, 1, 1), layer(0, 3, 1), layer(64, 3, 0)] {
            architecture.memory = vec![wrong];
            let told = architecture.network().unwrap_err().to_string();
            assert!(told.contains("memory1"), "{told}");
        }
    }
}
