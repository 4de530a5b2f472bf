//! Any bytes as a table of samples: what is before the first NUL says what the
//! columns are, what follows is the table.

#![no_main]

use std::sync::LazyLock;

use data::formats::samples::Options;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> =
    LazyLock::new(|| tempfile::tempdir().expect("a temporary folder"));

fuzz_target!(|bytes: &[u8]| {
    let split = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    let (options, table) = bytes.split_at(split);
    let Ok(options) = String::from_utf8_lossy(options).parse::<Options>() else {
        return;
    };
    let path = FOLDER.path().join("r.csv");
    std::fs::write(&path, table.get(1..).unwrap_or_default()).expect("a table");
    let Ok(recording) = data::formats::open_samples(&path, &options) else {
        return;
    };
    let all: Vec<usize> = (0..recording.leads.len()).collect();
    let Ok(mut chunks) = recording.chunks(&all) else {
        return;
    };
    // A gap may be long: what is read is not kept.
    let mut columns = vec![Vec::new(); all.len()];
    while chunks
        .read(1 << 16, &mut columns)
        .is_ok_and(|count| count > 0)
    {
        let length = columns[0].len();
        assert!(columns.iter().all(|c| c.len() == length));
        columns.iter_mut().for_each(Vec::clear);
    }
});
