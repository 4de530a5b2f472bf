//! The recipes: where every setting starts from.

use data::pipeline::input::{InputSpec, Layout};
use models::architecture::{Block, Pooling, Stem};

use crate::layer_syntax::{BlockText, StemText};
use crate::optimiser::Algorithm;
use crate::schedule::Shape;
use crate::settings::{Monitor, Precision, Recipe, Settings, Split, usual_chunk};

impl Recipe {
    /// The settings that a run of this recipe has unless told otherwise.
    pub fn defaults(self) -> Settings {
        match self {
            Recipe::Notebook => notebook(),
            Recipe::Kaggle => kaggle(),
            Recipe::InterPatient => inter_patient(),
            // What serves one table of beats cut from R peak to R peak is where
            // another starts from.
            Recipe::Table => Settings {
                recipe: Recipe::Table,
                input: InputSpec {
                    layout: Layout::Table,
                    ..InputSpec::kaggle()
                },
                ..kaggle()
            },
        }
    }

    /// Its name, as in flags and files.
    pub fn name(self) -> &'static str {
        match self {
            Recipe::InterPatient => "inter-patient",
            Recipe::Kaggle => "kaggle",
            Recipe::Notebook => "notebook",
            Recipe::Table => "table",
        }
    }
}

/// The notebook's own recipe, its defects aside: validation replaces its look
/// at the test set, and the focal factor is each sample's own.
fn notebook() -> Settings {
    let block = |channels, pool| {
        BlockText(Block {
            pool,
            ..Block::new(channels, 3)
        })
    };
    Settings {
        recipe: Recipe::Notebook,
        seed: 1,
        validation: 0.1,
        data: None,
        extra: Vec::new(),
        classes: data::Classes::aami5(),
        annotator: data::datasets::dataset::REFERENCE.into(),
        records: None,
        split: Split::Auto,
        patients: None,
        patient_pattern: None,
        init: None,
        freeze: Vec::new(),
        hold_out: Vec::new(),
        fold: None,
        second_lead: 0.0,
        retimed: 0.0,
        device: "auto".into(),
        threads: 0,
        precision: Precision::Auto,
        epochs: 30,
        patience: 8,
        monitor: Monitor::MacroF1,
        batch: 128,
        optimiser: Algorithm::Adam,
        learning_rate: 1e-3,
        weight_decay: 0.0,
        clip: 0.0,
        schedule: Shape::Plateau,
        warmup: 0.0,
        plateau_patience: 3,
        plateau_factor: 0.5,
        average: 0.0,
        reject: 0.02,
        gamma: 2.0,
        label_smoothing: 0.0,
        class_weights: 0.0,
        balance: 1.0,
        shown: 0,
        class_bias: Vec::new(),
        teacher: Vec::new(),
        teacher_weight: 0.5,
        teacher_temperature: 2.0,
        noise: 0.0,
        gain: 0.0,
        shift: 0.0,
        stretch: 0.0,
        wander: 0.0,
        rhythm_noise: 0.0,
        rhythm_dropout: 0.0,
        stem: StemText(None),
        blocks: vec![block(32, 2), block(64, 2), block(128, 2), block(128, 1)],
        pooling: Pooling::Average,
        rhythm_hidden: Vec::new(),
        hidden: vec![64],
        dropout: 0.3,
        memory: Vec::new(),
        chunk: usual_chunk(),
        table: Default::default(),
        input: InputSpec::kaggle(),
    }
}

/// Chosen on a validation part of the training beats, never on the test part;
/// `models/evidence/experiments-kaggle.csv` tells what was tried.
fn kaggle() -> Settings {
    let block = |channels, kernel, stride| {
        BlockText(Block {
            stride,
            ..Block::new(channels, kernel)
        })
    };
    Settings {
        recipe: Recipe::Kaggle,
        epochs: 12,
        patience: 0,
        optimiser: Algorithm::AdamW,
        learning_rate: 3e-3,
        weight_decay: 0.02,
        clip: 1.0,
        schedule: Shape::Cosine,
        warmup: 1.0,
        average: 0.999,
        gamma: 0.0,
        balance: 0.0,
        noise: 0.02,
        gain: 0.05,
        shift: 1.0,
        stretch: 0.02,
        stem: StemText(Some(Stem {
            channels: 32,
            kernel: 9,
            stride: 2,
        })),
        blocks: vec![
            block(32, 5, 1),
            block(64, 5, 2),
            block(96, 5, 2),
            block(128, 3, 2),
        ],
        ..notebook()
    }
}

/// Chosen on patients held out of DS1 and of the Supraventricular Arrhythmia
/// Database, never on DS2; `models/evidence/experiments.csv` tells what was tried.
fn inter_patient() -> Settings {
    let block = |channels, kernel| {
        BlockText(Block {
            stride: 2,
            ..Block::new(channels, kernel)
        })
    };
    Settings {
        recipe: Recipe::InterPatient,
        validation: 0.15,
        second_lead: 0.5,
        retimed: 0.6,
        // The same on every processor, as near as libtorch goes.
        precision: Precision::F32,
        epochs: 6,
        monitor: Monitor::Last,
        batch: 256,
        weight_decay: 0.05,
        clip: 2.0,
        warmup: 0.5,
        average: 0.998,
        label_smoothing: 0.05,
        balance: 0.5,
        shown: 48_000,
        class_bias: vec![0.0, 0.7, 0.4, 0.0, 0.0],
        noise: 0.1,
        gain: 0.15,
        shift: 3.0,
        stretch: 0.0,
        wander: 0.1,
        rhythm_noise: 0.1,
        rhythm_dropout: 0.15,
        stem: StemText(Some(Stem {
            channels: 16,
            kernel: 7,
            stride: 2,
        })),
        blocks: vec![block(24, 5), block(32, 5), block(48, 3)],
        pooling: Pooling::AverageMax,
        rhythm_hidden: vec![64, 32],
        dropout: 0.5,
        input: InputSpec::window(),
        ..kaggle()
    }
}
