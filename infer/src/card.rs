//! The model card: one page made from the files of runs and evaluations.
//!
//! A manifest in TOML lists the models, their evaluations and the words;
//! every figure comes from a file that a program of this project wrote.

mod evaluation;
mod explanation;
pub(crate) mod hub;

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

use data::pipeline::input::InputSpec;
use data::record::checksum::hexadecimal;
use data::record::error::ensure;
use models::Contract;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use evaluation::EvaluationFile;

/// What the card is made from.
#[derive(clap::Args)]
pub struct Arguments {
    /// The manifest; paths in it are relative to its folder
    #[arg(default_value = "models/evidence/card.toml")]
    manifest: PathBuf,
}

/// The manifest of a card.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    /// Who may use the models for what, in Markdown.
    intended_use: String,
    /// Where they fail or were not tried, in Markdown.
    limits: String,
    /// Table of experiments (CSV with a heading), failures included.
    experiments: Option<PathBuf>,
    /// The models, the main one first.
    model: Vec<Entry>,
}

/// One model of a manifest.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// The ONNX file.
    file: PathBuf,
    /// What it is for, in a few words.
    purpose: String,
    /// Short names of the databases that it was trained on, such as `mitdb`.
    #[serde(default)]
    datasets: Vec<String>,
    /// The settings that its run saved.
    settings: Option<PathBuf>,
    /// Its evaluations, the most important one first.
    #[serde(default)]
    evaluation: Vec<Evaluated>,
    /// Cross-validations of the recipe over patients.
    #[serde(default)]
    cross_validation: Vec<CrossValidation>,
    /// How good its explanations are.
    explanation: Option<Evaluated>,
}

/// One cross-validation of a manifest.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CrossValidation {
    /// Which patients were held out.
    name: String,
    /// The JSON file that `infer evaluate` wrote for each fold's patients.
    folds: Vec<PathBuf>,
}

/// One evaluation of a manifest.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Evaluated {
    /// What was evaluated on what.
    name: String,
    /// Short name of the database, such as `mitdb`.
    dataset: Option<String>,
    /// The JSON file that `infer evaluate` or `infer explain --score` wrote.
    file: PathBuf,
    /// The same evaluation of every seed of the recipe, this one too.
    #[serde(default)]
    seeds: Vec<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// The manifest or a file that it names cannot be read or is of another kind.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> Result<()> {
    let manifest: Manifest = read_toml(&arguments.manifest)?;
    let folder = arguments.manifest.parent().unwrap_or(Path::new("."));
    let card = card(&manifest, folder, &arguments.manifest)?;
    out.write_all(card.as_bytes()).map_err(Error::Stdout)
}

fn card(manifest: &Manifest, folder: &Path, path: &Path) -> Result<String> {
    ensure(!manifest.model.is_empty(), || {
        data::Error::malformed(path, "it lists no [[model]]")
    })?;
    let mut text = format!(
        "# Models\n\n\
         <!-- Written by `cargo run -p infer -- card {}`: change the manifest, not this page. -->\n\n\
         ## Intended use\n\n{}\n\n",
        path.display(),
        manifest.intended_use.trim()
    );
    for entry in &manifest.model {
        text += &model(entry, folder)?;
    }
    text += &format!("## Limits\n\n{}\n", manifest.limits.trim());
    if let Some(experiments) = &manifest.experiments {
        let path = folder.join(experiments);
        text += &format!("\n## Experiments\n\n{}", csv_table(&path)?);
    }
    Ok(text)
}

