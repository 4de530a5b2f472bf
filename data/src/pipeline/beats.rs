//! Prepared beats: what the network sees, with where each beat came from.

use crate::pipeline::input::{InputSpec, Normalisation};
use crate::record::annotation::Annotation;
use crate::record::classes::Classes;
use crate::record::error::{Error, Result};

/// Beats as the network sees them, row by row, and their provenance.
#[derive(Clone, Debug, PartialEq)]
pub struct Beats {
    /// How the rows were made.
    pub input: InputSpec,
    /// `rows x channels x length` values, row-major.
    pub windows: Vec<f32>,
    /// `rows x rhythm features` values, row-major; empty without features.
    pub rhythm: Vec<f32>,
    /// The classes that `labels` are of.
    pub classes: Classes,
    /// Per row the place of its reference class in `classes`; empty where the
    /// source has none.
    pub labels: Vec<usize>,
    /// Per row an index into `record_names`; empty where the source has no records.
    pub records: Vec<u32>,
    /// The records that the rows come from.
    pub record_names: Vec<String>,
    /// Per row the fiducial's sample number in its record, at the record's own
    /// rate; of a table whose records are patients, the number of the row in it;
    /// empty where the source has no records.
    pub samples: Vec<u64>,
    /// What else was told of the one recording that the rows come from, where
    /// beats were detected: malignant episodes and unreadable stretches, in
    /// order of time at the record's own rate.
    pub notes: Vec<Annotation>,
    /// Per row the seconds since the beat before, whether that is a row or not;
    /// `None` where it is unknown. Empty where the rows are not the beats of
    /// recordings.
    pub rr: Vec<Option<f32>>,
    /// Per row the signal quality around the beat, 0 (noise) to 1 (clean); empty
    /// where it is not known.
    pub quality: Vec<f32>,
    /// Per row whether the signal around the beat could be read; empty where
    /// that is not known.
    pub readable: Vec<bool>,
    /// Per row whether the beat before it in time is unknown, so that a memory of
    /// beats begins anew: the first beat of a recording, after a gap, and after
    /// beats that were left out because they lay within fibrillation. Empty where
    /// the rows are not the beats of recordings in order.
    pub begins: Vec<bool>,
}

impl Beats {
    /// No beats yet.
    pub fn new(input: InputSpec, classes: &Classes) -> Beats {
        Beats {
            input,
            classes: classes.clone(),
            windows: Vec::new(),
            rhythm: Vec::new(),
            labels: Vec::new(),
            records: Vec::new(),
            record_names: Vec::new(),
            samples: Vec::new(),
            notes: Vec::new(),
            rr: Vec::new(),
            quality: Vec::new(),
            readable: Vec::new(),
            begins: Vec::new(),
        }
    }

