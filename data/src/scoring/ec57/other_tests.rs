//! The rules of runs, episodes and measurements, one by one: what a scorer
//! should say where the reference programs err.

use super::*;
use crate::record::annotation::{Annotation, Symbol};

/// At 1000 Hz a sample is a millisecond, and the window 150.
const FS: f64 = 1000.0;

/// Annotations from `mnemonic` or rhythm note, and sample.
fn annotations(list: &[(&str, i64)]) -> Vec<Annotation> {
    let annotate = |&(what, sample): &(&str, i64)| {
        if what.len() > 1 {
            return Annotation {
                aux_note: what.into(),
                ..Annotation::new(sample, Symbol::RHYTHM)
            };
        }
        Annotation::new(sample, Symbol::from_mnemonic(what).unwrap())
    };
    list.iter().map(annotate).collect()
}

fn pair<'a>(reference: &'a [Annotation], test: &'a [Annotation], length: Option<i64>) -> Pair<'a> {
    Pair {
        reference,
        test,
        fs: FS,
        length,
    }
}

/// Couplets, short and long runs: found, missed, right and wrong.
fn runs(reference: &[(&str, i64)], test: &[(&str, i64)], ectopy: Ectopy) -> [[u64; 4]; 3] {
    let (reference, test) = (annotations(reference), annotations(test));
    let counts = compare_runs(&pair(&reference, &test, Some(10_000)), 0.0, ectopy);
    counts
        .ratios()
        .map(|[se, ppv]| [se.part, se.whole - se.part, ppv.part, ppv.whole - ppv.part])
}

#[test]
fn a_run_at_the_end_of_the_record_is_compared() {
    let reference = [("N", 8000), ("V", 9000), ("V", 9500), ("N", 10_500)];
    let test = [("N", 8010), ("V", 9010), ("V", 9510), ("N", 10_510)];
    let couplet = [[1, 0, 1, 0], [0; 4], [0; 4]];
    assert_eq!(runs(&reference, &test, Ectopy::V), couplet);
}

#[test]
fn fibrillation_after_a_ventricular_beat_is_a_long_run() {
    let reference = [("V", 1000), ("[", 1500), ("]", 5000), ("N", 6000)];
    let long = [[0; 4], [0; 4], [1, 0, 1, 0]];
    let test = [("[", 1400), ("]", 5100), ("N", 6000)];
    assert_eq!(runs(&reference, &test, Ectopy::V), long);
    assert_eq!(runs(&test, &reference, Ectopy::V), long);
    let missed = [[0; 4], [0; 4], [0, 1, 0, 0]];
    assert_eq!(runs(&reference, &[("N", 900)], Ectopy::V), missed);
}

#[test]
fn an_annotator_without_annotations_has_no_runs() {
    let couplet = [("S", 1000), ("A", 1500), ("N", 2000)];
    assert_eq!(runs(&couplet, &[], Ectopy::S)[0], [0, 1, 0, 0]);
    assert_eq!(runs(&[], &couplet, Ectopy::S)[0], [0, 0, 0, 1]);
    assert_eq!(runs(&couplet, &couplet, Ectopy::S)[0], [1, 0, 1, 0]);
    assert_eq!(runs(&couplet, &couplet, Ectopy::V), [[0; 4]; 3]);
}

#[test]
fn beats_of_atrial_fibrillation_are_a_long_run() {
    let reference = [
        ("(AFIB", 1000),
        ("N", 1200),
        ("N", 1900),
        ("(N", 2500),
        ("N", 3000),
    ];
    let test = [("N", 1200), ("A", 1900), ("N", 3000)];
    assert_eq!(runs(&reference, &test, Ectopy::S)[2], [0, 1, 0, 0]);
    assert_eq!(runs(&reference, &reference, Ectopy::S)[2], [1, 0, 1, 0]);
}

fn episodes(
    reference: &[(&str, i64)],
    test: &[(&str, i64)],
    (start, length): (f64, Option<i64>),
    kind: Kind,
) -> ([u64; 4], [u64; 3]) {
    let (reference, test) = (annotations(reference), annotations(test));
    let counts = compare_episodes(&pair(&reference, &test, length), start, kind);
    (
        [counts.found, counts.missed, counts.right, counts.wrong],
        [
            counts.reference_samples,
            counts.test_samples,
            counts.found_samples,
        ],
    )
}

#[test]
fn fibrillation_is_taken_in_both_forms() {
    let notes = [
        ("(VFL", 1000),
        ("(VF", 3000),
        ("(N", 5000),
        ("(VT", 7000),
        ("(N", 9000),
    ];
    let brackets = [("[", 2000), ("]", 6000)];
    let whole = (0.0, Some(10_000));
    let found = ([1, 0, 1, 0], [4000, 4000, 3000]);
    assert_eq!(episodes(&notes, &brackets, whole, Kind::VfAny), found);
    let alone = ([0, 0, 0, 1], [0, 4000, 0]);
    assert_eq!(episodes(&notes, &brackets, whole, Kind::Vf), alone);
    // Both forms of one episode are one.
    let both = [("[", 1000), ("(VF", 1100), ("]", 4900), ("(N", 5000)];
    let same = ([1, 0, 1, 0], [4000, 4000, 4000]);
    assert_eq!(episodes(&notes, &both, whole, Kind::VfAny), same);
    let tachycardia = ([1, 0, 1, 0], [2000, 2000, 2000]);
    assert_eq!(episodes(&notes, &notes, whole, Kind::Vt), tachycardia);
}

#[test]
fn episodes_are_cut_at_the_ends_of_the_scored_part() {
    let reference = [("[", -500), ("]", 3000), ("[", 8000)];
    let test = [("[", 1000), ("]", 2000), ("[", 9000), ("]", 12_000)];
    let found = ([2, 0, 2, 0], [3500, 1500, 1500]);
    assert_eq!(
        episodes(&reference, &test, (1.5, Some(10_000)), Kind::Vf),
        found
    );
    // Without a length the last annotation ends the record.
    let found = ([2, 0, 2, 0], [5500, 3500, 3500]);
    assert_eq!(episodes(&reference, &test, (1.5, None), Kind::Vf), found);
    // A note without text, and one of a fibrillation of the atria.
    let mut reference = annotations(&[("(AFIB", 1000), ("(N", 5000)]);
    reference.insert(1, Annotation::new(2000, Symbol::RHYTHM));
    let counts = compare_episodes(&pair(&reference, &[], Some(10_000)), 0.0, Kind::Af);
    assert_eq!((counts.missed, counts.reference_samples), (1, 4000));
}

#[test]
fn measurements_are_compared_with_the_nearest() {
    let measure = |list: &[(i64, &str)]| -> Vec<Annotation> {
        let symbol = Symbol::from_mnemonic("=").unwrap();
        let annotate = |&(sample, text): &(i64, &str)| Annotation {
            aux_note: text.into(),
            ..Annotation::new(sample, symbol)
        };
        list.iter().map(annotate).collect()
    };
    let reference = measure(&[(2000, "60"), (4000, "80"), (9000, "70")]);
    // The first is before the start; at 3000 the later of two counts.
    let test = measure(&[(500, "200"), (3000, "86"), (4100, "72"), (5000, "soon")]);
    let errors = compare_measurements(&pair(&reference, &test, Some(10_000)), 1.0, 0).unwrap();
    assert_eq!((errors.count, errors.mean), (2, 80.0));
    assert!((errors.rms - 50f64.sqrt() / 80.0).abs() < 1e-12);
    let none = compare_measurements(&pair(&reference, &test, Some(10_000)), 1.0, 1);
    assert_eq!(none, None);
}
