//! What the programs say of a slip: the word that mends it is in the message.

use std::path::Path;

use assert_cmd::Command;
use data::pipeline::input::InputSpec;
use data::simulate::synth;
use predicates::prelude::*;
use predicates::str::contains;

use crate::desk;
use crate::programs::program;

/// A program that finds the shipped models wherever it was built.
fn command(name: &str) -> Command {
    let mut command = Command::new(program(name));
    command.env(
        "ECTOPY_MODELS",
        concat!(env!("CARGO_MANIFEST_DIR"), "/../models"),
    );
    command
}

/// Beats in the Kaggle format that come with the project.
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../beats.csv");

#[test]
fn a_slip_is_answered_with_its_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let records = folder.path().join("records");
    std::fs::create_dir(&records).unwrap();
    for mut recording in synth::cohort(2, 0.5, 250.0, 4).unwrap() {
        recording.record.name = format!("p{}", recording.record.name);
        desk::write(&records, &recording, "lab");
    }
    // Program, arguments (TABLE stands for a table), and words of the answer.
    let slips = [
        (
            "train",
            "--data records",
            "has lab; name the annotator with --annotator",
        ),
        ("infer", "records/ps000 --reference atr", "--reference"),
        ("infer", "records/ps000 --reference atr", "--detect"),
        ("data", "convert records --output x.h5", "has lab"),
        ("data", "info records/ps000 --annotator atr", "has lab"),
        (
            "data",
            "score --reference lab --test mon records",
            "has lab",
        ),
        ("infer", "records/ps000 --model resnett", "kaggle, resnet"),
        (
            "embedded",
            "records/ps000 --model resnett",
            "kaggle, resnet",
        ),
        ("train", "--data records --init resnett", "ECTOPY_MODELS"),
        (
            "train",
            "--data records --init resnet --blocks 8x5/2",
            "leave out --blocks",
        ),
        (
            "train",
            "--data records --annotator lab --classes normal=N,odd=NN",
            "'NN'",
        ),
        (
            "data",
            "convert records --annotator lab --classes ptbdb --output x.h5",
            "'0'",
        ),
        (
            "train",
            "--data TABLE --recipe table --fs 100000",
            "20 to 10000",
        ),
        (
            "train",
            "--data TABLE --recipe table --fs 100 --as-is --normalise",
            "leave one of the two out",
        ),
        (
            "train",
            "--data TABLE --annotator lab",
            "leave out --annotator",
        ),
        (
            "train",
            "--data TABLE --recipe table --fs 100 --table label=last --folds 3",
            "patient=",
        ),
        ("train", "--data nowhere.csv", "a file of beats"),
        ("infer", "evaluate --data TABLE", "`infer FILE`"),
        ("infer", "TABLE --model resnet", "cut from recordings"),
    ];
    answered(folder.path(), &slips);
}

/// Programs, arguments that have no effect there, and words of the answer.
const WITHOUT_EFFECT: [(&str, &str, &str); 21] = [
    (
        "infer",
        "records/s000 --model records/t.onnx",
        "rows of a table, and this is a recording",
    ),
    (
        "infer",
        "evaluate --data records --model records/t.onnx",
        "`infer FILE`",
    ),
    (
        "embedded",
        "records/s000 --model records/t.onnx",
        "layout 'window'",
    ),
    (
        "train",
        "--data records --init records/t.onnx",
        "cannot monitor",
    ),
    (
        "train",
        "--data records --init resnet --dropout 0.1",
        "leave out --dropout",
    ),
    (
        "train",
        "--data records --init resnet --config records/net.toml",
        "leave out --hidden",
    ),
    ("train", "--data records records", "--extra"),
    (
        "train",
        "--data TABLE --recipe table --fs 100 --table label=last --extra no.csv",
        "--extra no.csv",
    ),
    (
        "train",
        "--data TABLE --recipe table --fs 100 --table label=last --classes ptbdb",
        "--classes, such as",
    ),
    (
        "train",
        "--data TABLE --recipe table --fs 100 --table label=last --input normalisation=\"as-is\" --normalise",
        "leave out --normalise",
    ),
    (
        "train",
        "--data records --recipe kaggle --classes N,odd=NN",
        "'NN'",
    ),
    (
        "infer",
        "TABLE --model kaggle --reference lab",
        "are of recordings",
    ),
    ("infer", "records/s000 --normalise", "are of tables"),
    (
        "infer",
        "explain records/s000 --table label=last",
        "are of tables",
    ),
    ("infer", "describe resnett", "kaggle, resnet"),
    (
        "data",
        "info TABLE --annotator lab",
        "--annotator is of recordings",
    ),
    (
        "data",
        "info records/s000 --table label=last",
        "files of beats",
    ),
    (
        "data",
        "convert TABLE --output x.h5 --annotator lab",
        "leave them out",
    ),
    (
        "data",
        "convert TABLE --output x.h5 --fs 100000",
        "--fs is 100000",
    ),
    (
        "embedded",
        "TABLE --model kaggle --annotator mon",
        "--annotator is of a recording",
    ),
    (
        "embedded",
        "TABLE --model kaggle --fs 100",
        "--fs is of a recording",
    ),
];

