//! What is made of a recording that was sent: beats, numbers, the report, and why a
//! beat has its class.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use data::beat_files::table::Reading;
use data::episodes::notes;
use data::formats::{self, Recording, samples};
use data::pipeline::annotator::Annotator;
use data::pipeline::lead_choice;
use models::contract::Reject;
use report::{BeatLog, credits, labelled};
use serde::Serialize;
use utoipa::ToSchema;

use super::media::Kind;
use super::metrics::Metrics;
use super::repository::Pair;
use super::spool::Study;
use crate::error::{Error, Result};
use crate::predictions::{Format, Row, Writer};
use crate::report as pages;
use crate::source::{Choice, Chunks, Fiducials, Source};

/// Seconds of signal that are shown to each side of a beat.
const AROUND: f64 = 3.0;

/// Frames that are read at a time.
const FRAMES: usize = 8192;

/// The part of the work that the beats are, where the report is made, too.
const BEATS_SHARE: f64 = 0.3;

/// How far an analysis is, and whether anybody still wants it.
#[derive(Default)]
pub struct Watch {
    called_off: AtomicBool,
    /// In millionths.
    done: AtomicU32,
}

impl Watch {
    /// Nobody wants it any more.
    pub fn call_off(&self) {
        self.called_off.store(true, Ordering::Relaxed);
    }

    /// The part that is done, 0 to 1.
    pub fn done(&self) -> f64 {
        f64::from(self.done.load(Ordering::Relaxed)) / 1e6
    }

    fn reached(&self, part: f64) -> Result<()> {
        let millionths = (part.clamp(0.0, 1.0) * 1e6) as u32;
        self.done.store(millionths, Ordering::Relaxed);
        match self.called_off.load(Ordering::Relaxed) {
            true => Err(Error::Input(
                "nobody waits for the recording any more".into(),
            )),
            false => Ok(()),
        }
    }
}

/// A recording and what its sender says of it.
pub struct Analysis {
    /// Where its files are.
    pub study: Study,
    /// The model.
    pub pair: Pair,
    /// The lead that is asked for.
    pub lead: Option<String>,
    /// How the file is a table of samples, if it is one.
    pub samples: Option<samples::Options>,
    /// How far it is.
    pub watch: Watch,
}

/// Why a beat has its class.
#[derive(Serialize, ToSchema)]
pub struct Explanation {
    /// The beat's number in the recording, from 0.
    row: usize,
    /// Its sample, from the first of the recording on.
    sample: u64,
    /// The same in seconds.
    time: f64,
    /// Its class.
    class: String,
    /// The probability of it.
    probability: f32,
    /// Why it is left to a human, if it is: `uncertain` or `quality`.
    reject: Option<&'static str>,
    /// Seconds since the beat before; not for the first one and after a gap.
    rr: Option<f64>,
    /// The signal around it.
    strip: Excerpt,
    /// What speaks for the class along the beat's window.
    window: Window,
    /// The same in words.
    reasons: Vec<String>,
}

/// Signal of the lead that was read.
#[derive(Serialize, ToSchema)]
struct Excerpt {
    /// Samples per second.
    fs: f64,
    /// Seconds from the first sample of the recording to the first of these.
    start: f64,
    /// What the samples are in: `mV`.
    unit: &'static str,
    /// The samples; null where there is no signal.
    samples: Vec<Option<f32>>,
}

/// Credits by integrated gradients, summed over the model's channels.
#[derive(Serialize, ToSchema)]
struct Window {
    /// Samples of the window per second.
    fs: f64,
    /// Seconds from the first sample of the recording to the window's first.
    start: f64,
    /// Credit of each sample; what speaks for the class is positive.
    credits: Vec<f32>,
}

impl Analysis {
    /// Makes what is asked for, into the folder of results.
    ///
    /// # Errors
    /// What was sent is no recording that can be analysed, or nobody wants it any
    /// more.
    pub fn run(&self, kinds: &[Kind], metrics: &Metrics) -> Result<BeatLog> {
        let source = self.source()?;
        let of_report = kinds.iter().any(|kind| kind.is_of_report());
        let share = if of_report { BEATS_SHARE } else { 1.0 };
        let log = self.beats(&source, kinds, share)?;
        let classes = &log.classes;
        let mut counts = vec![0; classes.len()];
        for beat in &log.beats {
            counts[usize::from(beat.class)] += 1;
        }
        metrics.beats(&self.pair.name, classes.names().zip(counts));
        if of_report {
            let page = self.study.results().join(Kind::Page.file());
            pages::one(source, self.lead.clone(), &self.pair.model, page)?;
        }
        self.watch.reached(1.0)?;
        Ok(log)
    }

    /// The one recording that was sent.
    fn source(&self) -> Result<Source> {
        let choice = Choice {
            fiducials: Fiducials::Detector,
            lead: self.lead.clone(),
            table: Reading::default(),
            samples: self.samples.clone(),
        };
        let folder = self.study.input();
        let entries = std::fs::read_dir(&folder).map_err(data::Error::io(&folder))?;
        let files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        let path = match &files[..] {
            [one] => one,
            _ => &folder,
        };
        let mut sources = Source::find(path, &choice)?;
        let (Some(source), None) = (sources.pop(), sources.pop()) else {
            return Err(Error::Input(
                "these are several recordings; send one at a time".into(),
            ));
        };
        if source.record_name().is_none() {
            return Err(no_recording(path));
        }
        let inside = |file: &Path| file.canonicalize().is_ok_and(|f| f.starts_with(&folder));
        let own = source.files()?.iter().all(|file| inside(file));
        match own {
            true => Ok(source),
            false => Err(Error::Input(
                "its header names files that were not sent; send them with it".into(),
            )),
        }
    }

