//! One binary of tests that span crates; this list is its table of contents.

// A test fails by unwrapping, in what it calls too.
#![allow(clippy::unwrap_used)]

mod annotations;
mod bundle;
mod converted;
mod dependencies;
mod desk;
mod edge_cli;
mod exit_codes;
mod explain;
mod gradient;
mod kills;
mod live;
mod memory;
mod networks;
mod one_file;
mod onnx_checker;
mod outputs;
mod own_classes;
mod own_data;
mod parity;
mod programs;
mod python;
mod remedies;
mod report;
mod round_trips;
mod score;
mod serve;
#[path = "../shared.rs"]
mod shared;
mod tables;
mod train_cli;
mod train_many;
