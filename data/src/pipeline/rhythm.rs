//! Rhythm features: where a beat stands in time among its neighbours, and how
//! like the patient's other beats it looks.
//!
//! All are causal but for the one beat of look-ahead, free of units, and
//! limited: what lies beyond nearly all beats of the training recordings says
//! no more than the limit does, and a network would answer it at random.

use serde::{Deserialize, Serialize};

use crate::pipeline::template::Likeness;
use crate::signal::running::RunningOrder;

/// RR intervals of the short memory.
const SHORT: usize = 10;
/// RR intervals of the long memory.
const LONG: usize = 40;
/// RR intervals of the longest memory: minutes, so that a run of tachycardia
/// is still seen against the rhythm that it interrupted.
const LONGEST: usize = 200;
/// An interval is early when its logarithm is this far below the long median's.
const EARLY: f64 = 0.12;
/// An interval is slow when its logarithm is this far above the longest median.
const SLOW: f64 = 0.25;
/// Shortest RR interval in seconds that enters a logarithm.
const SHORTEST: f64 = 0.1;
/// RR taken for granted, in seconds, before any is known.
const TYPICAL: f64 = 0.8;

/// One number about a beat's timing or its likeness to its neighbours.
///
/// `RR` is the interval before the beat, `RR+` the one after it, `RR-` the one
/// before `RR`; `m10`, `m40` and `m200` are the medians of the 10, 40 and 200
/// intervals before `RR`, or `RR` itself while there is none. The *dominant template* is
/// the running mean of the patient's most frequent kind of beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RhythmFeature {
    /// ln(RR / m10).
    Previous,
    /// ln(RR+ / m10).
    Next,
    /// ln(RR / m40).
    PreviousLong,
    /// ln(RR+ / m40).
    NextLong,
    /// ln(RR / RR-).
    Ratio,
    /// ln(RR- / m10).
    SecondPrevious,
    /// ln(RR-- / m10), one interval further back.
    ThirdPrevious,
    /// ln((RR + RR+) / (2 m10)): near 0 when a pause compensates an early beat.
    Pair,
    /// Mean of |difference of successive ln RR| over the last 10: high in
    /// atrial fibrillation.
    Irregularity,
    /// Median of |difference of successive ln RR| over the last 40.
    IrregularityLong,
    /// ln(m40 / 1 s).
    Rate,
    /// Part of the last 40 intervals with ln RR < ln m40 - 0.12.
    EarlyPart,
    /// Part of the last 40 intervals that are at most 1.03 RR.
    Rank,
    /// Interquartile range of ln RR over the last 40.
    Spread,
    /// ln RR minus the 10 % quantile of ln RR over the last 40.
    AboveShortest,
    /// ln RR+ minus the 90 % quantile of ln RR over the last 40.
    AboveLongest,
    /// ln RR minus the 90 % quantile of ln RR over the last 40.
    BelowLongest,
    /// ln(RR / m200).
    PreviousLongest,
    /// ln(RR+ / m200).
    NextLongest,
    /// ln(m10 / m200): negative in a run of tachycardia.
    Acceleration,
    /// ln RR minus the mean of ln RR- and ln RR+: an early beat among beats
    /// that are not, also where every second one is early.
    Local,
    /// Median over the last 40 of |ln RR - ln RR two beats before|: small in
    /// bigeminy, where `IrregularityLong` is large, and large in fibrillation.
    Alternation,
    /// Correlation of the QRS with the dominant template's.
    Correlation,
    /// The same from the P wave to the T wave.
    WideCorrelation,
    /// RMS difference of the QRS from the dominant template's, in QRS amplitudes.
    Residual,
    /// ln(QRS amplitude / running median amplitude).
    Amplitude,
    /// ln(QRS amplitude / the dominant template's).
    TemplateAmplitude,
    /// Spread of the QRS slope around its centre of mass in units of 0.1 s:
    /// grows with the width of the QRS.
    Width,
    /// Correlation of the PR segment with the dominant template's.
    PCorrelation,
    /// RMS difference of the PR segment from the dominant template's.
    PResidual,
    /// Running mean of `PCorrelation` over beats that resemble the dominant
    /// template: low where the patient has no steady P wave.
    PConsistency,
    /// Peak-to-peak of the dominant template's PR segment.
    PTemplateAmplitude,
    /// Peak-to-peak of the PR segment.
    PAmplitude,
    /// Place of the largest value in the PR segment, 0 at its start, 1 at its end.
    PPosition,
    /// Part of the recent beats that are of the same kind as this one.
    Share,
    /// Running mean of `Previous` over beats of this kind.
    KindPrevious,
    /// 1 when this beat is of the dominant kind, else 0.
    Dominant,
    /// Correlation of the QRS with the nearest kind of beat.
    KindCorrelation,
    /// RMS difference of the ST-T segment from the dominant template's.
    TResidual,
    /// `Correlation` of the beat before.
    PreviousCorrelation,
    /// `Share` of the beat before.
    PreviousShare,
    /// ln RR minus the 90 % quantile of ln RR over the last 200: far below zero
    /// where pauses interrupt a faster rhythm, however seldom.
    BelowSlowest,
    /// ln RR+ minus the same.
    NextBelowSlowest,
    /// Part of the last 200 intervals with ln RR > ln m200 + 0.25.
    SlowPart,
}

