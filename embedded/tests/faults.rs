//! The program `embedded` on inputs on which it once failed (`faults/` among
//! the shared recordings), with what is right.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../tests/shared.rs"]
mod shared;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use data::formats::wfdb::Clock;

/// A part of the folder of faults.
fn fault(part: &str) -> PathBuf {
    shared::shared(&format!("faults/{part}"))
}

fn embedded(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_embedded"))
        .current_dir(folder)
        .arg("--model")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shipped/resnet.onnx"))
        .args(arguments)
        .output()
        .unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn annotations_of_a_record_with_several_rates_read_as_its_twins() {
    let folder = fault("multirate-annotations");
    let out = tempfile::tempdir().unwrap();
    let [several, one] = ["mr", "sr"].map(|record| {
        let arguments = [record, "-q", "--annotator", "mon", "--output"];
        let output = embedded(
            &folder,
            &[&arguments[..], &[out.path().to_str().unwrap()]].concat(),
        );
        assert!(output.status.success(), "{}", errors(&output));
        let clock = Clock::of(&folder.join(record)).unwrap();
        clock
            .read(&out.path().join(format!("{record}.mon")))
            .unwrap()
    });
    assert!(one.len() > 150, "{} beats", one.len());
    assert_eq!(several, one);
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn a_rate_out_of_range_is_the_recordings() {
    let folder = fault("rate-message");
    let output = embedded(&folder, &["f30"]);
    let said = errors(&output);
    assert!(!output.status.success());
    assert!(
        said.contains("f30: the recording has 30 samples per second"),
        "{said}"
    );
    assert!(!said.contains("resnet.onnx"), "{said}");
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn a_signal_file_is_answered_with_the_record() {
    let folder = fault("signal-file-as-input");
    let output = embedded(&folder, &["base.dat"]);
    assert!(
        errors(&output).contains("give the record: base"),
        "{}",
        errors(&output)
    );
    // As raw samples it is read where that is asked for.
    let raw = [
        "base.dat",
        "--format",
        "i16",
        "--fs",
        "360",
        "--gain",
        "200",
        "--baseline",
        "1024",
    ];
    let output = embedded(&folder, &raw);
    assert!(output.status.success(), "{}", errors(&output));
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn a_pressure_is_passed_over_and_a_record_goes_before_a_folder() {
    {
        let folder = fault("pressure-as-ecg");
        let output = embedded(&folder, &["a"]);
        assert!(
            errors(&output).contains("the lead is ECG in mV"),
            "{}",
            errors(&output)
        );
    }
    {
        let folder = fault("record-and-folder-same-name");
        let output = embedded(&folder, &["100"]);
        assert!(
            errors(&output).contains("100/ is the folder"),
            "{}",
            errors(&output)
        );
        assert!(
            errors(&output).contains("60.0 s of signal"),
            "{}",
            errors(&output)
        );
    }
}
