//! Rhythm events from labelled beats: pauses, couplets, runs, bigeminy and
//! trigeminy, slow and fast rates, silence. What the signal itself shows
//! ([`crate::pipeline::malignant`]) is told in the same words.

pub mod notes;

use crate::Class;
use crate::pipeline::malignant::{self, Episode};
use serde::Serialize;

/// When a rhythm is worth an event.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Thresholds {
    /// An RR interval of at least so many seconds is a pause.
    pub pause: f64,
    /// So many seconds of a flat line are an asystole; as many without a beat
    /// in a signal that is not flat are an event of their own, and end a row.
    pub asystole: f64,
    /// So many ectopic beats of one class in a row are a run, at least 3.
    pub run: u32,
    /// A run of ventricular beats below this rate, in beats per minute, is an
    /// idioventricular rhythm.
    pub run_rate: f64,
    /// So many ectopic beats in the pattern are a bigeminy or trigeminy, at least 2.
    pub geminy: u32,
    /// A mean rate below this, in beats per minute, is a bradycardia.
    pub bradycardia: f64,
    /// A mean rate above this, in beats per minute, is a tachycardia.
    pub tachycardia: f64,
    /// The mean rate is over so many RR intervals, 1 to [`MOST_INTERVALS`].
    pub intervals: usize,
    /// How far past its threshold the rate must return, in beats per minute,
    /// to end a bradycardia or tachycardia.
    pub hysteresis: f64,
}

/// The longest mean of the heart rate, in RR intervals.
pub const MOST_INTERVALS: usize = 64;

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds {
            pause: 2.0,
            asystole: 4.0,
            run: 3,
            run_rate: 100.0,
            geminy: 3,
            bradycardia: 50.0,
            tachycardia: 100.0,
            intervals: 8,
            hysteresis: 3.0,
        }
    }
}

/// What a rhythm event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A long RR interval.
    Pause,
    /// No beat for a long time, in a signal that is not flat.
    NoBeats,
    /// No electrical activity: the line is flat.
    Asystole,
    /// Ventricular fibrillation or flutter, by the shape of the signal.
    VentricularFibrillation,
    /// Ventricular tachycardia, by the shape of the signal.
    VentricularTachycardia,
    /// Two ectopic beats of one class in a row.
    Couplet,
    /// Three or more ectopic beats of one class in a row.
    Run,
    /// Three or more ventricular beats in a row, slower than a run.
    Idioventricular,
    /// Every second beat is ventricular.
    Bigeminy,
    /// Every third beat is ventricular.
    Trigeminy,
    /// A slow rate.
    Bradycardia,
    /// A fast rate.
    Tachycardia,
}

/// Whether an event opens an episode, closes it, or is all there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The episode has just been recognised and goes on.
    Begin,
    /// The episode is over; it was announced by a `Begin`.
    End,
    /// The whole episode in one event.
    Whole,
}

/// One rhythm event.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RhythmEvent {
    /// What it is.
    pub kind: Kind,
    /// Which part of the episode.
    pub phase: Phase,
    /// The ectopic class of a couplet or run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// Sample of the episode's first beat, at the input's rate.
    pub start: u64,
    /// Sample up to which the episode is known.
    pub end: u64,
    /// Beats of the episode so far: all of a run's or a couplet's, the
    /// ventricular ones of a bigeminy or trigeminy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beats: Option<u32>,
    /// Mean rate in beats per minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
}

impl RhythmEvent {
    /// The episode behind an event that the signal itself shows.
    pub fn of_signal(&self) -> Option<Episode> {
        let kind = match self.kind {
            Kind::VentricularFibrillation => malignant::Kind::Fibrillation,
            Kind::VentricularTachycardia => malignant::Kind::Tachycardia,
            Kind::Asystole => malignant::Kind::Asystole,
            _ => return None,
        };
        Some(Episode {
            kind,
            start: self.start,
            end: (self.phase == Phase::End).then_some(self.end),
            rate: self.rate,
        })
    }
}

