//! The card of one model in a bundle: a page of its own, with the header that
//! Hugging Face reads.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use models::Contract;
use models::shipped;
use serde_json::json;

use super::evaluation::EvaluationFile;
use super::{Entry, Manifest, facts, model, read_toml, sha256};
use crate::error::Result;

/// Where the manifest of the shipped models lies, in a folder of models.
const MANIFEST: &str = "evidence/card.toml";
/// The licence of what comes with the project, in Hugging Face's words.
const LICENSE: &str = "apache-2.0";
/// What Hugging Face calls a task that none of its own names fits.
const TASK: &str = "other";

const TAGS: [&str; 7] = [
    "ectopy",
    "onnx",
    "ecg",
    "electrocardiography",
    "heartbeat-classification",
    "arrhythmia",
    "time-series",
];

const NOTICE: &str = "\
> **Research software.** This model is not a medical device, has not been evaluated by\n\
> any authority, and must not be used for diagnosis or treatment.\n";

const INTENDED_USE: &str = "\
Research on heartbeat classification. Not for diagnosis or treatment: nothing here was\n\
evaluated as a medical device.\n";

const NO_RESULTS: &str = "\
No evaluation was given when this card was made. `infer evaluate` measures the model on\n\
annotated records, and `infer bundle --card` puts the figures here.\n";

/// What a card is of.
pub(crate) struct Subject<'a> {
    /// The name under which the model is served.
    pub name: &'a str,
    /// Its file.
    pub bytes: &'a [u8],
    /// The contract in that.
    pub contract: &'a Contract,
    /// What the user names to make the card from.
    pub manifest: Option<&'a Path>,
    /// The licence that the user names.
    pub license: Option<&'a str>,
}

/// A card.
pub(crate) struct Page {
    /// The page with its header.
    pub text: String,
    /// Whether a manifest tells of the model.
    pub has_results: bool,
}

/// A model that a manifest tells of.
struct Told {
    manifest: Manifest,
    /// Its place among the manifest's models.
    place: usize,
    folder: PathBuf,
}

impl Told {
    fn entry(&self) -> &Entry {
        &self.manifest.model[self.place]
    }
}

/// The card of a model.
///
/// # Errors
/// The manifest or a file that it names cannot be read, or the manifest that the
/// user names does not tell of the model.
pub(crate) fn page(subject: &Subject) -> Result<Page> {
    let told = told(subject)?;
    let mut text = header(subject, told.as_ref())?;
    let name = subject.name;
    let classes: Vec<&str> = subject.contract.classes.names().collect();
    let _ = write!(
        text,
        "\n# {name}\n\n<!-- Written by `infer bundle`. -->\n\n{NOTICE}\n\
         Sorts heartbeats of an ECG into the classes {}. What it expects of a signal is its\n\
         *contract*, inside the ONNX file: `infer describe .` prints it.\n\n\
         ## Use\n\n\
         ```sh\n\
         sha256sum -c SHA256SUMS                # nothing was damaged on the way\n\
         infer RECORDING --model .              # classify a recording, or a table of beats\n\
         embedded RECORDING --model .           # the same on a small machine, live\n\
         infer serve --models .                 # Open Inference Protocol, port 8080\n\
         docker compose up                      # the same in a container\n\
         tritonserver --model-repository \"$PWD\" # or KServe, with this folder as its storage\n\
         ```\n\n\
         `{name}` classifies, `{name}-explain` gives for each beat the gradient of a class's\n\
         logit with respect to every sample, and Grad-CAM.\n\n",
        classes.join(", ")
    );
    match &told {
        Some(told) => {
            let manifest = &told.manifest;
            let _ = write!(
                text,
                "## Intended use\n\n{}\n\n{}## Limits\n\n{}\n",
                manifest.intended_use.trim(),
                model(told.entry(), &told.folder)?,
                manifest.limits.trim()
            );
        }
        None => {
            let _ = write!(
                text,
                "## Intended use\n\n{INTENDED_USE}\n## The model\n\n{}## Results\n\n{NO_RESULTS}",
                facts(subject.contract, subject.bytes)
            );
        }
    }
    Ok(Page {
        text,
        has_results: told.is_some(),
    })
}

