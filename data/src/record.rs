//! What a recording is, whatever the format it came from.

pub mod aami;
pub mod annotation;
pub mod checksum;
pub mod classes;
pub mod error;
mod lead_names;
mod leads;
mod start;
pub mod units;

use crate::record::error::Result;
use crate::record::units::Units;
pub(crate) use lead_names::usually_upright;
pub use leads::Leads;
pub(crate) use leads::is_ecg;
pub use start::Start;

/// One lead of a recording, in physical units.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// The lead, such as `MLII` or `V5`; empty when the file does not say.
    pub name: String,
    /// Units of the samples: mV where the signal is a voltage.
    pub units: Units,
    /// Samples at the record's rate; NaN where the file marks a sample invalid.
    pub samples: Vec<f32>,
}

impl Signal {
    /// Whether this is an ECG lead: a voltage whose name is not that of
    /// another signal, such as a pressure whose unit the file does not give.
    pub fn is_ecg(&self) -> bool {
        is_ecg(&self.name, &self.units)
    }

    /// Whether any sample is valid: a signal without a file has none.
    fn has_samples(&self) -> bool {
        self.samples.iter().any(|v| v.is_finite())
    }
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

    /// The ECG leads, in the record's order.
    pub fn ecg_leads(&self) -> impl Iterator<Item = &Signal> {
        self.signals.iter().filter(|s| s.is_ecg())
    }

    /// The signals as a choice of leads.
    pub fn leads(&self) -> Leads<'_> {
        let signals = self.signals.iter();
        let candidates = signals.map(|s| (s.name.as_str(), &s.units, s.has_samples()));
        Leads::new(&self.name, candidates)
    }

    /// The lead that is read where none is asked for by name: see
    /// [`Leads::first_ecg`].
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] when no signal is an ECG.
    pub fn first_ecg(&self) -> Result<&Signal> {
        Ok(&self.signals[self.leads().first_ecg()?])
    }

    /// The ECG lead of this name, or one that means the same: see [`Leads::named`].
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] when there is no such signal, it is no voltage, or
    /// several fit.
    pub fn lead(&self, name: &str) -> Result<&Signal> {
        Ok(&self.signals[self.leads().named(name)?])
    }

    /// See [`Leads::passed_over`].
    pub fn passed_over(&self) -> Option<String> {
        self.leads().passed_over()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(name: &str, units: &str) -> Signal {
        Signal {
            name: name.into(),
            units: Units::of(units).0,
            samples: vec![0.0],
        }
    }

    #[test]
    fn a_lead_is_an_ecg_by_unit_and_name() {
        for name in [
            "",
            "MLII",
            "V5",
            "aVR",
            "I",
            "D3",
            "MCL1",
            "ECG",
            "ECG 2",
            "EKG (ABP side)",
        ] {
            assert!(signal(name, "uV").is_ecg(), "{name}");
            assert!(!signal(name, "NU").is_ecg(), "{name}");
        }
        for name in [
            "PAP",
            "abp",
            "ART2",
            "Resp",
            "CVP",
            "PLETH",
            "SpO2",
            "CO2",
            "EEG Fpz-Cz",
            "ABP mean",
        ] {
            assert!(!signal(name, "").is_ecg(), "{name}");
        }
    }

    #[test]
    fn the_first_ecg_is_taken_and_what_was_passed_over_is_named() {
        let mut record = Record {
            name: "r".into(),
            fs: 360.0,
            signals: vec![signal("P1", "mmHg"), signal("RESP", ""), signal("V1", "mV")],
            comments: Vec::new(),
        };
        assert_eq!(record.first_ecg().unwrap().name, "V1");
        let said = record.passed_over().unwrap();
        assert!(
            said.contains("V1 in mV") && said.contains("P1 in mmHg, RESP in mV"),
            "{said}"
        );
        assert!(record.lead("P1").unwrap_err().to_string().contains("mmHg"));
        assert!(record.lead("RESP").is_ok());
        record.signals.truncate(2);
        let refusal = record.first_ecg().unwrap_err().to_string();
        assert!(refusal.contains("no ECG lead: P1 in mmHg"), "{refusal}");
        record.signals = vec![signal("V1", "mV"), signal("V2", "mV")];
        assert_eq!(record.passed_over(), None);
        record.signals[0].samples[0] = f32::NAN;
        assert_eq!(record.first_ecg().unwrap().name, "V2");
        assert!(
            record
                .passed_over()
                .unwrap()
                .contains("V1 in mV without samples")
        );
    }
}
