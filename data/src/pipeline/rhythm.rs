//! Where a beat stands in time among its neighbours.
//!
//! What is remembered are logarithms of RR intervals: a ratio of intervals is
//! then a difference, and fast and slow rhythms look alike.

use crate::signal::running::RunningOrder;

/// RR intervals of the short memory.
const SHORT: usize = 10;
/// RR intervals of the long memory.
const LONG: usize = 40;
/// RR intervals of the longest memory: minutes, so that a run of tachycardia
/// is still seen against the rhythm that it interrupted.
const LONGEST: usize = 200;
/// An interval is early when its logarithm is this far below the long median's:
/// 11 % shorter (e^-0.12 = .887). The models are trained with it: do not change.
const EARLY: f64 = 0.12;
/// An interval is slow when its logarithm is this far above the longest median.
const SLOW: f64 = 0.25;
/// Shortest RR interval in seconds that enters a logarithm.
const SHORTEST: f64 = 0.1;
/// RR taken for granted, in seconds, before any is known.
const TYPICAL: f64 = 0.8;

/// A beat's place in time; see [`crate::pipeline::beat_feature::BeatFeature`] for each formula.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timing {
    pub previous: f64,
    pub next: f64,
    pub previous_40: f64,
    pub next_40: f64,
    pub ratio: f64,
    pub second_previous: f64,
    pub third_previous: f64,
    pub pair: f64,
    pub irregularity: f64,
    pub irregularity_long: f64,
    pub rate: f64,
    pub early_part: f64,
    pub rank: f64,
    pub spread: f64,
    pub above_q10: f64,
    pub next_above_q90: f64,
    pub above_q90: f64,
    pub previous_200: f64,
    pub next_200: f64,
    pub acceleration: f64,
    pub local: f64,
    pub alternation: f64,
    pub above_q90_of_200: f64,
    pub next_above_q90_of_200: f64,
    pub slow_part: f64,
}

/// The patient's recent RR intervals.
#[derive(Clone, Debug)]
pub(crate) struct RhythmMemory {
    /// ln RR of the last 10, 40 and 200 intervals.
    short: RunningOrder,
    long: RunningOrder,
    longest: RunningOrder,
    /// |difference of successive ln RR|: the last 10 in order of arrival, and
    /// the last 40 sorted.
    steps: [f64; SHORT],
    step_count: usize,
    steps_long: RunningOrder,
    /// |ln RR - ln RR two beats before| over the last 40.
    double_steps: RunningOrder,
    /// ln RR of the last three intervals, newest first; NaN where unknown.
    last: [f64; 3],
}

