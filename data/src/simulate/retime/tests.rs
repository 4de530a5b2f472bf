//! Tests of [`super::retime`].

use super::*;
use crate::record::Signal;

const FS: f64 = 250.0;
const RR: usize = 200;

/// A steady rhythm: a narrow R wave of 1 mV and a P wave of 0.2 mV.
fn steady(beats: usize) -> (Record, Vec<Annotation>) {
    let bump = |t: f64, width: f64| (-0.5 * (t / width).powi(2)).exp();
    let samples = (0..(beats + 1) * RR)
        .map(|i| {
            let t = (i as f64 + 0.5 * RR as f64) % RR as f64 - 0.5 * RR as f64;
            (bump(t / FS, 0.01) + 0.2 * bump(t / FS + 0.16, 0.02)) as f32
        })
        .collect();
    let record = Record {
        name: "steady".into(),
        fs: FS,
        signals: vec![Signal {
            name: "MLII".into(),
            units: "mV".into(),
            samples,
        }],
        comments: Vec::new(),
    };
    let marks = (1..=beats).map(|b| Annotation::new((b * RR) as i64, Symbol::N));
    (record, marks.collect())
}

fn intervals(annotations: &[Annotation]) -> Vec<i64> {
    annotations
        .windows(2)
        .map(|p| p[1].sample - p[0].sample)
        .collect()
}

#[test]
fn the_beats_are_where_the_annotations_say() {
    let (record, marks) = steady(400);
    for kind in [
        Retiming::Premature,
        Retiming::Fibrillation,
        Retiming::SinusArrhythmia,
        Retiming::SickSinus,
    ] {
        let (moved, annotations) = retime(&record, &marks, kind, 5);
        assert_eq!(annotations.len(), marks.len());
        assert_ne!(intervals(&annotations), intervals(&marks));
        let samples = &moved.signals[0].samples;
        for annotation in &annotations {
            let at = annotation.sample as usize;
            let near = &samples[at - 10..at + 10];
            let top = (0..20)
                .max_by(|&a, &b| near[a].total_cmp(&near[b]))
                .unwrap();
            assert!(top.abs_diff(10) <= 1, "{kind:?} at {at}: {top}");
            assert!(near[10] > 0.8, "{kind:?} at {at}: {}", near[10]);
        }
    }
}

#[test]
fn premature_beats_are_early_and_are_marked() {
    let (record, marks) = steady(3000);
    let (_, annotations) = retime(&record, &marks, Retiming::Premature, 1);
    let early = intervals(&annotations);
    let is_premature = |i: usize| annotations[i + 1].symbol == Symbol::S;
    let count = (0..early.len()).filter(|&i| is_premature(i)).count();
    assert!(count > 100 && count < 2000, "{count}");
    let mean = |wanted: bool| {
        let of: Vec<i64> = (0..early.len())
            .filter(|&i| is_premature(i) == wanted)
            .map(|i| early[i])
            .collect();
        of.iter().sum::<i64>() as f64 / of.len() as f64
    };
    assert!(mean(true) < 0.85 * RR as f64 && mean(false) >= RR as f64);
}

#[test]
fn fibrillation_is_irregular_and_without_p_waves() {
    let (record, marks) = steady(500);
    let (moved, annotations) = retime(&record, &marks, Retiming::Fibrillation, 2);
    let ln: Vec<f64> = intervals(&annotations)
        .iter()
        .map(|&i| (i as f64).ln())
        .collect();
    let mean = ln.iter().sum::<f64>() / ln.len() as f64;
    let spread = (ln.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / ln.len() as f64).sqrt();
    assert!(spread > 0.08, "{spread}");
    let before_r = |r: &Record, a: &Annotation| {
        f64::from(r.signals[0].samples[a.sample as usize - (0.16 * FS) as usize])
    };
    let p = |r: &Record, a: &[Annotation]| {
        a[1..].iter().map(|a| before_r(r, a)).sum::<f64>() / a.len() as f64
    };
    assert!(p(&moved, &annotations).abs() < 0.3 * p(&record, &marks));
}

#[test]
fn in_a_sick_sinus_most_beats_are_ectopic_and_sinus_beats_are_late() {
    let (record, marks) = steady(2000);
    // A patient may have plain sinus rhythm for a while: look at several.
    let beats: Vec<(Symbol, i64)> = (0..8)
        .flat_map(|seed| {
            let (_, annotations) = retime(&record, &marks, Retiming::SickSinus, seed);
            let symbols = annotations[1..].iter().map(|a| a.symbol);
            symbols.zip(intervals(&annotations)).collect::<Vec<_>>()
        })
        .collect();
    let mean = |symbol: Symbol| {
        let of: Vec<i64> = beats
            .iter()
            .filter(|(s, _)| *s == symbol)
            .map(|(_, interval)| *interval)
            .collect();
        (of.len(), of.iter().sum::<i64>() as f64 / of.len() as f64)
    };
    let ((ectopic, short), (sinus, long)) = (mean(Symbol::S), mean(Symbol::N));
    assert!(ectopic > sinus && sinus > 100, "{ectopic} {sinus}");
    assert!(long > 1.1 * short, "{long} {short}");
}

#[test]
fn a_blocked_beat_leaves_its_p_wave() {
    let (record, marks) = steady(1000);
    let (moved, annotations) = retime(&record, &marks, Retiming::Block, 3);
    let lost: Vec<usize> = marks
        .iter()
        .filter(|m| !annotations.contains(m))
        .map(|m| m.sample as usize)
        .collect();
    assert!(lost.len() > 50 && lost.len() < 500, "{}", lost.len());
    let samples = &moved.signals[0].samples;
    for at in lost {
        let qrs = &samples[at - 10..at + 10];
        assert!(qrs.iter().all(|v| v.abs() < 0.1), "{at}: {qrs:?}");
        assert!(samples[at - (0.16 * FS) as usize] > 0.15, "{at}");
    }
}

#[test]
fn a_fusion_beat_is_between_its_parents() {
    let (mut record, mut marks) = steady(1000);
    // Every tenth beat is ventricular: upside down.
    let samples = &mut record.signals[0].samples;
    for mark in marks.iter_mut().step_by(10) {
        mark.symbol = Symbol::V;
        let at = mark.sample as usize;
        for value in &mut samples[at - 10..at + 10] {
            *value = -*value;
        }
    }
    let (moved, annotations) = retime(&record, &marks, Retiming::Fusion, 4);
    let samples = &moved.signals[0].samples;
    let fused: Vec<&Annotation> = annotations
        .iter()
        .filter(|a| a.symbol == Symbol::F)
        .collect();
    assert!(fused.len() > 10, "{}", fused.len());
    for mark in fused {
        let top = samples[mark.sample as usize];
        assert!(top < 0.9 && top > -0.5, "{}: {top}", mark.sample);
    }
    let (_, without) = retime(&steady(100).0, &steady(100).1, Retiming::Fusion, 4);
    assert_eq!(without, steady(100).1);
}

#[test]
fn the_seed_decides() {
    let (record, marks) = steady(100);
    let make = |seed| retime(&record, &marks, Retiming::Premature, seed);
    assert_eq!(make(3), make(3));
    assert_ne!(make(3).1, make(4).1);
}

#[test]
fn a_record_without_beats_is_left_as_it_is() {
    let (record, _) = steady(5);
    let (same, none) = retime(&record, &[], Retiming::SinusArrhythmia, 1);
    assert_eq!(same, record);
    assert!(none.is_empty());
}
