//! `embedded`: samples in, labelled beats out.

mod arguments;
mod event_writer;
mod link;
mod prepared_beats;
mod source;

use std::io::{BufWriter, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use data::formats::{self, Clock};
use data::output::{Outputs, signals};
use data::pipeline::RATES;
use data::pipeline::input::{InputSpec, Layout};
use data::pipeline::lead_choice;
use data::program::{self, Usage};
use embedded::{Classifier, Engine, Monitor};
use models::monitor::Totals;

use arguments::{Arguments, Origin};
use event_writer::EventWriter;
use source::{Message, Plan};

/// How often a quiet source lets the program look at the stop flag.
const LOOK: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(signal) => ExitCode::from(signals::exit_code(signal)),
        Err(error) => program::failed(error.as_ref()),
    }
}

/// The number of the signal that ended the program, 0 if its source did.
fn run(arguments: &Arguments) -> Result<i32> {
    let stop = Arc::new(Stop::default());
    let flag = Arc::clone(&stop);
    signals::on_signals(move |signal| flag.ask(signal))?;
    let thresholds = arguments.thresholds()?;
    let origin = arguments.origin()?;
    let model = arguments.model()?;
    let annotations = annotations(arguments, &origin, &model)?;
    let mut classifier = Classifier::load(&model)?;
    if classifier.engine() != Engine::Lean {
        let (model, engine) = (model.display(), classifier.engine());
        eprintln!("{model}: has operators that `train` does not export; read by {engine}");
    }
    let input = classifier.contract().input.clone();
    if input.layout != Layout::Window {
        let Origin::File(path) = &origin else {
            bail!(
                "{} classifies beats that are cut out already (a table, such as CSV); to monitor {} take a model of layout 'window'",
                classifier.path().display(),
                arguments.input
            );
        };
        arguments.of_rows()?;
        let out = (!arguments.quiet).then(|| BufWriter::new(stdout().lock()));
        prepared_beats::run(&mut classifier, path, &arguments.reading(), out)?;
        return Ok(0);
    }
    ensure!(
        arguments.table.is_none() && !arguments.normalise,
        Usage(format!(
            "--table and --normalise are of tables; {} takes samples",
            classifier.path().display()
        ))
    );
    if let Some(lacking) = classifier.contract().classes.lacking() {
        eprintln!("{lacking}");
    }
    let plan = plan(arguments, origin, &input)?;
    let live = plan.origin.is_live();
    let (fs, clock) = (plan.fs, plan.clock);
    let mut monitor = Monitor::with_thresholds(classifier, fs, input.lead_count(), thresholds)?;
    let out = (!arguments.quiet).then(|| BufWriter::new(stdout().lock()));
    let classes = monitor.classifier().contract().classes.clone();
    let every = Duration::from_secs_f64(arguments.write_through);
    let mut writer = EventWriter::new(out, annotations.as_deref(), every, clock, &classes)?;

    stop.begin();
    let mut heard = false;
    let ended = follow(&mut monitor, &mut writer, plan, &stop, &mut heard);
    let stopped = stop.asked.load(Ordering::Relaxed);
    if ended.is_ok() && monitor.samples() == 0 && !stopped {
        writer.discard()?;
        bail!("{}: no sample came from it; it is empty", arguments.input);
    }
    // A link that broke does not undo what was decided before; one that never
    // was, and a file that cannot be read to its end, have no annotations.
    if let Err(error) = ended {
        if !live || monitor.samples() == 0 {
            writer.discard()?;
            return Err(error);
        }
        finish(&mut monitor, writer, annotations.as_deref())?;
        return Err(error);
    }
    let totals = finish(&mut monitor, writer, annotations.as_deref())?;
    ensure!(
        heard || totals.unreadable_lines == 0,
        "{}: not one of its lines could be read",
        arguments.input
    );
    Ok(stop.signal.load(Ordering::Relaxed))
}

/// Ends the recording and says what it came to.
fn finish(
    monitor: &mut Monitor,
    mut writer: EventWriter<impl std::io::Write>,
    annotations: Option<&Path>,
) -> Result<Totals> {
    let finished = match monitor.finish() {
        Ok(events) => writer.events(events),
        Err(error) => Err(error.into()),
    };
    let totals = writer.finish(monitor.samples())?;
    eprintln!("{totals}");
    if let Some(path) = annotations {
        eprintln!("annotations: {}", path.display());
    }
    finished?;
    Ok(totals)
}

