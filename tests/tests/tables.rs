//! Tables of beats of any length, from training to every engine.

use std::fmt::Write as _;
use std::path::PathBuf;

use assert_cmd::Command;
use data::pipeline::input::{InputSpec, Layout};
use data::simulate::synth;
use predicates::prelude::*;
use predicates::str::contains;
use tempfile::TempDir;

use crate::desk;
use crate::programs::program;

/// A small network that learns in a second.
const QUICK: &str = "--device cpu --threads 1 --batch 16 --average 0 --blocks 8x5/2,8x3/4 --stem none --hidden 8 --seed 5";

/// The columns of [`own`].
const COLUMNS: &str = "label=kind,drop=id,patient=subject";

struct Desk(TempDir);

impl Desk {
    fn new() -> Desk {
        Desk(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// A program with a line of arguments; `COLUMNS` in it stands for those.
    fn run(&self, package: &str, arguments: &str) -> assert_cmd::assert::Assert {
        let words = arguments.split(' ').filter(|word| !word.is_empty());
        let words = words.map(|w| if w == "COLUMNS" { COLUMNS } else { w });
        Command::new(program(package))
            .current_dir(self.0.path())
            .env_remove("ECTOPY_DATA")
            .args(words)
            .assert()
    }

    fn train(&self, arguments: &str) -> assert_cmd::assert::Assert {
        let epochs = match arguments.contains("--epochs") {
            true => "",
            false => "--epochs 8",
        };
        self.run("train", &format!("{QUICK} {epochs} {arguments}"))
    }

    fn contract(&self, model: &str) -> models::Contract {
        models::onnx::contract(&std::fs::read(self.path(model)).unwrap()).unwrap()
    }

    /// What `infer` and `embedded` call the rows of a table, which must be the same.
    fn classes(&self, table: &str, model: &str, flags: &str) -> Vec<String> {
        let infer = format!("{table} -m {model} -o predictions.csv --force {flags}");
        self.run("infer", &infer).success();
        let text = std::fs::read_to_string(self.path("predictions.csv")).unwrap();
        let column = |line: &str| line.split(',').nth(5).unwrap().to_owned();
        let batch: Vec<String> = text.lines().skip(1).map(column).collect();
        let edge = self.run("embedded", &format!("{table} --model {model} {flags}"));
        let edge = edge.success().get_output().stdout.clone();
        let class = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["class"].as_str().unwrap().to_owned()
        };
        let edge: Vec<String> = String::from_utf8(edge)
            .unwrap()
            .lines()
            .map(class)
            .collect();
        assert_eq!(batch, edge);
        batch
    }
}

/// A made-up beat: a narrow wave with an upright one behind it, or a wide one with
/// an inverted one.
fn beat(wide: bool, length: usize, seed: usize) -> Vec<f64> {
    let width = if wide { 0.07 } else { 0.02 };
    let after = if wide { -0.3 } else { 0.3 };
    let shift = (seed % 7) as f64 * 0.005;
    let wave = |at: f64, width: f64, t: f64| (-((t - at - shift) / width).powi(2)).exp();
    (0..length)
        .map(|i| {
            let t = i as f64 / length as f64;
            let ripple = ((seed * 31 + i * 17) % 13) as f64 * 0.002;
            wave(0.3, width, t) + after * wave(0.6, 0.08, t) + ripple
        })
        .collect()
}

fn scaled(mut beat: Vec<f64>) -> Vec<f64> {
    let low = beat.iter().copied().fold(f64::INFINITY, f64::min);
    let high = beat.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    beat.iter_mut().for_each(|v| *v = (*v - low) / (high - low));
    beat
}

/// A table in the manner of the PTB files: 187 samples with padding, then the class.
fn ptbdb(class: usize, rows: usize) -> String {
    let mut text = String::new();
    for row in 0..rows {
        let mut cells = scaled(beat(class == 1, 130, row));
        cells.resize(187, 0.0);
        cells.push(class as f64);
        let cells: Vec<String> = cells.iter().map(|v| format!("{v:.18e}")).collect();
        let _ = writeln!(text, "{}", cells.join(","));
    }
    text
}

/// A table of 100 samples in microvolts with a header: a number, the patient, the
/// samples and the class in words.
fn own(rows: usize) -> String {
    let mut text = String::from("id,subject");
    (0..100).for_each(|i| text += &format!(",t{i}"));
    text += ",kind\n";
    for row in 0..rows {
        let wide = row % 5 < 2;
        let _ = write!(text, "{row},p{}", row % 12);
        for value in beat(wide, 100, row) {
            let _ = write!(text, ",{:.1}", value * 1000.0);
        }
        text += if wide { ",abnormal\n" } else { ",normal\n" };
    }
    text
}

#[test]
fn two_files_of_two_classes_go_from_training_to_every_engine() {
    let desk = Desk::new();
    desk.write("normal.csv", &ptbdb(0, 150));
    desk.write("abnormal.csv", &ptbdb(1, 150));
    desk.train("--data normal.csv --extra abnormal.csv --fs 125 --table label=last --classes ptbdb --out run --export model.onnx")
        .success()
        .stderr(contains("rows of a table; recipe table"))
        .stderr(contains("187 samples (columns 1 to 187), class in column 188"))
        .stderr(contains("beats of one patient fall on both sides"));
    let contract = desk.contract("model.onnx");
    assert_eq!(contract.input, InputSpec::table(125.0, 187));
    assert_eq!(contract.training.recipe, "table");
    for (table, class) in [("normal.csv", "normal"), ("abnormal.csv", "abnormal")] {
        let classes = desk.classes(table, "model.onnx", "");
        let right = classes.iter().filter(|c| *c == class).count();
        assert!(classes.len() == 150 && right > 140, "{class}: {right}");
    }
    desk.run(
        "infer",
        "explain abnormal.csv -m model.onnx --rows 3 --output why --picture svg",
    )
    .success();
    let credits = std::fs::read_to_string(desk.path("why/attributions.jsonl")).unwrap();
    assert!(credits.contains("\"class\":\"abnormal\""), "{credits}");
    // Nobody knows where the waves of a row are.
    let picture = std::fs::read_to_string(desk.path("why/row-3.svg")).unwrap();
    assert!(picture.contains("Time from the start of the row (s)"));
    assert!(!picture.contains("QRS") && !picture.contains("R peak"));
    // A recording has no rows for this model.
    desk.run("embedded", "- --model model.onnx")
        .failure()
        .stderr(contains("cut out already"));
}

#[test]
fn a_table_of_patients_trains_by_patients_and_is_resumed() {
    let desk = Desk::new();
    desk.write("own.csv", &own(480));
    let flags = "--data own.csv --fs 100 --table COLUMNS --classes ptbdb --normalise";
    desk.train(&format!("{flags} --out whole --export model.onnx"))
        .success()
        .stderr(contains("patient in column 'subject'"))
        .stderr(contains("fall on both sides").not());
    let contract = desk.contract("model.onnx");
    assert_eq!(contract.input, InputSpec::table(100.0, 100));
    assert_eq!(
        contract.training.data,
        "own.csv, four fifths of the patients"
    );
    // 12 patients of 40 beats: 2 test, and of 10 one or two validate.
    let report = std::fs::read(desk.path("whole/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["test"]["beats"], 80);
    assert_eq!(report["validation"]["beats"].as_u64().unwrap() % 40, 0);
    assert!(
        report["test"]["accuracy"].as_f64().unwrap() > 0.9,
        "{report}"
    );
    let classes = desk.classes("own.csv", "model.onnx", "--table COLUMNS --normalise");
    let right = classes.iter().enumerate();
    let right = right.filter(|(row, class)| (row % 5 < 2) == (*class == "abnormal"));
    assert!(right.count() > 440);

    desk.train(&format!("{flags} --out broken --stop-after 2"))
        .code(130);
    desk.run("train", "--resume broken --fs 200")
        .code(1)
        .stderr(contains("--input fs"));
    desk.run("train", "--resume broken").success();
    let file = |run: &str| std::fs::read(desk.path(&format!("{run}/model.onnx"))).unwrap();
    assert_eq!(file("whole"), file("broken"));

    // What `data convert` writes of the table is the same beats and the same model.
    desk.run(
        "data",
        "convert own.csv --output own.h5 --fs 100 --table COLUMNS --classes ptbdb --normalise",
    )
    .success()
    .stdout(contains("480 beats (normal 288, abnormal 192)"));
    desk.run("data", "convert own.h5 --output scaled.csv")
        .success();
    for data in ["own.h5", "scaled.csv --fs 100 --classes ptbdb"] {
        desk.train(&format!("--data {data} --export again.onnx --force"))
            .success();
        let again = desk.contract("again.onnx");
        assert_eq!(again.training.data_sha256, contract.training.data_sha256);
        assert_eq!(
            (again.input, again.classes),
            (contract.input.clone(), contract.classes.clone())
        );
    }
    assert_eq!(desk.classes("scaled.csv", "model.onnx", ""), classes);
    desk.run("infer", "own.h5 -m model.onnx -o store.csv")
        .success();
    desk.run("data", "info own.csv own.h5 --table COLUMNS")
        .success()
        .stdout(contains("480 rows: 100 samples (columns 't0' to 't99')"))
        .stdout(contains("\"abnormal\" 192, \"normal\" 288").and(contains("patients: 12")))
        .stdout(contains("480 beats, layout table: 100 samples at 100 Hz"));
}

#[test]
fn a_store_of_windows_trains_the_inter_patient_network() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("records")).unwrap();
    for recording in synth::cohort(8, 1.0, 360.0, 4).unwrap() {
        desk::write(
            &desk.path("records"),
            &recording,
            data::datasets::dataset::REFERENCE,
        );
    }
    desk.run("data", "convert records --layout window --output w.h5")
        .success();
    desk.train("--data w.h5 --epochs 1 --export w.onnx --shown 0")
        .success()
        .stderr(contains("windows of recordings; recipe inter-patient"));
    let contract = desk.contract("w.onnx");
    assert_eq!(contract.input, InputSpec::window());
    desk.run("infer", "w.h5 -m w.onnx").success();
    desk.run("data", "convert records --output k.h5").success();
    desk.train("--data k.h5 --epochs 1 --export k.onnx")
        .success()
        .stderr(contains("rows of a table; recipe table"));
    assert_eq!(desk.contract("k.onnx").input.layout, Layout::Kaggle);
    for (arguments, words) in [
        ("--data w.h5 --recipe kaggle", "not cut for --recipe kaggle"),
        ("--data w.h5 --retimed 0.5", "--retimed"),
        ("--data w.h5 --fs 100", "128 Hz"),
        ("--data records --fs 100", "are of files of beats"),
        ("--data records --recipe table", "--data FILE"),
    ] {
        desk.train(arguments).code(2).stderr(contains(words));
    }
}

#[test]
fn tables_that_do_not_fit_are_refused_by_every_program_alike() {
    let desk = Desk::new();
    desk.write("own.csv", &own(60));
    desk.write("short.csv", "s0,s1,s2,label\n0,1,0.5,normal\n");
    let flags = "--data own.csv --table COLUMNS --classes ptbdb";
    desk.train(&format!(
        "{flags} --fs 100 --normalise --epochs 1 --export model.onnx"
    ))
    .success();
    // Values beyond the contract's, and the way to bring them there.
    let beyond = || {
        contains("line 2")
            .and(contains("between 0"))
            .and(contains("--normalise"))
    };
    desk.train(&format!("{flags} --fs 100"))
        .code(1)
        .stderr(beyond());
    desk.run(
        "data",
        "convert own.csv --output x.h5 --fs 100 --table COLUMNS --classes ptbdb",
    )
    .code(1)
    .stderr(beyond());
    desk.run("infer", "own.csv -m model.onnx --table COLUMNS")
        .code(1)
        .stderr(beyond());
    desk.run("infer", "explain own.csv -m model.onnx --table COLUMNS")
        .code(1)
        .stderr(beyond());
    desk.run("embedded", "own.csv --model model.onnx --table COLUMNS")
        .code(1)
        .stderr(beyond());
    // Another number of samples than the model's, with both.
    let other = contains("4 columns, 3 of them samples; expected 100 samples");
    desk.run("infer", "short.csv -m model.onnx")
        .code(1)
        .stderr(other.clone());
    desk.run("embedded", "short.csv --model model.onnx")
        .code(1)
        .stderr(other);
    // What must be said.
    desk.train(flags).code(2).stderr(contains("--fs HZ"));
    desk.run("data", "convert own.csv --output x.h5 --layout table")
        .code(2)
        .stderr(contains("--fs HZ"));
    desk.train("--data own.csv --fs 100")
        .code(1)
        .stderr(contains("--table label=last"));
    desk.train(&format!("{flags} --fs 100 --recipe inter-patient"))
        .code(2)
        .stderr(contains("--recipe table"));
    desk.train("--data short.csv --fs 100 --classes ptbdb --table label=none")
        .code(1);
    // An input is no output.
    desk.train(&format!(
        "{flags} --fs 100 --normalise --export own.csv --force"
    ))
    .failure()
    .stderr(contains("own.csv"));
    assert_eq!(
        std::fs::read_to_string(desk.path("own.csv")).unwrap(),
        own(60)
    );
    // Values as they are, for a model that takes them so.
    desk.train(&format!(
        "{flags} --fs 100 --as-is --epochs 1 --export as-is.onnx"
    ))
    .success();
    let classes = desk.classes("own.csv", "as-is.onnx", "--table COLUMNS");
    assert_eq!(classes.len(), 60);
}
