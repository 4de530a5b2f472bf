//! Samples in; labelled beats, gaps, unreadable stretches and rhythm events
//! out.

use std::collections::VecDeque;

use data::pipeline::annotator::Annotator;
use data::pipeline::readable::Condition;
use data::pipeline::{Fiducials, Output, Pipeline};
use data::{Class, Classes};
use models::contract::Decision;

use crate::classifier::{Classifier, Prediction};
use crate::error::{Error, Result};
use data::episodes::{RhythmEvent, RhythmWatch, Thresholds};

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
///
/// ```
/// use std::path::Path;
///
/// use data::simulate::synth::{self, Settings};
/// use embedded::{Classifier, Event, Monitor};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shipped");
/// let classifier = Classifier::load(&models.join("resnet.onnx"))?;
/// let (record, reference) = synth::record("s1", &Settings::new(250.0, 1), 60.0)?;
/// let mut monitor = Monitor::new(classifier, record.fs, 1)?;
/// let mut classes = Vec::new();
/// let mut keep = |events: &[Event]| {
///     for event in events {
///         if let Event::Beat(beat) = event {
///             classes.push(beat.class());
///         }
///     }
/// };
/// for samples in record.signals[0].samples.chunks(25) {
///     keep(monitor.push(samples)?);
/// }
/// keep(monitor.finish()?);
/// // The detector still learns when the first beat comes.
/// assert_eq!(classes.len(), reference.len() - 1);
/// let normal = classes.iter().filter(|class| **class == Some(data::Class::N.index())).count();
/// assert!(2 * normal > classes.len());
/// # Ok(())
/// # }
/// ```
pub struct Monitor {
    pipeline: Pipeline,
    reader: Reader,
    /// Seconds from a beat to its decision, at most.
    delay: f64,
}

/// Reads what the pipeline passes on: classifies beats, watches the rhythm.
struct Reader {
    classifier: Classifier,
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
    outcome: Result<()>,
}

impl Monitor {
    /// A monitor for frames of `leads` interleaved leads at `fs` samples per
    /// second, in the order of the model's contract.
    ///
    /// # Errors
    /// The model reads another number of leads or cannot be streamed, or the
    /// rate is out of range.
    pub fn new(model: Classifier, fs: f64, leads: usize) -> Result<Monitor> {
        Monitor::with_thresholds(model, fs, leads, Thresholds::default())
    }

    /// As [`Monitor::new`], with other limits for the rhythm events.
    ///
    /// # Errors
    /// As [`Monitor::new`].
    pub fn with_thresholds(
        model: Classifier,
        fs: f64,
        leads: usize,
        thresholds: Thresholds,
    ) -> Result<Monitor> {
        let input = &model.contract().input;
        if leads != input.lead_count() {
            return Err(Error::Unfit(format!(
                "{} reads {} lead(s) at once, the input has {leads}; choose among them or take another model",
                model.path().display(),
                input.lead_count()
            )));
        }
        let mut pipeline = Pipeline::new(input, fs, Fiducials::Detected)
            .map_err(|e| Error::from(e).within(model.path().display().to_string()))?;
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
    pub fn classifier(&self) -> &Classifier {
        &self.reader.classifier
    }

    /// Gives the model back, for another recording.
    pub fn into_classifier(self) -> Classifier {
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
    pub fn push(&mut self, samples: &[f32]) -> Result<&[Event]> {
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
    pub fn skip(&mut self, frames: u64) -> Result<&[Event]> {
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
    pub fn finish(&mut self) -> Result<&[Event]> {
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

impl Reader {
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
    fn beat(&mut self, beat: &data::pipeline::Beat<'_>) {
        if beat.begins() || self.interrupted {
            self.classifier.forget();
        }
        self.interrupted = beat.fibrillation;
        let Prediction {
            decision,
            probabilities,
            ..
        } = match self.classifier.classify_beat(beat.window, beat.rhythm) {
            Ok(prediction) => prediction,
            Err(error) => {
                self.interrupted = true;
                if self.outcome.is_ok() {
                    self.outcome = Err(error.within(format!("beat at sample {}", beat.sample)));
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
    fn told(&mut self) -> Result<&[Event]> {
        std::mem::replace(&mut self.outcome, Ok(()))?;
        Ok(&self.events)
    }
}
