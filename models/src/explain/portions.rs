//! The beats that are explained, a portion at a time.

use std::path::Path;

use data::pipeline::beats::Beats;
use data::record::error::{Error, ensure};

use super::InputBatch;
use super::remembered::Recent;
use crate::Contract;
use crate::fit::out_of_order;

/// Beats of a source, prepared as the contract says.
pub struct Portion {
    /// The beats.
    pub beats: Beats,
    /// The row of each in its source.
    pub numbers: Vec<u64>,
    /// Those before each that a model with a memory knows of.
    pub earlier: Vec<InputBatch>,
}

/// Beats of a source, `portion` or more at a time; with `rows`, ascending, those
/// alone. They come from `chunks`, and `path` is what messages call them.
///
/// # Errors
/// Those of `chunks` and of `each`; [`Error::Invalid`] where there is no beat, or
/// none of a number in `rows`, or the order of the beats is not kept that a memory
/// needs.
pub fn portions<E: From<Error>>(
    (path, chunks): (&Path, impl Iterator<Item = Result<Beats, E>>),
    contract: &Contract,
    portion: usize,
    rows: Option<&[u64]>,
    mut each: impl FnMut(Portion) -> Result<(), E>,
) -> Result<(), E> {
    let mut held: Option<Portion> = None;
    let mut recent = Recent::new(contract);
    let mut seen = 0;
    for chunk in chunks {
        let chunk = chunk?;
        if let Some(why) = out_of_order(contract.memory, &chunk) {
            return Err(Error::Invalid(format!("{}: {why}", path.display())).into());
        }
        let mut before: Vec<InputBatch> = (0..chunk.len())
            .map(|row| recent.take(&chunk, row))
            .collect();
        let numbers = seen..seen + chunk.len() as u64;
        seen = numbers.end;
        let (beats, numbers, earlier): (Beats, Vec<u64>, _) = match rows {
            None => (chunk, numbers.collect(), before),
            Some(rows) => {
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
        Error::Invalid(format!("{name}: there is no beat in it"))
    })?;
    if let Some(row) = rows.and_then(|rows| rows.iter().find(|row| **row >= seen)) {
        return Err(Error::Invalid(format!(
            "row {row} is out of range: {name} has {seen} rows, 0 to {}",
            seen - 1
        ))
        .into());
    }
    match held {
        Some(rest) if !rest.beats.is_empty() => each(rest),
        _ => Ok(()),
    }
}
