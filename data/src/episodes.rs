//! Rhythm events from labelled beats: pauses, couplets, runs, bigeminy and
//! trigeminy, slow and fast rates, silence. What the signal itself shows
//! ([`data::pipeline::malignant`]) is told in the same words.

use crate::Class;
use crate::pipeline::malignant::{self, Episode};
use serde::Serialize;

/// When a rhythm is worth an event.
#[derive(Clone, Copy, Debug, PartialEq)]
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
mod tests {
    use super::*;

    const FS: f64 = 100.0;

    /// Beats given as (RR in seconds, class letter); the events they make.
    fn watch(beats: &[(f64, &str)]) -> Vec<RhythmEvent> {
        let mut watch = RhythmWatch::new(FS, Thresholds::default());
        let (mut events, mut time) = (Vec::new(), 0.0);
        watch.begin(0);
        for (rr, class) in beats {
            time += rr;
            let class = class.parse().unwrap();
            watch.beat((time * FS).round() as u64, class, &mut |e| events.push(e));
        }
        watch.end((time * FS) as u64 + 50, &mut |e| events.push(e));
        events
    }

    fn letters(text: &str, rr: f64) -> Vec<(f64, String)> {
        text.chars().map(|c| (rr, c.to_string())).collect()
    }

    fn found(text: &str, rr: f64) -> Vec<(Kind, Phase)> {
        let beats = letters(text, rr);
        let beats: Vec<_> = beats.iter().map(|(rr, c)| (*rr, c.as_str())).collect();
        watch(&beats).iter().map(|e| (e.kind, e.phase)).collect()
    }

    #[test]
    fn a_regular_rhythm_is_no_event() {
        assert_eq!(found("NNNNNNNNNNNNNNNNNNNN", 0.8), []);
        assert_eq!(found("NNNVNNNNNSNNNNNVNNNN", 0.8), []);
    }

    #[test]
    fn couplets_and_runs_are_told_apart_with_their_rate() {
        assert_eq!(found("NNVVNN", 0.8), [(Kind::Couplet, Phase::Whole)]);
        let beats = [
            ("N", 0.8),
            ("V", 0.5),
            ("V", 0.4),
            ("V", 0.4),
            ("V", 0.4),
            ("N", 0.9),
        ];
        let events = watch(&beats.map(|(c, rr)| (rr, c)));
        let kinds: Vec<_> = events.iter().map(|e| (e.kind, e.phase, e.beats)).collect();
        assert_eq!(
            kinds,
            [
                (Kind::Run, Phase::Begin, Some(3)),
                (Kind::Run, Phase::End, Some(4))
            ]
        );
        assert!((events[1].rate.unwrap() - 150.0).abs() < 1e-9);
        assert_eq!(events[1].class, Some(Class::V));
        assert_eq!((events[1].start, events[1].end), (130, 250));
    }

    #[test]
    fn ectopic_beats_of_two_classes_are_not_one_run() {
        assert_eq!(found("NSVSVN", 0.8), []);
        assert_eq!(
            found("NSSSN", 0.8),
            [(Kind::Run, Phase::Begin), (Kind::Run, Phase::End)]
        );
    }

    #[test]
    fn bigeminy_and_trigeminy_need_three_ventricular_beats() {
        assert_eq!(found("NNVNVNN", 0.8), []);
        let begin_end = |kind| [(kind, Phase::Begin), (kind, Phase::End)];
        assert_eq!(found("NVNVNVNVNNN", 0.8), begin_end(Kind::Bigeminy));
        assert_eq!(found("NNVNNVNNVNNN", 0.8), begin_end(Kind::Trigeminy));
        // A run that breaks the pattern ends it.
        let events = found("NVNVNVVVN", 0.8);
        assert!(events.contains(&(Kind::Bigeminy, Phase::End)), "{events:?}");
        assert!(
            events.contains(&(Kind::Idioventricular, Phase::End)),
            "{events:?}"
        );
    }

    #[test]
    fn a_pause_is_no_long_silence_and_a_long_silence_no_pause() {
        let events = watch(&[(0.8, "N"), (0.8, "N"), (2.5, "N"), (0.8, "N")]);
        assert_eq!(events, [event(Kind::Pause, Phase::Whole, 160, 410)]);
        let events = watch(&[(0.8, "N"), (6.0, "N"), (0.8, "N")]);
        assert_eq!(
            events,
            [
                event(Kind::NoBeats, Phase::Begin, 80, 480),
                event(Kind::NoBeats, Phase::End, 80, 680)
            ]
        );
    }

