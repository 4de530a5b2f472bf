//! `data synth`: synthetic recordings with exact labels.

use std::io::Write;
use std::path::PathBuf;

use crate::Classes;
use crate::beat_files::kaggle;
use crate::datasets::dataset::{Annotated, REFERENCE};
use crate::formats::{annotation_path, wfdb};
use crate::output::{Outputs, made_here::RECORD_NOTE};
use crate::pipeline::beats::Beats;
use crate::pipeline::input::InputSpec;
use crate::pipeline::kaggle_cut;
use crate::program::Usage;
use crate::simulate::synth;
use anyhow::{Context, ensure};

/// Synthesises recordings of different patients, as WFDB records with
/// reference annotations or as beats in the Kaggle format.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of the WFDB records s000, s001, ...
    #[arg(long, value_name = "DIR", required_unless_present = "kaggle")]
    output: Option<PathBuf>,
    /// Kaggle CSV file of the beats of the first lead, labelled
    #[arg(long, value_name = "FILE")]
    kaggle: Option<PathBuf>,
    /// At most so many rows in the Kaggle CSV, spread over the recordings
    #[arg(long, value_name = "N", requires = "kaggle")]
    rows: Option<usize>,
    /// Number of patients
    #[arg(long, default_value_t = 1)]
    patients: usize,
    /// Length of each recording
    #[arg(long, default_value_t = 30.0)]
    minutes: f64,
    /// Samples per second
    #[arg(long, value_name = "HZ", default_value_t = 360.0)]
    fs: f64,
    /// The same seed gives the same recordings
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Replace records and files that this program did not make, or that cannot tell
    #[arg(long)]
    force: bool,
}

/// Most recordings and, of each, most frames, which are held in memory.
const MOST_PATIENTS: usize = 100_000;
const MOST_FRAMES: f64 = 500e6;
/// Sampling rates, Hz, and lengths, minutes, that can be asked for.
const RATES: std::ops::RangeInclusive<f64> = 50.0..=100_000.0;
const MINUTES: std::ops::RangeInclusive<f64> = 0.01..=100_000.0;

fn check(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments {
        patients,
        minutes,
        fs,
        rows,
        ..
    } = arguments;
    ensure!(
        (1..=MOST_PATIENTS).contains(patients),
        Usage(format!(
            "--patients is {patients}; it may be 1 to {MOST_PATIENTS}"
        ))
    );
    for (flag, value, range) in [("--minutes", minutes, MINUTES), ("--fs", fs, RATES)] {
        ensure!(
            range.contains(value),
            Usage(format!(
                "{flag} is {value:?}; it may be {} to {}",
                range.start(),
                range.end()
            ))
        );
    }
    ensure!(
        minutes * 60.0 * fs <= MOST_FRAMES,
        Usage(format!(
            "--minutes {minutes} at --fs {fs} are {:e} frames; a recording may have {MOST_FRAMES:e}",
            minutes * 60.0 * fs
        ))
    );
    ensure!(
        *rows != Some(0),
        Usage("--rows is 0; it may be 1 and above".into())
    );
    Ok(())
}

/// Runs the command.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> anyhow::Result<()> {
    check(arguments)?;
    let mut outputs = Outputs::new(arguments.force);
    for index in 0..arguments.patients {
        let Some(folder) = &arguments.output else {
            break;
        };
        let name = synth::patient_name(index);
        let labels = annotation_path(&folder.join(&name), REFERENCE);
        outputs.made_record(&wfdb::written_files(folder, &name), &labels)?;
    }
    if let Some(path) = &arguments.kaggle {
        outputs.file(path)?;
    }
    let classes = Classes::aami5();
    let mut beats = Beats::new(InputSpec::kaggle(), &classes);
    // One patient at a time, so that a large cohort needs little memory.
    for index in 0..arguments.patients {
        let Annotated {
            mut record,
            annotations,
        } = synth::patient(index, arguments.minutes, arguments.fs, arguments.seed)?;
        record.comments.push(RECORD_NOTE.into());
        if let Some(folder) = &arguments.output {
            wfdb::write_record(folder, &record)?;
            let path = annotation_path(&folder.join(&record.name), REFERENCE);
            wfdb::write_annotations(&path, &annotations)?;
        }
        if arguments.kaggle.is_some() {
            beats.append(&kaggle_cut::from_record(
                &record,
                &annotations,
                None,
                &classes,
            )?)?;
        }
    }
    if let Some(folder) = &arguments.output {
        writeln!(out, "{}: {} records", folder.display(), arguments.patients)?;
    }
    if let Some(path) = &arguments.kaggle {
        if let Some(rows) = arguments.rows.filter(|rows| *rows < beats.len()) {
            let spread: Vec<usize> = (0..rows).map(|i| i * beats.len() / rows).collect();
            beats = beats.select(&spread);
        }
        kaggle::write(path, &beats).with_context(|| "Kaggle CSV")?;
        writeln!(out, "{}: {} beats", path.display(), beats.len())?;
    }
    Ok(())
}
