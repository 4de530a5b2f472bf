//! Episode-by-episode comparison: atrial fibrillation, ventricular fibrillation
//! and ventricular tachycardia, by number and by duration.

use std::fmt::Write;

use serde::Serialize;

use super::aggregate_statistics::Rate;
use super::annotator::sorted;
use super::matching::Pair;
use super::matrix::Ratio;
use super::report::{footer, mean_percent};
use crate::record::annotation::{Annotation, Symbol};

/// What an episode is of, and how it is annotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Atrial fibrillation: from a rhythm note `(AFIB` to the next note of
    /// another rhythm. Atrial flutter is none.
    Af,
    /// Ventricular flutter or fibrillation from `[` to `]`, as `epicmp` knows
    /// it. Rhythm notes say nothing.
    Vf,
    /// Ventricular flutter or fibrillation in either form: from `[` to `]`, or
    /// from a rhythm note that begins with `(VF` (`(VF`, `(VFIB`, `(VFL`) to the
    /// next note of another rhythm. Where the two overlap they are one episode.
    VfAny,
    /// Ventricular tachycardia: from a rhythm note `(VT` to the next note of
    /// another rhythm. `epicmp` does not compare it.
    Vt,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 4] = [Kind::Af, Kind::Vf, Kind::VfAny, Kind::Vt];

    /// Its name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Af => "af",
            Kind::Vf => "vf",
            Kind::VfAny => "vf-any",
            Kind::Vt => "vt",
        }
    }

    fn letters(self) -> &'static str {
        match self {
            Kind::Af => "AF",
            Kind::Vf | Kind::VfAny => "VF",
            Kind::Vt => "VT",
        }
    }

    /// How the rhythm note of such an episode begins.
    fn rhythm(self) -> Option<&'static str> {
        match self {
            Kind::Af => Some("(AFIB"),
            Kind::Vf => None,
            Kind::VfAny => Some("(VF"),
            Kind::Vt => Some("(VT"),
        }
    }

    fn has_brackets(self) -> bool {
        matches!(self, Kind::Vf | Kind::VfAny)
    }
}

impl std::str::FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Kind, String> {
        let named = Kind::ALL.into_iter().find(|kind| kind.name() == text);
        named.ok_or_else(|| {
            let names = Kind::ALL.map(Kind::name).join(", ");
            format!("'{text}' is no kind of episode; the kinds are {names}")
        })
    }
}

/// What the comparison of episodes on one record found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpisodeCounts {
    /// Reference episodes that a test episode overlaps.
    pub found: u64,
    /// Reference episodes that none overlaps.
    pub missed: u64,
    /// Test episodes that a reference episode overlaps.
    pub right: u64,
    /// Test episodes that none overlaps.
    pub wrong: u64,
    /// Duration of all reference episodes in samples.
    pub reference_samples: u64,
    /// Duration of all test episodes in samples.
    pub test_samples: u64,
    /// What the test episodes cover of the reference episodes, in samples.
    pub found_samples: u64,
    /// What the reference episodes cover of the test episodes, in samples: the
    /// same, if no episode touches the end of a record of unknown length.
    pub right_samples: u64,
    /// Samples per second.
    pub fs: f64,
}

impl EpisodeCounts {
    /// Sensitivity and positive predictivity by episode.
    pub fn by_episode(&self) -> [Ratio; 2] {
        let ratio = |part, other| Ratio {
            part,
            whole: part + other,
        };
        [
            ratio(self.found, self.missed),
            ratio(self.right, self.wrong),
        ]
    }

    /// Sensitivity and positive predictivity by duration, in samples.
    pub fn by_duration(&self) -> [Ratio; 2] {
        let ratio = |part, whole| Ratio { part, whole };
        [
            ratio(self.found_samples, self.reference_samples),
            ratio(self.right_samples, self.test_samples),
        ]
    }

    fn ratios(&self) -> [Ratio; 4] {
        let ([a, b], [c, d]) = (self.by_episode(), self.by_duration());
        [a, b, c, d]
    }
}

