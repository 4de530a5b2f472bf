//! A folder to deploy, laid out as Triton and KServe have it.
//!
//! ```text
//! BUNDLE/resnet/config.pbtxt
//! BUNDLE/resnet/1/model.onnx            the classifier, version 1
//! BUNDLE/resnet-explain/config.pbtxt
//! BUNDLE/resnet-explain/1/model.onnx    its graph of gradients
//! ```

use std::path::{Path, PathBuf};

/// The file of one version of a model.
pub const MODEL: &str = "model.onnx";
/// What Triton goes by, beside a model's versions.
pub const CONFIG: &str = "config.pbtxt";
/// The name of what explains a model ends so.
pub const EXPLAIN: &str = "-explain";

/// The file of the one classifier in a bundle, or in the folder of one model: its
/// greatest version.
///
/// # Errors
/// In words: there is none, or there are several.
pub fn classifier(folder: &Path) -> Result<PathBuf, String> {
    if let Some(file) = newest(folder) {
        return Ok(file);
    }
    let mut models: Vec<(String, PathBuf)> = folders(folder)
        .filter_map(|folder| Some((name(&folder), newest(&folder)?)))
        .filter(|(name, _)| !name.ends_with(EXPLAIN))
        .collect();
    models.sort();
    match models.pop() {
        Some((_, file)) if models.is_empty() => Ok(file),
        Some(last) => {
            let names: Vec<&str> = models.iter().chain([&last]).map(|m| &*m.0).collect();
            Err(format!(
                "is a folder of several classifiers ({}); name one of them, such as {}",
                names.join(", "),
                folder.join(names[0]).display()
            ))
        }
        None => Err(format!(
            "is a folder and no bundle: it has no NAME/1/{MODEL}; name an ONNX file, or a folder that `infer bundle` made"
        )),
    }
}

/// Where in a bundle a file lies: the folder of its model and its version's name.
/// `None` for a file that lies in none.
pub(super) fn place(file: &Path) -> Option<(PathBuf, String)> {
    if file.file_name()? != MODEL {
        return None;
    }
    let file = std::path::absolute(file).ok()?;
    let version = file.parent()?;
    let number = name(version);
    number.parse::<u64>().ok()?;
    Some((version.parent()?.to_owned(), number))
}

/// Whether models have folders in this one.
pub(super) fn holds_models(folder: &Path) -> bool {
    folders(folder).any(|model| newest(&model).is_some())
}

/// A file of a model: the model's name, its version, and where it lies.
pub struct Version {
    /// The name of the model's folder.
    pub name: String,
    /// The name of the version's folder, a number.
    pub number: String,
    /// The file.
    pub file: PathBuf,
}

/// All versions of all models of a folder, which may be the folder of one model, by
/// name and number.
pub fn versions(folder: &Path) -> Vec<Version> {
    let models = std::iter::once(folder.to_owned()).chain(folders(folder));
    let mut all: Vec<(String, u64, Version)> = models
        .flat_map(|model| {
            let each = of_model(&model).into_iter();
            each.map(move |(number, file)| {
                let version = Version {
                    name: name(&model),
                    number: file.parent().map(name).unwrap_or_default(),
                    file,
                };
                (version.name.clone(), number, version)
            })
        })
        .collect();
    all.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    all.into_iter().map(|(_, _, version)| version).collect()
}

/// The greatest version in the folder of one model.
fn newest(model: &Path) -> Option<PathBuf> {
    of_model(model).into_iter().max().map(|(_, file)| file)
}

/// The versions in the folder of one model.
fn of_model(model: &Path) -> Vec<(u64, PathBuf)> {
    let number = |folder: &PathBuf| name(folder).parse::<u64>().ok();
    folders(model)
        .filter_map(|folder| Some((number(&folder)?, folder.join(MODEL))))
        .filter(|(_, file)| file.is_file())
        .collect()
}

/// The last part of a path.
pub(super) fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn folders(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shipped::{explain_graph, file_name, find, is_explain_graph, read};

    #[test]
    fn a_bundle_means_its_one_classifier() {
        let bundle = std::env::temp_dir().join(format!("ectopy-bundle-{}", std::process::id()));
        let make = |model: &str| {
            let file = bundle.join(model).join(MODEL);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, model).unwrap();
            file
        };
        let none = read(&find(&bundle)).unwrap_err().to_string();
        assert!(none.contains("no such model"), "{none}");
        std::fs::create_dir_all(bundle.join("other")).unwrap();
        let none = read(&find(&bundle)).unwrap_err().to_string();
        assert!(none.contains("no bundle") && none.contains("infer bundle"));

        let second = make("resnet/2");
        let tenth = make("resnet/10");
        let explains = make("resnet-explain/10");
        make("resnet/draft");
        for named in [&bundle, &bundle.join("resnet"), &tenth] {
            assert_eq!(find(named), tenth);
        }
        assert_eq!(read(&bundle).unwrap(), b"resnet/10");
        assert_eq!(find(&second), second);
        assert_eq!(explain_graph(&tenth), explains);
        assert!(is_explain_graph(&explains) && !is_explain_graph(&tenth));
        assert_eq!(file_name(&tenth), "resnet.onnx");
        assert_eq!(file_name(&bundle.join("kaggle.onnx")), "kaggle.onnx");

        make("kaggle/1");
        let several = read(&find(&bundle)).unwrap_err().to_string();
        assert!(
            several.contains("several classifiers (kaggle, resnet)"),
            "{several}"
        );
        assert_eq!(find(&bundle.join("resnet")), tenth);
        std::fs::remove_dir_all(&bundle).unwrap();
    }
}
