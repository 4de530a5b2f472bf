//! Every kind of node, run by tract, against [`Reference`].

use data::Classes;
use data::pipeline::beat_feature::BeatFeature;
use data::pipeline::input::InputSpec;
use tract_onnx::prelude::{Framework, InferenceModelExt, IntoRunnable, TValue, TVec, Tensor};

use prost::Message;

use super::*;
use crate::architecture::{Architecture, Block, Node, Pooling, Stem};
use crate::contract::{ContractError, Training, VERSION};
use crate::messages::ModelProto;
use crate::reference::Reference;
use crate::untrained::random_architecture;
use crate::weights::Tensor as Parameter;

/// Repeatable numbers in -1..1: the tests must not depend on a generator's version.
pub(super) fn noise(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Weights of a sensible scale, with batch-norm statistics that do something.
pub(super) fn weights(network: &Network, seed: u64) -> Weights {
    let mut all = Weights::default();
    for (i, p) in network.parameters().into_iter().enumerate() {
        let count: usize = p.shape.iter().product();
        let fan_in = (count / p.shape[0]).max(1) as f32;
        let mut values = noise(seed + i as u64, count);
        for v in &mut values {
            *v = match p.name.rsplit('.').next() {
                Some("variance") => 0.6 + 0.5 * *v,
                Some("weight") if p.shape.len() == 1 => 1.0 + 0.5 * *v,
                Some("weight") => *v * (6.0 / fan_in).sqrt(),
                _ => 0.3 * *v,
            };
        }
        let shape = p.shape;
        all.0.insert(p.name, Parameter { shape, values });
    }
    all
}

pub(super) fn contract_of(network: &Network) -> Contract {
    let shape = &network.nodes[0].shape;
    let rhythm = network.nodes.iter().find(|n| n.op == Op::Rhythm);
    Contract {
        version: VERSION,
        input: InputSpec {
            leads: (0..shape[0]).map(|i| format!("lead {i}")).collect(),
            after: shape[1],
            rhythm: vec![BeatFeature::Previous; rhythm.map_or(0, |n| n.shape[0])],
            ..InputSpec::kaggle()
        },
        classes: Classes::aami5(),
        temperature: 1.5,
        reject_threshold: 0.0,
        memory: network.memory(),
        training: Training {
            recipe: "test".into(),
            seed: 0,
            data: "none".into(),
            data_sha256: String::new(),
            trainer: String::new(),
        },
    }
}

/// One input, then `ops` one after the other.
pub(super) fn chain(shape: [usize; 2], ops: Vec<(Op, Vec<usize>)>) -> Network {
    let mut nodes = vec![Node {
        op: Op::Beat,
        inputs: vec![],
        shape: shape.to_vec(),
    }];
    for (op, shape) in ops {
        nodes.push(Node {
            op,
            inputs: vec![nodes.len() - 1],
            shape,
        });
    }
    let last_stage = nodes.len() - 1;
    Network { nodes, last_stage }
}

pub(super) fn conv(name: &str, kernel: usize, stride: usize, dilation: usize, norm: bool) -> Op {
    Op::Conv {
        name: name.into(),
        kernel,
        stride,
        dilation,
        padding: dilation * (kernel - 1) / 2,
        norm,
    }
}

/// Runs an ONNX model in tract on floats of the given shapes.
pub(super) fn run(bytes: &[u8], inputs: &[(&[usize], &[f32])]) -> Vec<Vec<f32>> {
    let inputs = inputs
        .iter()
        .map(|(shape, values)| Tensor::from_shape(shape, values).unwrap().into())
        .collect();
    run_values(bytes, inputs)
}

/// Runs an ONNX model in tract; every output must be floats, and what
/// [`evaluate()`] finds.
pub(super) fn run_values(bytes: &[u8], inputs: TVec<TValue>) -> Vec<Vec<f32>> {
    let by_definition = by_definition(bytes, &inputs);
    let model = tract_onnx::onnx()
        .model_for_read(&mut std::io::Cursor::new(bytes))
        .unwrap()
        .into_optimized()
        .unwrap()
        .into_runnable()
        .unwrap();
    let outputs = model.run(inputs).unwrap();
    let plain = |t: &TValue| {
        t.to_plain_array_view::<f32>()
            .unwrap()
            .iter()
            .copied()
            .collect()
    };
    let outputs: Vec<Vec<f32>> = outputs.iter().map(plain).collect();
    for (output, expected) in outputs.iter().zip(by_definition) {
        assert_close(output, &expected.values);
    }
    outputs
}

/// What [`evaluate()`] finds, where the graph's inputs are in their order.
fn by_definition(bytes: &[u8], inputs: &[TValue]) -> Vec<Dense> {
    let graph = ModelProto::decode(bytes).unwrap().graph.unwrap();
    let values = |tensor: &TValue| {
        let wide = tensor.cast_to::<f64>().unwrap().into_owned();
        let values = wide.to_plain_array_view::<f64>().unwrap();
        Dense::new(tensor.shape(), values.iter().copied())
    };
    let named = graph.input.iter().zip(inputs);
    let inputs: Vec<_> = named.map(|(i, x)| (&*i.name, values(x))).collect();
    evaluate(bytes, &inputs).unwrap()
}

/// The graph of a network's forward rules alone, its last node as output.
fn forward_only(network: &Network, weights: &Weights) -> Vec<u8> {
    let (network, weights) = weights.folded(network).unwrap();
    let mut g = Graph::default();
    declare_inputs(&mut g, &network);
    memory::forget(&mut g, &network);
    rules::forward(&mut g, &network, &weights);
    let mut shape = network.nodes.last().unwrap().shape.clone();
    if shape.len() == 2 {
        shape.insert(1, 1);
    }
    g.output(LOGITS, DataType::Float, &shape, "");
    g.into_bytes("test", "", &network, &contract_of(&network))
}

fn assert_close(found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*f) - e).abs();
        assert!(
            error < 2e-5 * e.abs().max(1.0),
            "value {i}: {f} against {e}"
        );
    }
}