impl RhythmFeature {
    /// Every feature there is.
    pub const ALL: [RhythmFeature; 44] = {
        use RhythmFeature::*;
        [
            Previous,
            Next,
            PreviousLong,
            NextLong,
            Ratio,
            SecondPrevious,
            ThirdPrevious,
            Pair,
            Irregularity,
            IrregularityLong,
            Rate,
            EarlyPart,
            Rank,
            Spread,
            AboveShortest,
            AboveLongest,
            BelowLongest,
            PreviousLongest,
            NextLongest,
            Acceleration,
            Local,
            Alternation,
            Correlation,
            WideCorrelation,
            Residual,
            Amplitude,
            TemplateAmplitude,
            Width,
            PCorrelation,
            PResidual,
            PConsistency,
            PTemplateAmplitude,
            PAmplitude,
            PPosition,
            Share,
            KindPrevious,
            Dominant,
            KindCorrelation,
            TResidual,
            PreviousCorrelation,
            PreviousShare,
            BelowSlowest,
            NextBelowSlowest,
            SlowPart,
        ]
    };

    /// The feature's value for a beat of this timing and likeness.
    pub(crate) fn value(self, timing: &Timing, likeness: &Likeness) -> f32 {
        use RhythmFeature::*;
        let timed = |value: f64| value as f32;
        let value = match self {
            Previous => timed(timing.previous),
            Next => timed(timing.next),
            PreviousLong => timed(timing.previous_long),
            NextLong => timed(timing.next_long),
            Ratio => timed(timing.ratio),
            SecondPrevious => timed(timing.second_previous),
            ThirdPrevious => timed(timing.third_previous),
            Pair => timed(timing.pair),
            Irregularity => timed(timing.irregularity),
            IrregularityLong => timed(timing.irregularity_long),
            Rate => timed(timing.rate),
            EarlyPart => timed(timing.early_part),
            Rank => timed(timing.rank),
            Spread => timed(timing.spread),
            AboveShortest => timed(timing.above_shortest),
            AboveLongest => timed(timing.above_longest),
            BelowLongest => timed(timing.below_longest),
            PreviousLongest => timed(timing.previous_longest),
            NextLongest => timed(timing.next_longest),
            Acceleration => timed(timing.acceleration),
            Local => timed(timing.local),
            Alternation => timed(timing.alternation),
            Correlation => likeness.correlation,
            WideCorrelation => likeness.wide_correlation,
            Residual => likeness.residual,
            Amplitude => likeness.amplitude,
            TemplateAmplitude => likeness.template_amplitude,
            Width => likeness.width,
            PCorrelation => likeness.p_correlation,
            PResidual => likeness.p_residual,
            PConsistency => likeness.p_consistency,
            PTemplateAmplitude => likeness.p_template_amplitude,
            PAmplitude => likeness.p_amplitude,
            PPosition => likeness.p_position,
            Share => likeness.share,
            KindPrevious => likeness.kind_previous,
            Dominant => f32::from(u8::from(likeness.dominant)),
            KindCorrelation => likeness.kind_correlation,
            TResidual => likeness.t_residual,
            PreviousCorrelation => likeness.previous_correlation,
            PreviousShare => likeness.previous_share,
            BelowSlowest => timed(timing.below_slowest),
            NextBelowSlowest => timed(timing.next_below_slowest),
            SlowPart => timed(timing.slow_part),
        };
        let [low, high] = self.limits();
        value.clamp(low, high)
    }

