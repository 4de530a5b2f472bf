//! Models with random weights.

use data::pipeline::input::InputSpec;

/// A model for the Kaggle format, as the bytes of an ONNX file.
pub fn kaggle_model(reject_threshold: f64) -> Vec<u8> {
    let model = models::untrained::classifier_for(&InputSpec::kaggle(), 1).unwrap();
    let threshold = |t: f64| format!("\"reject_threshold\":{t:.1}");
    let contract = models::onnx::contract(&model).unwrap();
    let own = threshold(contract.reject_threshold);
    patch(&model, &own, &threshold(reject_threshold))
}

/// A model for windows around the beat, one lead.
pub fn window_model() -> Vec<u8> {
    models::untrained::classifier_for(&InputSpec::window(), 1).unwrap()
}

/// A model in which one word is replaced by another of the same length, and
/// which is sealed again.
pub fn patch(model: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = model.windows(from.len()).position(|w| w == from.as_bytes());
    let at = at.unwrap_or_else(|| panic!("{from} is not in the model"));
    let mut model = model.to_vec();
    model[at..at + to.len()].copy_from_slice(to.as_bytes());
    models::seal::seal(&model).unwrap()
}
