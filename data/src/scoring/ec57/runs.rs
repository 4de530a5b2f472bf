//! Run-by-run comparison: couplets, short and long runs of ectopic beats.

use std::fmt::Write;

use super::annotator::{shuts_down, sorted};
use super::episodes::{percent_line, rounded, whole_percent};
use super::matching::Pair;
use super::matrix::Ratio;
use super::report::{footer, mean_percent};
use crate::record::aami::{Class, Convention};
use crate::record::annotation::{Annotation, Symbol};

/// Runs are told apart up to this length in beats; it stands for longer ones
/// and for episodes of fibrillation too.
const LONG: usize = 6;

/// Whose runs are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ectopy {
    /// V and F beats; ventricular flutter or fibrillation is a long run.
    V,
    /// S beats; atrial flutter or fibrillation is a long run, and what would be
    /// N in it is S.
    S,
}

/// Runs by their length in the reference (row) and in the test annotations
/// (column), 0 to 5 and more.
pub type RunMatrix = [[u64; LONG + 1]; LONG + 1];

/// What the comparison of runs on one record found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunCounts {
    /// The runs of the reference, with the longest run of the test annotations
    /// in each one's time: for sensitivity.
    pub of_reference: RunMatrix,
    /// The runs of the test annotations, with the longest run of the reference
    /// in each one's time: for positive predictivity.
    pub of_test: RunMatrix,
}

impl RunCounts {
    /// Sensitivity and positive predictivity of couplets (2 beats), short runs
    /// (3 to 5) and long runs (6 and more): a run is found, or right, if the
    /// other annotator has one of that size or above; a couplet or short run
    /// that the reference has as a longer run is right as well.
    pub fn ratios(&self) -> [[Ratio; 2]; 3] {
        [2..=2, 3..=5, LONG..=LONG].map(|size| {
            let smallest = *size.start();
            let (mut se, mut ppv) = (Ratio { part: 0, whole: 0 }, Ratio { part: 0, whole: 0 });
            for length in size {
                for other in 0..=LONG {
                    let found = self.of_reference[length][other];
                    let right = self.of_test[other][length];
                    se.whole += found;
                    ppv.whole += right;
                    if other >= smallest {
                        se.part += found;
                        ppv.part += right;
                    }
                }
            }
            [se, ppv]
        })
    }

    fn flat_ratios(&self) -> [Ratio; 6] {
        let [[a, b], [c, d], [e, f]] = self.ratios();
        [a, b, c, d, e, f]
    }
}

/// Compares the runs of two annotators from `start` seconds to the end of the
/// record.
///
/// A run of one annotator is looked for in the other's annotations from 150 ms
/// before its first beat to 150 ms after its last one; the longest run there
/// counts, or a long one if fibrillation lies there. The other's annotations
/// are read once: what lies in the time of one run is not seen by the next one.
/// Annotations between the brackets of fibrillation are read like all others: a
/// beat of another kind, or the start of a shutdown, ends the episode, which is
/// then looked for at its onset only.
///
/// All is as WFDB's `rxr` has it, except where that errs:
/// * it says nothing of a record where an annotator has nothing after the
///   start: here that annotator has no runs;
/// * it forgets a run that is open at the end of the record when annotations
///   follow: here the run is compared;
/// * it does not see that ventricular fibrillation follows a V or F beat
///   directly, so that both count as a run of that beat's length: here they are
///   a long run (atrial fibrillation after an S beat goes on as its run, whose
///   beats are counted, as in `rxr`);
/// * it goes on with the last annotation of its first pass, taken for one at
///   sample 0, in the second: here that has no influence.
pub fn compare_runs(pair: &Pair<'_>, start: f64, ectopy: Ectopy) -> RunCounts {
    let (start, window) = (pair.samples(start), pair.window());
    let labels = |annotations| labels(annotations, ectopy);
    let (reference, test) = (labels(pair.reference), labels(pair.test));
    let mut counts = RunCounts::default();
    let scored = (start, pair.length.unwrap_or(i64::MAX));
    let mut other = Reader::new(&test);
    for run in runs(&reference, ectopy, scored, window) {
        counts.of_reference[run.length][other.longest(&run)] += 1;
    }
    let mut other = Reader::new(&reference);
    for run in runs(&test, ectopy, scored, window) {
        counts.of_test[other.longest(&run)][run.length] += 1;
    }
    counts
}

/// What an annotation means for runs of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label {
    /// A beat of a run.
    Ectopic,
    /// Another beat.
    Beat,
    /// A shutdown begins.
    Shutdown,
    /// Fibrillation of the kind begins.
    On,
    /// Fibrillation of the kind ends.
    Off,
    /// The other kind of fibrillation begins.
    OtherOn,
    /// The other kind of fibrillation ends.
    OtherOff,
}

/// A state of the record that annotations switch on and off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fibrillation {
    None,
    Atrial,
    Ventricular,
}

