//! Recordings of malignant rhythms and of others, as windows with their kind.

use std::path::Path;

use data::Class;
use data::Error;
use data::Result;
use data::datasets::splits;
use data::formats::{self, wfdb};
use data::pipeline::input::InputSpec;
use data::pipeline::malignant::{INPUTS, Shapes};
use data::record::aami::Convention;
use data::record::annotation::Annotation;
use data::signal::filter::BandPass;
use data::signal::resample::Resampler;

/// Rates, as parts of the true one, at which malignant recordings are read as
/// well: slower and faster rhythms of the same patient.
const STRETCHES: [f64; 3] = [0.8, 1.12, 1.28];
/// Part of a window that must be malignant for an example of it; others with
/// any are left out.
const COVERED: f64 = 0.75;
/// Seconds of a window.
const WINDOW: f64 = 4.0;

/// What a recording is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Malignant rhythms: learnt from, and scored when left out.
    Malignant,
    /// Other rhythms and noise: learnt from.
    Other,
    /// Counted for false alarms only.
    Alarms,
}

/// An episode of a reference: from and to in seconds, and its kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    pub start: f64,
    pub end: f64,
    pub kind: usize,
}

/// One signal of a recording at one speed.
pub struct Lead {
    pub database: &'static str,
    pub name: String,
    pub channel: usize,
    /// Whether it is read at another speed.
    pub stretched: bool,
    pub usage: Use,
    /// Seconds.
    pub length: f64,
    /// The signal at the contract's rate, as it came.
    pub signal: Vec<f32>,
    pub spans: Vec<Span>,
    pub windows: Vec<[f32; INPUTS]>,
    /// Kind of each window; `None` where it changes within.
    pub kinds: Vec<Option<usize>>,
}

/// All recordings under the folder of databases.
pub fn read(shared: &Path) -> Result<Vec<Lead>> {
    let mut leads = Vec::new();
    let mut take = |database: &'static str, names: &[String], usage| -> Result<()> {
        for name in names {
            let path = shared.join(database).join(name);
            let usage = if name == "207" { Use::Malignant } else { usage };
            leads.extend(record(database, name, &path, usage)?);
        }
        Ok(())
    };
    let names = |folder: &str| formats::find(&shared.join(folder));
    let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    take("cudb", &names("cudb")?, Use::Malignant)?;
    take("vfdb", &names("vfdb")?, Use::Malignant)?;
    take("mitdb", &owned(&splits::DS1), Use::Other)?;
    take("nstdb", &names("nstdb")?, Use::Other)?;
    take("svdb", &names("svdb")?, Use::Alarms)?;
    take("mitdb", &owned(&splits::DS2), Use::Alarms)?;
    Ok(leads)
}

fn record(database: &'static str, name: &str, path: &Path, usage: Use) -> Result<Vec<Lead>> {
    let record = formats::open(path)?.read()?;
    let annotations = match wfdb::AnnotationFile::read(&formats::annotation_path(path, "atr")) {
        Ok(file) => file.at_rate(record.fs),
        // The noise recordings have none.
        Err(_) if database == "nstdb" => Vec::new(),
        Err(error) => return Err(error),
    };
    let length = record.len() as f64 / record.fs;
    let spans = spans(&annotations, record.fs, length);
    let several = matches!(database, "vfdb" | "nstdb") || usage == Use::Other;
    let channels = if several { record.signals.len() } else { 1 };
    let mut leads = Vec::new();
    for (channel, signal) in record.signals.iter().take(channels).enumerate() {
        let speeds = if usage == Use::Malignant && name != "207" {
            &STRETCHES[..]
        } else {
            &[]
        };
        for &speed in [1.0].iter().chain(speeds) {
            leads.push(lead(
                Lead {
                    database,
                    name: name.to_owned(),
                    channel,
                    stretched: speed != 1.0,
                    usage,
                    length: length / speed,
                    signal: Vec::new(),
                    spans: spans.iter().map(|s| s.slower(speed)).collect(),
                    windows: Vec::new(),
                    kinds: Vec::new(),
                },
                &signal.samples,
                record.fs * speed,
            )?);
        }
    }
    Ok(leads)
}

