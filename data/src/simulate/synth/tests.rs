use super::*;
use crate::record::aami::{Class, Convention};

fn whole(settings: &Settings, frames: usize, chunks: &[usize]) -> (Vec<f32>, Vec<Annotation>) {
    let mut source = Synthesiser::new(settings).unwrap();
    let (mut samples, mut annotations) = (Vec::new(), Vec::new());
    let mut sizes = chunks.iter().cycle();
    while samples.len() < frames * LEADS.len() {
        let left = frames - samples.len() / LEADS.len();
        let size = left.min(*sizes.next().unwrap());
        let mut chunk = vec![0.0; size * LEADS.len()];
        source.fill(&mut chunk, &mut annotations);
        samples.extend(chunk);
    }
    (samples, annotations)
}

fn busy() -> Settings {
    let mut settings = Settings::new(360.0, 5);
    settings.rhythm.fibrillation = 0.3;
    settings.rhythm.ventricular = 0.1;
    settings
}

#[test]
fn chunks_of_any_size_give_the_same_samples() {
    let one = whole(&busy(), 40_000, &[40_000]);
    assert_eq!(one, whole(&busy(), 40_000, &[1, 7, 360, 4096]));
    assert!(one.1.len() > 100);
}

#[test]
fn a_seed_repeats_and_another_differs() {
    let a = whole(&Settings::patient(250.0, 1), 5000, &[1000]);
    assert_eq!(a, whole(&Settings::patient(250.0, 1), 5000, &[1000]));
    assert_ne!(a.0, whole(&Settings::patient(250.0, 2), 5000, &[1000]).0);
}

#[test]
fn annotated_peaks_are_the_peaks_of_the_signal() {
    for fs in [100.0, 360.0, 1000.0] {
        let mut settings = Settings::new(fs, 3);
        settings.rhythm = Rhythm::sinus(70.0);
        settings.noise = Noise::NONE;
        let (record, annotations) = record("r", &settings, 60.0).unwrap();
        let lead = &record.signals[0].samples;
        let beats: Vec<_> = annotations
            .iter()
            .filter(|a| a.symbol == Symbol::N)
            .collect();
        assert!((65..=75).contains(&beats.len()), "{} beats", beats.len());
        let reach = (0.1 * fs) as usize;
        for beat in &beats[1..beats.len() - 1] {
            let at = beat.sample as usize;
            let around = &lead[at - reach..at + reach];
            let top = (0..around.len())
                .max_by(|a, b| around[*a].total_cmp(&around[*b]))
                .unwrap();
            // The waves beside R pull its summit a little.
            let error = (top as f64 - reach as f64).abs() / fs;
            assert!(error <= 0.004 + 1.0 / fs, "{error} s at {fs} Hz");
        }
    }
}

#[test]
fn a_recurrence_draws_the_gaussian() {
    let wave = Wave {
        offset: 0.0,
        width: 0.05,
        height: [1.0; LEADS.len()],
    };
    let mut d = Drawing::new(&wave, 1.0003, 360.0);
    let mut largest = 0.0f64;
    for n in d.first..d.end {
        let u = (n as f64 / 360.0 - 1.0003) / 0.05;
        largest = largest.max((d.value - (-0.5 * u * u).exp()).abs());
        d.value *= d.ratio;
        d.ratio *= d.step;
    }
    assert!(largest < 1e-10, "{largest}");
}

#[test]
fn a_cohort_has_every_class_and_different_patients() {
    let cohort = cohort(40, 2.0, 125.0, 1).unwrap();
    let mut support = [0; 5];
    for Annotated {
        record,
        annotations,
    } in &cohort
    {
        assert!(
            record
                .signals
                .iter()
                .all(|s| s.samples.iter().all(|x| x.is_finite() && x.abs() < 10.0)),
            "{}",
            record.name
        );
        for a in annotations {
            if let Some(class) = Class::from_symbol(a.symbol, Convention::Literature) {
                support[class.index()] += 1;
            }
        }
    }
    assert!(support.iter().all(|n| *n > 20), "{support:?}");
    assert_ne!(
        cohort[0].record.signals[0].samples,
        cohort[1].record.signals[0].samples
    );
}

#[test]
fn a_given_heart_is_followed_beat_by_beat() {
    let origins = [Origin::Sinus, Origin::Ventricular(0), Origin::Sinus];
    let script = origins.into_iter().enumerate().map(|(i, origin)| Beat {
        time: 1.0 + i as f64,
        rr: 1.0,
        origin,
        episode: Episode::Sinus,
    });
    let mut source = Synthesiser::with_heart(&Settings::new(200.0, 1), script).unwrap();
    let mut annotations = Vec::new();
    source.fill(&mut vec![0.0; 2000 * LEADS.len()], &mut annotations);
    let beats: Vec<_> = annotations
        .iter()
        .filter(|a| a.symbol != Symbol::RHYTHM)
        .map(|a| (a.sample, a.symbol))
        .collect();
    assert_eq!(
        beats,
        [(200, Symbol::N), (400, Symbol::V), (600, Symbol::N)]
    );
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let refusal = |change: fn(&mut Settings)| {
        let mut settings = Settings::new(360.0, 1);
        change(&mut settings);
        Synthesiser::new(&settings).unwrap_err().to_string()
    };
    assert!(refusal(|s| s.fs = 10.0).contains("sampling rate is 10"));
    assert!(refusal(|s| s.rhythm.rate = 900.0).contains("heart rate is 900"));
    assert!(refusal(|s| s.rhythm.atrial = 1.5).contains("atrial is 1.5"));
    assert!(refusal(|s| s.noise.muscle = f64::NAN).contains("muscle is NaN"));
    let endless = record("r", &Settings::new(360.0, 1), f64::INFINITY);
    assert!(endless.unwrap_err().to_string().contains("length"));
}
