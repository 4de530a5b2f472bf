use super::*;
use crate::pipeline::malignant::Kind::{Asystole, Fibrillation, Tachycardia};
use proptest::prelude::*;

const FS: f64 = 100.0;

fn new() -> Holter {
    Holter::new(FS, None, Options::default())
}

/// The letters' beats, the first at `start` seconds and then one each `rr`.
fn beats(start: f64, rr: f64, letters: &str) -> Vec<Beat> {
    let at = |i: usize| ((start + rr * i as f64) * FS).round() as u64;
    let letters = letters.chars().enumerate();
    letters
        .map(|(i, letter)| Beat::new(at(i), letter.to_string().parse().unwrap()))
        .collect()
}

fn of(beats: &[Beat], end: f64) -> Summary {
    let mut holter = new();
    beats.iter().for_each(|beat| holter.beat(beat));
    holter.finish((end * FS) as u64)
}

fn rhythm(second: f64, text: &str) -> Annotation {
    Annotation {
        aux_note: text.into(),
        ..Annotation::new((second * FS) as i64, Symbol::RHYTHM)
    }
}

fn noise(second: f64, subtype: i8) -> Annotation {
    Annotation {
        subtype,
        ..Annotation::new((second * FS) as i64, Symbol::NOISE)
    }
}

#[test]
fn beats_are_counted_by_class_and_rows_by_length() {
    let summary = of(&beats(0.0, 0.5, "NVNVVNVVVNVVVVVNSSNSNFQVSV"), 20.0);
    let counts = &summary.beats;
    assert_eq!((counts.total, counts.analysed), (26, 26));
    assert_eq!((counts.n.count, counts.s.count), (7, 4));
    assert_eq!((counts.v.count, counts.f.count, counts.q.count), (13, 1, 1));
    assert_eq!(counts.v.percent, 50.0);
    let v = &summary.ventricular;
    assert_eq!((v.singles, v.couplets, v.triplets), (3, 1, 1));
    assert_eq!((v.runs.count, v.runs.beats, v.beats), (2, 8, 13));
    assert_eq!(v.burden, 50.0);
    let longest = v.runs.longest.unwrap();
    assert_eq!(longest.beats, Some(5));
    assert_eq!(longest.start.seconds, 5.0);
    assert_eq!(longest.end.sample, 700);
    assert_eq!(longest.rate, Some(120.0));
    let s = &summary.supraventricular;
    assert_eq!((s.singles, s.couplets, s.runs.count), (2, 1, 0));
}

#[test]
fn the_fastest_run_need_not_be_the_longest() {
    let mut all = beats(0.0, 0.5, "NVVVVN");
    all.extend(beats(4.0, 0.3, "NVVVN"));
    let runs = of(&all, 10.0).ventricular.runs;
    assert_eq!(runs.longest.unwrap().beats, Some(4));
    let fastest = runs.fastest.unwrap();
    assert_eq!(fastest.beats, Some(3));
    assert!((fastest.rate.unwrap() - 200.0).abs() < 1e-9);
    assert_eq!(runs.list.len(), 2);
}

#[test]
fn a_slow_run_that_becomes_fast_is_one_row() {
    let mut all = beats(0.0, 0.9, "NVVV");
    all.extend(beats(3.0, 0.4, "VVVN"));
    let v = of(&all, 10.0).ventricular;
    assert_eq!((v.runs.count, v.runs.beats, v.beats), (1, 6, 6));
}

#[test]
fn the_rate_is_the_mean_of_eight_intervals_at_its_extremes() {
    let mut all = beats(0.0, 1.0, "NNNNNNNNNNNN");
    all.extend(beats(11.5, 0.5, "NNNNNNNNNNNN"));
    let rate = of(&all, 20.0).heart_rate;
    assert_eq!(rate.intervals, 23);
    assert!((rate.mean.unwrap() - 60.0 * 23.0 / 17.0).abs() < 1e-9);
    let (min, max) = (rate.min.unwrap(), rate.max.unwrap());
    assert_eq!((min.rate, min.at.seconds), (60.0, 8.0));
    assert_eq!((max.rate, max.at.seconds), (120.0, 15.0));
}

