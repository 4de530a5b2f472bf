//! Output files that are whole or absent: written under a temporary name in
//! the same folder, then renamed.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::record::error::{Error, Result};

/// A file that appears under its name only when [`OutputFile::commit`] is
/// called; dropped before that, it leaves nothing behind.
pub struct OutputFile {
    writer: BufWriter<NamedTempFile>,
    path: PathBuf,
}

impl OutputFile {
    /// Opens a temporary file beside `path`, creating the folder if need be.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be written.
    pub fn create(path: impl Into<PathBuf>) -> Result<OutputFile> {
        let path = path.into();
        let folder = match path.parent() {
            Some(p) if !p.as_os_str().is_empty() => p,
            _ => Path::new("."),
        };
        std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".").suffix(".tmp");
        // A temporary file is private; a finished output is as readable as
        // any other file that the user makes.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
        let file = builder.tempfile_in(folder).map_err(Error::io(&path))?;
        Ok(OutputFile {
            writer: BufWriter::new(file),
            path,
        })
    }

    /// Where the bytes lie until [`OutputFile::commit`], for libraries that
    /// insist on opening a path themselves.
    pub fn temporary_path(&self) -> &Path {
        self.writer.get_ref().path()
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
        file.as_file().sync_all().map_err(Error::io(&path))?;
        file.persist(&path).map_err(|e| Error::io(&path)(e.error))?;
        Ok(())
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

/// Whether the reader of a pipe went away, such as `head` that has seen enough:
/// for a program no failure.
pub fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |e| e.source())
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
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
