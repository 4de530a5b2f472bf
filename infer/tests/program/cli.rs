//! The program `infer` from the outside, with networks of random weights.

use std::path::PathBuf;
use std::process::Stdio;

use assert_cmd::Command;
use data::pipeline::input::{InputSpec, Layout};
use models::Contract;
use predicates::prelude::*;
use predicates::str::contains;
use tempfile::TempDir;

use crate::model::{kaggle_model, patch, window_model};
use crate::shared::shared;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_infer");

/// A folder with a model for the Kaggle format.
pub struct Desk {
    folder: TempDir,
}

impl Desk {
    pub fn new() -> Desk {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("models")).unwrap();
        let desk = Desk { folder };
        std::fs::write(desk.path("models/kaggle.onnx"), kaggle_model(0.0)).unwrap();
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> &Desk {
        std::fs::write(self.path(name), text).unwrap();
        self
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// `infer` in this folder.
    pub fn infer(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .current_dir(self.folder.path())
            .env_remove("ECTOPY_MODELS")
            .args(arguments);
        command
    }

    /// Every file in this folder, sorted.
    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|n| n != "models")
            .collect();
        names.sort();
        names
    }
}

/// Rows in the Kaggle format, with a label column if asked for.
pub fn kaggle_rows(rows: usize, labels: bool) -> String {
    let line = |row: usize| {
        let value = |i: usize| format!("{:.6}", ((row * 31 + i * 7) % 100) as f64 / 100.0);
        let mut cells: Vec<String> = (0..187).map(value).collect();
        if labels {
            cells.push(format!("{}.0", row % 5));
        }
        cells.join(",") + "\n"
    };
    (0..rows).map(line).collect()
}

#[test]
fn a_csv_with_labels_gives_predictions_a_report_and_a_picture() {
    let desk = Desk::new();
    desk.write("beats.csv", &kaggle_rows(300, true));
    desk.infer(&["beats.csv"])
        .assert()
        .success()
        .stdout(contains("support").and(contains("300")))
        .stderr(contains("models/kaggle.onnx"));
    let predictions = desk.read("predictions.csv");
    let lines: Vec<&str> = predictions.lines().collect();
    assert_eq!(
        lines[0],
        "input,row,record,sample,label,class,N,S,V,F,Q,rejected,time,rr,quality"
    );
    assert_eq!(lines.len(), 301);
    assert!(lines[8].starts_with("beats.csv,7,,,V,"));
    // What it shows is tested on its twin in SVG.
    let picture = std::fs::read(desk.path("predictions.confusion.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG"));
}

#[test]
fn without_labels_there_is_no_report_and_the_classes_are_the_same() {
    let desk = Desk::new();
    desk.write("with.csv", &kaggle_rows(70, true))
        .write("without.csv", &kaggle_rows(70, false));
    let classes = |input: &str, output: &str| -> Vec<String> {
        desk.infer(&[input, "--output", output]).assert().success();
        let text = desk.read(output);
        let class = |l: &str| l.split(',').nth(5).unwrap().to_owned();
        text.lines().skip(1).map(class).collect()
    };
    assert_eq!(
        classes("with.csv", "a.csv"),
        classes("without.csv", "b.csv")
    );
    assert!(!desk.path("b.confusion.png").exists());
}

#[test]
fn standard_output_takes_predictions_and_nothing_else() {
    let desk = Desk::new();
    desk.write("beats.csv", &kaggle_rows(3, true));
    let run = desk
        .infer(&["beats.csv", "--output", "-", "--format", "jsonl"])
        .assert()
        .success()
        .stderr(contains("support"));
    let stdout = String::from_utf8(run.get_output().stdout.clone()).unwrap();
    let rows: Vec<serde_json::Value> = stdout
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[2]["label"], "V");
    let probabilities = rows[2]["probabilities"].as_object().unwrap();
    let sum: f64 = probabilities.values().map(|p| p.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    assert_eq!(desk.files(), ["beats.csv"]);
}

