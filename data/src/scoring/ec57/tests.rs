//! The rules of the beat-by-beat comparison, one by one.

use proptest::prelude::*;

use super::*;
use crate::record::aami::{Class, Convention};
use crate::record::annotation::{Annotation, Symbol};

/// At 1000 Hz a sample is a millisecond.
const FS: f64 = 1000.0;
const WHOLE: Options = Options {
    start: 0.0,
    convention: Convention::Bxb,
};

fn compare(
    reference: &[Annotation],
    test: &[Annotation],
    fs: f64,
    options: &Options,
) -> Comparison {
    let pair = Pair {
        reference,
        test,
        fs,
        length: Some(i64::MAX),
    };
    super::compare(&pair, options)
}

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

fn others(list: &[(&str, i64, i8)]) -> Vec<Annotation> {
    let annotate = |&(mnemonic, sample, subtype): &(&str, i64, i8)| Annotation {
        subtype,
        ..Annotation::new(sample, Symbol::from_mnemonic(mnemonic).unwrap())
    };
    list.iter().map(annotate).collect()
}

#[test]
fn beats_closer_than_the_window_are_paired_in_turn() {
    // The second test beat has its own partner and is no rival.
    assert_eq!(outcome(&[1000, 1140], &[1070, 1200]), (2, 0, 0));
    // Equally near on both sides, and nothing else: the later one.
    assert_eq!(outcome(&[1000, 1140], &[1070]), (1, 1, 0));
}

#[test]
fn the_comparison_ends_with_the_record() {
    let (reference, test) = (beats(&[1000, 2000, 3050]), beats(&[1000, 2000, 3000, 4000]));
    let mut pair = Pair {
        reference: &reference,
        test: &test,
        fs: FS,
        length: Some(3000),
    };
    let n = Beat::Class(Class::N);
    let counts = |pair: &Pair<'_>| {
        let matrix = super::compare(pair, &WHOLE).matrix;
        (matrix.count(n, n), matrix.count(Beat::None, n))
    };
    // A beat after the end is a partner, but nothing alone.
    assert_eq!(counts(&pair), (3, 0));
    pair.length = Some(2999);
    assert_eq!(counts(&pair), (2, 0));
    pair.length = Some(5000);
    assert_eq!(counts(&pair), (3, 1));
    // The last reference beat ends a record of unknown length.
    pair.length = None;
    assert_eq!(counts(&pair), (3, 0));
}

#[test]
fn the_first_test_beat_may_belong_to_the_learning_period() {
    let options = Options {
        start: 1.0,
        ..WHOLE
    };
    let sum = |reference: &[i64], test: &[i64]| {
        let found = compare(&beats(reference), &beats(test), FS, &options);
        found.matrix.sum(&Beat::ALL, &Beat::ALL)
    };
    // 150 ms after the start it is left out if the next one is nearer.
    assert_eq!(sum(&[1500], &[1150, 1500]), 1);
    assert_eq!(sum(&[1500], &[1151, 1500]), 2);
    // If nothing is left in the reference it is an extra beat.
    assert_eq!(sum(&[500], &[1100, 1500]), 2);
    // With a start of 0 there is no learning period.
    assert_eq!(outcome(&[500], &[0, 500]), (1, 0, 1));
}

#[test]
fn the_test_annotators_fibrillation_holds_no_beats() {
    let test = others(&[
        ("N", 1000, 0),
        ("[", 1500, 0),
        ("N", 2000, 0),
        ("]", 2500, 0),
    ]);
    let found = compare(&beats(&[1000, 2000]), &test, FS, &WHOLE);
    let n = Beat::Class(Class::N);
    assert_eq!(
        (found.matrix.count(n, n), found.matrix.count(n, Beat::None)),
        (1, 1)
    );
}

#[test]
fn shutdowns_end_with_a_mark_or_stand_for_their_surroundings() {
    let reference = beats(&[1000, 2000, 3000, 4000, 5000]);
    let missed = |test: &[(&str, i64, i8)]| {
        let found = compare(&reference, &others(test), FS, &WHOLE);
        let n = Beat::Class(Class::N);
        (
            found.matrix.count(n, Beat::Unreadable),
            found.shutdown_seconds,
        )
    };
    // From mark to mark; one bit alone is an end.
    let marked = [
        ("N", 1000, 0),
        ("~", 1500, 0x30),
        ("~", 3500, 0x10),
        ("N", 5000, 0),
    ];
    assert_eq!(missed(&marked), (2, 2));
    // A mark without an end: between the windows of the beats around it.
    let lone = [("N", 1000, 0), ("~", 2500, 0x30), ("N", 5000, 0)];
    assert_eq!(missed(&lone), (3, 4));
    // One bit is no shutdown.
    let one_bit = [
        ("N", 1000, 0),
        ("~", 1500, 0x20),
        ("~", 3500, 0),
        ("N", 5000, 0),
    ];
    assert_eq!(missed(&one_bit), (0, 0));
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
        let fibrillation = reference.iter().chain(&test).any(|a| a.symbol == Symbol::VF_ON);
        let classes: Vec<Beat> = Class::ALL.map(Beat::Class).to_vec();
        let is_beat = |a: &&Annotation| Class::from_symbol(a.symbol, Convention::Bxb).is_some();
        if !fibrillation {
            prop_assert_eq!(found.matrix.support(&classes), reference.iter().filter(is_beat).count() as u64);
            prop_assert_eq!(found.matrix.sum(&Beat::ALL, &classes), test.iter().filter(is_beat).count() as u64);
        }
    }
}
