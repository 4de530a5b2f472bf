//! A piece of a file that is in memory and moves on.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::record::error::{Error, Result};

/// The piece of a file from where it was last asked for something on.
pub(super) struct Window {
    path: PathBuf,
    file: File,
    /// Where the bytes lie in the file.
    start: u64,
    bytes: Vec<u8>,
    /// Bytes that are read at once.
    ahead: usize,
}

impl Window {
    /// A window that takes `ahead` bytes at once, or more where more is asked for.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(path: &Path, ahead: usize) -> Result<Window> {
        Ok(Window {
            path: path.to_owned(),
            file: File::open(path).map_err(Error::io(path))?,
            start: 0,
            bytes: Vec::new(),
            ahead,
        })
    }

    /// `length` bytes from `from` on.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] where the file has become shorter.
    pub fn get(&mut self, from: u64, length: usize) -> Result<&[u8]> {
        let held = from
            .checked_sub(self.start)
            .and_then(|skip| usize::try_from(skip).ok())
            .filter(|skip| {
                skip.checked_add(length)
                    .is_some_and(|end| end <= self.bytes.len())
            });
        let skip = match held {
            Some(skip) => skip,
            None => {
                self.bytes.clear();
                self.start = from;
                let io = |cause| Error::io(&self.path)(cause);
                self.file.seek(SeekFrom::Start(from)).map_err(io)?;
                let wanted = length.max(self.ahead) as u64;
                // Memory grows with what comes, whatever was asked for.
                let mut piece = (&mut self.file).take(wanted);
                piece.read_to_end(&mut self.bytes).map_err(io)?;
                0
            }
        };
        self.bytes.get(skip..skip + length).ok_or_else(|| {
            Error::malformed(
                &self.path,
                "it ended while it was read; the file was cut short meanwhile",
            )
        })
    }
}
