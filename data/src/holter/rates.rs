//! The heart rate: its mean, and the extremes of a mean over a few intervals.

use std::collections::VecDeque;

use crate::episodes::{MOST_INTERVALS, Thresholds};
use crate::holter::summary::{HeartRate, Rate, Time};

/// The heart rate so far.
#[derive(Clone, Debug)]
pub(super) struct Rates {
    /// The latest RR intervals in seconds, without a gap between them.
    recent: VecDeque<f64>,
    intervals: usize,
    count: u64,
    seconds: f64,
    min: Option<Rate>,
    max: Option<Rate>,
}

impl Rates {
    pub fn new(thresholds: &Thresholds) -> Rates {
        let intervals = thresholds.intervals.clamp(1, MOST_INTERVALS);
        Rates {
            recent: VecDeque::with_capacity(intervals),
            intervals,
            count: 0,
            seconds: 0.0,
            min: None,
            max: None,
        }
    }

    /// The next interval does not follow the last.
    pub fn clear(&mut self) {
        self.recent.clear();
    }

    /// Takes an interval and the time of the beat that ends it; gives the mean
    /// rate where there are intervals enough.
    pub fn take(&mut self, rr: f64, at: Time) -> Option<f64> {
        if self.recent.len() == self.intervals {
            self.recent.pop_front();
        }
        self.recent.push_back(rr);
        self.count += 1;
        self.seconds += rr;
        let rate = self.now()?;
        if self.min.is_none_or(|min| rate < min.rate) {
            self.min = Some(Rate { rate, at });
        }
        if self.max.is_none_or(|max| rate > max.rate) {
            self.max = Some(Rate { rate, at });
        }
        Some(rate)
    }

    /// The mean rate over the latest intervals, where there are enough.
    pub fn now(&self) -> Option<f64> {
        let mean = self.mean_rr()?;
        (self.recent.len() == self.intervals).then_some(60.0 / mean)
    }

    /// The mean of the latest intervals, in seconds, where there is one.
    pub fn mean_rr(&self) -> Option<f64> {
        let sum: f64 = self.recent.iter().sum();
        (!self.recent.is_empty()).then(|| sum / self.recent.len() as f64)
    }

    pub fn heart_rate(&self) -> HeartRate {
        HeartRate {
            mean: (self.count > 0).then(|| 60.0 * self.count as f64 / self.seconds),
            min: self.min,
            max: self.max,
            intervals: self.count,
        }
    }
}
