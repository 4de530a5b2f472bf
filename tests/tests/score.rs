//! `data score` from the outside.

use std::path::Path;

use assert_cmd::Command;
use data::formats::wfdb;
use data::record::annotation::{Annotation, Symbol};
use predicates::prelude::*;
use predicates::str::contains;
use tempfile::TempDir;

use crate::programs::program;
use crate::shared::shared;

fn score(arguments: &[&str]) -> Command {
    let mut command = Command::new(program("data"));
    command.arg("score").args(arguments);
    command
}

/// A folder with one record of ten beats, annotated by `atr` and by `tst`, who
/// misses the last and calls the second V.
fn recording() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("r1.hea"), "r1 0 100 1100\n").unwrap();
    let beat = |n: i64, symbol| Annotation::new(100 * n, symbol);
    let reference: Vec<_> = (1..=10).map(|n| beat(n, Symbol::N)).collect();
    let mut test = reference[..9].to_vec();
    test[1] = beat(2, Symbol::V);
    for (annotator, annotations) in [("atr", &reference), ("tst", &test)] {
        let path = folder.path().join(format!("r1.{annotator}"));
        wfdb::write_annotations(&path, annotations).unwrap();
    }
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_figures_are_printed_and_written() {
    let folder = recording();
    let json = folder.path().join("out.json");
    score(&[
        text(folder.path()),
        "--test",
        "tst",
        "--start",
        "0",
        "--json",
        text(&json),
    ])
    .assert()
    .success()
    .stdout(contains("  r1     8   0   0   0   0"))
    .stdout(contains("Gross").and(contains("90.00 100.00      -   0.00")))
    .stdout(contains("Total QRS complexes: 10"));
    let scores: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(scores["gross"]["qrs"]["se"], 0.9);
    assert_eq!(scores["average"]["v"]["ppv"], 0.0);
    assert!(scores["gross"]["s"]["se"].is_null());
    assert_eq!(scores["records"]["r1"]["qrs"]["ppv"], 1.0);
}