#[test]
fn several_inputs_are_told_apart() {
    let desk = Desk::new();
    desk.write("a.csv", &kaggle_rows(2, true))
        .write("b.csv", &kaggle_rows(2, false));
    desk.infer(&["a.csv", "b.csv"])
        .assert()
        .success()
        .stdout(contains("2 of 4 beats have a label"));
    let text = desk.read("predictions.csv");
    let rows: Vec<&str> = text.lines().skip(1).map(|l| &l[..7]).collect();
    assert_eq!(rows, ["a.csv,0", "a.csv,1", "b.csv,0", "b.csv,1"]);
}

#[test]
fn doubtful_beats_are_flagged() {
    let desk = Desk::new();
    std::fs::write(desk.path("strict.onnx"), kaggle_model(1.0)).unwrap();
    desk.write("beats.csv", &kaggle_rows(5, true));
    desk.infer(&["beats.csv", "--model", "strict.onnx"])
        .assert()
        .success()
        .stdout(contains("5 of 5 beats are left to a human"));
    assert_eq!(desk.read("predictions.csv").matches(",true").count(), 5);
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let desk = Desk::new();
    desk.write("beats.csv", &kaggle_rows(3000, false));
    let mut infer = std::process::Command::new(PROGRAM)
        .current_dir(desk.folder.path())
        .args(["beats.csv", "--output", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(infer.stdout.take());
    let output = infer.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(!String::from_utf8(output.stderr).unwrap().contains("error"));
}

#[test]
fn bad_inputs_are_refused_with_one_message_and_no_output() {
    let good: Vec<String> = kaggle_rows(200, true).lines().map(str::to_owned).collect();
    // Replaces one cell of line 150, which is in the third batch.
    let spoiled = |column: usize, cell: &str| -> String {
        let mut lines = good.clone();
        let mut cells: Vec<&str> = lines[149].split(',').collect();
        cells[column] = cell;
        lines[149] = cells.join(",");
        lines.join("\n") + "\n"
    };
    let table = [
        (
            "too few columns",
            spoiled(3, "0.5 0.5").replacen("0.5 0.5,", "", 1),
            "line 150",
        ),
        ("too many columns", spoiled(3, "0.5,0.5"), "line 150"),
        ("a NaN", spoiled(3, "NaN"), "line 150"),
        ("text", spoiled(3, "abc"), "line 150"),
        ("an empty cell", spoiled(3, ""), "line 150"),
        ("infinity", spoiled(3, "inf"), "line 150"),
        ("a class that is not one", spoiled(187, "5.0"), "line 150"),
        ("half a class", spoiled(187, "0.5"), "line 150"),
        ("an empty file", String::new(), "empty"),
        ("bytes that are no text", "\u{1}\u{2}\n".repeat(9), "line 1"),
    ];
    for (what, content, message) in table {
        for output in ["predictions.csv", "-", "predictions.h5"] {
            let desk = Desk::new();
            desk.write("beats.csv", &content);
            let run = desk
                .infer(&["beats.csv", "--output", output])
                .assert()
                .failure();
            let run = run.get_output();
            let stderr = String::from_utf8_lossy(&run.stderr);
            assert!(
                stderr.contains("beats.csv") && stderr.contains(message),
                "{what}: {stderr}"
            );
            assert_eq!(stderr.matches("error:").count(), 1, "{what}: {stderr}");
            assert!(run.stdout.is_empty(), "{what}");
            assert_eq!(desk.files(), ["beats.csv"], "{what}");
        }
    }
}

#[test]
fn models_that_cannot_be_honoured_are_refused() {
    let model = kaggle_model(0.0);
    let patched = |from: &str, to: &str| patch(&model, from, to);
    let rate = format!("\"fs\":{:?}", InputSpec::kaggle().fs);
    let mut damaged = model.clone();
    damaged[model.len() / 2] ^= 1;
    let table = [
        ("no model at all", b"not a model".to_vec(), "ONNX"),
        ("a bit of a weight", damaged, "damaged or was changed"),
        (
            "no contract",
            patched("ectopy.contract", "ectopy.contrast"),
            "no contract",
        ),
        (
            "another version",
            patched("\"version\":1", "\"version\":9"),
            "version 9",
        ),
        (
            "an unknown setting",
            patched("\"layout\"", "\"layuot\""),
            "layuot",
        ),
        (
            "another length",
            patched("\"after\":187", "\"after\":188"),
            "[N, 1, 188]",
        ),
        (
            "another rate",
            patched(&rate, "\"fs\":250.0"),
            "187 samples of 120 Hz",
        ),
    ];
    for (what, bytes, message) in table {
        let desk = Desk::new();
        desk.write("beats.csv", &kaggle_rows(2, true));
        std::fs::write(desk.path("model.onnx"), bytes).unwrap();
        desk.infer(&["beats.csv", "--model", "model.onnx"])
            .assert()
            .failure()
            .stderr(contains("model.onnx").and(contains(message)));
        assert_eq!(desk.files(), ["beats.csv", "model.onnx"], "{what}");
    }
}

#[test]
fn what_is_missing_is_named_with_the_remedy() {
    let desk = Desk::new();
    desk.write("beats.csv", &kaggle_rows(2, true));
    desk.infer(&["beats.csv"])
        .env("ORT_DYLIB_PATH", "nowhere/libonnxruntime.so")
        .assert()
        .failure()
        .stderr(contains("nowhere/libonnxruntime.so").and(contains("make setup")));
    desk.infer(&["absent.csv"])
        .assert()
        .failure()
        .stderr(contains("absent.csv"));
    desk.infer(&["beats.csv"])
        .env("ECTOPY_MODELS", "nowhere")
        .assert()
        .failure()
        .stderr(contains("nowhere"));
    desk.infer(&[]).assert().code(2).stderr(contains("INPUT"));
    assert_eq!(desk.files(), ["beats.csv"]);
}

#[test]
fn describe_prints_the_contract() {
    let desk = Desk::new();
    let run = desk
        .infer(&["describe", "models/kaggle.onnx"])
        .assert()
        .success();
    let contract: Contract = serde_json::from_slice(&run.get_output().stdout).unwrap();
    assert_eq!(contract.input, InputSpec::kaggle());
}

#[test]
fn the_users_model_goes_before_the_shipped_one_of_its_name() {
    let desk = Desk::new();
    desk.write("beats.csv", &kaggle_rows(5, false));
    std::fs::create_dir(desk.path("models/shipped")).unwrap();
    let (own, shipped) = ("models/kaggle.onnx", "models/shipped/kaggle.onnx");
    std::fs::write(desk.path(shipped), kaggle_model(0.0)).unwrap();
    let serves = |arguments: &[&str], model: &str| {
        let line = format!("model: {model}\n");
        let run = desk
            .infer(&[&["beats.csv", "--force"], arguments].concat())
            .assert();
        run.success().stderr(contains(line));
    };
    serves(&[], own);
    serves(&["--model", own], own);
    std::fs::remove_file(desk.path(own)).unwrap();
    serves(&[], shipped);
    serves(&["--model", own], shipped);
    serves(&["--model", "kaggle"], shipped);
}

#[test]
fn a_store_gives_the_predictions_of_its_csv() {
    let desk = Desk::new();
    desk.write("beats.csv", &kaggle_rows(150, true));
    let beats =
        data::beat_files::kaggle::read(&desk.path("beats.csv"), &data::Classes::aami5()).unwrap();
    data::beat_files::store::write(&desk.path("beats.h5"), &beats, "").unwrap();
    desk.infer(&["beats.csv", "--output", "csv.csv"])
        .assert()
        .success();
    desk.infer(&["beats.h5", "--output", "store.csv"])
        .assert()
        .success();
    let of_csv = desk.read("csv.csv").replace("beats.csv", "beats.h5");
    assert_eq!(of_csv, desk.read("store.csv"));
    // A store of windows does not fit the model for the Kaggle format.
    let mut input = InputSpec::kaggle();
    input.layout = Layout::Window;
    let mut windows = data::pipeline::beats::Beats::new(input, &data::Classes::aami5());
    windows.windows = beats.windows;
    data::beat_files::store::write(&desk.path("windows.h5"), &windows, "").unwrap();
    desk.infer(&["windows.h5", "--model", "models/kaggle.onnx"])
        .assert()
        .failure()
        .stderr(contains("windows.h5").and(contains("layout")));
    desk.infer(&["windows.h5"])
        .assert()
        .failure()
        .stderr(contains("no model").and(contains("layout")));
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn real_rows_are_classified() {
    let rows = shared("fixtures/kaggle/mitbih_test_500.csv");
    let desk = Desk::new();
    desk.infer(&[rows.to_str().unwrap()])
        .assert()
        .success()
        .stdout(contains("support"));
    assert_eq!(desk.read("predictions.csv").lines().count(), 501);
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn a_record_is_classified_at_its_reference_beats_or_the_detectors() {
    let record = shared("mitdb/100.hea");
    let desk = Desk::new();
    std::fs::write(desk.path("models/window.onnx"), window_model()).unwrap();
    let record = record.with_extension("");
    let record = record.to_str().unwrap();
    desk.infer(&[record, "--output", "reference.csv"])
        .assert()
        .success()
        .stderr(contains("models/window.onnx"))
        .stdout(contains("support"));
    // 2,274 annotations, one of which is no beat.
    let reference = desk.read("reference.csv");
    assert_eq!(reference.lines().count(), 1 + 2273);
    assert!(reference.lines().nth(1).unwrap().contains(",0,100,77,N,"));
    desk.infer(&[record, "--detect", "--output", "detected.csv"])
        .assert()
        .success()
        .stdout(contains("support").not());
    let detected = desk.read("detected.csv").lines().count();
    assert!((2264..=2284).contains(&detected), "{detected} lines");
    desk.infer(&[record, "--reference", "xyz"])
        .assert()
        .failure()
        .stderr(contains("100.xyz").and(contains("--reference")));
    desk.infer(&[record, "--lead", "V9"])
        .assert()
        .failure()
        .stderr(contains("V9").and(contains("MLII, V5")));
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn annotations_are_written_for_records_only() {
    let desk = Desk::new();
    desk.write("beats.csv", &kaggle_rows(2, true));
    desk.infer(&["beats.csv", "--annotator", "net", "--output", "out"])
        .assert()
        .failure()
        .stderr(contains("beats.csv").and(contains("--annotator")));
    assert_eq!(desk.files(), ["beats.csv"]);
    let record = shared("mitdb/100.hea");
    std::fs::write(desk.path("models/window.onnx"), window_model()).unwrap();
    let record = record.with_extension("");
    desk.infer(&[
        record.to_str().unwrap(),
        "--annotator",
        "net",
        "--output",
        "out",
    ])
    .assert()
    .success();
    let annotations = data::formats::wfdb::read_annotations(&desk.path("out/100.net")).unwrap();
    assert!((2264..=2284).contains(&annotations.len()));
}

#[test]
fn an_output_whose_name_tells_no_format_is_refused() {
    let desk = Desk::new();
    desk.write("beats.csv", &kaggle_rows(2, true));
    std::fs::write(desk.path("k.onnx"), kaggle_model(0.0)).unwrap();
    let run = |more: &[&str]| desk.infer(&[&["beats.csv", "--model", "k.onnx"], more].concat());
    run(&["--output", "out.xyz"])
        .assert()
        .code(2)
        .stderr(contains("out.xyz").and(contains("--format")));
    assert_eq!(desk.files(), ["beats.csv", "k.onnx"]);
    run(&["--output", "out.xyz", "--format", "csv"])
        .assert()
        .success();
}

#[test]
fn beats_with_other_features_are_told_by_what_is_missing() {
    let desk = Desk::new();
    let mut input = InputSpec::window();
    let last = input.rhythm.pop().unwrap();
    let mut beats = data::pipeline::beats::Beats::new(input.clone(), &data::Classes::aami5());
    beats.windows = vec![0.0; input.window_values()];
    beats.rhythm = vec![0.0; input.rhythm.len()];
    data::beat_files::store::write(&desk.path("windows.h5"), &beats, "").unwrap();
    std::fs::write(desk.path("w.onnx"), window_model()).unwrap();
    let name = serde_json::to_string(&last).unwrap();
    let refused = desk.infer(&["windows.h5", "--model", "w.onnx"]).assert();
    let refused = refused
        .failure()
        .stderr(contains("lacking").and(contains(name.trim_matches('"'))));
    let words = String::from_utf8(refused.get_output().stderr.clone()).unwrap();
    assert!(words.len() < 400, "{words}");
}
