//! The figures of an evaluation, as they stand in its JSON file.

use std::collections::BTreeMap;

use data::Classes;
use data::datasets::patients::Patients;
use data::record::aami::Convention;
use data::record::annotation::Annotation;
use data::scoring::ec57::{self, Options};
use data::scoring::metrics::{
    ClassScore, Confusion, ConfusionFigures, Interval, PerClass, RiskPoint, bootstrap,
    calibration_error, risk_coverage,
};
use serde::Serialize;

use super::beats::{ScoredBeat, ScoredRecord};

/// Draws of the bootstrap.
const DRAWS: usize = 1000;
/// Coverages at which the risk is stated.
const COVERAGES: [f64; 9] = [1.0, 0.99, 0.98, 0.95, 0.9, 0.85, 0.8, 0.7, 0.5];

/// Figures over some of the beats, as fractions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct View {
    /// Beats.
    pub beats: u64,
    /// Accuracy, macro F1, kappa, jk, and the classes one by one.
    #[serde(flatten)]
    pub summary: ConfusionFigures,
    /// Expected calibration error.
    pub ece: Option<f64>,
}

impl View {
    /// Of these beats.
    pub fn of<'a>(
        beats: impl IntoIterator<Item = &'a ScoredBeat>,
        classes: &Classes,
        convention: Convention,
    ) -> View {
        let mut confusion = Confusion::new(classes);
        let mut confidence = Vec::new();
        for beat in beats {
            if let Some(class) = beat.class(classes, convention) {
                confusion.add(class, beat.prediction.class);
                confidence.push((
                    beat.prediction.probability(),
                    class == beat.prediction.class,
                ));
            }
        }
        View {
            beats: confusion.total(),
            summary: confusion.figures(),
            ece: calibration_error(&confidence),
        }
    }

    /// The classes at these places, as if they were one, against all others.
    pub fn together(&self, places: &[usize]) -> ClassScore {
        self.summary.confusion.together(places)
    }
}

/// 95 % intervals by the bootstrap over patients.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Intervals {
    /// Patients drawn from.
    pub patients: usize,
    /// Draws.
    pub draws: usize,
    /// Of the accuracy.
    pub accuracy: Option<Interval>,
    /// Of the macro F1.
    pub macro_f1: Option<Interval>,
    /// Of jk.
    pub jk: Option<Interval>,
    /// Of kappa.
    pub kappa: Option<Interval>,
    /// Of each class's figures.
    pub classes: PerClass<ClassIntervals>,
}

/// 95 % intervals of one class's figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassIntervals {
    /// Of the sensitivity.
    pub se: Option<Interval>,
    /// Of the positive predictivity.
    pub ppv: Option<Interval>,
    /// Of F1.
    pub f1: Option<Interval>,
}

/// What the reject option does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reject {
    /// The contract's threshold: beats whose probability is below are rejected.
    pub threshold: f64,
    /// Beats kept, as a fraction of all.
    pub coverage: f64,
    /// Figures over the beats kept.
    pub kept: View,
}

impl Reject {
    /// Of these beats, escape beats as N; `None` when the threshold rejects
    /// nothing.
    pub fn of<'a>(
        beats: impl IntoIterator<Item = &'a ScoredBeat>,
        classes: &Classes,
        threshold: f64,
    ) -> Option<Reject> {
        let beats: Vec<&ScoredBeat> = beats.into_iter().collect();
        let kept = beats
            .iter()
            .copied()
            .filter(|b| b.prediction.reject.is_none());
        let kept = View::of(kept, classes, Convention::Literature);
        (threshold > 0.0).then(|| Reject {
            threshold,
            coverage: kept.beats as f64 / beats.len().max(1) as f64,
            kept,
        })
    }
}

/// The beats that EC57 scores: those after the learning period.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Period {
    /// Seconds at the start of each record that do not count.
    pub start: f64,
    /// Escape beats as N.
    #[serde(flatten)]
    pub literature: View,
    /// Escape beats as S.
    pub bxb: View,
    /// Without single records, escape beats as N.
    pub without: BTreeMap<String, View>,
    /// Se and +P as `data score` states them, escape beats as S; `null` where the
    /// model's classes have no S or no V.
    pub ec57: Option<ec57::AggregateStatistics>,
}

/// All figures of an evaluation. Those at the top are over whole records, with
/// escape beats (e, j) as N.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Whole records, escape beats as N.
    #[serde(flatten)]
    pub whole: View,
    /// Intervals of the above.
    pub intervals: Intervals,
    /// The same without single records that weigh heavily.
    pub without: BTreeMap<String, View>,
    /// Record by record.
    pub records: BTreeMap<String, View>,
    /// Whole records, escape beats as S.
    pub bxb: View,
    /// The scoring period of EC57; absent for the Kaggle split.
    pub ec57_period: Option<Period>,
    /// Error among the most confident beats.
    pub risk_coverage: Vec<RiskPoint>,
    /// The reject option; absent when the model rejects nothing.
    pub reject: Option<Reject>,
    /// Reference beats without a window, and so without an answer.
    pub unseen: usize,
}

