//! `embedded`: samples in, labelled beats out.

mod arguments;
mod link;
mod report;
mod rows;
mod source;

use std::io::{BufWriter, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use data::formats::wfdb;
use data::formats::wfdb::Clock;
use data::pipeline::RATES;
use data::pipeline::input::{InputSpec, Layout};
use data::pipeline::prepare;
use embedded::{Classifier, Monitor};

use arguments::{Arguments, Origin};
use report::Report;
use source::{Message, Plan};

/// How often a quiet source lets the program look at the stop flag.
const LOOK: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let thresholds = arguments.thresholds()?;
    let origin = arguments.origin()?;
    let mut classifier = Classifier::load(&arguments.model()?)?;
    let input = classifier.contract().input.clone();
    if input.layout == Layout::Kaggle {
        let Origin::File(path) = &origin else {
            bail!(
                "{} classifies beats that are cut out already (Kaggle CSV); to monitor {} take a model of layout 'window'",
                classifier.path().display(),
                arguments.input
            );
        };
        let mut out = BufWriter::new(stdout().lock());
        return rows::run(&mut classifier, path, &mut out);
    }
    let plan = plan(arguments, origin, &input)?;
    let live = plan.origin.is_live();
    let (fs, clock) = (plan.fs, plan.clock);
    let mut monitor = Monitor::with_thresholds(classifier, fs, input.lead_count(), thresholds)?;
    let annotations = arguments.annotator.as_deref().map(|annotator| {
        let name = format!("{}.{annotator}", plan.origin.name());
        arguments.output.join(name)
    });
    if let Some(annotator) = &arguments.annotator {
        ensure!(
            !annotator.is_empty()
                && annotator
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '_'),
            "--annotator '{annotator}': WFDB's annotator names are letters, digits and underscores"
        );
    }
    let out = (!arguments.quiet).then(|| BufWriter::new(stdout().lock()));
    let classes = monitor.classifier().contract().classes.clone();
    let mut report = Report::new(out, annotations.as_deref(), clock, &classes)?;

    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
        .context("the signals that end the program cannot be caught")?;
    let mut heard = false;
    let ended = follow(&mut monitor, &mut report, plan, &stop, &mut heard);
    let stopped = stop.load(Ordering::Relaxed);
    if ended.is_ok() && monitor.samples() == 0 && !stopped {
        bail!("{}: no sample came from it; it is empty", arguments.input);
    }
    // A link that broke does not undo what was decided before; one that never
    // was, and a file that cannot be read to its end, have no annotations.
    if ended.is_err() && (!live || monitor.samples() == 0) {
        return ended;
    }
    let finished = monitor.finish().and_then(|events| report.events(events));
    let summary = report.finish(monitor.samples())?;
    eprintln!("{summary}");
    if let Some(path) = &annotations {
        eprintln!("annotations: {}", path.display());
    }
    ensure!(
        heard || summary.unreadable_lines == 0,
        "{}: not one of its lines could be read",
        arguments.input
    );
    ended.and(finished)
}

/// Feeds the monitor until the source ends, the program is asked to stop, or
/// nobody listens any more; `heard` says whether any sample was valid.
fn follow(
    monitor: &mut Monitor,
    report: &mut Report<impl std::io::Write>,
    plan: Plan,
    stop: &Arc<AtomicBool>,
    heard: &mut bool,
) -> Result<()> {
    let leads = monitor.classifier().contract().input.lead_count();
    let messages = source::start(plan, leads, Arc::clone(stop));
    while !stop.load(Ordering::Relaxed) && report.is_wanted() {
        match messages.recv_timeout(LOOK) {
            Ok(Message::Samples(samples)) => {
                *heard |= samples.iter().any(|s| s.is_finite());
                report.events(monitor.push(&samples)?)?;
            }
            Ok(Message::Unreadable(lines)) => report.unreadable(lines),
            Ok(Message::Lost(frames)) => report.events(monitor.skip(frames)?)?,
            Ok(Message::Note(text)) => eprintln!("{text}"),
            Ok(Message::End(result)) => return result,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("the source's thread has died"),
        }
    }
    Ok(())
}

fn plan(arguments: &Arguments, origin: Origin, input: &InputSpec) -> Result<Plan> {
    for (flag, value) in [
        ("--speed", arguments.speed),
        ("--silence", Some(arguments.silence)),
    ] {
        if let Some(value) = value {
            ensure!(
                (1e-3..=1e6).contains(&value),
                "{flag} is {value}; it may be .001 to 1000000"
            );
        }
    }
    let mut signals = Vec::new();
    let (format, clock) = match &origin {
        Origin::Record(path) => {
            let foreign =
                arguments.format.is_some() || arguments.fs.is_some() || arguments.gain.is_some();
            ensure!(
                !foreign,
                "{}: a WFDB record knows its own format, rate and gain; leave out --format, --fs and --gain",
                path.display()
            );
            let record = wfdb::read_ecg(path)?;
            let chosen = prepare::choose(&record, input)?;
            if let Some(remark) = record.passed_over().filter(|_| input.leads.is_empty()) {
                eprintln!("{remark}");
            }
            signals.extend(chosen.into_iter().cloned());
            (None, Clock::of(path)?)
        }
        origin => {
            let (format, fs) = arguments.stream(origin, input.lead_count())?;
            (Some(format), Clock::single(fs))
        }
    };
    let fs = clock.fs();
    ensure!(
        RATES.contains(&fs),
        "{origin}: the recording has {fs} samples per second; rates from {} to {} Hz are read",
        RATES.start(),
        RATES.end()
    );
    Ok(Plan {
        origin,
        format,
        signals,
        fs,
        clock,
        speed: arguments.speed,
        baud: arguments.baud,
        reconnect: !arguments.no_reconnect,
        silence: Duration::from_secs_f64(arguments.silence),
    })
}
