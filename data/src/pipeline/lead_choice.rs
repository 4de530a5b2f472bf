//! Which leads of a recording are read: those asked for by name, or the one on
//! which the beats stand out best.

use std::fmt::Write as _;

use crate::formats::{Extent, Recording};
use crate::pipeline::input::InputSpec;
use crate::pipeline::{Fiducials, Output, Pipeline};
use crate::record::error::{Error, Result};
use crate::record::usually_upright;

/// What is asked for where the best lead is wanted.
pub const AUTO: &str = "auto";

/// Samples of each lead that are read at once.
const AT_ONCE: usize = 4096;
/// Seconds in which it is seen whether a lead that was asked for is inverted.
const GLANCE: f64 = 300.0;
/// Seconds around the fiducial point in which the QRS is looked at.
const QRS: f64 = 0.08;
/// A QRS whose lowest point is so many times as far from 0 as its highest is
/// mainly negative.
const NEGATIVE: f32 = 1.5;

/// Leads whose qualities differ by less are alike: the first is taken.
const ALIKE: f64 = 0.01;

/// The leads that are read.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// Their places in [`Recording::leads`].
    pub places: Vec<usize>,
    /// By what [`crate::record::Leads::named`] finds them again.
    pub names: Vec<String>,
    /// What the user should know, such as why these and whether one is inverted.
    pub remarks: Vec<String>,
}

/// How well beats can be found on a lead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// The place of the lead in [`Recording::leads`].
    pub place: usize,
    /// From 0 to 1: the mean signal quality of the beats that the detector finds,
    /// 0 for one where the signal cannot be read, times the part of the samples
    /// that are valid.
    pub quality: f64,
    /// How many beats it finds.
    pub beats: u64,
    /// Whether the mean QRS complex is mainly negative.
    pub negative: bool,
}

/// The leads of these names, see [`crate::record::Leads::choose`], where
/// [`Recording::check`] found these extents: `names` are those of a model, or
/// none for the first ECG lead.
///
/// # Errors
/// As [`crate::record::Leads::choose`].
pub fn choose(recording: &Recording, extents: &[Extent], names: &[String]) -> Result<Chosen> {
    let leads = recording.choice(extents);
    let places = leads.choose(names)?;
    let mut remarks: Vec<String> = recording.remark.iter().cloned().collect();
    remarks.extend(leads.passed_over().filter(|_| names.is_empty()));
    Ok(Chosen {
        names: places.iter().map(|place| leads.handle(*place)).collect(),
        places,
        remarks,
    })
}

/// The same for leads that a user asks for, [`AUTO`] among them, which reads the
/// recording once: the lead of the highest
/// [`Quality`], the first of those alike. A chosen lead whose QRS
/// complexes are mainly negative, where that is not usual, is remarked on.
///
/// # Errors
/// As [`choose`], and [`Recording::chunks`]; [`Error::Invalid`] for [`AUTO`] among
/// other names, or where there is no ECG lead.
pub fn choose_asked(recording: &Recording, extents: &[Extent], names: &[String]) -> Result<Chosen> {
    let is_name = recording.leads.iter().any(|lead| lead.name == AUTO);
    if is_name || !names.iter().any(|name| name == AUTO) {
        let mut chosen = choose(recording, extents, names)?;
        if !names.is_empty() {
            let most = (GLANCE * recording.fs) as u64;
            let seen = measure(recording, &chosen.places, most)?;
            let seen = seen.iter().filter_map(|lead| inverted(recording, lead));
            chosen.remarks.extend(seen);
        }
        return Ok(chosen);
    }
    if names.len() > 1 {
        return Err(Error::Invalid(format!(
            "{AUTO} chooses one lead, and {} are asked for; name them, or ask for {AUTO} alone",
            names.len()
        )));
    }
    let leads = recording.choice(extents);
    // Says what there is where there is no ECG.
    leads.first_ecg()?;
    let measured = measure(recording, &leads.all_ecg(), u64::MAX)?;
    let mut best = measured[0];
    for lead in &measured {
        if lead.quality > best.quality + ALIKE {
            best = *lead;
        }
    }
    let mut remarks: Vec<String> = recording.remark.iter().cloned().collect();
    remarks.push(figures(recording, &measured, best.place));
    remarks.extend(inverted(recording, &best));
    Ok(Chosen {
        names: vec![leads.handle(best.place)],
        places: vec![best.place],
        remarks,
    })
}

