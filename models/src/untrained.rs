//! Classifiers with random weights and networks of random shape: for tests and
//! benchmarks of the runtimes, which must not need a trained model.

use data::Classes;
use data::pipeline::input::{InputSpec, Layout};

use crate::architecture::{
    Architecture, ArchitectureError, BeatLayer, Block, PoolKind, Pooling, Stem,
};
use crate::contract::{Contract, Training, VERSION};
use crate::onnx::{ExportError, classifier};
use crate::weights::{Tensor, Weights};

/// Why there is no untrained classifier for an input.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UntrainedError {
    /// The window is too short for the network.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
    /// The network cannot be written.
    #[error(transparent)]
    Export(#[from] ExportError),
}

/// An ONNX file for this input whose answers mean nothing but are repeatable,
/// of about the size and cost of a shipped model.
///
/// # Errors
/// [`UntrainedError`].
pub fn classifier_for(input: &InputSpec, seed: u64) -> Result<Vec<u8>, UntrainedError> {
    remembering_classifier_for(input, &[], seed)
}

/// The same with a memory of beats.
///
/// # Errors
/// As [`classifier_for`].
pub fn remembering_classifier_for(
    input: &InputSpec,
    memory: &[BeatLayer],
    seed: u64,
) -> Result<Vec<u8>, UntrainedError> {
    let block = |channels, stride| Block {
        stride,
        ..Block::new(channels, 5)
    };
    let architecture = Architecture {
        channels: input.channels(),
        length: input.length(),
        rhythm: input.rhythm.len(),
        classes: Classes::aami5().len(),
        stem: Some(Stem {
            channels: 16,
            kernel: 7,
            stride: 2,
        }),
        blocks: vec![block(24, 2), block(32, 2), block(48, 2)],
        pooling: Pooling::AverageMax,
        rhythm_hidden: if input.rhythm.is_empty() {
            vec![]
        } else {
            vec![32]
        },
        hidden: vec![64],
        dropout: 0.0,
        memory: memory.to_vec(),
    };
    let network = architecture.network()?;
    let mut noise = Xorshift::of(seed);
    let mut weights = Weights::default();
    for parameter in network.parameters() {
        let count: usize = parameter.shape.iter().product();
        let fan_in = (count / parameter.shape[0].max(1)).max(1) as f32;
        let values = (0..count).map(|_| match parameter.name.rsplit('.').next() {
            Some("variance") => 1.0 + 0.5 * noise.next(),
            Some("weight") if parameter.shape.len() == 1 => 1.0 + 0.2 * noise.next(),
            Some("weight") => noise.next() * (6.0 / fan_in).sqrt(),
            _ => 0.1 * noise.next(),
        });
        let tensor = Tensor {
            values: values.collect(),
            shape: parameter.shape,
        };
        weights.0.insert(parameter.name, tensor);
    }
    let contract = Contract {
        version: VERSION,
        input: input.clone(),
        classes: Classes::aami5(),
        temperature: 1.0,
        reject_threshold: 0.4,
        memory: network.memory(),
        training: Training {
            recipe: "untrained".into(),
            seed,
            data: "none".into(),
            data_sha256: String::new(),
            trainer: format!("models {}", env!("CARGO_PKG_VERSION")),
        },
    };
    Ok(classifier(&network, &weights, &contract)?)
}

/// An architecture for this input with options by chance, small enough to run
/// in tests; where the input has beats in order, with a memory of them or without.
pub fn random_architecture(input: &InputSpec, seed: u64) -> Architecture {
    let mut noise = Xorshift::of(seed);
    loop {
        let drawn = drawn(input, &mut noise);
        // Strides and poolings may use up the window.
        if drawn.network().is_ok() {
            return drawn;
        }
    }
}

fn drawn(input: &InputSpec, noise: &mut Xorshift) -> Architecture {
    let stem = (noise.one_of([0, 1, 1]) == 1).then(|| Stem {
        channels: noise.one_of([3, 8]),
        kernel: noise.one_of([1, 5, 7]),
        stride: noise.one_of([1, 2]),
    });
    let count = noise.one_of([1, 2, 3, 4]);
    // Blocks of one kind stand together more often than by chance.
    let pre_activation = noise.one_of([false, true]);
    let block = |noise: &mut Xorshift| Block {
        stride: noise.one_of([1, 1, 2, 3]),
        dilation: noise.one_of([1, 1, 2, 3]),
        pool: noise.one_of([1, 1, 2, 3]),
        pool_kind: noise.one_of([PoolKind::Max, PoolKind::Average]),
        squeeze: noise.one_of([0, 1, 2, 4]),
        bottleneck: noise.one_of([0, 0, 2]),
        pre_activation: pre_activation != noise.one_of([false, false, false, true]),
        ..Block::new(noise.one_of([4, 6, 8, 8]), noise.one_of([1, 3, 5, 7]))
    };
    let rhythm_hidden = match input.rhythm.len() {
        0 => Vec::new(),
        _ => vec![noise.one_of([8, 12])],
    };
    Architecture {
        channels: input.channels(),
        length: input.length(),
        rhythm: input.rhythm.len(),
        classes: Classes::aami5().len(),
        stem,
        blocks: (0..count).map(|_| block(noise)).collect(),
        pooling: noise.one_of([Pooling::Average, Pooling::AverageMax, Pooling::Flatten]),
        rhythm_hidden,
        hidden: noise.one_of([vec![], vec![12], vec![16, 12]]),
        dropout: noise.one_of([0.0, 0.3]),
        memory: match (input.layout, noise.one_of([false, true, true])) {
            (Layout::Window, true) => memory(noise),
            _ => Vec::new(),
        },
    }
}

/// Layers of a memory of beats by chance, one to three.
pub fn random_memory(seed: u64) -> Vec<BeatLayer> {
    memory(&mut Xorshift::of(seed))
}

fn memory(noise: &mut Xorshift) -> Vec<BeatLayer> {
    let layer = |noise: &mut Xorshift| BeatLayer {
        channels: noise.one_of([12, 12, 7]),
        kernel: noise.one_of([2, 3, 5]),
        dilation: noise.one_of([1, 2, 3]),
    };
    let count = noise.one_of([1, 2, 3]);
    (0..count).map(|_| layer(noise)).collect()
}

/// Marsaglia's generator: the numbers must not change with a generator's version.
struct Xorshift(u64);

impl Xorshift {
    fn of(seed: u64) -> Xorshift {
        Xorshift(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// One of these, each as likely.
    fn one_of<T: Clone, const N: usize>(&mut self, these: [T; N]) -> T {
        let place = (self.next() + 1.0) / 2.0 * N as f32;
        these[(place as usize).min(N - 1)].clone()
    }

    /// A number in -1..1.
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}
