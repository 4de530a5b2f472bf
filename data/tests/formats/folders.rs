//! The program `data` on folders and records made here: units, clocks, bad
//! recordings among good ones.

use std::path::Path;
use std::process::{Command, Output};

use data::formats::wfdb::{self, Clock};
use data::record::annotation::{Annotation, Symbol};
use data::simulate::synth::{self, Settings};
use tempfile::TempDir;

/// The program in `folder`; `None` where it is not built with this test.
pub fn data(folder: &Path, arguments: &[&str]) -> Option<Output> {
    let program = option_env!("CARGO_BIN_EXE_data")?;
    let mut command = Command::new(program);
    Some(
        command
            .current_dir(folder)
            .args(arguments)
            .output()
            .unwrap(),
    )
}

/// What a program said, both streams.
pub fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8(text).unwrap()
}

/// A minute of a made-up patient at 360 Hz in mV, and its annotations.
fn patient() -> (Vec<f32>, Vec<Annotation>) {
    let (record, annotations) = synth::record("s", &Settings::new(360.0, 5), 60.0).unwrap();
    (record.signals[0].samples.clone(), annotations)
}

/// Writes `NAME.dat` of format 32 and `NAME.hea` with these signal lines.
fn write(folder: &Path, name: &str, record_line: &str, signals: &[&str], values: &[i32]) {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(folder.join(format!("{name}.dat")), bytes).unwrap();
    let mut header = format!("{name} {record_line}\n").into_bytes();
    for line in signals {
        header.extend(format!("{name}.dat ").bytes());
        // One byte a character, as old headers are.
        header.extend(line.chars().map(|c| u8::try_from(c as u32).unwrap()));
        header.push(b'\n');
    }
    std::fs::write(folder.join(format!("{name}.hea")), header).unwrap();
}

/// The beats that `data detect` finds in a record, in its samples.
fn detected(folder: &Path, name: &str) -> Option<Vec<i64>> {
    let output = data(folder, &["detect", name, "--output", "out"])?;
    assert!(output.status.success(), "{}", said(&output));
    let path = folder.join("out").join(format!("{name}.qrs"));
    let found = Clock::of(&folder.join(name)).unwrap().read(&path).unwrap();
    Some(found.iter().map(|a| a.sample).collect())
}

#[test]
fn any_voltage_and_any_offset_gives_the_same_beats() {
    let folder = tempfile::tempdir().unwrap();
    let (samples, _) = patient();
    // Whole microvolts, so that every unit holds the same signal.
    let microvolts: Vec<i32> = samples
        .iter()
        .map(|v| (v * 1000.0).round() as i32)
        .collect();
    let shifted = |by: i32| -> Vec<i32> { microvolts.iter().map(|v| v + by).collect() };
    for (name, calibration, values) in [
        ("mv", "1000(0)/mV", shifted(0)),
        ("uv", "1(0)/uV", shifted(0)),
        ("micro", "1(0)/\u{b5}V", shifted(0)),
        ("nv", "0.001(0)/NV", shifted(0)),
        ("v", "1e6(0)/V", shifted(0)),
        ("none", "1000", shifted(0)),
        ("baseline", "1(-70000)/uV", shifted(-70_000)),
        ("offset", "1(0)/uV", shifted(330_000)),
        ("far", "1(0)/uV", shifted(2_500_000)),
    ] {
        let line = format!("32 {calibration} 16 0 0 0 0 MLII");
        // The sum is not given: the length neither.
        write(folder.path(), name, "1 360", &[&line], &values);
    }
    let Some(wanted) = detected(folder.path(), "mv") else {
        return;
    };
    assert!(wanted.len() > 50, "{} beats", wanted.len());
    for name in ["uv", "micro", "nv", "v", "none", "baseline"] {
        assert_eq!(detected(folder.path(), name).unwrap(), wanted, "{name}");
    }
    for name in ["offset", "far"] {
        let found = detected(folder.path(), name).unwrap();
        assert_eq!(found.len(), wanted.len(), "{name}");
        let close = found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() <= 1);
        assert!(close, "{name}");
    }
}

#[test]
fn beats_of_a_record_with_several_rates_are_where_those_of_one_rate_are() {
    let folder = tempfile::tempdir().unwrap();
    let (samples, annotations) = patient();
    let values: Vec<i32> = samples
        .iter()
        .map(|v| (v * 1000.0).round() as i32)
        .collect();
    let ecg = "32 1000(0)/mV 16 0 0 0 0 MLII";
    write(folder.path(), "one", "1 360", &[ecg], &values);
    // The same in frames of four samples, with one of breath.
    let frames = values.chunks_exact(4).map(|f| [f[0], f[1], f[2], f[3], 7]);
    let several: Vec<i32> = frames.flatten().collect();
    let ecg = "32x4 1000(0)/mV 16 0 0 0 0 MLII";
    let breath = "32 100/NU 16 0 0 0 0 RESP";
    write(folder.path(), "several", "2 90", &[ecg, breath], &several);
    // And with a faster signal before it that is no ECG.
    let frames = values.chunks_exact(2).map(|f| [9, 9, 9, f[0], f[1]]);
    let faster: Vec<i32> = frames.flatten().collect();
    let [pulse, ecg] = [
        "32x3 100/NU 16 0 0 0 0 PLETH",
        "32x2 1000(0)/mV 16 0 0 0 0 MLII",
    ];
    write(folder.path(), "faster", "2 180", &[pulse, ecg], &faster);
    for name in ["one", "several", "faster"] {
        let clock = Clock::of(&folder.path().join(name)).unwrap();
        assert_eq!(clock.fs(), 360.0);
        clock
            .write(&folder.path().join(format!("{name}.atr")), &annotations)
            .unwrap();
    }
    // The reference once more as old programs wrote it: in frames.
    let frames: Vec<_> = annotations
        .iter()
        .map(|a| Annotation::new((a.sample + 2) / 4, a.symbol))
        .collect();
    wfdb::write_annotations(&folder.path().join("several.old"), &frames).unwrap();
    let Some(wanted) = detected(folder.path(), "one") else {
        return;
    };
    assert_eq!(detected(folder.path(), "several").unwrap(), wanted);
    assert_eq!(detected(folder.path(), "faster").unwrap(), wanted);
    let gross = |name: &str, reference: &str| {
        let arguments = [
            "score",
            name,
            "--test",
            "qrs",
            "--test-dir",
            "out",
            "--start",
            "0",
        ];
        let output = data(
            folder.path(),
            &[&arguments[..], &["--reference", reference]].concat(),
        );
        let text = said(&output.unwrap());
        let line = text
            .lines()
            .find(|l| l.starts_with("Gross"))
            .unwrap_or_default();
        line.to_owned()
    };
    let wanted = gross("one", "atr");
    assert!(wanted.contains("100.00"), "{wanted}");
    assert_eq!(gross("several", "atr"), wanted);
    assert_eq!(gross("faster", "atr"), wanted);
    assert_eq!(gross("several", "old"), wanted);
}

