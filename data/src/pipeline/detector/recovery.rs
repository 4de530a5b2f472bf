//! How the detector recovers when its levels have become useless.
//!
//! Artefacts, another lead or another gain leave levels behind by which no
//! beat is found any more. Two things keep that short. Nothing is decided
//! about what cannot be read, and levels are learnt afresh behind it. And when
//! nothing has been found for about two intervals, the candidates refused
//! since then are taken up again by their heights alone: what stands out among
//! them, from a height on that falls the longer the silence lasts.

use std::collections::VecDeque;

use super::{BEATS, Candidate, LEARNING};
use crate::signal::recent::RecentSignal;
use crate::signal::running::RunningOrder;

/// Silence in running RR intervals, and its bounds in seconds, after which
/// refused candidates are taken up again.
const SILENT_RR: f64 = 2.0;
const SILENT: [f64; 2] = [1.0, 2.0];
/// Part of the signal level from which on they are then, and the seconds in
/// which it falls to 1/e of that, down to the least.
const FIRST_PART: f32 = 0.3;
const FALL: f64 = 0.6;
const LEAST_PART: f32 = 0.01;
/// Below this part of the signal level, a beat must stand out from the mean
/// envelope so many times: noise does not.
const LOW: f32 = 0.25;
const STANDS_OUT: f32 = 3.0;
/// Its height over the background must be this part of what it was in the beats
/// before, by the lowest envelope within so many seconds.
const CONTRAST_PART: f32 = 0.4;
const BACKGROUND: f64 = 0.8;
/// Levels that so many beats made are trusted: what is taken up then must come
/// in intervals that differ by no more than this factor, or the silence last so
/// many seconds.
const TRUSTED: u32 = 4;
const EVEN: f64 = 1.4;
const WAIT: f64 = 2.6;
/// Nothing below this height, in mV per frame, is taken for a beat.
const LEAST_HEIGHT: f32 = 1e-3;
/// Seconds that are looked back: what waits for its window is still at hand.
const BACK: f64 = 2.0;
/// Among what is taken up, a beat has this part of the highest.
const PART: f32 = 0.4;
/// Seconds within which the higher of two candidates is the beat, and those in
/// which a lower one behind a beat is its T wave, with its part of the height.
const APART: f64 = 0.2;
const T_WAVE: f64 = 0.4;
const T_PART: f32 = 0.6;
/// Seconds before and behind unreadable signal that its edge still disturbs.
const BEFORE: f64 = 0.06;
const BEHIND: f64 = 0.1;
/// Candidates that are kept: more than fit into [`BACK`].
const KEPT: usize = 32;

/// What could be taken up again, and where nothing is decided.
#[derive(Clone, Debug)]
pub(super) struct Recovery {
    fs: f64,
    /// Candidates refused since the last beat.
    kept: VecDeque<Candidate>,
    /// Candidates taken up, not yet reported.
    taken: VecDeque<Candidate>,
    /// Frames of the envelope that are masked, the last ones.
    masked: Option<(u64, u64)>,
    /// Where learning afresh began.
    start: u64,
    /// Beats found since then.
    beats: u32,
    /// Whether the network has found none since the last search, and whether
    /// that showed levels that are of no use any more.
    searched: bool,
    useless: bool,
    /// Whether there is only noise, in which nothing is looked for.
    noise: bool,
    /// Height over background of the beats found last; see [`background`].
    contrasts: RunningOrder,
    scratch: Vec<f32>,
}

impl Recovery {
    pub fn new(fs: f64) -> Recovery {
        Recovery {
            fs,
            kept: VecDeque::with_capacity(KEPT),
            taken: VecDeque::with_capacity(KEPT),
            masked: None,
            start: 0,
            beats: 0,
            searched: false,
            useless: false,
            noise: false,
            contrasts: RunningOrder::new(BEATS),
            scratch: vec![0.0; (BACKGROUND * fs) as usize],
        }
    }

    /// Forgets the recording.
    pub fn reset(&mut self) {
        self.restart();
        self.contrasts.clear();
    }

