//! Every gradient rule alone and whole networks, run by tract, against central
//! differences in f64.

use super::super::tests::{
    chain, contract_of, conv, gated, noise, norm_alone, random, run, run_values, two_inputs,
    weights,
};
use super::super::*;
use super::*;
use crate::architecture::Architecture;
use crate::reference::Reference;

const STEP: f64 = 1e-4;

/// Forward and backward pass with the gradient of the last node as an input.
fn with_seed(network: &Network, weights: &Weights) -> Vec<u8> {
    let (network, weights) = weights.folded(network).unwrap();
    let map = |shape: &[usize]| match *shape {
        [channels, length] => vec![channels, 1, length],
        _ => shape.to_vec(),
    };
    let mut g = Graph::default();
    declare_inputs(&mut g, &network);
    memory::forget(&mut g, &network);
    let values = rules::forward(&mut g, &network, &weights);
    let last = map(&network.nodes.last().unwrap().shape);
    let seed = g.input("seed", DataType::Float, &last, "");
    let gradients = backward(&mut g, &network, &weights, &values, seed);
    let dx = gradients[0].clone().unwrap();
    g.output(&dx, DataType::Float, &map(&network.nodes[0].shape), "");
    g.into_bytes("test", "", &network, &contract_of(&network))
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| v.into()).collect()
}

/// The largest error of a gradient, relative to its largest value.
fn assert_gradient(found: &[f32], expected: &[Option<f64>], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    let known: Vec<_> = expected.iter().flatten().map(|e| e.abs()).collect();
    assert!(
        known.len() * 2 > expected.len(),
        "too many kinks to tell anything"
    );
    let scale = known.iter().copied().fold(0.0, f64::max);
    assert!(scale > 0.0, "the gradient vanishes: the test tells nothing");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        let Some(e) = e else { continue };
        let error = (f64::from(*f) - e).abs() / scale;
        assert!(error < tolerance, "value {i}: {f} against {e}");
    }
}

/// Two rows through tract and central differences of `seed . y`.
fn assert_rule(network: &Network) {
    let weights = weights(network, 11);
    let count = |shape: &[usize]| shape.iter().product::<usize>();
    let (input, output) = (
        &network.nodes[0].shape,
        &network.nodes.last().unwrap().shape,
    );
    let (rows, seeds) = (noise(21, 2 * count(input)), noise(22, 2 * count(output)));
    let mut seed_shape = vec![2];
    seed_shape.extend(output);
    if output.len() == 2 {
        seed_shape.insert(2, 1);
    }
    let bytes = with_seed(network, &weights);
    let found = run(
        &bytes,
        &[(&[2, input[0], input[1]], &rows), (&seed_shape, &seeds)],
    )
    .remove(0);
    let reference = Reference::new(network, &weights).unwrap();
    for row in 0..2 {
        let beat = wide(&rows[row * count(input)..][..count(input)]);
        let seed = wide(&seeds[row * count(output)..][..count(output)]);
        let dot = |y: &[f64]| y.iter().zip(&seed).map(|(y, s)| y * s).sum();
        let expected = reference.differences(&beat, &[], 0..beat.len(), STEP, dot);
        assert_gradient(
            &found[row * count(input)..][..count(input)],
            &expected,
            2e-6,
        );
    }
}

#[test]
fn convolution_with_stride_dilation_and_norm() {
    for (kernel, stride, dilation, norm) in [
        (1, 1, 1, false),
        (3, 1, 1, true),
        (5, 1, 3, false),
        (1, 2, 1, true),
        (3, 2, 1, false),
        (7, 2, 1, true),
        (5, 3, 1, false),
        (3, 2, 2, false),
        (3, 5, 1, true),
    ] {
        for length in [22, 23, 24] {
            let op = conv("c", kernel, stride, dilation, norm);
            let out = (length - 1) / stride + 1;
            assert_rule(&chain([2, length], vec![(op, vec![4, out])]));
        }
    }
}

#[test]
fn convolution_with_other_paddings() {
    for (padding, stride) in [(0, 1), (4, 1), (0, 2), (5, 3)] {
        let op = Op::Conv {
            name: "c".into(),
            kernel: 3,
            stride,
            dilation: 1,
            padding,
            norm: false,
        };
        let out = (20 + 2 * padding - 3) / stride + 1;
        assert_rule(&chain([2, 20], vec![(op, vec![3, out])]));
    }
}

