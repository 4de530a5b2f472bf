//! What the decision about a candidate goes by.

use super::{Candidate, Detector, Features, LIMIT, LOOK_AHEAD, USUAL_RR};

impl Detector {
    /// The features of a candidate, in the order that the weights expect: part of
    /// the trained detector.
    pub(super) fn features(&mut self, candidate: Candidate) -> Features {
        let Candidate {
            at,
            height,
            likeness,
        } = candidate;
        let fs = self.fs;
        let ratio = |a: f32, b: f32| (a.max(1e-6) / b.max(1e-6)).ln().clamp(-LIMIT, LIMIT);
        let signal = self.signal_level(at);
        let since = self.since_last(candidate).unwrap_or(USUAL_RR).min(3.0) as f32;
        let rr = self.rr() as f32;
        let last_height = self.last.map_or(signal, |l| l.height);
        let ahead = self.look_ahead;
        let seconds = |from: u64, to: u64| (to.saturating_sub(from) as f64 / fs) as f32;
        // The strongest rival ahead, and the one that looks most like a QRS.
        let (mut rival, mut alike) = ((0.0f32, LOOK_AHEAD as f32 * 1.2), -1.0f32);
        for other in self.waiting.iter().filter(|c| c.at <= at + ahead) {
            if other.height > rival.0 {
                rival = (other.height, seconds(at, other.at));
            }
            if other.height > 0.3 * height {
                alike = alike.max(other.likeness.mean.max(other.likeness.last));
            }
        }
        let refused = self.highest_refused;
        let refused_age = refused.map_or(2.0, |r| seconds(r.at, at).min(2.0));
        let start = at as i64 - self.scratch.len() as i64 / 2;
        self.levels.copy(0, start, &mut self.scratch);
        let middle = self.scratch.len() / 2;
        let frames = |seconds: f64| (seconds * fs).round() as usize;
        let mean = |from: usize, to: usize| {
            let part = &self.scratch[from..to];
            part.iter().sum::<f32>() / part.len() as f32
        };
        let (near, far) = (frames(0.047), frames(0.1));
        let flank_before = mean(middle - far, middle - near);
        let flank_after = mean(middle + near, middle + far);
        let before = mean(middle - frames(0.36), middle - frames(0.14));
        let after = mean(middle + frames(0.14), middle + frames(LOOK_AHEAD));
        let spread = match (self.intervals.quantile(0.2), self.intervals.quantile(0.8)) {
            (Some(low), Some(high)) => (high / low.max(0.1)).ln() as f32,
            _ => 0.0,
        };
        [
            ratio(height, signal),
            ratio(height, self.noise),
            since / rr,
            since,
            ratio(since, rr),
            ratio(height, last_height),
            ratio(rival.0, height),
            rival.1,
            alike,
            ratio(refused.map_or(0.0, |r| r.height), height),
            refused_age,
            refused.map_or(0.0, |r| r.likeness.mean),
            ratio(flank_before, height),
            ratio(flank_after, height),
            ratio(before, height),
            ratio(after, height),
            likeness.mean,
            likeness.last,
            likeness.texture,
            self.last.map_or(1.0, |l| l.likeness.mean),
            spread.clamp(0.0, LIMIT),
            rr,
        ]
    }
}
