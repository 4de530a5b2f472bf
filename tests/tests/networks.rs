//! Networks and beats on which engines and gradients are compared.

use std::path::Path;

use data::Classes;
use data::datasets::dataset;
use data::formats;
use data::pipeline::beats::Beats;
use data::pipeline::input::InputSpec;
use data::pipeline::prepare;
use data::simulate::synth;
use models::architecture::{Architecture, BeatLayer, Block, Op, Pooling};
use models::contract::{Training, VERSION};
use models::untrained::random_architecture;
use models::{Contract, Network, Weights, onnx};
use train::network::ResidualCnn;

use crate::shared::shared;

/// A network with everything that an export needs.
pub struct Case {
    pub name: String,
    pub network: Network,
    pub weights: Weights,
    pub contract: Contract,
    /// Whether its shape was drawn by chance: synthetic beats are enough for it.
    pub drawn: bool,
}

impl Case {
    /// Up to `count` real beats of every class, evenly from all records; `None`
    /// without the database.
    pub fn real(&self, count: usize) -> Option<Beats> {
        let folder = (cfg!(recordings) && !self.drawn).then(|| shared("mitdb"))?;
        Some(real(&folder, &self.contract.input, count))
    }

    pub fn classifier(&self) -> Vec<u8> {
        onnx::classifier(&self.network, &self.weights, &self.contract).unwrap()
    }

    pub fn explainer(&self) -> Vec<u8> {
        onnx::explainer(&self.network, &self.weights, &self.contract).unwrap()
    }
}

/// The shipped models, the notebook's network, one for two leads with strides,
/// dilation, both global poolings and rhythm features, and others by chance.
pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        notebook(),
        untrained("two leads", two_leads(), two_lead_input()),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shipped");
    for name in ["kaggle.onnx", "resnet.onnx"] {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let (network, weights, contract) = onnx::network(&bytes).unwrap();
        cases.push(Case {
            name: name.into(),
            network,
            weights,
            contract,
            drawn: false,
        });
    }
    cases.push(remembering());
    cases.extend((0..DRAWN).map(drawn));
    cases
}

/// A network of the shipped model's kind with a memory of 15 beats.
pub fn remembering() -> Case {
    let input = InputSpec::window();
    let block = |channels| Block {
        stride: 2,
        ..Block::new(channels, 5)
    };
    let layer = |dilation| BeatLayer {
        channels: 32,
        kernel: 3,
        dilation,
    };
    let architecture = Architecture {
        channels: input.channels(),
        length: input.length(),
        rhythm: input.rhythm.len(),
        blocks: vec![block(16), block(24)],
        pooling: Pooling::AverageMax,
        rhythm_hidden: vec![16],
        hidden: vec![32],
        memory: vec![layer(1), layer(2), layer(4)],
        ..Architecture::notebook()
    };
    Case {
        drawn: true,
        ..untrained("remembering", architecture, input)
    }
}

/// Networks by chance; so many have every option.
const DRAWN: u64 = 8;

fn drawn(seed: u64) -> Case {
    let input = match seed % 2 {
        0 => InputSpec::kaggle(),
        _ => two_lead_input(),
    };
    let architecture = random_architecture(&input, seed);
    Case {
        drawn: true,
        ..untrained(&format!("drawn {seed}"), architecture, input)
    }
}

#[test]
fn the_drawn_networks_have_every_operation() {
    let nodes = (0..DRAWN).flat_map(|seed| drawn(seed).network.nodes);
    let ops: Vec<Op> = nodes.map(|node| node.op).collect();
    let has = |is: fn(&Op) -> bool| ops.iter().any(is);
    let third = |op: &Op| op.name().is_some_and(|name| name.ends_with("conv3"));
    for (found, what) in [
        (has(|op| matches!(op, Op::Norm { .. })), "norm"),
        (has(|op| *op == Op::Gate), "gate"),
        (has(|op| matches!(op, Op::MaxPool { .. })), "maxima"),
        (has(|op| matches!(op, Op::AveragePool { .. })), "means"),
        (
            has(|op| matches!(op, Op::Conv { stride: 2.., .. })),
            "stride",
        ),
        (
            has(|op| matches!(op, Op::Conv { dilation: 2.., .. })),
            "dilation",
        ),
        (has(third), "bottleneck"),
        (has(|op| matches!(op, Op::BeatConv { .. })), "memory"),
        (has(|op| *op == Op::GlobalMaxPool), "maximum of all"),
        (has(|op| *op == Op::Flatten), "every position"),
        (has(|op| matches!(op, Op::Dropout { .. })), "dropout"),
    ] {
        assert!(found, "{what}");
    }
}

