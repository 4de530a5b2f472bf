//! The only preprocessing: samples in, prepared beats out, and word of where
//! there is no signal or none that can be read.
//!
//! Frames of interleaved leads at any rate are resampled to the contract's
//! rate, filtered causally, and cut into windows around beats that are either
//! marked by the caller or detected. What comes out does not depend on how the
//! frames were cut into calls of [`Pipeline::push`]. Batch processing is a
//! loop over the same calls, so that training and every deployment see the
//! same numbers.
//!
//! A beat is emitted when its window is complete and the next beat is known,
//! or when 2 s have passed without one (plus the detector's delay).

pub mod annotator;
pub mod beat_feature;
pub mod beats;
pub mod detector;
mod fiducial;
pub mod gaps;
pub mod input;
pub mod kaggle_cut;
pub mod lead_choice;
pub mod malignant;
pub mod prepare;
mod quality;
pub mod readable;
mod rhythm;
mod segment;
mod template;

use std::collections::VecDeque;

use crate::pipeline::input::{InputSpec, Layout, Normalisation};
use crate::pipeline::malignant::Episode;
use crate::pipeline::readable::Condition;
use crate::pipeline::segment::{Passed, Segment, Segmenter};
use crate::record::error::{Error, Result};
use crate::signal::resample::{Ratio, Resampler};

/// Sampling rates that the pipeline accepts, in Hz: the lowest that carries a
/// QRS complex, the highest that its anti-alias filter is sized for.
pub const RATES: std::ops::RangeInclusive<f64> = 100.0..=10_000.0;
/// Beats after a beat that its features look at: it is passed on when the next
/// one is known, or 2 s have passed without.
pub const LOOK_AHEAD: usize = 1;
/// Missing samples are bridged by the last one for so long, in seconds; a
/// longer gap starts the signal afresh.
pub const BRIDGE: f64 = 0.1;
/// Seconds by which the beginning or end of an episode lies before the frame
/// that tells of it, at most. No beat or other output is older when it is told.
pub const MOST_BACK: f64 = 8.0;
/// Samples further than this many mV from 0 have a constant offset, since no
/// electrode gives them and the filters must stay finite: the lead is measured
/// from the first of them. What is as far from that is cut off, unless it stays
/// so for [`NEW_OFFSET`].
const LARGEST: f32 = 1000.0;
/// Seconds beyond the limit without a break after which an offset has changed.
const NEW_OFFSET: f64 = 1.0;

/// Where beats come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fiducials {
    /// The QRS detector finds them.
    Detected,
    /// The caller marks them with [`Pipeline::mark`].
    Marked,
}

/// A prepared beat, borrowed from the pipeline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beat<'a> {
    /// Sample number, at the input's rate from the first frame on, of the
    /// mark, or of the fiducial point where the beat was detected.
    pub sample: u64,
    /// Sample number of the fiducial point, which a mark only lies near.
    pub fiducial: u64,
    /// Input frames that had been pushed when the beat was decided.
    pub decided: u64,
    /// `channels x length` values as the contract asks. Outside the recording
    /// the signal is 0.
    pub window: &'a [f32],
    /// The contract's rhythm features.
    pub rhythm: &'a [f32],
    /// Seconds since the beat before; `None` for the first beat and after a gap.
    pub rr: Option<f64>,
    /// Signal quality around the beat, 0 (noise) to 1 (clean).
    pub quality: f32,
    /// Whether the signal looked like ventricular fibrillation or flutter when
    /// the beat was decided: it is none then, whatever its class.
    pub fibrillation: bool,
    /// Whether the signal around it can be read, as far as is known by now: it
    /// may be no beat at all where not.
    pub readable: bool,
}

impl Beat<'_> {
    /// Whether the beat before it is unknown: it is the first, or comes after a
    /// gap. Whatever remembers beats in their order begins anew with it.
    pub fn begins(&self) -> bool {
        self.rr.is_none()
    }
}

