//! The same logits from libtorch, ONNX Runtime and both engines of `embedded`.

use std::path::Path;

use data::pipeline::beats::Beats;
use embedded::Engine;
use infer::Classifier;
use tch::{Device, Tensor};
use train::network::ResidualCnn;

use crate::networks::{Case, cases, dilated, synthetic};

/// Largest difference of a logit between any two engines, as a part of the
/// largest logit where that is above 1.
const TOLERANCE: f32 = 1e-4;

fn in_libtorch(case: &Case, beats: &Beats) -> Vec<f32> {
    let network = case.network.clone();
    let cnn = ResidualCnn::from_weights(network, &case.weights, Device::Cpu).unwrap();
    let input = &case.contract.input;
    let rows = beats.len() as i64;
    let shape = [rows, input.channels() as i64, input.length() as i64];
    let windows = Tensor::from_slice(&beats.windows).view(shape);
    let features = input.rhythm.len() as i64;
    let rhythm = (features > 0).then(|| Tensor::from_slice(&beats.rhythm).view([rows, features]));
    let ages: Vec<i64> = beats.ages().into_iter().map(|age| age as i64).collect();
    let ages = beats.in_order().then(|| Tensor::from_slice(&ages));
    let logits = cnn.logits(&windows, rhythm.as_ref(), ages.as_ref());
    Vec::try_from(logits.contiguous().view(-1)).unwrap()
}

fn in_onnx_runtime(case: &Case, beats: &Beats) -> Vec<f32> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, case.classifier()).unwrap();
    let classifier = Classifier::with_threads(&path, 1).unwrap();
    let predictions = classifier.classify(beats).unwrap();
    predictions.into_iter().flat_map(|p| p.logits).collect()
}

fn in_embedded(engine: Engine, case: &Case, beats: &Beats) -> Vec<f32> {
    let (file, path) = (case.classifier(), Path::new("model.onnx"));
    let mut classifier = embedded::Classifier::with_engine(&file, path, engine).unwrap();
    assert_eq!(classifier.engine(), engine);
    let predictions = classifier.classify(beats).unwrap();
    predictions.into_iter().flat_map(|p| p.logits).collect()
}

fn largest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let scale = b.iter().fold(1.0f32, |m, b| m.max(b.abs()));
    let pairs = a.iter().zip(b);
    pairs.fold(0.0, |m, (a, b)| m.max((a - b).abs() / scale))
}

/// What the lean reader does not take is known before anything is trained, and
/// is what tract-onnx is for.
#[test]
fn layers_beyond_the_lean_reader_are_known() {
    // 512 x 512 x 15 weights with the zeros of the dilation are within, x 17 beyond.
    for (dilation, layer) in [(7, None), (8, Some("block1.conv2"))] {
        let case = dilated(dilation);
        assert_eq!(case.network.beyond_edge(), layer);
        let read = |engine| {
            let (file, path) = (case.classifier(), Path::new("model.onnx"));
            embedded::Classifier::with_engine(&file, path, engine)
        };
        assert_eq!(read(Engine::Lean).is_ok(), layer.is_none());
        assert!(read(Engine::TractOnnx).is_ok());
    }
}

#[test]
fn all_engines_give_the_same_logits() {
    for case in cases() {
        let input = &case.contract.input;
        let kinds = [
            ("real", case.real(200)),
            ("synthetic", Some(synthetic(input))),
        ];
        for (kind, beats) in kinds {
            let Some(beats) = beats else { continue };
            let torch = in_libtorch(&case, &beats);
            let ort = in_onnx_runtime(&case, &beats);
            let lean = in_embedded(Engine::Lean, &case, &beats);
            let tract = in_embedded(Engine::TractOnnx, &case, &beats);
            let pairs = [
                ("libtorch and ONNX Runtime", largest(&torch, &ort)),
                ("libtorch and lean reader", largest(&torch, &lean)),
                ("ONNX Runtime and lean reader", largest(&ort, &lean)),
                ("lean reader and tract-onnx", largest(&lean, &tract)),
            ];
            for (pair, difference) in pairs {
                println!(
                    "{}: logits of {} {kind} beats, {pair}: largest difference {difference:.1e}",
                    case.name,
                    beats.len()
                );
                assert!(
                    difference <= TOLERANCE,
                    "{}: {pair}: {difference}",
                    case.name
                );
            }
        }
    }
}
