//! The steps of a comparison one by one: as the messages of `bxb -v` and as
//! the annotations of `bxb -o`.

use super::annotator::sorted;
use super::matching::{Comparison, Finding, Step};
use super::matrix::Beat;
use crate::record::annotation::{Annotation, Symbol};

/// Letter of a test beat's reference that is an episode of fibrillation.
const FIBRILLATION: char = '*';

impl Step {
    /// Letters of the reference and of the test annotator.
    fn letters(&self) -> (char, char) {
        match self.finding {
            Finding::Cell { reference, test } => (reference.letter(), test.letter()),
            Finding::InFibrillation(test) => (FIBRILLATION, test.letter()),
            Finding::FlutterWave => (Beat::None.letter(), Beat::None.letter()),
        }
    }

    /// Samples of what the reference and the test annotator say, as `bxb`
    /// prints them: both that of the beat where one is alone, and the next
    /// reference beat, or the largest number, where the reference says
    /// fibrillation.
    fn samples(&self) -> (i64, i64) {
        let reference = self.reference_sample.unwrap_or(i64::MAX);
        let test = self.test_sample.unwrap_or(i64::MAX);
        match self.finding {
            Finding::FlutterWave
            | Finding::Cell {
                reference: Beat::None | Beat::Unreadable,
                ..
            } => (test, test),
            Finding::Cell {
                test: Beat::None | Beat::Unreadable,
                ..
            } => (reference, reference),
            _ => (reference, test),
        }
    }
}

/// Every disagreement as a line: label and sample of the reference, `/`, label
/// and sample of the test annotator. `O` is no beat, `X` no beat in unreadable
/// signal and `*` the reference's fibrillation.
pub fn mismatches(comparison: &Comparison) -> String {
    let line = |step: &Step| {
        let ((reference, test), (at, test_at)) = (step.letters(), step.samples());
        (reference != test).then(|| format!("{reference}({at})/{test}({test_at})\n"))
    };
    comparison.steps.iter().filter_map(line).collect()
}

/// The comparison as annotations of the record: a test beat that agrees, or
/// a flutter wave, is copied, anything else is a note whose text is the cell of the matrix, such
/// as `Vn` or `No`. `test` are the annotations that were compared.
///
/// They are in order of time and, as an annotation file has it, one at a
/// sample: of several the last stays.
pub fn pair_annotations(test: &[Annotation], comparison: &Comparison) -> Vec<Annotation> {
    let test = sorted(test);
    let annotate = |step: &Step| {
        let ((reference, tested), (_, sample)) = (step.letters(), step.samples());
        let copied = step.annotation.and_then(|index| test.get(index));
        if let (true, Some(copied)) = (reference == tested, copied) {
            return copied.clone();
        }
        Annotation {
            aux_note: format!("{reference}{}", tested.to_ascii_lowercase()),
            ..Annotation::new(sample, Symbol::NOTE)
        }
    };
    let mut annotations: Vec<Annotation> = comparison.steps.iter().map(annotate).collect();
    annotations.sort_by_key(|a| a.sample);
    let mut single: Vec<Annotation> = Vec::with_capacity(annotations.len());
    for annotation in annotations {
        match single.last_mut().filter(|a| a.sample == annotation.sample) {
            Some(last) => *last = annotation,
            None => single.push(annotation),
        }
    }
    single
}
