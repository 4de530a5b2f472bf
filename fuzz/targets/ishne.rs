//! Any bytes as an ISHNE recording, and as its annotations.

#![no_main]

use std::sync::LazyLock;

use data::formats::ishne::AnnotationFile;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> =
    LazyLock::new(|| tempfile::tempdir().expect("a temporary folder"));

fuzz_target!(|bytes: &[u8]| {
    let rest = bytes.get(8..).unwrap_or_default();
    let path = FOLDER.path().join("r.ecg");
    std::fs::write(&path, [b"ISHNE1.0", rest].concat()).expect("a recording");
    if let Ok(record) = data::formats::open(&path).and_then(data::formats::Recording::read) {
        let length = record.len();
        assert!(record.signals.iter().all(|s| s.samples.len() == length));
    }
    let path = FOLDER.path().join("r.ann");
    std::fs::write(&path, [b"ANN  1.0", rest].concat()).expect("annotations");
    if let Ok(file) = AnnotationFile::read(&path) {
        let samples = file.annotations.iter().map(|a| a.sample);
        assert!(file.fs > 0.0 && samples.is_sorted());
    }
});
