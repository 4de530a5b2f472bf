//! How good a classifier is: the confusion matrix and what follows from it,
//! calibration, and intervals over patients.
//!
//! A ratio whose denominator is zero is undefined: `None`, `-` in print and
//! `null` in JSON.

mod bootstrap;
mod calibration;

use std::fmt::Write;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};

use crate::record::aami::Class;

pub use bootstrap::{Interval, bootstrap, percentile};
pub use calibration::{RiskPoint, calibration_error, risk_coverage};

/// Number of AAMI classes.
const CLASSES: usize = Class::ALL.len();

/// Beats by reference class (row) and predicted class (column).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Confusion {
    counts: [[u64; CLASSES]; CLASSES],
}

/// One class against all others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassScore {
    /// Sensitivity (recall): of the reference beats, the part found.
    pub se: Option<f64>,
    /// Positive predictivity (precision): of the beats called so, the part
    /// that is.
    pub ppv: Option<f64>,
    /// `2 TP / (2 TP + FP + FN)`.
    pub f1: Option<f64>,
    /// Reference beats of the class.
    pub support: u64,
}

impl Confusion {
    /// Counts one beat.
    pub fn add(&mut self, reference: Class, predicted: Class) {
        self.counts[reference.index()][predicted.index()] += 1;
    }

    /// The beats of a reference class that were called `predicted`.
    pub fn count(&self, reference: Class, predicted: Class) -> u64 {
        self.counts[reference.index()][predicted.index()]
    }

    /// Reference beats of a class.
    pub fn support(&self, class: Class) -> u64 {
        self.counts[class.index()].iter().sum()
    }

    /// All beats.
    pub fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    /// Beats called `class`.
    fn called(&self, class: Class) -> u64 {
        self.counts.iter().map(|row| row[class.index()]).sum()
    }

    fn correct(&self) -> u64 {
        Class::ALL.iter().map(|&c| self.count(c, c)).sum()
    }

    /// One class against all others.
    pub fn class(&self, class: Class) -> ClassScore {
        let hits = self.count(class, class);
        let (support, called) = (self.support(class), self.called(class));
        ClassScore {
            se: ratio(hits, support),
            ppv: ratio(hits, called),
            f1: ratio(2 * hits, support + called),
            support,
        }
    }

    /// The part of all beats whose class is right.
    pub fn accuracy(&self) -> Option<f64> {
        ratio(self.correct(), self.total())
    }

    /// Mean F1 over the classes that have reference beats. A class without any
    /// is left out, even if beats were called so.
    pub fn macro_f1(&self) -> Option<f64> {
        let scores: Vec<f64> = Class::ALL
            .iter()
            .map(|&c| self.class(c))
            .filter(|s| s.support > 0)
            .filter_map(|s| s.f1)
            .collect();
        (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
    }

    /// Cohen's kappa over the five classes: agreement beyond chance.
    pub fn kappa(&self) -> Option<f64> {
        let total = self.total() as f64;
        let chance: f64 = Class::ALL
            .iter()
            .map(|&c| (self.support(c) as f64 / total) * (self.called(c) as f64 / total))
            .sum();
        let kappa = (self.accuracy()? - chance) / (1.0 - chance);
        kappa.is_finite().then_some(kappa)
    }

    /// The jk index of Mar et al. (2011): half kappa, half the mean of
    /// sensitivity and predictivity of S and V. An undefined one of the four
    /// counts as 0.
    pub fn jk(&self) -> Option<f64> {
        let (s, v) = (self.class(Class::S), self.class(Class::V));
        let j: f64 = [s.se, s.ppv, v.se, v.ppv]
            .iter()
            .map(|x| x.unwrap_or(0.0))
            .sum();
        Some(0.5 * self.kappa()? + 0.125 * j)
    }

    /// The figures, for JSON.
    pub fn figures(&self) -> ConfusionFigures {
        ConfusionFigures {
            accuracy: self.accuracy(),
            macro_f1: self.macro_f1(),
            jk: self.jk(),
            kappa: self.kappa(),
            classes: PerClass(Class::ALL.map(|c| self.class(c))),
            confusion: *self,
        }
    }

    /// The classification report as text: a line per class, then the averages.
    pub fn report(&self) -> String {
        let mut text = String::from("           Se      +P      F1  support\n");
        let mut line = |name: &str, values: [Option<f64>; 3], support: u64| {
            let [se, ppv, f1] = values.map(percent);
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name:>5} {se:>7} {ppv:>7} {f1:>7} {support:>8}");
        };
        for class in Class::ALL {
            let score = self.class(class);
            line(class.name(), [score.se, score.ppv, score.f1], score.support);
        }
        let _ = writeln!(
            text,
            "\naccuracy {} %, macro F1 {} % (over classes with support), kappa {}, jk {}, {} beats",
            percent(self.accuracy()),
            percent(self.macro_f1()),
            fraction(self.kappa()),
            fraction(self.jk()),
            self.total(),
        );
        text
    }
}

impl AddAssign<&Confusion> for Confusion {
    fn add_assign(&mut self, other: &Confusion) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            for (a, b) in mine.iter_mut().zip(theirs) {
                *a += b;
            }
        }
    }
}

