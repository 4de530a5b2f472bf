//! How good a model is on annotated records.

mod beats;
mod figures;
mod noise_stress;
mod table;
mod trained;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use data::Classes;
use data::datasets::dataset;
use data::datasets::dataset::{Failures, Recordings};
use data::datasets::patients::Patients;
use data::datasets::splits;
use data::formats;
use data::output::{self, Outputs, made_here::MAKER};
use data::pipeline::input::Layout;
use data::plot::{self, ConfusionMatrix};
use data::record::aami::Convention;
use data::record::classes::LeftOut;
use data::record::error::ensure;
use data::scoring::ec57;
use data::scoring::metrics::Confusion;
use models::Contract;
use serde::Serialize;

use crate::classifier::Classifier;
use crate::cli;
use crate::error::{Error, Result};
use crate::shipped;
pub use beats::{Gathered, Request, ScoredBeat, ScoredRecord, gather};
pub use figures::{Evaluation, Period, Reject, Setting, View, beat_by_beat};
pub use noise_stress::NoiseRow;

/// What is evaluated, and where the figures go.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of the records [default: $ECTOPY_DATA, else data/mitdb]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Which beats of the MIT-BIH Arrhythmia Database
    #[arg(long, default_value = "all", conflicts_with = "records")]
    split: Split,
    /// Records: a file that lists them, or names with commas between
    #[arg(long, value_name = "LIST")]
    records: Option<String>,
    /// Model [default: the shipped model for recordings]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Write all figures, as fractions, to a JSON file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw the confusion matrix here (.png or .svg)
    #[arg(long, value_name = "FILE", value_parser = cli::picture())]
    confusion: Option<PathBuf>,
    /// Evaluate the records of the Noise Stress Test Database in this folder too
    #[arg(long, value_name = "DIR")]
    noise: Option<PathBuf>,
    /// Score the detector's beats too, from the raw signal (EC57)
    #[arg(long)]
    detect: bool,
    /// Reference annotator: the ending of its files
    #[arg(long, default_value = dataset::REFERENCE)]
    reference: String,
    /// Records that are also left out, one at a time [default: 232 of the MIT-BIH
    /// Arrhythmia Database, which has most of its S beats; else none]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    without: Option<Vec<String>>,
    /// File with a line RECORD,PATIENT for each record, for the intervals over
    /// patients [default: every record is of its own]
    #[arg(long, value_name = "FILE")]
    patients: Option<PathBuf>,
    /// Regular expression that finds the patient in a record's name, such as
    /// '^(p\d+)_' for p001_night2
    #[arg(long, value_name = "REGEX", conflicts_with = "patients")]
    patient_pattern: Option<String>,
    /// Seconds at the start of a record that EC57 does not score
    #[arg(long, value_name = "SECONDS", default_value_t = ec57::Options::default().start)]
    start: f64,
    /// Seed of the bootstrap
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Replace outputs that this program did not make
    #[arg(long)]
    force: bool,
}

/// Latest start of scoring, in seconds: longer than any recording, a year.
const LONGEST_START: f64 = 366.0 * 86_400.0;

/// A part of the MIT-BIH Arrhythmia Database, or all of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Split {
    /// Training records of the inter-patient split.
    Ds1,
    /// Test records of the inter-patient split.
    Ds2,
    /// Every record of the folder.
    All,
    /// The test beats of the Kaggle task: a fifth of the beats of every class.
    Kaggle,
}

/// What the JSON file holds.
#[derive(Serialize)]
struct Document<'a> {
    made_by: &'static str,
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    /// The raw signal, scored from the detector's beats.
    detected: &'a Option<Detected>,
    /// The Noise Stress Test Database.
    noise: &'a Option<Vec<NoiseRow>>,
    /// Records without the model's leads, and what they lack.
    skipped: &'a [(String, String)],
    model: String,
    contract: &'a Contract,
}

/// EC57's figures of detector and classifier together.
#[derive(Serialize)]
struct Detected {
    /// Escape beats as S.
    bxb: ec57::AggregateStatistics,
    /// Escape beats as N.
    escape_beats_as_n: ec57::AggregateStatistics,
}

impl Document<'_> {
    fn write(&self, path: &Path) -> Result<()> {
        let json = serde_json::to_vec_pretty(self).map_err(Error::output(path))?;
        Ok(output::write(path, &json)?)
    }
}

