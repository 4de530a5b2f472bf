//! Predictions as a file: CSV, JSON Lines, Parquet or HDF5, whole or not at all.

mod hdf5;
mod parquet;

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use data::Classes;
use data::output::OutputFile;
use data::pipeline::beats::Beats;
use models::Contract;
use serde_json::json;
use tempfile::SpooledTempFile;

use self::hdf5::Hdf5File;
use self::parquet::ParquetFile;
use crate::Prediction;
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

/// One beat of the output.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The input that the beat came from, as the user named it.
    pub input: &'a str,
    /// The beat's place in that input, from 0.
    pub row: u64,
    /// The record and the sample of the beat in it, where the input says.
    pub place: Option<(&'a str, u64)>,
    /// Seconds from the recording's first sample to the beat.
    pub time: Option<f64>,
    /// Seconds since the beat before.
    pub rr: Option<f32>,
    /// Signal quality around the beat, 0 (noise) to 1 (clean).
    pub quality: Option<f32>,
    /// The place of the reference class in the contract's list, where the input
    /// has one.
    pub label: Option<usize>,
    /// What the model says.
    pub prediction: &'a Prediction,
}

impl<'a> Row<'a> {
    /// The beat at a place among `beats`, which is number `row` of an input; `fs`
    /// is the rate of its recording, in samples per second.
    pub fn of(
        input: &'a str,
        row: u64,
        (beats, at): (&'a Beats, usize),
        fs: Option<f64>,
        prediction: &'a Prediction,
    ) -> Row<'a> {
        let place = beats.records.get(at).map(|&record| {
            let name = beats.record_names[record as usize].as_str();
            (name, beats.samples[at])
        });
        Row {
            input,
            row,
            place,
            time: place.zip(fs).map(|((_, sample), fs)| sample as f64 / fs),
            rr: beats.rr.get(at).copied().flatten(),
            quality: beats.quality.get(at).copied(),
            label: beats.labels.get(at).copied(),
            prediction,
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
    Csv(Box<csv::Writer<Target>>),
    JsonLines(Target),
    Parquet(Box<ParquetFile>),
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
                let mut csv = csv::Writer::from_writer(target()?);
                let head = ["input", "row", "record", "sample", "label", "class"];
                let probabilities = contract.classes.names();
                let rest = ["rejected", "time", "rr", "quality"];
                csv.write_record(head.into_iter().chain(probabilities).chain(rest))
                    .map_err(|e| failed(path.as_deref())(e.into()))?;
                Sink::Csv(Box::new(csv))
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
            Sink::Csv(csv) => write_csv(csv, row, &self.classes).map_err(std::io::Error::from),
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
            Sink::Csv(csv) => csv
                .into_inner()
                .map_err(|e| failed(self.path.as_deref())(e.into_error()))?
                .commit(),
            Sink::JsonLines(target) => target.commit(),
            Sink::Parquet(file) => file
                .finish()
                .map_err(failed(self.path.as_deref()))?
                .commit(),
            Sink::Hdf5(file) => file.commit(),
        }
    }
}

fn write_csv(csv: &mut csv::Writer<Target>, row: &Row, classes: &Classes) -> csv::Result<()> {
    csv.write_field(row.input)?;
    csv.write_field(row.row.to_string())?;
    let (record, sample) = row.place.unzip();
    csv.write_field(record.unwrap_or_default())?;
    csv.write_field(sample.map(|s| s.to_string()).unwrap_or_default())?;
    csv.write_field(row.label.map_or("", |label| classes.name(label)))?;
    csv.write_field(classes.name(row.prediction.class))?;
    for p in &row.prediction.probabilities {
        csv.write_field(format!("{p:.6}"))?;
    }
    csv.write_field(row.prediction.reject.is_some().to_string())?;
    let seconds = |value: Option<f64>| value.map(|s| format!("{s:.4}")).unwrap_or_default();
    csv.write_field(seconds(row.time))?;
    csv.write_field(seconds(row.rr.map(f64::from)))?;
    csv.write_field(row.quality.map(|q| format!("{q:.3}")).unwrap_or_default())?;
    csv.write_record(None::<&[u8]>)
}

fn as_json(row: &Row, classes: &Classes) -> serde_json::Value {
    let by_class = |values: &[f32]| -> serde_json::Map<_, _> {
        let named = classes.names().zip(values);
        named.map(|(name, v)| (name.into(), json!(v))).collect()
    };
    let mut object = json!({
        "input": row.input,
        "row": row.row,
        "class": classes.name(row.prediction.class),
        "probabilities": by_class(&row.prediction.probabilities),
        "logits": by_class(&row.prediction.logits),
        "rejected": row.prediction.reject.is_some(),
    });
    if let Some(reject) = row.prediction.reject {
        object["reject"] = json!(reject);
    }
    if let Some((record, sample)) = row.place {
        object["record"] = json!(record);
        object["sample"] = json!(sample);
    }
    if let Some(time) = row.time {
        object["time"] = json!(time);
    }
    if let Some(rr) = row.rr {
        object["rr"] = json!(rr);
    }
    if let Some(quality) = row.quality {
        object["quality"] = json!(quality);
    }
    if let Some(label) = row.label {
        object["label"] = json!(classes.name(label));
    }
    object
}
