//! The task of the bare command line: classify, write, report.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use data::formats::wfdb::AnnotationWriter;
use data::output::OutputFile;
use data::pipeline::annotator::Annotator;
use data::plot::{self, ConfusionMatrix};
use data::scoring::metrics::Confusion;
use models::contract::Reject;

use crate::classifier::{Classifier, differences};
use crate::cli::Classify;
use crate::explain::command::{self, Explain};
use crate::predictions::{Format, Row, Writer};
use crate::shipped;
use crate::source::{Choice, Fiducials, Source};

/// The name of standard output in `--output`.
const STDOUT: &str = "-";

/// Classifies the inputs and writes what the arguments ask for.
///
/// # Errors
/// The first thing that is wrong with the model, an input or an output; no
/// output appears then.
pub fn run(arguments: &Classify) -> Result<()> {
    let folder = arguments.explain.as_deref();
    let explain = folder
        .map(|folder| Explain::beside(arguments, folder))
        .transpose()?;
    let fiducials = match &arguments.reference {
        Some(annotator) => Fiducials::Annotator(annotator.clone()),
        None if arguments.detect || arguments.annotator.is_some() => Fiducials::Detector,
        None => Fiducials::Either,
    };
    let choice = Choice {
        fiducials,
        lead: arguments.lead.clone(),
    };
    let mut sources = Vec::new();
    for path in &arguments.inputs {
        sources.extend(Source::find(path, &choice)?);
    }
    let prepared: Vec<_> = sources.iter().map(Source::input).collect();
    let model = match &arguments.model {
        Some(path) => path.clone(),
        None => shipped::choose(&prepared)?,
    };
    let mut classifier = match arguments.threads {
        Some(threads) => Classifier::with_threads(&model, threads.get())?,
        None => Classifier::load(&model)?,
    };
    for (source, input) in sources.iter().zip(&prepared) {
        let unfit = input
            .iter()
            .flat_map(|i| differences(i, &classifier.contract.input));
        let unfit: Vec<_> = unfit.collect();
        ensure!(
            unfit.is_empty(),
            "{} does not fit {}: {}; choose another model with --model, or prepare the input for this one with `data convert`",
            source.path.display(),
            model.display(),
            unfit.join("; ")
        );
    }
    eprintln!("model: {}", model.display());
    match &arguments.annotator {
        Some(annotator) => annotate(&mut classifier, &sources, annotator, &arguments.output)?,
        None => predict(&mut classifier, &sources, arguments)?,
    }
    explain.as_ref().map_or(Ok(()), command::run)
}

/// Counts over all inputs.
#[derive(Default)]
struct Tally {
    beats: u64,
    rejected: u64,
    unreadable: u64,
    confusion: Confusion,
}

fn predict(classifier: &mut Classifier, sources: &[Source], arguments: &Classify) -> Result<()> {
    let started = Instant::now();
    let path = (arguments.output != Path::new(STDOUT)).then(|| arguments.output.clone());
    let by_name = || path.as_deref().map_or(Format::Csv, Format::of);
    let format = arguments.format.unwrap_or_else(by_name);
    let mut writer = Writer::create(path.clone(), format, &classifier.contract)?;
    let mut tally = Tally::default();
    for source in sources {
        let name = source.path.display().to_string();
        let before = tally.beats;
        let chunks = source.chunks(&classifier.contract.input)?;
        classifier.stream(chunks, |beats, predictions| {
            for (i, prediction) in predictions.iter().enumerate() {
                let place = beats.records.get(i).map(|&record| {
                    let name = beats.record_names[record as usize].as_str();
                    (name, beats.samples[i])
                });
                let label = beats.labels.get(i).copied();
                writer.write(&Row {
                    input: &name,
                    row: tally.beats - before,
                    place,
                    label,
                    prediction,
                })?;
                tally.beats += 1;
                match prediction.reject {
                    Some(Reject::Uncertain) => tally.rejected += 1,
                    Some(Reject::Quality) => tally.unreadable += 1,
                    None => {}
                }
                if let Some(label) = label {
                    tally.confusion.add(label, prediction.class);
                }
            }
            Ok(())
        })?;
        ensure!(tally.beats > before, "{name}: there is no beat in it");
    }
    let labelled = tally.confusion.total() > 0;
    let beside = || path.as_deref().map(|p| p.with_extension("confusion.png"));
    let picture = arguments
        .confusion
        .clone()
        .or_else(beside)
        .filter(|_| labelled);
    let drawn = picture
        .map(|p| draw(&tally.confusion, p, classifier.path()))
        .transpose()?;
    let report = report(&tally, classifier);
    writer.commit()?;
    if let Some((picture, _)) = &drawn {
        eprintln!("confusion matrix: {}", picture.display());
    }
    if let Some((_, file)) = drawn {
        file.commit()?;
    }
    match &path {
        Some(path) => {
            std::io::stdout().lock().write_all(report.as_bytes())?;
            eprintln!("predictions: {}", path.display());
        }
        // Standard output belongs to the predictions.
        None => eprint!("{report}"),
    }
    let seconds = started.elapsed().as_secs_f64();
    eprintln!(
        "{} beats in {seconds:.2} s ({:.0} beats/s)",
        tally.beats,
        tally.beats as f64 / seconds
    );
    Ok(())
}

