//! Which test beat is which reference beat.

use super::matrix::{Beat, Matrix};
use crate::record::aami::{Class, Convention};
use crate::record::annotation::{Annotation, Symbol};

/// EC57: beats at most this far apart may be the same beat, in seconds.
const MATCH_WINDOW: f64 = 0.150;

/// Bits of a signal-quality annotation's subtype that say that the first two
/// signals are unreadable.
const UNREADABLE: i8 = 0x30;

/// What is compared, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Seconds at the start of the record in which a detector may still learn;
    /// beats before are not counted.
    pub start: f64,
    /// Whose class escape beats are.
    pub convention: Convention,
}

impl Default for Options {
    /// EC57: five minutes to learn.
    fn default() -> Options {
        Options {
            start: 300.0,
            convention: Convention::Bxb,
        }
    }
}

/// What the comparison of two annotators on one record found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Comparison {
    /// The beats by reference and test label.
    pub matrix: Matrix,
    /// Root mean square difference of the RR intervals in seconds.
    pub rr_error: Option<f64>,
}

/// Compares the beats of a test annotator with those of the reference. The
/// sample numbers of both count at `fs` samples per second.
///
/// Reference episodes of ventricular flutter or fibrillation (`[` to `]`) are
/// left out: test beats inside do not count, nor do RR intervals across.
pub fn compare(
    reference: &[Annotation],
    test: &[Annotation],
    fs: f64,
    options: &Options,
) -> Comparison {
    let fibrillation = Episodes::of(reference, |a| match a.symbol {
        Symbol::VF_ON => Some(true),
        Symbol::VF_OFF => Some(false),
        _ => None,
    });
    let unreadable = |annotations: &[Annotation]| {
        Episodes::of(annotations, |a| {
            (a.symbol == Symbol::NOISE).then_some(a.subtype & UNREADABLE == UNREADABLE)
        })
    };
    let beats = |annotations: &[Annotation]| -> Vec<(i64, Class)> {
        let mut beats: Vec<_> = annotations
            .iter()
            .filter(|a| !fibrillation.contains(a.sample))
            .filter_map(|a| Some((a.sample, Class::from_symbol(a.symbol, options.convention)?)))
            .collect();
        beats.sort_by_key(|b| b.0);
        beats
    };
    Matcher {
        reference: beats(reference),
        test: beats(test),
        reference_unreadable: unreadable(reference),
        test_unreadable: unreadable(test),
        fibrillation,
        window: (MATCH_WINDOW * fs).round() as i64,
        fs,
    }
    .run((options.start * fs).round() as i64)
}

struct Matcher {
    /// Sample and class, in order of time.
    reference: Vec<(i64, Class)>,
    test: Vec<(i64, Class)>,
    reference_unreadable: Episodes,
    test_unreadable: Episodes,
    fibrillation: Episodes,
    /// Largest distance of two beats that are one, in samples.
    window: i64,
    fs: f64,
}

impl Matcher {
    fn run(&self, start: i64) -> Comparison {
        let mut i = self.reference.partition_point(|b| b.0 < start);
        // A test beat shortly before the start may be the first reference beat.
        let test_start = time(&self.reference, i)
            .map_or(start, |first| start.min(first.saturating_sub(self.window)));
        let mut j = self.test.partition_point(|b| b.0 < test_start);

        let mut matrix = Matrix::default();
        let (mut squares, mut intervals) = (0.0, 0u64);
        while i < self.reference.len() || j < self.test.len() {
            if let Some(difference) = self.rr_difference(i, j) {
                squares += difference * difference;
                intervals += 1;
            }
            match (self.reference.get(i), self.test.get(j)) {
                (Some(&(_, reference)), Some(&(_, test))) if self.is_pair(i, j) => {
                    matrix.add(Beat::Class(reference), Beat::Class(test));
                    i += 1;
                    j += 1;
                }
                // The earlier of two that are not a pair stands alone.
                (reference, Some(&(t, test))) if reference.is_none_or(|r| t < r.0) => {
                    let nothing = absent(&self.reference_unreadable, t);
                    matrix.add(nothing, Beat::Class(test));
                    j += 1;
                }
                (Some(&(t, reference)), _) => {
                    let nothing = absent(&self.test_unreadable, t);
                    matrix.add(Beat::Class(reference), nothing);
                    i += 1;
                }
                (None, _) => break,
            }
        }
        let rr_error = (intervals > 0).then(|| (squares / intervals as f64).sqrt() / self.fs);
        Comparison { matrix, rr_error }
    }