/// A row of ectopic beats of one class.
#[derive(Clone, Copy, Debug)]
struct Row {
    class: Class,
    beats: u32,
    start: u64,
    end: u64,
    /// The two beats before the last.
    before: [u64; 2],
    /// What it has been announced as.
    told: Option<Kind>,
}

/// A repeating pattern with one ventricular beat.
#[derive(Clone, Copy, Debug)]
struct Pattern {
    /// Beats from one ventricular beat to the next, 2 or 3; 0 while open.
    period: u64,
    ventricular: u32,
    /// First and last ventricular beat.
    start: u64,
    end: u64,
    /// Number of the last ventricular beat.
    last: u64,
}

/// Watches the rhythm of one recording. Allocates only when it is made.
#[derive(Clone, Debug)]
pub struct RhythmWatch {
    fs: f64,
    thresholds: Thresholds,
    /// Beats since the start of the stretch.
    count: u64,
    /// Sample of the last beat, or of the first sample of the stretch.
    last: Option<u64>,
    /// Whether `last` is a beat.
    beat_seen: bool,
    silent: bool,
    /// Fibrillation or asystole goes on: that no beat comes says nothing more.
    covered: bool,
    row: Option<Row>,
    pattern: Option<Pattern>,
    /// The latest RR intervals in seconds, a ring.
    intervals: Vec<f64>,
    next_interval: usize,
    /// The rate episode that goes on, and the sample it began at.
    rate: Option<(Kind, u64)>,
}

impl RhythmWatch {
    /// A watch over a recording of `fs` samples per second.
    pub fn new(fs: f64, thresholds: Thresholds) -> RhythmWatch {
        let intervals = thresholds.intervals.clamp(1, MOST_INTERVALS);
        RhythmWatch {
            fs,
            thresholds: Thresholds {
                run: thresholds.run.max(3),
                geminy: thresholds.geminy.max(2),
                intervals,
                ..thresholds
            },
            count: 0,
            last: None,
            beat_seen: false,
            silent: false,
            covered: false,
            row: None,
            pattern: None,
            intervals: Vec::with_capacity(intervals),
            next_interval: 0,
            rate: None,
        }
    }

    /// A stretch of signal begins: silence is counted from here.
    pub fn begin(&mut self, sample: u64) {
        self.last.get_or_insert(sample);
    }

    /// A beat of this class at this sample. Beats come in order. Silence before
    /// it is reported here unless [`RhythmWatch::until`] has.
    pub fn beat(&mut self, sample: u64, class: Class, emit: &mut impl FnMut(RhythmEvent)) {
        if let Some(last) = self.last
            && self.beat_seen
        {
            let rr = sample.saturating_sub(last) as f64 / self.fs;
            self.until(sample, emit);
            if rr >= self.thresholds.pause && !self.silent {
                emit(event(Kind::Pause, Phase::Whole, last, sample));
            }
            self.watch_rate(sample, rr, emit);
            if rr >= self.thresholds.asystole {
                self.close_row(emit);
            }
        }
        self.close_silence(sample, emit);
        self.watch_row(sample, class, emit);
        self.watch_pattern(sample, class, emit);
        self.last = Some(sample);
        self.beat_seen = true;
        self.count += 1;
    }

    /// No beat lies between the last one and `sample`.
    pub fn until(&mut self, sample: u64, emit: &mut impl FnMut(RhythmEvent)) {
        let Some(last) = self.last else {
            return;
        };
        let limit = (self.thresholds.asystole * self.fs) as u64;
        if !self.silent && !self.covered && sample.saturating_sub(last) >= limit {
            self.silent = true;
            emit(event(Kind::NoBeats, Phase::Begin, last, last + limit));
        }
    }

    /// The signal itself shows a malignant rhythm from its start on, or up to
    /// its end: passes it on. Rows of beats are closed and silence is not
    /// reported while there is fibrillation or asystole.
    pub fn episode(&mut self, episode: &Episode, emit: &mut impl FnMut(RhythmEvent)) {
        let kind = match episode.kind {
            malignant::Kind::Fibrillation => Kind::VentricularFibrillation,
            malignant::Kind::Tachycardia => Kind::VentricularTachycardia,
            malignant::Kind::Asystole => Kind::Asystole,
        };
        if kind != Kind::VentricularTachycardia {
            self.cover(episode, emit);
        }
        let phase = match episode.end {
            None => Phase::Begin,
            Some(_) => Phase::End,
        };
        emit(RhythmEvent {
            rate: episode.rate,
            ..event(
                kind,
                phase,
                episode.start,
                episode.end.unwrap_or(episode.start),
            )
        });
    }

