//! Why a beat has its class, in words: what its credits speak of, and what the
//! values behind them say.

use data::pipeline::beat_feature::BeatFeature;
use data::pipeline::input::InputSpec;

use crate::waves::{Wave, own_waves};

/// A topic is told where it holds at least this part of all that speaks for the class.
const PART: f32 = 0.12;
/// So many topics at most.
const MOST: usize = 3;
/// What ln(RR / usual RR) tells an early or late beat from one in time.
const IN_TIME: f32 = 0.07;
/// The correlation from which on a QRS is like the patient's dominant one, and
/// that from which on a PR segment is.
const ALIKE: f32 = 0.9;
const P_ALIKE: f32 = 0.5;
/// The running mean of the same from which on the patient has a steady P wave.
const P_STEADY: f32 = 0.4;
/// The mean change of ln RR from which on a rhythm is irregular.
const IRREGULAR: f32 = 0.12;

/// What a model's inputs of a beat are, and what each is credited with.
#[derive(Clone, Copy, Debug)]
pub struct Credited<'a> {
    /// How the inputs were made.
    pub input: &'a InputSpec,
    /// The beat's features, in the order of [`InputSpec::rhythm`].
    pub features: &'a [f32],
    /// Credit of each.
    pub feature_credits: &'a [f32],
    /// Credit of each sample of the window, summed over its channels.
    pub window_credits: &'a [f32],
    /// Seconds from the beat before, where that is known.
    pub rr: Option<f64>,
}

/// What credits can speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    /// When the beat comes.
    Timing,
    /// What follows it.
    Next,
    /// The QRS and what else of the beat is like the patient's other beats.
    Qrs,
    /// The P wave.
    P,
    /// The ST segment and the T wave.
    T,
    /// The rhythm that it comes in.
    Rhythm,
}

impl Topic {
    const ALL: [Topic; 6] = [
        Topic::Timing,
        Topic::Next,
        Topic::Qrs,
        Topic::P,
        Topic::T,
        Topic::Rhythm,
    ];

    fn of(feature: BeatFeature) -> Topic {
        use BeatFeature as F;
        match feature {
            F::Previous
            | F::Previous40
            | F::Previous200
            | F::Ratio
            | F::Pair
            | F::Rank
            | F::AboveQ10
            | F::AboveQ90
            | F::AboveQ90Of200
            | F::Local => Topic::Timing,
            F::Next | F::Next40 | F::Next200 | F::NextAboveQ90 | F::NextAboveQ90Of200 => {
                Topic::Next
            }
            F::PCorrelation
            | F::PResidual
            | F::PConsistency
            | F::PTemplateAmplitude
            | F::PAmplitude
            | F::PPosition => Topic::P,
            F::TResidual => Topic::T,
            F::SecondPrevious
            | F::ThirdPrevious
            | F::Irregularity
            | F::IrregularityLong
            | F::Rate
            | F::EarlyPart
            | F::Spread
            | F::Acceleration
            | F::Alternation
            | F::SlowPart
            | F::KindPrevious => Topic::Rhythm,
            _ => Topic::Qrs,
        }
    }
}

