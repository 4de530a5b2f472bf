//! The inputs that are explained.

use data::beat_files::table::Reading;
use data::datasets::dataset::{self, Kind, Place};
use data::record::error::ensure;

use super::arguments::Explain;
use crate::error::{Error, Result};
use crate::source::{Choice, Fiducials, Source};

/// The inputs that the arguments name.
///
/// # Errors
/// There is none, or `--rows` counts the beats of several.
pub(super) fn sources(arguments: &Explain) -> Result<Vec<Source>> {
    let choice = Choice {
        fiducials: Fiducials::of(arguments.reference.as_deref(), arguments.detect),
        lead: arguments.lead.clone(),
        table: Reading {
            columns: arguments.table.clone().unwrap_or_default(),
            normalise: arguments.normalise,
        },
        samples: arguments.samples.clone(),
    };
    if Place::of(&arguments.input)?.kind != Kind::Folder {
        let sources = Source::find(&arguments.input, &choice)?;
        Source::heed(&sources, &choice)?;
        return Ok(sources);
    }
    let names = dataset::select(&arguments.input, &arguments.records)?.into_iter();
    let sources: Vec<Source> = names
        .map(|name| Source::record(&arguments.input, name, &choice))
        .collect();
    Source::heed(&sources, &choice)?;
    ensure(arguments.rows.is_none() || sources.len() == 1, || {
        Error::Input(format!(
            "--rows counts the beats of one input; {} has {} records, name one of them",
            arguments.input.display(),
            sources.len()
        ))
    })?;
    Ok(sources)
}