    fn cover(&mut self, episode: &Episode, emit: &mut impl FnMut(RhythmEvent)) {
        self.covered = episode.end.is_none();
        match episode.end {
            None => {
                self.close_silence(episode.start, emit);
                self.close_row(emit);
                self.close_pattern(emit);
                self.close_rate(emit);
                self.intervals.clear();
                self.next_interval = 0;
            }
            Some(end) => self.last = self.last.max(Some(end)),
        }
        self.beat_seen = false;
    }

    fn close_silence(&mut self, sample: u64, emit: &mut impl FnMut(RhythmEvent)) {
        if self.silent {
            let start = self.last.unwrap_or(sample);
            emit(event(Kind::NoBeats, Phase::End, start, sample.max(start)));
            self.silent = false;
        }
    }

    /// The signal ends at `sample`: closes every episode and forgets the rhythm.
    pub fn end(&mut self, sample: u64, emit: &mut impl FnMut(RhythmEvent)) {
        self.until(sample, emit);
        self.close_silence(sample, emit);
        self.close_row(emit);
        self.close_pattern(emit);
        self.close_rate(emit);
        self.forget();
    }

    /// Forgets everything, as if new.
    pub fn forget(&mut self) {
        self.count = 0;
        self.last = None;
        self.beat_seen = false;
        self.silent = false;
        self.covered = false;
        self.row = None;
        self.pattern = None;
        self.intervals.clear();
        self.next_interval = 0;
        self.rate = None;
    }

    fn watch_row(&mut self, sample: u64, class: Class, emit: &mut impl FnMut(RhythmEvent)) {
        if let Some(row) = &mut self.row
            && row.class == class
        {
            row.take(sample);
            let kind = row.kind(self.thresholds.run_rate, self.fs);
            let long = row.beats >= self.thresholds.run;
            match row.told {
                None if long => {
                    row.told = Some(kind);
                    emit(row.event(Phase::Begin, self.fs));
                }
                // It has become fast: a run of its own.
                Some(Kind::Idioventricular) if kind == Kind::Run => {
                    let [first, second] = row.before;
                    row.end = first;
                    row.beats -= 2;
                    emit(row.event(Phase::End, self.fs));
                    (row.start, row.end, row.beats) = (first, sample, 3);
                    row.before = [first, second];
                    row.told = Some(Kind::Run);
                    emit(row.event(Phase::Begin, self.fs));
                }
                _ => {}
            }
            return;
        }
        self.close_row(emit);
        if matches!(class, Class::S | Class::V) {
            self.row = Some(Row {
                class,
                beats: 1,
                start: sample,
                end: sample,
                before: [sample; 2],
                told: None,
            });
        }
    }

    fn close_row(&mut self, emit: &mut impl FnMut(RhythmEvent)) {
        match self.row.take() {
            Some(row) if row.told.is_some() => emit(row.event(Phase::End, self.fs)),
            // Three beats below a higher threshold for runs are neither.
            Some(row) if row.beats == 2 => emit(row.event(Phase::Whole, self.fs)),
            _ => {}
        }
    }