#[test]
fn relu() {
    assert_rule(&chain([2, 9], vec![(Op::Relu, vec![2, 9])]));
}

#[test]
fn norm_by_itself() {
    assert_rule(&norm_alone());
}

#[test]
fn gate_of_a_sigmoid() {
    assert_rule(&gated());
}

#[test]
fn sum_of_two_branches() {
    let mut network = chain([2, 9], vec![(Op::Relu, vec![2, 9]), (Op::Add, vec![2, 9])]);
    network.nodes[2].inputs = vec![0, 1];
    assert_rule(&network);
}

#[test]
fn poolings_with_a_rest() {
    for (size, count) in [(2, 5), (2, 6), (3, 4), (4, 2)] {
        for length in [size * count, size * count + 1] {
            for op in [Op::MaxPool { size }, Op::AveragePool { size }] {
                assert_rule(&chain([3, length], vec![(op, vec![3, count])]));
            }
        }
    }
}

#[test]
fn global_poolings_side_by_side() {
    let mut network = chain(
        [3, 11],
        vec![
            (Op::GlobalAveragePool, vec![3]),
            (Op::GlobalMaxPool, vec![3]),
            (Op::Concat, vec![6]),
        ],
    );
    network.nodes[2].inputs = vec![0];
    network.nodes[3].inputs = vec![1, 2];
    assert_rule(&network);
}

#[test]
fn flatten_then_dense_with_norm_then_dropout() {
    let dense = |name: &str, norm| Op::Dense {
        name: name.into(),
        norm,
    };
    assert_rule(&chain(
        [2, 6],
        vec![
            (Op::Flatten, vec![12]),
            (dense("a", true), vec![7]),
            (Op::Dropout { probability: 0.5 }, vec![7]),
            (dense("b", false), vec![3]),
        ],
    ));
}

/// Padding makes whole stretches equal; libtorch gives the first all of it.
#[test]
fn the_first_of_equal_maxima_takes_the_gradient() {
    let gradient = |op: Op, shape: Vec<usize>, x: &[f32], dy: &[f32]| {
        let network = chain([1, x.len()], vec![(op, shape)]);
        let mut seed_shape = vec![1, 1, 1, dy.len()];
        if network.nodes[1].shape.len() == 1 {
            seed_shape = vec![1, 1];
        }
        let bytes = with_seed(&network, &Weights::default());
        run(&bytes, &[(&[1, 1, x.len()], x), (&seed_shape, dy)]).remove(0)
    };
    let x = [0.5, 0.5, 0.5, 0.2, 0.7, 0.7, 0.1, 0.9, 0.9];
    let pooled = gradient(Op::MaxPool { size: 3 }, vec![1, 3], &x, &[1.0, 2.0, 3.0]);
    assert_eq!(pooled, [1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 3.0, 0.0]);
    let global = gradient(Op::GlobalMaxPool, vec![1], &x, &[4.0]);
    assert_eq!(global, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4.0, 0.0]);
}

/// Runs an explainer: per row the logits, the saliency of beat and rhythm
/// features, and Grad-CAM.
fn explain(
    bytes: &[u8],
    network: &Network,
    beats: &[f32],
    rhythm: &[f32],
    targets: &[i64],
) -> Vec<Vec<f32>> {
    use tract_onnx::prelude::{TValue, TVec, Tensor, tvec};
    let shape = &network.nodes[0].shape;
    let rows = targets.len();
    let mut inputs: TVec<TValue> = tvec![
        Tensor::from_shape(&[rows, shape[0], shape[1]], beats)
            .unwrap()
            .into(),
        Tensor::from_shape(&[rows], targets).unwrap().into(),
    ];
    if !rhythm.is_empty() {
        let rhythm = Tensor::from_shape(&[rows, rhythm.len() / rows], rhythm).unwrap();
        inputs.insert(1, rhythm.into());
    }
    run_values(bytes, inputs)
}

/// The notebook's network with a shorter window and fewer channels.
fn small_notebook() -> Network {
    let mut architecture = Architecture::notebook();
    architecture.length = 45;
    for block in &mut architecture.blocks {
        block.channels /= 16;
    }
    architecture.network().unwrap()
}