/// What the annotations mean for runs of a kind, in order of time; those that
/// mean nothing are left out.
///
/// Ventricular fibrillation lasts from `[`, or a rhythm note that begins with
/// `(VF`, to `]` or another rhythm; atrial from a rhythm note that begins with
/// `(AF` to another rhythm or `[`. A note without text is none.
fn labels(annotations: &[Annotation], ectopy: Ectopy) -> Vec<(i64, Label)> {
    let ours = match ectopy {
        Ectopy::V => Fibrillation::Ventricular,
        Ectopy::S => Fibrillation::Atrial,
    };
    let mut state = Fibrillation::None;
    let mut unreadable = false;
    let mut labels = Vec::new();
    for annotation in sorted(annotations).iter() {
        let next = match annotation.symbol {
            Symbol::VF_ON => Fibrillation::Ventricular,
            Symbol::VF_OFF if state == Fibrillation::Ventricular => Fibrillation::None,
            Symbol::RHYTHM => match annotation.text() {
                "" => state,
                text if text.starts_with("(AF") => Fibrillation::Atrial,
                text if text.starts_with("(VF") => Fibrillation::Ventricular,
                _ => Fibrillation::None,
            },
            _ => state,
        };
        let label = if next != state {
            let began = next != Fibrillation::None;
            let which = if began { next } else { state };
            Some(match (began, which == ours) {
                (true, true) => Label::On,
                (true, false) => Label::OtherOn,
                (false, true) => Label::Off,
                (false, false) => Label::OtherOff,
            })
        } else if annotation.symbol == Symbol::NOISE {
            let was = std::mem::replace(&mut unreadable, shuts_down(annotation));
            (unreadable && !was).then_some(Label::Shutdown)
        } else {
            beat_label(annotation, ectopy, state)
        };
        state = next;
        labels.extend(label.map(|label| (annotation.sample, label)));
    }
    labels
}

fn beat_label(annotation: &Annotation, ectopy: Ectopy, state: Fibrillation) -> Option<Label> {
    let class = Class::from_symbol(annotation.symbol, Convention::Bxb)?;
    let is_ectopic = match (ectopy, class) {
        (Ectopy::V, class) => matches!(class, Class::V | Class::F),
        (Ectopy::S, Class::N) => state == Fibrillation::Atrial,
        (Ectopy::S, class) => class == Class::S,
    };
    Some(if is_ectopic {
        Label::Ectopic
    } else {
        Label::Beat
    })
}

/// A run and the time in which it is looked for, in samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    length: usize,
    from: i64,
    /// Before `from` where nothing but fibrillation at `from` counts.
    to: i64,
}

/// The runs of one annotator in the scored part, first and last sample.
fn runs(
    labels: &[(i64, Label)],
    ectopy: Ectopy,
    (start, end): (i64, i64),
    window: i64,
) -> Vec<Run> {
    let first = labels.partition_point(|l| l.0 < start);
    let before = labels[..first].iter().rev();
    // Fibrillation that began before the start goes on.
    let mut state = before
        .map(|l| l.1)
        .filter(|l| matches!(l, Label::On | Label::Off | Label::OtherOff));
    let mut open = (state.next() == Some(Label::On)).then(|| Run {
        length: LONG,
        from: start.saturating_sub(window),
        to: start.saturating_add(window),
    });
    let mut runs = Vec::new();
    for &(sample, label) in labels[first..].iter().take_while(|l| l.0 <= end) {
        let (from, to) = (sample.saturating_sub(window), sample.saturating_add(window));
        match (label, &mut open) {
            (Label::Beat | Label::Shutdown, _) => runs.extend(open.take()),
            (Label::Ectopic, Some(run)) => {
                run.length = LONG.min(run.length + 1);
                run.to = to;
            }
            (Label::Ectopic, None) => {
                open = Some(Run {
                    length: 1,
                    from,
                    to,
                });
            }
            (Label::On, Some(run)) if ectopy == Ectopy::V => run.length = LONG,
            (Label::On, None) => {
                open = Some(Run {
                    length: LONG,
                    from,
                    to: from.saturating_sub(1),
                });
            }
            (Label::Off, Some(run)) => run.to = to,
            (Label::On | Label::Off | Label::OtherOn | Label::OtherOff, _) => {}
        }
    }
    runs.extend(open);
    runs
}

/// The labels of one annotator, read once from front to back.
struct Reader<'a> {
    rest: &'a [(i64, Label)],
    /// Sample at which the fibrillation ends that was read last.
    fibrillation_end: i64,
}

