//! The rule about outputs: none destroys an input or what others made.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use super::made_here::is_made_here;
use super::temporary::{self, Temporary, folder_of};
use crate::record::annotation::REFERENCE;
use crate::record::error::{Error, Result};

/// What a run reads and what it is going to write. Every output passes
/// [`Outputs::file`] or [`Outputs::annotations`] before the run begins:
///
/// - it is not an input of the run, by whatever spelling, symbolic or hard link;
/// - no two outputs are one file;
/// - an annotation file is not named as a file of its record;
/// - what is there already was made by these programs (see
///   [`super::made_here`]), or the user gave `--force`;
/// - it can be written: its folder is there or can be made, and it is neither a
///   folder nor a device.
#[derive(Debug, Default)]
pub struct Outputs {
    inputs: BTreeMap<Identity, PathBuf>,
    record_endings: BTreeSet<String>,
    /// Outputs that passed, and folders that can be written.
    claimed: BTreeSet<PathBuf>,
    writable: BTreeSet<PathBuf>,
    force: bool,
}

impl Outputs {
    /// The rule for a run that replaces what others made only with `force`.
    pub fn new(force: bool) -> Outputs {
        Outputs {
            force,
            ..Outputs::default()
        }
    }

    /// The run reads this file, if it is there.
    pub fn input(&mut self, path: &Path) {
        if let Some(identity) = Identity::of(path) {
            self.inputs.insert(identity, path.to_owned());
        }
    }

    /// The run reads a record of these files, see [`crate::formats::known_files`].
    pub fn record(&mut self, files: &[PathBuf]) {
        for file in files {
            self.input(file);
            if let Some(ending) = file.extension() {
                let ending = ending.to_string_lossy().to_ascii_lowercase();
                self.record_endings.insert(ending);
            }
        }
    }

    /// Passes an output file of the run.
    ///
    /// # Errors
    /// [`Error::Invalid`] that says which part of the rule it breaks and what to
    /// do; [`Error::Io`] when it cannot be written.
    pub fn file(&mut self, path: &Path) -> Result<()> {
        self.pass(path, |path| !is_made_here(path))
    }

    /// Passes the annotation file that the run makes for a record: see
    /// [`crate::formats::new_annotation_path`].
    ///
    /// # Errors
    /// As [`Outputs::file`], and for a file that is named as one of the records.
    pub fn annotations(&mut self, path: &Path) -> Result<()> {
        let annotator = path.extension().unwrap_or_default().to_string_lossy();
        if self
            .record_endings
            .contains(&annotator.to_ascii_lowercase())
        {
            return Err(is_own_file(&annotator));
        }
        // Reference labels are never replaced unasked, whoever made them.
        let reference = annotator.eq_ignore_ascii_case(REFERENCE);
        self.pass(path, |path| reference || !is_made_here(path))
    }

    /// Passes the files of a record that the run makes, its header first, and
    /// those of its labels.
    ///
    /// # Errors
    /// As [`Outputs::file`].
    pub fn made_record(&mut self, [header, signals]: &[PathBuf; 2], labels: &Path) -> Result<()> {
        // Signals are plain numbers; their header tells for them.
        for path in [header, signals] {
            self.pass(path, |_| !is_made_here(header))?;
        }
        self.pass(labels, |path| !is_made_here(path))
    }

    fn pass(&mut self, path: &Path, is_foreign: impl Fn(&Path) -> bool) -> Result<()> {
        let refuse = |what: String| Err(Error::Invalid(format!("{}: {what}", path.display())));
        let place = place(path);
        let identity = Identity::of(&place).or_else(|| Identity::of(path));
        if let Some(input) = identity.and_then(|i| self.inputs.get(&i)) {
            return refuse(format!(
                "this output is an input of the same run ({}); name another file",
                input.display()
            ));
        }
        if self.claimed.contains(&place) {
            return refuse("two outputs of the run are this one file; name another".into());
        }
        temporary::refuse_no_file(path)?;
        let folder = folder_of(&place);
        if !self.writable.contains(folder) {
            check_writable(path, &place)?;
            self.writable.insert(folder.to_owned());
        }
        if !self.force && place.exists() && is_foreign(&place) {
            return refuse(
                "is there already, and is not what this program makes anew by itself; name another file, or give --force to replace it".into(),
            );
        }
        self.claimed.insert(place);
        Ok(())
    }
}

/// The refusal of an annotator whose files would be a record's own.
pub(crate) fn is_own_file(annotator: &str) -> Error {
    Error::Invalid(format!(
        "--annotator {annotator}: files of this name are a record's header or signals; name another annotator, such as qrs"
    ))
}

/// Where a file lies, however its path is spelled: the folder's own path where
/// it is there, and `..` resolved by name where it is yet to be made.
fn place(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if !plain.exists() => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    match (folder_of(&plain).canonicalize(), plain.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => std::path::absolute(&plain).unwrap_or(plain),
    }
}

