//! Integrated gradients (Sundararajan et al. 2017): the gradient averaged on
//! the straight way from nothing to the beat.
//!
//! A network of ReLU and max-pooling layers is linear between kinks, so its
//! gradient changes in jumps along the way. Steps of one length spend most of
//! their gradients where nothing happens. Here the way is cut coarsely first,
//! and then the stretches are halved that could change the credits most.
//!
//! The trapezoidal rule over the stretches misses the place of the jumps within
//! them. How the logit rises over a stretch is known, though, and by how much
//! the rule misses that tells of the jumps ([`weights`]).

use super::{GradientGraph, InputBatch};

/// Stretches between the baseline and the beat, in the end.
pub const STEPS: usize = 64;
/// Stretches at first, all of one length.
const COARSE: usize = 32;
/// Rounds of halving, each of the same number of stretches.
const ROUNDS: usize = 4;

/// The network at one place of the way.
struct Point {
    /// 0 is the baseline, 1 the beat.
    at: f64,
    logit: f64,
    /// Gradient times value, of the window's values and then of the rhythm
    /// features: were it the same all the way, these would be the credits.
    credits: Vec<f32>,
}

impl Point {
    /// Derivative of the logit along the way.
    fn slope(&self) -> f64 {
        self.credits.iter().map(|&c| f64::from(c)).sum()
    }
}

/// One row's way, its points in order.
type Way = Vec<Point>;

/// Credits of the windows and of the rhythm features, row after row. The
/// baseline is zero: no signal, and a rhythm as regular as the patient's median.
///
/// # Errors
/// Those of the graph.
pub(super) fn integrated<G: GradientGraph>(
    explainer: &G,
    rows: &InputBatch,
    targets: &[i64],
) -> Result<(Vec<f32>, Vec<f32>), G::Error> {
    let count = targets.len().max(1);
    let (width, features) = (rows.windows.len() / count, rows.rhythm.len() / count);
    let (mut window, mut rhythm) = (Vec::new(), Vec::new());
    // All credits of a row are kept until its stretches are final.
    let block = explainer.rows_at_once();
    for (i, targets) in targets.chunks(block).enumerate() {
        let part = |values: &[f32], width: usize| {
            values[i * block * width..][..targets.len() * width].to_vec()
        };
        let rows = InputBatch {
            windows: part(&rows.windows, width),
            rhythm: part(&rows.rhythm, features),
        };
        for way in ways(explainer, &rows, targets)? {
            let credits = mean(&way, &weights(&way));
            window.extend(&credits[..width]);
            rhythm.extend(&credits[width..]);
        }
    }
    Ok((window, rhythm))
}

/// Every row's way, cut into [`STEPS`] stretches.
fn ways<G: GradientGraph>(
    explainer: &G,
    rows: &InputBatch,
    targets: &[i64],
) -> Result<Vec<Way>, G::Error> {
    let mut ways: Vec<Way> = targets.iter().map(|_| Way::new()).collect();
    for step in 0..=COARSE {
        let at = vec![step as f64 / COARSE as f64; targets.len()];
        for (way, point) in ways.iter_mut().zip(points(explainer, rows, targets, &at)?) {
            way.push(point);
        }
    }
    for _ in 0..ROUNDS {
        let halved = (STEPS - COARSE) / ROUNDS;
        let worst: Vec<Vec<f64>> = ways.iter().map(|way| least_certain(way, halved)).collect();
        for i in 0..halved {
            let at: Vec<f64> = worst.iter().map(|middles| middles[i]).collect();
            for (way, point) in ways.iter_mut().zip(points(explainer, rows, targets, &at)?) {
                way.push(point);
            }
        }
        for way in &mut ways {
            way.sort_by(|a, b| a.at.total_cmp(&b.at));
        }
    }
    Ok(ways)
}

