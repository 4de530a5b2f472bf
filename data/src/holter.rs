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
//!
//! ```
//! use data::Class;
//! use data::holter::{Beat, Holter, Options};
//!
//! let mut holter = Holter::new(250.0, None, Options::default());
//! for (second, class) in [Class::N, Class::N, Class::V, Class::V, Class::N].into_iter().enumerate() {
//!     holter.beat(&Beat::new(250 * second as u64, class));
//! }
//! let summary = holter.finish(1250);
//! assert_eq!(summary.beats.v.count, 2);
//! assert_eq!(summary.ventricular.couplets, 1);
//! assert_eq!(summary.heart_rate.mean, Some(60.0));
//! ```

mod atrial;
mod ectopy;
mod hrv;
mod list;
mod options;
mod rates;
mod spectrum;
mod summary;
mod sweep;
mod table;
mod told;

use std::collections::VecDeque;

use crate::Class;
use crate::episodes::RhythmWatch;
use crate::holter::atrial::Atrial;
use crate::holter::ectopy::Rows;
use crate::holter::hrv::Variability;
use crate::holter::list::{Clock, Gathered, keep};
use crate::holter::rates::Rates;
use crate::holter::sweep::Sweep;
use crate::holter::table::Table;
use crate::holter::told::Told;
use crate::pipeline::malignant;
use crate::record::Start;
use crate::record::annotation::{Annotation, Symbol};
pub use options::{Beat, Options};
pub use summary::{
    AtrialFibrillation, BeatCounts, EarlyBeat, Ectopy, Episode, Episodes, FrequencyDomain, Gap,
    GapReason, Gaps, HeartRate, Hour, Hrv, Minutes, POINCARE_CELL, PoincareCell, ROnT, Rate,
    RecordedTime, RhythmSource, Runs, Share, Summary, Time,
};

/// What a program that shows these numbers says beside them.
pub const NOTICE: &str = "Research software. Not a medical device; not for diagnosis or treatment.";

/// Rhythm notes of ventricular fibrillation and flutter: no beat within is one.
pub const FIBRILLATION: [&str; 3] = ["(VF", "(VFIB", "(VFL"];

/// What is told of the recording beside its beats.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mark {
    /// The signal is lost, or back.
    Lost(bool),
    /// The signal cannot be read, or can again.
    Unreadable(bool),
    /// A malignant rhythm begins or is over, with the rate of its waves.
    Malignant(malignant::Kind, bool, Option<f64>),
    /// A rhythm note of an annotation file.
    Rhythm(Noted),
}

/// The rhythms of notes that count here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Noted {
    AtrialFibrillation,
    Malignant(malignant::Kind),
    Other,
}

/// A beat that the next one follows without a gap.
#[derive(Clone, Copy, Debug)]
struct Previous {
    sample: u64,
    class: Option<Class>,
    rejected: bool,
}

/// Gathers the numbers of one recording.
#[derive(Clone, Debug)]
pub struct Holter {
    clock: Clock,
    start: Option<Start>,
    options: Options,
    /// What is told of samples that no beat has reached, in order.
    marks: VecDeque<(u64, Mark)>,
    sweep: Sweep,
    table: Table,
    counts: BeatCounts,
    previous: Option<Previous>,
    rates: Rates,
    /// Ventricular and supraventricular rows.
    rows: Rows,
    r_on_t: ROnT,
    pauses: Gathered,
    /// Bigeminy, trigeminy, slow and fast rates, silence, and malignant rhythms:
    /// whatever [`RhythmWatch`] tells in the way that it is reported here.
    watch: RhythmWatch,
    told: Told,
    atrial: Atrial,
    hrv: Variability,
}

impl Holter {
    /// For a recording of `fs` samples per second, which is a positive number.
    pub fn new(fs: f64, start: Option<Start>, options: Options) -> Holter {
        // No rate at all must not make times that never end.
        let fs = if fs.is_finite() && fs > 0.0 { fs } else { 1.0 };
        let mut watch = RhythmWatch::new(fs, options.thresholds);
        watch.begin(0);
        Holter {
            clock: Clock { fs },
            start,
            options,
            marks: VecDeque::new(),
            sweep: Sweep::new(options.listed),
            table: Table::new(fs),
            counts: BeatCounts::default(),
            previous: None,
            rates: Rates::new(&options.thresholds),
            rows: Rows::new(&options),
            r_on_t: ROnT::default(),
            pauses: Gathered::new(options.listed),
            watch,
            told: Told::new(options.listed),
            atrial: Atrial::new(&options),
            hrv: Variability::new(&options),
        }
    }

