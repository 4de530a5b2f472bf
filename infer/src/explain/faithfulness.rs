//! How good is an explanation? Deletion and insertion curves against a random
//! order, completeness of integrated gradients, the randomised-weights sanity
//! check, and what the credit goes to.

use std::ops::Range;

use data::pipeline::input::InputSpec;
use data::scoring::metrics::{Interval, bootstrap, percentile};
use models::onnx;
use models::{Network, Weights};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::graph::Explainer;
use crate::error::{Error, Result};
use models::explain::integrated_gradients::in_equal_steps;
use models::explain::methods::{Attributions, Method, attribute};
use models::explain::{GradientGraph, InputBatch};
use report::waves::waves;

/// Points of a deletion or insertion curve after the first.
const POINTS: usize = 10;
/// Length of the stretches that are deleted and inserted, in seconds.
const STRETCH: f64 = 0.03;
/// Random orders that a method's is compared with: one alone is noisy.
const ORDERS: usize = 8;
/// Steps of one length that integrated gradients are measured by.
pub const FINE_STEPS: usize = 512;
/// Rows on which they are.
const FINE_ROWS: usize = 64;
/// Draws of a bootstrap.
const DRAWS: usize = 1000;

/// A mean over beats with its 95 % interval over groups of beats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean over beats.
    pub mean: f64,
    /// `None` for a single group.
    pub interval: Option<Interval>,
}

impl Estimate {
    /// The mean of one value per beat; `groups` says which beats belong to one
    /// patient. `None` of nothing.
    fn of(values: &[f64], groups: &[u32], seed: u64) -> Option<Estimate> {
        let mut by_group: std::collections::BTreeMap<u32, Vec<f64>> = Default::default();
        for (value, group) in values.iter().zip(groups) {
            by_group.entry(*group).or_default().push(*value);
        }
        let by_group: Vec<Vec<f64>> = by_group.into_values().collect();
        let mean = |groups: &[&Vec<f64>]| {
            let count: usize = groups.iter().map(|g| g.len()).sum();
            let sum: f64 = groups.iter().flat_map(|g| g.iter()).sum();
            (count > 0).then(|| sum / count as f64)
        };
        let all: Vec<&Vec<f64>> = by_group.iter().collect();
        let interval = || bootstrap(&by_group, DRAWS, seed, mean);
        Some(Estimate {
            mean: mean(&all)?,
            interval: if all.len() > 1 { interval() } else { None },
        })
    }
}

/// How much better than a random order a method's order is, in mean
/// probability of the class over the curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Faithfulness {
    /// Random's curve above the method's while stretches are deleted.
    pub deletion: Option<Estimate>,
    /// The method's curve above random's while they are inserted.
    pub insertion: Option<Estimate>,
}

/// Beats to judge explanations on.
pub struct Sample<'a> {
    /// Their windows and rhythm features.
    pub rows: &'a InputBatch,
    /// Output index of the class to explain, per row.
    pub targets: &'a [i64],
    /// Which beats belong together (to one patient), per row.
    pub groups: &'a [u32],
    /// Seed of random orders, of random weights and of the bootstrap.
    pub seed: u64,
}

/// Areas under the curves of a random order, per row.
pub struct Chance {
    deletion: Vec<f64>,
    insertion: Vec<f64>,
}

/// The curves of [`faithfulness`] for random orders, [`ORDERS`] of them
/// averaged.
///
/// # Errors
/// Those of the graph.
pub fn chance(explainer: &Explainer, sample: &Sample) -> Result<Chance> {
    let count = stretches(&explainer.contract.input).len();
    let mut draw = ChaCha8Rng::seed_from_u64(sample.seed);
    let mut chance = Chance {
        deletion: vec![0.0; sample.targets.len()],
        insertion: vec![0.0; sample.targets.len()],
    };
    for _ in 0..ORDERS {
        let orders: Vec<Vec<usize>> = sample
            .targets
            .iter()
            .map(|_| shuffled_order(count, &mut draw))
            .collect();
        for (keep_first, sums) in [(false, &mut chance.deletion), (true, &mut chance.insertion)] {
            let areas = curve_areas(explainer, sample, &orders, keep_first)?;
            let add = |(sum, area): (&mut f64, f64)| *sum += area / ORDERS as f64;
            sums.iter_mut().zip(areas).for_each(add);
        }
    }
    Ok(chance)
}

