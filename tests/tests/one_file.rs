//! A recording in one file goes through every program as one of several does.

use std::path::Path;

use assert_cmd::Command;
use data::formats::wfdb;
use data::simulate::synth::{self, Settings};
use predicates::str::contains;

use crate::programs::program;

/// A minute of a made-up patient at 250 Hz as the WFDB record `w`, and the first
/// lead of it, to a microvolt, as the EDF file `night.edf`.
fn recordings(folder: &Path) {
    let (mut record, _) = synth::record("w", &Settings::new(250.0, 4), 60.0).unwrap();
    record.signals.truncate(1);
    let field = |text: &str, width: usize| format!("{text:<width$}");
    let mut header = String::new();
    for (text, width) in [("0", 8), ("", 80), ("", 80), ("01.01.20", 8)] {
        header += &field(text, width);
    }
    for (text, width) in [("00.00.00", 8), ("512", 8), ("", 44), ("60", 8)] {
        header += &field(text, width);
    }
    for (text, width) in [("1", 8), ("1", 4), ("ECG II", 16), ("", 80), ("uV", 8)] {
        header += &field(text, width);
    }
    for text in ["-32768", "32767", "-32768", "32767"] {
        header += &field(text, 8);
    }
    header += &(field("", 80) + &field("250", 8) + &field("", 32));
    assert_eq!(header.len(), 512);
    let mut bytes = header.into_bytes();
    for sample in &mut record.signals[0].samples {
        let microvolts = (*sample * 1000.0).round();
        *sample = microvolts / 1000.0;
        bytes.extend((microvolts as i16).to_le_bytes());
    }
    wfdb::write_record(folder, &record).unwrap();
    std::fs::write(folder.join("night.edf"), bytes).unwrap();
}

fn run(folder: &Path, name: &str, arguments: &str) -> Command {
    let mut command = Command::new(program(name));
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../models");
    command.current_dir(folder).env("ECTOPY_MODELS", models);
    command.args(arguments.split(' '));
    command
}

#[test]
fn an_edf_file_has_the_beats_of_the_same_signal_in_wfdb() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    recordings(folder);
    for lines in [
        ["infer", "RECORD --annotator net --output out"],
        ["embedded", "RECORD --annotator mon --output out --quiet"],
        ["data", "detect RECORD --output out"],
    ] {
        let [name, arguments] = lines;
        for record in ["night.edf", "w"] {
            let arguments = arguments.replace("RECORD", record);
            run(folder, name, &arguments).assert().success();
        }
    }
    for annotator in ["net", "mon", "qrs"] {
        let read = |record: &str| {
            let path = folder.join("out").join(format!("{record}.{annotator}"));
            wfdb::read_annotations(&path).unwrap()
        };
        let beats = read("night");
        assert!(beats.len() > 50, "{annotator}: {} beats", beats.len());
        assert_eq!(beats, read("w"), "{annotator}");
    }
    run(folder, "infer", "night.edf --detect --output p.csv")
        .assert()
        .success();
    // What was written beside the recording is found by its name.
    std::fs::copy(folder.join("out/night.qrs"), folder.join("night.atr")).unwrap();
    run(folder, "data", "info night.edf")
        .assert()
        .success()
        .stdout(contains("night.atr"));
    run(
        folder,
        "data",
        "score --reference atr --test qrs --test-dir out night.edf",
    )
    .assert()
    .success();
    run(folder, "data", "info night.atr")
        .assert()
        .code(1)
        .stderr(contains("night.edf"));
}

#[test]
fn a_lead_is_asked_for_in_the_same_words_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    recordings(folder);
    for lead in ["MLII", "1", "auto"] {
        for arguments in [
            format!("infer night.edf --annotator net --output {lead} --lead {lead}"),
            format!("embedded night.edf --annotator mon --output {lead} --lead {lead} --quiet"),
            format!("data detect night.edf --output {lead} --lead {lead}"),
        ] {
            let (name, arguments) = arguments.split_once(' ').unwrap();
            let done = run(folder, name, arguments).assert().success();
            if lead == "auto" {
                done.stderr(contains(
                    "the lead is II (signal 1), on which beats stand out best",
                ));
            }
        }
    }
    for arguments in [
        "infer night.edf --annotator net --output no --lead V1",
        "embedded night.edf --annotator mon --output no --lead V1",
        "data detect night.edf --output no --lead V1",
    ] {
        let (name, arguments) = arguments.split_once(' ').unwrap();
        let refused = run(folder, name, arguments).assert().code(1);
        refused.stderr(contains("has no lead V1; it has II"));
    }
    let refused = run(folder, "embedded", "- --fs 250 --format csv --lead 2")
        .assert()
        .code(2);
    refused.stderr(contains("--columns"));
}
