//! Runs `train`: loads beats, fits, calibrates, reports and exports. `run`
//! reads from top to bottom.

use std::path::Path;

use data::datasets::dataset;
use data::formats;
use data::output::Outputs;
use data::pipeline::beats::Beats;
use data::pipeline::input::Layout;
use data::plot::kernels::Kernels;
use data::plot::{self, ConfusionMatrix};
use data::scoring::metrics::{Confusion, calibration_error};
use models::contract::{self, Contract, Training};
use models::shipped;
use tch::{Device, Kind, Tensor};

use crate::calibrate;
use crate::cli::Request;
use crate::describe;
use crate::device;
use crate::error::{Error, Result};
use crate::examples::Examples;
use crate::export;
use crate::feature_scaler::FeatureScaler;
use crate::fit::{self, Ending, Stepper, Stop, fit};
use crate::init::{self, Init};
use crate::loss_and_confusion::LossAndConfusion;
use crate::pictures::LossCurve;
use crate::report::{self, PartReport, RunReport};
use crate::run::RunFolder;
use crate::settings::{Monitor, Settings};
use crate::source::{self, BeatSets};
use crate::state::{State, best_of};
use crate::table;
use data::record::error::ensure;

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
    let init = Init::of(settings)?;
    let network = init::network(settings, init.as_ref())?;
    pass_outputs(request)?;
    export::rehearse(settings, network.clone())?;
    let _lock = run.lock()?;

    let remembers = network.memory().is_some();
    let sets = BeatSets::load(settings, remembers)?;
    fit_for(&sets, settings, remembers)?;
    sets.tell_absent_classes();
    let mut train = Examples::new(&sets.train, device)?;
    train.weights = sets.weights.clone();
    train.occurs = sets.occurs.clone();
    let mut validation =
        Examples::new(&sets.validation, device).map_err(Error::within("validation part"))?;
    train.teacher = teachers(settings, &train, device)?;
    let scaler = FeatureScaler::of(&sets.train);
    scaler.apply(&mut train);
    scaler.apply(&mut validation);
    eprintln!(
        "{}: {}; {} beats to train, {} to validate; {} parameters, {:.2} M multiply-accumulates a beat; {device:?}, {} threads; {}",
        settings.recipe.name(),
        sets.description,
        train.rows(),
        validation.rows(),
        network.parameter_count(),
        network.macs() as f64 / 1e6,
        tch::get_num_threads(),
        run.path().display(),
    );
    if let Some(init) = &init {
        eprintln!("{}", init.told(settings));
        if settings.input.layout == Layout::Kaggle && !table::is_source(settings) {
            eprintln!(
                "its beats end with the next one: the new model classifies recordings, but `embedded` cannot monitor a signal with it"
            );
        }
    }
    if let Some(memory) = network.memory() {
        eprintln!(
            "a memory of {} beats in a state of {} values; chunks of {} beats",
            memory.beats, memory.state, settings.chunk
        );
    }
    if let Some(caution) = describe::caution(&network) {
        eprintln!("{caution}");
    }

    let stepper = Stepper::new(settings, settings.augmentation(&settings.input), &train);
    let mut model = init::model(settings, init.as_ref(), network, device)?;
    if init.is_some() {
        // An exported model takes features as they are.
        model = scaler.unfold(&model)?;
    }
    let mut state = fit::start(settings, model);
    let beats = source::hash(&sets.train) + &source::hash(&sets.validation);
    if request.resumed {
        go_on(&mut state, request, &beats)?;
    }
    state.counters.data_sha256 = beats;
    run.write_settings(settings)?;
    scaler.save(run)?;
    if fit(request, &stepper, &train, &validation, &mut state, stop)? == Ending::Interrupted {
        if request.alone {
            eprintln!("stopped; go on with --resume {}", run.path().display());
        }
        return Ok(Ending::Interrupted);
    }

    state.best = scaler.fold(&state.best)?;
    let validation = Examples::new(&sets.validation, device)?;
    finish(request, &sets, &state, &validation, device)?;
    Ok(Ending::Finished)
}

