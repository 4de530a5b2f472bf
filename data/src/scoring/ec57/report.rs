//! Beat-by-beat reports in the formats of `bxb` and `sumstats`.

use std::fmt::Write;

use super::aggregate_statistics::mean;
use super::matching::Comparison;
use super::matrix::{Beat, F, Figure, Figures, Matrix, N, O, Q, Ratio, S, V, X};

/// Whether S beats have rows and columns of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// S beats apart, as `bxb -L` and `-S` have them.
    #[default]
    WithS,
    /// S beats under N, as `bxb -l` and `-s` have them.
    WithoutS,
}

/// Heading of the line report. `Fn'` are F and Q beats called N, F or Q; `o'`
/// are missed and `O'` extra beats.
pub const HEADING: &str = "Record Nn' Sn' Vn' Fn' On'  Ns  Ss  Vs  Fs' Os' Nv  Sv   Vv  Fv' Ov' No' So' Vo' Fo'  Q Se   Q +P   V Se   V +P   S Se   S +P RR err";

/// Heading of the line report without S beats.
const HEADING_WITHOUT_S: &str =
    "Record Nn' Vn' Fn' On'  Nv   Vv  Fv' Ov' No' Vo' Fo'  Q Se   Q +P   V Se   V +P  V FPR";

impl Layout {
    /// Heading of the line report.
    pub fn heading(self) -> &'static str {
        match self {
            Layout::WithS => HEADING,
            Layout::WithoutS => HEADING_WITHOUT_S,
        }
    }

    pub(super) fn has(self, beat: Beat) -> bool {
        self == Layout::WithS || beat != S
    }

    pub(super) fn matrix(self, matrix: &Matrix) -> Matrix {
        match self {
            Layout::WithS => *matrix,
            Layout::WithoutS => matrix.s_as_n(),
        }
    }

    /// Columns of the line report before the percentages, and the length of
    /// the rule above the sums.
    fn widths(self) -> (usize, usize) {
        match self {
            Layout::WithS => (83, 132),
            Layout::WithoutS => (54, 86),
        }
    }
}

/// One record as a line under [`HEADING`].
pub fn line(record: &str, comparison: &Comparison) -> String {
    line_in(Layout::WithS, record, comparison)
}

/// One record as a line under [`Layout::heading`].
pub fn line_in(layout: Layout, record: &str, comparison: &Comparison) -> String {
    let matrix = layout.matrix(&comparison.matrix);
    let figures = matrix.figures();
    let rates: Vec<String> = figures_of(layout, &figures)
        .into_iter()
        .flat_map(|(_, f)| [f.se, f.ppv])
        .map(|ratio| hundredths(ratio.percent()))
        .collect();
    let last = match (layout, comparison.rr_error) {
        // `bxb` has no separator before this one.
        (Layout::WithS, None) => "     -".into(),
        (Layout::WithS, error) => columns(&[hundredths(error.map(|e| 1000.0 * e))]),
        (Layout::WithoutS, _) => columns(&[thousandths(matrix.v_false_positives().percent())]),
    };
    format!(
        "{}{}{last}",
        counts(layout, &format!("{record:>4}"), &matrix),
        columns(&rates)
    )
}

/// The sums, gross and average figures that follow the lines.
pub fn summary_report(records: &[(String, Comparison)]) -> String {
    summary_report_in(Layout::WithS, records)
}

/// The matrix of every record as a layout shows it, and their sum.
pub(super) fn matrices(layout: Layout, records: &[(String, Comparison)]) -> (Vec<Matrix>, Matrix) {
    let matrices: Vec<Matrix> = records
        .iter()
        .map(|(_, c)| layout.matrix(&c.matrix))
        .collect();
    let mut total = Matrix::default();
    for matrix in &matrices {
        total += matrix;
    }
    (matrices, total)
}

/// The sums, gross and average figures that follow the lines of a layout. The
/// average RR error is that of the printed lines, from which `sumstats` takes
/// it.
pub fn summary_report_in(layout: Layout, records: &[(String, Comparison)]) -> String {
    let (matrices, total) = matrices(layout, records);
    let ratios = |matrix: &Matrix| -> Vec<Ratio> {
        let figures = figures_of(layout, &matrix.summary_figures());
        figures.iter().flat_map(|(_, f)| [f.se, f.ppv]).collect()
    };
    let gross = ratios(&total);
    let of_records: Vec<Vec<Ratio>> = matrices.iter().map(&ratios).collect();
    let average = |column| mean_percent(of_records.iter().map(|r| r[column]));
    let mut average: Vec<String> = (0..gross.len()).map(|n| hundredths(average(n))).collect();
    let mut gross: Vec<String> = gross.iter().map(|r| hundredths(r.percent())).collect();
    match layout {
        Layout::WithS => {
            let printed = |error: f64| (100_000.0 * error).round() / 100.0;
            let errors = records.iter().map(|(_, c)| c.rr_error.map(printed));
            average.push(hundredths(mean(errors)));
        }
        Layout::WithoutS => {
            gross.push(thousandths(total.v_false_positives().percent()));
            let rates = matrices.iter().map(Matrix::v_false_positives);
            average.push(thousandths(mean_percent(rates)));
        }
    }
    let (width, rule) = layout.widths();
    let name = match layout {
        Layout::WithS => "Sum ",
        Layout::WithoutS => "Sum  ",
    };
    let supraventricular = match layout {
        Layout::WithS => format!("  Total SVEBs: {}", total.support(&[S])),
        Layout::WithoutS => String::new(),
    };
    format!(
        "{}\n{}\n{:width$}{}\n{:width$}{}\n\
         Total QRS complexes: {}  Total VEBs: {}{supraventricular}\n{}",
        "_".repeat(rule),
        counts(layout, name, &total),
        "Gross",
        columns(&gross),
        "Average",
        columns(&average),
        total.support(&[N, S, V, F, Q]),
        total.support(&[V]),
        footer(records.len()),
    )
}

