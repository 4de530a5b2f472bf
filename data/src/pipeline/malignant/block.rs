//! Sums over one second of the signal, from which windows of several seconds
//! are put together without looking at a sample twice.

use std::array::from_fn as array;

/// Differences are taken over so many frames at the full rate of 128 Hz ...
const FINE: [usize; 3] = [1, 2, 4];
/// ... and over so many at half of it.
const COARSE: [usize; 7] = [3, 4, 6, 8, 12, 16, 32];
/// All distances over which differences are taken.
pub(super) const DISTANCES: usize = FINE.len() + COARSE.len();
/// Autocorrelation is known at so many lags of a quarter of the rate: up to
/// 1.25 s, the period of a rhythm of 48 per minute.
pub(super) const LAGS: usize = 41;
/// Parts of a second in which slopes are summed: shorter than a QRS with the
/// line around it.
pub(super) const PARTS: usize = 8;
/// Sums that run side by side.
const LANES: usize = 8;

/// Sums over one second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Block {
    /// Of x, x^2, |x|, x^3 and x^4.
    pub powers: [f32; 5],
    /// Sign changes.
    pub crossings: f32,
    /// Mean magnitude of differences, and mean square, per distance.
    pub magnitude: [f32; DISTANCES],
    pub square: [f32; DISTANCES],
    /// Products of the signal with itself, per lag.
    pub products: [f32; LAGS],
    /// Squared slopes per part of the second.
    pub parts: [f32; PARTS],
}

/// Adds terms to sums.
pub(super) fn add(sums: &mut [f32], terms: &[f32]) {
    for (sum, term) in sums.iter_mut().zip(terms) {
        *sum += term;
    }
}

impl Block {
    pub const EMPTY: Block = Block {
        powers: [0.0; 5],
        crossings: 0.0,
        magnitude: [0.0; DISTANCES],
        square: [0.0; DISTANCES],
        products: [0.0; LAGS],
        parts: [0.0; PARTS],
    };
}

/// Collects frames into blocks.
#[derive(Clone, Debug)]
pub(super) struct Collector {
    /// The signal at its own rate, half and a quarter of it, each after as
    /// much of its past as differences reach back.
    full: Vec<f32>,
    half: Vec<f32>,
    quarter: Vec<f32>,
    /// Frames per block.
    length: usize,
    filled: usize,
}

const FULL_PAST: usize = FINE[FINE.len() - 1];
const HALF_PAST: usize = COARSE[COARSE.len() - 1];
const QUARTER_PAST: usize = LAGS - 1;

impl Collector {
    /// A collector for a signal of `fs` Hz. Distances and lags are in frames
    /// of 128 Hz; at other rates they are as much longer or shorter.
    pub fn new(fs: f64) -> Collector {
        let length = (fs / 8.0).round().max(4.0) as usize * PARTS;
        Collector {
            full: vec![0.0; FULL_PAST + length],
            half: vec![0.0; HALF_PAST + length / 2],
            quarter: vec![0.0; QUARTER_PAST + length / 4],
            length,
            filled: 0,
        }
    }

    /// Frames per block.
    pub fn length(&self) -> usize {
        self.length
    }

    pub fn clear(&mut self) {
        self.full.fill(0.0);
        self.half.fill(0.0);
        self.quarter.fill(0.0);
        self.filled = 0;
    }

    /// Frames until the present block is complete.
    #[inline]
    pub fn lacks(&self) -> usize {
        self.length - self.filled
    }

    /// Takes values in mV, no more than the present block lacks.
    #[inline]
    pub fn store(&mut self, values: &[f32]) {
        let from = FULL_PAST + self.filled;
        self.full[from..from + values.len()].copy_from_slice(values);
        self.filled += values.len();
    }

