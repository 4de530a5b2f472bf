//! The beats of the inter-patient recipe: who trains, who validates, and what
//! else is made of the recordings of those who train.

use std::ops::Range;
use std::path::{Path, PathBuf};

use data::datasets::dataset::{self, Annotated};
use data::datasets::splits::{self, Split};
use data::formats;
use data::pipeline::beats::Beats;
use data::pipeline::input::InputSpec;
use data::pipeline::prepare;
use data::record::Record;
use data::record::annotation::Annotation;
use data::record::classes::LeftOut;
use data::simulate::retime::{Retiming, retime};
use data::{Class, Classes};

use crate::error::{Error, Result};
use crate::even_split::most_even;
use crate::progress;
use crate::sampler::mix;
use crate::settings::{Settings, Split as Rule};
use crate::source::{self, BeatSets, cohort, is_synthetic, join, name_of, shares};
use data::record::error::ensure;

/// What each recording is turned into by `--retimed`, each with its own seed,
/// and of its normal and of its S beats one in how many is kept. Normal beats
/// are many, and most are near copies; sick sinuses have S beats by the
/// hundred and would crowd out the others, as would blocked rhythms with their
/// long intervals before normal beats.
const RETIMINGS: [(Retiming, usize, usize); 8] = [
    (Retiming::Premature, 4, 1),
    (Retiming::Premature, 4, 1),
    (Retiming::Fibrillation, 4, 1),
    (Retiming::Fibrillation, 4, 1),
    (Retiming::SinusArrhythmia, 4, 1),
    (Retiming::SickSinus, 16, 4),
    (Retiming::Block, 12, 1),
    (Retiming::Fusion, 4, 1),
];
/// A class that hardly occurs counts in retimed recordings as if it were this
/// share of the recorded beats.
const LEAST_SHARE: f64 = 0.01;

/// What is made of one recording.
struct Prepared {
    /// The beats of the lead, or leads, that the contract reads.
    beats: Beats,
    /// Those of the record's second lead, as beats of a lead of their own.
    second: Option<Beats>,
    /// N and S beats of the recording moved in time, and others between them
    /// where a network remembers beats.
    retimed: Option<Beats>,
    /// Which of those count.
    counted: Vec<bool>,
    /// Annotated beats that no class names.
    left_out: LeftOut,
}

/// Beats that train, and how much they count.
#[derive(Default)]
struct WeightedBeats {
    beats: Vec<Beats>,
    weights: Vec<f32>,
}

impl WeightedBeats {
    fn add(&mut self, beats: Beats, weight: impl Fn(usize, usize) -> f64) {
        let labels = beats.labels.iter().enumerate();
        let weights = labels.map(|(row, &class)| weight(row, class) as f32);
        self.weights.extend(weights);
        self.beats.push(beats);
    }
}

/// What prepares the annotated beats of a recording; [`prepare::record`] for a
/// model.
pub type Prepare = fn(&Record, &[Annotation], &InputSpec, &Classes) -> data::Result<Beats>;

