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
//! | `begins` | u8 | rows | 1 where the beat before is unknown, see [`Beats::begins`]; of recordings, absent in older files |
//! | `record_names` | string | records | with records |

mod attributes;
mod check;
mod columns;
pub(super) mod refusal;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use hdf5::types::VarLenUnicode;
use hdf5::{Dataset, File, FileBuilder, H5Type};

use crate::output::OutputFile;
use crate::output::made_here::STORE_FORMAT as FORMAT;
use crate::pipeline::beats::Beats;
use crate::pipeline::input::{InputSpec, Layout};
use crate::record::classes::Classes;
use crate::record::error::{Error, Result};
use attributes::{classes, json, read_text, text, text_attribute, written};
use refusal::{foreign_file, hdf5_error};

/// Version of the layout, the attribute `version`.
const VERSION: u32 = 1;

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
    begins: Option<Dataset>,
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
            || columns.begins.is_some() == beats.begins.is_empty()
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
        let begins: Vec<u8> = self.slice(&self.columns.begins, start..end)?;
        beats.begins = begins.into_iter().map(|begins| begins != 0).collect();
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

#[cfg(test)]
mod tests;
