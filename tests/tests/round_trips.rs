//! What `infer` writes for other tools, read by those tools.

use std::path::{Path, PathBuf};
use std::process::Command;

use data::formats::wfdb::AnnotationFile;
use data::record::annotation::Symbol;
use serde_json::Value;

use crate::onnx_checker::python;
use crate::programs::program;

/// A real record with runs, bigeminy and some 2,600 beats, at 360 Hz.
fn record() -> PathBuf {
    Path::new(env!("ECTOPY_RECORDINGS")).join("mitdb/200")
}

fn infer(arguments: &[&str], folder: &Path) {
    let output = Command::new(program("infer"))
        .current_dir(folder)
        .env(
            "ECTOPY_MODELS",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../models"),
        )
        .arg(record())
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
}

/// What a script beside this file prints.
fn script(name: &str, arguments: &[&str], folder: &Path) -> Vec<u8> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/round_trips");
    let output = Command::new(python())
        .current_dir(folder)
        .arg(scripts.join(name))
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}");
    output.stdout
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn rhythm_notes_and_every_beat_come_back_from_the_packages_of_wfdb_and_edf() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--annotator", "x", "--rhythm", "--edf-plus", "-o", "out"];
    infer(&arguments, folder.path());
    let written = AnnotationFile::read(&folder.path().join("out/200.x")).unwrap();
    let expected: Vec<(i64, String)> = written
        .annotations
        .iter()
        .map(|a| match a.text() {
            "" => (a.sample, a.symbol.to_string()),
            text => (a.sample, text.to_owned()),
        })
        .collect();
    let rhythms = written.annotations.iter();
    let rhythms = rhythms.filter(|a| a.symbol == Symbol::RHYTHM).count();
    assert!(rhythms > 50 && expected.len() > 2600 + rhythms);
    for note in ["(N", "(B", "(T"] {
        assert!(expected.iter().any(|(_, text)| text == note), "{note}");
    }
    let read = script("edf_plus.py", &["out/200", "x", "360"], folder.path());
    let read: Value = serde_json::from_slice(&read).unwrap();
    for package in ["wfdb", "edfio", "pyedflib"] {
        let found: Vec<(i64, String)> = serde_json::from_value(read[package].clone()).unwrap();
        assert_eq!(found, expected, "{package}");
    }
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn pandas_polars_and_duckdb_read_from_parquet_what_the_csv_says() {
    let folder = tempfile::tempdir().unwrap();
    for table in ["beats.parquet", "beats.csv"] {
        infer(&["--detect", "-o", table], folder.path());
    }
    let said = script("tables.py", &["beats.parquet", "beats.csv"], folder.path());
    assert_eq!(String::from_utf8(said).unwrap(), "2607 15\n");
}
