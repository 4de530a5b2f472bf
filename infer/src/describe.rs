//! The task `describe`: what a model expects and what its answers mean.

use std::io::Write;

use crate::Classifier;
use crate::cli::Describe;
use crate::error::{Error, Result};

/// Prints the model's contract as JSON, after checking that the graph keeps it.
///
/// # Errors
/// As [`Classifier::load`].
pub fn run(arguments: &Describe) -> Result<()> {
    let classifier = Classifier::with_threads(&models::shipped::find(&arguments.model), 1)?;
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut stdout, &classifier.contract)
        .map_err(std::io::Error::from)
        .and_then(|()| writeln!(stdout))
        .map_err(Error::Stdout)
}
