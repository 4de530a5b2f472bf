//! The learning rate over a run.

use serde::{Deserialize, Serialize};

/// How the learning rate changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Stays.
    Constant,
    /// Half a cosine from the peak to nothing.
    Cosine,
    /// Multiplied by a factor whenever the monitored figure stalls.
    Plateau,
}

/// The settings of a schedule.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// How the learning rate changes.
    pub shape: Shape,
    /// Learning rate after the warm-up.
    pub peak: f64,
    /// Epochs over which the learning rate rises from nothing to its peak.
    pub warmup: f64,
    /// Epochs of the whole run.
    pub epochs: f64,
    /// Epochs without a better figure before a plateau is one.
    pub patience: usize,
    /// What a plateau multiplies the learning rate by.
    pub factor: f64,
}

/// What a plateau schedule remembers between epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    /// What the peak is multiplied by at present.
    pub scale: f64,
    /// Epochs since the figure was last better.
    pub stalled: usize,
}

impl Default for Plateau {
    fn default() -> Plateau {
        Plateau {
            scale: 1.0,
            stalled: 0,
        }
    }
}

impl Schedule {
    /// Learning rate `epoch` epochs into the run; a fraction is a part of an
    /// epoch.
    pub fn rate(&self, epoch: f64, plateau: &Plateau) -> f64 {
        if epoch < self.warmup {
            return self.peak * epoch / self.warmup;
        }
        match self.shape {
            Shape::Constant => self.peak,
            Shape::Plateau => self.peak * plateau.scale,
            Shape::Cosine => {
                let length = (self.epochs - self.warmup).max(f64::MIN_POSITIVE);
                let progress = ((epoch - self.warmup) / length).min(1.0);
                self.peak * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
            }
        }
    }

    /// Notes whether an epoch was the best so far.
    pub fn after_epoch(&self, improved: bool, plateau: &mut Plateau) {
        if self.shape != Shape::Plateau {
            return;
        }
        if improved {
            plateau.stalled = 0;
            return;
        }
        plateau.stalled += 1;
        if plateau.stalled > self.patience {
            plateau.scale *= self.factor;
            plateau.stalled = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(shape: Shape) -> Schedule {
        Schedule {
            shape,
            peak: 1.0,
            warmup: 2.0,
            epochs: 10.0,
            patience: 1,
            factor: 0.5,
        }
    }

    #[test]
    fn cosine_rises_then_falls_to_nothing() {
        let (schedule, plateau) = (schedule(Shape::Cosine), Plateau::default());
        let rates: Vec<f64> = [0.0, 1.0, 2.0, 6.0, 10.0]
            .iter()
            .map(|&e| schedule.rate(e, &plateau))
            .collect();
        for (rate, expected) in rates.iter().zip([0.0, 0.5, 1.0, 0.5, 0.0]) {
            assert!((rate - expected).abs() < 1e-12, "{rates:?}");
        }
    }

    #[test]
    fn plateau_waits_for_its_patience() {
        let (schedule, mut plateau) = (schedule(Shape::Plateau), Plateau::default());
        let mut rates = Vec::new();
        for improved in [true, false, false, false, true, false, false] {
            schedule.after_epoch(improved, &mut plateau);
            rates.push(schedule.rate(5.0, &plateau));
        }
        assert_eq!(rates, [1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25]);
    }
}
