//! Which test beat is which reference beat.

use super::annotator::{Annotator, Shutdown};
use super::matrix::{Beat, Matrix};
use crate::record::aami::Convention;
use crate::record::annotation::Annotation;

/// EC57: beats at most this far apart may be the same beat, in seconds.
pub(super) const MATCH_WINDOW: f64 = 0.150;

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

/// What two annotators say of one record.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// Annotations of the reference.
    pub reference: &'a [Annotation],
    /// Annotations that are tested.
    pub test: &'a [Annotation],
    /// Samples per second in which the sample numbers of both count.
    pub fs: f64,
    /// Length of the record in samples; the comparison ends there. Without
    /// one it ends with the last reference beat.
    pub length: Option<i64>,
}

impl Pair<'_> {
    /// A time in seconds as a sample number.
    pub(super) fn samples(&self, seconds: f64) -> i64 {
        (seconds * self.fs).round() as i64
    }

    /// The match window in samples.
    pub(super) fn window(&self) -> i64 {
        self.samples(MATCH_WINDOW)
    }
}

/// What one step of the comparison found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A pair, a missed or an extra beat: the cell of the matrix.
    Cell {
        /// What the reference says.
        reference: Beat,
        /// What the test annotator says.
        test: Beat,
    },
    /// A test beat in the reference's fibrillation, which is not counted.
    InFibrillation(Beat),
    /// A flutter wave (`!`) of the test annotator outside brackets, which is
    /// no beat.
    FlutterWave,
}

/// One step of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What was found.
    pub finding: Finding,
    /// Sample of the reference beat or, of a test beat alone, of the next
    /// reference beat, if there is one.
    pub reference_sample: Option<i64>,
    /// Sample of the test beat, or of the next one after a missed beat.
    pub test_sample: Option<i64>,
    /// Index of the test beat's annotation, in order of time.
    pub(super) annotation: Option<usize>,
}

/// What the comparison of two annotators on one record found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// The beats by reference and test label.
    pub matrix: Matrix,
    /// Root mean square difference of the RR intervals in seconds.
    pub rr_error: Option<f64>,
    /// Length of all shutdowns of the test annotator, those of the learning
    /// period included, in whole seconds.
    pub shutdown_seconds: i64,
    /// The comparison step by step, in order of time.
    pub steps: Vec<Step>,
}

/// Compares the beats of a test annotator with those of the reference.
///
/// The two lists of beats are walked side by side. The earlier of the two
/// current beats is paired with the other one if they are at most 150 ms apart
/// and the later one has no better partner in the successor of the earlier
/// one; a successor that has itself a better partner in the successor of the
/// later beat is no rival. Otherwise the earlier beat stands alone: missed or
/// extra, `X` where the other annotator has marked the signal unreadable.
///
/// * An annotator's own fibrillation (`[` to `]`) holds no beats of that
///   annotator. Test beats that are alone in the reference's fibrillation are
///   not counted.
/// * The last test beat of the learning period is compared if it is the best
///   partner of the first reference beat. If it is not, the first test beat
///   is left out where it follows the start within the window and the second
///   one is nearer to the first reference beat.
/// * Beats after the end of the record are partners only.
/// * At every step that has both, the RR intervals that end at the current
///   beats are compared, so that one beside a missed or an extra beat counts
///   twice.
///
/// All is as WFDB's `bxb` has it, except where that errs:
/// * it forgets all but the last two episodes of fibrillation and the last two
///   shutdowns, and the end of the one before serves for one that has no end:
///   here every episode counts, and one without end lasts to the end of the
///   record;
/// * it pairs flutter waves (`!`) outside brackets: here they are no beats, and
///   only begin and end RR intervals as they do there;
/// * it drops the first test beat within the window after the start when the
///   reference has no beat left: here that is an extra beat;
/// * with a start of 0 it loses test beats at sample 0: here they count.
///
/// ```
/// use data::record::annotation::{Annotation, Symbol};
/// use data::scoring::ec57::{AggregateStatistics, Options, Pair, compare};
///
/// let beats = |beats: [(i64, Symbol); 4]| beats.map(|(at, symbol)| Annotation::new(at, symbol));
/// let (n, v) = (Symbol::N, Symbol::V);
/// let reference = beats([(250, n), (500, v), (750, n), (1000, n)]);
/// // The beat at 750 is missed, and one at 875 invented.
/// let test = beats([(252, n), (505, v), (875, n), (1000, n)]);
/// let pair = Pair { reference: &reference, test: &test, fs: 250.0, length: Some(1250) };
/// let options = Options { start: 0.0, ..Options::default() };
/// let found = compare(&pair, &options);
/// let gross = AggregateStatistics::new(&[("100".into(), found)]).gross;
/// assert_eq!((gross.qrs.se, gross.qrs.ppv), (Some(0.75), Some(0.75)));
/// assert_eq!((gross.v.se, gross.v.ppv), (Some(1.0), Some(1.0)));
/// ```
pub fn compare(pair: &Pair<'_>, options: &Options) -> Comparison {
    let window = pair.window();
    let read = |annotations| Annotator::read(annotations, options.convention, window);
    let matcher = Matcher {
        reference: read(pair.reference),
        test: read(pair.test),
        window,
        length: pair.length,
    };
    let walk = matcher.walk(pair.samples(options.start));
    let mut matrix = Matrix::default();
    for step in &walk.steps {
        if let Finding::Cell { reference, test } = step.finding {
            matrix.add(reference, test);
        }
    }
    // As `bxb` rounds: half a second is added, then whole seconds are counted.
    let shut_down = matcher
        .shutdown_samples(walk.test_read)
        .saturating_add(pair.samples(0.5));
    Comparison {
        matrix,
        rr_error: walk.rr_error().map(|samples| samples / pair.fs),
        shutdown_seconds: shut_down / pair.samples(1.0).max(1),
        steps: walk.steps,
    }
}

