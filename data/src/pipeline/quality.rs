//! Signal quality around a beat.

/// Noise, as a part of the QRS, at which the quality is one half.
const HALF: f32 = 0.25;

/// Measures how far a beat stands out of the noise around it: the mean
/// curvature (second difference) of the signal where it should be smooth,
/// between the waves, against that of the QRS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quality {
    /// Samples: half a QRS, and how far to look on both sides.
    half: usize,
    reach: usize,
}

impl Quality {
    pub fn new(fs: f64) -> Quality {
        Quality {
            half: (0.08 * fs).round() as usize,
            reach: (0.3 * fs).round() as usize,
        }
    }

    /// Quality from 0 to 1 of a beat at index `centre` of every lead in
    /// `excerpt` (`leads x length`): the mean over leads.
    pub fn of(&self, excerpt: &[f32], length: usize, centre: usize) -> f32 {
        let leads = excerpt.chunks_exact(length);
        let count = leads.len().max(1) as f32;
        leads.map(|lead| self.of_lead(lead, centre)).sum::<f32>() / count
    }

    fn of_lead(&self, values: &[f32], centre: usize) -> f32 {
        let mean = |from: usize, to: usize| {
            let part = &values[from..to.min(values.len())];
            let bends = part.windows(3).map(|w| (w[2] - 2.0 * w[1] + w[0]).abs());
            bends.sum::<f32>() / part.len().saturating_sub(2).max(1) as f32
        };
        let from = centre.saturating_sub(self.reach);
        let (left, right) = (centre.saturating_sub(self.half), centre + self.half);
        let beat = mean(left, right);
        let noise = 0.5 * (mean(from, left) + mean(right, centre + self.reach));
        if beat <= f32::EPSILON {
            return 0.0;
        }
        1.0 / (1.0 + (noise / (HALF * beat)).powi(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_lowers_it_and_gain_does_not() {
        let quality = Quality::new(128.0);
        let excerpt = |gain: f32, noise: f32| -> Vec<f32> {
            (0..160)
                .map(|i| {
                    let qrs = (-0.5 * ((i as f32 - 80.0) / 2.5).powi(2)).exp();
                    let hash = (i * 7919 % 31) as f32 / 15.5 - 1.0;
                    gain * (qrs + noise * hash)
                })
                .collect()
        };
        let of = |gain, noise| quality.of(&excerpt(gain, noise), 160, 80);
        assert!(of(1.0, 0.0) > 0.95);
        assert!(of(1.0, 0.02) > of(1.0, 0.1) && of(1.0, 0.1) > of(1.0, 0.5));
        assert!(of(1.0, 0.5) < 0.1);
        assert!((of(0.1, 0.05) - of(20.0, 0.05)).abs() < 1e-4);
        assert_eq!(quality.of(&[0.0; 160], 160, 80), 0.0);
    }
}
