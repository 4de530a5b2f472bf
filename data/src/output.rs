//! Output files: what a run may replace, and files that are whole or absent.
//!
//! [`Outputs`] is the one rule about where a program may write. What passes it
//! is written as an [`OutputFile`], under a temporary name in the same folder,
//! then renamed; an [`OutputFolder`] likewise. A temporary file is named after its output and removed when the
//! program fails or [`signals`] end it; where it was killed, the next run that
//! writes into the folder removes it.

mod folder;
pub mod made_here;
mod rule;
pub mod signals;
mod temporary;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::record::error::{Error, Result};
pub use folder::OutputFolder;
pub use rule::Outputs;
pub(crate) use rule::is_own_file;
pub use temporary::{Guarded, Temporary};

/// A file that appears under its name only when [`OutputFile::commit`] is
/// called; dropped before that, it leaves nothing behind.
pub struct OutputFile {
    writer: BufWriter<File>,
    temporary: Temporary,
    path: PathBuf,
}

impl OutputFile {
    /// Opens a temporary file beside `path`, creating the folder if need be.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be written; [`Error::Invalid`] when
    /// `path` is a folder or a device.
    pub fn create(path: impl Into<PathBuf>) -> Result<OutputFile> {
        let path = path.into();
        let (temporary, file) = Temporary::beside(&path)?;
        Ok(OutputFile {
            writer: BufWriter::new(file),
            temporary,
            path,
        })
    }

    /// Where the bytes lie until [`OutputFile::commit`], for libraries that
    /// insist on opening a path themselves, and on locking it.
    pub fn temporary_path(&self) -> &Path {
        // Without locks on this file system there is none to give back.
        let _ = self.writer.get_ref().unlock();
        self.temporary.path()
    }

    /// Flushes to disk and gives the file its name, replacing an older one.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk is full or the rename is refused.
    pub fn commit(self) -> Result<()> {
        let path = self.path;
        let file = self
            .writer
            .into_inner()
            .map_err(|e| Error::io(&path)(e.into_error()))?;
        file.sync_all().map_err(Error::io(&path))?;
        self.temporary.persist(&path)
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writer.flush()
    }
}

/// Writes a whole file at once, whole or not at all.
///
/// # Errors
/// As [`OutputFile::create`] and [`OutputFile::commit`].
pub fn write(path: impl Into<PathBuf>, bytes: &[u8]) -> Result<()> {
    let path = path.into();
    let mut file = OutputFile::create(&path)?;
    file.write_all(bytes).map_err(Error::io(&path))?;
    file.commit()
}
