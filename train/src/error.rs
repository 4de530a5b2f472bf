//! The error of this crate: what kind of thing went wrong, and the words for
//! people.

use data::program::Usage;
use models::architecture::ArchitectureError;
use models::contract::ContractError;
use models::onnx::{EvaluateError, ExportError};
use models::weights::WeightsError;
use tch::TchError;

/// Why there is no trained network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A recording, a file of beats, a settings file or an output.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// Arguments that clap refuses, and `--help`.
    #[error(transparent)]
    Clap(#[from] clap::Error),
    /// Settings that are out of range or do not go together.
    #[error("{0}")]
    Usage(#[source] Usage),
    /// Too few beats or patients, or beats without a class.
    #[error("{0}")]
    Beats(String),
    /// A run's folder that another process or run holds, or a checkpoint that
    /// is damaged or of another run.
    #[error("{0}")]
    Run(String),
    /// A device that cannot be used.
    #[error("{0}")]
    Device(String),
    /// Values that do not make the network.
    #[error("{0}")]
    Network(String),
    /// An architecture that makes no network.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
    /// Weights that are not those of the network, or no numbers.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A network that cannot be written as ONNX.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// An exported file that cannot be read back.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// An exported graph that cannot be run.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// An exported graph that is not the network that was trained.
    #[error("{0}")]
    Verification(String),
    /// Settings that cannot be written as TOML.
    #[error("settings as TOML")]
    Toml(#[from] toml::ser::Error),
    /// Figures that cannot be written as JSON.
    #[error("figures as JSON")]
    Json(#[from] serde_json::Error),
    /// A loss that is no number any more.
    #[error("{0}")]
    Diverged(String),
    /// Standard output cannot be written.
    #[error("standard output")]
    Stdout(#[source] std::io::Error),
    /// libtorch fails, such as for want of memory.
    #[error("libtorch")]
    Torch(#[from] TchError),
    /// Another error, and the part of the work that it came from.
    #[error("{part}")]
    Within {
        /// Such as the validation part.
        part: String,
        /// What happened.
        source: Box<Error>,
    },
}

/// A result whose error is [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An [`Error::Usage`].
    pub(crate) fn usage(words: impl Into<String>) -> Error {
        Error::Usage(Usage(words.into()))
    }

    /// An [`Error::Usage`] about a flag, from what a library says.
    pub(crate) fn flag<E: std::fmt::Display>(flag: &str) -> impl FnOnce(E) -> Error {
        let flag = flag.to_owned();
        move |error| Error::usage(format!("{flag}: {error}"))
    }

    /// This error as one of a part of the work.
    pub(crate) fn within(part: impl Into<String>) -> impl FnOnce(Error) -> Error {
        let part = part.into();
        move |error| Error::Within {
            part,
            source: Box::new(error),
        }
    }
}
