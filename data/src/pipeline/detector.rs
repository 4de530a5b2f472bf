//! The QRS detector: streaming, causal, at the contract's rate.
//!
//! Every peak of the QRS band's envelope is a candidate. Some 0.3 s later, when
//! what follows it is known too, a small network trained on reference
//! annotations scores it by how it stands to the running levels of signal and
//! noise, to the rhythm, to its neighbours and to the patient's own QRS. T-wave
//! discrimination and the adaptive threshold are thereby learned. Three rules
//! remain: the refractory period, the search back after a missed beat, and the
//! recovery when levels have become useless (see `recovery`). Features are
//! logarithms of ratios, correlations and times, so that gain (above a least
//! height) and polarity do not matter.

mod envelope;
mod features;
mod likeness;
mod recovery;
mod scorer;
mod weights;

use std::collections::VecDeque;

use crate::pipeline::readable::{Change, Condition};
use crate::record::error::Result;
use crate::signal::filter::BandPass;
use crate::signal::frames::Frames;
use crate::signal::recent::RecentSignal;
use crate::signal::running::RunningOrder;
use envelope::{Envelope, PeakPicker};
use likeness::{QrsLikeness, QrsTemplate};
use recovery::Recovery;
pub use scorer::{FEATURES, Features, Network, UNITS};
pub use weights::SHIPPED;

/// A candidate is decided this many seconds after its peak.
const LOOK_AHEAD: f64 = 0.3;
/// Seconds, at the start and after unreadable signal, whose highest peak gives
/// the first signal level; no beat is reported before they have passed.
const LEARNING: f64 = 1.5;
/// Score above which a candidate is a beat.
const ACCEPT: f32 = 0.5;
/// Score that is enough after so many running RR intervals without a beat.
const ACCEPT_LATE: f32 = 0.3;
const LATE: f64 = 1.5;
/// No two beats come closer than this, in seconds.
const REFRACTORY: f64 = 0.18;
/// Signal level and running RR are medians over this many beats.
const BEATS: usize = 8;
/// Seconds without a beat after which the signal level sinks, and how fast.
const SILENCE: f64 = 1.5;
const SINK: f64 = 1.5;
/// A beat's height enters the median as at most this many medians.
const TALL: f32 = 4.0;
/// Share of a refused candidate in the noise level.
const NOISE_RATE: f32 = 0.125;
/// RR in seconds before any is known.
const USUAL_RR: f64 = 0.8;
/// Candidates that can wait at once: more than fit into the learning time. A
/// further one is dropped.
const WAITING: usize = 48;
/// Logarithms of ratios are limited to this.
const LIMIT: f32 = 4.0;

/// The shipped network's probability of a QRS complex.
#[inline]
fn shipped(_: u64, features: &Features) -> f32 {
    SHIPPED.score(features)
}

/// A peak of the envelope.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    at: u64,
    height: f32,
    likeness: QrsLikeness,
}

/// Finds QRS complexes in frames of the contract's rate. Allocates only in
/// [`Detector::new`].
#[derive(Clone, Debug)]
pub struct Detector {
    fs: f64,
    /// [`LOOK_AHEAD`] in frames.
    look_ahead: u64,
    envelope: Envelope,
    picker: PeakPicker,
    /// The last 4 s of the envelope, and of every lead's slope.
    levels: RecentSignal,
    slopes: RecentSignal,
    /// Frames decided so far, and the next frame at which something is due,
    /// peak or not.
    frames: u64,
    due: u64,
    waiting: VecDeque<Candidate>,
    /// The refused candidate of highest score since the last beat, if that
    /// reached [`ACCEPT_LATE`].
    refused: Option<(f32, Candidate)>,
    /// The highest refused candidate since the last beat.
    highest_refused: Option<Candidate>,
    last: Option<Candidate>,
    recovery: Recovery,
    heights: RunningOrder,
    intervals: RunningOrder,
    noise: f32,
    template: QrsTemplate,
    filtered: Vec<f32>,
    scratch: Vec<f32>,
}

impl Detector {
    /// Longest time in seconds from a QRS to its detection; search-back,
    /// recovery and learning time apart.
    pub const DELAY: f64 = 0.4;
    /// Seconds at the end of a recording in which a beat cannot be told.
    pub const TAIL: f64 = 0.1;

    /// A detector for `leads` leads at `fs` Hz.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] when the rate is too low for the QRS band.
    pub fn new(fs: f64, leads: usize) -> Result<Detector> {
        let capacity = (4.0 * fs) as usize;
        Ok(Detector {
            fs,
            look_ahead: (LOOK_AHEAD * fs) as u64,
            envelope: Envelope::new(fs, leads)?,
            picker: PeakPicker::new(fs),
            levels: RecentSignal::new(1, capacity),
            slopes: RecentSignal::new(leads, capacity),
            frames: 0,
            due: u64::MAX,
            waiting: VecDeque::with_capacity(WAITING),
            refused: None,
            highest_refused: None,
            last: None,
            recovery: Recovery::new(fs),
            heights: RunningOrder::new(BEATS),
            intervals: RunningOrder::new(BEATS),
            noise: 0.0,
            template: QrsTemplate::new(fs, leads),
            filtered: vec![0.0; leads],
            scratch: vec![0.0; (0.8 * fs) as usize],
        })
    }

