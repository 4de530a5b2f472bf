//! A classifier with random weights: for tests and benchmarks of the runtimes,
//! which must not need a trained model.

use data::Classes;
use data::pipeline::input::InputSpec;

use crate::architecture::{Architecture, ArchitectureError, Block, Pooling, Stem};
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
    let block = |channels, stride| Block {
        channels,
        kernel: 5,
        stride,
        dilation: 1,
        pool: 1,
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
    };
    let network = architecture.network()?;
    let mut random = Xorshift(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut weights = Weights::default();
    for parameter in network.parameters() {
        let count: usize = parameter.shape.iter().product();
        let fan_in = (count / parameter.shape[0].max(1)).max(1) as f32;
        let values = (0..count).map(|_| match parameter.name.rsplit('.').next() {
            Some("variance") => 1.0 + 0.5 * random.next(),
            Some("weight") if parameter.shape.len() == 1 => 1.0 + 0.2 * random.next(),
            Some("weight") => random.next() * (6.0 / fan_in).sqrt(),
            _ => 0.1 * random.next(),
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

/// Marsaglia's generator: the numbers must not change with a generator's version.
struct Xorshift(u64);

impl Xorshift {
    /// A number in -1..1.
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}
