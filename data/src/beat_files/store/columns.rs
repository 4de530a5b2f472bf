//! The datasets with one entry per row, as they are written.

use hdf5::{Dataset, Extent, File, H5Type};
use ndarray::{ArrayView2, ArrayView3};

use super::Columns;
use crate::pipeline::beats::Beats;

/// Rows in a chunk of the file.
const CHUNK_ROWS: usize = 512;
/// Level of DEFLATE; higher ones take longer and gain little on noise.
const COMPRESSION: u8 = 4;

impl Columns {
    pub(super) fn create(file: &File, like: &Beats) -> hdf5::Result<Columns> {
        let (channels, length) = (like.input.channels(), like.input.length());
        let features = like.input.rhythm.len();
        let column = |name: &str, builder: hdf5::DatasetBuilderEmpty| {
            builder
                .shape([Extent::resizable(0)])
                .chunk([CHUNK_ROWS * 16])
                .shuffle()
                .deflate(COMPRESSION)
                .create(name)
        };
        let windows = file
            .new_dataset::<f32>()
            .shape([Extent::resizable(0), channels.into(), length.into()])
            .chunk([CHUNK_ROWS, channels, length])
            .shuffle()
            .deflate(COMPRESSION)
            .create("windows")?;
        let rhythm = (features > 0).then(|| {
            file.new_dataset::<f32>()
                .shape([Extent::resizable(0), features.into()])
                .chunk([CHUNK_ROWS, features])
                .shuffle()
                .deflate(COMPRESSION)
                .create("rhythm")
        });
        let labels = !like.labels.is_empty();
        let records = !like.records.is_empty();
        let begins = !like.begins.is_empty();
        Ok(Columns {
            windows,
            rhythm: rhythm.transpose()?,
            labels: labels
                .then(|| column("labels", file.new_dataset::<u8>()))
                .transpose()?,
            records: records
                .then(|| column("records", file.new_dataset::<u32>()))
                .transpose()?,
            samples: records
                .then(|| column("samples", file.new_dataset::<u64>()))
                .transpose()?,
            begins: begins
                .then(|| column("begins", file.new_dataset::<u8>()))
                .transpose()?,
        })
    }

    pub(super) fn append(&self, start: usize, beats: &Beats, numbers: &[u32]) -> hdf5::Result<()> {
        let (channels, length) = (beats.input.channels(), beats.input.length());
        let (rows, features) = (beats.len(), beats.input.rhythm.len());
        let end = start + rows;
        let misshapen = |_| hdf5::Error::from("the beats' columns differ in length");
        self.windows.resize([end, channels, length])?;
        let windows = ArrayView3::from_shape((rows, channels, length), &beats.windows);
        self.windows
            .write_slice(windows.map_err(misshapen)?, (start..end, .., ..))?;
        if let Some(dataset) = &self.rhythm {
            dataset.resize([end, features])?;
            let rhythm = ArrayView2::from_shape((rows, features), &beats.rhythm);
            dataset.write_slice(rhythm.map_err(misshapen)?, (start..end, ..))?;
        }
        let labels: Vec<u8> = beats.labels.iter().map(|&label| label as u8).collect();
        let records: Vec<u32> = beats.records.iter().map(|&r| numbers[r as usize]).collect();
        extend(&self.labels, start..end, &labels)?;
        extend(&self.records, start..end, &records)?;
        extend(&self.samples, start..end, &beats.samples)?;
        let begins: Vec<u8> = beats.begins.iter().map(|&begins| begins.into()).collect();
        extend(&self.begins, start..end, &begins)
    }
}

fn extend<T: H5Type>(
    dataset: &Option<Dataset>,
    rows: std::ops::Range<usize>,
    values: &[T],
) -> hdf5::Result<()> {
    match dataset {
        Some(dataset) => {
            dataset.resize([rows.end])?;
            dataset.write_slice(values, rows)
        }
        None => Ok(()),
    }
}
