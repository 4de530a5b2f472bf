//! Samples that lie in a file frame after frame, a frame being one sample of
//! each lead: read a piece at a time.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::record::error::{Error, Result};

/// Bytes that are read at once, at most, where a frame is not longer.
const PIECE: usize = 1 << 16;

/// The frames of a file that are not read yet.
pub(super) struct Frames {
    file: File,
    path: PathBuf,
    /// Bytes of a frame.
    size: usize,
    left: u64,
    buffer: Vec<u8>,
}

impl Frames {
    /// The `count` frames of `size` bytes that begin at byte `offset` of a file,
    /// which the caller has compared with the length of the file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(path: &Path, offset: u64, size: usize, count: u64) -> Result<Frames> {
        let mut file = File::open(path).map_err(Error::io(path))?;
        file.seek(SeekFrom::Start(offset))
            .map_err(Error::io(path))?;
        Ok(Frames {
            file,
            path: path.into(),
            size: size.max(1),
            left: count,
            buffer: Vec::new(),
        })
    }

    /// Frames that are not read yet.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The bytes of the next frames, `most` at most but one at least; none at the end.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] for a file that has become shorter.
    pub fn next(&mut self, most: usize) -> Result<&[u8]> {
        let most = most.min(PIECE / self.size).max(1) as u64;
        let count = most.min(self.left);
        self.buffer.resize(count as usize * self.size, 0);
        self.file.read_exact(&mut self.buffer).map_err(|cause| {
            match cause.kind() == ErrorKind::UnexpectedEof {
                true => Error::malformed(
                    &self.path,
                    "the file has become shorter while it was read; read it again when it is complete",
                ),
                false => Error::io(&self.path)(cause),
            }
        })?;
        self.left -= count;
        Ok(&self.buffer)
    }
}
