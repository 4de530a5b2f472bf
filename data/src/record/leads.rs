//! Which of a recording's signals is read as the ECG.

use crate::record::error::{Error, Result};
use crate::record::lead_names::{meaning, plain};
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

    /// The places of all ECG leads that have a sample, or of all where none has.
    pub fn all_ecg(&self) -> Vec<usize> {
        let places = |recorded: bool| {
            let fits = move |c: &Candidate| is_ecg(c.name, c.units) && (c.recorded || !recorded);
            let all = self.all.iter().enumerate();
            all.filter(move |(_, c)| fits(c)).map(|(at, _)| at)
        };
        match places(true).next() {
            Some(_) => places(true).collect(),
            None => places(false).collect(),
        }
    }

    /// The place of the ECG lead that `name` asks for: the one of exactly this
    /// name; or else of this name in another case; or of one that usually means the
    /// same, as `II`, `MLII`, `DII` and `LL-RA` do; or, where `name` is a number,
    /// the signal of this number, counted from 1. Of several that fit, one that is
    /// a voltage and has samples goes before the others.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there is no such signal, it is no voltage, or
    /// several fit equally.
    pub fn named(&self, name: &str) -> Result<usize> {
        let names: Vec<String> = self.all.iter().map(|c| c.name.to_owned()).collect();
        let (record, names) = (self.record, names.join(", "));
        let refuse = |why: String| Err(Error::Invalid(format!("record {record} {why}")));
        let (folded, meant) = (plain(name), meaning(name));
        let fits: [&dyn Fn(&Candidate) -> bool; 3] = [
            &|c| c.name == name,
            &|c| !c.name.is_empty() && plain(c.name) == folded,
            &|c| !c.name.is_empty() && meaning(c.name) == meant,
        ];
        let found = fits.iter().map(|fits| self.best(fits));
        let mut found = found.filter(|found| !found.is_empty());
        let by_number = || {
            let number = name.trim().parse::<usize>().ok()?;
            let place = number.checked_sub(1)?;
            (place < self.all.len()).then(|| vec![place])
        };
        let Some(found) = found.next().or_else(by_number) else {
            return refuse(format!(
                "has no lead {name}; it has {names}; choose a model for those leads, or name a lead of the recording, also by its number, 1 to {}",
                self.all.len()
            ));
        };
        match found[..] {
            [at] if *self.all[at].units != Units::Millivolt => refuse(format!(
                "has {name} in {}, which is no voltage and so no ECG; it has {names}",
                self.all[at].units
            )),
            [at] => Ok(at),
            _ => {
                let fit = found
                    .iter()
                    .map(|at| format!("{} ({})", at + 1, self.all[*at].name));
                let fit: Vec<String> = fit.collect();
                refuse(format!(
                    "has several leads that {name} may mean: signals {}; choose one by its number",
                    fit.join(", ")
                ))
            }
        }
    }

    /// The places of those that fit: of the voltages with samples where there are
    /// any, else of the voltages, else of all.
    fn best(&self, fits: &dyn Fn(&Candidate) -> bool) -> Vec<usize> {
        let all = self.all.iter().enumerate().filter(|(_, c)| fits(c));
        let rank = |c: &Candidate| match (*c.units == Units::Millivolt, c.recorded) {
            (true, true) => 0,
            (true, false) => 1,
            (false, _) => 2,
        };
        let ranked: Vec<(u8, usize)> = all.map(|(at, c)| (rank(c), at)).collect();
        let best = ranked.iter().map(|(rank, _)| *rank).min();
        let of_best = ranked.iter().filter(|(rank, _)| Some(*rank) == best);
        of_best.map(|(_, at)| *at).collect()
    }

    /// A text by which [`Leads::named`] finds the lead at a place again: its name
    /// where no other has that, else its number.
    pub fn handle(&self, place: usize) -> String {
        let name = self.all.get(place).map_or("", |c| c.name);
        match self.named(name) {
            Ok(found) if found == place => name.to_owned(),
            _ => (place + 1).to_string(),
        }
    }

    /// The places of the leads of these names, in their order, or of the first
    /// ECG lead where there is no name.
    ///
    /// # Errors
    /// As [`Leads::named`] and [`Leads::first_ecg`]; [`Error::Invalid`] when two
    /// names mean one lead.
    pub fn choose(&self, names: &[String]) -> Result<Vec<usize>> {
        if names.is_empty() {
            return Ok(vec![self.first_ecg()?]);
        }
        let mut places: Vec<usize> = Vec::new();
        for name in names {
            let place = self.named(name)?;
            if let Some(before) = places.iter().position(|p| *p == place) {
                return Err(Error::Invalid(format!(
                    "record {}: {} and {name} are one lead there ({}); two are needed",
                    self.record, names[before], self.all[place].name
                )));
            }
            places.push(place);
        }
        Ok(places)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The place or the refusal of a name among leads in mV, or in the unit after
    /// a colon; those in brackets have no sample.
    fn named(leads: &[&str], name: &str) -> Result<usize, String> {
        let split = |lead: &str| {
            let recorded = !lead.starts_with('(');
            let lead = lead.trim_matches(['(', ')']).to_owned();
            let (name, unit) = match lead.split_once(':') {
                Some((name, unit)) => (name.to_owned(), Units::of(unit).0),
                None => (lead, Units::Millivolt),
            };
            (name, unit, recorded)
        };
        let all: Vec<_> = leads.iter().map(|lead| split(lead)).collect();
        let all = all.iter().map(|(name, unit, r)| (name.as_str(), unit, *r));
        Leads::new("r", all).named(name).map_err(|e| e.to_string())
    }

    #[test]
    fn a_lead_is_found_by_name_then_by_meaning_then_by_number() {
        for (leads, name, place) in [
            (&["MLII", "II", "ii"][..], "II", 1),
            (&["MLII", "aVR"], "AVR", 1),
            (&["V1", "MLII"], "II", 1),
            (&["V1", "LL-RA"], "DII", 1),
            (&["ECG 1", "ECG 2"], "EKG2", 1),
            (&["V1", "V5"], "2", 1),
            (&["2", "1"], "2", 0),
            (&["", "V5"], "1", 0),
            (&["II:mmHg", "MLII", "II"], "II", 2),
            (&["(II)", "II"], "ii", 1),
            (&["ECG", "ECG"], "2", 1),
        ] {
            assert_eq!(named(leads, name), Ok(place), "{leads:?}, {name}");
        }
        for (leads, name, words) in [
            (&["ECG", "ECG"][..], "ECG", "signals 1 (ECG), 2 (ECG)"),
            (&["MLII", "DII"], "II", "signals 1 (MLII), 2 (DII)"),
            (&["V1", "V5"], "3", "1 to 2"),
            (&["V1", "V5"], "0", "has no lead 0"),
            (&["V1"], "II", "has no lead II; it has V1"),
            (&["ABP:mmHg"], "abp", "no voltage"),
        ] {
            let refusal = named(leads, name);
            let told = refusal.as_ref().is_err_and(|said| said.contains(words));
            assert!(told, "{refusal:?}, {words}");
        }
    }

    #[test]
    fn two_names_of_one_lead_are_refused_where_two_are_needed() {
        let units = Units::Millivolt;
        let all = [("II", &units, true), ("V1", &units, true)];
        let leads = Leads::new("r", all.into_iter());
        let names = |names: [&str; 2]| leads.choose(&names.map(String::from));
        assert_eq!(names(["MLII", "V1"]).unwrap(), [0, 1]);
        let refusal = names(["MLII", "II"]).unwrap_err().to_string();
        assert!(refusal.contains("MLII and II are one lead"), "{refusal}");
        assert_eq!([leads.handle(0), leads.handle(1)], ["II", "V1"]);
        let all = [("ECG", &units, true), ("ECG", &units, true)];
        let leads = Leads::new("r", all.into_iter());
        assert_eq!([leads.handle(0), leads.handle(1)], ["1", "2"]);
        assert_eq!(leads.all_ecg(), [0, 1]);
    }
}