/// The leads that a model reads: those of the names in its contract, or else, where
/// it takes any one, the lead that a user asks for, if any.
///
/// # Errors
/// As [`choose_asked`].
pub fn choose_for(
    recording: &Recording,
    extents: &[Extent],
    names: &[String],
    asked: Option<&str>,
) -> Result<Chosen> {
    match asked.filter(|_| names.is_empty()) {
        Some(lead) => choose_asked(recording, extents, &[lead.to_owned()]),
        None => choose(recording, extents, names),
    }
}

/// Finds the beats on each of these leads by itself, in the first `most` samples,
/// in one pass over the recording, and tells how well they stand out.
///
/// # Errors
/// As [`Recording::chunks`] and [`crate::formats::Chunks::read`];
/// [`Error::Invalid`] for a recording of a rate that the pipeline does not take.
pub fn measure(recording: &Recording, leads: &[usize], most: u64) -> Result<Vec<Quality>> {
    let mut measures = leads
        .iter()
        .map(|_| Measure::new(recording.fs))
        .collect::<Result<Vec<_>>>()?;
    let mut chunks = recording.chunks(leads)?;
    let mut columns = vec![Vec::new(); leads.len()];
    let mut read = 0;
    while read < most {
        let count = chunks.read(AT_ONCE, &mut columns)?;
        if count == 0 {
            break;
        }
        read += count as u64;
        for (measure, column) in measures.iter_mut().zip(&mut columns) {
            measure.push(column);
            column.clear();
        }
    }
    let each = measures.into_iter().zip(leads);
    Ok(each.map(|(measure, place)| measure.end(*place)).collect())
}

/// What is being found out about a lead.
struct Measure {
    pipeline: Pipeline,
    seen: Seen,
    valid: u64,
    samples: u64,
}

struct Seen {
    beats: u64,
    quality: f64,
    /// Sum of the beats that can be read.
    mean: Vec<f32>,
    /// The fiducial point in it, and how far around it the QRS reaches.
    centre: usize,
    reach: usize,
}

impl Measure {
    fn new(fs: f64) -> Result<Measure> {
        let spec = InputSpec {
            template: false,
            rhythm: Vec::new(),
            ..InputSpec::window()
        };
        Ok(Measure {
            pipeline: Pipeline::new(&spec, fs, Fiducials::Detected)?,
            seen: Seen {
                beats: 0,
                quality: 0.0,
                mean: vec![0.0; spec.length()],
                centre: spec.before,
                reach: (QRS * spec.fs).round() as usize,
            },
            valid: 0,
            samples: 0,
        })
    }

    fn push(&mut self, samples: &[f32]) {
        self.samples += samples.len() as u64;
        self.valid += samples.iter().filter(|v| v.is_finite()).count() as u64;
        let seen = &mut self.seen;
        self.pipeline
            .push(samples, &mut |output| seen.take(&output));
    }

    fn end(mut self, place: usize) -> Quality {
        let seen = &mut self.seen;
        self.pipeline.finish(&mut |output| seen.take(&output));
        let seen = &self.seen;
        let part = self.valid as f64 / self.samples.max(1) as f64;
        let span = seen.centre.saturating_sub(seen.reach)..seen.centre + seen.reach + 1;
        let qrs = seen.mean.get(span).unwrap_or_default();
        let highest = qrs.iter().copied().fold(0.0, f32::max);
        let lowest = qrs.iter().copied().fold(0.0, f32::min);
        Quality {
            place,
            quality: part * seen.quality / seen.beats.max(1) as f64,
            beats: seen.beats,
            negative: -lowest > NEGATIVE * highest,
        }
    }
}

impl Seen {
    fn take(&mut self, output: &Output<'_>) {
        let Some(beat) = output.beat() else { return };
        self.beats += 1;
        if beat.readable {
            self.quality += f64::from(beat.quality);
            for (sum, value) in self.mean.iter_mut().zip(beat.window) {
                *sum += value;
            }
        }
    }
}

