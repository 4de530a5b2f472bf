use std::path::Path;

use data::output::OutputFile;
use data::output::made_here::is_made_here;
use data::pipeline::input::InputSpec;
use models::contract::{Decision, Training, VERSION};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

use super::*;

fn contract() -> Contract {
    Contract {
        version: VERSION,
        input: InputSpec::kaggle(),
        classes: Classes::aami5(),
        temperature: 1.0,
        reject_threshold: 0.0,
        memory: None,
        training: Training {
            recipe: "none".into(),
            seed: 0,
            data: "none".into(),
            data_sha256: String::new(),
            trainer: "test".into(),
        },
    }
}

/// A file of so many rows, of which every second has a place in a record.
fn written(path: &Path, rows: usize) -> SerializedFileReader<std::fs::File> {
    let target = OutputFile::create(path).unwrap();
    let mut file = ParquetFile::create(target, &contract()).unwrap();
    for i in 0..rows {
        let known = i % 2 == 1;
        file.write(&Row {
            input: if i < 100 { "a" } else { "b" },
            row: i as u64,
            place: known.then_some(("100", 77 + i as u64)),
            time: known.then_some(0.5 * i as f64),
            rr: (i % 4 == 1).then_some(0.8),
            quality: known.then_some(0.9),
            label: (!known).then_some(2),
            decision: Decision {
                class: i % 5,
                probability: 0.5,
                reject: (i % 3 == 0).then_some(Reject::Quality),
            },
            probabilities: &[0.5, 0.125, 0.125, 0.125, 0.125],
            logits: &[0.0; 5],
        })
        .unwrap();
    }
    assert!(!path.exists());
    file.finish().unwrap().commit().unwrap();
    SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap()
}

#[test]
fn every_column_reads_back_over_several_groups() {
    const ROWS: usize = GROUP + 7;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.parquet");
    let reader = written(&path, ROWS);
    assert_eq!(reader.metadata().num_row_groups(), 2);
    assert_eq!(reader.metadata().file_metadata().num_rows(), ROWS as i64);
    assert!(is_made_here(&path));
    let text = |text: &str| Field::Str(text.into());
    let rows = reader.get_row_iter(None).unwrap().enumerate();
    for (i, row) in rows.filter(|(i, _)| *i < 8 || *i > GROUP) {
        let row = row.unwrap();
        let columns: Vec<(&str, &Field)> = row
            .get_column_iter()
            .map(|(name, field)| (name.as_str(), field))
            .collect();
        let known = i % 2 == 1;
        let if_known = |field: Field| if known { field } else { Field::Null };
        let class = ["N", "S", "V", "F", "Q"][i % 5];
        let rejected = i % 3 == 0;
        let expected = [
            ("input", text(if i < 100 { "a" } else { "b" })),
            ("row", Field::Long(i as i64)),
            ("record", if_known(text("100"))),
            ("sample", if_known(Field::Long(77 + i as i64))),
            ("label", if known { Field::Null } else { text("V") }),
            ("class", text(class)),
            ("N", Field::Float(0.5)),
            ("S", Field::Float(0.125)),
            ("V", Field::Float(0.125)),
            ("F", Field::Float(0.125)),
            ("Q", Field::Float(0.125)),
            ("rejected", Field::Bool(rejected)),
            (
                "reject",
                if rejected {
                    text("quality")
                } else {
                    Field::Null
                },
            ),
            ("time", if_known(Field::Double(0.5 * i as f64))),
            (
                "rr",
                if i % 4 == 1 {
                    Field::Float(0.8)
                } else {
                    Field::Null
                },
            ),
            ("quality", if_known(Field::Float(0.9))),
        ];
        let expected: Vec<_> = expected.iter().map(|(n, f)| (*n, f)).collect();
        assert_eq!(columns, expected, "row {}", i);
    }
}

#[test]
fn a_file_without_rows_has_its_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.parquet");
    let metadata = written(&path, 0).metadata().clone();
    let metadata = metadata.file_metadata();
    assert_eq!(metadata.num_rows(), 0);
    assert_eq!(metadata.schema_descr().num_columns(), 16);
    let told = metadata.key_value_metadata().unwrap();
    assert!(told.iter().any(|pair| pair.key == "contract"));
}
