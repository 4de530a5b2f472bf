//! TensorBoard's event file: the figures of every epoch, as scalars.
//!
//! The file is a series of TFRecords, each an `Event` in protocol buffers, of
//! TensorFlow's `core/util/event.proto` and `core/framework/summary.proto`. It
//! is a function of the history, as `metrics.csv` is, so that a run that goes on
//! has no epoch twice.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use data::{Classes, output};
use prost::Message;

use crate::error::Result;
use crate::state::Epoch;

/// Its name in a run's folder. TensorBoard looks for `tfevents` in names.
pub const FILE: &str = "metrics.tfevents";

/// What the first event says of the file's format.
const VERSION: &str = "brain.Event:2";

/// What the field numbers of the protocol buffers are called there.
#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// Writes the file of these epochs.
///
/// A TensorBoard that watches a run keeps its file open and would not see another
/// one of the same name. So a file that is the beginning of this one is added to,
/// in one writing; only another one is replaced. A record that a kill cuts short
/// is none to a reader, and the next epoch completes it.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, history: &[Epoch], classes: &Classes) -> Result<()> {
    let bytes = events(history, classes);
    let there = std::fs::read(path).unwrap_or_default();
    match bytes.strip_prefix(&there[..]) {
        Some(rest) if !there.is_empty() => {
            let file = OpenOptions::new().append(true).open(path);
            let written = file.and_then(|mut file| file.write_all(rest));
            written.map_err(data::Error::io(path))?;
        }
        _ => output::write(path, &bytes)?,
    }
    Ok(())
}

/// The file of these epochs. Its times are seconds of training since the run
/// began: TensorBoard's relative time is right, and the file is a function of
/// the history.
fn events(history: &[Epoch], classes: &Classes) -> Vec<u8> {
    let mut bytes = Vec::new();
    record(
        &Event {
            file_version: Some(VERSION.into()),
            ..Event::default()
        },
        &mut bytes,
    );
    let mut seconds = 0.0;
    for epoch in history {
        seconds += epoch.seconds;
        let v = &epoch.validation;
        let mut scalars = vec![
            ("train/loss".into(), epoch.train_loss),
            ("train/learning_rate".into(), epoch.learning_rate),
            ("validation/loss".into(), v.loss),
            ("validation/accuracy".into(), v.accuracy),
            ("validation/macro_f1".into(), v.macro_f1),
        ];
        let f1 = classes.names().zip(&v.f1);
        scalars.extend(f1.map(|(name, f1)| (format!("validation/f1/{name}"), *f1)));
        let value = |(tag, value): (String, f64)| Value {
            tag,
            simple_value: Some(value as f32),
        };
        record(
            &Event {
                wall_time: seconds,
                step: epoch.epoch as i64,
                file_version: None,
                summary: Some(Summary {
                    value: scalars.into_iter().map(value).collect(),
                }),
            },
            &mut bytes,
        );
    }
    bytes
}

/// TFRecord framing: length, its checksum, data, its checksum; little-endian.
fn record(event: &Event, to: &mut Vec<u8>) {
    let data = event.encode_to_vec();
    let length = (data.len() as u64).to_le_bytes();
    to.extend(length);
    to.extend(masked(crc32c(&length)).to_le_bytes());
    to.extend(&data);
    to.extend(masked(crc32c(&data)).to_le_bytes());
}

/// CRC-32C (Castagnoli) of RFC 3720, bit by bit: the files are small.
fn crc32c(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| (crc >> 1) ^ (0x82F6_3B78 & (crc & 1).wrapping_neg());
    let byte = |crc: u32, &byte: &u8| (0..8).fold(crc ^ u32::from(byte), |crc, _| bit(crc));
    !bytes.iter().fold(!0, byte)
}

