//! Detected beats on their way from the pipeline into batches.

use crate::pipeline::annotator::Annotator;
use crate::pipeline::beats::Beats;
use crate::pipeline::malignant::Kind;
use crate::pipeline::prepare::push;
use crate::pipeline::{MOST_BACK, Output};
use crate::record::annotation::Annotation;

/// The first sample of an episode, and the one after its last.
type Span = (u64, Option<u64>);

/// Holds detected beats back until it is known that they do not lie within
/// ventricular fibrillation, where they are none: an episode is told up to
/// [`MOST_BACK`] seconds after its beginning, or its end.
pub(super) struct Found {
    wait: u64,
    /// Beats in the order of detection; those handed out, and those within
    /// fibrillation, are gone.
    beats: Beats,
    /// How many of them can be handed out; about the others it is not decided.
    ready: usize,
    /// The episodes that reach to beats which are not decided.
    fibrillation: Vec<Span>,
    annotator: Annotator,
    notes: Vec<Annotation>,
    /// Whether the beat before the next one was left out.
    left_out: bool,
}

impl Found {
    /// For a recording of `fs` samples per second; `beats` has no rows yet.
    pub fn new(beats: Beats, fs: f64) -> Found {
        Found {
            wait: (MOST_BACK * fs).ceil() as u64,
            beats,
            ready: 0,
            fibrillation: Vec::new(),
            annotator: Annotator::new(fs),
            notes: Vec::new(),
            left_out: false,
        }
    }

    /// Takes what the pipeline passes on.
    pub fn take(&mut self, output: &Output<'_>) {
        self.annotator.take(output);
        match output {
            Output::Beat(beat) => {
                let begins = beat.begins() || std::mem::take(&mut self.left_out);
                push(&mut self.beats, beat, begins);
                self.beats.readable.push(beat.readable);
            }
            Output::Episode(episode) if episode.kind == Kind::Fibrillation => {
                match (episode.end, self.fibrillation.last_mut()) {
                    (Some(end), Some((_, last))) => *last = Some(end),
                    _ => self.fibrillation.push((episode.start, episode.end)),
                }
            }
            _ => {}
        }
    }

    /// So many samples have been pushed: nothing that is told from now on lies
    /// more than [`MOST_BACK`] seconds before.
    pub fn settle(&mut self, samples: u64) {
        let settled = samples.saturating_sub(self.wait);
        self.keep(settled);
        let notes = &mut self.notes;
        let Ok(()) = self.annotator.settle(samples, &mut |note| {
            notes.push(note.clone());
            Ok::<(), std::convert::Infallible>(())
        });
        // Beats to come lie at `settled` or behind it.
        let goes_on = |&(_, end): &Span| end.is_none_or(|end| end > settled);
        self.fibrillation.retain(goes_on);
    }

    /// The recording has ended: everything is told.
    pub fn end(&mut self) {
        self.keep(u64::MAX);
        self.notes.extend(self.annotator.all());
    }

    /// Beats that can be handed out.
    pub fn len(&self) -> usize {
        self.ready
    }

    /// Hands out `most` beats, or all there are, with what was noted since the
    /// last ones.
    pub fn next(&mut self, most: usize) -> Beats {
        let count = most.min(self.ready);
        let rows: Vec<usize> = (0..self.beats.len()).collect();
        let rest = self.beats.select(&rows[count..]);
        let mut batch = std::mem::replace(&mut self.beats, rest);
        if count < rows.len() {
            batch = batch.select(&rows[..count]);
        }
        batch.notes = std::mem::take(&mut self.notes);
        self.ready -= count;
        batch
    }

    /// Decides about the beats before the sample `settled`.
    fn keep(&mut self, settled: u64) {
        let (samples, ready) = (&self.beats.samples, self.ready);
        let undecided = samples[ready..].iter();
        let decided = ready + undecided.take_while(|sample| **sample < settled).count();
        let within = |sample: u64| {
            let spans = self.fibrillation.iter();
            spans
                .copied()
                .any(|(start, end)| sample >= start && end.is_none_or(|e| sample < e))
        };
        let stays = |row: &usize| !(ready..decided).contains(row) || !within(samples[*row]);
        let (rows, dropped): (Vec<usize>, Vec<usize>) = (0..samples.len()).partition(stays);
        for row in &dropped {
            match self.beats.begins.get_mut(row + 1) {
                Some(begins) => *begins = true,
                None => self.left_out = true,
            }
        }
        let dropped = dropped.len();
        if dropped > 0 {
            self.beats = self.beats.select(&rows);
        }
        self.ready = decided - dropped;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Beat;
    use crate::pipeline::input::InputSpec;
    use crate::pipeline::malignant::Episode;
    use crate::record::classes::Classes;

    const FS: f64 = 100.0;

    /// Beats every 80 samples, told 240 later, and two episodes, each told when
    /// nearly too late; handed out `most` at a time, as they settle or at the end.
    /// Samples, those with which a stretch begins, and notes.
    fn found(most: usize, settle: bool) -> (Vec<u64>, Vec<u64>, Vec<Annotation>) {
        let spec = InputSpec::window();
        let (window, rhythm) = (
            vec![0.0; spec.window_values()],
            vec![0.0; spec.rhythm.len()],
        );
        let mut found = Found::new(Beats::new(spec, &Classes::aami5()), FS);
        let (mut samples, mut notes) = (Vec::new(), Vec::new());
        let mut begins = Vec::new();
        let mut hand_out = |found: &mut Found, all: bool| {
            while found.len() >= most || all && found.len() > 0 {
                let batch = found.next(most);
                assert!(batch.len() == most || all);
                assert!(batch.in_order());
                let firsts = batch.samples.iter().zip(&batch.begins);
                begins.extend(firsts.filter(|(_, begins)| **begins).map(|(s, _)| *s));
                samples.extend(batch.samples);
                notes.extend(batch.notes);
            }
        };
        for now in (0..9000_u64).step_by(10) {
            if now % 80 == 0 && now >= 240 {
                found.take(&Output::Beat(Beat {
                    sample: now - 240,
                    fiducial: now - 240,
                    decided: now,
                    window: &window,
                    rhythm: &rhythm,
                    rr: (now > 240).then_some(0.8),
                    quality: 1.0,
                    fibrillation: false,
                    readable: true,
                }));
            }
            let episode = |start, end| {
                Output::Episode(Episode {
                    kind: Kind::Fibrillation,
                    start,
                    end,
                    rate: None,
                })
            };
            match now {
                1950 => found.take(&episode(1200, None)),
                3950 => found.take(&episode(1200, Some(3200))),
                4000 => found.take(&episode(3280, None)),
                7000 => found.take(&episode(3280, Some(6400))),
                _ => {}
            }
            if settle {
                found.settle(now);
                hand_out(&mut found, false);
            }
        }
        found.end();
        hand_out(&mut found, true);
        (samples, begins, notes)
    }

    #[test]
    fn beats_within_fibrillation_are_left_out_whenever_they_settle() {
        let (samples, begins, notes) = found(usize::MAX, false);
        let expected = (0..8760).step_by(80);
        let within = |s: &u64| (1200..3200).contains(s) || (3280..6400).contains(s);
        let expected: Vec<u64> = expected.filter(|s| !within(s)).collect();
        assert_eq!(samples, expected);
        assert_eq!(notes.len(), 4);
        // The first beat, and those after the two episodes.
        assert_eq!(begins, [0, 3200, 6400]);
        for most in [1, 7, 64] {
            assert_eq!(
                found(most, true),
                (samples.clone(), begins.clone(), notes.clone()),
                "{most}"
            );
        }
    }
}