    fn watch_pattern(&mut self, sample: u64, class: Class, emit: &mut impl FnMut(RhythmEvent)) {
        let number = self.count;
        if class != Class::V {
            // The place where the pattern wanted a ventricular beat.
            let missed = |p: &Pattern| number - p.last >= if p.period == 0 { 3 } else { p.period };
            if self.pattern.as_ref().is_some_and(missed) {
                self.close_pattern(emit);
            }
            return;
        }
        let fresh = Pattern {
            period: 0,
            ventricular: 1,
            start: sample,
            end: sample,
            last: number,
        };
        let Some(mut pattern) = self.pattern.take() else {
            self.pattern = Some(fresh);
            return;
        };
        let distance = number - pattern.last;
        let fits = match pattern.period {
            0 => matches!(distance, 2 | 3),
            period => distance == period,
        };
        if !fits {
            self.pattern = Some(pattern);
            self.close_pattern(emit);
            self.pattern = Some(fresh);
            return;
        }
        pattern.period = distance;
        pattern.ventricular += 1;
        pattern.end = sample;
        pattern.last = number;
        if pattern.ventricular == self.thresholds.geminy {
            emit(pattern.event(Phase::Begin));
        }
        self.pattern = Some(pattern);
    }

    fn close_pattern(&mut self, emit: &mut impl FnMut(RhythmEvent)) {
        if let Some(pattern) = self.pattern.take()
            && pattern.period > 0
            && pattern.ventricular >= self.thresholds.geminy
        {
            emit(pattern.event(Phase::End));
        }
    }

    fn watch_rate(&mut self, sample: u64, rr: f64, emit: &mut impl FnMut(RhythmEvent)) {
        let t = self.thresholds;
        if self.intervals.len() < t.intervals {
            self.intervals.push(rr);
        } else {
            self.intervals[self.next_interval] = rr;
        }
        self.next_interval = (self.next_interval + 1) % t.intervals;
        if self.intervals.len() < t.intervals {
            return;
        }
        let mean = self.intervals.iter().sum::<f64>() / t.intervals as f64;
        let rate = 60.0 / mean;
        let over = match self.rate {
            Some((Kind::Bradycardia, _)) => rate >= t.bradycardia + t.hysteresis,
            Some((_, _)) => rate <= t.tachycardia - t.hysteresis,
            None => false,
        };
        if over {
            self.close_rate(emit);
        }
        if self.rate.is_none() {
            let kind = match rate {
                r if r < t.bradycardia => Kind::Bradycardia,
                r if r > t.tachycardia => Kind::Tachycardia,
                _ => return,
            };
            let span = (mean * t.intervals as f64 * self.fs) as u64;
            let start = sample.saturating_sub(span);
            self.rate = Some((kind, start));
            emit(RhythmEvent {
                rate: Some(rate),
                ..event(kind, Phase::Begin, start, sample)
            });
        }
    }

    fn close_rate(&mut self, emit: &mut impl FnMut(RhythmEvent)) {
        if let Some((kind, start)) = self.rate.take() {
            emit(event(kind, Phase::End, start, self.last.unwrap_or(start)));
        }
    }
}

fn event(kind: Kind, phase: Phase, start: u64, end: u64) -> RhythmEvent {
    RhythmEvent {
        kind,
        phase,
        class: None,
        start,
        end,
        beats: None,
        rate: None,
    }
}

impl Row {
    fn take(&mut self, sample: u64) {
        self.before = [self.before[1], self.end];
        self.beats += 1;
        self.end = sample;
    }

    /// What the last three beats are.
    fn kind(&self, least: f64, fs: f64) -> Kind {
        let seconds = (self.end - self.before[0]) as f64 / fs;
        if self.class == Class::V && 120.0 < least * seconds {
            Kind::Idioventricular
        } else {
            Kind::Run
        }
    }

    fn event(&self, phase: Phase, fs: f64) -> RhythmEvent {
        let kind = self.told.unwrap_or(Kind::Couplet);
        let seconds = (self.end - self.start) as f64 / fs;
        RhythmEvent {
            class: Some(self.class),
            beats: Some(self.beats),
            rate: (seconds > 0.0).then(|| 60.0 * f64::from(self.beats - 1) / seconds),
            ..event(kind, phase, self.start, self.end)
        }
    }
}

impl Pattern {
    fn event(&self, phase: Phase) -> RhythmEvent {
        let kind = match self.period {
            2 => Kind::Bigeminy,
            _ => Kind::Trigeminy,
        };
        RhythmEvent {
            beats: Some(self.ventricular),
            ..event(kind, phase, self.start, self.end)
        }
    }
}

#[cfg(test)]
mod tests;
