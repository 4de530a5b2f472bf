//! Samples in, labelled beats out: the same model as everywhere else, on a
//! small machine.

pub mod classifier;

pub use classifier::{Classifier, Prediction};
