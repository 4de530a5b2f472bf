//! A long recording with faults: nothing is missed, nothing grows.
//!
//! Thirty days, some six minutes: `cargo test --release -p embedded --test soak -- --ignored --nocapture`

// A test fails by unwrapping, in what it calls too.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::path::Path;

use data::pipeline::input::InputSpec;
use data::simulate::synth::{LEADS, Rhythm, Settings, Synthesiser};
use embedded::{Classifier, Event, Gap, Monitor};

const FS: f64 = 360.0;
/// Frames per push: a quarter of a second.
const CHUNK: usize = 90;
/// Seconds from one fault to the next.
const BETWEEN: u64 = 300;
/// Seconds after a fault within which beats are not counted: the detector
/// learns the signal again.
const RECOVERY: u64 = 12;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Dropout,
    Saturation,
    GainStep,
    ClockJump,
    NoiseBurst,
}

const FAULTS: [Fault; 5] = [
    Fault::Dropout,
    Fault::Saturation,
    Fault::GainStep,
    Fault::ClockJump,
    Fault::NoiseBurst,
];

/// What happened, per kind.
#[derive(Debug, Default)]
struct Tally {
    reference: u64,
    found: u64,
    /// Gaps made, and reported as begun and as over.
    gaps: [u64; 3],
    faults: u64,
    events: u64,
}

/// Counts beats outside the times of faults. Beats wait until it is known
/// whether a fault follows them: the monitor tells of them later than the
/// source does.
#[derive(Default)]
struct Counter {
    /// Samples from which and up to which beats do not count, in order.
    excluded: VecDeque<(u64, u64)>,
    waiting: VecDeque<u64>,
    count: u64,
}

impl Counter {
    fn beat(&mut self, sample: u64) {
        self.waiting.push_back(sample);
        self.settle(sample.saturating_sub(10 * FS as u64));
    }

    /// Counts what waits from before `until`.
    fn settle(&mut self, until: u64) {
        while let Some(&sample) = self.waiting.front().filter(|s| **s < until) {
            self.waiting.pop_front();
            while self.excluded.front().is_some_and(|e| e.1 <= sample) {
                self.excluded.pop_front();
            }
            let inside = self.excluded.front().is_some_and(|e| e.0 <= sample);
            self.count += u64::from(!inside);
        }
    }
}

fn monitor() -> Monitor {
    let input = InputSpec::window();
    let bytes = models::untrained::classifier_for(&input, 1).unwrap();
    let model = Classifier::from_bytes(&bytes, Path::new("untrained.onnx")).unwrap();
    Monitor::new(model, FS, 1).unwrap()
}

/// Resident memory in KiB; `None` where the system has no /proc.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn soak(hours: u64) -> (Tally, Vec<u64>) {
    let mut settings = Settings::new(FS, 21);
    settings.rhythm = Rhythm {
        atrial: 0.02,
        ventricular: 0.02,
        ..Rhythm::sinus(72.0)
    };
    let mut source = Synthesiser::new(&settings).unwrap();
    let mut monitor = monitor();
    let excluded = || Counter {
        excluded: VecDeque::from([(0, RECOVERY * FS as u64)]),
        ..Counter::default()
    };
    let (mut reference, mut found) = (excluded(), excluded());
    let mut tally = Tally::default();
    let mut memory = Vec::new();
    // Samples that were lost, by which the monitor is ahead of the source.
    let mut jumped = 0;
    let mut gain = 1.0f32;
    let mut noise = 1u32;
    let mut fault: Option<(Fault, u64)> = None;
    let mut frames = vec![0.0; CHUNK * LEADS.len()];
    let mut samples = vec![0.0; CHUNK];
    let mut annotations = Vec::new();
    let (second, total) = (FS as u64, hours * 3600 * FS as u64);
    let mut at = 0;
    while at < total {
        if at % (BETWEEN * second) < CHUNK as u64 && at > BETWEEN * second / 2 {
            let kind = FAULTS[tally.faults as usize % FAULTS.len()];
            let length = match kind {
                Fault::ClockJump | Fault::GainStep => 0,
                _ => (1 + tally.faults % 7) * second,
            };
            tally.faults += 1;
            fault = Some((kind, at + length));
            let start = at + jumped;
            if kind == Fault::ClockJump {
                let lost = (3 + tally.faults % 600) * second;
                tally.gaps[0] += 1;
                jumped += lost;
                observe(monitor.skip(lost).unwrap(), &mut found, &mut tally);
            }
            tally.gaps[0] += u64::from(kind == Fault::Dropout);
            let out = (start - second, at + jumped + length + RECOVERY * second);
            reference.excluded.push_back(out);
            found.excluded.push_back(out);
        }
        source.fill(&mut frames, &mut annotations);
        for (sample, frame) in samples.iter_mut().zip(frames.chunks_exact(LEADS.len())) {
            *sample = gain * frame[0];
        }
        match fault {
            Some((Fault::GainStep, _)) => {
                gain = if gain > 0.8 { 0.5 } else { 1.3 };
                fault = None;
            }
            Some((_, end)) if at >= end => fault = None,
            Some((Fault::Dropout, _)) => samples.fill(f32::NAN),
            Some((Fault::Saturation, _)) => samples.fill(5.0),
            Some((Fault::NoiseBurst, _)) => {
                for sample in &mut samples {
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    *sample += (noise >> 16) as f32 / 32_768.0 - 1.0;
                }
            }
            _ => {}
        }
        for annotation in annotations.drain(..).filter(|a| a.aux_note.is_empty()) {
            reference.beat(annotation.sample as u64 + jumped);
        }
        observe(monitor.push(&samples).unwrap(), &mut found, &mut tally);
        at += CHUNK as u64;
        if at % (6 * 3600 * second) < CHUNK as u64 {
            memory.extend(resident());
        }
    }
    observe(monitor.finish().unwrap(), &mut found, &mut tally);
    assert_eq!(monitor.samples(), at + jumped);
    reference.settle(u64::MAX);
    found.settle(u64::MAX);
    tally.reference = reference.count;
    tally.found = found.count;
    (tally, memory)
}

fn observe(events: &[Event], found: &mut Counter, tally: &mut Tally) {
    for event in events {
        tally.events += 1;
        match event {
            Event::Beat(beat) => found.beat(beat.sample),
            Event::Gap(Gap { length: None, .. }) => tally.gaps[1] += 1,
            Event::Gap(_) => tally.gaps[2] += 1,
            Event::Rhythm(_) | Event::Unreadable(_) => {}
        }
    }
}

fn check(tally: &Tally) {
    println!("{tally:?}");
    let [made, begun, over] = tally.gaps;
    assert_eq!((made, made), (begun, over), "gaps made, begun, over");
    let error = tally.found.abs_diff(tally.reference) as f64 / tally.reference as f64;
    assert!(
        error <= 0.001,
        "beat count is off by {:.3} %",
        100.0 * error
    );
}

#[test]
fn an_hour_with_faults_is_counted_right() {
    let (tally, _) = soak(1);
    assert!(tally.faults >= 10 && tally.reference > 3000, "{tally:?}");
    check(&tally);
}

#[test]
#[ignore = "thirty days of signal take six minutes; run it with --release -- --ignored"]
fn thirty_days_with_faults_are_counted_right_in_the_same_memory() {
    let (tally, memory) = soak(30 * 24);
    check(&tally);
    println!("resident memory every 6 hours, KiB: {memory:?}");
    if let [first, .., last] = memory[..] {
        assert!(
            last <= first + 1024,
            "memory grew from {first} to {last} KiB"
        );
    }
}