fn model(entry: &Entry, folder: &Path) -> Result<String> {
    let path = folder.join(&entry.file);
    let bytes = std::fs::read(&path).map_err(data::Error::io(&path))?;
    let contract = models::onnx::contract(&bytes).map_err(Error::model(&path))?;
    let evaluations: Vec<(&str, EvaluationFile)> = entry
        .evaluation
        .iter()
        .map(|e| {
            Ok((
                e.name.as_str(),
                EvaluationFile::read(&folder.join(&e.file))?,
            ))
        })
        .collect::<Result<_>>()?;
    let mut text = format!(
        "## {}\n\n{}\n\n{}",
        path.file_name().unwrap_or_default().display(),
        entry.purpose.trim(),
        facts(&contract, &bytes)
    );
    if !evaluations.is_empty() {
        text += &evaluation::comparison(&evaluations);
    }
    for evaluation in entry.evaluation.iter().filter(|e| !e.seeds.is_empty()) {
        text += &evaluation::seeds(&evaluation.name, &read_all(&evaluation.seeds, folder)?);
    }
    if !entry.cross_validation.is_empty() {
        let validations: Vec<(&str, Vec<EvaluationFile>)> = entry
            .cross_validation
            .iter()
            .map(|c| Ok((c.name.as_str(), read_all(&c.folds, folder)?)))
            .collect::<Result<_>>()?;
        text += &evaluation::cross_validations(&validations)?;
    }
    if let Some((name, main)) = evaluations.first() {
        text += &evaluation::details(name, main);
    }
    for (_, evaluation) in &evaluations {
        text += &evaluation.noise();
    }
    if let Some(score) = &entry.explanation {
        text += &explanation::section(&folder.join(&score.file), &score.name)?;
    }
    if let Some(settings) = &entry.settings {
        let path = folder.join(settings);
        let settings = std::fs::read_to_string(&path).map_err(data::Error::io(&path))?;
        let _ = write!(
            text,
            "### Recipe\n\n<details><summary>Settings of the run</summary>\n\n```toml\n{}\n```\n\n</details>\n\n",
            settings.trim()
        );
    }
    Ok(text)
}

fn read_all(files: &[PathBuf], folder: &Path) -> Result<Vec<EvaluationFile>> {
    let read = |file: &PathBuf| EvaluationFile::read(&folder.join(file));
    files.iter().map(read).collect()
}

/// What the contract and the file say about a model.
fn facts(contract: &Contract, bytes: &[u8]) -> String {
    let training = &contract.training;
    let rows = [
        ("Input", input(&contract.input)),
        ("Temperature", format!("{:.3}", contract.temperature)),
        (
            "Reject threshold",
            match contract.reject_threshold {
                0.0 => "none".into(),
                threshold => format!("probability below {threshold:.3}"),
            },
        ),
        (
            "Recipe",
            format!("{}, seed {}", training.recipe, training.seed),
        ),
        ("Trained on", training.data.clone()),
        (
            "SHA-256 of the training beats",
            format!("`{}`", training.data_sha256),
        ),
        ("Trainer", training.trainer.clone()),
        (
            "File",
            format!(
                "{:.0} kB, SHA-256 `{}`",
                bytes.len() as f64 / 1000.0,
                sha256(bytes)
            ),
        ),
    ];
    let mut text = String::from("| | |\n|---|---|\n");
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {} |", escaped(&value));
    }
    text.push('\n');
    text
}

fn input(input: &InputSpec) -> String {
    let leads = match input.leads.as_slice() {
        [] => "any one lead".into(),
        leads => leads.join(" + "),
    };
    let band = input.band.map_or("unfiltered".into(), |[low, high]| {
        format!("{low}-{high} Hz")
    });
    format!(
        "{leads} at {} Hz, {band}; {} samples before and {} after the fiducial point in {} channel(s); {} rhythm features",
        input.fs,
        input.before,
        input.after,
        input.channels(),
        input.rhythm.len()
    )
}

fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// A CSV file with a heading as a Markdown table.
fn csv_table(path: &Path) -> Result<String> {
    let malformed = |e: csv::Error| data::Error::malformed(path, e.to_string());
    let mut reader = csv::Reader::from_path(path).map_err(malformed)?;
    let row = |cells: &csv::StringRecord| {
        let cells: Vec<String> = cells.iter().map(escaped).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let heading = reader.headers().map_err(malformed)?.clone();
    let mut text = row(&heading);
    let _ = writeln!(text, "|{}", "---|".repeat(heading.len()));
    for record in reader.records() {
        text += &row(&record.map_err(malformed)?);
    }
    Ok(text)
}

/// Text that cannot end a cell of a Markdown table.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// The JSON file of a command of this program, told by two of its keys.
fn read_json(path: &Path, command: &str, keys: [&str; 2]) -> Result<Value> {
    let bytes = std::fs::read(path).map_err(data::Error::io(path))?;
    let value: Value =
        serde_json::from_slice(&bytes).map_err(|e| data::Error::malformed(path, e.to_string()))?;
    ensure(keys.iter().all(|key| value.get(key).is_some()), || {
        let [a, b] = keys;
        let detail = format!("not a file of `{command}`: it has no '{a}' and '{b}'");
        data::Error::malformed(path, detail)
    })?;
    Ok(value)
}

fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(data::Error::io(path))?;
    Ok(toml::from_str(&text).map_err(|e| data::Error::malformed(path, e.to_string()))?)
}
