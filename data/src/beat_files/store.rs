//! Prepared beats in an HDF5 file, which `h5py` and others open.
//!
//! The root group has the attributes `format`, `version`, `input` (the
//! [`InputSpec`] as JSON), `classes` (`N S V F Q`, or [`Classes`] as JSON) and
//! `source_sha256`, and the datasets
//!
//! | name | type | shape | |
//! |---|---|---|---|
//! | `windows` | f32 | rows, channels, length | |
//! | `rhythm` | f32 | rows, features | with rhythm features |
//! | `labels` | u8 | rows | indices into `classes`; with labels |
//! | `records` | u32 | rows | indices into `record_names`; with records |
//! | `samples` | u64 | rows | fiducial point in its record; with records |
//! | `record_names` | string | records | with records |

mod check;
pub(super) mod refusal;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use hdf5::types::VarLenUnicode;
use hdf5::{Dataset, Extent, File, FileBuilder, H5Type};
use ndarray::{ArrayView2, ArrayView3};

use crate::output::OutputFile;
use crate::output::made_here::STORE_FORMAT as FORMAT;
use crate::pipeline::beats::Beats;
use crate::pipeline::input::{InputSpec, Layout};
use crate::record::classes::Classes;
use crate::record::error::{Error, Result};
use refusal::{foreign_file, hdf5_error};

/// Version of the layout, the attribute `version`.
const VERSION: u32 = 1;
/// Rows in a chunk of the file.
const CHUNK_ROWS: usize = 512;
/// Level of DEFLATE; higher ones take longer and gain little on noise.
const COMPRESSION: u8 = 4;

/// Writes all beats to a store, whole or not at all.
///
/// `source_sha256` identifies what the beats were prepared from, see
/// [`crate::datasets::dataset::sha256`].
///
/// # Errors
/// As [`Writer`].
pub fn write(path: &Path, beats: &Beats, source_sha256: &str) -> Result<()> {
    let mut writer = Writer::create(path, &beats.input, &beats.classes, source_sha256)?;
    writer.append(beats)?;
    writer.finish()
}

/// Creates an HDF5 file that does not keep when it was made, so that the same
/// content is the same bytes.
///
/// # Errors
/// What HDF5 says, such as that the folder cannot be written.
pub fn create_file(path: &Path) -> hdf5::Result<File> {
    let mut builder = FileBuilder::new();
    builder.with_fcpl(|settings| settings.obj_track_times(false));
    builder.create(path)
}

/// Reads all beats of a store.
///
/// # Errors
/// As [`Store::open`] and [`Store::rows`].
pub fn read(path: &Path) -> Result<Beats> {
    let store = Store::open(path)?;
    store.rows(0, store.len())
}

/// Writes a store piece by piece; without [`Writer::finish`] no file appears.
pub struct Writer {
    file: File,
    output: OutputFile,
    path: PathBuf,
    input: InputSpec,
    classes: Classes,
    rows: usize,
    columns: Option<Columns>,
    record_names: Vec<String>,
    /// Their places in `record_names`.
    numbers: HashMap<String, u32>,
}

/// The datasets with one entry per row.
struct Columns {
    windows: Dataset,
    rhythm: Option<Dataset>,
    labels: Option<Dataset>,
    records: Option<Dataset>,
    samples: Option<Dataset>,
}

impl Writer {
    /// Starts a store of beats prepared as `input` says, with labels of `classes`.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be written; [`Error::Malformed`]
    /// with what HDF5 says.
    pub fn create(
        path: &Path,
        input: &InputSpec,
        classes: &Classes,
        source_sha256: &str,
    ) -> Result<Writer> {
        let output = OutputFile::create(path)?;
        let file = create_file(output.temporary_path()).map_err(hdf5_error(path))?;
        let set = || -> hdf5::Result<()> {
            text_attribute(&file, "format", FORMAT)?;
            text_attribute(&file, "input", &json(input))?;
            text_attribute(&file, "classes", &written(classes))?;
            text_attribute(&file, "source_sha256", source_sha256)?;
            let version = file.new_attr::<u32>().create("version")?;
            version.write_scalar(&VERSION)
        };
        set().map_err(hdf5_error(path))?;
        Ok(Writer {
            file,
            output,
            path: path.to_owned(),
            input: input.clone(),
            classes: classes.clone(),
            rows: 0,
            columns: None,
            record_names: Vec::new(),
            numbers: HashMap::new(),
        })
    }

