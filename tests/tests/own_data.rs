//! The page `docs/own-data.md`, run as a reader would: its commands, in its
//! order, on files such as it speaks of.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use data::Classes;
use data::datasets::dataset::Annotated;
use data::pipeline::input::{InputSpec, Normalisation};
use data::pipeline::prepare;
use data::record::annotation::Symbol;
use data::simulate::synth;

use crate::desk;
use crate::programs::program;

const PAGE: &str = include_str!("../../docs/own-data.md");

/// The commands of the page, a block of lines each.
fn blocks() -> Vec<&'static str> {
    let after_fence = PAGE.split("```sh\n").skip(1);
    after_fence
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

/// Two nights of each of six patients, with the labels of somebody's own.
fn recordings(folder: &Path) {
    let records = folder.join("recordings");
    std::fs::create_dir(&records).unwrap();
    let cohort = synth::cohort(12, 2.0, 250.0, 4).unwrap();
    for (index, mut recording) in cohort.into_iter().enumerate() {
        recording.record.name = format!("p{:03}_night{}", 1 + index / 2, 1 + index % 2);
        let (left, early) = (Symbol::from_mnemonic("L").unwrap(), Symbol::A);
        for annotation in &mut recording.annotations {
            match annotation.symbol {
                Symbol::N if index % 3 == 1 => annotation.symbol = left,
                Symbol::S => annotation.symbol = early,
                _ => {}
            }
        }
        desk::write(&records, &recording, "lab");
    }
}

/// A table of beats with a header: 100 samples at 100 Hz, `kind` and `subject`.
fn table(folder: &Path) {
    let spec = InputSpec {
        fs: 100.0,
        before: 50,
        after: 50,
        template: false,
        rhythm: Vec::new(),
        normalisation: Normalisation::RunningScale,
        ..InputSpec::window()
    };
    let samples: Vec<String> = (0..100).map(|i| format!("s{i}")).collect();
    let mut text = format!("{},kind,subject\n", samples.join(","));
    for Annotated {
        record,
        annotations,
    } in synth::cohort(8, 2.0, 250.0, 9).unwrap()
    {
        let beats = prepare::record(&record, &annotations, &spec, &Classes::aami5()).unwrap();
        for row in 0..beats.len() {
            let window = beats.window(row);
            let low = window.iter().copied().fold(f32::INFINITY, f32::min);
            let high = window.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            for value in window {
                write!(text, "{},", (value - low) / (high - low)).unwrap();
            }
            let kind = ["normal", "abnormal"][usize::from(beats.labels[row] != 0)];
            writeln!(text, "{kind},{}", record.name).unwrap();
        }
    }
    std::fs::write(folder.join("beats.csv"), text).unwrap();
}

#[test]
fn the_page_of_ones_own_data_does_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    recordings(folder.path());
    table(folder.path());
    assert!(blocks().len() >= 6, "{} blocks", blocks().len());
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../models");
    std::os::unix::fs::symlink(models, folder.path().join("models")).unwrap();
    for block in blocks() {
        let mut script = String::from(block);
        for package in ["data", "train", "infer", "embedded"] {
            let typed = format!("cargo run -p {package} --");
            script = script.replace(&typed, program(package).to_str().unwrap());
        }
        assert!(!script.contains("cargo"), "{script}");
        let output = Command::new("sh")
            .args(["-e", "-c", &script])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{block}\n{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    // What the page promises.
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(read("predictions.csv").contains(",normal,"));
    assert!(read("table.csv").contains(",abnormal,"));
    assert!(read("own/report.txt").contains("early"));
    assert!(read("folds/report.txt").contains("wide"));
    let marks = folder.path().join("marked/p001_night1.own");
    let marks = data::formats::wfdb::read_annotations(&marks).unwrap();
    let beats = |symbol: Symbol| marks.iter().filter(|a| a.symbol == symbol).count();
    assert!(beats(Symbol::N) + beats(Symbol::A) + beats(Symbol::V) > 50);
}
