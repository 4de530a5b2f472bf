//! `data detect`: finds the beats of recordings and writes them as annotations.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use data::datasets::dataset::{self, Failures, Recordings};
use data::formats::wfdb::{self, Clock};
use data::output::Outputs;
use data::pipeline::annotator::Annotator;
use data::pipeline::input::InputSpec;
use data::pipeline::prepare;
use data::pipeline::{Fiducials, Pipeline};
use data::program::Usage;
use data::record::annotation::{Annotation, Symbol};

/// Finds the QRS complexes of recordings, without classifying them, and
/// malignant rhythms; beats within ventricular fibrillation are left out.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of WFDB records, or one record
    folder: PathBuf,
    /// Records: ds1, ds2, all, a file that lists them, or names with commas between
    #[arg(long, value_name = "LIST", default_value = "all")]
    records: String,
    /// Leads that are read at once, such as MLII,V1; without it the first ECG lead
    #[arg(long, value_delimiter = ',')]
    leads: Vec<String>,
    /// Least signal quality of a beat, 0 to 1; worse ones are left out
    #[arg(long, value_name = "QUALITY", default_value_t = 0.0)]
    least_quality: f32,
    /// Ending of the annotation files
    #[arg(long, default_value = "qrs")]
    annotator: String,
    /// Folder that they are written to
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Replace annotation files that this program did not make
    #[arg(long)]
    force: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> anyhow::Result<()> {
    ensure!(
        (0.0..=1.0).contains(&arguments.least_quality),
        Usage(format!(
            "--least-quality is {}; a quality lies between 0 and 1",
            arguments.least_quality
        ))
    );
    let spec = InputSpec {
        leads: arguments.leads.clone(),
        ..InputSpec::window()
    };
    let found = Recordings::find(&arguments.folder, &arguments.records)?;
    if let Some(remark) = &found.remark {
        eprintln!("{remark}");
    }
    let mut outputs = Outputs::new(arguments.force);
    for name in &found.names {
        outputs.record(&wfdb::known_files(&found.folder.join(name)));
    }
    let path = |name: &String| {
        outputs.annotations(&arguments.output, Path::new(name), &arguments.annotator)
    };
    let paths: Vec<PathBuf> = found.names.iter().map(path).collect::<data::Result<_>>()?;
    let mut failures = Failures::among(found.names.len());
    for (name, path) in found.names.iter().zip(paths) {
        let detected = detect(arguments, &spec, &found.folder, name);
        let Some((clock, annotations, count)) = failures.keep(name, detected)? else {
            continue;
        };
        clock.write(&path, &annotations)?;
        let beats = annotations.iter().filter(|a| a.symbol == Symbol::N).count();
        writeln!(out, "{name}: {beats} of {count} beats written")?;
    }
    Ok(failures.finish()?)
}

/// The annotations of a record, of beats those that are good enough, and how
/// many beats there are.
fn detect(
    arguments: &Arguments,
    spec: &InputSpec,
    folder: &Path,
    name: &str,
) -> anyhow::Result<(Clock, Vec<Annotation>, usize)> {
    let path = dataset::record_path(folder, name)?;
    let mut record = wfdb::read_ecg(&path)?;
    record.name = name.to_owned();
    let signals = prepare::choose(&record, spec)?;
    if let Some(remark) = record.passed_over().filter(|_| spec.leads.is_empty()) {
        eprintln!("{remark}");
    }
    let mut pipeline = Pipeline::new(spec, record.fs, Fiducials::Detected)
        .with_context(|| format!("record {name}"))?;
    let (mut annotator, mut count) = (Annotator::new(record.fs), 0_usize);
    prepare::watch(&mut pipeline, &signals, &mut |output| {
        annotator.take(&output);
        let Some(beat) = output.beat() else { return };
        count += 1;
        if beat.quality >= arguments.least_quality {
            annotator.beat(Annotation::new(beat.sample as i64, Symbol::N));
        }
    });
    Ok((Clock::of(&path)?, annotator.all(), count))
}
