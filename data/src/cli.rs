//! The commands of the `data` program, one module each.

#[cfg(feature = "hdf5")]
pub mod convert;
pub mod detect;
#[cfg(feature = "download")]
pub mod fetch;
pub mod holter;
pub mod info;
pub mod score;
pub mod synth;
