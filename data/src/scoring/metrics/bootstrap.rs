//! Intervals by the bootstrap.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

/// A range that holds the central part of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The 95 % interval of a statistic over groups, by the percentile bootstrap:
/// groups are drawn with replacement `draws` times, as many as there are.
///
/// A group is what is independent: a patient, since the beats of one patient
/// are alike. Draws for which the statistic is undefined are left out; `None`
/// when that leaves nothing.
pub fn bootstrap<T>(
    groups: &[T],
    draws: usize,
    seed: u64,
    statistic: impl Fn(&[&T]) -> Option<f64>,
) -> Option<Interval> {
    if groups.is_empty() {
        return None;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut sample = Vec::with_capacity(groups.len());
    let mut values: Vec<f64> = (0..draws)
        .filter_map(|_| {
            sample.clear();
            sample.extend((0..groups.len()).map(|_| &groups[rng.random_range(0..groups.len())]));
            statistic(&sample)
        })
        .collect();
    values.sort_by(f64::total_cmp);
    Some(Interval {
        low: percentile(&values, 0.025)?,
        high: percentile(&values, 0.975)?,
    })
}

/// The value below which a fraction `q` of the ascending `sorted` lies, with
/// linear interpolation between neighbours (as numpy does); `None` of nothing.
pub fn percentile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = q.clamp(0.0, 1.0) * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    Some(sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(sample: &[&f64]) -> Option<f64> {
        Some(sample.iter().copied().sum::<f64>() / sample.len() as f64)
    }

    #[test]
    fn percentiles_interpolate_as_numpy_does() {
        let values = [1.0, 2.0, 4.0, 8.0];
        assert_eq!(percentile(&values, 0.5), Some(3.0));
        assert_eq!(percentile(&values, 0.25), Some(1.75));
        assert_eq!(percentile(&values, 1.0), Some(8.0));
        assert_eq!(percentile(&[], 0.5), None);
    }

    #[test]
    fn the_interval_of_a_mean_is_two_standard_errors_wide() {
        let groups: Vec<f64> = (0..400).map(|i| f64::from(i % 20)).collect();
        let interval = bootstrap(&groups, 2000, 1, mean).unwrap();
        // Standard deviation 5.766, over 400 groups: 1.96 * 0.2883 either side.
        assert!((interval.low - (9.5 - 0.565)).abs() < 0.06, "{interval:?}");
        assert!((interval.high - (9.5 + 0.565)).abs() < 0.06, "{interval:?}");
    }

    #[test]
    fn equal_seeds_give_equal_intervals() {
        let groups = [1.0, 5.0, 2.0, 8.0];
        let of = |seed| bootstrap(&groups, 200, seed, mean);
        assert_eq!(of(3), of(3));
        assert_ne!(of(3), of(4));
        assert_eq!(bootstrap(&groups, 10, 0, |_| None), None);
        assert_eq!(bootstrap::<f64>(&[], 10, 0, mean), None);
    }
}
