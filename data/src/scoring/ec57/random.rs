//! Random pairs of annotators on which two implementations must agree.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::record::annotation::{Annotation, Symbol};

const PAIRS: u64 = 500;

/// Labels of beats, and what else stands between them.
const BEATS: [&str; 14] = [
    "N", "L", "R", "A", "a", "e", "j", "V", "E", "F", "/", "f", "Q", "S",
];
const OTHERS: [&str; 12] = ["[", "]", "~", "~", "~", "~", "!", "+", "+", "\"", "|", "["];
const RHYTHMS: [&str; 8] = ["(N", "(AFIB", "(AFL", "(VFL", "(VT", "(VF", "(T", ""];
const SUBTYPES: [i8; 6] = [0, 0x10, 0x20, 0x30, 0x33, -1];

struct Generated {
    fs: f64,
    start: f64,
    length: Option<i64>,
    reference: Vec<Annotation>,
    test: Vec<Annotation>,
}

fn one_of<T: Copy>(rng: &mut ChaCha8Rng, of: &[T]) -> T {
    of[rng.random_range(0..of.len())]
}

fn chance(rng: &mut ChaCha8Rng, probability: f64) -> bool {
    rng.random::<f64>() < probability
}

fn annotation(rng: &mut ChaCha8Rng, sample: i64, mnemonic: &str) -> Annotation {
    let mut annotation = Annotation::new(sample, Symbol::from_mnemonic(mnemonic).unwrap());
    match mnemonic {
        "~" => annotation.subtype = one_of(rng, &SUBTYPES),
        "+" => annotation.aux_note = one_of(rng, &RHYTHMS).into(),
        _ => {}
    }
    annotation
}

