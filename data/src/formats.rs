//! Recordings on disk: one door, and a folder of readers and writers per format
//! behind it. Nothing outside knows how the files of a recording are called.
//!
//! A recording is named by its path: without an ending, `FOLDER/100`, where it
//! consists of several files, and with it, `FOLDER/night.edf`, where it is one
//! file, whose format is found by its bytes. An annotator is named by a word, such
//! as `atr`, and has a file beside it, `FOLDER/100.atr` or `FOLDER/night.atr`.
//!
//! | format | files | read in pieces |
//! |---|---|---|
//! | WFDB, every signal format | several | yes; FLAC (508, 516, 524) a block at a time |
//! | EDF, EDF+C, EDF+D, BDF, BDF+ | one | yes; gaps of `+D` are invalid samples |
//! | ISHNE 1.0 | one, and one of annotations | yes |
//! | DICOM waveforms of an ECG | one | yes |
//! | samples as CSV, TSV or Parquet, where [`open_samples`] is asked for | one | yes |
//! | a record in memory, see [`Recording::of_record`] | none | yes |

#[cfg(feature = "parquet")]
pub(crate) mod columns;
mod dicom;
pub mod edf;
pub mod foreign;
mod interleaved;
pub mod ishne;
mod layout;
mod lead;
mod memory;
mod recording;
pub mod samples;
pub(crate) mod text;
pub mod wfdb;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::output::is_own_file;
use crate::record::error::{Error, Result};
pub use lead::Lead;
pub use recording::{Chunks, Extent, Recording};
pub use wfdb::Clock;
pub(crate) use wfdb::is_inside;

/// Endings of a recording's own files as databases publish them: the main file,
/// and the signals.
pub const OWN_FILES: [&str; 2] = ["hea", "dat"];

/// Opens a recording by its path, `FOLDER/100` or `FOLDER/night.edf`, or by its
/// main file.
///
/// Of WFDB, all storage formats of WFDB are read, multi-segment records of fixed and
/// variable layout included. Samples are in physical units, mV for every voltage:
/// the `f32` nearest to `(sample - baseline) / gain`, NaN where the file marks a
/// sample invalid or a segment lacks the signal. Skew is undone. They come at the
/// rate of the fastest ECG lead, so that a lead is not repeated for the sake of
/// another kind of signal, of which samples are then left out; see
/// [`Recording::at_full_rate`].
///
/// ```
/// # fn main() -> data::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("ectopy-open-{}", std::process::id()));
/// # let settings = data::simulate::synth::Settings::new(250.0, 1);
/// # let (written, _) = data::simulate::synth::record("s1", &settings, 10.0)?;
/// # data::formats::wfdb::write_record(&folder, &written)?;
/// let record = data::formats::open(&folder.join("s1"))?.read()?;
/// assert_eq!((record.fs, record.len()), (250.0, 2500));
/// // Samples are in mV, to the step of the file's 16 bits.
/// for (read, wrote) in record.signals.iter().zip(&written.signals) {
///     let pairs = read.samples.iter().zip(&wrote.samples);
///     assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 0.01));
/// }
/// # std::fs::remove_dir_all(&folder).map_err(data::Error::io(&folder))
/// # }
/// ```
///
/// # Errors
/// [`crate::Error::Io`] when a file is missing, [`crate::Error::Malformed`] when
/// a header makes no sense, [`crate::Error::Unsupported`] for what the format does
/// not define and for a file of another format.
pub fn open(path: &Path) -> Result<Recording> {
    Recording::open(path)
}

/// Opens a table of samples, a row for each, as a recording: CSV, TSV and the like,
/// perhaps packed with gzip, or Parquet. Because such a file may as well hold beats,
/// [`open`] does not; see [`samples`] for what the options say.
///
/// # Errors
/// [`crate::Error::Io`]; [`crate::Error::Malformed`] for what is no such table;
/// [`crate::Error::Invalid`] where nothing tells how many samples a second has.
pub fn open_samples(path: &Path, options: &samples::Options) -> Result<Recording> {
    Recording::open_samples(path, options)
}

/// The names of a folder's recordings: those of its list of them (`RECORDS`), or
/// else every recording in it, sorted. A recording in one file keeps its ending.
///
/// In `RECORDS`, blank lines and lines that start with `#` are passed over; `a/100`
/// is a recording in a subfolder, and `a/` stands for the recordings of a folder. A
/// name that is not UTF-8 has U+FFFD in place of what is not.
///
/// # Errors
/// [`crate::Error::Io`] when the folder cannot be listed;
/// [`crate::Error::Invalid`] when there is no recording in it.
pub fn find(folder: &Path) -> Result<Vec<String>> {
    let names = wfdb::record_names(folder, &find_unlisted)?;
    if names.is_empty() {
        return Err(Error::Invalid(format!(
            "{}: no WFDB records here, and no other recordings; name a folder that holds .hea and .dat files, a RECORDS file that lists them, or recordings in one file each; formats: {}",
            folder.display(),
            layout::known()
        )));
    }
    Ok(names)
}