    /// Adds beats.
    ///
    /// # Errors
    /// [`Error::Invalid`] when they were prepared differently or have other
    /// classes, or only some of the beats have labels or records; [`Error::Malformed`] with what HDF5
    /// says, such as that the disk is full.
    pub fn append(&mut self, beats: &Beats) -> Result<()> {
        if beats.input != self.input || beats.classes != self.classes {
            return Err(Error::Invalid(format!(
                "{}: beats prepared in two different ways cannot share a store",
                self.path.display()
            )));
        }
        if beats.is_empty() {
            return Ok(());
        }
        let columns = match &self.columns {
            Some(columns) => columns,
            None => {
                let created = Columns::create(&self.file, beats);
                self.columns
                    .insert(created.map_err(hdf5_error(&self.path))?)
            }
        };
        if columns.labels.is_some() == beats.labels.is_empty()
            || columns.records.is_some() == beats.records.is_empty()
        {
            return Err(Error::Invalid(format!(
                "{}: beats with labels or record names cannot share a store with beats without",
                self.path.display()
            )));
        }
        // A table's patients come again in every piece of it; recordings do not.
        let again = self.input.layout == Layout::Table;
        let numbers: Vec<u32> = beats
            .record_names
            .iter()
            .map(|name| {
                let next = self.record_names.len() as u32;
                let known = self.numbers.get(name).filter(|_| again);
                known.copied().unwrap_or_else(|| {
                    self.record_names.push(name.clone());
                    self.numbers.insert(name.clone(), next);
                    next
                })
            })
            .collect();
        columns
            .append(self.rows, beats, &numbers)
            .map_err(hdf5_error(&self.path))?;
        self.rows += beats.len();
        Ok(())
    }

    /// Notes that beats of the source are missing, so that the store never
    /// passes for one of all of them: see [`Store::stale`].
    ///
    /// # Errors
    /// [`Error::Malformed`] with what HDF5 says.
    pub fn mark_incomplete(&self) -> Result<()> {
        let mark = || -> hdf5::Result<()> {
            self.file.delete_attr("source_sha256")?;
            text_attribute(&self.file, "source_sha256", "incomplete")
        };
        mark().map_err(hdf5_error(&self.path))
    }

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// As [`Writer::append`] and [`OutputFile::commit`].
    pub fn finish(mut self) -> Result<()> {
        let complete = || -> hdf5::Result<()> {
            if self.columns.is_none() {
                Columns::create(&self.file, &Beats::new(self.input.clone(), &self.classes))?;
            }
            if !self.record_names.is_empty() {
                let names: Vec<VarLenUnicode> = self.record_names.iter().map(|n| text(n)).collect();
                let builder = self.file.new_dataset_builder();
                builder.with_data(&names).create("record_names")?;
            }
            Ok(())
        };
        complete().map_err(hdf5_error(&self.path))?;
        self.columns = None;
        self.file.close().map_err(hdf5_error(&self.path))?;
        self.output.commit()
    }
}

impl Columns {
    fn create(file: &File, like: &Beats) -> hdf5::Result<Columns> {
        let (channels, length) = (like.input.channels(), like.input.length());
        let features = like.input.rhythm.len();
        let column = |name: &str, builder: hdf5::DatasetBuilderEmpty| {
            builder
                .shape([Extent::resizable(0)])
                .chunk([CHUNK_ROWS * 16])
                .shuffle()
                .deflate(COMPRESSION)
                .create(name)
        };
        let windows = file
            .new_dataset::<f32>()
            .shape([Extent::resizable(0), channels.into(), length.into()])
            .chunk([CHUNK_ROWS, channels, length])
            .shuffle()
            .deflate(COMPRESSION)
            .create("windows")?;
        let rhythm = (features > 0).then(|| {
            file.new_dataset::<f32>()
                .shape([Extent::resizable(0), features.into()])
                .chunk([CHUNK_ROWS, features])
                .shuffle()
                .deflate(COMPRESSION)
                .create("rhythm")
        });
        let labels = !like.labels.is_empty();
        let records = !like.records.is_empty();
        Ok(Columns {
            windows,
            rhythm: rhythm.transpose()?,
            labels: labels
                .then(|| column("labels", file.new_dataset::<u8>()))
                .transpose()?,
            records: records
                .then(|| column("records", file.new_dataset::<u32>()))
                .transpose()?,
            samples: records
                .then(|| column("samples", file.new_dataset::<u64>()))
                .transpose()?,
        })
    }

