//! `data detect`: finds the beats of recordings and writes them as annotations.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use data::datasets::dataset;
use data::formats::wfdb;
use data::pipeline::annotator::Annotator;
use data::pipeline::input::InputSpec;
use data::pipeline::prepare;
use data::pipeline::{Fiducials, Pipeline};
use data::record::annotation::{Annotation, Symbol};

/// Finds the QRS complexes of recordings, without classifying them, and
/// malignant rhythms; beats within ventricular fibrillation are left out.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of the WFDB records
    folder: PathBuf,
    /// Records: ds1, ds2, all, a file that lists them, or names with commas between
    #[arg(long, value_name = "LIST", default_value = "all")]
    records: String,
    /// Leads that are read at once, such as MLII,V1; without it the first signal
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
}

/// Runs the command.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> anyhow::Result<()> {
    ensure!(
        (0.0..=1.0).contains(&arguments.least_quality),
        "--least-quality is {}; a quality lies between 0 and 1",
        arguments.least_quality
    );
    let spec = InputSpec {
        leads: arguments.leads.clone(),
        ..InputSpec::window()
    };
    for name in dataset::select(&arguments.folder, &arguments.records)? {
        let record = wfdb::read_record(&arguments.folder.join(&name))?;
        let signals = prepare::choose(&record, &spec)?;
        let mut pipeline = Pipeline::new(&spec, record.fs, Fiducials::Detected)
            .with_context(|| format!("record {name}"))?;
        let (mut annotator, mut found) = (Annotator::new(record.fs), 0_usize);
        prepare::watch(&mut pipeline, &signals, &mut |output| {
            annotator.take(&output);
            let Some(beat) = output.beat() else { return };
            found += 1;
            if beat.quality >= arguments.least_quality {
                annotator.beat(Annotation::new(beat.sample as i64, Symbol::N));
            }
        });
        let annotations = annotator.all();
        let beats = annotations.iter().filter(|a| a.symbol == Symbol::N).count();
        let path = arguments
            .output
            .join(format!("{name}.{}", arguments.annotator));
        wfdb::write_annotations(&path, &annotations)?;
        writeln!(out, "{name}: {beats} of {found} beats written")?;
    }
    Ok(())
}
