//! The QRS detector: streaming, causal, at the contract's rate.

use crate::error::Result;
use crate::filter::BandPass;

/// Band in Hz in which the QRS stands out.
const BAND: [f64; 2] = [5.0, 20.0];
/// Seconds over which the slope's energy is gathered.
const GATHER: f64 = 0.1;
/// No two beats come closer than this, in seconds.
const REFRACTORY: f64 = 0.2;
/// Where between noise and signal level the threshold lies.
const THRESHOLD: f32 = 0.25;
/// Part of the threshold that is enough after `LATE` times the usual RR.
const SEARCH_BACK: f32 = 0.4;
const LATE: f64 = 1.66;
/// Seconds at the start in which levels are learned.
const LEARNING: f64 = 2.0;
/// Share of a new peak in the running levels.
const RATE: f32 = 0.125;
/// Part of the signal level that is forgotten per second without a beat.
const DECAY: f64 = 0.25;

/// Finds QRS complexes in frames of the contract's rate. Allocates only in
/// [`Detector::new`].
#[derive(Clone, Debug)]
pub struct Detector {
    fs: f64,
    filters: Vec<BandPass>,
    /// Per lead the last two filtered samples.
    last: Vec<[f32; 2]>,
    /// Ring of slope energies, and their sum.
    slopes: Vec<f32>,
    gathered: f64,
    /// The largest gathered energy since the last valley, and where.
    peak: (f32, u64),
    frames: u64,
    signal: f32,
    noise: f32,
    rr: f64,
    beat: Option<u64>,
    /// The largest peak refused since the last beat.
    refused: (f32, u64),
}

impl Detector {
    /// Longest time in seconds from a QRS to its detection, search-back apart.
    pub const DELAY: f64 = 0.4;

    /// A detector for `leads` leads at `fs` Hz.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] when the rate is too low for the QRS band.
    pub fn new(fs: f64, leads: usize) -> Result<Detector> {
        Ok(Detector {
            fs,
            filters: vec![BandPass::new(BAND, fs)?; leads],
            last: vec![[0.0; 2]; leads],
            slopes: vec![0.0; (GATHER * fs).round() as usize],
            gathered: 0.0,
            peak: (0.0, 0),
            frames: 0,
            signal: 0.0,
            noise: 0.0,
            rr: 0.8,
            beat: None,
            refused: (0.0, 0),
        })
    }

    /// Frames after the last one of a recording within which its last beats
    /// are still reported.
    pub fn delay(&self) -> u64 {
        (Detector::DELAY * self.fs) as u64
    }

    /// The next frame is number 0 of a new stretch of the same recording.
    pub fn restart(&mut self) {
        self.filters.iter_mut().for_each(BandPass::reset);
        self.last.fill([0.0; 2]);
        self.slopes.fill(0.0);
        self.gathered = 0.0;
        self.peak = (0.0, 0);
        self.frames = 0;
        self.beat = None;
        self.refused = (0.0, 0);
    }

    /// Forgets the recording.
    pub fn reset(&mut self) {
        self.restart();
        (self.signal, self.noise, self.rr) = (0.0, 0.0, 0.8);
    }

    /// Takes a frame in; returns the frame number of a QRS complex found.
    #[inline]
    pub fn push(&mut self, frame: &[f32]) -> Option<u64> {
        let mut energy = 0.0;
        for ((filter, last), &x) in self.filters.iter_mut().zip(&mut self.last).zip(frame) {
            let y = filter.step(x);
            energy += (y - last[1]).powi(2);
            *last = [y, last[0]];
        }
        let at = (self.frames % self.slopes.len() as u64) as usize;
        self.gathered += f64::from(energy) - f64::from(self.slopes[at]);
        self.slopes[at] = energy;
        let level = self.gathered.max(0.0).sqrt() as f32;
        let now = self.frames;
        self.frames += 1;
        // The middle of the gathering window, less the filter's own delay.
        let centre = now.saturating_sub(self.slopes.len() as u64 / 2 + 3);
        if level > self.peak.0 {
            self.peak = (level, centre);
        }
        let wait = (REFRACTORY * self.fs) as u64;
        if self.peak.0 > 0.0 && centre >= self.peak.1 + wait / 2 {
            let (height, place) = std::mem::replace(&mut self.peak, (level, centre));
            return self.judge(height, place);
        }
        None
    }

    fn judge(&mut self, height: f32, place: u64) -> Option<u64> {
        let since = self.beat.map(|b| (place - b.min(place)) as f64 / self.fs);
        if since.is_some_and(|s| s < REFRACTORY) {
            return None;
        }
        if place < (LEARNING * self.fs) as u64 {
            // The largest peak so far is the best guess at a beat's.
            self.signal = self.signal.max(height);
        }
        let patience = since.map_or(0.0, |s| (s - LATE * self.rr).max(0.0));
        let signal = self.signal * (1.0 - DECAY * patience).max(0.2) as f32;
        let threshold = self.noise + THRESHOLD * (signal - self.noise);
        if height > threshold {
            self.accept(height, place, since);
            return Some(place);
        }
        self.noise += RATE * (height - self.noise);
        if height > self.refused.0 {
            self.refused = (height, place);
        }
        if since.is_some_and(|s| s > LATE * self.rr) && self.refused.0 > SEARCH_BACK * threshold {
            let (height, place) = self.refused;
            let since = self.beat.map(|b| (place - b.min(place)) as f64 / self.fs);
            self.accept(height, place, since);
            return Some(place);
        }
        None
    }

    fn accept(&mut self, height: f32, place: u64, since: Option<f64>) {
        self.signal += RATE * (height.min(3.0 * self.signal) - self.signal);
        if let Some(rr) = since.filter(|s| *s < 2.0) {
            self.rr += f64::from(RATE) * (rr - self.rr);
        }
        self.beat = Some(place);
        self.refused = (0.0, 0);
    }
}
