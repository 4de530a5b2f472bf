//! `infer evaluate` and `infer card` from the outside.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use data::formats::wfdb;
use data::record::annotation::{Annotation, Symbol};
use data::record::{Record, Signal};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use tempfile::TempDir;

use crate::model::{kaggle_model, window_model};
use crate::pictures::counts;
use crate::shared::shared;

fn infer(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_infer"));
    command.env_remove("ECTOPY_DATA").args(arguments);
    command
}

/// Records of one lead at 250 Hz: a spike for every beat, one a second.
struct Desk {
    folder: TempDir,
}

const FS: f64 = 250.0;

impl Desk {
    fn new() -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let desk = Desk { folder };
        std::fs::write(desk.path("window.onnx"), window_model()).unwrap();
        std::fs::write(desk.path("kaggle.onnx"), kaggle_model(0.0)).unwrap();
        // Twenty beats each; the third of r1 is V, the fourth an escape beat.
        desk.record("r1", &[(3, "V"), (4, "j")]);
        desk.record("r2", &[(5, "A")]);
        desk
    }

    fn record(&self, name: &str, others: &[(usize, &str)]) {
        let samples = |n: usize| match n % FS as usize {
            0..5 => 1.0,
            5..10 => -0.3,
            _ => 0.0,
        };
        let record = Record {
            name: name.into(),
            fs: FS,
            signals: vec![Signal {
                name: "MLII".into(),
                units: "mV".into(),
                samples: (0..22 * FS as usize).map(samples).collect(),
            }],
            comments: Vec::new(),
        };
        let annotations: Vec<Annotation> = (1..=20)
            .map(|second| {
                let other = others.iter().find(|o| o.0 == second);
                let symbol = Symbol::from_mnemonic(other.map_or("N", |o| o.1)).unwrap();
                Annotation::new(second as i64 * FS as i64, symbol)
            })
            .collect();
        wfdb::write_record(self.folder.path(), &record).unwrap();
        wfdb::write_annotations(&self.path(&format!("{name}.atr")), &annotations).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().into()
    }

    /// Evaluates a model here into `out.json`.
    fn evaluate(&self, arguments: &[&str]) -> Command {
        let mut command = infer(&["evaluate", "--data"]);
        command
            .arg(self.folder.path())
            .args(["--json", &self.text("out.json")])
            .args(arguments);
        command
    }

    fn json(&self) -> Value {
        read(&self.path("out.json"))
    }
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn any_folder_of_annotated_records_is_evaluated() {
    let desk = Desk::new();
    desk.evaluate(&["--model", &desk.text("window.onnx"), "--start", "10"])
        .args(["--without", "r2", "--detect"])
        .assert()
        .success()
        .stdout(contains("2 records, 2 patients, 40 beats"))
        .stdout(contains("without r2"));
    let json = desk.json();
    let support = |view: &Value, class: &str| view["classes"][class]["support"].clone();
    assert_eq!(support(&json, "N"), 38);
    assert_eq!(support(&json, "S"), 1);
    assert_eq!(support(&json["bxb"], "S"), 2);
    assert_eq!(support(&json["without"]["r2"], "S"), 0);
    assert_eq!(json["ec57_period"]["beats"], 22);
    assert_eq!(json["ec57_period"]["ec57"]["gross"]["qrs"]["se"], 1.0);
    assert_eq!(json["records"]["r1"]["beats"], 20);
    // The sum of the confusion matrix's diagonal is what the accuracy says.
    let confusion = json["confusion"].as_array().unwrap();
    let right: f64 = (0..5).map(|i| confusion[i][i].as_f64().unwrap()).sum();
    assert_eq!(json["accuracy"].as_f64().unwrap(), right / 40.0);
    assert!(json["detected"]["bxb"]["gross"]["qrs"]["se"].is_number());
}

#[test]
fn records_can_be_chosen_and_the_matrix_drawn() {
    let desk = Desk::new();
    desk.evaluate(&["--model", &desk.text("window.onnx"), "--records", "r2"])
        .args(["--confusion", &desk.text("confusion.svg")])
        .assert()
        .success();
    let json = desk.json();
    assert_eq!(json["beats"], 20);
    let picture = std::fs::read_to_string(desk.path("confusion.svg")).unwrap();
    let drawn = counts(&picture, "Reference beats, escape beats as N");
    let rows = json["confusion"].as_array().unwrap().iter();
    let expected = rows.flat_map(|row| row.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()));
    assert_eq!(drawn, expected.collect::<Vec<_>>());
}