/// Refuses beats that the network cannot learn from.
fn fit_for(sets: &BeatSets, settings: &Settings, remembers: bool) -> Result<()> {
    ensure(
        sets.train.input == settings.input && sets.validation.input == settings.input,
        || {
            Error::usage(
                "the beats are not cut as the settings say (--input); take another recipe or other data",
            )
        },
    )?;
    let in_order = sets.all().all(Beats::in_order);
    ensure(!remembers || in_order, || {
        Error::usage(
            "the network has a memory of beats, and these do not tell where a recording begins or has a gap; train on recordings, or on a store that `data convert` has made of them, or leave out --memory",
        )
    })
}

/// Refuses outputs that would replace an input, before any work.
fn pass_outputs(request: &Request) -> Result<()> {
    let mut outputs = Outputs::new(request.force);
    let settings = &request.settings;
    for folder in source::folders(settings) {
        for name in formats::find(&folder).unwrap_or_default() {
            dataset::protect(&mut outputs, &folder.join(name), &settings.annotator);
        }
        for name in source::KAGGLE_FILES {
            outputs.input(&folder.join(name));
        }
    }
    table::files(settings)
        .into_iter()
        .for_each(|file| outputs.input(file));
    for teacher in &settings.teacher {
        let teacher = RunFolder::open(teacher)?;
        for file in [
            teacher.checkpoint(),
            teacher.model(),
            teacher.settings_file(),
        ] {
            outputs.input(&file);
        }
    }
    if let Some(model) = &settings.init {
        outputs.input(&shipped::find(model));
    }
    if let Some(list) = &settings.patients {
        outputs.input(list);
    }
    outputs.file(&request.run.model())?;
    if let Some(path) = &request.export {
        outputs.file(path)?;
        outputs.file(&export::explainer_path(path))?;
    }
    Ok(())
}

/// Brings a run to where it stopped, if its beats are still the same.
fn go_on(state: &mut State, request: &Request, beats: &str) -> Result<()> {
    let Request { settings, run, .. } = request;
    state.resume(run)?;
    let counters = &state.counters;
    ensure(
        counters.epoch == 0 && counters.steps == 0 || counters.data_sha256 == beats,
        || {
            Error::Run(format!(
                "{}: its recordings are no longer those that it was trained on (SHA-256 of the beats {}, now {}); bring them back, or begin another run",
                run.path().display(),
                &counters.data_sha256.get(..12).unwrap_or_default(),
                &beats[..12]
            ))
        },
    )?;
    ensure(settings.epochs >= counters.epoch, || {
        Error::Run(format!(
            "--epochs is {}, but the run has {} behind it",
            settings.epochs, counters.epoch
        ))
    })?;
    Ok(())
}

