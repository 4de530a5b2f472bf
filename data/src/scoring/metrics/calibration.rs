//! Whether probabilities mean what they say, and what rejecting doubtful
//! beats buys.

use serde::Serialize;

/// Bins of the expected calibration error.
const BINS: usize = 15;

/// Expected calibration error (Guo et al. 2017): over 15 equal bins of
/// confidence, the mean distance of accuracy from confidence, weighted by the
/// beats of the bin. `beats` are pairs of the predicted class's probability
/// and whether the class was right; `None` of nothing.
pub fn calibration_error(beats: &[(f32, bool)]) -> Option<f64> {
    // Per bin the sum of (right - confidence): beats cancel out of the mean.
    let mut gaps = [0.0; BINS];
    for &(confidence, right) in beats {
        let bin = ((f64::from(confidence) * BINS as f64) as usize).min(BINS - 1);
        gaps[bin] += f64::from(u8::from(right)) - f64::from(confidence);
    }
    let sum: f64 = gaps.iter().map(|g: &f64| g.abs()).sum();
    (!beats.is_empty()).then(|| sum / beats.len() as f64)
}

/// What remains when beats below a confidence are left to a human.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RiskPoint {
    /// Beats kept, as a fraction of all.
    pub coverage: f64,
    /// The confidence of the least confident beat kept.
    pub threshold: f64,
    /// Errors among the beats kept, as a fraction of them.
    pub risk: f64,
}

/// The risk-coverage curve: for each wanted coverage (a fraction), the most
/// confident beats that make at least so many, with all beats of equal
/// confidence kept or left together. Pairs as in [`calibration_error`].
pub fn risk_coverage(beats: &[(f32, bool)], coverages: &[f64]) -> Vec<RiskPoint> {
    let mut sorted = beats.to_vec();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut errors = Vec::with_capacity(sorted.len());
    let mut count = 0u64;
    for (_, right) in &sorted {
        count += u64::from(!right);
        errors.push(count);
    }
    coverages
        .iter()
        .filter_map(|&wanted| {
            let least = (wanted * sorted.len() as f64).ceil() as usize;
            let threshold = sorted.get(least.max(1) - 1)?.0;
            let kept = sorted.partition_point(|b| b.0.total_cmp(&threshold).is_ge());
            Some(RiskPoint {
                coverage: kept as f64 / sorted.len() as f64,
                threshold: threshold.into(),
                risk: errors[kept - 1] as f64 / kept as f64,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calibration_error_is_the_gap_between_confidence_and_accuracy() {
        // 0.9 said, 3 of 4 right; 0.5 said, 1 of 2 right.
        let beats = [
            (0.9, true),
            (0.9, true),
            (0.9, true),
            (0.9, false),
            (0.5, true),
            (0.5, false),
        ];
        let error = calibration_error(&beats).unwrap();
        assert!((error - 0.15 * 4.0 / 6.0).abs() < 1e-6, "{error}");
        assert_eq!(calibration_error(&[]), None);
        assert_eq!(calibration_error(&[(1.0, true)]), Some(0.0));
    }

    #[test]
    fn leaving_the_doubtful_beats_out_lowers_the_risk() {
        let beats = [(0.5, false), (0.99, true), (0.7, true), (0.7, false)];
        let curve = risk_coverage(&beats, &[1.0, 0.5, 0.25]);
        let got: Vec<_> = curve.iter().map(|p| (p.coverage, p.risk)).collect();
        // The two beats at 0.7 are kept together.
        assert_eq!(got, [(1.0, 0.5), (0.75, 1.0 / 3.0), (0.25, 0.0)]);
        assert!(risk_coverage(&[], &[1.0]).is_empty());
    }
}
