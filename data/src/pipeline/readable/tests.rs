use super::*;
use crate::simulate::synth::{self, Settings};
use proptest::prelude::*;

const FS: f64 = 128.0;

/// The first lead of a synthetic recording at the watch's rate.
fn ecg(seed: u64, seconds: f64) -> Vec<f32> {
    let (record, _) = synth::record("s", &Settings::patient(FS, seed), seconds).unwrap();
    record.signals[0].samples.clone()
}

fn watch(samples: &[f32]) -> Vec<Change> {
    let mut readability = Readability::new(FS, 1);
    let told = samples.iter().filter_map(|x| readability.push(&[*x]));
    told.collect()
}

/// Uniform noise in -1 to 1, by a congruential generator.
fn noise(mut state: u32) -> impl FnMut() -> f32 {
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    }
}

/// What is told of an ECG of 40 s whose seconds 20 to 25 are replaced.
fn told(replace: impl Fn(usize, f32) -> f32) -> Vec<(Condition, f64)> {
    let mut samples = ecg(3, 40.0);
    let (from, to) = ((20.0 * FS) as usize, (25.0 * FS) as usize);
    for (i, x) in samples.iter_mut().enumerate().take(to).skip(from) {
        *x = replace(i, *x);
    }
    let seconds = |c: &Change| (c.condition, c.since as f64 / FS);
    watch(&samples).iter().map(seconds).collect()
}

fn assert_told(told: &[(Condition, f64)], condition: Condition, tolerance: f64) {
    let [(first, from), (second, to)] = told else {
        panic!("{condition:?} alone was expected: {told:?}");
    };
    assert_eq!((*first, *second), (condition, Condition::Readable));
    assert!(
        (from - 20.0).abs() <= tolerance && (to - 25.0).abs() <= tolerance,
        "{told:?}"
    );
}

#[test]
fn each_condition_has_its_name_its_begin_and_its_end() {
    assert_told(&told(|_, _| 5.0), Condition::Saturated, 0.02);
    assert_told(&told(|_, _| -3.2), Condition::Saturated, 0.02);
    assert_told(&told(|_, x| 1e5 * x), Condition::OutOfRange, 0.6);
    let flat = told(|_, _| 0.01);
    assert_told(&flat, Condition::Flat, 0.02);
    let hash = |i: usize, _| noise(i as u32 * 7919)();
    assert_told(&told(hash), Condition::Noise, 1.1);
}

#[test]
fn patients_of_every_kind_are_readable_at_any_gain() {
    for seed in 0..24 {
        for gain in [0.05, 0.3, -1.0, 4.0, 20.0] {
            let samples: Vec<f32> = ecg(seed, 60.0).iter().map(|x| gain * x).collect();
            assert_eq!(watch(&samples), [], "patient {seed}, gain {gain}");
        }
    }
}

#[test]
fn the_cut_off_top_of_a_wave_is_no_saturation() {
    let samples: Vec<f32> = ecg(5, 60.0).iter().map(|x| x.clamp(-0.5, 0.5)).collect();
    assert_eq!(watch(&samples), []);
}

#[test]
fn a_quiet_line_with_a_recorders_noise_is_readable() {
    let mut noise = noise(4);
    let samples: Vec<f32> = (0..2000).map(|_| (2.0 * noise()).round() * 0.005).collect();
    assert_eq!(watch(&samples), []);
}

#[test]
fn a_lead_that_is_left_keeps_the_frame_readable() {
    let samples = ecg(6, 30.0);
    let mut readability = Readability::new(FS, 2);
    assert!(
        samples
            .iter()
            .all(|x| readability.push(&[*x, 0.0]).is_none())
    );
}

proptest! {
    #[test]
    fn changes_ascend_and_none_is_later_than_told(
        pieces in prop::collection::vec((0usize..6, 1usize..600), 1..30), seed in 0u64..50,
    ) {
        let mut source = ecg(seed, 20.0).into_iter().cycle();
        let mut noise = noise(seed as u32);
        let mut readability = Readability::new(FS, 1);
        let (mut now, mut last) = (0u64, None);
        let mut condition = Condition::Readable;
        for (kind, length) in pieces {
            for _ in 0..length {
                let x = source.next().unwrap_or(0.0);
                let x = match kind { 0 => 5.0, 1 => 0.0, 2 => 1e4 * x, 3 => 3.0 * noise(), 4 => 20.0 * x, _ => x };
                if let Some(change) = readability.push(&[x]) {
                    prop_assert!(change.since <= now);
                    prop_assert!(last.is_none_or(|l| change.since > l));
                    prop_assert!(change.condition != condition);
                    prop_assert!(now - change.since <= (Readability::DELAY * FS) as u64);
                    (last, condition) = (Some(change.since), change.condition);
                }
                now += 1;
            }
        }
    }
}
