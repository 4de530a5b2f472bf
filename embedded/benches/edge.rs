//! What the edge runtime costs: `cargo bench --profile edge -p embedded`.
//!
//! Measures on one real record (ECTOPY_SHARED/mitdb/100, or data/mitdb/100)
//! with the shipped model where both are at hand, else on a synthetic record
//! and an untrained network of that size; the table says which.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use data::formats::{self, wfdb};
use data::pipeline::prepare;
use data::pipeline::{Fiducials, Pipeline};
use data::record::Record;
use data::simulate::synth;
use embedded::{Classifier, Monitor};

/// Repetitions of a whole record; the fastest one counts, because everything
/// else on the machine only ever adds.
const ROUNDS: usize = 7;

fn main() {
    // `cargo bench` passes flags of the standard harness.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (record_path, record) = recording(folder.path());
    let (model_path, bytes) = shipped_model();
    let load = || Classifier::from_bytes(&bytes, &model_path).expect("a model");
    let input = load().contract().input.clone();
    let signals = prepare::choose(&record, &input).expect("the model's leads");
    let samples = &signals[0].samples;
    let seconds = record.len() as f64 / record.fs;
    println!(
        "record {} ({} samples at {} Hz, {seconds:.0} s), model {} ({} bytes)",
        record_path.display(),
        record.len(),
        record.fs,
        model_path.display(),
        bytes.len()
    );
    println!("{:<52}{:>12}  at most / goal", "", "measured");

    let mut pipeline = Pipeline::new(&input, record.fs, Fiducials::Detected).expect("a pipeline");
    let mut beats = 0u64;
    let whole = fastest(|| {
        pipeline.reset();
        beats = 0;
        prepare::run(&mut pipeline, &signals, &mut |_| beats += 1);
    });
    let per_sample = whole.as_nanos() as f64 / record.len() as f64;
    row(
        "detection and segmentation, ns per sample",
        per_sample,
        "40 / 15",
    );

    let prepared = prepare::detected(&record, &input).expect("beats");
    let mut classifier = load();
    let whole = fastest(|| {
        for i in 0..prepared.len() {
            let answer = classifier.classify_beat(prepared.window(i), prepared.rhythm_row(i));
            std::hint::black_box(answer.expect("an answer"));
        }
    });
    let per_beat = whole.as_secs_f64() * 1e6 / prepared.len() as f64;
    row("network, us per beat", per_beat, "");

    let whole = fastest(|| {
        let record = read(&record_path).expect("the record");
        let signals = prepare::choose(&record, &input).expect("the leads");
        let mut monitor = Monitor::new(load(), record.fs, 1).expect("a monitor");
        let classes = monitor.classifier().contract().classes.clone();
        let mut writer =
            wfdb::AnnotationWriter::create(&folder.path().join("out.mon")).expect("a file");
        let mut write = |events: &[embedded::Event]| {
            for event in events {
                if let embedded::Event::Beat(beat) = event {
                    let annotation = beat.decision.annotation(&classes, beat.sample);
                    writer.write(&annotation).expect("an annotation");
                }
            }
        };
        for chunk in signals[0].samples.chunks(4096) {
            write(monitor.push(chunk).expect("beats"));
        }
        write(monitor.finish().expect("beats"));
        writer.commit().expect("the file");
    });
    let half_hour = whole.as_secs_f64() * 1800.0 / seconds;
    row(
        "30 minutes, file to annotations, in process, s",
        half_hour,
        "0.15 / 0.05",
    );

    let mut monitor = Monitor::new(load(), record.fs, 1).expect("a monitor");
    let mut times: Vec<Duration> = Vec::with_capacity(samples.len());
    for sample in samples {
        let begin = Instant::now();
        std::hint::black_box(monitor.push(std::slice::from_ref(sample)).expect("beats"));
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    let at =
        |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_nanos() as f64 / 1e3;
    row("push of one sample, p50, us", at(0.5), "");
    row("push of one sample, p99, us", at(0.99), "");
    row("push of one sample, p99.9, us", at(0.999), "");
    row("push of one sample, largest, us", at(1.0), "");

    let binary = Path::new(env!("CARGO_BIN_EXE_embedded"));
    // A single sample: no input at all is an error.
    let one = folder.path().join("one.f32");
    std::fs::write(&one, 0f32.to_le_bytes()).expect("a file");
    let start = fastest(|| {
        let status = Command::new(binary)
            .arg(&one)
            .args(["--format", "f32", "--fs", "360", "--model"])
            .arg(&model_path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(status.expect("the program").success());
    });
    row(
        "start of the program to its end on one sample, ms",
        start.as_secs_f64() * 1e3,
        "50",
    );
    let mut peak = 0;
    let whole =
        fastest(|| peak = peak.max(program(binary, &record_path, &model_path, folder.path())));
    let half_hour = whole.as_secs_f64() * 1800.0 / seconds;
    row("30 minutes, the whole program, s", half_hour, "0.15 / 0.05");
    row("peak memory of that, MiB", peak as f64 / 1024.0, "32 / 16");
    println!(
        "{beats} beats; the largest push holds one run of the network and whatever else the machine did"
    );
}

fn row(what: &str, value: f64, limits: &str) {
    println!("{what:<52}{value:>12.3}  {limits}");
}

fn fastest(mut run: impl FnMut()) -> Duration {
    let once = |_| {
        let begin = Instant::now();
        run();
        begin.elapsed()
    };
    (0..ROUNDS).map(once).min().unwrap_or_default()
}

/// Runs the program on the record; its peak memory in KiB, read from the
/// kernel while it runs (0 where /proc has none).
fn program(binary: &Path, record: &Path, model: &Path, folder: &Path) -> u64 {
    let mut child = Command::new(binary)
        .arg(record)
        .args(["--quiet", "--annotator", "mon", "--output"])
        .arg(folder)
        .arg("--model")
        .arg(model)
        .stderr(Stdio::null())
        .spawn()
        .expect("the program");
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let value = line.and_then(|l| l.split_whitespace().next()?.parse().ok());
        peak = peak.max(value.unwrap_or(0));
        if let Some(status) = child.try_wait().expect("the program") {
            assert!(status.success());
            return peak;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}

fn recording(folder: &Path) -> (PathBuf, Record) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let shared = std::env::var_os("ECTOPY_SHARED").map(PathBuf::from);
    let candidates = [
        shared.map(|s| s.join("mitdb/100")),
        Some(root.join("data/mitdb/100")),
    ];
    for path in candidates.into_iter().flatten() {
        if let Ok(record) = read(&path) {
            return (path, record);
        }
    }
    let settings = synth::Settings::patient(360.0, 1);
    let (record, _) = synth::record("synthetic", &settings, 1800.0).expect("a recording");
    wfdb::write_record(folder, &record).expect("a recording");
    (folder.join("synthetic"), record)
}

fn read(path: &Path) -> data::Result<Record> {
    formats::open(path)?.read()
}

fn shipped_model() -> (PathBuf, Vec<u8>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shipped/resnet.onnx");
    let bytes = std::fs::read(&path).expect("models/shipped/resnet.onnx comes with the project");
    (path, bytes)
}
