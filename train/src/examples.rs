//! Labelled beats as tensors: all rows lie in memory, on the device, and a
//! batch is one indexing call.

use std::ops::Range;

use data::Classes;
use data::pipeline::beats::Beats;
use tch::{Device, Tensor};

use crate::error::{Error, Result};
use crate::network::ResidualCnn;
use crate::source::shares;
use data::record::error::ensure;

/// Labelled beats on a device.
#[derive(Debug)]
pub struct Examples {
    /// Windows, `[rows, channels, length]`.
    pub windows: Tensor,
    /// Rhythm features, `[rows, features]`; `None` without features.
    pub rhythm: Option<Tensor>,
    /// Output index of each row's class, `[rows]` of `i64`.
    pub labels: Tensor,
    /// Where the rows are beats in order, how many of its stretch come before
    /// each, `[rows]` of `i64`.
    pub ages: Option<Tensor>,
    /// A teacher's logits, `[rows, classes]`.
    pub teacher: Option<Tensor>,
    /// The classes.
    pub classes: Classes,
    /// The place of each row's class among them.
    pub class_of: Vec<usize>,
    /// How much each row counts when rows are drawn; empty for all alike.
    pub weights: Vec<f32>,
    /// Share of each class among recorded beats.
    pub occurs: Vec<f64>,
}

/// Some rows of [`Examples`].
#[derive(Debug)]
pub struct Batch {
    /// Windows, `[rows, channels, length]`.
    pub windows: Tensor,
    /// Rhythm features, `[rows, features]`.
    pub rhythm: Option<Tensor>,
    /// Output index of each row's class.
    pub labels: Tensor,
    /// A teacher's logits, `[rows, classes]`.
    pub teacher: Option<Tensor>,
    /// How many beats of its chunk come before each row; `None` where rows are
    /// shown by themselves.
    pub ages: Option<Tensor>,
    /// What each row counts in the loss, `[rows]`; `None` for all alike.
    pub weights: Option<Tensor>,
}

impl Examples {
    /// Copies labelled beats to `device`.
    ///
    /// # Errors
    /// When there are no beats, when they carry no labels, or when libtorch
    /// cannot allocate.
    pub fn new(beats: &Beats, device: Device) -> Result<Examples> {
        ensure(!beats.is_empty(), || {
            Error::Beats("there are no beats to train on or to validate with".into())
        })?;
        ensure(beats.labels.len() == beats.len(), || {
            Error::Beats("the beats carry no labels; training needs annotated records or a labelled Kaggle file".into())
        })?;
        let rows = beats.len() as i64;
        let features = beats.input.rhythm.len() as i64;
        let windows = Tensor::f_from_slice(&beats.windows)?
            .f_view([
                rows,
                beats.input.channels() as i64,
                beats.input.length() as i64,
            ])?
            .f_to_device(device)?;
        let rhythm = match features {
            0 => None,
            _ => Some(
                Tensor::f_from_slice(&beats.rhythm)?
                    .f_view([rows, features])?
                    .f_to_device(device)?,
            ),
        };
        let labels: Vec<i64> = beats.labels.iter().map(|&c| c as i64).collect();
        Ok(Examples {
            windows,
            rhythm,
            labels: Tensor::f_from_slice(&labels)?.f_to_device(device)?,
            ages: match beats.in_order() {
                true => Some(ages(&beats.ages()).f_to_device(device)?),
                false => None,
            },
            teacher: None,
            classes: beats.classes.clone(),
            class_of: beats.labels.clone(),
            weights: Vec::new(),
            occurs: shares(beats),
        })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.class_of.len()
    }

    /// The model's logits of all rows, `[rows, classes]`, each after those before
    /// it where they are in order.
    pub fn logits(&self, model: &ResidualCnn) -> Tensor {
        model.logits(&self.windows, self.rhythm.as_ref(), self.ages.as_ref())
    }

    /// Whole chunks of consecutive rows, none of which knows of another, with what
    /// each row counts.
    pub fn chunks(&self, chunks: &[Range<usize>], weights: &[f32]) -> Batch {
        let device = self.labels.device();
        let rows: Vec<i64> = chunks.iter().cloned().flatten().map(|r| r as i64).collect();
        let counted: Vec<f32> = rows.iter().map(|&row| weights[row as usize]).collect();
        let of_chunks: Vec<usize> = chunks.iter().flat_map(|chunk| 0..chunk.len()).collect();
        Batch {
            ages: Some(ages(&of_chunks).to_device(device)),
            weights: Some(Tensor::from_slice(&counted).to_device(device)),
            ..self.batch(&rows)
        }
    }

    /// The rows at these indices, each by itself.
    pub fn batch(&self, rows: &[i64]) -> Batch {
        let index = Tensor::from_slice(rows).to_device(self.labels.device());
        let pick = |tensor: &Tensor| tensor.index_select(0, &index);
        Batch {
            windows: pick(&self.windows),
            rhythm: self.rhythm.as_ref().map(pick),
            labels: pick(&self.labels),
            teacher: self.teacher.as_ref().map(pick),
            ages: None,
            weights: None,
        }
    }
}

fn ages(ages: &[usize]) -> Tensor {
    let ages: Vec<i64> = ages.iter().map(|&age| age as i64).collect();
    Tensor::from_slice(&ages)
}
