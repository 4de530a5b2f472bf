//! The beats of a run: where they come from and which part they play.

use std::path::{Path, PathBuf};

use data::Classes;
use data::beat_files::kaggle;
use data::datasets::dataset::{self, Annotated};
use data::datasets::splits::{self, Split};
use data::formats;
use data::pipeline::beats::Beats;
use data::pipeline::{kaggle_cut, prepare};
use data::record::checksum::hexadecimal;
use data::record::classes::LeftOut;
use data::simulate::synth;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::patients;
use crate::progress;
use crate::settings::{Recipe, Settings};
use crate::table;
use data::record::error::ensure;

/// What `--data` says for recordings that are made up on the spot.
pub const SYNTHETIC: &str = "synthetic";

/// Patients and minutes of the synthetic recordings.
const COHORT: (usize, f64) = (16, 3.0);
/// Sampling rate of the synthetic recordings, Hz: that of the MIT-BIH database.
const COHORT_FS: f64 = 360.0;

/// The Kaggle data set's files.
pub(crate) const KAGGLE_FILES: [&str; 2] = ["mitbih_train.csv", "mitbih_test.csv"];

/// The training, validation and test set.
pub struct BeatSets {
    /// The steps learn from these.
    pub train: Beats,
    /// How much each of them counts; empty for all alike.
    pub weights: Vec<f32>,
    /// Share of each class among the recorded ones of them.
    pub occurs: Vec<f64>,
    /// These choose the best epoch and fit the temperature.
    pub validation: Beats,
    /// These are looked at once, at the end.
    pub test: Option<Beats>,
    /// The sources, in words.
    pub description: String,
}

impl BeatSets {
    /// Reads or makes the beats that the settings ask for; for a network that
    /// remembers them, consecutive ones stay together.
    ///
    /// # Errors
    /// When there is no data, with the ways to get some; when it has no labels
    /// or too few records to hold some out.
    pub fn load(settings: &Settings, remembers: bool) -> Result<BeatSets> {
        if table::is_source(settings) {
            return table::beat_sets(settings);
        }
        match settings.recipe {
            Recipe::Table => Err(Error::usage(
                "--recipe table: there is no such file of beats as --data names",
            )),
            Recipe::Kaggle | Recipe::Notebook => kaggle_sets(settings),
            Recipe::InterPatient => {
                let fit = settings.classes.fit_annotations();
                fit.map_err(Error::flag("--classes"))?;
                patients::beat_sets(settings, prepare::record, remembers)
            }
        }
    }
}

impl BeatSets {
    /// Beats that are all alike, of which a split trains and validates.
    pub(crate) fn divided(
        rest: &Beats,
        split: &Split,
        test: Beats,
        description: String,
    ) -> BeatSets {
        let train = rest.select(&split.train);
        BeatSets {
            occurs: shares(&train),
            weights: Vec::new(),
            train,
            validation: rest.select(&split.held_out),
            test: Some(test),
            description,
        }
    }

    /// The parts, one after the other.
    pub fn all(&self) -> impl Iterator<Item = &Beats> {
        [&self.train, &self.validation]
            .into_iter()
            .chain(&self.test)
    }

    /// Says which classes have no beats to learn from or to be judged by: their
    /// figures would be missing without a word.
    pub fn tell_absent_classes(&self) {
        let sets = [("train", &self.train), ("validate", &self.validation)];
        let test = self.test.iter().map(|test| ("test", test));
        for (what, beats) in sets.into_iter().chain(test) {
            let counts = beats.support();
            let absent: Vec<&str> = beats
                .classes
                .names()
                .zip(counts)
                .filter(|(_, count)| *count == 0)
                .map(|(name, _)| name)
                .collect();
            if !absent.is_empty() && !beats.labels.is_empty() {
                eprintln!("no beat to {what} with is of class {}", absent.join(", "));
            }
        }
    }
}

/// SHA-256 over windows, rhythm features and labels, in hexadecimal.
pub fn hash(beats: &Beats) -> String {
    let mut hasher = Sha256::new();
    for value in beats.windows.iter().chain(&beats.rhythm) {
        hasher.update(value.to_le_bytes());
    }
    for label in &beats.labels {
        hasher.update([*label as u8]);
    }
    hexadecimal(&hasher.finalize())
}

pub(crate) fn is_synthetic(settings: &Settings) -> bool {
    settings.data.as_deref() == Some(Path::new(SYNTHETIC))
}

/// The folders that the settings take recordings from, as far as they are there.
pub(crate) fn folders(settings: &Settings) -> Vec<PathBuf> {
    let given = settings.data.clone();
    let variable = || std::env::var_os(dataset::FOLDER_VARIABLE).map(PathBuf::from);
    let data = given
        .or_else(variable)
        .unwrap_or_else(|| dataset::DEFAULT_FOLDER.into());
    settings.extra.iter().cloned().chain([data]).collect()
}

