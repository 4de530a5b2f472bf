//! Adapts a model to one patient at a time, with labels of the first minutes of
//! the patient's own recording, and scores the rest of it:
//!
//! ```text
//! cargo run --release -p train --example personalise -- MODEL.onnx FOLDER \
//!     --records ds2 --replay FOLDER
//! ```
//!
//! For every record the model's network is trained on for a few steps on the
//! record's first beats, half of each batch, and on beats of other patients (the
//! records of DS1 in `--replay`), so that what the patient has not shown yet is
//! not forgotten. This is how patient-specific classifiers of the literature are
//! made and scored (Hu et al. 1997; Kiranyaz et al. 2016). The figures say what a
//! few labelled minutes are worth. They must not stand beside inter-patient
//! figures, whose patients have no label at all.

use std::path::PathBuf;

use clap::Parser;
use data::datasets::dataset::{self, Annotated, REFERENCE};
use data::pipeline::beats::Beats;
use data::pipeline::prepare;
use data::scoring::metrics::{Confusion, fraction, percent};
use data::{Class, Classes};
use tch::Device;
use train::examples::Examples;
use train::feature_scaler::FeatureScaler;
use train::fit::{Stepper, start};
use train::init::{self, Init};
use train::loss_and_confusion::LossAndConfusion;
use train::sampler::{Sampler, mix};
use train::settings::{Recipe, Settings};
use train::{Error, Result};

/// Adapts a model to each record and scores the rest of it.
#[derive(Parser)]
struct Arguments {
    /// The model to start from
    model: PathBuf,
    /// Folder of the records
    data: PathBuf,
    /// Records: ds1, ds2, all, a file that lists them, or names with commas between
    #[arg(long, default_value = "ds2")]
    records: String,
    /// Folder whose records of DS1 are replayed beside the patient's own beats
    #[arg(long)]
    replay: PathBuf,
    /// Seconds at the start of a record whose labels are used
    #[arg(long, default_value_t = 300.0)]
    seconds: f64,
    /// Steps of training for each record
    #[arg(long, default_value_t = 100)]
    steps: usize,
    /// Beats of a step
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// Learning rate
    #[arg(long, default_value_t = 1e-3)]
    learning_rate: f64,
    /// Seed of the sampling and the augmentation
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let init = Init::read(&arguments.model)?;
    if init.contract.memory.is_some() {
        return Err(Error::Network(
            "the model remembers beats, and this shows it single ones; take one without a memory"
                .into(),
        ));
    }
    let settings = settings(&arguments, &init);
    let names = dataset::select(&arguments.data, &arguments.records)?;
    let replay = replay(&arguments, &settings)?;
    let mut totals = Totals::new(&settings.classes);
    for name in &names {
        let annotated = dataset::read(&arguments.data, name, REFERENCE)?;
        let (own, rest) = parted(&annotated, &settings, arguments.seconds)?;
        let [before, after] = adapted(&arguments, &settings, &init, &replay, &own, &rest)?;
        println!("{name:8} {}", line(&before, &after));
        totals.add(name, &before, &after);
    }
    totals.print();
    Ok(())
}

/// The settings of the recipe, from the model.
fn settings(arguments: &Arguments, init: &Init) -> Settings {
    let contract = init.contract.clone();
    let mut settings = Recipe::InterPatient.defaults();
    settings.init = Some(arguments.model.clone());
    settings.classes = contract.classes;
    settings.input = contract.input;
    settings.learning_rate = arguments.learning_rate;
    settings.seed = arguments.seed;
    settings.average = 0.0;
    // The weights of the beats alone say how often they are shown.
    settings.balance = 0.0;
    // The patient's few beats would bend layers that know many patients.
    settings.freeze = vec!["stem".into(), "block".into()];
    settings.spread_class_bias();
    settings
}

/// Beats of other patients.
fn replay(arguments: &Arguments, settings: &Settings) -> Result<Beats> {
    let names = dataset::select(&arguments.replay, "ds1")?;
    let beats = dataset::map(&arguments.replay, &names, REFERENCE, |record| {
        prepare::record(
            &record.record,
            &record.annotations,
            &settings.input,
            &settings.classes,
        )
    })?;
    let mut all = Beats::new(settings.input.clone(), &settings.classes);
    for beats in beats {
        all.append(&beats)?;
    }
    Ok(all)
}

