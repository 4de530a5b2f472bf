//! Which columns of a table are the time and the leads.

use super::options::{Column, Options, Time, seconds, split_unit};
use crate::record::error::ensure;
use crate::record::units::Units;

/// Names that people give to the column of the times.
const TIMES: [&str; 7] = [
    "time",
    "t",
    "timestamp",
    "datetime",
    "date_time",
    "seconds",
    "elapsed",
];

/// Names that programs give to a column that counts the rows.
const INDICES: [&str; 6] = [
    "",
    "index",
    "sample",
    "sample_number",
    "n",
    "__index_level_0__",
];

/// What the columns of a table are.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// Columns of the table.
    pub width: usize,
    /// The column of the times, and what they are multiplied by to be seconds.
    pub time: Option<(usize, f64)>,
    pub leads: Vec<Lead>,
}

/// A column that is a lead.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lead {
    pub column: usize,
    pub name: String,
    pub units: Units,
    /// What a value is multiplied by to be in these units.
    pub factor: f64,
}

impl Plan {
    /// The plan of `width` columns with these names, where there are any.
    ///
    /// # Errors
    /// In words: a column that is not there, or nothing that is a lead.
    pub fn new(options: &Options, names: Option<&[String]>, width: usize) -> Result<Plan, String> {
        let time = match &options.time {
            Time::None => None,
            Time::At(column) => Some(column.find(names, width)?),
            Time::Auto => {
                names.and_then(|names| names.iter().position(|n| unit_of_time(n).is_some()))
            }
        };
        let unit = |at: usize| {
            let told =
                || names.and_then(|names| unit_of_time(&names[at]).or_else(|| suffix(&names[at])));
            options.time_unit.or_else(told).unwrap_or(1.0)
        };
        let chosen: Vec<usize> = match options.leads[..] {
            [] => (0..width)
                .filter(|&at| Some(at) != time && !is_index(names, at))
                .collect(),
            _ => {
                let find = |column: &Column| column.find(names, width);
                options.leads.iter().map(find).collect::<Result<_, _>>()?
            }
        };
        ensure(chosen.iter().all(|at| Some(*at) != time), || {
            "--samples gives the column of the times to a lead; leave it out, or say time=none"
                .to_owned()
        })?;
        let twice = |(at, column): (usize, &usize)| chosen[..at].contains(column);
        ensure(!chosen.iter().enumerate().any(twice), || {
            "--samples names a column twice among the leads; name it once".to_owned()
        })?;
        ensure(!chosen.is_empty(), || {
            "the table has no column for a lead; say which it is with --samples leads=COLUMN"
                .to_owned()
        })?;
        let lead = |column: usize| {
            let (name, own) = names.map_or(("", None), |names| split_unit(&names[column]));
            let known = own.filter(|unit| options.unit.is_some() || is_voltage(unit));
            let unit = options.unit.as_deref().or(known).unwrap_or_default();
            let (units, factor) = Units::of(unit);
            Lead {
                column,
                name: match (known.is_some(), names) {
                    (false, Some(names)) => names[column].clone(),
                    _ => name.to_owned(),
                },
                units,
                factor: factor / options.gain,
            }
        };
        Ok(Plan {
            width,
            time: time.map(|at| (at, unit(at))),
            leads: chosen.into_iter().map(lead).collect(),
        })
    }

    /// What a column is: its lead's place, where it is one.
    pub fn lead_at(&self, column: usize) -> Option<usize> {
        self.leads.iter().position(|lead| lead.column == column)
    }
}

fn is_voltage(unit: &str) -> bool {
    Units::of(unit).0 == Units::Millivolt
}

fn is_index(names: Option<&[String]>, at: usize) -> bool {
    names.is_some_and(|names| {
        let name = names[at].to_ascii_lowercase();
        at == 0 && (INDICES.contains(&name.as_str()) || name.starts_with("unnamed"))
    })
}

/// What times are multiplied by to be seconds, where a name is that of times:
/// `time`, `t (ms)`, `time_us`.
fn unit_of_time(name: &str) -> Option<f64> {
    let lower = name.to_lowercase();
    let (bare, unit) = split_unit(&lower);
    if TIMES.contains(&bare) {
        return match unit {
            Some(unit) => seconds(unit),
            None => Some(1.0),
        };
    }
    let (bare, unit) = bare.rsplit_once(['_', ' ', '.'])?;
    match TIMES.contains(&bare) {
        true => seconds(unit),
        false => None,
    }
}

/// The unit at the end of another name, such as `clock_ms` or `ticks (us)`.
fn suffix(name: &str) -> Option<f64> {
    match split_unit(name) {
        (_, Some(unit)) => seconds(unit),
        (bare, None) => seconds(bare.rsplit(['_', ' ', '.']).next()?),
    }
}
