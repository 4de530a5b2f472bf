//! The monitor on synthetic recordings: the same answer however it is fed,
//! gaps, lost time, and the rhythm.

// A test fails by unwrapping, in what it calls too.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use data::episodes::{Kind, Phase};
use data::pipeline::beat_feature::BeatFeature;
use data::pipeline::input::{InputSpec, Layout, Normalisation};
use data::record::error::told;
use data::simulate::synth::{
    self, Beat, Episode, LEADS, Noise, Origin, Rhythm, Settings, Synthesiser,
};
use embedded::{Classifier, Event, Monitor};
use proptest::prelude::*;

fn input(leads: &[&str]) -> InputSpec {
    InputSpec {
        layout: Layout::Window,
        fs: 180.0,
        leads: leads.iter().map(|l| (*l).into()).collect(),
        band: Some([0.5, 40.0]),
        before: 60,
        after: 100,
        normalisation: Normalisation::RunningScale,
        template: true,
        rhythm: vec![BeatFeature::Previous, BeatFeature::Next],
    }
}

fn monitor(fs: f64, leads: &[&str]) -> Monitor {
    let bytes = models::untrained::classifier_for(&input(leads), 1).unwrap();
    let model = Classifier::from_bytes(&bytes, Path::new("untrained.onnx")).unwrap();
    Monitor::new(model, fs, leads.len().max(1)).unwrap()
}

/// Everything a monitor says about samples fed in chunks of these sizes.
fn watch(monitor: &mut Monitor, samples: &[f32], chunks: &[usize]) -> Vec<Event> {
    let (mut events, mut rest, mut sizes) = (Vec::new(), samples, chunks.iter().cycle());
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
        rest = later;
        events.extend_from_slice(monitor.push(now).unwrap());
    }
    events.extend_from_slice(monitor.finish().unwrap());
    events
}

fn beats(events: &[Event]) -> Vec<u64> {
    let beat = |e: &Event| match e {
        Event::Beat(beat) => Some(beat.sample),
        _ => None,
    };
    events.iter().filter_map(beat).collect()
}

/// One lead of a synthetic recording.
fn lead(settings: &Settings, seconds: f64) -> (Vec<f32>, Vec<u64>) {
    let (record, annotations) = synth::record("s", settings, seconds).unwrap();
    let is_beat = |a: &&data::record::annotation::Annotation| a.aux_note.is_empty();
    let truth = annotations.iter().filter(is_beat);
    let truth = truth.map(|a| a.sample as u64).collect();
    (record.signals[0].samples.clone(), truth)
}

#[test]
fn beats_are_found_where_they_are_with_a_bounded_delay() {
    let settings = Settings::new(250.0, 3);
    let (samples, truth) = lead(&settings, 120.0);
    let mut monitor = monitor(250.0, &["MLII"]);
    let events = watch(&mut monitor, &samples, &[25]);
    let found = beats(&events);
    // The detector learns for some seconds.
    let near = |t: &&u64| found.iter().any(|f| f.abs_diff(**t) <= 15);
    let truth: Vec<u64> = truth.into_iter().filter(|t| *t > 1000).collect();
    let hits = truth.iter().filter(near).count();
    // The detector is tuned on recordings, not on this generator: it misses
    // about 3 % of these beats. The bound keeps that from growing.
    assert!(hits * 100 >= truth.len() * 96, "{hits} of {}", truth.len());
    assert!(found.len() <= truth.len() + 10, "{} found", found.len());
    for event in &events {
        if let Event::Beat(beat) = event {
            // A chunk is decided as a whole, 0.1 s of it.
            assert!(beat.delay <= monitor.delay() + 0.1, "{}", beat.delay);
            let sum: f32 = beat.probabilities.iter().sum();
            assert!((sum - 1.0).abs() < 1e-4);
        }
    }
}

/// Ten minutes with a short and a long loss, an asystole and noise.
fn troubled() -> Vec<f32> {
    let mut settings = Settings::patient(200.0, 11);
    settings.noise.muscle = 0.05;
    let (mut samples, _) = lead(&settings, 120.0);
    samples[4000..4015].fill(f32::NAN);
    samples[9000..10_200].fill(f32::NAN);
    samples[15_000..16_600].fill(0.1);
    samples
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(12)
    })]

    #[test]
    fn chunks_of_any_size_give_the_same_events(
        chunks in prop::collection::vec(1usize..3000, 1..20),
    ) {
        let samples = troubled();
        let whole = watch(&mut monitor(200.0, &[]), &samples, &[samples.len()]);
        let cut = watch(&mut monitor(200.0, &[]), &samples, &chunks);
        prop_assert!(whole.len() > 100);
        prop_assert_eq!(whole, cut);
    }
}

#[test]
fn frames_of_two_leads_may_be_split() {
    let (record, _) = synth::record("s", &Settings::new(360.0, 2), 30.0).unwrap();
    let frames: Vec<f32> = (0..record.len())
        .flat_map(|i| [record.signals[0].samples[i], record.signals[1].samples[i]])
        .collect();
    let leads = ["MLII", "V1"];
    let whole = watch(&mut monitor(360.0, &leads), &frames, &[frames.len()]);
    assert!(beats(&whole).len() > 20);
    assert_eq!(
        whole,
        watch(&mut monitor(360.0, &leads), &frames, &[1, 3, 50])
    );
}

