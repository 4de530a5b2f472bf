//! What is said of the signal in the end: its condition together with the
//! quality of the beats found in it.

use super::{Change, Condition};
use crate::signal::running::RunningOrder;

/// Quality below which a beat may be anything: half of what the detector finds
/// in white noise lies above, and all but 0.2 % of the beats of `mitdb`.
const LEAST_QUALITY: f32 = 0.06;
/// Beats over which the median quality is taken; and below which it is noise,
/// and above which it is none any more. In white noise the median is 0.07.
const BEATS: usize = 8;
const NOISY: f64 = 0.09;
const CLEAR: f64 = 0.15;
/// Stretches remembered: beats come out some seconds behind the signal.
const REMEMBERED: usize = 8;

/// A stretch of frames that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub why: Condition,
    pub start: u64,
    /// `None` while it goes on.
    pub end: Option<u64>,
}

/// Says once for all what cannot be read, and of each beat whether it can.
#[derive(Clone, Debug)]
pub(crate) struct Legibility {
    condition: Condition,
    qualities: RunningOrder,
    noisy: bool,
    /// The last stretches, the newest last; it may go on.
    stretches: [Stretch; REMEMBERED],
}

/// What one step can tell: the end of a stretch and the beginning of another.
pub(crate) type Told = [Option<Stretch>; 2];

impl Legibility {
    pub fn new() -> Legibility {
        Legibility {
            condition: Condition::Readable,
            qualities: RunningOrder::new(BEATS),
            noisy: false,
            stretches: [NOWHERE; REMEMBERED],
        }
    }

    /// Forgets everything; the next frame is number 0.
    pub fn reset(&mut self) {
        self.condition = Condition::Readable;
        self.qualities.clear();
        self.noisy = false;
        self.stretches = [NOWHERE; REMEMBERED];
    }

    /// The signal ends before this frame; closes what goes on.
    pub fn end(&mut self, frame: u64) -> Option<Stretch> {
        let told = self.close(frame);
        self.reset();
        told
    }

    /// The signal's own condition has changed.
    pub fn turn(&mut self, change: Change) -> Told {
        self.condition = change.condition;
        // The beats of what could not be read say nothing of what comes.
        self.qualities.clear();
        self.noisy = false;
        self.tell(change.since)
    }

    /// A beat of this quality at this frame; beats ascend. Returns whether the
    /// signal there can be read.
    pub fn beat(&mut self, frame: u64, quality: f32) -> (bool, Told) {
        self.qualities.push(f64::from(quality));
        let median = self.qualities.median().unwrap_or(1.0);
        self.noisy = if self.noisy {
            median < CLEAR
        } else {
            self.qualities.len() == BEATS && median < NOISY
        };
        let told = self.tell(frame);
        let inside = |s: &Stretch| frame >= s.start && s.end.is_none_or(|end| frame < end);
        let readable = quality >= LEAST_QUALITY && !self.stretches.iter().any(inside);
        (readable, told)
    }

    fn tell(&mut self, since: u64) -> Told {
        let why = match self.condition {
            Condition::Readable if self.noisy => Condition::Noise,
            condition => condition,
        };
        let newest = &self.stretches[REMEMBERED - 1];
        let now = if newest.end.is_none() {
            newest.why
        } else {
            Condition::Readable
        };
        if why == now {
            return [None; 2];
        }
        // Told late, a stretch still begins behind the one before.
        let since = since.max(newest.end.unwrap_or(newest.start));
        let closed = self.close(since);
        let opened = (why != Condition::Readable).then_some(Stretch {
            why,
            start: since,
            end: None,
        });
        if let Some(opened) = opened {
            self.stretches.rotate_left(1);
            self.stretches[REMEMBERED - 1] = opened;
        }
        [closed, opened]
    }

    fn close(&mut self, end: u64) -> Option<Stretch> {
        let newest = &mut self.stretches[REMEMBERED - 1];
        if newest.end.is_some() {
            return None;
        }
        newest.end = Some(end.max(newest.start));
        Some(*newest)
    }
}

/// A stretch without any frame.
const NOWHERE: Stretch = Stretch {
    why: Condition::Readable,
    start: 0,
    end: Some(0),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_of_low_quality_become_a_stretch_that_better_ones_end() {
        let mut legibility = Legibility::new();
        let (mut told, mut readable) = (Vec::new(), Vec::new());
        for (i, quality) in [(0..10, 0.9f32), (10..40, 0.07), (40..60, 0.9)]
            .into_iter()
            .flat_map(|(range, quality)| range.map(move |i| (i, quality)))
        {
            let (can, news) = legibility.beat(100 * i, quality);
            told.extend(news.into_iter().flatten());
            readable.push(can);
        }
        let [begin, end] = told[..] else {
            panic!("{told:?}");
        };
        assert_eq!((begin.why, begin.end), (Condition::Noise, None));
        assert!((1300..1600).contains(&begin.start), "{begin:?}");
        assert!(
            end.end.is_some_and(|e| (4200..4600).contains(&e)),
            "{end:?}"
        );
        assert!(readable[..10].iter().all(|r| *r) && readable[46..].iter().all(|r| *r));
        assert!(readable[16..40].iter().all(|r| !r), "{readable:?}");
    }

    #[test]
    fn a_condition_covers_its_beats_though_they_come_late() {
        let mut legibility = Legibility::new();
        let turn = |condition, since| Change { condition, since };
        let told = legibility.turn(turn(Condition::Saturated, 100));
        assert_eq!(told[1].map(|s| s.start), Some(100));
        let told = legibility.turn(turn(Condition::Readable, 200));
        assert_eq!(told[0].and_then(|s| s.end), Some(200));
        let readable = [90, 100, 199, 200].map(|at| legibility.beat(at, 0.9).0);
        assert_eq!(readable, [true, false, false, true]);
        assert!(!legibility.beat(300, 0.01).0);
        assert_eq!(legibility.end(400), None);
    }
}
