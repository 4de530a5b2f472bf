//! The hard pairs of `golden/ec57-hard`: every report of the reference
//! programs, and what a scorer should say where they err.

use std::path::{Path, PathBuf};

use super::*;
use crate::formats::{self, wfdb::AnnotationFile};
use crate::record::annotation::Annotation;

/// Records for which `rxr` writes no line: an annotator has nothing at or
/// after 5:00.
const WITHOUT_RUN_LINE: [&str; 4] = ["empty01", "empty05", "one05", "one07"];

struct Record {
    name: String,
    fs: f64,
    length: Option<i64>,
    reference: Vec<Annotation>,
    test: Vec<Annotation>,
}

impl Record {
    fn pair(&self) -> Pair<'_> {
        Pair {
            reference: &self.reference,
            test: &self.test,
            fs: self.fs,
            length: self.length,
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("ECTOPY_RECORDINGS")).join("golden/ec57-hard")
}

fn records(folder: &Path) -> Vec<Record> {
    let names = formats::find(folder).unwrap();
    names.into_iter().map(|name| read(folder, name)).collect()
}

fn read(folder: &Path, name: String) -> Record {
    let recording = formats::open(&folder.join(&name)).unwrap();
    let fs = recording.fs;
    let read = |annotator: &str| {
        let path = formats::annotation_path(&folder.join(&name), annotator);
        AnnotationFile::read(&path).unwrap().at_rate(fs)
    };
    Record {
        fs,
        length: recording.length.map(|length| length as i64),
        reference: read("atr"),
        test: read("tst"),
        name,
    }
}

fn compared(records: &[Record]) -> Vec<(String, Comparison)> {
    let options = Options::default();
    records
        .iter()
        .map(|r| (r.name.clone(), compare(&r.pair(), &options)))
        .collect()
}

fn golden(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).unwrap()
}

