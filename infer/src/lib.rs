//! Batch classification and explanation of heartbeats with ONNX Runtime.

pub mod card;
pub mod classifier;
pub mod classify;
pub mod cli;
pub mod describe;
pub mod evaluate;
pub mod explain;
pub mod predictions;
pub mod runtime;
pub mod shipped;
pub mod source;

pub use classifier::{Classifier, Prediction};
