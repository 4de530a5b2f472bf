//! Predictions as HDF5: one extensible, compressed dataset per column.

use std::path::PathBuf;
use std::str::FromStr;

use data::output::OutputFile;
use hdf5::types::VarLenUnicode;
use hdf5::{Dataset, Extent, File, H5Type};
use models::Contract;
use ndarray::ArrayView2;

use super::Row;
use crate::error::{Error, Result};

/// Rows that are gathered before they are written and compressed together.
const CHUNK: usize = 4096;

/// Level of the DEFLATE filter; higher ones gain little on probabilities.
const DEFLATE: u8 = 4;

/// What `label` holds where the input has no label.
const NO_LABEL: i8 = -1;

/// The file being written.
pub(super) struct Hdf5File {
    output: OutputFile,
    path: PathBuf,
    file: File,
    names: Names,
    /// Columns of logits and of probabilities.
    classes: usize,
    columns: Columns,
    rows: usize,
}

/// The inputs and records seen so far, to which the columns `input` and
/// `record` point; record 0 is the absent one.
#[derive(Default)]
struct Names {
    inputs: Vec<String>,
    records: Vec<String>,
}

/// Rows not yet written.
#[derive(Default)]
struct Columns {
    input: Vec<u32>,
    row: Vec<u64>,
    record: Vec<u32>,
    sample: Vec<u64>,
    label: Vec<i8>,
    class: Vec<u8>,
    rejected: Vec<bool>,
    logits: Vec<f32>,
    probabilities: Vec<f32>,
}

impl Hdf5File {
    pub(super) fn create(path: PathBuf, contract: &Contract) -> Result<Hdf5File> {
        let output = OutputFile::create(&path)?;
        let classes = contract.classes.len();
        let create = || -> hdf5::Result<File> {
            let file = data::beat_files::store::create_file(output.temporary_path())?;
            column::<u32>(&file, "input")?;
            column::<u64>(&file, "row")?;
            column::<u32>(&file, "record")?;
            column::<u64>(&file, "sample")?;
            column::<i8>(&file, "label")?;
            column::<u8>(&file, "class")?;
            column::<bool>(&file, "rejected")?;
            for name in ["logits", "probabilities"] {
                let shape = (Extent::resizable(0), Extent::fixed(classes));
                let table = file.new_dataset::<f32>().shape(shape);
                table
                    .chunk((CHUNK, classes))
                    .deflate(DEFLATE)
                    .create(name)?;
            }
            attribute(&file, "contract", &contract.to_json())?;
            let names: Vec<&str> = contract.classes.names().collect();
            attribute(&file, "classes", &names.join(" "))?;
            Ok(file)
        };
        let file = create().map_err(Error::output(&path))?;
        Ok(Hdf5File {
            output,
            path,
            file,
            names: Names {
                inputs: Vec::new(),
                records: vec![String::new()],
            },
            classes,
            columns: Columns::default(),
            rows: 0,
        })
    }

    pub(super) fn write(&mut self, row: &Row) -> Result<()> {
        let columns = &mut self.columns;
        let (record, sample) = row.place.unwrap_or_default();
        columns.input.push(index(&mut self.names.inputs, row.input));
        columns.row.push(row.row);
        columns.record.push(index(&mut self.names.records, record));
        columns.sample.push(sample);
        columns
            .label
            .push(row.label.map_or(NO_LABEL, |label| label as i8));
        columns.class.push(row.decision.class as u8);
        columns.rejected.push(row.decision.reject.is_some());
        columns.logits.extend(row.logits);
        columns.probabilities.extend(row.probabilities);
        if columns.row.len() == CHUNK {
            self.flush().map_err(Error::output(&self.path))?;
        }
        Ok(())
    }

    pub(super) fn commit(self) -> Result<()> {
        let failed = Error::output(&self.path);
        Ok(self.finish().map_err(failed)?.commit()?)
    }

    fn finish(mut self) -> hdf5::Result<OutputFile> {
        self.flush()?;
        for (name, values) in [
            ("inputs", &self.names.inputs),
            ("records", &self.names.records),
        ] {
            let values: hdf5::Result<Vec<_>> = values.iter().map(|v| unicode(v)).collect();
            self.file
                .new_dataset_builder()
                .with_data(&values?)
                .create(name)?;
        }
        self.file.close()?;
        Ok(self.output)
    }

    fn flush(&mut self) -> hdf5::Result<()> {
        let columns = std::mem::take(&mut self.columns);
        let rows = self.rows..self.rows + columns.row.len();
        self.rows = rows.end;
        extend(&self.file, "input", &columns.input, rows.end)?;
        extend(&self.file, "row", &columns.row, rows.end)?;
        extend(&self.file, "record", &columns.record, rows.end)?;
        extend(&self.file, "sample", &columns.sample, rows.end)?;
        extend(&self.file, "label", &columns.label, rows.end)?;
        extend(&self.file, "class", &columns.class, rows.end)?;
        extend(&self.file, "rejected", &columns.rejected, rows.end)?;
        for (name, values) in [
            ("logits", &columns.logits),
            ("probabilities", &columns.probabilities),
        ] {
            let table = self.file.dataset(name)?;
            table.resize((rows.end, self.classes))?;
            let values = ArrayView2::from_shape((rows.len(), self.classes), values)?;
            table.write_slice(values, (rows.clone(), ..))?;
        }
        Ok(())
    }
}

