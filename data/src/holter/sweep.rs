//! Time that could be analysed, and the gaps between.

use crate::holter::list::{Clock, keep};
use crate::holter::summary::{Gap, GapReason, Gaps, RecordedTime};

/// Goes through the recording once.
#[derive(Clone, Debug)]
pub(super) struct Sweep {
    now: u64,
    lost: bool,
    unreadable: bool,
    /// Where the gap under way began, and why.
    gap: Option<(u64, GapReason)>,
    gaps: Gaps,
    listed: usize,
}

impl Sweep {
    pub fn new(listed: usize) -> Sweep {
        Sweep {
            now: 0,
            lost: false,
            unreadable: false,
            gap: None,
            gaps: Gaps::default(),
            listed,
        }
    }

    /// Samples that have been gone through.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Whether there is a signal here that can be read.
    pub fn is_analysable(&self) -> bool {
        self.gap.is_none()
    }

    /// Goes on to a sample.
    pub fn advance(&mut self, sample: u64) {
        self.now = self.now.max(sample);
    }

    /// The signal is lost here, or back.
    pub fn lose(&mut self, lost: bool, at: u64, clock: &Clock) {
        self.lost = lost;
        self.turn(at, GapReason::NoSignal, clock);
    }

    /// The signal cannot be read from here on, or can again.
    pub fn blur(&mut self, unreadable: bool, at: u64, clock: &Clock) {
        self.unreadable = unreadable;
        self.turn(at, GapReason::Unreadable, clock);
    }

    fn turn(&mut self, at: u64, reason: GapReason, clock: &Clock) {
        match (self.lost || self.unreadable, self.gap) {
            (true, None) => self.gap = Some((at, reason)),
            (false, Some(_)) => self.close(at, clock),
            _ => {}
        }
    }

    fn close(&mut self, end: u64, clock: &Clock) {
        let Some((start, reason)) = self.gap.take().filter(|gap| gap.0 < end) else {
            return;
        };
        let gap = Gap {
            start: clock.time(start),
            end: clock.time(end),
            seconds: clock.seconds(end - start),
            reason,
        };
        self.gaps.count += 1;
        self.gaps.seconds += gap.seconds;
        keep(&mut self.gaps.longest, gap, self.listed, |gap| gap.seconds);
    }

    /// The recording ends here.
    pub fn finish(&mut self, clock: &Clock) {
        self.close(self.now, clock);
    }

    /// What the recording comes to, which lasts so many seconds.
    pub fn time(self, duration: f64) -> RecordedTime {
        RecordedTime {
            duration,
            analysable: (duration - self.gaps.seconds).max(0.0),
            gaps: self.gaps,
        }
    }
}
