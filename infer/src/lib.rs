//! Batch classification of heartbeats with ONNX Runtime.

pub mod classifier;
pub mod classify;
pub mod cli;
pub mod describe;
pub mod predictions;
pub mod runtime;
pub mod shipped;
pub mod source;

pub use classifier::{Classifier, Prediction};
