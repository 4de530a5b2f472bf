//! Which of a recording's signals is read as the ECG.

use crate::record::error::{Error, Result};
use crate::record::units::Units;

/// Words that mark a signal as no ECG whatever its unit: blood pressures,
/// oxygen and its pulse wave, breathing, and other electrical activity.
const NO_ECG: [&str; 44] = [
    "ABP",
    "ART",
    "PAP",
    "CVP",
    "ICP",
    "LAP",
    "RAP",
    "UAP",
    "UVP",
    "BP",
    "NBP",
    "NIBP",
    "PRESSURE",
    "PRES",
    "PLETH",
    "PPG",
    "PULSE",
    "SPO",
    "SAO",
    "SVO",
    "SO",
    "CO",
    "ETCO",
    "TCO",
    "RESP",
    "RESPIRATION",
    "RSP",
    "IMP",
    "IMPEDANCE",
    "FLOW",
    "AIRFLOW",
    "TEMP",
    "EEG",
    "EMG",
    "EOG",
    "GSR",
    "EDA",
    "ACC",
    "PCG",
    "SCG",
    "EVENT",
    "MARKER",
    "HR",
    "SOUND",
];

/// Whether a signal of this name and unit is an ECG, see
/// [`crate::record::Signal::is_ecg`].
pub(crate) fn is_ecg(name: &str, units: &Units) -> bool {
    let name = name.to_ascii_uppercase();
    let words = || {
        let words = name.split(|c: char| !c.is_ascii_alphanumeric());
        words.map(|w| w.trim_end_matches(|c: char| c.is_ascii_digit()))
    };
    *units == Units::Millivolt
        && (words().any(|w| w == "ECG" || w == "EKG") || !words().any(|w| NO_ECG.contains(&w)))
}

/// What the choice of a lead depends on: the names and units of a recording's
/// signals, and whether there is anything in them.
pub struct Leads<'a> {
    record: &'a str,
    all: Vec<Candidate<'a>>,
}

struct Candidate<'a> {
    name: &'a str,
    units: &'a Units,
    /// Whether any sample is valid: a signal without a file has none.
    recorded: bool,
}

impl<'a> Leads<'a> {
    /// The signals of the recording `record`, in its order: name, units, and
    /// whether any sample is a finite number.
    pub fn new(
        record: &'a str,
        signals: impl Iterator<Item = (&'a str, &'a Units, bool)>,
    ) -> Leads<'a> {
        let candidate = |(name, units, recorded)| Candidate {
            name,
            units,
            recorded,
        };
        Leads {
            record,
            all: signals.map(candidate).collect(),
        }
    }

    /// The place of the lead that is read where none is asked for by name: the
    /// first that is an ECG, see [`crate::record::Signal::is_ecg`], and has a
    /// sample, where any has.
    ///
    /// # Errors
    /// [`Error::Invalid`] when no signal is an ECG.
    pub fn first_ecg(&self) -> Result<usize> {
        let ecg = |c: &Candidate| is_ecg(c.name, c.units);
        let recorded = self.all.iter().position(|c| ecg(c) && c.recorded);
        recorded
            .or_else(|| self.all.iter().position(ecg))
            .ok_or_else(|| {
                let all: Vec<String> = self.all.iter().map(Candidate::described).collect();
                let listed = match all.is_empty() {
                    true => "no signal at all".to_owned(),
                    false => all.join(", "),
                };
                Error::Invalid(format!(
                    "record {} has no ECG lead: {listed}; name a lead that is an ECG, or correct the units in its header",
                    self.record
                ))
            })
    }

    /// The place of the ECG lead of this name.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there is no such signal, or it is no voltage.
    pub fn named(&self, name: &str) -> Result<usize> {
        let names: Vec<&str> = self.all.iter().map(|c| c.name).collect();
        let (record, names) = (self.record, names.join(", "));
        let refuse = |why: String| Err(Error::Invalid(format!("record {record} {why}")));
        match self.all.iter().position(|c| c.name == name) {
            None => refuse(format!(
                "has no lead {name}; it has {names}; choose a model for those leads"
            )),
            Some(at) if *self.all[at].units != Units::Millivolt => refuse(format!(
                "has {name} in {}, which is no voltage and so no ECG; it has {names}",
                self.all[at].units
            )),
            Some(at) => Ok(at),
        }
    }

    /// The places of the leads of these names, in their order, or of the first
    /// ECG lead where there is no name.
    ///
    /// # Errors
    /// As [`Leads::named`] and [`Leads::first_ecg`].
    pub fn choose(&self, names: &[String]) -> Result<Vec<usize>> {
        if names.is_empty() {
            return Ok(vec![self.first_ecg()?]);
        }
        names.iter().map(|name| self.named(name)).collect()
    }

    /// Says which lead [`Leads::first_ecg`] takes, where the recording's first
    /// signal is another; `None` where there is nothing to say.
    pub fn passed_over(&self) -> Option<String> {
        let lead = self.first_ecg().ok().filter(|lead| *lead > 0)?;
        let before = self.all[..lead].iter().map(Candidate::described);
        Some(format!(
            "record {}: the lead is {}, its first ECG; passed over: {}",
            self.record,
            self.all[lead].described(),
            before.collect::<Vec<_>>().join(", ")
        ))
    }
}

impl Candidate<'_> {
    /// Name and unit, for messages.
    fn described(&self) -> String {
        let empty = if self.recorded {
            ""
        } else {
            " without samples"
        };
        match self.name {
            "" => format!("a signal without a name in {}{empty}", self.units),
            name => format!("{name} in {}{empty}", self.units),
        }
    }
}
