//! The error of this crate.

use std::path::{Path, PathBuf};

use models::contract::ContractError;
use tract_core::prelude::TractError;

/// Why samples or beats could not be classified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that cannot be read.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// A file that is no model, or has no contract that can be honoured.
    #[error("{}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ContractError,
    },
    /// A graph that does not keep what its contract promises.
    #[error("{}: {detail}", path.display())]
    Graph {
        /// The model's file.
        path: PathBuf,
        /// What is promised, and what is there.
        detail: String,
    },
    /// Beats that are not what the model expects.
    #[error("{0}")]
    Unfit(String),
    /// A stream of samples that the model cannot monitor.
    #[error(transparent)]
    Stream(#[from] models::monitor::Unfit),
    /// A network whose answer is none.
    #[error("{0}")]
    Answer(String),
    /// tract fails.
    #[error("tract: {0}")]
    Tract(String),
    /// Another error, and the part of the work that it came from.
    #[error("{part}")]
    Within {
        /// Such as the beat.
        part: String,
        /// What happened.
        source: Box<Error>,
    },
}

/// A result whose error is [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An [`Error::Model`].
    pub(crate) fn model(path: &Path, source: ContractError) -> Error {
        let path = path.to_owned();
        Error::Model { path, source }
    }

    /// An [`Error::Graph`].
    pub(crate) fn graph(path: &Path, detail: impl Into<String>) -> Error {
        let (path, detail) = (path.to_owned(), detail.into());
        Error::Graph { path, detail }
    }

    /// This error as one of a part of the work.
    pub(crate) fn within(self, part: impl Into<String>) -> Error {
        Error::Within {
            part: part.into(),
            source: Box::new(self),
        }
    }
}

/// tract's errors hold their causes themselves.
impl From<TractError> for Error {
    fn from(error: TractError) -> Error {
        Error::Tract(format!("{error:#}"))
    }
}