    /// Whether reference beat `i` and test beat `j` are one: near enough, and
    /// the later of the two has no better partner in the successor of the
    /// earlier one.
    fn is_pair(&self, i: usize, j: usize) -> bool {
        let (Some(reference), Some(test)) = (time(&self.reference, i), time(&self.test, j)) else {
            return false;
        };
        let (earlier, later, successor) = if test < reference {
            (test, reference, time(&self.test, j + 1))
        } else {
            (reference, test, time(&self.reference, i + 1))
        };
        let distance = later.abs_diff(earlier);
        distance <= self.window.unsigned_abs()
            && successor.is_none_or(|next| distance < later.abs_diff(next))
    }

    /// Difference, in samples, of the RR intervals that end at reference beat
    /// `i` and test beat `j`. It is taken at every step of the comparison, as
    /// the reference comparator does: a missed or an extra beat counts twice.
    fn rr_difference(&self, i: usize, j: usize) -> Option<f64> {
        let (before, here) = (
            time(&self.reference, i.checked_sub(1)?)?,
            time(&self.reference, i)?,
        );
        if self.fibrillation.cut(before, here) || self.reference_unreadable.cut(before, here) {
            return None;
        }
        let (test_before, test_here) = (time(&self.test, j.checked_sub(1)?)?, time(&self.test, j)?);
        Some((here as f64 - before as f64) - (test_here as f64 - test_before as f64))
    }
}

fn time(beats: &[(i64, Class)], index: usize) -> Option<i64> {
    beats.get(index).map(|b| b.0)
}

/// How a side without a beat at `sample` is counted.
fn absent(unreadable: &Episodes, sample: i64) -> Beat {
    if unreadable.contains(sample) {
        Beat::Unreadable
    } else {
        Beat::None
    }
}

/// Parts of a record: first and last sample, in order, without overlap.
struct Episodes(Vec<(i64, i64)>);

impl Episodes {
    /// From annotations for which `switch` tells that an episode starts or
    /// ends. One without an end lasts to the end of the record.
    fn of(annotations: &[Annotation], switch: impl Fn(&Annotation) -> Option<bool>) -> Episodes {
        let mut switches: Vec<(i64, bool)> = annotations
            .iter()
            .filter_map(|a| Some((a.sample, switch(a)?)))
            .collect();
        switches.sort_by_key(|s| s.0);
        let mut episodes = Vec::new();
        let mut start = None;
        for (sample, on) in switches {
            if on {
                start.get_or_insert(sample);
            } else if let Some(start) = start.take() {
                episodes.push((start, sample));
            }
        }
        episodes.extend(start.map(|s| (s, i64::MAX)));
        Episodes(episodes)
    }

    /// The first episode that ends at `sample` or later.
    fn ending_from(&self, sample: i64) -> Option<&(i64, i64)> {
        self.0.get(self.0.partition_point(|e| e.1 < sample))
    }

    fn contains(&self, sample: i64) -> bool {
        self.ending_from(sample).is_some_and(|e| e.0 <= sample)
    }