    /// Number of beats.
    pub fn len(&self) -> usize {
        self.windows.len() / self.input.window_values()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// The window of one row, `channels x length`.
    pub fn window(&self, row: usize) -> &[f32] {
        let n = self.input.window_values();
        &self.windows[row * n..(row + 1) * n]
    }

    /// Whether the signal around the beat of a row could be read, as far as is
    /// known.
    pub fn is_readable(&self, row: usize) -> bool {
        self.readable.get(row).copied().unwrap_or(true)
    }

    /// Whether the rows are the beats of recordings in order of time, and tell
    /// where a stretch of them begins: what a memory of beats needs.
    pub fn in_order(&self) -> bool {
        self.begins.len() == self.len()
    }

    /// Per row how many beats of its stretch come before it among these rows: so
    /// far a memory of beats reaches back. The first row is taken for a beginning.
    pub fn ages(&self) -> Vec<usize> {
        let mut age = 0;
        let of = |(row, begins): (usize, &bool)| {
            age = if row == 0 || *begins { 0 } else { age + 1 };
            age
        };
        self.begins.iter().enumerate().map(of).collect()
    }

    /// Whether a window that keeps a beat's own range, or is scaled to it, holds
    /// one value only, so that no heartbeat can be in it.
    pub fn is_flat(&self, row: usize) -> bool {
        let window = self.window(row);
        self.input.normalisation != Normalisation::RunningScale
            && window.iter().all(|&value| value == window[0])
    }

    /// The first value that the normalisation of `input` does not allow: its
    /// row, its place in the window and itself.
    pub fn unscaled(&self) -> Option<(usize, usize, f32)> {
        let normalisation = self.input.normalisation;
        let at = self
            .windows
            .iter()
            .position(|&v| !normalisation.allows(v))?;
        let width = self.input.window_values();
        Some((at / width, at % width, self.windows[at]))
    }

    /// The rhythm features of one row.
    pub fn rhythm_row(&self, row: usize) -> &[f32] {
        let n = self.input.rhythm.len();
        &self.rhythm[row * n..(row + 1) * n]
    }

    /// Beats per class; all zero without labels.
    pub fn support(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for &label in &self.labels {
            counts[label] += 1;
        }
        counts
    }

    /// The rows at `indices`, in that order. Where one does not follow the row
    /// before it, a stretch begins; whether the first does is as it was.
    pub fn select(&self, indices: &[usize]) -> Beats {
        let pick = |values: &[f32], width: usize| -> Vec<f32> {
            indices
                .iter()
                .flat_map(|&i| &values[i * width..(i + 1) * width])
                .copied()
                .collect()
        };
        fn rows<T: Copy>(values: &[T], indices: &[usize]) -> Vec<T> {
            if values.is_empty() {
                return Vec::new();
            }
            indices.iter().map(|&i| values[i]).collect()
        }
        let mut begins = rows(&self.begins, indices);
        for (i, pair) in indices.windows(2).enumerate() {
            if let Some(begins) = begins.get_mut(i + 1) {
                *begins |= pair[1] != pair[0] + 1;
            }
        }
        Beats {
            input: self.input.clone(),
            classes: self.classes.clone(),
            windows: pick(&self.windows, self.input.window_values()),
            rhythm: pick(&self.rhythm, self.input.rhythm.len()),
            labels: rows(&self.labels, indices),
            records: rows(&self.records, indices),
            record_names: self.record_names.clone(),
            samples: rows(&self.samples, indices),
            notes: self.notes.clone(),
            rr: rows(&self.rr, indices),
            quality: rows(&self.quality, indices),
            readable: rows(&self.readable, indices),
            begins,
        }
    }

    /// Adds all rows of `other`.
    ///
    /// # Errors
    /// [`Error::Invalid`] when `other` was prepared differently, has other
    /// classes, or only one of the two has labels or records.
    pub fn append(&mut self, other: &Beats) -> Result<()> {
        if self.input != other.input {
            return Err(Error::Invalid(
                "beats prepared in two different ways cannot be joined; prepare them again with one contract".into(),
            ));
        }
        if self.classes != other.classes {
            return Err(Error::Invalid(format!(
                "beats of the classes {} cannot be joined to beats of the classes {}",
                self.classes, other.classes
            )));
        }
        let differ = |mine: usize, theirs: usize| (mine == 0) != (theirs == 0);
        if !self.is_empty()
            && !other.is_empty()
            && (differ(self.labels.len(), other.labels.len())
                || differ(self.records.len(), other.records.len()))
        {
            return Err(Error::Invalid(
                "beats with labels or record names cannot be joined to beats without".into(),
            ));
        }
        let offset = self.record_names.len() as u32;
        self.windows.extend_from_slice(&other.windows);
        self.rhythm.extend_from_slice(&other.rhythm);
        self.labels.extend_from_slice(&other.labels);
        self.records
            .extend(other.records.iter().map(|r| r + offset));
        self.record_names.extend_from_slice(&other.record_names);
        self.samples.extend_from_slice(&other.samples);
        let rows = self.len();
        join(&mut self.rr, &other.rr, rows);
        join(&mut self.quality, &other.quality, rows);
        join(&mut self.readable, &other.readable, rows);
        join(&mut self.begins, &other.begins, rows);
        Ok(())
    }
}

/// Puts two columns together; what only some of so many rows tell is told of none.
fn join<T: Copy>(mine: &mut Vec<T>, theirs: &[T], rows: usize) {
    mine.extend_from_slice(theirs);
    if mine.len() != rows {
        mine.clear();
    }
}