/// The notebook's network before training.
pub fn notebook() -> Case {
    untrained("notebook", Architecture::notebook(), InputSpec::kaggle())
}

/// A block of 512 channels, three samples of a dilated kernel.
pub fn dilated(dilation: usize) -> Case {
    let block = Block {
        dilation,
        ..Block::new(512, 3)
    };
    let architecture = Architecture {
        blocks: vec![block],
        ..Architecture::notebook()
    };
    untrained("dilated", architecture, InputSpec::kaggle())
}

fn untrained(name: &str, architecture: Architecture, input: InputSpec) -> Case {
    let network = architecture.network().unwrap();
    let cnn = ResidualCnn::new(network.clone(), 7, tch::Device::Cpu).unwrap();
    Case {
        name: name.into(),
        weights: cnn.weights().unwrap(),
        drawn: false,
        contract: Contract {
            version: VERSION,
            input,
            classes: Classes::aami5(),
            temperature: 1.5,
            reject_threshold: 0.0,
            memory: network.memory(),
            training: Training {
                recipe: "none".into(),
                seed: 7,
                data: "none".into(),
                data_sha256: String::new(),
                trainer: "tests".into(),
            },
        },
        network,
    }
}

fn two_lead_input() -> InputSpec {
    InputSpec {
        leads: vec!["MLII".into(), "V1".into()],
        ..InputSpec::window()
    }
}

fn two_leads() -> Architecture {
    let input = two_lead_input();
    let block = |channels, stride, dilation, pool| Block {
        stride,
        dilation,
        pool,
        ..Block::new(channels, 5)
    };
    Architecture {
        channels: input.channels(),
        length: input.length(),
        rhythm: input.rhythm.len(),
        classes: 5,
        stem: None,
        blocks: vec![block(16, 2, 1, 1), block(24, 1, 2, 3), block(32, 1, 1, 1)],
        pooling: Pooling::AverageMax,
        rhythm_hidden: vec![16],
        hidden: vec![32],
        dropout: 0.2,
        memory: Vec::new(),
    }
}

fn real(folder: &Path, input: &InputSpec, count: usize) -> Beats {
    let names = formats::find(folder).unwrap();
    let mut all = Beats::new(input.clone(), &Classes::aami5());
    for annotated in dataset::load(folder, &names, dataset::REFERENCE).unwrap() {
        // Not every record has both leads.
        if let Ok(beats) = prepare::record(
            &annotated.record,
            &annotated.annotations,
            input,
            &Classes::aami5(),
        ) {
            all.append(&beats).unwrap();
        }
    }
    let mut chosen = Vec::new();
    for class in 0..5 {
        let rows = (0..all.len()).filter(|&row| all.labels[row] == class);
        let rows: Vec<usize> = rows.collect();
        let every = rows.len().div_ceil(count).max(1);
        chosen.extend(rows.into_iter().step_by(every));
    }
    all.select(&chosen)
}

/// Beats of synthetic patients.
pub fn synthetic(input: &InputSpec) -> Beats {
    let mut all = Beats::new(input.clone(), &Classes::aami5());
    for annotated in synth::cohort(3, 3.0, 360.0, 5).unwrap() {
        let beats = prepare::record(
            &annotated.record,
            &annotated.annotations,
            input,
            &Classes::aami5(),
        )
        .unwrap();
        all.append(&beats).unwrap();
    }
    all
}
