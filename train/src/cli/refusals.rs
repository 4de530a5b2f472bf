//! Command lines that are refused with a remedy of their own.

use clap::ArgMatches;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use data::record::error::ensure;

use super::{COMPARE, DESCRIBE, SWEEP, flat};
use crate::error::{Error, Result};
use crate::settings::Settings;

/// What `train` does beside training.
const TASKS: [&str; 3] = [DESCRIBE, SWEEP, COMPARE];

/// The settings that describe a network.
const NETWORK: [&str; 7] = [
    "stem",
    "blocks",
    "pooling",
    "rhythm_hidden",
    "hidden",
    "dropout",
    "memory",
];

/// Refuses a network that is described beside --init, by flags or in a settings
/// file: the model has its own.
///
/// # Errors
/// Names the setting.
pub(super) fn network(matches: &ArgMatches, asked: &Settings, defaults: &Settings) -> Result<()> {
    let (asked, defaults) = (flat(asked)?, flat(defaults)?);
    let typed = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let ignored = NETWORK.into_iter().find(|id| {
        let key = id.replace('_', "-");
        typed(id) || asked.get(&key) != defaults.get(&key)
    });
    ensure(ignored.is_none(), || {
        let key = ignored.unwrap_or_default().replace('_', "-");
        Error::usage(format!(
            "--init brings its own network, on which --{key} has no effect: leave out --{key}, and in the file of --config {key}"
        ))
    })
}

/// What clap refuses; of a word that is neither a flag nor a task with the way to
/// name several folders, which is what it mostly was meant for.
pub(super) fn typed(error: clap::Error) -> Error {
    let place = match error.kind() {
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        // After other flags clap takes any word for a task.
        ErrorKind::InvalidSubcommand | ErrorKind::ArgumentConflict => {
            ContextKind::InvalidSubcommand
        }
        _ => return error.into(),
    };
    match error.get(place) {
        Some(ContextValue::String(word)) if !word.starts_with('-') && !TASKS.contains(&&**word) => {
            Error::usage(format!(
                "'{word}' is neither a flag nor a task ({}); a second folder or file to train on goes with --extra: --data FIRST --extra {word}",
                TASKS.join(", ")
            ))
        }
        _ => error.into(),
    }
}
