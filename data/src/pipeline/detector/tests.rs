use super::*;
use crate::record::aami::{Class, Convention};
use crate::simulate::synth::{self, Noise, Rhythm, Settings};

const FS: f64 = 128.0;

/// A recording at the detector's own rate and its beats.
fn recording(settings: Settings, seconds: f64) -> (Vec<f32>, Vec<u64>) {
    let (record, annotations) = synth::record("s", &settings, seconds).unwrap();
    let beats = annotations
        .iter()
        .filter(|a| Class::from_symbol(a.symbol, Convention::Literature).is_some())
        .map(|a| a.sample as u64);
    (record.signals[0].samples.clone(), beats.collect())
}

fn sinus(seed: u64, seconds: f64) -> (Vec<f32>, Vec<u64>) {
    let settings = Settings {
        rhythm: Rhythm::sinus(70.0),
        ..Settings::new(FS, seed)
    };
    recording(settings, seconds)
}

fn detect(samples: &[f32]) -> Vec<u64> {
    let mut detector = Detector::new(FS, 1).unwrap();
    samples
        .iter()
        .filter_map(|x| detector.push(&[*x]))
        .collect()
}

/// Beats between two times in seconds that were missed, and detections there
/// that are none.
fn errors(beats: &[u64], found: &[u64], from: f64, to: f64) -> (usize, usize) {
    let range = (from * FS) as u64..(to * FS) as u64;
    let near = |at: u64, all: &[u64]| all.iter().any(|b| b.abs_diff(at) <= 19);
    let lonely = |some: &[u64], all: &[u64]| {
        let inside = some.iter().filter(|b| range.contains(b));
        inside.filter(|b| !near(**b, all)).count()
    };
    (lonely(beats, found), lonely(found, beats))
}

#[test]
fn patients_of_every_kind_are_followed() {
    let (mut missed, mut extra, mut total) = (Vec::new(), Vec::new(), 0);
    for seed in 0..12 {
        let (samples, beats) = recording(Settings::patient(FS, seed), 120.0);
        let errors = errors(&beats, &detect(&samples), 5.0, 119.0);
        missed.push(errors.0);
        extra.push(errors.1);
        total += beats.len();
    }
    // Most of what is missed is one patient's slow, wide ventricular beats,
    // which the detector takes for T waves.
    let wrong: usize = missed.iter().chain(&extra).sum();
    assert!(
        wrong * 100 <= 3 * total,
        "of {total} beats missed {missed:?}, extra {extra:?}"
    );
}

#[test]
fn detections_ascend_and_keep_the_refractory_period() {
    let settings = Settings {
        noise: Noise {
            muscle: 0.3,
            ..Noise::default()
        },
        ..Settings::new(FS, 3)
    };
    let found = detect(&recording(settings, 120.0).0);
    let least = (REFRACTORY * FS) as u64;
    assert!(found.len() > 50);
    assert!(found.windows(2).all(|w| w[1] >= w[0] + least));
}

#[test]
fn a_change_of_gain_is_followed_within_seconds() {
    for gain in [0.2f32, 6.0, -1.0] {
        let (mut samples, beats) = sinus(7, 90.0);
        samples[(40.0 * FS) as usize..]
            .iter_mut()
            .for_each(|x| *x *= gain);
        let found = detect(&samples);
        assert_eq!(errors(&beats, &found, 3.0, 39.0), (0, 0));
        assert_eq!(errors(&beats, &found, 48.0, 89.0), (0, 0), "gain {gain}");
    }
}

#[test]
fn a_flat_line_has_no_beats_and_the_signal_after_it_has() {
    let (mut samples, beats) = sinus(8, 90.0);
    let (from, to) = ((30.0 * FS) as usize, (50.0 * FS) as usize);
    let level = samples[from];
    samples[from..to].fill(level);
    let found = detect(&samples);
    assert_eq!(errors(&[], &found, 30.7, 49.7).1, 0);
    assert_eq!(errors(&beats, &found, 54.0, 89.0), (0, 0));
}

#[test]
fn a_burst_of_artefacts_does_not_blind_it() {
    let (mut samples, beats) = sinus(9, 90.0);
    let from = (30.0 * FS) as usize;
    for (i, x) in samples[from..from + (5.0 * FS) as usize]
        .iter_mut()
        .enumerate()
    {
        *x = if (i / 17) % 2 == 0 { 10.0 } else { -10.0 };
    }
    let found = detect(&samples);
    assert_eq!(errors(&beats, &found, 45.0, 89.0), (0, 0));
}

#[test]
fn a_saturated_amplifier_still_shows_its_beats() {
    let (mut samples, beats) = sinus(10, 60.0);
    samples.iter_mut().for_each(|x| *x = x.clamp(-0.4, 0.4));
    assert_eq!(errors(&beats, &detect(&samples), 3.0, 59.0), (0, 0));
}

#[test]
fn a_second_lead_helps_when_the_first_fails() {
    let (record, annotations) = synth::record("s", &Settings::new(FS, 11), 90.0).unwrap();
    let beats: Vec<u64> = annotations
        .iter()
        .filter(|a| Class::from_symbol(a.symbol, Convention::Literature).is_some())
        .map(|a| a.sample as u64)
        .collect();
    let mut detector = Detector::new(FS, 2).unwrap();
    let frames = record.signals[0]
        .samples
        .iter()
        .zip(&record.signals[1].samples);
    let found: Vec<u64> = frames
        .enumerate()
        .filter_map(|(i, (a, b))| {
            let failed = (40.0..70.0).contains(&(i as f64 / FS));
            detector.push(&[if failed { 0.0 } else { *a }, *b])
        })
        .collect();
    let (missed, extra) = errors(&beats, &found, 5.0, 89.0);
    let mut alone = record.signals[0].samples.clone();
    alone[(40.0 * FS) as usize..(70.0 * FS) as usize].fill(0.0);
    let (missed_alone, _) = errors(&beats, &detect(&alone), 5.0, 89.0);
    assert!(
        missed * 3 <= missed_alone && extra <= 2,
        "{missed} missed with both leads, {missed_alone} with the first; {extra} extra"
    );
}
