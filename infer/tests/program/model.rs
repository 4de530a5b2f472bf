//! Models with random weights.

use data::Class;
use data::input::{InputSpec, Layout, Normalisation};
use models::contract::Training;
use models::weights::{Tensor, Weights};
use models::{Architecture, Contract};

/// A model of the notebook's network with pseudo-random weights, as bytes.
pub fn kaggle_model(reject_threshold: f64) -> Vec<u8> {
    model(InputSpec::kaggle(), reject_threshold)
}

/// A model for windows around the beat, one lead.
pub fn window_model() -> Vec<u8> {
    let input = InputSpec {
        layout: Layout::Window,
        fs: 128.0,
        leads: Vec::new(),
        band: Some([0.5, 40.0]),
        before: 48,
        after: 80,
        normalisation: Normalisation::RunningScale,
        template: false,
        rhythm: Vec::new(),
    };
    model(input, 0.0)
}

/// The notebook's network for an input without rhythm features, its weights
/// pseudo-random, as the bytes of an ONNX file.
fn model(input: InputSpec, reject_threshold: f64) -> Vec<u8> {
    let architecture = Architecture {
        channels: input.channels(),
        length: input.length(),
        ..Architecture::notebook()
    };
    let network = architecture.network().unwrap();
    let contract = Contract {
        version: models::contract::VERSION,
        input,
        classes: Class::ALL.to_vec(),
        temperature: 1.0,
        reject_threshold,
        training: Training {
            recipe: "none".into(),
            seed: 0,
            data: "random weights".into(),
            data_sha256: String::new(),
            trainer: "test".into(),
        },
    };
    let mut state = 1_u32;
    let mut random = || {
        // Numerical Recipes' linear congruential generator.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state as f32 / u32::MAX as f32
    };
    let tensors = network.parameters().into_iter().map(|p| {
        let count: usize = p.shape.iter().product();
        let fan_in: usize = p.shape[1..].iter().product();
        let width = 2.0 / (fan_in as f32).sqrt();
        let variance = p.name.ends_with("variance");
        let mut value = || match variance {
            true => 0.5 + random(),
            false => (random() - 0.5) * width,
        };
        let values = (0..count).map(|_| value()).collect();
        let shape = p.shape;
        (p.name, Tensor { shape, values })
    });
    let weights = Weights(tensors.collect());
    models::onnx::classifier(&network, &weights, &contract).unwrap()
}
