//! `data score` from the outside.

use std::path::Path;

use assert_cmd::Command;
use data::formats::wfdb;
use data::record::annotation::{Annotation, Symbol};
use predicates::prelude::*;
use predicates::str::contains;
use tempfile::TempDir;

use crate::programs::{program, shared};

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
fn the_reference_report_is_reproduced() {
    let (Some(records), Some(golden)) = (shared("mitdb"), shared("golden/ec57")) else {
        return;
    };
    let tests = golden.join("annotations");
    let output = score(&[text(&records), "--test", "osea", "--test-dir", text(&tests)])
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let expected = std::fs::read_to_string(golden.join("osea.sumstats.txt")).unwrap();
    assert!(printed.starts_with(&expected), "{printed}");
}

#[test]
fn bad_input_gives_one_message_and_no_output() {
    let folder = recording();
    let cut = std::fs::read(folder.path().join("r1.tst")).unwrap();
    std::fs::write(folder.path().join("r1.cut"), &cut[..cut.len() - 3]).unwrap();
    std::fs::write(folder.path().join("empty.txt"), "").unwrap();
    let (here, list) = (text(folder.path()), folder.path().join("empty.txt"));
    let cases: [(&[&str], &str); 8] = [
        (&[here], "--test"),
        (&["/no/such/folder", "--test", "tst"], "/no/such/folder"),
        (&[here, "--test", "none"], "r1.none: No such file"),
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
