//! The Kaggle heartbeat format: a table of text without a header, 187 samples
//! scaled to `[0, 1]` and padded with zeros, then, where the beats have been
//! labelled, the class: 0 to 4 for N S V F Q, or as other [`Classes`] say.

use std::io::Read;
use std::path::Path;

use super::table::{self, Chunks, Reading};
use crate::pipeline::beats::Beats;
use crate::pipeline::input::InputSpec;
use crate::record::classes::Classes;
use crate::record::error::Result;

pub use super::table::write;

/// Reads a file in chunks of rows, in memory that does not grow with the file.
///
/// The first row decides whether there is a label column. Iteration ends after
/// the first error.
pub struct Reader(Chunks);

impl Reader {
    /// Opens a file to be read in chunks of at most `rows` beats, at least 1,
    /// whose labels are of `classes`.
    ///
    /// # Errors
    /// As [`table::open`].
    pub fn open(path: &Path, rows: usize, classes: &Classes) -> Result<Reader> {
        let (input, reading) = (InputSpec::kaggle(), Reading::default());
        Ok(Reader(table::open(path, &input, &reading, rows, classes)?))
    }

    /// Reads from `input`, which messages call `name`.
    pub fn new(
        input: impl Read + Send + 'static,
        name: &Path,
        rows: usize,
        classes: &Classes,
    ) -> Reader {
        let (kaggle, reading) = (InputSpec::kaggle(), Reading::default());
        Reader(table::from_bytes(
            input, name, &kaggle, &reading, rows, classes,
        ))
    }
}

impl Iterator for Reader {
    type Item = Result<Beats>;

    fn next(&mut self) -> Option<Result<Beats>> {
        self.0.next()
    }
}

/// Reads a whole file whose labels are of `classes`.
///
/// # Errors
/// As [`table::read`].
pub fn read(path: &Path, classes: &Classes) -> Result<Beats> {
    table::read(path, &InputSpec::kaggle(), &Reading::default(), classes)
}

#[cfg(test)]
mod tests;
