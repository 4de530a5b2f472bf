//! Folders of recordings: where they are, how they are split, and how they get there.

pub mod dataset;
#[cfg(feature = "download")]
pub mod download;
pub mod patients;
pub mod splits;