#[test]
fn the_learning_period_is_not_scored() {
    let folder = recording();
    score(&[text(folder.path()), "--test", "tst", "--start", "0:05"])
        .assert()
        .success()
        .stdout(contains("Total QRS complexes: 6"));
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn the_reference_report_is_reproduced() {
    let (records, golden) = (shared("mitdb"), shared("golden/ec57"));
    let tests = golden.join("annotations");
    let output = score(&[text(&records), "--test", "osea", "--test-dir", text(&tests)])
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let expected = std::fs::read_to_string(golden.join("osea.sumstats.txt")).unwrap();
    assert!(printed.starts_with(&expected), "{printed}");
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn the_hard_reports_are_reproduced() {
    let golden = shared("golden/ec57-hard");
    let records = golden.join("annotations");
    let expected = |file: &str| std::fs::read_to_string(golden.join(file)).unwrap();
    let run = |arguments: &[&str]| -> String {
        let output = score(&[text(&records), "--test", "tst"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let printed = run(&["--shutdowns", "--episodes", "af,vf", "--measurements", "0"]);
    assert!(
        printed.starts_with(&expected("tst.sumstats.txt")),
        "{printed}"
    );
    assert!(printed.contains("escape beats (e j n)"), "{printed}");
    for file in [
        "tst.bxb-shutdown.sumstats.txt",
        "tst.epicmp-af-line.sumstats.txt",
        "tst.epicmp-vf-line.sumstats.txt",
        "tst.mxm-line.sumstats.txt",
    ] {
        assert!(printed.contains(&expected(file)), "{file}\n{printed}");
    }
    let printed = run(&["--matrices", "--s-as-n"]);
    assert!(printed.starts_with(&expected("tst.bxb-matrices-vsmall.txt")));
    assert!(printed.contains(&expected("tst.bxb-line-vsmall.sumstats.txt")));
    let printed = run(&["--mismatches"]);
    assert!(printed.ends_with(&expected("tst.bxb-mismatches.txt")));
}

#[test]
fn the_comparison_is_written_as_annotations() {
    let folder = recording();
    let pairs = folder.path().join("pairs");
    score(&[
        text(folder.path()),
        "--test",
        "tst",
        "--start",
        "0",
        "--pairs",
        text(&pairs),
    ])
    .assert()
    .success();
    let written = wfdb::read_annotations(&pairs.join("r1.bxb")).unwrap();
    let notes: Vec<(i64, &str)> = written
        .iter()
        .filter(|a| a.symbol == Symbol::NOTE)
        .map(|a| (a.sample, a.text()))
        .collect();
    assert_eq!(written.len(), 10);
    assert_eq!(notes, [(200, "Nv"), (1000, "No")]);
}

#[test]
fn runs_and_episodes_are_printed_and_written() {
    let folder = recording();
    let note = |sample, text: &str| Annotation {
        aux_note: text.into(),
        ..Annotation::new(sample, Symbol::RHYTHM)
    };
    let reference = [
        note(100, "(VFL"),
        note(500, "(N"),
        note(600, "(VT"),
        note(900, "(N"),
    ];
    let test = [
        Annotation::new(300, Symbol::VF_ON),
        Annotation::new(500, Symbol::VF_OFF),
        note(700, "(VT"),
    ];
    for (annotator, annotations) in [("ref", &reference[..]), ("mon", &test[..])] {
        let path = folder.path().join(format!("r1.{annotator}"));
        wfdb::write_annotations(&path, annotations).unwrap();
    }
    let json = folder.path().join("out.json");
    score(&[text(folder.path()), "--reference", "ref", "--test", "mon"])
        .args(["--start", "0", "--runs", "--episodes", "vf,vf-any,vt"])
        .args(["--json", text(&json)])
        .assert()
        .success()
        .stdout(contains("(SVE run detection)"))
        .stdout(contains(
            "    r1    0    0    0    1    -   0   -   0         0.000       0:02.000",
        ))
        .stdout(contains(
            "    r1    1    0    1    0  100 100  50 100      0:04.000       0:02.000",
        ))
        .stdout(contains(
            "    r1    1    0    1    0  100 100  67  50      0:03.000       0:04.000",
        ));
    let scores: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(
        scores["episodes"]["vf-any"]["gross"]["by_duration"]["se"],
        0.5
    );
    assert_eq!(
        scores["episodes"]["vt"]["records"]["r1"]["test_seconds"],
        4.0
    );
    assert_eq!(scores["runs"]["v"]["r1"]["long_runs"]["se"], 1.0);
    assert!(scores.get("measurements").is_none());
}

#[test]
fn a_record_shorter_than_the_learning_period_is_named() {
    let folder = recording();
    score(&[text(folder.path()), "--test", "tst"])
        .assert()
        .success()
        .stderr(contains("scoring starts at 5:00").and(contains("ends at 11 s")))
        .stderr(contains("--start 0"));
    // What ends where the scoring starts is not scored either, nor is a record
    // whose header does not say how long it is.
    score(&[text(folder.path()), "--test", "tst", "--start", "0:11"])
        .assert()
        .success()
        .stderr(contains("nothing of it is scored"));
    std::fs::write(folder.path().join("r1.hea"), "r1 0 100\n").unwrap();
    score(&[text(folder.path()), "--test", "tst"])
        .assert()
        .success()
        .stderr(contains("nothing of it is scored"));
}

#[test]
fn bad_input_gives_one_message_and_no_output() {
    let folder = recording();
    let cut = std::fs::read(folder.path().join("r1.tst")).unwrap();
    std::fs::write(folder.path().join("r1.cut"), &cut[..cut.len() - 3]).unwrap();
    std::fs::write(folder.path().join("empty.txt"), "").unwrap();
    let (here, list) = (text(folder.path()), folder.path().join("empty.txt"));
    let cases: [(&[&str], &str); 9] = [
        (&[here], "--test"),
        (&["/no/such/folder", "--test", "tst"], "/no/such/folder"),
        (
            &[here, "--test", "none"],
            "r1.none: there is no such annotation file",
        ),
        (&[here, "--test", "cut"], "cut short"),
        (
            &[here, "--test", "tst", "--records", "r1,r2"],
            "r2.hea: no such record",
        ),
        (
            &[here, "--test", "tst", "--records", "r1,r1"],
            "named twice",
        ),
        (
            &[here, "--test", "tst", "--records", text(&list)],
            "names no record",
        ),
        (
            &[here, "--test", "tst", "--start", "soon"],
            "expected seconds, M:SS",
        ),
        (
            &[here, "--test", "tst", "--episodes", "af,st"],
            "'st' is no kind of episode; the kinds are af, vf, vf-any, vt",
        ),
    ];
    let json = folder.path().join("out.json");
    for (arguments, message) in cases {
        score(arguments)
            .args(["--json", text(&json)])
            .assert()
            .failure()
            .stdout("")
            .stderr(contains(message));
        assert!(!json.exists(), "{arguments:?} left an output behind");
    }
}
