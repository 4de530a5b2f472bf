//! What tests of a program lie on: a folder of their own, and recordings in it.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use data::datasets::dataset::Annotated;
use data::formats::{annotation_path, wfdb};
use tempfile::TempDir;

use crate::programs::program;

/// A folder in which `train` is run.
pub struct Desk {
    pub folder: TempDir,
}

impl Desk {
    pub fn new() -> Desk {
        let folder = tempfile::tempdir().unwrap();
        Desk { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// `train` in this folder.
    pub fn train(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("train"));
        command
            .current_dir(self.folder.path())
            .env_remove("ECTOPY_DATA")
            .args(arguments);
        command
    }
}

/// Writes a recording and the annotations of this annotator into a folder.
pub fn write(folder: &Path, recording: &Annotated, annotator: &str) {
    let Annotated {
        record,
        annotations,
    } = recording;
    let labels = annotation_path(&folder.join(&record.name), annotator);
    wfdb::write_record(folder, record).unwrap();
    wfdb::write_annotations(&labels, annotations).unwrap();
}
