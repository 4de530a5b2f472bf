//! The commands of the program `data`, as they are.

use std::ffi::OsString;
use std::io::Write;
use std::sync::Mutex;

use clap::Parser;
use data::cli::Cli;
use data::output::signals;
use data::program;
use pyo3::prelude::*;

use crate::error::{Failure, UsageError, detached, heed_signals};

/// Runs a command of the program `data`; what it prints.
#[pyfunction]
pub fn data_command(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<String> {
    let cli = Cli::try_parse_from(named(arguments)).map_err(|error| {
        let words = error.to_string();
        UsageError::new_err(words.trim_start_matches("error: ").to_owned())
    })?;
    detached(py, || {
        let (mut text, raised) = (Vec::new(), Mutex::new(None));
        let out = Heeding {
            out: &mut text,
            raised: &raised,
        };
        let done = cli.run(out);
        if let Some(failure) = raised.into_inner().unwrap_or_else(|e| e.into_inner()) {
            return Err(failure);
        }
        done.map_err(Failure::Program)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    })
}

/// Runs a command of the program `data` as the program does: what it prints goes to
/// standard output, and Ctrl-C ends the process when nothing half-written is left. The
/// code to exit with.
#[pyfunction]
pub fn data_main(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<u8> {
    let cli = match Cli::try_parse_from(named(arguments)) {
        Ok(cli) => cli,
        Err(error) => {
            // Where nobody reads it, it is not needed.
            let _ = error.print();
            return Ok(if error.use_stderr() {
                program::USAGE
            } else {
                0
            });
        }
    };
    detached(py, || {
        signals::end_on_signals()?;
        Ok(match cli.run(std::io::stdout().lock()) {
            Ok(()) => 0,
            Err(error) => program::failed_code(error.as_ref()),
        })
    })
}

/// The arguments behind the name of the command.
fn named(arguments: Vec<OsString>) -> impl Iterator<Item = OsString> {
    std::iter::once(OsString::from("ectopy")).chain(arguments)
}

/// Output that heeds signals, and keeps what their handlers raise.
struct Heeding<'a, W> {
    out: W,
    raised: &'a Mutex<Option<Failure>>,
}

impl<W: Write> Write for Heeding<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Err(failure) = heed_signals() {
            *self.raised.lock().unwrap_or_else(|e| e.into_inner()) = Some(failure);
            // Not `Interrupted`, after which a caller tries again.
            return Err(std::io::Error::other("interrupted"));
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
