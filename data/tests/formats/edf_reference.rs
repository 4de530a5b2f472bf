//! The EDF reader against `pyedflib` and `edfio`, and against the same record in
//! WFDB.

use std::process::Command;

use data::formats;
use serde_json::Value;

use crate::environment::{python, root, shared};

/// Rounding to `f32`, as a part of the largest value.
const ROUNDING: f32 = 2e-7;

#[test]
fn files_of_the_reference_packages_are_read_as_they_read_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let written = Command::new(python())
        .arg(root().join("data/tests/formats/edf_reference.py"))
        .arg(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&written.stderr);
    assert!(written.status.success(), "{said}");
    let expected = std::fs::read(folder.path().join("expected.json")).unwrap();
    let expected: Vec<Value> = serde_json::from_slice(&expected).unwrap();
    assert_eq!(expected.len(), 7);
    for file in &expected {
        let name = file["file"].as_str().unwrap();
        let path = folder.path().join(name);
        let recording = formats::open(&path).unwrap().at_full_rate();
        assert_eq!(recording.fs, file["fs"].as_f64().unwrap(), "{name}");
        let start = recording.start.unwrap();
        assert_eq!(start.date, Some((2019, 12, 31)), "{name}");
        let fraction = if name.starts_with('e') { 0.25 } else { 0.0 };
        assert_eq!(start.seconds, 86_370.0 + fraction, "{name}");
        // The notes are told at the rate of the fastest ECG lead.
        let fs = recording.clock().fs();
        let notes = recording.annotations().unwrap();
        let notes: Vec<(i64, String)> = notes
            .iter()
            .map(|a| {
                (
                    a.sample,
                    [a.symbol.as_str(), a.text()][usize::from(!a.text().is_empty())].to_owned(),
                )
            })
            .collect();
        let theirs: Vec<(i64, String)> = file["annotations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|a| {
                (
                    (a[0].as_f64().unwrap() * fs).round() as i64,
                    a[1].as_str().unwrap().to_owned(),
                )
            })
            .collect();
        assert_eq!(notes, theirs, "{name}");
        let factors: Vec<f32> =
            match name.contains("plus") || !(name.contains("several") || name.starts_with("p")) {
                true => vec![1e-3, 1.0],
                false => vec![1.0, 1.0, 1e-3],
            };
        let record = recording.read().unwrap();
        let length = file["length"].as_u64().unwrap() as usize;
        let bytes = std::fs::read(folder.path().join(format!("{name}.f32"))).unwrap();
        let (theirs, _) = bytes.as_chunks::<4>();
        assert_eq!(theirs.len(), length * record.signals.len(), "{name}");
        for (at, signal) in record.signals.iter().enumerate() {
            assert_eq!(signal.samples.len(), length, "{name}");
            let theirs = theirs[at * length..(at + 1) * length].iter();
            for (ours, theirs) in signal.samples.iter().zip(theirs) {
                let theirs = f32::from_le_bytes(*theirs) * factors[at];
                let off = (ours - theirs).abs();
                assert!(
                    off <= 4.0 * ROUNDING * 3.0,
                    "{name}, {}: {ours}, {theirs}",
                    signal.name
                );
            }
        }
    }
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn a_record_in_both_formats_is_the_same() {
    let folder = shared().join("fixtures/edf");
    let edf = formats::open(&folder.join("0201.edf")).unwrap();
    assert_eq!((edf.name.as_str(), edf.fs), ("0201.edf", 250.0));
    let [edf, wfdb] =
        [edf, formats::open(&folder.join("0201")).unwrap()].map(|r| r.read().unwrap());
    // The last data record is filled up with what stands for no sample.
    assert_eq!((edf.len(), wfdb.len()), (527_500, 525_000));
    let filling = edf.signals.iter().map(|s| &s.samples[525_000..]);
    assert!(filling.flatten().all(|v| v.is_nan()));
    for (ours, theirs) in edf.signals.iter().zip(&wfdb.signals) {
        assert_eq!((&ours.name, &ours.units), (&theirs.name, &theirs.units));
        let pairs = ours.samples.iter().zip(&theirs.samples);
        let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= 6.0 * ROUNDING, "{worst}");
    }
    let names = formats::find(&folder).unwrap();
    assert_eq!(names, ["0201"]);
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn a_file_of_annotations_alone_has_them() {
    let path = shared().join("fixtures/edf/test_edfann.edf");
    let recording = formats::open(&path).unwrap();
    assert!(recording.leads.is_empty() && recording.length == Some(0));
    let notes = recording.annotations().unwrap();
    let sleep = notes.iter().filter(|a| a.text().starts_with("Sleep stage"));
    assert!(sleep.count() > 100);
    assert!(
        notes
            .iter()
            .any(|a| a.text() == "Lights off@@EEG F4-A1" && a.sample == 33)
    );
    let refusal = recording
        .check()
        .map(|e| recording.choice(&e).first_ecg().unwrap_err());
    assert!(refusal.unwrap().to_string().contains("no signal at all"));
}

/// What both packages find in an EDF+ file of annotations, as two lists of times
/// and texts.
const READ: &str = r#"
import json, sys, edfio, pyedflib
theirs = [[a.onset, a.text] for a in edfio.read_edf(sys.argv[1]).annotations]
reader = pyedflib.EdfReader(sys.argv[1])
onsets, _, texts = reader.readAnnotations()
print(json.dumps([theirs, [[float(o), str(t)] for o, t in zip(onsets, texts)]]))
"#;

#[test]
fn annotations_are_read_by_the_reference_packages_and_none_is_lost() {
    use data::record::annotation::{Annotation, Symbol};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.edf");
    let symbols = [Symbol::N, Symbol::V, Symbol::S, Symbol::Q];
    let mut all: Vec<Annotation> = (0..3000)
        .map(|i| Annotation::new(i * 257 + i % 7, symbols[i as usize % 4]))
        .collect();
    all[0].symbol = Symbol::RHYTHM;
    all[0].aux_note = "(N".into();
    let bytes = formats::edf::annotation_file(&all, 360.0, None, 800_000).unwrap();
    std::fs::write(&path, bytes).unwrap();
    let read = Command::new(python())
        .args(["-c", READ])
        .arg(&path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success(), "{said}");
    let both: Vec<Vec<(f64, String)>> = serde_json::from_slice(&read.stdout).unwrap();
    let text = |a: &Annotation| match a.text() {
        "" => a.symbol.as_str().to_owned(),
        note => note.to_owned(),
    };
    let expected: Vec<(i64, String)> = all.iter().map(|a| (a.sample, text(a))).collect();
    assert_eq!(both.len(), 2);
    for found in both {
        let found: Vec<(i64, String)> = found
            .into_iter()
            .map(|(onset, text)| ((360.0 * onset).round() as i64, text))
            .collect();
        assert_eq!(found, expected);
    }
}
