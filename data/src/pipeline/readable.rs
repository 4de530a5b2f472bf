//! Whether the signal can be read: saturated, flat, out of range or noise.
//!
//! Nothing about the recorder is known, neither its range nor its gain, so
//! that each condition is told from the signal: an amplifier at its limit
//! shows a run of equal samples far from the usual level, a lead that is off
//! or a dead amplifier an equal run anywhere, wrong bytes values beyond any
//! ECG, and noise quick turns without a wave that stands out.

use std::ops::Range;

use crate::signal::frames::Frames;

/// Samples that differ by less than this, in mV, or by this part of their
/// height, are equal: below any recorder's resolution, above what resampling
/// leaves of a constant.
const EQUAL: f32 = 1e-4;
const EQUAL_PART: f32 = 1e-6;
/// Seconds of equal samples that are a saturation: longer than a QRS whose top
/// is cut off.
const SATURATED: f64 = 0.15;
/// How far from the usual level a saturation lies, in mean deviations. A line
/// without noise between waves stays below one.
const FAR: f32 = 1.3;
/// Seconds of equal samples that are flat wherever they lie.
const FLAT: f64 = 1.0;
/// No ECG goes so far from its level, in mV, even at 20 times its gain.
const FARTHEST: f32 = 200.0;
/// Seconds over which the level and the mean deviation from it are taken.
const LEVEL: f64 = 3.0;
/// Seconds without a fault after which the signal is readable again.
const HOLD: f64 = 0.5;
/// Noise is looked for in windows of so many seconds.
const WINDOW: f64 = 1.0;
/// Noise begins when so many of the last [`PAST`] windows are, and ends when
/// none is.
const NOISY_WINDOWS: u32 = 2;
const PAST: u32 = 3;
/// Energy of the turns (second differences) as part of the slopes': 3 in white
/// noise, below 1 in an ECG at 128 Hz.
const TURNS: f32 = 2.0;
/// The highest wave against the mean one: below 3 in noise, 4 and more with QRS.
const CREST: f32 = 3.0;
/// Mean slope, in mV per frame, below which noise is that of a quiet line.
const LEAST_NOISE: f32 = 0.02;
/// Waves are measured over so many frames, about as many as half a QRS takes,
/// against which noise cancels.
const BEFORE: usize = 4;

/// What can be made of the signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Beats can be found in it.
    Readable,
    /// The amplifier or the converter is at its limit.
    Saturated,
    /// All samples are equal, at a usual level: no lead, no heart, no knowing.
    Flat,
    /// The values are beyond any ECG.
    OutOfRange,
    /// There is only noise.
    Noise,
}

/// The signal is in another condition from a frame on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The new condition.
    pub condition: Condition,
    /// The first frame of it; not after the frame that told, and later than
    /// that of the change before.
    pub since: u64,
}

/// What is known of a lead's line at a sample.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    /// The latest sample.
    last: f32,
    /// Value of the present run of equal samples, its length, and whether it
    /// has been judged to lie far off.
    run: f32,
    length: u64,
    far: bool,
    /// The running level and the mean deviation from it.
    level: f32,
    deviation: f32,
    /// Frames that these go by.
    known: f32,
}

/// One lead's recent past.
#[derive(Clone, Debug)]
struct Lead {
    line: Line,
    /// The present window behind the last [`BEFORE`] samples before it.
    window: Vec<f32>,
    /// A bit for each of the last windows, the newest lowest, and whether
    /// there is noise by them.
    past: u32,
    noise: bool,
}

/// What is wrong with a lead, for how many frames it has been, and whether it
/// is so at present or only not yet over.
#[derive(Clone, Copy, Debug)]
struct Fault {
    condition: Condition,
    frames: u64,
    present: bool,
}

/// Watches whether frames of interleaved leads are readable, causally and in
/// constant memory. A frame is readable when one of its leads is.
#[derive(Clone, Debug)]
pub struct Readability {
    leads: Vec<Lead>,
    frames: u64,
    saturated: u64,
    flat: u64,
    hold: u64,
    window: u64,
    /// Frames that the present window lacks.
    left: u64,
    rate: f32,
    condition: Condition,
    /// First frame of the condition.
    since: u64,
    /// The frame after the last one that was not readable.
    clear: u64,
}

impl Readability {
    /// Longest time in seconds from a condition's first frame to its change.
    pub const DELAY: f64 = WINDOW * (PAST + 1) as f64;

