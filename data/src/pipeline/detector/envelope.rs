//! From frames to candidates: the envelope of the QRS band and its peaks.

use crate::record::error::Result;
use crate::signal::filter::BandPass;
use crate::signal::frames::{Frames, MOST};

/// Band in Hz in which the QRS stands out from P, T and wander.
const BAND: [f64; 2] = [4.0, 24.0];
/// Seconds of each of the two moving sums over the slope's energy; together
/// they weight like a triangle as wide as a QRS.
const SUM: f64 = 0.055;
/// A peak counts when nothing higher follows for so long, in seconds.
const CLEAR: f64 = 0.09;
/// Seconds over which a lead's mean energy is taken, to weigh leads.
const LEVEL: f64 = 8.0;
/// Most that a lead's energy counts, in means: more than a QRS has, less than
/// the return of a lead that was off.
const MOST_ENERGY: f64 = 100.0;
/// Smallest mean energy per lead, in mV squared: keeps a flat lead quiet.
const LEAST_ENERGY: f64 = 1e-7;

/// A sum over the last few values, free of allocation after construction.
#[derive(Clone, Debug)]
struct MovingSum {
    values: Vec<f64>,
    at: usize,
    sum: f64,
}

impl MovingSum {
    fn new(length: usize) -> MovingSum {
        MovingSum {
            values: vec![0.0; length.max(1)],
            at: 0,
            sum: 0.0,
        }
    }

    /// Replaces values by the sums that end with them.
    #[inline]
    fn run(&mut self, values: &mut [f64]) {
        let mut rest = values;
        while !rest.is_empty() {
            let old = &mut self.values[self.at..];
            let (part, others) = rest.split_at_mut(rest.len().min(old.len()));
            let mut sum = self.sum;
            for (value, old) in part.iter_mut().zip(old) {
                sum += *value - std::mem::replace(old, *value);
                *value = sum.max(0.0);
            }
            self.at += part.len();
            if self.at == self.values.len() {
                self.at = 0;
                // Once per turn the sum is made anew, so that rounding errors
                // cannot pile up over a month.
                sum = self.values.iter().sum();
                if let Some(last) = part.last_mut() {
                    *last = sum.max(0.0);
                }
            }
            self.sum = sum;
            rest = others;
        }
    }

    fn clear(&mut self) {
        self.values.fill(0.0);
        (self.at, self.sum) = (0, 0.0);
    }
}

/// One lead's slope in the QRS band.
#[derive(Clone, Debug)]
struct Slope {
    filter: BandPass,
    last: [f64; 2],
    /// Running mean of the slope's energy; 0 before the first frame.
    mean: f64,
}

/// The envelope of the QRS band over all leads.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    leads: Vec<Slope>,
    sums: [MovingSum; 2],
    rate: f64,
    delay: u64,
}

impl Envelope {
    pub fn new(fs: f64, leads: usize) -> Result<Envelope> {
        let filter = BandPass::new(BAND, fs)?;
        let length = (SUM * fs).round() as usize;
        // The slope is centred one frame back, the sums half a length each.
        let delay = filter.delay(12.0, fs) + 1.0 + (length as f64 - 1.0);
        let slope = Slope {
            filter,
            last: [0.0; 2],
            mean: 0.0,
        };
        Ok(Envelope {
            leads: vec![slope; leads],
            sums: [MovingSum::new(length), MovingSum::new(length)],
            rate: 1.0 / (LEVEL * fs),
            delay: delay.round() as u64,
        })
    }

    /// Frames by which the envelope lags behind the signal.
    pub fn delay(&self) -> u64 {
        self.delay
    }

    /// Frames by which the envelope lags behind the slopes.
    pub fn smoothing(&self) -> u64 {
        self.sums[0].values.len() as u64 - 1
    }

    pub fn restart(&mut self) {
        for lead in &mut self.leads {
            lead.filter.reset();
            lead.last = [0.0; 2];
        }
        self.sums.iter_mut().for_each(MovingSum::clear);
    }

    pub fn reset(&mut self) {
        self.restart();
        self.leads.iter_mut().for_each(|lead| lead.mean = 0.0);
    }

    /// The filter of a lead, which its frames pass before [`Envelope::take`].
    #[inline]
    pub fn filter(&mut self, lead: usize) -> &mut BandPass {
        &mut self.leads[lead].filter
    }

    /// Takes filtered frames in, at most [`MOST`], and returns the envelope in
    /// each; `slopes` gets every lead's slopes. One lead's envelope is in mV per
    /// frame; several are each divided by their running mean first, so that a
    /// lead with clear peaks counts for more than a noisy one.
    #[inline]
    pub fn take(
        &mut self,
        frames: Frames<'_>,
        mut slopes: impl FnMut(usize, &[f32]),
    ) -> [f32; MOST] {
        let several = self.leads.len() > 1;
        let mut energies = [0.0; MOST];
        let energies = &mut energies[..frames.count()];
        let mut slope = [0.0; MOST];
        let slope = &mut slope[..frames.count()];
        for (at, (lead, values)) in self.leads.iter_mut().zip(frames.leads()).enumerate() {
            for ((&y, slope), energy) in values.iter().zip(&mut *slope).zip(&mut *energies) {
                let y = f64::from(y);
                let d = y - lead.last[1];
                lead.last = [y, lead.last[0]];
                *slope = d as f32;
                let e = d * d;
                if several {
                    let rate = if lead.mean == 0.0 { 1.0 } else { self.rate };
                    lead.mean += rate * (e.min(400.0 * lead.mean.max(LEAST_ENERGY)) - lead.mean);
                    *energy += (e / lead.mean.max(LEAST_ENERGY)).min(MOST_ENERGY);
                } else {
                    *energy = e;
                }
            }
            slopes(at, slope);
        }
        self.sums.iter_mut().for_each(|sum| sum.run(energies));
        let mut levels = [0.0; MOST];
        for (level, energy) in levels.iter_mut().zip(&*energies) {
            *level = energy.sqrt() as f32;
        }
        levels
    }
}

/// Finds the peaks of an envelope.
#[derive(Clone, Copy, Debug)]
pub(super) struct PeakPicker {
    clear: u64,
    /// The lowest value since the last peak; `None` while rising.
    valley: Option<f32>,
    height: f32,
    at: u64,
}

impl PeakPicker {
    pub fn new(fs: f64) -> PeakPicker {
        PeakPicker {
            clear: (CLEAR * fs).round() as u64,
            valley: Some(f32::MAX),
            height: 0.0,
            at: 0,
        }
    }

    pub fn restart(&mut self) {
        self.valley = Some(f32::MAX);
    }

    /// Takes the envelope at frame `now`; returns the frame and height of a
    /// peak that is now certain.
    #[inline]
    pub fn push(&mut self, now: u64, value: f32) -> Option<(u64, f32)> {
        match self.valley {
            Some(low) if value <= low => self.valley = Some(value),
            Some(_) => {
                self.valley = None;
                (self.height, self.at) = (value, now);
            }
            None if value > self.height => (self.height, self.at) = (value, now),
            None if now - self.at >= self.clear => {
                self.valley = Some(value);
                return Some((self.at, self.height));
            }
            None => {}
        }
        None
    }
}