/// Episodes of many records together: gross figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct EpisodeFigures {
    /// Reference episodes found.
    pub found: u64,
    /// Reference episodes missed.
    pub missed: u64,
    /// Test episodes that are right.
    pub right: u64,
    /// Test episodes that are wrong.
    pub wrong: u64,
    /// Duration of all reference episodes.
    pub reference_seconds: f64,
    /// Duration of all test episodes.
    pub test_seconds: f64,
    /// By number, as fractions.
    pub by_episode: Rate,
    /// By duration, as fractions.
    pub by_duration: Rate,
}

impl EpisodeFigures {
    /// Of the episodes of these records.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a EpisodeCounts>) -> EpisodeFigures {
        let mut figures = EpisodeFigures::default();
        let (mut found, mut right) = (0.0, 0.0);
        for counts in records {
            figures.found += counts.found;
            figures.missed += counts.missed;
            figures.right += counts.right;
            figures.wrong += counts.wrong;
            let seconds = |samples: u64| samples as f64 / counts.fs;
            figures.reference_seconds += seconds(counts.reference_samples);
            figures.test_seconds += seconds(counts.test_samples);
            found += seconds(counts.found_samples);
            right += seconds(counts.right_samples);
        }
        let fraction = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
        let of = |part: u64, other: u64| fraction(part as f64, (part + other) as f64);
        figures.by_episode = Rate {
            se: of(figures.found, figures.missed),
            ppv: of(figures.right, figures.wrong),
        };
        figures.by_duration = Rate {
            se: fraction(found, figures.reference_seconds),
            ppv: fraction(right, figures.test_seconds),
        };
        figures
    }
}

/// Compares the episodes of two annotators from `start` seconds to the end of
/// the record.
///
/// An episode that begins before or lasts beyond is cut there, one without an
/// end lasts to the end of the record. It is found, or right, if any part of it
/// lies in an episode of the other annotator.
///
/// As WFDB's `epicmp` does it, except that a rhythm note without text changes
/// nothing (`epicmp` crashes on it), and that a record of unknown length is
/// compared to its last annotation (`epicmp` reports no episodes).
pub fn compare_episodes(pair: &Pair<'_>, start: f64, kind: Kind) -> EpisodeCounts {
    let end = pair.length.unwrap_or_else(|| {
        let last = |annotations: &[Annotation]| annotations.iter().map(|a| a.sample).max();
        last(pair.reference).max(last(pair.test)).unwrap_or(0)
    });
    let start = pair.samples(start);
    let (reference, test) = (episodes(pair.reference, kind), episodes(pair.test, kind));
    let [found, missed, reference_samples, found_samples] =
        covered(&reference, &test, (start, end));
    let [right, wrong, test_samples, right_samples] = covered(&test, &reference, (start, end));
    EpisodeCounts {
        found,
        missed,
        right,
        wrong,
        reference_samples,
        test_samples,
        found_samples,
        right_samples,
        fs: pair.fs,
    }
}

/// Number of the episodes that others overlap and of those that none does;
/// samples of all, and of what the others cover, in the part from `start` to
/// `end`.
fn covered(episodes: &[(i64, i64)], others: &[(i64, i64)], (start, end): (i64, i64)) -> [u64; 4] {
    let [mut overlapped, mut alone, mut samples, mut covered] = [0u64; 4];
    for &(on, off) in episodes.iter().filter(|e| start <= e.1 && e.0 < end) {
        let (on, off) = (on.max(start), off.min(end));
        let overlap: u64 = others
            .iter()
            .map(|other| (on.max(other.0), off.min(other.1)))
            .map(|(from, to)| if from < to { to.abs_diff(from) } else { 0 })
            .sum();
        if overlap > 0 {
            overlapped += 1;
        } else {
            alone += 1;
        }
        samples += if on < off { off.abs_diff(on) } else { 0 };
        covered += overlap;
    }
    [overlapped, alone, samples, covered]
}