/// What is evaluated, beside the beats.
pub struct Setting<'a> {
    /// The classes of the model.
    pub classes: &'a Classes,
    /// How the patient of a record is told.
    pub patients: &'a Patients,
    /// Records whose absence is looked at.
    pub without: &'a [String],
    /// Seconds at the start of a record that EC57 does not score; `None` when
    /// the beats are a random part of the records.
    pub start: Option<f64>,
    /// The contract's reject threshold.
    pub reject_threshold: f64,
    /// Seed of the bootstrap.
    pub seed: u64,
}

impl Evaluation {
    /// Of classified records.
    pub fn new(records: &[ScoredRecord], setting: &Setting<'_>) -> Evaluation {
        let literature = Convention::Literature;
        let classes = setting.classes;
        let view = |beats: &[ScoredBeat]| View::of(beats, classes, literature);
        let all = || records.iter().flat_map(|r| &r.beats);
        let whole = View::of(all(), classes, literature);
        let without = |start: f64| -> BTreeMap<String, View> {
            let outliers = setting.without.iter();
            outliers
                .filter(|name| records.iter().any(|r| r.name == **name))
                .map(|name| {
                    let others = records.iter().filter(|r| r.name != *name);
                    let beats = others.flat_map(|r| &r.beats).filter(|b| b.time >= start);
                    (name.clone(), View::of(beats, classes, literature))
                })
                .collect()
        };
        let confidence: Vec<(f32, bool)> = all()
            .map(|b| {
                let right = b.class(classes, literature) == Some(b.prediction.class);
                (b.prediction.probability(), right)
            })
            .collect();
        let period = |start| {
            let later = || all().filter(move |b| b.time >= start);
            Period {
                start,
                literature: View::of(later(), classes, literature),
                bxb: View::of(later(), classes, Convention::Bxb),
                without: without(start),
                ec57: classes
                    .lacking()
                    .is_none()
                    .then(|| beat_by_beat(records, classes, start, Convention::Bxb)),
            }
        };
        Evaluation {
            intervals: intervals(records, setting),
            without: without(f64::NEG_INFINITY),
            records: records
                .iter()
                .map(|r| (r.name.clone(), view(&r.beats)))
                .collect(),
            bxb: View::of(all(), classes, Convention::Bxb),
            ec57_period: setting.start.map(period),
            risk_coverage: risk_coverage(&confidence, &COVERAGES),
            reject: Reject::of(all(), classes, setting.reject_threshold),
            unseen: records.iter().map(|r| r.unseen).sum(),
            whole,
        }
    }
}

/// EC57's comparison of the model's beats with the reference, from `start`
/// seconds on.
pub fn beat_by_beat(
    records: &[ScoredRecord],
    classes: &Classes,
    start: f64,
    convention: Convention,
) -> ec57::AggregateStatistics {
    let options = Options { start, convention };
    let compared: Vec<_> = records
        .iter()
        .map(|record| {
            let test: Vec<Annotation> = record
                .beats
                .iter()
                .map(|b| classes.annotation(b.prediction.class, b.sample))
                .collect();
            let pair = ec57::Pair {
                reference: &record.reference,
                test: &test,
                fs: record.fs,
                length: Some(record.length),
            };
            (record.name.clone(), ec57::compare(&pair, &options))
        })
        .collect();
    ec57::AggregateStatistics::new(&compared)
}

fn intervals(records: &[ScoredRecord], setting: &Setting<'_>) -> Intervals {
    let (classes, known) = (setting.classes, setting.patients);
    let mut patients: BTreeMap<&str, Confusion> = BTreeMap::new();
    for record in records {
        let confusion = patients
            .entry(known.of(&record.name).unwrap_or(&record.name))
            .or_insert_with(|| Confusion::new(classes));
        for beat in &record.beats {
            if let Some(class) = beat.class(classes, Convention::Literature) {
                confusion.add(class, beat.prediction.class);
            }
        }
    }
    let patients: Vec<Confusion> = patients.into_values().collect();
    let of = |statistic: &dyn Fn(&Confusion) -> Option<f64>| {
        bootstrap(&patients, DRAWS, setting.seed, |drawn| {
            statistic(&Confusion::sum(drawn.iter().copied())?)
        })
    };
    Intervals {
        patients: patients.len(),
        draws: DRAWS,
        accuracy: of(&Confusion::accuracy),
        macro_f1: of(&Confusion::macro_f1),
        jk: of(&Confusion::jk),
        kappa: of(&Confusion::kappa),
        classes: PerClass::of(classes, |class| ClassIntervals {
            se: of(&|c| c.class(class).se),
            ppv: of(&|c| c.class(class).ppv),
            f1: of(&|c| c.class(class).f1),
        }),
    }
}

