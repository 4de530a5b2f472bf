//! Records to classified beats with what the reference says about them.

use std::collections::BTreeMap;
use std::path::Path;

use data::Classes;
use data::datasets::dataset::{self, Annotated, Failures};
use data::pipeline::beats::Beats;
use data::pipeline::prepare;
use data::record::aami::{Class, Convention};
use data::record::annotation::{Annotation, Symbol};

use models::Contract;

use crate::classifier::{Classifier, Prediction};
use crate::error::{Error, Result};

/// A beat, as the reference and as the model see it.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredBeat {
    /// Sample number in the record.
    pub sample: i64,
    /// Seconds from the start of the record.
    pub time: f64,
    /// The reference annotation.
    pub symbol: Symbol,
    /// The model's answer.
    pub prediction: Prediction,
}

impl ScoredBeat {
    /// The place of the reference class among `classes`; `None` when the symbol
    /// is not a beat, or of no class. An escape beat that counts as S is of the
    /// first class of S beats, where there is one.
    pub fn class(&self, classes: &Classes, convention: Convention) -> Option<usize> {
        let aami = |convention| Class::from_symbol(self.symbol, convention);
        let counted = aami(convention)?;
        if Some(counted) == aami(Convention::Literature) {
            return classes.of_symbol(self.symbol);
        }
        classes.of_aami(counted).first().copied()
    }
}

/// A record and its classified beats.
#[derive(Clone, Debug)]
pub struct ScoredRecord {
    /// The record's name.
    pub name: String,
    /// Samples per second.
    pub fs: f64,
    /// Length in samples.
    pub length: i64,
    /// The classified beats.
    pub beats: Vec<ScoredBeat>,
    /// Reference beats that have no window: they lie in gaps of the signal or
    /// too near the end of the record.
    pub unseen: usize,
    /// All reference annotations.
    pub reference: Vec<Annotation>,
}

/// Records classified, and those that could not be.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    /// The classified records, in the order asked for.
    pub records: Vec<ScoredRecord>,
    /// Names of records that lack a lead of the model, and what they lack.
    pub skipped: Vec<(String, String)>,
}

/// What is asked of every record.
pub struct Request<'a> {
    /// Folder of the records.
    pub folder: &'a Path,
    /// Annotator of the reference.
    pub reference: &'a str,
    /// Whether the QRS detector finds the beats, instead of the reference.
    pub detect: bool,
}

/// Classifies the beats of the named records; those that cannot be read are
/// noted as `failures`. Only a few records at a time are in memory with their
/// signals.
///
/// # Errors
/// No record can be read or has the model's leads, or ONNX Runtime fails.
pub fn gather(
    request: &Request<'_>,
    names: &[String],
    classifier: &Classifier,
    failures: &mut Failures,
) -> Result<Gathered> {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let contract = &classifier.contract;
    let mut gathered = Gathered::default();
    for names in names.chunks(2 * cores) {
        let prepared = dataset::each(request.folder, names, request.reference, |annotated| {
            prepare(annotated, contract, request.detect)
        });
        for (name, prepared) in names.iter().zip(prepared) {
            let Some(prepared) = failures.keep(name, prepared)? else {
                continue;
            };
            match prepared {
                Prepared::Ready(prepared) => {
                    let predictions = classifier
                        .classify(&prepared.beats)
                        .map_err(|e| e.within(format!("record {name}")))?;
                    gathered.records.push(prepared.scored(name, &predictions));
                }
                Prepared::Unfit(reason) => gathered.skipped.push((name.clone(), reason)),
            }
        }
    }
    failures.unless_all()?;
    if let (true, Some((_, reason))) = (gathered.records.is_empty(), gathered.skipped.first()) {
        return Err(Error::Unfit(format!(
            "the model fits none of the records: {reason}"
        )));
    }
    Ok(gathered)
}

enum Prepared {
    Ready(Box<Ready>),
    /// The record lacks a lead.
    Unfit(String),
}

struct Ready {
    fs: f64,
    length: i64,
    beats: Beats,
    annotations: Vec<Annotation>,
}

fn prepare(annotated: Annotated, contract: &Contract, detect: bool) -> data::Result<Prepared> {
    let input = &contract.input;
    let Annotated {
        record,
        annotations,
    } = annotated;
    match prepare::choose(&record, input) {
        Err(lacking) if !input.leads.is_empty() => {
            return Ok(Prepared::Unfit(lacking.to_string()));
        }
        chosen => drop(chosen?),
    }
    if let Some(remark) = record.passed_over().filter(|_| input.leads.is_empty()) {
        eprintln!("{remark}");
    }
    let beats = if detect {
        prepare::detected(&record, input)?
    } else {
        prepare::record(&record, &annotations, input, &contract.classes)?
    };
    Ok(Prepared::Ready(Box::new(Ready {
        fs: record.fs,
        length: i64::try_from(record.len()).unwrap_or(i64::MAX),
        beats,
        annotations,
    })))
}

impl Ready {
    fn scored(self, name: &str, predictions: &[Prediction]) -> ScoredRecord {
        let symbols: BTreeMap<i64, Symbol> = self
            .annotations
            .iter()
            .filter(|a| Class::from_symbol(a.symbol, Convention::Literature).is_some())
            .map(|a| (a.sample, a.symbol))
            .collect();
        let classes = &self.beats.classes;
        let of_class = |symbol: &&Symbol| classes.of_symbol(**symbol).is_some();
        let in_class = symbols.values().filter(of_class).count();
        let beats: Vec<ScoredBeat> = self
            .beats
            .samples
            .iter()
            .zip(predictions)
            .map(|(&sample, prediction)| {
                let sample = i64::try_from(sample).unwrap_or(i64::MAX);
                ScoredBeat {
                    sample,
                    time: sample as f64 / self.fs,
                    // A detected beat has no reference of its own.
                    symbol: symbols.get(&sample).copied().unwrap_or(Symbol::NOTE),
                    prediction: prediction.clone(),
                }
            })
            .collect();
        ScoredRecord {
            name: name.into(),
            fs: self.fs,
            length: self.length,
            unseen: in_class.saturating_sub(beats.len()),
            beats,
            reference: self.annotations,
        }
    }
}
