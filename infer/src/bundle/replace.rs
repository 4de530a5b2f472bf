//! Which folder a bundle may take the place of.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use data::record::checksum;
use data::record::error::ensure;
use models::shipped::bundle::CONFIG;

use super::{CARD, CHECKSUMS, server};
use crate::error::{Error, Result};

/// The files of a bundle that are no model's.
pub const FILES: [&str; 7] = [
    CARD,
    CHECKSUMS,
    server::DOCKERFILE,
    server::COMPOSE,
    server::UNIT,
    server::RUNTIME,
    server::PROGRAM,
];

/// Refuses a folder with anything in it that would be lost: whatever is not of a
/// bundle always, and a bundle that was changed since it was made without `force`.
///
/// # Errors
/// Says what is in the way and what to do.
pub fn check(folder: &Path, model: &Path, force: bool) -> Result<()> {
    let refuse = |what: String| {
        let refused = format!("{}: {what}", folder.display());
        Err(Error::from(data::Error::Invalid(refused)))
    };
    if let (Ok(folder), Ok(model)) = (folder.canonicalize(), model.canonicalize())
        && model.starts_with(folder)
    {
        return refuse(format!(
            "the model {} lies in it; name another folder",
            model.display()
        ));
    }
    if !folder.is_dir() {
        return Ok(());
    }
    let found = files(folder, Path::new(""))?;
    if found.is_empty() {
        return Ok(());
    }
    let is_model = |name: &Path| folder.join(name).join(CONFIG).is_file();
    let foreign = found.iter().find(|file| {
        let first = file.iter().next().map(Path::new).unwrap_or(file);
        let is_ours = |first: &Path| FILES.iter().any(|ours| first == Path::new(ours));
        !is_ours(first) && !is_model(first)
    });
    if let Some(foreign) = foreign {
        return refuse(format!(
            "holds {}, which is of no bundle; name another folder, or move that away",
            foreign.display()
        ));
    }
    ensure(force || is_unchanged(folder, &found), || {
        data::Error::Invalid(format!(
            "{}: is there already, and is not a bundle as this program made it; name another folder, or give --force to replace it",
            folder.display()
        ))
    })?;
    Ok(())
}

/// Whether the files are those that the checksums name, and as they were.
fn is_unchanged(folder: &Path, found: &[PathBuf]) -> bool {
    let Ok(text) = std::fs::read_to_string(folder.join(CHECKSUMS)) else {
        return false;
    };
    let sums: Option<BTreeMap<PathBuf, &str>> = text
        .lines()
        .map(|line| line.split_once("  ").map(|(sum, file)| (file.into(), sum)))
        .collect();
    let Some(sums) = sums else {
        return false;
    };
    let is_whole = |file: &PathBuf| {
        let sum = checksum::of_file(&folder.join(file));
        sum.is_ok_and(|sum| sums.get(file) == Some(&sum.as_str()))
    };
    let made: Vec<&PathBuf> = found
        .iter()
        .filter(|f| *f != Path::new(CHECKSUMS))
        .collect();
    made.len() == sums.len() && made.into_iter().all(is_whole)
}

/// All files in a folder and those below it, from that folder on; a folder without
/// any is named as one.
fn files(folder: &Path, below: &Path) -> Result<Vec<PathBuf>> {
    let place = folder.join(below);
    let failed = |e| Error::from(data::Error::io(&place)(e));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&place).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = below.join(entry.file_name());
        match entry.file_type().map_err(failed)?.is_dir() {
            true => match files(folder, &name)? {
                inner if inner.is_empty() => found.push(name),
                inner => found.extend(inner),
            },
            false => found.push(name),
        }
    }
    Ok(found)
}
