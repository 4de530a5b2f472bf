//! A recording that is in memory already: a program that has samples hands them to
//! everything that reads recordings.

use std::sync::Arc;

use crate::formats::lead::Lead;
use crate::record::Record;
use crate::record::error::{Error, Result};

/// Sampling rates that are taken for one, Hz.
const RATES: std::ops::RangeInclusive<f64> = 10.0..=100_000.0;

/// What is known of the samples.
#[derive(Debug)]
pub(super) struct Layout {
    record: Record,
}

impl Layout {
    /// Takes the samples of a record.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no signal or no sample, signals differ in
    /// length, or the rate is none.
    pub fn new(record: Record) -> Result<Layout> {
        let Record {
            name, fs, signals, ..
        } = &record;
        if !RATES.contains(fs) {
            return Err(Error::Invalid(format!(
                "{name}: {fs} samples per second; it may be {} to {}",
                RATES.start(),
                RATES.end()
            )));
        }
        if record.is_empty() {
            return Err(Error::Invalid(format!("{name}: there is no sample in it")));
        }
        let length = record.len();
        if let Some(other) = signals.iter().find(|s| s.samples.len() != length) {
            return Err(Error::Invalid(format!(
                "{name}: lead '{}' has {} samples, the first one {length}; all must have as many",
                other.name,
                other.samples.len()
            )));
        }
        Ok(Layout { record })
    }

    pub fn name(&self) -> String {
        self.record.name.clone()
    }

    pub fn fs(&self) -> f64 {
        self.record.fs
    }

    pub fn length(&self) -> Option<u64> {
        Some(self.record.len() as u64)
    }

    pub fn comments(&self) -> Vec<String> {
        self.record.comments.clone()
    }

    pub fn leads(&self) -> Vec<Lead> {
        let signals = self.record.signals.iter();
        let lead = |signal: &crate::record::Signal| Lead {
            name: signal.name.clone(),
            units: signal.units.clone(),
            remark: None,
        };
        signals.map(lead).collect()
    }
}

/// Samples of some leads.
pub(super) struct Reader {
    layout: Arc<Layout>,
    leads: Vec<usize>,
    at: usize,
}

impl Reader {
    pub fn new(layout: Arc<Layout>, leads: &[usize]) -> Reader {
        Reader {
            layout,
            leads: leads.to_vec(),
            at: 0,
        }
    }

    /// Samples of each lead that are still to come.
    pub fn left(&self) -> u64 {
        (self.layout.record.len() - self.at) as u64
    }

    /// See [`crate::formats::Chunks::read`].
    pub fn read(&mut self, most: usize, out: &mut [Vec<f32>]) -> usize {
        let record = &self.layout.record;
        let end = record.len().min(self.at + most);
        for (lead, column) in self.leads.iter().zip(out) {
            column.extend_from_slice(&record.signals[*lead].samples[self.at..end]);
        }
        let count = end - self.at;
        self.at = end;
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::Recording;
    use crate::simulate::synth::{self, Settings};

    #[test]
    fn a_record_reads_back_as_it_was_given() {
        let (record, _) = synth::record("s1", &Settings::new(250.0, 2), 10.0).unwrap();
        let recording = Recording::of_record(record.clone()).unwrap();
        assert_eq!(recording.length, Some(record.len() as u64));
        assert_eq!(recording.check().unwrap()[0].samples, record.len() as u64);
        assert_eq!(recording.read().unwrap(), record);
    }

    #[test]
    fn what_is_no_recording_is_refused_in_words() {
        let (record, _) = synth::record("s1", &Settings::new(250.0, 2), 10.0).unwrap();
        let refused = |change: &dyn Fn(&mut Record)| {
            let mut record = record.clone();
            change(&mut record);
            Recording::of_record(record).unwrap_err().to_string()
        };
        assert!(refused(&|r| r.fs = f64::NAN).contains("NaN samples per second"));
        assert!(refused(&|r| r.signals.clear()).contains("no sample"));
        assert!(refused(&|r| r.signals[1].samples.truncate(7)).contains("has 7 samples"));
    }
}
