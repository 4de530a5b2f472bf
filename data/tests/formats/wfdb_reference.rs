//! The WFDB reader against the `wfdb` package, sample for sample.
//!
//! Equality is of bits: the package computes `(sample - baseline) / gain` in
//! f64, and its value rounded to f32 must be ours; NaN where ours is NaN.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use data::record::Record;

use crate::environment::{python, root, shared};

/// Reads the records with the package and compares each with our reading.
fn compare(python: &Path, records: &[PathBuf]) {
    let mut child = Command::new(python)
        .arg(root().join("data/tests/formats/reference.py"))
        .args(records)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reference = child.stdout.take().unwrap();
    for path in records {
        let ours = data::formats::open(path).unwrap().at_full_rate();
        let ours = ours.read().unwrap();
        equal(&ours, &mut reference, path);
    }
    assert!(child.wait().unwrap().success());
}

fn equal(ours: &Record, reference: &mut impl Read, path: &Path) {
    let mut word = [0; 4];
    let mut double = [0; 8];
    let path = path.display();
    reference.read_exact(&mut word).unwrap();
    assert_eq!(
        ours.signals.len(),
        u32::from_le_bytes(word) as usize,
        "{path}"
    );
    reference.read_exact(&mut double).unwrap();
    assert_eq!(ours.fs, f64::from_le_bytes(double), "{path}");
    for signal in &ours.signals {
        reference.read_exact(&mut word).unwrap();
        let length = u32::from_le_bytes(word) as usize;
        assert_eq!(signal.samples.len(), length, "{path}, {}", signal.name);
        let mut bytes = vec![0; length * 4];
        reference.read_exact(&mut bytes).unwrap();
        let (values, _) = bytes.as_chunks::<4>();
        for (index, (ours, theirs)) in signal.samples.iter().zip(values).enumerate() {
            let theirs = f32::from_le_bytes(*theirs);
            assert!(
                ours.to_bits() == theirs.to_bits() || (ours.is_nan() && theirs.is_nan()),
                "{path}, {}, sample {index}: {ours}, expected {theirs}",
                signal.name
            );
        }
    }
}

/// The records of a folder whose signal files are all there.
fn complete(folder: &Path) -> Vec<PathBuf> {
    let mut records = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "hea") {
            continue;
        }
        let header = data::formats::wfdb::Header::read(&path).unwrap();
        let has_files = header
            .signals
            .iter()
            .all(|s| folder.join(&s.file_name).is_file());
        if has_files && header.segments.is_empty() {
            records.push(path.with_extension(""));
        }
    }
    records.sort();
    records
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn every_sample_record_equals_the_reference() {
    let (shared, python) = (shared(), python());
    let records = complete(&shared.join("fixtures/wfdb_sample"));
    assert!(records.len() >= 18, "only {} records found", records.len());
    compare(&python, &records);
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn every_mitdb_record_equals_the_reference() {
    let (shared, python) = (shared(), python());
    let records = complete(&shared.join("mitdb"));
    assert_eq!(records.len(), 48);
    compare(&python, &records);
}