/// Runs the command.
///
/// # Errors
/// The model or the records cannot be read or do not fit, or an output cannot
/// be written.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> Result<()> {
    let found = records(arguments)?;
    let (folder, names) = (found.folder, found.names);
    let patients = patients(arguments, &names)?;
    let model = match &arguments.model {
        Some(path) => models::shipped::find(path),
        None => shipped::choose(&[None])?,
    };
    pass_outputs(arguments, &folder, &names, &model)?;
    let classifier = Classifier::load(&model)?;
    suits(arguments, &model, &classifier.contract)?;
    tell_known(&classifier.contract, &folder, &names);
    let request = Request {
        folder: &folder,
        reference: &arguments.reference,
        detect: false,
    };
    let mut failures = Failures::among(names.len());
    let mut gathered = gather(&request, &names, &classifier, &mut failures)?;
    let by_records = arguments.split != Split::Kaggle;
    if !by_records {
        keep_kaggle_test(&mut gathered.records, &classifier.contract.classes);
    }
    let evaluation = Evaluation::new(
        &gathered.records,
        &Setting {
            classes: &classifier.contract.classes,
            patients: &patients,
            without: &without(arguments, &names),
            start: by_records.then_some(arguments.start),
            reject_threshold: classifier.contract.reject_threshold,
            seed: arguments.seed,
        },
    );
    if evaluation.whole.beats == 0 {
        return Err(Error::Input(format!(
            "{}: the '{}' annotations mark no beat",
            folder.display(),
            arguments.reference
        )));
    }
    let read = |n: &&String| gathered.records.iter().any(|r| r.name == **n);
    let names: Vec<String> = names.iter().filter(read).cloned().collect();
    let detected = match arguments.detect {
        true => Some(detected(
            arguments,
            &request,
            &names,
            &classifier,
            &mut failures,
        )?),
        false => None,
    };
    let noise = match &arguments.noise {
        Some(folder) => {
            Some(noise_stress::evaluate(folder, &classifier).map_err(|e| e.within("--noise"))?)
        }
        None => None,
    };
    // Files first: a reader of the tables that has seen enough must not cost them.
    if let Some(path) = &arguments.json {
        let document = Document {
            made_by: MAKER,
            evaluation: &evaluation,
            detected: &detected,
            noise: &noise,
            skipped: &gathered.skipped,
            model: model.display().to_string(),
            contract: &classifier.contract,
        };
        document.write(path)?;
    }
    if let Some(path) = &arguments.confusion {
        draw(&evaluation.whole.summary.confusion, path)?;
    }
    let contract = &classifier.contract;
    let title = heading(&model, contract, &folder, &gathered, &evaluation);
    write_tables(&title, &evaluation, &detected, &noise, out).map_err(Error::Stdout)?;
    Ok(failures.finish()?)
}

/// Refuses a model that takes no beats of recordings, or of which what is asked
/// for cannot be told.
fn suits(arguments: &Arguments, model: &Path, contract: &Contract) -> Result<()> {
    ensure(contract.input.layout != Layout::Table, || {
        Error::Unfit(format!(
            "{}: the model takes rows of a table, and recordings have none; classify and count such rows with `infer FILE`, or name a model for recordings with --model",
            model.display()
        ))
    })?;
    can_detect(arguments, &contract.classes)
}

/// Says where records are judged that the model has learnt from.
fn tell_known(contract: &Contract, folder: &Path, names: &[String]) {
    if let Some(caution) = trained::caution(&contract.training.data, folder, names) {
        eprintln!("{caution}");
    }
}

/// Refuses --detect for a model whose classes EC57's figures cannot be made of.
fn can_detect(arguments: &Arguments, classes: &Classes) -> Result<()> {
    match classes.lacking() {
        Some(lacking) if arguments.detect => Err(Error::usage(format!(
            "--detect scores V and S beats as EC57 does: {lacking}; leave out --detect, or take another model"
        ))),
        _ => Ok(()),
    }
}

/// How the patient of a record is told, once it is known to work for all.
fn patients(arguments: &Arguments, names: &[String]) -> Result<Patients> {
    let patients = match (&arguments.patients, &arguments.patient_pattern) {
        (Some(list), _) => Patients::listed(list)?,
        (None, Some(pattern)) => {
            Patients::named(pattern).map_err(|e| Error::usage(format!("--patient-pattern: {e}")))?
        }
        (None, None) => Patients::default(),
    };
    for name in names {
        patients.of(name)?;
    }
    Ok(patients)
}

/// The records that the arguments ask for.
fn records(arguments: &Arguments) -> Result<Recordings> {
    let start = arguments.start;
    ensure((0.0..=LONGEST_START).contains(&start), || {
        Error::usage(format!(
            "--start is {start}; it may be 0 to {LONGEST_START} s"
        ))
    })?;
    let selection = match (&arguments.records, arguments.split) {
        (Some(list), _) => list,
        (None, Split::Ds1) => "ds1",
        (None, Split::Ds2) => "ds2",
        (None, Split::All | Split::Kaggle) => "all",
    };
    let data = match &arguments.data {
        Some(path) => path.clone(),
        None => dataset::locate(None)?,
    };
    let found = Recordings::find(&data, selection)?;
    if let Some(remark) = &found.remark {
        eprintln!("{remark}");
    }
    Ok(found)
}

