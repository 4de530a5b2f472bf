use super::*;
use models::Architecture;
use models::architecture::{Block, NORM_EPSILON, Pooling, Stem};

fn architecture() -> Architecture {
    Architecture {
        channels: 2,
        length: 61,
        rhythm: 4,
        classes: 5,
        stem: Some(Stem {
            channels: 6,
            kernel: 7,
            stride: 2,
        }),
        blocks: vec![
            Block {
                dilation: 2,
                pool: 2,
                ..Block::new(8, 5)
            },
            Block {
                stride: 2,
                ..Block::new(8, 3)
            },
        ],
        pooling: Pooling::AverageMax,
        rhythm_hidden: vec![7],
        hidden: vec![9],
        dropout: 0.2,
        memory: Vec::new(),
    }
}

/// The same with norms by themselves, gates and a bottleneck.
fn with_options() -> Architecture {
    let mut architecture = architecture();
    for block in &mut architecture.blocks {
        block.pre_activation = true;
        block.squeeze = 2;
    }
    architecture.blocks[1].bottleneck = 2;
    architecture
}

fn build(architecture: &Architecture) -> ResidualCnn {
    let network = architecture.network().unwrap();
    ResidualCnn::new(network, 3, Device::Cpu).unwrap()
}

fn built() -> ResidualCnn {
    build(&architecture())
}

fn inputs(rows: i64) -> (Tensor, Tensor) {
    let options = (Kind::Float, Device::Cpu);
    (
        Tensor::randn([rows, 2, 61], options),
        Tensor::randn([rows, 4], options),
    )
}

#[test]
fn flat_tensors_hold_every_parameter() {
    for model in [built(), build(&with_options())] {
        assert_eq!(
            model.values.size1().unwrap(),
            model.network().parameter_count() as i64
        );
        model.weights().unwrap().check(model.network()).unwrap();
    }
}

#[test]
fn weights_survive_extraction() {
    for mut model in [built(), build(&with_options())] {
        let (beat, rhythm) = inputs(5);
        // Moves the running statistics away from where they start.
        let lesson = model.learn(&beat, Some(&rhythm), None, Kind::Float);
        model.keep(lesson.statistics);
        let weights = model.weights().unwrap();
        let network = model.network().clone();
        let again = ResidualCnn::from_weights(network, &weights, Device::Cpu).unwrap();
        assert_eq!(again.values, model.values);
        assert_eq!(again.statistics, model.statistics);
        assert_eq!(again.weights().unwrap(), weights);
        let logits = |m: &ResidualCnn| m.logits(&beat, Some(&rhythm), None);
        assert_eq!(logits(&again), logits(&model));
    }
}

/// Against libtorch's own layers, without the layout tricks.
#[test]
fn a_convolution_block_is_the_textbook_one() {
    let model = built();
    let (beat, rhythm) = inputs(3);
    let weights = model.weights().unwrap();
    let get = |name: &str| {
        let t = &weights.0[name];
        let shape: Vec<i64> = t.shape.iter().map(|&n| n as i64).collect();
        Tensor::from_slice(&t.values).view(shape.as_slice())
    };
    let conv = |x: &Tensor, name: &str, stride: i64, padding: i64, dilation: i64| {
        x.conv1d(
            &get(&format!("{name}.weight")),
            Some(&get(&format!("{name}.bias"))),
            [stride],
            [padding],
            [dilation],
            1,
        ) / (1.0 + NORM_EPSILON).sqrt()
    };
    let x = conv(&beat, "stem", 2, 3, 1).relu();
    let y = conv(
        &conv(&x, "block1.conv1", 1, 4, 2).relu(),
        "block1.conv2",
        1,
        4,
        2,
    );
    let x = (y + conv(&x, "block1.shortcut", 1, 0, 1))
        .relu()
        .max_pool1d([2], [2], [0], [1], false);
    let y = conv(
        &conv(&x, "block2.conv1", 2, 1, 1).relu(),
        "block2.conv2",
        1,
        1,
        1,
    );
    let x = (y + conv(&x, "block2.shortcut", 2, 0, 1)).relu();
    let linear = |x: &Tensor, name: &str| {
        x.linear(
            &get(&format!("{name}.weight")),
            Some(&get(&format!("{name}.bias"))),
        )
    };
    let branch = (linear(&rhythm, "rhythm1") / (1.0 + NORM_EPSILON).sqrt()).relu();
    let pooled = Tensor::cat(
        &[x.mean_dim(2, false, Kind::Float), x.amax(2, false), branch],
        1,
    );
    let expected = linear(&linear(&pooled, "dense1").relu(), "logits");
    let found = model.logits(&beat, Some(&rhythm), None);
    let difference = (found - expected).abs().max().double_value(&[]);
    assert!(difference < 1e-5, "{difference:e}");
}