struct Matcher {
    reference: Annotator,
    test: Annotator,
    /// Largest distance of two beats that are one, in samples.
    window: i64,
    /// Of the record, in samples.
    length: Option<i64>,
}

/// The steps of a comparison and what they add up to.
#[derive(Default)]
struct Walk {
    steps: Vec<Step>,
    /// Sum of the squared differences of RR intervals, and their number.
    squares: f64,
    intervals: u64,
    /// The test beats that were looked at.
    test_read: usize,
}

impl Walk {
    /// In samples.
    fn rr_error(&self) -> Option<f64> {
        (self.intervals > 0).then(|| (self.squares / self.intervals as f64).sqrt())
    }
}

impl Matcher {
    fn walk(&self, start: i64) -> Walk {
        let mut walk = Walk::default();
        let first = |side: &Annotator| side.beats.partition_point(|b| b.sample < start);
        let (mut i, mut j) = (first(&self.reference), first(&self.test));
        let first = self.reference.beat_from(i);
        if let Some(last_learnt) = self.test.beat_before(j)
            && self.is_first_pair(first, last_learnt)
        {
            self.step(
                &mut walk,
                first,
                last_learnt,
                Some(self.pair(first, last_learnt)),
            );
            i = first + 1;
        } else if self.is_left_out(first, self.test.beat_from(j), start) {
            j = self.test.beat_from(j) + 1;
        }
        while self.goes_on(i, j) {
            let (reference, test) = (self.reference.sample(i), self.test.sample(j));
            let (beat, tested) = (self.reference.beat_from(i), self.test.beat_from(j));
            if test.is_some_and(|t| reference.is_none_or(|r| t < r)) {
                // The test annotator's beat or wave is the earlier one.
                if tested == j && self.is_pair(beat, j) {
                    self.step(&mut walk, beat, j, Some(self.pair(beat, j)));
                    i = beat + 1;
                } else {
                    self.step(&mut walk, i, j, Some(self.extra(j)));
                }
                j += 1;
            } else {
                if beat == i && self.is_pair(i, tested) {
                    self.step(&mut walk, i, tested, Some(self.pair(i, tested)));
                    j = tested + 1;
                } else {
                    self.step(&mut walk, i, j, self.missed(i));
                }
                i += 1;
            }
        }
        walk.test_read = j.saturating_add(2);
        walk
    }

    fn goes_on(&self, i: usize, j: usize) -> bool {
        let (reference, test) = (self.reference.sample(i), self.test.sample(j));
        match self.length {
            Some(end) => [reference, test].into_iter().flatten().any(|b| b <= end),
            None => reference.is_some(),
        }
    }

    /// Whether the last test beat of the learning period is the first
    /// reference beat.
    fn is_first_pair(&self, i: usize, j: usize) -> bool {
        let (Some(reference), Some(test)) = (self.reference.sample(i), self.test.sample(j)) else {
            return false;
        };
        let distance = reference.abs_diff(test);
        let next = self.test.sample(self.test.beat_from(j + 1));
        distance <= self.window.unsigned_abs()
            && next.is_none_or(|next| distance < reference.abs_diff(next))
    }

