//! What a pipeline passes on as annotations in order of time, the same ones
//! from every program.
//!
//! | what | annotations |
//! |---|---|
//! | beat | the class's symbol |
//! | ventricular fibrillation or flutter | `[` and `]`; beats between them are left out |
//! | ventricular tachycardia | `+` with `(VT`, `+` with `(N` |
//! | asystole | `+` with `(ASYS`, `+` with `(N` |
//! | signal that cannot be read | `~` with `subtyp` -1, `~` with 0 where it can again |
//!
//! An episode is told after its beginning, so that annotations wait for
//! [`MOST_BACK`] seconds until nothing can come before them any more.

use std::collections::VecDeque;
use std::convert::Infallible;

use crate::pipeline::malignant::{Episode, Kind};
use crate::pipeline::{MOST_BACK, Output};
use crate::record::aami::{Class, Convention};
use crate::record::annotation::{Annotation, Symbol};

/// Annotations that can wait without a new allocation.
const WAITING: usize = 256;

/// Orders annotations. Allocates only in [`Annotator::new`], unless more wait
/// at once than beats fit into the wait.
#[derive(Clone, Debug)]
pub struct Annotator {
    wait: u64,
    waiting: VecDeque<Annotation>,
    /// Where the latest annotation lies that has been passed on.
    passed: i64,
    /// Whether what is passed on lies within a fibrillation.
    fibrillation: bool,
}

impl Annotator {
    /// For a recording of `fs` samples per second.
    pub fn new(fs: f64) -> Annotator {
        Annotator {
            wait: (MOST_BACK * fs).ceil() as u64,
            waiting: VecDeque::with_capacity(WAITING),
            passed: 0,
            fibrillation: false,
        }
    }

    /// For a recording that is passed on as a whole, at the end.
    pub fn whole() -> Annotator {
        Annotator::new(0.0)
    }

    /// Takes what a pipeline passes on; beats come with their class by
    /// [`Annotator::beat`].
    pub fn take(&mut self, output: &Output<'_>) {
        match *output {
            Output::Episode(episode) => self.episode(&episode),
            Output::Unreadable { start, end, .. } => self.unreadable(start, end),
            Output::Beat(_) | Output::SignalLost { .. } | Output::SignalBack { .. } => {}
        }
    }

    /// Takes a stretch that cannot be read, when it begins and when it is over.
    pub fn unreadable(&mut self, start: u64, end: Option<u64>) {
        self.put(match end {
            None => note(start, Symbol::NOISE, -1, ""),
            Some(end) => note(end, Symbol::NOISE, 0, ""),
        });
    }

    /// Takes a beat's annotation.
    pub fn beat(&mut self, annotation: Annotation) {
        self.put(annotation);
    }

    /// Passes on what nothing can come before any more, when so many samples
    /// have been pushed.
    pub fn settle<E>(
        &mut self,
        samples: u64,
        emit: &mut impl FnMut(&Annotation) -> Result<(), E>,
    ) -> Result<(), E> {
        let settled = samples.saturating_sub(self.wait);
        while let Some(first) = self.waiting.front()
            && (first.sample < settled as i64)
        {
            self.pass(emit)?;
        }
        Ok(())
    }

    /// Passes on everything, at the end.
    pub fn finish<E>(
        &mut self,
        emit: &mut impl FnMut(&Annotation) -> Result<(), E>,
    ) -> Result<(), E> {
        while !self.waiting.is_empty() {
            self.pass(emit)?;
        }
        Ok(())
    }

    /// Everything that waits, at the end.
    pub fn all(&mut self) -> Vec<Annotation> {
        let mut all = Vec::with_capacity(self.waiting.len());
        let Ok(()) = self.finish(&mut |annotation| {
            all.push(annotation.clone());
            Ok::<(), Infallible>(())
        });
        all
    }

    /// Takes what was noted beside the beats: see [`crate::pipeline::beats::Beats::notes`].
    pub fn notes(&mut self, notes: &[Annotation]) {
        notes.iter().for_each(|note| self.put(note.clone()));
    }

    fn pass<E>(&mut self, emit: &mut impl FnMut(&Annotation) -> Result<(), E>) -> Result<(), E> {
        let Some(annotation) = self.waiting.pop_front() else {
            return Ok(());
        };
        self.passed = annotation.sample;
        match annotation.symbol {
            Symbol::VF_ON => self.fibrillation = true,
            Symbol::VF_OFF => self.fibrillation = false,
            _ if self.fibrillation && is_beat(&annotation) => return Ok(()),
            _ => {}
        }
        emit(&annotation)
    }