    /// A watch over `leads` leads at `fs` Hz.
    pub fn new(fs: f64, leads: usize) -> Readability {
        let frames = |seconds: f64| (seconds * fs).round() as u64;
        Readability {
            leads: vec![Lead::new(frames(WINDOW).max(1) as usize); leads],
            frames: 0,
            saturated: frames(SATURATED),
            flat: frames(FLAT),
            hold: frames(HOLD),
            window: frames(WINDOW).max(1),
            left: frames(WINDOW).max(1),
            rate: (1.0 / (LEVEL * fs)) as f32,
            condition: Condition::Readable,
            since: 0,
            clear: 0,
        }
    }

    /// The condition as far as it is known.
    pub fn condition(&self) -> Condition {
        self.condition
    }

    /// First frame of the present condition.
    pub fn since(&self) -> u64 {
        self.since
    }

    /// The next frame is number 0, and readable until it shows otherwise.
    pub fn restart(&mut self) {
        self.leads.iter_mut().for_each(Lead::restart);
        self.frames = 0;
        self.left = self.window;
        self.condition = Condition::Readable;
        self.since = 0;
        self.clear = 0;
    }

    /// Takes a frame in; returns a change that it tells.
    pub fn push(&mut self, frame: &[f32]) -> Option<Change> {
        let mut told = None;
        self.take(Frames::one(frame), &mut |_, change| told = Some(change));
        told
    }

    /// Takes frames in; passes on the changes that they tell, with the place of
    /// the frame that told.
    #[inline]
    pub(crate) fn take(&mut self, frames: Frames<'_>, tell: &mut impl FnMut(usize, Change)) {
        let mut from = 0;
        while from < frames.count() {
            let part = (frames.count() - from).min(self.left as usize);
            self.take_part(frames.part(from..from + part), &mut |at, change| {
                tell(from + at, change);
            });
            from += part;
        }
    }

    /// Takes frames of one window in.
    #[inline]
    fn take_part(&mut self, frames: Frames<'_>, tell: &mut impl FnMut(usize, Change)) {
        let place = BEFORE + (self.window - self.left) as usize;
        for (lead, values) in self.leads.iter_mut().zip(frames.leads()) {
            if self.frames == 0 {
                lead.begin(values[0]);
            }
            lead.window[place..place + values.len()].copy_from_slice(values);
        }
        self.left -= frames.count() as u64;
        let mut from = place;
        let end = place + frames.count();
        while from < end {
            // While the signal is readable, nothing is told before the first
            // lead is suspect.
            let calm = self.condition == Condition::Readable;
            let mut to = if calm { end } else { from + 1 };
            let mut all = true;
            for (at, lead) in self.leads.iter_mut().enumerate() {
                to = from + lead.run(from..to, self.rate, self.saturated, calm && at == 0);
                all &= lead.is_suspect(self.saturated);
            }
            self.frames += (to - from) as u64;
            from = to;
            if from == end && self.left == 0 {
                self.left = self.window;
                for lead in &mut self.leads {
                    lead.close();
                    all &= lead.is_suspect(self.saturated);
                }
            }
            if (all || !calm)
                && let Some(change) = self.judge()
            {
                tell(from - 1 - place, change);
            }
        }
    }

    /// What the leads' faults change.
    #[inline(never)]
    fn judge(&mut self) -> Option<Change> {
        // The fault of the lead that has one for the shortest time.
        let mut fault: Option<Fault> = None;
        let mut all = true;
        for lead in &self.leads {
            match lead.fault(self.saturated, self.flat, self.window) {
                Some(other) if fault.as_ref().is_none_or(|f| other.frames < f.frames) => {
                    fault = Some(other);
                }
                Some(_) => {}
                None => all = false,
            }
        }
        match fault.filter(|_| all) {
            Some(fault) => {
                if fault.present {
                    self.clear = self.frames;
                }
                if fault.condition == self.condition {
                    return None;
                }
                let start = self.frames.saturating_sub(fault.frames);
                self.change(fault.condition, start)
            }
            None if self.condition != Condition::Readable
                && self.frames >= self.clear + self.hold =>
            {
                self.change(Condition::Readable, self.clear)
            }
            None => None,
        }
    }

    fn change(&mut self, condition: Condition, start: u64) -> Option<Change> {
        // At the beginning there is nothing before the condition.
        let since = if self.since == 0 && start == 0 {
            0
        } else {
            start.max(self.since + 1)
        };
        (self.condition, self.since) = (condition, since);
        Some(Change { condition, since })
    }
}

