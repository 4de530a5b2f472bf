//! Networks that remember beats: answers that do not depend on the cuts between
//! calls, the gap rule, and gradients with respect to every beat.

use std::path::Path;

use data::pipeline::beats::Beats;
use data::pipeline::input::InputSpec;
use data::pipeline::prepare;
use data::simulate::synth::{self, Settings};
use embedded::{Event, Monitor};
use infer::explain::graph::Explainer;
use infer::{Classifier, Prediction};
use models::explain::methods::Method;
use models::explain::remembered::attribute_after;
use models::explain::{GradientGraph, InputBatch};
use predicates::prelude::*;
use predicates::str::contains;
use tch::{Device, Tensor};
use train::network::ResidualCnn;

use crate::desk::Desk;
use crate::networks::{Case, cases, remembering, synthetic};

fn with_memory() -> impl Iterator<Item = Case> {
    let cases = cases().into_iter();
    cases.filter(|case| case.contract.memory.is_some())
}

fn part(beats: &Beats, rows: std::ops::Range<usize>) -> Beats {
    beats.select(&rows.collect::<Vec<_>>())
}

fn logits(predictions: &[Prediction]) -> Vec<f32> {
    let all = predictions.iter().flat_map(|p| &p.logits);
    all.copied().collect()
}

#[test]
fn onnx_runtime_answers_to_the_same_bits_however_beats_are_cut() {
    for case in with_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        std::fs::write(&path, case.classifier()).unwrap();
        let classifier = Classifier::with_threads(&path, 2).unwrap();
        let beats = synthetic(&case.contract.input);
        let whole = logits(&classifier.classify(&beats).unwrap());
        for cut in [1, 3, 64, 600] {
            let mut state = classifier.begin();
            let mut found = Vec::new();
            for start in (0..beats.len()).step_by(cut) {
                let rows = part(&beats, start..beats.len().min(start + cut));
                found.extend(classifier.go_on(&rows, &mut state).unwrap());
            }
            assert_eq!(logits(&found), whole, "{}, {cut} at a time", case.name);
        }
        // A stream in chunks, and each recording by itself: a new one begins anew.
        let starts = (0..beats.len()).step_by(50);
        let chunks = starts.map(|at| Ok(part(&beats, at..beats.len().min(at + 50))));
        let mut streamed = Vec::new();
        let keep = |_, predictions| {
            streamed.extend::<Vec<Prediction>>(predictions);
            Ok(())
        };
        classifier.stream(chunks, keep).unwrap();
        assert_eq!(logits(&streamed), whole, "{}, streamed", case.name);
        let firsts = (0..beats.len()).filter(|&row| beats.begins[row]);
        let firsts: Vec<usize> = firsts.chain([beats.len()]).collect();
        assert_eq!(firsts.len(), 4);
        let alone = firsts.windows(2).flat_map(|ends| {
            let beats = part(&beats, ends[0]..ends[1]);
            logits(&classifier.classify(&beats).unwrap())
        });
        assert!(alone.eq(whole.iter().copied()), "{}", case.name);
        // The order matters, or there would be nothing to remember.
        let later = part(&beats, 5..60);
        let later = logits(&classifier.classify(&later).unwrap());
        assert_ne!(later, whole[5 * 5..60 * 5], "{}", case.name);
    }
}

#[test]
fn beats_without_order_are_refused() {
    let case = remembering();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, case.classifier()).unwrap();
    let mut beats = part(&synthetic(&case.contract.input), 0..9);
    beats.begins.clear();
    let told = Classifier::load(&path).unwrap().classify(&beats);
    let told = told.unwrap_err().to_string();
    let mut edge = embedded::Classifier::load(&path).unwrap();
    let at_the_edge = edge.classify(&beats).unwrap_err().to_string();
    for told in [told, at_the_edge] {
        assert!(
            told.contains("remembers beats") && told.contains("recording"),
            "{told}"
        );
    }
}

