//! Recordings on disk: a folder of readers and writers per format.

pub mod foreign;
pub mod wfdb;