#[test]
fn a_gap_is_reported_and_the_samples_go_on_counting() {
    let events = watch(&mut monitor(200.0, &[]), &troubled(), &[100]);
    let gaps: Vec<_> = events
        .iter()
        .filter_map(|e| match e {
            Event::Gap(gap) => Some((gap.start, gap.length)),
            _ => None,
        })
        .collect();
    assert_eq!(gaps, [(9000, None), (9000, Some(1200))]);
    let inside = |s: &&u64| (9000..10_200).contains(*s);
    let found = beats(&events);
    assert_eq!(found.iter().filter(inside).count(), 0);
    assert!(found.iter().any(|s| *s > 11_000));
}

#[test]
fn lost_time_counts_as_if_it_had_been_pushed() {
    let settings = Settings::new(200.0, 4);
    let (samples, _) = lead(&settings, 60.0);
    let (before, after) = samples.split_at(6000);
    let lost = 100_000;
    let mut skipping = monitor(200.0, &[]);
    let mut events = skipping.push(before).unwrap().to_vec();
    events.extend_from_slice(skipping.skip(lost).unwrap());
    events.extend_from_slice(skipping.push(after).unwrap());
    events.extend_from_slice(skipping.finish().unwrap());
    let mut padded = before.to_vec();
    padded.resize(before.len() + lost as usize, f32::NAN);
    padded.extend_from_slice(after);
    assert_eq!(events, watch(&mut monitor(200.0, &[]), &padded, &[777]));
    assert_eq!(skipping.samples(), padded.len() as u64);
    // However long the loss, it costs nothing.
    skipping.skip(1 << 50).unwrap();
    assert_eq!(skipping.samples(), padded.len() as u64 + (1 << 50));
}

#[test]
fn a_reset_monitor_is_a_new_one() {
    let samples = troubled();
    let mut used = monitor(200.0, &[]);
    let first = watch(&mut used, &samples, &[500]);
    used.push(&samples[..3333]).unwrap();
    used.reset();
    assert_eq!(first, watch(&mut used, &samples, &[1234]));
}

#[test]
fn a_flat_line_is_an_asystole_and_a_long_interval_a_pause() {
    // Regular beats, then 2.6 s, then beats, then 7 s without any.
    let mut times: Vec<f64> = (0..30).map(|i| 1.0 + 0.8 * f64::from(i)).collect();
    let mut at = times[29] + 2.6;
    for _ in 0..30 {
        times.push(at);
        at += 0.8;
    }
    times.push(at - 0.8 + 7.0);
    let mut last = 0.2;
    let script: Vec<Beat> = times
        .iter()
        .map(|time| {
            let rr = time - last;
            last = *time;
            Beat {
                time: *time,
                rr,
                origin: Origin::Sinus,
                episode: Episode::Sinus,
            }
        })
        .collect();
    let settings = Settings {
        noise: Noise {
            muscle: 0.004,
            ..Noise::NONE
        },
        rhythm: Rhythm::sinus(75.0),
        ..Settings::new(360.0, 9)
    };
    let mut source = Synthesiser::with_heart(&settings, script.into_iter()).unwrap();
    let mut frames = vec![0.0; 60 * 360 * LEADS.len()];
    source.fill(&mut frames, &mut Vec::new());
    let samples: Vec<f32> = frames.iter().step_by(LEADS.len()).copied().collect();
    let events = watch(&mut monitor(360.0, &[]), &samples, &[36]);
    let named = |kind: Kind, phase: Phase| {
        let found = events.iter().find_map(|e| match e {
            Event::Rhythm(r) if r.kind == kind && r.phase == phase => Some(*r),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("no {kind:?} {phase:?} in {events:?}"))
    };
    let pause = named(Kind::Pause, Phase::Whole);
    let length = (pause.end - pause.start) as f64 / 360.0;
    // A detector that searches back into a silence may take the T wave for the
    // last beat, 0.3 s late; the silence is found all the same.
    assert!((2.2..2.65).contains(&length), "{length}");
    let asystole = named(Kind::Asystole, Phase::Begin);
    let start = asystole.start as f64 / 360.0;
    // The line is flat from the end of the T wave on.
    assert!((-0.05..1.0).contains(&(start - times[59])), "{start}");
}

#[test]
fn a_wrong_number_of_leads_and_a_wrong_rate_are_refused() {
    let bytes = models::untrained::classifier_for(&input(&["MLII"]), 1).unwrap();
    let model = || Classifier::from_bytes(&bytes, Path::new("m.onnx")).unwrap();
    let refusal = |fs, leads| Monitor::new(model(), fs, leads).err().unwrap();
    assert!(refusal(360.0, 2).to_string().contains("1 lead"));
    assert!(told(&refusal(20.0, 1)).contains("20"));
}

#[test]
fn a_foreign_or_corrupt_model_is_refused() {
    let bytes = models::untrained::classifier_for(&input(&[]), 1).unwrap();
    let refusal = |bytes: &[u8]| {
        let error = Classifier::from_bytes(bytes, Path::new("m.onnx")).err();
        told(&error.expect("a model that must be refused"))
    };
    assert!(refusal(b"not a model").contains("m.onnx: "));
    assert!(refusal(b"not a model").contains("not an ONNX model"));
    assert!(refusal(&bytes[..bytes.len() / 2]).contains("not an ONNX model"));
    // One bit of one weight.
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    assert!(refusal(&damaged).contains("damaged or was changed after its export"));
    // The contract gone, everything else in place and sealed again.
    let key = models::contract::METADATA_KEY.as_bytes();
    let at = bytes.windows(key.len()).position(|w| w == key).unwrap();
    let mut stripped = bytes.clone();
    stripped[at] = b'X';
    let stripped = models::seal::seal(&stripped).unwrap();
    assert!(refusal(&stripped).contains("no contract in the model"));
}
