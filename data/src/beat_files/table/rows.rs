//! What every table's rows go through, whatever file they come from: scaling,
//! the contract's limits, the class, the patient.

use std::collections::{BTreeMap, HashMap};

use crate::pipeline::beats::Beats;
use crate::pipeline::input::{InputSpec, Normalisation};
use crate::record::classes::Classes;

/// Why a row cannot be taken.
#[derive(Debug)]
pub(super) enum Fault {
    /// The sample at this place is beyond what the contract says.
    Unscaled { at: usize, value: f32 },
    /// No class is meant by this label.
    Class(String),
    /// It tells no patient, or all rows together cannot be beats.
    Other(String),
}

/// Takes rows into chunks of beats.
pub(super) struct Taker {
    pub spec: InputSpec,
    pub classes: Classes,
    /// Whether each row is brought to what the contract says.
    normalise: bool,
    /// What the rows taken so far have in common.
    pub extent: Extent,
    /// The patients of the chunk that is being read.
    patients: HashMap<String, u32>,
    /// The labels of the rows, where they are counted rather than understood.
    pub counts: Option<BTreeMap<String, u64>>,
}

impl Taker {
    pub fn new(spec: &InputSpec, classes: &Classes, normalise: bool) -> Taker {
        Taker {
            spec: spec.clone(),
            classes: classes.clone(),
            normalise,
            extent: Extent::default(),
            patients: HashMap::new(),
            counts: None,
        }
    }

    /// An empty chunk for up to `rows` rows.
    pub fn chunk(&mut self, rows: usize) -> Beats {
        self.patients.clear();
        let mut beats = Beats::new(self.spec.clone(), &self.classes);
        beats.windows.reserve_exact(rows * self.spec.length());
        beats
    }

    /// Takes the row whose samples were put at the end of `beats.windows`.
    pub fn take(
        &mut self,
        beats: &mut Beats,
        label: Option<&str>,
        patient: Option<&str>,
    ) -> Result<(), Fault> {
        let start = beats.windows.len() - self.spec.length();
        let window = &mut beats.windows[start..];
        if self.normalise {
            normalise(window, self.spec.normalisation);
        }
        let allows = |v: f32| self.spec.normalisation.allows(v);
        if let Some(at) = window.iter().position(|&v| !allows(v)) {
            let value = window[at];
            return Err(Fault::Unscaled { at, value });
        }
        let class = match (label, &mut self.counts) {
            (Some(text), Some(counts)) => {
                *counts.entry(text.into()).or_default() += 1;
                None
            }
            (Some(text), None) => Some(self.class(text)?),
            (None, _) => None,
        };
        if let Some(name) = patient {
            if name.is_empty() {
                return Err(Fault::Other(
                    "the column of the patient is empty; every row needs one".into(),
                ));
            }
            let next = self.patients.len() as u32;
            let number = match self.patients.get(name) {
                Some(number) => *number,
                None => {
                    self.patients.insert(name.into(), next);
                    beats.record_names.push(name.into());
                    next
                }
            };
            beats.records.push(number);
            beats.samples.push(self.extent.rows);
        }
        self.extent.add(&beats.windows[start..], class);
        beats.labels.extend(class);
        Ok(())
    }

    fn class(&self, text: &str) -> Result<usize, Fault> {
        let number = || crate::formats::text::number::cell(text.as_bytes());
        let of_number = || self.classes.of_value(&number()?.to_string());
        let class = self.classes.of_value(text).or_else(of_number);
        class.ok_or_else(|| {
            let shown = match number().is_some_and(f32::is_finite) {
                true => text.to_owned(),
                false => format!("{text:?}"),
            };
            Fault::Class(shown)
        })
    }

    /// Why the rows taken so far, which are all, cannot be what the contract says.
    /// `placed` tells that it was said or read which column is the class.
    pub fn doubt(&self, placed: bool) -> Option<String> {
        match self.spec.normalisation {
            Normalisation::MinMax if !self.normalise => self.extent.doubt(placed),
            _ => None,
        }
    }

