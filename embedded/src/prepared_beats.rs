//! Beats that are already cut out: a table through a model of such a layout.

use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::Result;
use data::beat_files::table::{self, Reading};
use embedded::Classifier;
use serde_json::json;

/// Rows in memory at a time.
const ROWS: usize = 256;

/// Classifies every row of `path` and writes one JSON line per row.
///
/// # Errors
/// The file is no table that the contract takes, or the output cannot be
/// written; a reader who has gone is no error.
pub fn run(
    classifier: &mut Classifier,
    path: &Path,
    reading: &Reading,
    out: &mut impl Write,
) -> Result<()> {
    let input = classifier.contract().input.clone();
    let classes = classifier.contract().classes.clone();
    let mut row = 0u64;
    for chunk in table::open(path, &input, reading, ROWS, &classes)? {
        let beats = chunk?;
        let predictions = classifier.classify(&beats)?;
        for (i, prediction) in predictions.iter().enumerate() {
            let decision = prediction.decision;
            let probabilities = classes.names().zip(&prediction.probabilities);
            let probabilities: serde_json::Map<_, _> = probabilities
                .map(|(name, &p)| (name.into(), p.into()))
                .collect();
            let line = json!({
                "row": row,
                "class": classes.name(decision.class),
                "probabilities": probabilities,
                "rejected": decision.rejected(),
                "label": beats.labels.get(i).map(|&label| classes.name(label)),
            });
            match writeln!(out, "{line}") {
                Err(e) if e.kind() == ErrorKind::BrokenPipe => return Ok(()),
                result => result?,
            }
            row += 1;
        }
    }
    match out.flush() {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}
