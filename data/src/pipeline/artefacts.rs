//! Nothing that happens to a signal leaves the pipeline deaf.

use std::path::Path;

use super::*;
use crate::formats;
use crate::formats::wfdb::AnnotationFile;
use crate::record::Record;
use crate::record::aami::{Class, Convention};
use crate::simulate::synth::{self, Settings};
use proptest::prelude::*;

/// Seconds of every trial, and the longest allowed without a beat once the
/// signal can be read again.
const LENGTH: f64 = 45.0;
const DEAF: f64 = 4.0;

/// A recording in which every artefact may happen.
struct Source {
    name: String,
    fs: f64,
    lead: Vec<f32>,
    other: Vec<f32>,
    beats: Vec<u64>,
}

impl Source {
    fn new(record: &Record, annotations: &[crate::record::annotation::Annotation]) -> Source {
        let beat = |a: &&crate::record::annotation::Annotation| {
            Class::from_symbol(a.symbol, Convention::Literature).is_some()
        };
        let beats = annotations.iter().filter(beat);
        Source {
            name: record.name.clone(),
            fs: record.fs,
            lead: record.signals[0].samples.clone(),
            other: record.signals[record.signals.len() - 1].samples.clone(),
            beats: beats.map(|a| a.sample as u64).collect(),
        }
    }

    fn synthetic() -> Vec<Source> {
        let source = |seed| {
            let settings = Settings::patient(250.0, seed);
            let (record, annotations) = synth::record("s", &settings, 120.0).unwrap();
            Source::new(&record, &annotations)
        };
        (0..8).map(source).collect()
    }

    /// Real recordings whose leads are themselves undisturbed.
    fn real() -> Vec<Source> {
        let shared = Path::new(env!("ECTOPY_RECORDINGS"));
        let read = |name: &&str| {
            let path = shared.join(name);
            let record = formats::open(&path).unwrap().read().unwrap();
            let file = AnnotationFile::read(&path.with_extension("atr")).unwrap();
            Source::new(&record, &file.at_rate(record.fs))
        };
        let names = [
            "mitdb/100",
            "mitdb/119",
            "mitdb/215",
            "svdb/820",
            "svdb/890",
        ];
        names.iter().map(read).collect()
    }
}

#[derive(Clone, Copy, Debug)]
enum Artefact {
    Saturation,
    Step(f32),
    Dropout,
    Flat,
    Gain(f32),
    Burst(f32, usize),
    Flip,
    OtherLead,
}

fn artefact() -> impl Strategy<Value = Artefact> {
    prop_oneof![
        Just(Artefact::Saturation),
        (-10.0..10.0f32).prop_map(Artefact::Step),
        Just(Artefact::Dropout),
        Just(Artefact::Flat),
        (-3.0..3.0f32).prop_map(|g| Artefact::Gain(g.exp())),
        (1.0..10.0f32, 1usize..30).prop_map(|(h, n)| Artefact::Burst(h, n)),
        Just(Artefact::Flip),
        Just(Artefact::OtherLead),
    ]
}

/// Applies an artefact from frame `from` on, up to `to` where it has an end;
/// returns the frame at which it is over.
fn disturb(
    samples: &mut [f32],
    other: &[f32],
    artefact: Artefact,
    from: usize,
    to: usize,
) -> usize {
    match artefact {
        Artefact::Saturation => samples[from..to].fill(5.12),
        Artefact::Dropout => samples[from..to].fill(f32::NAN),
        Artefact::Flat => samples[from..to].fill(0.0),
        Artefact::Burst(height, hold) => {
            let mut state = hold as u32;
            let mut value = 0.0;
            for (i, x) in samples[from..to].iter_mut().enumerate() {
                if i % hold == 0 {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    value = height * ((state >> 8) as f32 / 8_388_608.0 - 1.0);
                }
                *x += value;
            }
        }
        Artefact::Step(height) => samples[from..].iter_mut().for_each(|x| *x += height),
        Artefact::Gain(gain) => samples[from..].iter_mut().for_each(|x| *x *= gain),
        Artefact::Flip => samples[from..].iter_mut().for_each(|x| *x = -*x),
        Artefact::OtherLead => samples[from..].copy_from_slice(&other[from..]),
    }
    match artefact {
        Artefact::Step(_) | Artefact::Gain(_) | Artefact::Flip | Artefact::OtherLead => from,
        _ => to,
    }
}

/// The longest time in seconds, from `end` of the artefact on, in which the
/// signal was readable, beats came and none was found.
fn deafness(samples: &[f32], fs: f64, beats: &[f64], end: f64) -> f64 {
    let mut pipeline = Pipeline::new(&InputSpec::window(), fs, Fiducials::Detected).unwrap();
    let (mut found, mut unreadable) = (Vec::new(), Vec::new());
    let mut note = |output: Output<'_>| match output {
        Output::Beat(beat) => found.push(beat.sample as f64 / fs),
        Output::Unreadable {
            start,
            end: Some(end),
            ..
        } => {
            unreadable.push((start as f64 / fs, end as f64 / fs));
        }
        _ => {}
    };
    pipeline.push(samples, &mut note);
    pipeline.finish(&mut note);
    let (mut last, mut longest, mut missed) = (end, 0.0f64, 0);
    for beat in beats.iter().filter(|t| **t > end) {
        let hidden = |(from, to): &(f64, f64)| (from - 0.2..to + 0.2).contains(beat);
        if unreadable.iter().any(hidden) || found.iter().any(|f| (f - beat).abs() < 0.15) {
            (last, missed) = (*beat, 0);
            continue;
        }
        missed += 1;
        // One beat alone is missed, and no deafness.
        if missed > 1 {
            longest = longest.max(beat - last);
        }
    }
    longest
}

