//! How far the numbers of a run may go: beyond these a machine would run out
//! of memory or of days before the first epoch ends.

use std::fmt::Debug;
use std::ops::RangeInclusive;

use data::pipeline::input::{InputSpec, Layout};
use data::pipeline::{Fiducials, Pipeline, RATES};
use models::architecture::Network;

use crate::error::{Error, Result};
use crate::settings::{Recipe, Settings};
use data::record::error::ensure;

/// Most threads of a machine, and most epochs and beats of a run.
const THREADS: usize = 1024;
const EPOCHS: usize = 1_000_000;
const BATCH: usize = 1 << 20;
const SHOWN: usize = 1 << 26;
/// Widest layer, longest kernel and stride, most layers.
const WIDTH: usize = 1 << 16;
const LAYERS: usize = 256;
/// Most parameters; those of the shipped models are 2^16.
const PARAMETERS: usize = 1 << 26;
/// Longest window, in samples and in seconds.
const WINDOW: usize = 8192;
const WINDOW_SECONDS: f64 = 20.0;

fn within<T: PartialOrd + Debug>(flag: &str, value: T, range: RangeInclusive<T>) -> Result<()> {
    ensure(range.contains(&value), || {
        Error::usage(format!(
            "--{flag} is {value:?}; it may be {:?} to {:?}",
            range.start(),
            range.end()
        ))
    })?;
    Ok(())
}

/// Refuses numbers that no machine can serve.
///
/// # Errors
/// Names the flag, what it is and what it may be.
pub fn check(settings: &Settings) -> Result<()> {
    within("threads", settings.threads, 0..=THREADS)?;
    within("epochs", settings.epochs, 1..=EPOCHS)?;
    within("batch", settings.batch, 2..=BATCH)?;
    within("shown", settings.shown, 0..=SHOWN)?;
    within("chunk", settings.chunk, 2..=BATCH)?;
    within("patience", settings.patience, 0..=EPOCHS)?;
    within("plateau-patience", settings.plateau_patience, 0..=EPOCHS)?;
    // A settings file holds numbers of 63 bits.
    within("seed", settings.seed, 0..=i64::MAX as u64)?;
    for (flag, value, most) in [
        ("learning-rate", settings.learning_rate, 1e3),
        ("weight-decay", settings.weight_decay, 1e3),
        ("warmup", settings.warmup, EPOCHS as f64),
        ("plateau-factor", settings.plateau_factor, 1.0),
        ("gamma", settings.gamma, 100.0),
        ("class-weights", settings.class_weights, 10.0),
        ("balance", settings.balance, 10.0),
        ("second-lead", settings.second_lead, 1e6),
        ("retimed", settings.retimed, 1e6),
        ("teacher-temperature", settings.teacher_temperature, 1e6),
        ("noise", settings.noise, 1e3),
        ("gain", settings.gain, 1e3),
        ("shift", settings.shift, WINDOW as f64),
        ("wander", settings.wander, 1e3),
        ("rhythm-noise", settings.rhythm_noise, 1e3),
    ] {
        within(flag, value, 0.0..=most)?;
    }
    for bias in &settings.class_bias {
        within("class-bias", *bias, -1e3..=1e3)?;
    }
    ensure(
        settings.hold_out.is_empty()
            || matches!(settings.recipe, Recipe::InterPatient | Recipe::Table),
        || {
            Error::usage(format!(
                "--hold-out names records or patients, which the recipe {} does not hold out; leave it out, or take --recipe inter-patient",
                settings.recipe.name()
            ))
        },
    )?;
    fold(settings)?;
    input(&settings.input)?;
    layers(settings)
}

/// Refuses what a fold cannot be held back from.
fn fold(settings: &Settings) -> Result<()> {
    let recipe = settings.recipe.name();
    let kaggle = match settings.recipe {
        Recipe::Table => "folds are of recordings; a file of beats with a column of patients (--table patient=...) is divided by them into training, validation and test".to_owned(),
        _ => format!("the recipe {recipe} mixes patients; take --recipe inter-patient"),
    };
    let hold_out = "--hold-out could name patients of the fold; leave it out, and a share of the other patients validates";
    let teacher = "a teacher may have learnt from the patients of the fold; leave --teacher out";
    for (wrong, why) in [
        (settings.recipe != Recipe::InterPatient, kaggle.as_str()),
        (!settings.hold_out.is_empty(), hold_out),
        (!settings.teacher.is_empty(), teacher),
    ] {
        ensure(settings.fold.is_none() || !wrong, || {
            Error::usage(format!("--folds, --fold: {why}"))
        })?;
    }
    Ok(())
}

fn input(input: &InputSpec) -> Result<()> {
    let InputSpec {
        fs, before, after, ..
    } = *input;
    for (key, value) in [("before", before), ("after", after)] {
        ensure(value <= WINDOW, || {
            Error::usage(format!(
                "--input {key} is {value}; a window has up to {WINDOW} samples"
            ))
        })?;
    }
    let samples = before + after;
    let seconds = samples as f64 / fs;
    ensure(
        (1..=WINDOW).contains(&samples) && seconds > 0.0 && seconds <= WINDOW_SECONDS,
        || {
            Error::usage(format!(
                "--input: the window has {samples} samples at {fs} Hz; 1 to {WINDOW} samples and up to {WINDOW_SECONDS} s can be learned from"
            ))
        },
    )?;
    if input.layout == Layout::Window {
        Pipeline::new(input, *RATES.start(), Fiducials::Marked).map_err(Error::flag("--input"))?;
        return Ok(());
    }
    match input.unfit_for_tables() {
        Some(why) => Err(Error::usage(format!("--input, --leads: {why}"))),
        None => Ok(()),
    }
}