/// What a pipeline passes on, in the order in which it is decided. All sample
/// numbers are at the input's rate, from the first frame on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Output<'a> {
    /// A beat.
    Beat(Beat<'a>),
    /// There has been no valid sample for longer than [`BRIDGE`]; `start` is
    /// the first that lacked. Every beat before it has been passed on.
    SignalLost {
        /// First frame without a sample.
        start: u64,
    },
    /// Samples come again.
    SignalBack {
        /// First frame that was lost; `None` at the beginning of a recording.
        start: Option<u64>,
        /// First frame with a sample.
        sample: u64,
    },
    /// The signal cannot be read. Told once when that is known and, with its
    /// end, once when it is over, at the latest where the signal is lost.
    Unreadable {
        /// What it is instead.
        why: Condition,
        /// First frame of it.
        start: u64,
        /// The frame after its last one; `None` while it goes on.
        end: Option<u64>,
    },
    /// A malignant rhythm begins, or has ended; its times are samples of the
    /// input. Its start lies up to [`MOST_BACK`] seconds back.
    Episode(Episode),
}

impl<'a> Output<'a> {
    /// The beat, if it is one.
    pub fn beat(self) -> Option<Beat<'a>> {
        match self {
            Output::Beat(beat) => Some(beat),
            _ => None,
        }
    }
}

/// Turns frames of samples into prepared beats. Allocates only in
/// [`Pipeline::new`] and, for marks, in [`Pipeline::mark`].
///
/// ```
/// use data::pipeline::input::InputSpec;
/// use data::pipeline::{Fiducials, Output, Pipeline};
/// use data::simulate::synth::{self, Settings};
///
/// # fn main() -> data::Result<()> {
/// let (record, reference) = synth::record("s1", &Settings::new(250.0, 1), 60.0)?;
/// let spec = InputSpec::window();
/// let mut pipeline = Pipeline::new(&spec, record.fs, Fiducials::Detected)?;
/// let mut found = Vec::new();
/// let mut keep = |output: Output<'_>| {
///     if let Some(beat) = output.beat() {
///         assert_eq!(beat.window.len(), spec.window_values());
///         found.push(beat.sample as i64);
///     }
/// };
/// for chunk in record.signals[0].samples.chunks(100) {
///     pipeline.push(chunk, &mut keep);
/// }
/// pipeline.finish(&mut keep);
/// // EC57 lets a detector be 150 ms away from the reference's sample.
/// let near = |at: i64| found.iter().any(|f| (f - at).abs() <= 37);
/// // The detector still learns when the first beat comes.
/// assert!(reference[1..].iter().all(|beat| near(beat.sample)));
/// assert_eq!(found.len(), reference.len() - 1);
/// # Ok(())
/// # }
/// ```
pub struct Pipeline {
    fs: f64,
    leads: usize,
    detect: bool,
    resampler: Resampler,
    segmenter: Segmenter,
    /// Marks not yet reached.
    marks: VecDeque<u64>,
    /// Frames taken in so far.
    sample: u64,
    /// Frame at which the current stretch of signal began, while in one.
    start: Option<u64>,
    /// Frame at which the present gap began; `None` before the first sample.
    lost: Option<u64>,
    /// Frames without any valid sample just before now, and how many are bridged.
    missing: u64,
    bridge: u64,
    frame: Vec<f32>,
    /// Per lead what is subtracted as constant offset, see [`LARGEST`]; NaN until
    /// its first sample in this stretch of signal.
    offset: Vec<f32>,
    /// Per lead how many of the last samples were further than [`LARGEST`] from it.
    beyond: Vec<u64>,
    /// A frame without any sample.
    nothing: Vec<f32>,
    /// Rest of a frame that a call of `push` ended within.
    partial: Vec<f32>,
}

