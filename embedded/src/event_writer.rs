//! What the program says: JSON Lines as things happen, annotations, and a
//! summary at the end.

use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use data::episodes::{Phase, RhythmEvent};
use data::formats::wfdb::{AnnotationWriter, Clock};
use data::pipeline::annotator::Annotator;
use data::pipeline::readable::Condition;
use data::{Class, Classes};
use embedded::{Event, LabelledBeat};
use models::contract::Reject;
use serde::Serialize;
use serde_json::{Map, Value};

/// One line of output.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Line<'a> {
    Beat {
        sample: u64,
        time: f64,
        class: &'a str,
        probabilities: &'a Map<String, Value>,
        rejected: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        reject: Option<Reject>,
        rr: Option<f64>,
        quality: f32,
        delay: f64,
    },
    Gap {
        start: u64,
        time: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        length: Option<u64>,
    },
    Unreadable {
        why: Condition,
        start: u64,
        time: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        length: Option<u64>,
    },
    Rhythm {
        time: f64,
        #[serde(flatten)]
        episode: &'a RhythmEvent,
    },
    Summary(&'a RecordingTotals),
}

/// Totals of a recording.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RecordingTotals {
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

/// Writes everything that a monitor reports.
pub struct EventWriter<W: Write> {
    /// `None` once nobody reads it, or where it is not wanted.
    out: Option<W>,
    /// Whether the reader of the output has gone.
    abandoned: bool,
    annotations: Option<(Annotator, AnnotationWriter)>,
    /// How often annotations are brought to disk, and when they were last.
    every: Duration,
    written: Instant,
    /// Whether the last attempt failed, which is told once.
    failing: bool,
    fs: f64,
    classes: Classes,
    counts: Vec<u64>,
    totals: RecordingTotals,
}

impl<W: Write> EventWriter<W> {
    /// A writer for a recording of this clock and for a model of these classes;
    /// annotations go to the file `annotations`, `every` so often.
    ///
    /// # Errors
    /// The folder of the annotations cannot be written.
    pub fn new(
        out: Option<W>,
        annotations: Option<&Path>,
        every: Duration,
        clock: Clock,
        classes: &Classes,
    ) -> Result<EventWriter<W>> {
        let annotations = match annotations {
            Some(path) => Some((Annotator::new(clock.fs()), clock.create(path)?)),
            None => None,
        };
        Ok(EventWriter {
            out,
            abandoned: false,
            annotations,
            every,
            written: Instant::now(),
            failing: false,
            fs: clock.fs(),
            classes: classes.clone(),
            counts: vec![0; classes.len()],
            totals: RecordingTotals::default(),
        })
    }

    /// Whether anybody still gets anything; the totals at the end at least.
    pub fn is_wanted(&self) -> bool {
        !self.abandoned || self.annotations.is_some()
    }

    /// Counts lines that could not be read.
    pub fn unreadable(&mut self, lines: u64) {
        self.totals.unreadable_lines += lines;
    }

    /// Writes what a monitor has just reported and flushes it.
    ///
    /// # Errors
    /// An output cannot be written; a reader who has gone is no error.
    pub fn events(&mut self, events: &[Event]) -> Result<()> {
        for event in events {
            self.event(event)?;
        }
        if !events.is_empty() {
            self.tell(|out| out.flush())?;
        }
        Ok(())
    }

    /// Brings the annotations to disk when it is time, so that a power cut loses
    /// no more than those since. A disk that is full is told once, and tried
    /// again: the beats are still reported, and kept until there is room.
    pub fn write_through(&mut self) {
        let Some((_, annotations)) = &mut self.annotations else {
            return;
        };
        if self.written.elapsed() < self.every {
            return;
        }
        self.written = Instant::now();
        match annotations.write_through() {
            Ok(()) if self.failing => {
                eprintln!("annotations are written again; none is lost");
                self.failing = false;
            }
            Err(error) if !self.failing => {
                eprintln!(
                    "annotations cannot be written ({error}); they are kept in memory and tried again every {} s",
                    self.every.as_secs_f64()
                );
                self.failing = true;
            }
            _ => {}
        }
    }

    /// Ends the output of a source that was no recording: without annotations.
    ///
    /// # Errors
    /// Their file cannot be removed.
    pub fn discard(self) -> Result<()> {
        match self.annotations {
            Some((_, annotations)) => Ok(annotations.discard()?),
            None => Ok(()),
        }
    }

