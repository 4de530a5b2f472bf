//! Rows of ectopic beats of one class: singles, couplets, runs.
//!
//! [`crate::episodes::RhythmWatch`] tells rows while they go on, and parts a slow
//! ventricular row that becomes fast in two that share a beat. Here each beat is
//! in one row, so that the numbers add up.

use crate::Class;
use crate::holter::list::{Clock, keep, percent};
use crate::holter::options::Options;
use crate::holter::summary::{Ectopy, Episode, Runs};
use crate::holter::table::Table;

/// The row under way.
#[derive(Clone, Copy, Debug)]
struct Row {
    class: Class,
    beats: u64,
    start: u64,
    end: u64,
}

/// All rows so far.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    row: Option<Row>,
    /// Of V and of S.
    ectopy: [Ectopy; 2],
    /// Beats that make a run.
    run: u64,
    listed: usize,
}

impl Rows {
    pub fn new(options: &Options) -> Rows {
        Rows {
            row: None,
            ectopy: Default::default(),
            run: u64::from(options.thresholds.run.max(3)),
            listed: options.listed,
        }
    }

    /// The next beat.
    pub fn take(&mut self, sample: u64, class: Option<Class>, clock: &Clock, table: &mut Table) {
        if let Some(row) = self.row.as_mut().filter(|row| Some(row.class) == class) {
            row.beats += 1;
            row.end = sample;
            return;
        }
        self.close(clock, table);
        self.row = class
            .filter(|class| matches!(class, Class::S | Class::V))
            .map(|class| Row {
                class,
                beats: 1,
                start: sample,
                end: sample,
            });
    }

    /// The row under way is over.
    pub fn close(&mut self, clock: &Clock, table: &mut Table) {
        let Some(row) = self.row.take() else {
            return;
        };
        let ectopy = &mut self.ectopy[usize::from(row.class == Class::S)];
        ectopy.beats += row.beats;
        match row.beats {
            1 => ectopy.singles += 1,
            2 => ectopy.couplets += 1,
            3 => ectopy.triplets += 1,
            _ => {}
        }
        if row.beats >= self.run {
            table.run(row.start, row.class);
            ectopy.runs.take(row.episode(clock), row.beats, self.listed);
        }
    }

    /// What ventricular and supraventricular beats come to, of so many.
    pub fn ectopy(self, analysed: u64) -> [Ectopy; 2] {
        self.ectopy.map(|ectopy| Ectopy {
            burden: percent(ectopy.beats as f64, analysed as f64),
            ..ectopy
        })
    }
}

impl Row {
    fn episode(&self, clock: &Clock) -> Episode {
        let episode = clock.episode(self.start, self.end);
        let intervals = (self.beats - 1) as f64;
        Episode {
            beats: Some(self.beats),
            rate: (episode.seconds > 0.0).then(|| 60.0 * intervals / episode.seconds),
            ..episode
        }
    }
}

impl Runs {
    fn take(&mut self, run: Episode, beats: u64, listed: usize) {
        self.count += 1;
        self.beats += beats;
        let longer = |other: &Episode| run.beats > other.beats;
        if self.longest.as_ref().is_none_or(longer) {
            self.longest = Some(run);
        }
        let faster = |other: &Episode| run.rate > other.rate;
        if self.fastest.as_ref().is_none_or(faster) {
            self.fastest = Some(run);
        }
        let beats = |run: &Episode| run.beats.unwrap_or(0) as f64;
        keep(&mut self.list, run, listed, beats);
    }
}