fn lead(mut lead: Lead, samples: &[f32], fs: f64) -> Result<Lead> {
    let spec = InputSpec::window();
    let band = spec.band.ok_or_else(|| Error::Invalid("no band".into()))?;
    let mut last = 0.0;
    let held: Vec<f32> = samples
        .iter()
        .map(|x| {
            last = if x.is_finite() { *x } else { last };
            last
        })
        .collect();
    let mut filter = BandPass::new(band, spec.fs)?;
    let mut shapes = Shapes::new(spec.fs);
    let mut resampler = Resampler::new(fs, spec.fs, 1)?;
    resampler.push(&held, &mut |frames, _| {
        lead.signal.extend(frames.leads().flatten());
    });
    for (at, x) in lead.signal.iter().enumerate() {
        if let Some(second) = shapes.push(filter.step(*x))
            && let Some(inputs) = second.inputs
        {
            let end = (at + 1) as f64 / spec.fs;
            lead.windows.push(*inputs);
            lead.kinds.push(kind(&lead.spans, end - WINDOW, end));
        }
    }
    Ok(lead)
}

impl Span {
    fn slower(self, speed: f64) -> Span {
        Span {
            start: self.start / speed,
            end: self.end / speed,
            kind: self.kind,
        }
    }

    fn within(&self, from: f64, to: f64) -> f64 {
        (self.end.min(to) - self.start.max(from)).max(0.0)
    }
}

fn kind(spans: &[Span], from: f64, to: f64) -> Option<usize> {
    let mut covered = [0.0; 3];
    for span in spans {
        covered[span.kind] += span.within(from, to) / (to - from);
    }
    match covered[1] + covered[2] {
        0.0 => Some(0),
        both if both < COVERED => None,
        _ if covered[1] > covered[2] => Some(1),
        _ => Some(2),
    }
}

/// Episodes of a reference: between brackets, by rhythm notes, and runs of at
/// least three ventricular beats at 100 per minute or more. Those that follow
/// each other are kept apart by kind.
fn spans(annotations: &[Annotation], fs: f64, length: f64) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut add = |start: f64, end: f64, kind| {
        if end > start {
            spans.push(Span { start, end, kind });
        }
    };
    let (mut bracket, mut rhythm): (Option<f64>, Option<(f64, usize)>) = (None, None);
    let mut run: Vec<f64> = Vec::new();
    for annotation in annotations {
        let time = annotation.sample as f64 / fs;
        match annotation.symbol.as_str() {
            "[" => bracket = bracket.or(Some(time)),
            "]" => {
                if let Some(start) = bracket.take() {
                    add(start, time, 2);
                }
            }
            "+" => {
                if let Some((start, kind)) = rhythm.take() {
                    add(start, time, kind);
                }
                rhythm = match annotation.text() {
                    "(VT" => Some((time, 1)),
                    "(VFL" | "(VF" | "(VFIB" => Some((time, 2)),
                    _ => None,
                };
            }
            _ => {}
        }
        match Class::from_symbol(annotation.symbol, Convention::Literature) {
            Some(Class::V) if run.last().is_none_or(|last| time - last <= 0.6) => run.push(time),
            Some(class) => {
                if let (true, [first, .., last]) = (run.len() >= 3, &run[..]) {
                    add(*first, *last, 1);
                }
                run.clear();
                if class == Class::V {
                    run.push(time);
                }
            }
            None => {}
        }
    }
    if let Some(start) = bracket {
        add(start, length, 2);
    }
    if let Some((start, kind)) = rhythm {
        add(start, length, kind);
    }
    spans
}
