//! What the columns of a table are, as its user says in one line of text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::record::error::{Error, Result, ensure};

/// What the columns of a table are. Every program reads it from one flag,
/// `--table 'label=class,patient=subject,drop=id,header=yes'`.
///
/// What is not said is told from the header: see [`Columns::plan`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Columns {
    /// The column of the class.
    pub label: Choice,
    /// The column that tells whose beat it is.
    pub patient: Choice,
    /// The one column that holds all samples, as a list (Parquet), or the
    /// dataset that does (HDF5).
    pub samples: Option<String>,
    /// Columns that are left out.
    pub drop: Vec<Place>,
    /// Whether the first line is a header; `None` leaves it to the reader.
    pub header: Option<bool>,
}

/// Which column plays a part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The one that the header names so, or that the number of columns leaves.
    #[default]
    Auto,
    /// None does.
    None,
    /// The last one that is not said to be something else.
    Last,
    /// This one.
    At(Place),
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// By its number, from 1.
    Number(usize),
    /// By its name in the header.
    Name(String),
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Sample,
    Label,
    Patient,
    Dropped,
}

/// What every column of a table holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Per column.
    pub roles: Vec<Role>,
    /// Columns that are samples.
    pub samples: usize,
}

impl Plan {
    /// A plan of these columns.
    pub fn new(roles: Vec<Role>) -> Plan {
        let samples = roles.iter().filter(|r| **r == Role::Sample).count();
        Plan { roles, samples }
    }

    /// The column of this role, from 0.
    pub fn place(&self, role: Role) -> Option<usize> {
        self.roles.iter().position(|r| *r == role)
    }
}

/// Names that people give to the column of the class.
pub(super) const LABELS: [&str; 5] = ["label", "labels", "class", "target", "y"];
/// Names that people give to the column of the patient.
pub(super) const PATIENTS: [&str; 6] = [
    "patient",
    "patient_id",
    "subject",
    "subject_id",
    "record",
    "record_name",
];
/// Names that programs give to a column that counts the rows.
const INDICES: [&str; 4] = ["index", "id", "row", "__index_level_0__"];
/// Names of a header that a message tells.
const TOLD: usize = 6;

/// Whether a name is one of these, in small or large letters.
pub(super) fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|n| name.eq_ignore_ascii_case(n))
}

/// Whether a name is one that programs give to a column that counts the rows.
pub(super) fn is_index(name: &str) -> bool {
    name.is_empty() || name.starts_with("Unnamed") || is_one_of(name, &INDICES)
}

impl Columns {
    /// Whether nothing is said, so that a table is read by its header alone.
    pub fn is_auto(&self) -> bool {
        *self == Columns::default()
    }

    /// How many columns are said not to be samples.
    pub(super) fn beside(&self) -> usize {
        let said = |choice: &Choice| usize::from(matches!(choice, Choice::At(_) | Choice::Last));
        self.drop.len() + said(&self.label) + said(&self.patient)
    }