fn layers(settings: &Settings) -> Result<()> {
    for (flag, widths) in [
        ("hidden", &settings.hidden),
        ("rhythm-hidden", &settings.rhythm_hidden),
    ] {
        widths
            .iter()
            .try_for_each(|&width| within(flag, width, 1..=WIDTH))?;
    }
    let stem = settings
        .stem
        .0
        .iter()
        .flat_map(|s| [s.channels, s.kernel, s.stride]);
    let blocks = settings.blocks.iter().map(|b| b.0);
    let numbers = blocks.flat_map(|b| [b.channels, b.kernel, b.stride, b.dilation, b.pool]);
    let memory = settings.memory.iter().map(|layer| layer.0);
    let memory = memory.flat_map(|layer| [layer.channels, layer.kernel, layer.dilation]);
    for (flag, number) in stem
        .map(|n| ("stem", n))
        .chain(numbers.map(|n| ("blocks", n)))
        .chain(memory.map(|n| ("memory", n)))
    {
        ensure(number <= WIDTH, || {
            Error::usage(format!(
                "--{flag} has the number {number}; channels, kernels and strides may be 1 to {WIDTH}"
            ))
        })?;
    }
    let count = settings.blocks.len()
        + settings.hidden.len()
        + settings.rhythm_hidden.len()
        + settings.memory.len();
    ensure(
        settings.memory.is_empty() || settings.input.layout == Layout::Window,
        || {
            Error::usage(
                "--memory remembers beats in the order of time, which rows of a table have not; leave it out, or take --recipe inter-patient with recordings",
            )
        },
    )?;
    ensure(count <= LAYERS, || {
        Error::usage(format!(
            "--blocks, --hidden, --rhythm-hidden and --memory name {count} layers; {LAYERS} at most can be trained"
        ))
    })?;
    if settings.init.is_some() {
        // The model has a network of its own.
        return Ok(());
    }
    let network = settings.architecture(&settings.input).network();
    let network = network.map_err(Error::flag(
        "--stem, --blocks, --hidden and --memory make no network",
    ))?;
    let parameters = network.parameter_count();
    ensure(parameters <= PARAMETERS, || {
        Error::usage(format!(
            "the network has {parameters} parameters; {PARAMETERS} at most can be trained; see --blocks and --hidden"
        ))
    })?;
    Network::from_json(&network.to_json()).map_err(Error::flag(
        "--blocks or --hidden: the network is too large",
    ))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer_syntax::BlockText;

    fn refusal(change: impl Fn(&mut Settings)) -> String {
        let mut settings = Recipe::InterPatient.defaults();
        change(&mut settings);
        check(&settings).unwrap_err().to_string()
    }

    #[test]
    fn the_recipes_are_within_the_limits() {
        for recipe in [
            Recipe::InterPatient,
            Recipe::Kaggle,
            Recipe::Notebook,
            Recipe::Table,
        ] {
            check(&recipe.defaults()).unwrap();
        }
    }

    #[test]
    fn absurd_numbers_are_named_with_what_they_may_be() {
        for (text, flag) in [
            (
                refusal(|s| s.threads = 1_000_000_000),
                "--threads is 1000000000",
            ),
            (
                refusal(|s| s.batch = 99_999_999_999),
                "--batch is 99999999999",
            ),
            (refusal(|s| s.epochs = 0), "--epochs is 0"),
            (refusal(|s| s.shown = usize::MAX), "--shown is"),
            (
                refusal(|s| s.hidden = vec![1_000_000_000]),
                "--hidden is 1000000000",
            ),
            (
                refusal(|s| s.rhythm_hidden = vec![0]),
                "--rhythm-hidden is 0",
            ),
            (refusal(|s| s.hidden = vec![65_536, 65_536]), "parameters"),
            (
                refusal(|s| s.input.after = 100_000),
                "--input after is 100000",
            ),
            (refusal(|s| s.input.after = usize::MAX), "--input after is"),
            (refusal(|s| s.input.fs = f64::NAN), "NaN Hz"),
            (refusal(|s| s.input.band = Some([50.0, 1.0])), "--input"),
            (refusal(|s| s.noise = 1e300), "--noise is"),
            (
                refusal(|s| s.class_bias = vec![f64::NAN; 5]),
                "--class-bias is NaN",
            ),
            (
                refusal(|s| {
                    s.fold = "1/5".parse().ok();
                    s.teacher = vec!["run".into()];
                }),
                "leave --teacher out",
            ),
            (
                refusal(|s| {
                    s.fold = "1/5".parse().ok();
                    s.hold_out = vec!["100".into()];
                }),
                "patients of the fold",
            ),
            (
                refusal(|s| {
                    s.recipe = Recipe::Kaggle;
                    s.hold_out = vec!["100".into()];
                }),
                "--hold-out",
            ),
        ] {
            assert!(text.contains(flag), "{text}");
        }
        let mut block: BlockText = "8x3".parse().unwrap();
        block.0.channels = usize::MAX;
        assert!(refusal(|s| s.blocks = vec![block]).contains("--blocks has the number"));
    }
}
