//! Labelled beats as a table: CSV, JSON Lines and Parquet.

mod parquet;

use std::io::Write;

use data::Classes;
use data::pipeline::beats::Beats;
use models::Contract;
use models::contract::Decision;
use serde_json::json;

pub use self::parquet::ParquetFile;

/// One beat of the output.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The input that the beat came from, as the user named it.
    pub input: &'a str,
    /// The beat's place in that input, from 0.
    pub row: u64,
    /// The record and the sample of the beat in it, where the input says.
    pub place: Option<(&'a str, u64)>,
    /// Seconds from the recording's first sample to the beat.
    pub time: Option<f64>,
    /// Seconds since the beat before.
    pub rr: Option<f32>,
    /// Signal quality around the beat, 0 (noise) to 1 (clean).
    pub quality: Option<f32>,
    /// The place of the reference class in the contract's list, where the input
    /// has one.
    pub label: Option<usize>,
    /// What the contract makes of the model's answer.
    pub decision: Decision,
    /// Calibrated probabilities, in the order of the contract's classes.
    pub probabilities: &'a [f32],
    /// Scores before the softmax, in the same order.
    pub logits: &'a [f32],
}

impl<'a> Row<'a> {
    /// The beat at a place among `beats`, which is number `row` of an input; `fs`
    /// is the rate of its recording, in samples per second.
    pub fn of(
        input: &'a str,
        row: u64,
        (beats, at): (&'a Beats, usize),
        fs: Option<f64>,
        decision: Decision,
        [logits, probabilities]: [&'a [f32]; 2],
    ) -> Row<'a> {
        let place = beats.records.get(at).map(|&record| {
            let name = beats.record_names[record as usize].as_str();
            (name, beats.samples[at])
        });
        Row {
            input,
            row,
            place,
            time: place.zip(fs).map(|((_, sample), fs)| sample as f64 / fs),
            rr: beats.rr.get(at).copied().flatten(),
            quality: beats.quality.get(at).copied(),
            label: beats.labels.get(at).copied(),
            decision,
            probabilities,
            logits,
        }
    }
}

/// Rows as CSV: one line per beat under a header line.
pub struct CsvFile<W: Write> {
    csv: csv::Writer<W>,
    classes: Classes,
}

impl<W: Write> CsvFile<W> {
    /// A file that begins in `target`.
    ///
    /// # Errors
    /// The target takes no more.
    pub fn create(target: W, contract: &Contract) -> std::io::Result<CsvFile<W>> {
        let mut csv = csv::Writer::from_writer(target);
        let head = ["input", "row", "record", "sample", "label", "class"];
        let probabilities = contract.classes.names();
        let rest = ["rejected", "time", "rr", "quality"];
        csv.write_record(head.into_iter().chain(probabilities).chain(rest))?;
        Ok(CsvFile {
            csv,
            classes: contract.classes.clone(),
        })
    }

    /// Adds one beat.
    ///
    /// # Errors
    /// The target takes no more.
    pub fn write(&mut self, row: &Row) -> std::io::Result<()> {
        Ok(self.fields(row)?)
    }

    fn fields(&mut self, row: &Row) -> csv::Result<()> {
        self.csv.write_field(row.input)?;
        self.csv.write_field(row.row.to_string())?;
        let (record, sample) = row.place.unzip();
        self.csv.write_field(record.unwrap_or_default())?;
        self.csv
            .write_field(sample.map(|s| s.to_string()).unwrap_or_default())?;
        self.csv
            .write_field(row.label.map_or("", |label| self.classes.name(label)))?;
        self.csv
            .write_field(self.classes.name(row.decision.class))?;
        for p in row.probabilities {
            self.csv.write_field(format!("{p:.6}"))?;
        }
        self.csv
            .write_field(row.decision.reject.is_some().to_string())?;
        let seconds = |value: Option<f64>| value.map(|s| format!("{s:.4}")).unwrap_or_default();
        self.csv.write_field(seconds(row.time))?;
        self.csv.write_field(seconds(row.rr.map(f64::from)))?;
        self.csv
            .write_field(row.quality.map(|q| format!("{q:.3}")).unwrap_or_default())?;
        self.csv.write_record(None::<&[u8]>)
    }

    /// Writes the rest; the target.
    ///
    /// # Errors
    /// The target takes no more.
    pub fn finish(self) -> std::io::Result<W> {
        self.csv.into_inner().map_err(|e| e.into_error())
    }
}

/// A row as an object of JSON.
pub fn as_json(row: &Row, classes: &Classes) -> serde_json::Value {
    let by_class = |values: &[f32]| -> serde_json::Map<_, _> {
        let named = classes.names().zip(values);
        named.map(|(name, v)| (name.into(), json!(v))).collect()
    };
    let mut object = json!({
        "input": row.input,
        "row": row.row,
        "class": classes.name(row.decision.class),
        "probabilities": by_class(row.probabilities),
        "logits": by_class(row.logits),
        "rejected": row.decision.reject.is_some(),
    });
    if let Some(reject) = row.decision.reject {
        object["reject"] = json!(reject);
    }
    if let Some((record, sample)) = row.place {
        object["record"] = json!(record);
        object["sample"] = json!(sample);
    }
    if let Some(time) = row.time {
        object["time"] = json!(time);
    }
    if let Some(rr) = row.rr {
        object["rr"] = json!(rr);
    }
    if let Some(quality) = row.quality {
        object["quality"] = json!(quality);
    }
    if let Some(label) = row.label {
        object["label"] = json!(classes.name(label));
    }
    object
}