    /// The next beat. One before the last is taken to lie at it.
    pub fn beat(&mut self, beat: &Beat) {
        let sample = beat.sample.max(self.sweep.now());
        self.until(sample);
        if self.told.fibrillates() {
            self.counts.within_fibrillation += 1;
            return;
        }
        self.counts.total += 1;
        if !beat.readable || !self.sweep.is_analysable() {
            self.counts.unreadable += 1;
            self.interrupt(sample);
            return;
        }
        if beat.begins {
            let last = self.previous.map_or(sample, |p| p.sample);
            self.interrupt(last);
        }
        self.count(sample, beat);
        self.follow(sample, beat);
        self.previous = Some(Previous {
            sample,
            class: beat.class,
            rejected: beat.rejected,
        });
    }

    /// Nothing was recorded from the sample `from` up to `to`.
    pub fn gap(&mut self, from: u64, to: u64) {
        if from < to {
            self.mark(from, Mark::Lost(true));
            self.mark(to, Mark::Lost(false));
        }
    }

    /// What is noted beside the beats, as
    /// [`crate::pipeline::annotator::Annotator`] passes it on and
    /// [`crate::pipeline::beats::Beats::notes`] holds it: `[` and `]`, `~`, and
    /// `+` with a rhythm. Others are passed over. A note may come before beats
    /// that precede it, but not after one that follows it.
    pub fn note(&mut self, note: &Annotation) {
        let Ok(sample) = u64::try_from(note.sample) else {
            return;
        };
        let fibrillation = |begins| Mark::Malignant(malignant::Kind::Fibrillation, begins, None);
        let mark = match note.symbol {
            Symbol::VF_ON => fibrillation(true),
            Symbol::VF_OFF => fibrillation(false),
            Symbol::NOISE => Mark::Unreadable(note.subtype == -1),
            Symbol::RHYTHM => Mark::Rhythm(match note.text() {
                "(AFIB" => Noted::AtrialFibrillation,
                "(VT" => Noted::Malignant(malignant::Kind::Tachycardia),
                "(ASYS" => Noted::Malignant(malignant::Kind::Asystole),
                text if FIBRILLATION.contains(&text) => {
                    Noted::Malignant(malignant::Kind::Fibrillation)
                }
                _ => Noted::Other,
            }),
            _ => return,
        };
        self.mark(sample, mark);
    }

    /// A malignant rhythm begins, or ends where the episode has an end. For a
    /// caller that has the episodes themselves and not [`Holter::note`]'s notes
    /// of them.
    pub fn episode(&mut self, episode: &malignant::Episode) {
        let at = episode.end.unwrap_or(episode.start);
        let begins = episode.end.is_none();
        self.mark(at, Mark::Malignant(episode.kind, begins, episode.rate));
    }

    /// The recording ends at the sample `end`, which is how many there are.
    pub fn finish(mut self, end: u64) -> Summary {
        let end = end.max(self.sweep.now());
        // What is told of later samples is told of the end.
        self.marks
            .iter_mut()
            .for_each(|(at, _)| *at = (*at).min(end));
        self.until(end);
        for source in 0..self.told.open.len() {
            self.close_malignant(source, end, None);
        }
        self.interrupt(end);
        self.atrial.noted(false, end, &self.clock);
        self.sweep.finish(&self.clock);
        self.summary(end)
    }

    fn mark(&mut self, sample: u64, mark: Mark) {
        let after = self.marks.iter().rev().take_while(|(at, _)| *at > sample);
        let at = self.marks.len() - after.count();
        self.marks.insert(at, (sample, mark));
    }

    /// Goes on to a sample, past everything that was told of those before it.
    fn until(&mut self, sample: u64) {
        while let Some((at, mark)) = self.marks.front().copied()
            && at <= sample
        {
            self.marks.pop_front();
            let at = at.max(self.sweep.now());
            self.advance(at);
            self.turn(at, mark);
        }
        self.advance(sample);
    }

