//! Samples in; labelled beats, gaps, unreadable stretches and rhythm events
//! out.
//!
//! What computes the network is the caller's: every engine that implements
//! [`BeatClassifier`] reports the same events, and [`line`] and [`totals`] tell
//! them in the same words.

pub mod line;
pub mod totals;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use data::episodes::{RhythmEvent, RhythmWatch, Thresholds};
use data::pipeline::annotator::Annotator;
use data::pipeline::readable::Condition;
use data::pipeline::{Beat, Fiducials, Output, Pipeline};
use data::{Class, Classes};

use crate::contract::{Contract, Decision};

pub use line::Line;
pub use totals::{Counter, Totals};

/// A model that classifies the beats of one recording in their order.
pub trait BeatClassifier {
    /// Why a beat has no class.
    type Error: From<Unfit>;

    /// What the model expects and what its answers mean.
    fn contract(&self) -> &Contract;

    /// The file that the model was loaded from, which messages name.
    fn path(&self) -> &Path;

    /// The next beat is the first of a stretch: the first of a recording, or the
    /// first after a gap. For a model without a memory each beat is one.
    fn forget(&mut self);

    /// Classifies the beat that comes after the last one: what the contract
    /// decides on its probabilities alone, and these, in the order of the
    /// contract's classes.
    ///
    /// # Errors
    /// The network fails; the message names the beat.
    fn classify_next(&mut self, beat: &Beat<'_>) -> Result<(Decision, Vec<f32>), Self::Error>;
}

/// Why a model cannot monitor a stream of samples.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// The stream has another number of leads.
    #[error(
        "{} reads {reads} lead(s) at once, the input has {has}; choose among them or take another model",
        path.display()
    )]
    Leads {
        /// The model's file.
        path: PathBuf,
        /// Leads that the model reads.
        reads: usize,
        /// Leads of the stream.
        has: usize,
    },
    /// The rate is out of range, or beats of the model's layout cannot be cut
    /// from a stream.
    #[error("{}", path.display())]
    Input {
        /// The model's file.
        path: PathBuf,
        /// What is asked for, and what can be had.
        source: data::Error,
    },
}

/// A beat that has been found and classified.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledBeat {
    /// Sample of the R peak, at the input's rate, from the first sample on.
    pub sample: u64,
    /// The same in seconds.
    pub time: f64,
    /// The model's decision, and whether the signal can be read; fibrillation
    /// is not in it, see [`LabelledBeat::class`] and
    /// [`LabelledBeat::rejected`].
    pub decision: Decision,
    /// Calibrated probabilities, in the order of the contract's classes.
    pub probabilities: Vec<f32>,
    /// Seconds since the beat before; `None` for the first one and after a gap.
    pub rr: Option<f64>,
    /// Signal quality around the beat, 0 (noise) to 1 (clean).
    pub quality: f32,
    /// Whether the signal looked like ventricular fibrillation or flutter when
    /// the beat was decided. It is then no beat, whatever its class.
    pub fibrillation: bool,
    /// Seconds of signal from the R peak to the decision.
    pub delay: f64,
}

impl LabelledBeat {
    /// The place of the class to report in the contract's list; `None` within
    /// fibrillation, where it is no beat of any class.
    pub fn class(&self) -> Option<usize> {
        (!self.fibrillation).then_some(self.decision.class)
    }

    /// Whether the beat is better left to a human: the decision rejects it, or
    /// the signal looked like fibrillation. A rejected beat keeps its class.
    pub fn rejected(&self) -> bool {
        self.fibrillation || self.decision.rejected()
    }
}

/// A stretch without signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Its first sample.
    pub start: u64,
    /// Its length in samples; `None` while it goes on.
    pub length: Option<u64>,
}

/// A stretch of signal that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// What it is instead.
    pub why: Condition,
    /// Its first sample.
    pub start: u64,
    /// Its length in samples; `None` while it goes on.
    pub length: Option<u64>,
}

/// What a [`Monitor`] reports.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A beat has been decided.
    Beat(LabelledBeat),
    /// The signal is lost, or is back.
    Gap(Gap),
    /// The signal cannot be read, or can again.
    Unreadable(Unreadable),
    /// A rhythm event; see [`data::episodes`].
    Rhythm(RhythmEvent),
}

impl Event {
    /// Hands on what is written of the event, with the classes of the model's
    /// contract: see [`data::pipeline::annotator`].
    pub fn annotate(&self, classes: &Classes, annotator: &mut Annotator) {
        match self {
            Event::Beat(beat) => annotator.beat(beat.decision.annotation(classes, beat.sample)),
            Event::Unreadable(stretch) => {
                let end = stretch.length.map(|length| stretch.start + length);
                annotator.unreadable(stretch.start, end);
            }
            Event::Rhythm(event) => {
                if let Some(episode) = event.of_signal() {
                    annotator.episode(&episode);
                }
            }
            Event::Gap(_) => {}
        }
    }
}

