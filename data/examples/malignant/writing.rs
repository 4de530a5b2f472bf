//! Writes the weights as a source file.

use std::path::Path;

use data::pipeline::malignant::Network;
use data::{Error, Result};

use crate::literals::{row, rows};

/// Writes the network to `path`.
pub fn write(path: &Path, network: &Network, seed: u64) -> Result<()> {
    let mut text = format!(
        "//! Weights of the network that names malignant rhythms.\n//!\n\
         //! Made by `cargo run --release -p data --no-default-features --example malignant --\n\
         //! train SHARED data/src/pipeline/malignant/weights.rs` (seed {seed}) from the given halves of the\n\
         //! CU Ventricular Tachyarrhythmia and MIT-BIH Malignant Ventricular Ectopy\n\
         //! Databases at four speeds, MIT-BIH DS1 and the Noise Stress Test Database.\n\n\
         use super::network::Network;\n\n\
         /// The network that is used.\n#[rustfmt::skip]\npub static SHIPPED: Network = Network {{\n"
    );
    row(&mut text, "centres", &network.centres);
    row(&mut text, "scales", &network.scales);
    rows(&mut text, "first", &network.first);
    row(&mut text, "first_biases", &network.first_biases);
    rows(&mut text, "second", &network.second);
    row(&mut text, "second_biases", &network.second_biases);
    text.push_str("};\n");
    std::fs::write(path, text)
        .map_err(|error| Error::Invalid(format!("{} cannot be written: {error}", path.display())))
}