/// The last lines of a summary.
pub(super) fn footer(records: usize) -> String {
    let plural = if records == 1 { "" } else { "s" };
    format!("\nSummary of results from {records} record{plural}\n")
}

/// Mean of the ratios that are defined, in percent.
pub(super) fn mean_percent(ratios: impl Iterator<Item = Ratio>) -> Option<f64> {
    let defined: Vec<f64> = ratios.filter_map(Ratio::value).collect();
    let sum: f64 = defined.iter().sum();
    (!defined.is_empty()).then(|| 100.0 * sum / defined.len() as f64)
}

/// The beat-by-beat matrix of one record with its figures.
pub fn matrix_report(record: &str, reference: &str, test: &str, comparison: &Comparison) -> String {
    matrix_report_in(Layout::WithS, record, reference, test, comparison)
}

/// The beat-by-beat matrix of one record with its figures, in a layout.
pub fn matrix_report_in(
    layout: Layout,
    record: &str,
    reference: &str,
    test: &str,
    comparison: &Comparison,
) -> String {
    let matrix = layout.matrix(&comparison.matrix);
    let shown: Vec<Beat> = Beat::ALL.into_iter().filter(|b| layout.has(*b)).collect();
    let letter = |beat: &Beat| format!("{:>5}", beat.letter().to_ascii_lowercase());
    let mut text = format!(
        "Beat-by-beat comparison results for record {record}\n\
         Reference annotator: {reference}\n     Test annotator: {test}\n\n\
         \x20              Algorithm\n    {}\n   {}\n",
        shown.iter().map(letter).collect::<String>(),
        "_".repeat(5 * shown.len() + 1),
    );
    // Writing to a String cannot fail.
    for row in &shown {
        // Neither side has a beat: not a beat.
        let is_beat = matches!(row, Beat::Class(_));
        let columns = shown
            .iter()
            .filter(|c| is_beat || matches!(c, Beat::Class(_)));
        let cells: String = columns
            .map(|column| format!(" {:>4}", matrix.count(*row, *column)))
            .collect();
        let _ = writeln!(text, " {} |{cells}", row.letter());
    }
    text.push('\n');
    for (name, Figure { se, ppv }) in figures_of(layout, &matrix.figures()) {
        for (what, ratio) in [("sensitivity", se), ("positive predictivity", ppv)] {
            let rate = hundredths(ratio.percent());
            figure_line(&mut text, &format!("{name} {what}"), ratio, &rate);
        }
    }
    match layout {
        Layout::WithS => {
            let error = hundredths(comparison.rr_error.map(|e| 1000.0 * e));
            let unit = if comparison.rr_error.is_some() {
                " ms"
            } else {
                ""
            };
            let _ = writeln!(text, "{:>26}: {error:>6}{unit}", "RMS RR interval error");
        }
        Layout::WithoutS => {
            let ratio = matrix.v_false_positives();
            let rate = thousandths(ratio.percent());
            figure_line(&mut text, "VEB false positive rate", ratio, &rate);
        }
    }
    text.push_str(if layout == Layout::WithoutS { "\n" } else { "" });
    text
}

fn figure_line(text: &mut String, name: &str, ratio: Ratio, rate: &str) {
    let Ratio { part, whole } = ratio;
    let rate = match whole {
        0 => "     - ".into(),
        _ => format!("{rate:>6}%"),
    };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{name:>26}: {rate} ({part}/{whole})");
}

/// The figures that a layout shows, with their names.
fn figures_of<T: Copy>(layout: Layout, figures: &Figures<T>) -> Vec<(&'static str, T)> {
    let mut named = vec![("QRS", figures.qrs), ("VEB", figures.v)];
    if layout.has(S) {
        named.push(("SVEB", figures.s));
    }
    named
}

fn counts(layout: Layout, name: &str, matrix: &Matrix) -> String {
    let fq: &[Beat] = &[F, Q];
    let none: &[Beat] = &[O, X];
    let mut text = name.to_string();
    for column in [&[N, F, Q][..], &[S], &[V], none] {
        for row in [&[N][..], &[S], &[V], fq, none] {
            let is_shown = [row, column]
                .iter()
                .flat_map(|c| c.iter())
                .all(|b| layout.has(*b));
            if !is_shown || (row == none && column == none) {
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

fn columns(values: &[String]) -> String {
    values.iter().map(|v| format!(" {v:>6}")).collect()
}

pub(super) fn hundredths(value: Option<f64>) -> String {
    value.map_or("-".into(), |v| format!("{v:.2}"))
}

fn thousandths(value: Option<f64>) -> String {
    value.map_or("-".into(), |v| format!("{v:.3}"))
}