/// One annotator's version of the beats: some moved, missed, extra or named
/// otherwise, with other marks between and, as often as not, at a beat's very
/// sample.
fn annotator(
    rng: &mut ChaCha8Rng,
    beats: &[(i64, &'static str)],
    window: i64,
    marks: f64,
) -> Vec<Annotation> {
    let steady = rng.random_range(-window..=window) / 2;
    let mut annotations = Vec::new();
    for &(sample, label) in beats {
        if chance(rng, 0.06) {
            continue;
        }
        let edge = one_of(
            rng,
            &[
                -window - 1,
                -window,
                -window / 2,
                window / 2,
                window,
                window + 1,
            ],
        );
        let moved = match rng.random_range(0..6) {
            0 => edge,
            1 => steady,
            2 => rng.random_range(-window..=window),
            _ => rng.random_range(-3..=3),
        };
        let label = if chance(rng, 0.1) {
            one_of(rng, &BEATS)
        } else {
            label
        };
        annotations.push(annotation(rng, sample + moved, label));
        if chance(rng, 0.06) {
            let (label, after) = (one_of(rng, &BEATS), rng.random_range(0..=2 * window));
            annotations.push(annotation(rng, sample + after, label));
        }
        while chance(rng, marks) {
            let mark = one_of(rng, &OTHERS);
            let after = one_of(rng, &[0, 0, 1, window, 2 * window + 1]);
            annotations.push(annotation(rng, sample + after, mark));
        }
    }
    annotations.sort_by_key(|a| a.sample);
    annotations
}

/// A stretch in which an annotator sees no signal, or fibrillation.
fn cover(rng: &mut ChaCha8Rng, side: &mut Vec<Annotation>, window: i64) {
    let Some(from) = side
        .get(rng.random_range(0..side.len().max(1)))
        .map(|a| a.sample)
    else {
        return;
    };
    let to = from + rng.random_range(0..30 * window);
    let is_shutdown = chance(rng, 0.6);
    if is_shutdown || chance(rng, 0.5) {
        side.retain(|a| a.sample < from || to < a.sample);
    }
    let (mut on, off) = match is_shutdown {
        true => (annotation(rng, from, "~"), annotation(rng, to, "~")),
        false => (annotation(rng, from, "["), annotation(rng, to, "]")),
    };
    if is_shutdown {
        on.subtype = 0x30;
    }
    side.push(on);
    if chance(rng, 0.8) {
        side.push(Annotation { subtype: 0, ..off });
    }
    side.sort_by_key(|a| a.sample);
}

fn generate(seed: u64) -> Generated {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let fs = one_of(&mut rng, &[100.0, 128.0, 250.0, 360.0, 500.0, 1000.0]);
    let start = one_of(&mut rng, &[0.0, 2.0, 5.0, 300.0]);
    let samples = |seconds: f64| (seconds * fs).round() as i64;
    let window = samples(0.150);
    let intervals = one_of(&mut rng, &[(0.0, 0.2), (0.05, 0.4), (0.2, 0.5), (0.3, 1.5)]);
    let mut beats = Vec::new();
    // Some beats before the record begins.
    let mut sample = samples(start - 3.0);
    let seconds = rng.random_range(0.0..20.0);
    while sample < samples(start + seconds) {
        beats.push((sample, one_of(&mut rng, &BEATS)));
        sample += match rng.random_range(0..8) {
            0 => 0,
            1 => one_of(&mut rng, &[window, window + 1, 2 * window]),
            _ => samples(rng.random_range(intervals.0..intervals.1)),
        };
    }
    if chance(&mut rng, 0.5) {
        // A beat as near the start as can be.
        let near = one_of(
            &mut rng,
            &[-window - 1, -window, -1, 0, 1, window, window + 1],
        );
        beats.push((samples(start) + near, "N"));
        beats.sort_by_key(|b| b.0);
    }
    let marks = one_of(&mut rng, &[0.0, 0.05, 0.2, 0.4]);
    let test_marks = one_of(&mut rng, &[0.0, 0.05, 0.2, 0.4]);
    let mut sides = [marks, test_marks].map(|m| annotator(&mut rng, &beats, window, m));
    for side in &mut sides {
        while chance(&mut rng, 0.5) {
            cover(&mut rng, side, window);
        }
        match rng.random_range(0..20) {
            0 => side.clear(),
            1 => side.truncate(1),
            2 => side.retain(|a| a.sample < samples(start)),
            _ => {}
        }
    }
    let [reference, test] = sides;
    let length = samples(start) + rng.random_range(1..samples(22.0));
    Generated {
        fs,
        start,
        length: chance(&mut rng, 0.9).then_some(length),
        reference,
        test,
    }
}

impl Generated {
    fn pair(&self) -> Pair<'_> {
        Pair {
            reference: &self.reference,
            test: &self.test,
            fs: self.fs,
            length: self.length,
        }
    }
}

#[test]
fn two_implementations_agree_on_beats() {
    let (mut beats, mut excluded, mut unreadable) = (0, 0, 0);
    for seed in 0..PAIRS {
        let generated = generate(seed);
        let pair = generated.pair();
        let options = Options {
            start: generated.start,
            ..Options::default()
        };
        let comparison = compare(&pair, &options);
        let setting = (
            pair.window(),
            pair.samples(generated.start),
            generated.length,
        );
        let slow = slow::compare(&generated.reference, &generated.test, setting);
        let mut cells = std::collections::BTreeMap::new();
        for step in &comparison.steps {
            let cell = match step.finding {
                Finding::Cell { reference, test } => (reference.letter(), test.letter()),
                Finding::InFibrillation(test) => ('*', test.letter()),
                Finding::FlutterWave => continue,
            };
            let cell = (cell.0, cell.1.to_ascii_lowercase());
            *cells.entry(cell).or_default() += 1;
        }
        assert_eq!(cells, slow.cells, "seed {seed}");
        let in_seconds = slow.rr_error.map(|e| e / generated.fs);
        let is_equal = match (comparison.rr_error, in_seconds) {
            (Some(a), Some(b)) => (a - b).abs() < 1e-9,
            (a, b) => a == b,
        };
        assert!(
            is_equal,
            "seed {seed}: {:?} {in_seconds:?}",
            comparison.rr_error
        );
        let seconds = (slow.shut_down + pair.samples(0.5)) / pair.samples(1.0);
        assert_eq!(comparison.shutdown_seconds, seconds, "seed {seed}");
        let counted = |found: fn(&(char, char)) -> bool| -> u64 {
            slow.cells
                .iter()
                .filter(|(cell, _)| found(cell))
                .map(|(_, n)| *n)
                .sum()
        };
        beats += counted(|_| true);
        excluded += counted(|cell| cell.0 == '*');
        unreadable += counted(|cell| cell.0 == 'X' || cell.1 == 'x');
    }
    // The pairs are worth comparing.
    assert!(beats > 10_000, "{beats}");
    assert!(excluded > 100, "{excluded}");
    assert!(unreadable > 100, "{unreadable}");
}

/// Whether an episode goes on, sample by sample from `start` to `end`.
fn state(annotations: &[Annotation], kind: Kind, (start, end): (i64, i64)) -> Vec<bool> {
    let mut states = Vec::new();
    for sample in start..end {
        let mut bracket = false;
        let mut note = false;
        for a in annotations.iter().filter(|a| a.sample <= sample) {
            match (a.symbol.as_str(), a.aux_note.as_str()) {
                ("[", _) => bracket = true,
                ("]", _) => bracket = false,
                ("+", text) if !text.is_empty() => {
                    note = match kind {
                        Kind::Af => text == "(AFIB",
                        Kind::VfAny => text == "(VF" || text == "(VFL",
                        Kind::Vt => text == "(VT",
                        Kind::Vf => false,
                    };
                }
                _ => {}
            }
        }
        let brackets_count = matches!(kind, Kind::Vf | Kind::VfAny);
        states.push(note || (bracket && brackets_count));
    }
    states
}

#[test]
fn durations_of_episodes_are_those_counted_sample_by_sample() {
    let mut samples = 0;
    for seed in 0..PAIRS {
        let generated = generate(seed);
        let Some(length) = generated.length.filter(|_| generated.fs <= 128.0) else {
            continue;
        };
        let pair = generated.pair();
        let scored = (pair.samples(generated.start), length);
        for kind in Kind::ALL {
            let counts = compare_episodes(&pair, generated.start, kind);
            let reference = state(&generated.reference, kind, scored);
            let test = state(&generated.test, kind, scored);
            let count =
                |of: &dyn Fn(usize) -> bool| (0..reference.len()).filter(|n| of(*n)).count() as u64;
            assert_eq!(
                counts.reference_samples,
                count(&|n| reference[n]),
                "seed {seed} {kind:?}"
            );
            assert_eq!(
                counts.test_samples,
                count(&|n| test[n]),
                "seed {seed} {kind:?}"
            );
            let both = count(&|n| reference[n] && test[n]);
            assert_eq!(
                (counts.found_samples, counts.right_samples),
                (both, both),
                "seed {seed} {kind:?}"
            );
            samples += both;
        }
    }
    assert!(samples > 1000, "{samples}");
}