/// The episodes of one annotator, first and last sample, in order and without
/// overlap; `i64::MAX` is the end of one that nothing ends.
fn episodes(annotations: &[Annotation], kind: Kind) -> Vec<(i64, i64)> {
    let annotations = sorted(annotations);
    let mut episodes = Vec::new();
    if let Some(rhythm) = kind.rhythm() {
        let notes = annotations
            .iter()
            .filter(|a| a.symbol == Symbol::RHYTHM && !a.text().is_empty());
        collect(
            &mut episodes,
            notes.map(|a| (a.sample, Some(a.text().starts_with(rhythm)))),
        );
    }
    if kind.has_brackets() {
        let brackets = annotations.iter().map(|a| match a.symbol {
            Symbol::VF_ON => (a.sample, Some(true)),
            Symbol::VF_OFF => (a.sample, Some(false)),
            _ => (a.sample, None),
        });
        collect(&mut episodes, brackets);
    }
    episodes.sort_unstable();
    let mut merged: Vec<(i64, i64)> = Vec::with_capacity(episodes.len());
    for episode in episodes {
        match merged.last_mut().filter(|last| episode.0 < last.1) {
            Some(last) => last.1 = last.1.max(episode.1),
            None => merged.push(episode),
        }
    }
    merged
}

/// Episodes from marks that say whether one is going on from a sample on.
fn collect(episodes: &mut Vec<(i64, i64)>, marks: impl Iterator<Item = (i64, Option<bool>)>) {
    let mut on = None;
    for (sample, goes_on) in marks {
        match goes_on {
            Some(true) => {
                on.get_or_insert(sample);
            }
            Some(false) => episodes.extend(on.take().map(|on| (on, sample))),
            None => {}
        }
    }
    episodes.extend(on.map(|on| (on, i64::MAX)));
}

/// Heading of the line report, two lines.
pub fn episode_heading(kind: Kind) -> String {
    let form = match kind {
        Kind::VfAny => ", brackets or rhythm notes",
        _ => "",
    };
    format!(
        "({} detection{form})\n\
         Record  TPs   FN  TPp   FP  ESe E+P DSe D+P  Ref duration  Test duration \n",
        kind.letters()
    )
}

/// One record: episodes found, missed, right and wrong; sensitivity and
/// predictivity by episode and by duration in percent; the durations.
pub fn episode_line(record: &str, counts: &EpisodeCounts) -> String {
    let percentages: String = counts.ratios().iter().map(|r| whole_percent(*r)).collect();
    format!(
        "{record:>6} {:>4} {:>4} {:>4} {:>4} {percentages}  {}   {}",
        counts.found,
        counts.missed,
        counts.right,
        counts.wrong,
        clock(milliseconds(counts.reference_samples, counts.fs)),
        clock(milliseconds(counts.test_samples, counts.fs))
    )
}

/// One record in full.
pub fn episode_report(
    kind: Kind,
    record: &str,
    reference: &str,
    test: &str,
    counts: &EpisodeCounts,
) -> String {
    let mut text = format!(
        "{} episode-by-episode comparison results for record {record}\n\
         Reference annotator: {reference}\n     Test annotator: {test}\n\n",
        kind.letters()
    );
    let time = |samples| clock(milliseconds(samples, counts.fs));
    let short = |samples| time(samples).trim_start().to_string();
    let names = ["Episode sensitivity", "Episode positive predictivity"];
    for (name, ratio) in names.iter().zip(counts.by_episode()) {
        percent_line(&mut text, name, ratio, |count| count.to_string());
    }
    let names = ["Duration sensitivity", "Duration positive predictivity"];
    for (name, ratio) in names.iter().zip(counts.by_duration()) {
        percent_line(&mut text, name, ratio, short);
    }
    let [reference, test] = [counts.reference_samples, counts.test_samples].map(time);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "Duration of reference episodes:  {reference}");
    let _ = writeln!(text, "     Duration of test episodes:  {test}");
    text
}

