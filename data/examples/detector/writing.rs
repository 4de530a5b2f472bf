//! Writes the weights as a source file.

use std::fmt::Write;
use std::path::Path;

use data::pipeline::detector::Network;
use data::{Error, Result};

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
    text.push_str("    first: [\n");
    for weights in &network.first {
        let _ = writeln!(text, "        {},", list(weights));
    }
    text.push_str("    ],\n");
    let _ = writeln!(text, "    first_biases: {},", list(&network.first_biases));
    let _ = writeln!(text, "    second: {},", list(&network.second));
    let _ = writeln!(
        text,
        "    second_bias: {:?},\n}};",
        short(network.second_bias)
    );
    std::fs::write(path, text)
        .map_err(|error| Error::Invalid(format!("{} cannot be written: {error}", path.display())))
}

/// Five digits are enough: the last one moves a probability by less than .001.
fn list(values: &[f32]) -> String {
    let values: Vec<String> = values.iter().map(|v| format!("{:?}", short(*v))).collect();
    format!("[{}]", values.join(", "))
}

fn short(value: f32) -> f32 {
    format!("{value:.4e}").parse().unwrap_or(value)
}