/// A folder of `a/r`, `b/r` (another patient) and what `RECORDS` says of them.
fn subfolders(list: &[u8]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (part, seed) in [("a", 1), ("b", 2)] {
        let (record, annotations) = synth::record("r", &Settings::new(360.0, seed), 30.0).unwrap();
        let at = folder.path().join(part);
        wfdb::write_record(&at, &record).unwrap();
        wfdb::write_annotations(&at.join("r.atr"), &annotations).unwrap();
    }
    std::fs::write(folder.path().join("RECORDS"), list).unwrap();
    folder
}

#[test]
fn records_in_subfolders_keep_them() {
    let folder = subfolders(b"# two\r\na/\r\n\r\nb/r\r\n");
    let Some(output) = data(folder.path(), &["detect", ".", "--output", "out"]) else {
        return;
    };
    assert!(output.status.success(), "{}", said(&output));
    let files = ["a", "b"].map(|p| std::fs::read(folder.path().join("out").join(p).join("r.qrs")));
    let [a, b] = files.map(Result::unwrap);
    assert!(a.len() > 50 && a != b);
    let score = [
        "score",
        ".",
        "--test",
        "qrs",
        "--test-dir",
        "out",
        "--start",
        "0",
    ];
    let score = data(folder.path(), &score).unwrap();
    assert!(said(&score).contains("from 2 records") && score.status.success());
    let convert = data(folder.path(), &["convert", ".", "--output", "b.csv"]).unwrap();
    assert!(convert.status.success(), "{}", said(&convert));
}

#[test]
fn a_folder_run_does_the_good_records_and_names_the_bad() {
    let folder = subfolders(b"a/r\nabsent\nf\xff\nb/torn\nb/r\n../up\n");
    std::fs::write(
        folder.path().join("b/torn.hea"),
        "torn 1 360 100\ntorn.dat 16\n",
    )
    .unwrap();
    let score = [
        "score",
        ".",
        "--test",
        "qrs",
        "--test-dir",
        "out",
        "--start",
        "0",
    ];
    for arguments in [
        &["detect", ".", "--output", "out"][..],
        &score,
        &["convert", ".", "--output", "b.csv"],
        &["info", "."],
    ] {
        let Some(output) = data(folder.path(), arguments) else {
            return;
        };
        let text = said(&output);
        assert!(!output.status.success(), "{arguments:?}: {text}");
        for part in [
            "4 of 6 recordings",
            "absent",
            "not UTF-8",
            "torn",
            "leads out",
        ] {
            assert!(text.contains(part), "{arguments:?}: {text}");
        }
    }
    assert!(folder.path().join("out/a/r.qrs").is_file());
    assert!(folder.path().join("out/b/r.qrs").is_file());
    assert!(
        std::fs::read_to_string(folder.path().join("b.csv"))
            .unwrap()
            .lines()
            .count()
            > 40
    );
}

#[test]
fn a_store_without_all_records_is_never_up_to_date() {
    let folder = subfolders(b"a/r\nb/r\n");
    // No beat: a reference without any.
    wfdb::write_annotations(
        &folder.path().join("b/r.atr"),
        &[Annotation::new(9, Symbol::NOTE)],
    )
    .unwrap();
    for _ in 0..2 {
        let Some(output) = data(folder.path(), &["convert", ".", "--output", "b.h5"]) else {
            return;
        };
        let text = said(&output);
        assert!(
            !output.status.success() && text.contains("no beat"),
            "{text}"
        );
        assert!(!text.contains("up to date"), "{text}");
    }
}

#[test]
fn a_changed_segment_makes_a_store_stale() {
    let folder = subfolders(b"m\n");
    let copy = |from: &str, to: &str| {
        std::fs::copy(folder.path().join(from), folder.path().join(to)).unwrap();
    };
    copy("a/r.dat", "r.dat");
    copy("a/r.hea", "r.hea");
    copy("a/r.atr", "m.atr");
    std::fs::write(folder.path().join("m.hea"), "m/1 3 360 10800\nr 10800\n").unwrap();
    let convert = || {
        Some(said(&data(
            folder.path(),
            &["convert", ".", "--output", "b.h5"],
        )?))
    };
    let Some(first) = convert() else {
        return;
    };
    assert!(first.contains("beats (N"), "{first}");
    assert!(convert().unwrap().contains("up to date"));
    copy("b/r.dat", "r.dat");
    copy("b/r.hea", "r.hea");
    assert!(convert().unwrap().contains("it is made again"));
}