impl Credited<'_> {
    fn value(&self, feature: BeatFeature) -> Option<f32> {
        let at = self.input.rhythm.iter().position(|f| *f == feature)?;
        self.features.get(at).copied()
    }

    /// What all inputs of a topic are credited with.
    fn credit(&self, topic: Topic) -> f32 {
        let features = self.input.rhythm.iter().zip(self.feature_credits);
        let of_topic = features.filter(|(feature, _)| Topic::of(**feature) == topic);
        let features: f32 = of_topic.map(|(_, credit)| credit).sum();
        let wave = match topic {
            Topic::P => Wave::P,
            Topic::Qrs => Wave::Qrs,
            Topic::T => Wave::T,
            Topic::Timing | Topic::Next | Topic::Rhythm => return features,
        };
        let ranges = own_waves(self.input).into_iter();
        let samples = ranges
            .filter(|(w, _)| *w == wave)
            .filter_map(|(_, range)| self.window_credits.get(range))
            .flatten();
        features + samples.sum::<f32>()
    }

    /// The reasons, the strongest first; at least one where anything speaks for the
    /// class at all.
    pub fn reasons(&self) -> Vec<String> {
        let mut credits = Topic::ALL.map(|topic| (self.credit(topic), topic));
        credits.sort_by(|a, b| b.0.total_cmp(&a.0));
        let all: f32 = credits.iter().map(|(credit, _)| credit.max(0.0)).sum();
        credits
            .iter()
            .filter(|(credit, _)| *credit > 0.0 && *credit >= PART * all)
            .filter_map(|(_, topic)| self.words(*topic))
            .take(MOST)
            .collect()
    }

    /// What the values of a topic say.
    fn words(&self, topic: Topic) -> Option<String> {
        use BeatFeature as F;
        Some(match topic {
            Topic::Timing => {
                let previous = self.value(F::Previous)?;
                match self.rr {
                    Some(rr) if previous.abs() > IN_TIME => {
                        // The feature is ln(RR / usual RR).
                        let usual = rr / f64::from(previous).exp();
                        let side = if previous < 0.0 { "early" } else { "late" };
                        format!("{:.2} s {side}", (usual - rr).abs())
                    }
                    None if previous.abs() > IN_TIME => {
                        let side = if previous < 0.0 { "early" } else { "late" };
                        side.to_owned()
                    }
                    _ => "not early".to_owned(),
                }
            }
            Topic::Next => {
                let next = self.value(F::Next)?;
                match next {
                    n if n > IN_TIME => "a pause follows",
                    n if n < -IN_TIME => "the next beat comes early",
                    _ => "no pause follows",
                }
                .to_owned()
            }
            Topic::Qrs => match self.value(F::Correlation) {
                Some(c) if c >= ALIKE => {
                    format!("QRS like the dominant one (correlation {c:.2})")
                }
                Some(c) if c <= F::Correlation.limits()[0] => {
                    let least = F::Correlation.limits()[0];
                    format!("QRS unlike the dominant one (correlation {least:.2} or less)")
                }
                Some(c) => format!("QRS unlike the dominant one (correlation {c:.2})"),
                None => "the shape of the QRS".to_owned(),
            },
            Topic::P => match (self.value(F::PConsistency), self.value(F::PCorrelation)) {
                (Some(steady), _) if steady < P_STEADY => "no P wave that recurs from beat to beat",
                (_, Some(c)) if c < P_ALIKE => "no P wave like the usual one",
                (_, Some(_)) => "P wave as usual",
                _ => "the part before the QRS",
            }
            .to_owned(),
            Topic::T => "the shape of ST and T".to_owned(),
            Topic::Rhythm => match self.value(F::Irregularity) {
                Some(i) if i >= IRREGULAR => "an irregular rhythm",
                Some(_) => "a regular rhythm",
                None => "the rhythm",
            }
            .to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reasons of a beat with these values and credits of features.
    fn reasons(values: &[(BeatFeature, f32, f32)], window: &[f32]) -> Vec<String> {
        let input = InputSpec {
            rhythm: values.iter().map(|v| v.0).collect(),
            ..InputSpec::window()
        };
        Credited {
            input: &input,
            features: &values.iter().map(|v| v.1).collect::<Vec<_>>(),
            feature_credits: &values.iter().map(|v| v.2).collect::<Vec<_>>(),
            window_credits: window,
            rr: Some(0.5),
        }
        .reasons()
    }

    #[test]
    fn what_speaks_for_the_class_is_told_the_strongest_first() {
        let early = (BeatFeature::Previous, -(1.8_f32.ln()), 1.0);
        let unlike = (BeatFeature::Correlation, 0.71, 3.0);
        let against = (BeatFeature::PCorrelation, 0.9, -2.0);
        // RR is 0.5 s and the usual one 0.9 s.
        assert_eq!(
            reasons(&[early, unlike, against], &[0.0; 128]),
            [
                "QRS unlike the dominant one (correlation 0.71)",
                "0.40 s early"
            ]
        );
    }

    #[test]
    fn the_window_counts_towards_its_waves() {
        let steady = (BeatFeature::PConsistency, 0.9, 0.0);
        let p = (BeatFeature::PCorrelation, 0.1, 0.0);
        let qrs = (BeatFeature::Correlation, 0.97, 0.1);
        let mut window = [0.0; 128];
        // A tenth of a second before the fiducial point lies the PR segment.
        window[64 - 13] = 2.0;
        let found = reasons(&[steady, p, qrs], &window);
        assert_eq!(found, ["no P wave like the usual one"]);
        assert!(reasons(&[qrs], &[-1.0; 128]).is_empty());
    }
}