/// Turns samples into labelled beats as they come. What it reports does not
/// depend on how the samples are cut into calls of [`Monitor::push`]. After
/// the first seconds it allocates nothing but the network's answers.
pub struct Monitor<M: BeatClassifier> {
    pipeline: Pipeline,
    reader: Reader<M>,
    /// Seconds from a beat to its decision, at most.
    delay: f64,
}

/// Reads what the pipeline passes on: classifies beats, watches the rhythm.
struct Reader<M: BeatClassifier> {
    classifier: M,
    fs: f64,
    rhythm: RhythmWatch,
    /// Samples not yet reached by the rhythm, from which on the signal is
    /// readable, or is not.
    turns: VecDeque<(u64, bool)>,
    readable: bool,
    /// Whether the beat before is not to be remembered: it lay within
    /// fibrillation, where it is none, or the network failed.
    interrupted: bool,
    events: Vec<Event>,
    /// The network's first failure since the last call.
    outcome: Result<(), M::Error>,
}

impl<M: BeatClassifier> Monitor<M> {
    /// A monitor for frames of `leads` interleaved leads at `fs` samples per
    /// second, in the order of the model's contract.
    ///
    /// # Errors
    /// The model reads another number of leads or cannot be streamed, or the
    /// rate is out of range.
    pub fn new(model: M, fs: f64, leads: usize) -> Result<Monitor<M>, M::Error> {
        Monitor::with_thresholds(model, fs, leads, Thresholds::default())
    }

    /// As [`Monitor::new`], with other limits for the rhythm events.
    ///
    /// # Errors
    /// As [`Monitor::new`].
    pub fn with_thresholds(
        model: M,
        fs: f64,
        leads: usize,
        thresholds: Thresholds,
    ) -> Result<Monitor<M>, M::Error> {
        let input = &model.contract().input;
        let path = || model.path().to_owned();
        if leads != input.lead_count() {
            let refused = Unfit::Leads {
                path: path(),
                reads: input.lead_count(),
                has: leads,
            };
            return Err(refused.into());
        }
        let refused = |source| Unfit::Input {
            path: path(),
            source,
        };
        let mut pipeline = Pipeline::new(input, fs, Fiducials::Detected).map_err(refused)?;
        pipeline.set_asystole(thresholds.asystole);
        let delay = pipeline.delay();
        Ok(Monitor {
            pipeline,
            reader: Reader {
                classifier: model,
                fs,
                rhythm: RhythmWatch::new(fs, thresholds),
                turns: VecDeque::with_capacity(64),
                readable: true,
                interrupted: false,
                events: Vec::with_capacity(64),
                outcome: Ok(()),
            },
            delay,
        })
    }

    /// The model and its contract.
    pub fn classifier(&self) -> &M {
        &self.reader.classifier
    }

    /// Gives the model back, for another recording.
    pub fn into_classifier(self) -> M {
        self.reader.classifier
    }

    /// Longest time in seconds from an R peak to its decision.
    pub fn delay(&self) -> f64 {
        self.delay
    }

    /// Frames taken in so far, lost ones included.
    pub fn samples(&self) -> u64 {
        self.pipeline.samples()
    }

    /// Takes interleaved samples in mV, NaN where there is none, and gives
    /// what they decide, in the order of decision. A frame may be split
    /// between two calls.
    ///
    /// # Errors
    /// The network fails; the monitor can go on with the next samples.
    pub fn push(&mut self, samples: &[f32]) -> Result<&[Event], M::Error> {
        let Monitor {
            pipeline, reader, ..
        } = self;
        reader.events.clear();
        pipeline.push(samples, &mut |output| reader.read(output));
        if !pipeline.is_lost() {
            // Every beat before this sample has been decided.
            let delay = (self.delay * reader.fs) as u64;
            reader.until(pipeline.samples().saturating_sub(delay));
        }
        reader.told()
    }

    /// Counts `frames` as lost, as when a clock jumped or a link was down.
    /// Gives what the loss decides; the sample numbers go on after it.
    ///
    /// # Errors
    /// As [`Monitor::push`].
    pub fn skip(&mut self, frames: u64) -> Result<&[Event], M::Error> {
        let Monitor {
            pipeline, reader, ..
        } = self;
        reader.events.clear();
        pipeline.skip(frames, &mut |output| reader.read(output));
        reader.told()
    }