#[cfg(test)]
mod tests {
    use data::record::annotation::Symbol;

    use super::*;
    use crate::classifier::Prediction;

    const FS: f64 = 100.0;
    const N: usize = 0;
    const S: usize = 1;
    const V: usize = 2;

    /// A beat at a time in seconds, its symbol, the answer and its probability.
    type Row = (i64, &'static str, usize, f32);

    fn record(name: &str, rows: &[Row]) -> ScoredRecord {
        let beat = |&(time, symbol, class, probability): &Row| {
            let mut probabilities = vec![0.0; 5];
            probabilities[class] = probability;
            ScoredBeat {
                sample: time * FS as i64,
                time: time as f64,
                symbol: Symbol::from_mnemonic(symbol).unwrap(),
                prediction: Prediction {
                    logits: vec![0.0; 5],
                    probabilities,
                    class,
                    reject: (probability < 0.6).then_some(models::contract::Reject::Uncertain),
                },
            }
        };
        let beats: Vec<ScoredBeat> = rows.iter().map(beat).collect();
        ScoredRecord {
            name: name.into(),
            fs: FS,
            length: 3600 * FS as i64,
            reference: beats
                .iter()
                .map(|b| Annotation::new(b.sample, b.symbol))
                .collect(),
            beats,
            unseen: 1,
        }
    }

    fn evaluation() -> Evaluation {
        let records = [
            record(
                "100",
                &[
                    (10, "N", N, 1.0),
                    (20, "j", N, 1.0),
                    (310, "V", V, 1.0),
                    (320, "A", N, 0.5),
                ],
            ),
            record("232", &[(15, "A", S, 1.0), (330, "A", S, 1.0)]),
        ];
        Evaluation::new(
            &records,
            &Setting {
                classes: &Classes::aami5(),
                patients: &Patients::default(),
                without: &["232".into(), "absent".into()],
                start: Some(300.0),
                reject_threshold: 0.6,
                seed: 1,
            },
        )
    }

    #[test]
    fn views_differ_in_convention_records_and_period() {
        let evaluation = evaluation();
        let s = |view: &View| (view.together(&[S]).support, view.together(&[S]).se);
        assert_eq!(s(&evaluation.whole), (3, Some(2.0 / 3.0)));
        // The escape beat joins the S beats and was called N.
        assert_eq!(s(&evaluation.bxb), (4, Some(0.5)));
        assert_eq!(s(&evaluation.without["232"]), (1, Some(0.0)));
        assert_eq!(evaluation.without.len(), 1);
        let period = evaluation.ec57_period.as_ref().unwrap();
        assert_eq!(s(&period.literature), (2, Some(0.5)));
        assert_eq!(s(&period.without["232"]), (1, Some(0.0)));
        assert_eq!(period.ec57.as_ref().unwrap().gross.s.se, Some(0.5));
        assert_eq!(period.ec57.as_ref().unwrap().gross.qrs.se, Some(1.0));
        assert_eq!(evaluation.records["232"].summary.accuracy, Some(1.0));
        assert_eq!(evaluation.unseen, 2);
    }

    #[test]
    fn rejecting_leaves_the_doubtful_beat_out() {
        let evaluation = evaluation();
        let reject = evaluation.reject.as_ref().unwrap();
        assert_eq!(reject.coverage, 5.0 / 6.0);
        assert_eq!(reject.kept.summary.accuracy, Some(1.0));
        assert_eq!(evaluation.risk_coverage.last().unwrap().risk, 0.0);
        // One beat at 0.5 that is wrong, the others sure and right.
        assert!((evaluation.whole.ece.unwrap() - 0.5 / 6.0).abs() < 1e-6);
    }

    #[test]
    fn intervals_hold_the_figure_they_belong_to() {
        let evaluation = evaluation();
        assert_eq!(evaluation.intervals.patients, 2);
        let interval = evaluation.intervals.accuracy.unwrap();
        assert_eq!((interval.low, interval.high), (0.75, 1.0));
    }

    #[test]
    fn the_json_has_the_agreed_keys() {
        let json = serde_json::to_value(evaluation()).unwrap();
        for key in ["accuracy", "macro_f1", "jk", "kappa", "ece"] {
            assert!(json[key].is_number(), "{key}");
            assert!(json["without"]["232"].get(key).is_some(), "{key}");
        }
        for key in ["se", "ppv", "f1", "support"] {
            assert!(json["classes"]["V"][key].is_number(), "{key}");
        }
        assert_eq!(json["records"]["100"]["classes"]["V"]["support"], 1);
    }
}
