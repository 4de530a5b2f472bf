//! Batch classification of heartbeats with ONNX Runtime.

pub mod classifier;
pub mod runtime;

pub use classifier::{Classifier, Prediction};
