//! Any bytes as an annotation file; what is read must survive being written
//! and read again.

#![no_main]

use std::sync::LazyLock;

use data::formats::wfdb::AnnotationFile;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> =
    LazyLock::new(|| tempfile::tempdir().expect("a temporary folder"));

fuzz_target!(|bytes: &[u8]| {
    let path = FOLDER.path().join("r.atr");
    std::fs::write(&path, bytes).expect("an annotation file");
    let Ok(first) = AnnotationFile::read(&path) else {
        return;
    };
    let rewritten = |file: &AnnotationFile| {
        file.write(&path).ok()?;
        Some(AnnotationFile::read(&path).expect("what we wrote is an annotation file"))
    };
    if let Some(second) = rewritten(&first) {
        assert_eq!(first.annotations, second.annotations);
        // Writing puts definitions before other notes; after that all stays.
        assert_eq!(rewritten(&second).as_ref(), Some(&second));
    }
});
