//! Where models lie: the one order in which every program looks for its model.
//!
//! The folder `models` holds what its user exported; the models that came with
//! the project lie in `models/shipped`. What the user made goes first, so that
//! `train --export models/resnet.onnx` changes what is found in its place:
//!
//! 1. `--model models/resnet.onnx` is that file; where it is not there, it is
//!    the shipped one of that name, `models/shipped/resnet.onnx`;
//! 2. `--model resnet` is `resnet.onnx` in the first folder of [`places`] that
//!    has it;
//! 3. `--model FOLDER` is the classifier in a [`bundle`];
//! 4. without `--model`, a program takes from [`places`] what fits its input.

pub mod bundle;

use std::path::{Path, PathBuf};

/// The variable that names the folder of models.
pub const FOLDER_VARIABLE: &str = "ECTOPY_MODELS";

/// The folder's name in the project and beside an installed program.
pub const FOLDER: &str = "models";

/// The folder of the shipped models, inside a folder of models.
pub const SHIPPED: &str = "shipped";

/// The file that explains `NAME.onnx` is `NAME.explain.onnx`.
const EXPLAIN_ENDING: &str = "explain.onnx";

/// Where models may lie, the best place first: the folder that the user names
/// alone, else `models` in the current folder, in each one above the program,
/// and in `share/ectopy` of each. A place is the folder itself and the one of
/// shipped models in it; neither needs to exist.
pub fn places() -> Vec<[PathBuf; 2]> {
    let place = |folder: PathBuf| [folder.clone(), folder.join(SHIPPED)];
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE).filter(|f| !f.is_empty()) {
        return vec![place(folder.into())];
    }
    let mut places = vec![place(FOLDER.into())];
    if let Ok(program) = std::env::current_exe() {
        let above = program.ancestors().skip(1);
        let folders = above.flat_map(|a| [a.join(FOLDER), a.join("share/ectopy").join(FOLDER)]);
        places.extend(folders.map(place));
    }
    places
}

/// The file that `--model` means: `named` itself where no model is found for
/// it, so that the message of whoever opens it tells what the user wrote.
pub fn find(named: &Path) -> PathBuf {
    if named.is_dir() {
        match bundle::classifier(named) {
            Ok(file) => return file,
            // Whoever opens it says that one of several has to be named.
            Err(_) if bundle::holds_models(named) => return named.to_owned(),
            Err(_) => {}
        }
    } else if named.exists() {
        return named.to_owned();
    }
    let is_name = named.components().count() == 1 && named.extension().is_none();
    let found = if is_name {
        let file = named.with_extension("onnx");
        places()
            .into_iter()
            .flatten()
            .map(|folder| folder.join(&file))
            .find(|path| path.is_file())
    } else {
        let shipped = named
            .file_name()
            .map(|file| named.with_file_name(SHIPPED).join(file));
        shipped.filter(|path| path.is_file())
    };
    found.unwrap_or_else(|| named.to_owned())
}

/// The bytes of a model's file, which [`find`] has found or not.
///
/// # Errors
/// When it cannot be read; where it is not there, with the names that would do;
/// a folder that is no bundle of one classifier.
pub fn read(path: &Path) -> data::Result<Vec<u8>> {
    let file = match path.is_dir() {
        true => bundle::classifier(path)
            .map_err(|why| data::Error::Invalid(format!("{}: {why}", path.display())))?,
        false => path.to_owned(),
    };
    std::fs::read(file).map_err(|cause| {
        if cause.kind() != std::io::ErrorKind::NotFound {
            return data::Error::io(path)(cause);
        }
        let known = match names() {
            names if names.is_empty() => "there are no models".to_owned(),
            names => format!("there are {}", names.join(", ")),
        };
        data::Error::Invalid(format!(
            "{}: no such model; name an ONNX file that `train` exported, or a model in the folder '{FOLDER}' or the one that {FOLDER_VARIABLE} names ({known})",
            path.display()
        ))
    })
}

/// The graph of gradients that belongs to a classifier's file, whether it is there
/// or not: beside it, or in its bundle.
pub fn explain_graph(model: &Path) -> PathBuf {
    let beside = model.with_extension(EXPLAIN_ENDING);
    match bundle::place(model) {
        Some((folder, version)) if !beside.exists() => {
            let name = format!("{}{}", bundle::name(&folder), bundle::EXPLAIN);
            folder
                .with_file_name(name)
                .join(version)
                .join(bundle::MODEL)
        }
        _ => beside,
    }
}

/// Whether a file is, by its name, a graph of gradients and no classifier.
pub fn is_explain_graph(model: &Path) -> bool {
    let in_bundle = bundle::place(model);
    in_bundle.is_some_and(|(folder, _)| bundle::name(&folder).ends_with(bundle::EXPLAIN))
        || model.to_string_lossy().ends_with(EXPLAIN_ENDING)
}

/// What a model's file is called; in a bundle by the model's name, as before it
/// came into one.
pub fn file_name(model: &Path) -> String {
    match bundle::place(model) {
        Some((folder, _)) => format!("{}.onnx", bundle::name(&folder)),
        None => bundle::name(model),
    }
}

/// The names of the classifiers in [`places`], sorted.
fn names() -> Vec<String> {
    let folders = places().into_iter().flatten();
    let files = folders.filter_map(|folder| std::fs::read_dir(folder).ok());
    let mut names: Vec<String> = files
        .flat_map(|entries| entries.flatten())
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "onnx"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        // A model's graph of gradients is no classifier.
        .filter(|name| !name.ends_with(".explain"))
        .collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_means_what_lies_there_then_what_was_shipped() {
        let folder = std::env::temp_dir().join(format!("ectopy-shipped-{}", std::process::id()));
        let shipped = folder.join(SHIPPED);
        std::fs::create_dir_all(&shipped).unwrap();
        let named = folder.join("resnet.onnx");
        assert_eq!(find(&named), named);
        std::fs::write(shipped.join("resnet.onnx"), "").unwrap();
        assert_eq!(find(&named), shipped.join("resnet.onnx"));
        std::fs::write(&named, "").unwrap();
        assert_eq!(find(&named), named);
        let error = read(&folder.join("other.onnx")).unwrap_err().to_string();
        assert!(error.contains(FOLDER_VARIABLE), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
