//! Why a page could not be made.

/// Why a page could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The recording could not be read.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// The page holds fewer classes.
    #[error(
        "the model tells {0} classes apart, and a report at most {1}; classify without a report, or take a model of fewer classes"
    )]
    Classes(usize, usize),
    /// The template could not be filled.
    #[error("the page could not be filled: {0}")]
    Template(#[from] askama::Error),
}

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
