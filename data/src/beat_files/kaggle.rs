//! The Kaggle heartbeat format: CSV without a header, 187 samples
//! scaled to `[0, 1]` and padded with zeros, then, where the beats have been
//! labelled, the class: 0 to 4 for N S V F Q, or as other [`Classes`] say.
//!
//! What other programs make of it is read too where it has one meaning only: a
//! header line, a byte-order mark, semicolons, tabs or spaces between the
//! cells, quotes, decimal commas, a separator or a blank line at the end.

mod dialect;
mod number;
mod parser;

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use crate::formats::foreign;
use crate::output::OutputFile;
use crate::pipeline::beats::Beats;
use crate::pipeline::input::{InputSpec, Layout};
use crate::record::classes::Classes;
use crate::record::error::{Error, Result};
use dialect::{Dialect, First};
use parser::Extent;

/// Longest line that is read, in bytes: ten times one of the public files.
const LONGEST_LINE: u64 = 1 << 16;

/// Bytes read from the disk at once.
const BUFFER: usize = 1 << 18;

/// Reads a file in chunks of rows, in memory that does not grow with the file.
///
/// The first row decides whether there is a label column. Iteration ends after
/// the first error.
pub struct Reader {
    input: Box<dyn BufRead + Send>,
    path: PathBuf,
    rows: usize,
    spec: InputSpec,
    /// What the column of labels means.
    classes: Classes,
    dialect: Dialect,
    /// Lines read so far.
    line: u64,
    /// The line after which only blank ones may follow.
    blank: Option<u64>,
    /// Columns, and the line that settled them: a header or the first row.
    columns: Option<(usize, u64)>,
    /// What the rows read so far have in common.
    extent: Extent,
    buffer: Vec<u8>,
    done: bool,
}

impl Reader {
    /// Opens a file to be read in chunks of at most `rows` beats, at least 1,
    /// whose labels are of `classes`.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be opened.
    pub fn open(path: &Path, rows: usize, classes: &Classes) -> Result<Reader> {
        let file = File::open(path).map_err(Error::io(path))?;
        let input = Box::new(BufReader::with_capacity(BUFFER, file));
        Ok(Reader::new(input, path, rows, classes))
    }

    /// Reads from `input`, which messages call `name`.
    pub fn new(
        input: Box<dyn BufRead + Send>,
        name: &Path,
        rows: usize,
        classes: &Classes,
    ) -> Reader {
        Reader {
            input,
            path: name.into(),
            rows: rows.max(1),
            spec: InputSpec::kaggle(),
            classes: classes.clone(),
            dialect: Dialect::default(),
            line: 0,
            blank: None,
            columns: None,
            extent: Extent::default(),
            buffer: Vec::new(),
            done: false,
        }
    }

    fn chunk(&mut self) -> Result<Beats> {
        let length = self.spec.length();
        let mut beats = Beats::new(self.spec.clone(), &self.classes);
        beats.windows.reserve_exact(self.rows.min(ROWS) * length);
        while beats.len() < self.rows {
            if !self.read_line()? {
                self.end()?;
                break;
            }
            if self.buffer.trim_ascii().is_empty() {
                self.blank.get_or_insert(self.line);
                continue;
            }
            if let Some(line) = self.blank {
                let what = "the line is blank, and lines with beats follow it; remove it";
                return Err(Error::at_line(&self.path, line, what));
            }
            if self.line > 1 || self.begins_with_row()? {
                self.row(&mut beats)?;
            }
        }
        Ok(beats)
    }