fn trial(source: &Source, offset: f64, artefact: Artefact, at: f64, length: f64) -> f64 {
    let fs = source.fs;
    let count = (LENGTH * fs) as usize;
    let offset = (offset * (source.lead.len() - count) as f64) as usize;
    let part = offset..offset + count;
    let mut samples = source.lead[part.clone()].to_vec();
    let (from, to) = ((at * fs) as usize, ((at + length) * fs) as usize);
    let end = disturb(&mut samples, &source.other[part], artefact, from, to);
    let inside = |beat: &u64| {
        let at = beat.checked_sub(offset as u64)? as f64 / fs;
        (at < LENGTH - 2.0).then_some(at)
    };
    let beats: Vec<f64> = source.beats.iter().filter_map(inside).collect();
    deafness(&samples, fs, &beats, end as f64 / fs)
}

fn hears_again(sources: &[Source], cases: u32) {
    let strategy = (
        0..sources.len(),
        0.0..1.0f64,
        artefact(),
        8.0..15.0f64,
        0.2..12.0f64,
    );
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    };
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    let result = runner.run(&strategy, |(which, offset, artefact, at, length)| {
        let source = &sources[which];
        let deaf = trial(source, offset, artefact, at, length);
        prop_assert!(deaf <= DEAF, "deaf for {deaf:.1} s in {}", source.name);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

#[test]
fn no_artefact_deafens_for_longer_than_four_seconds() {
    hears_again(&Source::synthetic(), 96);
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn no_artefact_deafens_real_recordings_for_longer_than_four_seconds() {
    let sources = Source::real();
    hears_again(&sources, 96);
}

/// The beats and what else is told of a single lead.
fn told(samples: &[f32], fs: f64) -> (Vec<(u64, bool)>, u64) {
    let mut pipeline = Pipeline::new(&InputSpec::window(), fs, Fiducials::Detected).unwrap();
    let (mut beats, mut unreadable) = (Vec::new(), 0);
    let mut note = |output: Output<'_>| match output {
        Output::Beat(beat) => beats.push((beat.sample, beat.readable)),
        Output::Unreadable {
            start,
            end: Some(end),
            ..
        } => unreadable += end - start,
        _ => {}
    };
    pipeline.push(samples, &mut note);
    pipeline.finish(&mut note);
    (beats, unreadable)
}

#[test]
fn rubbish_is_no_heartbeat() {
    let mut state = 1u64;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    };
    let count = 120 * 250;
    let bytes: Vec<f32> = (0..count).map(|_| f32::from_bits(random())).collect();
    let huge: Vec<f32> = (0..count)
        .map(|_| if random() & 1 == 0 { 1e34 } else { -1e34 })
        .collect();
    let mut white = || {
        (0..12)
            .map(|_| random() as f32 / 4_294_967_296.0)
            .sum::<f32>()
            - 6.0
    };
    let loud: Vec<f32> = (0..count).map(|_| white()).collect();
    let quiet: Vec<f32> = (0..count).map(|_| 0.01 * white()).collect();
    for (name, samples) in [
        ("bytes", bytes),
        ("huge", huge),
        ("loud", loud),
        ("quiet", quiet),
    ] {
        let (beats, unreadable) = told(&samples, 250.0);
        let readable = beats.iter().filter(|b| b.1).count();
        assert!(
            readable <= 20,
            "{name}: {readable} of {} beats",
            beats.len()
        );
        let least = count as u64 * 8 / 10;
        assert!(
            unreadable >= least,
            "{name}: {unreadable} of {count} samples"
        );
    }
}

#[test]
fn patients_beats_are_readable() {
    for source in Source::synthetic() {
        let (beats, unreadable) = told(&source.lead, source.fs);
        let lost = beats.iter().filter(|b| !b.1).count();
        assert!(lost * 50 <= beats.len(), "{lost} of {} beats", beats.len());
        assert_eq!(unreadable, 0);
    }
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn saturation_and_gaps_leave_nothing_behind_in_cu02() {
    let shared = Path::new(env!("ECTOPY_RECORDINGS"));
    let record = formats::open(&shared.join("cudb/cu02")).unwrap();
    let record = record.read().unwrap();
    let samples = &record.signals[0].samples;
    let cut = (58.0 * record.fs) as usize;
    let span = (60.0 * record.fs) as u64..(137.0 * record.fs) as u64;
    let within = |beats: Vec<(u64, bool)>, offset: usize| -> Vec<u64> {
        let beats = beats.into_iter().map(|b| b.0 + offset as u64);
        beats.filter(|b| span.contains(b)).collect()
    };
    let whole = within(told(samples, record.fs).0, 0);
    let fresh = within(told(&samples[cut..], record.fs).0, cut);
    let gap = whole.windows(2).map(|w| w[1] - w[0]).max().unwrap();
    assert!(
        (gap as f64) < 2.0 * record.fs,
        "{gap} samples without a beat"
    );
    let near = |b: &&u64| fresh.iter().any(|f| f.abs_diff(**b) < 38);
    let same = whole.iter().filter(near).count();
    assert!(
        same + 2 >= fresh.len() && same + 2 >= whole.len(),
        "{same} of {}",
        fresh.len()
    );
}