impl Line {
    #[inline]
    fn take(&mut self, x: f32, rate: f32, saturated: u64) {
        self.last = x;
        let off = (x - self.level).abs();
        if (x - self.run).abs() <= EQUAL + EQUAL_PART * x.abs() {
            self.length += 1;
            if self.length == saturated {
                self.far = off > FAR * self.deviation + EQUAL;
            }
        } else {
            (self.run, self.length, self.far) = (x, 1, false);
        }
        // An equal run tells nothing of the usual level.
        if self.length < saturated {
            let rate = if self.known * rate < 1.0 {
                self.known += 1.0;
                1.0 / self.known
            } else {
                rate
            };
            if off < FARTHEST {
                self.level += rate * (x - self.level);
                self.deviation += rate * (off - self.deviation);
            } else {
                self.level += rate * (x - self.level).clamp(-FARTHEST, FARTHEST);
            }
        }
    }

    /// Whether it has been equal for long, or lies beyond any ECG.
    #[inline]
    fn is_odd(&self, saturated: u64) -> bool {
        self.length >= saturated || (self.last - self.level).abs() > FARTHEST
    }
}

impl Lead {
    /// A lead whose windows have so many samples.
    fn new(window: usize) -> Lead {
        Lead {
            line: Line::default(),
            window: vec![0.0; BEFORE + window],
            past: 0,
            noise: false,
        }
    }

    /// Another stretch follows.
    fn restart(&mut self) {
        let window = std::mem::take(&mut self.window);
        *self = Lead {
            window,
            ..Lead::new(0)
        };
    }

    /// The first sample of a stretch.
    fn begin(&mut self, x: f32) {
        self.window[..BEFORE].fill(x);
        (self.line.level, self.line.run) = (x, x);
    }

    /// Whether a look at the lead's faults is worth it.
    #[inline]
    fn is_suspect(&self, saturated: u64) -> bool {
        self.noise || self.line.is_odd(saturated)
    }

    /// Takes in samples of the window, up to the first suspect one if it is to
    /// stop there; returns how many.
    #[inline]
    fn run(&mut self, range: Range<usize>, rate: f32, saturated: u64, stop: bool) -> usize {
        let samples = &self.window[range];
        let mut line = self.line;
        let mut count = samples.len();
        for (at, x) in samples.iter().enumerate() {
            line.take(*x, rate, saturated);
            if stop && (self.noise || line.is_odd(saturated)) {
                count = at + 1;
                break;
            }
        }
        self.line = line;
        count
    }

    /// Judges a window that is complete.
    fn close(&mut self) {
        let noise = is_noise(&self.window);
        self.past = (self.past << 1 | u32::from(noise)) & ((1 << PAST) - 1);
        self.noise = match self.past.count_ones() {
            0 => false,
            count => self.noise || count >= NOISY_WINDOWS,
        };
        let end = self.window.len() - BEFORE;
        self.window.copy_within(end.., 0);
    }

    /// What is wrong with this lead.
    #[inline]
    fn fault(&self, saturated: u64, flat: u64, window: u64) -> Option<Fault> {
        let fault = |condition, frames| {
            Some(Fault {
                condition,
                frames,
                present: true,
            })
        };
        if (self.line.last - self.line.level).abs() > FARTHEST {
            return fault(Condition::OutOfRange, 1);
        }
        if self.line.length >= saturated && self.line.far {
            return fault(Condition::Saturated, self.line.length);
        }
        if self.line.length >= flat {
            return fault(Condition::Flat, self.line.length);
        }
        // From the oldest of the windows that told.
        let windows = u32::BITS - self.past.leading_zeros();
        self.noise.then(|| Fault {
            condition: Condition::Noise,
            frames: u64::from(windows) * window,
            present: self.past & 1 == 1,
        })
    }
}

/// Whether the samples from [`BEFORE`] on are noise. What tells most is looked
/// at first, since few windows are.
fn is_noise(samples: &[f32]) -> bool {
    let (before, window) = samples.split_at(BEFORE);
    let [_, _, mut before, mut last] = [before[0], before[1], before[2], before[3]];
    let (mut slopes, mut turns) = (0.0, 0.0);
    for &x in window {
        let (slope, turn) = (x - last, x - 2.0 * last + before);
        slopes += slope * slope;
        turns += turn * turn;
        (before, last) = (last, x);
    }
    let mean = |energy: f32| (energy / window.len() as f32).sqrt();
    if mean(slopes) <= LEAST_NOISE || turns <= TURNS * slopes {
        return false;
    }
    let (mut waves, mut highest) = (0.0, 0.0f32);
    for (x, before) in window.iter().zip(samples) {
        let wave = x - before;
        waves += wave * wave;
        highest = highest.max(wave.abs());
    }
    highest < CREST * mean(waves)
}

mod legibility;

pub(crate) use legibility::{Legibility, Stretch};

#[cfg(test)]
mod tests;
