//! `infer explain` from the outside.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use data::beat_files::kaggle;
use predicates::prelude::*;

use crate::networks::{Case, notebook, synthetic};
use crate::programs::program;

/// A folder with a model and labelled beats in the Kaggle format.
struct Place {
    folder: tempfile::TempDir,
    rows: usize,
}

impl Place {
    fn new() -> Place {
        let case = notebook();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("model.onnx"), case.classifier()).unwrap();
        let beats = synthetic(&case.contract.input);
        let rows: Vec<usize> = (0..beats.len().min(150)).collect();
        kaggle::write(&folder.path().join("beats.csv"), &beats.select(&rows)).unwrap();
        Place {
            folder,
            rows: rows.len(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn infer(&self, arguments: &str) -> assert_cmd::assert::Assert {
        let mut command = Command::new(program("infer"));
        command.current_dir(&self.folder);
        command.args(arguments.split_whitespace()).assert()
    }
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

fn values(line: &serde_json::Value, key: &str) -> Vec<f64> {
    let values = line[key].as_array().unwrap();
    values.iter().map(|v| v.as_f64().unwrap()).collect()
}

#[test]
fn chosen_rows_are_explained_and_drawn() {
    let place = Place::new();
    place
        .infer("explain beats.csv --model model.onnx --rows 3,17 --class V --method gradient,gradcam --output out --picture svg")
        .success();
    let found = lines(&place.path("out/attributions.jsonl"));
    let keys: Vec<_> = found
        .iter()
        .map(|l| (l["row"].as_u64(), l["method"].as_str()))
        .collect();
    let expected = [3, 17].map(|r| [(Some(r), Some("gradient")), (Some(r), Some("gradcam"))]);
    assert_eq!(keys, expected.concat());
    assert!(
        found
            .iter()
            .all(|l| l["class"] == "V" && values(l, "beat").len() == 187)
    );
    for name in ["row-3.svg", "row-17.svg"] {
        let picture = std::fs::read_to_string(place.path("out").join(name)).unwrap();
        for text in [
            "what speaks for V",
            "Time from the R peak (s)",
            "QRS",
            "against",
        ] {
            assert!(picture.contains(text), "{name} lacks '{text}'");
        }
    }
}

#[test]
fn integrated_gradients_sum_up_to_the_difference_of_logits() {
    let place = Place::new();
    place
        .infer("explain beats.csv --model model.onnx --class S --output out --picture none")
        .success();
    let found = lines(&place.path("out/attributions.jsonl"));
    assert_eq!(found.len(), place.rows);
    // The reference for the empty beat, from the network itself.
    let Case {
        network, weights, ..
    } = notebook();
    let reference = models::reference::Reference::new(&network, &weights).unwrap();
    let empty = reference.logits(&[0.0; 187], &[])[1];
    let (mut worst, mut largest) = (0.0f64, 0.0f64);
    for line in &found {
        let difference = values(line, "logits")[1] - empty;
        let sum: f64 = values(line, "beat").iter().sum();
        worst = worst.max((sum - difference).abs() / difference.abs());
        largest = largest.max(difference.abs());
    }
    println!(
        "completeness at 64 steps: {worst:.1e} of a difference at worst, differences up to {largest:.2}"
    );
    assert!(worst < 0.01, "{worst}");
}

#[test]
fn whole_files_go_to_hdf5_with_an_atlas_and_the_kernels() {
    let place = Place::new();
    place
        .infer("explain beats.csv --model model.onnx --method gradient-x-input --format hdf5 --picture svg --output out")
        .success();
    let file = std::fs::read(place.path("out/attributions.h5")).unwrap();
    assert!(file.starts_with(b"\x89HDF"));
    let atlas = std::fs::read_to_string(place.path("out/atlas.svg")).unwrap();
    for text in [
        "Mean beat of every predicted class",
        "colour: mean gradient-x-input",
        "Time from the R peak (s)",
    ] {
        assert!(atlas.contains(text), "the atlas lacks '{text}'");
    }
    // A row for each class, headed `N, 12 beats: Beat`.
    let beats = atlas.lines().filter_map(|line| {
        let (_, rest) = line.split_once(", ")?;
        rest.strip_suffix(" beats: Beat")?.parse::<usize>().ok()
    });
    assert_eq!(beats.sum::<usize>(), place.rows);
    let kernels = std::fs::read_to_string(place.path("out/kernels.svg")).unwrap();
    assert!(kernels.contains("First layer of model.onnx"));
    let Case {
        network, weights, ..
    } = notebook();
    let taps = &weights.first_convolution(&network).unwrap().values;
    assert_eq!(kernels.matches("<circle").count(), taps.len());
}

#[test]
fn an_optimised_input_has_a_higher_logit() {
    let place = Place::new();
    place
        .infer("explain beats.csv --model model.onnx --rows 0 --optimise --output out")
        .success();
    let found = lines(&place.path("out/optimised.jsonl"));
    assert_eq!(found.len(), 5);
    for (class, line) in found.iter().enumerate() {
        let (before, after) = (values(line, "logits_before"), values(line, "logits_after"));
        assert!(after[class] > before[class], "{line}");
        assert!(values(line, "beat").iter().all(|v| (0.0..=1.0).contains(v)));
    }
}

#[test]
fn explanations_come_beside_a_classification() {
    let place = Place::new();
    place
        .infer("beats.csv --model model.onnx --explain out --rows 2")
        .success();
    assert!(place.path("predictions.csv").exists());
    let picture = std::fs::read(place.path("out/row-2.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG"));
}

#[test]
fn explanations_are_scored() {
    let place = Place::new();
    place
        .infer("explain beats.csv --model model.onnx --score --output out")
        .success()
        .stdout(
            predicate::str::contains("integrated-gradients")
                .and(predicate::str::contains("shuffled weights")),
        );
    let text = std::fs::read_to_string(place.path("out/score.json")).unwrap();
    let score: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(score["methods"]["gradient"]["deletion_gain"]["mean"].is_number());
    for shares in score["shares"].as_object().unwrap().values() {
        let parts = ["P", "QRS", "T", "rest", "rhythm"].map(|k| shares[k].as_f64().unwrap());
        assert!((parts.iter().sum::<f64>() - 1.0).abs() < 1e-6, "{shares}");
    }
}

#[test]
fn wrong_requests_are_refused_in_one_line() {
    let place = Place::new();
    let other = Case {
        contract: models::Contract {
            temperature: 2.0,
            ..notebook().contract
        },
        ..notebook()
    };
    std::fs::copy(place.path("model.onnx"), place.path("foreign.onnx")).unwrap();
    std::fs::write(place.path("foreign.explain.onnx"), other.explainer()).unwrap();
    let last = place.rows - 1;
    for (arguments, message) in [
        (
            "explain beats.csv --model model.onnx --class X",
            "has no class 'X'; its classes are N, S, V, F, Q".to_owned(),
        ),
        (
            "explain beats.csv --model foreign.onnx",
            "their contracts differ".to_owned(),
        ),
        (
            "explain beats.csv --model model.onnx --rows 3,99999",
            format!(
                "row 99999 is out of range: beats.csv has {} rows, 0 to {last}",
                place.rows
            ),
        ),
        (
            "explain beats.csv --model model.onnx --rows three",
            "'three' is not a row".to_owned(),
        ),
        (
            "explain absent.csv --model model.onnx",
            "absent.csv".to_owned(),
        ),
    ] {
        let arguments = format!("{arguments} --output refused");
        place
            .infer(&arguments)
            .failure()
            .stderr(predicate::str::contains(message));
        assert!(
            !place.path("refused/attributions.jsonl").exists(),
            "{arguments}"
        );
    }
}
