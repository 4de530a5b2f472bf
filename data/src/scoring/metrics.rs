//! How good a classifier is: the confusion matrix and what follows from it,
//! calibration, and intervals over patients.
//!
//! A ratio whose denominator is zero is undefined: `None`, `-` in print and
//! `null` in JSON.

mod bootstrap;
mod calibration;

use std::fmt::Write;
use std::ops::AddAssign;

use serde::{Serialize, Serializer};

use crate::record::aami::Class;
use crate::record::classes::{BeatClass, Classes};
use crate::record::error::{Error, Result, ensure};

pub use bootstrap::{Interval, bootstrap, percentile};
pub use calibration::{RiskPoint, calibration_error, risk_coverage};

/// Beats by reference class (row) and predicted class (column), both as places
/// in a list of classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: Classes,
    /// `counts[reference][predicted]`.
    counts: Vec<Vec<u64>>,
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
    /// No beats yet, of these classes.
    pub fn new(classes: &Classes) -> Confusion {
        Confusion {
            classes: classes.clone(),
            counts: vec![vec![0; classes.len()]; classes.len()],
        }
    }

    /// Beats counted before, `counts[reference][predicted]`.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the counts are not as many as the classes.
    pub fn of_counts(classes: &Classes, counts: Vec<Vec<u64>>) -> Result<Confusion> {
        let side = classes.len();
        let square = counts.len() == side && counts.iter().all(|row| row.len() == side);
        ensure(square, || {
            Error::Invalid(format!(
                "the confusion matrix has {} rows; expected {side} x {side} counts",
                counts.len()
            ))
        })?;
        Ok(Confusion {
            classes: classes.clone(),
            counts,
        })
    }

    /// What rows and columns stand for.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// Counts one beat.
    ///
    /// # Panics
    /// When a place is beyond the classes.
    pub fn add(&mut self, reference: usize, predicted: usize) {
        self.counts[reference][predicted] += 1;
    }

    /// The beats of a reference class that were called `predicted`.
    pub fn count(&self, reference: usize, predicted: usize) -> u64 {
        self.counts[reference][predicted]
    }

    /// Reference beats of a class.
    pub fn support(&self, class: usize) -> u64 {
        self.counts[class].iter().sum()
    }

    /// All beats.
    pub fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    /// Beats called `class`.
    fn called(&self, class: usize) -> u64 {
        self.counts.iter().map(|row| row[class]).sum()
    }

    /// Places of all classes.
    fn places(&self) -> std::ops::Range<usize> {
        0..self.classes.len()
    }

    fn correct(&self) -> u64 {
        self.places().map(|c| self.count(c, c)).sum()
    }

    /// One class against all others.
    pub fn class(&self, class: usize) -> ClassScore {
        self.together(&[class])
    }

    /// All classes of beats of this class of EC57 against all others; `None`
    /// when there is no such class.
    pub fn aami(&self, class: Class) -> Option<ClassScore> {
        let places = self.classes.of_aami(class);
        (!places.is_empty()).then(|| self.together(&places))
    }

    /// The classes at these places, as if they were one, against all others.
    pub fn together(&self, places: &[usize]) -> ClassScore {
        let sum = |of: &dyn Fn(usize) -> u64| places.iter().map(|&c| of(c)).sum::<u64>();
        let hits = sum(&|r| places.iter().map(|&p| self.count(r, p)).sum());
        let (support, called) = (sum(&|c| self.support(c)), sum(&|c| self.called(c)));
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
        let scores: Vec<f64> = self
            .places()
            .map(|c| self.class(c))
            .filter(|s| s.support > 0)
            .filter_map(|s| s.f1)
            .collect();
        (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
    }

    /// Cohen's kappa over the classes: agreement beyond chance.
    pub fn kappa(&self) -> Option<f64> {
        let total = self.total() as f64;
        let chance: f64 = self
            .places()
            .map(|c| (self.support(c) as f64 / total) * (self.called(c) as f64 / total))
            .sum();
        let kappa = (self.accuracy()? - chance) / (1.0 - chance);
        kappa.is_finite().then_some(kappa)
    }

    /// The jk index of Mar et al. (2011): half kappa, half the mean of
    /// sensitivity and predictivity of S and V. An undefined one of the four
    /// counts as 0; without a class of S or of V there is no jk.
    pub fn jk(&self) -> Option<f64> {
        let (s, v) = (self.aami(Class::S)?, self.aami(Class::V)?);
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
            classes: PerClass::of(&self.classes, |c| self.class(c)),
            confusion: self.clone(),
        }
    }

    /// The classification report as text: a line per class, then the averages.
    pub fn report(&self) -> String {
        let width = self.classes.names().map(str::len).fold(5, usize::max);
        let mut text = format!(
            "{:width$} {:>7} {:>7} {:>7} {:>8}\n",
            "", "Se", "+P", "F1", "support"
        );
        let mut line = |name: &str, values: [Option<f64>; 3], support: u64| {
            let [se, ppv, f1] = values.map(percent);
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name:>width$} {se:>7} {ppv:>7} {f1:>7} {support:>8}");
        };
        for (c, name) in self.classes.names().enumerate() {
            let score = self.class(c);
            line(name, [score.se, score.ppv, score.f1], score.support);
        }
        let jk = match self.jk() {
            None if self.classes.lacking().is_some() => String::new(),
            jk => format!(", jk {}", fraction(jk)),
        };
        let _ = writeln!(
            text,
            "\naccuracy {} %, macro F1 {} % (over classes with support), kappa {}{jk}, {} beats",
            percent(self.accuracy()),
            percent(self.macro_f1()),
            fraction(self.kappa()),
            self.total(),
        );
        text
    }

    /// The sum of matrices of the same classes; `None` for none.
    pub fn sum<'a>(mut parts: impl Iterator<Item = &'a Confusion>) -> Option<Confusion> {
        let first = parts.next()?.clone();
        Some(parts.fold(first, |mut sum, part| {
            sum += part;
            sum
        }))
    }
}