fn shuffled_order(count: usize, draw: &mut ChaCha8Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(draw);
    order
}

/// Deletion and insertion for one method's credit.
///
/// Stretches of 30 ms are removed, those with the most credit first, and the
/// rest is bridged by straight lines; or they are put back one after the
/// other, starting from none. Gradients are ranked by their size, credits by
/// their sign; equals come in random order.
///
/// # Errors
/// Those of the graph.
pub fn faithfulness(
    explainer: &Explainer,
    sample: &Sample,
    chance: &Chance,
    method: Method,
    credit: &Attributions,
) -> Result<Faithfulness> {
    let input = &explainer.contract.input;
    let (stretches, width) = (stretches(input), input.window_values());
    let by_size = matches!(method, Method::Gradient | Method::Smoothgrad);
    let importance = |value: &f32| if by_size { value.abs() } else { *value };
    let mut draw = ChaCha8Rng::seed_from_u64(sample.seed);
    let order_of = |row: &[f32]| {
        let mean =
            |s: &Range<usize>| row[s.clone()].iter().map(importance).sum::<f32>() / s.len() as f32;
        let means: Vec<f32> = stretches.iter().map(mean).collect();
        let mut order = shuffled_order(stretches.len(), &mut draw);
        order.sort_by(|&a, &b| means[b].total_cmp(&means[a]));
        order
    };
    let orders: Vec<Vec<usize>> = credit.window.chunks_exact(width).map(order_of).collect();
    let deletion = curve_areas(explainer, sample, &orders, false)?;
    let insertion = curve_areas(explainer, sample, &orders, true)?;
    let estimate = |above: &[f64], below: &[f64]| {
        let gains: Vec<f64> = above.iter().zip(below).map(|(a, b)| a - b).collect();
        Estimate::of(&gains, sample.groups, sample.seed)
    };
    Ok(Faithfulness {
        deletion: estimate(&chance.deletion, &deletion),
        insertion: estimate(&insertion, &chance.insertion),
    })
}

/// The mean probability of the target over a curve, per row: the first
/// stretches of an order are kept (insertion) or removed (deletion).
fn curve_areas(
    explainer: &Explainer,
    sample: &Sample,
    orders: &[Vec<usize>],
    keep_first: bool,
) -> Result<Vec<f64>> {
    let input = &explainer.contract.input;
    let (stretches, width, length) = (stretches(input), input.window_values(), input.length());
    let classes = explainer.contract.classes.len();
    let temperature = explainer.contract.temperature;
    let mut areas = vec![0.0; sample.targets.len()];
    for point in 0..=POINTS {
        let first = (stretches.len() * point).div_ceil(POINTS);
        let mut rows = sample.rows.clone();
        for (row, order) in rows.windows.chunks_exact_mut(width).zip(orders) {
            let mut kept = vec![!keep_first; width];
            for &i in &order[..first] {
                kept[stretches[i].clone()].fill(keep_first);
            }
            for (values, kept) in row.chunks_exact_mut(length).zip(kept.chunks_exact(length)) {
                bridge(values, kept);
            }
        }
        let logits = explainer.run(&rows, sample.targets)?.logits;
        let answers = logits.chunks_exact(classes).zip(sample.targets);
        for (area, (logits, target)) in areas.iter_mut().zip(answers) {
            let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let power = |l: &f32| (f64::from(l - largest) / temperature).exp();
            let sum: f64 = logits.iter().map(power).sum();
            *area += power(&logits[*target as usize]) / sum / (POINTS + 1) as f64;
        }
    }
    Ok(areas)
}

fn stretches(input: &InputSpec) -> Vec<Range<usize>> {
    let length = input.length();
    let width = ((STRETCH * input.fs).round() as usize).max(1);
    let within = |channel: usize| {
        (0..length).step_by(width).map(move |start| {
            let end = (start + width).min(length);
            channel * length + start..channel * length + end
        })
    };
    (0..input.channels()).flat_map(within).collect()
}

