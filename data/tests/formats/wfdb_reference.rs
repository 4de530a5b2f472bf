//! The WFDB reader against the `wfdb` package, sample for sample.
//!
//! Equality is of bits: the package computes `(sample - baseline) / gain` in
//! f64, and its value rounded to f32 must be ours; NaN where ours is NaN.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use data::episodes::notes::with_rhythm;
use data::formats::wfdb::{self, AnnotationFile};
use data::record::Record;
use data::record::annotation::{Annotation, Symbol};

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

/// Prints what the package reads from annotation files: at most a minute, since a
/// version of it never ends with notes about a file that it does not know.
const ANNOTATIONS: &str = "
import signal, sys
signal.alarm(60)
import wfdb
for annotator in sys.argv[2:]:
    read = wfdb.rdann(sys.argv[1], annotator)
    for sample, symbol, text in zip(read.sample, read.symbol, read.aux_note):
        print(sample, symbol, text)
";

#[test]
#[cfg_attr(not(recordings), ignore = "no reference packages")]
fn annotations_with_rhythm_notes_are_read_by_the_reference() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("r");
    let symbols = "NNVVVNNSSSSNVNVNVN[]NN".chars();
    let beats = symbols.enumerate().map(|(i, symbol)| {
        let symbol = Symbol::from_mnemonic(&symbol.to_string()).unwrap();
        Annotation::new(250 * i as i64, symbol)
    });
    let noted = with_rhythm(beats.collect(), 250.0);
    let line = |a: &Annotation| format!("{} {} {}", a.sample, a.symbol, a.text());
    let expected: Vec<String> = noted.iter().map(line).collect();
    for text in ["(N", "(IVR", "(SVTA", "(B"] {
        assert!(noted.iter().any(|a| a.text() == text), "{text}");
    }
    // In frames, and in a time resolution of the file's own.
    wfdb::write_annotations(&record.with_extension("a"), &noted).unwrap();
    let resolved = AnnotationFile::new(Some(250.0), noted);
    resolved.write(&record.with_extension("b")).unwrap();
    let output = Command::new(python())
        .args(["-c", ANNOTATIONS])
        .arg(&record)
        .args(["a", "b"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let said: Vec<&str> = said.lines().map(str::trim_end).collect();
    let expected = expected.iter().map(|line| line.trim_end());
    let twice: Vec<&str> = expected.clone().chain(expected).collect();
    assert_eq!(said, twice);
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