/// Says which lines differ.
fn same(what: &str, ours: &str, golden: &str) {
    let different: Vec<String> = ours
        .lines()
        .zip(golden.lines())
        .enumerate()
        .filter(|(_, (a, b))| a != b)
        .map(|(n, (a, b))| format!("line {}\n  ours {a}\ngolden {b}", n + 1))
        .collect();
    assert!(different.is_empty(), "{what}: {}", different.join("\n"));
    assert_eq!(ours.lines().count(), golden.lines().count(), "{what}");
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn beat_reports_equal_those_of_bxb() {
    let folder = folder();
    let records = records(&folder.join("annotations"));
    assert_eq!(records.len(), 80);
    let compared = compared(&records);
    for (layout, suffix, sums) in [
        (Layout::WithS, "", "tst.sumstats.txt"),
        (
            Layout::WithoutS,
            "-vsmall",
            "tst.bxb-line-vsmall.sumstats.txt",
        ),
    ] {
        let mut lines = format!("{}\n", layout.heading());
        let mut matrices = String::new();
        for (name, comparison) in &compared {
            lines += &format!("{}\n", line_in(layout, name, comparison));
            matrices += &matrix_report_in(layout, name, "atr", "tst", comparison);
        }
        let report = |kind: &str| golden(&folder, &format!("tst.bxb-{kind}{suffix}.txt"));
        same("lines", &lines, &report("line"));
        same("matrices", &matrices, &report("matrices"));
        lines += &summary_report_in(layout, &compared);
        same("sums", &lines, &golden(&folder, sums));
    }
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn shutdown_reports_equal_those_of_bxb() {
    let folder = folder();
    let compared = compared(&records(&folder.join("annotations")));
    for (layout, suffix) in [(Layout::WithS, ""), (Layout::WithoutS, "-vsmall")] {
        let report = |kind: &str| golden(&folder, &format!("tst.bxb-shutdown{suffix}{kind}.txt"));
        let mut lines = shutdown_heading(layout).to_string();
        for (name, comparison) in &compared {
            lines += &format!("{}\n", shutdown_line(layout, name, comparison));
        }
        same("lines", &lines, &report(""));
        lines += &shutdown_summary(layout, &compared);
        let sums = report(".sumstats");
        // sumstats adds up the beats of each record twice.
        let halved = "Gross                       0.42   0.34   0.31   2.17";
        let right = "Gross                       0.83   0.68   0.63   4.35";
        same("sums", &lines, &sums.replace(halved, right));
    }
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn every_step_equals_bxb() {
    let folder = folder();
    let records = records(&folder.join("annotations"));
    let mut messages = String::new();
    for record in &records {
        let comparison = compare(&record.pair(), &Options::default());
        messages += &format!("# {}\n{}", record.name, mismatches(&comparison));
        let path = folder.join(format!("bxb-pairs/{}.bxb", record.name));
        let expected = AnnotationFile::read(&path).unwrap().at_rate(record.fs);
        let found = pair_annotations(&record.test, &comparison);
        assert_eq!(found, expected, "{}", record.name);
    }
    same(
        "messages",
        &messages,
        &golden(&folder, "tst.bxb-mismatches.txt"),
    );
}

/// What `proposed.txt` says of a record: the counts of its line, and the text
/// of its matrix.
fn proposals(text: &str) -> Vec<(String, String, String)> {
    let mut proposals = Vec::new();
    for block in text.split("\n\n").skip(1) {
        let (line, matrix) = block.trim_matches('\n').split_once('\n').unwrap();
        let (name, counts) = line.split_once(' ').unwrap();
        let matrix = matrix.trim_end().to_string();
        proposals.push((name.to_string(), counts.to_string(), matrix));
    }
    proposals
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn quirks_are_what_a_scorer_should_say() {
    let folder = folder();
    let folder = folder.join("quirks");
    let proposals = proposals(&golden(&folder, "proposed.txt"));
    assert_eq!(proposals.len(), 6);
    let records = records(&folder.join("annotations"));
    for (name, counts, matrix) in proposals {
        let record = records.iter().find(|r| r.name == name).unwrap();
        let comparison = compare(&record.pair(), &Options::default());
        let line = line(&name, &comparison);
        let found: Vec<&str> = line.split_whitespace().skip(1).take(19).collect();
        assert_eq!(found.join(" "), counts, "{name}");
        let report = matrix_report(&name, "atr", "tst", &comparison);
        let words =
            |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_string).collect() };
        let rule = "_".repeat(36);
        let (_, cells) = report.split_once(&rule).unwrap();
        let (_, expected) = matrix.split_once('x').unwrap();
        assert!(
            words(cells).starts_with(&words(expected)),
            "{name}\n{report}"
        );
    }
}

/// Records on which `rxr` forgets a run that is open at the end, or does not
/// see that fibrillation follows a V or F beat: their lines may differ. The
/// tests of `runs` have what is right in either case.
const WITH_RUN_LOSSES: [&str; 23] = [
    "end01", "end03", "end05", "end13", "every01", "every03", "every05", "every07", "rhythm05",
    "rhythm07", "rhythm09", "rhythm11", "vfboth01", "vfboth05", "vfboth07", "vfref01", "vfref03",
    "vfref05", "vfref07", "vfref13", "vftst01", "vftst03", "vftst09",
];

/// Those of them whose S runs may differ: only open ones are lost.
const WITH_S_RUN_LOSSES: [&str; 8] = [
    "end01", "end03", "end05", "end13", "every01", "every03", "every05", "every07",
];

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn run_reports_equal_those_of_rxr() {
    let folder = folder();
    let records = records(&folder.join("annotations"));
    let matrices = golden(&folder, "tst.rxr-matrices.txt");
    let mut equal = 0;
    for (ectopy, file, losses) in [
        (Ectopy::V, "tst.rxr-v-line.txt", &WITH_RUN_LOSSES[..]),
        (Ectopy::S, "tst.rxr-s-line.txt", &WITH_S_RUN_LOSSES[..]),
    ] {
        let golden_lines = golden(&folder, file);
        for record in &records {
            let name = record.name.as_str();
            let counts = compare_runs(&record.pair(), 300.0, ectopy);
            let ours = run_line(name, &counts);
            let report = run_report(ectopy, name, "atr", "tst", &counts);
            let is_of_record = |l: &&str| l.split_whitespace().next() == Some(name);
            match golden_lines.lines().find(is_of_record) {
                None => assert!(WITHOUT_RUN_LINE.contains(&name), "{ours}"),
                Some(golden) if golden == ours && matrices.contains(&report) => equal += 1,
                Some(golden) => assert!(
                    losses.contains(&name),
                    "{ectopy:?}\n  ours {ours}\ngolden {golden}\n{report}"
                ),
            }
        }
    }
    // Of 76 records with lines, 19 differ in V runs and 7 in S runs.
    assert_eq!(equal, 2 * 76 - 19 - 7);
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn run_sums_equal_those_of_sumstats() {
    let folder = folder();
    for file in ["tst.rxr-v-line", "tst.rxr-s-line"] {
        let lines = golden(&folder, &format!("{file}.txt"));
        let mut records = Vec::new();
        for line in lines.lines() {
            let counts: Vec<u64> = line
                .split_whitespace()
                .skip(1)
                .map_while(|n| n.parse().ok())
                .collect();
            let Some(&counts) = counts.first_chunk::<12>() else {
                continue;
            };
            let mut found = RunCounts::default();
            for (size, four) in [2, 3, 6].into_iter().zip(counts.chunks(4)) {
                found.of_reference[size][size] = four[0];
                found.of_reference[size][0] = four[1];
                found.of_test[size][size] = four[2];
                found.of_test[0][size] = four[3];
            }
            records.push((String::new(), found));
        }
        let sums = lines + &run_summary(&records);
        same(
            "sums",
            &sums,
            &golden(&folder, &format!("{file}.sumstats.txt")),
        );
    }
}

/// Faults found outside: pairs on which the scorer was wrong.
#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn scoring_faults_equal_bxb() {
    let shared = Path::new(env!("ECTOPY_RECORDINGS"));
    // Folder, record, start, and pairs, missed and extra beats.
    let cases = [
        ("score-past-end", "t", 300.0, (304, 0, 0)),
        ("score-close-beats", "p", 0.0, (4, 0, 0)),
        ("score-first-beat", "a", 300.0, (2, 0, 0)),
        ("score-test-vf", "v", 300.0, (563, 3, 1)),
    ];
    for (fault, name, start, expected) in cases {
        let folder = shared.join("faults").join(fault);
        let record = read(&folder, name.to_string());
        let options = Options {
            start,
            ..Options::default()
        };
        let comparison = compare(&record.pair(), &options);
        let all = Beat::ALL.into_iter();
        let (beats, none): (Vec<Beat>, Vec<Beat>) = all.partition(|b| matches!(b, Beat::Class(_)));
        let matrix = &comparison.matrix;
        let found = (
            matrix.sum(&beats, &beats),
            matrix.sum(&beats, &none),
            matrix.sum(&none, &beats),
        );
        assert_eq!(found, expected, "{fault}");
        let bxb = AnnotationFile::read(&folder.join(format!("{name}.bxb"))).unwrap();
        let steps = pair_annotations(&record.test, &comparison);
        assert_eq!(steps, bxb.at_rate(record.fs), "{fault}");
    }
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn episode_reports_equal_those_of_epicmp() {
    let folder = folder();
    let records = records(&folder.join("annotations"));
    for (kind, name) in [(Kind::Af, "af"), (Kind::Vf, "vf")] {
        let compared: Vec<_> = records
            .iter()
            .map(|r| (r.name.clone(), compare_episodes(&r.pair(), 300.0, kind)))
            .collect();
        let mut lines = episode_heading(kind);
        let mut reports = String::new();
        for (name, counts) in &compared {
            lines += &format!("{}\n", episode_line(name, counts));
            reports += &episode_report(kind, name, "atr", "tst", counts);
        }
        let file = |kind: &str| golden(&folder, &format!("tst.epicmp-{name}{kind}.txt"));
        same("reports", &reports, &file(""));
        same("lines", &lines, &file("-line"));
        lines += &episode_summary(&compared);
        same("sums", &lines, &file("-line.sumstats"));
    }
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn measurement_reports_equal_those_of_mxm() {
    let folder = folder();
    let records = records(&folder.join("annotations"));
    let (mut lines, mut reports, mut compared) =
        (measurement_heading(0), String::new(), Vec::new());
    for record in records.iter().filter(|r| r.name.starts_with("meas")) {
        let errors = compare_measurements(&record.pair(), 300.0, 0).unwrap();
        lines += &format!("{}\n", measurement_line(&record.name, &errors));
        reports += &measurement_report(0, &record.name, "atr", "tst", &errors);
        compared.push((record.name.clone(), errors));
    }
    same("reports", &reports, &golden(&folder, "tst.mxm.txt"));
    same("lines", &lines, &golden(&folder, "tst.mxm-line.txt"));
    lines += &measurement_summary(&compared);
    same(
        "sums",
        &lines,
        &golden(&folder, "tst.mxm-line.sumstats.txt"),
    );
}
