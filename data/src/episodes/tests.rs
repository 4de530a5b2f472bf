use super::*;

const FS: f64 = 100.0;

/// Beats given as (RR in seconds, class letter); the events they make.
fn watch(beats: &[(f64, &str)]) -> Vec<RhythmEvent> {
    let mut watch = RhythmWatch::new(FS, Thresholds::default());
    let (mut events, mut time) = (Vec::new(), 0.0);
    watch.begin(0);
    for (rr, class) in beats {
        time += rr;
        let class = class.parse().unwrap();
        watch.beat((time * FS).round() as u64, class, &mut |e| events.push(e));
    }
    watch.end((time * FS) as u64 + 50, &mut |e| events.push(e));
    events
}

fn letters(text: &str, rr: f64) -> Vec<(f64, String)> {
    text.chars().map(|c| (rr, c.to_string())).collect()
}

fn found(text: &str, rr: f64) -> Vec<(Kind, Phase)> {
    let beats = letters(text, rr);
    let beats: Vec<_> = beats.iter().map(|(rr, c)| (*rr, c.as_str())).collect();
    watch(&beats).iter().map(|e| (e.kind, e.phase)).collect()
}

#[test]
fn a_regular_rhythm_is_no_event() {
    assert_eq!(found("NNNNNNNNNNNNNNNNNNNN", 0.8), []);
    assert_eq!(found("NNNVNNNNNSNNNNNVNNNN", 0.8), []);
}

#[test]
fn couplets_and_runs_are_told_apart_with_their_rate() {
    assert_eq!(found("NNVVNN", 0.8), [(Kind::Couplet, Phase::Whole)]);
    let beats = [
        ("N", 0.8),
        ("V", 0.5),
        ("V", 0.4),
        ("V", 0.4),
        ("V", 0.4),
        ("N", 0.9),
    ];
    let events = watch(&beats.map(|(c, rr)| (rr, c)));
    let kinds: Vec<_> = events.iter().map(|e| (e.kind, e.phase, e.beats)).collect();
    assert_eq!(
        kinds,
        [
            (Kind::Run, Phase::Begin, Some(3)),
            (Kind::Run, Phase::End, Some(4))
        ]
    );
    assert!((events[1].rate.unwrap() - 150.0).abs() < 1e-9);
    assert_eq!(events[1].class, Some(Class::V));
    assert_eq!((events[1].start, events[1].end), (130, 250));
}

#[test]
fn ectopic_beats_of_two_classes_are_not_one_run() {
    assert_eq!(found("NSVSVN", 0.8), []);
    assert_eq!(
        found("NSSSN", 0.8),
        [(Kind::Run, Phase::Begin), (Kind::Run, Phase::End)]
    );
}

#[test]
fn bigeminy_and_trigeminy_need_three_ventricular_beats() {
    assert_eq!(found("NNVNVNN", 0.8), []);
    let begin_end = |kind| [(kind, Phase::Begin), (kind, Phase::End)];
    assert_eq!(found("NVNVNVNVNNN", 0.8), begin_end(Kind::Bigeminy));
    assert_eq!(found("NNVNNVNNVNNN", 0.8), begin_end(Kind::Trigeminy));
    // A run that breaks the pattern ends it.
    let events = found("NVNVNVVVN", 0.8);
    assert!(events.contains(&(Kind::Bigeminy, Phase::End)), "{events:?}");
    assert!(
        events.contains(&(Kind::Idioventricular, Phase::End)),
        "{events:?}"
    );
}

#[test]
fn a_pause_is_no_long_silence_and_a_long_silence_no_pause() {
    let events = watch(&[(0.8, "N"), (0.8, "N"), (2.5, "N"), (0.8, "N")]);
    assert_eq!(events, [event(Kind::Pause, Phase::Whole, 160, 410)]);
    let events = watch(&[(0.8, "N"), (6.0, "N"), (0.8, "N")]);
    assert_eq!(
        events,
        [
            event(Kind::NoBeats, Phase::Begin, 80, 480),
            event(Kind::NoBeats, Phase::End, 80, 680)
        ]
    );
}