/// The classification report where there are labels, and what was rejected.
fn report(tally: &Tally, classifier: &Classifier) -> String {
    let mut text = String::new();
    let labelled = tally.confusion.total();
    if labelled > 0 {
        text += &tally.confusion.report();
    }
    if labelled > 0 && labelled < tally.beats {
        let _ = writeln!(text, "{labelled} of {} beats have a label", tally.beats);
    }
    let threshold = classifier.contract.reject_threshold;
    if threshold > 0.0 {
        let _ = writeln!(
            text,
            "{} of {} beats are left to a human (probability below {threshold})",
            tally.rejected, tally.beats
        );
    }
    if tally.unreadable > 0 {
        let _ = writeln!(
            text,
            "{} of {} beats lie where the signal cannot be read",
            tally.unreadable, tally.beats
        );
    }
    text
}

/// The picture, complete under its temporary name.
fn draw(confusion: &Confusion, path: PathBuf, model: &Path) -> Result<(PathBuf, OutputFile)> {
    let model = model.file_name().unwrap_or_default().to_string_lossy();
    let title = format!("Confusion matrix of {model}");
    let picture = ConfusionMatrix {
        confusion,
        title: &title,
    };
    let bytes = if path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("svg"))
    {
        plot::svg(&picture)?.into_bytes()
    } else {
        plot::png(&picture)?
    };
    let mut file = OutputFile::create(&path)?;
    file.write_all(&bytes)
        .with_context(|| path.display().to_string())?;
    Ok((path, file))
}

/// Writes an annotation file per record, all of them or none.
fn annotate(
    classifier: &mut Classifier,
    sources: &[Source],
    annotator: &str,
    folder: &Path,
) -> Result<()> {
    if let Some(other) = sources.iter().find(|s| !s.is_record()) {
        bail!(
            "{}: only a WFDB record can be annotated; leave out --annotator to write predictions",
            other.path.display()
        );
    }
    let mut files = Vec::new();
    for source in sources {
        let name = source.path.file_name().unwrap_or_default();
        let path = folder.join(name).with_added_extension(annotator);
        let mut file = AnnotationWriter::create(&path)?;
        let (mut count, mut annotator) = (0_u64, Annotator::whole());
        let mut noted = false;
        let chunks = source.chunks(&classifier.contract.input)?;
        classifier.stream(chunks, |beats, predictions| {
            if !std::mem::replace(&mut noted, true) {
                annotator.notes(&beats.notes);
            }
            for (&sample, prediction) in beats.samples.iter().zip(&predictions) {
                annotator.beat(prediction.decision().annotation(sample));
                count += 1;
            }
            Ok(())
        })?;
        annotator.finish(&mut |annotation| file.write(annotation))?;
        files.push((path, count, file));
    }
    for (path, count, file) in files {
        file.commit()?;
        eprintln!("annotations: {} ({count} beats)", path.display());
    }
    Ok(())
}
