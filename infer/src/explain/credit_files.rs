//! Credits as a file: JSON Lines or HDF5, whole or not at all.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::ValueEnum;
use data::Classes;
use data::output::OutputFile;
use data::pipeline::beats::Beats;
use hdf5::types::VarLenUnicode;
use hdf5::{Extent, File, H5Type};
use models::Contract;
use ndarray::ArrayView2;
use serde_json::json;

use crate::error::{Error, Result};
use models::explain::methods::{Attributions, Method};

/// Rows of one chunk of an HDF5 dataset. Rows that come by whole chunks are
/// compressed once; others again with every part of their chunk.
pub const CHUNK: usize = 256;
/// Level of the DEFLATE filter. The bytes of the floats are sorted by their
/// place before it: that takes half the space and a third of the time of a
/// higher level alone.
const DEFLATE: u8 = 1;

/// How credits are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object per beat and method.
    Jsonl,
    /// One group per method, one row per beat, compressed.
    Hdf5,
}

impl Format {
    /// The name of the file.
    pub fn file_name(self) -> &'static str {
        match self {
            Format::Jsonl => "attributions.jsonl",
            Format::Hdf5 => "attributions.h5",
        }
    }
}

/// Beats that were explained by every method of the file.
pub struct Explained<'a> {
    /// The beats.
    pub beats: &'a Beats,
    /// The row of each beat in its input, from 0.
    pub numbers: &'a [u64],
    /// The credits by each method, in the order of the file.
    pub credits: &'a [Attributions],
    /// Whether the credits of earlier beats' windows are written.
    pub earlier_windows: bool,
}

/// The file being written; nothing can be seen before [`Results::commit`].
pub struct Results {
    output: OutputFile,
    path: PathBuf,
    hdf5: Option<File>,
    methods: Vec<Method>,
    classes: Classes,
    rows: usize,
}

