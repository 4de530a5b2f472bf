//! `data score`: compares an annotator with the reference as EC57 prescribes.

mod sections;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::datasets::dataset::{self, Failures, Recordings};
use crate::formats::{self, Clock, annotation_path};
use crate::output::{self, Outputs, made_here::MAKER};
use crate::record::aami::Convention;
use crate::record::annotation::Annotation;
use crate::scoring::ec57::{self, AggregateStatistics, Comparison, Kind, Layout, Options, Pair};
use anyhow::Context;
use serde::Serialize;

use sections::Sections;

/// Scores an annotator (AAMI EC57): beats as bxb and sumstats do and, where
/// asked for, runs as rxr, episodes as epicmp and measurements as mxm.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of the WFDB records and their reference annotations, or one record
    folder: PathBuf,
    /// Reference annotator: the ending of its files
    #[arg(long, default_value = dataset::REFERENCE)]
    reference: String,
    /// Test annotator: the ending of its files
    #[arg(long)]
    test: String,
    /// Folder of the test annotations, where it is another
    #[arg(long, value_name = "DIR")]
    test_dir: Option<PathBuf>,
    /// Records: ds1, ds2, all, a file that lists them, or names with commas between
    #[arg(long, value_name = "LIST", default_value = "all")]
    records: String,
    /// Learning period at the start of a record, not scored: seconds, M:SS or H:MM:SS
    #[arg(long, value_name = "TIME", default_value = "5:00", value_parser = seconds)]
    start: f64,
    /// Print the matrix of every record before the lines, and before those of
    /// runs, episodes and measurements each record in full
    #[arg(long)]
    matrices: bool,
    /// Put S beats under N in lines, matrices and shutdowns, as bxb -l and -s
    #[arg(long)]
    s_as_n: bool,
    /// Print what is missed while the test annotator says unreadable
    #[arg(long)]
    shutdowns: bool,
    /// Print every disagreement, as bxb -v: reference label and sample, then test
    #[arg(long)]
    mismatches: bool,
    /// Write the comparison as annotation files DIR/RECORD.bxb, as bxb -o
    #[arg(long, value_name = "DIR")]
    pairs: Option<PathBuf>,
    /// Print runs of V and of S beats: couplets, short and long runs
    #[arg(long)]
    runs: bool,
    /// Print episodes by number and duration; kinds, with commas between:
    /// af (rhythm notes (AFIB), vf (from [ to ], as epicmp), vf-any ([ to ], or
    /// rhythm notes (VF, (VFIB, (VFL), vt (rhythm notes (VT)
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    episodes: Vec<Kind>,
    /// Print the errors of measurements (=, the value as text) of this subtype
    #[arg(long, value_name = "SUBTYPE", allow_negative_numbers = true)]
    measurements: Option<i8>,
    /// Write the figures, as fractions, to a JSON file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Replace a JSON file that this program did not make
    #[arg(long)]
    force: bool,
}

/// Which beats are what, at the head of every report.
const CONVENTION: &str = "AAMI EC57: N is N L R B, S is A a J S and escape beats (e j n), V is V E r, F is F, Q is / f Q ?";

/// What the JSON file holds.
#[derive(Serialize)]
struct Scores<'a> {
    made_by: &'static str,
    /// Which beats are what.
    convention: &'static str,
    /// Escape beats as S, the convention of the printed report.
    #[serde(flatten)]
    bxb: AggregateStatistics,
    /// The same with escape beats as N.
    escape_beats_as_n: AggregateStatistics,
    /// Runs, episodes and measurements.
    #[serde(flatten)]
    sections: &'a Sections,
}

/// Runs the command.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> anyhow::Result<()> {
    let found = Recordings::find(&arguments.folder, &arguments.records)?;
    if let Some(remark) = &found.remark {
        eprintln!("{remark}");
    }
    let pairs = pass_outputs(arguments, &found)?;
    let mut failures = Failures::among(found.names.len());
    let mut recordings = Vec::new();
    for name in &found.names {
        let read = Recording::read(arguments, &found.folder, name);
        recordings.extend(failures.keep(name, read)?);
    }
    failures.unless_all()?;
    let compared = |convention| -> Vec<(String, Comparison)> {
        let start = arguments.start;
        let options = Options { start, convention };
        let compare = |r: &Recording| (r.name.clone(), ec57::compare(&r.pair(), &options));
        recordings.iter().map(compare).collect()
    };
    let bxb = compared(Convention::Bxb);
    let literature = compared(Convention::Literature);
    let sections = Sections::of(arguments, &recordings);
    let scores = Scores {
        made_by: MAKER,
        convention: CONVENTION,
        bxb: AggregateStatistics::new(&bxb),
        escape_beats_as_n: AggregateStatistics::new(&literature),
        sections: &sections,
    };
    for (recording, (name, comparison)) in recordings.iter().zip(&bxb) {
        if let Some(path) = pairs.get(name) {
            let annotations = ec57::pair_annotations(&recording.test, comparison);
            recording.clock.write(path, &annotations)?;
        }
    }
    if let Some(path) = &arguments.json {
        output::write(path, &serde_json::to_vec_pretty(&scores)?)?;
    }
    for recording in &recordings {
        recording.note_if_too_short(arguments.start);
    }
    write_beats(arguments, &bxb, out)?;
    writeln!(
        out,
        "\n{CONVENTION}\n\nEscape beats (e, j) are S above. As N, as the literature counts them:"
    )?;
    let lines = ec57::summary_report_in(arguments.layout(), &literature);
    for line in lines
        .lines()
        .filter(|l| l.starts_with("Gross") || l.starts_with("Average"))
    {
        writeln!(out, "{line}")?;
    }
    if arguments.shutdowns {
        let layout = arguments.layout();
        write!(out, "\n{}", ec57::shutdown_heading(layout))?;
        for (name, comparison) in &bxb {
            writeln!(out, "{}", ec57::shutdown_line(layout, name, comparison))?;
        }
        write!(out, "{}", ec57::shutdown_summary(layout, &bxb))?;
    }
    sections.write(arguments, out)?;
    if arguments.mismatches {
        writeln!(out)?;
        for (name, comparison) in &bxb {
            write!(out, "# {name}\n{}", ec57::mismatches(comparison))?;
        }
    }
    Ok(failures.finish()?)
}