    /// Classifies the beats and writes them in each kind that is asked for.
    fn beats(&self, source: &Source, kinds: &[Kind], share: f64) -> Result<BeatLog> {
        let classifier = &self.pair.model.classifier;
        let contract = &classifier.contract;
        let recording = source.recording()?;
        let name = source.record_name().unwrap_or_default().to_owned();
        let mut writers = Vec::new();
        for (kind, format) in [
            (Kind::JsonLines, Format::Jsonl),
            (Kind::Csv, Format::Csv),
            (Kind::Parquet, Format::Parquet),
        ] {
            if kinds.contains(&kind) {
                let path = self.study.results().join(kind.file());
                writers.push(Writer::create(Some(path), format, contract)?);
            }
        }
        let mut annotator = kinds.contains(&Kind::Wfdb).then(Annotator::whole);
        let mut log = BeatLog {
            fs: recording.fs,
            classes: contract.classes.clone(),
            beats: Vec::new(),
        };
        let length = recording.length.map(|samples| samples.max(1) as f64);
        classifier.stream(source.chunks(contract)?, |beats, predictions| {
            for (i, prediction) in predictions.iter().enumerate() {
                let row = log.beats.len() as u64;
                let row = Row::of(
                    &name,
                    row,
                    (&beats, i),
                    Some(recording.fs),
                    prediction.decision(),
                    prediction.scores(),
                );
                writers.iter_mut().try_for_each(|w| w.write(&row))?;
                log.beats
                    .push(labelled::beat(&beats, i, &prediction.decision()));
            }
            if let Some(annotator) = &mut annotator {
                annotator.notes(&beats.notes);
                for (&sample, prediction) in beats.samples.iter().zip(&predictions) {
                    let decision = prediction.decision();
                    annotator.beat(decision.annotation(&contract.classes, sample));
                }
            }
            let at = beats.samples.last().copied().unwrap_or(0) as f64;
            self.watch
                .reached(share * length.map_or(0.5, |length| at / length))
        })?;
        writers.into_iter().try_for_each(Writer::commit)?;
        if let Some(mut annotator) = annotator {
            let clock = recording.clock();
            let mut file = clock.create(&self.study.results().join(Kind::Wfdb.file()))?;
            for annotation in notes::with_rhythm(annotator.all(), clock.fs()) {
                file.write(&annotation)?;
            }
            file.commit()?;
        }
        match log.beats.is_empty() {
            true => Err(Error::Input("there is no beat in it".into())),
            false => Ok(log),
        }
    }

    /// Explains a beat of an analysis that has been run.
    ///
    /// # Errors
    /// The recording cannot be read any more; see [`Analysis::run`].
    pub fn explain(&self, log: &BeatLog, row: usize) -> Result<Explanation> {
        let source = self.source()?;
        let model = &self.pair.model;
        let contract = &model.classifier.contract;
        let chunks: (&Path, Chunks) = source.named_chunks(contract)?;
        let credit = credits::credits(&*model.explainer, chunks, log, vec![row as u64])?.pop();
        let credit = credit.ok_or_else(|| Error::Input(format!("there is no beat {row}")))?;
        let beat = &log.beats[row];
        let time = beat.sample as f64 / log.fs;
        Ok(Explanation {
            row,
            sample: beat.sample,
            time,
            class: log.classes.name(usize::from(beat.class)).into(),
            probability: beat.probability,
            reject: beat.reject.map(Reject::name),
            rr: log.rr(row),
            strip: self.excerpt(&source.recording()?, beat.sample)?,
            window: Window {
                fs: credit.fs,
                start: time - credit.before as f64 / credit.fs,
                credits: credit.window,
            },
            reasons: credit.reasons,
        })
    }

    /// The signal around a sample, of the lead that is classified first.
    fn excerpt(&self, recording: &Recording, sample: u64) -> Result<Excerpt> {
        let extents = recording.check()?;
        let names = &self.pair.model.classifier.contract.input.leads;
        let asked = self.lead.as_deref();
        let chosen = lead_choice::choose_for(recording, &extents, names, asked)?;
        let around = (AROUND * recording.fs) as u64;
        let wanted = sample.saturating_sub(around)..sample + around;
        let mut chunks = recording.chunks(&chosen.places[..1])?;
        let (mut at, mut columns, mut samples) = (0, [Vec::new()], Vec::new());
        while at < wanted.end && chunks.read(FRAMES, &mut columns)? > 0 {
            for value in columns[0].drain(..) {
                if wanted.contains(&at) {
                    samples.push(Some(value).filter(|v| v.is_finite()));
                }
                at += 1;
            }
        }
        Ok(Excerpt {
            fs: recording.fs,
            start: wanted.start as f64 / recording.fs,
            unit: "mV",
            samples,
        })
    }
}

/// Why a file that was sent is no recording, and what would be.
fn no_recording(path: &Path) -> Error {
    let remedy = "of a table of samples, say what its columns are by the parameter samples, such as fs=250,leads=ecg";
    Error::Input(match formats::open(path) {
        Err(error) => format!("{error}; {remedy}"),
        Ok(_) => format!("it is a table of beats; {remedy}"),
    })
}
