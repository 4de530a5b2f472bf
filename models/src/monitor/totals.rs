//! What a recording came to: the last line of a monitor.

use std::fmt;

use data::episodes::Phase;
use data::{Class, Classes};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::contract::Reject;
use crate::monitor::line::milli;
use crate::monitor::{Event, LabelledBeat};

/// Totals of a recording.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Totals {
    /// Samples per lead, lost ones included.
    pub samples: u64,
    /// Their duration in seconds.
    pub seconds: f64,
    /// Beats where the signal can be read.
    pub beats: u64,
    /// These per class.
    pub classes: Map<String, Value>,
    /// Beats that the model is not certain of and leaves to a human.
    pub rejected: u64,
    /// Beats where the signal cannot be read.
    pub unreadable_beats: u64,
    /// Stretches without signal.
    pub gaps: u64,
    /// Lines of the stream that could not be read.
    pub unreadable_lines: u64,
    /// Stretches that cannot be read.
    pub unreadable: u64,
    /// Rhythm episodes.
    pub episodes: u64,
    /// Longest delay from an R peak to its decision, in seconds.
    pub longest_delay: f64,
}

/// Counts what a monitor reports.
pub struct Counter {
    fs: f64,
    classes: Classes,
    /// Beats per class.
    counts: Vec<u64>,
    totals: Totals,
}

impl Counter {
    /// Nothing yet, of a recording of `fs` samples per second and for a model of
    /// these classes.
    pub fn new(fs: f64, classes: &Classes) -> Counter {
        Counter {
            fs,
            classes: classes.clone(),
            counts: vec![0; classes.len()],
            totals: Totals::default(),
        }
    }

    /// Counts an event.
    pub fn event(&mut self, event: &Event) {
        let totals = &mut self.totals;
        match event {
            Event::Beat(beat) => self.beat(beat),
            Event::Gap(gap) => totals.gaps += u64::from(gap.length.is_none()),
            Event::Unreadable(stretch) => {
                totals.unreadable += u64::from(stretch.length.is_none());
            }
            Event::Rhythm(event) => totals.episodes += u64::from(event.phase != Phase::End),
        }
    }

    fn beat(&mut self, beat: &LabelledBeat) {
        let totals = &mut self.totals;
        if beat.decision.reject == Some(Reject::Quality) {
            // It may be no beat: it counts among none of the classes.
            totals.unreadable_beats += 1;
        } else {
            totals.beats += 1;
            totals.rejected += u64::from(beat.rejected());
            // A beat within fibrillation is unclassifiable, if there is such a class.
            let q = || self.classes.of_aami(Class::Q).first().copied();
            if let Some(class) = beat.class().or_else(q) {
                self.counts[class] += 1;
            }
        }
        totals.longest_delay = totals.longest_delay.max(milli(beat.delay));
    }

    /// Counts lines of a stream of text that could not be read.
    pub fn unreadable_lines(&mut self, lines: u64) {
        self.totals.unreadable_lines += lines;
    }

    /// What the recording came to, after so many samples per lead.
    pub fn totals(&self, samples: u64) -> Totals {
        let counts = self.classes.names().zip(&self.counts);
        Totals {
            samples,
            seconds: milli(samples as f64 / self.fs),
            classes: counts.map(|(name, &n)| (name.into(), n.into())).collect(),
            ..self.totals.clone()
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes: Vec<String> = self
            .classes
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        write!(
            f,
            "{:.1} s of signal, {} beats ({}), {} rejected, {} unreadable, {} gaps, {} stretches unreadable, {} rhythm episodes; longest delay {:.2} s",
            self.seconds,
            self.beats,
            classes.join(", "),
            self.rejected,
            self.unreadable_beats,
            self.gaps,
            self.unreadable,
            self.episodes,
            self.longest_delay
        )?;
        match self.unreadable_lines {
            0 => Ok(()),
            lines => write!(f, "; {lines} lines could not be read"),
        }
    }
}
