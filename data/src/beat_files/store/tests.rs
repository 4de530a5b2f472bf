use proptest::prelude::*;

use super::*;
use crate::pipeline::beat_feature::BeatFeature;

fn spec(features: bool) -> InputSpec {
    InputSpec {
        before: 3,
        after: 5,
        template: true,
        rhythm: match features {
            true => vec![BeatFeature::Previous, BeatFeature::Next],
            false => Vec::new(),
        },
        ..InputSpec::kaggle()
    }
}

/// `rows` beats whose values follow from their place.
fn beats(rows: usize, features: bool, labels: bool, records: bool) -> Beats {
    let mut beats = Beats::new(spec(features), &Classes::aami5());
    let values = |n: usize| (0..n).map(|i| (i as f32).sin().abs());
    beats
        .windows
        .extend(values(rows * beats.input.window_values()));
    beats.rhythm.extend(values(rows * beats.input.rhythm.len()));
    if labels {
        beats.labels.extend((0..rows).map(|i| i % 5));
    }
    if records {
        beats.record_names = vec!["100".into(), "größer".into()];
        beats.records.extend((0..rows).map(|i| i as u32 % 2));
        beats.samples.extend((0..rows).map(|i| i as u64 * 1000));
        beats.begins.extend((0..rows).map(|i| i % 7 == 0));
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
    let mut writer = Writer::create(&path, &first.input, &first.classes, "").unwrap();
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
    write(&path, &Beats::new(spec(true), &Classes::aami5()), "").unwrap();
    assert!(read(&path).unwrap().is_empty());
}

#[test]
fn a_store_of_other_beats_is_stale() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("beats.h5");
    write(&path, &beats(3, false, true, false), "abc").unwrap();
    let store = Store::open(&path).unwrap();
    let five = Classes::aami5();
    assert_eq!(store.stale(&spec(false), &five, "abc"), None);
    assert!(
        store
            .stale(&spec(false), &five, "abd")
            .is_some_and(|why| why.contains("other recordings"))
    );
    assert!(
        store
            .stale(&spec(true), &five, "abc")
            .is_some_and(|why| why.contains("another way"))
    );
    let three = "aami3".parse().unwrap();
    let why = store.stale(&spec(false), &three, "abc");
    assert!(why.is_some_and(|why| why.contains("other classes")));
}

#[test]
fn a_store_keeps_its_classes() {
    let folder = tempfile::tempdir().unwrap();
    for classes in ["aami5", "ptbdb", "normal=N L R,ectopic=A V"] {
        let path = folder.path().join("beats.h5");
        let mut two = beats(4, false, false, false);
        two.classes = classes.parse().unwrap();
        two.labels = vec![0, 1, 1, 0];
        write(&path, &two, "").unwrap();
        assert_eq!(read(&path).unwrap(), two, "{classes}");
    }
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

/// Why a file with these bytes is refused.
fn refused(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.h5");
    std::fs::write(&path, bytes).unwrap();
    read(&path).unwrap_err().to_string()
}

#[test]
fn filters_are_named_as_people_know_them() {
    // A file with such a filter cannot be made here, for want of the filter;
    // the program's tests read one.
    for (number, word) in [
        (4, "SZIP"),
        (32_000, "LZF"),
        (32_001, "Blosc"),
        (31_999, "the filter of number 31999"),
    ] {
        let filter = hdf5::filters::Filter::user(number, &[]);
        assert!(!filter.is_available());
        assert_eq!(refusal::filter_name(&filter), word);
    }
}

#[test]
fn a_locked_store_is_said_to_be_locked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.h5");
    write(&path, &beats(3, false, true, false), "").unwrap();
    let held = std::fs::File::open(&path).unwrap();
    held.lock().unwrap();
    let message = read(&path).unwrap_err().to_string();
    assert!(message.contains("locked"), "{message}");
    assert!(!message.contains("data convert"), "{message}");
    held.unlock().unwrap();
    assert_eq!(read(&path).unwrap().len(), 3);
}

#[test]
fn what_is_lacking_in_a_store_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.h5");
    let changed = |change: &dyn Fn(&File)| {
        write(&path, &beats(3, true, true, true), "").unwrap();
        let file = File::open_rw(&path).unwrap();
        change(&file);
        file.close().unwrap();
        read(&path).unwrap_err().to_string()
    };
    type Change<'a> = &'a dyn Fn(&File);
    let cases: [(Change, &str); 6] = [
        (&|f| f.unlink("windows").unwrap(), "no dataset 'windows'"),
        (&|f| f.delete_attr("input").unwrap(), "attribute 'input'"),
        (
            &|f| f.delete_attr("version").unwrap(),
            "attribute 'version'",
        ),
        (
            &|f| {
                f.unlink("labels").unwrap();
                f.new_dataset::<f64>().shape(3).create("labels").unwrap();
            },
            "'labels' holds float64; expected uint8",
        ),
        (
            &|f| {
                f.unlink("labels").unwrap();
                f.create_group("labels").unwrap();
            },
            "'labels' is no dataset",
        ),
        (
            &|f| {
                f.unlink("windows").unwrap();
                f.new_dataset::<f32>()
                    .shape((3, 1, 8))
                    .create("windows")
                    .unwrap();
            },
            "expected [rows, 2, 8]",
        ),
    ];
    for (change, word) in cases {
        let message = changed(change);
        assert!(message.contains(word), "{message}");
        assert!(message.contains("data convert"), "{message}");
    }
    assert!(refused(b"").contains("empty"));
    assert!(refused(b"PAR1....").contains("Parquet"));
    assert!(refused(b"not HDF5 at all").contains("not HDF5"));
}

#[test]
fn values_on_another_scale_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.h5");
    let mut beats = beats(3, false, true, false);
    beats.windows[16 + 5] = -1.5;
    write(&path, &beats, "").unwrap();
    let message = read(&path).unwrap_err().to_string();
    assert!(message.contains("value 5 of row 1"), "{message}");
    assert!(message.contains("-1.5; by the contract"), "{message}");
}

#[test]
fn the_same_beats_are_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let beats = beats(900, true, true, true);
    let made = ["a.h5", "b.h5"].map(|name| {
        let path = folder.path().join(name);
        write(&path, &beats, "abc").unwrap();
        // A time in seconds would differ.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        std::fs::read(path).unwrap()
    });
    assert!(made[0] == made[1], "the files differ");
}
