use super::*;
use crate::pipeline::prepare;
use crate::record::Record;
use crate::record::aami::{Class, Convention};
use crate::record::annotation::{Annotation, Symbol};
use crate::record::classes::Classes;
use crate::simulate::synth::{self, Noise, Settings};
use proptest::prelude::*;

/// A beat with its borrowed parts copied.
#[derive(Clone, Debug, PartialEq)]
struct Owned {
    sample: u64,
    fiducial: u64,
    window: Vec<f32>,
    rhythm: Vec<f32>,
    rr: Option<f64>,
    quality: f32,
    readable: bool,
}

fn own(output: Output<'_>) -> Option<Owned> {
    let beat = output.beat()?;
    Some(Owned {
        sample: beat.sample,
        fiducial: beat.fiducial,
        window: beat.window.to_vec(),
        rhythm: beat.rhythm.to_vec(),
        rr: beat.rr,
        quality: beat.quality,
        readable: beat.readable,
    })
}

fn recording(fs: f64, seconds: f64, noise: Noise) -> (Record, Vec<u64>) {
    let settings = Settings {
        noise,
        ..Settings::new(fs, 5)
    };
    let (record, annotations) = synth::record("s", &settings, seconds).unwrap();
    (record, marks(&annotations))
}

fn marks(annotations: &[Annotation]) -> Vec<u64> {
    let beats = annotations
        .iter()
        .filter(|a| Class::from_symbol(a.symbol, Convention::Literature).is_some());
    beats.map(|a| a.sample as u64).collect()
}

/// The record through a pipeline, the samples cut at `cuts` over and over.
fn beats(
    spec: &InputSpec,
    fs: f64,
    samples: &[f32],
    marks: Option<&[u64]>,
    cuts: &[usize],
) -> Vec<Owned> {
    let fiducials = if marks.is_some() {
        Fiducials::Marked
    } else {
        Fiducials::Detected
    };
    let mut pipeline = Pipeline::new(spec, fs, fiducials).unwrap();
    for &mark in marks.unwrap_or_default() {
        pipeline.mark(mark).unwrap();
    }
    let mut all = Vec::new();
    let mut rest = samples;
    for &cut in cuts.iter().cycle() {
        let (chunk, tail) = rest.split_at(cut.min(rest.len()));
        pipeline.push(chunk, &mut |output| all.extend(own(output)));
        rest = tail;
        if rest.is_empty() {
            break;
        }
    }
    pipeline.finish(&mut |output| all.extend(own(output)));
    all
}

fn interleave(record: &Record) -> Vec<f32> {
    (0..record.len())
        .flat_map(|i| record.signals.iter().map(move |s| s.samples[i]))
        .collect()
}

