use proptest::prelude::*;

use super::*;
use crate::rhythm::RhythmFeature;

fn spec(features: bool) -> InputSpec {
    InputSpec {
        before: 3,
        after: 5,
        template: true,
        rhythm: match features {
            true => vec![RhythmFeature::Previous, RhythmFeature::Next],
            false => Vec::new(),
        },
        ..InputSpec::kaggle()
    }
}

/// `rows` beats whose values follow from their place.
fn beats(rows: usize, features: bool, labels: bool, records: bool) -> Beats {
    let mut beats = Beats::new(spec(features));
    let values = |n: usize| (0..n).map(|i| (i as f32).sin().abs());
    beats
        .windows
        .extend(values(rows * beats.input.window_values()));
    beats.rhythm.extend(values(rows * beats.input.rhythm.len()));
    if labels {
        beats.labels.extend((0..rows).map(|i| Class::ALL[i % 5]));
    }
    if records {
        beats.record_names = vec!["100".into(), "größer".into()];
        beats.records.extend((0..rows).map(|i| i as u32 % 2));
        beats.samples.extend((0..rows).map(|i| i as u64 * 1000));
    }
    beats
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_is_written_reads_back_equal(
        rows in 1_usize..1500,
        chunk in 1_usize..2000,
        features: bool,
        labels: bool,
        records: bool,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("beats.h5");
        let beats = beats(rows, features, labels, records);
        write(&path, &beats, "abc").unwrap();
        prop_assert_eq!(read(&path).unwrap(), beats.clone());
        let store = Store::open(&path).unwrap();
        prop_assert_eq!((store.len(), store.source_sha256()), (rows, "abc"));
        let mut start = 0;
        for part in store.chunks(chunk) {
            let part = part.unwrap();
            let indices: Vec<usize> = (start..start + part.len()).collect();
            prop_assert_eq!(&part, &beats.select(&indices));
            start += part.len();
        }
        prop_assert_eq!(start, rows);
    }
}

#[test]
fn pieces_are_joined() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("beats.h5");
    let (first, second) = (beats(700, true, true, true), beats(5, true, true, true));
    let mut writer = Writer::create(&path, &first.input, "").unwrap();
    writer.append(&first).unwrap();
    writer.append(&second).unwrap();
    let message = writer.append(&beats(1, true, false, true)).unwrap_err();
    assert!(
        message.to_string().contains("cannot share a store"),
        "{message}"
    );
    assert!(!path.exists(), "nothing may appear before it is finished");
    writer.finish().unwrap();
    let mut expected = first;
    expected.append(&second).unwrap();
    assert_eq!(read(&path).unwrap(), expected);
}

#[test]
fn an_empty_store_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("beats.h5");
    write(&path, &Beats::new(spec(true)), "").unwrap();
    assert!(read(&path).unwrap().is_empty());
}

#[test]
fn a_store_of_other_beats_is_stale() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("beats.h5");
    write(&path, &beats(3, false, true, false), "abc").unwrap();
    let store = Store::open(&path).unwrap();
    assert_eq!(store.stale(&spec(false), "abc"), None);
    assert!(
        store
            .stale(&spec(false), "abd")
            .is_some_and(|why| why.contains("other recordings"))
    );
    assert!(
        store
            .stale(&spec(true), "abc")
            .is_some_and(|why| why.contains("another way"))
    );
}

#[test]
fn foreign_and_damaged_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.h5");
    let refused = || {
        Store::open(&path)
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default()
    };
    assert!(refused().contains("other.h5"));

    std::fs::write(&path, "1.0,2.0\n").unwrap();
    assert!(
        refused().contains("not a store of prepared beats"),
        "{}",
        refused()
    );

    let file = File::create(&path).unwrap();
    file.close().unwrap();
    assert!(
        refused().contains("not a store of prepared beats"),
        "{}",
        refused()
    );

    write(&path, &beats(3, true, true, true), "").unwrap();
    let file = File::open_rw(&path).unwrap();
    file.attr("version")
        .unwrap()
        .write_scalar(&(VERSION + 1))
        .unwrap();
    file.close().unwrap();
    assert!(
        refused().contains("version 2, this program reads version 1"),
        "{}",
        refused()
    );

    // Claims far more rows than the file can hold.
    write(&path, &beats(3, false, false, false), "").unwrap();
    let file = File::open_rw(&path).unwrap();
    file.dataset("windows")
        .unwrap()
        .resize([1 << 40, 2, 8])
        .unwrap();
    file.close().unwrap();
    assert!(refused().contains("cannot be in"), "{}", refused());

    write(&path, &beats(3, true, true, true), "").unwrap();
    let file = File::open_rw(&path).unwrap();
    file.dataset("labels")
        .unwrap()
        .write(&[0_u8, 9, 0])
        .unwrap();
    file.close().unwrap();
    let message = read(&path).unwrap_err().to_string();
    assert!(message.contains("classes beyond 0 to 4"), "{message}");

    // Cut short anywhere: an error, never beats.
    write(&path, &beats(600, true, true, true), "").unwrap();
    let whole = std::fs::read(&path).unwrap();
    for part in 0..20 {
        std::fs::write(&path, &whole[..whole.len() * part / 20]).unwrap();
        assert!(read(&path).is_err());
    }
}
