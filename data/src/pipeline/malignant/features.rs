//! What a window of the signal looks like, in numbers that do not depend on
//! gain: spectrum, sparseness, periodicity, and how still it is between waves.

use super::block::{Block, DISTANCES, LAGS, PARTS, add};

/// Blocks of one second in a window.
pub(super) const WINDOW: usize = 4;
/// Smallest variance in mV squared, so that a flat line has features too.
const FLOOR: f32 = 1e-6;
/// Lags, in 1/32 s, whose autocorrelation is a feature.
const SHOWN: [usize; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16];
/// The shortest period looked for, in 1/32 s: 384 per minute.
const SHORTEST: usize = 5;
/// Parts of the strongest slopes below which a part of a second is still.
const STILL: [f32; 4] = [0.02, 0.08, 0.2, 0.5];
/// Autocorrelation above which a period is clear.
const CLEAR: f32 = 0.35;
/// Numbers that describe a window.
pub(super) const SHAPE: usize = 2 * DISTANCES + SHOWN.len() + STILL.len() + 10;

/// Describes the window of some blocks of `length` frames, the latest last.
/// Returns its period too, in frames of a quarter of the rate; 0 where none is
/// clear.
pub(super) fn describe(blocks: &[Block; WINDOW], length: usize) -> ([f32; SHAPE], usize) {
    let mut sum = Block::EMPTY;
    for block in blocks {
        add(&mut sum.powers, &block.powers);
        add(&mut sum.magnitude, &block.magnitude);
        add(&mut sum.square, &block.square);
        add(&mut sum.products, &block.products);
        sum.crossings += block.crossings;
    }
    let frames = (WINDOW * length) as f32;
    let [mean, square, magnitude, cube, fourth] = sum.powers.map(|p| p / frames);
    let variance = (square - mean * mean).max(FLOOR);
    let mut out = [0.0; SHAPE];
    let mut at = 0;
    let mut put = |value: f32| {
        out[at] = value;
        at += 1;
    };
    put(variance.ln());
    put(magnitude * magnitude / variance);
    put((fourth / (variance * variance)).clamp(1.0, 40.0).ln());
    put((cube.abs() / (variance * variance.sqrt())).min(5.0));
    put(sum.crossings / (10.0 * WINDOW as f32));
    for (magnitude, square) in sum.magnitude.iter().zip(&sum.square) {
        let (magnitude, square) = (magnitude / WINDOW as f32, square / WINDOW as f32);
        put((square / variance).max(1e-4).ln());
        put(magnitude * magnitude / square.max(1e-9));
    }
    let scale = sum.products[0].max(FLOOR * frames / 4.0).recip();
    let correlation = sum.products.map(|product| product * scale);
    SHOWN.iter().for_each(|&shown| put(correlation[shown]));
    let (trough, depth) = first_peak(&correlation.map(|c| -c), 1);
    let (period, height) = first_peak(&correlation, (trough + 1).max(SHORTEST));
    put(trough as f32 / 10.0);
    put(-depth);
    put(period as f32 / 20.0);
    put(height);
    let mut parts = [0.0; PARTS * WINDOW];
    for (to, block) in parts.chunks_exact_mut(PARTS).zip(blocks) {
        to.copy_from_slice(&block.parts);
    }
    let strongest = parts.iter().fold(1e-9f32, |a, &b| a.max(b));
    for still in STILL {
        let below = parts.iter().filter(|&&p| p < still * strongest).count();
        put(below as f32 / parts.len() as f32);
    }
    put(parts.iter().sum::<f32>() / strongest / parts.len() as f32);
    (out, if height > CLEAR { period } else { 0 })
}

/// Part of the highest peak of the autocorrelation that the first one needs:
/// two periods fit about as well as one.
const FIRST: f32 = 0.75;

/// The first lag from `from` on, and the value there, at which `values` peak
/// about as high as anywhere. 0 where they have no peak above 0.
fn first_peak(values: &[f32; LAGS], from: usize) -> (usize, f32) {
    // The value at each inner lag that is a peak, and 0 elsewhere.
    let mut peaks = [0.0f32; LAGS];
    let neighbours = values.iter().zip(&values[1..]).zip(&values[2..]);
    for (peak, ((&before, &here), &after)) in peaks[1..].iter_mut().zip(neighbours) {
        let is_peak = (here > before) & (here >= after) & (here > 0.0);
        *peak = if is_peak { here } else { 0.0 };
    }
    let highest = peaks[from..].iter().fold(0.0f32, |most, &p| most.max(p));
    let high = |&lag: &usize| peaks[lag] > 0.0 && peaks[lag] >= FIRST * highest;
    let first = (from..LAGS).find(high);
    first.map_or((0, 0.0), |lag| (lag, peaks[lag]))
}
