//! The task `report`: recordings to pages that a person can check.

pub mod arguments;
mod made;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use data::beat_files::table::Reading;
use data::output::Outputs;
use data::record::error::{Failures, ensure};

use self::arguments::Arguments;
use self::made::Job;
pub(crate) use self::made::Model;
use crate::error::{Error, Result};
use crate::shipped;
use crate::source::{Choice, Fiducials, Source};

/// The ending of a page's name.
const PAGE: &str = "html";
/// Where pages go by themselves.
const ONE: &str = "report.html";
const MANY: &str = "reports";

/// What became of a recording.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Made,
    /// It was there already.
    Done,
}

/// Makes the page of each recording. What is there already, made from the same
/// files by the same model with the same options, is not made again, so that a run
/// that was interrupted goes on where it was.
///
/// # Errors
/// The first thing that is wrong with the arguments; of one recording its error;
/// of several, at the end, those that have no page.
pub fn run(arguments: &Arguments) -> Result<()> {
    let choice = Choice {
        fiducials: match &arguments.reference {
            Some(annotator) => Fiducials::Annotator(annotator.clone()),
            None => Fiducials::Detector,
        },
        lead: arguments.lead.clone(),
        table: Reading::default(),
        samples: arguments.samples.clone(),
    };
    let mut sources = Vec::new();
    for path in paths(arguments)? {
        sources.extend(Source::find(&path, &choice)?);
    }
    for source in &sources {
        ensure(source.record_name().is_some(), || {
            Error::Input(format!(
                "{}: it is a table of beats, and a report is of a recording; classify it without `report`",
                source.path.display()
            ))
        })?;
    }
    ensure(
        arguments.annotations.is_none() || sources.len() == 1,
        || {
            Error::usage(format!(
                "--annotations is of one recording, and {} are given",
                sources.len()
            ))
        },
    )?;
    let jobs = jobs(sources, arguments)?;
    let threads = threads(arguments);
    let model = model(&jobs, arguments, threads)?;
    let mut outputs = Outputs::new(arguments.force);
    pass_outputs(&jobs, arguments, model.as_ref(), &mut outputs)?;
    make_all(&jobs, arguments, model.as_ref(), threads)
}

/// Makes the page of one recording, and the same content as JSON beside it, as `run`
/// does.
///
/// # Errors
/// The recording cannot be read or prepared, or a file not be written.
pub(crate) fn one(
    source: Source,
    lead: Option<String>,
    model: &Model,
    page: PathBuf,
) -> Result<()> {
    let arguments = Arguments::of_one(lead);
    let job = Job { source, page };
    let origin = job.origin(Some(model), &arguments)?;
    job.make(Some(model), &arguments, &origin)
}

fn threads(arguments: &Arguments) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    arguments.threads.map_or_else(cores, NonZeroUsize::get)
}

/// The inputs that are named, by the arguments and in the list.
fn paths(arguments: &Arguments) -> Result<Vec<PathBuf>> {
    let mut paths = arguments.inputs.clone();
    if let Some(list) = &arguments.list {
        let text = std::fs::read_to_string(list).map_err(data::Error::io(list))?;
        let lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
        paths.extend(lines.map(PathBuf::from));
        ensure(!paths.is_empty(), || {
            Error::Input(format!(
                "{}: it names no recording; write one a line",
                list.display()
            ))
        })?;
    }
    Ok(paths)
}

/// Each recording of the shard, and where its page goes.
fn jobs(sources: Vec<Source>, arguments: &Arguments) -> Result<Vec<Job>> {
    let is_page = |path: &Path| path.extension().is_some_and(|e| e == PAGE);
    let single = sources.len() == 1;
    let output = arguments.output.clone().unwrap_or_else(|| {
        let name = if single { ONE } else { MANY };
        PathBuf::from(name)
    });
    ensure(single || !is_page(&output), || {
        Error::usage(format!(
            "--output {}: {} recordings have a page each; name a folder",
            output.display(),
            sources.len()
        ))
    })?;
    let shard = arguments.shard;
    let mine = sources
        .into_iter()
        .enumerate()
        .filter(|(place, _)| shard.has(*place));
    Ok(mine
        .map(|(_, source)| {
            let page = match single && is_page(&output) {
                true => output.clone(),
                false => {
                    let name = source.record_name().unwrap_or_default();
                    output.join(format!("{name}.{PAGE}"))
                }
            };
            Job { source, page }
        })
        .collect())
}

