//! The program and the library from the outside; one binary, this list is its
//! table of contents. It lies here, not in the package `tests`, so that cargo
//! builds the program along with it.

// A test fails by unwrapping, in what it calls too.
#![allow(clippy::unwrap_used)]

mod beat_outputs;
mod cli;
mod evaluate;
mod faults;
mod model;
mod pictures;
#[path = "../../../tests/shared.rs"]
mod shared;
mod stream;
mod tables;