    /// Whether the first test beat is left out: it may belong to a reference
    /// beat of the learning period.
    fn is_left_out(&self, i: usize, j: usize, start: i64) -> bool {
        let (Some(reference), Some(test)) = (self.reference.sample(i), self.test.sample(j)) else {
            return false;
        };
        let is_nearer = |next: i64| reference.abs_diff(next) < reference.abs_diff(test);
        let next = self.test.sample(self.test.beat_from(j + 1));
        start > 0
            && test.abs_diff(start) <= self.window.unsigned_abs()
            && next.is_some_and(is_nearer)
    }

    /// Whether reference beat `i` and test beat `j` are one.
    fn is_pair(&self, i: usize, j: usize) -> bool {
        let (Some(reference), Some(test)) = (self.reference.sample(i), self.test.sample(j)) else {
            return false;
        };
        let after_reference = self.reference.sample(self.reference.beat_from(i + 1));
        let after_test = self.test.sample(self.test.beat_from(j + 1));
        let (later, rival, partner) = if test < reference {
            (reference, after_test, after_reference)
        } else {
            (test, after_reference, after_test)
        };
        let distance = reference.abs_diff(test);
        let is_no_rival = |rival: i64| {
            let lure = later.abs_diff(rival);
            distance < lure || partner.is_some_and(|p| p.abs_diff(rival) < lure)
        };
        distance <= self.window.unsigned_abs() && rival.is_none_or(is_no_rival)
    }

    fn pair(&self, i: usize, j: usize) -> Finding {
        Finding::Cell {
            reference: said(&self.reference, i),
            test: said(&self.test, j),
        }
    }

    /// A reference beat alone; `None` for a flutter wave.
    fn missed(&self, i: usize) -> Option<Finding> {
        let beat = self.reference.beats.get(i)?;
        Some(Finding::Cell {
            reference: Beat::Class(beat.class?),
            test: absent(&self.test, beat.sample),
        })
    }

    /// A test beat alone.
    fn extra(&self, j: usize) -> Finding {
        let test = said(&self.test, j);
        match self.test.beats.get(j) {
            Some(beat) if beat.class.is_none() => Finding::FlutterWave,
            Some(beat) if self.reference.fibrillates(beat.sample) => Finding::InFibrillation(test),
            beat => Finding::Cell {
                reference: beat.map_or(Beat::None, |b| absent(&self.reference, b.sample)),
                test,
            },
        }
    }

    /// Counts the difference of the RR intervals that end at reference beat
    /// `i` and test beat `j`, and notes what was found.
    fn step(&self, walk: &mut Walk, i: usize, j: usize, finding: Option<Finding>) {
        if let (Some(reference), Some(test)) = (self.reference.interval(i), self.test.interval(j)) {
            let difference = reference as f64 - test as f64;
            walk.squares += difference * difference;
            walk.intervals += 1;
        }
        walk.steps.extend(finding.map(|finding| Step {
            finding,
            reference_sample: self.reference.sample(i),
            test_sample: self.test.sample(j),
            annotation: self.test.beats.get(j).map(|b| b.annotation),
        }));
    }

    /// Samples of the test annotator's shutdowns that are annotated before the
    /// last beat that was looked at. One without end lasts to the end of the
    /// record, where that is known.
    fn shutdown_samples(&self, test_read: usize) -> i64 {
        let length = |shutdown: &Shutdown| match (shutdown.to, self.length) {
            (i64::MAX, None) => 0,
            (i64::MAX, Some(end)) => end.saturating_sub(shutdown.from).max(0),
            (to, _) => to.saturating_sub(shutdown.from),
        };
        let is_read = |s: &&Shutdown| s.before < test_read;
        let lengths = self.test.shutdowns.iter().filter(is_read).map(length);
        lengths.fold(0, i64::saturating_add)
    }
}

/// What an annotator says at one of its beats.
fn said(annotator: &Annotator, index: usize) -> Beat {
    let class = annotator.beats.get(index).and_then(|b| b.class);
    class.map_or(Beat::None, Beat::Class)
}

/// What an annotator without a beat at a sample says.
fn absent(annotator: &Annotator, sample: i64) -> Beat {
    if annotator.is_unreadable(sample) {
        Beat::Unreadable
    } else {
        Beat::None
    }
}
