//! Time per input sample of detection and segmentation, and their parts, on
//! ten minutes of synthetic ECG at 360 Hz.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use data::pipeline::detector::Detector;
use data::pipeline::input::InputSpec;
use data::pipeline::{Fiducials, Output, Pipeline};
use data::signal::resample::Resampler;
use data::simulate::synth::{self, Settings};

const FS: f64 = 360.0;
const SECONDS: f64 = 600.0;

fn bench(criterion: &mut Criterion) {
    let (record, annotations) =
        synth::record("bench", &Settings::new(FS, 1), SECONDS).expect("valid settings");
    let samples = &record.signals[0].samples;
    let spec = InputSpec::window();
    let mut group = criterion.benchmark_group("pipeline");
    group.throughput(Throughput::Elements(samples.len() as u64));
    for (name, fiducials) in [
        ("detected beats", Fiducials::Detected),
        ("marked beats", Fiducials::Marked),
    ] {
        let mut pipeline = Pipeline::new(&spec, FS, fiducials).expect("valid contract");
        group.bench_function(name, |b| {
            b.iter(|| {
                pipeline.reset();
                if fiducials == Fiducials::Marked {
                    for annotation in &annotations {
                        pipeline
                            .mark(annotation.sample as u64)
                            .expect("ascending marks");
                    }
                }
                let mut sum = 0.0;
                let mut take =
                    |output: Output<'_>| sum += output.beat().map_or(0.0, |b| b.window[0]);
                pipeline.push(samples, &mut take);
                pipeline.finish(&mut take);
                black_box(sum)
            })
        });
    }
    let mut resampler = Resampler::new(FS, spec.fs, 1).expect("valid rates");
    let mut frames = Vec::new();
    resampler.push(samples, &mut |y, _| frames.extend(y.leads().flatten()));
    group.bench_function("resampling alone", |b| {
        b.iter(|| {
            resampler.reset();
            let mut sum = 0.0;
            resampler.push(samples, &mut |y, _| sum += y.leads().flatten().sum::<f32>());
            black_box(sum)
        })
    });
    let mut detector = Detector::new(spec.fs, 1).expect("valid rate");
    group.bench_function("detection alone", |b| {
        b.iter(|| {
            detector.reset();
            let found = frames.iter().filter_map(|x| detector.push(&[*x]));
            black_box(found.count())
        })
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
