//! The commands of the program `data`, as they are.

use std::io::Write;

use clap::Parser;
use data::cli::Cli;
use pyo3::prelude::*;

use crate::error::{Failure, Result, UsageError, detached, heed_signals};

/// Runs a command of the program `data`; what it prints.
#[pyfunction]
pub fn data_command(py: Python<'_>, arguments: Vec<String>) -> PyResult<String> {
    let cli = parsed(arguments)?;
    detached(py, || {
        let mut text = Vec::new();
        cli.run(Heeding(&mut text)).map_err(Failure::Program)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    })
}

fn parsed(arguments: Vec<String>) -> PyResult<Cli> {
    let program = std::iter::once("ectopy".to_owned());
    Cli::try_parse_from(program.chain(arguments)).map_err(|e| UsageError::new_err(e.to_string()))
}

/// Output that heeds Ctrl-C.
struct Heeding<W>(W);

impl<W: Write> Write for Heeding<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let heeded: Result<()> = heed_signals();
        heeded.map_err(|_| std::io::Error::from(std::io::ErrorKind::Interrupted))?;
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}