impl Pipeline {
    /// A pipeline for signals of `fs` Hz. Frames hold the contract's leads in
    /// its order, or one lead where it names none.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the contract is not for windows, or its rates,
    /// band or the input rate cannot be served.
    pub fn new(spec: &InputSpec, fs: f64, beats: Fiducials) -> Result<Pipeline> {
        if spec.layout != Layout::Window || spec.normalisation != Normalisation::RunningScale {
            return Err(Error::Invalid(
                "only contracts with layout 'window' and normalisation 'running-scale' can be streamed; rows of a table (layout 'table') are given as a table, and the Kaggle layout needs whole records (`data::beat_files::kaggle_cut::from_record`)".into(),
            ));
        }
        if !RATES.contains(&fs) {
            return Err(Error::Invalid(format!(
                "the recording has {fs} samples per second; rates from {} to {} Hz are read",
                RATES.start(),
                RATES.end()
            )));
        }
        if !(RATES.start() / 2.0..=1000.0).contains(&spec.fs) || spec.length() == 0 {
            return Err(Error::Invalid(format!(
                "the contract asks for windows of {} samples at {} Hz; rates from {} to 1000 Hz and windows of at least one sample can be made",
                spec.length(),
                spec.fs,
                RATES.start() / 2.0
            )));
        }
        let leads = spec.lead_count();
        let detect = beats == Fiducials::Detected;
        Ok(Pipeline {
            fs,
            leads,
            detect,
            resampler: Resampler::new(fs, spec.fs, leads)?,
            segmenter: Segmenter::new(spec, detect)?,
            marks: VecDeque::new(),
            sample: 0,
            start: None,
            lost: None,
            missing: 0,
            bridge: (BRIDGE * fs) as u64,
            frame: vec![0.0; leads],
            offset: vec![f32::NAN; leads],
            beyond: vec![0; leads],
            nothing: vec![f32::NAN; leads],
            partial: Vec::with_capacity(leads),
        })
    }

    /// Beat features are passed on as they are, beyond their limits too: to
    /// measure what the limits should be, and for no model.
    pub fn without_limits(&mut self) {
        self.segmenter.without_limits();
    }

    /// So many seconds of a flat line are an asystole; [`crate::pipeline::malignant::ASYSTOLE`]
    /// without a call.
    pub fn set_asystole(&mut self, seconds: f64) {
        self.segmenter.set_asystole(seconds);
    }

    /// Leads per frame.
    pub fn leads(&self) -> usize {
        self.leads
    }

    /// Longest time in seconds from a beat to its emission, except at a gap,
    /// which is noticed 0.1 s after it began.
    pub fn delay(&self) -> f64 {
        self.segmenter.delay() + (self.resampler.delay() + 1) as f64 / self.fs
    }

    /// Frames taken in so far.
    pub fn samples(&self) -> u64 {
        self.sample
    }

    /// Whether the signal is lost, or has not begun.
    pub fn is_lost(&self) -> bool {
        self.start.is_none()
    }

    /// Announces a beat at a sample number of the input, at the latest before
    /// that sample is pushed. A mark inside a gap is dropped.
    ///
    /// # Errors
    /// [`Error::Invalid`] when beats are detected, when the mark is below the
    /// last one, or when its sample has gone by.
    pub fn mark(&mut self, sample: u64) -> Result<()> {
        let refuse = |why: &str| {
            Err(Error::Invalid(format!(
                "the beat mark at sample {sample} {why}"
            )))
        };
        if self.detect {
            return refuse("is not wanted: this pipeline detects beats itself");
        }
        if self.marks.back().is_some_and(|last| *last > sample) {
            return refuse("lies before the mark given last; sort the marks");
        }
        if sample < self.sample {
            return refuse("comes after its sample; give marks ahead of the samples");
        }
        self.marks.push_back(sample);
        Ok(())
    }

