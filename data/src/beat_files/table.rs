//! Beats from a table, a row each: its samples, and where the table has them
//! the class and the patient.
//!
//! A table is text (CSV, TSV and the like, perhaps packed with gzip), Parquet
//! (feature `parquet`), or an HDF5 file of others (feature `hdf5`), told by its
//! first bytes. The Kaggle format is one: see [`crate::beat_files::kaggle`].
//!
//! What other programs make of text is read too where it has one meaning only: a
//! header line, a byte-order mark, semicolons, tabs or spaces between the
//! cells, quotes, decimal commas, a separator or a blank line at the end.

mod columns;
#[cfg(feature = "hdf5")]
mod hdf5;
mod header;
#[cfg(feature = "parquet")]
mod parquet;
mod rows;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::ops::RangeInclusive;
use std::path::Path;

use crate::output::OutputFile;
use crate::pipeline::beats::Beats;
use crate::pipeline::input::{InputSpec, Layout, Normalisation};
use crate::record::classes::Classes;
use crate::record::error::{Error, Result, ensure};
pub use columns::{Choice, Columns, Place};
use columns::{Plan, Role};
use rows::Taker;
use text::Text;

/// Labels that are told one by one.
const TOLD: usize = 20;

/// Rows in memory while a whole file is read.
pub(super) const ROWS: usize = 4096;

/// The first bytes of an HDF5 file.
const HDF5_SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";

/// Sampling rates of a table's rows, Hz: at the lowest a QRS complex of 0.1 s is
/// still two samples, and the highest is that of recordings.
pub const RATES: RangeInclusive<f64> = 20.0..=10_000.0;

/// What every program says of its flag `--table`.
pub const COLUMNS_HELP: &str = "Tables: what the columns are, where the header does not tell, such as 'label=class,patient=subject,drop=id'; a column is a name or a number from 1; label=last or none; header=yes or no; samples=NAME for lists and HDF5";
/// What every program says of its flag `--normalise`.
pub const NORMALISE_HELP: &str = "Tables: scale each row as the contract says, its lowest sample to 0 and its highest to 1; without it values beyond are refused";

/// How a table is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// What its columns are.
    pub columns: Columns,
    /// Whether each row is brought to what the contract says, where that is
    /// min-max; without it values beyond are refused.
    pub normalise: bool,
}

/// Beats of a table, some at a time. Iteration ends after the first error.
pub type Chunks = Box<dyn Iterator<Item = Result<Beats>> + Send>;

/// What a table is found to hold, before its rows are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Samples of a row.
    pub length: usize,
    /// What is read, in words: `100 samples (s0 to s99), class in column 'label'`.
    pub words: String,
}

/// What a file of beats is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Parquet,
    Hdf5,
}

impl Kind {
    fn of(path: &Path) -> Result<Kind> {
        let mut start = Vec::new();
        // A pipe cannot be read twice, and only text comes through one.
        if std::fs::metadata(path).is_ok_and(|file| file.is_file()) {
            let file = File::open(path).map_err(Error::io(path))?;
            file.take(8)
                .read_to_end(&mut start)
                .map_err(Error::io(path))?;
        }
        Ok(match &start[..] {
            HDF5_SIGNATURE => Kind::Hdf5,
            start if start.starts_with(b"PAR1") => Kind::Parquet,
            _ => Kind::Text,
        })
    }
}

/// Whether a file is HDF5.
///
/// # Errors
/// [`Error::Io`] when it cannot be read.
pub fn is_hdf5(path: &Path) -> Result<bool> {
    Ok(Kind::of(path)? == Kind::Hdf5)
}

/// Opens a table to be read in chunks of at most `rows` beats, at least 1, as
/// `input` says, with labels of `classes`.
///
/// # Errors
/// [`Error::Io`] when the file cannot be opened; [`Error::Invalid`] when `input`
/// is not that of a table; [`Error::Malformed`] when columns are not there.
pub fn open(
    path: &Path,
    input: &InputSpec,
    reading: &Reading,
    rows: usize,
    classes: &Classes,
) -> Result<Chunks> {
    if let Some(why) = input.unfit_for_tables() {
        return Err(Error::Invalid(format!(
            "{}: a table of beats, and the contract cannot take it: {why}",
            path.display()
        )));
    }
    let as_is = input.normalisation == Normalisation::AsIs;
    ensure(!(as_is && reading.normalise), || {
        Error::Invalid(format!(
            "{}: --normalise scales rows, and by the contract they are taken as they are (as-is); leave out --normalise",
            path.display()
        ))
    })?;
    let asked = Asked {
        input,
        reading,
        rows,
        classes,
    };
    let mut reader = reader(path, &asked)?;
    Ok(until_end(asked.rows(), move || reader.chunk()))
}

/// What is asked of a reader, whatever the kind of its file.
struct Asked<'a> {
    /// What the rows are made into; of no samples for as many as there are.
    input: &'a InputSpec,
    reading: &'a Reading,
    /// Most beats of a chunk.
    rows: usize,
    classes: &'a Classes,
}

