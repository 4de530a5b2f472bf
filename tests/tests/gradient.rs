//! The gradient graph in ONNX Runtime and in tract against libtorch's
//! autograd, and against central differences in f64.

use std::path::Path;

use data::pipeline::beats::Beats;
use infer::explain::graph::Explainer;
use models::explain::{GradientGraph, InputBatch};
use models::onnx;
use models::reference::Reference;
use tch::{Device, Kind, Tensor};
use tract_onnx::prelude::{
    Framework, InferenceModelExt, IntoRunnable, Tensor as TractTensor, tvec,
};
use train::network::ResidualCnn;

use crate::networks::{Case, cases, synthetic};

/// Beats of every class.
const PER_CLASS: usize = 200;
/// Largest relative difference of gradients where there is no kink.
const TOLERANCE: f64 = 1e-4;
/// A beat as near as this to a kink may be on its other side in `f32`.
const KINK: f64 = 1e-5;
/// Beats per call of an engine.
const BATCH: usize = 50;

/// The gradient of each row's target, beat and rhythm features in one vector.
type Gradients = Vec<Vec<f32>>;

fn joined(case: &Case, beats: &[f32], rhythm: &[f32]) -> Gradients {
    let input = &case.contract.input;
    let (width, features) = (input.window_values(), input.rhythm.len());
    let rows = beats.chunks_exact(width).enumerate();
    rows.map(|(i, beat)| [beat, &rhythm[i * features..(i + 1) * features]].concat())
        .collect()
}

fn in_onnx_runtime(case: &Case, beats: &Beats, targets: &[i64]) -> Gradients {
    let path = Path::new("explain.onnx");
    let contract = case.contract.clone();
    let explainer = Explainer::load(path, &case.explainer(), contract, 1).unwrap();
    let found = explainer.run(&InputBatch::of(beats), targets).unwrap();
    joined(case, &found.saliency, &found.rhythm)
}

fn in_tract(case: &Case, beats: &Beats, targets: &[i64]) -> Gradients {
    let model = tract_onnx::onnx()
        .model_for_read(&mut std::io::Cursor::new(case.explainer()))
        .unwrap()
        .into_optimized()
        .unwrap()
        .into_runnable()
        .unwrap();
    let input = &case.contract.input;
    let (width, features) = (input.window_values(), input.rhythm.len());
    let mut all = Vec::new();
    for start in (0..beats.len()).step_by(BATCH) {
        let rows = start..(start + BATCH).min(beats.len());
        let tensor = |shape: &[usize], values: &[f32]| TractTensor::from_shape(shape, values);
        let window = &beats.windows[rows.start * width..rows.end * width];
        let shape = [rows.len(), input.channels(), input.length()];
        let mut inputs = tvec![tensor(&shape, window).unwrap().into()];
        if features > 0 {
            let values = &beats.rhythm[rows.start * features..rows.end * features];
            inputs.push(tensor(&[rows.len(), features], values).unwrap().into());
        }
        let target = TractTensor::from_shape(&[rows.len()], &targets[rows.clone()]).unwrap();
        inputs.push(target.into());
        let outputs = model.run(inputs).unwrap();
        let values = |i: usize| -> Vec<f32> {
            let view = outputs[i].to_plain_array_view::<f32>().unwrap();
            view.iter().copied().collect()
        };
        // Outputs: logits, saliency, rhythm_saliency if any, gradcam.
        let rhythm = if features > 0 { values(2) } else { Vec::new() };
        all.extend(joined(case, &values(1), &rhythm));
    }
    all
}

fn in_libtorch(case: &Case, beats: &Beats, targets: &[i64]) -> Gradients {
    let network = case.network.clone();
    let cnn = ResidualCnn::from_weights(network, &case.weights, Device::Cpu).unwrap();
    let input = &case.contract.input;
    let mut all = Vec::new();
    for start in (0..beats.len()).step_by(BATCH) {
        let rows = start..(start + BATCH).min(beats.len());
        let part = |values: &[f32], shape: &[usize]| {
            let width: usize = shape.iter().product();
            let mut size = vec![rows.len() as i64];
            size.extend(shape.iter().map(|&d| d as i64));
            let values = Tensor::from_slice(&values[rows.start * width..rows.end * width]);
            values.view(&size[..]).set_requires_grad(true)
        };
        let beat = part(&beats.windows, &[input.channels(), input.length()]);
        let features = input.rhythm.len();
        let rhythm = (features > 0).then(|| part(&beats.rhythm, &[features]));
        let logits = cnn.forward(&beat, rhythm.as_ref(), None);
        let target = Tensor::from_slice(&targets[rows.clone()]).unsqueeze(1);
        logits.gather(1, &target, false).sum(Kind::Float).backward();
        let values = |t: &Tensor| Vec::<f32>::try_from(t.grad().contiguous().view(-1)).unwrap();
        let rhythm = rhythm.as_ref().map_or(Vec::new(), values);
        all.extend(joined(case, &values(&beat), &rhythm));
    }
    all
}

