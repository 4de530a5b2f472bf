//! The hourly table and the columns per minute.

use crate::Class;
use crate::holter::summary::{Hour, Minutes};

const MINUTE: f64 = 60.0;
const MINUTES: usize = 60;
/// Hours of the longest table: a year and a day. A forged time asks for no more.
const MOST: usize = 24 * 367 * MINUTES;

/// What is gathered of a minute.
#[derive(Clone, Copy, Debug, Default)]
struct Minute {
    analysable: u64,
    beats: u32,
    v: u32,
    s: u32,
    /// Intervals that the rate goes by: how many, and seconds of them.
    intervals: u32,
    seconds: f64,
    shortest: Option<f32>,
    longest: Option<f32>,
}

/// What is gathered of an hour beyond its minutes.
#[derive(Clone, Copy, Debug, Default)]
struct Extra {
    n: u64,
    min_rate: Option<f64>,
    max_rate: Option<f64>,
    pauses: u64,
    v_runs: u64,
    s_runs: u64,
}

/// Numbers by minute and hour of the recording.
#[derive(Clone, Debug)]
pub(super) struct Table {
    fs: f64,
    minutes: Vec<Minute>,
    hours: Vec<Extra>,
}

impl Table {
    pub fn new(fs: f64) -> Table {
        Table {
            fs,
            minutes: Vec::new(),
            hours: Vec::new(),
        }
    }

    /// The minute that a sample lies in.
    fn place(&self, sample: u64) -> usize {
        (sample as f64 / (self.fs * MINUTE)) as usize
    }

    /// The first sample of a minute.
    fn first(&self, minute: usize) -> u64 {
        (minute as f64 * MINUTE * self.fs).ceil() as u64
    }

    /// What is gathered at a sample; `None` beyond the longest table.
    fn at(&mut self, sample: u64) -> Option<(&mut Minute, &mut Extra)> {
        let place = self.place(sample);
        if place >= MOST {
            return None;
        }
        if self.minutes.len() <= place {
            self.minutes.resize(place + 1, Minute::default());
            let hours = self.minutes.len().div_ceil(MINUTES);
            self.hours.resize(hours, Extra::default());
        }
        let minute = self.minutes.get_mut(place)?;
        Some((minute, self.hours.get_mut(place / MINUTES)?))
    }

    /// These samples could be analysed.
    pub fn analysable(&mut self, mut from: u64, to: u64) {
        while from < to {
            let next = self.first(self.place(from).saturating_add(1));
            let end = next.max(from + 1).min(to);
            let Some((minute, _)) = self.at(from) else {
                return;
            };
            minute.analysable += end - from;
            from = end;
        }
    }

    pub fn beat(&mut self, sample: u64, class: Option<Class>) {
        if let Some((minute, hour)) = self.at(sample) {
            minute.beats += 1;
            match class {
                Some(Class::N) => hour.n += 1,
                Some(Class::V) => minute.v += 1,
                Some(Class::S) => minute.s += 1,
                _ => {}
            }
        }
    }

    /// An RR interval of any length ends here.
    pub fn interval(&mut self, sample: u64, rr: f64) {
        let rr = rr as f32;
        if let Some((minute, _)) = self.at(sample) {
            minute.shortest = Some(minute.shortest.map_or(rr, |s| s.min(rr)));
            minute.longest = Some(minute.longest.map_or(rr, |l| l.max(rr)));
        }
    }

    /// An RR interval that the rate goes by ends here, and the mean rate.
    pub fn rate(&mut self, sample: u64, rr: f64, rate: Option<f64>) {
        if let Some((minute, hour)) = self.at(sample) {
            minute.intervals += 1;
            minute.seconds += rr;
            if let Some(rate) = rate {
                hour.min_rate = Some(hour.min_rate.map_or(rate, |r| r.min(rate)));
                hour.max_rate = Some(hour.max_rate.map_or(rate, |r| r.max(rate)));
            }
        }
    }

    pub fn pause(&mut self, sample: u64) {
        if let Some((_, hour)) = self.at(sample) {
            hour.pauses += 1;
        }
    }

    pub fn run(&mut self, start: u64, class: Class) {
        if let Some((_, hour)) = self.at(start) {
            match class {
                Class::V => hour.v_runs += 1,
                _ => hour.s_runs += 1,
            }
        }
    }

    /// The rows of a recording of so many samples.
    pub fn rows(mut self, end: u64) -> (Vec<Hour>, Minutes) {
        if let Some(last) = end.checked_sub(1) {
            let last = last.min(self.first(MOST).saturating_sub(1));
            let _ = self.at(last);
        }
        let fs = self.fs;
        let mut columns = Minutes::default();
        for minute in &self.minutes {
            minute.add(&mut columns, fs);
        }
        let hours = self.minutes.chunks(MINUTES).zip(&self.hours).enumerate();
        let hours = hours.map(|(at, (minutes, extra))| extra.hour(at as u64, minutes, fs));
        (hours.collect(), columns)
    }
}

impl Minute {
    fn add(&self, columns: &mut Minutes, fs: f64) {
        let rate = (self.intervals > 0).then(|| 60.0 * f64::from(self.intervals) / self.seconds);
        // A beat at the first sample after a gap has no time before it.
        let known = self.analysable > 0 || self.beats > 0;
        let count = |count: u32| known.then_some(count);
        columns.heart_rate.push(rate.map(|rate| rate as f32));
        columns.shortest_rr.push(self.shortest);
        columns.longest_rr.push(self.longest);
        columns.beats.push(count(self.beats));
        columns.v.push(count(self.v));
        columns.s.push(count(self.s));
        columns
            .analysable
            .push((self.analysable as f64 / fs) as f32);
    }
}

impl Extra {
    fn hour(&self, hour: u64, minutes: &[Minute], fs: f64) -> Hour {
        let sum = |of: fn(&Minute) -> u64| minutes.iter().map(of).sum::<u64>();
        let intervals = sum(|m| u64::from(m.intervals));
        let seconds: f64 = minutes.iter().map(|m| m.seconds).sum();
        Hour {
            hour,
            beats: sum(|m| u64::from(m.beats)),
            n: self.n,
            s: sum(|m| u64::from(m.s)),
            v: sum(|m| u64::from(m.v)),
            mean_rate: (intervals > 0).then(|| 60.0 * intervals as f64 / seconds),
            min_rate: self.min_rate,
            max_rate: self.max_rate,
            analysable_minutes: sum(|m| m.analysable) as f64 / (MINUTE * fs),
            pauses: self.pauses,
            v_runs: self.v_runs,
            s_runs: self.s_runs,
        }
    }
}
