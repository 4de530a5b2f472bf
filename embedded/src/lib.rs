//! Samples in, labelled beats out: the same model as everywhere else, on a
//! small machine.

mod affine;
pub mod classifier;
pub mod decode;
mod error;
mod graph;
mod line;
pub mod monitor;
mod plausible;
mod pool;

pub use classifier::{Classifier, Prediction};
pub use error::{Error, Result};
pub use monitor::{Event, Gap, LabelledBeat, Monitor, Unreadable};
