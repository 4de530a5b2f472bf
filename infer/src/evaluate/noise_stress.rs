//! What noise does: the records of the MIT-BIH Noise Stress Test Database.
//!
//! Its records are `118e24` to `118e_6` and `119e24` to `119e_6`: two
//! recordings with electrode motion noise added at 24 to -6 dB.

use std::collections::BTreeMap;
use std::path::Path;

use data::datasets::dataset::{self, Failures};
use data::formats;
use data::record::aami::Convention;
use serde::Serialize;

use super::beats::{Request, ScoredBeat, gather};
use super::figures::{Reject, View};
use crate::classifier::Classifier;
use crate::error::{Error, Result};

/// The noise starts after five minutes, with the scoring period of EC57.
const START: f64 = 300.0;

/// The figures at one signal-to-noise ratio.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NoiseRow {
    /// Signal-to-noise ratio in dB.
    pub snr_db: i32,
    /// All beats.
    pub all: View,
    /// What the reject option does; absent when the model rejects nothing.
    pub reject: Option<Reject>,
}

/// Evaluates the noise records in a folder, from quiet to noisy.
///
/// # Errors
/// There are no such records, or as [`gather`].
pub fn evaluate(folder: &Path, classifier: &Classifier) -> Result<Vec<NoiseRow>> {
    let mut by_snr: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    // The database's own list of records lacks one of the twelve, 118e_6.
    for name in formats::find_unlisted(folder)? {
        if let Some(snr) = snr_of(&name) {
            by_snr.entry(snr).or_default().push(name);
        }
    }
    if by_snr.is_empty() {
        return Err(Error::Input(format!(
            "{}: no records named like 118e24 or 118e_6; --noise takes the folder of the MIT-BIH Noise Stress Test Database",
            folder.display()
        )));
    }
    let request = Request {
        folder,
        reference: dataset::REFERENCE,
        detect: false,
    };
    let threshold = classifier.contract.reject_threshold;
    let mut rows = Vec::new();
    for (snr_db, names) in by_snr.into_iter().rev() {
        let mut failures = Failures::among(names.len());
        let gathered = gather(&request, &names, classifier, &mut failures)?;
        failures.finish()?;
        let beats: Vec<ScoredBeat> = gathered
            .records
            .iter()
            .flat_map(|r| &r.beats)
            .filter(|b| b.time >= START)
            .cloned()
            .collect();
        let classes = &classifier.contract.classes;
        let all = View::of(&beats, classes, Convention::Literature);
        rows.push(NoiseRow {
            snr_db,
            reject: Reject::of(&beats, classes, threshold),
            all,
        });
    }
    Ok(rows)
}

/// The signal-to-noise ratio in a name such as `118e24` or `119e_6`.
fn snr_of(name: &str) -> Option<i32> {
    let (record, snr) = name.split_once('e')?;
    record.parse::<u32>().ok()?;
    snr.replace('_', "-").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_in_the_name() {
        assert_eq!(snr_of("118e24"), Some(24));
        assert_eq!(snr_of("119e_6"), Some(-6));
        assert_eq!(snr_of("118e00"), Some(0));
        assert_eq!(snr_of("bw"), None);
        assert_eq!(snr_of("100"), None);
    }
}
