//! What a recording is, whatever the format it came from.

pub mod aami;
pub mod annotation;
pub mod error;

/// One lead of a recording, in physical units.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// The lead, such as `MLII` or `V5`; empty when the file does not say.
    pub name: String,
    /// Physical units of the samples, usually `mV`.
    pub units: String,
    /// Samples at the record's rate; NaN where the file marks a sample invalid.
    pub samples: Vec<f32>,
}

/// A recording: simultaneous signals at one sampling rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The record's name, such as `100`.
    pub name: String,
    /// Samples per second of every signal.
    pub fs: f64,
    /// The signals, all of the same length.
    pub signals: Vec<Signal>,
    /// Free text from the header.
    pub comments: Vec<String>,
}

impl Record {
    /// Samples per signal.
    pub fn len(&self) -> usize {
        self.signals.first().map_or(0, |s| s.samples.len())
    }

    /// Whether there is no sample at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The signal of this name.
    pub fn signal(&self, name: &str) -> Option<&Signal> {
        self.signals.iter().find(|s| s.name == name)
    }
}