impl Asked<'_> {
    /// Samples of a row, where that is settled.
    fn length(&self) -> Option<usize> {
        Some(self.input.length()).filter(|length| *length > 0)
    }

    /// Most beats of a chunk, at least 1.
    fn rows(&self) -> usize {
        self.rows.max(1)
    }

    /// What the rows go through.
    fn taker(&self) -> Taker {
        Taker::new(self.input, self.classes, self.reading.normalise)
    }
}

/// A reader of one kind of file.
trait Rows {
    /// What the columns hold, and their names where they have any. Some of the
    /// file may then be behind the reader.
    fn plan(&mut self) -> Result<(Plan, Option<Vec<String>>)>;

    /// The next rows; fewer than asked for at the end, where all were as they should.
    fn chunk(&mut self) -> Result<Beats>;

    /// What the rows go through.
    fn taker(&mut self) -> &mut Taker;
}

/// Opens a file of any kind.
fn reader(path: &Path, asked: &Asked<'_>) -> Result<Box<dyn Rows + Send>> {
    Ok(match Kind::of(path)? {
        Kind::Text => Box::new(Text::open(path, asked)?),
        #[cfg(feature = "parquet")]
        Kind::Parquet => Box::new(parquet::Parquet::open(path, asked)?),
        #[cfg(feature = "hdf5")]
        Kind::Hdf5 => Box::new(hdf5::Hdf5::open(path, asked)?),
        #[allow(unreachable_patterns, reason = "where all kinds can be read")]
        kind => return Err(left_out(path, kind)),
    })
}

/// What a table holds, told from its header or its first row.
///
/// # Errors
/// As [`open`]; [`Error::Malformed`] when nothing tells which column is the class.
pub fn shape(path: &Path, columns: &Columns) -> Result<Shape> {
    let reading = Reading {
        columns: columns.clone(),
        normalise: false,
    };
    // No samples: as many as there are.
    let any = InputSpec::table(1.0, 0);
    let asked = Asked {
        input: &any,
        reading: &reading,
        rows: 1,
        classes: &Classes::aami5(),
    };
    let (plan, names) = reader(path, &asked)?.plan()?;
    Ok(Shape {
        length: plan.samples,
        words: words(&plan, names.as_deref()),
    })
}

/// What all rows of a table have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Survey {
    /// Its rows.
    pub rows: u64,
    /// Lowest and highest sample.
    pub range: [f32; 2],
    /// What the column of the class holds, and how often; empty without one.
    pub labels: BTreeMap<String, u64>,
    /// The patients; empty without a column of them.
    pub patients: BTreeSet<String>,
}

impl Survey {
    /// The labels in words, with how often each occurs: `"a" 3, "n" 12`.
    pub fn labels_in_words(&self) -> String {
        let told = self.labels.iter().take(TOLD);
        let mut words: Vec<String> = told
            .map(|(label, count)| format!("{label:?} {count}"))
            .collect();
        match self.labels.len().saturating_sub(TOLD) {
            0 => {}
            more => words.push(format!("and {more} more")),
        }
        words.join(", ")
    }
}

/// Reads a table of `length` samples a row for what it holds, whatever its labels
/// and the scale of its samples.
///
/// # Errors
/// As [`read`].
pub fn survey(path: &Path, columns: &Columns, length: usize) -> Result<Survey> {
    let reading = Reading {
        columns: columns.clone(),
        normalise: false,
    };
    let mut any = InputSpec::table(1.0, length);
    any.normalisation = Normalisation::AsIs;
    let asked = Asked {
        input: &any,
        reading: &reading,
        rows: ROWS,
        classes: &Classes::aami5(),
    };
    let mut reader = reader(path, &asked)?;
    reader.taker().counts = Some(BTreeMap::new());
    let mut patients = BTreeSet::new();
    loop {
        let beats = reader.chunk()?;
        let rows = beats.len();
        patients.extend(beats.record_names);
        if rows < ROWS {
            break;
        }
    }
    let taker = reader.taker();
    Ok(Survey {
        rows: taker.extent.rows,
        range: [taker.extent.low, taker.extent.high],
        labels: taker.counts.take().unwrap_or_default(),
        patients,
    })
}

/// The labels of a table in words, with how often each occurs; `None` where its
/// rows cannot be read again.
fn labels(path: &Path, columns: &Columns, spec: &InputSpec) -> Option<String> {
    let regular = std::fs::metadata(path).is_ok_and(|file| file.is_file());
    let found = regular.then(|| survey(path, columns, spec.length()).ok())??;
    (!found.labels.is_empty()).then(|| found.labels_in_words())
}

