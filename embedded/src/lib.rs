//! Samples in, labelled beats out: the same model as everywhere else, on a
//! small machine.

pub mod classifier;
pub mod decode;
pub mod monitor;
pub mod rhythm;

pub use classifier::{Classifier, Prediction};
pub use monitor::{Event, Gap, LabelledBeat, Monitor};
