//! Recordings with labelled beats, at the detector's rate.

use std::path::Path;

use data::Class;
use data::Result;
use data::datasets::splits;
use data::formats::wfdb::AnnotationFile;
use data::formats::{self};
use data::pipeline::input::InputSpec;
use data::record::aami::Convention;
use data::record::annotation::Symbol;
use data::signal::resample::Resampler;

use crate::random::Random;

/// From and to, in seconds from a beat, of what is cut out with it: the QRS and
/// the T wave. The P wave stays, so that it is seen for what it is.
const CUT: [f64; 2] = [-0.08, 0.38];
/// One in so many beats begins a run of one to four that are cut out.
const CUT_EVERY: f64 = 12.0;

/// One signal of a recording.
#[derive(Clone)]
pub struct Recording {
    pub database: &'static str,
    pub name: String,
    pub channel: usize,
    /// Whether its patient is among those of DS2, from which nothing is learnt.
    pub test: bool,
    /// In mV at the detector's rate, as it came.
    pub signal: Vec<f32>,
    /// Frames of the reference's beats, in order.
    pub beats: Vec<f64>,
    /// Fibrillation in the reference, from and to in frames: not counted.
    pub excluded: Vec<(f64, f64)>,
}

/// The detector's rate in Hz.
pub fn rate() -> f64 {
    InputSpec::window().fs
}

/// All recordings with labelled beats under the folder of databases.
pub fn read(shared: &Path) -> Result<Vec<Recording>> {
    let mut recordings = Vec::new();
    for database in ["mitdb", "svdb", "nstdb", "cudb", "stdb", "qtdb"] {
        let folder = shared.join(database);
        for name in formats::find(&folder)? {
            // The noise recordings hold no beats; paced ones are left out of DS1.
            let test = splits::DS2.contains(&name.as_str());
            let unused = database == "mitdb" && !test && !splits::DS1.contains(&name.as_str());
            if unused || ["bw", "ma", "em"].contains(&name.as_str()) {
                continue;
            }
            recordings.extend(record(database, &name, &folder.join(&name), test)?);
        }
    }
    Ok(recordings)
}

fn record(database: &'static str, name: &str, path: &Path, test: bool) -> Result<Vec<Recording>> {
    let record = formats::open(path)?.read()?;
    let annotations =
        AnnotationFile::read(&formats::annotation_path(path, "atr"))?.at_rate(record.fs);
    let frames = |sample: i64| sample as f64 / record.fs * rate();
    let mut beats = Vec::new();
    let (mut excluded, mut start) = (Vec::new(), None);
    for annotation in &annotations {
        let at = frames(annotation.sample);
        match annotation.symbol {
            Symbol::VF_ON => start = start.or(Some(at)),
            Symbol::VF_OFF => excluded.extend(start.take().map(|start| (start, at))),
            symbol if Class::from_symbol(symbol, Convention::Literature).is_some() => {
                beats.push(at)
            }
            _ => {}
        }
    }
    excluded.extend(start.map(|start| (start, f64::INFINITY)));
    let mut recordings = Vec::new();
    for (channel, signal) in record.signals.iter().enumerate() {
        let mut resampler = Resampler::new(record.fs, rate(), 1)?;
        let mut resampled = Vec::new();
        let mut last = 0.0;
        let held = |x: &f32| {
            last = if x.is_finite() { *x } else { last };
            last
        };
        let held: Vec<f32> = signal.samples.iter().map(held).collect();
        resampler.push(&held, &mut |frames, _| {
            resampled.extend(frames.leads().flatten());
        });
        recordings.push(Recording {
            database,
            name: name.to_owned(),
            channel,
            test,
            signal: resampled,
            beats: beats.clone(),
            excluded: excluded.clone(),
        });
    }
    Ok(recordings)
}

impl Recording {
    /// Whether the reference has fibrillation at a frame, or close to it.
    pub fn excludes(&self, frame: f64) -> bool {
        let margin = 0.15 * rate();
        (self.excluded.iter()).any(|(from, to)| (from - margin..to + margin).contains(&frame))
    }

    /// The same recording without some of its beats, bridged by a line.
    pub fn with_pauses(&self, random: &mut Random) -> Recording {
        let mut cut = self.clone();
        cut.beats.clear();
        let mut left = 0;
        for beat in &self.beats {
            if left == 0 && random.uniform() < 1.0 / CUT_EVERY {
                left = 1 + (4.0 * random.uniform()) as usize;
            }
            if left == 0 {
                cut.beats.push(*beat);
                continue;
            }
            left -= 1;
            let bound = |seconds: f64| {
                let frame = (beat + seconds * rate()).max(0.0) as usize;
                frame.min(cut.signal.len().saturating_sub(1))
            };
            let (from, to) = (bound(CUT[0]), bound(CUT[1]));
            if from >= to {
                continue;
            }
            let (first, last) = (cut.signal[from], cut.signal[to]);
            for (at, value) in cut.signal[from..to].iter_mut().enumerate() {
                *value = first + (last - first) * at as f32 / (to - from) as f32;
            }
        }
        cut
    }
}

impl Recording {
    /// The patient: all noisy recordings of one are one.
    pub fn patient(&self) -> &str {
        match self.database {
            // Both are patients of DS1's database; 119 also of DS1 itself.
            "nstdb" => &self.name[..3],
            _ => &self.name,
        }
    }
}
