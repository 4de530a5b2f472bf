//! Streamed operations on samples, which know nothing of the ECG.

pub mod filter;
pub mod frames;
pub(crate) mod recent;
pub mod resample;
pub mod running;
pub(crate) mod vectors;