    /// Words for a label that means no class: what would, and the remedy. `found`
    /// are the labels of the whole table.
    pub fn unknown_class(&self, shown: &str, found: Option<&str>) -> String {
        let found = found.map_or(String::new(), |labels| {
            format!(" (the table has the labels {labels})")
        });
        format!(
            "is {shown}; expected {}: say which labels mean which class with --classes, such as 'normal=0,ectopic=1 2', or take a model of these classes{found}",
            self.classes.values_in_words()
        )
    }

    /// Words for a sample that the contract does not allow, and the remedy.
    pub fn beyond(&self) -> (&'static str, &'static str) {
        (
            self.spec.normalisation.rule(),
            "; scale each beat here with --normalise, cut beats from the recording with `data convert`, or train a model that takes values as they are, such as mV, with --as-is",
        )
    }
}

/// Brings a row to what the contract says: for min-max its lowest sample to 0
/// and its highest to 1, padding included. A row of one value stays flat, at 0.
pub(super) fn normalise(window: &mut [f32], normalisation: Normalisation) {
    if normalisation != Normalisation::MinMax {
        return;
    }
    let extreme = |of: fn(f64, f64) -> f64, start| window.iter().map(|&v| v.into()).fold(start, of);
    // In double, so that the span of any two floats is finite.
    let (low, high) = (
        extreme(f64::min, f64::INFINITY),
        extreme(f64::max, f64::NEG_INFINITY),
    );
    let span = high - low;
    for value in window {
        *value = match span > 0.0 {
            true => ((f64::from(*value) - low) / span) as f32,
            false => 0.0,
        };
    }
}

/// What the rows of a table have in common.
#[derive(Debug)]
pub(super) struct Extent {
    pub rows: u64,
    /// Lowest and highest sample.
    pub low: f32,
    pub high: f32,
    /// Whether each row so far begins with a whole number and has the first class.
    whole_first: bool,
    /// Whether a row jumps from 0 to nearly 1 at its start.
    jump: bool,
}

impl Default for Extent {
    fn default() -> Extent {
        Extent {
            rows: 0,
            low: f32::INFINITY,
            high: f32::NEG_INFINITY,
            whole_first: true,
            jump: false,
        }
    }
}

impl Extent {
    fn add(&mut self, window: &[f32], class: Option<usize>) {
        self.rows += 1;
        for &value in window {
            self.low = self.low.min(value);
            self.high = self.high.max(value);
        }
        let zero = class == Some(0);
        self.whole_first &= zero && window[0].fract() == 0.0;
        self.jump |= window[0] == 0.0 && window.get(1).is_some_and(|v| *v > 0.8);
    }

    /// Why these rows cannot be what the format says, although each of them
    /// could be. Each published row has 0 and, unless it was cut, 1 in it, and
    /// none goes from one to the other within a sample.
    fn doubt(&self, placed: bool) -> Option<String> {
        const LEAST_HIGH: f32 = 0.5;
        const MOST_LOW: f32 = 0.25;
        if self.whole_first && self.jump && !placed {
            return Some(
                "column 1 holds whole numbers and the last column 0 only: is the class in column 1? it must be the last column, or be named with --table label=1".into(),
            );
        }
        (self.high < LEAST_HIGH || self.low > MOST_LOW).then(|| {
            format!(
                "all samples lie between {} and {}; each beat must be scaled so that its lowest sample is 0 and its highest 1 (--normalise does it here), or the model be trained to take values as they are (--as-is)",
                self.low, self.high
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_scaled_from_its_lowest_to_its_highest_sample() {
        let mut row = [-2.0, 0.0, 2.0, 1.0];
        normalise(&mut row, Normalisation::MinMax);
        assert_eq!(row, [0.0, 0.5, 1.0, 0.75]);
        let scaled = row;
        normalise(&mut row, Normalisation::MinMax);
        assert_eq!(row, scaled);
        let mut far = [f32::MIN, 0.0, f32::MAX];
        normalise(&mut far, Normalisation::MinMax);
        assert_eq!(far, [0.0, 0.5, 1.0]);
        let mut flat = [7.0; 3];
        normalise(&mut flat, Normalisation::MinMax);
        assert_eq!(flat, [0.0; 3]);
        let mut as_is = [5.0, -3.0];
        normalise(&mut as_is, Normalisation::AsIs);
        assert_eq!(as_is, [5.0, -3.0]);
    }
}
