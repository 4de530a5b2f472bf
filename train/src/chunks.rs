//! Chunks of consecutive beats, for networks with a memory.
//!
//! A beat is drawn as it would be for a network without one, with probability
//! `q_i`, and a chunk of `L` beats of its stretch is laid around it: each of the
//! `n_i` places at which the chunk holds the beat and lies within the stretch is
//! as likely. All beats of a chunk are learnt from. So that each counts, on
//! average, as much as if beats were drawn one by one, beat `j` has the weight
//!
//! `w_j = q_j / p_j`, `p_j = sum over chunks with j of sum over i in the chunk of q_i / n_i`,
//!
//! the probability that a drawn chunk holds it. The weights of a chunk then add
//! up to 1 on average, and its expected loss is `sum_j q_j loss_j`, that of a beat
//! drawn by itself: balance of classes, weights of rows and logit adjustment mean
//! the same with a memory and without.
//!
//! A stretch shorter than `L` is a chunk as it is. No chunk reaches over the end
//! of a recording or a gap.

use std::ops::Range;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::sampler::{Sampler, mix};

/// Draws the chunks of each epoch.
#[derive(Clone, Debug)]
pub struct Chunks {
    sampler: Sampler,
    seed: u64,
    /// Beats of a chunk, at most.
    length: usize,
    /// The stretch of each row.
    stretches: Vec<Range<usize>>,
    weights: Vec<f32>,
}

impl Chunks {
    /// Chunks of `length` rows around those that `sampler` draws; `ages` are those
    /// of all rows, how many of its stretch come before each.
    pub fn new(sampler: Sampler, ages: &[usize], length: usize, seed: u64) -> Chunks {
        let mut stretches = Vec::with_capacity(ages.len());
        while stretches.len() < ages.len() {
            let start = stretches.len();
            let more = ages[start + 1..].iter().take_while(|age| **age > 0);
            let end = start + 1 + more.count();
            stretches.extend(std::iter::repeat_n(start..end, end - start));
        }
        let mut chunks = Chunks {
            sampler,
            seed,
            length: length.max(1),
            stretches,
            weights: Vec::new(),
        };
        chunks.weights = chunks.weights();
        chunks
    }

    /// Beats of a chunk, at most.
    pub fn length(&self) -> usize {
        self.length
    }

    /// What each row counts in the loss where a chunk holds it.
    pub fn row_weights(&self) -> &[f32] {
        &self.weights
    }

    /// The chunks of an epoch: with as many rows in all as the sampler shows; the
    /// same for the same seed and epoch.
    pub fn epoch(&self, epoch: usize) -> Vec<Range<usize>> {
        let rows = self.sampler.epoch(epoch);
        let mut random = ChaCha8Rng::seed_from_u64(mix(self.seed, epoch as u64, u64::MAX));
        let count = rows.len().div_ceil(self.length);
        let around = |&row: &i64| {
            let starts = self.starts(row as usize);
            let start = random.random_range(starts);
            start..start + self.extent(row as usize)
        };
        rows.iter().take(count).map(around).collect()
    }

    /// Rows of a chunk that holds this one.
    fn extent(&self, row: usize) -> usize {
        self.length.min(self.stretches[row].len())
    }

    /// Where a chunk that holds a row may start.
    fn starts(&self, row: usize) -> Range<usize> {
        let (stretch, extent) = (&self.stretches[row], self.extent(row));
        let first = stretch.start.max((row + 1).saturating_sub(extent));
        first..row.min(stretch.end - extent) + 1
    }

    fn weights(&self) -> Vec<f32> {
        let drawn = self.sampler.probabilities();
        // Sums of `q_i / n_i` and then of the chunks' probabilities, up to a row.
        let mut sums = vec![0.0];
        for (row, q) in drawn.iter().enumerate() {
            sums.push(sums[row] + q / self.starts(row).len() as f64);
        }
        let mut starting = vec![0.0];
        for row in 0..drawn.len() {
            let end = row + self.extent(row);
            let fits = end <= self.stretches[row].end;
            let chunk = if fits { sums[end] - sums[row] } else { 0.0 };
            starting.push(starting[row] + chunk);
        }
        let weight = |(row, q): (usize, &f64)| {
            let starts = self.starts(row);
            let held = starting[starts.end] - starting[starts.start];
            // A beat that is never drawn counts nothing, nor does rounding.
            let weight = if *q > 0.0 { q / held } else { 0.0 };
            weight.min(1.0) as f32
        };
        drawn.iter().enumerate().map(weight).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stretches of 50, 3 and 47 rows, every tenth of class 1.
    fn chunks(length: usize, seed: u64) -> (Chunks, Sampler, Vec<usize>) {
        let labels: Vec<usize> = (0..100).map(|row| usize::from(row % 10 == 4)).collect();
        let mut weights = vec![1.0; 100];
        weights[60..70].fill(0.0);
        let sampler = Sampler::new(&labels, 2, &weights, 1.0, 4000, seed);
        let ages: Vec<usize> = (0..50).chain(0..3).chain(0..47).collect();
        let chunks = Chunks::new(sampler.clone(), &ages, length, seed);
        (chunks, sampler, labels)
    }

    #[test]
    fn chunks_stay_within_their_stretches() {
        for length in [1, 7, 60] {
            let (chunks, ..) = chunks(length, 3);
            let drawn = chunks.epoch(0);
            assert_eq!(drawn.len(), 4000_usize.div_ceil(length));
            assert_eq!(drawn, chunks.epoch(0));
            assert_ne!(drawn, chunks.epoch(1));
            for chunk in &drawn {
                let stretch = &chunks.stretches[chunk.start];
                assert!(stretch.start <= chunk.start && chunk.end <= stretch.end);
                assert_eq!(chunk.len(), length.min(stretch.len()));
            }
        }
    }

    #[test]
    fn every_row_counts_as_often_as_it_would_be_drawn() {
        for length in [1, 7, 60] {
            let (chunks, sampler, _) = chunks(length, 5);
            let mut counted = vec![0.0; 100];
            let mut drawn = 0;
            for epoch in 0..60 {
                for chunk in chunks.epoch(epoch) {
                    drawn += 1;
                    chunk.for_each(|row| counted[row] += f64::from(chunks.row_weights()[row]));
                }
            }
            for (row, q) in sampler.probabilities().iter().enumerate() {
                let found = counted[row] / f64::from(drawn);
                let unsure = 5.0 * (q / f64::from(drawn)).sqrt();
                assert!(
                    (found - q).abs() <= unsure + 1e-9,
                    "{length}, {row}: {found}, {q}"
                );
            }
            assert_eq!(counted[65], 0.0);
        }
    }

    #[test]
    fn chunks_of_one_are_the_rows_that_the_sampler_draws() {
        let (chunks, sampler, labels) = chunks(1, 8);
        let rows = sampler.epoch(2);
        let drawn: Vec<i64> = chunks.epoch(2).iter().map(|c| c.start as i64).collect();
        assert_eq!(drawn, rows);
        let of_one = |row: usize| chunks.row_weights()[row];
        assert!((0..100).all(|row| of_one(row) == 1.0 || (60..70).contains(&row)));
        assert!(labels.contains(&1));
    }
}
