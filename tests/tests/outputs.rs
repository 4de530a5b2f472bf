//! No output destroys an input, and a run is what its settings say: the
//! programs from the outside. `data` has its own tests of the rule.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use data::pipeline::input::InputSpec;
use predicates::prelude::*;
use predicates::str::contains;
use tempfile::TempDir;

use crate::programs::program;

struct Desk {
    folder: TempDir,
}

impl Desk {
    /// Recordings `ecg/s000` and `ecg/s001`, beats `in.csv`, and two models.
    fn new() -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let desk = Desk { folder };
        desk.run("data", "synth --output ecg --patients 2 --minutes 0.5")
            .success();
        desk.run("data", "synth --kaggle in.csv --minutes 0.5")
            .success();
        for (name, input) in [
            ("window.onnx", InputSpec::window()),
            ("kaggle.onnx", InputSpec::kaggle()),
        ] {
            let model = models::untrained::classifier_for(&input, 1).unwrap();
            std::fs::write(desk.path(name), model).unwrap();
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, name: &str, arguments: &str) -> assert_cmd::assert::Assert {
        Command::new(program(name))
            .current_dir(self.folder.path())
            .env_remove("ECTOPY_DATA")
            .args(arguments.split_whitespace())
            .assert()
    }

    /// Every file and its content.
    fn everything(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        collect(self.folder.path(), &mut files);
        files.sort();
        files
    }

    /// The program refuses at once, with these words, and touches nothing.
    fn refused(&self, name: &str, arguments: &str, words: &str) {
        self.refused_with(1, name, arguments, words);
    }

    /// The same, with this exit code.
    fn refused_with(&self, code: i32, name: &str, arguments: &str, words: &str) {
        let before = self.everything();
        self.run(name, arguments)
            .code(code)
            .stderr(contains(words).and(contains("panicked").not()));
        assert!(before == self.everything(), "{name} {arguments}");
    }
}

fn collect(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => collect(&path, files),
            false => files.push((path.clone(), std::fs::read(path).unwrap_or_default())),
        }
    }
}

const INPUT: &str = "an input of the same run";
const FORCE: &str = "--force";

#[test]
fn no_program_replaces_what_it_reads() {
    let desk = Desk::new();
    std::fs::hard_link(desk.path("in.csv"), desk.path("hard.csv")).unwrap();
    std::os::unix::fs::symlink("in.csv", desk.path("soft.csv")).unwrap();
    std::os::unix::fs::symlink("ecg", desk.path("same")).unwrap();
    for output in [
        "in.csv",
        "./ecg/../in.csv",
        "hard.csv",
        "soft.csv",
        "kaggle.onnx",
    ] {
        let arguments = format!("in.csv -m kaggle.onnx -o {output} --force");
        desk.refused("infer", &arguments, INPUT);
    }
    std::os::unix::fs::symlink("in.csv", desk.path("in.png")).unwrap();
    desk.refused(
        "infer",
        "in.csv -m kaggle.onnx -o p.csv --confusion in.png",
        INPUT,
    );
    desk.refused(
        "infer",
        "in.csv -m kaggle.onnx -o p.png --format csv --confusion p.png",
        "two outputs",
    );
    desk.refused(
        "infer",
        "ecg/s000 -m window.onnx -o same/s000.dat --force",
        INPUT,
    );
    desk.refused(
        "infer",
        "evaluate --data ecg --model window.onnx --json ecg/s001.atr --force",
        INPUT,
    );
    desk.refused(
        "data",
        "convert in.csv --output out.h5/x.h5/../../in.csv",
        INPUT,
    );
    desk.refused(
        "data",
        "score ecg --test atr --json same/s000.hea --force",
        INPUT,
    );
    desk.refused(
        "embedded",
        "in.csv --fs 125 --model window.onnx --annotator csv --force",
        INPUT,
    );
    desk.refused(
        "train",
        "--data ecg --export ecg/s001.dat --force --out run",
        INPUT,
    );
    desk.refused(
        "train",
        "--data ecg --export same/s001.atr --force --out run",
        INPUT,
    );
}

#[test]
fn annotators_are_no_files_of_the_record() {
    let desk = Desk::new();
    let header = std::fs::read_to_string(desk.path("ecg/s001.hea")).unwrap();
    std::fs::rename(desk.path("ecg/s001.dat"), desk.path("ecg/s001.ecg")).unwrap();
    std::fs::write(desk.path("ecg/s001.hea"), header.replace(".dat", ".ecg")).unwrap();
    for (annotator, words) in [
        ("dat", "header or signals"),
        ("hea", "header or signals"),
        ("ecg", "header or signals"),
        ("atr", FORCE),
        ("a/b", "letters, digits"),
    ] {
        let with = |before: &str| format!("{before} --annotator {annotator} --output ecg");
        desk.refused("data", &with("detect ecg"), words);
        desk.refused("infer", &with("ecg/s001 -m window.onnx"), words);
        desk.refused("embedded", &with("ecg/s001 --model window.onnx"), words);
    }
    let reference = "ecg -m window.onnx --reference atr --annotator atr -o ecg --force";
    desk.refused("infer", reference, INPUT);
}