    /// The present block, which is complete; the next one begins.
    pub fn block(&mut self) -> Block {
        self.filled = 0;
        halve(&self.full[FULL_PAST..], &mut self.half[HALF_PAST..]);
        halve(&self.half[HALF_PAST..], &mut self.quarter[QUARTER_PAST..]);
        let mut block = Block::EMPTY;
        let now = &self.full[FULL_PAST..];
        block.powers = powers(now);
        block.crossings = crossings(&self.full[FULL_PAST - 1..]);
        let fine = FINE.iter().map(|&d| differences(&self.full, FULL_PAST, d));
        let coarse = COARSE
            .iter()
            .map(|&d| differences(&self.half, HALF_PAST, d));
        for (i, [magnitude, square]) in fine.chain(coarse).enumerate() {
            (block.magnitude[i], block.square[i]) = (magnitude, square);
        }
        let now = &self.quarter[QUARTER_PAST..];
        for (lag, product) in block.products.iter_mut().enumerate() {
            let past = &self.quarter[QUARTER_PAST - lag..][..now.len()];
            [*product] = sums(now, past, |a, b| [a * b]);
        }
        let part = self.length / PARTS;
        for (i, sum) in block.parts.iter_mut().enumerate() {
            let from = FULL_PAST + i * part;
            let (a, b) = (&self.full[from..from + part], &self.full[from - 2..]);
            [_, *sum] = sums(a, &b[..part], magnitude_and_square);
        }
        self.full.copy_within(self.length.., 0);
        self.half.copy_within(self.length / 2.., 0);
        self.quarter.copy_within(self.length / 4.., 0);
        block
    }
}

fn halve(from: &[f32], to: &mut [f32]) {
    for (pair, out) in from.chunks_exact(2).zip(to) {
        *out = 0.5 * (pair[0] + pair[1]);
    }
}

/// Sums what `term` makes of pairs of values, `LANES` sums of each kind side by
/// side. A function of its own, so that the compiler makes whole vectors of them.
#[inline(never)]
fn lanes<const N: usize>(
    a: &[[f32; LANES]],
    b: &[[f32; LANES]],
    term: impl Fn(f32, f32) -> [f32; N],
) -> [[f32; LANES]; N] {
    let mut lanes = [[0.0f32; LANES]; N];
    for (a, b) in a.iter().zip(b) {
        let terms: [[f32; N]; LANES] = array(|lane| term(a[lane], b[lane]));
        for (kind, sums) in lanes.iter_mut().enumerate() {
            *sums = array(|lane| sums[lane] + terms[lane][kind]);
        }
    }
    lanes
}

/// Sums what `term` makes of pairs of values.
#[inline]
fn sums<const N: usize>(
    a: &[f32],
    b: &[f32],
    term: impl Fn(f32, f32) -> [f32; N] + Copy,
) -> [f32; N] {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks(), b.as_chunks());
    let mut sums = [0.0; N];
    for (a, b) in a_rest.iter().zip(b_rest) {
        add(&mut sums, &term(*a, *b));
    }
    let lanes = lanes(a, b, term);
    array(|kind| sums[kind] + lanes[kind].iter().sum::<f32>())
}

fn powers(x: &[f32]) -> [f32; 5] {
    sums(x, x, |x, _| {
        let square = x * x;
        [x, square, x.abs(), square * x, square * square]
    })
}

fn crossings(x: &[f32]) -> f32 {
    let pairs = x.iter().zip(&x[1..]);
    let crossings = pairs.map(|(a, b)| u32::from((*a < 0.0) != (*b < 0.0)));
    crossings.sum::<u32>() as f32
}

fn differences(x: &[f32], past: usize, distance: usize) -> [f32; 2] {
    let now = &x[past..];
    let before = &x[past - distance..][..now.len()];
    sums(now, before, magnitude_and_square).map(|sum| sum / now.len() as f32)
}

#[inline]
fn magnitude_and_square(a: f32, b: f32) -> [f32; 2] {
    let d = a - b;
    [d.abs(), d * d]
}
