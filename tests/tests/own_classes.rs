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

use crate::programs::program;

/// Recordings whose normal beats carry other symbols here and there, so that
/// raw symbols have beats.
fn recordings(folder: &Path) {
    let renamed = ["N", "L", "R", "j", "/", "f"];
    for (
        index,
        Annotated {
            record,
            mut annotations,
        },
    ) in synth::cohort(8, 2.0, 360.0, 4)
        .unwrap()
        .into_iter()
        .enumerate()
    {
        let symbol = Symbol::from_mnemonic(renamed[index % renamed.len()]).unwrap();
        let normal = |a: &&mut Annotation| a.symbol == Symbol::N;
        for annotation in annotations.iter_mut().filter(normal).step_by(3) {
            annotation.symbol = symbol;
        }
        let labels = data::formats::annotation_path(&folder.join(&record.name), dataset::REFERENCE);
        data::formats::wfdb::write_record(folder, &record).unwrap();
        data::formats::wfdb::write_annotations(&labels, &annotations).unwrap();
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
        let head = format!("label,class,{},rejected", names.join(","));
        self.run("infer", &[record, "-m", "model.onnx", "-o", "p.csv"])
            .success()
            .stdout(contains(format!("{:>5}", names[0])));
        let table = std::fs::read_to_string(self.path("p.csv")).unwrap();
        assert!(table.lines().next().unwrap().ends_with(&head), "{head}");
        self.run(
            "infer",
            &[
                "evaluate",
                "--data",
                "records",
                "--model",
                "model.onnx",
                "--json",
                "e.json",
                "--confusion",
                "c.svg",
            ],
        )
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
    desk.run(
        "infer",
        &["evaluate", "--data", "records", "--model", "model.onnx"],
    )
    .success()
    .stdout(contains("is EC57's S or V").and(contains("jk").not().or(contains("- "))));
    desk.run(
        "infer",
        &[
            "evaluate",
            "--data",
            "records",
            "--model",
            "model.onnx",
            "--detect",
        ],
    )
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
    desk.run(
        "infer",
        &[
            "evaluate",
            "--data",
            "records",
            "--model",
            "model.onnx",
            "--detect",
        ],
    )
    .success()
    .stdout(contains("QRS Se"));
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
