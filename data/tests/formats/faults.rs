//! Inputs on which the programs once failed (`faults/` among the shared
//! recordings), each with the right figures.

use std::path::{Path, PathBuf};

use crate::environment::shared;
use crate::folders::{data, said};

/// A copy of a folder of faults, which may be written to.
fn fault(name: &str) -> tempfile::TempDir {
    let from = shared().join("faults").join(name);
    let to = tempfile::tempdir().unwrap();
    copy(&from, to.path());
    to
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to: PathBuf = to.join(path.file_name().unwrap());
        if path.is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy(&path, &to);
        } else {
            std::fs::write(to, std::fs::read(path).unwrap()).unwrap();
        }
    }
}

/// Runs `data detect` and `data score` on a folder, and returns the figures of
/// its records.
fn scored(folder: &Path) -> Option<Vec<String>> {
    let detect = data(folder, &["detect", ".", "--output", "out"])?;
    assert!(detect.status.success(), "{}", said(&detect));
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
    let text = said(&data(folder, &score)?);
    let lines = text.lines().skip(1).take_while(|l| !l.starts_with("__"));
    let line = |l: &str| l.split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
    Some(lines.map(line).collect())
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn several_rates() {
    let folder = fault("multirate-annotations");
    let Some(lines) = scored(folder.path()) else {
        return;
    };
    let [several, one] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert!(one.contains("94.69 100.00"), "{one}");
    let figures = |line: &str| line.rsplit_once(' ').map(|(rest, _)| rest.to_owned());
    assert_eq!(figures(several), figures(one));
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn microvolts_and_offsets() {
    let folder = fault("units-uv");
    let Some(lines) = scored(folder.path()) else {
        return;
    };
    assert_eq!(lines.len(), 4);
    assert!(lines[0].contains("94.69 100.00"), "{}", lines[0]);
    assert!(lines.iter().all(|line| *line == lines[0]), "{lines:?}");
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn one_record_that_is_also_a_folder() {
    let folder = fault("record-and-folder-same-name");
    for (path, beats) in [("100", "100: 74 of"), ("100/", "x: 37 of")] {
        let Some(output) = data(folder.path(), &["detect", path, "--output", "out"]) else {
            return;
        };
        let text = said(&output);
        assert!(text.contains(beats), "{text}");
        assert_eq!(text.contains("100/ is the folder"), path == "100", "{text}");
    }
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn a_pressure_is_no_ecg() {
    let folder = fault("pressure-as-ecg");
    let Some(output) = data(folder.path(), &["detect", ".", "--output", "out"]) else {
        return;
    };
    let text = said(&output);
    assert!(text.contains("the lead is ECG in mV"), "{text}");
    assert!(text.contains("a: 246 of 246 beats"), "{text}");
    let asked = ["detect", ".", "--leads", "ABP", "--output", "out"];
    let refused = data(folder.path(), &asked).unwrap();
    assert!(!refused.status.success() && said(&refused).contains("no voltage"));
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn labels_of_the_file() {
    let folder = fault("custom-labels");
    let Some(output) = data(folder.path(), &["info", "r", "--annotator", "cus"]) else {
        return;
    };
    let text = said(&output);
    assert!(text.contains("symbols: N 2, W 1, Z 1"), "{text}");
    assert!(
        text.contains("label W: code 42, 'wide', no AAMI class"),
        "{text}"
    );
    let path = folder.path().join("r.cus");
    let file = data::formats::wfdb::AnnotationFile::read(&path).unwrap();
    let again = folder.path().join("again.cus");
    file.write(&again).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), std::fs::read(again).unwrap());
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn what_is_valid_is_read() {
    if let Some(output) = data(fault("checksum-placeholder").path(), &["info", "nolen"]) {
        assert!(output.status.success() && said(&output).contains("43200 samples"));
    }
    for (name, beats) in [
        ("convert-null-signal", "73 beats"),
        ("records-in-subfolders", "70 beats"),
    ] {
        let arguments = ["convert", ".", "--output", "b.csv"];
        if let Some(output) = data(fault(name).path(), &arguments) {
            assert!(
                output.status.success() && said(&output).contains(beats),
                "{}",
                said(&output)
            );
        }
    }
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn a_changed_segment_is_noticed() {
    let folder = fault("store-stale-segments");
    let convert = || {
        Some(said(&data(
            folder.path(),
            &["convert", ".", "--output", "b.h5"],
        )?))
    };
    let Some(first) = convert() else {
        return;
    };
    assert!(first.contains("98 beats"), "{first}");
    assert!(convert().unwrap().contains("up to date"));
    let signal = folder.path().join("s1.dat");
    let mut bytes = std::fs::read(&signal).unwrap();
    // Two samples change places: their sum, the checksum, stays.
    let (first, other) = (0, 2 * 280);
    assert_ne!(bytes[first..first + 2], bytes[other..other + 2]);
    bytes.swap(first, other);
    bytes.swap(first + 1, other + 1);
    std::fs::write(signal, bytes).unwrap();
    assert!(convert().unwrap().contains("it is made again"));
}
