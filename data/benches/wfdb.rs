//! Time to read a half-hour record of two signals, as in the MIT-BIH
//! Arrhythmia Database, and its annotations.
//!
//! Reads record 100 below `ECTOPY_SHARED`/mitdb where that is, otherwise a
//! synthetic record of the same size and format.

use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{Criterion, criterion_group, criterion_main};
use data::wfdb::{read_annotations, read_record};

/// Two signals of 650,000 samples in format 212.
fn synthetic(folder: &Path) -> std::io::Result<PathBuf> {
    let bytes: Vec<u8> = (0..650_000 * 3_usize).map(|i| (i * 31 / 7) as u8).collect();
    std::fs::write(folder.join("a.dat"), bytes)?;
    let line = "a.dat 212 200 11 1024 0\n";
    std::fs::write(
        folder.join("a.hea"),
        format!("a 2 360 650000\n{line}{line}"),
    )?;
    // 2,000 normal beats, 300 samples apart, and the end.
    let mut annotations: Vec<u8> = (0..2000).flat_map(|_| [0x2c, 0x05]).collect();
    annotations.extend([0, 0]);
    std::fs::write(folder.join("a.atr"), annotations)?;
    Ok(folder.join("a"))
}

fn reading(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let shared = std::env::var_os("ECTOPY_SHARED").map(|f| Path::new(&f).join("mitdb/100"));
    let record = shared
        .filter(|path| path.with_extension("hea").is_file())
        .unwrap_or_else(|| synthetic(folder.path()).expect("a synthetic record"));
    println!("record: {}", record.display());
    criterion.bench_function("wfdb record", |bench| {
        bench.iter(|| read_record(black_box(&record)).expect("a record"));
    });
    let annotations = record.with_extension("atr");
    criterion.bench_function("wfdb annotations", |bench| {
        bench.iter(|| read_annotations(black_box(&annotations)).expect("annotations"));
    });
}

criterion_group!(benches, reading);
criterion_main!(benches);
