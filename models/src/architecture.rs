//! The residual CNN as data: what its settings say. [`Architecture::network`]
//! unrolls it into the node list from which the libtorch module, the ONNX
//! forward graph and the ONNX gradient graph are all built.

mod build;
mod check;
mod cost;
mod memory;
mod nodes;

use serde::{Deserialize, Serialize};

pub use cost::{EDGE_LANES, EDGE_VALUES, Field};
pub use memory::Held;
pub use nodes::{NORM_EPSILON, Network, Node, Op, Parameter};

/// A residual 1-D CNN over a beat window, with an optional branch for rhythm
/// features that joins before the head, and an optional memory of earlier beats
/// within the head.
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
    /// The memory of beats, after the first hidden layer of the head, or ahead of
    /// the head where it has none; empty for a network that sees one beat.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memory: Vec<BeatLayer>,
}

/// A causal convolution over the beats of a recording with a shortcut around it
/// (Bai et al., "An empirical evaluation of generic convolutional and recurrent
/// networks for sequence modeling", 2018):
///
/// `y[t] = relu(b + sum_j W[j] x[t - d (k - 1 - j)] + s(x[t]))`
///
/// with kernel `k`, dilation `d`, and a shortcut `s` that is a dense layer where
/// the channels change, else the identity. Ahead of the first beat `x` is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeatLayer {
    /// Output channels.
    pub channels: usize,
    /// Beats that are looked at, the present one among them; at least 2.
    pub kernel: usize,
    /// Beats from one of them to the next.
    #[serde(default = "one")]
    pub dilation: usize,
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

/// Convolutions with a shortcut around them (He et al., "Deep residual learning
/// for image recognition", 2016).
///
/// The shortcut is a 1x1 convolution where the channels or the length change,
/// with batch norm but under pre-activation; else it is the identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Output channels.
    pub channels: usize,
    /// Kernel length, odd.
    pub kernel: usize,
    /// Stride of the first convolution of `kernel` and of the shortcut.
    #[serde(default = "one")]
    pub stride: usize,
    /// Dilation of the convolutions of `kernel`.
    #[serde(default = "one")]
    pub dilation: usize,
    /// Size of the pooling after the block; 1 for none.
    #[serde(default = "one")]
    pub pool: usize,
    /// What the pooling after the block takes of every stretch.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pool_kind: PoolKind,
    /// Squeeze-excitation (Hu et al. 2018) ahead of the sum with the shortcut:
    /// each channel is multiplied by `sigmoid(W2 relu(W1 m + b1) + b2)` of the
    /// channels' means `m`, with `channels / squeeze` values between the two
    /// layers; 0 for none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub squeeze: usize,
    /// A bottleneck (He et al. 2016): one convolution of `kernel` with
    /// `channels / bottleneck` channels, between two of length 1; 0 for two
    /// convolutions of `kernel`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bottleneck: usize,
    /// Pre-activation (He et al., "Identity mappings in deep residual
    /// networks", 2016): the sum with the shortcut goes on as it is, and batch
    /// norm and ReLU stand ahead of the next block's convolutions, or after the
    /// last of such blocks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pre_activation: bool,
}

/// What a pooling takes of a stretch of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PoolKind {
    /// The maximum.
    #[default]
    Max,
    /// The mean.
    Average,
}

impl Block {
    /// Two convolutions of `kernel` and nothing else.
    pub const fn new(channels: usize, kernel: usize) -> Block {
        Block {
            channels,
            kernel,
            stride: 1,
            dilation: 1,
            pool: 1,
            pool_kind: PoolKind::Max,
            squeeze: 0,
            bottleneck: 0,
            pre_activation: false,
        }
    }
}

fn one() -> usize {
    1
}

/// What is not set is not written: files from before a setting stay the same.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
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

/// An architecture that cannot be built, and why.
#[derive(Debug, thiserror::Error)]
#[error("architecture: {0}")]
pub struct ArchitectureError(String);

impl Architecture {
    /// The network of the notebook "MIT-BIH ECG Heartbeat Classification with
    /// Residual 1D CNN": 215,269 parameters.
    pub fn notebook() -> Architecture {
        let block = |channels, pool| Block {
            pool,
            ..Block::new(channels, 3)
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
            memory: Vec::new(),
        }
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
        for change in [
            |block: &mut Block| block.squeeze = 65,
            |block: &mut Block| block.bottleneck = 65,
        ] {
            let mut narrow = Architecture::notebook();
            change(&mut narrow.blocks[1]);
            let told = narrow.network().unwrap_err().to_string();
            for part in ["block2", "65", "64 channels", "1 to 64"] {
                assert!(told.contains(part), "{part} in: {told}");
            }
        }
    }

    #[test]
    fn a_block_without_options_is_written_as_it_was() {
        let plain = Block {
            pool: 2,
            ..Block::new(32, 3)
        };
        let json = r#"{"channels":32,"kernel":3,"stride":1,"dilation":1,"pool":2}"#;
        assert_eq!(serde_json::to_string(&plain).unwrap(), json);
        assert_eq!(serde_json::from_str::<Block>(json).unwrap(), plain);
        let full = Block {
            pool_kind: PoolKind::Average,
            squeeze: 4,
            bottleneck: 2,
            pre_activation: true,
            ..plain
        };
        let json = serde_json::to_string(&full).unwrap();
        assert_eq!(serde_json::from_str::<Block>(&json).unwrap(), full);
    }

    /// The layers of a network by name, in their order.
    fn layers(blocks: Vec<Block>) -> Vec<String> {
        let architecture = Architecture {
            blocks,
            ..Architecture::notebook()
        };
        let network = architecture.network().unwrap();
        let named = (0..network.nodes.len()).filter(|&i| network.nodes[i].op.name().is_some());
        named.map(|i| network.name(i)).collect()
    }

    #[test]
    fn a_raw_sum_is_normalised_where_it_is_taken() {
        let pre = Block {
            pre_activation: true,
            ..Block::new(8, 3)
        };
        let head = ["dense1", "logits"];
        let first = ["block1.conv1", "block1.conv2", "block1.shortcut"];
        let second = ["block2", "block2.conv1", "block2.conv2", "block2.out"];
        assert_eq!(
            layers(vec![pre, pre]),
            [&first[..], &second, &head].concat()
        );
        let alone = ["block1.out", "block2.conv1", "block2.conv2"];
        assert_eq!(
            layers(vec![pre, Block::new(8, 3)]),
            [&first[..], &alone, &head].concat()
        );
    }
}