    fn append(&self, start: usize, beats: &Beats, numbers: &[u32]) -> hdf5::Result<()> {
        let (channels, length) = (beats.input.channels(), beats.input.length());
        let (rows, features) = (beats.len(), beats.input.rhythm.len());
        let end = start + rows;
        let misshapen = |_| hdf5::Error::from("the beats' columns differ in length");
        self.windows.resize([end, channels, length])?;
        let windows = ArrayView3::from_shape((rows, channels, length), &beats.windows);
        self.windows
            .write_slice(windows.map_err(misshapen)?, (start..end, .., ..))?;
        if let Some(dataset) = &self.rhythm {
            dataset.resize([end, features])?;
            let rhythm = ArrayView2::from_shape((rows, features), &beats.rhythm);
            dataset.write_slice(rhythm.map_err(misshapen)?, (start..end, ..))?;
        }
        let labels: Vec<u8> = beats.labels.iter().map(|&label| label as u8).collect();
        let records: Vec<u32> = beats.records.iter().map(|&r| numbers[r as usize]).collect();
        extend(&self.labels, start..end, &labels)?;
        extend(&self.records, start..end, &records)?;
        extend(&self.samples, start..end, &beats.samples)
    }
}

fn extend<T: H5Type>(
    dataset: &Option<Dataset>,
    rows: std::ops::Range<usize>,
    values: &[T],
) -> hdf5::Result<()> {
    match dataset {
        Some(dataset) => {
            dataset.resize([rows.end])?;
            dataset.write_slice(values, rows)
        }
        None => Ok(()),
    }
}

/// A store opened for reading.
pub struct Store {
    path: PathBuf,
    input: InputSpec,
    classes: Classes,
    source_sha256: String,
    rows: usize,
    columns: Columns,
    record_names: Vec<String>,
}

impl Store {
    /// Opens a store and checks that it is one: its marks, its version, and
    /// that its columns fit together.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a file that is damaged or not a store;
    /// [`Error::Unsupported`] for one of another version.
    pub fn open(path: &Path) -> Result<Store> {
        let foreign = |detail: String| foreign_file(path, &detail);
        let file = refusal::open(path)?;
        let format = read_text(&file, "format").map_err(|detail| {
            foreign(format!(
                "{detail} (of a file of others name the dataset of samples with --table samples=NAME)"
            ))
        })?;
        if format != FORMAT {
            return Err(foreign(format!("its format is '{format}'")));
        }
        let version = file
            .attr("version")
            .and_then(|a| a.read_scalar::<u32>())
            .map_err(|_| foreign("it has no number as its attribute 'version'".into()))?;
        if version != VERSION {
            return Err(Error::unsupported(
                path,
                format!(
                    "a store of version {version}, this program reads version {VERSION}; make it again with 'data convert'"
                ),
            ));
        }
        let json = read_text(&file, "input").map_err(foreign)?;
        let input: InputSpec = serde_json::from_str(&json)
            .map_err(|e| foreign(format!("its attribute 'input' is not understood: {e}")))?;
        let classes = read_text(&file, "classes").and_then(|text| classes(&text));
        let classes = classes.map_err(foreign)?;
        let source_sha256 = read_text(&file, "source_sha256").map_err(foreign)?;
        let columns = Columns::open(&file).map_err(foreign)?;
        let record_names = match file.link_exists("record_names") {
            true => {
                let names = refusal::dataset::<VarLenUnicode>(&file, "record_names");
                let names = names.map_err(foreign)?.read_1d::<VarLenUnicode>();
                let names = names.map_err(hdf5_error(path))?;
                names.iter().map(|n| n.as_str().to_owned()).collect()
            }
            false => Vec::new(),
        };
        let rows = columns.check(&input, file.size()).map_err(foreign)?;
        Ok(Store {
            path: path.to_owned(),
            input,
            classes,
            source_sha256,
            rows,
            columns,
            record_names,
        })
    }

    /// How the beats were prepared.
    pub fn input(&self) -> &InputSpec {
        &self.input
    }

    /// The classes of the labels.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// Whether the beats have labels.
    pub fn has_labels(&self) -> bool {
        self.columns.labels.is_some()
    }

    /// What the beats were prepared from, as [`write`] was told.
    pub fn source_sha256(&self) -> &str {
        &self.source_sha256
    }

