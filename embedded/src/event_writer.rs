//! What the program says: JSON Lines as things happen, annotations, and a
//! summary at the end.

use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use data::Classes;
use data::formats::wfdb::{AnnotationWriter, Clock};
use data::pipeline::annotator::Annotator;
use embedded::Event;
use models::monitor::{Counter, Line, Totals};

/// Writes everything that a monitor reports.
pub struct EventWriter<W: Write> {
    out: Out<W>,
    annotations: Option<(Annotator, AnnotationWriter)>,
    /// How often annotations are brought to disk, and when they were last.
    every: Duration,
    written: Instant,
    /// Whether the last attempt failed, which is told once.
    failing: bool,
    fs: f64,
    classes: Classes,
    counter: Counter,
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
            out: Out {
                to: out,
                abandoned: false,
            },
            annotations,
            every,
            written: Instant::now(),
            failing: false,
            fs: clock.fs(),
            classes: classes.clone(),
            counter: Counter::new(clock.fs(), classes),
        })
    }

    /// Whether anybody still gets anything; the totals at the end at least.
    pub fn is_wanted(&self) -> bool {
        !self.out.abandoned || self.annotations.is_some()
    }

    /// Counts lines that could not be read.
    pub fn unreadable(&mut self, lines: u64) {
        self.counter.unreadable_lines(lines);
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
            self.out.tell(|out| out.flush())?;
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
    pub fn finish(mut self, samples: u64) -> Result<Totals> {
        let totals = self.counter.totals(samples);
        self.out.line(&Line::Summary(&totals))?;
        self.out.tell(|out| out.flush())?;
        if let Some((mut annotator, mut file)) = self.annotations {
            annotator.finish(&mut |annotation| file.write(annotation))?;
            file.commit()?;
        }
        Ok(totals)
    }

    fn event(&mut self, event: &Event) -> Result<()> {
        self.counter.event(event);
        if let Some((annotator, file)) = &mut self.annotations {
            event.annotate(&self.classes, annotator);
            if let Event::Beat(beat) = event {
                let decided = beat.sample + (beat.delay * self.fs) as u64;
                annotator.settle(decided, &mut |annotation| file.write(annotation))?;
            }
        }
        if self.out.to.is_none() {
            return Ok(());
        }
        self.out.line(&Line::of(event, self.fs, &self.classes))
    }
}

/// Where lines go.
struct Out<W> {
    /// `None` once nobody reads them, or where they are not wanted.
    to: Option<W>,
    /// Whether their reader has gone.
    abandoned: bool,
}

impl<W: Write> Out<W> {
    fn line(&mut self, line: &Line) -> Result<()> {
        self.tell(|to| line.write(to))
    }

    fn tell(&mut self, say: impl FnOnce(&mut W) -> io::Result<()>) -> Result<()> {
        let Some(to) = &mut self.to else {
            return Ok(());
        };
        match say(to) {
            // A reader such as `head` that has seen enough is no failure.
            Err(e) if e.kind() == ErrorKind::BrokenPipe => {
                self.to = None;
                self.abandoned = true;
                Ok(())
            }
            result => result.context("standard output"),
        }
    }
}