/// The names of all recordings in a folder, sorted, whatever its list of them
/// says; none where there is none. A file beside a WFDB record of its name is that
/// record in another format, and is not listed; nor is one of annotations alone.
///
/// # Errors
/// [`crate::Error::Io`] when the folder cannot be listed.
pub fn find_unlisted(folder: &Path) -> Result<Vec<String>> {
    let mut names = wfdb::header_names(folder)?;
    let records: BTreeSet<String> = names.iter().cloned().collect();
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if !records.contains(&*stem) && layout::is_listed(&path) {
            let name = path.file_name().unwrap_or_default();
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The recording at a path, `FOLDER/100`, whether the path has the ending of its
/// main file or not, or the file that it is; `None` where there is none.
pub fn at(path: &Path) -> Option<PathBuf> {
    let header = wfdb::header_path(path);
    match header.is_file() {
        true => Some(header.with_extension("")),
        false => layout::is_recording(path).then(|| path.to_owned()),
    }
}

/// The file that makes a path a recording, there or not: the file itself where it
/// is a recording, else its header.
pub fn main_file(path: &Path) -> PathBuf {
    match is_one_file(path) {
        true => path.to_owned(),
        false => wfdb::header_path(path),
    }
}

/// Whether a path is a recording in one file. A header goes first.
fn is_one_file(path: &Path) -> bool {
    !wfdb::header_path(path).is_file() && layout::is_recording(path)
}

/// Every file that a recording consists of, the main file first, annotations
/// apart. No file is named twice.
///
/// # Errors
/// As [`open`].
pub fn files(recording: &Path) -> Result<Vec<PathBuf>> {
    if is_one_file(recording) {
        return Ok(vec![recording.to_owned()]);
    }
    match wfdb::files(recording) {
        (files, None) => Ok(files),
        (_, Some(error)) => Err(error),
    }
}

/// The files of a recording as far as they are known, the main file first: what
/// no output may replace, even where the recording is damaged.
pub fn known_files(recording: &Path) -> Vec<PathBuf> {
    match is_one_file(recording) {
        true => vec![recording.to_owned()],
        false => wfdb::files(recording).0,
    }
}

/// The recording that a file belongs to: it has the recording's name, or the
/// recording names it. `None` for a file of no recording.
pub fn owner(file: &Path) -> Option<PathBuf> {
    wfdb::record_of(file).or_else(|| one_file_beside(file))
}

/// The recording in one file of which this is an annotation file.
fn one_file_beside(file: &Path) -> Option<PathBuf> {
    if !has_annotations(file) {
        return None;
    }
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty());
    let entries = std::fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let stem = file.file_stem();
    let mut beside: Vec<PathBuf> = paths
        .filter(|path| path.file_stem() == stem && layout::is_recording(path))
        .collect();
    beside.sort();
    Some(file.with_file_name(beside.first()?.file_name()?))
}

/// Whether a file holds annotations.
fn has_annotations(file: &Path) -> bool {
    file.is_file() && wfdb::AnnotationFile::read(file).is_ok_and(|f| !f.annotations.is_empty())
}

/// The file of what `annotator` says about a recording: for `FOLDER/100` and
/// `atr` the file `FOLDER/100.atr`, for `FOLDER/night.edf` `FOLDER/night.atr`, or
/// `FOLDER/night.edf.atr` where only that is there.
pub fn annotation_path(recording: &Path, annotator: &str) -> PathBuf {
    let path = beside(recording, annotator);
    let longer = with_ending(recording, annotator);
    match !path.is_file() && longer.is_file() {
        true => longer,
        false => path,
    }
}

/// Where annotations are written.
fn beside(recording: &Path, annotator: &str) -> PathBuf {
    with_ending(&without_ending(recording), annotator)
}

/// A recording's path without the ending that a recording in one file has: by its
/// name, since its annotations may lie in another folder.
fn without_ending(recording: &Path) -> PathBuf {
    let ending = recording.extension().and_then(|e| e.to_str());
    match ending.is_some_and(layout::is_ending) && !wfdb::header_path(recording).is_file() {
        true => recording.with_extension(""),
        false => recording.to_owned(),
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    // A name that is no file's, such as one with a slash, must not panic.
    let mut path = path.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    PathBuf::from(path)
}

/// As [`annotation_path`], for a file that is there.
///
/// # Errors
/// [`Error::Invalid`] when it is not, with the annotators that the recording has.
pub fn found_annotations(recording: &Path, annotator: &str) -> Result<PathBuf> {
    let path = annotation_path(recording, annotator);
    if path.is_file() {
        return Ok(path);
    }
    let found = annotators(recording);
    let remedy = match found.is_empty() {
        true => "and no other annotator's either".to_owned(),
        false => format!(
            "this recording has {}; name the annotator with --annotator, or --reference where there is that",
            found.join(", ")
        ),
    };
    Err(Error::Invalid(format!(
        "{}: there is no such annotation file, {remedy}",
        path.display()
    )))
}

/// The annotators of a recording, sorted: whose files lie beside it and can be read.
fn annotators(recording: &Path) -> Vec<String> {
    let own = known_files(recording);
    let plain = without_ending(recording);
    let stems = [recording.file_name(), plain.file_name()];
    let folder = recording.parent().filter(|p| !p.as_os_str().is_empty());
    let files = std::fs::read_dir(folder.unwrap_or(Path::new("."))).into_iter();
    let paths = files.flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let beside = paths.filter(|path| stems.contains(&path.file_stem()) && !own.contains(path));
    let mut found: Vec<String> = beside
        .filter(|path| has_annotations(path))
        .filter_map(|path| Some(path.extension()?.to_str()?.to_owned()))
        .collect();
    found.sort();
    found
}

/// As [`annotation_path`], for a file that is going to be written.
///
/// # Errors
/// [`Error::Invalid`] for an annotator's name that WFDB cannot express, or that
/// is a recording's own file everywhere.
pub fn new_annotation_path(recording: &Path, annotator: &str) -> Result<PathBuf> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if annotator.is_empty() || !annotator.chars().all(plain) {
        return Err(Error::Invalid(format!(
            "--annotator '{annotator}': WFDB's annotator names are letters, digits and underscores"
        )));
    }
    if OWN_FILES.contains(&&*annotator.to_ascii_lowercase()) {
        return Err(is_own_file(annotator));
    }
    Ok(beside(recording, annotator))
}