/// What would not be heard is refused, and what goes with it is named.
#[test]
fn flags_without_effect_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let records = folder.path().join("records");
    std::fs::create_dir(&records).unwrap();
    for recording in synth::cohort(2, 0.5, 250.0, 4).unwrap() {
        desk::write(&records, &recording, "atr");
    }
    let model = models::untrained::classifier_for(&InputSpec::table(100.0, 187), 1).unwrap();
    std::fs::write(records.join("t.onnx"), model).unwrap();
    std::fs::write(records.join("net.toml"), "hidden = [7]\n").unwrap();
    answered(folder.path(), &WITHOUT_EFFECT);
}

/// Every slip is answered with its remedy, and leaves nothing behind.
fn answered(folder: &Path, slips: &[(&str, &str, &str)]) {
    for (name, arguments, remedy) in slips {
        let words = arguments
            .split(' ')
            .map(|w| if w == "TABLE" { TABLE } else { w });
        let answer = command(name)
            .current_dir(folder)
            .env_remove("ECTOPY_DATA")
            .args(words)
            .assert()
            .failure();
        let said = String::from_utf8_lossy(&answer.get_output().stderr).into_owned();
        assert!(said.contains(*remedy), "{name} {arguments}: {said}");
        assert!(!said.contains("panicked"), "{name} {arguments}: {said}");
    }
    // Nothing was begun.
    let left: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().collect();
    let names = left.iter().map(|entry| entry.file_name());
    let unasked: Vec<_> = names.filter(|n| n != "records" && n != "runs").collect();
    assert!(unasked.is_empty(), "{unasked:?}");
}

#[test]
fn a_quiet_table_is_summed_up() {
    command("embedded")
        .args([TABLE, "--model", "kaggle", "--quiet"])
        .assert()
        .success()
        .stdout(predicate::str::is_empty())
        .stderr(contains("rows (N ").and(contains("accuracy")));
}

#[test]
fn explanations_are_of_the_beats_that_were_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for mut recording in synth::cohort(1, 1.0, 250.0, 4).unwrap() {
        // Another annotator marks every second beat only.
        desk::write(folder.path(), &recording, "atr");
        let mut kept = 0;
        recording.annotations.retain(|_| {
            kept += 1;
            kept % 2 == 0
        });
        desk::write(folder.path(), &recording, "half");
    }
    let samples = |flags: &[&str]| -> Vec<u64> {
        command("infer")
            .current_dir(folder.path())
            .args([
                "explain", "s000", "--model", "resnet", "--output", "why", "--force",
            ])
            .args(flags)
            .assert()
            .success();
        let lines = std::fs::read_to_string(folder.path().join("why/attributions.jsonl")).unwrap();
        let sample = |line: &str| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["sample"].as_u64()
        };
        let mut all: Vec<u64> = lines.lines().filter_map(sample).collect();
        all.dedup();
        all
    };
    let (all, half) = (samples(&[]), samples(&["--reference", "half"]));
    assert!(
        half.len() > 10 && half.len() < all.len(),
        "{} {}",
        half.len(),
        all.len()
    );
}

#[test]
fn a_model_of_beats_that_end_with_the_next_is_told_to_monitor_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for recording in synth::cohort(2, 0.5, 250.0, 4).unwrap() {
        desk::write(folder.path(), &recording, "atr");
    }
    command("train")
        .current_dir(folder.path())
        .args("--data . --init kaggle --epochs 1 --shown 64 --retimed 0 --second-lead 0 --device cpu --out run".split(' '))
        .assert()
        .success()
        .stderr(contains("cannot monitor"));
}