    /// Takes an episode, when it begins and when it is over.
    pub fn episode(&mut self, episode: &Episode) {
        let at = episode.end.unwrap_or(episode.start);
        self.put(match (episode.kind, episode.end) {
            (Kind::Fibrillation, None) => note(at, Symbol::VF_ON, 0, ""),
            (Kind::Fibrillation, Some(_)) => note(at, Symbol::VF_OFF, 0, ""),
            (Kind::Tachycardia, None) => note(at, Symbol::RHYTHM, 0, "(VT"),
            (Kind::Asystole, None) => note(at, Symbol::RHYTHM, 0, "(ASYS"),
            (_, Some(_)) => note(at, Symbol::RHYTHM, 0, "(N"),
        });
    }

    fn put(&mut self, mut annotation: Annotation) {
        annotation.sample = annotation.sample.max(self.passed);
        let key = |a: &Annotation| (a.sample, rank(a));
        let place = key(&annotation);
        // Nearly always the last one.
        let after = self.waiting.iter().rev().take_while(|a| key(a) > place);
        let at = self.waiting.len() - after.count();
        self.waiting.insert(at, annotation);
    }
}

/// At one sample: what ends comes before what begins, both before a beat.
fn rank(annotation: &Annotation) -> u8 {
    match annotation.symbol {
        Symbol::VF_OFF => 0,
        Symbol::RHYTHM if annotation.aux_note == "(N" => 1,
        Symbol::NOISE => 2,
        Symbol::RHYTHM => 3,
        Symbol::VF_ON => 4,
        _ => 5,
    }
}

fn is_beat(annotation: &Annotation) -> bool {
    Class::from_symbol(annotation.symbol, Convention::Literature).is_some()
}

fn note(sample: u64, symbol: Symbol, subtype: i8, text: &str) -> Annotation {
    // A recording of 2^63 samples does not exist.
    let sample = i64::try_from(sample).unwrap_or(i64::MAX);
    Annotation {
        subtype,
        aux_note: text.into(),
        ..Annotation::new(sample, symbol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FS: f64 = 100.0;

    fn episode(kind: Kind, start: u64, end: Option<u64>) -> Output<'static> {
        Output::Episode(Episode {
            kind,
            start,
            end,
            rate: None,
        })
    }

    fn finish(annotator: &mut Annotator) -> Vec<(i64, String)> {
        let all = annotator.all().into_iter();
        all.map(|a| (a.sample, format!("{}{}", a.symbol, a.aux_note)))
            .collect()
    }

    #[test]
    fn beats_within_a_fibrillation_are_left_out_and_others_stay() {
        let mut annotator = Annotator::new(FS);
        for sample in (0..2000).step_by(100) {
            annotator.beat(Annotation::new(sample, Symbol::N));
        }
        annotator.take(&episode(Kind::Fibrillation, 450, None));
        annotator.take(&episode(Kind::Fibrillation, 450, Some(1500)));
        let out = finish(&mut annotator);
        let expected: Vec<i64> = (0..5).chain(15..20).map(|i| i * 100).collect();
        let beats: Vec<i64> = out.iter().filter(|a| a.1 == "N").map(|a| a.0).collect();
        assert_eq!(beats, expected);
        let brackets: Vec<_> = out.iter().filter(|a| a.1 != "N").cloned().collect();
        assert_eq!(brackets, [(450, "[".into()), (1500, "]".into())]);
    }

    #[test]
    fn what_settles_early_is_the_same_and_in_order() {
        let feed = |settle: bool| {
            let mut annotator = Annotator::new(FS);
            let mut out = Vec::new();
            let mut emit = |a: &Annotation| {
                out.push(a.clone());
                Ok::<(), Infallible>(())
            };
            for now in (0..6000u64).step_by(10) {
                if now % 80 == 0 {
                    annotator.beat(Annotation::new(now as i64 - 240, Symbol::N));
                }
                match now {
                    2000 => annotator.take(&episode(Kind::Tachycardia, 1400, None)),
                    3000 => {
                        annotator.take(&episode(Kind::Tachycardia, 1400, Some(2500)));
                        annotator.take(&episode(Kind::Fibrillation, 2500, None));
                    }
                    4000 => annotator.take(&episode(Kind::Fibrillation, 2500, Some(3600))),
                    5000 => annotator.take(&Output::Unreadable {
                        why: crate::pipeline::readable::Condition::Noise,
                        start: 4700,
                        end: None,
                    }),
                    _ => {}
                }
                if settle {
                    let Ok(()) = annotator.settle(now, &mut emit);
                }
            }
            let Ok(()) = annotator.finish(&mut emit);
            out
        };
        let (early, late) = (feed(true), feed(false));
        assert_eq!(early, late);
        assert!(early.is_sorted_by_key(|a| a.sample));
        assert!(early.iter().any(|a| a.text() == "(VT"));
        assert!(
            early
                .iter()
                .all(|a| !is_beat(a) || !(2500..3600).contains(&a.sample))
        );
    }
}
