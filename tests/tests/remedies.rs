//! What the programs say of a slip: the word that mends it is in the message.

use assert_cmd::Command;
use data::simulate::synth;
use predicates::prelude::*;
use predicates::str::contains;

use crate::desk;
use crate::programs::program;

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
    for (name, arguments, remedy) in slips {
        let words = arguments
            .split(' ')
            .map(|w| if w == "TABLE" { TABLE } else { w });
        let answer = Command::new(program(name))
            .current_dir(folder.path())
            .env_remove("ECTOPY_DATA")
            .args(words)
            .assert()
            .failure();
        let said = String::from_utf8_lossy(&answer.get_output().stderr).into_owned();
        assert!(said.contains(remedy), "{name} {arguments}: {said}");
        assert!(!said.contains("panicked"), "{name} {arguments}: {said}");
    }
    // Nothing was begun.
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .collect();
    let names = left.iter().map(|entry| entry.file_name());
    let unasked: Vec<_> = names.filter(|n| n != "records" && n != "runs").collect();
    assert!(unasked.is_empty(), "{unasked:?}");
}

#[test]
fn a_quiet_table_is_summed_up() {
    Command::new(program("embedded"))
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
        Command::new(program("infer"))
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