/// Replaces what is not kept by straight lines between what is. Just outside
/// of the window lies 0, which is no signal: otherwise a lone stretch of a QRS
/// complex would lift the whole window to its height.
fn bridge(values: &mut [f32], kept: &[bool]) {
    let (mut left, mut from) = (0.0, 0);
    while from < values.len() {
        if kept[from] {
            left = values[from];
            from += 1;
            continue;
        }
        let to = (from..values.len()).find(|&i| kept[i]);
        let (right, to) = to.map_or((0.0, values.len()), |to| (values[to], to));
        let steps = (to - from + 1) as f32;
        for (i, value) in values[from..to].iter_mut().enumerate() {
            *value = left + (right - left) * (i + 1) as f32 / steps;
        }
        from = to;
    }
}

/// By how much credits of integrated gradients differ from those of
/// [`FINE_STEPS`] equal steps, as a part of their size (sums of absolute
/// values), for up to [`FINE_ROWS`] of the rows.
///
/// # Errors
/// Those of the graph.
pub fn inaccuracy(
    explainer: &Explainer,
    sample: &Sample,
    credit: &Attributions,
) -> Result<Vec<f64>> {
    let count = sample.targets.len();
    let chosen: Vec<usize> = (0..count)
        .step_by(count.div_ceil(FINE_ROWS).max(1))
        .collect();
    let select = |values: &[f32]| -> Vec<f32> {
        let width = values.len() / count;
        let rows = chosen
            .iter()
            .flat_map(|row| &values[row * width..][..width]);
        rows.copied().collect()
    };
    let rows = InputBatch {
        windows: select(&sample.rows.windows),
        rhythm: select(&sample.rows.rhythm),
    };
    let targets: Vec<i64> = chosen.iter().map(|&row| sample.targets[row]).collect();
    let (window, rhythm) = in_equal_steps(explainer, &rows, &targets, FINE_STEPS)?;
    let pairs = [
        (select(&credit.window), window),
        (select(&credit.rhythm), rhythm),
    ];
    let of_row = |row: usize| {
        let (mut apart, mut size) = (0.0, 0.0);
        for (found, fine) in &pairs {
            let width = fine.len() / chosen.len();
            let values = row * width..(row + 1) * width;
            for (found, fine) in found[values.clone()].iter().zip(&fine[values]) {
                apart += f64::from((found - fine).abs());
                size += f64::from(fine.abs());
            }
        }
        apart / size.max(f64::MIN_POSITIVE)
    };
    Ok((0..chosen.len()).map(of_row).collect())
}

/// By how much the credits of integrated gradients miss the difference of the
/// logits, as a part of it, per row.
///
/// # Errors
/// Those of the graph.
pub fn completeness(
    explainer: &Explainer,
    sample: &Sample,
    credit: &Attributions,
) -> Result<Vec<f64>> {
    let classes = explainer.contract.classes.len();
    let nothing = InputBatch {
        windows: vec![0.0; explainer.contract.input.window_values()],
        rhythm: vec![0.0; explainer.contract.input.rhythm.len()],
    };
    let base = explainer.run(&nothing, &[0])?.logits;
    let row = |values: &[f32], i: usize| -> f64 {
        let width = values.len() / sample.targets.len();
        values[i * width..(i + 1) * width]
            .iter()
            .map(|&v| f64::from(v))
            .sum()
    };
    let targets = sample.targets.iter().enumerate();
    Ok(targets
        .map(|(i, &target)| {
            let class = target as usize;
            let difference = f64::from(credit.logits[i * classes + class] - base[class]);
            let sum = row(&credit.window, i) + row(&credit.rhythm, i);
            (sum - difference).abs() / difference.abs()
        })
        .collect())
}

/// The median, the 95 % quantile and the largest of numbers.
pub fn quantiles(mut values: Vec<f64>) -> Option<[f64; 3]> {
    values.sort_by(f64::total_cmp);
    let median = percentile(&values, 0.5)?;
    Some([median, percentile(&values, 0.95)?, *values.last()?])
}