    #[test]
    fn silence_is_noticed_without_a_beat_and_reported_once() {
        let mut watch = RhythmWatch::new(FS, Thresholds::default());
        let mut events = Vec::new();
        watch.begin(1000);
        for sample in (1000..2000).step_by(7) {
            watch.until(sample, &mut |e| events.push(e));
        }
        watch.end(2000, &mut |e| events.push(e));
        assert_eq!(
            events,
            [
                event(Kind::NoBeats, Phase::Begin, 1000, 1400),
                event(Kind::NoBeats, Phase::End, 1000, 2000)
            ]
        );
    }

    #[test]
    fn slow_and_fast_rates_begin_and_end_once() {
        let mut beats = vec![(0.8, "N"); 10];
        beats.extend(vec![(1.5, "N"); 12]);
        beats.extend(vec![(0.8, "N"); 12]);
        beats.extend(vec![(0.5, "N"); 12]);
        beats.extend(vec![(0.8, "N"); 12]);
        let kinds: Vec<_> = watch(&beats).iter().map(|e| (e.kind, e.phase)).collect();
        assert_eq!(
            kinds,
            [
                (Kind::Bradycardia, Phase::Begin),
                (Kind::Bradycardia, Phase::End),
                (Kind::Tachycardia, Phase::Begin),
                (Kind::Tachycardia, Phase::End)
            ]
        );
    }

    #[test]
    fn slow_rows_of_ventricular_beats_are_idioventricular() {
        let pair = |kind| [(kind, Phase::Begin), (kind, Phase::End)];
        assert_eq!(found("NNVVVVVN", 0.8), pair(Kind::Idioventricular));
        assert_eq!(found("NNVVVVVN", 0.5), pair(Kind::Run));
        // Beats that are no row of anything: one every ten seconds.
        let kinds: Vec<Kind> = watch(&[(10.0, "V"); 6]).iter().map(|e| e.kind).collect();
        assert!(kinds.iter().all(|kind| *kind == Kind::NoBeats), "{kinds:?}");
        // One that becomes fast is a run from there on.
        let mut beats = vec![(0.8, "N"), (0.8, "V"), (0.8, "V"), (0.8, "V")];
        beats.extend([(0.5, "V"); 3]);
        beats.push((0.9, "N"));
        let events = watch(&beats);
        let told: Vec<_> = events.iter().map(|e| (e.kind, e.phase, e.beats)).collect();
        assert_eq!(
            told,
            [
                (Kind::Idioventricular, Phase::Begin, Some(3)),
                (Kind::Idioventricular, Phase::End, Some(3)),
                (Kind::Run, Phase::Begin, Some(3)),
                (Kind::Run, Phase::End, Some(4)),
            ]
        );
    }

    #[test]
    fn fibrillation_of_the_signal_ends_rows_and_silence() {
        let mut watch = RhythmWatch::new(FS, Thresholds::default());
        let mut events = Vec::new();
        watch.begin(0);
        let episode = |start, end| Episode {
            kind: malignant::Kind::Fibrillation,
            start,
            end,
            rate: Some(280.0),
        };
        let mut emit = |e: RhythmEvent| events.push(e);
        watch.until(500, &mut emit);
        watch.episode(&episode(200, None), &mut emit);
        watch.until(3000, &mut emit);
        watch.episode(&episode(200, Some(2900)), &mut emit);
        watch.until(3200, &mut emit);
        watch.until(3400, &mut emit);
        let told: Vec<_> = events.iter().map(|e| (e.kind, e.phase)).collect();
        assert_eq!(
            told,
            [
                (Kind::NoBeats, Phase::Begin),
                (Kind::NoBeats, Phase::End),
                (Kind::VentricularFibrillation, Phase::Begin),
                (Kind::VentricularFibrillation, Phase::End),
                (Kind::NoBeats, Phase::Begin),
            ]
        );
        assert_eq!(events[3].of_signal(), Some(episode(200, Some(2900))));
    }
}
