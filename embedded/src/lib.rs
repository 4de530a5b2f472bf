//! Samples in, labelled beats out: the same model as everywhere else, on a
//! small machine.

mod any_onnx;
pub mod classifier;
pub mod decode;
mod engine;
mod error;
#[cfg(feature = "any-onnx")]
pub mod explainer;
mod fused_conv;
mod graph;
mod line;
pub mod monitor;
mod plausible;
mod pool;

pub use classifier::{Classifier, Prediction};
pub use engine::Engine;
pub use error::{Error, Result};
#[cfg(feature = "any-onnx")]
pub use explainer::Explainer;
pub use monitor::{Event, Gap, LabelledBeat, Monitor, Unreadable};
