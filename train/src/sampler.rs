//! Which beats an epoch shows, and in what order.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Draws the rows of each epoch.
#[derive(Clone, Debug)]
pub struct Sampler {
    seed: u64,
    /// Running sum of the rows' weights; empty for a plain shuffle.
    cumulative: Vec<f64>,
    rows: usize,
    /// Rows shown per epoch.
    shown: usize,
    /// Share of each class among the rows shown, on average.
    shares: Vec<f64>,
}

impl Sampler {
    /// A sampler over rows of these of `classes` classes, with these weights
    /// (empty for equal ones), that shows `shown` rows per epoch; 0 for as many as there are.
    ///
    /// A row's weight is multiplied by `1 / sum^balance` with the sum of its
    /// class's weights: `balance` 0 shows every row once an epoch (unless
    /// weights or `shown` say otherwise), 1 shows all classes equally often,
    /// between them lies a compromise.
    pub fn new(
        labels: &[usize],
        classes: usize,
        weights: &[f32],
        balance: f64,
        shown: usize,
        seed: u64,
    ) -> Sampler {
        let weight = |row: usize| weights.get(row).map_or(1.0, |&w| f64::from(w));
        let mut sums = vec![0.0; classes];
        for (row, &label) in labels.iter().enumerate() {
            sums[label] += weight(row);
        }
        let factor = |&s: &f64| if s > 0.0 { s.powf(-balance) } else { 0.0 };
        let factors: Vec<f64> = sums.iter().map(factor).collect();
        let total: f64 = sums.iter().zip(&factors).map(|(s, f)| s * f).sum();
        let mut shares = sums;
        for (share, factor) in shares.iter_mut().zip(&factors) {
            *share *= factor / total;
        }
        let plain = balance == 0.0 && weights.is_empty() && shown == 0;
        let mut cumulative = Vec::new();
        if !plain {
            let mut sum = 0.0;
            cumulative.extend(labels.iter().enumerate().map(|(row, &label)| {
                sum += weight(row) * factors[label];
                sum
            }));
        }
        Sampler {
            seed,
            cumulative,
            rows: labels.len(),
            shown: if shown == 0 { labels.len() } else { shown },
            shares,
        }
    }

    /// Share of each class among the rows shown, on average.
    pub fn shares(&self) -> &[f64] {
        &self.shares
    }

    /// How likely each row is to be the next one shown.
    pub fn probabilities(&self) -> Vec<f64> {
        let Some(&sum) = self.cumulative.last() else {
            return vec![1.0 / self.rows.max(1) as f64; self.rows];
        };
        let before = std::iter::once(&0.0).chain(&self.cumulative);
        let pairs = self.cumulative.iter().zip(before);
        pairs.map(|(to, from)| (to - from) / sum).collect()
    }

    /// Rows of an epoch; the same for the same seed and epoch, so that a resumed run sees what it would have seen.
    pub fn epoch(&self, epoch: usize) -> Vec<i64> {
        let mut random = ChaCha8Rng::seed_from_u64(mix(self.seed, epoch as u64, 0));
        let Some(&sum) = self.cumulative.last() else {
            let mut order: Vec<i64> = (0..self.rows as i64).collect();
            order.shuffle(&mut random);
            return order;
        };
        (0..self.shown)
            .map(|_| {
                let at = random.random_range(0.0..sum);
                let row = self.cumulative.partition_point(|&c| c <= at);
                row.min(self.rows - 1) as i64
            })
            .collect()
    }
}

/// A seed for one step of one epoch of a run (the finaliser of splitmix64).
pub fn mix(seed: u64, epoch: u64, step: u64) -> u64 {
    let mut z = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(epoch.wrapping_mul(0xbf58_476d_1ce4_e5b9))
        .wrapping_add(step.wrapping_mul(0x94d0_49bb_1331_11eb))
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Vec<usize> {
        let mut labels = vec![0; 900];
        labels.extend([1; 80]);
        labels.extend([3; 20]);
        labels
    }

    fn share(rows: &[i64], labels: &[usize], class: usize) -> f64 {
        let hits = rows.iter().filter(|&&r| labels[r as usize] == class);
        hits.count() as f64 / rows.len() as f64
    }

    #[test]
    fn without_balance_every_row_comes_once() {
        let labels = labels();
        let sampler = Sampler::new(&labels, 5, &[], 0.0, 0, 1);
        let mut rows = sampler.epoch(0);
        assert_ne!(rows, sampler.epoch(1));
        assert_eq!(rows, sampler.epoch(0));
        rows.sort_unstable();
        assert_eq!(rows, (0..1000).collect::<Vec<i64>>());
    }

    #[test]
    fn balance_equals_the_classes_out() {
        let labels = labels();
        let rows: Vec<i64> = {
            let sampler = Sampler::new(&labels, 5, &[], 1.0, 0, 7);
            (0..20).flat_map(|e| sampler.epoch(e)).collect()
        };
        for class in [0, 1, 3] {
            let share = share(&rows, &labels, class);
            assert!((share - 1.0 / 3.0).abs() < 0.02, "{class}: {share}");
        }
        let rows: Vec<i64> = {
            let sampler = Sampler::new(&labels, 5, &[], 0.5, 0, 7);
            (0..20).flat_map(|e| sampler.epoch(e)).collect()
        };
        // Square roots of 900, 80 and 20.
        let expected = 20_f64.sqrt() / (900_f64.sqrt() + 80_f64.sqrt() + 20_f64.sqrt());
        assert!((share(&rows, &labels, 3) - expected).abs() < 0.02);
    }

    #[test]
    fn weights_and_length_are_kept() {
        let labels = labels();
        let weights: Vec<f32> = (0..1000)
            .map(|row| if row < 450 { 0.0 } else { 1.0 })
            .collect();
        let sampler = Sampler::new(&labels, 5, &weights, 0.5, 5000, 3);
        let rows = sampler.epoch(0);
        assert_eq!(rows.len(), 5000);
        assert!(rows.iter().all(|&row| row >= 450));
        for class in [0, 1, 3] {
            let found = share(&rows, &labels, class);
            let expected = sampler.shares()[class];
            assert!(
                (found - expected).abs() < 0.03,
                "{class}: {found}, {expected}"
            );
        }
    }
}
