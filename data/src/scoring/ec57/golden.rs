//! Every figure of the reference comparator's reports on the MIT-BIH
//! Arrhythmia Database, for three test annotators.

use std::path::{Path, PathBuf};

use super::*;
use crate::formats::{self, wfdb::AnnotationFile};

/// Sampling rate of the database.
const FS: f64 = 360.0;

fn shared() -> PathBuf {
    PathBuf::from(env!("ECTOPY_RECORDINGS"))
}

fn comparisons(shared: &Path, test: &str) -> Vec<(String, Comparison)> {
    let read = |folder: PathBuf, name: &str, annotator: &str| {
        AnnotationFile::read(&folder.join(format!("{name}.{annotator}")))
            .unwrap()
            .at_rate(FS)
    };
    formats::find(&shared.join("mitdb"))
        .unwrap()
        .into_iter()
        .map(|name| {
            let reference = read(shared.join("mitdb"), &name, "atr");
            let tested = read(shared.join("golden/ec57/annotations"), &name, test);
            let recording = formats::open(&shared.join("mitdb").join(&name)).unwrap();
            let pair = Pair {
                reference: &reference,
                test: &tested,
                fs: FS,
                length: recording.length.map(|length| length as i64),
            };
            let found = compare(&pair, &Options::default());
            (name, found)
        })
        .collect()
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn reports_equal_those_of_the_reference_comparator() {
    let shared = shared();
    for test in ["gqrs", "osea", "tst"] {
        let golden = |kind: &str| {
            let path = shared.join(format!("golden/ec57/{test}.{kind}.txt"));
            std::fs::read_to_string(path).unwrap()
        };
        let compared = comparisons(&shared, test);
        assert_eq!(compared.len(), 48);

        let mut lines = format!("{HEADING}\n");
        let mut matrices = String::new();
        for (name, comparison) in &compared {
            lines += &format!("{}\n", line(name, comparison));
            matrices += &matrix_report(name, "atr", test, comparison);
        }
        same(&lines, &golden("bxb-line"));
        same(&matrices, &golden("bxb-matrices"));
        same(&(lines + &summary_report(&compared)), &golden("sumstats"));
    }
}

fn same(ours: &str, golden: &str) {
    for (n, (a, b)) in ours.lines().zip(golden.lines()).enumerate() {
        assert_eq!(a, b, "line {}", n + 1);
    }
    assert_eq!(ours.lines().count(), golden.lines().count());
}
