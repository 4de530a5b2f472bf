//! After warm-up nothing is allocated per sample outside the network. A test
//! binary of its own, because the counting allocator serves the whole process.

// A test fails by unwrapping, in what it calls too.
#![allow(clippy::unwrap_used)]

use std::alloc::System;
use std::path::Path;

use data::pipeline::input::InputSpec;
use data::pipeline::{Fiducials, Pipeline};
use data::simulate::synth::{self, Settings};
use embedded::{Classifier, Event, Monitor};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn nothing_is_allocated_per_sample() {
    let input = InputSpec::window();
    let mut settings = Settings::new(360.0, 5);
    settings.rhythm.ventricular = 0.1;
    let (record, _) = synth::record("s", &settings, 240.0).unwrap();
    let samples = &record.signals[0].samples;
    let (warm, steady) = samples.split_at(samples.len() / 4);

    let mut pipeline = Pipeline::new(&input, 360.0, Fiducials::Detected).unwrap();
    let mut beats = 0;
    pipeline.push(warm, &mut |_| beats += 1);
    let region = Region::new(ALLOCATOR);
    pipeline.push(steady, &mut |_| beats += 1);
    assert_eq!(region.change().allocations, 0, "in the pipeline");
    assert!(beats > 200, "{beats} beats");

    let bytes = models::untrained::classifier_for(&input, 1).unwrap();
    let load = || Classifier::from_bytes(&bytes, Path::new("untrained.onnx")).unwrap();
    // What one run of the network allocates, inside tract.
    let mut classifier = load();
    let window = vec![0.1; input.window_values()];
    let rhythm = vec![0.1; input.rhythm.len()];
    for _ in 0..3 {
        classifier.classify_beat(&window, &rhythm).unwrap();
    }
    let region = Region::new(ALLOCATOR);
    for _ in 0..10 {
        classifier.classify_beat(&window, &rhythm).unwrap();
    }
    let network = region.change().allocations / 10;

    let mut monitor = Monitor::new(load(), 360.0, 1).unwrap();
    monitor.push(warm).unwrap();
    let (mut beats, mut events) = (0, 0);
    let region = Region::new(ALLOCATOR);
    for chunk in steady.chunks(36) {
        for event in monitor.push(chunk).unwrap() {
            beats += usize::from(matches!(event, Event::Beat(_)));
            events += 1;
        }
    }
    let found = region.change().allocations;
    println!("{network} allocations per run of the network, {beats} beats, {events} events");
    assert!(beats > 150, "{beats} beats");
    assert_eq!(
        found,
        beats * network,
        "{beats} beats of {network} allocations each"
    );
}