    /// Goes on to a sample, before which nothing else is told.
    fn advance(&mut self, sample: u64) {
        let from = self.sweep.now();
        if self.sweep.is_analysable() {
            self.table.analysable(from, sample);
            self.atrial.analysable(sample.saturating_sub(from));
            let (told, clock) = (&mut self.told, &self.clock);
            self.watch.until(sample, &mut |e| told.take(&e, clock));
        }
        self.sweep.advance(sample);
    }

    fn turn(&mut self, at: u64, mark: Mark) {
        let was = self.sweep.is_analysable();
        match mark {
            Mark::Lost(lost) => self.sweep.lose(lost, at, &self.clock),
            Mark::Unreadable(unreadable) => self.sweep.blur(unreadable, at, &self.clock),
            Mark::Malignant(kind, true, rate) => self.open_malignant(0, kind, at, rate),
            Mark::Malignant(_, false, rate) => self.close_malignant(0, at, rate),
            Mark::Rhythm(noted) => {
                let fibrillation = noted == Noted::AtrialFibrillation;
                self.atrial.noted(fibrillation, at, &self.clock);
                match noted {
                    Noted::Malignant(kind) => self.open_malignant(1, kind, at, None),
                    _ => self.close_malignant(1, at, None),
                }
            }
        }
        match (was, self.sweep.is_analysable()) {
            (true, false) => self.interrupt(at),
            (false, true) => self.watch.begin(at),
            _ => {}
        }
    }

    /// A malignant rhythm begins, as the signal (source 0) or a rhythm note (1)
    /// says. Where the other says the same already, it is one episode.
    fn open_malignant(&mut self, source: usize, kind: malignant::Kind, at: u64, rate: Option<f64>) {
        if self.told.open[source].is_some_and(|open| open.kind == kind) {
            return;
        }
        self.close_malignant(source, at, None);
        let episode = malignant::Episode {
            kind,
            start: at,
            end: None,
            rate,
        };
        let told_before = self.told.goes_on(kind);
        self.told.open[source] = Some(episode);
        if told_before {
            return;
        }
        if kind == malignant::Kind::Fibrillation {
            self.break_rows();
        }
        let (told, clock) = (&mut self.told, &self.clock);
        (self.watch).episode(&episode, &mut |e| told.take(&e, clock));
    }

    fn close_malignant(&mut self, source: usize, at: u64, rate: Option<f64>) {
        let Some(open) = self.told.open[source].take() else {
            return;
        };
        let other = &mut self.told.open[1 - source];
        if let Some(other) = other.as_mut().filter(|o| o.kind == open.kind) {
            other.start = other.start.min(open.start);
            return;
        }
        let episode = malignant::Episode {
            end: Some(at),
            rate: rate.or(open.rate),
            ..open
        };
        let (told, clock) = (&mut self.told, &self.clock);
        (self.watch).episode(&episode, &mut |e| told.take(&e, clock));
    }

    /// What comes does not follow what was, which ends at a sample.
    fn interrupt(&mut self, sample: u64) {
        self.break_rows();
        let (told, clock) = (&mut self.told, &self.clock);
        self.watch.end(sample, &mut |e| told.take(&e, clock));
        if self.sweep.is_analysable() {
            self.watch.begin(sample);
        }
    }

    /// No interval leads from the last beat to the next.
    fn break_rows(&mut self) {
        self.previous = None;
        self.rows.close(&self.clock, &mut self.table);
        self.rates.clear();
        self.hrv.interrupt();
        self.atrial.interrupt(&self.clock);
    }

    fn count(&mut self, sample: u64, beat: &Beat) {
        let counts = &mut self.counts;
        counts.analysed += 1;
        counts.rejected.count += u64::from(beat.rejected);
        let share = match beat.class {
            Some(Class::N) => &mut counts.n,
            Some(Class::S) => &mut counts.s,
            Some(Class::V) => &mut counts.v,
            Some(Class::F) => &mut counts.f,
            Some(Class::Q) => &mut counts.q,
            None => &mut counts.unclassified,
        };
        share.count += 1;
        self.table.beat(sample, beat.class);
    }