/// Largest difference of two rows, as a part of the second's largest value.
fn difference(a: &[f32], b: &[f32]) -> f64 {
    let scale = b.iter().fold(f32::MIN_POSITIVE, |m, v| m.max(v.abs()));
    let largest = a
        .iter()
        .zip(b)
        .fold(0.0, |m: f32, (a, b)| m.max((a - b).abs()));
    f64::from(largest / scale)
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| v.into()).collect()
}

/// Prints and judges the differences of one engine from libtorch.
fn compare(case: &Case, engine: &str, beats: &Beats, found: &Gradients, torch: &Gradients) {
    let reference = Reference::new(&case.network, &case.weights).unwrap();
    let (mut smooth, mut kinks) = (0.0f64, 0);
    for (row, (found, torch)) in found.iter().zip(torch).enumerate() {
        let difference = difference(found, torch);
        if difference > TOLERANCE {
            let values = reference.values(&wide(beats.window(row)), &wide(beats.rhythm_row(row)));
            let margin = reference.margin(&values);
            assert!(
                margin < KINK,
                "{}, {engine}, row {row}: differs by {difference:.1e}, the nearest kink is {margin:.1e} away",
                case.name
            );
            kinks += 1;
        } else {
            smooth = smooth.max(difference);
        }
    }
    println!(
        "{}: gradient of {} beats in {engine} against libtorch: largest relative difference {smooth:.1e}, {kinks} beats on a kink left out",
        case.name,
        beats.len()
    );
    assert!(
        kinks * 20 <= beats.len(),
        "{kinks} beats are too many to leave out"
    );
}

/// A few values of a few beats of every class against central differences.
fn compare_with_differences(case: &Case, beats: &Beats, targets: &[i64], found: &Gradients) {
    let reference = Reference::new(&case.network, &case.weights).unwrap();
    let values = found[0].len();
    let (mut largest, mut known, mut crossed) = (0.0f64, 0, 0);
    for row in (0..beats.len()).step_by(beats.len().div_ceil(20)) {
        let class = targets[row] as usize;
        let (beat, rhythm) = (wide(beats.window(row)), wide(beats.rhythm_row(row)));
        let places: Vec<usize> = (0..values).step_by(values.div_ceil(15)).collect();
        let expected = reference.differences(
            &beat,
            &rhythm,
            places.iter().copied(),
            1e-6,
            |logits: &[f64]| logits[class],
        );
        let scale = found[row]
            .iter()
            .fold(f32::MIN_POSITIVE, |m, v| m.max(v.abs()));
        for (place, expected) in places.iter().zip(expected) {
            let Some(expected) = expected else {
                crossed += 1;
                continue;
            };
            let error = (f64::from(found[row][*place]) - expected).abs() / f64::from(scale);
            // A kink that f32 sees on its other side is not the graph's fault.
            let margin = || reference.margin(&reference.values(&beat, &rhythm));
            if error > 1e-3 && margin() < KINK {
                crossed += 1;
            } else {
                known += 1;
                largest = largest.max(error);
            }
        }
    }
    println!(
        "{}: gradient against central differences in f64: largest relative difference {largest:.1e} over {known} values, {crossed} at kinks left out",
        case.name
    );
    assert!(known > crossed && largest < 1e-3, "{largest}");
}

#[test]
fn the_gradient_graph_equals_autograd() {
    // What remembers beats is explained with those before: see `memory`.
    for case in cases().into_iter().filter(|c| c.contract.memory.is_none()) {
        let input = &case.contract.input;
        let beats = case.real(PER_CLASS).unwrap_or_else(|| synthetic(input));
        let targets: Vec<i64> = beats.labels.iter().map(|&label| label as i64).collect();
        let torch = in_libtorch(&case, &beats, &targets);
        let ort = in_onnx_runtime(&case, &beats, &targets);
        compare(&case, "ONNX Runtime", &beats, &ort, &torch);
        compare(
            &case,
            "tract",
            &beats,
            &in_tract(&case, &beats, &targets),
            &torch,
        );
        compare_with_differences(&case, &beats, &targets, &ort);
    }
}

#[test]
fn the_predicted_class_is_the_default_target() {
    let case = &cases()[0];
    let beats = synthetic(&case.contract.input).select(&[0, 1, 2, 3]);
    let path = Path::new("explain.onnx");
    let contract = case.contract.clone();
    let explainer = Explainer::load(path, &case.explainer(), contract, 1).unwrap();
    let rows = InputBatch::of(&beats);
    let open = explainer.run(&rows, &[onnx::PREDICTED; 4]).unwrap();
    let logits = open.logits.chunks_exact(case.contract.classes.len());
    let best = |row: &[f32]| {
        let order = |a: &usize, b: &usize| row[*a].total_cmp(&row[*b]);
        (0..row.len()).max_by(order).unwrap() as i64
    };
    let targets: Vec<i64> = logits.map(best).collect();
    assert_eq!(explainer.run(&rows, &targets).unwrap(), open);
}
