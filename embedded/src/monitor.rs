//! Samples in, labelled beats out.

use anyhow::{Context, Result, bail};
use data::Class;
use data::pipeline::{BRIDGE, Fiducials, Pipeline};
use models::contract::Decision;

use crate::classifier::{Classifier, Prediction};
use data::episodes::{RhythmEvent, RhythmWatch, Thresholds};

/// A beat that has been found and classified.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelledBeat {
    /// Sample of the R peak, at the input's rate, from the first sample on.
    pub sample: u64,
    /// The same in seconds.
    pub time: f64,
    /// Class, its probability, and whether it is better left to a human.
    pub decision: Decision,
    /// Calibrated probabilities, in the order of [`Class::ALL`].
    pub probabilities: [f32; Class::ALL.len()],
    /// Seconds since the beat before; `None` for the first one and after a gap.
    pub rr: Option<f64>,
    /// Signal quality around the beat, 0 (noise) to 1 (clean).
    pub quality: f32,
    /// Seconds of signal from the R peak to the decision.
    pub delay: f64,
}

/// A stretch without signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Its first sample.
    pub start: u64,
    /// Its length in samples; `None` while it goes on.
    pub length: Option<u64>,
}

/// What a [`Monitor`] reports.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// A beat has been decided.
    Beat(LabelledBeat),
    /// The signal is lost, or is back.
    Gap(Gap),
    /// The rhythm is worth a word.
    Rhythm(RhythmEvent),
}

/// Turns samples into labelled beats as they come. What it reports does not
/// depend on how the samples are cut into calls of [`Monitor::push`]. After
/// the first seconds it allocates nothing outside the network.
pub struct Monitor {
    classifier: Classifier,
    pipeline: Pipeline,
    fs: f64,
    leads: usize,
    gaps: GapWatch,
    rhythm: RhythmWatch,
    /// Seconds from a beat to its decision, at most.
    delay: f64,
    events: Vec<Event>,
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
            bail!(
                "{} reads {} lead(s) at once, the input has {leads}; choose among them or take another model",
                model.path().display(),
                input.lead_count()
            );
        }
        let pipeline = Pipeline::new(input, fs, Fiducials::Detected)
            .with_context(|| model.path().display().to_string())?;
        let delay = pipeline.delay();
        Ok(Monitor {
            classifier: model,
            pipeline,
            fs,
            leads,
            gaps: GapWatch::new(leads, (BRIDGE * fs) as u64),
            rhythm: RhythmWatch::new(fs, thresholds),
            delay,
            events: Vec::with_capacity(64),
        })
    }

    /// The model and its contract.
    pub fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    /// Gives the model back, for another recording.
    pub fn into_classifier(self) -> Classifier {
        self.classifier
    }

    /// Longest time in seconds from an R peak to its decision.
    pub fn delay(&self) -> f64 {
        self.delay
    }

    /// Frames taken in so far, lost ones included.
    pub fn samples(&self) -> u64 {
        self.gaps.sample
    }

    /// Takes interleaved samples in mV, NaN where there is none, and gives
    /// what they decide, in the order of decision. A frame may be split
    /// between two calls.
    ///
    /// # Errors
    /// The network fails; the monitor can go on with the next samples.
    pub fn push(&mut self, samples: &[f32]) -> Result<&[Event]> {
        self.events.clear();
        self.take(samples)?;
        Ok(&self.events)
    }

    /// So many frames were lost: a clock that jumped, a link that was down.
    /// Gives what the loss decides; the sample numbers go on after it.
    ///
    /// # Errors
    /// As [`Monitor::push`].
    pub fn skip(&mut self, frames: u64) -> Result<&[Event]> {
        self.events.clear();
        // The pipeline closes its stretch within the bridge; the rest of the
        // loss, however long, is only counted.
        let bridge = self.gaps.bridge + 1;
        for _ in 0..frames.min(bridge) * self.leads as u64 {
            self.take(&[f32::NAN])?;
        }
        let rest = frames.saturating_sub(bridge);
        self.pipeline.skip(rest);
        self.gaps.sample = self.gaps.sample.saturating_add(rest);
        Ok(&self.events)
    }

    /// Ends the recording: gives what still waits. Further samples are a new
    /// stretch of the same recording.
    ///
    /// # Errors
    /// As [`Monitor::push`].
    pub fn finish(&mut self) -> Result<&[Event]> {
        self.events.clear();
        let mut outcome = Ok(());
        let Monitor {
            classifier,
            pipeline,
            fs,
            rhythm,
            events,
            gaps,
            ..
        } = self;
        pipeline.finish(&mut |beat| {
            decide(classifier, rhythm, events, *fs, &beat, &mut outcome);
        });
        rhythm.end(gaps.sample, &mut |e| events.push(Event::Rhythm(e)));
        gaps.rewind();
        outcome?;
        Ok(&self.events)
    }

    /// Forgets the patient and everything that waits; the next frame is
    /// sample 0 of a new recording.
    pub fn reset(&mut self) {
        self.events.clear();
        self.pipeline.reset();
        self.rhythm.forget();
        self.gaps = GapWatch::new(self.leads, self.gaps.bridge);
    }

    /// Cuts the samples where signal is lost or comes back, so that events
    /// keep their order.
    fn take(&mut self, mut samples: &[f32]) -> Result<()> {
        let mut outcome = Ok(());
        while !samples.is_empty() {
            let (used, change) = self.gaps.scan(samples);
            let (now, later) = samples.split_at(used);
            samples = later;
            let Monitor {
                classifier,
                pipeline,
                fs,
                rhythm,
                events,
                gaps,
                delay,
                ..
            } = self;
            pipeline.push(now, &mut |beat| {
                decide(classifier, rhythm, events, *fs, &beat, &mut outcome);
            });
            match change {
                Some(Change::Lost(gap)) => {
                    rhythm.end(gap.start, &mut |e| events.push(Event::Rhythm(e)));
                    events.push(Event::Gap(gap));
                }
                Some(Change::Back(gap)) => {
                    events.extend(gap.map(Event::Gap));
                    rhythm.begin(gaps.sample);
                }
                None if gaps.lost => {}
                None => {
                    // Later beats may still be undecided, but not before this.
                    let known = gaps.sample.saturating_sub((*delay * *fs) as u64);
                    rhythm.until(known, &mut |e| events.push(Event::Rhythm(e)));
                }
            }
        }
        outcome
    }
}

