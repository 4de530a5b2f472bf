//! Beat features: one number each about when a beat comes among its
//! neighbours, or how like the patient's other beats it looks.
//!
//! All are causal but for the one beat of look-ahead, free of units, and
//! limited: what lies beyond nearly all beats of the training recordings says
//! no more than the limit does, and a network would answer it at random.

use serde::{Deserialize, Serialize};

use crate::pipeline::rhythm::Timing;
use crate::pipeline::template::Likeness;

/// Makes the enum, the list of all, names, limits and values from one table
/// with a row per feature: the formula, its name in files, its limits, its value.
macro_rules! beat_features {
    ($($(#[doc = $formula:literal])+ $feature:ident = $name:literal, $limits:expr, $value:expr;)+) => {
        /// One number about a beat.
        ///
        /// `RR` is the interval before the beat, `RR+` the one after it, `RR-` the one
        /// before `RR`; `m10`, `m40` and `m200` are the medians of the 10, 40 and 200
        /// intervals before `RR`, or `RR` itself while there is none. `q10` and `q90` are
        /// quantiles of ln RR over the last 40 intervals. The *dominant template* is the
        /// running mean of the patient's most frequent kind of beat.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum BeatFeature {
            $($(#[doc = $formula])+ #[serde(rename = $name)] $feature,)+
        }

        impl BeatFeature {
            /// Every feature there is.
            pub const ALL: [BeatFeature; [$($name),+].len()] = [$(BeatFeature::$feature),+];

            /// The name in contracts and files.
            pub const fn name(self) -> &'static str {
                match self {
                    $(BeatFeature::$feature => $name,)+
                }
            }

            /// Least and greatest value: about the mean and three standard deviations
            /// to each side over DS1, svdb, their second leads and their retimed copies,
            /// or the end of what occurs where that is nearer.
            ///
            /// `train/examples/feature_limits.rs` measures them: of these rounded values
            /// 85 of 88 lie within half a standard deviation of that rule. The fractions
            /// `EarlyPart` and `SlowPart` keep their whole range, of which they can
            /// fill half, and `NextAboveQ90` has the least value of the features like
            /// it, 0.56 deviations below its own.
            pub const fn limits(self) -> [f32; 2] {
                match self {
                    $(BeatFeature::$feature => $limits,)+
                }
            }

            /// The value before it is limited.
            pub(crate) fn unlimited(self, timing: &Timing, likeness: &Likeness) -> f32 {
                let value: fn(&Timing, &Likeness) -> f32 = match self {
                    $(BeatFeature::$feature => $value,)+
                };
                value(timing, likeness)
            }
        }
    };
}

#[rustfmt::skip]
beat_features! {
    /// ln(RR / m10).
    Previous = "previous", [-0.65, 0.65], |t, _| t.previous as f32;
    /// ln(RR+ / m10).
    Next = "next", [-0.65, 0.65], |t, _| t.next as f32;
    /// ln(RR / m40).
    Previous40 = "previous-long", [-0.65, 0.65], |t, _| t.previous_40 as f32;
    /// ln(RR+ / m40).
    Next40 = "next-long", [-0.65, 0.65], |t, _| t.next_40 as f32;
    /// ln(RR / RR-).
    Ratio = "ratio", [-0.9, 0.9], |t, _| t.ratio as f32;
    /// ln(RR- / m10).
    SecondPrevious = "second-previous", [-0.6, 0.6], |t, _| t.second_previous as f32;
    /// ln(RR-- / m10), one interval further back.
    ThirdPrevious = "third-previous", [-0.6, 0.6], |t, _| t.third_previous as f32;
    /// ln((RR + RR+) / (2 m10)): near 0 when a pause compensates an early beat.
    Pair = "pair", [-0.45, 0.45], |t, _| t.pair as f32;
    /// Mean of |difference of successive ln RR| over the last 10: high in atrial fibrillation.
    Irregularity = "irregularity", [0.0, 0.7], |t, _| t.irregularity as f32;
    /// Median of |difference of successive ln RR| over the last 40.
    IrregularityLong = "irregularity-long", [0.0, 0.7], |t, _| t.irregularity_long as f32;
    /// ln(m40 / 1 s).
    Rate = "rate", [-1.1, 0.4], |t, _| t.rate as f32;
    /// Part of the last 40 intervals with ln RR < ln m40 - 0.12.
    EarlyPart = "early-part", [0.0, 1.0], |t, _| t.early_part as f32;
    /// Part of the last 40 intervals that are at most 1.03 RR.
    Rank = "rank", [0.0, 1.0], |t, _| t.rank as f32;
    /// Interquartile range of ln RR over the last 40.
    Spread = "spread", [0.0, 0.85], |t, _| t.spread as f32;
    /// ln RR minus the 10 % quantile of ln RR over the last 40.
    AboveQ10 = "above-shortest", [-0.55, 0.8], |t, _| t.above_q10 as f32;
    /// ln RR+ minus the 90 % quantile of ln RR over the last 40.
    NextAboveQ90 = "above-longest", [-1.05, 0.6], |t, _| t.next_above_q90 as f32;
    /// ln RR minus the 90 % quantile of ln RR over the last 40.
    AboveQ90 = "below-longest", [-1.05, 0.6], |t, _| t.above_q90 as f32;
    /// ln(RR / m200).
    Previous200 = "previous-longest", [-0.65, 0.65], |t, _| t.previous_200 as f32;
    /// ln(RR+ / m200).
    Next200 = "next-longest", [-0.65, 0.65], |t, _| t.next_200 as f32;
    /// ln(m10 / m200): negative in a run of tachycardia.
    Acceleration = "acceleration", [-0.3, 0.3], |t, _| t.acceleration as f32;
    /// ln RR minus the mean of ln RR- and ln RR+: an early beat among beats that are not, also
    /// where every second one is early.
    Local = "local", [-0.9, 0.9], |t, _| t.local as f32;
    /// Median over the last 40 of |ln RR - ln RR two beats before|: small in bigeminy, where
    /// `IrregularityLong` is large, and large in fibrillation.
    Alternation = "alternation", [0.0, 0.5], |t, _| t.alternation as f32;
    /// Correlation of the QRS with the dominant template's.
    Correlation = "correlation", [0.55, 1.0], |_, l| l.correlation;
    /// The same from the P wave to the T wave.
    WideCorrelation = "wide-correlation", [0.3, 1.0], |_, l| l.wide_correlation;
    /// RMS difference of the QRS from the dominant template's, in QRS amplitudes.
    Residual = "residual", [0.0, 0.4], |_, l| l.residual;
    /// ln(QRS amplitude / running median amplitude).
    Amplitude = "amplitude", [-0.45, 0.45], |_, l| l.amplitude;
    /// ln(QRS amplitude / the dominant template's).
    TemplateAmplitude = "template-amplitude", [-0.5, 0.5], |_, l| l.template_amplitude;
    /// Spread of the QRS slope around its centre of mass in units of 0.1 s: grows with the width of
    /// the QRS.
    Width = "width", [0.2, 0.85], |_, l| l.width;
    /// Correlation of the PR segment with the dominant template's.
    PCorrelation = "p-correlation", [-0.6, 1.0], |_, l| l.p_correlation;
    /// RMS difference of the PR segment from the dominant template's.
    PResidual = "p-residual", [0.0, 0.16], |_, l| l.p_residual;
    /// Running mean of `PCorrelation` over beats that resemble the dominant template: low where the
    /// patient has no steady P wave.
    PConsistency = "p-consistency", [-0.1, 1.0], |_, l| l.p_consistency;
    /// Peak-to-peak of the dominant template's PR segment.
    PTemplateAmplitude = "p-template-amplitude", [0.0, 0.3], |_, l| l.p_template_amplitude;
    /// Peak-to-peak of the PR segment.
    PAmplitude = "p-amplitude", [0.0, 0.6], |_, l| l.p_amplitude;
    /// Place of the largest value in the PR segment, 0 at its start, 1 at its end.
    PPosition = "p-position", [0.0, 1.0], |_, l| l.p_position;
    /// Part of the recent beats that are of the same kind as this one.
    Share = "share", [0.0, 1.0], |_, l| l.share;
    /// Running mean of `Previous` over beats of this kind.
    KindPrevious = "kind-previous", [-0.3, 0.3], |_, l| l.kind_previous;
    /// 1 when this beat is of the dominant kind, else 0.
    Dominant = "dominant", [0.0, 1.0], |_, l| f32::from(u8::from(l.dominant));
    /// Correlation of the QRS with the nearest kind of beat.
    KindCorrelation = "kind-correlation", [0.88, 1.0], |_, l| l.kind_correlation;
    /// RMS difference of the ST-T segment from the dominant template's.
    TResidual = "t-residual", [0.0, 0.28], |_, l| l.t_residual;
    /// `Correlation` of the beat before.
    PreviousCorrelation = "previous-correlation", [0.55, 1.0], |_, l| l.previous_correlation;
    /// `Share` of the beat before.
    PreviousShare = "previous-share", [0.0, 1.0], |_, l| l.previous_share;
    /// ln RR minus the 90 % quantile of ln RR over the last 200: far below zero where pauses
    /// interrupt a faster rhythm, however seldom.
    AboveQ90Of200 = "below-slowest", [-1.05, 0.6], |t, _| t.above_q90_of_200 as f32;
    /// ln RR+ minus the same.
    NextAboveQ90Of200 = "next-below-slowest", [-1.05, 0.6], |t, _| t.next_above_q90_of_200 as f32;
    /// Part of the last 200 intervals with ln RR > ln m200 + 0.25.
    SlowPart = "slow-part", [0.0, 1.0], |t, _| t.slow_part as f32;
}

impl BeatFeature {
    /// The feature of a beat of this timing and likeness.
    pub(crate) fn value(self, timing: &Timing, likeness: &Likeness) -> f32 {
        let [low, high] = self.limits();
        self.unlimited(timing, likeness).clamp(low, high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::rhythm::RhythmMemory;

    #[test]
    fn values_are_limited() {
        let mut memory = RhythmMemory::new();
        for _ in 0..50 {
            memory.place(Some(0.8), Some(0.8));
        }
        let timing = memory.place(Some(2.0), Some(0.2));
        let likeness = Likeness {
            residual: 9.0,
            correlation: -1.0,
            ..Likeness::default()
        };
        for feature in BeatFeature::ALL {
            let [low, high] = feature.limits();
            assert!(low < high, "{feature:?}");
            let value = feature.value(&timing, &likeness);
            assert!((low..=high).contains(&value), "{feature:?}: {value}");
        }
        assert_eq!(BeatFeature::Residual.value(&timing, &likeness), 0.4);
        assert_eq!(BeatFeature::Previous.value(&timing, &likeness), 0.65);
    }

    #[test]
    fn features_are_named_in_files_as_by_name_and_no_two_alike() {
        let mut names = Vec::new();
        for feature in BeatFeature::ALL {
            let name = serde_json::to_string(&feature).expect("JSON");
            assert_eq!(name, format!("\"{}\"", feature.name()));
            names.push(name);
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), BeatFeature::ALL.len());
    }
}
