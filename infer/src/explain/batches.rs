//! The beats that are explained, a batch at a time.

use data::beat_files::table::Reading;
use data::datasets::dataset::{self, Kind, Place};
use data::pipeline::beats::Beats;
use data::record::error::ensure;
use models::Contract;

use super::arguments::{Explain, RowList};
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
    };
    if Place::of(&arguments.input)?.kind != Kind::Folder {
        return Source::find(&arguments.input, &choice);
    }
    let names = dataset::select(&arguments.input, &arguments.records)?.into_iter();
    let sources: Vec<Source> = names
        .map(|name| Source::record(&arguments.input, name, &choice))
        .collect();
    ensure(arguments.rows.is_none() || sources.len() == 1, || {
        Error::Input(format!(
            "--rows counts the beats of one input; {} has {} records, name one of them",
            arguments.input.display(),
            sources.len()
        ))
    })?;
    Ok(sources)
}

/// Beats of a source, prepared as the contract says, with their row numbers, `portion`
/// or more at a time; with `rows` those alone.
pub(super) fn portions(
    source: &Source,
    contract: &Contract,
    portion: usize,
    rows: Option<&RowList>,
    mut each: impl FnMut(Beats, Vec<u64>) -> Result<()>,
) -> Result<()> {
    let mut held: Option<(Beats, Vec<u64>)> = None;
    let mut seen = 0;
    for chunk in source.chunks(contract)? {
        let chunk = chunk?;
        let numbers = seen..seen + chunk.len() as u64;
        seen = numbers.end;
        let (chunk, numbers): (Beats, Vec<u64>) = match rows {
            None => (chunk, numbers.collect()),
            Some(RowList(rows)) => {
                let wanted = rows.iter().filter(|row| numbers.contains(row));
                let wanted: Vec<u64> = wanted.copied().collect();
                let indices: Vec<usize> = wanted
                    .iter()
                    .map(|row| (row - numbers.start) as usize)
                    .collect();
                (chunk.select(&indices), wanted)
            }
        };
        match &mut held {
            None => held = Some((chunk, numbers)),
            Some((beats, all)) => {
                beats.append(&chunk)?;
                all.extend(numbers);
            }
        }
        if let Some((beats, numbers)) = held.take_if(|(beats, _)| beats.len() >= portion) {
            each(beats, numbers)?;
        }
    }
    let name = source.path.display();
    ensure(seen > 0, || {
        Error::Input(format!("{name}: there is no beat in it"))
    })?;
    if let Some(row) = rows.and_then(|rows| rows.0.iter().find(|row| **row >= seen)) {
        return Err(Error::Input(format!(
            "row {row} is out of range: {name} has {seen} rows, 0 to {}",
            seen - 1
        )));
    }
    match held {
        Some((beats, numbers)) if !beats.is_empty() => each(beats, numbers),
        _ => Ok(()),
    }
}
