//! Which patient a recording is of: recordings of one patient never train and
//! test the same model.

use std::collections::BTreeMap;
use std::path::Path;

use regex_lite::Regex;

use crate::record::error::{Error, Result};

/// How the patient of a recording is told.
#[derive(Clone, Debug, Default)]
pub enum Patients {
    /// Every recording is of its own patient, but for the one subject of the
    /// MIT-BIH Arrhythmia Database that has two: 201 and 202.
    #[default]
    ByRecord,
    /// A list of recordings with their patients.
    Listed(BTreeMap<String, String>),
    /// A pattern in the recordings' names.
    Named(Regex),
}

impl Patients {
    /// From a file with a line `RECORD,PATIENT` for each recording; blanks, tabs
    /// and semicolons separate too, `#` begins a comment, and a first line
    /// `record,patient` is a header.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] with the line that has not two words,
    /// or that names a recording again with another patient.
    pub fn listed(path: &Path) -> Result<Patients> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        let mut list = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default();
            let separator = |c: char| c == ',' || c == ';' || c.is_whitespace();
            let words: Vec<&str> = line.split(separator).filter(|w| !w.is_empty()).collect();
            let (record, patient) = match words[..] {
                [] => continue,
                [record, patient] => (record, patient),
                _ => {
                    let what = format!(
                        "{} words; expected a recording's name and its patient, such as p001_night2,p001",
                        words.len()
                    );
                    return Err(Error::at_line(path, number, what));
                }
            };
            if list.is_empty() && record.eq_ignore_ascii_case("record") {
                continue;
            }
            let earlier = list.insert(record.to_owned(), patient.to_owned());
            if earlier.is_some_and(|earlier| earlier != patient) {
                let what = format!("recording {record} has another patient in a line before");
                return Err(Error::at_line(path, number, what));
            }
        }
        match list.is_empty() {
            true => Err(Error::malformed(path, "it names no recording")),
            false => Ok(Patients::Listed(list)),
        }
    }

    /// From a regular expression: the patient is what its first group matches in
    /// a recording's name, or all of the match where it has no group. `^(p\d+)_`
    /// makes `p001_night1` and `p001_night2` one patient.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no regular expression.
    pub fn named(pattern: &str) -> Result<Patients> {
        let pattern = Regex::new(pattern).map_err(|e| Error::Invalid(e.to_string()))?;
        Ok(Patients::Named(pattern))
    }

    /// The patient of a recording.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a recording that is not listed, or in whose name
    /// the pattern is not found: a guess could put one patient on both sides.
    pub fn of<'a>(&'a self, record: &'a str) -> Result<&'a str> {
        match self {
            Patients::ByRecord => Ok(if record == "202" { "201" } else { record }),
            Patients::Listed(list) => {
                let missing = || {
                    Error::Invalid(format!(
                        "recording {record} is not in the list of patients; add a line {record},PATIENT"
                    ))
                };
                list.get(record).map(String::as_str).ok_or_else(missing)
            }
            Patients::Named(pattern) => {
                let found = pattern.captures(record);
                let group = found.and_then(|c| c.get(1).or_else(|| c.get(0)));
                let patient = group.map(|m| m.as_str()).filter(|p| !p.is_empty());
                patient.ok_or_else(|| {
                    Error::Invalid(format!(
                        "the pattern '{pattern}' finds no patient in the name of recording {record}"
                    ))
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_subject_of_two_recordings_is_known() {
        let patients = Patients::default();
        assert_eq!(patients.of("202").unwrap(), "201");
        assert_eq!(patients.of("203").unwrap(), "203");
    }

    #[test]
    fn a_list_is_read_or_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("patients.csv");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Patients::listed(&path)
        };
        let list = read("record,patient\na1,alice # night\n\na2;alice\nb1\tbob\n").unwrap();
        assert_eq!(list.of("a1").unwrap(), list.of("a2").unwrap());
        assert_eq!(list.of("b1").unwrap(), "bob");
        assert!(
            list.of("c1")
                .unwrap_err()
                .to_string()
                .contains("c1,PATIENT")
        );
        for (text, word) in [
            ("a1,alice\na2\n", "line 2"),
            ("a1,alice\na1,bob\n", "another patient"),
            ("# nobody\n", "no recording"),
        ] {
            let refusal = read(text).unwrap_err().to_string();
            assert!(refusal.contains(word), "{refusal}");
        }
    }

    #[test]
    fn a_pattern_finds_the_patient_or_says_that_it_does_not() {
        let group = Patients::named(r"^(p\d+)_").unwrap();
        assert_eq!(group.of("p001_night2").unwrap(), "p001");
        assert!(
            group
                .of("x")
                .unwrap_err()
                .to_string()
                .contains("recording x")
        );
        let whole = Patients::named(r"^p\d+").unwrap();
        assert_eq!(whole.of("p7b").unwrap(), "p7");
        assert!(Patients::named("(").is_err());
    }
}
