//! Rhythm notes in the words of the MIT-BIH databases, from labelled beats.
//!
//! | note | rhythm |
//! |---|---|
//! | `(VT` | a run of ventricular beats, or ventricular tachycardia by the signal |
//! | `(SVTA` | a run of supraventricular ectopic beats |
//! | `(IVR` | a slow run of ventricular beats |
//! | `(B`, `(T` | ventricular bigeminy, trigeminy |
//! | `(ASYS` | asystole; the databases have no note for it |
//! | `(N` | none of these, which need not be a sinus rhythm |
//!
//! A note stands at the first beat of its rhythm, and the next one at the sample
//! after its last beat. Fibrillation is between `[` and `]`, as everywhere.

use crate::Class;
use crate::episodes::{Kind, Phase, RhythmEvent, RhythmWatch, Thresholds};
use crate::pipeline::malignant;
use crate::record::aami::Convention;
use crate::record::annotation::{Annotation, Symbol};

/// The rhythm where there is nothing to tell.
const NONE: &str = "(N";
/// The notes, the one that hides the others first.
const ORDER: [&str; 6] = ["(ASYS", "(VT", "(SVTA", "(IVR", "(B", "(T"];

/// A rhythm from a sample up to another.
type Stretch = (u64, u64, &'static str);

/// The annotations of a whole recording of `fs` samples per second, in order of
/// time, with rhythm notes in the place of those that they had.
///
/// ```
/// use data::episodes::notes;
/// use data::record::annotation::{Annotation, Symbol};
///
/// let beats = [Symbol::N, Symbol::V, Symbol::V, Symbol::V, Symbol::N].into_iter();
/// let beats = beats.enumerate().map(|(i, symbol)| Annotation::new(100 * i as i64, symbol));
/// let noted = notes::with_rhythm(beats.collect(), 250.0);
/// let texts: Vec<_> = noted.iter().map(|a| (a.sample, a.text())).filter(|a| a.1 != "").collect();
/// assert_eq!(texts, [(0, "(N"), (100, "(VT"), (301, "(N")]);
/// ```
pub fn with_rhythm(annotations: Vec<Annotation>, fs: f64) -> Vec<Annotation> {
    let (first, stretches) = stretches(&annotations, fs);
    let Some(first) = first else {
        return annotations;
    };
    let mut notes = changes(first, &stretches).into_iter().peekable();
    let mut all = Vec::with_capacity(annotations.len() + notes.len());
    for annotation in annotations {
        if annotation.symbol == Symbol::RHYTHM {
            continue;
        }
        // What ends at a sample comes before a note, and a beat after it.
        let is_end = annotation.symbol == Symbol::VF_OFF;
        while let Some(note) = notes.next_if(|note| {
            note.sample < annotation.sample || (note.sample == annotation.sample && !is_end)
        }) {
            all.push(note);
        }
        all.push(annotation);
    }
    all.extend(notes);
    all
}

/// The sample of the first beat, and every rhythm worth a note.
fn stretches(annotations: &[Annotation], fs: f64) -> (Option<u64>, Vec<Stretch>) {
    let mut watch = RhythmWatch::new(fs, Thresholds::default());
    let (mut first, mut end) = (None, 0);
    let mut stretches = Vec::new();
    let mut by_signal: Option<(u64, &'static str)> = None;
    for annotation in annotations {
        let Ok(sample) = u64::try_from(annotation.sample) else {
            continue;
        };
        end = sample;
        let emit = &mut |event: RhythmEvent| stretches.extend(stretch(&event));
        if let Some(class) = Class::from_symbol(annotation.symbol, Convention::default()) {
            first.get_or_insert(sample);
            watch.beat(sample, class, emit);
            continue;
        }
        let fibrillation = |end| malignant::Episode {
            kind: malignant::Kind::Fibrillation,
            start: sample,
            end,
            rate: None,
        };
        match annotation.symbol {
            Symbol::VF_ON => watch.episode(&fibrillation(None), emit),
            Symbol::VF_OFF => watch.episode(&fibrillation(Some(sample)), emit),
            Symbol::NOISE if annotation.subtype == -1 => watch.end(sample, emit),
            Symbol::RHYTHM => {
                let told = ["(VT", "(ASYS"]
                    .into_iter()
                    .find(|t| *t == annotation.text());
                let before = std::mem::replace(&mut by_signal, told.map(|text| (sample, text)));
                stretches.extend(before.map(|(start, text)| (start, sample, text)));
            }
            _ => {}
        }
    }
    watch.end(end, &mut |event| stretches.extend(stretch(&event)));
    stretches.extend(by_signal.map(|(start, text)| (start, end.saturating_add(1), text)));
    (first, stretches)
}

/// The rhythm of an event that closes an episode.
fn stretch(event: &RhythmEvent) -> Option<Stretch> {
    let text = match (event.kind, event.class) {
        (Kind::Run, Some(Class::S)) => "(SVTA",
        (Kind::Run, _) => "(VT",
        (Kind::Idioventricular, _) => "(IVR",
        (Kind::Bigeminy, _) => "(B",
        (Kind::Trigeminy, _) => "(T",
        _ => return None,
    };
    let end = event.end.saturating_add(1);
    (event.phase == Phase::End).then_some((event.start, end, text))
}

/// A note wherever another rhythm is the first in [`ORDER`].
fn changes(first: u64, stretches: &[Stretch]) -> Vec<Annotation> {
    let place = |text: &str| ORDER.iter().position(|o| *o == text).unwrap_or(0);
    // Ends before beginnings, so that what follows at once is one change.
    let mut turns: Vec<(u64, bool, usize)> = Vec::with_capacity(2 * stretches.len());
    for &(start, end, text) in stretches.iter().filter(|s| s.0 < s.1) {
        turns.extend([(start, true, place(text)), (end, false, place(text))]);
    }
    turns.sort_unstable();
    let mut active = [0_usize; ORDER.len()];
    let mut told = None;
    let mut notes = Vec::new();
    let mut turns = turns.into_iter().peekable();
    let mut at = turns.peek().map_or(first, |turn| turn.0.min(first));
    loop {
        while let Some((_, begins, place)) = turns.next_if(|turn| turn.0 == at) {
            match begins {
                true => active[place] += 1,
                false => active[place] = active[place].saturating_sub(1),
            }
        }
        let now = active.iter().position(|&count| count > 0);
        let text = now.map_or(NONE, |place| ORDER[place]);
        if told != Some(text) {
            told = Some(text);
            notes.push(Annotation {
                aux_note: text.into(),
                // A recording of 2^63 samples does not exist.
                ..Annotation::new(i64::try_from(at).unwrap_or(i64::MAX), Symbol::RHYTHM)
            });
        }
        match turns.peek() {
            Some(turn) => at = turn.0,
            None => return notes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beats of these letters, half a second apart, at 100 Hz, beside others.
    fn noted(letters: &str, others: &[(i64, Symbol, i8, &str)]) -> Vec<(i64, String)> {
        let beat = |(i, letter): (usize, char)| {
            let symbol = Symbol::from_mnemonic(&letter.to_string()).unwrap();
            Annotation::new(50 * i as i64, symbol)
        };
        let mut all: Vec<_> = letters.chars().enumerate().map(beat).collect();
        all.extend(
            others
                .iter()
                .map(|&(sample, symbol, subtype, text)| Annotation {
                    subtype,
                    aux_note: text.into(),
                    ..Annotation::new(sample, symbol)
                }),
        );
        all.sort_by_key(|a| a.sample);
        let before = all.len();
        let noted = with_rhythm(all, 100.0);
        assert!(noted.is_sorted_by_key(|a| a.sample));
        let rhythm = |a: &&Annotation| a.symbol == Symbol::RHYTHM;
        let notes: Vec<_> = noted.iter().filter(rhythm).collect();
        let had = others.iter().filter(|o| o.1 == Symbol::RHYTHM).count();
        assert_eq!(noted.len() - notes.len(), before - had);
        notes
            .iter()
            .map(|a| (a.sample, a.aux_note.clone()))
            .collect()
    }

    fn told(notes: &[(i64, &str)]) -> Vec<(i64, String)> {
        notes.iter().map(|&(at, text)| (at, text.into())).collect()
    }

    #[test]
    fn each_rhythm_has_its_note_and_ends_after_its_last_beat() {
        assert_eq!(noted("NNNNN", &[]), told(&[(0, "(N")]));
        assert_eq!(noted("NNVVN", &[]), told(&[(0, "(N")]));
        let run = told(&[(0, "(N"), (100, "(VT"), (201, "(N")]);
        assert_eq!(noted("NNVVVN", &[]), run);
        let run = told(&[(0, "(N"), (50, "(SVTA"), (201, "(N")]);
        assert_eq!(noted("NSSSSN", &[]), run);
        let bigeminy = told(&[(0, "(N"), (100, "(B"), (301, "(N")]);
        assert_eq!(noted("NNVNVNVNNN", &[]), bigeminy);
        let trigeminy = told(&[(0, "(N"), (100, "(T"), (401, "(N")]);
        assert_eq!(noted("NNVNNVNNVNNN", &[]), trigeminy);
    }

    #[test]
    fn a_rhythm_from_the_first_beat_or_to_the_last_needs_no_other_note() {
        assert_eq!(noted("VVVN", &[]), told(&[(0, "(VT"), (101, "(N")]));
        let ends = told(&[(0, "(N"), (50, "(VT"), (151, "(N")]);
        assert_eq!(noted("NVVV", &[]), ends);
    }

    #[test]
    fn what_the_signal_shows_and_beats_say_is_one_rhythm() {
        let signal = [
            (80, Symbol::RHYTHM, 0, "(VT"),
            (260, Symbol::RHYTHM, 0, "(N"),
        ];
        let one = told(&[(0, "(N"), (80, "(VT"), (260, "(N")]);
        assert_eq!(noted("NNVVVNNN", &signal), one);
        let asystole = [(120, Symbol::RHYTHM, 0, "(ASYS")];
        let last = told(&[(0, "(N"), (120, "(ASYS"), (201, "(N")]);
        assert_eq!(noted("NNNNN", &asystole), last);
    }

    #[test]
    fn fibrillation_and_noise_part_a_run() {
        let brackets = [(120, Symbol::VF_ON, 0, ""), (130, Symbol::VF_OFF, 0, "")];
        assert_eq!(noted("NVVVVN", &brackets), told(&[(0, "(N")]));
        let noise = [(120, Symbol::NOISE, -1, ""), (130, Symbol::NOISE, 0, "")];
        assert_eq!(noted("NVVVVN", &noise), told(&[(0, "(N")]));
    }

    #[test]
    fn without_a_beat_nothing_is_noted() {
        assert!(noted("", &[]).is_empty());
        assert!(with_rhythm(Vec::new(), 0.0).is_empty());
        let early = Annotation::new(-5, Symbol::N);
        assert_eq!(with_rhythm(vec![early.clone()], 100.0), [early]);
    }
}
