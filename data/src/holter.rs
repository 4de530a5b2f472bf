//! The Holter numbers: what a long recording comes to, from its beats, episodes
//! and gaps, in one pass and in bounded memory.
//!
//! [`Holter`] takes beats in order of time, and notes (see [`Holter::note`]) not
//! later than the first beat after them; [`Holter::finish`] gives a [`Summary`].
//! Nothing is known of samples, files or models here, so that labels of a model
//! and an annotation file of a person come to numbers by the same rules.
//!
//! Not measured: ST deviation and QT, for which there is no reference to check
//! them against.

mod summary;

use serde::Serialize;

use crate::Class;
use crate::episodes::Thresholds;
use crate::pipeline::malignant;
use crate::record::Start;
use crate::record::annotation::Annotation;
pub use summary::{
    AtrialFibrillation, BeatCounts, EarlyBeat, Ectopy, Episode, Episodes, FrequencyDomain, Gap,
    GapReason, Gaps, HeartRate, Hour, Hrv, Minutes, POINCARE_CELL, PoincareCell, ROnT, Rate,
    RecordedTime, RhythmSource, Runs, Share, Summary, Time,
};

/// What a program that shows these numbers says beside them.
pub const NOTICE: &str = "Research software. Not a medical device; not for diagnosis or treatment.";

/// The limits that the numbers go by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Options {
    /// When a rhythm is an episode. A pause of any length counts as one, of 4 s
    /// too.
    pub thresholds: Thresholds,
    /// Seconds that an NN interval lasts at least and at most.
    pub nn_range: [f64; 2],
    /// Most that an NN interval differs from the median of those before it, as a
    /// part of that.
    pub nn_change: f64,
    /// The QT interval, in seconds, that is expected at 60 beats per minute.
    pub qtc: f64,
    /// Least probability of atrial fibrillation that makes a beat part of an
    /// episode.
    pub af_probability: f32,
    /// Seconds that an episode of atrial fibrillation lasts at least; 30 s is the
    /// definition of the European Society of Cardiology.
    pub af_seconds: f64,
    /// Longest episodes and gaps that are listed, of each kind.
    pub listed: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            thresholds: Thresholds::default(),
            nn_range: [0.3, 2.0],
            nn_change: 0.2,
            qtc: 0.4,
            af_probability: 0.5,
            af_seconds: 30.0,
            listed: 10,
        }
    }
}

/// A beat as the numbers need it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beat {
    /// Where it is, in samples from the first one of the recording.
    pub sample: u64,
    /// Its class; `None` for a class without a place in EC57.
    pub class: Option<Class>,
    /// Whether the signal around it could be read.
    pub readable: bool,
    /// Whether the classifier leaves it to a human: it counts for the heart rate
    /// and for no class.
    pub rejected: bool,
    /// Whether the beat before it is unknown, so that no interval leads to it:
    /// see [`crate::pipeline::beats::Beats::begins`].
    pub begins: bool,
    /// Probability of atrial fibrillation here, where a model tells it.
    pub af: Option<f32>,
}

impl Beat {
    /// A readable beat that follows the one before it.
    pub fn new(sample: u64, class: Class) -> Beat {
        Beat {
            sample,
            class: Some(class),
            readable: true,
            rejected: false,
            begins: false,
            af: None,
        }
    }
}

/// Gathers the numbers of one recording.
#[derive(Clone, Debug)]
pub struct Holter {
    fs: f64,
    start: Option<Start>,
    options: Options,
}

impl Holter {
    /// For a recording of `fs` samples per second.
    pub fn new(fs: f64, start: Option<Start>, options: Options) -> Holter {
        Holter { fs, start, options }
    }

    /// The next beat. One before the last is taken to lie at it.
    pub fn beat(&mut self, beat: &Beat) {
        let _ = beat;
        todo!()
    }

    /// Nothing was recorded from the sample `from` up to `to`.
    pub fn gap(&mut self, from: u64, to: u64) {
        let _ = (from, to);
        todo!()
    }

    /// What is noted beside the beats, as
    /// [`crate::pipeline::annotator::Annotator`] passes it on and
    /// [`crate::pipeline::beats::Beats::notes`] holds it: `[` and `]`, `~`, and
    /// `+` with a rhythm. Others are passed over. A note may come before beats
    /// that precede it, but not after one that follows it.
    pub fn note(&mut self, note: &Annotation) {
        let _ = note;
        todo!()
    }

    /// A malignant rhythm begins, or ends where the episode has an end.
    pub fn episode(&mut self, episode: &malignant::Episode) {
        let _ = episode;
        todo!()
    }

    /// The recording ends at the sample `end`, which is how many there are.
    pub fn finish(self, end: u64) -> Summary {
        let _ = (end, self.fs, self.start, self.options);
        todo!()
    }
}