pub(crate) fn cohort(settings: &Settings) -> Result<Vec<Annotated>> {
    let (patients, minutes) = COHORT;
    Ok(synth::cohort(patients, minutes, COHORT_FS, settings.seed)?)
}

/// Share of each class among some beats.
pub(crate) fn shares(beats: &Beats) -> Vec<f64> {
    let share = |n| n as f64 / beats.len().max(1) as f64;
    beats.support().into_iter().map(share).collect()
}

/// All beats of some records, joined.
pub(crate) fn join(parts: Vec<Beats>) -> Result<Beats> {
    let mut parts = parts.into_iter();
    let mut all = parts
        .next()
        .ok_or_else(|| Error::Beats("there are no records to take beats from".into()))?;
    for part in parts {
        all.append(&part)?;
    }
    Ok(all)
}

fn kaggle_sets(settings: &Settings) -> Result<BeatSets> {
    let classes = &settings.classes;
    let of_symbols = || classes.fit_annotations().map_err(Error::flag("--classes"));
    let cut = |of: &Annotated| kaggle_cut::from_record(&of.record, &of.annotations, None, classes);
    let (rest, test, description) = if is_synthetic(settings) {
        of_symbols()?;
        let records = cohort(settings)?;
        let beats = records.iter().map(cut);
        let (rest, test) = split_off_test(&join(beats.collect::<data::Result<_>>()?)?);
        (rest, test, "synthetic patients".to_string())
    } else if let Some([train, test]) = kaggle_files(settings.data.as_deref())? {
        let description = format!("{} and {}", train.display(), test.display());
        (
            labelled(&train, classes)?,
            labelled(&test, classes)?,
            description,
        )
    } else {
        of_symbols()?;
        let folder = dataset::locate(settings.data.as_deref())?;
        let names = formats::find(&folder)?;
        let bar = progress::reading(names.len(), &name_of(&folder));
        let made = dataset::map(&folder, &names, &settings.annotator, |r| {
            bar.one_more();
            Ok((cut(&r)?, classes.left_out(&r.annotations)))
        })?;
        bar.end();
        let mut left_out = LeftOut::default();
        made.iter()
            .for_each(|(_, of_record)| left_out.add(of_record));
        tell_left_out(&left_out);
        let beats = made.into_iter().map(|(beats, _)| beats).collect();
        let (rest, test) = split_off_test(&join(beats)?);
        (
            rest,
            test,
            format!(
                "{} records of {}, four fifths of the beats",
                names.len(),
                name_of(&folder)
            ),
        )
    };
    let split = splits::stratified(&rest.labels, settings.validation, settings.seed);
    Ok(BeatSets::divided(&rest, &split, test, description))
}

/// Says which annotated beats are of no class, so that a symbol that was forgotten
/// or misspelt is seen.
pub(crate) fn tell_left_out(left_out: &LeftOut) {
    if !left_out.is_empty() {
        eprintln!("beats that are of none of --classes are left out: {left_out}");
    }
}

fn split_off_test(all: &Beats) -> (Beats, Beats) {
    let split = splits::kaggle(&all.labels);
    (all.select(&split.train), all.select(&split.held_out))
}

/// The beats of a Kaggle CSV file that has the column of the class.
fn labelled(path: &Path, classes: &Classes) -> Result<Beats> {
    let beats = kaggle::read(path, classes)?;
    ensure(beats.labels.len() == beats.len(), || {
        Error::Beats(format!(
            "{}: its rows have no class, which training needs as column {}",
            path.display(),
            beats.input.length() + 1
        ))
    })?;
    Ok(beats)
}

fn kaggle_files(folder: Option<&Path>) -> Result<Option<[PathBuf; 2]>> {
    let files = KAGGLE_FILES.map(|name| folder.map(|f| f.join(name)));
    let [Some(train), Some(test)] = files else {
        return Ok(None);
    };
    let there = [&train, &test].map(|file| file.is_file());
    ensure(there[0] == there[1], || {
        Error::Beats(format!(
            "{}: it has only one of {}",
            folder.unwrap_or(&train).display(),
            KAGGLE_FILES.join(" and ")
        ))
    })?;
    Ok(there[0].then_some([train, test]))
}

/// The last part of a path: `mitdb` of `../shared/mitdb`.
pub(crate) fn name_of(folder: &Path) -> String {
    let resolved = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = resolved
        .file_name()
        .map(|n| n.to_string_lossy().into_owned());
    name.unwrap_or_else(|| folder.display().to_string())
}