    /// Number of beats.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Why these beats are not those that preparing this source in this way
    /// would give; `None` when they are.
    pub fn stale(
        &self,
        input: &InputSpec,
        classes: &Classes,
        source_sha256: &str,
    ) -> Option<&'static str> {
        if self.classes != *classes {
            Some("its beats have other classes")
        } else if self.input != *input {
            Some("its beats were prepared in another way")
        } else if self.source_sha256 != source_sha256 {
            Some("its beats were prepared from other recordings")
        } else {
            None
        }
    }

    /// All beats in chunks of at most `rows`, at least 1.
    pub fn chunks(&self, rows: usize) -> impl Iterator<Item = Result<Beats>> + '_ {
        let rows = rows.max(1);
        (0..self.len())
            .step_by(rows)
            .map(move |start| self.rows(start, (start + rows).min(self.len())))
    }

    /// The beats `start..end`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for rows that are not there; [`Error::Malformed`]
    /// for a file that is damaged or holds impossible values.
    pub fn rows(&self, start: usize, end: usize) -> Result<Beats> {
        if start > end || end > self.rows {
            return Err(Error::Invalid(format!(
                "{}: rows {start} to {end} asked of a store of {}",
                self.path.display(),
                self.rows
            )));
        }
        let mut beats = Beats::new(self.input.clone(), &self.classes);
        if start == end {
            return Ok(beats);
        }
        let damaged = |detail: &str| Error::malformed(&self.path, detail);
        let error = hdf5_error;
        let windows = self.columns.windows.read_slice((start..end, .., ..));
        let windows: ndarray::Array3<f32> = windows.map_err(error(&self.path))?;
        beats.windows = windows.into_raw_vec_and_offset().0;
        if let Some(dataset) = &self.columns.rhythm {
            let rhythm = dataset.read_slice_2d::<f32, _>((start..end, ..));
            beats.rhythm = rhythm
                .map_err(error(&self.path))?
                .into_raw_vec_and_offset()
                .0;
        }
        if beats
            .windows
            .iter()
            .chain(&beats.rhythm)
            .any(|v| !v.is_finite())
        {
            return Err(damaged("it holds values that are not finite numbers"));
        }
        if let Some((row, at, value)) = beats.unscaled() {
            let row = start + row;
            return Err(damaged(&format!(
                "value {at} of row {row} (counted from 0) is {value}; {}",
                self.input.normalisation.rule()
            )));
        }
        let labels: Vec<u8> = self.slice(&self.columns.labels, start..end)?;
        beats.labels = labels.into_iter().map(usize::from).collect();
        let most = self.classes.len() - 1;
        if beats.labels.iter().any(|&label| label > most) {
            return Err(damaged(&format!("it holds classes beyond 0 to {most}")));
        }
        beats.records = self.slice(&self.columns.records, start..end)?;
        beats.samples = self.slice(&self.columns.samples, start..end)?;
        if beats
            .records
            .iter()
            .any(|&r| r as usize >= self.record_names.len())
        {
            return Err(damaged("it refers to records that it does not name"));
        }
        beats.record_names = self.record_names.clone();
        Ok(beats)
    }

    fn slice<T: H5Type>(
        &self,
        dataset: &Option<Dataset>,
        rows: std::ops::Range<usize>,
    ) -> Result<Vec<T>> {
        let Some(dataset) = dataset else {
            return Ok(Vec::new());
        };
        let values = dataset.read_slice_1d::<T, _>(rows);
        Ok(values
            .map_err(hdf5_error(&self.path))?
            .into_raw_vec_and_offset()
            .0)
    }
}

/// Text as HDF5 stores it, which ends it at a NUL.
fn text(text: &str) -> VarLenUnicode {
    let whole = text.split('\0').next().unwrap_or_default();
    // The conversion fails on a NUL only.
    whole.parse().unwrap_or_default()
}

fn text_attribute(file: &File, name: &str, value: &str) -> hdf5::Result<()> {
    let attribute = file.new_attr::<VarLenUnicode>().create(name)?;
    attribute.write_scalar(&text(value))
}

fn read_text(file: &File, name: &str) -> std::result::Result<String, String> {
    let value = file
        .attr(name)
        .and_then(|a| a.read_scalar::<VarLenUnicode>());
    match value {
        Ok(text) => Ok(text.as_str().to_owned()),
        Err(_) => Err(format!("it has no text as its attribute '{name}'")),
    }
}

/// The attribute `classes`: names alone for EC57's five, as stores always had it.
fn written(classes: &Classes) -> String {
    if *classes == Classes::aami5() {
        return classes.names().collect::<Vec<_>>().join(" ");
    }
    serde_json::to_string(classes).unwrap_or_default()
}

/// Reads what [`written`] wrote; in words why it cannot.
fn classes(text: &str) -> Result<Classes, String> {
    let foreign = |cause: String| format!("its attribute 'classes' is not understood: {cause}");
    if text.starts_with('[') {
        return serde_json::from_str(text).map_err(|e| foreign(e.to_string()));
    }
    let list = text.split_whitespace().collect::<Vec<_>>().join(",");
    list.parse().map_err(|e: Error| foreign(e.to_string()))
}

fn json(input: &InputSpec) -> String {
    // Plain data with text keys: there is nothing that JSON cannot express.
    serde_json::to_string(input).unwrap_or_default()
}

#[cfg(test)]
mod tests;