impl Results {
    /// Opens the file in a folder.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn create(
        folder: &Path,
        format: Format,
        methods: &[Method],
        contract: &Contract,
    ) -> Result<Results> {
        let path = folder.join(format.file_name());
        let output = OutputFile::create(&path)?;
        let hdf5 = match format {
            Format::Jsonl => None,
            Format::Hdf5 => Some(
                lay_out(output.temporary_path(), methods, contract)
                    .map_err(Error::output(&path))?,
            ),
        };
        Ok(Results {
            output,
            path,
            hdf5,
            methods: methods.to_vec(),
            classes: contract.classes.clone(),
            rows: 0,
        })
    }

    /// Where the file will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds beats.
    ///
    /// # Errors
    /// The disk is full.
    pub fn write(&mut self, explained: &Explained) -> Result<()> {
        let end = self.rows + explained.beats.len();
        self.rows = end;
        match &self.hdf5 {
            Some(file) => {
                append(file, &self.methods, explained, end).map_err(Error::output(&self.path))
            }
            None => {
                let written = self.write_lines(explained);
                Ok(written.map_err(data::Error::io(&self.path))?)
            }
        }
    }

    fn write_lines(&mut self, explained: &Explained) -> std::io::Result<()> {
        let beats = explained.beats;
        for (i, number) in explained.numbers.iter().enumerate() {
            for (method, credit) in self.methods.iter().zip(explained.credits) {
                let part = |values: &[f32]| -> Vec<f32> {
                    let width = values.len() / beats.len();
                    values[i * width..(i + 1) * width].to_vec()
                };
                let record = beats.records.get(i);
                let mut line = json!({
                    "row": number,
                    "record": record.map(|&r| &beats.record_names[r as usize]),
                    "sample": beats.samples.get(i),
                    "label": beats.labels.get(i).map(|&label| self.classes.name(label)),
                    "class": self.classes.name(credit.targets[i] as usize),
                    "method": method.name(),
                    "logits": part(&credit.logits),
                    "beat": part(&credit.window),
                    "rhythm": part(&credit.rhythm),
                });
                if let Some(earlier) = credit.earlier.get(i) {
                    line["earlier"] = json!(earlier.credits);
                    if explained.earlier_windows {
                        let width = beats.input.window_values();
                        let windows = earlier.windows.chunks_exact(width);
                        line["earlier_beats"] = json!(windows.collect::<Vec<_>>());
                    }
                }
                serde_json::to_writer(&mut self.output, &line)?;
                self.output.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// The disk is full.
    pub fn commit(self) -> Result<()> {
        if let Some(file) = self.hdf5 {
            file.close().map_err(Error::output(&self.path))?;
        }
        Ok(self.output.commit()?)
    }
}

fn lay_out(path: &Path, methods: &[Method], contract: &Contract) -> hdf5::Result<File> {
    let file = data::beat_files::store::create_file(path)?;
    let column = |name: &str| -> hdf5::Result<()> {
        let column = file.new_dataset::<i64>().shape(Extent::resizable(0));
        let column = column.chunk(CHUNK).shuffle().deflate(DEFLATE);
        column.create(name)?;
        Ok(())
    };
    for name in ["row", "sample", "label", "class"] {
        column(name)?;
    }
    let table = |name: &str, width: usize| -> hdf5::Result<()> {
        if width > 0 {
            let shape = (Extent::resizable(0), Extent::fixed(width));
            let table = file.new_dataset::<f32>().shape(shape);
            let table = table.chunk((CHUNK, width)).shuffle().deflate(DEFLATE);
            table.create(name)?;
        }
        Ok(())
    };
    table("logits", contract.classes.len())?;
    for method in methods {
        let group = method.name();
        // Nor does a group keep when it was made.
        let builder = file.create_group_builder();
        let builder = builder.with_gcpl(|settings| settings.obj_track_times(false));
        builder.create(group)?;
        table(&format!("{group}/beat"), contract.input.window_values())?;
        table(&format!("{group}/rhythm"), contract.input.rhythm.len())?;
        let earlier = contract.memory.map_or(0, |memory| memory.beats - 1);
        table(&format!("{group}/earlier"), earlier)?;
    }
    let names: Vec<&str> = contract.classes.names().collect();
    for (name, text) in [
        ("contract", contract.to_json()),
        ("classes", names.join(" ")),
    ] {
        let text = VarLenUnicode::from_str(&text).map_err(|e| e.to_string())?;
        let attribute = file.new_attr::<VarLenUnicode>().create(name)?;
        attribute.write_scalar(&text)?;
    }
    Ok(file)
}

fn append(file: &File, methods: &[Method], explained: &Explained, end: usize) -> hdf5::Result<()> {
    let beats = explained.beats;
    let numbers: Vec<i64> = explained.numbers.iter().map(|&n| n as i64).collect();
    extend(file, "row", &numbers, end)?;
    // What an input does not say is -1.
    let padded = |known: Vec<i64>| {
        if known.is_empty() {
            vec![-1; beats.len()]
        } else {
            known
        }
    };
    let samples = beats.samples.iter().map(|&s| s as i64).collect();
    extend(file, "sample", &padded(samples), end)?;
    let labels = beats.labels.iter().map(|&l| l as i64).collect();
    extend(file, "label", &padded(labels), end)?;
    let tables = |name: &str, values: &[f32]| -> hdf5::Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        let width = values.len() / beats.len();
        let table = file.dataset(name)?;
        table.resize((end, width))?;
        let rows = ArrayView2::from_shape((beats.len(), width), values)?;
        table.write_slice(rows, (end - beats.len()..end, ..))?;
        Ok(())
    };
    for (i, (method, credit)) in methods.iter().zip(explained.credits).enumerate() {
        if i == 0 {
            extend(file, "class", &credit.targets, end)?;
            tables("logits", &credit.logits)?;
        }
        tables(&format!("{}/beat", method.name()), &credit.window)?;
        tables(&format!("{}/rhythm", method.name()), &credit.rhythm)?;
        if !credit.earlier.is_empty() {
            let name = format!("{}/earlier", method.name());
            let width = file.dataset(&name)?.shape()[1];
            // Beats that are not there have no credit.
            let rows = credit.earlier.iter().flat_map(|earlier| {
                let rest = std::iter::repeat(f32::NAN);
                earlier.credits.iter().copied().chain(rest).take(width)
            });
            tables(&name, &rows.collect::<Vec<_>>())?;
        }
    }
    Ok(())
}

/// Appends `values` to a column so that it ends at row `end`.
fn extend<T: H5Type>(file: &File, name: &str, values: &[T], end: usize) -> hdf5::Result<()> {
    let column = file.dataset(name)?;
    column.resize(end)?;
    column.write_slice(values, end - values.len()..end)
}
