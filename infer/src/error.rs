//! The error of this crate: which side is at fault, and the words for people.

use std::path::{Path, PathBuf};

use data::program::Usage;
use models::contract::ContractError;
use models::onnx::ExportError;

/// Why beats could not be classified, measured or explained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A recording, a file of beats, or an output.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// A report that cannot be made.
    #[error(transparent)]
    Report(report::Error),
    /// Arguments that are out of range or do not go together.
    #[error("{0}")]
    Usage(#[source] Usage),
    /// An input without beats, or without those that are asked for.
    #[error("{0}")]
    Input(String),
    /// Beats that were prepared otherwise than the model expects.
    #[error("{0}")]
    Unfit(String),
    /// A stream of samples that the model cannot monitor.
    #[error(transparent)]
    Stream(#[from] models::monitor::Unfit),
    /// A file that is no model, or has no contract that can be honoured.
    #[error("{}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ContractError,
    },
    /// A network whose gradients cannot be written as a graph.
    #[error("{}", path.display())]
    Explain {
        /// The file that holds the network.
        path: PathBuf,
        /// What is wrong with it.
        source: ExportError,
    },
    /// A graph that does not keep what its contract promises, or an answer
    /// that is none.
    #[error("{}: {detail}", path.display())]
    Graph {
        /// The model's file.
        path: PathBuf,
        /// What is promised, and what is there.
        detail: String,
    },
    /// ONNX Runtime is missing or too old, or fails on a model.
    #[error("{0}")]
    Runtime(String),
    /// A file that cannot be written, by a library that says why.
    #[error("{}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// What the library says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Standard output takes no more.
    #[error("standard output")]
    Stdout(#[source] std::io::Error),
    /// Another error, and the part of the work that it came from.
    #[error("{part}")]
    Within {
        /// Such as the record.
        part: String,
        /// What happened.
        source: Box<Error>,
    },
}

/// A result whose error is [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<report::Error> for Error {
    fn from(error: report::Error) -> Error {
        match error {
            report::Error::Data(error) => Error::Data(error),
            other => Error::Report(other),
        }
    }
}

impl Error {
    /// An [`Error::Usage`].
    pub(crate) fn usage(words: String) -> Error {
        Error::Usage(Usage(words))
    }

    /// An [`Error::Model`] for use in `map_err`.
    pub(crate) fn model(path: &Path) -> impl FnOnce(ContractError) -> Error {
        let path = path.to_owned();
        move |source| Error::Model { path, source }
    }

    /// An [`Error::Explain`] for use in `map_err`.
    pub(crate) fn explain(path: &Path) -> impl FnOnce(ExportError) -> Error {
        let path = path.to_owned();
        move |source| Error::Explain { path, source }
    }

    /// An [`Error::Graph`].
    pub(crate) fn graph(path: &Path, detail: impl Into<String>) -> Error {
        let (path, detail) = (path.to_owned(), detail.into());
        Error::Graph { path, detail }
    }

    /// An [`Error::Output`] for use in `map_err`.
    pub(crate) fn output<E>(path: &Path) -> impl Fn(E) -> Error + use<E>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let path = path.to_owned();
        move |source| Error::Output {
            path: path.clone(),
            source: source.into(),
        }
    }

    /// This error as one of a part of the work.
    pub(crate) fn within(self, part: impl Into<String>) -> Error {
        Error::Within {
            part: part.into(),
            source: Box::new(self),
        }
    }
}
