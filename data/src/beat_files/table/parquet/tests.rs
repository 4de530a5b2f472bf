use std::fs::File;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::column::writer::ColumnWriter;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::*;
use crate::beat_files::table::{Shape, tests::two_classes};

/// The values of a column, and its levels where it has any.
enum Column {
    Floats(Vec<f32>),
    Doubles(Vec<f64>),
    Integers(Vec<i32>),
    Texts(Vec<&'static str>),
    /// Values, and whether each is there.
    Optional(Vec<f32>, Vec<i16>),
    /// Values, whether each is there, and 0 where a row begins.
    Lists(Vec<f64>, Vec<i16>, Vec<i16>),
}

/// A file of these columns, written as one group of rows for each part.
fn file(schema: &str, parts: Vec<Vec<Column>>, compression: Compression) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let out = File::create(folder.path().join("beats.parquet")).unwrap();
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = WriterProperties::builder().set_compression(compression);
    let mut writer = SerializedFileWriter::new(out, schema, properties.build().into()).unwrap();
    for part in parts {
        let mut group = writer.next_row_group().unwrap();
        for column in part {
            let mut open = group.next_column().unwrap().unwrap();
            let written = match (open.untyped(), column) {
                (ColumnWriter::FloatColumnWriter(w), Column::Floats(v)) => {
                    w.write_batch(&v, None, None)
                }
                (ColumnWriter::FloatColumnWriter(w), Column::Optional(v, there)) => {
                    w.write_batch(&v, Some(&there), None)
                }
                (ColumnWriter::DoubleColumnWriter(w), Column::Doubles(v)) => {
                    w.write_batch(&v, None, None)
                }
                (ColumnWriter::DoubleColumnWriter(w), Column::Lists(v, there, starts)) => {
                    w.write_batch(&v, Some(&there), Some(&starts))
                }
                (ColumnWriter::Int32ColumnWriter(w), Column::Integers(v)) => {
                    w.write_batch(&v, None, None)
                }
                (ColumnWriter::ByteArrayColumnWriter(w), Column::Texts(v)) => {
                    let bytes: Vec<_> = v.into_iter().map(Into::into).collect();
                    w.write_batch(&bytes, None, None)
                }
                _ => panic!("the schema has another type there"),
            };
            written.unwrap();
            open.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
    folder
}

const COLUMNS: &str = "message beats {
    required binary subject (UTF8);
    required float a;
    required double b;
    required int32 c (INTEGER(8,false));
    required int32 label;
}";

/// Two groups of rows: three beats and one.
fn columns() -> Vec<Vec<Column>> {
    vec![
        vec![
            Column::Texts(vec!["p", "q", "p"]),
            Column::Floats(vec![0.0, 0.25, 0.0]),
            Column::Doubles(vec![0.5, 0.0, 0.125]),
            Column::Integers(vec![1, 1, 1]),
            Column::Integers(vec![0, 1, 1]),
        ],
        vec![
            Column::Texts(vec!["r"]),
            Column::Floats(vec![1.0]),
            Column::Doubles(vec![0.75]),
            Column::Integers(vec![0]),
            Column::Integers(vec![0]),
        ],
    ]
}

const LISTS: &str = "message beats {
    optional group ecg (LIST) { repeated group list { optional double element; } }
    required binary rhythm (UTF8);
}";

fn lists(values: Vec<f64>, there: Vec<i16>, starts: Vec<i16>) -> Vec<Vec<Column>> {
    let rhythms = Column::Texts(vec!["normal", "abnormal"]);
    vec![vec![Column::Lists(values, there, starts), rhythms]]
}

fn found(folder: &tempfile::TempDir, text: &str) -> Result<(Shape, Beats)> {
    two_classes(&folder.path().join("beats.parquet"), text)
}

#[test]
fn columns_of_every_kind_are_read_over_groups_of_rows() {
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::ZSTD(Default::default()),
    ] {
        let folder = file(COLUMNS, columns(), compression);
        let (shape, beats) = found(&folder, "").unwrap();
        assert_eq!(shape.length, 3);
        assert_eq!(
            beats.windows,
            [
                0.0, 0.5, 1.0, 0.25, 0.0, 1.0, 0.0, 0.125, 1.0, 1.0, 0.75, 0.0
            ]
        );
        assert_eq!(beats.labels, [0, 1, 1, 0]);
        assert_eq!(beats.record_names, ["p", "q", "r"]);
        assert_eq!(beats.records, [0, 1, 0, 2]);
        assert_eq!(beats.samples, [0, 1, 2, 3]);
    }
}