/// The error for a kind of file that this program was built without.
fn left_out(path: &Path, kind: Kind) -> Error {
    let kind = match kind {
        Kind::Parquet => "Parquet",
        _ => "HDF5",
    };
    Error::unsupported(
        path,
        format!(
            "{kind} is not read by this program; write it as text: `data convert {} --output beats.csv`",
            path.display()
        ),
    )
}

fn words(plan: &Plan, names: Option<&[String]>) -> String {
    let name = |at: usize| match names {
        Some(names) => format!("'{}'", names[at]),
        None => (at + 1).to_string(),
    };
    let all: Vec<usize> = (0..plan.roles.len())
        .filter(|&at| plan.roles[at] == Role::Sample)
        .collect();
    let mut text = match all[..] {
        [first, .., last] => format!(
            "{} samples (columns {} to {})",
            plan.samples,
            name(first),
            name(last)
        ),
        _ => format!("{} samples", plan.samples),
    };
    for (role, what) in [(Role::Label, "class"), (Role::Patient, "patient")] {
        if let Some(at) = plan.place(role) {
            text += &format!(", {what} in column {}", name(at));
        }
    }
    text
}

/// Reads a whole table as `input` says, with labels of `classes`.
///
/// # Errors
/// As [`open`]; [`Error::Malformed`] with the line or row for one that is not
/// as the others or not what the contract says, and for an empty file.
pub fn read(path: &Path, input: &InputSpec, reading: &Reading, classes: &Classes) -> Result<Beats> {
    let all = open(path, input, reading, usize::MAX, classes)?.next();
    all.unwrap_or_else(|| Ok(Beats::new(input.clone(), classes)))
}

/// Writes beats of a table, with the columns of the class and the patient if
/// they have these. Each value is written in the fewest digits that read back
/// the same. The Kaggle format has no header, numbers for classes and no patient.
///
/// # Errors
/// [`Error::Invalid`] when the beats are windows, which a table cannot hold;
/// [`Error::Io`] when the file cannot be written.
pub fn write(path: &Path, beats: &Beats) -> Result<()> {
    if beats.input.unfit_for_tables().is_some() {
        return Err(Error::Invalid(
            "only beats in the Kaggle layout, or of another table, can be written as CSV; write a store (.h5) instead".into(),
        ));
    }
    let mut file = OutputFile::create(path)?;
    let mut out = BufWriter::new(&mut file);
    let written = match beats.input.layout {
        Layout::Kaggle => write_rows(&mut out, beats, false),
        _ => write_header(&mut out, beats).and_then(|()| write_rows(&mut out, beats, true)),
    };
    written.map_err(Error::io(path))?;
    drop(out);
    file.commit()
}

fn write_header(out: &mut impl Write, beats: &Beats) -> std::io::Result<()> {
    let mut names: Vec<String> = (0..beats.input.length()).map(|i| format!("s{i}")).collect();
    if !beats.labels.is_empty() {
        names.push("label".into());
    }
    if !beats.records.is_empty() {
        names.push("patient".into());
    }
    writeln!(out, "{}", names.join(","))
}

fn write_rows(out: &mut impl Write, beats: &Beats, named: bool) -> std::io::Result<()> {
    for row in 0..beats.len() {
        for (i, value) in beats.window(row).iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(out, "{comma}{value}")?;
        }
        match beats.labels.get(row) {
            Some(&label) if named => write!(out, ",{}", quoted(beats.classes.name(label)))?,
            Some(label) => write!(out, ",{label}")?,
            None => {}
        }
        if let Some(&record) = beats.records.get(row).filter(|_| named) {
            write!(out, ",{}", quoted(&beats.record_names[record as usize]))?;
        }
        writeln!(out)?;
    }
    out.flush()
}

/// A cell, in quotes where it has a comma.
fn quoted(cell: &str) -> String {
    match cell.contains(',') {
        true => format!("\"{cell}\""),
        false => cell.into(),
    }
}

/// Reads from bytes that lie elsewhere than in a file, which messages call `name`.
pub fn from_bytes(
    bytes: impl Read + Send + 'static,
    name: &Path,
    input: &InputSpec,
    reading: &Reading,
    rows: usize,
    classes: &Classes,
) -> Chunks {
    let bytes: Box<dyn BufRead + Send> = Box::new(BufReader::new(bytes));
    let asked = Asked {
        input,
        reading,
        rows,
        classes,
    };
    let mut reader = Text::new(bytes, name, &asked);
    until_end(asked.rows(), move || reader.chunk())
}

/// Chunks of `rows` rows up to the first that is shorter, or the first error.
fn until_end(rows: usize, mut chunk: impl FnMut() -> Result<Beats> + Send + 'static) -> Chunks {
    let mut done = false;
    Box::new(std::iter::from_fn(move || {
        if done {
            return None;
        }
        let chunk = chunk();
        done = chunk.as_ref().map_or(true, |beats| beats.len() < rows);
        match chunk {
            Ok(beats) if beats.is_empty() => None,
            chunk => Some(chunk),
        }
    }))
}

#[cfg(test)]
mod tests;