#[test]
fn reduced_precision_stays_close() {
    for architecture in [architecture(), with_options()] {
        let (beat, rhythm) = inputs(64);
        let model = build(&Architecture {
            dropout: 0.0,
            ..architecture
        });
        let pass = |kind| {
            let lesson = model.learn(&beat, Some(&rhythm), None, kind);
            lesson.logits.to_kind(Kind::Float)
        };
        let (full, reduced) = (pass(Kind::Float), pass(Kind::BFloat16));
        let difference = (&full - reduced).abs().mean(Kind::Float).double_value(&[]);
        let scale = full.std(false).double_value(&[]);
        assert!(
            difference > 0.0 && difference < 0.05 * scale,
            "{difference} of {scale}"
        );
    }
}

/// A step of learning moves the statistics of a norm by itself, and folding
/// takes them up.
#[test]
fn a_norm_by_itself_learns_and_folds() {
    let mut model = build(&with_options());
    let (beat, rhythm) = inputs(40);
    let before = model.weights().unwrap();
    for _ in 0..30 {
        let lesson = model.learn(&beat, Some(&rhythm), None, Kind::Float);
        model.keep(lesson.statistics);
    }
    let weights = model.weights().unwrap();
    for part in ["mean", "variance"] {
        let name = format!("block2.norm.{part}");
        assert_ne!(weights.0[&name], before.0[&name], "{name}");
    }
    let (network, folded) = weights.folded(model.network()).unwrap();
    assert!(folded.0.keys().all(|name| !name.contains("norm")));
    let plain = ResidualCnn::from_weights(network, &folded, Device::Cpu).unwrap();
    let logits = |model: &ResidualCnn| model.logits(&beat, Some(&rhythm), None);
    let scale = logits(&model).abs().max().double_value(&[]);
    let difference = (logits(&model) - logits(&plain)).abs().max();
    assert!(
        difference.double_value(&[]) < 1e-5 * scale.max(1.0),
        "{difference:?}"
    );
}

#[test]
fn weights_of_another_network_are_refused() {
    let weights = built().weights().unwrap();
    let other = Architecture::notebook().network().unwrap();
    let error = ResidualCnn::from_weights(other, &weights, Device::Cpu)
        .err()
        .unwrap();
    assert!(error.to_string().contains("block1.conv1.weight"), "{error}");
}

#[test]
fn a_pass_changes_nothing_and_tells_what_it_would() {
    let mut model = built();
    let (beat, rhythm) = inputs(7);
    let before = (model.values.copy(), model.statistics.copy());
    let lesson = model.learn(&beat, Some(&rhythm), None, Kind::Float);
    let _ = model.forward(&beat, Some(&rhythm), None);
    assert_eq!((model.values.copy(), model.statistics.copy()), before);
    assert_ne!(lesson.statistics, before.1);
    // The same batch from the same statistics teaches the same.
    let again = model.learn(&beat, Some(&rhythm), None, Kind::Float);
    assert_eq!(again.statistics, lesson.statistics);
    let told = lesson.statistics.copy();
    model.keep(lesson.statistics);
    assert_eq!(model.statistics, told);
}