    /// Least and greatest value: about the mean and three standard deviations
    /// to each side over DS1, svdb and their retimed copies.
    const fn limits(self) -> [f32; 2] {
        use RhythmFeature::*;
        match self {
            Previous | Next | PreviousLong | NextLong | PreviousLongest | NextLongest => {
                [-0.65, 0.65]
            }
            Ratio | Local => [-0.9, 0.9],
            SecondPrevious | ThirdPrevious => [-0.6, 0.6],
            Pair => [-0.45, 0.45],
            Irregularity | IrregularityLong => [0.0, 0.7],
            Rate => [-1.1, 0.4],
            EarlyPart | Rank | SlowPart | Share | PreviousShare | Dominant | PPosition => {
                [0.0, 1.0]
            }
            Spread => [0.0, 0.85],
            AboveShortest => [-0.55, 0.8],
            AboveLongest | BelowLongest | BelowSlowest | NextBelowSlowest => [-1.05, 0.6],
            Acceleration => [-0.3, 0.3],
            Alternation => [0.0, 0.5],
            Correlation | PreviousCorrelation => [0.55, 1.0],
            WideCorrelation => [0.3, 1.0],
            Residual => [0.0, 0.4],
            Amplitude => [-0.45, 0.45],
            TemplateAmplitude => [-0.5, 0.5],
            Width => [0.2, 0.85],
            PCorrelation => [-0.6, 1.0],
            PResidual => [0.0, 0.16],
            PConsistency => [-0.1, 1.0],
            PTemplateAmplitude => [0.0, 0.3],
            PAmplitude => [0.0, 0.6],
            KindPrevious => [-0.3, 0.3],
            KindCorrelation => [0.88, 1.0],
            TResidual => [0.0, 0.28],
        }
    }
}

/// A beat's place in time; see [`RhythmFeature`] for each formula.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timing {
    pub previous: f64,
    next: f64,
    previous_long: f64,
    next_long: f64,
    ratio: f64,
    second_previous: f64,
    third_previous: f64,
    pair: f64,
    irregularity: f64,
    irregularity_long: f64,
    rate: f64,
    early_part: f64,
    rank: f64,
    spread: f64,
    above_shortest: f64,
    above_longest: f64,
    below_longest: f64,
    previous_longest: f64,
    next_longest: f64,
    acceleration: f64,
    local: f64,
    alternation: f64,
    below_slowest: f64,
    next_below_slowest: f64,
    slow_part: f64,
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
            previous_long: r - m40,
            next_long: after - m40,
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
            above_shortest: r - quantile(0.1, r),
            above_longest: after - quantile(0.9, after),
            below_longest: r - quantile(0.9, r),
            previous_longest: r - m200,
            next_longest: after - m200,
            acceleration: m10 - m200,
            local: r - 0.5 * (before + after),
            alternation: self.double_steps.median().unwrap_or(0.0),
            below_slowest: slowest.map_or(0.0, |slowest| r - slowest),
            next_below_slowest: slowest.map_or(0.0, |slowest| after - slowest),
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
        assert!(beat.previous.abs() < 1e-12 && beat.previous_long.abs() < 1e-12);
        assert!((beat.previous_longest - 0.5f64.ln()).abs() < 1e-12);
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
        assert!((timing.below_slowest - 0.5f64.ln()).abs() < 1e-12);
        assert_eq!(timing.next_below_slowest, timing.below_slowest);
        assert!((timing.slow_part - 0.125).abs() < 1e-12);
        assert_eq!(after(&[0.8; 50]).place(Some(0.8), None).slow_part, 0.0);
    }

    #[test]
    fn values_are_limited() {
        let timing = after(&[0.8; 50]).place(Some(2.0), Some(0.2));
        let likeness = Likeness {
            residual: 9.0,
            correlation: -1.0,
            ..Likeness::default()
        };
        for feature in RhythmFeature::ALL {
            let [low, high] = feature.limits();
            assert!(low < high, "{feature:?}");
            let value = feature.value(&timing, &likeness);
            assert!((low..=high).contains(&value), "{feature:?}: {value}");
        }
        assert_eq!(RhythmFeature::Residual.value(&timing, &likeness), 0.4);
        assert_eq!(RhythmFeature::Previous.value(&timing, &likeness), 0.65);
    }

    #[test]
    fn features_have_distinct_names() {
        let mut names: Vec<String> = RhythmFeature::ALL
            .iter()
            .map(|f| serde_json::to_string(f).unwrap())
            .collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), RhythmFeature::ALL.len());
    }
}
