//! The folder of a run and the files in it.

mod lock;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use data::Classes;
use data::output;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::settings::Settings;
use crate::state::Epoch;
use crate::tensorboard;
use data::record::error::ensure;
pub use lock::Lock;

/// Where runs go unless told otherwise.
pub const RUNS: &str = "runs";

/// The finished epochs of a run, a line of JSON each.
const HISTORY: &str = "metrics.jsonl";

/// The folder of one run.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// A new folder: `wanted`, which must be absent or empty unless `force`, or
    /// the next free `runs/NAME-N`. It is made when the run begins.
    ///
    /// # Errors
    /// When `wanted` holds a run, or other files.
    pub fn create(wanted: Option<&Path>, name: &str, force: bool) -> Result<RunFolder> {
        let path = match wanted {
            Some(path) => path.to_owned(),
            None => (1_u32..)
                .map(|n| Path::new(RUNS).join(format!("{name}-{n}")))
                .find(|p| !p.exists())
                .unwrap_or_else(|| Path::new(RUNS).join(name)),
        };
        let run = RunFolder { path };
        if run.settings_file().exists() {
            return Err(Error::Run(format!(
                "{0} holds a run already; go on with --resume {0}, or name another folder with --out",
                run.path.display()
            )));
        }
        if let Some(other) = run.foreign_file()?.filter(|_| !force) {
            return Err(Error::Run(format!(
                "{}: {} is in it, and a run's files could replace what is not its own; name an empty or a new folder with --out, or give --force",
                run.path.display(),
                other.display()
            )));
        }
        Ok(run)
    }

    /// A file in the folder that is neither a lock nor a temporary file.
    fn foreign_file(&self) -> Result<Option<PathBuf>> {
        let entries = match std::fs::read_dir(&self.path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            entries => entries.map_err(data::Error::io(&self.path))?,
        };
        for entry in entries {
            let name = PathBuf::from(entry.map_err(data::Error::io(&self.path))?.file_name());
            let passing = name.extension().is_some_and(|e| e == "tmp");
            if !passing && name != Path::new(lock::FILE) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// Whether there is a run in a folder.
    pub fn is_in(path: &Path) -> bool {
        let path = path.to_owned();
        RunFolder { path }.settings_file().is_file()
    }

    /// The folder of an earlier run.
    ///
    /// # Errors
    /// When there is no run in it.
    pub fn open(path: &Path) -> Result<RunFolder> {
        let run = RunFolder {
            path: path.to_owned(),
        };
        ensure(run.settings_file().is_file(), || {
            Error::Run(format!(
                "{}: no run here ({} is missing); name the folder of a run, such as {RUNS}/kaggle-1",
                path.display(),
                run.settings_file().display()
            ))
        })?;
        Ok(run)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The checkpoint.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join("checkpoint.safetensors")
    }

    /// The checkpoint before it, for when it is damaged.
    pub fn previous_checkpoint(&self) -> PathBuf {
        self.path.join("checkpoint.previous.safetensors")
    }

    /// The resolved settings.
    pub fn settings_file(&self) -> PathBuf {
        self.path.join("settings.toml")
    }

    /// The best network as ONNX.
    pub fn model(&self) -> PathBuf {
        self.path.join("model.onnx")
    }

    /// Another file of the run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Saves the resolved settings.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_settings(&self, settings: &Settings) -> Result<()> {
        let text = toml::to_string_pretty(settings)?;
        output::write(self.settings_file(), text.as_bytes())?;
        Ok(())
    }

    /// The settings that were saved.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_settings(&self) -> Result<Settings> {
        let path = self.settings_file();
        let text = std::fs::read_to_string(&path).map_err(data::Error::io(&path))?;
        Ok(toml::from_str(&text).map_err(|e| data::Error::malformed(&path, e.to_string()))?)
    }

    /// Writes `metrics.csv` and `metrics.jsonl`, one row per epoch, and the same
    /// for TensorBoard.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_history(&self, history: &[Epoch], classes: &Classes) -> Result<()> {
        let mut csv = String::from(
            "epoch,learning_rate,train_loss,validation_loss,validation_accuracy,validation_macro_f1",
        );
        for name in classes.names() {
            let _ = write!(csv, ",validation_f1_{name}");
        }
        csv.push_str(",best,beats_per_second,seconds\n");
        let mut lines = String::new();
        for epoch in history {
            let v = &epoch.validation;
            let _ = write!(
                csv,
                "{},{:.3e},{:.6},{:.6},{:.6},{:.6}",
                epoch.epoch, epoch.learning_rate, epoch.train_loss, v.loss, v.accuracy, v.macro_f1
            );
            for f1 in &v.f1 {
                let _ = write!(csv, ",{f1:.6}");
            }
            let (best, speed) = (u8::from(epoch.best), epoch.beats_per_second);
            let _ = writeln!(csv, ",{best},{speed:.1},{:.2}", epoch.seconds);
            lines += &serde_json::to_string(epoch)?;
            lines.push('\n');
        }
        output::write(self.file("metrics.csv"), csv.as_bytes())?;
        output::write(self.file(HISTORY), lines.as_bytes())?;
        tensorboard::write(&self.file(tensorboard::FILE), history, classes)
    }

    /// The epochs that [`RunFolder::write_history`] wrote.
    ///
    /// # Errors
    /// When `metrics.jsonl` cannot be read.
    pub fn read_history(&self) -> Result<Vec<Epoch>> {
        let path = self.file(HISTORY);
        let text = std::fs::read_to_string(&path).map_err(data::Error::io(&path))?;
        let epoch = |(number, line): (usize, &str)| {
            let wrong = |e: serde_json::Error| {
                data::Error::at_line(&path, number as u64 + 1, e.to_string())
            };
            Ok(serde_json::from_str(line).map_err(wrong)?)
        };
        text.lines().enumerate().map(epoch).collect()
    }

    /// Writes a value as indented JSON.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_string_pretty(value)?;
        text.push('\n');
        output::write(self.file(name), text.as_bytes())?;
        Ok(())
    }
}