/// Three rows through tract and through the reference.
fn assert_forward(network: &Network) {
    let weights = weights(network, 7);
    let shape = &network.nodes[0].shape;
    let size = shape[0] * shape[1];
    let rows = noise(99, 3 * size);
    let bytes = forward_only(network, &weights);
    let found = run(&bytes, &[(&[3, shape[0], shape[1]], &rows)]).remove(0);
    let reference = Reference::new(network, &weights).unwrap();
    let expected: Vec<f64> = rows
        .chunks_exact(size)
        .flat_map(|row| reference.logits(&row.iter().map(|&v| v.into()).collect::<Vec<_>>(), &[]))
        .collect();
    assert_close(&found, &expected);
}

#[test]
fn convolution_with_stride_dilation_and_norm() {
    for (kernel, stride, dilation, norm) in [
        (1, 1, 1, false),
        (3, 1, 1, true),
        (7, 2, 1, true),
        (5, 1, 2, false),
        (3, 3, 2, true),
    ] {
        let length = (23 - 1) / stride + 1;
        let op = conv("c", kernel, stride, dilation, norm);
        assert_forward(&chain([2, 23], vec![(op, vec![4, length])]));
    }
}

#[test]
fn relu() {
    assert_forward(&chain([2, 9], vec![(Op::Relu, vec![2, 9])]));
}

/// Batch norm by itself.
pub(super) fn norm_alone() -> Network {
    let (name, folded) = ("n".into(), false);
    chain([3, 9], vec![(Op::Norm { name, folded }, vec![3, 9])])
}

#[test]
fn norm_by_itself() {
    assert_forward(&norm_alone());
}

/// A map whose channels are scaled by the sigmoid of their means.
pub(super) fn gated() -> Network {
    let mut network = chain(
        [3, 11],
        vec![
            (Op::GlobalAveragePool, vec![3]),
            (Op::Sigmoid, vec![3]),
            (Op::Gate, vec![3, 11]),
        ],
    );
    network.nodes[3].inputs = vec![0, 2];
    network
}

