//! Recordings to prepared beats, by the same pipeline that streams.

mod found;

use crate::formats::{Chunks, Recording};
use crate::pipeline::beats::Beats;
use crate::pipeline::gaps::Gaps;
use crate::pipeline::input::{InputSpec, Layout};
use crate::pipeline::kaggle_cut;
use crate::pipeline::prepare::found::Found;
use crate::pipeline::{Beat, Fiducials, Output, Pipeline};
use crate::record::aami::{Class, Convention};
use crate::record::annotation::{Annotation, Symbol};
use crate::record::classes::Classes;
use crate::record::error::{Error, Result};
use crate::record::{Record, Signal};

/// Frames handed to the pipeline at once; any number gives the same beats.
const FRAMES: usize = 4096;

/// Prepares a record's annotated beats, with their classes as labels. A beat
/// inside a gap of the signal is left out, and so is one of no class; the beats
/// after it still know of it.
///
/// # Errors
/// [`Error::Invalid`] when the record lacks a lead of the contract or the
/// contract cannot be served at the record's rate.
pub fn record(
    record: &Record,
    annotations: &[Annotation],
    spec: &InputSpec,
    classes: &Classes,
) -> Result<Beats> {
    if spec.layout == Layout::Kaggle {
        return kaggle_layout(record, annotations, spec, classes);
    }
    let pipeline = Pipeline::new(spec, record.fs, Fiducials::Marked)?;
    marked(record, annotations, spec, classes, pipeline)
}

/// As [`record`], but beat features go beyond their limits: to measure what
/// the limits should be, and for no model.
///
/// # Errors
/// As [`record`]; the Kaggle layout has no beat features.
pub fn without_limits(
    record: &Record,
    annotations: &[Annotation],
    spec: &InputSpec,
    classes: &Classes,
) -> Result<Beats> {
    let mut pipeline = Pipeline::new(spec, record.fs, Fiducials::Marked)?;
    pipeline.without_limits();
    marked(record, annotations, spec, classes, pipeline)
}

fn marked(
    record: &Record,
    annotations: &[Annotation],
    spec: &InputSpec,
    classes: &Classes,
    mut pipeline: Pipeline,
) -> Result<Beats> {
    let signals = choose(record, spec)?;
    let mut marks: Vec<(u64, Symbol)> = annotations
        .iter()
        .filter(|a| Class::from_symbol(a.symbol, Convention::Literature).is_some())
        .filter_map(|a| Some((u64::try_from(a.sample).ok()?, a.symbol)))
        .filter(|(sample, _)| (*sample as usize) < record.len())
        .collect();
    marks.sort_by_key(|(sample, _)| *sample);
    for (sample, _) in &marks {
        pipeline.mark(*sample)?;
    }
    let mut beats = empty(&record.name, spec, classes);
    let mut labels = marks.iter();
    let mut begins = false;
    run(&mut pipeline, &signals, &mut |beat| {
        // Marks come out in order; those that do not come out fell into a gap.
        let mark = labels.find(|(sample, _)| *sample == beat.sample);
        // A beat of no class hands on that a stretch began with it.
        begins |= beat.begins();
        if let Some(class) = mark.and_then(|(_, symbol)| classes.of_symbol(*symbol)) {
            push(&mut beats, &beat, std::mem::take(&mut begins));
            beats.labels.push(class);
        }
    });
    Ok(beats)
}

/// Finds the beats of a record and prepares them, with notes and without labels.
/// Beats within ventricular fibrillation are left out.
///
/// # Errors
/// As [`record`].
pub fn detected(record: &Record, spec: &InputSpec) -> Result<Beats> {
    if spec.layout == Layout::Kaggle {
        let streamed = InputSpec {
            leads: spec.leads.clone(),
            ..InputSpec::window()
        };
        let found = detected(record, &streamed)?.samples;
        let marks: Vec<Annotation> = found
            .iter()
            .map(|&sample| Annotation::new(sample as i64, Symbol::N))
            .collect();
        let mut beats = kaggle_layout(record, &marks, spec, &Classes::aami5())?;
        beats.labels.clear();
        return Ok(beats);
    }
    let signals = choose(record, spec)?;
    let mut pipeline = Pipeline::new(spec, record.fs, Fiducials::Detected)?;
    let mut found = Found::new(unlabelled(&record.name, spec), record.fs);
    watch(&mut pipeline, &signals, &mut |output| found.take(&output));
    found.end();
    Ok(found.next(usize::MAX))
}

/// The beats of a recording as [`detected`] finds them in the whole of it, a
/// batch at a time: in bounded memory, however long it is.
pub struct Batches {
    chunks: Chunks,
    pipeline: Pipeline,
    found: Found,
    /// Beats of a batch.
    rows: usize,
    /// Room for interleaved samples.
    frames: Vec<f32>,
    gaps: Gaps,
    ended: bool,
}

