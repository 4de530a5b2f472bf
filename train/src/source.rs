//! The beats of a run: where they come from and which part they play.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use data::beats::Beats;
use data::dataset::{self, Annotated, REFERENCE};
use data::input::InputSpec;
use data::splits::{self, Split};
use data::{Class, kaggle, prepare, synth, wfdb};
use sha2::{Digest, Sha256};

use crate::sampler::mix;
use crate::settings::{Recipe, Settings};

/// What `--data` says for recordings that are made up on the spot.
pub const SYNTHETIC: &str = "synthetic";

/// Patients and minutes of the synthetic recordings.
const COHORT: (usize, f64) = (16, 3.0);
/// Sampling rate of the synthetic recordings, Hz: that of the MIT-BIH database.
const COHORT_FS: f64 = 360.0;

/// The Kaggle data set's files.
const KAGGLE_FILES: [&str; 2] = ["mitbih_train.csv", "mitbih_test.csv"];

/// Beats by the part they play.
pub struct Parts {
    /// The steps learn from these.
    pub train: Beats,
    /// These choose the best epoch and fit the temperature.
    pub validation: Beats,
    /// These are looked at once, at the end.
    pub test: Option<Beats>,
    /// The sources, in words.
    pub description: String,
}

impl Parts {
    /// Reads or makes the beats that the settings ask for.
    ///
    /// # Errors
    /// When there is no data, with the ways to get some; when it has no labels
    /// or too few records to hold some out.
    pub fn load(settings: &Settings) -> Result<Parts> {
        match settings.recipe {
            Recipe::Kaggle | Recipe::Notebook => kaggle_parts(settings),
            Recipe::InterPatient => patient_parts(settings),
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
        hasher.update([label.index() as u8]);
    }
    hasher
        .finalize()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

fn is_synthetic(settings: &Settings) -> bool {
    settings.data.as_deref() == Some(Path::new(SYNTHETIC))
}

fn cohort(settings: &Settings) -> Result<Vec<Annotated>> {
    let (patients, minutes) = COHORT;
    Ok(synth::cohort(patients, minutes, COHORT_FS, settings.seed)?)
}

/// All beats of some records, joined.
fn join(parts: Vec<Beats>) -> Result<Beats> {
    let mut parts = parts.into_iter();
    let mut all = parts
        .next()
        .context("there are no records to take beats from")?;
    for part in parts {
        all.append(&part)?;
    }
    Ok(all)
}

fn kaggle_parts(settings: &Settings) -> Result<Parts> {
    let (rest, test, description) = if is_synthetic(settings) {
        let records = cohort(settings)?;
        let beats = records
            .iter()
            .map(|r| kaggle::from_record(&r.record, &r.annotations, None));
        let (rest, test) = split_off_test(&join(beats.collect::<data::Result<_>>()?)?);
        (rest, test, "synthetic patients".to_string())
    } else if let Some([train, test]) = kaggle_files(settings.data.as_deref()) {
        let description = format!("{} and {}", train.display(), test.display());
        (kaggle::read(&train)?, kaggle::read(&test)?, description)
    } else {
        let folder = dataset::locate(settings.data.as_deref())?;
        let names = wfdb::record_names(&folder)?;
        let beats = dataset::map(&folder, &names, REFERENCE, |r| {
            kaggle::from_record(&r.record, &r.annotations, None)
        })?;
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
    Ok(Parts {
        train: rest.select(&split.train),
        validation: rest.select(&split.held_out),
        test: Some(test),
        description,
    })
}

fn split_off_test(all: &Beats) -> (Beats, Beats) {
    let split = splits::kaggle(&all.labels);
    (all.select(&split.train), all.select(&split.held_out))
}

fn kaggle_files(folder: Option<&Path>) -> Option<[PathBuf; 2]> {
    let files = KAGGLE_FILES.map(|name| folder.map(|f| f.join(name)));
    let [Some(train), Some(test)] = files else {
        return None;
    };
    (train.is_file() && test.is_file()).then_some([train, test])
}

/// The last part of a path: `mitdb` of `../shared/mitdb`.
fn name_of(folder: &Path) -> String {
    let resolved = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = resolved
        .file_name()
        .map(|n| n.to_string_lossy().into_owned());
    name.unwrap_or_else(|| folder.display().to_string())
}

fn patient_parts(settings: &Settings) -> Result<Parts> {
    let spec = &settings.input;
    let mut parts: Option<Parts> = None;
    let mut add = |beats: Vec<Beats>, description: String| -> Result<()> {
        let (train, validation) = hold_out(beats, settings, &description)?;
        match &mut parts {
            None => {
                parts = Some(Parts {
                    train,
                    validation,
                    test: None,
                    description,
                })
            }
            Some(parts) => {
                parts.train.append(&train)?;
                parts.validation.append(&validation)?;
                parts.description = format!("{} + {description}", parts.description);
            }
        }
        Ok(())
    };
    if is_synthetic(settings) {
        let beats = cohort(settings)?
            .iter()
            .map(|r| prepare::record(&r.record, &r.annotations, spec))
            .collect::<data::Result<_>>()?;
        add(beats, "synthetic patients".into())?;
    } else {
        let folder = dataset::locate(settings.data.as_deref())?;
        let (names, description) = training_records(&folder)?;
        add(prepared(&folder, &names, spec)?, description)?;
    }
    for folder in &settings.extra {
        let names = wfdb::record_names(folder)?;
        let description = format!("{} ({} records)", name_of(folder), names.len());
        add(prepared(folder, &names, spec)?, description)?;
    }
    parts.context("there is no data to train on")
}

/// DS1 where the folder has it, else every record that is not of DS2.
fn training_records(folder: &Path) -> Result<(Vec<String>, String)> {
    let names = wfdb::record_names(folder)?;
    let name = name_of(folder);
    if splits::DS1.iter().all(|r| names.iter().any(|n| n == r)) {
        let records = splits::DS1.map(String::from).to_vec();
        return Ok((records, format!("{name} DS1")));
    }
    let description = format!("{name} ({} records)", names.len());
    Ok((names, description))
}

fn prepared(folder: &Path, names: &[String], spec: &InputSpec) -> Result<Vec<Beats>> {
    Ok(dataset::map(folder, names, REFERENCE, |r| {
        prepare::record(&r.record, &r.annotations, spec)
    })?)
}

/// Ways to hold patients out among which [`hold_out`] takes the most even.
const CANDIDATES: u64 = 300;

/// Splits records into those that train and those of held-out patients.
///
/// Of many ways to hold out the wanted share of the patients, drawn from the
/// run's seed, the one is taken whose share of the beats of every class strays
/// least from it: a single draw could hold out every S beat or none.
fn hold_out(records: Vec<Beats>, settings: &Settings, what: &str) -> Result<(Beats, Beats)> {
    let names: Vec<String> = records
        .iter()
        .flat_map(|b| b.record_names.clone())
        .collect();
    ensure!(
        names.len() == records.len()
            && names
                .iter()
                .any(|n| splits::patient(n) != splits::patient(&names[0])),
        "{what} is of one patient; the inter-patient recipe needs at least two to hold one out"
    );
    let share = settings.validation;
    let mut total = [0.0; Class::ALL.len()];
    for beats in &records {
        for (sum, n) in total.iter_mut().zip(beats.support()) {
            *sum += n as f64;
        }
    }
    let stray = |split: &Split| -> f64 {
        let mut held = [0.0; Class::ALL.len()];
        for &i in &split.held_out {
            for (sum, n) in held.iter_mut().zip(records[i].support()) {
                *sum += n as f64;
            }
        }
        let classes = total.iter().zip(&held).filter(|(total, _)| **total > 0.0);
        classes
            .map(|(total, held)| (held / total - share).powi(2))
            .sum()
    };
    let split = (0..CANDIDATES)
        .map(|i| splits::by_patient(&names, share, mix(settings.seed, i, 0)))
        .min_by(|a, b| stray(a).total_cmp(&stray(b)))
        .context("no patients to hold out")?;
    let pick = |rows: &[usize]| join(rows.iter().map(|&i| records[i].clone()).collect());
    Ok((pick(&split.train)?, pick(&split.held_out)?))
}