    /// Takes interleaved samples in mV, NaN where there is none, and passes on
    /// what they decide. A frame may be split between two calls.
    pub fn push(&mut self, samples: &[f32], emit: &mut impl FnMut(Output<'_>)) {
        let mut samples = samples;
        if !self.partial.is_empty() {
            let wanted = (self.leads - self.partial.len()).min(samples.len());
            let (head, tail) = samples.split_at(wanted);
            self.partial.extend_from_slice(head);
            samples = tail;
            if self.partial.len() < self.leads {
                return;
            }
            let frame = std::mem::take(&mut self.partial);
            self.push_frame(&frame, emit);
            self.partial = frame;
            self.partial.clear();
        }
        let (mut frames, rest) = samples.split_at(samples.len() / self.leads * self.leads);
        self.partial.extend_from_slice(rest);
        while !frames.is_empty() {
            let (plain, others) = frames.split_at(self.plain(frames) * self.leads);
            self.push_plain(plain, emit);
            frames = others;
            if let Some((frame, others)) = frames.split_at_checked(self.leads) {
                self.push_frame(frame, emit);
                frames = others;
            }
        }
    }

    /// Counts `frames` that are lost, however many, and passes on what that
    /// decides. A frame that was begun is lost too.
    pub fn skip(&mut self, frames: u64, emit: &mut impl FnMut(Output<'_>)) {
        self.partial.clear();
        // The stretch closes within the bridge; the rest is only counted.
        let mut rest = frames;
        let mut none = std::mem::take(&mut self.nothing);
        while rest > 0 && (self.start.is_some() || self.lost.is_none()) {
            self.push_frame(&none, emit);
            rest -= 1;
        }
        std::mem::swap(&mut self.nothing, &mut none);
        self.sample = self.sample.saturating_add(rest);
    }

    /// Ends the recording: passes on what still waits. Further samples are a
    /// new stretch of the same patient's recording.
    pub fn finish(&mut self, emit: &mut impl FnMut(Output<'_>)) {
        self.partial.clear();
        self.end_stretch(emit);
        self.lost = None;
        self.marks.clear();
    }

    /// Forgets the patient and everything that waits; the next frame is
    /// sample 0 of a new recording.
    pub fn reset(&mut self) {
        self.resampler.reset();
        self.segmenter.reset();
        self.marks.clear();
        self.partial.clear();
        self.sample = 0;
        self.start = None;
        self.lost = None;
        self.missing = 0;
        self.offset.fill(f32::NAN);
        self.beyond.fill(0);
    }

    /// Frames at the front that continue the signal, with nothing to note.
    #[inline]
    fn plain(&self, frames: &[f32]) -> usize {
        let at_zero = |offset: &f32| *offset == 0.0;
        let within = |beyond: &u64| *beyond == 0;
        if self.start.is_none()
            || self.missing > 0
            || !self.offset.iter().all(at_zero)
            || !self.beyond.iter().all(within)
        {
            return 0;
        }
        let count = frames.len() / self.leads;
        let until_mark = |mark: &u64| count.min(mark.saturating_sub(self.sample) as usize);
        let count = self.marks.front().map_or(count, until_mark);
        // Neither beyond the limit nor missing; looked at some at a time, since
        // nearly all are.
        let plain = |v: &f32| v.abs() <= LARGEST;
        let values = &frames[..count * self.leads];
        let (pieces, _) = values.as_chunks::<32>();
        let all = |piece: &&[f32; 32]| piece.iter().fold(true, |all, v| all & plain(v));
        let known = 32 * pieces.iter().take_while(all).count();
        let more = values[known..].iter().take_while(|v| plain(v));
        (known + more.count()) / self.leads
    }

    /// Takes in frames that are plain.
    #[inline]
    fn push_plain(&mut self, frames: &[f32], emit: &mut impl FnMut(Output<'_>)) {
        if frames.is_empty() {
            return;
        }
        let before = self.sample;
        self.sample += (frames.len() / self.leads) as u64;
        let last = frames.len() - self.leads;
        self.frame.copy_from_slice(&frames[last..]);
        self.feed(frames, before, emit);
    }

    /// Passes valid frames on, of which the first is number `before`.
    #[inline]
    fn feed(&mut self, frames: &[f32], before: u64, emit: &mut impl FnMut(Output<'_>)) {
        let Some(stretch) = self.stretch() else {
            return;
        };
        let segmenter = &mut self.segmenter;
        self.resampler.push(frames, &mut |frames, needed| {
            segmenter.push(frames, &mut |at, passed| {
                let decided = before + needed[at] as u64;
                emit(stretch.output(passed, decided));
            });
        });
    }

    #[inline]
    fn push_frame(&mut self, frame: &[f32], emit: &mut impl FnMut(Output<'_>)) {
        let mut valid = false;
        let patience = (NEW_OFFSET * self.fs) as u64;
        let offsets = self.offset.iter_mut().zip(&mut self.beyond);
        for ((held, &value), (offset, beyond)) in self.frame.iter_mut().zip(frame).zip(offsets) {
            // A lead that is missing alone keeps its last value.
            if value.is_finite() {
                *beyond = match (value - *offset).abs() > LARGEST {
                    true => *beyond + 1,
                    false => 0,
                };
                if offset.is_nan() || *beyond > patience {
                    *offset = if value.abs() > LARGEST { value } else { 0.0 };
                    *beyond = 0;
                }
                *held = (value - *offset).clamp(-LARGEST, LARGEST);
                valid = true;
            }
        }
        let at = self.sample;
        self.sample += 1;
        let start = match (valid, self.start) {
            (true, None) => {
                for (held, value) in self.frame.iter_mut().zip(frame) {
                    if !value.is_finite() {
                        *held = 0.0;
                    }
                }
                while self.marks.front().is_some_and(|mark| *mark < at) {
                    self.marks.pop_front();
                }
                self.start = Some(at);
                let start = self.lost.take();
                emit(Output::SignalBack { start, sample: at });
                at
            }
            (_, Some(start)) => start,
            (false, None) => {
                self.wait_for_signal(emit);
                return;
            }
        };
        if valid {
            self.missing = 0;
        } else {
            self.missing += 1;
            if self.missing > self.bridge {
                let start = self.sample - self.missing;
                self.end_stretch(emit);
                self.lost = Some(start);
                emit(Output::SignalLost { start });
                return;
            }
        }
        while let Some(&mark) = self.marks.front() {
            if mark > at {
                break;
            }
            self.marks.pop_front();
            let frame = self.resampler.ratio().to_output(mark - start);
            self.segmenter.mark(frame, mark);
        }
        let frame = std::mem::take(&mut self.frame);
        self.feed(&frame, at, emit);
        self.frame = frame;
    }

    /// A frame without signal, and none before it: where a recording begins so,
    /// that is a gap like another.
    fn wait_for_signal(&mut self, emit: &mut impl FnMut(Output<'_>)) {
        if self.lost.is_some() {
            return;
        }
        self.missing += 1;
        if self.missing > self.bridge {
            let start = self.sample - self.missing;
            self.missing = 0;
            self.lost = Some(start);
            emit(Output::SignalLost { start });
        }
    }

    fn end_stretch(&mut self, emit: &mut impl FnMut(Output<'_>)) {
        if let Some(stretch) = self.stretch() {
            let (segmenter, decided) = (&mut self.segmenter, self.sample);
            let mut emit = |passed: Passed<'_>| emit(stretch.output(passed, decided));
            self.resampler
                .finish(&mut |frames| segmenter.push(frames, &mut |_, passed| emit(passed)));
            segmenter.restart(self.resampler.last(), &mut emit);
        }
        self.start = None;
        self.missing = 0;
        self.offset.fill(f32::NAN);
        self.beyond.fill(0);
    }

    /// The stretch of signal under way.
    fn stretch(&self) -> Option<Stretch> {
        Some(Stretch {
            start: self.start?,
            ratio: self.resampler.ratio(),
        })
    }
}

/// A stretch of signal without a gap: brings times in it back to samples of
/// the input.
#[derive(Clone, Copy)]
struct Stretch {
    /// Its first frame.
    start: u64,
    /// Of the input's rate to the contract's.
    ratio: Ratio,
}

impl Stretch {
    fn output<'a>(&self, passed: Passed<'a>, decided: u64) -> Output<'a> {
        match passed {
            Passed::Beat(segment) => Output::Beat(self.beat(segment, decided)),
            Passed::Unreadable(readable::Stretch { why, start, end }) => Output::Unreadable {
                why,
                start: self.sample(start as f64).min(decided),
                end: end.map(|end| self.sample(end as f64).min(decided)),
            },
            Passed::Episode(episode) => Output::Episode(Episode {
                start: self.sample(episode.start as f64).min(decided),
                end: episode.end.map(|end| self.sample(end as f64).min(decided)),
                ..episode
            }),
        }
    }

    /// The input's sample at a frame of the stretch.
    fn sample(&self, frame: f64) -> u64 {
        self.start + (frame * self.ratio.step()).round() as u64
    }

    fn beat<'a>(&self, segment: Segment<'a>, decided: u64) -> Beat<'a> {
        let fiducial = self.sample(segment.fiducial).min(decided.saturating_sub(1));
        Beat {
            sample: segment.mark.unwrap_or(fiducial),
            fiducial,
            decided,
            window: segment.window,
            rhythm: segment.rhythm,
            rr: segment.rr,
            quality: segment.quality,
            fibrillation: segment.fibrillation,
            readable: segment.readable,
        }
    }
}

#[cfg(test)]
mod artefacts;
#[cfg(test)]
mod tests;
