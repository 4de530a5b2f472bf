//! Recordings that nobody made: synthetic ECG, and real ones in another rhythm.

pub mod retime;
pub mod synth;
