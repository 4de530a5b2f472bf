//! Real records, converted by the reference package of each format, give the beats
//! and the classes of the WFDB original.
//!
//! With `ECTOPY_ALL` set all 88 records of `mitdb` and `svdb` are converted, else a
//! few. The table that is printed tells how many of each format are the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use data::formats;
use data::formats::wfdb::AnnotationFile;

use crate::programs::program;

/// The formats, by the endings of the files that the script writes.
const FORMATS: [&str; 5] = ["edf", "bdf", "ecg", "csv", "parquet"];
/// Records where not all are asked for: regular ones, with flutter, with pauses and
/// with supraventricular runs, of both rates.
const FEW: [&str; 5] = [
    "mitdb/100",
    "mitdb/207",
    "mitdb/232",
    "svdb/800",
    "svdb/848",
];
/// `pyedflib` fills the last data record of a second up with zeros, which adds a QRS
/// complex at most, and whatever is told of a beat knows of the seconds behind it.
const FILLED: f64 = 10.0;

fn records(shared: &Path) -> Vec<PathBuf> {
    if std::env::var_os("ECTOPY_ALL").is_none() {
        return FEW.iter().map(|name| shared.join(name)).collect();
    }
    let names = ["mitdb", "svdb"].map(|database| {
        let folder = shared.join(database);
        let names = formats::find(&folder).unwrap();
        names
            .into_iter()
            .map(|n| folder.join(n))
            .collect::<Vec<_>>()
    });
    names.concat()
}

/// The bytes of the annotation file that `infer` writes of a recording's beats.
fn annotated(folder: &Path, recording: &Path, more: &[String]) -> (PathBuf, Vec<u8>) {
    let out = folder.join("out");
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../models");
    let output = Command::new(program("infer"))
        .env("ECTOPY_MODELS", models)
        .arg(recording)
        .args(["--detect", "--annotator", "x", "--output"])
        .arg(&out)
        .args(more)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", recording.display());
    let written: Vec<_> = std::fs::read_dir(&out).unwrap().collect();
    assert_eq!(written.len(), 1, "{}", recording.display());
    let path = folder.join("x");
    std::fs::rename(written[0].as_ref().unwrap().path(), &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    (path, bytes)
}

/// The annotations up to a sample.
fn until(path: &Path, end: i64) -> Vec<(i64, String, i8)> {
    let all = AnnotationFile::read(path).unwrap().annotations.into_iter();
    let early = all.filter(|a| a.sample < end);
    early
        .map(|a| (a.sample, format!("{} {}", a.symbol, a.text()), a.subtype))
        .collect()
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn converted_records_give_the_beats_and_classes_of_the_original() {
    let shared = PathBuf::from(env!("ECTOPY_RECORDINGS"));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/converted/convert.py");
    let mut table: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    let records = records(&shared);
    for record in &records {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new(crate::onnx_checker::python())
            .arg(script)
            .arg(folder.path())
            .arg(record)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", record.display());
        let original = formats::open(record).unwrap();
        let frames = original.length.unwrap();
        // Of whole seconds, nothing is filled up.
        let is_filled = (frames as f64 % original.fs) > 0.0;
        let end = (frames as f64 - FILLED * original.fs) as i64;
        let name = record.file_name().unwrap().to_str().unwrap();
        let (path, expected) = annotated(folder.path(), record, &[]);
        let expected_early = until(&path, end);
        assert!(expected_early.len() > 1000, "{name}");
        for format in FORMATS {
            let more = match format {
                "csv" | "parquet" => vec![
                    "--samples".into(),
                    format!("fs={},leads=lead1", original.fs),
                ],
                _ => Vec::new(),
            };
            let converted = folder.path().join(format!("{name}.{format}"));
            let (path, found) = annotated(folder.path(), &converted, &more);
            let same = found == expected;
            let may_differ = is_filled && matches!(format, "edf" | "bdf");
            assert!(same || may_differ, "{name}, {format}");
            assert_eq!(until(&path, end), expected_early, "{name}, {format}");
            table.entry(format).or_default()[usize::from(!same)] += 1;
        }
    }
    println!("format: records that are the same; the same but for the filled last second");
    for (format, [same, filled]) in table {
        println!("{format}: {same}; {filled}");
        assert_eq!(same + filled, records.len());
    }
}
