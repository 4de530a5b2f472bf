//! Batch classification and explanation of heartbeats with ONNX Runtime.

pub mod bundle;
pub mod card;
pub mod classifier;
pub mod classify;
pub mod cli;
pub mod describe;
pub mod device;
mod error;
pub mod evaluate;
pub mod explain;
pub mod live;
mod pool;
pub mod predictions;
mod progress;
pub mod report;
pub mod runtime;
pub mod serve;
pub mod shipped;
pub mod source;

pub use classifier::{Classifier, Prediction};
pub use error::{Error, Result};