    /// What each of `width` columns holds. `names` are those of the header,
    /// `wanted` the samples that a row must have, where that is known.
    ///
    /// # Errors
    /// In words: a column that is not there, another number of samples, or what
    /// must be said because nothing tells it.
    pub(super) fn plan(
        &self,
        names: Option<&[String]>,
        width: usize,
        wanted: Option<usize>,
    ) -> Result<Plan, String> {
        let mut roles = vec![Role::Sample; width];
        let mut give = |at: usize, role: Role| {
            ensure(roles[at] == Role::Sample, || {
                format!("--table gives column {} two parts", at + 1)
            })?;
            roles[at] = role;
            Ok::<(), String>(())
        };
        for place in &self.drop {
            give(place.find(names, width)?, Role::Dropped)?;
        }
        for (choice, role) in [(&self.label, Role::Label), (&self.patient, Role::Patient)] {
            if let Choice::At(place) = choice {
                give(place.find(names, width)?, role)?;
            }
        }
        let free = |roles: &[Role], known: &[&str]| -> Vec<usize> {
            let named = |&at: &usize| names.is_some_and(|n| is_one_of(&n[at], known));
            (0..width)
                .filter(|&at| roles[at] == Role::Sample)
                .filter(named)
                .collect()
        };
        let left = |roles: &[Role]| roles.iter().filter(|r| **r == Role::Sample).count();
        // Names such as `record` may be a sample's where all columns are samples.
        let unequal = |roles: &[Role]| wanted.is_none_or(|wanted| left(roles) != wanted);
        if self.patient == Choice::Auto
            && unequal(&roles)
            && let [at] = free(&roles, &PATIENTS)[..]
        {
            roles[at] = Role::Patient;
        }
        let last = |roles: &[Role]| roles.iter().rposition(|r| *r == Role::Sample);
        let label = match self.label {
            Choice::Last => Some(last(&roles).ok_or("there is no column for the class")?),
            Choice::Auto if unequal(&roles) => match free(&roles, &LABELS)[..] {
                [at] => Some(at),
                [] if wanted.is_some_and(|wanted| left(&roles) == wanted + 1) => last(&roles),
                [] if wanted.is_some() => None,
                _ => return Err(unsaid(names)),
            },
            _ => None,
        };
        if let Some(at) = label {
            roles[at] = Role::Label;
        }
        if self.patient == Choice::Last {
            let at = last(&roles).ok_or("there is no column for the patient")?;
            roles[at] = Role::Patient;
        }
        let plan = Plan::new(roles);
        names.map_or(Ok(()), |names| suspicious(names, &plan, wanted))?;
        fits(&plan, wanted)?;
        Ok(plan)
    }
}

/// Whether a row has the samples that it must have.
fn fits(plan: &Plan, wanted: Option<usize>) -> Result<(), String> {
    let (width, samples) = (plan.roles.len(), plan.samples);
    match wanted {
        Some(wanted) if samples != wanted => Err(format!(
            "{width} columns, {samples} of them samples; expected {wanted} samples, as the contract says; say what the other columns are with --table (label=, patient=, drop=), or take data or a model of the same length"
        )),
        None if samples < 2 => Err(format!(
            "{width} columns, {samples} of them samples; a beat has at least 2"
        )),
        _ => Ok(()),
    }
}

/// What must be said because neither a header nor a contract tells it.
fn unsaid(names: Option<&[String]>) -> String {
    let found = match names {
        None => "it has no header".into(),
        Some(names) => format!("its header does not ({})", told(names)),
    };
    format!(
        "nothing tells which column is the class: {found}; say it with --table label=last, label=NUMBER (from 1), label=NAME, or label=none where there is no class"
    )
}

/// Refuses columns that are hardly samples: a count of the rows, and where no
/// contract says how many samples there are, one named otherwise than the rest.
fn suspicious(names: &[String], plan: &Plan, wanted: Option<usize>) -> Result<(), String> {
    let samples = |at: &usize| plan.roles[*at] == Role::Sample;
    let mut samples = (0..names.len()).filter(samples).peekable();
    if let Some(&first) = samples.peek()
        && first == 0
        && is_index(&names[0])
        && wanted != Some(plan.samples)
    {
        return Err(format!(
            "column 1 ('{}') is an index that counts the rows, or names them; leave it out with --table drop=1, or take it for the patient with --table patient=1",
            names[0]
        ));
    }
    if wanted.is_some() {
        return Ok(());
    }
    let stem = |name: &str| {
        let digits = |c: char| c.is_ascii_digit() || c == '.' || c == '-';
        name.trim_matches(digits).to_owned()
    };
    let samples: Vec<usize> = samples.collect();
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    for &at in &samples {
        *counts.entry(stem(&names[at])).or_default() += 1;
    }
    let Some((common, _)) = counts
        .into_iter()
        .find(|(_, count)| count * 2 > samples.len())
    else {
        return Ok(());
    };
    let (like, odd): (Vec<usize>, Vec<usize>) = samples
        .into_iter()
        .partition(|&at| stem(&names[at]) == common);
    ensure(odd.is_empty(), || {
        let odd: Vec<String> = odd.iter().map(|&at| names[at].clone()).collect();
        format!(
            "column {} is named otherwise than the samples ({}); say what it is with --table (label=, patient= or drop=)",
            told(&odd),
            told(&[names[like[0]].clone()]),
        )
    })
}

