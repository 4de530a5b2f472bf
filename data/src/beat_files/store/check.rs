//! Whether the columns of a store are there and fit together.

use hdf5::{Dataset, File, H5Type};

use super::{Columns, refusal};
use crate::pipeline::input::InputSpec;

/// No DEFLATE stream expands more than this, so a file that claims to is forged.
const MOST_EXPANSION: u64 = 1100;

impl Columns {
    pub(super) fn open(file: &File) -> Result<Columns, String> {
        Ok(Columns {
            windows: refusal::dataset::<f32>(file, "windows")?,
            rhythm: optional::<f32>(file, "rhythm")?,
            labels: optional::<u8>(file, "labels")?,
            records: optional::<u32>(file, "records")?,
            samples: optional::<u64>(file, "samples")?,
            begins: optional::<u8>(file, "begins")?,
        })
    }

    /// The number of rows, when all columns agree on it and on the shape that
    /// `input` gives them, and the file is large enough to hold them.
    pub(super) fn check(&self, input: &InputSpec, file_bytes: u64) -> Result<usize, String> {
        let shape = self.windows.shape();
        let rows = match shape[..] {
            [rows, channels, length]
                if channels == input.channels() && length == input.length() && length > 0 =>
            {
                rows
            }
            _ => {
                return Err(format!(
                    "its windows have the shape {shape:?}; expected [rows, {}, {}], as its input says",
                    input.channels(),
                    input.length()
                ));
            }
        };
        let features = input.rhythm.len();
        let fits = |dataset: &Option<Dataset>, shape: &[usize]| {
            dataset.as_ref().is_none_or(|d| d.shape() == shape)
        };
        let complete = (self.rhythm.is_some() || features == 0)
            && self.records.is_some() == self.samples.is_some()
            && fits(&self.rhythm, &[rows, features])
            && [&self.labels, &self.records, &self.samples, &self.begins]
                .iter()
                .all(|column| fits(column, &[rows]));
        if !complete {
            return Err("its columns differ in length".into());
        }
        let bytes = (rows as u64).saturating_mul(input.window_values() as u64 * 4);
        if bytes > file_bytes.saturating_mul(MOST_EXPANSION) {
            return Err(format!("{rows} rows cannot be in {file_bytes} bytes"));
        }
        Ok(rows)
    }
}

fn optional<T: H5Type>(file: &File, name: &str) -> Result<Option<Dataset>, String> {
    let there = file.link_exists(name);
    there.then(|| refusal::dataset::<T>(file, name)).transpose()
}