impl Reader<'_> {
    fn new(labels: &[(i64, Label)]) -> Reader<'_> {
        // What lies before the record is no part of it.
        Reader {
            rest: &labels[labels.partition_point(|l| l.0 < 0)..],
            fibrillation_end: i64::MIN,
        }
    }

    /// Length of the longest run in the time of `run`.
    fn longest(&mut self, run: &Run) -> usize {
        if self.fibrillation_end > run.from {
            return LONG;
        }
        let (mut longest, mut length) = (0, 0);
        while let Some((&(sample, label), rest)) = self.rest.split_first()
            && (sample < run.from || sample <= run.to)
        {
            self.rest = rest;
            if label == Label::On {
                let is_end =
                    |l: &(i64, Label)| matches!(l.1, Label::Off | Label::OtherOn | Label::Shutdown);
                let end = rest.iter().position(is_end);
                self.rest = end.map_or(&[][..], |end| &rest[end..]);
                let end = self.rest.first().map_or(i64::MAX, |l| l.0);
                if sample >= run.from || end > run.from {
                    self.fibrillation_end = end;
                    return LONG;
                }
            } else if sample >= run.from {
                match label {
                    Label::Ectopic => length = LONG.min(length + 1),
                    Label::Beat | Label::Shutdown | Label::OtherOn => length = 0,
                    Label::On | Label::Off | Label::OtherOff => {}
                }
                longest = longest.max(length);
            }
        }
        longest
    }
}

impl Ectopy {
    fn prefix(self) -> &'static str {
        match self {
            Ectopy::V => "",
            Ectopy::S => "S",
        }
    }
}

/// Heading of the line report: one line, or two for S.
pub fn run_heading(ectopy: Ectopy) -> String {
    let title = match ectopy {
        Ectopy::V => "",
        Ectopy::S => "(SVE run detection)\n",
    };
    format!(
        "{title}Record CTs CFN CTp CFP STs SFN STp SFP LTs LFN LTp LFP  CSe C+P SSe S+P LSe L+P\n"
    )
}

/// Found, missed, right and wrong couplets, short and long runs.
fn run_counts(ratios: &[Ratio; 6]) -> String {
    ratios
        .iter()
        .map(|r| format!(" {:>3} {:>3}", r.part, r.whole - r.part))
        .collect()
}

/// One record: couplets, short and long runs found, missed, right and wrong,
/// and the percentages.
pub fn run_line(record: &str, counts: &RunCounts) -> String {
    let ratios = counts.flat_ratios();
    let percentages: String = ratios.iter().map(|r| whole_percent(*r)).collect();
    format!("{record:>4}{} {percentages}", run_counts(&ratios))
}

/// The matrices of one record and their figures.
pub fn run_report(
    ectopy: Ectopy,
    record: &str,
    reference: &str,
    test: &str,
    counts: &RunCounts,
) -> String {
    let mut text = format!(
        "{}VE run-by-run comparison results for record {record}\n\
         Reference annotator: {reference}\n     Test annotator: {test}\n\n",
        ectopy.prefix()
    );
    matrix_table(&mut text, &counts.of_reference);
    text.push_str("\n      (Run Sensitivity Summary Matrix)\n\n\n");
    matrix_table(&mut text, &counts.of_test);
    text.push_str("\n (Run Positive Predictivity Summary Matrix)\n\n");
    let sizes = ["Couplet", "Short run", "Long run"];
    for (size, ratios) in sizes.iter().zip(counts.ratios()) {
        for (what, ratio) in ["sensitivity", "positive predictivity"].iter().zip(ratios) {
            let name = format!("{:>31}", format!("{size} {what}"));
            percent_line(&mut text, &name, ratio, |count| count.to_string());
        }
    }
    text.push('\n');
    text
}

fn matrix_table(text: &mut String, matrix: &RunMatrix) {
    let name = |length| match length {
        LONG => format!(">{}", LONG - 1),
        _ => length.to_string(),
    };
    text.push_str("               Algorithm Run Length\n      ");
    text.extend((0..=LONG).map(|length| format!("{:>5}", name(length))));
    text.push_str("\n     ____________________________________\n");
    for (length, row) in matrix.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{:>4} |", name(length));
        for (other, count) in row.iter().enumerate() {
            let _ = match (length, other) {
                // Neither has a run: not a run.
                (0, 0) => write!(text, "     "),
                _ => write!(text, " {count:>4}"),
            };
        }
        text.push('\n');
    }
}

/// The sums, gross and average figures that follow the lines.
pub fn run_summary(records: &[(String, RunCounts)]) -> String {
    let of_records: Vec<_> = records.iter().map(|(_, c)| c.flat_ratios()).collect();
    let mut total = [Ratio { part: 0, whole: 0 }; 6];
    for ratios in &of_records {
        for (total, ratio) in total.iter_mut().zip(ratios) {
            total.part += ratio.part;
            total.whole += ratio.whole;
        }
    }
    let gross: String = total.iter().map(|r| rounded(r.percent())).collect();
    let average: String = (0..total.len())
        .map(|n| rounded(mean_percent(of_records.iter().map(|r| r[n]))))
        .collect();
    format!(
        "{}\nSum   {}\n{:55}{gross}\n{:55}{average}\n\
         Total couplets: {}  Total short runs: {}  Total long runs: {}\n{}",
        "_".repeat(77),
        run_counts(&total),
        "Gross",
        "Average",
        total[0].whole,
        total[2].whole,
        total[4].whole,
        footer(records.len())
    )
}
