//! A run from beats to files, top to bottom.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use data::beats::Beats;
use data::metrics::{Confusion, Summary, calibration_error};
use data::plot::{self, ConfusionMatrix};
use models::contract::{self, Contract, Training};
use serde::Serialize;
use tch::{Device, Kind, Tensor};

use crate::calibrate;
use crate::cli::Request;
use crate::device;
use crate::evaluation::Evaluation;
use crate::examples::Examples;
use crate::export;
use crate::fit::{self, Ending, Stepper, Stop, fit};
use crate::pictures::{FirstKernels, LossCurve};
use crate::run::RunFolder;
use crate::settings::Settings;
use crate::source::{self, Parts};
use crate::standard::Standard;
use crate::state::{State, best_of};

/// `report.json` of a run.
#[derive(Serialize)]
struct Report<'a> {
    recipe: &'a str,
    seed: u64,
    data: &'a str,
    parameters: usize,
    multiply_accumulates: usize,
    epochs: usize,
    best_epoch: usize,
    temperature: f64,
    reject_threshold: f64,
    train: [usize; 5],
    validation: PartReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<PartReport>,
}

/// Figures on one part of the data.
#[derive(Serialize)]
struct PartReport {
    beats: u64,
    /// Expected calibration error of the calibrated probabilities.
    ece: Option<f64>,
    #[serde(flatten)]
    summary: Summary,
}

/// Trains as asked and writes the run's files; `stop` ends it early.
///
/// # Errors
/// When data, device or settings cannot be used, the training diverges, or a
/// file cannot be written.
pub fn run(request: &Request, stop: &Stop) -> Result<Ending> {
    let Request { settings, run, .. } = request;
    let device = device::choose(&settings.device)?;
    if settings.threads > 0 {
        tch::set_num_threads(settings.threads as i32);
    }
    let network = settings.architecture(&settings.input).network()?;

    let parts = Parts::load(settings)?;
    let mut train = Examples::new(&parts.train, device)?;
    train.weights = parts.weights.clone();
    train.occurs = parts.occurs;
    let mut validation = Examples::new(&parts.validation, device).context("validation part")?;
    let standard = Standard::of(&parts.train);
    standard.apply(&mut train);
    standard.apply(&mut validation);
    eprintln!(
        "{}: {}; {} beats to train, {} to validate; {} parameters, {:.2} M multiply-accumulates a beat; {device:?}, {} threads; {}",
        settings.recipe.name(),
        parts.description,
        train.rows(),
        validation.rows(),
        network.parameter_count(),
        network.macs() as f64 / 1e6,
        tch::get_num_threads(),
        run.path().display(),
    );
    run.write_settings(settings)?;

    let interrupted = || {
        eprintln!("stopped; go on with --resume {}", run.path().display());
        Ok(Ending::Interrupted)
    };
    let mut teachers = settings.teacher.clone();
    for (k, (its, run)) in members(settings, run).iter().enumerate() {
        eprintln!("member {} of {}", k + 1, settings.ensemble);
        if learn(its, run, &standard, &train, &validation, stop)?.is_none() {
            return interrupted();
        }
        teachers.push(run.path().to_owned());
    }
    train.teacher = answers(&teachers, settings, &parts.train, device)?;
    let Some(mut state) = learn(settings, run, &standard, &train, &validation, stop)? else {
        return interrupted();
    };
    state.best = standard.fold(&state.best)?;
    let validation = Examples::new(&parts.validation, device)?;
    finish(request, &parts, &state, &validation, device)?;
    Ok(Ending::Finished)
}

/// The settings and folders of the networks that are trained first.
fn members(settings: &Settings, run: &RunFolder) -> Vec<(Settings, RunFolder)> {
    let member = |k: usize| {
        let its = Settings {
            seed: settings.seed * 100 + k as u64,
            ensemble: 0,
            teacher: Vec::new(),
            ..settings.clone()
        };
        (its, run.member(k))
    };
    (1..=settings.ensemble).map(member).collect()
}

/// Trains one network, from its checkpoint if it has one; `None` when a signal
/// ended it early.
fn learn(
    settings: &Settings,
    run: &RunFolder,
    standard: &Standard,
    train: &Examples,
    validation: &Examples,
    stop: &Stop,
) -> Result<Option<State>> {
    let network = settings.architecture(&settings.input).network()?;
    let stepper = Stepper::new(settings, settings.augmentation(&settings.input), train);
    let mut state = fit::start(settings, network, train.labels.device())?;
    if run.checkpoint().is_file() {
        state.load(&run.checkpoint())?;
    }
    run.write_settings(settings)?;
    standard.save(run)?;
    let ending = fit(settings, &stepper, train, validation, &mut state, run, stop)?;
    Ok((ending == Ending::Finished).then_some(state))
}

