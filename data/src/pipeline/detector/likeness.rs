//! How alike a candidate is to the patient's QRS, by the slopes.

use crate::signal::recent::RecentSignal;
use crate::signal::vectors::dot;

/// Share of a beat in the QRS template.
const TEMPLATE_RATE: f32 = 0.125;
/// Share of a beat in a template in doubt, and for how many beats it is.
const DOUBTED_RATE: f32 = 0.5;
const DOUBTED_BEATS: u32 = 4;
/// QrsLikeness while there is nothing to compare with.
const UNKNOWN: f32 = 0.5;
/// Half length of the QRS template and its largest shift, in seconds.
const TEMPLATE_HALF: f64 = 0.09;
const TEMPLATE_SHIFT: f64 = 0.024;

/// How the slopes around a candidate look.
#[derive(Clone, Copy, Debug)]
pub(super) struct QrsLikeness {
    /// Correlation with the mean QRS and with the last beat's, in the lead
    /// where it is highest.
    pub mean: f32,
    pub last: f32,
    /// Share of quick turns: the slope's difference against itself.
    pub texture: f32,
}

/// The patient's QRS in the slopes: a running mean and the last beat.
#[derive(Clone, Debug)]
pub(super) struct QrsTemplate {
    leads: usize,
    half: usize,
    shift: usize,
    /// Mean and last beat with norm 1 per lead, `leads x (2 half + 1)`.
    mean: Vec<f32>,
    last: Vec<f32>,
    known: bool,
    /// Beats until the template is trusted again.
    doubt: u32,
    /// The stretch under comparison, `leads x (2 (half + shift) + 1)`.
    excerpt: Vec<f32>,
    best: Vec<f32>,
}

impl QrsTemplate {
    /// Nothing known yet of `leads` leads at `fs` Hz.
    pub fn new(fs: f64, leads: usize) -> QrsTemplate {
        let half = (TEMPLATE_HALF * fs).round() as usize;
        let shift = (TEMPLATE_SHIFT * fs).round() as usize;
        let length = 2 * half + 1;
        QrsTemplate {
            leads,
            half,
            shift,
            mean: vec![0.0; leads * length],
            last: vec![0.0; leads * length],
            known: false,
            doubt: 0,
            excerpt: vec![0.0; leads * (length + 2 * shift)],
            best: vec![0.0; leads * length],
        }
    }

    /// Forgets the patient.
    pub fn clear(&mut self) {
        self.known = false;
        self.doubt = 0;
    }

    /// The patient's QRS may look different now: being unlike the template
    /// speaks against a candidate no more than not knowing any.
    pub fn doubt(&mut self) {
        self.doubt = DOUBTED_BEATS;
    }

    /// Compares the slopes around a frame with what is known.
    pub fn compare(&mut self, slopes: &RecentSignal, at: u64) -> QrsLikeness {
        self.cut(slopes, at);
        let length = 2 * self.half + 1;
        let width = length + 2 * self.shift;
        let (mut turns, mut energy) = (0.0, 1e-12);
        for lead in self.excerpt.chunks_exact(width) {
            turns += lead.windows(2).map(|w| (w[1] - w[0]).powi(2)).sum::<f32>();
            energy += dot(lead, lead);
        }
        let texture = (turns / energy).sqrt();
        if !self.known {
            return QrsLikeness {
                mean: UNKNOWN,
                last: UNKNOWN,
                texture,
            };
        }
        // The best lead counts, so that one which fails does not spoil the rest.
        let mut best = (-1.0f32, -1.0f32);
        for (lead, excerpt) in self.excerpt.chunks_exact(width).enumerate() {
            let mean = &self.mean[lead * length..][..length];
            let last = &self.last[lead * length..][..length];
            for beat in excerpt.windows(length) {
                let scale = 1.0 / (dot(beat, beat) + 1e-12).sqrt();
                best.0 = best.0.max(dot(beat, mean) * scale);
                best.1 = best.1.max(dot(beat, last) * scale);
            }
        }
        let least = if self.doubt > 0 { UNKNOWN } else { -1.0 };
        QrsLikeness {
            mean: best.0.max(least),
            last: best.1.max(least),
            texture,
        }
    }

    /// Learns the QRS at a frame of the slopes, which is a beat.
    pub fn learn(&mut self, slopes: &RecentSignal, at: u64) {
        self.cut(slopes, at);
        let length = 2 * self.half + 1;
        let width = length + 2 * self.shift;
        // The shift that fits the mean best; the middle for a first beat.
        let mut best = (f32::MIN, self.shift);
        if self.known {
            for shift in 0..=2 * self.shift {
                let sum = (0..self.leads).map(|lead| {
                    let beat = &self.excerpt[lead * width + shift..][..length];
                    dot(beat, &self.mean[lead * length..][..length])
                });
                let sum: f32 = sum.sum();
                if sum > best.0 {
                    best = (sum, shift);
                }
            }
        }
        for lead in 0..self.leads {
            let beat = &self.excerpt[lead * width + best.1..][..length];
            self.best[lead * length..][..length].copy_from_slice(beat);
        }
        self.best.chunks_exact_mut(length).for_each(normalise);
        self.last.copy_from_slice(&self.best);
        let rate = match (self.known, self.doubt) {
            (false, _) => 1.0,
            (true, 0) => TEMPLATE_RATE,
            (true, _) => DOUBTED_RATE,
        };
        self.doubt = self.doubt.saturating_sub(1);
        for (m, x) in self.mean.iter_mut().zip(&self.best) {
            *m = (1.0 - rate) * *m + rate * x;
        }
        self.mean.chunks_exact_mut(length).for_each(normalise);
        self.known = true;
    }

    /// Copies the stretch around a frame.
    fn cut(&mut self, slopes: &RecentSignal, at: u64) {
        let reach = self.half + self.shift;
        let start = at as i64 - reach as i64;
        let width = 2 * reach + 1;
        for (lead, part) in self.excerpt.chunks_exact_mut(width).enumerate() {
            slopes.copy(lead, start, part);
        }
    }
}

/// Divides by the norm.
fn normalise(values: &mut [f32]) {
    let scale = 1.0 / (dot(values, values) + 1e-12).sqrt();
    values.iter_mut().for_each(|v| *v *= scale);
}