#[test]
fn every_pause_counts_however_long_and_one_across_a_gap_does_not() {
    let mut all = beats(0.0, 1.0, "NNN");
    all.extend(beats(4.0, 1.0, "NN"));
    all.extend(beats(10.5, 1.0, "NNN"));
    all.extend(beats(20.0, 1.0, "NN"));
    let mut holter = new();
    holter.gap(1400, 1900);
    all.iter().for_each(|beat| holter.beat(beat));
    let summary = holter.finish(2200);
    assert_eq!(summary.pauses.count, 2);
    let longest = summary.pauses.longest[0];
    assert_eq!((longest.start.seconds, longest.seconds), (5.0, 5.5));
    assert_eq!(summary.pauses.longest[1].seconds, 2.0);
    // The long one is a silence too, and no interval of the rate.
    assert_eq!(summary.no_beats.count, 1);
    assert_eq!(summary.heart_rate.intervals, 7);
    assert_eq!(summary.hours[0].pauses, 2);
}

#[test]
fn gaps_and_unreadable_stretches_are_no_analysable_time() {
    let mut holter = new();
    holter.note(&noise(10.0, -1));
    holter.gap(1500, 3000);
    holter.note(&noise(20.0, 0));
    holter.note(&noise(50.0, -1));
    let all = beats(0.0, 1.0, &"V".repeat(60));
    all.iter().for_each(|beat| holter.beat(beat));
    let summary = holter.finish(6000);
    let time = &summary.time;
    assert_eq!((time.duration, time.analysable), (60.0, 30.0));
    assert_eq!((time.gaps.count, time.gaps.seconds), (2, 30.0));
    let longest = time.gaps.longest[0];
    assert_eq!((longest.start.seconds, longest.end.seconds), (10.0, 30.0));
    assert_eq!(longest.reason, GapReason::Unreadable);
    // Beats in them are known of, and nothing else.
    assert_eq!(summary.beats.total, 60);
    assert_eq!(summary.beats.unreadable, 30);
    assert_eq!(summary.ventricular.beats, 30);
    assert_eq!(summary.ventricular.runs.count, 2);
    assert_eq!(summary.minutes.analysable, [30.0]);
}

#[test]
fn an_unreadable_beat_and_one_that_begins_anew_part_what_is_around_them() {
    let mut all = beats(0.0, 1.0, "VVVVVVVV");
    all[2].readable = false;
    all[6].begins = true;
    let summary = of(&all, 10.0);
    assert_eq!(summary.beats.unreadable, 1);
    let v = &summary.ventricular;
    assert_eq!((v.couplets, v.triplets, v.beats), (2, 1, 7));
    assert_eq!(summary.heart_rate.intervals, 4);
}

#[test]
fn rejected_beats_keep_their_class_and_are_no_part_of_nn_intervals() {
    let mut all = beats(0.0, 1.0, "NNNNNN");
    all[3].rejected = true;
    let summary = of(&all, 6.0);
    assert_eq!(summary.beats.n.count, 6);
    assert_eq!(summary.beats.rejected.count, 1);
    assert_eq!(summary.heart_rate.intervals, 5);
    assert_eq!(summary.hrv.intervals, 3);
}

#[test]
fn beats_within_fibrillation_are_none_and_brackets_and_notes_are_one_episode() {
    let mut holter = new();
    holter.note(&rhythm(10.0, "(VFL"));
    holter.note(&Annotation::new(1010, Symbol::VF_ON));
    holter.note(&Annotation::new(1990, Symbol::VF_OFF));
    holter.note(&rhythm(20.0, "(N\0"));
    let all = beats(0.0, 1.0, &"V".repeat(30));
    all.iter().for_each(|beat| holter.beat(beat));
    let summary = holter.finish(3000);
    assert_eq!(summary.beats.within_fibrillation, 10);
    assert_eq!(summary.beats.total, 20);
    let episodes = &summary.ventricular_fibrillation;
    assert_eq!((episodes.count, episodes.seconds), (1, 10.0));
    assert_eq!(summary.ventricular.runs.count, 2);
    // It could be analysed, and no pause or silence lies in it.
    assert_eq!(summary.time.analysable, 30.0);
    assert_eq!((summary.pauses.count, summary.no_beats.count), (0, 0));
}

