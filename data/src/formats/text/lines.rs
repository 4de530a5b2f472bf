//! The lines of a file as text, which may be packed with gzip.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::formats::foreign;
use crate::record::error::{Error, Result};

/// Bytes read from the disk at once.
const BUFFER: usize = 1 << 18;

/// The first bytes of what gzip wrote.
const GZIP: &[u8] = b"\x1f\x8b";

/// Reads a file line by line, in memory that does not grow with the file.
pub(crate) struct Lines {
    input: Box<dyn BufRead + Send>,
    path: PathBuf,
    packed: bool,
    /// Longest line that is read, in bytes.
    longest: u64,
    /// Lines read so far.
    pub number: u64,
    /// The last line that was read, without its end.
    pub line: Vec<u8>,
}

impl Lines {
    /// Opens a file, unpacking it where it is packed.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(path: &Path, longest: u64) -> Result<Lines> {
        let file = File::open(path).map_err(Error::io(path))?;
        let mut plain = BufReader::with_capacity(BUFFER, file);
        let packed = plain.fill_buf().map_err(Error::io(path))?.starts_with(GZIP);
        let bytes: Box<dyn BufRead + Send> = match packed {
            true => Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(plain))),
            false => Box::new(plain),
        };
        let mut lines = Lines::new(bytes, path, longest);
        lines.packed = packed;
        Ok(lines)
    }

    /// Reads from `bytes`, which messages call `name`.
    pub fn new(bytes: Box<dyn BufRead + Send>, name: &Path, longest: u64) -> Lines {
        Lines {
            input: bytes,
            path: name.into(),
            packed: false,
            longest,
            number: 0,
            line: Vec::new(),
        }
    }

    /// Reads the next line without its end; false at the end of the file.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] for what is no text, cannot be
    /// unpacked, or has a line that is too long.
    pub fn read(&mut self) -> Result<bool> {
        self.line.clear();
        let mut input = self.input.by_ref().take(self.longest);
        let read = input.read_until(b'\n', &mut self.line);
        let read = read.map_err(|cause| match self.packed {
            true => Error::malformed(
                &self.path,
                format!(
                    "it cannot be unpacked after {} line(s): {cause}; is the file cut short? copy it again, or pack it again with gzip",
                    self.number
                ),
            ),
            false => Error::io(&self.path)(cause),
        })?;
        if read == 0 {
            return Ok(false);
        }
        self.number += 1;
        if self.number == 1 {
            if let Some(what) = foreign::kind(&self.line) {
                return Err(Error::malformed(
                    &self.path,
                    format!("not CSV: the file is {what}"),
                ));
            }
            if self.line.starts_with(foreign::BYTE_ORDER_MARK) {
                self.line.drain(..foreign::BYTE_ORDER_MARK.len());
            }
        }
        let whole = self.line.len() as u64 == self.longest;
        while let Some(b'\n' | b'\r') = self.line.last() {
            self.line.pop();
        }
        if self.line.contains(&b'\r') {
            return Err(self.malformed(
                "the lines end in carriage returns alone; write them with line feeds (tr '\\r' '\\n')",
            ));
        }
        if whole && self.line.len() as u64 == self.longest {
            return Err(self.malformed(format!("the line is longer than {} bytes", self.longest)));
        }
        Ok(true)
    }

    /// An error at the last line.
    pub fn malformed(&self, detail: impl Into<String>) -> Error {
        Error::at_line(&self.path, self.number, detail)
    }
}
