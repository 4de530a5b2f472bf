//! Writes the weights as a source file.

use std::fmt::Write;
use std::path::Path;

use data::pipeline::detector::Network;
use data::{Error, Result};

use crate::literals::{row, rows, short};

/// Writes the network to `path`.
pub fn write(path: &Path, network: &Network, seed: u64) -> Result<()> {
    let mut text = format!(
        "//! Weights of the scorer: part of the trained detector, do not change by hand.\n//!\n\
         //! Made by `cargo run --release -p data --no-default-features --example detector --\n\
         //! train SHARED data/src/pipeline/detector/weights.rs` (seed {seed}) from MIT-BIH DS1 and\n\
         //! the given halves of the Supraventricular Arrhythmia, CU Ventricular\n\
         //! Tachyarrhythmia, ST Change and QT Databases, and the Noise Stress Test Database.\n\n\
         use super::scorer::Network;\n\n\
         /// The network that is used.\n#[rustfmt::skip]\npub static SHIPPED: Network = Network {{\n"
    );
    rows(&mut text, "first", &network.first);
    row(&mut text, "first_biases", &network.first_biases);
    row(&mut text, "second", &network.second);
    let bias = short(network.second_bias);
    let _ = writeln!(text, "    second_bias: {bias:?},\n}};");
    std::fs::write(path, text)
        .map_err(|error| Error::Invalid(format!("{} cannot be written: {error}", path.display())))
}