#[test]
fn malignant_episodes_are_told_as_they_are_given_and_close_at_the_end() {
    let episode = |kind, start, end| malignant::Episode {
        kind,
        start,
        end,
        rate: Some(200.0),
    };
    let mut holter = new();
    holter.episode(&episode(Tachycardia, 100, None));
    holter.episode(&episode(Tachycardia, 100, Some(700)));
    holter.episode(&episode(Asystole, 800, None));
    holter.episode(&episode(Asystole, 800, Some(1300)));
    holter.episode(&episode(Fibrillation, 2000, None));
    let summary = holter.finish(2500);
    for (told, seconds) in [
        (&summary.ventricular_tachycardia, 6.0),
        (&summary.asystole, 5.0),
        (&summary.ventricular_fibrillation, 5.0),
    ] {
        assert_eq!((told.count, told.seconds), (1, seconds));
        assert_eq!(told.longest[0].rate, Some(200.0));
    }
}

#[test]
fn r_on_t_is_by_the_rate_before_the_early_beat() {
    // QT is 0.4 s at 60 per minute.
    for (coupling, expected) in [(0.38, 1), (0.42, 0)] {
        let mut all = beats(0.0, 1.0, "NNNNNNNNNN");
        all.extend(beats(9.0 + coupling, 0.3, "VV"));
        let r_on_t = of(&all, 12.0).r_on_t;
        assert_eq!(r_on_t.count, expected, "{coupling}");
        if let Some(early) = r_on_t.earliest.first() {
            assert!((early.rr - coupling).abs() < 1e-9);
            assert!((early.qt - 0.4).abs() < 1e-9);
        }
    }
}

#[test]
fn bigeminy_and_trigeminy_have_time() {
    let mut all = beats(0.0, 0.8, "NNVNVNVNVNNNN");
    all.extend(beats(20.0, 0.8, "NNVNNVNNVNNNN"));
    let summary = of(&all, 40.0);
    let (bigeminy, trigeminy) = (&summary.bigeminy, &summary.trigeminy);
    assert_eq!((bigeminy.count, trigeminy.count), (1, 1));
    assert!((bigeminy.seconds - 4.8).abs() < 1e-9);
    assert!((trigeminy.seconds - 4.8).abs() < 1e-9);
    assert_eq!(bigeminy.longest[0].beats, Some(4));
}

#[test]
fn slow_and_fast_stretches_have_their_extreme() {
    let mut all = beats(0.0, 1.0, &"N".repeat(20));
    all.extend(beats(20.5, 1.5, &"N".repeat(12)));
    all.extend(beats(38.0, 1.0, &"N".repeat(20)));
    all.extend(beats(57.4, 0.4, &"N".repeat(30)));
    let summary = of(&all, 70.0);
    let (slow, fast) = (&summary.bradycardia, &summary.tachycardia);
    assert_eq!((slow.count, fast.count), (1, 1));
    assert!((slow.extreme.unwrap().rate - 40.0).abs() < 1e-9);
    assert!((fast.extreme.unwrap().rate - 150.0).abs() < 1e-9);
    assert_eq!(slow.longest[0].rate, Some(slow.extreme.unwrap().rate));
    assert_eq!(
        summary.heart_rate.min.unwrap().rate,
        slow.extreme.unwrap().rate
    );
}