/// The beats of the recordings that the settings name; for a network that
/// `remembers` beats, stretches of consecutive ones.
///
/// # Errors
/// When there are none, or not enough patients to hold some out.
pub fn beat_sets(settings: &Settings, prepare: Prepare, remembers: bool) -> Result<BeatSets> {
    let make = Make {
        settings,
        prepare,
        remembers,
    };
    let mut records: Vec<Prepared> = Vec::new();
    let (mut train, mut validation) = (Vec::new(), Vec::new());
    let mut sources: Vec<(Range<usize>, String)> = Vec::new();
    let mut add = |more: Vec<Prepared>, description: String| {
        sources.push((records.len()..records.len() + more.len(), description));
        records.extend(more);
    };
    let synthetic = is_synthetic(settings)
        .then(|| cohort(settings))
        .transpose()?;
    let mut folders: Vec<(PathBuf, Vec<String>, String)> = Vec::new();
    if synthetic.is_none() {
        let folder = dataset::locate(settings.data.as_deref())?;
        let (names, description) = training_records(&folder, settings)?;
        folders.push((folder, names, description));
    }
    for folder in &settings.extra {
        let names = formats::find(folder)?;
        let description = format!("{} ({} records)", name_of(folder), names.len());
        folders.push((folder.clone(), names, description));
    }
    let made_up = synthetic.iter().flatten().map(|r| r.record.name.as_str());
    let listed = folders.iter().flat_map(|f| &f.1).map(String::as_str);
    known(&settings.hold_out, made_up.chain(listed))?;
    if let Some(cohort) = &synthetic {
        let prepared: data::Result<_> = cohort.iter().map(|r| make.prepared(r)).collect();
        add(prepared?, "synthetic patients".into());
    }
    for (folder, names, description) in folders {
        let fit = Fit::of(&folder, &names, &make)?;
        let description = description + &fit.lacking;
        add(fit.records, description);
    }
    let mut left_out = LeftOut::default();
    records.iter().for_each(|r| left_out.add(&r.left_out));
    source::tell_left_out(&left_out);
    let tested = tested(&records, settings)?;
    for (range, description) in &sources {
        let rest: Vec<usize> = range.clone().filter(|i| !tested.contains(i)).collect();
        let of: Vec<&Prepared> = rest.iter().map(|&i| &records[i]).collect();
        let split = hold_out(&of, settings, description)?;
        train.extend(split.train.into_iter().map(|i| rest[i]));
        validation.extend(split.held_out.into_iter().map(|i| rest[i]));
    }
    let mut records: Vec<Option<Prepared>> = records.into_iter().map(Some).collect();
    let mut take = |rows: &[usize]| -> Vec<Prepared> {
        rows.iter().filter_map(|&i| records[i].take()).collect()
    };
    let [train, validation, test] = [&train, &validation, &tested].map(|rows| take(rows));
    eprintln!("who validates: {}", names(&validation));
    if settings.fold.is_some() {
        eprintln!("who is tested: {}", names(&test));
        if settings.init.is_some() {
            eprintln!("take care that the model of --init was not trained on any of them");
        }
    }
    let validation = join(validation.into_iter().map(|r| r.beats).collect())
        .map_err(Error::within("no patients are held out for validation"))?;
    let descriptions: Vec<&str> = sources.iter().map(|s| s.1.as_str()).collect();
    let mut description = descriptions.join(" + ");
    if let Some(fold) = settings.fold {
        description += &format!(", without fold {fold} of the patients");
    }
    if settings.second_lead > 0.0 && settings.input.leads.is_empty() {
        description += ", second leads";
    }
    if settings.retimed > 0.0 {
        description += ", retimed copies";
    }
    let test = test.into_iter().map(|r| r.beats).collect();
    let test = settings.fold.map(|_| join(test)).transpose()?;
    let sets = together(train, validation, description, settings)?;
    Ok(BeatSets { test, ..sets })
}

/// The patient of each record.
///
/// # Errors
/// When the settings' list or pattern does not tell one.
pub(crate) fn patients_of<'a>(
    records: impl Iterator<Item = &'a String>,
    settings: &Settings,
) -> Result<Vec<String>> {
    let known = settings.patients()?;
    let patient = |record: &'a String| Ok(known.of(record)?.to_owned());
    records.map(patient).collect()
}

/// The records that the run's fold of the patients holds, as places among all.
fn tested(records: &[Prepared], settings: &Settings) -> Result<Vec<usize>> {
    let Some(fold) = settings.fold else {
        return Ok(Vec::new());
    };
    let names = records.iter().flat_map(|r| &r.beats.record_names);
    let patients = patients_of(names, settings)?;
    let beats: Vec<Vec<usize>> = records.iter().map(|r| r.beats.support()).collect();
    let patients: Vec<&str> = patients.iter().map(String::as_str).collect();
    fold.records(&patients, &beats, settings.seed)
}

/// The records that beats are of, in words.
fn names(records: &[Prepared]) -> String {
    let names = records.iter().flat_map(|r| &r.beats.record_names);
    names.map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// Refuses records to hold out that are not among those there are.
fn known<'a>(hold_out: &[String], there: impl Iterator<Item = &'a str>) -> Result<()> {
    let there: Vec<&str> = there.collect();
    let unknown: Vec<&str> = hold_out
        .iter()
        .map(String::as_str)
        .filter(|name| !there.contains(name))
        .collect();
    ensure(unknown.is_empty(), || {
        Error::usage(format!(
            "--hold-out: there is no record {}; the records are {}",
            unknown.join(", "),
            there.join(", ")
        ))
    })?;
    Ok(())
}