/// One point of every row's way.
fn points<G: GradientGraph>(
    explainer: &G,
    rows: &InputBatch,
    targets: &[i64],
    at: &[f64],
) -> Result<Vec<Point>, G::Error> {
    let (classes, count) = (explainer.contract().classes.len(), targets.len());
    let scaled = |values: &[f32]| -> Vec<f32> {
        let width = values.len() / count;
        let scaled = |(i, value): (usize, &f32)| *value * at[i / width] as f32;
        values.iter().enumerate().map(scaled).collect()
    };
    let there = InputBatch {
        windows: scaled(&rows.windows),
        rhythm: scaled(&rows.rhythm),
    };
    let found = explainer.run(&there, targets)?;
    let point = |(row, target): (usize, &i64)| {
        let of_row = |values: &[f32]| -> Vec<f32> {
            let width = values.len() / count;
            values[row * width..][..width].to_vec()
        };
        let product = |gradient: &[f32], values: &[f32]| -> Vec<f32> {
            let pairs = of_row(gradient).into_iter().zip(of_row(values));
            pairs.map(|(gradient, value)| gradient * value).collect()
        };
        let window = product(&found.saliency, &rows.windows);
        Point {
            at: at[row],
            logit: f64::from(found.logits[row * classes + *target as usize]),
            credits: [window, product(&found.rhythm, &rows.rhythm)].concat(),
        }
    };
    Ok(targets.iter().enumerate().map(point).collect())
}

/// Middles of the stretches that leave most open: how far the credits of the
/// two ends are apart, over the length that either might hold for.
fn least_certain(way: &Way, count: usize) -> Vec<f64> {
    let mut stretches: Vec<(f64, f64)> = way
        .windows(2)
        .map(|ends| {
            let length = ends[1].at - ends[0].at;
            let credits = ends[0].credits.iter().zip(&ends[1].credits);
            let apart: f64 = credits.map(|(a, b)| f64::from((a - b).abs())).sum();
            (length * apart, ends[0].at + length / 2.0)
        })
        .collect();
    stretches.sort_by(|a, b| b.0.total_cmp(&a.0));
    stretches.iter().take(count).map(|(_, at)| *at).collect()
}

/// What each point counts for in the mean over the way.
///
/// By the trapezoidal rule half of its stretches. On stretch `i` the rule
/// misses the logit's rise by `m_i`, because the jumps of the gradient do not
/// lie in the middle. The credits are missed by an unknown vector that adds up
/// to `m_i`, and the best linear guess of it from `m_i` is the regression of
/// the credits' changes `c_j` from point to point on those of their sum `s_j`
/// (a control variate): `m_i sum_j k_ij s_j c_j / sum_j k_ij s_j^2`. The
/// stretch's own change alone would do were there one jump in it; there are
/// many, so the others count too, the nearer the more: `k_ij = 1 / (1 + |i - j|)`.
/// The guesses add up to the `m_i`, so the credits add up to the logit's
/// difference.
///
/// No weight becomes negative: all guesses shrink alike before that, and the
/// credits stay a mean of what the gradient said on the way.
fn weights(way: &Way) -> Vec<f64> {
    let slopes: Vec<f64> = way.iter().map(Point::slope).collect();
    let changes: Vec<f64> = slopes.windows(2).map(|s| s[1] - s[0]).collect();
    let mut weights = vec![0.0; way.len()];
    let mut guess = vec![0.0; way.len()];
    for (i, ends) in way.windows(2).enumerate() {
        let half = (ends[1].at - ends[0].at) / 2.0;
        weights[i] += half;
        weights[i + 1] += half;
        let missed = ends[1].logit - ends[0].logit - half * (slopes[i] + slopes[i + 1]);
        let near = |j: usize| 1.0 / (1.0 + i.abs_diff(j) as f64);
        let terms = changes.iter().enumerate();
        let squares: f64 = terms.clone().map(|(j, s)| near(j) * s * s).sum();
        if squares == 0.0 {
            continue;
        }
        for (j, change) in terms {
            let moved = missed * near(j) * change / squares;
            guess[j + 1] += moved;
            guess[j] -= moved;
        }
    }
    let room = weights.iter().zip(&guess).filter(|(w, g)| *w + *g < 0.0);
    let part = room.map(|(w, g)| -w / g).fold(1.0, f64::min);
    let moved = |(weight, guess): (&f64, &f64)| weight + part * guess;
    weights.iter().zip(&guess).map(moved).collect()
}