/// Writes a file beside the output, or where its folder will be, and removes it.
fn check_writable(path: &Path, place: &Path) -> Result<()> {
    let folder = folder_of(place);
    if folder.is_dir() {
        return Temporary::beside(place).map(drop);
    }
    let there = folder.ancestors().find(|f| f.exists());
    let there = there.unwrap_or(Path::new("/"));
    let name = place.file_name().unwrap_or_default();
    Temporary::new(there, name).map(drop).map_err(|cause| {
        Error::Invalid(format!(
            "{}: its folder is not there and cannot be made in {} ({cause}); name another",
            path.display(),
            there.display()
        ))
    })
}

/// What tells one file from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Identity(Key);

#[cfg(unix)]
type Key = (u64, u64);
#[cfg(not(unix))]
type Key = PathBuf;

impl Identity {
    #[cfg(unix)]
    fn of(path: &Path) -> Option<Identity> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(path).ok()?;
        Some(Identity((metadata.dev(), metadata.ino())))
    }

    #[cfg(not(unix))]
    fn of(path: &Path) -> Option<Identity> {
        path.canonicalize().ok().map(Identity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::new_annotation_path;

    /// What the rule says to an output beside the input `in.csv`.
    fn verdict(folder: &Path, output: &str, force: bool) -> std::result::Result<(), String> {
        let mut outputs = Outputs::new(force);
        outputs.input(&folder.join("in.csv"));
        let verdict = outputs.file(&folder.join(output));
        verdict.map_err(|e| e.to_string())
    }

    #[test]
    fn an_input_is_refused_by_every_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("below")).unwrap();
        std::fs::write(at("in.csv"), "1,2\n").unwrap();
        std::fs::hard_link(at("in.csv"), at("hard.csv")).unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("in.csv", at("soft.csv")).unwrap();
            std::os::unix::fs::symlink(".", at("here")).unwrap();
        }
        for output in [
            "in.csv",
            "./in.csv",
            "below/../in.csv",
            "absent/../in.csv",
            "hard.csv",
            "soft.csv",
            "here/in.csv",
            "here/here/soft.csv",
        ] {
            for force in [false, true] {
                let refusal = verdict(folder.path(), output, force).unwrap_err();
                assert!(refusal.contains("an input of the same run"), "{refusal}");
            }
        }
        assert_eq!(std::fs::read(at("in.csv")).unwrap(), b"1,2\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 5);
    }

    #[test]
    fn what_others_made_needs_force_and_what_is_empty_does_not() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("table.csv"), "name,age\n").unwrap();
        std::fs::write(folder.path().join("empty.csv"), "").unwrap();
        let refusal = verdict(folder.path(), "table.csv", false).unwrap_err();
        assert!(refusal.contains("--force"), "{refusal}");
        verdict(folder.path(), "table.csv", true).unwrap();
        verdict(folder.path(), "empty.csv", false).unwrap();
        verdict(folder.path(), "new/folder/out.csv", false).unwrap();
        assert!(!folder.path().join("new").exists());
    }

    #[test]
    fn what_cannot_be_written_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        std::fs::create_dir(folder.path().join("dir.csv")).unwrap();
        for (output, why) in [
            ("dir.csv", "a folder"),
            ("file/out.csv", "file"),
            ("file/below/out.csv", "file"),
            ("/proc/absent/out.csv", "/proc"),
        ] {
            let refusal = verdict(folder.path(), output, true).unwrap_err();
            assert!(refusal.contains(why), "{output}: {refusal}");
        }
    }

    #[test]
    fn two_outputs_cannot_be_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut outputs = Outputs::new(true);
        outputs.file(&folder.path().join("a.csv")).unwrap();
        let again = outputs.file(&folder.path().join("./b/../a.csv"));
        assert!(again.unwrap_err().to_string().contains("two outputs"));
    }

    #[test]
    fn annotators_are_not_a_records_own_files() {
        let folder = tempfile::tempdir().unwrap();
        let record: Vec<PathBuf> = ["r.hea", "r.ecg", "r_1.D16"]
            .map(|name| folder.path().join(name))
            .to_vec();
        std::fs::write(folder.path().join("r.atr"), "").unwrap();
        let verdict = |annotator: &str, force| {
            let mut outputs = Outputs::new(force);
            outputs.record(&record);
            let path = new_annotation_path(&folder.path().join("r"), annotator);
            let passed = path.and_then(|path| outputs.annotations(&path).map(|()| path));
            passed.map_err(|e| e.to_string())
        };
        for name in ["hea", "dat", "DAT", "ecg", "d16"] {
            let refusal = verdict(name, true).unwrap_err();
            assert!(refusal.contains("header or signals"), "{refusal}");
        }
        for name in ["", "a/b", "..", "q.rs"] {
            let refusal = verdict(name, true).unwrap_err();
            assert!(refusal.contains("letters, digits"), "{refusal}");
        }
        assert!(verdict("atr", false).unwrap_err().contains("--force"));
        assert_eq!(verdict("atr", true), Ok(folder.path().join("r.atr")));
        assert_eq!(verdict("qrs", false), Ok(folder.path().join("r.qrs")));
    }
}
