//! The error of this crate: what was read, what is wrong with it, what mends it.

use std::path::{Path, PathBuf};

/// Why a file or a request could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a read or write.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said. It is part of the message, and therefore not
        /// the error's `source`, which would print it twice.
        cause: std::io::Error,
    },
    /// The bytes are not what the format demands.
    #[error("{}: {detail}", place(path, *line))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line number from 1, for text formats.
        line: Option<u64>,
        /// What was expected, what was found, and the remedy.
        detail: String,
    },
    /// Well-formed, but something this crate cannot handle.
    #[error("{}: {detail}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What is not handled, and the way round it.
        detail: String,
    },
    /// A request that cannot be met: an argument, a setting or a combination.
    #[error("{0}")]
    Invalid(String),
    /// Some recordings of several failed; the others were done.
    #[error("{0}")]
    Failed(crate::datasets::dataset::Failures),
}

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

fn place(path: &Path, line: Option<u64>) -> String {
    match line {
        Some(line) => format!("{}, line {line}", path.display()),
        None => path.display().to_string(),
    }
}

impl Error {
    /// An [`Error::Io`] for use in `map_err`.
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |cause| Error::Io { path, cause }
    }

    /// An [`Error::Malformed`] without a line number.
    pub fn malformed(path: impl Into<PathBuf>, detail: impl Into<String>) -> Error {
        Error::Malformed {
            path: path.into(),
            line: None,
            detail: detail.into(),
        }
    }

    /// An [`Error::Malformed`] at a line, counted from 1.
    pub fn at_line(path: impl Into<PathBuf>, line: u64, detail: impl Into<String>) -> Error {
        Error::Malformed {
            path: path.into(),
            line: Some(line),
            detail: detail.into(),
        }
    }

    /// An [`Error::Unsupported`].
    pub fn unsupported(path: impl Into<PathBuf>, detail: impl Into<String>) -> Error {
        Error::Unsupported {
            path: path.into(),
            detail: detail.into(),
        }
    }
}