/// From pairs of reference and predicted class.
impl FromIterator<(Class, Class)> for Confusion {
    fn from_iter<T: IntoIterator<Item = (Class, Class)>>(pairs: T) -> Confusion {
        let mut confusion = Confusion::default();
        for (reference, predicted) in pairs {
            confusion.add(reference, predicted);
        }
        confusion
    }
}

impl<'a> std::iter::Sum<&'a Confusion> for Confusion {
    fn sum<I: Iterator<Item = &'a Confusion>>(parts: I) -> Confusion {
        let mut total = Confusion::default();
        for part in parts {
            total += part;
        }
        total
    }
}

/// A value for each class; a JSON object with the keys `N`, `S`, `V`, `F` and
/// `Q` in this order.
#[derive(Clone, Debug, PartialEq)]
pub struct PerClass<T>(pub [T; CLASSES]);

impl<T: Serialize> Serialize for PerClass<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(CLASSES))?;
        for (class, value) in Class::ALL.iter().zip(&self.0) {
            map.serialize_entry(class.name(), value)?;
        }
        map.end()
    }
}

/// The figures of a confusion matrix, as fractions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConfusionFigures {
    /// See [`Confusion::accuracy`].
    pub accuracy: Option<f64>,
    /// See [`Confusion::macro_f1`].
    pub macro_f1: Option<f64>,
    /// See [`Confusion::jk`].
    pub jk: Option<f64>,
    /// See [`Confusion::kappa`].
    pub kappa: Option<f64>,
    /// See [`Confusion::class`].
    pub classes: PerClass<ClassScore>,
    /// Beats by reference class, then by predicted class.
    pub confusion: Confusion,
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// A fraction as a percentage with two decimals; `-` when undefined.
pub fn percent(value: Option<f64>) -> String {
    value.map_or("-".into(), |v| format!("{:.2}", 100.0 * v))
}

/// A fraction with three decimals; `-` when undefined.
pub fn fraction(value: Option<f64>) -> String {
    value.map_or("-".into(), |v| format!("{v:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matrix(counts: [[u64; 5]; 5]) -> Confusion {
        Confusion { counts }
    }

    fn near(a: Option<f64>, b: f64) {
        assert!((a.unwrap() - b).abs() < 1e-9, "{a:?} is not {b}");
    }

    /// Against scikit-learn 1.9: `classification_report`, `cohen_kappa_score`.
    #[test]
    fn figures_agree_with_scikit_learn() {
        let confusion = matrix([
            [50, 3, 2, 0, 0],
            [4, 20, 1, 0, 0],
            [1, 0, 30, 2, 0],
            [2, 0, 1, 5, 0],
            [0, 0, 0, 0, 0],
        ]);
        let s = confusion.class(Class::S);
        near(s.se, 0.8);
        near(s.ppv, 20.0 / 23.0);
        near(s.f1, 5.0 / 6.0);
        assert_eq!(s.support, 25);
        near(confusion.accuracy(), 105.0 / 121.0);
        near(confusion.macro_f1(), 0.822_094_882_729_211);
        near(confusion.kappa(), 0.801_496_975_289_654_5);
        let j = 20.0 / 25.0 + 20.0 / 23.0 + 30.0 / 33.0 + 30.0 / 34.0;
        near(confusion.jk(), 0.5 * 0.801_496_975_289_654_5 + 0.125 * j);
    }

    #[test]
    fn what_is_undefined_is_not_a_number() {
        let nothing = Confusion::default();
        assert_eq!(nothing.accuracy(), None);
        assert_eq!(nothing.macro_f1(), None);
        assert_eq!(nothing.kappa(), None);
        let mut one_class = Confusion::default();
        one_class.add(Class::N, Class::N);
        // Chance alone explains the agreement.
        assert_eq!(one_class.kappa(), None);
        assert_eq!(one_class.class(Class::V).se, None);
        let json = serde_json::to_value(one_class.figures()).unwrap();
        assert!(json["classes"]["V"]["se"].is_null());
        assert_eq!(json["classes"]["N"]["f1"], 1.0);
        assert_eq!(json["accuracy"], 1.0);
        assert!(one_class.report().contains("-"));
    }

    #[test]
    fn false_calls_of_an_absent_class_do_not_enter_the_macro_average() {
        let mut confusion = Confusion::default();
        confusion.add(Class::N, Class::N);
        confusion.add(Class::N, Class::Q);
        near(confusion.macro_f1(), 2.0 / 3.0);
    }

    proptest! {
        #[test]
        fn figures_are_fractions_and_add_up(counts: [[u16; 5]; 5]) {
            let confusion = matrix(counts.map(|row| row.map(u64::from)));
            let supports: u64 = Class::ALL.iter().map(|&c| confusion.support(c)).sum();
            prop_assert_eq!(supports, confusion.total());
            for class in Class::ALL {
                let score = confusion.class(class);
                for value in [score.se, score.ppv, score.f1].into_iter().flatten() {
                    prop_assert!((0.0..=1.0).contains(&value));
                }
                if let (Some(se), Some(ppv), Some(f1)) = (score.se, score.ppv, score.f1) {
                    prop_assert!(f1 <= se.max(ppv) + 1e-12 && f1 >= se.min(ppv) - 1e-12);
                }
            }
            if let Some(kappa) = confusion.kappa() {
                prop_assert!((-1.0..=1.0).contains(&kappa));
            }
        }
    }
}