/// The mean of the points' credits.
fn mean(way: &Way, weights: &[f64]) -> Vec<f32> {
    let mut mean = vec![0.0; way.first().map_or(0, |point| point.credits.len())];
    for (point, weight) in way.iter().zip(weights) {
        for (sum, credit) in mean.iter_mut().zip(&point.credits) {
            *sum += weight * f64::from(*credit);
        }
    }
    mean.into_iter().map(|credit| credit as f32).collect()
}

/// Credits as [`integrated`] gives them, by the midpoint rule on `steps`
/// stretches of one length: with many, what the former are measured by.
///
/// # Errors
/// Those of the graph.
pub fn in_equal_steps<G: GradientGraph>(
    explainer: &G,
    rows: &InputBatch,
    targets: &[i64],
    steps: usize,
) -> Result<(Vec<f32>, Vec<f32>), G::Error> {
    let (mut window, mut rhythm) = (vec![0.0; rows.windows.len()], vec![0.0; rows.rhythm.len()]);
    let width = rows.windows.len() / targets.len().max(1);
    let features = rows.rhythm.len() / targets.len().max(1);
    for step in 0..steps {
        let at = vec![(step as f64 + 0.5) / steps as f64; targets.len()];
        let here = points(explainer, rows, targets, &at)?;
        for (row, point) in here.iter().enumerate() {
            let sums = window[row * width..][..width].iter_mut();
            let sums = sums.chain(&mut rhythm[row * features..][..features]);
            for (sum, credit) in sums.zip(&point.credits) {
                *sum += f64::from(*credit) / steps as f64;
            }
        }
    }
    let narrow = |sums: Vec<f64>| sums.into_iter().map(|sum| sum as f32).collect();
    Ok((narrow(window), narrow(rhythm)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function on the way from 0 to 1 that consists of two values' parts:
    /// each has slope 0 up to its kink and 1 after it.
    fn way(kinks: [f64; 2], at: &[f64]) -> Way {
        let point = |&at: &f64| Point {
            at,
            logit: kinks.iter().map(|kink| (at - kink).max(0.0)).sum(),
            credits: kinks.map(|kink| f32::from(at >= kink)).to_vec(),
        };
        at.iter().map(point).collect()
    }

    fn credits(way: &Way) -> Vec<f32> {
        mean(way, &weights(way))
    }

    #[test]
    fn one_kink_is_found_from_the_rise() {
        for kink in [0.1, 0.3, 0.5, 0.9] {
            let found = credits(&way([kink, 2.0], &[0.0, 1.0]));
            let exact = 1.0 - kink as f32;
            assert!(
                (found[0] - exact).abs() < 1e-6 && found[1] == 0.0,
                "{kink}: {found:?}"
            );
        }
    }

    #[test]
    fn credits_add_up_to_the_rise() {
        let at: Vec<f64> = (0..=8).map(|i| f64::from(i) / 8.0).collect();
        let found = credits(&way([0.21, 0.69], &at));
        assert!(
            (found[0] + found[1] - (0.79 + 0.31)).abs() < 1e-6,
            "{found:?}"
        );
        // Each is nearer to its own than half a stretch.
        assert!((found[0] - 0.79).abs() < 0.0625 && (found[1] - 0.31).abs() < 0.0625);
    }

    #[test]
    fn no_weight_is_negative() {
        // A rise that the slopes at the ends do not explain at all.
        let mut steep = way([0.3, 2.0], &[0.0, 0.5, 1.0]);
        steep[2].logit = 40.0;
        let found = weights(&steep);
        assert!(found.iter().all(|w| *w >= -1e-12), "{found:?}");
        assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{found:?}");
        // Nor is anything guessed where the slope never changes.
        let flat = way([-1.0, -1.0], &[0.0, 0.5, 1.0]);
        assert_eq!(weights(&flat), [0.25, 0.5, 0.25]);
    }

    #[test]
    fn the_stretch_with_the_kink_is_halved() {
        let way = way([0.6, 2.0], &[0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(least_certain(&way, 1), [0.625]);
    }
}
