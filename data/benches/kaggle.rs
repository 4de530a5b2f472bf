//! Time to read a Kaggle-format CSV of the size of `mitbih_test.csv`: 21,892
//! rows of 188 numbers written as `%.18e`, 103 MB.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use data::Classes;
use data::beat_files::kaggle;

/// Rows of `mitbih_test.csv`.
const ROWS: usize = 21_892;

/// Beats half of which is padding, as NumPy's `savetxt` writes them.
fn csv() -> String {
    let mut text = String::new();
    for row in 0..ROWS {
        for column in 0..187 {
            let value = if column < 100 {
                f64::from(((row * 187 + column) % 997) as f32 / 997.0)
            } else {
                0.0
            };
            let number = format!("{value:.18e}");
            let (digits, exponent) = number.split_once('e').unwrap_or((&number, "0"));
            let sign = if exponent.starts_with('-') { '-' } else { '+' };
            let exponent = exponent.trim_start_matches('-');
            let _ = write!(text, "{digits}e{sign}{exponent:0>2},");
        }
        let _ = writeln!(text, "{}.000000000000000000e+00", row % 5);
    }
    text
}

fn reading(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("beats.csv");
    let text = csv();
    std::fs::write(&path, &text).expect("a file of beats");
    let mut group = criterion.benchmark_group("kaggle csv");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.sample_size(10);
    group.bench_function("read 21,892 rows", |bench| {
        bench.iter(|| {
            kaggle::read(black_box(&path), &Classes::aami5())
                .expect("beats")
                .len()
        });
    });
    group.bench_function("chunks of 64 rows", |bench| {
        bench.iter(|| {
            let reader =
                kaggle::Reader::open(black_box(&path), 64, &Classes::aami5()).expect("beats");
            reader
                .map(|chunk| chunk.expect("beats").len())
                .sum::<usize>()
        });
    });
    group.finish();
}

criterion_group!(benches, reading);
criterion_main!(benches);