#[test]
fn a_stream_forgets_at_a_gap_as_a_prepared_recording_does() {
    let case = remembering();
    let (mut record, _) = synth::record("s", &Settings::new(250.0, 3), 90.0).unwrap();
    record.signals[0].samples[9000..10_000].fill(f32::NAN);
    let load = || embedded::Classifier::from_bytes(&case.classifier(), Path::new("m.onnx"));
    let beats = prepare::detected(&record, &InputSpec::window()).unwrap();
    assert_eq!(beats.begins.iter().filter(|begins| **begins).count(), 2);
    let expected = load().unwrap().classify(&beats).unwrap();
    let mut monitor = Monitor::new(load().unwrap(), record.fs, 1).unwrap();
    let mut found = Vec::new();
    let mut keep = |events: &[Event]| {
        for event in events {
            if let Event::Beat(beat) = event {
                found.push(beat.probabilities.clone());
            }
        }
    };
    for samples in record.signals[0].samples.chunks(77) {
        keep(monitor.push(samples).unwrap());
    }
    keep(monitor.finish().unwrap());
    let expected: Vec<_> = expected.into_iter().map(|p| p.probabilities).collect();
    assert_eq!(found, expected);
    // Had it not been forgotten, the beats after the gap would have other answers.
    let mut joined = beats.clone();
    let after = (1..beats.len()).find(|&row| beats.begins[row]).unwrap();
    joined.begins[after] = false;
    let joined = load().unwrap().classify(&joined).unwrap();
    assert_ne!(joined[after].probabilities, expected[after]);
    assert_eq!(joined[after - 1].probabilities, expected[after - 1]);
}

/// The gradient of the last beat's logit of class 1 by libtorch, of all windows and
/// of all features.
fn in_libtorch(case: &Case, beats: &Beats) -> [Vec<f32>; 2] {
    let network = case.network.clone();
    let mut cnn = ResidualCnn::from_weights(network, &case.weights, Device::Cpu).unwrap();
    // Nobody asks for the gradient of the weights.
    cnn.values = cnn.values.detach();
    let input = &case.contract.input;
    let rows = beats.len() as i64;
    let tensor = |values: &[f32], shape: &[i64]| {
        Tensor::from_slice(values)
            .view(shape)
            .set_requires_grad(true)
    };
    let shape = [rows, input.channels() as i64, input.length() as i64];
    let windows = tensor(&beats.windows, &shape);
    let rhythm = tensor(&beats.rhythm, &[rows, input.rhythm.len() as i64]);
    let ages = Tensor::arange(rows, (tch::Kind::Int64, Device::Cpu));
    let logits = cnn.forward(&windows, Some(&rhythm), Some(&ages));
    logits.select(0, rows - 1).select(0, 1).backward();
    [windows, rhythm].map(|t| Vec::try_from(t.grad().contiguous().view(-1)).unwrap())
}

#[test]
fn every_beat_is_credited_as_by_autograd() {
    let mut compared = 0;
    for case in with_memory() {
        let input = &case.contract.input;
        let memory = case.contract.memory.unwrap();
        let (width, features) = (input.window_values(), input.rhythm.len());
        let path = Path::new("explain.onnx");
        let explainer = Explainer::load(path, &case.explainer(), case.contract.clone(), 1).unwrap();
        let beats = synthetic(input);
        for last in [0, 3, 40, 77] {
            let first = (last + 1_usize).saturating_sub(memory.beats);
            let sequence = part(&beats, first..last + 1);
            let rows = InputBatch::of(&sequence);
            let found = explainer.run(&rows, &[1]).unwrap();
            let expected = in_libtorch(&case, &sequence);
            for (found, expected) in [&found.saliency, &found.rhythm].into_iter().zip(&expected) {
                let scale = expected
                    .iter()
                    .fold(f32::MIN_POSITIVE, |m, v| m.max(v.abs()));
                assert_eq!(found.len(), expected.len());
                let pairs = found.iter().zip(expected);
                let largest = pairs.fold(0.0f32, |m, (a, b)| m.max((a - b).abs())) / scale;
                // A kink may lie between the two.
                if largest > 1e-4 {
                    println!("{}: beat {last} differs by {largest:.1e}", case.name);
                    continue;
                }
                compared += 1;
            }
            // One number a beat: gradient times value, summed.
            let own = part(&beats, last..last + 1);
            let before = part(&beats, first..last);
            let earlier = [InputBatch::of(&before)];
            let method = Method::GradientXInput;
            let credit = attribute_after(&explainer, method, &own, &earlier, &[1], 0).unwrap();
            assert_eq!(credit.window.len(), width);
            let sums: Vec<f32> = (0..before.len())
                .rev()
                .map(|beat| {
                    let product = |gradient: &[f32], values: &[f32], width: usize| -> f32 {
                        let at = beat * width..(beat + 1) * width;
                        let pairs = gradient[at.clone()].iter().zip(&values[at]);
                        pairs.map(|(g, x)| g * x).sum()
                    };
                    product(&found.saliency, &rows.windows, width)
                        + product(&found.rhythm, &rows.rhythm, features)
                })
                .collect();
            assert_eq!(credit.earlier[0].credits, sums);
            assert_eq!(credit.earlier[0].windows.len(), before.len() * width);
            let remembered = sums.iter().any(|sum| *sum != 0.0);
            assert_eq!(remembered, last > 0, "{}: beat {last}", case.name);
        }
    }
    assert!(compared > 20, "{compared} gradients were compared");
}

