//! The commands of the `data` program, one module each.

pub mod info;
pub mod score;
pub mod synth;
