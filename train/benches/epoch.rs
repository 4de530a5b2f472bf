//! Training speed: an epoch of the notebook's network at batch 128, against
//! the same in PyTorch eager (`peer.py`), in one run on one machine.
//!
//! `cargo bench -p train --bench epoch`. The Python with PyTorch is that of
//! the environment variable `ECTOPY_PYTHON`, else `.deps/python/bin/python`,
//! which `setup/setup.sh bench` makes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use data::Classes;
use data::pipeline::beats::Beats;
use data::pipeline::input::InputSpec;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::Device;
use train::examples::Examples;
use train::fit::{Stepper, start};
use train::network::ResidualCnn;
use train::sampler::Sampler;
use train::settings::{Precision, Recipe, Settings};

const BEATS: usize = 8192;
const ROUNDS: usize = 3;

/// Beats of noise: the time of a step does not depend on what they show.
fn noise() -> Beats {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut beats = Beats::new(InputSpec::kaggle(), &Classes::aami5());
    beats.windows = (0..BEATS * beats.input.window_values())
        .map(|_| random.random())
        .collect();
    beats.labels = (0..BEATS).map(|i| i % beats.classes.len()).collect();
    beats
}

/// Beats per second of one epoch.
fn ours(settings: &Settings, examples: &Examples) -> Result<f64> {
    let stepper = Stepper::new(settings, settings.augmentation(&settings.input), examples);
    let network = settings.architecture(&settings.input).network()?;
    let mut state = start(
        settings,
        ResidualCnn::new(network, settings.seed, Device::Cpu)?,
    );
    let rows = Sampler::new(
        &examples.class_of,
        examples.classes.len(),
        &[],
        settings.balance,
        0,
        settings.seed,
    )
    .epoch(0);
    for batch in rows.chunks(settings.batch).take(4) {
        let _ = stepper.step(&mut state, &examples.batch(batch), 1e-3);
    }
    let started = Instant::now();
    for batch in rows.chunks(settings.batch) {
        let _ = stepper.step(&mut state, &examples.batch(batch), 1e-3);
    }
    Ok(BEATS as f64 / started.elapsed().as_secs_f64())
}

fn peer(python: &Path, settings: &Settings) -> Result<f64> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peer.py");
    let numbers = [BEATS, settings.batch, tch::get_num_threads() as usize];
    let output = Command::new(python)
        .arg(script)
        .args(numbers.map(|n| n.to_string()))
        .output()
        .with_context(|| python.display().to_string())?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", errors.trim());
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

fn python() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.deps/python/bin/python");
    std::env::var_os("ECTOPY_PYTHON").map_or(own, PathBuf::from)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> Result<()> {
    let settings = Recipe::Notebook.defaults();
    let full = Settings {
        precision: Precision::F32,
        ..settings.clone()
    };
    let examples = Examples::new(&noise(), Device::Cpu)?;
    let python = python();
    let (mut default_speed, mut f32, mut eager) = (Vec::new(), Vec::new(), Vec::new());
    // Turn by turn, so that a busy machine slows all alike.
    for _ in 0..ROUNDS {
        default_speed.push(ours(&settings, &examples)?);
        f32.push(ours(&full, &examples)?);
        match peer(&python, &settings) {
            Ok(speed) => eager.push(speed),
            Err(error) if eager.is_empty() => eprintln!("no PyTorch peer: {error:#}"),
            Err(error) => return Err(error),
        }
    }
    println!(
        "training epoch, notebook's network, batch {}, {} threads, median of {ROUNDS}:",
        settings.batch,
        tch::get_num_threads()
    );
    let kind = settings.precision.kind(Device::Cpu);
    let default = format!("train, default ({kind:?})");
    let lines = [(default.as_str(), default_speed), ("train, f32", f32)];
    let eager = (!eager.is_empty()).then(|| median(eager));
    if let Some(eager) = eager {
        println!("  PyTorch eager            {eager:8.0} beats/s");
    }
    for (name, speeds) in lines {
        let speed = median(speeds);
        let ratio = eager.map_or(String::new(), |e| {
            format!("  {:.2} times PyTorch eager", speed / e)
        });
        println!("  {name:<24} {speed:8.0} beats/s{ratio}");
    }
    Ok(())
}
