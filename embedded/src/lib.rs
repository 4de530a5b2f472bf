//! Samples in, labelled beats out: the same model as everywhere else, on a
//! small machine.

mod affine;
pub mod classifier;
pub mod decode;
mod graph;
pub mod monitor;
mod onnx;
mod pool;
pub mod rhythm;

pub use classifier::{Classifier, Prediction};
pub use monitor::{Event, Gap, LabelledBeat, Monitor, Unreadable};
