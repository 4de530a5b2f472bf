//! What the programs end with, as `data::program` states it: the same in all
//! four.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use assert_cmd::assert::Assert;
use data::pipeline::input::InputSpec;
use data::program::{EXIT_CODES, FAILED, INTERRUPTED, USAGE};
use predicates::prelude::*;
use predicates::str::{contains, starts_with};
use tempfile::TempDir;

use crate::programs::program;

const PROGRAMS: [&str; 4] = ["data", "train", "infer", "embedded"];

/// Linux's O_NONBLOCK.
const NON_BLOCKING: i32 = 0o4000;

struct Desk(TempDir);

impl Desk {
    /// A folder with a model for recordings and one for rows of the Kaggle format.
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        let model = models::untrained::classifier_for(&InputSpec::window(), 1).unwrap();
        std::fs::write(desk.0.path().join("m.onnx"), model).unwrap();
        let model = models::untrained::classifier_for(&InputSpec::kaggle(), 1).unwrap();
        std::fs::write(desk.0.path().join("k.onnx"), model).unwrap();
        desk
    }

    fn command(&self, line: &str) -> Command {
        let mut words = line.split_whitespace();
        let mut command = Command::new(program(words.next().unwrap()));
        command
            .current_dir(&self.0)
            .env_remove("ECTOPY_DATA")
            .args(words);
        command
    }

    fn run(&self, line: &str) -> Assert {
        assert_cmd::Command::from_std(self.command(line)).assert()
    }

    /// A pipe by name, which a program can open as a file.
    fn pipe(&self, name: &str) {
        let mut mkfifo = Command::new("mkfifo");
        assert!(
            mkfifo
                .arg(self.0.path().join(name))
                .status()
                .unwrap()
                .success()
        );
    }
}

#[test]
fn help_is_no_failure_and_states_the_codes() {
    let desk = Desk::new();
    for name in PROGRAMS {
        desk.run(&format!("{name} --version")).code(0);
        let help = desk.run(&format!("{name} --help")).code(0);
        let words = String::from_utf8(help.get_output().stdout.clone()).unwrap();
        let words: Vec<&str> = words.split_whitespace().collect();
        let wanted: Vec<&str> = EXIT_CODES.split_whitespace().collect();
        assert!(words.windows(wanted.len()).any(|w| w == wanted), "{name}");
    }
}

#[test]
fn what_fails_ends_with_one_and_an_error() {
    let desk = Desk::new();
    for line in [
        "data holter absent",
        "data info absent",
        "train --data absent",
        "infer absent.csv",
        "infer describe absent.onnx",
        "embedded absent --model m.onnx",
        "embedded absent --model absent.onnx",
    ] {
        desk.run(line)
            .code(i32::from(FAILED))
            .stderr(starts_with("error: ").and(contains("absent")));
    }
}

#[test]
fn a_folder_of_which_one_recording_fails_has_failed() {
    let desk = Desk::new();
    desk.run("data synth --output ecg --patients 2 --minutes 0.5")
        .code(0);
    std::fs::write(desk.0.path().join("ecg/broken.hea"), "broken 1\n").unwrap();
    for line in [
        "data info ecg",
        "data detect ecg --output out",
        "infer ecg --model m.onnx --output p.csv",
    ] {
        desk.run(line)
            .code(i32::from(FAILED))
            .stderr(contains("error: ").and(contains("broken")));
    }
}

#[test]
fn a_wrong_command_line_ends_with_two() {
    let desk = Desk::new();
    for line in [
        // What clap refuses.
        "data --no-such-flag",
        "train --no-such-flag",
        "infer --no-such-flag",
        "embedded --no-such-flag",
        "train --epochs many",
        "infer beats.csv --threads 0",
        // What only the programs know.
        "data holter ecg --run 2",
        "data synth --output x --patients 0",
        "train --validation 2",
        "train --device gpu",
        "infer evaluate --start -1",
        "infer evaluate --start=-1",
        "embedded - --model m.onnx",
        "embedded - --model m.onnx --fs 1e9 --format f32",
    ] {
        desk.run(line)
            .code(i32::from(USAGE))
            .stderr(starts_with("error: "));
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let desk = Desk::new();
    desk.run("data synth --output ecg --patients 2 --minutes 0.5")
        .code(0);
    for line in [
        "data info ecg",
        "infer describe m.onnx",
        "infer ecg --model m.onnx --output -",
        "embedded ecg/s000 --model m.onnx",
    ] {
        let mut child = desk.command(line).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{line}");
    }
}

#[test]
fn an_interrupted_program_says_so() {
    let desk = Desk::new();
    for (line, pipe) in [
        ("data convert beats.csv --output out.h5", "beats.csv"),
        ("train --config settings.toml", "settings.toml"),
        ("infer rows.csv --model k.onnx", "rows.csv"),
        (
            "embedded ecg.f32 --model m.onnx --format f32 --fs 360",
            "ecg.f32",
        ),
    ] {
        desk.pipe(pipe);
        for (signal, code) in [("-INT", i32::from(INTERRUPTED)), ("-TERM", 143)] {
            let mut child = desk
                .command(line)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let held = loop {
                // Opens once the program reads, which then waits for bytes.
                let mut options = OpenOptions::new();
                options.write(true).custom_flags(NON_BLOCKING);
                match options.open(desk.0.path().join(pipe)) {
                    Ok(held) => break held,
                    Err(_) => assert!(child.try_wait().unwrap().is_none(), "{line}"),
                }
                std::thread::sleep(Duration::from_millis(5));
            };
            let id = child.id().to_string();
            assert!(
                Command::new("kill")
                    .args([signal, &id])
                    .status()
                    .unwrap()
                    .success()
            );
            assert_eq!(child.wait().unwrap().code(), Some(code), "{line} {signal}");
            drop(held);
        }
    }
}