/// Checks everything that will be written, before the work; the paths of the
/// pairs by record name.
fn pass_outputs(
    arguments: &Arguments,
    found: &Recordings,
) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let mut outputs = Outputs::new(arguments.force);
    let test = arguments.test_dir.as_ref().unwrap_or(&found.folder);
    for name in &found.names {
        let record = found.folder.join(name);
        dataset::protect(&mut outputs, &record, &arguments.reference);
        outputs.input(&annotation_path(&test.join(name), &arguments.test));
    }
    if let Some(path) = &arguments.json {
        outputs.file(path)?;
    }
    let mut pairs = BTreeMap::new();
    if let Some(folder) = &arguments.pairs {
        for name in &found.names {
            let path = formats::new_annotation_path(&folder.join(name), "bxb")?;
            outputs.annotations(&path)?;
            pairs.insert(name.clone(), path);
        }
    }
    Ok(pairs)
}

/// Matrices, lines and sums.
fn write_beats(
    arguments: &Arguments,
    compared: &[(String, Comparison)],
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let layout = arguments.layout();
    if arguments.matrices {
        let (reference, test) = (&arguments.reference, &arguments.test);
        for (name, comparison) in compared {
            let report = ec57::matrix_report_in(layout, name, reference, test, comparison);
            write!(out, "{report}")?;
        }
        writeln!(out)?;
    }
    writeln!(out, "{}", layout.heading())?;
    for (name, comparison) in compared {
        writeln!(out, "{}", ec57::line_in(layout, name, comparison))?;
    }
    write!(out, "{}", ec57::summary_report_in(layout, compared))?;
    Ok(())
}

impl Arguments {
    fn layout(&self) -> Layout {
        match self.s_as_n {
            false => Layout::WithS,
            true => Layout::WithoutS,
        }
    }
}

/// What the two annotators say about one record.
struct Recording {
    name: String,
    clock: Clock,
    /// In samples, where the header says.
    length: Option<i64>,
    reference: Vec<Annotation>,
    test: Vec<Annotation>,
}

impl Recording {
    fn read(arguments: &Arguments, folder: &Path, name: &str) -> anyhow::Result<Recording> {
        let record = dataset::record_path(folder, name)?;
        let recording = formats::open(&record)?;
        let clock = recording.clock();
        let read = |record: &Path, annotator: &str| {
            clock.read(&formats::found_annotations(record, annotator)?)
        };
        let test_folder = arguments.test_dir.as_deref().unwrap_or(folder);
        Ok(Recording {
            clock,
            length: recording.length.and_then(|l| i64::try_from(l).ok()),
            reference: read(&record, &arguments.reference)
                .with_context(|| format!("reference annotations of record {name}"))?,
            test: read(&test_folder.join(name), &arguments.test).with_context(|| {
                format!("test annotations of record {name} (choose records with --records, another folder with --test-dir)")
            })?,
            name: name.to_owned(),
        })
    }

    fn pair(&self) -> Pair<'_> {
        Pair {
            reference: &self.reference,
            test: &self.test,
            fs: self.clock.fs(),
            length: self.length,
        }
    }

    /// Says so if the record ends before it is scored: all its figures are then
    /// none.
    fn note_if_too_short(&self, start: f64) {
        let last = self.reference.last().map_or(0, |a| a.sample + 1);
        let seconds = self.length.unwrap_or(last) as f64 / self.clock.fs();
        if start > 0.0 && seconds <= start {
            let whole = start as u64;
            eprintln!(
                "record {}: nothing of it is scored; scoring starts at {}:{:02}, and the record ends at {seconds:.0} s (--start 0 scores all of it)",
                self.name,
                whole / 60,
                whole % 60
            );
        }
    }
}

/// Reads `90`, `1:30` or `0:01:30`.
fn seconds(text: &str) -> Result<f64, String> {
    let parts: Option<Vec<f64>> = text
        .split(':')
        .map(|part| {
            part.parse()
                .ok()
                .filter(|p: &f64| p.is_finite() && *p >= 0.0)
        })
        .collect();
    match parts {
        Some(parts) if parts.len() <= 3 => {
            Ok(parts.iter().fold(0.0, |sum, part| 60.0 * sum + part))
        }
        _ => Err("expected seconds, M:SS or H:MM:SS".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_wfdb_writes_them() {
        assert_eq!(seconds("5:00"), Ok(300.0));
        assert_eq!(seconds("0"), Ok(0.0));
        assert_eq!(seconds("1:00:30"), Ok(3630.0));
        for wrong in ["", "five", "-1", "1:2:3:4", "1:"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
