//! Patients held out so that every class is held out alike.

use data::datasets::splits::{self, Split};

use crate::sampler::mix;

/// Ways to hold patients out among which [`most_even`] takes the best.
const CANDIDATES: u64 = 300;

/// Splits records, or patients, into those that train and those of held-out patients;
/// `support` has their beats per class.
///
/// Of many ways to hold out the wanted share of the patients, drawn from the
/// seed, the one is taken whose share of the beats of every class strays
/// least from it: a single draw could hold out every S beat or none.
pub(crate) fn most_even<S: AsRef<str>>(
    names: &[S],
    support: &[Vec<usize>],
    share: f64,
    seed: u64,
) -> Split {
    let classes = support.first().map_or(0, Vec::len);
    let sum = |rows: &mut dyn Iterator<Item = usize>| {
        let mut sums = vec![0.0; classes];
        for row in rows {
            for (sum, n) in sums.iter_mut().zip(&support[row]) {
                *sum += *n as f64;
            }
        }
        sums
    };
    let total = sum(&mut (0..support.len()));
    let stray = |split: &Split| -> f64 {
        let held = sum(&mut split.held_out.iter().copied());
        let classes = total.iter().zip(&held).filter(|(total, _)| **total > 0.0);
        classes
            .map(|(total, held)| (held / total - share).powi(2))
            .sum()
    };
    let drawn = |i| splits::by_patient(names, share, mix(seed, i, 0));
    (1..CANDIDATES).fold(drawn(0), |best, i| {
        let next = drawn(i);
        match stray(&next) < stray(&best) {
            true => next,
            false => best,
        }
    })
}
