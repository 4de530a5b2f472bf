//! Folders of annotated recordings: finding one, and reading it in parallel.

mod place;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest, Sha256};

#[cfg(feature = "download")]
use crate::datasets::download;
use crate::datasets::splits;
use crate::formats::{self, annotation_path, found_annotations};
use crate::output::Outputs;
use crate::record::Record;
use crate::record::annotation::Annotation;
pub use crate::record::annotation::REFERENCE;
use crate::record::checksum::hexadecimal;
pub use crate::record::error::Failures;
use crate::record::error::{Error, Result};

pub use place::{Kind, Place, Recordings};

/// Environment variable that names the folder of the recordings.
pub const FOLDER_VARIABLE: &str = "ECTOPY_DATA";
/// Where the MIT-BIH Arrhythmia Database is looked for and downloaded to.
pub const DEFAULT_FOLDER: &str = "data/mitdb";

/// A recording and what an annotator says about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotated {
    /// The recording.
    pub record: Record,
    /// Its annotations, at the record's sampling rate.
    pub annotations: Vec<Annotation>,
}

/// The folder of the recordings: the one given, or else the one that the
/// environment variable [`FOLDER_VARIABLE`] names, or else [`DEFAULT_FOLDER`];
/// where that has no records, the MIT-BIH Arrhythmia Database is downloaded
/// into it (with the feature `download`).
///
/// # Errors
/// [`Error::Invalid`] when the folder does not exist, or none is given and the
/// download fails; the message names the ways out.
pub fn locate(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(folder) = given {
        return existing(folder, "--data");
    }
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE).filter(|f| !f.is_empty()) {
        return existing(Path::new(&folder), FOLDER_VARIABLE);
    }
    let folder = PathBuf::from(DEFAULT_FOLDER);
    if formats::find(&folder).is_ok() && !unfinished(&folder) {
        return Ok(folder);
    }
    match fetch(&folder) {
        Ok(()) => Ok(folder),
        Err(why) => Err(Error::Invalid(format!(
            "no recordings: neither --data nor {FOLDER_VARIABLE} is given, {DEFAULT_FOLDER} has none, and {why}; \
             name a folder of WFDB records with --data FOLDER, or use --data synthetic"
        ))),
    }
}

#[cfg(feature = "download")]
fn fetch(folder: &Path) -> Result<(), String> {
    match download::fetch(download::MITDB_URL, folder, false) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("the download failed ({error})")),
    }
}

#[cfg(not(feature = "download"))]
fn fetch(_folder: &Path) -> Result<(), String> {
    Err("this program was built without the download".to_owned())
}

#[cfg(feature = "download")]
fn unfinished(folder: &Path) -> bool {
    download::is_unfinished(folder)
}

#[cfg(not(feature = "download"))]
fn unfinished(_folder: &Path) -> bool {
    false
}

fn existing(folder: &Path, origin: &str) -> Result<PathBuf> {
    let place = Place::of(folder)?;
    if place.kind == Kind::Folder {
        return Ok(place.path);
    }
    if let (Kind::Record, true) = (place.kind, folder.is_dir()) {
        return Err(Error::Invalid(format!(
            "{0}: a record ({1}) and a folder have this name, and the record goes first; write {0}/ for the folder",
            folder.display(),
            formats::main_file(folder).display()
        )));
    }
    Err(Error::Invalid(format!(
        "{}: no such folder or file (from {origin}); name a folder of WFDB records, a file of beats, or use --data synthetic",
        folder.display()
    )))
}