/// The model and what explains it, unless there are annotations.
fn model(jobs: &[Job], arguments: &Arguments, threads: usize) -> Result<Option<Model>> {
    if arguments.annotations.is_some() {
        return Ok(None);
    }
    let sources: Vec<Source> = jobs.iter().map(|job| job.source.clone()).collect();
    let path = shipped::model_for(&sources, arguments.model.as_deref())?;
    let model = Model::load(&path, threads)?;
    shipped::check(&sources, &path, &model.classifier.contract.input)?;
    eprintln!("model: {}", path.display());
    Ok(Some(model))
}

fn pass_outputs(
    jobs: &[Job],
    arguments: &Arguments,
    model: Option<&Model>,
    outputs: &mut Outputs,
) -> Result<()> {
    if let Some(model) = model {
        shipped::protect(model.classifier.path(), outputs);
    }
    arguments.annotations.iter().for_each(|a| outputs.input(a));
    arguments.list.iter().for_each(|list| outputs.input(list));
    jobs.iter().for_each(|job| job.source.protect(outputs));
    for job in jobs {
        outputs.file(&job.page)?;
        if arguments.json {
            outputs.file(&job.json())?;
        }
    }
    Ok(())
}

/// Makes all pages, several at a time, and tells how far it is.
fn make_all(
    jobs: &[Job],
    arguments: &Arguments,
    model: Option<&Model>,
    threads: usize,
) -> Result<()> {
    let started = Instant::now();
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(jobs.len()));
    let work = || {
        while let Some((place, job)) = {
            let place = next.fetch_add(1, Ordering::Relaxed);
            jobs.get(place).map(|job| (place, job))
        } {
            let result = make(job, arguments, model);
            let mut results = results.lock().unwrap_or_else(|e| e.into_inner());
            if jobs.len() > 1 {
                let done = results.len() + 1;
                let each = started.elapsed().as_secs_f64() / done as f64;
                let left = each * (jobs.len() - done) as f64;
                let what = match &result {
                    Ok(Outcome::Made) => job.page.display().to_string(),
                    Ok(Outcome::Done) => format!("{} is there already", job.page.display()),
                    Err(_) => format!("{} failed", job.source.path.display()),
                };
                eprintln!("{done}/{}, {left:.0} s left: {what}", jobs.len());
            }
            results.push((place, result));
        }
    };
    // A recording's own work keeps about two cores busy.
    std::thread::scope(|scope| {
        for _ in 0..threads.div_ceil(2).min(jobs.len()) {
            scope.spawn(work);
        }
    });
    let mut results = results.into_inner().unwrap_or_else(|e| e.into_inner());
    results.sort_by_key(|(place, _)| *place);
    let mut failures = Failures::among(jobs.len());
    let (mut made, mut there) = (0, 0);
    for (job, (_, result)) in jobs.iter().zip(results) {
        match failures.keep(job.source.path.display(), result)? {
            Some(Outcome::Made) => made += 1,
            Some(Outcome::Done) => there += 1,
            None => {}
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    match jobs {
        [job] if there == 1 => println!(
            "{} is there already, made from the same in the same way; --force makes it again",
            job.page.display()
        ),
        [job] => println!("{} ({seconds:.1} s)", job.page.display()),
        _ => println!(
            "{made} pages made, {there} were there already, {} failed ({seconds:.1} s)",
            failures.all().len()
        ),
    }
    println!("{}", data::holter::NOTICE);
    Ok(failures.finish()?)
}

fn make(job: &Job, arguments: &Arguments, model: Option<&Model>) -> Result<Outcome> {
    let origin = job.origin(model, arguments)?;
    if !arguments.force && job.is_done(&origin, arguments.json) {
        return Ok(Outcome::Done);
    }
    job.make(model, arguments, &origin)?;
    Ok(Outcome::Made)
}
