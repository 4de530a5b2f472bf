//! What a file of beats holds: a table or a store.

use std::io::Write;
use std::path::Path;

#[cfg(feature = "hdf5")]
use crate::beat_files::store::Store;
use crate::beat_files::table::{self, Columns};

/// Rows of a store in memory at once.
#[cfg(feature = "hdf5")]
const ROWS: usize = 8192;

/// Shows what is in the file.
pub fn show(path: &Path, columns: &Columns, out: &mut impl Write) -> anyhow::Result<()> {
    #[cfg(feature = "hdf5")]
    if table::is_hdf5(path)? && columns.samples.is_none() {
        return store(path, out);
    }
    let shape = table::shape(path, columns)?;
    let found = table::survey(path, columns, shape.length)?;
    let [low, high] = found.range;
    writeln!(
        out,
        "{}: a table of {} rows: {}",
        path.display(),
        found.rows,
        shape.words
    )?;
    writeln!(out, "  samples from {low} to {high}")?;
    if !found.labels.is_empty() {
        writeln!(out, "  classes: {}", found.labels_in_words())?;
    }
    if !found.patients.is_empty() {
        writeln!(out, "  patients: {}", found.patients.len())?;
    }
    Ok(())
}

#[cfg(feature = "hdf5")]
fn store(path: &Path, out: &mut impl Write) -> anyhow::Result<()> {
    let store = Store::open(path)?;
    let input = store.input();
    let layout = serde_json::to_value(input.layout)?;
    writeln!(
        out,
        "{}: a store of {} beats, layout {}: {} samples at {} Hz in {} channel(s)",
        path.display(),
        store.len(),
        layout.as_str().unwrap_or_default(),
        input.length(),
        input.fs,
        input.channels()
    )?;
    let mut support = vec![0; store.classes().len()];
    let mut records = 0;
    for beats in store.chunks(ROWS) {
        let beats = beats?;
        records = beats.record_names.len();
        for (total, n) in support.iter_mut().zip(beats.support()) {
            *total += n;
        }
    }
    if store.has_labels() {
        let named = store.classes().names().zip(support);
        let parts: Vec<String> = named.map(|(class, n)| format!("{class} {n}")).collect();
        writeln!(out, "  classes: {}", parts.join(", "))?;
    }
    if records > 0 {
        writeln!(out, "  records or patients: {records}")?;
    }
    Ok(())
}
