//! Beats that are already cut out: a table through a model of such a layout.

use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::Result;
use data::beat_files::table::{self, Reading};
use embedded::Classifier;
use serde_json::json;

/// Rows in memory at a time.
const ROWS: usize = 256;

/// Classifies every row of `path`, writes one JSON line per row where somebody
/// wants them, and says at the end what they came to.
///
/// # Errors
/// The file is no table that the contract takes, or the output cannot be
/// written; a reader who has gone is no error.
pub fn run(
    classifier: &mut Classifier,
    path: &Path,
    reading: &Reading,
    mut out: Option<impl Write>,
) -> Result<()> {
    let input = classifier.contract().input.clone();
    let classes = classifier.contract().classes.clone();
    let mut row = 0u64;
    let (mut counts, mut rejected) = (vec![0_u64; classes.len()], 0_u64);
    let (mut labelled, mut right) = (0_u64, 0_u64);
    for chunk in table::open(path, &input, reading, ROWS, &classes)? {
        let beats = chunk?;
        let predictions = classifier.classify(&beats)?;
        for (i, prediction) in predictions.iter().enumerate() {
            let decision = prediction.decision;
            let label = beats.labels.get(i);
            counts[decision.class] += 1;
            rejected += u64::from(decision.rejected());
            labelled += u64::from(label.is_some());
            right += u64::from(label == Some(&decision.class));
            let probabilities = classes.names().zip(&prediction.probabilities);
            let probabilities: serde_json::Map<_, _> = probabilities
                .map(|(name, &p)| (name.into(), p.into()))
                .collect();
            let line = json!({
                "row": row,
                "class": classes.name(decision.class),
                "probabilities": probabilities,
                "rejected": decision.rejected(),
                "label": label.map(|&label| classes.name(label)),
            });
            if let Some(out) = &mut out {
                match writeln!(out, "{line}") {
                    Err(e) if e.kind() == ErrorKind::BrokenPipe => return Ok(()),
                    result => result?,
                }
            }
            row += 1;
        }
    }
    match out.as_mut().map_or(Ok(()), Write::flush) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => return Ok(()),
        result => result?,
    }
    let counts = classes.names().zip(&counts);
    let counts: Vec<String> = counts.map(|(name, n)| format!("{name} {n}")).collect();
    let accuracy = match labelled {
        0 => String::new(),
        _ => format!(
            "; accuracy {:.2} % of {labelled} labelled",
            100.0 * right as f64 / labelled as f64
        ),
    };
    eprintln!(
        "{row} rows ({}), {rejected} rejected{accuracy}",
        counts.join(", ")
    );
    Ok(())
}