/// What the user's manifest, or that of the shipped models, tells of a model: the
/// entry whose file is the same to the byte.
fn told(subject: &Subject) -> Result<Option<Told>> {
    let hash = sha256(subject.bytes);
    let look = |path: &Path| -> Result<Option<Told>> {
        let manifest: Manifest = read_toml(path)?;
        let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
        let is_it = |entry: &Entry| {
            let bytes = std::fs::read(folder.join(&entry.file));
            bytes.is_ok_and(|bytes| sha256(&bytes) == hash)
        };
        let place = manifest.model.iter().position(is_it);
        Ok(place.map(|place| Told {
            manifest,
            place,
            folder,
        }))
    };
    if let Some(path) = subject.manifest {
        return look(path)?.map(Some).ok_or_else(|| {
            let detail = format!(
                "it tells of no file with the SHA-256 {hash} of {}; name the file in a [[model]] of it",
                subject.name
            );
            data::Error::malformed(path, detail).into()
        });
    }
    let places = shipped::places().into_iter();
    let usual = places.map(|[folder, _]| folder.join(MANIFEST));
    match usual.into_iter().find(|path| path.is_file()) {
        Some(path) => look(&path),
        None => Ok(None),
    }
}

/// The header, in YAML. Text is written as JSON, which YAML takes as it is.
fn header(subject: &Subject, told: Option<&Told>) -> Result<String> {
    let mut text = String::from("---\n");
    // Whoever trained a model says how it may be used.
    let license = subject.license.or(told.map(|_| LICENSE));
    if let Some(license) = license {
        let _ = writeln!(text, "license: {}", json!(license));
    }
    let _ = writeln!(text, "library_name: onnx\npipeline_tag: {TASK}");
    list(&mut text, "tags", TAGS);
    let Some(told) = told else {
        return Ok(text + "---\n");
    };
    let entry = told.entry();
    list(&mut text, "datasets", entry.datasets.iter().map(|d| &**d));
    let mut results = String::new();
    for evaluated in &entry.evaluation {
        let file = EvaluationFile::read(&told.folder.join(&evaluated.file))?;
        // A card compares with other models too; their figures are not this one's.
        if !file.is_of(subject.contract) {
            continue;
        }
        let dataset = evaluated.dataset.as_deref().unwrap_or(&evaluated.name);
        let _ = write!(
            results,
            "  - task:\n      type: {TASK}\n      name: Heartbeat classification\n    dataset:\n      type: {}\n      name: {}\n    metrics:\n",
            json!(dataset),
            json!(evaluated.name)
        );
        for (name, place, value) in file.figures() {
            // Readers of YAML 1.1 take 1e-5 for text; this writes 0.00001.
            let value = (value * 1e6).round() / 1e6;
            let _ = write!(
                results,
                "    - type: {}\n      name: {}\n      value: {value}\n",
                kind(place),
                json!(name)
            );
        }
    }
    if !results.is_empty() {
        let name = json!(subject.name);
        let _ = write!(text, "model-index:\n- name: {name}\n  results:\n{results}");
    }
    Ok(text + "---\n")
}

fn list<'a>(text: &mut String, key: &str, items: impl IntoIterator<Item = &'a str>) {
    let mut items = items.into_iter().peekable();
    if items.peek().is_some() {
        let _ = writeln!(text, "{key}:");
    }
    for item in items {
        let _ = writeln!(text, "- {}", json!(item));
    }
}

/// What Hugging Face calls a figure, by its place in the file of an evaluation.
fn kind(place: &str) -> &str {
    match place.rsplit('/').next().unwrap_or(place) {
        "se" => "recall",
        "ppv" => "precision",
        "f1" | "macro_f1" => "f1",
        other => other,
    }
}
