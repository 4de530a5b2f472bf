//! Integrated gradients (Sundararajan et al. 2017): the gradient averaged on
//! the straight way from nothing to the beat.
//!
//! A network of ReLU and max-pooling layers is linear between kinks, so its
//! gradient changes in jumps along the way. Steps of one length spend most of
//! their gradients where nothing happens. Here the way is cut coarsely first,
//! and then the stretches are halved in which the logit's rise differs most
//! from what the gradients at their two ends promise.

use anyhow::Result;

use super::graph::{Explainer, Rows};
use crate::classifier::BATCH;

/// Stretches between the baseline and the beat, in the end.
pub const STEPS: usize = 64;
/// Stretches at first, all of one length.
const COARSE: usize = 32;
/// Rounds of halving, each of the same number of stretches.
const ROUNDS: usize = 4;
/// With one kink in a stretch, the logit's rise says where it is, and so which
/// part of the stretch each end's gradient holds for. With several it says
/// less: neither end is credited with less than this part.
const SMALLEST_PART: f64 = 0.25;

/// The network at one place of the way.
struct Point {
    /// 0 is the baseline, 1 the beat.
    at: f64,
    logit: f64,
    /// Derivative of the logit along the way.
    slope: f64,
    /// Of the window's values, then of the rhythm features.
    gradient: Vec<f32>,
}

/// One row's way, its points in order.
type Way = Vec<Point>;

/// Credits of the windows and of the rhythm features, row after row. The
/// baseline is zero: no signal, and a rhythm as regular as the patient's median.
///
/// # Errors
/// Those of the graph.
pub(super) fn integrated(
    explainer: &mut Explainer,
    rows: &Rows,
    targets: &[i64],
) -> Result<(Vec<f32>, Vec<f32>)> {
    let input = &explainer.contract.input;
    let (width, features) = (input.window_values(), input.rhythm.len());
    let (mut window, mut rhythm) = (Vec::new(), Vec::new());
    // All gradients of a row are kept until its stretches are final.
    let block = BATCH * explainer.threads();
    for (i, targets) in targets.chunks(block).enumerate() {
        let part = |values: &[f32], width: usize| {
            values[i * block * width..][..targets.len() * width].to_vec()
        };
        let rows = Rows {
            windows: part(&rows.windows, width),
            rhythm: part(&rows.rhythm, features),
        };
        for (row, way) in ways(explainer, &rows, targets)?.iter().enumerate() {
            let mean = mean_gradient(way);
            let credit = |(gradient, value): (&f64, &f32)| (gradient * f64::from(*value)) as f32;
            let values = &rows.windows[row * width..][..width];
            window.extend(mean[..width].iter().zip(values).map(credit));
            let values = &rows.rhythm[row * features..][..features];
            rhythm.extend(mean[width..].iter().zip(values).map(credit));
        }
    }
    Ok((window, rhythm))
}

