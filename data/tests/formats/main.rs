//! Tests of the formats against files, and against the reference reader.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod door;
mod edf_faults;
mod edf_file;
mod edf_files;
mod edf_reference;
mod environment;
mod faults;
mod faulty_tables;
mod folders;
mod holter_files;
mod holter_reference;
mod kaggle_rebuild;
mod wfdb_files;
mod wfdb_reference;
