//! `report.json`: what a finished run writes, and what others read of it.

use data::Classes;
use data::scoring::metrics::{Confusion, ConfusionFigures};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::fit;
use crate::loss_and_confusion::Figures;
use crate::run::RunFolder;
use crate::settings::{Monitor, Settings};
use crate::state::Epoch;

/// Its name in a run's folder.
pub const FILE: &str = "report.json";

/// The report of a run.
#[derive(Serialize)]
pub struct RunReport<'a> {
    /// The recipe's name.
    pub recipe: &'a str,
    /// The run's seed.
    pub seed: u64,
    /// The sources, in words.
    pub data: &'a str,
    /// Trainable values of the network.
    pub parameters: usize,
    /// For one beat.
    pub multiply_accumulates: usize,
    /// Finished epochs.
    pub epochs: usize,
    /// The one whose network was kept.
    pub best_epoch: usize,
    /// Of the calibrated probabilities.
    pub temperature: f64,
    /// Beats below it are rejected.
    pub reject_threshold: f64,
    /// Beats to train with, by class.
    pub train: Vec<usize>,
    /// Figures of the validation part.
    pub validation: PartReport,
    /// Those of the test part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<PartReport>,
    /// The records of the test part, where it is a fold of the patients.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub test_records: &'a [String],
}

/// Figures on one part of the data.
#[derive(Serialize)]
pub struct PartReport {
    /// Beats of the part.
    pub beats: u64,
    /// Expected calibration error of the calibrated probabilities.
    pub ece: Option<f64>,
    /// What the confusion matrix says.
    #[serde(flatten)]
    pub summary: ConfusionFigures,
}

/// Of a report, what cannot be computed from the rest.
#[derive(Deserialize)]
struct Read {
    parameters: usize,
    epochs: usize,
    best_epoch: usize,
    validation: ReadPart,
    test: Option<ReadPart>,
    #[serde(default)]
    test_records: Vec<String>,
}

#[derive(Deserialize)]
struct ReadPart {
    confusion: Vec<Vec<u64>>,
}

/// A run that has ended, as it lies in its folder.
pub struct Finished {
    /// Its folder.
    pub run: RunFolder,
    /// Its settings.
    pub settings: Settings,
    /// Its epochs.
    pub history: Vec<Epoch>,
    /// Trainable values of its network.
    pub parameters: usize,
    /// The epoch whose network was kept.
    pub best_epoch: usize,
    /// Beats of the validation part.
    pub validation: Confusion,
    /// Beats of the test part, where there is one.
    pub test: Option<Confusion>,
    /// Records of the test part, where it is a fold of the patients.
    pub test_records: Vec<String>,
}

impl Finished {
    /// The run in a folder, if it has done all that `settings` ask for, or all
    /// that its own do.
    ///
    /// # Errors
    /// When a file of the run cannot be read.
    pub fn read(run: &RunFolder, settings: Option<&Settings>) -> Result<Option<Finished>> {
        let saved = run.read_settings()?;
        let report = run.file(FILE);
        if !report.is_file() || !run.model().is_file() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&report).map_err(data::Error::io(&report))?;
        let wrong = |e: String| data::Error::malformed(&report, e);
        let read: Read = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        let history = run.read_history()?;
        let part = |part: ReadPart| -> Result<Confusion> {
            let counted = Confusion::of_counts(&saved.classes, part.confusion);
            Ok(counted.map_err(|e| wrong(e.to_string()))?)
        };
        // A run that goes on to more epochs has the report of its first end.
        let best = history.iter().rposition(|epoch| epoch.best);
        let stalled = history.len() - best.map_or(0, |at| at + 1);
        let asked = settings.unwrap_or(&saved);
        if read.epochs != history.len() || !fit::is_over(asked, history.len(), stalled) {
            return Ok(None);
        }
        Ok(Some(Finished {
            run: run.clone(),
            validation: part(read.validation)?,
            test: read.test.map(part).transpose()?,
            settings: saved,
            history,
            parameters: read.parameters,
            best_epoch: read.best_epoch,
            test_records: read.test_records,
        }))
    }

    /// As [`Finished::read`], where the run must have ended.
    ///
    /// # Errors
    /// Also when it has not: says how it goes on.
    pub fn expect(run: &RunFolder) -> Result<Finished> {
        Finished::read(run, None)?.ok_or_else(|| {
            Error::Run(format!(
                "{0}: the run is not finished; go on with it: train --resume {0}",
                run.path().display()
            ))
        })
    }

    /// The validation figures of the epoch whose network was kept.
    pub fn best(&self) -> Option<&Figures> {
        let mut epochs = self.history.iter();
        let best = epochs.find(|e| e.epoch == self.best_epoch)?;
        Some(&best.validation)
    }

    /// Of that epoch the figure by which it was chosen, as it is printed
    /// elsewhere; none where the last epoch is kept unseen.
    pub fn monitored(&self) -> Option<f64> {
        let Settings {
            monitor, classes, ..
        } = &self.settings;
        let figure = self.best()?.monitored(*monitor, self.best_epoch, classes);
        match monitor {
            Monitor::Last => None,
            Monitor::Loss => Some(-figure),
            _ => Some(figure),
        }
    }

    /// Seconds that its epochs took.
    pub fn seconds(&self) -> f64 {
        self.history.iter().map(|epoch| epoch.seconds).sum()
    }
}

/// The figures that runs are compared by, with their names; each class has its
/// F1 under its name, which is undefined where no beat is of the class.
pub fn figures(confusion: &Confusion) -> Vec<(String, Option<f64>)> {
    let mut figures = vec![
        ("accuracy".into(), confusion.accuracy()),
        ("macro-F1".into(), confusion.macro_f1()),
    ];
    figures.extend(confusion.jk().map(|jk| ("jk".into(), Some(jk))));
    let classes: &Classes = confusion.classes();
    for (class, name) in classes.names().enumerate() {
        let score = confusion.class(class);
        let f1 = score.f1.filter(|_| score.support > 0);
        figures.push((format!("F1 {name}"), f1));
    }
    figures
}

/// The names of the figures of several runs, whose classes may differ, each once.
pub fn names<'a>(figures: impl Iterator<Item = &'a Vec<(String, Option<f64>)>>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (name, _) in figures.flatten() {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// The figure of this name; none where there is none, or it is undefined.
pub fn named(figures: &[(String, Option<f64>)], name: &str) -> Option<f64> {
    figures.iter().find(|f| f.0 == name)?.1
}