fn column<T: H5Type>(file: &File, name: &str) -> hdf5::Result<Dataset> {
    let column = file.new_dataset::<T>().shape(Extent::resizable(0));
    column.chunk(CHUNK).deflate(DEFLATE).create(name)
}

/// Appends `values` to a column so that it ends at row `end`.
fn extend<T: H5Type>(file: &File, name: &str, values: &[T], end: usize) -> hdf5::Result<()> {
    let column = file.dataset(name)?;
    column.resize(end)?;
    column.write_slice(values, end - values.len()..end)
}

fn attribute(file: &File, name: &str, text: &str) -> hdf5::Result<()> {
    file.new_attr::<VarLenUnicode>()
        .create(name)?
        .write_scalar(&unicode(text)?)
}

fn unicode(text: &str) -> hdf5::Result<VarLenUnicode> {
    Ok(VarLenUnicode::from_str(text).map_err(|e| e.to_string())?)
}

/// The place of `name` in `names`, where it is added when new. Rows of one
/// input come together, so the last name is nearly always the right one.
fn index(names: &mut Vec<String>, name: &str) -> u32 {
    let place = names.iter().rposition(|n| n == name).unwrap_or_else(|| {
        names.push(name.into());
        names.len() - 1
    });
    place as u32
}

#[cfg(test)]
mod tests {
    use data::pipeline::input::InputSpec;
    use models::contract::{Training, VERSION};

    use super::*;
    use crate::Prediction;

    fn contract() -> Contract {
        Contract {
            version: VERSION,
            input: InputSpec::kaggle(),
            classes: data::Classes::aami5(),
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

    #[test]
    fn every_column_reads_back_over_several_chunks() {
        const ROWS: usize = 2 * CHUNK + 7;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.h5");
        let mut file = Hdf5File::create(path.clone(), &contract()).unwrap();
        for i in 0..ROWS {
            let prediction = Prediction {
                logits: vec![i as f32, 1.0, 2.0, 3.0, 4.0],
                probabilities: vec![0.5, 0.125, 0.125, 0.125, 0.125],
                class: i % 5,
                reject: (i % 3 == 0).then_some(models::contract::Reject::Uncertain),
            };
            file.write(&Row {
                input: if i < 100 { "a" } else { "b" },
                row: i as u64,
                place: (i % 2 == 1).then_some(("100", 77 + i as u64)),
                time: None,
                rr: None,
                quality: None,
                label: (i % 2 == 0).then_some(2),
                decision: prediction.decision(),
                probabilities: &prediction.probabilities,
                logits: &prediction.logits,
            })
            .unwrap();
        }
        assert!(!path.exists());
        file.commit().unwrap();

        let file = File::open(&path).unwrap();
        let class = file.dataset("class").unwrap().read_raw::<u8>().unwrap();
        assert_eq!(class.len(), ROWS);
        assert_eq!(class[8], 3);
        let label = file.dataset("label").unwrap().read_raw::<i8>().unwrap();
        assert_eq!(label[..3], [2, NO_LABEL, 2]);
        let rejected = file
            .dataset("rejected")
            .unwrap()
            .read_raw::<bool>()
            .unwrap();
        assert_eq!(rejected[..4], [true, false, false, true]);
        let sample = file.dataset("sample").unwrap().read_raw::<u64>().unwrap();
        assert_eq!(sample[ROWS - 2..], [77 + ROWS as u64 - 2, 0]);
        let logits = file.dataset("logits").unwrap().read_2d::<f32>().unwrap();
        assert_eq!(logits.shape(), [ROWS, 5]);
        assert_eq!(logits[[ROWS - 1, 0]], (ROWS - 1) as f32);
        let names = |dataset: &str| -> Vec<String> {
            let names = file.dataset(dataset).unwrap().read_raw::<VarLenUnicode>();
            names.unwrap().iter().map(|n| n.to_string()).collect()
        };
        assert_eq!(names("inputs"), ["a", "b"]);
        assert_eq!(names("records"), ["", "100"]);
        let input = file.dataset("input").unwrap().read_raw::<u32>().unwrap();
        assert_eq!(input[99..101], [0, 1]);
        let text = file
            .attr("contract")
            .unwrap()
            .read_scalar::<VarLenUnicode>();
        let read = Contract::from_json(text.unwrap().as_str()).unwrap();
        assert_eq!(read, contract());
    }
}
