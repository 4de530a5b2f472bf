//! Classes of one's own, from training to every engine: two, three, and eight
//! raw beat symbols.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use data::datasets::dataset::{self, Annotated};
use data::pipeline::prepare;
use data::record::annotation::{Annotation, Symbol};
use data::simulate::synth;
use predicates::prelude::*;
use predicates::str::contains;
use tempfile::TempDir;

use crate::desk;
use crate::programs::program;

/// Recordings whose normal beats carry other symbols here and there, so that
/// raw symbols have beats. The fifth and the sixth have bundle branch block, and
/// no beat `N` to rename.
fn recordings(folder: &Path) {
    let renamed = ["N", "L", "R", "j", "N", "N", "/", "f"];
    let cohort = synth::cohort(renamed.len(), 2.0, 360.0, 4).unwrap();
    for (mut recording, symbol) in cohort.into_iter().zip(renamed) {
        let symbol = Symbol::from_mnemonic(symbol).unwrap();
        let normal = |a: &&mut Annotation| a.symbol == Symbol::N;
        let normal = recording.annotations.iter_mut().filter(normal);
        for annotation in normal.step_by(3) {
            annotation.symbol = symbol;
        }
        desk::write(folder, &recording, dataset::REFERENCE);
    }
}

struct Desk {
    folder: TempDir,
    record: PathBuf,
}

impl Desk {
    /// Recordings, and a model of these classes that was trained on them.
    fn new(classes: &str) -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let records = folder.path().join("records");
        std::fs::create_dir(&records).unwrap();
        recordings(&records);
        let name = data::formats::find(&records).unwrap().remove(0);
        let desk = Desk {
            record: Path::new("records").join(name),
            folder,
        };
        let quick = "--data records --device cpu --threads 1 --epochs 1 --blocks 8x5/2,8x3/4 --stem none --hidden 8 --shown 0 --retimed 0.5 --second-lead 0 --seed 5 --out run --export model.onnx --classes";
        desk.run(
            "train",
            &[quick.split(' ').collect(), vec![classes]].concat(),
        )
        .success()
        .stderr(contains("who validates: s0"));
        desk
    }

    fn run(&self, package: &str, arguments: &[&str]) -> assert_cmd::assert::Assert {
        Command::new(program(package))
            .current_dir(self.folder.path())
            .args(arguments)
            .assert()
    }

    /// `infer evaluate` of the model on the recordings.
    fn evaluated(&self, more: &[&str]) -> assert_cmd::assert::Assert {
        let command = ["evaluate", "--data", "records", "--model", "model.onnx"];
        self.run("infer", &[&command[..], more].concat())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Both engines on the beats of the record: the largest difference of a logit.
    fn difference(&self) -> f32 {
        let model = self.path("model.onnx");
        let contract = models::onnx::contract(&std::fs::read(&model).unwrap()).unwrap();
        let record = self.folder.path().join(&self.record);
        let (folder, name) = (record.parent().unwrap(), record.file_name().unwrap());
        let Annotated {
            record,
            annotations,
        } = dataset::read(folder, name.to_str().unwrap(), dataset::REFERENCE).unwrap();
        let beats =
            prepare::record(&record, &annotations, &contract.input, &contract.classes).unwrap();
        let ort = infer::Classifier::load(&model)
            .unwrap()
            .classify(&beats)
            .unwrap();
        let tract = embedded::Classifier::load(&model)
            .unwrap()
            .classify(&beats)
            .unwrap();
        assert!(beats.len() > 50 && ort.len() == tract.len());
        let mut largest = 0.0_f32;
        for (a, b) in ort.iter().zip(&tract) {
            assert_eq!(a.logits.len(), contract.classes.len());
            assert_eq!(a.class, b.decision.class);
            let differences = a.logits.iter().zip(&b.logits).map(|(a, b)| (a - b).abs());
            largest = differences.fold(largest, f32::max);
        }
        largest
    }

    /// The model in every program: its names must be all that is said.
    fn is_used_everywhere(&self, names: &[&str]) {
        let record = self.record.to_str().unwrap();
        let head = format!("label,class,{},rejected,time,rr,quality", names.join(","));
        self.run("infer", &[record, "-m", "model.onnx", "-o", "p.csv"])
            .success()
            .stdout(contains(format!("{:>5}", names[0])));
        let table = std::fs::read_to_string(self.path("p.csv")).unwrap();
        assert!(table.lines().next().unwrap().ends_with(&head), "{head}");
        self.evaluated(&["--json", "e.json", "--confusion", "c.svg"])
            .success();
        let json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(self.path("e.json")).unwrap()).unwrap();
        let found: Vec<&String> = json["classes"].as_object().unwrap().keys().collect();
        assert_eq!(found.len(), names.len());
        assert_eq!(json["confusion"].as_array().unwrap().len(), names.len());
        let picture = std::fs::read_to_string(self.path("c.svg")).unwrap();
        let explain = [
            "explain",
            record,
            "-m",
            "model.onnx",
            "--rows",
            "3",
            "--class",
            names[1],
            "--output",
            "why",
            "--picture",
            "svg",
        ];
        self.run("infer", &explain).success();
        let credits = std::fs::read_to_string(self.path("why/attributions.jsonl")).unwrap();
        assert!(
            credits.contains(&format!("\"class\":\"{}\"", names[1])),
            "{credits}"
        );
        let said = self
            .run("embedded", &[record, "--model", "model.onnx"])
            .success();
        let said = String::from_utf8(said.get_output().stdout.clone()).unwrap();
        let beat = said
            .lines()
            .find(|l| l.contains("\"event\":\"beat\""))
            .unwrap();
        for name in names {
            assert!(picture.contains(name), "{name}");
            assert!(beat.contains(&format!("\"{name}\":")), "{name}: {beat}");
        }
        let stored = [
            "convert",
            "records",
            "--output",
            "beats.h5",
            "--layout",
            "window",
            "--classes",
        ];
        let contract =
            models::onnx::contract(&std::fs::read(self.path("model.onnx")).unwrap()).unwrap();
        let classes = contract.classes.to_string();
        self.run("data", &[&stored[..], &[&classes]].concat())
            .success();
        self.run("infer", &["beats.h5", "-m", "model.onnx", "-o", "h.csv"])
            .success();
    }
}

