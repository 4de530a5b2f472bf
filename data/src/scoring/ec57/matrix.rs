//! The beat-by-beat comparison matrix of EC57 and its figures.

use std::ops::AddAssign;

use serde::Serialize;

use crate::record::aami::Class;

/// Rows (reference) and columns (test): the five classes, then no beat, then
/// no beat in a part of the signal that is marked unreadable.
const SIDE: usize = Class::ALL.len() + 2;

/// One side of a comparison: a beat of a class, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// A beat.
    Class(Class),
    /// No beat (`O`): the other side's beat is missed or extra.
    None,
    /// No beat, while this side has marked the signal unreadable (`X`).
    Unreadable,
}

impl Beat {
    /// All of a row, in the order of the report.
    pub const ALL: [Beat; SIDE] = [
        Beat::Class(Class::N),
        Beat::Class(Class::S),
        Beat::Class(Class::V),
        Beat::Class(Class::F),
        Beat::Class(Class::Q),
        Beat::None,
        Beat::Unreadable,
    ];

    fn index(self) -> usize {
        match self {
            Beat::Class(class) => class.index(),
            Beat::None => SIDE - 2,
            Beat::Unreadable => SIDE - 1,
        }
    }

    /// The letter of the report's rows.
    pub fn letter(self) -> char {
        ['N', 'S', 'V', 'F', 'Q', 'O', 'X'][self.index()]
    }
}

/// Beats by what the reference (row) and the test annotator (column) say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Matrix {
    counts: [[u64; SIDE]; SIDE],
}

/// A fraction that remembers its terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    /// Numerator.
    pub part: u64,
    /// Denominator.
    pub whole: u64,
}

impl Ratio {
    /// The fraction; `None` when nothing could have been counted.
    pub fn value(self) -> Option<f64> {
        (self.whole > 0).then(|| self.part as f64 / self.whole as f64)
    }

    /// The fraction in percent, rounded once.
    pub fn percent(self) -> Option<f64> {
        (self.whole > 0).then(|| 100.0 * self.part as f64 / self.whole as f64)
    }
}

/// Sensitivity and positive predictivity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Sensitivity.
    pub se: Ratio,
    /// Positive predictivity.
    pub ppv: Ratio,
}

/// The three figures of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figures<T> {
    /// Beats of any class: detection.
    pub qrs: T,
    /// Ventricular ectopic beats.
    pub v: T,
    /// Supraventricular ectopic beats.
    pub s: T,
}

// The letters of EC57's tables.
pub(super) const O: Beat = Beat::None;
pub(super) const X: Beat = Beat::Unreadable;
pub(super) const N: Beat = Beat::Class(Class::N);
pub(super) const S: Beat = Beat::Class(Class::S);
pub(super) const V: Beat = Beat::Class(Class::V);
pub(super) const F: Beat = Beat::Class(Class::F);
pub(super) const Q: Beat = Beat::Class(Class::Q);

impl Matrix {
    /// Counts one beat.
    pub fn add(&mut self, reference: Beat, test: Beat) {
        self.counts[reference.index()][test.index()] += 1;
    }

    /// The beats in one cell.
    pub fn count(&self, reference: Beat, test: Beat) -> u64 {
        self.counts[reference.index()][test.index()]
    }

    /// The beats in a block of cells.
    pub fn sum(&self, reference: &[Beat], test: &[Beat]) -> u64 {
        let row = |r: &Beat| test.iter().map(|t| self.count(*r, *t)).sum::<u64>();
        reference.iter().map(row).sum()
    }

    /// Reference beats of these classes, found or not.
    pub fn support(&self, classes: &[Beat]) -> u64 {
        self.sum(classes, &Beat::ALL)
    }

    /// The same beats with S put under N, on both sides.
    #[must_use]
    pub fn s_as_n(&self) -> Matrix {
        let side = |beat| if beat == S { N } else { beat };
        let mut matrix = Matrix::default();
        for row in Beat::ALL {
            for column in Beat::ALL {
                matrix.counts[side(row).index()][side(column).index()] += self.count(row, column);
            }
        }
        matrix
    }

    /// How many of the beats that are not V are called V; beats that are F or
    /// Q and called V count neither way.
    pub fn v_false_positives(&self) -> Ratio {
        let part = self.sum(&[N, S, O, X], &[V]);
        let others = self.sum(&[N, S, F, Q, O, X], &[N, S, F, Q]);
        Ratio {
            part,
            whole: part + others,
        }
    }

    /// Sensitivity and positive predictivity of detection, V and S.
    ///
    /// A beat that is F or Q in the reference and called V counts neither for
    /// nor against V, nor does one that is Q and called S.
    pub fn figures(&self) -> Figures<Figure> {
        self.figures_with(&[N, S, V, F, O, X])
    }

    /// The figures that gross and average figures are made of. The reference's
    /// summary program works from line reports, which do not tell F from Q: it
    /// also leaves out beats that are F in the reference and called S.
    pub fn summary_figures(&self) -> Figures<Figure> {
        self.figures_with(&[N, S, V, O, X])
    }

    /// The figures, given the reference beats that count when they are called S.
    fn figures_with(&self, called_s: &[Beat]) -> Figures<Figure> {
        let beats = [N, S, V, F, Q];
        let figure = |hit: &[Beat], called_on: &[Beat], as_: &[Beat]| {
            let part = self.sum(hit, as_);
            Figure {
                se: Ratio {
                    part,
                    whole: self.support(hit),
                },
                ppv: Ratio {
                    part,
                    whole: self.sum(called_on, as_),
                },
            }
        };
        Figures {
            qrs: figure(&beats, &Beat::ALL, &beats),
            v: figure(&[V], &[N, S, V, O, X], &[V]),
            s: figure(&[S], called_s, &[S]),
        }
    }
}

impl AddAssign<&Matrix> for Matrix {
    fn add_assign(&mut self, other: &Matrix) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            for (a, b) in mine.iter_mut().zip(theirs) {
                *a += b;
            }
        }
    }
}