/// Every row's way, cut into [`STEPS`] stretches.
fn ways(explainer: &mut Explainer, rows: &Rows, targets: &[i64]) -> Result<Vec<Way>> {
    let mut ways: Vec<Way> = targets.iter().map(|_| Way::new()).collect();
    for step in 0..=COARSE {
        let at = vec![step as f64 / COARSE as f64; targets.len()];
        for (way, point) in ways.iter_mut().zip(points(explainer, rows, targets, &at)?) {
            way.push(point);
        }
    }
    for _ in 0..ROUNDS {
        let halved = (STEPS - COARSE) / ROUNDS;
        let worst: Vec<Vec<f64>> = ways.iter().map(|way| least_linear(way, halved)).collect();
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
fn points(
    explainer: &mut Explainer,
    rows: &Rows,
    targets: &[i64],
    at: &[f64],
) -> Result<Vec<Point>> {
    let (classes, count) = (explainer.contract.classes.len(), targets.len());
    let scaled = |values: &[f32]| -> Vec<f32> {
        let width = values.len() / count;
        let scaled = |(i, value): (usize, &f32)| *value * at[i / width] as f32;
        values.iter().enumerate().map(scaled).collect()
    };
    let there = Rows {
        windows: scaled(&rows.windows),
        rhythm: scaled(&rows.rhythm),
    };
    let found = explainer.run(&there, targets)?;
    let point = |(row, target): (usize, &i64)| {
        let gradient = [
            of_row(&found.saliency, row, count),
            of_row(&found.rhythm, row, count),
        ]
        .concat();
        let values = of_row(&rows.windows, row, count).iter();
        let slopes = gradient
            .iter()
            .zip(values.chain(of_row(&rows.rhythm, row, count)));
        Point {
            at: at[row],
            logit: f64::from(found.logits[row * classes + *target as usize]),
            slope: slopes.map(|(g, v)| f64::from(*g) * f64::from(*v)).sum(),
            gradient,
        }
    };
    Ok(targets.iter().enumerate().map(point).collect())
}

/// The values of one of `count` rows.
fn of_row(values: &[f32], row: usize, count: usize) -> &[f32] {
    let width = values.len() / count;
    &values[row * width..][..width]
}

/// Middles of the stretches in which the gradients at the ends say least about
/// the logit's rise.
fn least_linear(way: &Way, count: usize) -> Vec<f64> {
    let mut stretches: Vec<(f64, f64)> = way
        .windows(2)
        .map(|ends| {
            let length = ends[1].at - ends[0].at;
            let promised = length * (ends[0].slope + ends[1].slope) / 2.0;
            let rise = ends[1].logit - ends[0].logit;
            ((rise - promised).abs(), ends[0].at + length / 2.0)
        })
        .collect();
    stretches.sort_by(|a, b| b.0.total_cmp(&a.0));
    stretches.iter().take(count).map(|(_, at)| *at).collect()
}

fn mean_gradient(way: &Way) -> Vec<f64> {
    let mut mean = vec![0.0; way.first().map_or(0, |point| point.gradient.len())];
    for ends in way.windows(2) {
        let length = ends[1].at - ends[0].at;
        let first = length * first_part(&ends[0], &ends[1]);
        for (end, weight) in [(&ends[0], first), (&ends[1], length - first)] {
            for (sum, gradient) in mean.iter_mut().zip(&end.gradient) {
                *sum += weight * f64::from(*gradient);
            }
        }
    }
    mean
}

/// The part of a stretch that the gradient at its beginning holds for, were
/// there one kink in it.
fn first_part(begin: &Point, end: &Point) -> f64 {
    let steepness = (end.logit - begin.logit) / (end.at - begin.at);
    let part = (steepness - end.slope) / (begin.slope - end.slope);
    if part.is_finite() {
        part.clamp(SMALLEST_PART, 1.0 - SMALLEST_PART)
    } else {
        0.5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// |x - kink| on the way from 0 to 1, gradient and slope alike.
    fn way(kink: f64, at: &[f64]) -> Way {
        let point = |&at: &f64| {
            let slope = if at < kink { -1.0 } else { 1.0 };
            Point {
                at,
                logit: (at - kink).abs(),
                slope,
                gradient: vec![slope as f32],
            }
        };
        at.iter().map(point).collect()
    }

    #[test]
    fn a_kink_is_found_from_the_rise() {
        // Exact: the mean of the slope is the rise over the whole way.
        for kink in [0.3, 0.5, 0.7] {
            let mean = mean_gradient(&way(kink, &[0.0, 1.0]))[0];
            assert!((mean - (1.0 - 2.0 * kink)).abs() < 1e-12, "{kink}: {mean}");
        }
        // Beyond the limit the ends keep their least part.
        assert_eq!(mean_gradient(&way(0.05, &[0.0, 1.0]))[0], 0.5);
        assert_eq!(mean_gradient(&way(2.0, &[0.0, 1.0]))[0], -1.0);
    }

    #[test]
    fn the_stretch_with_the_kink_is_halved() {
        let way = way(0.6, &[0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(least_linear(&way, 1), [0.625]);
    }
}