    /// Ends the recording: gives what still waits. Further samples are a new
    /// stretch of the same recording.
    ///
    /// # Errors
    /// As [`Monitor::push`].
    pub fn finish(&mut self) -> Result<&[Event], M::Error> {
        let Monitor {
            pipeline, reader, ..
        } = self;
        reader.events.clear();
        pipeline.finish(&mut |output| reader.read(output));
        reader.end(pipeline.samples());
        reader.told()
    }

    /// Forgets the patient and everything that waits; the next frame is
    /// sample 0 of a new recording.
    pub fn reset(&mut self) {
        self.pipeline.reset();
        self.reader.events.clear();
        self.reader.rhythm.forget();
        self.reader.turns.clear();
        self.reader.readable = true;
    }
}

impl<M: BeatClassifier> Reader<M> {
    fn read(&mut self, output: Output<'_>) {
        match output {
            Output::Beat(beat) => self.beat(&beat),
            Output::SignalLost { start } => {
                self.end(start);
                self.events.push(Event::Gap(Gap {
                    start,
                    length: None,
                }));
            }
            Output::SignalBack { start, sample } => {
                self.events.extend(start.map(|start| {
                    Event::Gap(Gap {
                        start,
                        length: Some(sample - start),
                    })
                }));
                self.rhythm.begin(sample);
            }
            Output::Episode(episode) => {
                let events = &mut self.events;
                self.rhythm
                    .episode(&episode, &mut |e| events.push(Event::Rhythm(e)));
            }
            Output::Unreadable { why, start, end } => {
                let length = end.map(|end| end.saturating_sub(start));
                self.events
                    .push(Event::Unreadable(Unreadable { why, start, length }));
                // A flat line may be an asystole, which comes as its own
                // episode; it does not stop the rhythm watch.
                if why != Condition::Flat {
                    self.turns.push_back((end.unwrap_or(start), end.is_some()));
                }
            }
        }
    }

    /// Classifies a beat and reports it with what it says about the rhythm. A
    /// failure of the network is kept for the caller; the stream goes on.
    fn beat(&mut self, beat: &Beat<'_>) {
        if beat.begins() || self.interrupted {
            self.classifier.forget();
        }
        self.interrupted = beat.fibrillation;
        let (decision, probabilities) = match self.classifier.classify_next(beat) {
            Ok(answer) => answer,
            Err(error) => {
                self.interrupted = true;
                if self.outcome.is_ok() {
                    self.outcome = Err(error);
                }
                return;
            }
        };
        let decision = decision.with_signal(beat.readable);
        // Silence before this beat is reported ahead of it, so that the order
        // does not depend on how the samples were cut.
        self.until(beat.sample);
        let events = &mut self.events;
        events.push(Event::Beat(LabelledBeat {
            sample: beat.sample,
            time: beat.sample as f64 / self.fs,
            decision,
            probabilities,
            rr: beat.rr,
            quality: beat.quality,
            fibrillation: beat.fibrillation,
            delay: beat.decided.saturating_sub(beat.sample) as f64 / self.fs,
        }));
        if self.readable && beat.readable && !beat.fibrillation {
            // A class that is none of EC57's says nothing of ectopic rhythms.
            let class = self.classifier.contract().classes.aami(decision.class);
            let class = class.unwrap_or(Class::Q);
            self.rhythm.beat(beat.sample, class, &mut |e| {
                events.push(Event::Rhythm(e));
            });
        }
    }

    /// Brings the rhythm watch up to `sample`, before which no further beat
    /// will come.
    fn until(&mut self, sample: u64) {
        let Reader {
            rhythm,
            events,
            turns,
            readable,
            ..
        } = self;
        let mut emit = |e| events.push(Event::Rhythm(e));
        while let Some((at, now_readable)) = turns.front().copied()
            && at <= sample
        {
            turns.pop_front();
            *readable = now_readable;
            if now_readable {
                rhythm.begin(at);
            } else {
                rhythm.end(at, &mut emit);
            }
        }
        if *readable {
            rhythm.until(sample, &mut emit);
        }
    }

    /// The signal ends at `sample`, and what comes is readable until it shows
    /// otherwise.
    fn end(&mut self, sample: u64) {
        self.until(sample);
        let events = &mut self.events;
        if self.readable {
            self.rhythm
                .end(sample, &mut |e| events.push(Event::Rhythm(e)));
        }
        self.turns.clear();
        self.readable = true;
    }

    /// The events of this call, or the network's first failure.
    fn told(&mut self) -> Result<&[Event], M::Error> {
        std::mem::replace(&mut self.outcome, Ok(()))?;
        Ok(&self.events)
    }
}