/// Rows of counts alone, as JSON.
impl Serialize for Confusion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.counts.serialize(serializer)
    }
}

impl AddAssign<&Confusion> for Confusion {
    fn add_assign(&mut self, other: &Confusion) {
        debug_assert_eq!(self.classes, other.classes);
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            for (a, b) in mine.iter_mut().zip(theirs) {
                *a += b;
            }
        }
    }
}

/// A value for each class; a JSON object with the names of the classes as keys,
/// in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct PerClass<T>(Vec<(String, T)>);

impl<T> PerClass<T> {
    /// The value of each class, from its place.
    pub fn of(classes: &Classes, value: impl Fn(usize) -> T) -> PerClass<T> {
        let named = classes.iter().map(BeatClass::name).enumerate();
        PerClass(named.map(|(c, name)| (name.to_owned(), value(c))).collect())
    }

    /// The values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The value of the class at a place.
    ///
    /// # Panics
    /// When there is no such place.
    pub fn at(&self, class: usize) -> &T {
        &self.0[class].1
    }
}

impl<T: Serialize> Serialize for PerClass<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
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

/// Mean and sample standard deviation of the values that are defined: the mean
/// of none is undefined, as is the deviation of fewer than two.
pub fn mean_and_deviation(values: impl Iterator<Item = Option<f64>>) -> [Option<f64>; 2] {
    let values: Vec<f64> = values.flatten().collect();
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    [
        (count >= 1.0).then_some(mean),
        (count >= 2.0).then(|| (squares / (count - 1.0)).sqrt()),
    ]
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
        let counts = counts.map(|row| row.to_vec()).to_vec();
        Confusion::of_counts(&Classes::aami5(), counts).unwrap()
    }

    const N: usize = 0;
    const S: usize = 1;
    const V: usize = 2;
    const Q: usize = 4;

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
        let s = confusion.class(S);
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
    fn the_deviation_is_that_of_a_sample() {
        let values = [Some(1.0), None, Some(2.0), Some(6.0)];
        let [mean, deviation] = mean_and_deviation(values.into_iter());
        // By hand: (4 + 1 + 9) / 2 = 7.
        assert_eq!((mean, deviation), (Some(3.0), Some(7.0_f64.sqrt())));
        assert_eq!(
            mean_and_deviation([Some(4.0)].into_iter()),
            [Some(4.0), None]
        );
        assert_eq!(mean_and_deviation([None].into_iter()), [None, None]);
    }

    #[test]
    fn what_is_undefined_is_not_a_number() {
        let nothing = Confusion::new(&Classes::aami5());
        assert_eq!(nothing.accuracy(), None);
        assert_eq!(nothing.macro_f1(), None);
        assert_eq!(nothing.kappa(), None);
        let mut one_class = Confusion::new(&Classes::aami5());
        one_class.add(N, N);
        // Chance alone explains the agreement.
        assert_eq!(one_class.kappa(), None);
        assert_eq!(one_class.class(V).se, None);
        let json = serde_json::to_value(one_class.figures()).unwrap();
        assert!(json["classes"]["V"]["se"].is_null());
        assert_eq!(json["classes"]["N"]["f1"], 1.0);
        assert_eq!(json["accuracy"], 1.0);
        assert!(one_class.report().contains("-"));
    }

    #[test]
    fn false_calls_of_an_absent_class_do_not_enter_the_macro_average() {
        let mut confusion = Confusion::new(&Classes::aami5());
        confusion.add(N, N);
        confusion.add(N, Q);
        near(confusion.macro_f1(), 2.0 / 3.0);
    }

    #[test]
    fn classes_of_one_ec57_class_count_together_for_jk() {
        let classes: Classes = "symbols N L A V".parse().unwrap();
        let mut confusion = Confusion::new(&classes);
        for (reference, predicted) in [(0, 1), (1, 1), (2, 2), (3, 3), (3, 0)] {
            confusion.add(reference, predicted);
        }
        let n = confusion.aami(Class::N).unwrap();
        assert_eq!((n.support, n.se, n.ppv), (2, Some(1.0), Some(2.0 / 3.0)));
        assert_eq!(confusion.aami(Class::F), None);
        assert!(confusion.jk().is_some());
        let two = Confusion::new(&"ptbdb".parse().unwrap());
        assert_eq!(two.jk(), None);
        assert!(two.report().contains("abnormal") && !two.report().contains("jk"));
    }

    proptest! {
        #[test]
        fn figures_are_fractions_and_add_up(counts: [[u16; 5]; 5]) {
            let confusion = matrix(counts.map(|row| row.map(u64::from)));
            let supports: u64 = (0..5).map(|c| confusion.support(c)).sum();
            prop_assert_eq!(supports, confusion.total());
            for class in 0..5 {
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