fn all_leads(record: &Record) -> InputSpec {
    InputSpec {
        leads: record.signals.iter().map(|s| s.name.clone()).collect(),
        ..InputSpec::window()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_cutting_into_chunks_changes_no_bit(
        cuts in prop::collection::vec(1usize..700, 1..12),
        gaps in prop::collection::vec((0usize..20_000, 1usize..900), 0..4),
        marked: bool, both: bool,
    ) {
        let (record, marks) = recording(360.0, 30.0, Noise::default());
        let spec = if both { all_leads(&record) } else { InputSpec::window() };
        let mut samples = if both { interleave(&record) } else { record.signals[0].samples.clone() };
        for (at, len) in gaps {
            let at = at.min(samples.len());
            let end = samples.len().min(at + len);
            samples[at..end].fill(f32::NAN);
        }
        let marks = marked.then_some(&marks[..]);
        let whole = beats(&spec, 360.0, &samples, marks, &[samples.len()]);
        let cut = beats(&spec, 360.0, &samples, marks, &cuts);
        prop_assert!(!whole.is_empty());
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn any_input_gives_finite_windows(
        samples in prop::collection::vec(prop::num::f32::ANY, 1..3000), fs in 100.0..1000.0f64,
    ) {
        for beat in beats(&InputSpec::window(), fs, &samples, None, &[97]) {
            prop_assert!(beat.window.iter().chain(&beat.rhythm).all(|v| v.is_finite()));
            prop_assert!((0.0..=1.0).contains(&beat.quality));
            prop_assert!(beat.sample < samples.len() as u64);
        }
    }
}

#[test]
fn every_marked_beat_comes_out_once_and_close_to_its_mark() {
    let (record, marks) = recording(360.0, 60.0, Noise::default());
    let all = beats(
        &InputSpec::window(),
        360.0,
        &record.signals[0].samples,
        Some(&marks),
        &[512],
    );
    let samples: Vec<u64> = all.iter().map(|b| b.sample).collect();
    assert_eq!(samples, marks);
    for beat in &all {
        assert!(beat.fiducial.abs_diff(beat.sample) <= 25, "{beat:?}");
    }
    let rr = all[5].rr.unwrap();
    assert!((rr - (marks[5] - marks[4]) as f64 / 360.0).abs() < 0.02);
}

#[test]
fn the_sampling_rate_hardly_matters() {
    let prepared = |fs: f64| {
        let (record, marks) = recording(fs, 40.0, Noise::NONE);
        beats(
            &InputSpec::window(),
            fs,
            &record.signals[0].samples,
            Some(&marks),
            &[1000],
        )
    };
    let reference = prepared(1000.0);
    for fs in [125.0, 128.0, 250.0, 257.0, 333.3, 360.0, 500.0] {
        let other = prepared(fs);
        assert_eq!(other.len(), reference.len());
        for (i, (a, b)) in reference.iter().zip(&other).enumerate().skip(3) {
            let squares = a.window.iter().zip(&b.window).map(|(x, y)| (x - y).powi(2));
            let rms = (squares.sum::<f32>() / a.window.len() as f32).sqrt();
            assert!(rms < 0.05, "beat {i} at {fs} Hz differs by {rms}");
            let rr = a.rr.unwrap() - b.rr.unwrap();
            assert!(
                rr.abs() < 0.004,
                "RR of beat {i} at {fs} Hz differs by {rr}"
            );
        }
    }
}

#[test]
fn gain_and_polarity_do_not_matter_to_detection() {
    let (record, marks) = recording(250.0, 60.0, Noise::default());
    let samples = &record.signals[0].samples;
    for gain in [1.0f32, -1.0, 0.2, 8.0] {
        let scaled: Vec<f32> = samples.iter().map(|x| gain * x + 3.0).collect();
        let found = beats(&InputSpec::window(), 250.0, &scaled, None, &[313]);
        let close = |mark: &&u64| found.iter().any(|b| b.sample.abs_diff(**mark) <= 37);
        let hits = marks.iter().filter(close).count();
        assert!(
            hits + 1 >= marks.len(),
            "gain {gain}: {hits} of {}",
            marks.len()
        );
        assert!(
            found.len() <= marks.len() + 1,
            "gain {gain}: {} found",
            found.len()
        );
    }
}

#[test]
fn detected_and_marked_beats_are_cut_alike() {
    let (record, marks) = recording(360.0, 60.0, Noise::default());
    let spec = InputSpec::window();
    let samples = &record.signals[0].samples;
    let marked = beats(&spec, 360.0, samples, Some(&marks), &[512]);
    let detected = beats(&spec, 360.0, samples, None, &[512]);
    let mut same = 0;
    for beat in &marked {
        same += usize::from(
            detected
                .iter()
                .any(|d| d.fiducial.abs_diff(beat.fiducial) <= 1),
        );
    }
    assert!(
        same * 100 >= marked.len() * 97,
        "{same} of {}",
        marked.len()
    );
}

#[test]
fn after_a_gap_nothing_of_the_signal_before_it_is_left() {
    let (record, _) = recording(360.0, 60.0, Noise::default());
    let mut first = record.signals[0].samples.clone();
    first[8000..9000].fill(f32::NAN);
    let mut second = first.clone();
    second[..8000].iter_mut().for_each(|x| *x = 1.0 - *x);
    let run = |samples: &[f32]| {
        let mut pipeline = Pipeline::new(&InputSpec::window(), 360.0, Fiducials::Detected).unwrap();
        let mut after = Vec::new();
        pipeline.push(samples, &mut |output| {
            after.extend(own(output).filter(|beat| beat.sample >= 9000));
        });
        after
    };
    let (a, b) = (run(&first), run(&second));
    assert!(a.len() > 40 && a[0].rr.is_none() && a[1].rr.is_some());
    let times = |beats: &[Owned]| -> Vec<_> { beats.iter().map(|b| (b.sample, b.rr)).collect() };
    assert_eq!(times(&a), times(&b));
}

#[test]
fn loss_return_and_saturation_are_told_in_order() {
    let (record, _) = recording(360.0, 60.0, Noise::default());
    let mut samples = record.signals[0].samples.clone();
    samples[3600..5400].fill(5.0);
    samples[8000..9000].fill(f32::NAN);
    let run = |cuts: &[usize]| {
        let mut pipeline = Pipeline::new(&InputSpec::window(), 360.0, Fiducials::Detected).unwrap();
        let (mut told, mut rest) = (Vec::new(), &samples[..]);
        for &cut in cuts.iter().cycle() {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            pipeline.push(now, &mut |output| match output {
                Output::Beat(_) | Output::Episode(_) => {}
                Output::SignalBack { start, sample } => told.push(("back", start, Some(sample))),
                Output::SignalLost { start } => told.push(("lost", Some(start), None)),
                Output::Unreadable { start, end, why } => {
                    assert_eq!(why, Condition::Saturated);
                    told.push(("unreadable", Some(start), end));
                }
            });
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        told
    };
    let told = run(&[samples.len()]);
    assert_eq!(told, run(&[1, 700, 13]));
    let names: Vec<_> = told.iter().map(|t| t.0).collect();
    assert_eq!(names, ["back", "unreadable", "unreadable", "lost", "back"]);
    assert_eq!(told[0], ("back", None, Some(0)));
    assert_eq!(
        told[3..],
        [("lost", Some(8000), None), ("back", Some(8000), Some(9000))]
    );
    let (start, end) = (told[2].1.unwrap(), told[2].2.unwrap());
    assert!(
        start.abs_diff(3600) < 30 && end.abs_diff(5400) < 30,
        "{told:?}"
    );
}

#[test]
fn a_skipped_loss_is_told_as_a_pushed_one() {
    let (record, _) = recording(360.0, 20.0, Noise::default());
    let (before, after) = record.signals[0].samples.split_at(3600);
    let run = |skip: bool| {
        let mut pipeline = Pipeline::new(&InputSpec::window(), 360.0, Fiducials::Detected).unwrap();
        let mut told = Vec::new();
        let mut note = |output: Output<'_>| told.push(format!("{output:?}"));
        pipeline.push(before, &mut note);
        if skip {
            pipeline.skip(5000, &mut note);
        } else {
            pipeline.push(&[f32::NAN; 5000], &mut note);
        }
        assert!(pipeline.is_lost());
        pipeline.push(after, &mut note);
        told
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn short_dropouts_are_bridged() {
    let (record, marks) = recording(360.0, 30.0, Noise::default());
    let mut samples = record.signals[0].samples.clone();
    for mark in &marks {
        let at = *mark as usize + 100;
        let end = samples.len().min(at + 30);
        samples[at.min(end)..end].fill(f32::NAN);
    }
    let all = beats(&InputSpec::window(), 360.0, &samples, Some(&marks), &[77]);
    assert_eq!(all.len(), marks.len());
    assert!(all.iter().skip(1).all(|b| b.rr.is_some()));
}

#[test]
fn reset_is_as_good_as_new() {
    let (record, _) = recording(360.0, 30.0, Noise::default());
    let samples = &record.signals[0].samples;
    let mut pipeline = Pipeline::new(&InputSpec::window(), 360.0, Fiducials::Detected).unwrap();
    pipeline.push(&samples[..7001], &mut |_| ());
    pipeline.reset();
    let mut again = Vec::new();
    pipeline.push(samples, &mut |output| again.extend(own(output)));
    pipeline.finish(&mut |output| again.extend(own(output)));
    assert_eq!(
        again,
        beats(&InputSpec::window(), 360.0, samples, None, &[64])
    );
}

#[test]
fn no_beat_takes_longer_than_stated() {
    let (record, marks) = recording(360.0, 60.0, Noise::default());
    // A long pause: the beat before it must not wait for the next.
    let mut samples = record.signals[0].samples.clone();
    let (from, to) = (marks[20] as usize + 150, marks[28] as usize);
    let level = samples[from];
    samples[from..to].fill(level);
    for fiducials in [Fiducials::Detected, Fiducials::Marked] {
        let mut pipeline = Pipeline::new(&InputSpec::window(), 360.0, fiducials).unwrap();
        if fiducials == Fiducials::Marked {
            for (i, mark) in marks.iter().enumerate() {
                if !(21..28).contains(&i) {
                    pipeline.mark(*mark).unwrap();
                }
            }
        }
        let limit = pipeline.delay() * 360.0;
        let mut longest = 0;
        pipeline.push(&samples, &mut |output| {
            if let Some(b) = output.beat() {
                longest = longest.max(b.decided - b.fiducial);
            }
        });
        assert!((longest as f64) <= limit, "{longest} samples for {limit}");
        assert!(
            longest as f64 > 0.9 * limit,
            "{longest} samples for {limit}"
        );
    }
}

#[test]
fn wrong_requests_are_refused_with_the_remedy() {
    let refused = |spec: &InputSpec, fs| {
        let result = Pipeline::new(spec, fs, Fiducials::Marked);
        result.err().unwrap().to_string()
    };
    assert!(refused(&InputSpec::kaggle(), 360.0).contains("Kaggle"));
    assert!(refused(&InputSpec::window(), 50.0).contains("100"));
    assert!(refused(&InputSpec::window(), f64::NAN).contains("NaN"));
    let band = InputSpec {
        band: Some([0.5, 90.0]),
        ..InputSpec::window()
    };
    assert!(refused(&band, 360.0).contains("band-pass"));
    let mut pipeline = Pipeline::new(&InputSpec::window(), 360.0, Fiducials::Marked).unwrap();
    pipeline.mark(100).unwrap();
    assert!(pipeline.mark(99).unwrap_err().to_string().contains("sort"));
    pipeline.push(&[0.0; 500], &mut |_| ());
    assert!(
        pipeline
            .mark(400)
            .unwrap_err()
            .to_string()
            .contains("ahead")
    );
}

#[test]
fn records_are_prepared_with_their_labels() {
    let settings = Settings::new(250.0, 9);
    let (record, annotations) = synth::record("s9", &settings, 60.0).unwrap();
    let spec = all_leads(&record);
    let beats = prepare::record(&record, &annotations, &spec, &Classes::aami5()).unwrap();
    assert_eq!(beats.len(), marks(&annotations).len());
    assert_eq!(beats.labels.len(), beats.len());
    assert_eq!(beats.windows.len(), beats.len() * spec.window_values());
    assert_eq!(beats.record_names, ["s9"]);
    let absent = InputSpec {
        leads: vec!["V9".into()],
        ..InputSpec::window()
    };
    let message = prepare::record(&record, &annotations, &absent, &Classes::aami5())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("V9") && message.contains(&record.signals[0].name),
        "{message}"
    );
}

#[test]
fn a_stretch_of_beats_begins_at_the_start_and_after_a_gap() {
    let (mut record, _) = recording(250.0, 60.0, Noise::default());
    let gap = 7000..8000;
    record.signals[0].samples[gap.clone()].fill(f32::NAN);
    let spec = InputSpec::window();
    let classes = Classes::aami5();
    let after_gap = |beats: &crate::pipeline::beats::Beats| {
        let after = |sample: &u64| *sample >= gap.end as u64;
        beats.samples.iter().position(after).unwrap()
    };
    let expected = |beats: &crate::pipeline::beats::Beats| {
        let mut begins = vec![false; beats.len()];
        begins[0] = true;
        begins[after_gap(beats)] = true;
        begins
    };
    let found = prepare::detected(&record, &spec).unwrap();
    assert_eq!(found.begins, expected(&found));
    assert_eq!(found.ages()[after_gap(&found)..][..3], [0, 1, 2]);

    let (_, marks) = recording(250.0, 60.0, Noise::default());
    let mut marks: Vec<Annotation> = marks
        .iter()
        .map(|&at| Annotation::new(at as i64, Symbol::N))
        .collect();
    let marked = prepare::record(&record, &marks, &spec, &classes).unwrap();
    assert_eq!(marked.begins, expected(&marked));
    // A first beat of no class is left out; the next one begins in its stead.
    let first = marks.iter().position(|a| a.sample >= gap.end as i64);
    marks[first.unwrap()].symbol = Symbol::V;
    let only_n = "n=N L,s=A".parse().unwrap();
    let fewer = prepare::record(&record, &marks, &spec, &only_n).unwrap();
    assert_eq!(fewer.len(), marked.len() - 1);
    assert_eq!(fewer.begins, expected(&fewer));
    // What is taken out of the middle leaves two stretches.
    let rows = [4, 5, 9, 10, 11];
    let part = marked.select(&rows).begins;
    assert_eq!(part, [false, false, true, false, false]);
}