    /// What a beat says by its place after the one before.
    fn follow(&mut self, sample: u64, beat: &Beat) {
        let clock = self.clock;
        // Two beats at one sample have no interval between them.
        let previous = self.previous.filter(|p| p.sample < sample);
        let rr = previous.map(|p| clock.seconds(sample - p.sample));
        if let (Some(rr), Some(previous)) = (rr, previous) {
            // The watch leaves pauses as long as an asystole to its silence, and
            // none to a silence that it has told; a report has them all.
            if rr >= self.options.thresholds.pause {
                self.pauses.take(clock.episode(previous.sample, sample));
                self.table.pause(sample);
            }
            self.table.interval(sample, rr);
        }
        let short = rr.filter(|rr| *rr < self.options.thresholds.asystole);
        if rr.is_some() && short.is_none() {
            self.rows.close(&clock, &mut self.table);
            self.rates.clear();
            self.hrv.interrupt();
            self.atrial.interrupt(&clock);
        }
        if let (Some(rr), Some(previous)) = (short, previous) {
            self.early(sample, rr, beat, &previous);
            let normal = |class, rejected: bool| class == Some(Class::N) && !rejected;
            let nn = normal(beat.class, beat.rejected) && normal(previous.class, previous.rejected);
            self.hrv.interval(clock.seconds(sample), rr, nn);
            let rate = self.rates.take(rr, clock.time(sample));
            self.table.rate(sample, rr, rate);
        }
        self.rows.take(sample, beat.class, &clock, &mut self.table);
        self.atrial.beat(sample, beat.af, &clock);
        let (told, watch) = (&mut self.told, &mut self.watch);
        let class = beat.class.unwrap_or(Class::Q);
        watch.beat(sample, class, &mut |e| told.take(&e, &clock));
        told.sharpen(
            self.rates.now().filter(|_| short.is_some()),
            clock.time(sample),
        );
    }

    /// Whether a ventricular beat falls on the T wave of the beat before it.
    fn early(&mut self, sample: u64, rr: f64, beat: &Beat, previous: &Previous) {
        let first = beat.class == Some(Class::V) && previous.class != Some(Class::V);
        let Some(mean) = self.rates.mean_rr().filter(|_| first) else {
            return;
        };
        let qt = self.options.qtc * mean.cbrt();
        if rr < qt {
            self.r_on_t.count += 1;
            let at = self.clock.time(sample);
            let listed = self.options.listed;
            let early = EarlyBeat { at, rr, qt };
            keep(&mut self.r_on_t.earliest, early, listed, |early| -early.rr);
        }
    }

    fn summary(self, end: u64) -> Summary {
        let clock = &self.clock;
        let mut counts = self.counts;
        let analysed = counts.analysed;
        let shares = [
            &mut counts.n,
            &mut counts.s,
            &mut counts.v,
            &mut counts.f,
            &mut counts.q,
            &mut counts.unclassified,
            &mut counts.rejected,
        ];
        for share in shares {
            share.percent = list::percent(share.count as f64, analysed as f64);
        }
        let duration = clock.seconds(end);
        let time = self.sweep.time(duration);
        let [ventricular, supraventricular] = self.rows.ectopy(analysed);
        let (hours, minutes) = self.table.rows(end);
        let told = self.told;
        Summary {
            fs: clock.fs,
            start: self.start,
            options: self.options,
            heart_rate: self.rates.heart_rate(),
            ventricular,
            supraventricular,
            r_on_t: self.r_on_t,
            bigeminy: told.bigeminy.episodes(),
            trigeminy: told.trigeminy.episodes(),
            pauses: self.pauses.episodes(),
            bradycardia: told.bradycardia.episodes(),
            tachycardia: told.tachycardia.episodes(),
            no_beats: told.no_beats.episodes(),
            ventricular_fibrillation: told.fibrillation.episodes(),
            ventricular_tachycardia: told.ventricular_tachycardia.episodes(),
            asystole: told.asystole.episodes(),
            atrial_fibrillation: self.atrial.told(clock, time.analysable),
            hrv: self.hrv.hrv(),
            beats: counts,
            time,
            hours,
            minutes,
        }
    }
}

#[cfg(test)]
mod tests;
