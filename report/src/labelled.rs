//! The beats of a recording with their labels, a model's or a person's.

use std::path::Path;
use std::sync::Arc;

use data::Classes;
use data::formats::Recording;
use data::formats::wfdb::AnnotationFile;
use data::holter::{self, Holter, Options, Summary};
use data::output::made_here::is_made_here;
use data::pipeline::beats::Beats;
use data::pipeline::gaps::Gaps;
use data::pipeline::lead_choice::Chosen;
use data::pipeline::prepare::Batches;
use data::record::Start;
use data::record::aami::{Class, Convention};
use data::record::annotation::{Annotation, Symbol};
use data::record::error::Error;
use models::contract::{Decision, Reject};

use crate::engine::{Chunks, Engine};
use crate::kept::Kept;
use crate::{Beat, BeatLog};

/// Beats with labels, and what is noted beside them.
#[derive(Clone)]
pub struct Labelled {
    /// The beats.
    pub log: BeatLog,
    /// Episodes, unreadable stretches and other notes, in order of time.
    pub notes: Vec<Annotation>,
    /// The stretches without a sample, first and end, that are longer than the
    /// pipeline bridges.
    pub gaps: Vec<[u64; 2]>,
    /// Prepared beats that strips may be about, where a model labelled them.
    pub(crate) kept: Option<Arc<Kept>>,
}

/// The beats that the detector finds in the leads of a recording, `batch` of them
/// at a time, with the model's classes.
///
/// # Errors
/// The recording cannot be read or prepared; those of the model.
pub fn by_detector<M: Engine>(
    model: &M,
    recording: &Recording,
    chosen: &Chosen,
    batch: usize,
) -> Result<Labelled, M::Error> {
    let input = &model.contract().input;
    let mut found = Batches::new(recording, &chosen.places, input, batch)?;
    let beats = found.by_ref().map(|beats| Ok(beats?));
    let mut labelled = labelled(model, Box::new(beats), recording)?;
    // Leads may differ in length, and the shown one is read to its end.
    labelled.gaps = match chosen.places.len() {
        1 => found.gaps(),
        _ => gaps(recording, chosen.places[0])?,
    };
    Ok(labelled)
}

/// The beats that a source prepares, with the model's classes.
///
/// # Errors
/// Those of the beats and of the model; the recording cannot be read.
pub fn by_model<M: Engine>(
    model: &M,
    beats: Chunks<'_, M::Error>,
    recording: &Recording,
    chosen: &Chosen,
) -> Result<Labelled, M::Error> {
    let mut labelled = labelled(model, beats, recording)?;
    labelled.gaps = gaps(recording, chosen.places[0])?;
    Ok(labelled)
}

/// The same, the gaps apart.
fn labelled<M: Engine>(
    model: &M,
    beats: Chunks<'_, M::Error>,
    recording: &Recording,
) -> Result<Labelled, M::Error> {
    let mut found = Labelled {
        log: BeatLog {
            fs: recording.fs,
            classes: model.contract().classes.clone(),
            beats: Vec::new(),
        },
        notes: Vec::new(),
        gaps: Vec::new(),
        kept: None,
    };
    let mut kept = Kept::new(model.contract());
    model.decide(beats, &mut |mut beats, decisions| {
        let first = found.log.beats.len();
        found.notes.append(&mut beats.notes);
        for (row, decision) in decisions.iter().enumerate() {
            found.log.beats.push(beat(&beats, row, decision));
        }
        Ok(kept.take(&beats, &found, first)?)
    })?;
    found.kept = Some(Arc::new(kept));
    Ok(found)
}

/// A beat of a recording's log with the class that the model gives it.
pub fn beat(beats: &Beats, row: usize, decision: &Decision) -> Beat {
    Beat {
        sample: beats.samples[row],
        // A report holds few classes, which `Report::html` checks.
        class: u8::try_from(decision.class).unwrap_or(u8::MAX),
        probability: decision.probability,
        reject: decision.reject,
        begins: beats.begins.get(row).copied().unwrap_or(row == 0),
    }
}

/// The beats of an annotation file of the recording, by the classes of EC57. What
/// the programs write as left to a human (`subtyp` 1), and a page as unreadable
/// (`subtyp` 2), is that here, too.
///
/// # Errors
/// A file cannot be read, or there is no beat in the annotations.
pub fn by_annotations(
    recording: &Recording,
    chosen: &Chosen,
    file: &Path,
) -> data::Result<Labelled> {
    let classes = Classes::aami5();
    // Databases say other things in a beat's `subtyp`.
    let tells_rejected = is_made_here(file);
    let annotations = recording.clock().annotations(AnnotationFile::read(file)?);
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
        return Err(Error::Invalid(format!(
            "{}: there is no beat in it",
            file.display()
        )));
    }
    Ok(Labelled {
        log,
        notes,
        gaps: gaps(recording, chosen.places[0])?,
        kept: None,
    })
}

/// The stretches without a sample that are longer than the pipeline bridges, in
/// samples.
fn gaps(recording: &Recording, lead: usize) -> data::Result<Vec<[u64; 2]>> {
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
    fn mark(&mut self) {
        let breaks = |note: &&Annotation| {
            note.symbol == Symbol::VF_ON
                || note.symbol == Symbol::NOISE && note.subtype == -1
                || note.symbol == Symbol::RHYTHM && holter::FIBRILLATION.contains(&note.text())
        };
        let notes = self.notes.iter().filter(breaks);
        let mut breaks: Vec<u64> = notes.filter_map(|n| n.sample.try_into().ok()).collect();
        breaks.extend(self.gaps.iter().map(|gap| gap[0]));
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

    /// The numbers of a recording that began at `start` and ends at the sample `end`.
    pub fn numbers(&mut self, start: Option<Start>, end: u64, options: Options) -> Summary {
        self.mark();
        let log = &self.log;
        let mut holter = Holter::new(log.fs, start, options);
        // What is not a beat may be told long before its time.
        self.gaps
            .iter()
            .for_each(|[from, to]| holter.gap(*from, *to));
        self.notes.iter().for_each(|note| holter.note(note));
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
}