/// A line `name: percent (part/whole)`.
pub(super) fn percent_line(
    text: &mut String,
    name: &str,
    ratio: Ratio,
    show: impl Fn(u64) -> String,
) {
    let percent = match ratio.whole {
        0 => "   - ".into(),
        _ => whole_percent(ratio) + "%",
    };
    let (part, whole) = (show(ratio.part), show(ratio.whole));
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{name:>30}:{percent} ({part}/{whole})");
}

/// The sums, gross and average figures that follow the lines.
///
/// As in `sumstats`, which works from the lines, those by duration come from
/// the printed percentages and durations, and the overlap of a record is its
/// longer duration times the percentage of that; [`EpisodeFigures`] has the
/// exact ones.
pub fn episode_summary(records: &[(String, EpisodeCounts)]) -> String {
    let total = EpisodeFigures::of(records.iter().map(|(_, counts)| counts));
    let (mut durations, mut overlap) = ([0u64; 2], 0.0);
    // Sum of the printed percentages and their number, of both annotators.
    let mut printed = [(0.0, 0u32); 2];
    for (_, counts) in records {
        let of_record = [counts.reference_samples, counts.test_samples]
            .map(|samples| milliseconds(samples, counts.fs));
        let shares = counts
            .by_duration()
            .map(|r| whole(r).unwrap_or(0.0) / 100.0);
        for n in [0, 1] {
            durations[n] += of_record[n];
            if of_record[n] > 0 {
                printed[n] = (printed[n].0 + shares[n], printed[n].1 + 1);
            }
        }
        let longer = usize::from(of_record[0] <= of_record[1]);
        overlap = f64::floor(overlap + of_record[longer] as f64 * shares[longer]);
    }
    let fraction = |part: f64, whole: f64| (whole > 0.0).then(|| 100.0 * part / whole);
    let percent = |fraction: Option<f64>| fraction.map(|f| 100.0 * f);
    let gross = [
        percent(total.by_episode.se),
        percent(total.by_episode.ppv),
        fraction(overlap, durations[0] as f64),
        fraction(overlap, durations[1] as f64),
    ];
    let by_episode = |n: usize| mean_percent(records.iter().map(|(_, c)| c.by_episode()[n]));
    let average = [
        by_episode(0),
        by_episode(1),
        fraction(printed[0].0, printed[0].1.into()),
        fraction(printed[1].0, printed[1].1.into()),
    ];
    format!(
        "{}\nSum    {:>4} {:>4} {:>4} {:>4}{:19}{}   {}\n{:27}{}\n{:27}{}\n{}",
        "_".repeat(72),
        total.found,
        total.missed,
        total.right,
        total.wrong,
        "",
        clock(durations[0]),
        clock(durations[1]),
        "Gross",
        gross.map(rounded).concat(),
        "Average",
        average.map(rounded).concat(),
        footer(records.len())
    )
}

/// A percentage without decimals in four columns, halves upward.
pub(super) fn whole_percent(ratio: Ratio) -> String {
    rounded(whole(ratio))
}

fn whole(ratio: Ratio) -> Option<f64> {
    ratio.percent().map(|p| (p + 0.5).floor())
}

/// A percentage without decimals in four columns.
pub(super) fn rounded(percent: Option<f64>) -> String {
    percent.map_or("   -".into(), |p| format!(" {p:>3.0}"))
}

fn milliseconds(samples: u64, fs: f64) -> u64 {
    (samples as f64 * 1000.0 / fs).round() as u64
}

/// Milliseconds as hours, minutes and seconds, in twelve columns.
fn clock(milliseconds: u64) -> String {
    let (hours, minutes) = (milliseconds / 3_600_000, milliseconds / 60_000 % 60);
    let (seconds, ms) = (milliseconds / 1000 % 60, milliseconds % 1000);
    match (milliseconds, hours) {
        (0, _) => format!("{:>12}", "0.000"),
        (_, 0) => format!("   {minutes:>2}:{seconds:02}.{ms:03}"),
        _ => format!("{hours:>2}:{minutes:02}:{seconds:02}.{ms:03}"),
    }
}
