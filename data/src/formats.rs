//! Recordings on disk: one door, and a folder of readers and writers per format
//! behind it. Nothing outside knows how the files of a recording are called.
//!
//! A recording is named by its path without an ending, `FOLDER/100`. An
//! annotator is named by a word, such as `atr`, and has a file beside it.
//!
//! | format | read in pieces |
//! |---|---|
//! | WFDB, every signal format | yes; FLAC (508, 516, 524) a block at a time |

#[cfg(feature = "parquet")]
pub(crate) mod columns;
mod dicom;
pub mod foreign;
mod interleaved;
pub mod ishne;
mod recording;
pub mod samples;
pub(crate) mod text;
pub mod wfdb;

use std::path::{Path, PathBuf};

use crate::output::is_own_file;
use crate::record::error::{Error, Result};
pub use recording::{Chunks, Extent, Lead, Recording};
pub use wfdb::Clock;
pub(crate) use wfdb::is_inside;

/// Endings of a recording's own files as databases publish them: the main file,
/// and the signals.
pub const OWN_FILES: [&str; 2] = ["hea", "dat"];

/// Opens a recording by its path, `FOLDER/100`, or by its main file.
///
/// All storage formats of WFDB are read, multi-segment records of fixed and
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
/// not define.
pub fn open(path: &Path) -> Result<Recording> {
    Recording::open(path)
}

/// The names of a folder's recordings: those of its list of them, or else every
/// recording in it, sorted; see [`wfdb::record_names`].
///
/// # Errors
/// [`crate::Error::Io`] when the folder cannot be listed;
/// [`crate::Error::Invalid`] when there is no recording in it.
pub fn find(folder: &Path) -> Result<Vec<String>> {
    wfdb::record_names(folder)
}

/// The names of all recordings in a folder, sorted, whatever its list of them
/// says; none where there is none.
///
/// # Errors
/// [`crate::Error::Io`] when the folder cannot be listed.
pub fn find_unlisted(folder: &Path) -> Result<Vec<String>> {
    wfdb::header_names(folder)
}

/// The recording at a path, `FOLDER/100`, whether the path has the ending of its
/// main file or not; `None` where there is none.
pub fn at(path: &Path) -> Option<PathBuf> {
    let main = main_file(path);
    main.is_file().then(|| main.with_extension(""))
}

/// The file that makes a path a recording, there or not: its header.
pub fn main_file(path: &Path) -> PathBuf {
    wfdb::header_path(path)
}

/// Every file that a recording consists of, the main file first, annotations
/// apart. No file is named twice.
///
/// # Errors
/// As [`open`].
pub fn files(recording: &Path) -> Result<Vec<PathBuf>> {
    match wfdb::files(recording) {
        (files, None) => Ok(files),
        (_, Some(error)) => Err(error),
    }
}

/// The files of a recording as far as they are known, the main file first: what
/// no output may replace, even where the recording is damaged.
pub fn known_files(recording: &Path) -> Vec<PathBuf> {
    wfdb::files(recording).0
}

/// The recording that a file belongs to: it has the recording's name, or the
/// recording names it. `None` for a file of no recording.
pub fn owner(file: &Path) -> Option<PathBuf> {
    wfdb::record_of(file)
}

/// The file of what `annotator` says about a recording: for `FOLDER/100` and
/// `atr` the file `FOLDER/100.atr`.
pub fn annotation_path(recording: &Path, annotator: &str) -> PathBuf {
    // A name that is no file's, such as one with a slash, must not panic.
    let mut path = recording.as_os_str().to_owned();
    path.push(".");
    path.push(annotator);
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
    let stem = recording.file_name();
    let folder = recording.parent().filter(|p| !p.as_os_str().is_empty());
    let files = std::fs::read_dir(folder.unwrap_or(Path::new("."))).into_iter();
    let paths = files.flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let beside = paths.filter(|path| path.file_stem() == stem && !own.contains(path));
    let mut found: Vec<String> = beside
        .filter(|path| {
            wfdb::AnnotationFile::read(path).is_ok_and(|file| !file.annotations.is_empty())
        })
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
    Ok(annotation_path(recording, annotator))
}