/// As TFRecord stores a checksum, whose data may hold checksums itself.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        // RFC 3720, B.4, and the check value of the catalogue of CRCs.
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        // Event files of TensorFlow begin with 18 00 00 00 00 00 00 00 a3 7f 4b 22.
        assert_eq!(masked(crc32c(&24_u64.to_le_bytes())), 0x224B_7FA3);
    }

    /// A protocol buffer's fields, read without prost: number, and bytes or the
    /// number as such.
    fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
        fn varint(bytes: &mut &[u8]) -> u64 {
            let mut value = 0;
            for shift in (0..).step_by(7) {
                let byte = bytes[0];
                *bytes = &bytes[1..];
                value |= u64::from(byte & 0x7F) << shift;
                if byte < 0x80 {
                    break;
                }
            }
            value
        }
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let length = match key & 7 {
                0 => {
                    let value = varint(&mut bytes);
                    found.push((key >> 3, value.to_le_bytes().to_vec()));
                    continue;
                }
                1 => 8,
                2 => varint(&mut bytes) as usize,
                5 => 4,
                other => panic!("wire type {other}"),
            };
            let (value, rest) = bytes.split_at(length);
            found.push((key >> 3, value.to_vec()));
            bytes = rest;
        }
        found
    }

    /// So many epochs of two classes.
    fn history(epochs: usize) -> (Vec<Epoch>, Classes) {
        let epoch = |epoch: usize| Epoch {
            epoch,
            learning_rate: 0.001 / epoch as f64,
            train_loss: 1.5,
            validation: serde_json::from_value(serde_json::json!({
                "loss": 0.75, "accuracy": 0.5, "macro_f1": 0.25, "f1": [0.125, 1.0],
            }))
            .unwrap(),
            best: true,
            beats_per_second: 1.0,
            seconds: 2.5,
        };
        ((1..=epochs).map(epoch).collect(), "ptbdb".parse().unwrap())
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_is_watched_grows_and_another_is_replaced() {
        use std::os::unix::fs::MetadataExt;
        let path = std::env::temp_dir().join(format!("{}-{FILE}", std::process::id()));
        let (history, classes) = history(3);
        let node = || std::fs::metadata(&path).unwrap().ino();
        write(&path, &history[..1], &classes).unwrap();
        let first = node();
        // A writing that was cut short.
        let cut = events(&history[..2], &classes);
        std::fs::write(&path, &cut[..cut.len() - 9]).unwrap();
        write(&path, &history, &classes).unwrap();
        assert_eq!(
            (node(), std::fs::read(&path).unwrap()),
            (first, events(&history, &classes))
        );
        // A run that went back to an earlier checkpoint.
        write(&path, &history[..2], &classes).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), cut);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn an_independent_reader_finds_every_figure() {
        let (history, classes) = history(200);
        let file = events(&history, &classes);
        let mut records = Vec::new();
        let mut rest = &file[..];
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            records.push(fields(&rest[12..12 + length]));
            rest = &rest[16 + length..];
        }
        assert_eq!(records.len(), 201);
        let of = |fields: &[(u64, Vec<u8>)], number: u64| -> Vec<u8> {
            fields.iter().find(|f| f.0 == number).unwrap().1.clone()
        };
        assert_eq!(of(&records[0], 3), VERSION.as_bytes());
        for (epoch, record) in history.iter().zip(&records[1..]) {
            let time = f64::from_le_bytes(of(record, 1).try_into().unwrap());
            assert_eq!(time, 2.5 * epoch.epoch as f64);
            let step = u64::from_le_bytes(of(record, 2).try_into().unwrap());
            assert_eq!(step, epoch.epoch as u64);
            let scalars: Vec<(String, f32)> = fields(&of(record, 5))
                .iter()
                .map(|(_, value)| {
                    let value = fields(value);
                    let number = of(&value, 2).try_into().unwrap();
                    let tag = String::from_utf8(of(&value, 1)).unwrap();
                    (tag, f32::from_le_bytes(number))
                })
                .collect();
            let names: Vec<&str> = classes.names().collect();
            let f1 = |class: usize| format!("validation/f1/{}", names[class]);
            let expected = [
                ("train/loss".into(), 1.5),
                ("train/learning_rate".into(), epoch.learning_rate as f32),
                ("validation/loss".into(), 0.75),
                ("validation/accuracy".into(), 0.5),
                ("validation/macro_f1".into(), 0.25),
                (f1(0), 0.125),
                (f1(1), 1.0),
            ];
            assert_eq!(scalars, expected);
        }
        // A longer history only adds to the file.
        assert!(file.starts_with(&events(&history[..7], &classes)));
    }
}
