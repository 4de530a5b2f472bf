//! The `embedded` program from the outside.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use data::formats::wfdb;
use data::pipeline::beat_feature::BeatFeature;
use data::pipeline::input::{InputSpec, Layout, Normalisation};
use data::simulate::synth::{self, Settings};
use predicates::str::contains;
use serde_json::Value;
use tempfile::TempDir;

use crate::programs::program;

/// A folder with a model and a synthetic record of 90 s of two leads.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let input = InputSpec {
            layout: Layout::Window,
            fs: 125.0,
            leads: Vec::new(),
            band: Some([0.5, 40.0]),
            before: 45,
            after: 75,
            normalisation: Normalisation::RunningScale,
            template: true,
            rhythm: vec![BeatFeature::Previous, BeatFeature::Next],
        };
        let model = models::untrained::classifier_for(&input, 1).unwrap();
        std::fs::write(folder.path().join("m.onnx"), model).unwrap();
        let rows = models::untrained::classifier_for(&InputSpec::kaggle(), 1).unwrap();
        std::fs::write(folder.path().join("rows.onnx"), rows).unwrap();
        let (record, _) = synth::record("s1", &Settings::new(360.0, 8), 90.0).unwrap();
        wfdb::write_record(folder.path(), &record).unwrap();
        Bench { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().into()
    }

    /// The first lead, as the record's file holds it.
    fn samples(&self) -> Vec<f32> {
        let record = data::formats::open(&self.path("s1")).unwrap();
        let record = record.read().unwrap();
        record.signals[0].samples.clone()
    }

    fn arguments(&self, arguments: &[&str]) -> Vec<String> {
        let model = ["--model".into(), self.text("m.onnx")];
        let given = arguments.iter().map(|a| (*a).into());
        given.chain(model).collect()
    }

    fn run(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("embedded"));
        command.args(self.arguments(arguments));
        command
    }

    /// The samples as 32-bit floats, little endian.
    fn bytes(&self) -> Vec<u8> {
        let samples = self.samples();
        samples.iter().flat_map(|x| x.to_le_bytes()).collect()
    }

    fn start(&self, arguments: &[&str]) -> Child {
        std::process::Command::new(program("embedded"))
            .args(self.arguments(arguments))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

fn lines(output: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(output).unwrap();
    text.lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

fn beats(output: &[u8]) -> Vec<(u64, String)> {
    lines(output)
        .iter()
        .filter(|l| l["event"] == "beat")
        .map(|l| {
            let class = l["class"].as_str().unwrap().into();
            (l["sample"].as_u64().unwrap(), class)
        })
        .collect()
}

/// Waits for a child, at most some seconds.
fn ended(child: &mut Child) -> std::process::ExitStatus {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "still running");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn terminate(child: &Child) {
    let status = std::process::Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}

/// A local port and its name as a source of the program.
fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    (listener, address)
}

/// What a child prints until it is stopped after so many gap events.
fn stopped_after_gaps(child: &mut Child, gaps: usize) -> String {
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    while text.matches("\"event\":\"gap\"").count() < gaps {
        assert!(reader.read_line(&mut text).unwrap() > 0, "{text}");
    }
    terminate(child);
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(ended(child).code(), Some(143));
    text
}

#[test]
fn a_record_becomes_beats_annotations_and_a_summary() {
    let bench = Bench::new();
    let out = bench.text("out");
    let record = bench.text("s1");
    let output = bench
        .run(&[&record, "--annotator", "mon", "--output", &out])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let found = beats(&output.stdout);
    assert!(found.len() > 80, "{} beats", found.len());
    let annotations = wfdb::read_annotations(&bench.path("out/s1.mon")).unwrap();
    let annotated: Vec<_> = annotations
        .iter()
        .map(|a| (a.sample as u64, a.symbol.to_string()))
        .collect();
    assert_eq!(found, annotated);
    let all = lines(&output.stdout);
    let summary = all.last().unwrap();
    assert_eq!(summary["event"], "summary");
    assert_eq!(summary["beats"], found.len());
    assert_eq!(summary["samples"], 90 * 360);
    let beat = all.iter().find(|l| l["event"] == "beat").unwrap();
    for key in [
        "time",
        "probabilities",
        "rejected",
        "rr",
        "quality",
        "delay",
    ] {
        assert!(beat.get(key).is_some(), "{key} is missing in {beat}");
    }
}

#[test]
fn every_encoding_gives_the_beats_of_the_record() {
    let bench = Bench::new();
    let record = bench.text("s1");
    let wanted = beats(&bench.run(&[&record]).output().unwrap().stdout);
    let samples = bench.samples();
    // Files of format 16 hold 1/1000 mV, so integers lose nothing.
    let i16s: Vec<u8> = samples
        .iter()
        .flat_map(|x| ((x * 1000.0).round() as i16).to_le_bytes())
        .collect();
    let i32s: Vec<u8> = samples
        .iter()
        .flat_map(|x| ((x * 1000.0).round() as i32 + 7).to_le_bytes())
        .collect();
    let f32s = bench.bytes();
    let csv: String = samples.iter().map(|x| format!("9,{x}\n")).collect();
    let piped = |arguments: &[&str], bytes: &[u8]| {
        let output = bench.run(arguments).write_stdin(bytes).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        beats(&output.stdout)
    };
    let fs = ["--fs", "360"];
    let with = |more: &[&'static str]| [&["-"], &fs[..], more].concat();
    assert_eq!(
        wanted,
        piped(&with(&["--format", "i16", "--gain", "1000"]), &i16s)
    );
    let shifted = with(&["--format", "i32", "--gain", "1000", "--baseline", "7"]);
    assert_eq!(wanted, piped(&shifted, &i32s));
    assert_eq!(wanted, piped(&with(&["--format", "f32"]), &f32s));
    let column = with(&["--format", "csv", "--channels", "2", "--columns", "2"]);
    assert_eq!(wanted, piped(&column, csv.as_bytes()));
    let file = bench.path("s1.csv");
    std::fs::write(&file, format!("time,lead\n{csv}")).unwrap();
    let file = bench.text("s1.csv");
    let output = bench
        .run(&[&file, "--fs", "360", "--columns", "2"])
        .output()
        .unwrap();
    assert_eq!(wanted, beats(&output.stdout));
}

#[test]
fn rows_of_the_kaggle_format_are_classified() {
    let bench = Bench::new();
    let rows = bench.path("rows.csv");
    let (record, annotations) = synth::record("s", &Settings::new(360.0, 1), 60.0).unwrap();
    let beats = data::pipeline::kaggle_cut::from_record(
        &record,
        &annotations,
        None,
        &data::Classes::aami5(),
    )
    .unwrap();
    data::beat_files::kaggle::write(&rows, &beats).unwrap();
    let output = Command::new(program("embedded"))
        .args([&bench.text("rows.csv"), "--model", &bench.text("rows.onnx")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(lines(&output.stdout).len(), beats.len());
}

#[test]
fn a_request_to_stop_flushes_everything() {
    let bench = Bench::new();
    let record = bench.text("s1");
    let out = bench.text("out");
    // Twenty times real time: 4.5 s for the record.
    let mut child = bench.start(&[
        &record,
        "--speed",
        "20",
        "--annotator",
        "mon",
        "--output",
        &out,
    ]);
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    for _ in 0..10 {
        reader.read_line(&mut line).unwrap();
    }
    assert!(!bench.path("out/s1.mon").exists(), "not before the end");
    terminate(&child);
    reader.read_to_string(&mut line).unwrap();
    assert_eq!(ended(&mut child).code(), Some(143));
    let found = beats(line.as_bytes());
    assert!(line.trim_end().lines().last().unwrap().contains("summary"));
    let annotations = wfdb::read_annotations(&bench.path("out/s1.mon")).unwrap();
    assert_eq!(found.len(), annotations.len());
    assert!(
        found.len() < 90,
        "{} beats: it did not stop early",
        found.len()
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let bench = Bench::new();
    let record = bench.text("s1");
    let mut child = bench.start(&[&record, "--speed", "50"]);
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    reader.read_line(&mut String::new()).unwrap();
    drop(reader);
    let status = ended(&mut child);
    let mut errors = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut errors)
        .unwrap();
    assert!(status.success(), "{errors}");
}

#[test]
fn a_lost_connection_is_opened_again_and_becomes_a_gap() {
    let bench = Bench::new();
    let bytes = bench.bytes();
    let (listener, address) = listen();
    let mut child = bench.start(&[&address, "--format", "f32", "--fs", "360"]);
    let half = bytes.len() / 8 * 4;
    for part in [&bytes[..half], &bytes[half..]] {
        let (mut connection, _) = listener.accept().unwrap();
        connection.write_all(part).unwrap();
        // What is sent must be read before the connection ends.
        std::thread::sleep(Duration::from_millis(300));
    }
    // The second connection is lost as well: its gap ends the test.
    let text = stopped_after_gaps(&mut child, 3);
    let all = lines(text.as_bytes());
    let gaps: Vec<_> = all.iter().filter(|l| l["event"] == "gap").collect();
    let start = gaps[0]["start"].as_u64().unwrap();
    assert_eq!(start as usize, half / 4);
    let length = gaps[1]["length"].as_u64().unwrap();
    // It comes back after the first wait of 0.5 s, or a later one.
    assert!((180..360 * 30).contains(&length), "{length} samples");
    let found = beats(text.as_bytes());
    assert!(found.iter().any(|b| b.0 < start) && found.iter().any(|b| b.0 > start + length));
}

#[test]
fn the_silence_before_a_link_is_given_up_counts_as_lost() {
    let bench = Bench::new();
    let bytes = bench.bytes();
    let (listener, address) = listen();
    let mut child = bench.start(&[&address, "--format", "f32", "--fs", "360", "--silence", "1"]);
    let (mut silent, _) = listener.accept().unwrap();
    silent.write_all(&bytes).unwrap();
    // It stays open; the program opens another one.
    let (mut again, _) = listener.accept().unwrap();
    again.write_all(&bytes).unwrap();
    let text = stopped_after_gaps(&mut child, 2);
    let all = lines(text.as_bytes());
    let gap = all.iter().find(|l| l["length"].is_u64()).unwrap();
    // A second of silence and half a second of waiting, at least.
    let length = gap["length"].as_u64().unwrap();
    assert!(length >= 360 * 3 / 2, "{length} samples");
}

#[test]
fn a_source_that_ends_for_good_ends_the_program_where_that_is_asked() {
    let bench = Bench::new();
    let bytes = bench.bytes();
    let (listener, address) = listen();
    let mut child = bench.start(&[&address, "--format", "f32", "--fs", "360", "--no-reconnect"]);
    let (mut connection, _) = listener.accept().unwrap();
    let sender = std::thread::spawn(move || connection.write_all(&bytes).unwrap());
    let mut text = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    sender.join().unwrap();
    assert!(ended(&mut child).success());
    let record = bench.text("s1");
    let wanted = beats(&bench.run(&[&record]).output().unwrap().stdout);
    assert_eq!(wanted, beats(text.as_bytes()));
}

#[test]
fn bad_input_is_one_message_and_no_output() {
    let bench = Bench::new();
    std::fs::write(bench.path("bad.csv"), "1\n2\nthree\n").unwrap();
    std::fs::write(bench.path("cut.f32"), [0; 4001]).unwrap();
    std::fs::write(bench.path("junk.onnx"), "junk").unwrap();
    std::fs::write(bench.path("broken.hea"), "broken 1\n").unwrap();
    let f = |name: &str| bench.text(name);
    let (bad, cut, record, missing) = (f("bad.csv"), f("cut.f32"), f("s1"), f("absent"));
    let (folder, broken) = (bench.folder.path().to_str().unwrap(), f("broken"));
    let table: &[(i32, &[&str], &str)] = &[
        (1, &[&missing], "neither a file nor a WFDB record"),
        (1, &[folder], "is a folder"),
        (1, &[&broken], "broken.hea"),
        (2, &[&bad], "give --fs"),
        (1, &[&bad, "--fs", "360"], "line 3: 'three' is not a number"),
        (2, &[&bad, "--fs", "20"], "20"),
        (2, &[&bad, "--fs", "nan"], "--fs is NaN"),
        (2, &[&cut, "--fs", "360"], "give --format"),
        (2, &[&cut, "--fs", "360", "--format", "i16"], "give --gain"),
        (
            1,
            &[&cut, "--fs", "360", "--format", "f32"],
            "ends inside a frame",
        ),
        (
            2,
            &[&cut, "--fs", "360", "--format", "f32", "--gain", "0"],
            "--gain is 0",
        ),
        (
            2,
            &[&cut, "--fs", "360", "--format", "f32", "--columns", "0"],
            "counts from 1",
        ),
        (
            2,
            &[&cut, "--fs", "360", "--format", "f32", "--columns", "1,2"],
            "1 lead",
        ),
        (
            2,
            &[
                &cut,
                "--fs",
                "360",
                "--format",
                "f32",
                "--columns",
                "3",
                "--channels",
                "2",
            ],
            "column 3",
        ),
        (2, &[&record, "--fs", "360"], "leave out"),
        (2, &[&record, "--speed", "0"], "--speed is 0"),
        (2, &[&record, "--pause", "9"], "longer than --asystole"),
        (
            2,
            &[&record, "--bradycardia", "120"],
            "not below --tachycardia",
        ),
        (1, &[&record, "--annotator", "a/b"], "letters, digits"),
        (2, &["tcp://127.0.0.1", "--fs", "360"], "port is missing"),
        (
            1,
            &["tcp://127.0.0.1:1", "--fs", "360", "--format", "f32"],
            "tcp://127.0.0.1:1",
        ),
    ];
    for (code, arguments, message) in table {
        let out = f("none");
        let mut all = arguments.to_vec();
        if !all.contains(&"--annotator") {
            all.extend(["--annotator", "mon"]);
        }
        all.extend(["--output", &out]);
        let assert = bench.run(&all).timeout(Duration::from_secs(60)).assert();
        let assert = assert.code(*code).stderr(contains(*message));
        let errors = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
        assert_eq!(
            errors.trim_end().lines().count(),
            1,
            "{arguments:?}: {errors}"
        );
        assert!(errors.starts_with("error: "), "{errors}");
        let left = std::fs::read_dir(Path::new(&out)).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{arguments:?} left output behind");
    }
    let junk = f("junk.onnx");
    Command::new(program("embedded"))
        .args([&record, "--model", &junk])
        .assert()
        .code(1)
        .stderr(contains("junk.onnx: the file is not an ONNX model"));
    Command::new(program("embedded"))
        .args([&record, "--model", &f("rows.onnx")])
        .assert()
        .code(1)
        .stderr(contains("layout 'window'"));
}