/// The figures by which a lead was chosen.
fn figures(recording: &Recording, measured: &[Quality], best: usize) -> String {
    let name = |place: usize| match recording.leads[place].name.as_str() {
        "" => format!("signal {}", place + 1),
        name => format!("{name} (signal {})", place + 1),
    };
    let mut text = format!(
        "record {}: the lead is {}, on which beats stand out best; quality",
        recording.name,
        name(best)
    );
    for (at, lead) in measured.iter().enumerate() {
        let between = if at == 0 { "" } else { ";" };
        let (name, beats) = (name(lead.place), lead.beats);
        let _ = write!(
            text,
            "{between} {:.2} on {name}, {beats} beats",
            lead.quality
        );
    }
    text
}

/// What there is to say of a lead that is upside down.
fn inverted(recording: &Recording, lead: &Quality) -> Option<String> {
    let name = &recording.leads[lead.place].name;
    (lead.negative && usually_upright(name)).then(|| {
        format!(
            "record {}: the QRS complexes of signal {} ({name}) are mainly negative, which is not usual; it may be inverted, and is taken as it is",
            recording.name,
            lead.place + 1
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats;
    use crate::record::{Record, Signal};
    use crate::simulate::synth::{self, Settings};

    /// A minute of a made-up patient, and with it the same lead turned round and
    /// the same under noise.
    fn recording(folder: &std::path::Path) -> Recording {
        let (record, _) = synth::record("s", &Settings::new(250.0, 3), 60.0).unwrap();
        let signal = |name: &str, change: &dyn Fn(usize, f32) -> f32| Signal {
            name: name.to_owned(),
            units: record.signals[0].units.clone(),
            samples: record.signals[0]
                .samples
                .iter()
                .enumerate()
                .map(|(at, v)| change(at, *v))
                .collect(),
        };
        let noise = |at: usize| ((at * 7919 % 31) as f32 / 15.5 - 1.0) * 0.4;
        let record = Record {
            signals: vec![
                signal("V1", &|at, v| v + noise(at)),
                signal("II", &|_, v| -v),
                signal("V5", &|at, v| v + 0.5 * noise(at)),
            ],
            ..record
        };
        formats::wfdb::write_record(folder, &record).unwrap();
        formats::open(&folder.join("s")).unwrap()
    }

    #[test]
    fn the_best_lead_is_chosen_and_what_is_upside_down_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let recording = recording(folder.path());
        let extents = recording.check().unwrap();
        let chosen = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
            choose_asked(&recording, &extents, &names)
        };
        let best = chosen(&["auto"]).unwrap();
        assert_eq!((best.places, best.names), (vec![1], vec!["II".to_owned()]));
        let said = best.remarks.join("\n");
        assert!(
            said.contains("the lead is II") && said.contains(" on V5"),
            "{said}"
        );
        assert!(said.contains("signal 2 (II) are mainly negative"), "{said}");
        // What is not asked for is not looked at.
        let first = chosen(&[]).unwrap();
        assert_eq!((first.places, first.remarks), (vec![0], Vec::new()));
        let named = chosen(&["MLII"]).unwrap();
        assert_eq!((named.places, named.remarks.len()), (vec![1], 1));
        let two = chosen(&["1", "V5"]).unwrap();
        assert_eq!((two.places, two.remarks.len()), (vec![0, 2], 0));
        let refusal = chosen(&["auto", "V5"]).unwrap_err().to_string();
        assert!(refusal.contains("auto chooses one lead"), "{refusal}");
    }

    #[test]
    fn figures_fall_with_noise_and_invalid_samples() {
        let folder = tempfile::tempdir().unwrap();
        let recording = recording(folder.path());
        let all = measure(&recording, &[0, 1, 2], u64::MAX).unwrap();
        assert!(all[0].quality < all[2].quality && all[2].quality < all[1].quality);
        assert_eq!([0, 1, 2].map(|at| all[at].negative), [false, true, false]);
    }
}
