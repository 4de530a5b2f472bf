//! What one annotator says of a record, as the comparison sees it: beats,
//! episodes of fibrillation and times without a readable signal.

use std::borrow::Cow;

use crate::record::aami::{Class, Convention};
use crate::record::annotation::{Annotation, Symbol};

/// Bits of a signal-quality annotation's subtype that say that the first two
/// signals are unreadable; both together are a shutdown.
const UNREADABLE: i8 = 0x30;

/// A beat of one annotator, or a flutter wave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct AnnotatedBeat {
    /// Sample number.
    pub sample: i64,
    /// `None`: a flutter wave (`!`) outside brackets, which is no beat but, as
    /// `bxb` has it, begins and ends RR intervals.
    pub class: Option<Class>,
    /// Index of its annotation, in order of time.
    pub annotation: usize,
    /// Samples since the annotator's beat or wave before, where that is a true RR
    /// interval: it is longer than nothing, and neither fibrillation nor a
    /// shutdown begins in it.
    pub interval: Option<i64>,
}

/// A time without a readable signal, in samples, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shutdown {
    pub from: i64,
    /// `i64::MAX` where nothing ends it.
    pub to: i64,
    /// Index of the first beat that is annotated after it.
    pub before: usize,
}

/// The beats and episodes of one annotator, in order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Annotator {
    pub beats: Vec<AnnotatedBeat>,
    /// Fibrillation from `[` to `]`, first and last sample; the end is
    /// `i64::MAX` where nothing ends it.
    pub fibrillation: Vec<(i64, i64)>,
    pub shutdowns: Vec<Shutdown>,
}

impl Annotator {
    /// Reads annotations, sorted or not; `window` is the match window in
    /// samples.
    ///
    /// Whatever stands between `[` and the next `]` is fibrillation and not
    /// read. Annotations at the same sample count in the order of the list, so
    /// that a beat before the `[` of its sample is one and a beat after it is
    /// not.
    pub fn read(annotations: &[Annotation], convention: Convention, window: i64) -> Annotator {
        let annotations = sorted(annotations);
        let mut annotator = Annotator::default();
        let mut rest = annotations.iter().enumerate().peekable();
        while let Some((index, annotation)) = rest.next() {
            if annotation.symbol == Symbol::VF_ON {
                let off = rest.find(|(_, a)| a.symbol == Symbol::VF_OFF);
                let episode = (annotation.sample, off.map_or(i64::MAX, |(_, a)| a.sample));
                annotator.fibrillation.push(episode);
                continue;
            }
            if shuts_down(annotation) {
                let next = rest.peek().map(|(_, a)| *a);
                annotator.shut_down(annotation.sample, next, window);
                continue;
            }
            let class = Class::from_symbol(annotation.symbol, convention);
            if class.is_some() || annotation.symbol == Symbol::FLUTTER_WAVE {
                let interval = annotator.interval_to(annotation.sample);
                annotator.beats.push(AnnotatedBeat {
                    sample: annotation.sample,
                    class,
                    annotation: index,
                    interval,
                });
            }
        }
        annotator
    }

    /// A shutdown lasts to the annotation after it, if that is a quality mark
    /// which says so. Without one, EC57 takes the mark for the middle of a
    /// shutdown, as in the AHA database: from the window after the beat or the
    /// fibrillation before it to the window before the next annotation.
    fn shut_down(&mut self, mark: i64, next: Option<&Annotation>, window: i64) {
        let (from, to) = match next {
            None => (mark, i64::MAX),
            Some(end) if end.symbol == Symbol::NOISE && !shuts_down(end) => (mark, end.sample),
            Some(next) => {
                let beat = self.beats.last().map_or(0, |b| b.sample);
                let fibrillation = self.fibrillation.last().map_or(0, |e| e.1);
                let from = beat.max(fibrillation).saturating_add(window);
                let to = next.sample.saturating_sub(window);
                (from.min(to), to)
            }
        };
        let before = self.beats.len();
        self.shutdowns.push(Shutdown { from, to, before });
    }

    fn interval_to(&self, sample: i64) -> Option<i64> {
        let before = self.beats.last()?.sample;
        let between = |start: i64| before <= start && start < sample;
        let cut = self.fibrillation.iter().rev().any(|e| between(e.0))
            || self.shutdowns.iter().rev().any(|s| between(s.from));
        let interval = sample.saturating_sub(before);
        (interval > 0 && !cut).then_some(interval)
    }

    /// Whether a sample lies in an episode of fibrillation.
    pub fn fibrillates(&self, sample: i64) -> bool {
        let at = self.fibrillation.partition_point(|e| e.1 < sample);
        self.fibrillation.get(at).is_some_and(|e| e.0 <= sample)
    }

    /// Whether a sample lies in a shutdown.
    pub fn is_unreadable(&self, sample: i64) -> bool {
        self.shutdowns
            .iter()
            .any(|s| s.from <= sample && sample <= s.to)
    }

    /// Index of the first beat at an index or after it: flutter waves are
    /// passed over.
    pub fn beat_from(&self, index: usize) -> usize {
        let waves = self.beats.iter().skip(index);
        index + waves.take_while(|b| b.class.is_none()).count()
    }

    /// Index of the last beat before an index.
    pub fn beat_before(&self, index: usize) -> Option<usize> {
        (0..index).rev().find(|n| self.beats[*n].class.is_some())
    }

    /// Sample of a beat.
    pub fn sample(&self, index: usize) -> Option<i64> {
        self.beats.get(index).map(|b| b.sample)
    }

    /// The RR interval that ends at a beat, in samples.
    pub fn interval(&self, index: usize) -> Option<i64> {
        self.beats.get(index)?.interval
    }
}

pub(super) fn shuts_down(annotation: &Annotation) -> bool {
    annotation.symbol == Symbol::NOISE && annotation.subtype & UNREADABLE == UNREADABLE
}

/// Annotations in order of time; those at the same sample keep their order.
pub(super) fn sorted(annotations: &[Annotation]) -> Cow<'_, [Annotation]> {
    if annotations.is_sorted_by_key(|a| a.sample) {
        return annotations.into();
    }
    let mut sorted = annotations.to_vec();
    sorted.sort_by_key(|a| a.sample);
    sorted.into()
}
