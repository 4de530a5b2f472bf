//! The shutdown report: beats missed while the test annotator calls the signal
//! unreadable, in the formats of `bxb` and `sumstats`.

use super::matching::Comparison;
use super::matrix::{Beat, F, Matrix, N, Q, Ratio, S, V, X};
use super::report::{Layout, footer, hundredths, matrices, mean_percent};

/// Heading of the shutdown report with S beats.
const HEADING: &str = "\
Record Nx   Sx   Vx   Fx   Qx  % beats  % N    % S    % V    % F   Total Shutdown
                                missed missed missed missed missed      Time
";

/// Heading of the shutdown report without S beats.
const HEADING_WITHOUT_S: &str = "\
Record Nx   Vx   Fx   Qx  % beats  % N    % V    % F   Total Shutdown
                           missed missed missed missed      Time
";

/// Heading of the shutdown report, two lines.
pub fn shutdown_heading(layout: Layout) -> &'static str {
    match layout {
        Layout::WithS => HEADING,
        Layout::WithoutS => HEADING_WITHOUT_S,
    }
}

/// One record: N, S, V, F and Q beats missed in a shutdown; what part that is
/// of all beats, and of N, S, V and F beats; the length of all shutdowns in
/// seconds; the number of N, S, V, F and Q beats.
///
/// As in `bxb`, the missed S beats are no part of the missed beats' percentage
/// (in the layout without S they are N, and are), and the length includes the
/// shutdowns of the learning period.
pub fn shutdown_line(layout: Layout, record: &str, comparison: &Comparison) -> String {
    let matrix = layout.matrix(&comparison.matrix);
    let missed: String = classes(layout)
        .iter()
        .map(|class| format!(" {:>4}", matrix.count(*class, X)))
        .collect();
    let percentages: String = ratios(layout, &matrix)
        .iter()
        .map(|ratio| format!(" {:>6}", hundredths(ratio.percent())))
        .collect();
    let supports: String = [N, S, V, F, Q]
        .iter()
        .map(|class| format!(" {}", matrix.support(&[*class])))
        .collect();
    format!(
        "{record:>4}{missed}  {percentages}{:>5} seconds{supports}",
        comparison.shutdown_seconds
    )
}

/// The sums that follow the lines and, without S, gross and average figures.
///
/// Where `sumstats` halves the gross percentages (it adds up the beats of every
/// record twice), these are not halved.
pub fn shutdown_summary(layout: Layout, records: &[(String, Comparison)]) -> String {
    let (matrices, total) = matrices(layout, records);
    let missed: String = classes(layout)
        .iter()
        .map(|class| format!(" {:>4}", total.count(*class, X)))
        .collect();
    let seconds: i64 = records.iter().map(|(_, c)| c.shutdown_seconds).sum();
    let (name, rule, gap) = match layout {
        Layout::WithS => ("Sum ", 72, 38),
        Layout::WithoutS => ("Sum  ", 68, 31),
    };
    let sums = format!(
        "{}\n{name}{missed}{:gap$}{seconds:>4} seconds\n",
        "_".repeat(rule),
        ""
    );
    if layout == Layout::WithS {
        return sums + &footer(records.len());
    }
    let of_records: Vec<_> = matrices.iter().map(|m| ratios(layout, m)).collect();
    let columns = |values: Vec<Option<f64>>| -> String {
        let column = |v: &Option<f64>| format!(" {:>6}", hundredths(*v));
        values.iter().map(column).collect()
    };
    let gross = ratios(layout, &total).iter().map(|r| r.percent()).collect();
    let average = |n: usize| mean_percent(of_records.iter().map(|r| r[n]));
    let with_beats = of_records.iter().filter(|r| r[0].whole > 0).count();
    format!(
        "{sums}{:25}{}\n{:25}{}\n{}",
        "Gross",
        columns(gross),
        "Average",
        columns((0..4).map(average).collect()),
        footer(with_beats)
    )
}

fn classes(layout: Layout) -> Vec<Beat> {
    let all = [N, S, V, F, Q].into_iter();
    all.filter(|class| layout.has(*class)).collect()
}

/// Missed in shutdown: of all beats, then of each class but Q.
fn ratios(layout: Layout, matrix: &Matrix) -> Vec<Ratio> {
    let missed = |classes: &[Beat]| matrix.sum(classes, &[X]);
    let mut ratios = vec![Ratio {
        part: missed(&[N, V, F, Q]),
        whole: matrix.support(&[N, S, V, F, Q]),
    }];
    for class in classes(layout).into_iter().filter(|class| *class != Q) {
        ratios.push(Ratio {
            part: missed(&[class]),
            whole: matrix.support(&[class]),
        });
    }
    ratios
}
