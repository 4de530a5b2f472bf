//! What a monitor reports as JSON Lines: one object a line, of which `event` says
//! what it tells.

use std::io::{self, Write};

use data::episodes::RhythmEvent;
use data::pipeline::readable::Condition;
use data::{Class, Classes};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::contract::Reject;
use crate::monitor::{Event, LabelledBeat, Totals};

/// One line. Every `time` is in seconds from the first sample on, every `sample`
/// and `start` a number of samples from there at the input's rate.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Line<'a> {
    /// A beat has been decided; see [`LabelledBeat`].
    Beat {
        /// Sample of the R peak.
        sample: u64,
        /// The same in seconds.
        time: f64,
        /// Name of the class; Q within fibrillation.
        class: &'a str,
        /// Calibrated probabilities by the names of the classes, to 4 decimals.
        probabilities: Map<String, Value>,
        /// Whether the beat is better left to a human.
        rejected: bool,
        /// Why the model or the signal leaves it to one.
        #[serde(skip_serializing_if = "Option::is_none")]
        reject: Option<Reject>,
        /// Seconds since the beat before; null for the first one and after a gap.
        rr: Option<f64>,
        /// Signal quality around the beat, 0 (noise) to 1 (clean).
        quality: f32,
        /// Seconds of signal from the R peak to the decision.
        delay: f64,
    },
    /// The signal is lost; with `length`, it is back.
    Gap {
        /// The first sample that lacks.
        start: u64,
        /// The same in seconds.
        time: f64,
        /// Samples that lacked.
        #[serde(skip_serializing_if = "Option::is_none")]
        length: Option<u64>,
    },
    /// The signal cannot be read; with `length`, it can again.
    Unreadable {
        /// What it is instead.
        why: Condition,
        /// The first sample of it.
        start: u64,
        /// The same in seconds.
        time: f64,
        /// Samples of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        length: Option<u64>,
    },
    /// A rhythm has begun, has ended, or is told whole.
    Rhythm {
        /// Its first beat in seconds.
        time: f64,
        /// What is known of it.
        #[serde(flatten)]
        episode: RhythmEvent,
    },
    /// The recording has ended: what it came to.
    Summary(&'a Totals),
}

impl<'a> Line<'a> {
    /// What the line of an event says, for a recording of `fs` samples per second
    /// and a model of these classes.
    pub fn of(event: &Event, fs: f64, classes: &'a Classes) -> Line<'a> {
        match *event {
            Event::Beat(ref beat) => Line::beat(beat, classes),
            Event::Gap(gap) => Line::Gap {
                start: gap.start,
                time: milli(gap.start as f64 / fs),
                length: gap.length,
            },
            Event::Unreadable(stretch) => Line::Unreadable {
                why: stretch.why,
                start: stretch.start,
                time: milli(stretch.start as f64 / fs),
                length: stretch.length,
            },
            Event::Rhythm(mut episode) => {
                episode.rate = episode.rate.map(|rate| (rate * 10.0).round() / 10.0);
                Line::Rhythm {
                    time: milli(episode.start as f64 / fs),
                    episode,
                }
            }
        }
    }

    fn beat(beat: &LabelledBeat, classes: &'a Classes) -> Line<'a> {
        let round = |p: f32| (f64::from(p) * 1e4).round() / 1e4;
        let probabilities = classes.names().zip(&beat.probabilities);
        Line::Beat {
            sample: beat.sample,
            time: milli(beat.time),
            class: beat.class().map_or(Class::Q.name(), |c| classes.name(c)),
            probabilities: probabilities
                .map(|(name, &p)| (name.into(), round(p).into()))
                .collect(),
            rejected: beat.rejected(),
            reject: beat.decision.reject,
            rr: beat.rr.map(milli),
            quality: (beat.quality * 1e3).round() / 1e3,
            delay: milli(beat.delay),
        }
    }

    /// Writes it, with the end of the line.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self).map_err(io::Error::from)?;
        out.write_all(b"\n")
    }
}

/// Seconds to the millisecond, as they are worth printing.
pub(super) fn milli(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}
