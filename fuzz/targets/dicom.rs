//! Any bytes as a DICOM waveform, behind the mark of such a file.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> =
    LazyLock::new(|| tempfile::tempdir().expect("a temporary folder"));

fuzz_target!(|bytes: &[u8]| {
    let path = FOLDER.path().join("r.dcm");
    std::fs::write(&path, [&[0; 128][..], b"DICM", bytes].concat()).expect("a recording");
    if let Ok(record) = data::formats::open(&path).and_then(data::formats::Recording::read) {
        let length = record.len();
        assert!(record.signals.iter().all(|s| s.samples.len() == length));
    }
});