/// Classifies a beat and reports it with what it says about the rhythm. A
/// failure of the network is kept for the caller; the stream goes on.
fn decide(
    classifier: &mut Classifier,
    rhythm: &mut RhythmWatch,
    events: &mut Vec<Event>,
    fs: f64,
    beat: &data::pipeline::Beat<'_>,
    outcome: &mut Result<()>,
) {
    let Prediction {
        decision,
        probabilities,
        ..
    } = match classifier.classify_beat(beat.window, beat.rhythm) {
        Ok(prediction) => prediction,
        Err(error) => {
            if outcome.is_ok() {
                *outcome = Err(error.context(format!("beat at sample {}", beat.sample)));
            }
            return;
        }
    };
    // What was silence until this beat comes before it, as it does live.
    rhythm.until(beat.sample, &mut |e| events.push(Event::Rhythm(e)));
    events.push(Event::Beat(LabelledBeat {
        sample: beat.sample,
        time: beat.sample as f64 / fs,
        decision,
        probabilities,
        rr: beat.rr,
        quality: beat.quality,
        delay: beat.decided.saturating_sub(beat.sample) as f64 / fs,
    }));
    rhythm.beat(beat.sample, decision.class, &mut |e| {
        events.push(Event::Rhythm(e));
    });
}

/// Signal lost or back.
enum Change {
    Lost(Gap),
    /// The gap that has ended; `None` where the recording starts with its signal.
    Back(Option<Gap>),
}

/// Follows frames without any valid sample, by the rule of
/// [`data::pipeline`]: a short loss is bridged, a longer one is a gap.
struct GapWatch {
    leads: usize,
    bridge: u64,
    /// Whole frames seen.
    sample: u64,
    /// Values of the present frame seen, and whether one of them is valid.
    within: usize,
    valid: bool,
    /// Frames without a valid sample just before now.
    missing: u64,
    /// In a gap, or before the first valid sample.
    lost: bool,
    /// Where the present gap began; `None` before it is longer than the bridge.
    gap_start: Option<u64>,
}

impl GapWatch {
    fn new(leads: usize, bridge: u64) -> GapWatch {
        GapWatch {
            leads,
            bridge,
            sample: 0,
            within: 0,
            valid: false,
            missing: 0,
            lost: true,
            gap_start: None,
        }
    }

    /// A recording has ended; the next valid sample begins a stretch.
    fn rewind(&mut self) {
        self.within = 0;
        self.valid = false;
        self.missing = 0;
        self.lost = true;
        self.gap_start = None;
    }

    /// Reads up to the next change, and says how many values that took.
    fn scan(&mut self, samples: &[f32]) -> (usize, Option<Change>) {
        for (i, value) in samples.iter().enumerate() {
            self.valid |= value.is_finite();
            self.within += 1;
            if self.within < self.leads {
                continue;
            }
            self.within = 0;
            let valid = std::mem::take(&mut self.valid);
            let at = self.sample;
            self.sample += 1;
            if valid {
                self.missing = 0;
                if self.lost {
                    self.lost = false;
                    let gap = self.gap_start.take().map(|start| Gap {
                        start,
                        length: Some(at - start),
                    });
                    return (i + 1, Some(Change::Back(gap)));
                }
            } else {
                self.missing += 1;
                if self.gap_start.is_none() && self.missing > self.bridge {
                    self.lost = true;
                    let start = self.sample - self.missing;
                    self.gap_start = Some(start);
                    let gap = Gap {
                        start,
                        length: None,
                    };
                    return (i + 1, Some(Change::Lost(gap)));
                }
            }
        }
        (samples.len(), None)
    }
}