#[test]
fn gate_of_a_sigmoid() {
    assert_forward(&gated());
}

#[test]
fn sum_of_two_branches() {
    let mut network = chain([2, 9], vec![(Op::Relu, vec![2, 9]), (Op::Add, vec![2, 9])]);
    network.nodes[2].inputs = vec![0, 1];
    assert_forward(&network);
}

#[test]
fn poolings_drop_the_rest() {
    for op in [Op::MaxPool { size: 2 }, Op::AveragePool { size: 2 }] {
        assert_forward(&chain([3, 11], vec![(op, vec![3, 5])]));
    }
    for op in [Op::MaxPool { size: 3 }, Op::AveragePool { size: 3 }] {
        assert_forward(&chain([3, 11], vec![(op, vec![3, 3])]));
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
    assert_forward(&network);
}

#[test]
fn flatten_then_dense_with_norm_then_dropout() {
    let dense = |name: &str, norm| Op::Dense {
        name: name.into(),
        norm,
    };
    assert_forward(&chain(
        [2, 6],
        vec![
            (Op::Flatten, vec![12]),
            (dense("a", true), vec![7]),
            (Op::Dropout { probability: 0.5 }, vec![7]),
            (dense("b", false), vec![3]),
        ],
    ));
}

/// Two leads, a stem, strides, dilation, both poolings, a rhythm branch.
pub(super) fn two_inputs() -> Network {
    let block = |channels, stride, dilation, pool| Block {
        stride,
        dilation,
        pool,
        ..Block::new(channels, 5)
    };
    let architecture = Architecture {
        channels: 2,
        length: 50,
        rhythm: 3,
        classes: 5,
        stem: Some(Stem {
            channels: 6,
            kernel: 7,
            stride: 2,
        }),
        blocks: vec![block(6, 1, 2, 2), block(8, 2, 1, 1)],
        pooling: Pooling::AverageMax,
        rhythm_hidden: vec![4],
        hidden: vec![6],
        dropout: 0.2,
        memory: Vec::new(),
    };
    architecture.network().unwrap()
}

/// Networks of every option, by chance.
pub(super) fn random() -> impl Iterator<Item = Architecture> {
    let input = InputSpec {
        rhythm: vec![BeatFeature::Previous; 3],
        ..contract_of(&two_inputs()).input
    };
    (0..8).map(move |seed| random_architecture(&input, seed))
}

#[test]
fn whole_networks_with_any_batch() {
    let written = [Architecture::notebook().network().unwrap(), two_inputs()];
    let drawn = random().map(|architecture| architecture.network().unwrap());
    for network in written.into_iter().chain(drawn) {
        let weights = weights(&network, 3);
        let contract = contract_of(&network);
        let bytes = classifier(&network, &weights, &contract).unwrap();
        let reference = Reference::new(&network, &weights).unwrap();
        let [channels, length] = network.nodes[0].shape[..] else {
            panic!("the first node is the beat");
        };
        let features = contract.input.rhythm.len();
        for rows in [1, 4] {
            let beats = noise(5, rows * channels * length);
            let rhythm = noise(6, rows * features);
            let mut inputs: Vec<(&[usize], &[f32])> = vec![];
            let (beat_shape, rhythm_shape) = ([rows, channels, length], [rows, features]);
            inputs.push((&beat_shape, &beats));
            if features > 0 {
                inputs.push((&rhythm_shape, &rhythm));
            }
            let found = run(&bytes, &inputs);
            for row in 0..rows {
                let wide = |values: &[f32], n: usize| -> Vec<f64> {
                    values[row * n..][..n].iter().map(|&v| v.into()).collect()
                };
                let logits =
                    reference.logits(&wide(&beats, channels * length), &wide(&rhythm, features));
                assert_close(&found[0][row * 5..][..5], &logits);
                let powers: Vec<f64> = logits
                    .iter()
                    .map(|l| (l / contract.temperature).exp())
                    .collect();
                let sum: f64 = powers.iter().sum();
                let softmax: Vec<f64> = powers.iter().map(|p| p / sum).collect();
                assert_close(&found[1][row * 5..][..5], &softmax);
            }
        }
    }
}

#[test]
fn the_contract_comes_back_whole() {
    let network = two_inputs();
    let contract = contract_of(&network);
    let bytes = classifier(&network, &weights(&network, 1), &contract).unwrap();
    assert_eq!(super::contract(&bytes).unwrap(), contract);
}

#[test]
fn a_file_gives_back_what_it_was_written_from() {
    let network = two_inputs();
    let (weights, contract) = (weights(&network, 1), contract_of(&network));
    let written = weights.folded(&network).unwrap();
    for export in [classifier, explainer] {
        let bytes = export(&network, &weights, &contract).unwrap();
        let read = super::network(&bytes).unwrap();
        assert_eq!(
            read,
            (written.0.clone(), written.1.clone(), contract.clone())
        );
        assert_eq!(export(&read.0, &read.1, &read.2).unwrap(), bytes);
    }
}

/// Options that came later change nothing of older networks.
#[test]
fn shipped_files_are_what_is_written_today() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("shipped");
    let parsed = |bytes: &[u8]| {
        let mut model = ModelProto::decode(bytes).unwrap();
        // The seal is over the version of the program that wrote the file.
        model.producer_version.clear();
        model
            .metadata_props
            .retain(|p| p.key != crate::seal::SEAL_KEY);
        model
    };
    for name in ["kaggle", "resnet"] {
        let read = |ending: &str| std::fs::read(folder.join(format!("{name}{ending}"))).unwrap();
        let bytes = read(".onnx");
        let (network, weights, contract) = super::network(&bytes).unwrap();
        let written = classifier(&network, &weights, &contract).unwrap();
        assert!(parsed(&written) == parsed(&bytes), "{name}");
        let written = explainer(&network, &weights, &contract).unwrap();
        assert!(parsed(&written) == parsed(&read(".explain.onnx")), "{name}");
    }
}