#[test]
fn two_classes_go_from_training_to_every_engine() {
    let desk = Desk::new("normal=N L R e j,abnormal=A a J S V E F");
    desk.is_used_everywhere(&["normal", "abnormal"]);
    let difference = desk.difference();
    assert!(difference < 1e-4, "{difference}");
    let record = desk.record.to_str().unwrap();
    // No class is EC57's S or V: what rests on them is left out, with a word.
    desk.run(
        "embedded",
        &[
            record,
            "--model",
            "model.onnx",
            "--output",
            "out",
            "--annotator",
            "two",
        ],
    )
    .success()
    .stderr(contains("is EC57's S or V"));
    desk.evaluated(&[])
        .success()
        .stdout(contains("is EC57's S or V").and(contains("100 jk").not()))
        .stdout(contains("Below nor is normal, abn is abnormal."))
        .stderr(contains("8 of these 8 records are of records"));
    desk.evaluated(&["--detect"])
        .code(2)
        .stderr(contains("leave out --detect"));
    let name = desk.record.file_name().unwrap().to_str().unwrap();
    let written =
        data::formats::wfdb::read_annotations(&desk.path("out").join(format!("{name}.two")))
            .unwrap();
    let own = |a: &&Annotation| a.symbol == Symbol::Q && a.text() == "abnormal";
    assert!(written.iter().any(|a| a.symbol == Symbol::N) || written.iter().any(|a| own(&a)));
    // A store of other classes is refused.
    desk.run(
        "data",
        &[
            "convert", "records", "--output", "five.h5", "--layout", "window",
        ],
    )
    .success();
    desk.run("infer", &["five.h5", "-m", "model.onnx"])
        .code(1)
        .stderr(contains("data convert --classes"));
    desk.run(
        "infer",
        &["explain", record, "-m", "model.onnx", "--class", "V"],
    )
    .code(2)
    .stderr(contains("normal, abnormal"));
}

