//! The readers of ISHNE and DICOM against `ishneholterlib` and `pydicom`.

use std::path::{Path, PathBuf};
use std::process::Command;

use data::formats;
use data::formats::wfdb::AnnotationFile;
use data::record::annotation::Annotation;
use serde_json::Value;

use crate::environment::{python, root};

/// Rounding to `f32`, as a part of the value and of a mV: the reference may round
/// in between.
const ROUNDING: f32 = 2e-7;

/// The files that the packages wrote into a folder.
fn written(folder: &Path) -> Vec<PathBuf> {
    let output = Command::new(python())
        .arg(root().join("data/tests/formats/holter_reference.py"))
        .arg(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_recording = |path: &PathBuf| path.extension().is_some_and(|e| e == "ecg" || e == "dcm");
    let mut paths: Vec<PathBuf> = paths.filter(is_recording).collect();
    paths.sort();
    paths
}

/// What the package read of a file: its ending is added to the name.
fn beside(path: &Path, ending: &str) -> Vec<u8> {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    std::fs::read(name).unwrap()
}

#[test]
fn recordings_of_the_reference_packages_are_read_as_they_read_them() {
    let folder = tempfile::tempdir().unwrap();
    let paths = written(folder.path());
    assert_eq!(paths.len(), 15);
    for path in &paths {
        let name = path.file_name().unwrap().to_str().unwrap();
        let told: Value = serde_json::from_slice(&beside(path, ".json")).unwrap();
        let recording = formats::open(path).unwrap();
        let remarked = recording.remark.is_some();
        assert_eq!(
            remarked,
            name == "twelve.dcm",
            "{name}: {:?}",
            recording.remark
        );
        if name != "twelve.dcm" {
            let date = if name.ends_with("ecg") {
                (1990, 8, 2)
            } else {
                (2013, 1, 25)
            };
            assert_eq!(recording.start.unwrap().date, Some(date), "{name}");
        }
        annotated(&recording.annotations().unwrap(), &told, name);
        if name.ends_with("ecg") {
            // The same by name, as any annotator's.
            let file = formats::found_annotations(path, "ann").unwrap();
            let file = AnnotationFile::read(&file).unwrap();
            annotated(&recording.clock().annotations(file), &told, name);
        }
        let record = recording.read().unwrap();
        assert_eq!(record.fs, told["fs"].as_f64().unwrap(), "{name}");
        let raw = beside(path, ".raw");
        let (values, _) = raw.as_chunks::<4>();
        let length = record.len();
        let names = told["names"].as_array().unwrap();
        assert_eq!(
            (record.signals.len(), values.len()),
            (names.len(), names.len() * length)
        );
        for ((signal, theirs), named) in record.signals.iter().zip(values.chunks(length)).zip(names)
        {
            let named = named.as_str().unwrap();
            let bare = named.trim_start_matches("Lead ").split(" (").next();
            assert_eq!(Some(&*signal.name), bare, "{name}");
            for (at, (ours, theirs)) in signal.samples.iter().zip(theirs).enumerate() {
                let theirs = f32::from_le_bytes(*theirs);
                let near = (ours - theirs).abs() <= ROUNDING * theirs.abs().max(1.0);
                assert!(
                    near,
                    "{name}, {named}, sample {at}: {ours}, expected {theirs}"
                );
            }
        }
    }
}

/// Compares the annotations, where the package read any.
fn annotated(ours: &[Annotation], told: &Value, name: &str) {
    let none = Vec::new();
    let theirs = told["annotations"].as_array().unwrap_or(&none);
    assert_eq!(ours.len(), theirs.len(), "{name}");
    for (ours, theirs) in ours.iter().zip(theirs) {
        let symbol = match theirs[1].as_str().unwrap() {
            "P" => "/",
            "U" => "Q",
            "X" => "|",
            same => same,
        };
        assert_eq!(ours.sample, theirs[0].as_i64().unwrap(), "{name}");
        assert_eq!(ours.symbol.as_str(), symbol, "{name}");
    }
}
