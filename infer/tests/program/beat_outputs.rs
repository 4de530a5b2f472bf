//! Beats as Parquet and as annotations with rhythm notes.

use std::fs::File;

use data::formats::wfdb;
use data::record::annotation::{Annotation, Symbol};
use data::simulate::synth::{self, Settings};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

use crate::cli::Desk;
use crate::model::window_model;

/// A folder with a minute of a made-up patient, `s.hea`, and a model for it.
fn desk() -> Desk {
    let desk = Desk::new();
    std::fs::write(desk.path("models/window.onnx"), window_model()).unwrap();
    let (record, _) = synth::record("s", &Settings::new(250.0, 5), 60.0).unwrap();
    wfdb::write_record(&desk.path(""), &record).unwrap();
    desk
}

#[test]
fn parquet_holds_the_beats_of_the_csv_file_and_is_replaced_unasked() {
    let desk = desk();
    for _ in 0..2 {
        for output in ["p.csv", "p.parquet"] {
            desk.infer(&["s", "--detect", "--output", output])
                .assert()
                .success();
        }
    }
    let table = desk.read("p.csv");
    let mut lines = table.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let reader = SerializedFileReader::new(File::open(desk.path("p.parquet")).unwrap()).unwrap();
    let mut count = 0;
    for row in reader.get_row_iter(None).unwrap() {
        let row = row.unwrap();
        let cells: Vec<&str> = lines.next().unwrap().split(',').collect();
        for (name, cell) in head.iter().zip(cells) {
            let mut columns = row.get_column_iter();
            let (_, field) = columns.find(|(column, _)| column == name).unwrap();
            let near = |value: f64| (value - cell.parse::<f64>().unwrap()).abs() < 6e-4;
            match field {
                Field::Str(text) => assert_eq!(text, cell, "{name}"),
                Field::Long(number) => assert_eq!(number.to_string(), cell, "{name}"),
                Field::Bool(truth) => assert_eq!(truth.to_string(), cell, "{name}"),
                Field::Float(value) => assert!(near(f64::from(*value)), "{name}: {value}, {cell}"),
                Field::Double(value) => assert!(near(*value), "{name}: {value}, {cell}"),
                Field::Null => assert_eq!(cell, "", "{name}"),
                other => panic!("{name} is {other}"),
            }
        }
        count += 1;
    }
    assert!(count > 40, "{count} beats");
    assert_eq!(lines.next(), None);
    // Time goes by the record's rate, and RR from the beat before.
    let column = |name: &str| head.iter().position(|h| *h == name).unwrap();
    let number = |line: &str, name: &str| -> f64 {
        let cell = line.split(',').nth(column(name)).unwrap();
        cell.parse().unwrap()
    };
    let beats: Vec<&str> = table.lines().skip(1).collect();
    for pair in beats.windows(2) {
        let time = number(pair[1], "time");
        assert!((time - number(pair[1], "sample") / 250.0).abs() < 1e-4);
        let rr = number(pair[1], "rr");
        assert!((rr - (time - number(pair[0], "time"))).abs() < 0.01);
        assert!((0.0..=1.0).contains(&number(pair[1], "quality")));
    }
}

#[test]
fn rhythm_notes_come_beside_the_same_annotations_where_asked_for() {
    let desk = desk();
    desk.infer(&["s", "--rhythm"]).assert().code(2);
    for (annotator, more) in [("plain", &[][..]), ("noted", &["--rhythm"][..])] {
        let arguments = ["s", "--annotator", annotator, "--output", "."];
        desk.infer(&[&arguments, more].concat()).assert().success();
    }
    let read = |annotator: &str| -> Vec<Annotation> {
        wfdb::read_annotations(&desk.path(&format!("s.{annotator}"))).unwrap()
    };
    let (plain, noted) = (read("plain"), read("noted"));
    let (rhythm, others): (Vec<_>, Vec<_>) =
        noted.into_iter().partition(|a| a.symbol == Symbol::RHYTHM);
    assert_eq!(others, plain);
    assert_eq!(rhythm[0].sample, plain[0].sample);
    assert!(rhythm.iter().all(|a| a.text().starts_with('(')));
}
