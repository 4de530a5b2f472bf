//! Any samples at any rate, in chunks of any size: the monitor never panics,
//! and what it reports is in order.
//!
//! The input is a little program: a header of five bytes (rate, leads, size of
//! chunks), then steps of three bytes (what, value, how often).

#![no_main]

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::path::Path;
use std::sync::LazyLock;

use data::pipeline::input::InputSpec;
use embedded::{Classifier, Event, Gap, Monitor, Unreadable};
use libfuzzer_sys::fuzz_target;

/// Most samples of one input: what a second can take.
const MOST: usize = 60_000;

static MODELS: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    [1, 2].map(|leads| {
        let mut input = InputSpec::window();
        if leads == 2 {
            input.leads = vec!["I".into(), "II".into()];
        }
        models::untrained::classifier_for(&input, 1).expect("a model")
    })
});

thread_local! {
    /// Planning a graph takes longer than most inputs. Never dropped: tract's own
    /// thread locals may be gone by then.
    static CLASSIFIERS: RefCell<ManuallyDrop<[Option<Classifier>; 2]>> =
        const { RefCell::new(ManuallyDrop::new([None, None])) };
}

fn classifier(leads: usize) -> Classifier {
    let kept = CLASSIFIERS.with_borrow_mut(|all| all[leads - 1].take());
    kept.unwrap_or_else(|| {
        Classifier::from_bytes(&MODELS[leads - 1], Path::new("fuzz.onnx")).expect("a model")
    })
}

/// What was reported so far.
#[derive(Default)]
struct Seen {
    beat: Option<u64>,
    gap: Option<u64>,
}

impl Seen {
    fn check(&mut self, events: &[Event], samples: u64) {
        for event in events {
            match event.clone() {
                Event::Beat(beat) => {
                    assert!(beat.sample < samples, "a beat of the future");
                    assert!(self.beat.is_none_or(|last| last < beat.sample), "disorder");
                    assert!(beat.probabilities.iter().all(|p| (0.0..=1.0).contains(p)));
                    assert!((0.0..=1.0).contains(&beat.quality));
                    assert!(beat.rr.is_none_or(|rr| rr > 0.0));
                    self.beat = Some(beat.sample);
                }
                Event::Gap(Gap {
                    start,
                    length: None,
                }) => {
                    assert!(self.gap.is_none() && start <= samples);
                    self.gap = Some(start);
                }
                Event::Gap(Gap { start, length }) => {
                    assert_eq!(self.gap.take(), Some(start));
                    assert!(length.is_some_and(|l| start + l <= samples));
                }
                Event::Unreadable(Unreadable { start, length, .. }) => {
                    assert!(start + length.unwrap_or(0) <= samples);
                }
                Event::Rhythm(event) => assert!(event.start <= event.end),
            }
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&[low, high, leads, chunk, more], steps)) = bytes.split_first_chunk::<5>() else {
        return;
    };
    let rate = u16::from_le_bytes([low, high]);
    // Whole rates mostly, since a table is made for every other one.
    let fs = match more & 1 {
        0 => f64::from(rate % 1100),
        _ => f64::from(rate) / 59.0,
    };
    let leads = 1 + usize::from(leads & 1);
    let Ok(mut monitor) = Monitor::new(classifier(leads), fs, leads) else {
        return;
    };
    let chunk = 1 + usize::from(chunk) * (1 + usize::from(more >> 4));
    let (mut samples, mut total, mut seen) = (Vec::new(), 0, Seen::default());
    for step in steps.chunks_exact(3) {
        let (value, count) = (f32::from(step[1] as i8) / 16.0, usize::from(step[2]) + 1);
        match step[0] % 8 {
            0 => samples.extend(std::iter::repeat_n(value, 8 * count)),
            1 => samples.extend(std::iter::repeat_n(f32::NAN, 4 * count)),
            2 => samples.extend((0..count).map(|i| value * i as f32 / count as f32)),
            3 => samples.extend([0.0, value, 2.0 * value, value, -value, 0.0]),
            4 => samples.extend((0..count).map(|i| if i % 2 == 0 { value } else { -value })),
            5 => {
                let bits = u32::from_le_bytes([0, step[2], step[1], step[0]]);
                samples.push(f32::from_bits(bits.rotate_left(u32::from(step[2]))));
            }
            6 => {
                // A beat every `count` samples: flat, with a triangle in it.
                for _ in 0..10 {
                    samples.extend(std::iter::repeat_n(0.0, 2 * count));
                    samples.extend([0.3 * value, value, 0.4 * value, -0.2 * value]);
                }
            }
            _ => {
                for part in samples.chunks(chunk) {
                    let events = monitor.push(part).expect("beats").to_vec();
                    seen.check(&events, monitor.samples() + 1);
                }
                total += samples.len();
                samples.clear();
                let events = match step[1] % 4 {
                    0 => monitor
                        .skip(u64::from(step[2]) << (step[1] >> 2 & 31))
                        .expect("a gap")
                        .to_vec(),
                    1 => monitor.finish().expect("an end").to_vec(),
                    2 => {
                        monitor.reset();
                        seen = Seen::default();
                        Vec::new()
                    }
                    _ => Vec::new(),
                };
                seen.check(&events, monitor.samples() + 1);
                // The end of a recording ends its gap without a word.
                if step[1] % 4 == 1 {
                    seen.gap = None;
                }
            }
        }
        if total + samples.len() > MOST {
            break;
        }
    }
    for part in samples.chunks(chunk) {
        let events = monitor.push(part).expect("beats").to_vec();
        seen.check(&events, monitor.samples() + 1);
    }
    let events = monitor.finish().expect("an end").to_vec();
    seen.check(&events, monitor.samples() + 1);
    let kept = monitor.into_classifier();
    CLASSIFIERS.with_borrow_mut(|all| all[leads - 1] = Some(kept));
});
