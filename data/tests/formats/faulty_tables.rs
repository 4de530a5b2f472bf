//! The faults of tables of beats that others found: each is read as the plain
//! file is, or refused with what is wrong and the remedy.

use data::Classes;
use data::beat_files::kaggle;
use data::pipeline::beats::Beats;

use super::environment::shared;

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn tables_of_the_fault_folders_are_read_right_or_refused_with_a_remedy() {
    let shared = shared();
    let faults = shared.join("faults");
    let read =
        |path: &str| kaggle::read(&faults.join(path), &Classes::aami5()).map_err(|e| e.to_string());
    let plain = read("kaggle-not-scaled/plain.csv").unwrap();
    assert_eq!((plain.len(), plain.labels.len()), (15, 15));

    // The same numbers in more digits or fewer.
    let alike = |beats: &Beats, other: &Beats| {
        assert_eq!(beats.labels, other.labels);
        assert_eq!(beats.len(), other.len());
        let pairs = beats.windows.iter().zip(&other.windows);
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-6));
    };
    for name in ["bom.csv", "semi.csv", "trail.csv", "blank_end.csv"] {
        let path = format!("kaggle-line1-hint/{name}");
        alike(
            &read(&path).unwrap_or_else(|e| panic!("{name}: {e}")),
            &plain,
        );
    }
    alike(&read("kaggle-line1-hint/plain.csv.gz").unwrap(), &plain);

    let without = read("kaggle-numeric-header/u_plain.csv").unwrap();
    assert_eq!((without.len(), without.labels.len()), (15, 0));
    assert_eq!(read("kaggle-numeric-header/u_hdr.csv").unwrap(), without);

    let message = read("kaggle-not-scaled/raw_mv.csv").unwrap_err();
    for word in [
        "line 1",
        "column 1",
        "row 0",
        "1500",
        "between 0",
        "data convert",
    ] {
        assert!(message.contains(word), "{word}: {message}");
    }
}