/// The beats of a record before and after so many seconds.
fn parted(annotated: &Annotated, settings: &Settings, seconds: f64) -> Result<(Beats, Beats)> {
    let Annotated {
        record,
        annotations,
    } = annotated;
    let beats = prepare::record(record, annotations, &settings.input, &settings.classes)?;
    let end = (seconds * record.fs) as u64;
    let (own, rest): (Vec<usize>, Vec<usize>) =
        (0..beats.len()).partition(|&row| beats.samples[row] < end);
    if own.is_empty() || rest.is_empty() {
        return Err(Error::Beats(format!(
            "record {}: no beats before or after {seconds} s",
            record.name
        )));
    }
    Ok((beats.select(&own), beats.select(&rest)))
}

/// What the model says of the rest before and after it was adapted.
fn adapted(
    arguments: &Arguments,
    settings: &Settings,
    init: &Init,
    replay: &Beats,
    own: &Beats,
    rest: &Beats,
) -> Result<[Confusion; 2]> {
    let mut beats = own.clone();
    beats.append(replay)?;
    let mut train = Examples::new(&beats, Device::Cpu)?;
    train.weights = vec![1.0 / own.len() as f32; own.len()];
    train
        .weights
        .extend(vec![1.0 / replay.len() as f32; replay.len()]);
    let scaler = FeatureScaler::of(replay);
    scaler.apply(&mut train);
    let judged = Examples::new(rest, Device::Cpu)?;
    let init = Some(init);
    let network = init::network(settings, init)?;
    let model = init::model(settings, init, network, Device::Cpu)?;
    let before = LossAndConfusion::of(&model, &judged)?.confusion;
    let stepper = Stepper::new(settings, settings.augmentation(&settings.input), &train);
    let mut state = start(settings, scaler.unfold(&model)?);
    let shown = arguments.steps * arguments.batch;
    let sampler = Sampler::new(
        &train.class_of,
        train.classes.len(),
        &train.weights,
        settings.balance,
        shown,
        settings.seed,
    );
    for (step, rows) in sampler.epoch(0).chunks(arguments.batch).enumerate() {
        tch::manual_seed(mix(settings.seed, 0, step as u64) as i64);
        // Down to nothing, so that the last batches do not decide alone.
        let left = 1.0 - step as f64 / arguments.steps as f64;
        let rate = arguments.learning_rate * left;
        let _ = stepper.step(&mut state, &train.batch(rows), rate);
    }
    let model = scaler.fold(&state.model)?;
    let after = LossAndConfusion::of(&model, &judged)?.confusion;
    Ok([before, after])
}

/// Before and after: accuracy, and F1 of V, S and F.
fn line(before: &Confusion, after: &Confusion) -> String {
    let f1 = |c: &Confusion, class| fraction(c.aami(class).and_then(|s| s.f1));
    let figures = |c: &Confusion| {
        let [v, s, f] = [Class::V, Class::S, Class::F].map(|class| f1(c, class));
        format!("{:>6} % V {v:>5} S {s:>5} F {f:>5}", percent(c.accuracy()))
    };
    format!(
        "{:>6} beats  before {}  after {}",
        before.total(),
        figures(before),
        figures(after)
    )
}

/// All records together, and those without record 232, which has most of DS2's
/// S beats.
struct Totals {
    all: [Confusion; 2],
    without: [Confusion; 2],
}

impl Totals {
    fn new(classes: &Classes) -> Totals {
        let none = || [Confusion::new(classes), Confusion::new(classes)];
        Totals {
            all: none(),
            without: none(),
        }
    }

    fn add(&mut self, name: &str, before: &Confusion, after: &Confusion) {
        let mut into = vec![&mut self.all];
        if name != "232" {
            into.push(&mut self.without);
        }
        for [sum_before, sum_after] in into {
            *sum_before += before;
            *sum_after += after;
        }
    }

    fn print(&self) {
        for (name, [before, after]) in [("all", &self.all), ("no 232", &self.without)] {
            println!("{name:8} {}", line(before, after));
        }
        println!(
            "jk before {} after {}",
            fraction(self.all[0].jk()),
            fraction(self.all[1].jk())
        );
        println!(
            "patient-specific: labels of each record's first minutes were used; do not compare with inter-patient figures"
        );
    }
}
