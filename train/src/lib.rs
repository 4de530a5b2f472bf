//! Fits the residual CNN with libtorch and exports it to ONNX.
//!
//! [`session`] is a run from beats to files, [`fit`] its loop.

pub mod augment;
pub mod calibrate;
pub mod chunks;
pub mod cli;
pub mod compare;
pub mod describe;
pub mod device;
pub mod error;
mod even_split;
pub mod examples;
pub mod export;
pub mod feature_scaler;
pub mod fit;
pub mod folds;
pub mod init;
pub mod layer_syntax;
mod limits;
pub mod loss;
pub mod loss_and_confusion;
pub mod many;
pub mod network;
pub mod optimiser;
pub mod patients;
pub mod pictures;
pub mod progress;
pub mod recipe;
pub mod report;
pub mod run;
pub mod sampler;
pub mod schedule;
pub mod session;
pub mod settings;
pub mod source;
pub mod state;
pub mod sweep;
pub mod table;
pub mod tensorboard;
pub mod text_table;

pub use error::{Error, Result};