    /// Reads the next line without its end; false at the end of the file.
    fn read_line(&mut self) -> Result<bool> {
        self.buffer.clear();
        let mut input = self.input.by_ref().take(LONGEST_LINE);
        let read = input.read_until(b'\n', &mut self.buffer);
        if read.map_err(Error::io(&self.path))? == 0 {
            return Ok(false);
        }
        self.line += 1;
        if self.line == 1 {
            if let Some(what) = foreign::kind(&self.buffer) {
                return Err(Error::malformed(
                    &self.path,
                    format!("not CSV: the file is {what}"),
                ));
            }
            if self.buffer.starts_with(foreign::BYTE_ORDER_MARK) {
                self.buffer.drain(..foreign::BYTE_ORDER_MARK.len());
            }
        }
        let whole = self.buffer.len() as u64 == LONGEST_LINE;
        while let Some(b'\n' | b'\r') = self.buffer.last() {
            self.buffer.pop();
        }
        if self.buffer.contains(&b'\r') {
            return Err(self.malformed(
                "the lines end in carriage returns alone; write them with line feeds (tr '\\r' '\\n')"
                    .into(),
            ));
        }
        if whole && self.buffer.len() as u64 == LONGEST_LINE {
            return Err(self.malformed(format!("the line is longer than {LONGEST_LINE} bytes")));
        }
        Ok(true)
    }

    /// Takes the first line for what it is: a header, which settles the number
    /// of columns, or (`true`) a beat.
    fn begins_with_row(&mut self) -> Result<bool> {
        let length = self.spec.length();
        self.dialect = Dialect::of(&self.buffer, length);
        match self.dialect.first(&self.buffer, length) {
            First::Row => Ok(true),
            First::Header(columns) => {
                self.columns = Some((columns, self.line));
                Ok(false)
            }
            First::Refused(why) => Err(self.malformed(why)),
        }
    }

    /// Refuses a file that had no beats, or that as a whole cannot be scaled
    /// as the format demands.
    fn end(&self) -> Result<()> {
        let length = self.spec.length();
        let refuse = |what: String| Err(Error::malformed(&self.path, what));
        if self.extent.rows() == 0 {
            let what = match self.columns {
                Some(_) => "there is only a header",
                None => "the file is empty",
            };
            return refuse(format!(
                "{what}; expected rows of {length} samples and, where known, a class"
            ));
        }
        match self.extent.doubt() {
            Some(doubt) => refuse(doubt),
            None => Ok(()),
        }
    }

    fn malformed(&self, detail: String) -> Error {
        Error::at_line(&self.path, self.line, detail)
    }
}

impl Iterator for Reader {
    type Item = Result<Beats>;

    fn next(&mut self) -> Option<Result<Beats>> {
        if self.done {
            return None;
        }
        let chunk = self.chunk();
        self.done = match &chunk {
            Ok(beats) => beats.len() < self.rows,
            Err(_) => true,
        };
        match chunk {
            Ok(beats) if beats.is_empty() => None,
            chunk => Some(chunk),
        }
    }
}

/// Rows in memory while a whole file is read.
const ROWS: usize = 4096;

/// Reads a whole file whose labels are of `classes`.
///
/// # Errors
/// [`Error::Io`]; [`Error::Malformed`] with the line for a row that is not of
/// the format, and for an empty file.
pub fn read(path: &Path, classes: &Classes) -> Result<Beats> {
    let mut all = Beats::new(InputSpec::kaggle(), classes);
    for chunk in Reader::open(path, ROWS, classes)? {
        all.append(&chunk?)?;
    }
    Ok(all)
}

/// Writes beats of [`Layout::Kaggle`], with the label column if they have
/// labels. Each value is written in the fewest digits that read back the same.
///
/// # Errors
/// [`Error::Invalid`] when the beats were prepared in another way;
/// [`Error::Io`] when the file cannot be written.
pub fn write(path: &Path, beats: &Beats) -> Result<()> {
    if beats.input.layout != Layout::Kaggle {
        return Err(Error::Invalid(
            "only beats in the Kaggle layout can be written as Kaggle CSV; write a store (.h5) instead".into(),
        ));
    }
    let mut file = OutputFile::create(path)?;
    write_rows(&mut BufWriter::new(&mut file), beats).map_err(Error::io(path))?;
    file.commit()
}

fn write_rows(out: &mut impl Write, beats: &Beats) -> std::io::Result<()> {
    for row in 0..beats.len() {
        for (i, value) in beats.window(row).iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(out, "{comma}{value}")?;
        }
        if let Some(label) = beats.labels.get(row) {
            write!(out, ",{label}")?;
        }
        writeln!(out)?;
    }
    out.flush()
}

#[cfg(test)]
mod tests;