impl RhythmMemory {
    pub fn new() -> RhythmMemory {
        RhythmMemory {
            short: RunningOrder::new(SHORT),
            long: RunningOrder::new(LONG),
            longest: RunningOrder::new(LONGEST),
            steps: [0.0; SHORT],
            step_count: 0,
            steps_long: RunningOrder::new(LONG),
            double_steps: RunningOrder::new(LONG),
            last: [f64::NAN; 3],
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.short.clear();
        self.long.clear();
        self.longest.clear();
        self.step_count = 0;
        self.steps_long.clear();
        self.double_steps.clear();
        self.last = [f64::NAN; 3];
    }

    /// The recording was interrupted: what comes is not the successor of the
    /// last interval, but the patient is the same.
    pub fn interrupt(&mut self) {
        self.last = [f64::NAN; 3];
    }

    /// Places a beat between the interval before it and the one after it, in
    /// seconds, and remembers the first. An interval that is not known is
    /// taken as the median.
    pub fn place(&mut self, rr: Option<f64>, next: Option<f64>) -> Timing {
        let ln = |seconds: f64| seconds.max(SHORTEST).ln();
        let known = rr.map(ln);
        let fallback = || {
            let median = self.long.median().or(next.map(ln));
            median.unwrap_or(TYPICAL.ln())
        };
        let r = known.unwrap_or_else(fallback);
        let m10 = self.short.median().unwrap_or(r);
        let m40 = self.long.median().unwrap_or(r);
        let m200 = self.longest.median().unwrap_or(r);
        let after = next.map(ln).unwrap_or(m10);
        let or = |value: f64, otherwise: f64| if value.is_nan() { otherwise } else { value };
        let before = or(self.last[0], m10);
        let second = or(self.last[1], before);
        let quantile = |part, otherwise| self.long.quantile(part).unwrap_or(otherwise);
        let slowest = self.longest.quantile(0.9);
        let held = self.step_count.min(SHORT);
        let timing = Timing {
            previous: r - m10,
            next: after - m10,
            previous_40: r - m40,
            next_40: after - m40,
            ratio: r - before,
            second_previous: before - m10,
            third_previous: second - m10,
            pair: (0.5 * (r.exp() + after.exp())).ln() - m10,
            irregularity: self.steps[..held].iter().sum::<f64>() / held.max(1) as f64,
            irregularity_long: self.steps_long.median().unwrap_or(0.0),
            rate: m40,
            early_part: self.long.part_below(m40 - EARLY),
            rank: if self.long.is_empty() {
                1.0
            } else {
                self.long.part_below(r + 0.03)
            },
            spread: quantile(0.75, r) - quantile(0.25, r),
            above_q10: r - quantile(0.1, r),
            next_above_q90: after - quantile(0.9, after),
            above_q90: r - quantile(0.9, r),
            previous_200: r - m200,
            next_200: after - m200,
            acceleration: m10 - m200,
            local: r - 0.5 * (before + after),
            alternation: self.double_steps.median().unwrap_or(0.0),
            above_q90_of_200: slowest.map_or(0.0, |slowest| r - slowest),
            next_above_q90_of_200: slowest.map_or(0.0, |slowest| after - slowest),
            slow_part: if self.longest.is_empty() {
                0.0
            } else {
                1.0 - self.longest.part_below(m200 + SLOW)
            },
        };
        if let Some(r) = known {
            self.remember(r);
        }
        timing
    }

    fn remember(&mut self, r: f64) {
        self.short.push(r);
        self.long.push(r);
        self.longest.push(r);
        if !self.last[1].is_nan() {
            self.double_steps.push((r - self.last[1]).abs());
        }
        if !self.last[0].is_nan() {
            let step = (r - self.last[0]).abs();
            self.steps[self.step_count % SHORT] = step;
            self.step_count += 1;
            self.steps_long.push(step);
        }
        self.last = [r, self.last[0], self.last[1]];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(intervals: &[f64]) -> RhythmMemory {
        let mut memory = RhythmMemory::new();
        for &rr in intervals {
            memory.place(Some(rr), Some(rr));
        }
        memory
    }

    #[test]
    fn an_early_beat_with_a_compensating_pause() {
        let timing = after(&[0.8; 50]).place(Some(0.5), Some(1.1));
        assert!((timing.previous - (0.5f64 / 0.8).ln()).abs() < 1e-12);
        assert!((timing.next - (1.1f64 / 0.8).ln()).abs() < 1e-12);
        assert!(timing.pair.abs() < 1e-12);
        assert_eq!(timing.irregularity, 0.0);
        assert_eq!(timing.rank, 0.0);
    }

    #[test]
    fn irregular_rhythm_is_told_from_one_early_beat() {
        let steady = after(&[&[0.8; 20][..], &[0.5, 1.1], &[0.8; 8]].concat());
        let wild: Vec<f64> = (0..30).map(|i| 0.5 + 0.1 * f64::from(i * 7 % 10)).collect();
        let (mut steady, mut wild) = (steady, after(&wild));
        let (a, b) = (
            steady.place(Some(0.8), Some(0.8)),
            wild.place(Some(0.8), Some(0.8)),
        );
        assert!(b.irregularity_long > 0.2 && a.irregularity_long < 0.01);
        assert!(b.spread > 0.3 && a.spread < 0.01);
    }

    #[test]
    fn bigeminy_alternates_and_tachycardia_is_a_long_run() {
        let mut bigeminy = after(&[0.7, 0.9].repeat(30));
        let early = bigeminy.place(Some(0.7), Some(0.9));
        assert!(early.alternation < 1e-12 && early.irregularity_long > 0.2);
        assert!((early.local - (0.7f64 / 0.9).ln()).abs() < 1e-12);
        let mut tachycardia = after(&[&[0.8; 120][..], &[0.4; 60]].concat());
        let beat = tachycardia.place(Some(0.4), Some(0.4));
        assert!(beat.previous.abs() < 1e-12 && beat.previous_40.abs() < 1e-12);
        assert!((beat.previous_200 - 0.5f64.ln()).abs() < 1e-12);
        assert!((beat.acceleration - 0.5f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn an_interruption_makes_no_step() {
        let mut memory = after(&[0.8; 20]);
        memory.interrupt();
        memory.place(None, Some(1.6));
        let timing = memory.place(Some(1.6), Some(1.6));
        assert_eq!(timing.irregularity, 0.0);
        assert_eq!(timing.second_previous, 0.0);
        assert!((timing.previous - 2f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn pauses_between_faster_runs_stay_in_sight() {
        let run = [&[0.8; 7][..], &[1.6]].concat();
        let timing = after(&run.repeat(25)).place(Some(0.8), Some(0.8));
        assert!((timing.above_q90_of_200 - 0.5f64.ln()).abs() < 1e-12);
        assert_eq!(timing.next_above_q90_of_200, timing.above_q90_of_200);
        assert!((timing.slow_part - 0.125).abs() < 1e-12);
        assert_eq!(after(&[0.8; 50]).place(Some(0.8), None).slow_part, 0.0);
    }
}
