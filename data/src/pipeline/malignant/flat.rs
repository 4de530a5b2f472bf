//! Whether the line is flat: no electrical activity that could be a beat.

use super::block::PARTS;

/// Root mean square slope, in mV per two frames of 128 Hz, below which a line
/// is flat whatever the patient's QRS: that of a wave of 0.1 mV and 5 per
/// second, less than fibrillation has.
const LEAST: f32 = 0.02;
/// The same where the patient's QRS is known to be steep, as a part of its slope,
/// and at most.
const PART: f32 = 0.06;
const MOST: f32 = 0.04;
/// Seconds over which the patient's QRS is learnt.
const USUAL: f32 = 30.0;

/// Follows how long a lead has been flat.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flat {
    /// The usual strongest slope of a second; 0 before the first.
    usual: f32,
    /// Eighths of a second that have been flat up to now.
    parts: u64,
}

impl Flat {
    /// Takes the mean squared slopes of a second's eight parts.
    pub fn take(&mut self, slopes: &[f32; PARTS]) {
        let limit = (PART * self.usual).clamp(LEAST, MOST);
        for slope in slopes {
            if *slope < limit * limit {
                self.parts += 1;
            } else {
                self.parts = 0;
            }
        }
        let strongest = slopes.iter().fold(0.0f32, |a, &b| a.max(b)).sqrt();
        // Neither flat lines nor artefacts tell of the patient's QRS.
        if strongest > 2.0 * limit {
            let rate = if self.usual == 0.0 { 1.0 } else { 1.0 / USUAL };
            self.usual += rate * (strongest.min(3.0 * self.usual.max(0.1)) - self.usual);
        }
    }

    /// Seconds that the lead has been flat up to now.
    pub fn seconds(&self) -> f64 {
        self.parts as f64 / PARTS as f64
    }

    /// What follows is another stretch of signal.
    pub fn restart(&mut self) {
        self.parts = 0;
    }

    /// Forgets the patient too.
    pub fn reset(&mut self) {
        *self = Flat::default();
    }
}
