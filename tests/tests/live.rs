//! One stream of samples, two engines: the same lines.

use std::path::Path;
use std::sync::Arc;

use assert_cmd::Command;
use data::formats::{self, wfdb};
use data::simulate::synth::{self, Settings};
use infer::Classifier;
use infer::live::{LiveClassifier, Monitor};
use models::monitor::{Counter, Event, Line};
use serde_json::Value;

use crate::networks::remembering;
use crate::programs::program;
use crate::shared::shared;

/// Largest difference between probabilities of two engines, told to 4 decimals.
const TOLERANCE: f64 = 1.5e-4;

/// What `embedded` writes of a record.
fn at_the_edge(record: &Path, model: &Path) -> Vec<Value> {
    let mut embedded = Command::new(program("embedded"));
    let said = embedded.arg(record).arg("--model").arg(model).output();
    read(&said.unwrap().stdout)
}

/// What the monitor of `infer` writes of the first lead of a record in chunks of
/// 1 to 2,048 samples.
fn live(record: &Path, classifier: &Arc<Classifier>) -> Vec<Value> {
    let record = formats::open(record).unwrap().read().unwrap();
    let classes = &classifier.contract.classes;
    let live = LiveClassifier::new(Arc::clone(classifier));
    let mut monitor = Monitor::new(live, record.fs, 1).unwrap();
    let mut counter = Counter::new(record.fs, classes);
    let mut written = Vec::new();
    let mut keep = |events: &[Event]| {
        for event in events {
            counter.event(event);
            let line = Line::of(event, record.fs, classes);
            line.write(&mut written).unwrap();
        }
    };
    let (mut rest, mut state) = (&record.signals[0].samples[..], 1u32);
    while !rest.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let size = (1 + (state >> 21) as usize).min(rest.len());
        let (now, later) = rest.split_at(size);
        keep(monitor.push(now).unwrap());
        rest = later;
    }
    keep(monitor.finish().unwrap());
    let totals = counter.totals(monitor.samples());
    Line::Summary(&totals).write(&mut written).unwrap();
    read(&written)
}

fn read(lines: &[u8]) -> Vec<Value> {
    let lines = std::str::from_utf8(lines).unwrap().lines();
    lines.map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// The lines of two engines agree: probabilities nearly, all else entirely.
fn compare(name: &str, mut edge: Vec<Value>, mut live: Vec<Value>) {
    assert_eq!(edge.len(), live.len(), "{name}");
    for (edge, live) in edge.iter_mut().zip(&mut live) {
        let line = edge.to_string();
        let probabilities = [edge.get_mut("probabilities"), live.get_mut("probabilities")];
        if let [Some(edge), Some(live)] = probabilities.map(|p| p.map(Value::take)) {
            let (edge, live) = (edge.as_object().unwrap(), live.as_object().unwrap());
            assert!(edge.keys().eq(live.keys()), "{name}: {line}");
            for (edge, live) in edge.values().zip(live.values()) {
                let [edge, live] = [edge, live].map(|p| p.as_f64().unwrap());
                assert!(
                    (edge - live).abs() < TOLERANCE,
                    "{name}: {line}, not {live}"
                );
            }
        }
        assert_eq!(edge, live, "{name}");
    }
}

/// Beats of all kinds, a gap of seconds, a flat line and noise.
fn troubled() -> data::record::Record {
    let mut settings = Settings::patient(250.0, 11);
    settings.rhythm.ventricular = 0.1;
    let (mut record, _) = synth::record("s1", &settings, 240.0).unwrap();
    let samples = &mut record.signals[0].samples;
    samples[9000..11_000].fill(f32::NAN);
    samples[20_000..22_500].fill(0.1);
    for (i, sample) in samples[40_000..45_000].iter_mut().enumerate() {
        *sample = if i % 7 < 3 { 1.5 } else { -1.5 };
    }
    record
}

#[test]
fn infer_tells_a_live_stream_in_the_lines_of_embedded() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("s1");
    wfdb::write_record(folder.path(), &troubled()).unwrap();
    let remembers = folder.path().join("remembers.onnx");
    std::fs::write(&remembers, remembering().classifier()).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shipped/resnet.onnx");
    for model in [shipped, remembers] {
        let name = model.display().to_string();
        let edge = at_the_edge(&record, &model);
        let count = |event: &str| edge.iter().filter(|line| line["event"] == event).count();
        assert!(count("beat") > 150, "{name}");
        assert_eq!((count("gap"), count("summary")), (2, 1), "{name}");
        assert!(count("unreadable") > 0 && count("rhythm") > 0, "{name}");
        let classifier = Arc::new(Classifier::with_threads(&model, 2).unwrap());
        // Another stream of the same classifier changes nothing.
        let lines = std::thread::scope(|scope| {
            let other = scope.spawn(|| live(&record, &classifier));
            let lines = live(&record, &classifier);
            assert_eq!(other.join().unwrap(), lines, "{name}");
            lines
        });
        compare(&name, edge, lines);
    }
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn infer_tells_real_records_in_the_lines_of_embedded() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shipped/resnet.onnx");
    let classifier = Arc::new(Classifier::with_threads(&model, 1).unwrap());
    for name in ["105", "208"] {
        let record = shared("mitdb").join(name);
        let edge = at_the_edge(&record, &model);
        assert!(edge.len() > 1500, "record {name}");
        compare(name, edge, live(&record, &classifier));
    }
}

#[test]
fn a_stream_that_the_model_cannot_monitor_is_refused_in_the_same_words() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shipped/resnet.onnx");
    let classifier = Arc::new(Classifier::with_threads(&model, 1).unwrap());
    for (fs, leads, why) in [(250.0, 3, "the input has 3"), (20.0, 1, "20")] {
        let live = LiveClassifier::new(Arc::clone(&classifier));
        let live = Monitor::new(live, fs, leads).err().unwrap();
        let edge = embedded::Classifier::load(&model).unwrap();
        let edge = embedded::Monitor::new(edge, fs, leads).err().unwrap();
        let [live, edge] = [
            data::record::error::told(&live),
            data::record::error::told(&edge),
        ];
        assert!(live.contains(why) && live.contains("resnet.onnx"), "{live}");
        assert_eq!(live, edge);
    }
}