    /// A new stretch begins.
    pub fn restart(&mut self) {
        self.kept.clear();
        self.taken.clear();
        self.masked = None;
        self.start = 0;
        self.beats = 0;
        self.noise = false;
    }

    /// Where learning afresh began.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Nothing is decided from this frame of the envelope on.
    pub fn mask(&mut self, from: u64) {
        let from = from.saturating_sub(self.frames(BEFORE));
        // Unreadable signal of two kinds in a row is one.
        let from = match self.masked {
            Some((start, u64::MAX)) => start,
            _ => from,
        };
        self.masked = Some((from, u64::MAX));
        self.kept.clear();
        self.taken.retain(|c| c.at < from);
    }

    /// The mask ends at this frame of the envelope; returns the frame that
    /// learning begins at, if there was a mask.
    pub fn unmask(&mut self, end: u64) -> Option<u64> {
        let end = end + self.frames(BEHIND);
        match self.masked {
            Some((start, u64::MAX)) => self.masked = Some((start, end)),
            _ => return None,
        }
        self.start = end;
        self.beats = 0;
        self.kept.clear();
        Some(end)
    }

    /// Whether nothing is decided about a candidate at this frame.
    pub fn masks(&self, at: u64) -> bool {
        self.masked
            .is_some_and(|(start, end)| (start..end).contains(&at))
    }

    /// There is only noise now, or no longer.
    pub fn noise(&mut self, noise: bool) {
        self.noise = noise;
    }

    /// The network has found a beat by itself.
    pub fn helped(&mut self) {
        self.searched = false;
    }

    /// Whether the last search showed that the levels are of no use.
    pub fn levels_are_useless(&self) -> bool {
        self.useless
    }

