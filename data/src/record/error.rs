//! The error of this crate: what was read, what is wrong with it, what mends it.

mod failures;

use std::path::{Path, PathBuf};

pub use failures::Failures;

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
    Failed(Failures),
}

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error where a condition does not hold, for typed errors.
///
/// # Errors
/// What `error` makes.
pub fn ensure<E>(holds: bool, error: impl FnOnce() -> E) -> Result<(), E> {
    if holds { Ok(()) } else { Err(error()) }
}

/// An error and its causes in one line, the outermost first. A cause that is
/// part of the words before it already is not told again.
pub fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::new();
    for cause in causes(error) {
        let words = cause.to_string();
        if text.is_empty() {
            text = words;
        } else if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
    }
    text
}

/// An error, its cause, the cause of that, and so on.
pub(crate) fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

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
