//! Which model serves the inputs of a run, and whether it fits them.

use std::path::{Path, PathBuf};

use data::output::Outputs;
use data::pipeline::input::{InputSpec, Layout};
use data::record::error::ensure;
use models::fit::differences;
use models::shipped::{self, FOLDER, FOLDER_VARIABLE, SHIPPED};

use crate::error::{Error, Result};
use crate::source::Source;

/// The model that serves sources: the one that the user names, else the shipped
/// one that fits all of them.
///
/// # Errors
/// As [`choose`].
pub fn model_for(sources: &[Source], named: Option<&Path>) -> Result<PathBuf> {
    let shipped = || choose(&sources.iter().map(Source::input).collect::<Vec<_>>());
    named.map_or_else(shipped, |path| Ok(shipped::find(path)))
}

/// Refuses sources that were prepared otherwise than a model expects.
///
/// # Errors
/// Says for the first of them what differs.
pub fn check(sources: &[Source], model: &Path, expected: &InputSpec) -> Result<()> {
    for source in sources {
        let unfit = source.unfit(expected);
        ensure(unfit.is_empty(), || {
            Error::Unfit(format!(
                "{} does not fit {}: {}; choose another model with --model{}",
                source.path.display(),
                model.display(),
                unfit.join("; "),
                // Beats are cut from recordings, and for other models than those of tables.
                match (source.record_name(), expected.layout) {
                    (None, Layout::Kaggle | Layout::Window) =>
                        ", or cut beats for this one from recordings with `data convert`",
                    _ => "",
                }
            ))
        })?;
    }
    Ok(())
}

/// Finds the shipped model for inputs that were prepared as `inputs` say;
/// `None` stands for a recording, which is prepared as the model asks.
///
/// # Errors
/// There is no folder of models, or no model in it fits every input: the
/// message says what each lacks.
pub fn choose(inputs: &[Option<InputSpec>]) -> Result<PathBuf> {
    let place = place()?;
    let mut candidates = Vec::new();
    for path in classifiers(&place)? {
        let bytes = std::fs::read(&path).map_err(data::Error::io(&path))?;
        candidates.push((path, models::onnx::contract(&bytes).map(|c| c.input)));
    }
    // Recordings are better served by windows than by the Kaggle format, which
    // needs the next R peak and loses the amplitude.
    candidates
        .sort_by_key(|(_, input)| !matches!(input, Ok(input) if input.layout == Layout::Window));
    let mut refusals = Vec::new();
    for (path, input) in &candidates {
        let unfit = match input {
            Ok(input) => inputs
                .iter()
                .flatten()
                .flat_map(|prepared| differences(prepared, input))
                .next(),
            Err(error) => Some(error.to_string()),
        };
        match unfit {
            None => return Ok(path.clone()),
            Some(reason) => refusals.push(format!("\n  {}: {reason}", path.display())),
        }
    }
    let refusals = refusals.concat();
    Err(Error::Input(format!(
        "no model in {} fits the input{}; name one with --model{refusals}",
        place[0].display(),
        if inputs.len() == 1 {
            ""
        } else {
            "s, all of them"
        }
    )))
}

/// The classifiers that a program finds where none is named, a name once.
///
/// # Errors
/// There is no folder of models.
pub fn all() -> Result<Vec<PathBuf>> {
    classifiers(&place()?)
}

/// The classifiers of a folder, and of the folder of shipped models in it.
///
/// # Errors
/// It cannot be read.
pub fn classifiers_in(folder: &Path) -> Result<Vec<PathBuf>> {
    classifiers(&[folder.to_owned(), folder.join(SHIPPED)])
}

/// Makes a model's file, and the one that explains it, inputs of a run, which
/// no output may replace.
pub fn protect(model: &Path, outputs: &mut Outputs) {
    outputs.input(model);
    outputs.input(&shipped::explain_graph(model));
}

/// The place of models: the one that the user names, else the first of the
/// usual places that holds any.
fn place() -> Result<[PathBuf; 2]> {
    let mut places = shipped::places();
    if places.len() == 1 {
        return Ok(places.remove(0));
    }
    let holds_models = |place: &[PathBuf; 2]| classifiers(place).is_ok_and(|f| !f.is_empty());
    places
        .into_iter()
        .find(holds_models)
        .ok_or_else(|| Error::Input(format!(
            "no model is given and no folder '{FOLDER}' with .onnx files is in the current folder or above the program; use --model FILE, or set {FOLDER_VARIABLE} to the folder"
        )))
}

/// The classifiers of a place, the user's own before the shipped ones, each
/// group sorted by name. A name stands once: the user's file hides the shipped
/// one.
fn classifiers([own, shipped]: &[PathBuf; 2]) -> Result<Vec<PathBuf>> {
    let mut paths = in_folder(own)?;
    if shipped.is_dir() {
        let mut more = in_folder(shipped)?;
        more.retain(|path| !paths.iter().any(|own| own.file_name() == path.file_name()));
        paths.append(&mut more);
    }
    Ok(paths)
}

/// The classifiers in a folder, sorted by name.
fn in_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(data::Error::io(folder))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(data::Error::io(folder))?.path();
        // Explain graphs carry the same contract.
        let is_model = path.extension().is_some_and(|e| e == "onnx");
        if is_model && !shipped::is_explain_graph(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
