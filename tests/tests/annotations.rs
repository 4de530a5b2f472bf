//! One recording, one model, two engines: one annotation file.

use std::path::Path;

use assert_cmd::Command;
use data::formats::wfdb;
use data::pipeline::annotator::Annotator;
use data::pipeline::input::InputSpec;
use data::pipeline::prepare;
use data::record::Record;
use data::simulate::synth::{self, Settings};
use embedded::{Event, Monitor};

use crate::programs::program;
use crate::shared::shared;

#[test]
fn infer_and_embedded_write_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (record, _) = synth::record("s1", &Settings::new(360.0, 3), 300.0).unwrap();
    wfdb::write_record(folder.path(), &record).unwrap();
    let model = models::untrained::classifier_for(&InputSpec::window(), 1).unwrap();
    std::fs::write(folder.path().join("m.onnx"), model).unwrap();
    for package in ["infer", "embedded"] {
        Command::new(program(package))
            .current_dir(folder.path())
            .args([
                "s1",
                "--model",
                "m.onnx",
                "--annotator",
                package,
                "--output",
                ".",
            ])
            .assert()
            .success();
    }
    let read =
        |annotator| std::fs::read(folder.path().join("s1").with_extension(annotator)).unwrap();
    assert!(
        read("infer").len() > 2 * 200,
        "some beats a minute for five"
    );
    assert_eq!(read("infer"), read("embedded"));
}

/// Records with clean and noisy signals, every class, and both kinds of pacing.
const RECORDS: [&str; 8] = ["100", "105", "107", "203", "208", "222", "228", "232"];

/// The annotation file of a monitor that is fed in chunks of these sizes.
fn in_chunks(record: &Record, model: &Path, sizes: impl Iterator<Item = usize>) -> Vec<u8> {
    let classifier = embedded::Classifier::load(model).unwrap();
    let (input, classes) = (
        classifier.contract().input.clone(),
        classifier.contract().classes.clone(),
    );
    let signals = prepare::choose(record, &input).unwrap();
    let mut rest = &signals[0].samples[..];
    let mut monitor = Monitor::new(classifier, record.fs, 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.mon");
    let mut annotator = Annotator::whole();
    let mut take = |events: &[Event]| {
        for event in events {
            event.annotate(&classes, &mut annotator);
        }
    };
    for size in sizes {
        let (now, later) = rest.split_at(size.min(rest.len()));
        take(monitor.push(now).unwrap());
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    take(monitor.finish().unwrap());
    wfdb::write_annotations(&path, &annotator.all()).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn real_records_give_the_same_bytes_however_they_are_fed() {
    let database = shared("mitdb");
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shipped/resnet.onnx");
    let folder = tempfile::tempdir().unwrap();
    let mut infer = Command::new(program("infer"));
    infer.args(RECORDS.map(|name| database.join(name)));
    infer.args(["--annotator", "infer", "--output"]);
    infer.arg(folder.path()).arg("--model").arg(&model);
    infer.assert().success();
    // A congruential generator: chunks of 1 to 4,096 samples.
    let mut state = 1u32;
    for name in RECORDS {
        let path = database.join(name);
        let mut embedded = Command::new(program("embedded"));
        embedded.arg(&path).args(["--quiet", "--annotator", "mon"]);
        embedded.arg("--output").arg(folder.path());
        embedded.arg("--model").arg(&model).assert().success();
        let read = |annotator| std::fs::read(folder.path().join(name).with_extension(annotator));
        let wanted = read("infer").unwrap();
        assert!(wanted.len() > 2 * 1500, "record {name}");
        assert!(
            wanted == read("mon").unwrap(),
            "record {name}: the programs"
        );
        let record = data::formats::open(&path).unwrap().read().unwrap();
        let whole = in_chunks(&record, &model, std::iter::once(record.len()));
        assert!(wanted == whole, "record {name}: in one piece");
        let sizes = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            1 + (state >> 20) as usize
        });
        let cut = in_chunks(&record, &model, sizes);
        assert!(wanted == cut, "record {name}: in chunks");
    }
}
