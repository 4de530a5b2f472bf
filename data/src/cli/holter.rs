//! `data holter`: what an annotated recording comes to, as a report of a long
//! recording tells it.

mod text;

use std::io::Write;
use std::path::PathBuf;

use crate::Class;
use crate::datasets::dataset::REFERENCE;
use crate::episodes::Thresholds;
use crate::formats;
use crate::holter::{Beat, Holter, NOTICE, Options, Summary};
use crate::output::made_here::{MAKER, is_made_here};
use crate::program::Usage;
use crate::record::aami::Convention;
use crate::record::annotation::Annotation;
use anyhow::bail;
use serde::Serialize;

/// Shows the Holter numbers of an annotated recording: analysable time, beats by
/// class, heart rate, ectopic beats and runs, pauses, episodes, heart-rate
/// variability, and a table by hour. Research software, not a medical device.
#[derive(clap::Args)]
pub struct Arguments {
    /// WFDB record, such as data/mitdb/100
    record: PathBuf,
    /// Annotator: the ending of its file
    #[arg(long, default_value = REFERENCE)]
    annotator: String,
    /// Write JSON, every number in it, in place of text
    #[arg(long)]
    json: bool,
    /// An RR interval of at least so many seconds is a pause
    #[arg(long, value_name = "S", default_value_t = Thresholds::default().pause)]
    pause: f64,
    /// A mean rate below this is a bradycardia
    #[arg(long, value_name = "BPM", default_value_t = Thresholds::default().bradycardia)]
    bradycardia: f64,
    /// A mean rate above this is a tachycardia
    #[arg(long, value_name = "BPM", default_value_t = Thresholds::default().tachycardia)]
    tachycardia: f64,
    /// So many ectopic beats of one class in a row are a run
    #[arg(long, value_name = "BEATS", default_value_t = Thresholds::default().run)]
    run: u32,
}

/// What the JSON holds.
#[derive(Serialize)]
struct Report<'a> {
    made_by: &'static str,
    notice: &'static str,
    record: &'a str,
    annotator: &'a str,
    #[serde(flatten)]
    summary: &'a Summary,
}

impl Arguments {
    fn options(&self) -> anyhow::Result<Options> {
        for (flag, value) in [
            ("--pause", self.pause),
            ("--bradycardia", self.bradycardia),
            ("--tachycardia", self.tachycardia),
        ] {
            if !value.is_finite() || value <= 0.0 {
                bail!(Usage(format!(
                    "{flag} is {value}; a positive number is expected"
                )));
            }
        }
        if self.bradycardia >= self.tachycardia {
            bail!(Usage(format!(
                "--bradycardia {} must lie below --tachycardia {}",
                self.bradycardia, self.tachycardia
            )));
        }
        if self.run < 3 {
            bail!(Usage(format!(
                "--run is {}; two beats are a couplet, so that a run has at least 3",
                self.run
            )));
        }
        Ok(Options {
            thresholds: Thresholds {
                pause: self.pause,
                bradycardia: self.bradycardia,
                tachycardia: self.tachycardia,
                run: self.run,
                ..Thresholds::default()
            },
            ..Options::default()
        })
    }
}

/// Runs the command.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> anyhow::Result<()> {
    let options = arguments.options()?;
    let path = formats::at(&arguments.record).unwrap_or_else(|| arguments.record.clone());
    let recording = formats::open(&path)?;
    let clock = recording.clock();
    let file = formats::found_annotations(&path, &arguments.annotator)?;
    let annotations = clock.read(&file)?;
    // Databases say other things in a beat's `subtyp`.
    let tells_rejected = is_made_here(&file);
    let mut holter = Holter::new(clock.fs(), recording.start, options);
    for annotation in &annotations {
        take(&mut holter, annotation, tells_rejected);
    }
    let last = annotations.iter().map(|a| a.sample).max();
    let last = last.map_or(0, |sample| u64::try_from(sample).map_or(0, |s| s + 1));
    let summary = holter.finish(recording.length.unwrap_or(last));
    if summary.beats.total == 0 {
        eprintln!(
            "{}: annotator {} has no beats; name another with --annotator",
            recording.name, arguments.annotator
        );
    }
    let report = Report {
        made_by: MAKER,
        notice: NOTICE,
        record: &recording.name,
        annotator: &arguments.annotator,
        summary: &summary,
    };
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        return Ok(writeln!(out)?);
    }
    Ok(text::write(
        &recording.name,
        &arguments.annotator,
        &summary,
        out,
    )?)
}

/// An annotation is a beat or a note. In a file of this project `subtyp` may tell
/// that a beat is left to a human.
fn take(holter: &mut Holter, annotation: &Annotation, tells_rejected: bool) {
    let Some(class) = Class::from_symbol(annotation.symbol, Convention::default()) else {
        return holter.note(annotation);
    };
    if let Ok(sample) = u64::try_from(annotation.sample) {
        holter.beat(&Beat {
            rejected: tells_rejected && annotation.subtype == 1,
            ..Beat::new(sample, class)
        });
    }
}
