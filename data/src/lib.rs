//! ECG recordings to scored beats: bytes -> samples -> beats -> scores.
//!
//! Everything here is independent of any machine-learning runtime. The only
//! preprocessing of the project lives here, so that training and every
//! deployment see the same numbers.

pub mod aami;
pub mod annotation;
pub mod annotator;
pub mod beats;
pub mod dataset;
pub mod detector;
#[cfg(feature = "download")]
pub mod download;
pub mod ec57;
pub mod error;
mod fiducial;
pub mod filter;
pub mod input;
pub mod kaggle;
pub mod malignant;
pub mod metrics;
pub mod output;
pub mod pipeline;
#[cfg(feature = "plot")]
pub mod plot;
pub mod prepare;
mod quality;
pub mod readable;
pub mod record;
pub mod resample;
pub mod retime;
pub mod rhythm;
pub mod running;
mod segment;
pub mod splits;
#[cfg(feature = "hdf5")]
pub mod store;
pub mod synth;
mod template;
pub mod wfdb;

pub use aami::Class;
pub use error::{Error, Result};
