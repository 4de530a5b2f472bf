//! `data detect`: finds the beats of recordings and writes them as annotations.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use data::datasets::dataset;
use data::formats::wfdb;
use data::output::Outputs;
use data::pipeline::input::InputSpec;
use data::pipeline::prepare;
use data::pipeline::{Fiducials, Pipeline};
use data::record::annotation::{Annotation, Symbol};

/// Finds the QRS complexes of recordings, without classifying them.
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
    /// Replace annotation files that this program did not make
    #[arg(long)]
    force: bool,
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
    let names = dataset::select(&arguments.folder, &arguments.records)?;
    let mut outputs = Outputs::new(arguments.force);
    for name in &names {
        outputs.record(&wfdb::record_files(&arguments.folder.join(name)));
    }
    let annotations = |name: &String| {
        outputs.annotations(&arguments.output, Path::new(name), &arguments.annotator)
    };
    let paths: Vec<PathBuf> = names.iter().map(annotations).collect::<data::Result<_>>()?;
    for (name, path) in names.iter().zip(paths) {
        let record = wfdb::read_record(&arguments.folder.join(name))?;
        let signals = prepare::choose(&record, &spec)?;
        let mut pipeline = Pipeline::new(&spec, record.fs, Fiducials::Detected)
            .with_context(|| format!("record {name}"))?;
        let (mut annotations, mut found) = (Vec::new(), 0_usize);
        prepare::run(&mut pipeline, &signals, &mut |beat| {
            found += 1;
            if beat.quality >= arguments.least_quality {
                annotations.push(Annotation::new(beat.sample as i64, Symbol::N));
            }
        });
        wfdb::write_annotations(&path, &annotations)?;
        writeln!(
            out,
            "{name}: {} of {found} beats written",
            annotations.len()
        )?;
    }
    Ok(())
}