#[test]
fn hours_and_minutes_hold_what_lies_in_them() {
    let mut holter = new();
    holter.gap(360_000, 366_000);
    let hour = beats(0.0, 1.0, &"N".repeat(3600));
    let rest = beats(3660.0, 0.5, &"NVVVS".repeat(24));
    hour.iter().chain(&rest).for_each(|beat| holter.beat(beat));
    let summary = holter.finish(378_000);
    assert_eq!(summary.hours.len(), 2);
    let [first, second] = [&summary.hours[0], &summary.hours[1]];
    assert_eq!((first.hour, first.beats, first.n), (0, 3600, 3600));
    assert_eq!(first.analysable_minutes, 60.0);
    assert_eq!(first.mean_rate, Some(60.0));
    assert_eq!((second.v, second.s, second.v_runs), (72, 24, 24));
    assert_eq!(second.analysable_minutes, 2.0);
    assert_eq!(
        (second.min_rate, second.max_rate),
        (Some(120.0), Some(120.0))
    );
    let minutes = &summary.minutes;
    assert_eq!(minutes.heart_rate.len(), 63);
    assert_eq!(minutes.v[0], Some(0));
    assert_eq!((minutes.v[60], minutes.heart_rate[60]), (None, None));
    assert_eq!((minutes.v[61], minutes.s[61]), (Some(72), Some(24)));
    // After the last beat there are none, and the signal is there.
    assert_eq!((minutes.v[62], minutes.heart_rate[62]), (Some(0), None));
    assert_eq!(minutes.longest_rr[0], Some(1.0));
}

#[test]
fn atrial_fibrillation_is_the_models_the_notes_or_left_out() {
    let mut all = beats(0.0, 1.0, &"N".repeat(100));
    assert!(of(&all, 100.0).atrial_fibrillation.is_none());
    for (i, beat) in all.iter_mut().enumerate() {
        // 41 beats, and then 11, which are too few.
        let fibrillates = (20..=60).contains(&i) || (70..=80).contains(&i);
        beat.af = Some(if fibrillates { 0.9 } else { 0.1 });
    }
    let model = of(&all, 100.0).atrial_fibrillation.unwrap();
    assert_eq!(model.source, RhythmSource::Model);
    assert_eq!((model.episodes.count, model.episodes.seconds), (1, 40.0));
    assert_eq!(model.burden, 40.0);
    let mut holter = new();
    holter.note(&rhythm(10.0, "(AFIB"));
    holter.note(&rhythm(30.0, "(N"));
    holter.note(&rhythm(90.0, "(AFIB"));
    holter.gap(1000, 1500);
    let noted = holter.finish(10_000).atrial_fibrillation.unwrap();
    assert_eq!(noted.source, RhythmSource::Annotations);
    assert_eq!((noted.episodes.count, noted.episodes.seconds), (2, 30.0));
    // 25 s of 95 that could be analysed.
    assert!((noted.burden - 2500.0 / 95.0).abs() < 1e-9);
}

#[test]
fn forged_times_and_rates_ask_for_no_memory_and_do_not_panic() {
    for fs in [FS, 0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300] {
        let mut holter = Holter::new(fs, None, Options::default());
        holter.note(&noise(-5.0, -1));
        holter.gap(u64::MAX - 1, u64::MAX);
        holter.gap(9, 3);
        for sample in [0, 1, u64::MAX / 2, 5, u64::MAX] {
            holter.beat(&Beat::new(sample, Class::V));
        }
        let summary = holter.finish(0);
        assert_eq!(summary.beats.total, 5);
        assert!(summary.minutes.v.len() <= 367 * 24 * 60);
    }
}

#[test]
fn lists_are_bounded_and_keep_the_longest() {
    let mut all = Vec::new();
    let mut time = 0.0;
    for i in 0..50 {
        all.extend(beats(time, 1.0, "N"));
        time += 2.0 + 0.01 * f64::from(i);
    }
    let pauses = of(&all, time).pauses;
    assert_eq!((pauses.count, pauses.longest.len()), (49, 10));
    assert!((pauses.longest[0].seconds - 2.48).abs() < 0.02);
    assert!(pauses.longest.is_sorted_by(|a, b| a.seconds >= b.seconds));
}

