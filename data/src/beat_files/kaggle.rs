//! The Kaggle heartbeat format: CSV without a header, 187 samples
//! scaled to `[0, 1]` and padded with zeros, then, where the beats have been
//! labelled, the class 0 to 4 for N S V F Q.

mod number;

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use crate::output::OutputFile;
use crate::pipeline::beats::Beats;
use crate::pipeline::input::{InputSpec, Layout};
use crate::record::aami::Class;
use crate::record::error::{Error, Result};

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
    /// Lines read so far.
    line: u64,
    /// Columns of the first row.
    columns: Option<usize>,
    buffer: Vec<u8>,
    done: bool,
}

impl Reader {
    /// Opens a file to be read in chunks of at most `rows` beats, at least 1.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be opened.
    pub fn open(path: &Path, rows: usize) -> Result<Reader> {
        let file = File::open(path).map_err(Error::io(path))?;
        let input = Box::new(BufReader::with_capacity(BUFFER, file));
        Ok(Reader::new(input, path, rows))
    }

    /// Reads from `input`, which messages call `name`.
    pub fn new(input: Box<dyn BufRead + Send>, name: &Path, rows: usize) -> Reader {
        Reader {
            input,
            path: name.into(),
            rows: rows.max(1),
            spec: InputSpec::kaggle(),
            line: 0,
            columns: None,
            buffer: Vec::new(),
            done: false,
        }
    }

    fn chunk(&mut self) -> Result<Beats> {
        let length = self.spec.length();
        let mut beats = Beats::new(self.spec.clone());
        beats.windows.reserve_exact(self.rows * length);
        for _ in 0..self.rows {
            if !self.read_line()? {
                if self.line == 0 {
                    let what = format!(
                        "the file is empty; expected rows of {length} samples and, where known, a class"
                    );
                    return Err(Error::malformed(&self.path, what));
                }
                break;
            }
            self.row(&mut beats)?;
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
        while let Some(b'\n' | b'\r') = self.buffer.last() {
            self.buffer.pop();
        }
        if self.buffer.len() as u64 == LONGEST_LINE {
            return Err(self.malformed(format!("the line is longer than {LONGEST_LINE} bytes")));
        }
        Ok(true)
    }

    /// Parses the line in the buffer as one beat.
    fn row(&mut self, beats: &mut Beats) -> Result<()> {
        let length = self.spec.length();
        let start = beats.windows.len();
        let mut rest = &self.buffer[..];
        let mut label = None;
        let mut columns = 0;
        loop {
            let (cell, after) = number::take(rest);
            columns += 1;
            match cell {
                Some(value) if value.is_finite() && columns <= length => beats.windows.push(value),
                Some(value) if value.is_finite() => label = Some(value),
                _ => return Err(self.not_a_number(rest, columns)),
            }
            match after {
                Some(after) => rest = after,
                None => break,
            }
            if columns > length + 1 {
                columns += rest.iter().filter(|&&b| b == b',').count() + 1;
                break;
            }
        }
        let expected = match self.columns {
            Some(first) => first,
            None if columns == length || columns == length + 1 => columns,
            None => {
                return Err(self.malformed(format!(
                    "{columns} columns; expected {length} samples and, where known, the class"
                )));
            }
        };
        if columns != expected {
            return Err(self.malformed(format!(
                "{columns} columns; expected {expected} as in line 1"
            )));
        }
        self.columns = Some(expected);
        debug_assert_eq!(beats.windows.len(), start + length);
        if let Some(value) = label {
            let class = (value >= 0.0 && value.fract() == 0.0)
                .then(|| Class::from_index(value as usize))
                .flatten();
            let Some(class) = class else {
                return Err(self.malformed(format!(
                    "the class in column {columns} is {value}; expected 0 to {} for N S V F Q",
                    Class::ALL.len() - 1
                )));
            };
            beats.labels.push(class);
        }
        Ok(())
    }

    fn not_a_number(&self, rest: &[u8], column: usize) -> Error {
        let cell = rest.split(|&b| b == b',').next().unwrap_or_default();
        let shown: String = String::from_utf8_lossy(cell).chars().take(20).collect();
        let hint = if self.line == 1 {
            "; the format has no header line"
        } else {
            ""
        };
        self.malformed(format!(
            "column {column} is {shown:?}, not a finite number{hint}"
        ))
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

/// Reads a whole file.
///
/// # Errors
/// [`Error::Io`]; [`Error::Malformed`] with the line for a row that is not of
/// the format, and for an empty file.
pub fn read(path: &Path) -> Result<Beats> {
    const ROWS: usize = 4096;
    let mut all = Beats::new(InputSpec::kaggle());
    for chunk in Reader::open(path, ROWS)? {
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
            write!(out, ",{}", label.index())?;
        }
        writeln!(out)?;
    }
    out.flush()
}

#[cfg(test)]
mod tests;
