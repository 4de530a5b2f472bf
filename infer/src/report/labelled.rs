//! The beats of a recording with their labels, a model's or a person's.

use std::path::Path;

use data::Classes;
use data::formats::Recording;
use data::formats::wfdb::AnnotationFile;
use data::holter::{self, Holter, Options, Summary};
use data::output::made_here::is_made_here;
use data::pipeline::beats::Beats;
use data::pipeline::gaps::Gaps;
use data::record::Start;
use data::record::aami::{Class, Convention};
use data::record::annotation::{Annotation, Symbol};
use models::contract::Reject;
use report::{Beat, BeatLog};

use super::kept::Kept;
use crate::classifier::{Classifier, Prediction};
use crate::error::{Error, Result};

/// Beats with labels, and what is noted beside them.
pub(super) struct Labelled {
    pub log: BeatLog,
    pub notes: Vec<Annotation>,
}

/// The beats that a source prepares, with the model's classes, and those of them
/// that strips may be about.
pub(super) fn by_model(
    classifier: &Classifier,
    chunks: impl Iterator<Item = Result<Beats>> + Send,
    recording: &Recording,
) -> Result<(Labelled, Kept)> {
    let mut found = Labelled {
        log: BeatLog {
            fs: recording.fs,
            classes: classifier.contract.classes.clone(),
            beats: Vec::new(),
        },
        notes: Vec::new(),
    };
    let mut kept = Kept::new(&classifier.contract);
    classifier.stream(chunks, |mut beats, predictions| {
        let first = found.log.beats.len();
        found.notes.append(&mut beats.notes);
        for (row, prediction) in predictions.iter().enumerate() {
            found.log.beats.push(beat(&beats, row, prediction));
        }
        kept.take(&beats, &found, first)
    })?;
    Ok((found, kept))
}

/// A beat of a recording's log with the class that the model gives it.
pub(crate) fn beat(beats: &Beats, row: usize, prediction: &Prediction) -> Beat {
    Beat {
        sample: beats.samples[row],
        // A report holds few classes, which `Report::html` checks.
        class: u8::try_from(prediction.class).unwrap_or(u8::MAX),
        probability: prediction.probability(),
        reject: prediction.reject,
        begins: beats.begins.get(row).copied().unwrap_or(row == 0),
    }
}

/// The beats of an annotation file of the recording, by the classes of EC57. What
/// the programs write as left to a human (`subtyp` 1), and a page as unreadable
/// (`subtyp` 2), is that here, too.
pub(super) fn by_annotations(recording: &Recording, file: &Path) -> Result<Labelled> {
    let classes = Classes::aami5();
    // Databases say other things in a beat's `subtyp`.
    let tells_rejected = is_made_here(file);
    let annotations = recording
        .clock()
        .annotations(AnnotationFile::read(file).map_err(Error::from)?);
    let mut log = BeatLog {
        fs: recording.fs,
        classes,
        beats: Vec::new(),
    };
    let (mut notes, mut begins) = (Vec::new(), true);
    for annotation in annotations {
        let class = Class::from_symbol(annotation.symbol, Convention::Literature);
        match (class, u64::try_from(annotation.sample)) {
            (Some(class), Ok(sample)) => log.beats.push(Beat {
                sample,
                class: class.index() as u8,
                probability: 1.0,
                reject: match annotation.subtype {
                    1 if tells_rejected => Some(Reject::Uncertain),
                    2 if tells_rejected => Some(Reject::Quality),
                    _ => None,
                },
                begins: std::mem::take(&mut begins),
            }),
            (None, Ok(_)) => {
                begins |= annotation.symbol == Symbol::VF_OFF;
                notes.push(annotation);
            }
            _ => {}
        }
    }
    if log.beats.is_empty() {
        return Err(Error::Input(format!(
            "{}: there is no beat in it",
            file.display()
        )));
    }
    Ok(Labelled { log, notes })
}

/// The stretches without a sample that are longer than the pipeline bridges, in
/// samples.
pub(super) fn gaps(recording: &Recording, lead: usize) -> Result<Vec<[u64; 2]>> {
    let mut gaps = Gaps::new(recording.fs);
    let mut chunks = recording.chunks(&[lead])?;
    let mut columns = [Vec::new()];
    while chunks.read(8192, &mut columns)? > 0 {
        gaps.push(columns[0].drain(..));
    }
    Ok(gaps.all())
}

impl Labelled {
    /// Marks the beats before which something breaks the row of beats, a gap, a
    /// stretch that cannot be read or fibrillation, and those within such a stretch.
    fn mark(&mut self, gaps: &[[u64; 2]]) {
        let breaks = |note: &&Annotation| {
            note.symbol == Symbol::VF_ON
                || note.symbol == Symbol::NOISE && note.subtype == -1
                || note.symbol == Symbol::RHYTHM && holter::FIBRILLATION.contains(&note.text())
        };
        let notes = self.notes.iter().filter(breaks);
        let mut breaks: Vec<u64> = notes.filter_map(|n| n.sample.try_into().ok()).collect();
        breaks.extend(gaps.iter().map(|gap| gap[0]));
        breaks.sort_unstable();
        let mut breaks = breaks.into_iter().peekable();
        let noise = self.notes.iter().filter(|n| n.symbol == Symbol::NOISE);
        let mut noise = noise.peekable();
        let mut unreadable = false;
        for beat in &mut self.log.beats {
            while breaks.next_if(|at| *at <= beat.sample).is_some() {
                beat.begins = true;
            }
            let before = |note: &&Annotation| {
                note.sample
                    .try_into()
                    .is_ok_and(|at: u64| at <= beat.sample)
            };
            while let Some(note) = noise.next_if(|note| before(note)) {
                unreadable = note.subtype == -1;
            }
            if unreadable {
                beat.reject = Some(Reject::Quality);
            }
        }
    }
}

/// The numbers of a recording that began at `start` and ends at the sample `end`.
pub(super) fn numbers(
    labelled: &mut Labelled,
    start: Option<Start>,
    gaps: &[[u64; 2]],
    end: u64,
    options: Options,
) -> Summary {
    labelled.mark(gaps);
    let log = &labelled.log;
    let mut holter = Holter::new(log.fs, start, options);
    // What is not a beat may be told long before its time.
    gaps.iter().for_each(|[from, to]| holter.gap(*from, *to));
    labelled.notes.iter().for_each(|note| holter.note(note));
    for beat in &log.beats {
        holter.beat(&holter::Beat {
            sample: beat.sample,
            class: log.aami(beat),
            readable: beat.reject != Some(Reject::Quality),
            rejected: beat.reject == Some(Reject::Uncertain),
            begins: beat.begins,
            af: None,
        });
    }
    holter.finish(end)
}
