//! The fiducial point of a beat in the filtered signal.

use crate::signal::recent::RecentSignal;

/// Farthest that a given position is moved to reach the fiducial point, in
/// seconds.
const REACH: f64 = 0.06;
/// Half width in seconds of the window over which slope is gathered: about
/// half a narrow QRS.
const HALF_WIDTH: f64 = 0.04;

/// Finds a beat's fiducial point: where the slope's energy, gathered over half
/// a QRS and over all leads, is largest within 60 ms of a given position. A
/// reference mark and a detected one lead to the same point, and polarity
/// does not matter.
#[derive(Clone, Debug)]
pub(crate) struct FiducialFinder {
    leads: usize,
    reach: usize,
    /// Weights of the gathering window, `2 * half + 1`.
    weights: Vec<f32>,
    half: usize,
    scratch: Vec<f32>,
    energy: Vec<f32>,
}

impl FiducialFinder {
    /// A finder in `leads` leads at `fs` Hz.
    pub fn new(fs: f64, leads: usize) -> FiducialFinder {
        let reach = (REACH * fs).round() as usize;
        let half = (HALF_WIDTH * fs).round() as usize;
        // A Hann window: the energy then varies smoothly with the position.
        let weights = (0..=2 * half)
            .map(|j| {
                let t = std::f32::consts::PI * (j as f32 + 1.0) / (2.0 * half as f32 + 2.0);
                t.sin().powi(2)
            })
            .collect();
        FiducialFinder {
            leads,
            reach,
            weights,
            half,
            scratch: vec![0.0; 2 * (reach + half + 1) + 3],
            energy: vec![0.0; 2 * (reach + half + 1) + 1],
        }
    }

    /// Frames after a position that the search looks at.
    pub fn look_ahead(&self) -> u64 {
        (self.reach + self.half + 2) as u64
    }

    /// The fiducial point near frame `position`, to a fraction of a frame.
    pub fn find(&mut self, signal: &RecentSignal, position: u64) -> f64 {
        // One position more on each side than the search, for the parabola.
        let margin = self.reach + self.half + 1;
        let start = position as i64 - margin as i64;
        self.energy.fill(0.0);
        for lead in 0..self.leads {
            signal.copy(lead, start - 1, &mut self.scratch);
            for (e, w) in self.energy.iter_mut().zip(self.scratch.windows(3)) {
                *e += (w[2] - w[0]).powi(2);
            }
        }
        let gathered = |at: usize| -> f32 {
            let near = &self.energy[at..at + 2 * self.half + 1];
            near.iter().zip(&self.weights).map(|(e, w)| e * w).sum()
        };
        // Ties, as in a flat line, go to the given position.
        let (mut best, mut most) = (self.reach + 1, gathered(self.reach + 1));
        for at in 1..=2 * self.reach + 1 {
            let here = gathered(at);
            if here > most {
                (best, most) = (at, here);
            }
        }
        let (left, right) = (gathered(best - 1), gathered(best + 1));
        let bend = left - 2.0 * most + right;
        let fraction = if bend < 0.0 {
            (0.5 * (left - right) / bend).clamp(-0.5, 0.5)
        } else {
            0.0
        };
        let moved = best as f64 - (self.reach + 1) as f64 + f64::from(fraction);
        (position as f64 + moved).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::frames::Frames;
    use proptest::prelude::*;

    fn signal(height: f32, at: f64) -> RecentSignal {
        let mut signal = RecentSignal::new(1, 512);
        for i in 0..300 {
            let t = (f64::from(i) - at) / 128.0;
            let value = height * (-0.5 * (t / 0.02).powi(2)).exp() as f32;
            signal.push(Frames::one(&[value]));
        }
        signal
    }

    proptest! {
        #[test]
        fn positions_near_a_beat_lead_to_its_middle(
            at in 100.0..200.0f64, off in -7.0..7.0f64, height in prop::sample::select(vec![-3.0f32, -0.3, 0.2, 5.0]),
        ) {
            let signal = signal(height, at);
            let found = FiducialFinder::new(128.0, 1).find(&signal, (at + off).round() as u64);
            prop_assert!((found - at).abs() < 0.25, "{found} for {at}");
        }
    }

    #[test]
    fn a_flat_line_keeps_the_given_position() {
        let found = FiducialFinder::new(128.0, 1).find(&signal(0.0, 150.0), 77);
        assert_eq!(found, 77.0);
    }
}
