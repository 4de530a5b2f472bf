//! Which recordings, patients and beats train, validate and test.
//!
//! Every split is a function of its arguments alone: the same seed gives the
//! same split on every machine and in every later version.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Training records of the inter-patient split of de Chazal et al. (2004).
pub const DS1: [&str; 22] = [
    "101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122", "124", "201",
    "203", "205", "207", "208", "209", "215", "220", "223", "230",
];

/// Test records of the inter-patient split of de Chazal et al. (2004).
pub const DS2: [&str; 22] = [
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210", "212", "213",
    "214", "219", "221", "222", "228", "231", "232", "233", "234",
];

/// Records with paced beats, which EC57 leaves out of both.
pub const PACED: [&str; 4] = ["102", "104", "107", "217"];

/// Rows or records divided in two, as ascending indices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// What is learnt from.
    pub train: Vec<usize>,
    /// What is held out, for validation or for the test.
    pub held_out: Vec<usize>,
}

/// Part of the Kaggle-format rows that are the test, as in the published files.
pub const KAGGLE_TEST: f64 = 0.2;
/// Seed of the one division of the rebuilt Kaggle-format rows that all figures
/// refer to; chosen before any of them.
pub const KAGGLE_SEED: u64 = 0;

/// The test part of the Kaggle task: [`stratified`] with [`KAGGLE_TEST`] and
/// [`KAGGLE_SEED`].
pub fn kaggle(labels: &[usize]) -> Split {
    stratified(labels, KAGGLE_TEST, KAGGLE_SEED)
}

/// Holds out `fraction` of the rows of every class, rounded up, at random;
/// `labels` are places in a list of classes.
///
/// Rows of one patient fall on both sides: good for comparison with figures
/// made in this way, not for a claim about new patients.
pub fn stratified(labels: &[usize], fraction: f64, seed: u64) -> Split {
    let mut held_out = Vec::new();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for class in 0..labels.iter().max().map_or(0, |most| most + 1) {
        let mut rows: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == class).collect();
        let count = (rows.len() as f64 * fraction.clamp(0.0, 1.0)).ceil() as usize;
        shuffle(&mut rows, &mut random);
        held_out.extend(&rows[..count]);
    }
    complement(held_out, labels.len())
}

/// Holds out whole patients: `fraction` of them, rounded to the nearest number
/// but at least one on each side where there are two. `patients` has the patient
/// of each record (see [`Patients::of`](crate::datasets::patients::Patients::of));
/// the indices are those of `patients`.
pub fn by_patient<S: AsRef<str>>(patients: &[S], fraction: f64, seed: u64) -> Split {
    let mut records: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, patient) in patients.iter().enumerate() {
        records.entry(patient.as_ref()).or_default().push(index);
    }
    let mut groups: Vec<Vec<usize>> = records.into_values().collect();
    let count = (groups.len() as f64 * fraction.clamp(0.0, 1.0)).round() as usize;
    let most = groups.len().saturating_sub(1);
    let count = count.max(1).min(most);
    shuffle(&mut groups, &mut ChaCha8Rng::seed_from_u64(seed));
    let held_out = groups.into_iter().take(count).flatten().collect();
    complement(held_out, patients.len())
}

/// Orders by random keys, which rests on nothing but the generator.
fn shuffle<T>(values: &mut Vec<T>, random: &mut ChaCha8Rng) {
    let mut keyed: Vec<(u64, T)> = values.drain(..).map(|v| (random.next_u64(), v)).collect();
    keyed.sort_by_key(|(key, _)| *key);
    values.extend(keyed.into_iter().map(|(_, value)| value));
}

fn complement(mut held_out: Vec<usize>, length: usize) -> Split {
    held_out.sort_unstable();
    let mut is_out = vec![false; length];
    for &index in &held_out {
        is_out[index] = true;
    }
    Split {
        train: (0..length).filter(|&i| !is_out[i]).collect(),
        held_out,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::datasets::patients::Patients;

    #[test]
    fn the_inter_patient_sets_are_disjoint_and_complete() {
        let all: HashSet<&str> = DS1.iter().chain(&DS2).chain(&PACED).copied().collect();
        assert_eq!(all.len(), 48);
    }

    #[test]
    fn the_kaggle_split_stays_what_it_is() {
        let labels: Vec<usize> = (0..100).map(|i| i % 5).collect();
        assert_eq!(kaggle(&labels).held_out, KAGGLE_SPLIT_OF_100);
    }

    /// Computed once; a change would make every published figure void.
    const KAGGLE_SPLIT_OF_100: [usize; 20] = [
        4, 15, 28, 38, 42, 45, 47, 51, 54, 57, 58, 64, 65, 66, 76, 80, 87, 91, 94, 98,
    ];

    fn is_partition(split: &Split, length: usize) -> bool {
        let mut all = [split.train.clone(), split.held_out.clone()].concat();
        all.sort_unstable();
        all == (0..length).collect::<Vec<_>>()
    }

    proptest! {
        #[test]
        fn every_class_is_held_out_alike(
            labels in proptest::collection::vec(0_usize..5, 0..400),
            fraction in 0.0..=1.0,
            seed: u64,
        ) {
            let split = stratified(&labels, fraction, seed);
            prop_assert!(is_partition(&split, labels.len()));
            for class in 0..5 {
                let total = labels.iter().filter(|&&l| l == class).count();
                let out = split.held_out.iter().filter(|&&i| labels[i] == class).count();
                prop_assert_eq!(out, (total as f64 * fraction).ceil() as usize);
            }
        }

        #[test]
        fn no_patient_is_on_both_sides(fraction in 0.0..=1.0, seed: u64) {
            let known = Patients::default();
            let of: Vec<&str> = DS1.iter().chain(&DS2).map(|r| known.of(r).unwrap()).collect();
            let split = by_patient(&of, fraction, seed);
            prop_assert!(is_partition(&split, of.len()));
            let patients = |rows: &[usize]| -> HashSet<&str> {
                rows.iter().map(|&i| of[i]).collect()
            };
            prop_assert!(patients(&split.train).is_disjoint(&patients(&split.held_out)));
            prop_assert!(!split.train.is_empty() && !split.held_out.is_empty());
        }
    }
}