#[test]
fn what_others_made_is_replaced_only_by_force() {
    let desk = Desk::new();
    for name in [
        "p.csv",
        "p.jsonl",
        "p.h5",
        "m.onnx",
        "x.png",
        "s.json",
        "ecg/s000.qrs",
    ] {
        std::fs::write(desk.path(name), "somebody's own").unwrap();
    }
    for (name, arguments) in [
        ("infer", "in.csv -m kaggle.onnx -o p.csv"),
        ("infer", "in.csv -m kaggle.onnx -o p.jsonl"),
        ("infer", "in.csv -m kaggle.onnx -o p.h5"),
        ("infer", "in.csv -m kaggle.onnx -o q.csv --confusion x.png"),
        ("infer", "ecg/s000 -m window.onnx --annotator qrs -o ecg"),
        (
            "infer",
            "evaluate --data ecg --model window.onnx --json s.json",
        ),
        (
            "embedded",
            "ecg/s000 --model window.onnx --annotator qrs --output ecg",
        ),
        ("data", "detect ecg --records s000 --output ecg"),
        ("data", "convert in.csv --output p.h5"),
        (
            "data",
            "score ecg --records s000 --test atr --start 0 --json s.json",
        ),
    ] {
        desk.refused(name, arguments, FORCE);
        desk.run(name, &format!("{arguments} --force")).success();
        // What it made it replaces unasked.
        desk.run(name, arguments).success();
        let theirs =
            |(path, bytes): (PathBuf, Vec<u8>)| (bytes == b"somebody's own").then_some(path);
        let left: Vec<_> = desk.everything().into_iter().filter_map(theirs).collect();
        for path in left {
            std::fs::write(path, "somebody's own").unwrap();
        }
        for name in ["p.csv", "p.h5", "ecg/s000.qrs", "s.json"] {
            std::fs::write(desk.path(name), "somebody's own").unwrap();
        }
    }
    desk.refused("train", "--data synthetic --export m.onnx --out run", FORCE);
}

#[test]
fn what_cannot_be_written_or_run_fails_before_the_training() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("dir.onnx")).unwrap();
    for (code, arguments, words) in [
        (1, "--export dir.onnx", "a folder"),
        (1, "--export in.csv/m.onnx", "in.csv"),
        (1, "--export /proc/nowhere/m.onnx", "/proc"),
        (1, "--export /dev/null", "device"),
        (2, "--recipe kaggle --input after=5", "Kaggle format"),
        (2, "--recipe notebook --input before=5", "Kaggle format"),
        (2, "--recipe kaggle --leads MLII", "Kaggle format"),
        (
            2,
            "--input layout=\"kaggle\" --input after=5",
            "Kaggle format",
        ),
        (
            2,
            "--input before=1 --input after=0 --blocks 8x5+2",
            "pooling",
        ),
    ] {
        let arguments = format!("--data absent --out run {arguments}");
        desk.refused_with(code, "train", &arguments, words);
    }
    desk.refused("train", "--data synthetic --out ecg", "s0");
}

const QUICK: &str = "--data synthetic --recipe kaggle --device cpu --threads 1 --epochs 2 --blocks 8x5/4 --stem none --hidden 8 --seed 5";

#[test]
fn the_settings_of_a_run_are_fixed() {
    let desk = Desk::new();
    desk.run("train", &format!("{QUICK} --out run")).success();
    for (change, words) in [
        (
            "--recipe notebook",
            "--recipe: the run has \"kaggle\", asked for is \"notebook\"",
        ),
        ("--recipe inter-patient", "--recipe"),
        ("--seed 7", "--seed: the run has 5, asked for is 7"),
        ("--data ecg", "--data: the run has \"synthetic\""),
        ("--validation 0.3", "--validation"),
        ("--gamma 2", "--gamma"),
        ("--input after=100", "--input after: the run has 187"),
        ("--leads MLII", "--input leads"),
        ("--hidden 16 --dropout 0.1", "--dropout"),
        ("--epochs 1", "2 behind it"),
    ] {
        desk.refused("train", &format!("--resume run {change}"), words);
    }
    let model = std::fs::read(desk.path("run/model.onnx")).unwrap();
    desk.run("train", "--resume run --threads 2 --export more/m.onnx")
        .success();
    assert!(model == std::fs::read(desk.path("more/m.onnx")).unwrap());
    desk.run("train", "--resume run --epochs 3").success();
    let contract = models::onnx::contract(&std::fs::read(desk.path("run/model.onnx")).unwrap());
    let training = contract.unwrap().training;
    assert_eq!((&*training.recipe, training.seed), ("kaggle", 5));
}

#[test]
fn a_damaged_checkpoint_is_told_and_the_one_before_it_serves() {
    let desk = Desk::new();
    desk.run("train", &format!("{QUICK} --out whole")).success();
    desk.run("train", &format!("{QUICK} --out run")).success();
    let path = desk.path("run/checkpoint.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() - 500;
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    desk.run("train", "--resume run")
        .success()
        .stderr(contains("does not match its checksum").and(contains("after epoch 1")));
    let read = |name: &str| std::fs::read(desk.path(name)).unwrap();
    assert!(read("whole/model.onnx") == read("run/model.onnx"));
    for name in ["checkpoint.safetensors", "checkpoint.previous.safetensors"] {
        std::fs::write(desk.path(&format!("run/{name}")), "damaged").unwrap();
    }
    desk.refused("train", "--resume run", "damaged");
}

#[test]
fn a_second_process_is_told_who_trains() {
    let desk = Desk::new();
    let mut first = std::process::Command::new(program("train"))
        .current_dir(desk.folder.path())
        .args(QUICK.replace("--epochs 2", "--epochs 100000").split(' '))
        .args(["--out", "run"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let started = std::time::Instant::now();
    while !desk.path("run/checkpoint.safetensors").exists() {
        assert!(started.elapsed().as_secs() < 120);
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let holder = format!("process {} on", first.id());
    desk.run("train", "--resume run")
        .code(1)
        .stderr(contains(&*holder));
    // A lock ends with its process, however that ends.
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(desk.path("run/run.lock").exists());
    desk.run("train", "--resume run --stop-after 1").code(130);
    assert!(!desk.path("run/run.lock").exists());
}