    /// Keeps a candidate that has been refused.
    pub fn refused(&mut self, candidate: Candidate) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(candidate);
    }

    /// A beat has been found.
    pub fn found(&mut self, beat: Candidate, envelope: &RecentSignal) {
        while self.kept.front().is_some_and(|c| c.at <= beat.at) {
            self.kept.pop_front();
        }
        self.beats = self.beats.saturating_add(1);
        let contrast = self.contrast(beat.height, beat.at, envelope);
        self.contrasts.push(f64::from(contrast));
    }

    /// A height in lowest values of the envelope around a frame.
    fn contrast(&mut self, height: f32, at: u64, envelope: &RecentSignal) -> f32 {
        let start = at as i64 - self.scratch.len() as i64 / 2;
        envelope.copy(0, start, &mut self.scratch);
        // Values above 0 are ordered as their bits, so that the search runs in
        // whole vectors; 0, outside the recording, becomes the greatest.
        let bits = self.scratch.iter().map(|v| v.to_bits().wrapping_sub(1));
        let lowest = f32::from_bits(bits.fold(f32::MAX.to_bits() - 1, u32::min) + 1);
        height / lowest
    }

    /// Whether there are beats that have been taken up.
    pub fn has_next(&self) -> bool {
        !self.taken.is_empty()
    }

    /// The next beat that has been taken up.
    pub fn next(&mut self) -> Option<Candidate> {
        self.taken.pop_front()
    }

    /// Looks for beats among the refused when there has been silence since
    /// `last`; `level` is the height of a usual beat, 0 if unknown, and `rr`
    /// the usual interval. Returns whether there are any.
    pub fn search(
        &mut self,
        now: u64,
        last: Option<Candidate>,
        level: f32,
        rr: f64,
        envelope: &RecentSignal,
    ) -> bool {
        let since = last.map_or(self.start, |l| l.at);
        let silence = now.saturating_sub(since) as f64 / self.fs;
        let limit = match last {
            Some(_) => (SILENT_RR * rr).clamp(SILENT[0], SILENT[1]),
            None => LEARNING + 0.3,
        };
        if silence < limit || self.noise {
            return false;
        }
        let oldest = now.saturating_sub(self.frames(BACK));
        let fall = (-(silence - limit) / FALL).exp() as f32;
        let part = (FIRST_PART * fall).max(LEAST_PART);
        let Some(highest) = self.highest(oldest, last) else {
            return false;
        };
        if highest.height < (part * level).max(LEAST_HEIGHT) {
            return false;
        }
        if highest.height < LOW * level && !self.stands_out(highest, envelope) {
            return false;
        }
        self.take(oldest, highest.height, last);
        let trusted = self.beats >= TRUSTED && !self.searched;
        if trusted && silence < WAIT && !self.regular(last) {
            self.taken.clear();
            return false;
        }
        self.kept.clear();
        self.useless = !trusted || highest.height < FIRST_PART * level;
        self.searched = true;
        !self.taken.is_empty()
    }

    /// The highest candidate that is no T wave of the last beat.
    fn highest(&self, oldest: u64, last: Option<Candidate>) -> Option<Candidate> {
        let able = |c: &&Candidate| c.at >= oldest && !self.is_t_wave(c, last);
        let highest = self.kept.iter().filter(able);
        highest
            .max_by(|a, b| a.height.total_cmp(&b.height))
            .copied()
    }

    /// Whether a low candidate stands out as beats did: where the gain sank
    /// the background sank too, where the heart stands still it is left.
    fn stands_out(&mut self, candidate: Candidate, envelope: &RecentSignal) -> bool {
        let usual = self.contrasts.median().unwrap_or(0.0) as f32;
        candidate.height > STANDS_OUT * self.mean(envelope)
            && self.contrast(candidate.height, candidate.at, envelope) > CONTRAST_PART * usual
    }

    /// Takes up, in order, what is about as high as the highest.
    fn take(&mut self, oldest: u64, highest: f32, last: Option<Candidate>) {
        let apart = self.frames(APART);
        let mut before = last;
        for i in 0..self.kept.len() {
            let candidate = self.kept[i];
            if candidate.at < oldest
                || candidate.height < PART * highest
                || self.is_t_wave(&candidate, before)
            {
                continue;
            }
            let near = |other: &Candidate| other.at.abs_diff(candidate.at) < apart;
            if self
                .kept
                .iter()
                .any(|o| near(o) && o.height > candidate.height)
            {
                continue;
            }
            if self.taken.back().is_some_and(near) {
                continue;
            }
            self.taken.push_back(candidate);
            before = Some(candidate);
        }
    }

    /// Whether what has been taken up follows in even intervals, but for one.
    fn regular(&self, last: Option<Candidate>) -> bool {
        let mut intervals = [0u64; KEPT];
        let mut count = 0;
        let mut before = last;
        for beat in &self.taken {
            if let Some(before) = before {
                intervals[count] = beat.at - before.at;
                count += 1;
            }
            before = Some(*beat);
        }
        let intervals = &mut intervals[..count.min(KEPT)];
        intervals.sort_unstable();
        let most = if count > 2 {
            count - 2
        } else {
            count.saturating_sub(1)
        };
        count > 1 && intervals[most] as f64 <= EVEN * intervals[0] as f64
    }

    /// Whether a candidate is low behind a beat, or too near to it.
    fn is_t_wave(&self, candidate: &Candidate, beat: Option<Candidate>) -> bool {
        let Some(beat) = beat else {
            return false;
        };
        let since = candidate.at.saturating_sub(beat.at);
        since < self.frames(APART)
            || (since < self.frames(T_WAVE) && candidate.height < T_PART * beat.height)
    }

    /// The mean envelope of the last seconds.
    fn mean(&self, envelope: &RecentSignal) -> f32 {
        let len = envelope.len();
        let count = self.frames(BACK).min(len).max(1);
        let mut sum = 0.0;
        let mut piece = [0.0f32; 64];
        let mut at = len - count.min(len);
        while at < len {
            let part = &mut piece[..(len - at).min(64) as usize];
            envelope.copy(0, at as i64, part);
            sum += part.iter().sum::<f32>();
            at += part.len() as u64;
        }
        sum / count as f32
    }

    fn frames(&self, seconds: f64) -> u64 {
        (seconds * self.fs).round() as u64
    }
}