/// Joins what trains, with its weights.
fn together(
    train: Vec<Prepared>,
    validation: Beats,
    description: String,
    settings: &Settings,
) -> Result<BeatSets> {
    let mut training = WeightedBeats::default();
    let (mut seconds, mut retimed) = (Vec::new(), Vec::new());
    for record in train {
        training.add(record.beats, |_, _| 1.0);
        seconds.extend(record.second);
        retimed.extend(record.retimed.map(|beats| (beats, record.counted)));
    }
    for beats in seconds {
        training.add(beats, |_, _| settings.second_lead);
    }
    let recorded = join(std::mem::take(&mut training.beats))?;
    let occurs = shares(&recorded);
    // Per class the retimed beats count `--retimed` times what the recorded do, or
    // what a rare class is taken to be.
    let mut sums = vec![0.0; settings.classes.len()];
    for (&class, &weight) in recorded.labels.iter().zip(&training.weights) {
        sums[class] += f64::from(weight);
    }
    let mut counts = vec![0; settings.classes.len()];
    for (beats, counted) in &retimed {
        let labels = beats.labels.iter().zip(counted);
        labels.for_each(|(&class, &counted)| counts[class] += usize::from(counted));
    }
    training.beats.push(recorded);
    let least = LEAST_SHARE * sums.iter().sum::<f64>();
    for (beats, counted) in retimed {
        training.add(beats, |row, c| match counted[row] {
            true => settings.retimed * sums[c].max(least) / counts[c].max(1) as f64,
            false => 0.0,
        });
    }
    Ok(BeatSets {
        train: join(training.beats)?,
        weights: training.weights,
        occurs,
        validation,
        test: None,
        description,
    })
}

/// The records of a folder that the settings let train, and the folder in words.
/// What is left out is said.
fn training_records(folder: &Path, settings: &Settings) -> Result<(Vec<String>, String)> {
    let name = name_of(folder);
    if let Some(list) = &settings.records {
        let names = dataset::select(folder, list).map_err(Error::flag("--records"))?;
        let description = format!("{name} ({} chosen records)", names.len());
        return Ok((names, description));
    }
    let names = formats::find(folder)?;
    let of = |split: &[&str], record: &String| split.contains(&record.as_str());
    let mitdb = |r: &String| of(&splits::DS1, r) || of(&splits::DS2, r) || of(&splits::PACED, r);
    let by_rule = match settings.split {
        Rule::All => false,
        Rule::Ds1 => true,
        Rule::Auto => names.iter().all(mitdb),
    };
    if !by_rule {
        let description = format!("{name} ({} records)", names.len());
        return Ok((names, description));
    }
    let (records, left_out): (Vec<String>, Vec<String>) =
        names.into_iter().partition(|r| of(&splits::DS1, r));
    if records.is_empty() {
        return Err(Error::Beats(format!(
            "{}: none of its records is of DS1, and those of DS2 and paced ones of the MIT-BIH Arrhythmia Database are not trained on; --split all takes every record",
            folder.display()
        )));
    }
    if !left_out.is_empty() {
        eprintln!(
            "{name}: {} records that are not of DS1 stay out of the training ({}); --split all takes every record",
            left_out.len(),
            left_out.join(" ")
        );
    }
    let part = match records.len() == splits::DS1.len() {
        true => String::new(),
        false => format!(" ({} of {} records)", records.len(), splits::DS1.len()),
    };
    Ok((records, format!("{name} DS1{part}")))
}

/// The records of a folder that have the leads asked for.
struct Fit {
    records: Vec<Prepared>,
    /// The others in words, to follow the folder's description; empty when
    /// there are none.
    lacking: String,
}

impl Fit {
    fn of(folder: &Path, names: &[String], make: &Make) -> Result<Fit> {
        let settings = make.settings;
        let bar = progress::reading(names.len(), &name_of(folder));
        let made = dataset::map(folder, names, &settings.annotator, |record| {
            bar.one_more();
            // Leads are known only once the record is read.
            match prepare::choose(&record.record, &settings.input) {
                Err(lacks) if !settings.input.leads.is_empty() => Ok(Err(lacks.to_string())),
                _ => make.prepared(&record).map(Ok),
            }
        })?;
        bar.end();
        let mut records = Vec::new();
        let (mut left_out, mut reason) = (Vec::new(), None);
        for (name, made) in names.iter().zip(made) {
            match made {
                Ok(prepared) => records.push(prepared),
                Err(lacks) => {
                    left_out.push(name.as_str());
                    reason.get_or_insert(lacks);
                }
            }
        }
        if let (true, Some(reason)) = (records.is_empty(), reason) {
            return Err(Error::Beats(format!(
                "{}: no record has the leads asked for: {reason}",
                folder.display()
            )));
        }
        let lacking = match left_out.as_slice() {
            [] => String::new(),
            left_out => format!(" without {}", left_out.join(" ")),
        };
        Ok(Fit { records, lacking })
    }
}