/// Calibrates, reports, draws and exports the best network.
fn finish(
    request: &Request,
    sets: &BeatSets,
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
    let logits = validation.logits(best);
    // Rounded to four decimals: finer than the data can tell, and read back
    // from JSON unchanged.
    let rounded = |x: f64| (x * 1e4).round() / 1e4;
    let temperature = rounded(calibrate::temperature(&logits, validation));
    let reject = calibrate::reject_threshold(&logits, temperature, settings.reject);
    let reject_threshold = rounded(reject);
    let contract = Contract {
        version: contract::VERSION,
        input: settings.input.clone(),
        classes: settings.classes.clone(),
        temperature,
        reject_threshold,
        memory: best.network().memory(),
        training: Training {
            recipe: settings.recipe.name().into(),
            seed: settings.seed,
            data: sets.description.clone(),
            data_sha256: source::hash(&sets.train),
            trainer: concat!("ectopy train ", env!("CARGO_PKG_VERSION")).into(),
        },
    };

    let (on_validation, figures) = part_report(&logits, validation, temperature)?;
    let mut text = format!(
        "validation part, {} {} epochs\n{}",
        match settings.monitor {
            Monitor::Last => "after",
            _ => "best of",
        },
        state.counters.epoch,
        on_validation.report()
    );
    let mut shown = (on_validation, "validation part");
    let mut test_figures = None;
    let mut test_records: &[String] = &[];
    if let Some(test) = &sets.test {
        let examples = Examples::new(test, device).map_err(Error::within("test part"))?;
        let logits = examples.logits(best);
        let (confusion, figures) = part_report(&logits, &examples, temperature)?;
        text.push_str(&format!("\ntest part\n{}", confusion.report()));
        shown = (confusion, "test part");
        test_figures = Some(figures);
        if settings.fold.is_some() {
            test_records = &test.record_names;
        }
    }
    let best_epoch = state
        .counters
        .history
        .iter()
        .rev()
        .find(|e| e.best)
        .map_or(0, |e| e.epoch);
    run.write_json(
        report::FILE,
        &RunReport {
            recipe: settings.recipe.name(),
            seed: settings.seed,
            data: &sets.description,
            parameters: best.network().parameter_count(),
            multiply_accumulates: best.network().macs(),
            epochs: state.counters.epoch,
            best_epoch,
            temperature,
            reject_threshold,
            train: sets.train.support(),
            validation: figures,
            test: test_figures,
            test_records,
        },
    )?;
    data::output::write(run.file("report.txt"), text.as_bytes())?;
    draw(
        request,
        state,
        &shown.0,
        &format!("{}, {}", settings.recipe.name(), shown.1),
    )?;
    if request.alone {
        print!("{text}");
    }

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
    let measured = LossAndConfusion::of_logits(logits, examples)?;
    let (sure, picked) = (logits / temperature)
        .softmax(-1, Kind::Float)
        .max_dim(-1, false);
    let right = picked.eq_tensor(&examples.labels);
    let sure = Vec::<f32>::try_from(sure.to_device(Device::Cpu))?;
    let right = Vec::<bool>::try_from(right.to_device(Device::Cpu))?;
    let beats: Vec<(f32, bool)> = sure.into_iter().zip(right).collect();
    let report = PartReport {
        beats: measured.confusion.total(),
        ece: calibration_error(&beats),
        summary: measured.confusion.figures(),
    };
    Ok((measured.confusion, report))
}

fn draw(request: &Request, state: &State, confusion: &Confusion, title: &str) -> Result<()> {
    let Request { settings, run, .. } = request;
    let history = &state.counters.history;
    plot::save(&LossCurve { history }, &run.file("loss.png"))?;
    plot::save(
        &ConfusionMatrix { confusion, title },
        &run.file("confusion.png"),
    )?;
    let weights = state.best.weights()?;
    let first = weights.first_convolution(state.best.network());
    if let Some((first, &[_, channels, taps])) = first.map(|f| (f, &f.shape[..])) {
        let title = format!("First layer, recipe {}", settings.recipe.name());
        let kernels = Kernels::new(title, settings.input.fs, channels, taps, &first.values);
        plot::save(&kernels, &run.file("kernels.png"))?;
    }
    Ok(())
}

/// Mean logits of the teachers on the training part.
fn teachers(settings: &Settings, train: &Examples, device: Device) -> Result<Option<Tensor>> {
    let mut sum: Option<Tensor> = None;
    for folder in &settings.teacher {
        let run = RunFolder::open(folder)?;
        let its = run.read_settings()?;
        ensure(its.input == settings.input, || {
            Error::usage(format!(
                "--teacher {}: it was trained on windows made in another way",
                folder.display()
            ))
        })?;
        let network = init::network(&its, Init::of(&its)?.as_ref())?;
        let teacher = best_of(&run.checkpoint(), network, device)?;
        let teacher = FeatureScaler::load(&run)?.fold(&teacher)?;
        let logits = train.logits(&teacher);
        sum = Some(match sum {
            None => logits,
            Some(sum) => sum + logits,
        });
    }
    Ok(sum.map(|sum| sum / settings.teacher.len() as f64))
}