/// The records that are also left out, one at a time.
fn without(arguments: &Arguments, names: &[String]) -> Vec<String> {
    if let Some(named) = &arguments.without {
        return named.clone();
    }
    // Another database may have a record of that name.
    let has = |name: &&str| names.iter().any(|n| n == *name);
    let is_mitdb = arguments.split == Split::Ds2 || splits::DS2.iter().all(has);
    let heaviest = is_mitdb.then(|| "232".to_owned());
    heaviest.into_iter().collect()
}

fn write_tables(
    title: &str,
    evaluation: &Evaluation,
    detected: &Option<Detected>,
    noise: &Option<Vec<NoiseRow>>,
    out: &mut impl Write,
) -> std::io::Result<()> {
    write!(out, "{title}")?;
    table::write(evaluation, out)?;
    if let Some(detected) = detected {
        writeln!(out, "\nRaw signal, detector's beats, EC57, e j as S, %")?;
        table::write_rates(&detected.bxb, out)?;
    }
    if let Some(rows) = noise {
        table::write_noise(rows, out)?;
    }
    Ok(())
}

/// Checks the files that will be written, before the work.
fn pass_outputs(
    arguments: &Arguments,
    folder: &Path,
    names: &[String],
    model: &Path,
) -> Result<()> {
    let mut outputs = Outputs::new(arguments.force);
    shipped::protect(model, &mut outputs);
    for name in names {
        dataset::protect(&mut outputs, &folder.join(name), &arguments.reference);
    }
    if let Some(folder) = &arguments.noise {
        for name in formats::find(folder).map_err(|e| Error::from(e).within("--noise"))? {
            dataset::protect(&mut outputs, &folder.join(name), dataset::REFERENCE);
        }
    }
    for path in arguments.json.iter().chain(&arguments.confusion) {
        outputs.file(path)?;
    }
    Ok(())
}

/// Keeps the beats that test in the Kaggle task. They are chosen among all
/// beats of the folder, in the order of its records.
fn keep_kaggle_test(records: &mut [ScoredRecord], classes: &Classes) {
    let labels: Vec<usize> = records
        .iter()
        .flat_map(|r| &r.beats)
        .filter_map(|b| b.class(classes, Convention::Literature))
        .collect();
    let test = splits::kaggle(&labels).held_out;
    let mut test = test.into_iter().peekable();
    let mut row = 0;
    for record in records {
        record.beats.retain(|_| {
            row += 1;
            test.next_if_eq(&(row - 1)).is_some()
        });
    }
}

fn detected(
    arguments: &Arguments,
    request: &Request<'_>,
    names: &[String],
    classifier: &Classifier,
    failures: &mut Failures,
) -> Result<Detected> {
    let request = Request {
        detect: true,
        ..*request
    };
    let gathered = gather(&request, names, classifier, failures)?;
    let classes = &classifier.contract.classes;
    let of = |convention| beat_by_beat(&gathered.records, classes, arguments.start, convention);
    Ok(Detected {
        bxb: of(Convention::Bxb),
        escape_beats_as_n: of(Convention::Literature),
    })
}

fn heading(
    model: &Path,
    contract: &Contract,
    folder: &Path,
    gathered: &Gathered,
    evaluation: &Evaluation,
) -> String {
    let training = &contract.training;
    let mut text = format!(
        "{}: recipe {}, seed {}, trained on {}\n{}: {} records, {} patients, {} beats",
        model.display(),
        training.recipe,
        training.seed,
        training.data,
        folder.display(),
        gathered.records.len(),
        evaluation.intervals.patients,
        evaluation.whole.beats,
    );
    if evaluation.unseen > 0 {
        text += &format!(
            "; {} more have no window (gaps, or the end of a record)",
            evaluation.unseen
        );
    }
    let mut left_out = LeftOut::default();
    for record in &gathered.records {
        left_out.add(&contract.classes.left_out(&record.reference));
    }
    if !left_out.is_empty() {
        text += &format!("; left out, of none of the model's classes: {left_out}");
    }
    text.push('\n');
    for (_, reason) in &gathered.skipped {
        text += &format!("left out: {reason}\n");
    }
    text.push('\n');
    text
}

fn draw(confusion: &Confusion, path: &Path) -> Result<()> {
    let picture = ConfusionMatrix {
        confusion,
        title: "Reference beats, escape beats as N",
    };
    Ok(plot::save(&picture, path)?)
}
