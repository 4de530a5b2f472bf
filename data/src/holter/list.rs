//! Episodes of one kind, counted, and the longest of them listed.

use crate::holter::summary::{Episode, Episodes, Rate, Time};

/// How samples are told as times.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// Samples per second.
    pub fs: f64,
}

impl Clock {
    /// So many samples in seconds.
    pub fn seconds(&self, samples: u64) -> f64 {
        samples as f64 / self.fs
    }

    /// The moment of a sample.
    pub fn time(&self, sample: u64) -> Time {
        Time {
            sample,
            seconds: self.seconds(sample),
        }
    }

    /// An episode without beats or rate.
    pub fn episode(&self, start: u64, end: u64) -> Episode {
        let end = end.max(start);
        Episode {
            start: self.time(start),
            end: self.time(end),
            seconds: self.seconds(end - start),
            beats: None,
            rate: None,
        }
    }
}

/// A part in per cent; 0 of nothing.
pub(super) fn percent(part: f64, whole: f64) -> f64 {
    if whole > 0.0 {
        100.0 * part / whole
    } else {
        0.0
    }
}

/// Puts an item into a list of at most so many, the highest first by `height`
/// and the first of equals first.
pub(super) fn keep<T>(list: &mut Vec<T>, item: T, most: usize, height: impl Fn(&T) -> f64) {
    let own = height(&item);
    let at = list.partition_point(|other| height(other) >= own);
    if at < most {
        list.insert(at, item);
        list.truncate(most);
    }
}

/// Episodes of one kind in bounded memory.
#[derive(Clone, Debug)]
pub(super) struct Gathered {
    episodes: Episodes,
    listed: usize,
}

impl Gathered {
    /// None yet; so many are listed.
    pub fn new(listed: usize) -> Gathered {
        Gathered {
            episodes: Episodes::default(),
            listed,
        }
    }

    /// One more.
    pub fn take(&mut self, episode: Episode) {
        self.episodes.count += 1;
        self.episodes.seconds += episode.seconds;
        keep(&mut self.episodes.longest, episode, self.listed, |e| {
            e.seconds
        });
    }

    /// The extreme rate of one of them.
    pub fn reach(&mut self, rate: Rate, upwards: bool) {
        let beyond = |extreme: &Rate| match upwards {
            true => rate.rate > extreme.rate,
            false => rate.rate < extreme.rate,
        };
        if self.episodes.extreme.as_ref().is_none_or(beyond) {
            self.episodes.extreme = Some(rate);
        }
    }

    /// What they come to.
    pub fn episodes(self) -> Episodes {
        self.episodes
    }
}
