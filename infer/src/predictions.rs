//! Predictions as a file: CSV, JSON Lines, Parquet or HDF5, whole or not at all.

mod hdf5;

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use data::Classes;
use data::output::OutputFile;
use models::Contract;
pub use report::predictions::Row;
use report::predictions::{CsvFile, ParquetFile, as_json};
use tempfile::SpooledTempFile;

use self::hdf5::Hdf5File;
use crate::error::{Error, Result};

/// How predictions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One line per beat under a header line.
    Csv,
    /// One JSON object per line.
    Jsonl,
    /// Compressed columns for pandas, polars, DuckDB and the like, with the model's
    /// contract in the file's metadata.
    Parquet,
    /// Compressed columns, with the model's contract as an attribute.
    Hdf5,
}

impl Format {
    /// The format that a file's name asks for: `.csv`, `.jsonl` or `.ndjson`,
    /// `.parquet`, `.h5` or `.hdf5`; CSV for a name without an ending.
    ///
    /// # Errors
    /// The name ends in something else: the user may expect what is not written.
    pub fn of(path: &Path) -> Result<Format> {
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        match extension.to_str() {
            Some("csv" | "") => Ok(Format::Csv),
            Some("jsonl" | "ndjson") => Ok(Format::Jsonl),
            Some("parquet") => Ok(Format::Parquet),
            Some("h5" | "hdf5") => Ok(Format::Hdf5),
            _ => Err(Error::usage(format!(
                "{}: the name tells no format; end it in .csv, .jsonl, .parquet or .h5, or say which with --format",
                path.display()
            ))),
        }
    }
}

/// Where predictions go: nothing can be seen there before [`Writer::commit`].
pub struct Writer {
    sink: Sink,
    classes: Classes,
    /// The file; `None` for standard output.
    path: Option<PathBuf>,
}

enum Sink {
    Csv(Box<CsvFile<Target>>),
    JsonLines(Target),
    Parquet(Box<ParquetFile<Target>>),
    Hdf5(Box<Hdf5File>),
}

/// Bytes held back until all are there.
enum Target {
    File(OutputFile),
    /// For standard output; beyond this size on disk, so that memory stays bounded.
    Spool(SpooledTempFile),
}

const SPOOL_IN_MEMORY: usize = 1 << 20;

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Target::File(file) => file.write(bytes),
            Target::Spool(spool) => spool.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Target::File(file) => file.flush(),
            Target::Spool(spool) => spool.flush(),
        }
    }
}

impl Target {
    fn commit(self) -> Result<()> {
        match self {
            Target::File(file) => Ok(file.commit()?),
            Target::Spool(mut spool) => {
                let mut copy = || {
                    spool.seek(SeekFrom::Start(0))?;
                    let mut stdout = std::io::stdout().lock();
                    std::io::copy(&mut spool, &mut stdout)?;
                    stdout.flush()
                };
                copy().map_err(Error::Stdout)
            }
        }
    }
}

/// What a full disk says of the file, or of the bytes for standard output.
fn failed(path: Option<&Path>) -> impl FnOnce(std::io::Error) -> Error {
    move |cause| match path {
        Some(path) => data::Error::io(path)(cause).into(),
        None => Error::Stdout(cause),
    }
}

impl Writer {
    /// Opens `path`, or standard output for `None`.
    ///
    /// # Errors
    /// The folder cannot be written, or HDF5 is asked for on standard output.
    pub fn create(path: Option<PathBuf>, format: Format, contract: &Contract) -> Result<Writer> {
        let target = || -> Result<Target> {
            Ok(match &path {
                Some(path) => Target::File(OutputFile::create(path)?),
                None => Target::Spool(SpooledTempFile::new(SPOOL_IN_MEMORY)),
            })
        };
        let sink = match (format, &path) {
            (Format::Hdf5, Some(path)) => {
                Sink::Hdf5(Box::new(Hdf5File::create(path.clone(), contract)?))
            }
            (Format::Hdf5, None) => {
                return Err(Error::usage(
                    "HDF5 cannot go to standard output; name a file with --output".into(),
                ));
            }
            (Format::Jsonl, _) => Sink::JsonLines(target()?),
            (Format::Parquet, _) => {
                let file = ParquetFile::create(target()?, contract);
                Sink::Parquet(Box::new(file.map_err(failed(path.as_deref()))?))
            }
            (Format::Csv, _) => {
                let file = CsvFile::create(target()?, contract);
                Sink::Csv(Box::new(file.map_err(failed(path.as_deref()))?))
            }
        };
        Ok(Writer {
            sink,
            classes: contract.classes.clone(),
            path,
        })
    }

    /// Adds one beat.
    ///
    /// # Errors
    /// The disk is full.
    pub fn write(&mut self, row: &Row) -> Result<()> {
        let written = match &mut self.sink {
            Sink::Csv(csv) => csv.write(row),
            Sink::JsonLines(target) => {
                serde_json::to_writer(&mut *target, &as_json(row, &self.classes))
                    .map_err(std::io::Error::from)
                    .and_then(|()| target.write_all(b"\n"))
            }
            Sink::Parquet(file) => file.write(row),
            Sink::Hdf5(file) => return file.write(row),
        };
        written.map_err(failed(self.path.as_deref()))
    }

    /// Gives the file its name, or copies everything to standard output.
    ///
    /// # Errors
    /// The disk is full, or the reader of standard output is gone.
    pub fn commit(self) -> Result<()> {
        match self.sink {
            Sink::Csv(csv) => csv.finish().map_err(failed(self.path.as_deref()))?.commit(),
            Sink::JsonLines(target) => target.commit(),
            Sink::Parquet(file) => file
                .finish()
                .map_err(failed(self.path.as_deref()))?
                .commit(),
            Sink::Hdf5(file) => file.commit(),
        }
    }
}