#[test]
fn the_kaggle_split_holds_a_fifth_of_every_class() {
    let desk = Desk::new();
    desk.evaluate(&["--model", &desk.text("kaggle.onnx"), "--split", "kaggle"])
        .assert()
        .success();
    let json = desk.json();
    // A fifth, rounded up, of 37 or 38 N beats, one V and one S.
    assert_eq!(json["classes"]["N"]["support"], 8);
    assert_eq!(json["classes"]["V"]["support"], 1);
    assert_eq!(json["classes"]["S"]["support"], 1);
    assert!(json["ec57_period"].is_null());
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn the_test_set_of_the_literature_has_its_beats() {
    let records = shared("mitdb");
    let desk = Desk::new();
    infer(&["evaluate", "--split", "ds2", "--data"])
        .arg(records)
        .args(["--model", &desk.text("window.onnx")])
        .args(["--json", &desk.text("out.json")])
        .assert()
        .success();
    let json = desk.json();
    let supports = |view: &Value| {
        ["N", "S", "V", "F", "Q"].map(|c| view["classes"][c]["support"].as_u64().unwrap())
    };
    assert_eq!(supports(&json), [44_259, 1_837, 3_221, 388, 7]);
    assert_eq!(
        supports(&json["ec57_period"]),
        [36_926, 1_608, 2_686, 288, 7]
    );
    assert_eq!(
        json["without"]["232"]["classes"]["S"]["support"],
        1_837 - 1_382
    );
    assert_eq!(json["unseen"], 0);
}

#[test]
fn a_part_of_a_split_is_evaluated_and_the_rest_is_named() {
    let desk = Desk::new();
    desk.record("100", &[]);
    desk.record("232", &[(3, "A")]);
    let window = desk.text("window.onnx");
    desk.evaluate(&["--model", &window, "--split", "ds2"])
        .assert()
        .code(1)
        .stdout(contains("2 records").and(contains("without 232")))
        .stderr(contains("20 of 22 recordings").and(contains("103.hea")));
    // Only the MIT-BIH Arrhythmia Database has a 232 to be left out unasked.
    desk.evaluate(&["--model", &window, "--force"])
        .assert()
        .success()
        .stdout(contains("without").not())
        // Records of 22 s are over before EC57 scores.
        .stdout(contains("no beat comes after 5:00").and(contains("--start 0")));
}

#[test]
fn the_card_is_made_of_evaluations() {
    let desk = Desk::new();
    desk.evaluate(&["--model", &desk.text("window.onnx")])
        .assert()
        .success();
    infer(&[
        "explain",
        &desk.text(""),
        "--model",
        &desk.text("window.onnx"),
    ])
    .args(["--score", "--output", &desk.text("explained")])
    .assert()
    .success();
    std::fs::write(desk.path("tried.csv"), "tried,S F1\n\"a|b, c\",0.5\n").unwrap();
    let manifest = r#"
        intended_use = "Research."
        limits = "Untrained."
        experiments = "tried.csv"

        [[model]]
        file = "window.onnx"
        purpose = "A test."
        explanation = { name = "Spikes", file = "explained/score.json" }
        cross_validation = [{ name = "held out", folds = ["out.json", "out.json"] }]

        [[model.evaluation]]
        name = "spikes"
        file = "out.json"
        seeds = ["out.json", "out.json"]
    "#;
    std::fs::write(desk.path("card.toml"), manifest).unwrap();
    let accuracy = 100.0 * desk.json()["accuracy"].as_f64().unwrap();
    infer(&["card", &desk.text("card.toml")])
        .assert()
        .success()
        .stdout(contains("## window.onnx"))
        .stdout(contains(format!("| spikes | 1 | 2 | 40 | {accuracy:.2} |")))
        .stdout(contains("### spikes: over 2 seeds"))
        // The beats of both folds together, as right as those of one.
        .stdout(contains(format!(
            "| held out | 2 | 4 | 80 | {accuracy:.2} |"
        )))
        .stdout(
            contains("Spikes, 40 beats.").and(
                contains("| integrated-gradients | +").or(contains("| integrated-gradients | -")),
            ),
        )
        .stdout(contains("| a\\|b, c | 0.5 |"))
        .stdout(contains("Untrained."));
}

#[test]
fn the_card_of_the_shipped_models_says_what_the_files_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let card = std::fs::read_to_string(root.join("models/README.md")).unwrap();
    // Made again by: infer card > models/README.md
    let run = infer(&["card"]).current_dir(root).assert().success();
    assert!(
        run.get_output().stdout == card.as_bytes(),
        "the card is stale"
    );
}

#[test]
fn bad_input_gives_one_message_and_no_output() {
    let desk = Desk::new();
    std::fs::write(desk.path("model.txt"), "no model").unwrap();
    std::fs::write(desk.path("card.toml"), "intended_use = 1").unwrap();
    let window = desk.text("window.onnx");
    let cases: [(&[&str], &str); 7] = [
        (&["--model", "none.onnx"], "none.onnx"),
        (&["--model", &desk.text("model.txt")], "model.txt"),
        (&["--model", &window, "--records", "r3"], "no such record"),
        (&["--model", &window, "--split", "ds2"], "no such record"),
        (
            &["--model", &window, "--reference", "qrs"],
            "r1.qrs: there is no such annotation file, this recording has atr",
        ),
        (
            &["--model", &window, "--noise", &desk.text("")],
            "Noise Stress Test",
        ),
        (&["--model", &window, "--split", "ds3"], "ds3"),
    ];
    for (arguments, message) in cases {
        desk.evaluate(arguments)
            .assert()
            .failure()
            .stderr(contains(message).and(contains("panicked").not()));
        assert!(
            !desk.path("out.json").exists(),
            "{arguments:?} left an output"
        );
    }
    infer(&["card", &desk.text("card.toml")])
        .assert()
        .failure()
        .stdout("")
        .stderr(contains("card.toml"));
}