/// Correlation of a method's credit with that of the same network with its
/// weights shuffled within each layer, per row and then over rows (Adebayo et
/// al. 2018): near 0 for an explanation that depends on what was learned.
///
/// # Errors
/// The file does not hold its network, or those of the graph.
pub fn sanity(
    explainer: &Explainer,
    bytes: &[u8],
    sample: &Sample,
    method: Method,
    credit: &Attributions,
) -> Result<Option<Estimate>> {
    let path = explainer.path();
    let (network, weights, contract) = onnx::network(bytes).map_err(Error::model(path))?;
    let weights = shuffled(&network, weights, sample.seed);
    let graph = onnx::explainer(&network, &weights, &contract).map_err(Error::explain(path))?;
    let random = Explainer::load(path, &graph, contract, explainer.threads())?;
    let other = attribute(&random, method, sample.rows, sample.targets, sample.seed)?;
    let width = explainer.contract.input.window_values();
    let pairs = credit
        .window
        .chunks_exact(width)
        .zip(other.window.chunks_exact(width));
    let correlations: Vec<f64> = pairs.map(|(a, b)| correlation(a, b)).collect();
    Ok(Estimate::of(&correlations, sample.groups, sample.seed))
}

fn shuffled(network: &Network, mut weights: Weights, seed: u64) -> Weights {
    let mut draw = ChaCha8Rng::seed_from_u64(seed);
    for parameter in network.parameters() {
        if let Some(tensor) = weights.0.get_mut(&parameter.name) {
            tensor.values.shuffle(&mut draw);
        }
    }
    weights
}

/// Pearson's correlation; 0 where one side is constant.
fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let mean = |v: &[f32]| v.iter().map(|&x| f64::from(x)).sum::<f64>() / v.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (f64::from(*x) - ma, f64::from(*y) - mb);
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    if aa * bb > 0.0 {
        ab / (aa * bb).sqrt()
    } else {
        0.0
    }
}

/// What part of the credit's size goes where, averaged over rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shares {
    /// The window's waves, in the order of [`report::waves::Wave::ALL`].
    pub waves: [f64; 3],
    /// The rest of the window.
    pub rest: f64,
    /// All rhythm features.
    pub rhythm: f64,
}

/// The shares of the given rows.
pub fn shares(
    explainer: &Explainer,
    rows: &InputBatch,
    credit: &Attributions,
    which: &[usize],
) -> Shares {
    let input = &explainer.contract.input;
    let (width, features, length) = (input.window_values(), input.rhythm.len(), input.length());
    let size = |values: &[f32]| values.iter().map(|v| f64::from(v.abs())).sum::<f64>();
    let mut all = Shares::default();
    for &row in which {
        let window = &credit.window[row * width..][..width];
        let rhythm = size(&credit.rhythm[row * features..][..features]);
        let total = (size(window) + rhythm).max(f64::MIN_POSITIVE) * which.len() as f64;
        let found = waves(input, &rows.windows[row * width..][..length]);
        let mut rest = size(window);
        for (wave, range) in &found {
            let channels = window.chunks_exact(length);
            let part: f64 = channels.map(|c| size(&c[range.clone()])).sum();
            all.waves[*wave as usize] += part / total;
            rest -= part;
        }
        all.rest += rest.max(0.0) / total;
        all.rhythm += rhythm / total;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_bridged_by_straight_lines() {
        let mut values = [1.0, 9.0, 9.0, 4.0, 9.0];
        bridge(&mut values, &[true, false, false, true, false]);
        assert_eq!(values, [1.0, 2.0, 3.0, 4.0, 2.0]);
        let mut start = [7.0, 2.0];
        bridge(&mut start, &[false, true]);
        assert_eq!(start, [1.0, 2.0]);
        let mut all = [3.0, 3.0];
        bridge(&mut all, &[false, false]);
        assert_eq!(all, [0.0, 0.0]);
    }

    #[test]
    fn correlations_have_their_sign() {
        assert!((correlation(&[1.0, 2.0, 4.0], &[2.0, 4.0, 8.0]) - 1.0).abs() < 1e-12);
        assert!((correlation(&[1.0, 2.0, 4.0], &[-1.0, -2.0, -4.0]) + 1.0).abs() < 1e-12);
        assert_eq!(correlation(&[1.0, 1.0], &[0.0, 5.0]), 0.0);
    }

    #[test]
    fn an_estimate_weighs_beats_and_draws_patients() {
        let found = Estimate::of(&[1.0, 1.0, 4.0], &[0, 0, 1], 1).unwrap();
        assert_eq!(found.mean, 2.0);
        let interval = found.interval.unwrap();
        assert_eq!((interval.low, interval.high), (1.0, 4.0));
        assert_eq!(Estimate::of(&[1.0], &[3], 1).unwrap().interval, None);
        assert_eq!(Estimate::of(&[], &[], 1), None);
    }
}
