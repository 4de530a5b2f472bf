use ndarray::array;

use super::*;
use crate::beat_files::table::{Shape, tests::two_classes};

/// A file as `h5py` writes it, and what is read of it.
fn found(columns: &str, change: impl Fn(&File)) -> Result<(Shape, Beats)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("beats.hdf5");
    let file = File::create(&path).unwrap();
    let samples = array![[0.0, 0.5, 1.0], [1.0, 0.25, 0.0], [0.0, 1.0, 0.125]];
    let builder = file.new_dataset_builder().with_data(&samples);
    builder.create("ecg").unwrap();
    let label = file.new_dataset_builder().with_data(&[0_i64, 1, 1]);
    label.create("label").unwrap();
    let names: Vec<VarLenUnicode> = ["p", "q", "p"].map(|n| n.parse().unwrap()).to_vec();
    let patients = file.new_dataset_builder().with_data(&names);
    patients.create("who").unwrap();
    change(&file);
    file.close().unwrap();
    two_classes(&path, columns)
}

#[test]
fn datasets_of_others_are_read() {
    let (shape, beats) = found("samples=ecg,patient=who", |_| {}).unwrap();
    assert_eq!(shape.length, 3);
    assert_eq!(
        beats.windows,
        [0.0, 0.5, 1.0, 1.0, 0.25, 0.0, 0.0, 1.0, 0.125]
    );
    assert_eq!(beats.labels, [0, 1, 1]);
    assert_eq!(beats.record_names, ["p", "q"]);
    assert_eq!(beats.records, [0, 1, 0]);
    let (_, unlabelled) = found("samples=ecg,label=none", |_| {}).unwrap();
    assert!(unlabelled.labels.is_empty() && unlabelled.records.is_empty());
}

#[test]
fn texts_of_fixed_length_are_labels() {
    let with_texts = |file: &File| {
        let texts = ["normal", "abnormal", "normal"];
        let texts: Vec<FixedAscii<10>> = texts
            .iter()
            .map(|t| FixedAscii::from_ascii(t).unwrap())
            .collect();
        let set = file.new_dataset_builder().with_data(&texts);
        set.create("rhythm").unwrap();
    };
    let (_, beats) = found("samples=ecg,label=rhythm", with_texts).unwrap();
    assert_eq!(beats.labels, [0, 1, 0]);
}

#[test]
fn rubbish_is_refused_with_the_dataset() {
    let put = |name: &'static str, values: [f64; 3]| {
        move |file: &File| {
            let set = file.new_dataset_builder().with_data(&values);
            set.create(name).unwrap();
        }
    };
    let short = |file: &File| {
        let set = file.new_dataset_builder().with_data(&[0_i32, 1]);
        set.create("class").unwrap();
    };
    let wide = |file: &File| {
        let values = array![[0.0, 1.0, 2.5], [f64::NAN, 0.0, 1.0]];
        let set = file.new_dataset_builder().with_data(&values);
        set.create("raw").unwrap();
    };
    for (refusal, words) in [
        (found("", |_| {}), &["samples=NAME", "ecg"][..]),
        (
            found("samples=signal", |_| {}),
            &["no dataset 'signal'", "ecg"],
        ),
        (found("samples=who", |_| {}), &["'who' has the shape [3]"]),
        (
            found("samples=ecg,label=class", short),
            &["'class' has 2 values; expected 3"],
        ),
        (
            found("samples=ecg,label=kind", put("kind", [0.0, 4.0, 1.0])),
            &["value 1 of 'kind'", "is 4"],
        ),
        (
            found("samples=raw,label=none", wide),
            &["sample 2 of row 0 of", "2.5", "--normalise"],
        ),
        (found("samples=ecg,label=last", |_| {}), &["label=NAME"]),
        (found("samples=ecg,drop=2", |_| {}), &["drop="]),
    ] {
        let refusal = refusal.unwrap_err().to_string();
        for word in words {
            assert!(refusal.contains(word), "{word}: {refusal}");
        }
        assert!(refusal.contains("beats.hdf5"), "{refusal}");
    }
}