#[test]
fn files_without_a_contract_are_told_apart() {
    let read = |bytes: &[u8]| super::contract(bytes).unwrap_err();
    assert!(matches!(read(b""), ContractError::Missing));
    assert!(matches!(read(b"not a model"), ContractError::NotOnnx));
}

#[test]
fn wrong_weights_are_named() {
    let network = two_inputs();
    let contract = contract_of(&network);
    let export = |change: &dyn Fn(&mut Weights)| {
        let mut weights = weights(&network, 1);
        change(&mut weights);
        classifier(&network, &weights, &contract)
            .unwrap_err()
            .to_string()
    };
    let missing = export(&|w| drop(w.0.remove("block1.conv1.weight")));
    assert!(
        missing.contains("block1.conv1.weight [6, 6, 5] is missing"),
        "{missing}"
    );
    let extra = export(&|w| drop(w.0.insert("block9.bias".into(), Parameter::default())));
    assert!(extra.contains("block9.bias is not a parameter"), "{extra}");
    let shape = export(&|w| w.0.get_mut("stem.bias").unwrap().values.truncate(2));
    assert!(
        shape.contains("stem.bias has shape [6] and 2 values"),
        "{shape}"
    );
    let value = export(&|w| w.0.get_mut("logits.bias").unwrap().values[1] = f32::NAN);
    assert!(value.contains("logits.bias holds NaN at 1"), "{value}");
    let variance = export(&|w| w.0.get_mut("stem.norm.variance").unwrap().values[0] = -0.1);
    assert!(
        variance.contains("stem.norm.variance holds -0.1"),
        "{variance}"
    );
}

#[test]
fn a_contract_for_another_input_is_refused() {
    let network = two_inputs();
    let mut contract = contract_of(&network);
    contract.input.after += 1;
    let error = classifier(&network, &weights(&network, 1), &contract).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("length = 51, the network has 50"),
        "{error}"
    );
}
