use super::*;
use crate::pipeline::input::InputSpec;
use crate::pipeline::{Fiducials, MOST_BACK, Output, Pipeline};
use crate::simulate::synth::{self, Conduction, Noise, Rhythm, Settings};
use proptest::prelude::*;
use std::f64::consts::TAU;
use std::path::Path;

const FS: f64 = 250.0;

/// An episode, and the second at which it was told.
type Told = (Episode, f64);

/// What a pipeline tells of a signal that comes in chunks of these sizes.
fn told(samples: &[f32], fs: f64, cuts: &[usize]) -> Vec<Told> {
    let mut pipeline = Pipeline::new(&InputSpec::window(), fs, Fiducials::Detected).unwrap();
    let (mut told, mut rest, mut pushed) = (Vec::new(), samples, 0);
    for cut in cuts.iter().cycle() {
        let (now, later) = rest.split_at((*cut).min(rest.len()));
        pushed += now.len();
        pipeline.push(now, &mut |output| {
            if let Output::Episode(episode) = output {
                told.push((episode, pushed as f64 / fs));
            }
        });
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    pipeline.finish(&mut |output| {
        if let Output::Episode(episode) = output {
            told.push((episode, samples.len() as f64 / fs));
        }
    });
    told
}

fn begun(told: &[Told], kind: Kind) -> Vec<Told> {
    let begins = told.iter().filter(|(e, _)| e.end.is_none());
    begins.filter(|(e, _)| e.kind == kind).copied().collect()
}

/// Sinus rhythm without premature beats.
fn sinus(seconds: f64, noise: Noise, seed: u64) -> Vec<f32> {
    let settings = Settings {
        noise,
        rhythm: Rhythm {
            rate: 72.0,
            atrial: 0.0,
            ventricular: 0.0,
            fusion: 0.0,
            runs: 0.0,
            geminy: 0.0,
            ..Rhythm::default()
        },
        ..Settings::new(FS, seed)
    };
    let (record, _) = synth::record("s", &settings, seconds).unwrap();
    record.signals[0].samples.clone()
}

/// Waves whose frequency and height wander, in mV.
fn fibrillation(seconds: f64) -> Vec<f32> {
    let mut phase = 0.0;
    (0..(seconds * FS) as usize)
        .map(|i| {
            let t = i as f64 / FS;
            let frequency = 5.0 + 0.9 * (TAU * 0.37 * t).sin() + 0.6 * (TAU * 0.83 * t).cos();
            phase += TAU * frequency / FS;
            let height = 0.45 + 0.2 * (TAU * 0.29 * t).sin() + 0.12 * (TAU * 0.71 * t).cos();
            (height * (phase.sin() + 0.25 * (1.7 * phase + 1.0).sin())) as f32
        })
        .collect()
}

/// Wide complexes of one shape, so many a minute.
fn tachycardia(seconds: f64, rate: f64) -> Vec<f32> {
    (0..(seconds * FS) as usize)
        .map(|i| {
            let phase = TAU * (i as f64 / FS * rate / 60.0).fract();
            (1.2 * phase.sin() + 0.35 * (2.0 * phase + 0.8).sin()) as f32
        })
        .collect()
}

fn after_sinus(what: &[f32], then: f64) -> Vec<f32> {
    let mut samples = sinus(60.0, Noise::default(), 3);
    samples.extend(what);
    if then > 0.0 {
        samples.extend(sinus(then, Noise::default(), 4));
    }
    samples
}

#[test]
fn fibrillation_is_told_within_ten_seconds_of_its_onset_and_ends() {
    let told = told(&after_sinus(&fibrillation(40.0), 40.0), FS, &[250]);
    let begins = begun(&told, Kind::Fibrillation);
    assert_eq!(begins.len(), 1, "{told:?}");
    let (episode, at) = begins[0];
    assert!(
        (57.0..=63.0).contains(&(episode.start as f64 / FS)),
        "{told:?}"
    );
    assert!(at <= 70.0, "{told:?}");
    let (last, _) = told.last().unwrap();
    let end = last.end.unwrap() as f64 / FS;
    assert!((96.0..=106.0).contains(&end), "{told:?}");
    assert!(told.iter().all(|(e, _)| e.kind != Kind::Asystole));
}

#[test]
fn tachycardia_is_told_with_its_rate() {
    let told = told(&after_sinus(&tachycardia(40.0, 190.0), 20.0), FS, &[250]);
    let begins: Vec<_> = told.iter().filter(|(e, _)| e.end.is_none()).collect();
    let (episode, at) = begins[0];
    assert!(*at <= 70.0 && (56.0..=64.0).contains(&(episode.start as f64 / FS)));
    let rate = episode.rate.unwrap();
    assert!((rate - 190.0).abs() < 12.0, "{rate}");
    // Wide complexes of the same shape at 80 per minute are none.
    let slow = told_of_kind(&after_sinus(&tachycardia(40.0, 100.0), 20.0));
    assert_eq!(slow, 0);
}

fn told_of_kind(samples: &[f32]) -> usize {
    told(samples, FS, &[1000]).len()
}

#[test]
fn asystole_is_a_flat_line_after_beats() {
    let noise = |i: usize| ((i * 7919 % 31) as f32 / 15.0 - 1.0) * 0.004;
    let flat: Vec<f32> = (0..(12.0 * FS) as usize).map(noise).collect();
    let told = told(&after_sinus(&flat, 20.0), FS, &[250]);
    let begins = begun(&told, Kind::Asystole);
    assert_eq!(begins.len(), 1, "{told:?}");
    let (episode, at) = begins[0];
    assert!(
        (59.0..=62.5).contains(&(episode.start as f64 / FS)),
        "{told:?}"
    );
    assert!(at <= 67.5, "{told:?}");
    let ends: Vec<_> = told.iter().filter_map(|(e, _)| e.end).collect();
    assert_eq!(ends.len(), 1, "{told:?}");
    assert!((70.5..=73.5).contains(&(ends[0] as f64 / FS)), "{told:?}");
    // Waves of fibrillation that no detector takes for beats are no asystole.
    let fine: Vec<f32> = fibrillation(15.0).iter().map(|x| 0.3 * x).collect();
    let told = super::tests::told(&after_sinus(&fine, 10.0), FS, &[250]);
    assert!(begun(&told, Kind::Asystole).is_empty(), "{told:?}");
}

#[test]
fn sinus_rhythm_with_noise_and_artefacts_is_no_alarm() {
    for (seed, muscle) in [(1, 0.02), (2, 0.05), (3, 0.1), (4, 0.15)] {
        let noise = Noise {
            wander: 0.3,
            muscle,
            ..Noise::default()
        };
        let mut samples = sinus(300.0, noise, seed);
        // Steps, dropouts and bursts of a loose electrode.
        for (i, x) in samples.iter_mut().enumerate() {
            match (i as f64 / FS) as usize {
                40 => *x += 2.0,
                80 => *x = 0.0,
                120..=121 => *x += ((i * 7919 % 101) as f32 / 50.0 - 1.0) * 0.8,
                160 => *x *= 8.0,
                _ => {}
            }
        }
        let told = told(&samples, FS, &[777]);
        assert!(told.is_empty(), "muscle {muscle}: {told:?}");
    }
    for conduction in [Conduction::LeftBlock, Conduction::RightBlock] {
        let settings = Settings {
            conduction,
            ..Settings::new(FS, 9)
        };
        let (record, _) = synth::record("s", &settings, 300.0).unwrap();
        let told = told(&record.signals[0].samples, FS, &[777]);
        assert!(told.is_empty(), "{conduction:?}: {told:?}");
    }
}

#[test]
fn a_signal_that_cannot_be_read_tells_nothing() {
    let mut watch = Watch::new(128.0, 1);
    let mut count = 0;
    for x in fibrillation(60.0) {
        watch.push(&[x], false, &mut |_| count += 1);
    }
    for _ in 0..128 * 30 {
        watch.push(&[0.0], false, &mut |_| count += 1);
    }
    watch.restart(&mut |_| count += 1);
    assert_eq!(count, 0);
}

#[test]
fn a_patient_is_forgotten() {
    let run = |watch: &mut Watch| {
        let mut all = Vec::new();
        for x in after_sinus(&fibrillation(20.0), 5.0) {
            watch.push(&[x], true, &mut |e| all.push(e));
        }
        watch.restart(&mut |e| all.push(e));
        all
    };
    let mut watch = Watch::new(FS, 1);
    let first = run(&mut watch);
    watch.reset();
    assert!(!first.is_empty());
    assert_eq!(run(&mut watch), first);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn chunks_change_nothing_and_nothing_is_older_than_allowed(
        cuts in prop::collection::vec(1usize..3000, 1..6),
        rate in 120.0..260.0f64,
    ) {
        let mut samples = after_sinus(&tachycardia(15.0, rate), 0.0);
        samples.extend(fibrillation(20.0));
        samples.extend(vec![0.002; (10.0 * FS) as usize]);
        samples.extend(sinus(15.0, Noise::default(), 8));
        let episodes = |told: Vec<Told>| told.into_iter().map(|t| t.0).collect::<Vec<_>>();
        let whole = episodes(told(&samples, FS, &[samples.len()]));
        prop_assert!(!whole.is_empty());
        prop_assert_eq!(episodes(told(&samples, FS, &cuts)), whole);
        for (episode, at) in told(&samples, FS, &[25]) {
            let oldest = episode.end.unwrap_or(episode.start) as f64 / FS;
            prop_assert!(at - oldest <= MOST_BACK, "{:?} told at {}", episode, at);
        }
    }
}

/// A recording, its first signal and its rate.
fn shared(record: &str) -> (Vec<f32>, f64) {
    let path = Path::new(env!("ECTOPY_RECORDINGS")).join(record);
    let record = crate::formats::open(&path).unwrap().read().unwrap();
    (record.signals[0].samples.clone(), record.fs)
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn real_fibrillation_is_named_and_never_asystole() {
    // Onset as annotated, in seconds.
    for (record, onset) in [("cudb/cu22", 338.1), ("cudb/cu24", 356.6)] {
        let (samples, fs) = shared(record);
        let told = told(&samples, fs, &[125]);
        let first = begun(&told, Kind::Fibrillation)
            .into_iter()
            .chain(begun(&told, Kind::Tachycardia))
            .map(|(_, at)| at)
            .filter(|at| *at >= onset - 2.0)
            .min_by(f64::total_cmp);
        assert!(
            first.is_some_and(|at| at <= onset + 10.0),
            "{record}: {told:?}"
        );
        assert!(
            begun(&told, Kind::Asystole).is_empty(),
            "{record}: {told:?}"
        );
    }
}