    /// Frames to push after the last one of a recording until its last beats
    /// have come out.
    pub fn delay(&self) -> u64 {
        (Detector::DELAY.max(LEARNING) * self.fs) as u64
    }

    /// Begins a new stretch of the same recording; its first frame is number 0.
    pub fn restart(&mut self) {
        self.envelope.restart();
        self.picker.restart();
        self.levels.restart();
        self.slopes.restart();
        self.frames = 0;
        self.waiting.clear();
        self.recovery.restart();
        self.forget_levels();
        self.due = self.next_due();
    }

    /// Forgets the recording.
    pub fn reset(&mut self) {
        self.restart();
        self.envelope.reset();
        self.recovery.reset();
        self.template.clear();
    }

    /// The signal has become readable, or is no longer. Except in noise,
    /// nothing is decided or learnt where the signal cannot be read, and levels
    /// are learnt afresh after it.
    pub fn turn(&mut self, change: Change) {
        // Noise is not masked: it may hold beats, and each is judged by its
        // quality.
        let masks = !matches!(change.condition, Condition::Readable | Condition::Noise);
        self.recovery.noise(change.condition == Condition::Noise);
        let since = change.since + self.envelope.delay();
        if masks {
            self.recovery.mask(since);
        } else if let Some(from) = self.recovery.unmask(since) {
            self.waiting.retain(|c| c.at >= from);
            self.forget_levels();
        }
        self.due = self.next_due();
    }

    /// Heights, noise and rhythm are to be learnt afresh; the patient's QRS is
    /// kept, but counts for less.
    fn forget_levels(&mut self) {
        self.refused = None;
        self.highest_refused = None;
        self.last = None;
        self.heights.clear();
        self.intervals.clear();
        self.noise = 0.0;
        self.template.doubt();
    }

    /// Takes a frame in; returns the frame number of a QRS complex found.
    /// Numbers ascend.
    pub fn push(&mut self, frame: &[f32]) -> Option<u64> {
        self.push_judged(frame, &mut shipped)
    }

    /// As [`Detector::push`], where `judge` tells how likely a candidate is a
    /// QRS complex by its frame number and features: for training.
    pub fn push_judged(
        &mut self,
        frame: &[f32],
        judge: &mut impl FnMut(u64, &Features) -> f32,
    ) -> Option<u64> {
        let mut filtered = std::mem::take(&mut self.filtered);
        for (lead, (y, x)) in filtered.iter_mut().zip(frame).enumerate() {
            *y = self.filter(lead).step(*x);
        }
        self.take(Frames::one(&filtered));
        self.filtered = filtered;
        self.judge_until(self.frames + 1, judge)
    }

    /// The filter to run over a lead's frames before [`Detector::take`].
    #[inline]
    pub(crate) fn filter(&mut self, lead: usize) -> &mut BandPass {
        self.envelope.filter(lead)
    }

    /// Takes filtered frames in, to be decided about.
    #[inline]
    pub(crate) fn take(&mut self, frames: Frames<'_>) {
        let slopes = &mut self.slopes;
        let levels = (self.envelope).take(frames, |lead, slope| slopes.store(lead, slope));
        self.levels.store(0, &levels[..frames.count()]);
        self.slopes.stored(frames.count());
        self.levels.stored(frames.count());
    }

    /// Frames decided about.
    #[inline]
    pub(crate) fn decided(&self) -> u64 {
        self.frames
    }

    /// Decides about the frames taken in before number `end`, up to the first in
    /// which a QRS complex is found; returns the complex's frame number.
    #[inline]
    pub(crate) fn decide_until(&mut self, end: u64) -> Option<u64> {
        self.judge_until(end, &mut shipped)
    }

