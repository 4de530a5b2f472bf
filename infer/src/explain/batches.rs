//! The beats that are explained, a batch at a time.

use std::path::Path;

use data::beat_files::table::Reading;
use data::datasets::dataset::{self, Kind, Place};
use data::pipeline::beats::Beats;
use data::record::error::ensure;
use models::Contract;
use models::fit::out_of_order;

use super::arguments::{Explain, RowList};
use super::graph::InputBatch;
use super::remembered::Recent;
use crate::error::{Error, Result};
use crate::source::{Choice, Chunks, Fiducials, Source};

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

/// Beats of a source, prepared as the contract says.
pub(crate) struct Portion {
    /// The beats.
    pub beats: Beats,
    /// The row of each in its source.
    pub numbers: Vec<u64>,
    /// Those before each that a model with a memory knows of.
    pub earlier: Vec<InputBatch>,
}

/// Beats of a source, `portion` or more at a time; with `rows` those alone. They
/// come from `chunks`, and `path` is what messages call them.
pub(crate) fn portions(
    (path, chunks): (&Path, Chunks),
    contract: &Contract,
    portion: usize,
    rows: Option<&RowList>,
    mut each: impl FnMut(Portion) -> Result<()>,
) -> Result<()> {
    let mut held: Option<Portion> = None;
    let mut recent = Recent::new(contract);
    let mut seen = 0;
    for chunk in chunks {
        let chunk = chunk?;
        if let Some(why) = out_of_order(contract.memory, &chunk) {
            return Err(Error::Unfit(format!("{}: {why}", path.display())));
        }
        let mut before: Vec<InputBatch> = (0..chunk.len())
            .map(|row| recent.take(&chunk, row))
            .collect();
        let numbers = seen..seen + chunk.len() as u64;
        seen = numbers.end;
        let (beats, numbers, earlier): (Beats, Vec<u64>, _) = match rows {
            None => (chunk, numbers.collect(), before),
            Some(RowList(rows)) => {
                let wanted = rows.iter().filter(|row| numbers.contains(row));
                let wanted: Vec<u64> = wanted.copied().collect();
                let indices: Vec<usize> = wanted
                    .iter()
                    .map(|row| (row - numbers.start) as usize)
                    .collect();
                let earlier = indices.iter().map(|&row| std::mem::take(&mut before[row]));
                let earlier = earlier.collect::<Vec<_>>();
                (chunk.select(&indices), wanted, earlier)
            }
        };
        match &mut held {
            None => {
                held = Some(Portion {
                    beats,
                    numbers,
                    earlier,
                });
            }
            Some(all) => {
                all.beats.append(&beats)?;
                all.numbers.extend(numbers);
                all.earlier.extend(earlier);
            }
        }
        if let Some(full) = held.take_if(|held| held.beats.len() >= portion) {
            each(full)?;
        }
    }
    let name = path.display();
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
        Some(rest) if !rest.beats.is_empty() => each(rest),
        _ => Ok(()),
    }
}