#[test]
fn three_classes_go_from_training_to_every_engine() {
    let desk = Desk::new("aami3");
    desk.is_used_everywhere(&["N", "S", "V"]);
    let difference = desk.difference();
    assert!(difference < 1e-4, "{difference}");
    // EC57 has these three: nothing is left out.
    desk.evaluated(&["--detect"])
        .success()
        .stdout(contains("QRS Se").and(contains("Below").not()))
        .stdout(contains("of none of the model's classes: / "));
    // What no class names is counted wherever it is left out.
    desk.train_on("again", "")
        .success()
        .stderr(contains("of none of --classes are left out: / "));
    desk.run(
        "data",
        &[
            "convert",
            "records",
            "--classes",
            "aami3",
            "--output",
            "k.h5",
        ],
    )
    .success()
    .stdout(contains("left out, of no class: / "));
}

#[test]
fn eight_symbols_go_from_training_to_every_engine() {
    let desk = Desk::new("symbols N L R j A V / f");
    desk.is_used_everywhere(&["N", "L", "R", "j", "A", "V", "/", "f"]);
    let difference = desk.difference();
    assert!(difference < 1e-4, "{difference}");
}

#[test]
fn classes_without_sense_are_refused_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    let train = |classes: &str| {
        Command::new(program("train"))
            .current_dir(folder.path())
            .args(["--data", "synthetic", "--classes", classes])
            .assert()
            .code(2)
    };
    train("nonsense").stderr(contains("aami5"));
    train("a=N,b=N").stderr(contains("'N'"));
    train("symbols").stderr(contains("data info"));
}

/// The network inside a model's file.
fn weights(path: &Path) -> models::weights::Weights {
    models::onnx::network(&std::fs::read(path).unwrap())
        .unwrap()
        .1
}

impl Desk {
    /// Trains on from the model; the new one is called `name`.
    fn train_on(&self, name: &str, more: &str) -> assert_cmd::assert::Assert {
        let quick = format!(
            "--data records --device cpu --threads 1 --epochs 1 --shown 0 --retimed 0 --second-lead 0 --init model.onnx --out {name} --export {name}.onnx"
        );
        let arguments = quick
            .split(' ')
            .chain(more.split(' ').filter(|w| !w.is_empty()));
        self.run("train", &arguments.collect::<Vec<_>>())
    }

    /// What `infer` prints of a beat of the record, as JSON.
    fn logits(&self, model: &str) -> Vec<f64> {
        let record = self.record.to_str().unwrap();
        let out = self
            .run(
                "infer",
                &[record, "-m", model, "--format", "jsonl", "-o", "-"],
            )
            .success();
        let lines = String::from_utf8(out.get_output().stdout.clone()).unwrap();
        let values = lines.lines().flat_map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let logits = line["logits"].as_object().unwrap().values();
            logits.map(|v| v.as_f64().unwrap()).collect::<Vec<_>>()
        });
        values.collect()
    }
}

#[test]
fn training_goes_on_from_a_model() {
    let desk = Desk::new("aami5");
    // As good as no learning rate: the model as it was.
    desk.train_on("same", "--learning-rate 1e-12 --weight-decay 0")
        .success();
    let (before, after) = (desk.logits("model.onnx"), desk.logits("same.onnx"));
    let largest = before
        .iter()
        .zip(&after)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max);
    assert!(before.len() == after.len() && largest < 1e-3, "{largest}");
    // Frozen layers stay as they are.
    desk.train_on("part", "--freeze block,logits").success();
    let old = weights(&desk.path("model.onnx")).0;
    let new = weights(&desk.path("part.onnx")).0;
    for (layer, learns) in [("block1.conv1", false), ("dense1", true), ("logits", false)] {
        let name = format!("{layer}.weight");
        assert_eq!(old[&name] != new[&name], learns, "{name}");
    }
    // What the model cannot take is refused before any work.
    desk.train_on("two", "--classes N,ectopic=A,S,V,F").code(2);
    desk.train_on("two", "--freeze block,stam")
        .code(2)
        .stderr(contains("--freeze stam"));
    desk.train_on("odd", "--input before=96")
        .code(2)
        .stderr(contains("--init"));
    desk.run("train", &["--init", "records", "--data", "records"])
        .code(1);
}