/// A beat: RR interval in samples, class, whether readable, rejected, begins.
fn any_beat() -> impl Strategy<Value = (u64, usize, bool, bool, bool)> {
    let rarely = |weight| prop::bool::weighted(weight);
    let rr = prop_oneof![20 => 25..150u64, 1 => 150..900u64, 1 => Just(0)];
    (rr, 0..6usize, rarely(0.95), rarely(0.05), rarely(0.03))
}

/// A note: sample, and what it says.
fn any_note() -> impl Strategy<Value = Annotation> {
    (0..20_000i64, 0..9usize).prop_map(|(sample, what)| {
        let texts = ["(N", "(VT", "(AFIB", "(VFL", "(ASYS"];
        match what {
            0 => Annotation::new(sample, Symbol::VF_ON),
            1 => Annotation::new(sample, Symbol::VF_OFF),
            2 | 3 => Annotation {
                subtype: -(what as i8 - 2),
                ..Annotation::new(sample, Symbol::NOISE)
            },
            _ => Annotation {
                aux_note: texts[what - 4].into(),
                ..Annotation::new(sample, Symbol::RHYTHM)
            },
        }
    })
}

proptest! {
    #[test]
    fn counts_add_up_and_notes_may_come_early(
        drawn in prop::collection::vec(any_beat(), 0..300),
        mut notes in prop::collection::vec(any_note(), 0..12),
    ) {
        notes.sort_by_key(|note| note.sample);
        let mut sample = 0;
        let beats: Vec<Beat> = drawn
            .iter()
            .map(|&(rr, class, readable, rejected, begins)| {
                sample += rr;
                let class = Class::from_index(class);
                Beat { sample, class, readable, rejected, begins, af: None }
            })
            .collect();
        let mut early = new();
        notes.iter().for_each(|note| early.note(note));
        beats.iter().for_each(|beat| early.beat(beat));
        let early = early.finish(sample + 50);
        let mut late = new();
        let mut left = notes.iter().peekable();
        for beat in &beats {
            while let Some(note) = left.next_if(|note| note.sample as u64 <= beat.sample) {
                late.note(note);
            }
            late.beat(beat);
        }
        left.for_each(|note| late.note(note));
        prop_assert_eq!(&early, &late.finish(sample + 50));

        let counts = &early.beats;
        let classes = [&counts.n, &counts.s, &counts.v, &counts.f, &counts.q, &counts.unclassified];
        let sum: u64 = classes.iter().map(|share| share.count).sum();
        prop_assert_eq!(sum, counts.analysed);
        prop_assert_eq!(counts.analysed + counts.unreadable, counts.total);
        prop_assert_eq!(counts.total + counts.within_fibrillation, beats.len() as u64);
        for (ectopy, share) in [(&early.ventricular, &counts.v), (&early.supraventricular, &counts.s)] {
            prop_assert_eq!(ectopy.beats, share.count);
            prop_assert_eq!(ectopy.singles + 2 * ectopy.couplets + ectopy.runs.beats, ectopy.beats);
            prop_assert_eq!(ectopy.burden, share.percent);
        }
        let over = |of: fn(&Hour) -> u64| early.hours.iter().map(of).sum::<u64>();
        prop_assert_eq!(over(|h| h.beats), counts.analysed);
        prop_assert_eq!(over(|h| h.v), counts.v.count);
        prop_assert_eq!(over(|h| h.pauses), early.pauses.count);
        prop_assert_eq!(over(|h| h.v_runs), early.ventricular.runs.count);
        let minutes: u32 = early.minutes.beats.iter().flatten().sum();
        prop_assert_eq!(u64::from(minutes), counts.analysed);
        let seconds: f32 = early.minutes.analysable.iter().sum();
        prop_assert!((f64::from(seconds) - early.time.analysable).abs() < 0.01);
        let whole = early.time.analysable + early.time.gaps.seconds;
        prop_assert!((whole - early.time.duration).abs() < 1e-6);
    }
}