/// Integrated gradients of all beats together explain the whole logit.
#[test]
fn integrated_gradients_of_all_beats_add_up_to_the_logit() {
    let case = remembering();
    let input = &case.contract.input;
    let path = Path::new("explain.onnx");
    let explainer = Explainer::load(path, &case.explainer(), case.contract.clone(), 1).unwrap();
    let beats = synthetic(input);
    let last = 30;
    let (own, before) = (part(&beats, last..last + 1), part(&beats, last - 14..last));
    let earlier = [InputBatch::of(&before)];
    let method = Method::IntegratedGradients;
    let credit = attribute_after(&explainer, method, &own, &earlier, &[1], 0).unwrap();
    let sum = |values: &[f32]| values.iter().map(|v| f64::from(*v)).sum::<f64>();
    let credited = sum(&credit.window) + sum(&credit.rhythm) + sum(&credit.earlier[0].credits);
    let nothing = InputBatch {
        windows: vec![0.0; 15 * input.window_values()],
        rhythm: vec![0.0; 15 * input.rhythm.len()],
    };
    let without = explainer.run(&nothing, &[1]).unwrap().logits[1];
    let risen = f64::from(credit.logits[1] - without);
    assert!(
        (credited - risen).abs() < 0.01 * risen.abs().max(0.1),
        "{credited} {risen}"
    );
    assert!(sum(&credit.earlier[0].credits).abs() > 1e-3);
}

/// A short run of a small network that remembers beats.
const QUICK: [&str; 22] = [
    "--data",
    "synthetic",
    "--device",
    "cpu",
    "--threads",
    "1",
    "--epochs",
    "2",
    "--stem",
    "none",
    "--blocks",
    "8x5/2,8x3/4",
    "--hidden",
    "8",
    "--memory",
    "8x3,6x3@2",
    "--chunk",
    "16",
    "--shown",
    "2000",
    "--seed",
    "5",
];

#[test]
fn a_network_learns_to_remember_and_goes_on_where_it_stopped() {
    let desk = Desk::new();
    let files = ["--out", "whole", "--export", "model.onnx"];
    desk.train(&[&QUICK[..], &files].concat())
        .assert()
        .success()
        .stderr(contains("a memory of 7 beats").and(contains("chunks of 16 beats")));
    desk.train(&[&QUICK[..], &["--out", "broken", "--stop-after", "1"]].concat())
        .assert()
        .code(130);
    desk.train(&["--resume", "broken"]).assert().success();
    let read = |name: &str| std::fs::read(desk.path(name)).unwrap();
    assert!(read("whole/model.onnx") == read("broken/model.onnx"));
    let contract = models::onnx::contract(&read("model.onnx")).unwrap();
    let memory = contract.memory.unwrap();
    assert_eq!((memory.beats, memory.state), (7, 2 * 8 + 4 * 8));
    // It starts another run, which keeps its network.
    let from = ["--init", "model.onnx", "--out", "next", "--epochs", "1"];
    desk.train(&[&QUICK[..6], &["--shown", "500", "--seed", "5"], &from].concat())
        .assert()
        .success();
    let next = models::onnx::contract(&read("next/model.onnx")).unwrap();
    assert_eq!(next.memory, contract.memory);
}

#[test]
fn a_memory_of_beats_without_order_is_not_trained() {
    let desk = Desk::new();
    let kaggle = ["--recipe", "kaggle", "--out", "run"];
    desk.train(&[&QUICK[..], &kaggle].concat())
        .assert()
        .failure()
        .stderr(contains("--memory").and(contains("order of time")));
}