#[test]
fn a_new_last_layer_begins_with_the_rows_of_the_models_classes() {
    let desk = Desk::new("aami5");
    let (before, path) = (weights(&desk.path("model.onnx")), desk.path("new.onnx"));
    let row = |index: usize| &before.0["logits.weight"].values[8 * index..][..8];
    let bias = |index: usize| before.0["logits.bias"].values[index];
    // Everything is frozen: what is exported is what training begins with.
    let begin = |classes: &str| {
        let quick = "--data records --device cpu --threads 1 --epochs 1 --shown 0 --retimed 0 --second-lead 0 --init model.onnx --out new --export new.onnx --force --freeze block,rhythm,dense,logits";
        let arguments: Vec<&str> = quick.split(' ').chain(["--classes", classes]).collect();
        let out = desk.run("train", &arguments).success();
        let after = weights(&path);
        std::fs::remove_dir_all(desk.path("new")).unwrap();
        assert_eq!(
            before.0["block1.conv1.weight"],
            after.0["block1.conv1.weight"]
        );
        let told = String::from_utf8(out.get_output().stderr.clone()).unwrap();
        (
            after.0["logits.weight"].clone(),
            after.0["logits.bias"].values.clone(),
            told,
        )
    };
    // By their labels, in any order; what the model does not know begins at zero.
    let (weight, biases, told) = begin("wide=V E,unknown=,early=A a,normal=N L R");
    assert_eq!(weight.shape, [4, 8]);
    assert_eq!(weight.values, [row(2), &[0.0; 8], row(1), row(0)].concat());
    assert_eq!(biases, [bias(2), 0.0, bias(1), bias(0)]);
    assert!(
        told.contains("wide as its V, unknown anew, early as its S, normal as its N"),
        "{told}"
    );
    assert!(told.contains("frozen: block1.conv1"), "{told}");
    // Classes that share a row are together as likely as it was.
    let (weight, biases, _) = begin("left=L,other=N R,v=");
    assert_eq!(weight.values, [row(0), row(0), row(2)].concat());
    let half = bias(0) - 2f32.ln();
    assert_eq!(biases, [half, half, bias(2)]);
}

#[test]
fn patients_with_several_recordings_stay_together() {
    let folder = tempfile::tempdir().unwrap();
    let records = folder.path().join("records");
    std::fs::create_dir(&records).unwrap();
    let cohort = synth::cohort(6, 1.0, 360.0, 4).unwrap();
    for (index, mut recording) in cohort.into_iter().enumerate() {
        recording.record.name = format!("p{:03}_night{}", index / 2, index % 2);
        desk::write(&records, &recording, "mine");
    }
    let train_with = |annotator: &str, more: &[&str]| {
        let quick = "--data records --device cpu --threads 1 --epochs 1 --blocks 8x5/2 --stem none --hidden 8 --shown 0 --retimed 0 --second-lead 0 --validation 0.3";
        Command::new(program("train"))
            .current_dir(folder.path())
            .args(["--annotator", annotator])
            .args(quick.split(' ').chain(more.iter().copied()))
            .assert()
    };
    let train = |more: &[&str]| train_with("mine", more);
    let both =
        predicates::str::is_match(r"who validates: p00(\d)_night0 p00(\d)_night1\n").unwrap();
    train(&["--patient-pattern", r"^(p\d+)_", "--out", "pattern"])
        .success()
        .stderr(both.clone());
    let list = "record,patient\np000_night0,a\np000_night1,a\np001_night0,b\np001_night1,b\np002_night0,c\np002_night1,c\n";
    std::fs::write(folder.path().join("patients.csv"), list).unwrap();
    train(&["--patients", "patients.csv", "--out", "list"])
        .success()
        .stderr(both);
    train(&["--patient-pattern", "^x", "--out", "none"])
        .code(1)
        .stderr(contains("finds no patient"));
    train(&[
        "--patient-pattern",
        r"^(p\d+)_",
        "--hold-out",
        "p001_night0",
        "--out",
        "torn",
    ])
    .code(2)
    .stderr(contains("p001 would train and validate"));
    train_with("absent", &["--out", "absent"])
        .code(1)
        .stderr(contains("absent"));
    train(&["--records", "p000_night0,p001_night1", "--out", "some"])
        .success()
        .stderr(contains("2 chosen records"));
}