    /// Whether an episode lies between two samples, wholly or in part.
    fn cut(&self, from: i64, to: i64) -> bool {
        self.ending_from(from.saturating_add(1))
            .is_some_and(|e| e.0 < to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// At 1000 Hz a sample is a millisecond.
    const FS: f64 = 1000.0;
    const WHOLE: Options = Options {
        start: 0.0,
        convention: Convention::Bxb,
    };

    fn beats(samples: &[i64]) -> Vec<Annotation> {
        samples
            .iter()
            .map(|&s| Annotation::new(s, Symbol::N))
            .collect()
    }

    /// Pairs, missed and extra beats.
    fn outcome(reference: &[i64], test: &[i64]) -> (u64, u64, u64) {
        let found = compare(&beats(reference), &beats(test), FS, &WHOLE);
        let n = Beat::Class(Class::N);
        (
            found.matrix.count(n, n),
            found.matrix.count(n, Beat::None),
            found.matrix.count(Beat::None, n),
        )
    }

    #[test]
    fn beats_match_up_to_150_ms() {
        assert_eq!(outcome(&[1000], &[1150]), (1, 0, 0));
        assert_eq!(outcome(&[1000], &[850]), (1, 0, 0));
        assert_eq!(outcome(&[1000], &[1151]), (0, 1, 1));
        assert_eq!(outcome(&[1000], &[]), (0, 1, 0));
        assert_eq!(outcome(&[], &[1000]), (0, 0, 1));
    }

    #[test]
    fn the_nearer_of_two_candidates_is_taken() {
        // Two test beats near one reference beat, the second nearer.
        assert_eq!(outcome(&[1000], &[900, 1010]), (1, 0, 1));
        // Two reference beats near one test beat, the second nearer.
        assert_eq!(outcome(&[1000, 1140], &[1130]), (1, 1, 0));
        // Equally near: the later one.
        assert_eq!(outcome(&[1000], &[900, 1100]), (1, 0, 1));
    }

    #[test]
    fn a_test_beat_before_the_start_may_match_the_first_reference_beat() {
        let options = Options {
            start: 1.0,
            ..WHOLE
        };
        let n = Beat::Class(Class::N);
        let found = compare(&beats(&[500, 1010]), &beats(&[500, 990]), FS, &options);
        assert_eq!(found.matrix.count(n, n), 1);
        assert_eq!(found.matrix.sum(&Beat::ALL, &Beat::ALL), 1);
        // And one that is the last beat of the learning period does not count.
        let found = compare(&beats(&[980, 1800]), &beats(&[985, 1800]), FS, &options);
        assert_eq!(found.matrix.sum(&Beat::ALL, &Beat::ALL), 1);
    }

    #[test]
    fn fibrillation_is_left_out() {
        let mut reference = beats(&[1000, 9000]);
        reference.insert(1, Annotation::new(2000, Symbol::VF_ON));
        reference.insert(2, Annotation::new(8000, Symbol::VF_OFF));
        let found = compare(&reference, &beats(&[1000, 3000, 7000, 9020]), FS, &WHOLE);
        assert_eq!(found.matrix.sum(&Beat::ALL, &Beat::ALL), 2);
        assert_eq!(found.rr_error, None);
    }

    #[test]
    fn extra_beats_in_unreadable_signal_are_told_apart() {
        let mut reference = beats(&[1000, 9000]);
        let quality = |sample, subtype| Annotation {
            subtype,
            ..Annotation::new(sample, Symbol::NOISE)
        };
        reference.insert(1, quality(2000, -1));
        reference.insert(2, quality(8000, 0));
        let found = compare(&reference, &beats(&[1000, 3000, 8500, 9000]), FS, &WHOLE);
        let n = Beat::Class(Class::N);
        assert_eq!(found.matrix.count(Beat::Unreadable, n), 1);
        assert_eq!(found.matrix.count(Beat::None, n), 1);
    }

    #[test]
    fn escape_beats_follow_the_convention() {
        let reference = [Annotation::new(1000, Symbol::from_mnemonic("j").unwrap())];
        for (convention, class) in [
            (Convention::Bxb, Class::S),
            (Convention::Literature, Class::N),
        ] {
            let options = Options {
                convention,
                ..WHOLE
            };
            let found = compare(&reference, &beats(&[1000]), FS, &options);
            assert_eq!(found.matrix.support(&[Beat::Class(class)]), 1);
        }
    }

    proptest! {
        #[test]
        fn every_beat_is_counted_once(
            reference in prop::collection::vec((any::<i64>(), 1u8..42), 0..40),
            test in prop::collection::vec((-3000i64..3000, 1u8..42), 0..40),
            fs in 1.0f64..2000.0,
        ) {
            let annotate = |list: &[(i64, u8)]| -> Vec<Annotation> {
                list.iter().map(|&(s, c)| Annotation::new(s, Symbol::from_code(c).unwrap())).collect()
            };
            let (reference, test) = (annotate(&reference), annotate(&test));
            let options = Options { start: -1e30, ..WHOLE };
            let found = compare(&reference, &test, fs, &options);
            let fibrillation = reference.iter().any(|a| a.symbol == Symbol::VF_ON);
            let classes: Vec<Beat> = Class::ALL.map(Beat::Class).to_vec();
            let is_beat = |a: &&Annotation| Class::from_symbol(a.symbol, Convention::Bxb).is_some();
            if !fibrillation {
                prop_assert_eq!(found.matrix.support(&classes), reference.iter().filter(is_beat).count() as u64);
                prop_assert_eq!(found.matrix.sum(&Beat::ALL, &classes), test.iter().filter(is_beat).count() as u64);
            }
        }
    }
}