/// The annotation file that is asked for, after the rule about outputs. Of a
/// live source an earlier recording is kept under another name.
fn annotations(arguments: &Arguments, origin: &Origin, model: &Path) -> Result<Option<PathBuf>> {
    let Some(annotator) = &arguments.annotator else {
        return Ok(None);
    };
    let every = arguments.write_through;
    ensure!(
        every.is_finite() && every > 0.0 && every < 1e6,
        Usage(format!("--write-through is {every}; it must be above 0"))
    );
    let mut outputs = Outputs::new(arguments.force);
    outputs.input(model);
    match origin {
        Origin::Record(path) => outputs.record(&formats::known_files(path)),
        Origin::File(path) | Origin::Serial(path) => outputs.input(path),
        Origin::Stdin | Origin::Tcp(_) => {}
    }
    let recording = arguments.output.join(origin.name());
    let path = formats::new_annotation_path(&recording, annotator)?;
    outputs.annotations(&path)?;
    if origin.is_live() && path.is_file() {
        let kept = (1_u32..)
            .map(|n| arguments.output.join(format!("{}-{n}", origin.name())))
            .map(|p| formats::annotation_path(&p, annotator))
            .find(|p| !p.exists())
            .context("no name is left for the earlier recording")?;
        std::fs::rename(&path, &kept).with_context(|| kept.display().to_string())?;
        eprintln!("{}: the earlier recording", kept.display());
    }
    Ok(Some(path))
}

/// The wish to end, from a signal.
#[derive(Default)]
struct Stop {
    asked: Arc<AtomicBool>,
    signal: AtomicI32,
    /// Whether the source is followed, so that there is something to end well.
    following: AtomicBool,
}

impl Stop {
    fn begin(&self) {
        self.following.store(true, Ordering::Relaxed);
    }

    /// The first signal ends the recording, a second one the program at once.
    fn ask(&self, signal: i32) {
        self.signal.store(signal, Ordering::Relaxed);
        let again = self.asked.swap(true, Ordering::Relaxed);
        if again || !self.following.load(Ordering::Relaxed) {
            signals::end(signal);
        }
    }
}

/// Feeds the monitor until the source ends, the program is asked to stop, or
/// nobody listens any more; `heard` says whether any sample was valid.
fn follow(
    monitor: &mut Monitor,
    writer: &mut EventWriter<impl std::io::Write>,
    plan: Plan,
    stop: &Stop,
    heard: &mut bool,
) -> Result<()> {
    let leads = monitor.classifier().contract().input.lead_count();
    let messages = source::start(plan, leads, Arc::clone(&stop.asked));
    while !stop.asked.load(Ordering::Relaxed) && writer.is_wanted() {
        writer.write_through();
        match messages.recv_timeout(LOOK) {
            Ok(Message::Samples(samples)) => {
                *heard |= samples.iter().any(|s| s.is_finite());
                writer.events(monitor.push(&samples)?)?;
            }
            Ok(Message::Unreadable(lines)) => writer.unreadable(lines),
            Ok(Message::Lost(frames)) => writer.events(monitor.skip(frames)?)?,
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
                Usage(format!("{flag} is {value}; it may be .001 to 1000000"))
            );
        }
    }
    let mut recording = None;
    let (format, clock) = match &origin {
        Origin::Record(path) => {
            let foreign =
                arguments.format.is_some() || arguments.fs.is_some() || arguments.gain.is_some();
            ensure!(
                !foreign,
                Usage(format!(
                    "{}: a recording knows its own format, rate and gain; leave out --format, --fs and --gain",
                    path.display()
                ))
            );
            let found = formats::open(path)?;
            // What is told as it comes cannot be taken back: a damaged file is
            // refused before its first beat.
            let extents = found.check()?;
            let asked = arguments.lead.as_deref();
            let chosen = lead_choice::choose_for(&found, &extents, &input.leads, asked)?;
            chosen
                .remarks
                .iter()
                .for_each(|remark| eprintln!("{remark}"));
            let clock = found.clock();
            recording = Some((found, chosen.places));
            (None, clock)
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
        recording,
        fs,
        clock,
        speed: arguments.speed,
        baud: arguments.baud,
        reconnect: !arguments.no_reconnect,
        silence: Duration::from_secs_f64(arguments.silence),
    })
}
