//! The numbers of real records against counts that a Python script makes from
//! the same annotation files on its own.

use std::process::Command;

use serde_json::Value;

use crate::environment::{python, root, shared};

/// What `data holter` says; `None` where the program is not built with this test.
fn holter(arguments: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new(option_env!("CARGO_BIN_EXE_data")?)
        .arg("holter")
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    Some(output.stdout)
}

fn near(record: &str, what: &str, ours: &Value, theirs: &Value) {
    let (ours, theirs) = (ours.as_f64().unwrap(), theirs.as_f64().unwrap());
    let off = (ours - theirs).abs();
    assert!(off < 1e-6, "{record}, {what}: {ours}, expected {theirs}");
}

fn compare(record: &str, theirs: &Value) {
    let Some(output) = holter(&[record, "--json"]) else {
        return;
    };
    let ours: Value = serde_json::from_slice(&output).unwrap();
    let same = |what: &str, ours: &Value, theirs: &Value| {
        assert_eq!(ours, theirs, "{record}, {what}");
    };
    let beats = &ours["beats"];
    for class in ["N", "S", "V", "F", "Q"] {
        let count = &beats[class.to_lowercase()]["count"];
        same(class, count, &theirs["beats"][class]);
    }
    for what in ["unreadable", "within_fibrillation"] {
        same(what, &beats[what], &theirs[what]);
    }
    for (class, name) in [("V", "ventricular"), ("S", "supraventricular")] {
        let (ours, theirs) = (&ours[name], &theirs[class]);
        for what in ["singles", "couplets", "triplets"] {
            same(what, &ours[what], &theirs[what]);
        }
        let runs = &ours["runs"];
        same("runs", &runs["count"], &theirs["runs"]);
        same("run beats", &runs["beats"], &theirs["run_beats"]);
        let longest = runs["longest"]["beats"].as_u64().unwrap_or(0);
        same("longest run", &longest.into(), &theirs["longest_run"]);
    }
    same("pauses", &ours["pauses"]["count"], &theirs["pauses"]);
    let longest = ours["pauses"]["longest"][0]["seconds"].as_f64();
    let longest = longest.unwrap_or(0.0).into();
    near(record, "pause", &longest, &theirs["longest_pause"]);
    let rate = &ours["heart_rate"];
    same("intervals", &rate["intervals"], &theirs["intervals"]);
    near(record, "rate", &rate["mean"], &theirs["mean_rate"]);
    near(
        record,
        "time",
        &ours["time"]["analysable"],
        &theirs["analysable"],
    );
    let fibrillation = &ours["ventricular_fibrillation"]["count"];
    same("episodes", fibrillation, &theirs["vf_episodes"]);
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn every_mitdb_record_is_counted_as_an_independent_script_counts_it() {
    let (shared, python) = (shared(), python());
    let folder = shared.join("mitdb");
    let names = std::fs::read_to_string(folder.join("RECORDS")).unwrap();
    let records: Vec<String> = (names.split_whitespace())
        .map(|name| folder.join(name).display().to_string())
        .collect();
    assert_eq!(records.len(), 48);
    let output = Command::new(&python)
        .arg(root().join("data/tests/holter/count.py"))
        .args(&records)
        .output()
        .unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.lines().count(), 48);
    for (record, line) in records.iter().zip(lines.lines()) {
        compare(record, &serde_json::from_str(line).unwrap());
    }
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn the_text_says_what_the_record_is_known_for() {
    let record = shared().join("mitdb/207");
    let Some(output) = holter(&[record.to_str().unwrap()]) else {
        return;
    };
    let text = String::from_utf8(output).unwrap();
    for words in [
        "V 210 (11.29 %)",
        "longest run: 105 beats",
        "ventricular fibrillation or flutter: 6",
        "atrial fibrillation: left out",
        "Not a medical device",
    ] {
        assert!(text.contains(words), "{words} is not in:\n{text}");
    }
}
