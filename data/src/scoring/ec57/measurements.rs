//! Measurement-by-measurement comparison: heart rates and the like that two
//! annotators have noted.

use serde::Serialize;

use crate::record::annotation::{Annotation, Symbol};

use super::aggregate_statistics::mean;
use super::annotator::sorted;
use super::matching::Pair;
use super::report::footer;

/// What the comparison of measurements on one record found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MeasurementErrors {
    /// Number of test measurements.
    pub count: usize,
    /// Root mean square difference from the reference, as a part of
    /// [`MeasurementErrors::mean`].
    pub rms: f64,
    /// Mean of the reference measurements that the test measurements were
    /// compared with, in the unit of the annotations.
    pub mean: f64,
}

/// Compares the measurements (`=`, the value as text) of a subtype from `start`
/// seconds to the end of the record. Each test measurement is compared with the
/// reference measurement that is nearest in time, the later of two.
///
/// `None` if an annotator has none, or those of the reference have no mean to
/// relate to. Measurements without a number are left out.
///
/// As WFDB's `mxm` does it, except where that errs: it divides by a number that
/// counts the test measurements before the start, compares the last one again
/// when a reference measurement follows it, and takes a measurement of 0 at
/// sample -1 for one of the reference.
pub fn compare_measurements(pair: &Pair<'_>, start: f64, subtype: i8) -> Option<MeasurementErrors> {
    let reference = measurements(pair.reference, subtype);
    let last = pair.length.or(reference.last().map(|m| m.0))?;
    let scored = pair.samples(start)..=last;
    let (mut count, mut sum, mut squares) = (0, 0.0, 0.0);
    for (sample, value) in measurements(pair.test, subtype) {
        if !scored.contains(&sample) {
            continue;
        }
        let after = reference.partition_point(|m| m.0 < sample);
        let near = [after.checked_sub(1), Some(after)].into_iter().flatten();
        let candidates = near.filter_map(|n| reference.get(n));
        // The last of several that are equally near.
        let nearest = candidates.rev().min_by_key(|m| m.0.abs_diff(sample))?;
        count += 1;
        sum += nearest.1;
        squares += (nearest.1 - value) * (nearest.1 - value);
    }
    let mean = sum / count as f64;
    let rms = (squares / count as f64).sqrt() / mean;
    (count > 0 && rms.is_finite()).then_some(MeasurementErrors { count, rms, mean })
}

/// Sample and value of the measurements of a subtype, in order of time.
fn measurements(annotations: &[Annotation], subtype: i8) -> Vec<(i64, f64)> {
    let measure = Symbol::from_mnemonic("=");
    sorted(annotations)
        .iter()
        .filter(|a| Some(a.symbol) == measure && a.subtype == subtype)
        .filter_map(|a| Some((a.sample, a.text().trim().parse().ok()?)))
        .filter(|m: &(i64, f64)| m.1.is_finite())
        .collect()
}

/// Heading of the line report, three lines.
pub fn measurement_heading(subtype: i8) -> String {
    format!(
        "(Measurement errors)\nMeasurement {subtype}\n\
         Record\tRMS error (%)\tMean reference measurement\n"
    )
}

/// One record.
pub fn measurement_line(record: &str, errors: &MeasurementErrors) -> String {
    let (rms, mean) = (100.0 * errors.rms, general(errors.mean));
    format!("{record:>6}\t{rms:>7.4}\t\t{mean}")
}

/// One record in full.
pub fn measurement_report(
    subtype: i8,
    record: &str,
    reference: &str,
    test: &str,
    errors: &MeasurementErrors,
) -> String {
    format!(
        "Measurement-by-measurement comparison results for record {record}\n\
         Measurement number {subtype}\nReference annotator: {reference}\n     \
         Test annotator: {test}\n\n     Normalized RMS error: {:>7.4}% (n = {})\n\
         Mean reference measurement: {}\n",
        100.0 * errors.rms,
        errors.count,
        general(errors.mean)
    )
}

/// The averages that follow the lines: those of the printed figures, which are
/// what `sumstats` reads.
pub fn measurement_summary(records: &[(String, MeasurementErrors)]) -> String {
    let average = |print: fn(&MeasurementErrors) -> String| {
        mean(records.iter().map(|(_, e)| print(e).parse().ok()))
    };
    let rms = average(|e| format!("{:.4}", 100.0 * e.rms));
    let rms = rms.map_or("      -".into(), |rms| format!("{rms:>7.4}"));
    let mean = average(|e| general(e.mean)).map_or("-".into(), general);
    format!(
        "{}\nAverage {rms}\t\t{mean}\n{}",
        "_".repeat(50),
        footer(records.len())
    )
}

/// A number with six significant digits and no needless zeros, as C prints it
/// with `%g`.
fn general(value: f64) -> String {
    let exponent = format!("{value:.5e}");
    let exponent = exponent
        .split('e')
        .nth(1)
        .and_then(|e| e.parse::<i32>().ok());
    match exponent {
        Some(exponent @ -4..=5) => {
            let decimals = usize::try_from(5 - exponent).unwrap_or(0);
            let text = format!("{value:.decimals$}");
            match text.contains('.') {
                true => text.trim_end_matches('0').trim_end_matches('.').into(),
                false => text,
            }
        }
        _ => format!("{value:.5e}"),
    }
}
