//! The task of the bare command line: classify, write, report.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use data::beat_files::table::Reading;
use data::datasets::dataset::Failures;
use data::episodes::notes;
use data::formats::wfdb::AnnotationWriter;
use data::formats::{self, edf};
use data::output::{OutputFile, Outputs};
use data::pipeline::annotator::Annotator;
use data::plot::{ConfusionMatrix, PictureFormat};
use data::scoring::metrics::Confusion;
use models::contract::{Reject, reject_rule};

use crate::classifier::Classifier;
use crate::cli::Classify;
use crate::error::{Error, Result};
use crate::explain::arguments::Explain;
use crate::explain::command;
use crate::predictions::{Format, Row, Writer};
use crate::shipped;
use crate::source::{Choice, Chunks, Fiducials, Source};

/// The name of standard output in `--output`.
const STDOUT: &str = "-";

/// Classifies the inputs and writes what the arguments ask for.
///
/// # Errors
/// The first thing that is wrong with the model, an input or an output; no
/// output appears then.
pub fn run(arguments: &Classify) -> Result<()> {
    arguments.device.choose();
    let folder = arguments.explain.as_deref();
    let explain = folder
        .map(|folder| Explain::beside(arguments, folder))
        .transpose()?;
    let detect = arguments.detect || arguments.annotator.is_some();
    let fiducials = Fiducials::of(arguments.reference.as_deref(), detect);
    let choice = Choice {
        fiducials,
        lead: arguments.lead.clone(),
        table: Reading {
            columns: arguments.table.clone().unwrap_or_default(),
            normalise: arguments.normalise,
        },
        samples: arguments.samples.clone(),
    };
    let mut sources = Vec::new();
    for path in &arguments.inputs {
        sources.extend(Source::find(path, &choice)?);
    }
    let model = shipped::model_for(&sources, arguments.model.as_deref())?;
    let mut outputs = Outputs::new(arguments.force);
    shipped::protect(&model, &mut outputs);
    sources.iter().for_each(|s| s.protect(&mut outputs));
    let annotations = pass_outputs(arguments, &sources, &mut outputs)?;
    Source::heed(&sources, &choice)?;
    if let Some(explain) = &explain {
        explain.pass_outputs(&mut outputs)?;
    }
    let classifier = match arguments.threads {
        Some(threads) => Classifier::with_threads(&model, threads.get())?,
        None => Classifier::load(&model)?,
    };
    shipped::check(&sources, &model, &classifier.contract.input)?;
    eprintln!("model: {}", model.display());
    match &arguments.annotator {
        Some(_) => annotate(&classifier, &sources, annotations, arguments)?,
        None => predict(&classifier, &sources, arguments)?,
    }
    explain
        .as_ref()
        .map_or(Ok(()), |explain| command::run_within(explain, &mut outputs))
}

/// Checks everything that will be written, before the work; the annotation
/// files, where these are wanted.
fn pass_outputs(
    arguments: &Classify,
    sources: &[Source],
    outputs: &mut Outputs,
) -> Result<Vec<PathBuf>> {
    if let Some(annotator) = &arguments.annotator {
        let path = |source: &Source| {
            let Some(name) = source.record_name() else {
                return Err(Error::Input(format!(
                    "{}: only a recording can be annotated; leave out --annotator to write predictions",
                    source.path.display()
                )));
            };
            let record = arguments.output.join(name);
            let path = formats::new_annotation_path(&record, annotator)?;
            outputs.annotations(&path)?;
            if arguments.edf_plus {
                outputs.file(&edf::beside(&path))?;
            }
            Ok(path)
        };
        return sources.iter().map(path).collect();
    }
    if arguments.output != Path::new(STDOUT) {
        outputs.file(&arguments.output)?;
    }
    format(arguments)?;
    if let Some(picture) = confusion_path(arguments) {
        outputs.file(&picture)?;
    }
    Ok(Vec::new())
}

/// The format of the predictions: what `--format` says, else the name of
/// `--output`; CSV on standard output.
fn format(arguments: &Classify) -> Result<Format> {
    match arguments.format {
        Some(format) => Ok(format),
        None if arguments.output == Path::new(STDOUT) => Ok(Format::Csv),
        None => Format::of(&arguments.output),
    }
}

/// Where the confusion matrix goes, if the inputs have labels.
fn confusion_path(arguments: &Classify) -> Option<PathBuf> {
    let beside = (arguments.output != Path::new(STDOUT))
        .then(|| arguments.output.with_extension("confusion.png"));
    arguments.confusion.clone().or(beside)
}

/// Counts over all inputs.
struct Tally {
    beats: u64,
    rejected: u64,
    unreadable: u64,
    confusion: Confusion,
}

