//! `data detect`: finds the beats of recordings and writes them as annotations.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::datasets::dataset::{self, Failures, Recordings};
use crate::formats;
use crate::output::Outputs;
use crate::pipeline::annotator::Annotator;
use crate::pipeline::input::InputSpec;
use crate::pipeline::lead_choice;
use crate::pipeline::{Fiducials, Output, Pipeline};
use crate::program::Usage;
use crate::record::annotation::{Annotation, Symbol};
use anyhow::{Context, ensure};

/// Frames read at once.
const FRAMES: usize = 4096;

/// Finds the QRS complexes of recordings, without classifying them, and
/// malignant rhythms; beats within ventricular fibrillation are left out.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of recordings (WFDB, EDF, BDF, ISHNE, DICOM), or one
    folder: PathBuf,
    /// Records: ds1, ds2, all, a file that lists them, or names with commas between
    #[arg(long, value_name = "LIST", default_value = "all")]
    records: String,
    /// Leads that are read at once, such as MLII,V1, also by another usual name or
    /// by number, or auto: the one on which beats stand out best; without it the
    /// first ECG lead
    #[arg(long, visible_alias = "lead", value_delimiter = ',')]
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
        outputs.record(&formats::known_files(&found.folder.join(name)));
    }
    let path = |name: &String| {
        let record = arguments.output.join(name);
        let path = formats::new_annotation_path(&record, &arguments.annotator)?;
        outputs.annotations(&path).map(|()| path)
    };
    let paths: Vec<PathBuf> = found.names.iter().map(path).collect::<crate::Result<_>>()?;
    let mut failures = Failures::among(found.names.len());
    for (name, path) in found.names.iter().zip(paths) {
        let detected = detect(arguments, &spec, &found.folder, name, &path);
        let Some((beats, count)) = failures.keep(name, detected)? else {
            continue;
        };
        writeln!(out, "{name}: {beats} of {count} beats written")?;
    }
    Ok(failures.finish()?)
}

/// Writes the annotations of a record, of beats those that are good enough; how
/// many these are, and how many beats there are.
fn detect(
    arguments: &Arguments,
    spec: &InputSpec,
    folder: &Path,
    name: &str,
    output: &Path,
) -> anyhow::Result<(u64, u64)> {
    let recording = formats::open(&dataset::record_path(folder, name)?)?.named(name);
    let extents = recording.check()?;
    let chosen = lead_choice::choose_asked(&recording, &extents, &spec.leads)?;
    for remark in &chosen.remarks {
        eprintln!("{remark}");
    }
    let mut pipeline = Pipeline::new(spec, recording.fs, Fiducials::Detected)
        .with_context(|| format!("record {name}"))?;
    let mut file = recording.clock().create(output)?;
    let mut annotator = Annotator::new(recording.fs);
    let (mut count, mut written) = (0, 0);
    let mut write = |annotation: &Annotation| {
        written += u64::from(annotation.symbol == Symbol::N);
        file.write(annotation)
    };
    let mut chunks = recording.chunks(&chosen.places)?;
    let mut frames = Vec::new();
    loop {
        frames.clear();
        let more = chunks.read_frames(FRAMES, &mut frames)? > 0;
        let mut take = |output: Output<'_>| {
            annotator.take(&output);
            let Some(beat) = output.beat() else { return };
            count += 1;
            if beat.quality >= arguments.least_quality {
                annotator.beat(Annotation::new(beat.sample as i64, Symbol::N));
            }
        };
        if !more {
            pipeline.finish(&mut take);
            break;
        }
        pipeline.push(&frames, &mut take);
        annotator.settle(pipeline.samples(), &mut write)?;
    }
    annotator.finish(&mut write)?;
    file.commit()?;
    Ok((written, count))
}