/// The records that a selection stands for: `ds1` or `ds2` (the inter-patient
/// split of the MIT-BIH Arrhythmia Database), `all` (every record of
/// `folder`), a file that lists names, or names with commas between. A record
/// that a list names need not be there: reading it fails, see [`record_path`].
/// The same holds for a split of which the folder has some records.
///
/// # Errors
/// [`Error::Invalid`] when a record that the selection itself names is not in
/// `folder`, a record is named twice, or none is named; [`Error::Io`] when a
/// list cannot be read.
pub fn select(folder: &Path, selection: &str) -> Result<Vec<String>> {
    let split = |text: &str| -> Vec<String> {
        text.split(|c: char| c == ',' || c.is_whitespace())
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let is_there = |name: &str| formats::main_file(&folder.join(name)).is_file();
    let mut by_list = false;
    let names = match selection {
        "ds1" | "ds2" => {
            let split = [splits::DS1, splits::DS2][usize::from(selection == "ds2")];
            by_list = split.iter().any(|name| is_there(name));
            split.map(String::from).to_vec()
        }
        "all" => {
            by_list = true;
            formats::find(folder)?
        }
        path if Path::new(path).is_file() => {
            by_list = true;
            split(&std::fs::read_to_string(path).map_err(Error::io(path))?)
        }
        names => split(names),
    };
    if names.is_empty() {
        return Err(Error::Invalid(format!("'{selection}' names no record")));
    }
    let mut seen = BTreeSet::new();
    for name in &names {
        if !seen.insert(name) {
            return Err(Error::Invalid(format!(
                "record {name} is named twice in '{selection}'"
            )));
        }
        if !by_list && !is_there(name) {
            return Err(Error::Invalid(format!(
                "{}: no such record; choose records with ds1, ds2, all, a file that lists names, or names with commas between",
                formats::main_file(&folder.join(name)).display()
            )));
        }
    }
    Ok(names)
}

/// Makes a record and the annotations that `annotator` made on it inputs of a
/// run, which no output may replace.
pub fn protect(outputs: &mut Outputs, record: &Path, annotator: &str) {
    outputs.record(&formats::known_files(record));
    outputs.input(&annotation_path(record, annotator));
}

/// The path of a record of a folder, without an ending.
///
/// # Errors
/// [`Error::Invalid`] when the name is not UTF-8 or leads out of the folder, or
/// there is no such record.
pub fn record_path(folder: &Path, name: &str) -> Result<PathBuf> {
    let refuse = |why: &str| Err(Error::Invalid(format!("record {name}: {why}")));
    if name.contains(char::REPLACEMENT_CHARACTER) {
        return refuse("its name is not UTF-8; rename its files");
    }
    if !formats::is_inside(name) {
        return refuse("its name leads out of the folder; name records below it");
    }
    let path = folder.join(name);
    let main = formats::main_file(&path);
    match main.is_file() {
        true => Ok(path),
        false => refuse(&format!("there is no {}", main.display())),
    }
}

/// Reads one record and the annotations that `annotator` made on it. The
/// record is called as it was asked for, so that `a/100` and `b/100` differ.
///
/// # Errors
/// As [`record_path`], [`formats::open`], [`formats::Recording::read`] and
/// [`formats::Clock::read`].
pub fn read(folder: &Path, name: &str, annotator: &str) -> Result<Annotated> {
    let path = record_path(folder, name)?;
    let recording = formats::open(&path)?.named(name);
    let clock = recording.clock();
    Ok(Annotated {
        record: recording.read()?,
        annotations: clock.read(&found_annotations(&path, annotator)?)?,
    })
}

/// SHA-256 over one record, in hexadecimal: over the name, length and content
/// of its header, annotations, signal files and segments. [`joined`](crate::record::checksum::joined) of
/// them identifies what beats were prepared from, see [`crate::beat_files::store`].
///
/// # Errors
/// As [`record_path`] and [`formats::files`]; [`Error::Io`] when a file
/// cannot be read.
pub fn sha256(folder: &Path, name: &str, annotator: &str) -> Result<String> {
    let mut hash = Sha256::new();
    let record = record_path(folder, name)?;
    let mut files = formats::files(&record)?;
    files.insert(1, found_annotations(&record, annotator)?);
    for path in files {
        let content = std::fs::read(&path).map_err(Error::io(&path))?;
        let file = path.strip_prefix(folder).unwrap_or(&path);
        hash.update(format!("{}\n{}\n", file.display(), content.len()));
        hash.update(content);
    }
    Ok(hexadecimal(&hash.finalize()))
}

/// Reads the named records with their annotations, all cores at once; the
/// result has the order of `names`.
///
/// # Errors
/// As [`read`], for the first name that fails.
pub fn load<S: AsRef<str> + Sync>(
    folder: &Path,
    names: &[S],
    annotator: &str,
) -> Result<Vec<Annotated>> {
    map(folder, names, annotator, Ok)
}

/// Reads the named records with their annotations and turns each into a `T`,
/// all cores at once, so that only one recording per core is in memory; the
/// result has the order of `names`.
///
/// # Errors
/// As [`read`] and `convert`, for the first name that fails, which the message
/// names.
pub fn map<S: AsRef<str> + Sync, T: Send>(
    folder: &Path,
    names: &[S],
    annotator: &str,
    convert: impl Fn(Annotated) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    read_each(folder, names, annotator, convert, true)
        .into_iter()
        .collect()
}

/// As [`map`], with a result of its own for each record: see [`Failures`].
pub fn each<S: AsRef<str> + Sync, T: Send>(
    folder: &Path,
    names: &[S],
    annotator: &str,
    convert: impl Fn(Annotated) -> Result<T> + Sync,
) -> Vec<Result<T>> {
    read_each(folder, names, annotator, convert, false)
}

fn read_each<S: AsRef<str> + Sync, T: Send>(
    folder: &Path,
    names: &[S],
    annotator: &str,
    convert: impl Fn(Annotated) -> Result<T> + Sync,
    stop_at_failure: bool,
) -> Vec<Result<T>> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(names.len()));
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(name) = names.get(index).map(S::as_ref) else {
                return;
            };
            let result = read(folder, name, annotator).and_then(&convert);
            if result.is_err() && stop_at_failure {
                next.store(names.len(), Ordering::Relaxed);
            }
            if let Ok(mut done) = done.lock() {
                done.push((index, result.map_err(|error| of_record(name, error))));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.min(names.len()) {
            scope.spawn(work);
        }
    });
    let mut done = done.into_inner().unwrap_or_else(|e| e.into_inner());
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// The error with the record's name in it.
fn of_record(name: &str, error: Error) -> Error {
    match error {
        Error::Invalid(why) if !why.contains(name) => {
            Error::Invalid(format!("record {name}: {why}"))
        }
        other => other,
    }
}