/// Calibrates, reports, draws and exports the best network.
fn finish(
    request: &Request,
    parts: &Parts,
    state: &State,
    validation: &Examples,
    device: Device,
) -> Result<()> {
    let Request {
        settings,
        run,
        export,
        ..
    } = request;
    let best = &state.best;
    let logits = best.logits(&validation.windows, validation.rhythm.as_ref());
    // Four decimals are more than the beats determine, and survive JSON exactly.
    let rounded = |x: f64| (x * 1e4).round() / 1e4;
    let temperature = rounded(calibrate::temperature(&logits, validation));
    let reject = calibrate::reject_threshold(&logits, temperature, settings.reject);
    let reject_threshold = rounded(reject);
    let contract = Contract {
        version: contract::VERSION,
        input: settings.input.clone(),
        classes: data::Class::ALL.to_vec(),
        temperature,
        reject_threshold,
        training: Training {
            recipe: settings.recipe.name().into(),
            seed: settings.seed,
            data: parts.description.clone(),
            data_sha256: source::hash(&parts.train),
            trainer: concat!("ectopy train ", env!("CARGO_PKG_VERSION")).into(),
        },
    };

    let (on_validation, figures) = part_report(&logits, validation, temperature)?;
    let mut text = format!(
        "validation part, best of {} epochs\n{}",
        state.counters.epoch,
        on_validation.report()
    );
    let mut shown = (on_validation, "validation part");
    let mut test_figures = None;
    if let Some(test) = &parts.test {
        let examples = Examples::new(test, device).context("test part")?;
        let logits = best.logits(&examples.windows, examples.rhythm.as_ref());
        let (confusion, figures) = part_report(&logits, &examples, temperature)?;
        text.push_str(&format!("\ntest part\n{}", confusion.report()));
        shown = (confusion, "test part");
        test_figures = Some(figures);
    }
    let best_epoch = state
        .counters
        .history
        .iter()
        .rev()
        .find(|e| e.best)
        .map_or(0, |e| e.epoch);
    run.write_json(
        "report.json",
        &Report {
            recipe: settings.recipe.name(),
            seed: settings.seed,
            data: &parts.description,
            parameters: best.network().parameter_count(),
            multiply_accumulates: best.network().macs(),
            epochs: state.counters.epoch,
            best_epoch,
            temperature,
            reject_threshold,
            train: parts.train.support(),
            validation: figures,
            test: test_figures,
        },
    )?;
    data::output::write(run.file("report.txt"), text.as_bytes())?;
    draw(
        run,
        state,
        &shown.0,
        &format!("{}, {}", settings.recipe.name(), shown.1),
    )?;
    print!("{text}");

    let say = |path: &Path, difference: f32| {
        eprintln!(
            "wrote {}: read back, its logits agree with libtorch's within {difference:.1e}",
            path.display()
        );
    };
    let path = run.model();
    say(
        &path,
        export::classifier(&path, best, &contract, validation)?,
    );
    if let Some(path) = export {
        say(path, export::classifier(path, best, &contract, validation)?);
        let (path, difference) = export::explainer(path, best, &contract, validation)?;
        say(&path, difference);
    }
    eprintln!("wrote {}", run.path().display());
    Ok(())
}

fn part_report(
    logits: &Tensor,
    examples: &Examples,
    temperature: f64,
) -> Result<(Confusion, PartReport)> {
    let evaluation = Evaluation::of_logits(logits, examples)?;
    let (sure, picked) = (logits / temperature)
        .softmax(-1, Kind::Float)
        .max_dim(-1, false);
    let right = picked.eq_tensor(&examples.labels);
    let sure = Vec::<f32>::try_from(sure.to_device(Device::Cpu))?;
    let right = Vec::<bool>::try_from(right.to_device(Device::Cpu))?;
    let beats: Vec<(f32, bool)> = sure.into_iter().zip(right).collect();
    let report = PartReport {
        beats: evaluation.confusion.total(),
        ece: calibration_error(&beats),
        summary: evaluation.confusion.summary(),
    };
    Ok((evaluation.confusion, report))
}

fn draw(run: &RunFolder, state: &State, confusion: &Confusion, title: &str) -> Result<()> {
    let history = &state.counters.history;
    plot::save(&LossCurve { history }, &run.file("loss.png"))?;
    plot::save(
        &ConfusionMatrix { confusion, title },
        &run.file("confusion.png"),
    )?;
    let weights = state.best.weights()?;
    if let Some(kernels) = FirstKernels::of(state.best.network(), &weights) {
        plot::save(&kernels, &run.file("kernels.png"))?;
    }
    Ok(())
}

/// Mean logits of the teachers, each in its run's folder, on some beats;
/// `None` without teachers.
fn answers(
    teachers: &[PathBuf],
    settings: &Settings,
    beats: &Beats,
    device: Device,
) -> Result<Option<Tensor>> {
    if teachers.is_empty() {
        return Ok(None);
    }
    let examples = Examples::new(beats, device)?;
    let mut sum = Tensor::from(0.0_f32).to_device(device);
    for folder in teachers {
        let run = RunFolder::open(folder)?;
        let its = run.read_settings()?;
        anyhow::ensure!(
            its.input == settings.input,
            "--teacher {}: it was trained on windows made in another way",
            folder.display()
        );
        let network = its.architecture(&its.input).network()?;
        let teacher = best_of(&run.checkpoint(), network, device)?;
        let teacher = Standard::load(&run)?.fold(&teacher)?;
        sum = sum + teacher.logits(&examples.windows, examples.rhythm.as_ref());
    }
    Ok(Some(sum / teachers.len() as f64))
}
