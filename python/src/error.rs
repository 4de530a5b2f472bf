//! Why something could not be done, as Python's exceptions.

use std::path::{Path, PathBuf};

use data::program::Usage;
use data::record::error::told;
use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

create_exception!(
    ectopy,
    Error,
    PyException,
    "Why something could not be done; the kinds below say whose fault it is."
);
create_exception!(
    ectopy,
    InputError,
    Error,
    "A recording, an annotation file or an array that cannot be used, or a file that cannot be written."
);
create_exception!(
    ectopy,
    ModelError,
    Error,
    "A file that is no model, or a model that does not fit what it is asked for."
);
create_exception!(
    ectopy,
    UsageError,
    Error,
    "Arguments that are out of range or do not go together."
);
create_exception!(
    ectopy,
    InternalError,
    Error,
    "A fault of this package. Please report it with the message."
);

/// Why something could not be done.
#[derive(Debug)]
pub enum Failure {
    /// A recording or an output.
    Data(data::Error),
    /// The same, and which recording it is about.
    Of(PathBuf, data::Error),
    /// The model.
    Model(embedded::Error),
    /// A report.
    Report(report::Error),
    /// A command of a program.
    Program(anyhow::Error),
    /// Arguments.
    Usage(String),
    /// What Python raised, such as on Ctrl-C.
    Python(PyErr),
}

pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// The same, which names the recording where the words do not.
    pub fn of(self, recording: &Path) -> Failure {
        match self {
            Failure::Data(error) if !told(&error).contains(&*recording.to_string_lossy()) => {
                Failure::Of(recording.to_owned(), error)
            }
            failure => failure,
        }
    }
}

impl From<data::Error> for Failure {
    fn from(error: data::Error) -> Failure {
        Failure::Data(error)
    }
}

impl From<embedded::Error> for Failure {
    fn from(error: embedded::Error) -> Failure {
        match error {
            embedded::Error::Data(error) => Failure::Data(error),
            error => Failure::Model(error),
        }
    }
}

impl From<report::Error> for Failure {
    fn from(error: report::Error) -> Failure {
        match error {
            report::Error::Data(error) => Failure::Data(error),
            error => Failure::Report(error),
        }
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Failure {
        Failure::Python(error)
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> PyErr {
        match failure {
            Failure::Data(error) => InputError::new_err(told(&error)),
            Failure::Of(path, error) => {
                InputError::new_err(format!("{}: {}", path.display(), told(&error)))
            }
            Failure::Model(error) => ModelError::new_err(told(&error)),
            Failure::Report(error) => ModelError::new_err(told(&error)),
            Failure::Program(error) => match error.chain().any(|cause| cause.is::<Usage>()) {
                true => UsageError::new_err(told(error.as_ref())),
                false => InputError::new_err(told(error.as_ref())),
            },
            Failure::Usage(words) => UsageError::new_err(words),
            Failure::Python(error) => error,
        }
    }
}

/// Does what takes long while other threads of Python run. A panic, which is a fault
/// of ours, becomes an [`InternalError`].
///
/// # Errors
/// Those of `work`.
pub fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    match py.detach(|| catch_unwind(AssertUnwindSafe(work))) {
        Ok(done) => Ok(done?),
        Err(panic) => {
            let words = panic.downcast_ref::<String>().map(String::as_str);
            let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(InternalError::new_err(format!(
                "a fault of ectopy: {}",
                words.unwrap_or("a panic without words")
            )))
        }
    }
}

/// Lets Python handle signals: on Ctrl-C its `KeyboardInterrupt`.
///
/// # Errors
/// What a handler raises.
pub fn heed_signals() -> Result<()> {
    Ok(Python::attach(|py| py.check_signals())?)
}