fn predict(classifier: &Classifier, sources: &[Source], arguments: &Classify) -> Result<()> {
    let started = Instant::now();
    let path = (arguments.output != Path::new(STDOUT)).then(|| arguments.output.clone());
    let mut writer = Writer::create(path.clone(), format(arguments)?, &classifier.contract)?;
    let mut tally = Tally {
        beats: 0,
        rejected: 0,
        unreadable: 0,
        confusion: Confusion::new(&classifier.contract.classes),
    };
    let mut failures = Failures::among(sources.len());
    for source in sources {
        let name = source.path.display().to_string();
        let before = tally.beats;
        let Some(chunks) = begun(source, classifier, &mut failures)? else {
            continue;
        };
        let fs = source.fs()?;
        classifier.stream(chunks, |beats, predictions| {
            for (i, prediction) in predictions.iter().enumerate() {
                let row = tally.beats - before;
                let row = Row::of(
                    &name,
                    row,
                    (&beats, i),
                    fs,
                    prediction.decision(),
                    prediction.scores(),
                );
                let label = row.label;
                writer.write(&row)?;
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
        let none = || Error::Input(format!("{name}: there is no beat in it"));
        let any = (tally.beats > before).then_some(()).ok_or_else(none);
        failures.keep(&name, any)?;
    }
    failures.unless_all()?;
    let labelled = tally.confusion.total() > 0;
    let picture = confusion_path(arguments).filter(|_| labelled);
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
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(report.as_bytes()).map_err(Error::Stdout)?;
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
    Ok(failures.finish()?)
}

/// The beats of a source, a batch at a time, or `None` where it is a recording
/// that cannot be prepared.
fn begun(
    source: &Source,
    classifier: &Classifier,
    failures: &mut Failures,
) -> Result<Option<Chunks>> {
    let chunks = source.chunks(&classifier.contract);
    match source.record_name() {
        Some(_) => failures.keep(source.path.display(), chunks),
        // Rows of a file are written as they are read: it is whole or the run ends.
        None => chunks.map(Some),
    }
}

/// The classification report where there are labels, and what was rejected.
fn report(tally: &Tally, classifier: &Classifier) -> String {
    let mut text = String::new();
    let labelled = tally.confusion.total();
    if labelled > 0 {
        text += &tally.confusion.report();
        let _ = writeln!(
            text,
            "the model learnt from {}; beats of another kind are harder for it",
            classifier.contract.training.data
        );
    }
    if labelled > 0 && labelled < tally.beats {
        let _ = writeln!(text, "{labelled} of {} beats have a label", tally.beats);
    }
    let threshold = classifier.contract.reject_threshold;
    if threshold > 0.0 {
        let _ = writeln!(
            text,
            "{} of {} beats are left to a human ({})",
            tally.rejected,
            tally.beats,
            reject_rule(threshold)
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
    let model = models::shipped::file_name(model);
    let title = format!("Confusion matrix of {model}");
    let picture = ConfusionMatrix {
        confusion,
        title: &title,
    };
    let bytes = PictureFormat::of(&path)?.bytes(&picture)?;
    let mut file = OutputFile::create(&path)?;
    file.write_all(&bytes).map_err(data::Error::io(&path))?;
    Ok((path, file))
}

/// Writes an annotation file per record, and what else the arguments ask for. They
/// appear when all are written.
fn annotate(
    classifier: &Classifier,
    sources: &[Source],
    paths: Vec<PathBuf>,
    arguments: &Classify,
) -> Result<()> {
    let classes = &classifier.contract.classes;
    let mut failures = Failures::among(sources.len());
    let mut files = Vec::new();
    for (source, path) in sources.iter().zip(paths) {
        let Some(chunks) = begun(source, classifier, &mut failures)? else {
            continue;
        };
        let recording = source.recording()?;
        let clock = recording.clock();
        let mut file = clock.create(&path)?;
        let (mut count, mut annotator) = (0_u64, Annotator::whole());
        // A rhythm is known when it is over, and EDF+ tells its length first.
        let wait = arguments.rhythm || arguments.edf_plus;
        classifier.stream(chunks, |beats, predictions| {
            annotator.notes(&beats.notes);
            for (&sample, prediction) in beats.samples.iter().zip(&predictions) {
                annotator.beat(prediction.decision().annotation(classes, sample));
                count += 1;
            }
            if wait {
                return Ok(());
            }
            // Neither a beat nor a note of a later batch comes before this one's last.
            let last = beats.samples.last().copied().unwrap_or(0);
            Ok(annotator.settle(last, &mut |annotation| file.write(annotation))?)
        })?;
        let mut all = annotator.all();
        if arguments.rhythm {
            all = notes::with_rhythm(all, clock.fs());
        }
        all.iter()
            .try_for_each(|annotation| file.write(annotation))?;
        if arguments.edf_plus {
            let end = recording.length.unwrap_or(0);
            let bytes = edf::annotation_file(&all, clock.fs(), recording.start, end)?;
            let edf_path = edf::beside(&path);
            let mut file = OutputFile::create(&edf_path)?;
            file.write_all(&bytes).map_err(data::Error::io(&edf_path))?;
            files.push((edf_path, count, Written::Edf(file)));
        }
        files.push((path, count, Written::Wfdb(file)));
    }
    failures.unless_all()?;
    for (path, count, file) in files {
        match file {
            Written::Wfdb(file) => file.commit()?,
            Written::Edf(file) => file.commit()?,
        }
        eprintln!("annotations: {} ({count} beats)", path.display());
    }
    Ok(failures.finish()?)
}

/// An annotation file that waits for its name.
enum Written {
    Wfdb(AnnotationWriter),
    Edf(OutputFile),
}
