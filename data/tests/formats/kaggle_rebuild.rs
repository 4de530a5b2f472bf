//! The Kaggle format rebuilt from the MIT-BIH Arrhythmia Database against rows
//! of the published test file.

use std::collections::HashMap;

use data::Classes;
use data::beat_files::kaggle;
use data::datasets::dataset::{self, REFERENCE};
use data::formats::find;
use data::pipeline::beats::Beats;
use data::pipeline::input::InputSpec;
use data::pipeline::kaggle_cut;

use crate::environment::shared;

/// Rows of `mitbih_train.csv` and `mitbih_test.csv` together, by class.
const PUBLISHED_SUPPORT: [usize; 5] = [
    72_471 + 18_118,
    2_223 + 556,
    5_788 + 1_448,
    641 + 162,
    6_431 + 1_608,
];

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn published_rows_are_reproduced() {
    let shared = shared();
    let folder = shared.join("mitdb");
    let names = find(&folder).unwrap();
    let parts = dataset::map(&folder, &names, REFERENCE, |annotated| {
        kaggle_cut::from_record(
            &annotated.record,
            &annotated.annotations,
            None,
            &Classes::aami5(),
        )
    });
    let mut rebuilt = Beats::new(InputSpec::kaggle(), &Classes::aami5());
    for part in parts.unwrap() {
        rebuilt.append(&part).unwrap();
    }
    assert_eq!(rebuilt.support(), PUBLISHED_SUPPORT);

    // Rows of one class that are padded alike are candidates for equality.
    let key = |beats: &Beats, row: usize| {
        let last = beats.window(row).iter().rposition(|&v| v != 0.0);
        (beats.labels[row], last)
    };
    let mut candidates: HashMap<_, Vec<usize>> = HashMap::new();
    for row in 0..rebuilt.len() {
        candidates.entry(key(&rebuilt, row)).or_default().push(row);
    }
    let published = kaggle::read(
        &shared.join("fixtures/kaggle/mitbih_test_500.csv"),
        &Classes::aami5(),
    )
    .unwrap();
    let mut reproduced = 0;
    let mut largest = 0.0_f32;
    for row in 0..published.len() {
        let differences = candidates
            .get(&key(&published, row))
            .into_iter()
            .flatten()
            .map(|&candidate| {
                let pairs = rebuilt.window(candidate).iter().zip(published.window(row));
                pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
            });
        if let Some(smallest) = differences.min_by(f32::total_cmp)
            && smallest < 1e-6
        {
            reproduced += 1;
            largest = largest.max(smallest);
        }
    }
    println!(
        "{reproduced} of {} published rows, largest difference {largest:e}",
        published.len()
    );
    assert_eq!(reproduced, published.len());
}
