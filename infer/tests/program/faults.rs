//! Inputs on which `infer` once failed (`faults/` among the shared recordings),
//! with the right figures, and folders with bad recordings among good ones.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use data::formats::wfdb;
use data::simulate::synth::{self, Settings};
use predicates::prelude::*;
use predicates::str::contains;

use crate::cli::PROGRAM;
use crate::shared::shared;

/// A part of the folder of faults.
fn fault(name: &str) -> PathBuf {
    shared(&format!("faults/{name}"))
}

/// `infer` in a folder, with the shipped model for recordings.
fn infer(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .current_dir(folder)
        .arg("--model")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shipped/resnet.onnx"))
        .args(arguments);
    command
}

/// The classification report of one record, its lines of figures.
fn report(folder: &Path, record: &str, more: &[&str]) -> String {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("p.csv");
    let mut command = infer(folder, &[record, "--output", path.to_str().unwrap()]);
    let output = command.args(more).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn a_record_of_several_rates_is_classified_as_its_twin_of_one() {
    let folder = fault("multirate-annotations");
    let twin = report(&folder, "sr", &[]);
    assert!(twin.contains("95.17"), "{twin}");
    assert_eq!(report(&folder, "mr", &[]), twin);
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn units_and_offsets_change_nothing() {
    let folder = fault("units-uv");
    let wanted = report(&folder, "mv", &[]);
    assert!(wanted.contains("95.17"), "{wanted}");
    for record in ["uv", "mv_dc", "uv_dc"] {
        assert_eq!(report(&folder, record, &[]), wanted, "{record}");
    }
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn a_file_of_a_record_is_answered_with_the_record() {
    let folder = fault("signal-file-as-input");
    for file in ["base.dat", "base.atr"] {
        infer(&folder, &[file])
            .assert()
            .failure()
            .stderr(contains("give the record: base"));
    }
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn a_flat_record_is_named_and_the_others_are_written() {
    let folder = fault("one-flat-record");
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("p.csv");
    infer(&folder, &[".", "--output", path.to_str().unwrap()])
        .assert()
        .failure()
        .stderr(contains("1 of 2 recordings").and(contains("flat")));
    let rows = std::fs::read_to_string(&path).unwrap();
    assert!(rows.lines().count() > 200, "{} rows", rows.lines().count());
    let flat = out.path().join("q.csv");
    infer(&folder, &["flat", "--output", flat.to_str().unwrap()])
        .assert()
        .failure()
        .stderr(contains("no beat"));
    assert!(!flat.exists());
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn the_ecg_is_taken_and_the_record_goes_before_the_folder() {
    let out = tempfile::tempdir().unwrap();
    let out = out.path().to_str().unwrap();
    {
        let folder = fault("pressure-as-ecg");
        infer(&folder, &["a", "--annotator", "inf", "-o", out])
            .assert()
            .success()
            .stderr(contains("the lead is ECG in mV").and(contains("(246 beats)")));
        infer(
            &folder,
            &["a", "--lead", "ABP", "--annotator", "inf", "-o", out],
        )
        .assert()
        .failure()
        .stderr(contains("no voltage"));
    }
    {
        let folder = fault("record-and-folder-same-name");
        infer(&folder, &["100", "--annotator", "inf", "-o", out])
            .assert()
            .success()
            .stderr(contains("100/ is the folder").and(contains("(74 beats)")));
        infer(&folder, &["100/", "--annotator", "inf", "-o", out])
            .assert()
            .success()
            .stderr(contains("x.inf (37 beats)"));
    }
}

/// A folder of `a/r`, `b/r` and what `RECORDS` says of them.
fn subfolders(list: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (part, seed) in [("a", 1), ("b", 2)] {
        let (record, annotations) = synth::record("r", &Settings::new(360.0, seed), 60.0).unwrap();
        let at = folder.path().join(part);
        wfdb::write_record(&at, &record).unwrap();
        wfdb::write_annotations(&at.join("r.atr"), &annotations).unwrap();
    }
    std::fs::write(folder.path().join("RECORDS"), list).unwrap();
    folder
}

#[test]
fn annotations_keep_the_subfolders_of_their_records() {
    let folder = subfolders(b"a/r\nb/\n");
    infer(folder.path(), &[".", "--annotator", "inf", "-o", "out"])
        .assert()
        .success();
    let read = |part: &str| std::fs::read(folder.path().join("out").join(part)).unwrap();
    assert_ne!(read("a/r.inf"), read("b/r.inf"));
    infer(
        folder.path(),
        &["a/r", "b/r", "--annotator", "inf", "-o", "flat"],
    )
    .assert()
    .failure()
    .stderr(contains("r.inf: two outputs of the run are this one file"));
    assert!(!folder.path().join("flat").exists());
}

#[test]
fn a_folder_with_bad_records_gives_the_good_ones() {
    let folder = subfolders(b"a/r\nabsent\nf\xff\nb/torn\nb/r\n");
    std::fs::write(
        folder.path().join("b/torn.hea"),
        "torn 1 360 100\ntorn.dat 16\n",
    )
    .unwrap();
    let failed = || {
        contains("3 of 5 recordings")
            .and(contains("absent"))
            .and(contains("torn"))
            .and(contains("not UTF-8"))
    };
    infer(folder.path(), &[".", "-o", "p.csv"])
        .assert()
        .failure()
        .stderr(failed());
    let rows = std::fs::read_to_string(folder.path().join("p.csv")).unwrap();
    assert!(rows.contains(",a/r,") && rows.contains(",b/r,"));
    infer(folder.path(), &[".", "--annotator", "inf", "-o", "out"])
        .assert()
        .failure()
        .stderr(failed());
    assert!(folder.path().join("out/b/r.inf").is_file());
    let mut evaluate = Command::new(PROGRAM);
    evaluate
        .current_dir(folder.path())
        .args([
            "evaluate", "--data", ".", "--start", "0", "--detect", "--model",
        ])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shipped/resnet.onnx"))
        .assert()
        .failure()
        .stdout(contains("2 records"))
        .stderr(failed());
}