impl Batches {
    /// Finds the beats in the leads at these places of the recording, which are
    /// those of `spec` in its order, `rows` beats at a time.
    ///
    /// # Errors
    /// [`Error::Invalid`] when `spec` cannot be streamed or served at the
    /// recording's rate; as [`Recording::chunks`].
    pub fn new(
        recording: &Recording,
        leads: &[usize],
        spec: &InputSpec,
        rows: usize,
    ) -> Result<Batches> {
        Ok(Batches {
            pipeline: Pipeline::new(spec, recording.fs, Fiducials::Detected)?,
            chunks: recording.chunks(leads)?,
            found: Found::new(unlabelled(&recording.name, spec), recording.fs),
            rows,
            frames: Vec::new(),
            gaps: Gaps::new(recording.fs),
            ended: false,
        })
    }

    /// The stretches of the first of the leads that lack samples, as far as it has
    /// been read; see [`Gaps`].
    pub fn gaps(self) -> Vec<[u64; 2]> {
        self.gaps.all()
    }

    /// Reads on until a batch is full or the recording has ended.
    fn fill(&mut self) -> Result<()> {
        let Batches {
            pipeline, found, ..
        } = self;
        while !self.ended && found.len() < self.rows {
            self.frames.clear();
            let count = self.chunks.read_frames(FRAMES, &mut self.frames)?;
            if let Some(leads) = self.frames.len().checked_div(count) {
                let first = self.frames.chunks_exact(leads);
                self.gaps.push(first.map(|frame| frame[0]));
                pipeline.push(&self.frames, &mut |output| found.take(&output));
                found.settle(pipeline.samples());
            } else {
                pipeline.finish(&mut |output| found.take(&output));
                found.end();
                self.ended = true;
            }
        }
        Ok(())
    }
}

/// What was noted comes with the beats before it or, at the end, without any.
impl Iterator for Batches {
    type Item = Result<Beats>;

    fn next(&mut self) -> Option<Result<Beats>> {
        if let Err(error) = self.fill() {
            self.ended = true;
            return Some(Err(error));
        }
        let batch = self.found.next(self.rows);
        (!batch.is_empty() || !batch.notes.is_empty()).then_some(Ok(batch))
    }
}

/// The signals of a record that a contract reads: its leads by name in its
/// order, or the first ECG lead where it names none.
///
/// # Errors
/// [`Error::Invalid`] when a lead is missing or no voltage.
pub fn choose<'a>(record: &'a Record, spec: &InputSpec) -> Result<Vec<&'a Signal>> {
    let places = record.leads().choose(&spec.leads)?;
    Ok(places.into_iter().map(|at| &record.signals[at]).collect())
}

/// Streams whole signals through a pipeline, to the end; passes on the beats.
pub fn run(pipeline: &mut Pipeline, signals: &[&Signal], emit: &mut impl FnMut(Beat<'_>)) {
    watch(pipeline, signals, &mut |output| {
        if let Some(beat) = output.beat() {
            emit(beat);
        }
    });
}

/// Streams whole signals through a pipeline, to the end; passes on everything.
pub fn watch(pipeline: &mut Pipeline, signals: &[&Signal], emit: &mut impl FnMut(Output<'_>)) {
    let len = signals.iter().map(|s| s.samples.len()).min().unwrap_or(0);
    if let [signal] = signals {
        pipeline.push(&signal.samples, emit);
    } else {
        let mut frames = Vec::with_capacity(FRAMES * signals.len());
        for start in (0..len).step_by(FRAMES) {
            frames.clear();
            for at in start..len.min(start + FRAMES) {
                frames.extend(signals.iter().map(|s| s.samples[at]));
            }
            pipeline.push(&frames, emit);
        }
    }
    pipeline.finish(emit);
}

/// Beats in the Kaggle layout, which are cut from whole records.
fn kaggle_layout(
    record: &Record,
    annotations: &[Annotation],
    spec: &InputSpec,
    classes: &Classes,
) -> Result<Beats> {
    let any_lead = InputSpec {
        leads: Vec::new(),
        ..spec.clone()
    };
    if any_lead != InputSpec::kaggle() || spec.leads.len() > 1 {
        return Err(Error::Invalid(
            "the Kaggle layout has one lead and fixed settings; use the layout 'window' for others"
                .into(),
        ));
    }
    let lead = spec.leads.first().map(String::as_str);
    let mut beats = kaggle_cut::from_record(record, annotations, lead, classes)?;
    beats.input = spec.clone();
    Ok(beats)
}

fn empty(record: &str, spec: &InputSpec, classes: &Classes) -> Beats {
    let mut beats = Beats::new(spec.clone(), classes);
    beats.record_names.push(record.to_owned());
    beats
}

/// Beats that were detected have no labels, so that any classes will do.
fn unlabelled(record: &str, spec: &InputSpec) -> Beats {
    empty(record, spec, &Classes::aami5())
}

fn push(beats: &mut Beats, beat: &Beat<'_>, begins: bool) {
    beats.windows.extend_from_slice(beat.window);
    beats.rhythm.extend_from_slice(beat.rhythm);
    beats.records.push(0);
    beats.samples.push(beat.sample);
    beats.rr.push(beat.rr.map(|rr| rr as f32));
    beats.quality.push(beat.quality);
    beats.begins.push(begins);
}
