use std::io::Write;
use data::{filter::BandPass, malignant::{INPUTS, Shapes}, resample::Resampler, wfdb};
fn main() {
    let mut out = std::io::BufWriter::new(std::fs::File::create(std::env::args().nth(1).unwrap()).unwrap());
    for arg in std::env::args().skip(2) {
        let record = wfdb::read_record(std::path::Path::new(&arg)).unwrap();
        for (ch, signal) in record.signals.iter().enumerate() {
            let mut resampler = Resampler::new(record.fs, 128.0, 1).unwrap();
            let mut filter = BandPass::new([0.5, 40.0], 128.0).unwrap();
            let mut shapes = Shapes::new(128.0);
            let mut inputs = [0.0; INPUTS];
            let mut all: Vec<f32> = Vec::new();
            let mut rows = 0;
            let samples: Vec<f32> = signal.samples.iter().map(|v| if v.is_finite() {*v} else {0.0}).collect();
            resampler.push(&samples, &mut |f, _| {
                if shapes.push(filter.step(f[0]), &mut inputs) { all.extend(inputs); rows += 1; }
            });
            writeln!(out, "{arg} {ch} {rows} {INPUTS} {}", signal.samples.len() as f64 / record.fs).unwrap();
            for v in all { out.write_all(&v.to_le_bytes()).unwrap(); }
        }
    }
}