    /// Ends the output: the summary, and the annotations under their name.
    ///
    /// # Errors
    /// As [`EventWriter::events`].
    pub fn finish(mut self, samples: u64) -> Result<RecordingTotals> {
        self.totals.samples = samples;
        self.totals.seconds = milli(samples as f64 / self.fs);
        for (name, &count) in self.classes.names().zip(&self.counts) {
            self.totals.classes.insert(name.into(), count.into());
        }
        let totals = std::mem::take(&mut self.totals);
        self.line(&Line::Summary(&totals))?;
        self.tell(|out| out.flush())?;
        if let Some((mut annotator, mut file)) = self.annotations {
            annotator.finish(&mut |annotation| file.write(annotation))?;
            file.commit()?;
        }
        Ok(totals)
    }

    fn event(&mut self, event: &Event) -> Result<()> {
        if let Some((annotator, _)) = &mut self.annotations {
            event.annotate(&self.classes, annotator);
        }
        match event {
            Event::Beat(beat) => self.beat(beat),
            Event::Gap(gap) => {
                self.totals.gaps += u64::from(gap.length.is_none());
                self.line(&Line::Gap {
                    start: gap.start,
                    time: milli(gap.start as f64 / self.fs),
                    length: gap.length,
                })
            }
            Event::Unreadable(stretch) => {
                self.totals.unreadable += u64::from(stretch.length.is_none());
                self.line(&Line::Unreadable {
                    why: stretch.why,
                    start: stretch.start,
                    time: milli(stretch.start as f64 / self.fs),
                    length: stretch.length,
                })
            }
            Event::Rhythm(event) => {
                self.totals.episodes += u64::from(event.phase != Phase::End);
                let mut event = *event;
                event.rate = event.rate.map(|rate| (rate * 10.0).round() / 10.0);
                self.line(&Line::Rhythm {
                    time: milli(event.start as f64 / self.fs),
                    episode: &event,
                })
            }
        }
    }

    fn beat(&mut self, beat: &LabelledBeat) -> Result<()> {
        if beat.decision.reject == Some(Reject::Quality) {
            // It may be no beat: it counts among none of the classes.
            self.totals.unreadable_beats += 1;
        } else {
            self.totals.beats += 1;
            self.totals.rejected += u64::from(beat.rejected());
            // A beat within fibrillation is unclassifiable, if there is such a class.
            let q = || self.classes.of_aami(Class::Q).first().copied();
            if let Some(class) = beat.class().or_else(q) {
                self.counts[class] += 1;
            }
        }
        self.totals.longest_delay = self.totals.longest_delay.max(milli(beat.delay));
        if let Some((annotator, file)) = &mut self.annotations {
            let decided = beat.sample + (beat.delay * self.fs) as u64;
            annotator.settle(decided, &mut |annotation| file.write(annotation))?;
        }
        if self.out.is_none() {
            return Ok(());
        }
        let round = |p: f32| (f64::from(p) * 1e4).round() / 1e4;
        let classes = self.classes.clone();
        let probabilities = classes.names().zip(&beat.probabilities);
        let probabilities = probabilities
            .map(|(name, &p)| (name.into(), round(p).into()))
            .collect();
        self.line(&Line::Beat {
            sample: beat.sample,
            time: milli(beat.time),
            class: beat.class().map_or(Class::Q.name(), |c| classes.name(c)),
            probabilities: &probabilities,
            rejected: beat.rejected(),
            reject: beat.decision.reject,
            rr: beat.rr.map(milli),
            quality: (beat.quality * 1e3).round() / 1e3,
            delay: milli(beat.delay),
        })
    }

    fn line(&mut self, line: &Line) -> Result<()> {
        self.tell(|out| {
            serde_json::to_writer(&mut *out, line).map_err(io::Error::from)?;
            out.write_all(b"\n")
        })
    }

    fn tell(&mut self, say: impl FnOnce(&mut W) -> io::Result<()>) -> Result<()> {
        let Some(out) = &mut self.out else {
            return Ok(());
        };
        match say(out) {
            // A reader such as `head` that has seen enough is no failure.
            Err(e) if e.kind() == ErrorKind::BrokenPipe => {
                self.out = None;
                self.abandoned = true;
                Ok(())
            }
            result => result.context("standard output"),
        }
    }
}

/// Seconds to the millisecond, as they are worth printing.
fn milli(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}

impl std::fmt::Display for RecordingTotals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