/// How recordings become beats that train.
struct Make<'a> {
    settings: &'a Settings,
    prepare: Prepare,
    remembers: bool,
}

impl Make<'_> {
    /// Everything that the settings ask for of one recording.
    fn prepared(&self, of: &Annotated) -> data::Result<Prepared> {
        let Make {
            settings, prepare, ..
        } = *self;
        let (spec, classes) = (&settings.input, &settings.classes);
        let Annotated {
            record,
            annotations,
        } = of;
        let mut second = None;
        let other = record.ecg_leads().nth(1);
        if let Some(other) = other.filter(|_| settings.second_lead > 0.0 && spec.leads.is_empty()) {
            let other = Record {
                signals: vec![other.clone()],
                ..record.clone()
            };
            second = Some(prepare(&other, annotations, spec, classes)?);
        }
        let (mut retimed, mut counted): (Option<Beats>, _) = (None, Vec::new());
        if settings.retimed > 0.0 {
            let name: u64 = record
                .name
                .bytes()
                .fold(0, |sum, byte| mix(sum, u64::from(byte), 1));
            for (k, (kind, ..)) in RETIMINGS.into_iter().enumerate() {
                let seed = mix(settings.seed, name, k as u64);
                let (moved, marks) = retime(record, annotations, kind, seed);
                let beats = prepare(&moved, &marks, spec, classes)?;
                let (kept, counts) = self.kept(&beats, k);
                let beats = beats.select(&kept);
                counted.extend(counts);
                match &mut retimed {
                    Some(all) => all.append(&beats)?,
                    None => retimed = Some(beats),
                }
            }
        }
        Ok(Prepared {
            beats: prepare(record, annotations, spec, classes)?,
            second,
            retimed,
            counted,
            left_out: classes.left_out(annotations),
        })
    }

    /// The rows that are kept of the `k`th retiming, and which of these count.
    ///
    /// A network that remembers beats needs those between as well: of such copies
    /// one in so many chunks is kept whole, and not single beats.
    fn kept(&self, beats: &Beats, k: usize) -> (Vec<usize>, Vec<bool>) {
        let (kind, normal, supraventricular) = RETIMINGS[k];
        let one_in = |row: usize| (row + k).is_multiple_of(normal);
        let of_class = |row: usize| match self.settings.classes.aami(beats.labels[row]) {
            Some(Class::S) => row.is_multiple_of(supraventricular),
            Some(Class::N) => self.remembers || one_in(row),
            Some(Class::F) => kind == Retiming::Fusion,
            _ => false,
        };
        let chunk = self.settings.chunk;
        let keep = |row: &usize| match self.remembers {
            true => one_in(row / chunk),
            false => of_class(*row),
        };
        let rows: Vec<usize> = (0..beats.len()).filter(keep).collect();
        let counted = rows.iter().map(|&row| of_class(row)).collect();
        (rows, counted)
    }
}

/// Splits records into those that train and those of held-out patients.
fn hold_out(records: &[&Prepared], settings: &Settings, what: &str) -> Result<Split> {
    let names: Vec<String> = records
        .iter()
        .flat_map(|r| r.beats.record_names.clone())
        .collect();
    let patients = patients_of(names.iter(), settings).map_err(Error::within(what.to_owned()))?;
    let several = patients.iter().any(|patient| *patient != patients[0]);
    if settings.fold.is_some() && !several {
        // The other sources validate.
        let train = (0..records.len()).collect();
        let held_out = Vec::new();
        return Ok(Split { train, held_out });
    }
    ensure(names.len() == records.len() && several, || {
        Error::Beats(format!(
            "{what} is of one patient; the inter-patient recipe needs at least two to hold one out"
        ))
    })?;
    if !settings.hold_out.is_empty() {
        let asked = |i: &usize| settings.hold_out.contains(&names[*i]);
        let (held_out, train): (Vec<usize>, Vec<usize>) = (0..names.len()).partition(asked);
        let torn = train
            .iter()
            .find(|&&i| held_out.iter().any(|&j| patients[i] == patients[j]));
        return match torn {
            None => Ok(Split { train, held_out }),
            Some(&i) => Err(Error::usage(format!(
                "--hold-out: patient {} would train and validate; hold out {} too",
                patients[i], names[i]
            ))),
        };
    }
    let support: Vec<Vec<usize>> = records.iter().map(|r| r.beats.support()).collect();
    Ok(most_even(
        &patients,
        &support,
        settings.validation,
        settings.seed,
    ))
}