#[test]
fn silence_is_noticed_without_a_beat_and_reported_once() {
    let mut watch = RhythmWatch::new(FS, Thresholds::default());
    let mut events = Vec::new();
    watch.begin(1000);
    for sample in (1000..2000).step_by(7) {
        watch.until(sample, &mut |e| events.push(e));
    }
    watch.end(2000, &mut |e| events.push(e));
    assert_eq!(
        events,
        [
            event(Kind::NoBeats, Phase::Begin, 1000, 1400),
            event(Kind::NoBeats, Phase::End, 1000, 2000)
        ]
    );
}

#[test]
fn slow_and_fast_rates_begin_and_end_once() {
    let mut beats = vec![(0.8, "N"); 10];
    beats.extend(vec![(1.5, "N"); 12]);
    beats.extend(vec![(0.8, "N"); 12]);
    beats.extend(vec![(0.5, "N"); 12]);
    beats.extend(vec![(0.8, "N"); 12]);
    let kinds: Vec<_> = watch(&beats).iter().map(|e| (e.kind, e.phase)).collect();
    assert_eq!(
        kinds,
        [
            (Kind::Bradycardia, Phase::Begin),
            (Kind::Bradycardia, Phase::End),
            (Kind::Tachycardia, Phase::Begin),
            (Kind::Tachycardia, Phase::End)
        ]
    );
}

#[test]
fn slow_rows_of_ventricular_beats_are_idioventricular() {
    let pair = |kind| [(kind, Phase::Begin), (kind, Phase::End)];
    assert_eq!(found("NNVVVVVN", 0.8), pair(Kind::Idioventricular));
    assert_eq!(found("NNVVVVVN", 0.5), pair(Kind::Run));
    // Beats that are no row of anything: one every ten seconds.
    let kinds: Vec<Kind> = watch(&[(10.0, "V"); 6]).iter().map(|e| e.kind).collect();
    assert!(kinds.iter().all(|kind| *kind == Kind::NoBeats), "{kinds:?}");
    // One that becomes fast is a run from there on.
    let mut beats = vec![(0.8, "N"), (0.8, "V"), (0.8, "V"), (0.8, "V")];
    beats.extend([(0.5, "V"); 3]);
    beats.push((0.9, "N"));
    let events = watch(&beats);
    let told: Vec<_> = events.iter().map(|e| (e.kind, e.phase, e.beats)).collect();
    assert_eq!(
        told,
        [
            (Kind::Idioventricular, Phase::Begin, Some(3)),
            (Kind::Idioventricular, Phase::End, Some(3)),
            (Kind::Run, Phase::Begin, Some(3)),
            (Kind::Run, Phase::End, Some(4)),
        ]
    );
}

#[test]
fn fibrillation_of_the_signal_ends_rows_and_silence() {
    let mut watch = RhythmWatch::new(FS, Thresholds::default());
    let mut events = Vec::new();
    watch.begin(0);
    let episode = |start, end| Episode {
        kind: malignant::Kind::Fibrillation,
        start,
        end,
        rate: Some(280.0),
    };
    let mut emit = |e: RhythmEvent| events.push(e);
    watch.until(500, &mut emit);
    watch.episode(&episode(200, None), &mut emit);
    watch.until(3000, &mut emit);
    watch.episode(&episode(200, Some(2900)), &mut emit);
    watch.until(3200, &mut emit);
    watch.until(3400, &mut emit);
    let told: Vec<_> = events.iter().map(|e| (e.kind, e.phase)).collect();
    assert_eq!(
        told,
        [
            (Kind::NoBeats, Phase::Begin),
            (Kind::NoBeats, Phase::End),
            (Kind::VentricularFibrillation, Phase::Begin),
            (Kind::VentricularFibrillation, Phase::End),
            (Kind::NoBeats, Phase::Begin),
        ]
    );
    assert_eq!(events[3].of_signal(), Some(episode(200, Some(2900))));
}
