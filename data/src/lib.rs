//! ECG recordings to scored beats: bytes -> samples -> beats -> scores.
//!
//! Everything here is independent of any machine-learning runtime. The only
//! preprocessing of the project lives here, so that training and every
//! deployment see the same numbers.

pub mod beat_files;
#[cfg(feature = "cli")]
pub mod cli;
pub mod datasets;
pub mod episodes;
pub mod formats;
pub mod holter;
pub mod output;
pub mod pipeline;
#[cfg(feature = "plot")]
pub mod plot;
pub mod program;
pub mod record;
pub mod scoring;
pub mod signal;
pub mod simulate;

pub use record::aami::Class;
pub use record::classes::Classes;
pub use record::error::{Error, Result};
