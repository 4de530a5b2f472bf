//! Reports in the formats of `bxb` and `sumstats`.

use std::fmt::Write;

use super::matching::Comparison;
use super::matrix::{Beat, F, Figure, Figures, Matrix, N, O, Q, Ratio, S, V, X};
use super::summary::{Rate, Summary};
use crate::scoring::metrics::percent;

/// Heading of the line report. `Fn'` are F and Q beats called N, F or Q; `o'`
/// are missed and `O'` extra beats.
pub const HEADING: &str = "Record Nn' Sn' Vn' Fn' On'  Ns  Ss  Vs  Fs' Os' Nv  Sv   Vv  Fv' Ov' No' So' Vo' Fo'  Q Se   Q +P   V Se   V +P   S Se   S +P RR err";

/// Columns of the line report before the percentages.
const COUNTS_WIDTH: usize = 83;
/// Length of the rule above the sums.
const RULE: usize = 132;

/// One record as a line under [`HEADING`].
pub fn line(record: &str, comparison: &Comparison) -> String {
    let figures = comparison.matrix.figures();
    let rates: Vec<String> = [figures.qrs, figures.v, figures.s]
        .iter()
        .flat_map(|f| [f.se.value(), f.ppv.value()])
        .map(percent)
        .chain([milliseconds(comparison.rr_error.map(|e| 1000.0 * e))])
        .collect();
    format!(
        "{}{}",
        counts(&format!("{record:>4}"), &comparison.matrix),
        columns(&rates)
    )
}

/// The sums, gross and average figures that follow the lines.
pub fn summary_report(records: &[(String, Comparison)]) -> String {
    let mut total = Matrix::default();
    for (_, comparison) in records {
        total += &comparison.matrix;
    }
    let summary = Summary::new(records);
    let gross = rate_columns(&summary.gross);
    let mut average = rate_columns(&summary.average.rates);
    average.push(milliseconds(summary.average.rr_error_ms));
    format!(
        "{}\n{}\n{:COUNTS_WIDTH$}{}\n{:COUNTS_WIDTH$}{}\n\
         Total QRS complexes: {}  Total VEBs: {}  Total SVEBs: {}\n\n\
         Summary of results from {} records\n",
        "_".repeat(RULE),
        counts("Sum ", &total),
        "Gross",
        columns(&gross),
        "Average",
        columns(&average),
        total.support(&[N, S, V, F, Q]),
        total.support(&[V]),
        total.support(&[S]),
        records.len(),
    )
}

/// The beat-by-beat matrix of one record with its figures.
pub fn matrix_report(record: &str, reference: &str, test: &str, comparison: &Comparison) -> String {
    let matrix = &comparison.matrix;
    let mut text = format!(
        "Beat-by-beat comparison results for record {record}\n\
         Reference annotator: {reference}\n     Test annotator: {test}\n\n\
         \x20              Algorithm\n\
         \x20       n    s    v    f    q    o    x\n\
         \x20  ____________________________________\n"
    );
    // Writing to a String cannot fail.
    for row in Beat::ALL {
        let _ = write!(text, " {} |", row.letter());
        // Neither side has a beat: not a beat.
        let shown = if matches!(row, Beat::Class(_)) { 7 } else { 5 };
        for (place, column) in Beat::ALL[..shown].iter().enumerate() {
            let width = if place == 0 { 5 } else { 4 };
            let _ = write!(text, "{:>width$}", matrix.count(row, *column));
            if place + 1 < shown {
                text.push(' ');
            }
        }
        text.push('\n');
    }
    let Figures { qrs, v, s } = matrix.figures();
    text.push('\n');
    for (name, Figure { se, ppv }) in [("QRS", qrs), ("VEB", v), ("SVEB", s)] {
        for (what, ratio) in [("sensitivity", se), ("positive predictivity", ppv)] {
            let Ratio { part, whole } = ratio;
            let rate = match ratio.value() {
                Some(_) => format!("{:>6}%", percent(ratio.value())),
                None => "     - ".into(),
            };
            let _ = writeln!(
                text,
                "{:>26}: {rate} ({part}/{whole})",
                format!("{name} {what}")
            );
        }
    }
    let _ = writeln!(
        text,
        "{:>26}: {:>6} ms",
        "RMS RR interval error",
        milliseconds(comparison.rr_error.map(|e| 1000.0 * e))
    );
    text
}

fn counts(name: &str, matrix: &Matrix) -> String {
    let fq: &[Beat] = &[F, Q];
    let none: &[Beat] = &[O, X];
    let mut text = name.to_string();
    for column in [&[N, F, Q][..], &[S], &[V], none] {
        for row in [&[N][..], &[S], &[V], fq, none] {
            if row == none && column == none {
                continue;
            }
            let width = match (row, column) {
                ([N], [N, ..]) => 5,
                ([V], [V]) => 4,
                _ => 3,
            };
            let _ = write!(text, " {:>width$}", matrix.sum(row, column));
        }
    }
    text
}

fn rate_columns(rates: &Figures<Rate>) -> Vec<String> {
    [rates.qrs, rates.v, rates.s]
        .iter()
        .flat_map(|r| [percent(r.se), percent(r.ppv)])
        .collect()
}

fn columns(values: &[String]) -> String {
    values.iter().map(|v| format!(" {v:>6}")).collect()
}

fn milliseconds(value: Option<f64>) -> String {
    value.map_or("-".into(), |v| format!("{v:.2}"))
}