/// The first names of a header, and how many more there are.
fn told(names: &[String]) -> String {
    let first: Vec<String> = names.iter().take(TOLD).map(|n| format!("'{n}'")).collect();
    match names.len().saturating_sub(TOLD) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

impl Place {
    /// Its number from 0, among columns of these names.
    fn find(&self, names: Option<&[String]>, width: usize) -> Result<usize, String> {
        let name = match self {
            Place::Number(number) if (1..=width).contains(number) => return Ok(number - 1),
            Place::Number(number) => {
                return Err(format!(
                    "--table names column {number}; the table has columns 1 to {width}"
                ));
            }
            Place::Name(name) => name,
        };
        let names = names.ok_or_else(|| {
            format!(
                "--table names the column '{name}', and the table has no header; give its number, from 1, or header=yes where the first line is one"
            )
        })?;
        let alike = |exact: bool| -> Vec<usize> {
            let same = |&at: &usize| match exact {
                true => names[at] == *name,
                false => names[at].eq_ignore_ascii_case(name),
            };
            (0..names.len()).filter(same).collect()
        };
        let found = Some(alike(true)).filter(|found| !found.is_empty());
        match found.unwrap_or_else(|| alike(false))[..] {
            [at] => Ok(at),
            [] => Err(format!(
                "there is no column '{name}'; the header names {}",
                told(names)
            )),
            _ => Err(format!(
                "several columns are named '{name}'; give a number, from 1"
            )),
        }
    }
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(text: &str) -> Result<Place> {
        match text.parse() {
            Ok(0) => Err(Error::Invalid(
                "--table: columns are counted from 1; there is no column 0".into(),
            )),
            Ok(number) => Ok(Place::Number(number)),
            Err(_) => Ok(Place::Name(text.into())),
        }
    }
}

impl FromStr for Choice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Choice> {
        Ok(match text {
            "auto" => Choice::Auto,
            "none" => Choice::None,
            "last" => Choice::Last,
            place => Choice::At(place.parse()?),
        })
    }
}

impl FromStr for Columns {
    type Err = Error;

    fn from_str(text: &str) -> Result<Columns> {
        let mut columns = Columns::default();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let refused = || {
                Error::Invalid(format!(
                    "--table: '{}' is not understood; write label=COLUMN, patient=COLUMN, drop=COLUMN, samples=NAME or header=yes|no, with commas between; a column is its name or its number from 1",
                    part.trim()
                ))
            };
            let (key, value) = part.split_once('=').ok_or_else(refused)?;
            let value = value.trim();
            ensure(!value.is_empty(), refused)?;
            match key.trim() {
                "label" => columns.label = value.parse()?,
                "patient" => columns.patient = value.parse()?,
                "drop" => columns.drop.push(value.parse()?),
                "samples" => columns.samples = Some(value.into()),
                "header" => {
                    columns.header = match value {
                        "yes" => Some(true),
                        "no" => Some(false),
                        "auto" => None,
                        _ => return Err(refused()),
                    }
                }
                _ => return Err(refused()),
            }
        }
        Ok(columns)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Number(number) => write!(f, "{number}"),
            Place::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Columns {
    /// The text that [`Columns::from_str`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (key, choice) in [("label", &self.label), ("patient", &self.patient)] {
            match choice {
                Choice::Auto => {}
                Choice::None => parts.push(format!("{key}=none")),
                Choice::Last => parts.push(format!("{key}=last")),
                Choice::At(place) => parts.push(format!("{key}={place}")),
            }
        }
        parts.extend(self.samples.iter().map(|name| format!("samples={name}")));
        parts.extend(self.drop.iter().map(|place| format!("drop={place}")));
        let header = self.header.map(|yes| if yes { "yes" } else { "no" });
        parts.extend(header.map(|word| format!("header={word}")));
        f.write_str(&parts.join(","))
    }
}

impl From<Columns> for String {
    fn from(columns: Columns) -> String {
        columns.to_string()
    }
}

impl TryFrom<String> for Columns {
    type Error = Error;

    fn try_from(text: String) -> Result<Columns> {
        text.parse()
    }
}

#[cfg(test)]
mod tests;
