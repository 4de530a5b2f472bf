//! Any bytes as a header and a signal file: what is before the first NUL is
//! the header of record `r`, what follows is `r.dat`.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> =
    LazyLock::new(|| tempfile::tempdir().expect("a temporary folder"));

fuzz_target!(|bytes: &[u8]| {
    let split = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    let (header, dat) = bytes.split_at(split);
    let folder = FOLDER.path();
    std::fs::write(folder.join("r.hea"), header).expect("a header file");
    let dat = dat.get(1..).unwrap_or_default();
    std::fs::write(folder.join("r.dat"), dat).expect("a signal file");
    if let Ok(record) = data::formats::open(&folder.join("r")).and_then(|r| r.at_full_rate().read())
    {
        let length = record.len();
        assert!(record.signals.iter().all(|s| s.samples.len() == length));
    }
});