#[test]
fn a_column_of_lists_is_read() {
    let values = vec![0.0, 1.0, 0.5, 1.0, 0.25, 0.0];
    let folder = file(
        LISTS,
        lists(values, vec![3; 6], vec![0, 1, 1, 0, 1, 1]),
        Compression::SNAPPY,
    );
    for text in ["label=rhythm", "label=2,samples=ecg"] {
        let (shape, beats) = found(&folder, text).unwrap();
        assert_eq!(shape.length, 3);
        assert_eq!(beats.windows, [0.0, 1.0, 0.5, 1.0, 0.25, 0.0]);
        assert_eq!(beats.labels, [0, 1]);
    }
    let refusal = found(&folder, "label=none").unwrap_err().to_string();
    assert!(refusal.contains("ecg, rhythm"), "{refusal}");
}

#[test]
fn rubbish_is_refused_with_column_and_row() {
    let refusal = |schema: &str, parts: Vec<Vec<Column>>, text: &str| {
        let folder = file(schema, parts, Compression::UNCOMPRESSED);
        found(&folder, text).unwrap_err().to_string()
    };
    let optional = "message beats { required float s0; optional float s1; required int32 y; }";
    let missing = || {
        vec![vec![
            Column::Floats(vec![0.0, 1.0]),
            Column::Optional(vec![1.0], vec![1, 0]),
            Column::Integers(vec![0, 1]),
        ]]
    };
    let with = |labels: Vec<i32>, first: f32| {
        let mut parts = columns();
        parts[0][4] = Column::Integers(labels);
        parts[0][1] = Column::Floats(vec![0.0, first, 0.0]);
        parts
    };
    for (found, words) in [
        (
            refusal(optional, missing(), ""),
            &["'s1' of row 1", "null"][..],
        ),
        (
            refusal(COLUMNS, with(vec![0, 1, 7], 0.0), ""),
            &["'label' of row 2", "is 7", "0 to 1"],
        ),
        (
            refusal(COLUMNS, with(vec![0, 1, 1], 3.5), ""),
            &["'a' of row 1", "3.5", "--normalise"],
        ),
        (
            refusal(COLUMNS, with(vec![0, 1, 1], f32::NAN), ""),
            &["'a' of row 1", "NaN"],
        ),
        (
            refusal(COLUMNS, columns(), "patient=none"),
            &["'subject' of row 0", "is text"],
        ),
        (
            refusal(COLUMNS, columns(), "label=rhythm"),
            &["no column 'rhythm'", "'label'"],
        ),
        (refusal(COLUMNS, columns(), "samples=ecg"), &["samples=ecg"]),
        (
            refusal(
                LISTS,
                lists(vec![0.0, 1.0, 1.0], vec![3; 3], vec![0, 1, 0]),
                "label=rhythm",
            ),
            &["'ecg' of row 1", "1 samples; expected 2"],
        ),
        (
            refusal(
                LISTS,
                lists(vec![0.0, 1.0], vec![3, 3, 0], vec![0, 1, 0]),
                "label=rhythm",
            ),
            &["'ecg' of row 1", "null"],
        ),
        (
            refusal(
                "message beats { required float s0; required float s1; required int32 y; }",
                Vec::new(),
                "",
            ),
            &["no rows"],
        ),
    ] {
        for word in words {
            assert!(found.contains(word), "{word}: {found}");
        }
        assert!(found.contains("beats.parquet"), "{found}");
    }
}

#[test]
fn a_file_cut_short_is_refused() {
    let folder = file(COLUMNS, columns(), Compression::SNAPPY);
    let path = folder.path().join("beats.parquet");
    let whole = std::fs::read(&path).unwrap();
    for length in [4, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let refusal = found(&folder, "label=none").unwrap_err().to_string();
        assert!(refusal.contains("cut short"), "{length}: {refusal}");
    }
}