#[test]
fn whole_networks_for_every_head_and_target() {
    let drawn = random().map(|architecture| architecture.network().unwrap());
    for network in [small_notebook(), two_inputs()].into_iter().chain(drawn) {
        let mut weights = weights(&network, 3);
        // Where the softmax is saturated, its gradient is what rounding leaves.
        let last = weights.0.get_mut("logits.weight").unwrap();
        last.values.iter_mut().for_each(|w| *w *= 0.1);
        let contract = contract_of(&network);
        let reference = Reference::new(&network, &weights).unwrap();
        let (channels, length) = network.window().unwrap();
        let features = contract.input.rhythm.len();
        let targets = [2, -1];
        let beats = noise(5, 2 * channels * length);
        let rhythm = noise(6, 2 * features);
        for head in [Head::Logit, Head::Probability, Head::LogProbability] {
            let bytes = explainer_of(head, &network, &weights, &contract).unwrap();
            let found = explain(&bytes, &network, &beats, &rhythm, &targets);
            for (row, target) in targets.into_iter().enumerate() {
                let size = channels * length;
                let beat = wide(&beats[row * size..][..size]);
                let features_of = wide(&rhythm[row * features..][..features]);
                let logits = reference.logits(&beat, &features_of);
                let class = usize::try_from(target).unwrap_or_else(|_| {
                    let best = |a: &usize, b: &usize| logits[*a].total_cmp(&logits[*b]);
                    (0..5).max_by(best).unwrap()
                });
                let of = |logits: &[f64]| {
                    let powers: Vec<f64> = logits
                        .iter()
                        .map(|l| (l / contract.temperature).exp())
                        .collect();
                    let p = powers[class] / powers.iter().sum::<f64>();
                    match head {
                        Head::Logit => logits[class],
                        Head::Probability => p,
                        Head::LogProbability => p.ln(),
                    }
                };
                let expected =
                    reference.differences(&beat, &features_of, 0..size + features, 1e-6, of);
                let (beat_expected, rhythm_expected) = expected.split_at(size);
                assert_gradient(&found[1][row * size..][..size], beat_expected, 1e-4);
                if features > 0 {
                    let found = &found[2][row * features..][..features];
                    assert_gradient(found, rhythm_expected, 1e-4);
                }
            }
        }
    }
}

#[test]
fn gradcam_is_its_definition() {
    let network = Architecture::notebook().network().unwrap();
    let weights = weights(&network, 3);
    let bytes = explainer(&network, &weights, &contract_of(&network)).unwrap();
    let beat = noise(5, 187);
    let found = explain(&bytes, &network, &beat, &[], &[1]).pop().unwrap();

    let reference = Reference::new(&network, &weights).unwrap();
    let values = reference.values(&wide(&beat), &[]);
    let map = &values[network.last_stage];
    let (stage, positions) = (network.nodes[network.last_stage].shape[0], map.len() / 128);
    assert_eq!((stage, positions), (128, 23));
    // Behind the last stage are the mean, dense 64, ReLU and dense 5 only.
    let dense1 = &weights.0["dense1.weight"].values;
    let logits = &weights.0["logits.weight"].values;
    let hidden = values.iter().rev().find(|v| v.len() == 64).unwrap();
    let importance = |c: usize| -> f64 {
        let through = |h: usize| f64::from(logits[64 + h]) * f64::from(dense1[h * 128 + c]);
        let open = (0..64).filter(|&h| hidden[h] > 0.0);
        open.map(through).sum::<f64>() / positions as f64
    };
    let cam: Vec<f64> = (0..positions)
        .map(|t| {
            let sum: f64 = (0..stage)
                .map(|c| importance(c) * map[c * positions + t])
                .sum();
            sum.max(0.0)
        })
        .collect();
    // Three poolings of 2: a position is 8 samples, the first one's centre 3.5.
    for (i, value) in found.iter().enumerate() {
        let position = ((i as f64 - 3.5) / 8.0).clamp(0.0, 22.0);
        let (left, share) = (position as usize, position.fract());
        let right = (left + 1).min(22);
        let expected = cam[left] * (1.0 - share) + cam[right] * share;
        assert!(
            (f64::from(*value) - expected).abs() < 1e-5,
            "{i}: {value} against {expected}"
        );
    }
}
