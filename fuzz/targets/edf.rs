//! Any bytes as an EDF or BDF file: its leads, its gaps and its annotations. A
//! file without the right beginning is given one, so that the rest is reached.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

/// Reads of each file; gaps may be longer.
const READS: usize = 64;

static FOLDER: LazyLock<TempDir> =
    LazyLock::new(|| tempfile::tempdir().expect("a temporary folder"));

fuzz_target!(|bytes: &[u8]| {
    let path = FOLDER.path().join("r");
    let version: &[u8] = match bytes.first() {
        Some(0xff) => b"\xffBIOSEMI",
        _ => b"0       ",
    };
    let rest = bytes.get(version.len()..).unwrap_or_default();
    std::fs::write(&path, [version, rest].concat()).expect("a file");
    let Ok(recording) = data::formats::open(&path) else {
        return;
    };
    let _ = recording.annotations();
    for recording in [recording.clone(), recording.at_full_rate()] {
        let leads: Vec<usize> = (0..recording.leads.len()).collect();
        let Ok(mut chunks) = recording.chunks(&leads) else {
            continue;
        };
        let mut columns = vec![Vec::new(); leads.len()];
        let mut length = 0;
        for _ in 0..READS {
            match chunks.read(4096, &mut columns) {
                Ok(0) | Err(_) => break,
                Ok(count) => length += count,
            }
            assert!(columns.iter().all(|column| column.len() == length));
        }
    }
});