    #[inline]
    fn judge_until(
        &mut self,
        end: u64,
        judge: &mut impl FnMut(u64, &Features) -> f32,
    ) -> Option<u64> {
        while self.frames < end {
            let now = self.frames;
            self.frames += 1;
            let peak = self.picker.push(now, self.levels.at(0, now));
            if peak.is_none() && now < self.due {
                continue;
            }
            let found = self.look(now, peak, judge);
            self.due = self.next_due();
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// The frame at which something is to be decided next; 0 for at once, the
    /// greatest number for not before a peak.
    fn next_due(&self) -> u64 {
        if self.recovery.has_next() {
            return 0;
        }
        match self.waiting.front() {
            Some(first) if self.heights.is_empty() => {
                let learnt = self.recovery.start() + (LEARNING * self.fs) as u64;
                learnt.max(first.at + self.look_ahead)
            }
            Some(first) => first.at + self.look_ahead,
            None => u64::MAX,
        }
    }

    /// Looks at frame `now`, in which there is a peak or something is due.
    #[inline(never)]
    fn look(
        &mut self,
        now: u64,
        peak: Option<(u64, f32)>,
        judge: &mut impl FnMut(u64, &Features) -> f32,
    ) -> Option<u64> {
        self.levels.advance(self.frames);
        self.slopes.advance(self.frames);
        if let Some((at, height)) = peak {
            let slope_frame = self.slope_frame(at);
            let likeness = self.template.compare(&self.slopes, slope_frame);
            if self.waiting.len() < WAITING {
                self.waiting.push_back(Candidate {
                    at,
                    height,
                    likeness,
                });
            }
        }
        if let Some(beat) = self.recovery.next() {
            self.accept(beat);
            return Some(self.place(beat));
        }
        let first = self.waiting.front()?;
        if now < first.at + self.look_ahead {
            return None;
        }
        if self.heights.is_empty() {
            if now < self.recovery.start() + (LEARNING * self.fs) as u64 {
                return None;
            }
            let highest = self.waiting.iter().map(|c| c.height).fold(0.0, f32::max);
            self.heights.push(f64::from(0.8 * highest));
            self.noise = 0.1 * highest;
        }
        let found = self.decide(judge)?;
        Some(self.place(found))
    }

    /// A beat's frame in the signal: its frame in the envelope less the
    /// envelope's delay.
    fn place(&self, beat: Candidate) -> u64 {
        beat.at.saturating_sub(self.envelope.delay())
    }

    /// Decides about the candidate that has waited longest; returns it if it is
    /// a beat, or an earlier refused one that now counts as one.
    #[inline(never)]
    fn decide(&mut self, judge: &mut impl FnMut(u64, &Features) -> f32) -> Option<Candidate> {
        let candidate = self.waiting.pop_front()?;
        if self.recovery.masks(candidate.at) {
            return None;
        }
        let features = self.features(candidate);
        let mut score = judge(self.place(candidate), &features);
        let since = self.since_last(candidate);
        if since.is_some_and(|s| s < REFRACTORY) {
            score = 0.0;
        }
        if score >= ACCEPT {
            self.recovery.helped();
            self.accept(candidate);
            return Some(candidate);
        }
        self.noise +=
            NOISE_RATE * (candidate.height.min(self.signal_level(candidate.at)) - self.noise);
        if self
            .highest_refused
            .is_none_or(|r| candidate.height > r.height)
        {
            self.highest_refused = Some(candidate);
        }
        if score >= ACCEPT_LATE && self.refused.is_none_or(|(best, _)| score > best) {
            self.refused = Some((score, candidate));
        }
        let late = since.is_some_and(|s| s > LATE * self.rr());
        if let Some((_, missed)) = self.refused
            && late
        {
            self.accept(missed);
            return Some(missed);
        }
        self.recovery.refused(candidate);
        self.recover(candidate.at)
    }

    /// Takes up again what was refused when nothing has been found for long.
    fn recover(&mut self, now: u64) -> Option<Candidate> {
        let level = self.heights.median().unwrap_or(0.0) as f32;
        let last = self.last;
        if !self
            .recovery
            .search(now, last, level, self.rr(), &self.levels)
        {
            return None;
        }
        if self.recovery.levels_are_useless() {
            self.forget_levels();
        }
        let beat = self.recovery.next()?;
        self.accept(beat);
        Some(beat)
    }

    fn accept(&mut self, beat: Candidate) {
        if let Some(since) = self.since_last(beat) {
            self.intervals.push(since.min(2.0));
        }
        // An artefact counts no more than a tall beat.
        let level = self.heights.median().map_or(f32::MAX, |l| TALL * l as f32);
        self.heights.push(f64::from(beat.height.min(level)));
        self.template.learn(&self.slopes, self.slope_frame(beat.at));
        self.last = Some(beat);
        self.refused = None;
        self.highest_refused = None;
        self.recovery.found(beat, &self.levels);
    }

    /// Seconds from the last beat.
    fn since_last(&self, candidate: Candidate) -> Option<f64> {
        let frames = candidate.at.saturating_sub(self.last?.at);
        Some(frames as f64 / self.fs)
    }

    /// The running RR interval in seconds.
    fn rr(&self) -> f64 {
        self.intervals.median().unwrap_or(USUAL_RR)
    }

    /// The height expected of a beat, which sinks while none comes.
    fn signal_level(&self, at: u64) -> f32 {
        let level = self.heights.median().unwrap_or(0.0);
        let silence = match self.last {
            Some(last) => at.saturating_sub(last.at) as f64 / self.fs - SILENCE,
            None => 0.0,
        };
        (level * (-silence.max(0.0) / SINK).exp()).max(1e-5) as f32
    }

    /// The frame of the slopes that belongs to a frame of the envelope.
    fn slope_frame(&self, at: u64) -> u64 {
        at.saturating_sub(self.envelope.smoothing())
    }
}

#[cfg(test)]
mod tests;
