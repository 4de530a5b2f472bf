//! What a table of samples is, as its user says in one line of text.

use std::str::FromStr;

use crate::record::error::{Error, Result, ensure};

/// What a table of samples is, `fs=250,time=t,leads=ecg|II,unit=uV,gain=200`.
///
/// ```
/// let options: data::formats::samples::Options = "fs=250,leads=ecg|II,unit=uV".parse()?;
/// assert_eq!(options.fs, Some(250.0));
/// assert_eq!(options.leads.len(), 2);
/// # Ok::<(), data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Samples per second; `None` to find it from the times.
    pub fs: Option<f64>,
    /// The column of the times.
    pub time: Time,
    /// What the times are multiplied by to be seconds; `None` to tell it from the
    /// name of the column.
    pub time_unit: Option<f64>,
    /// The columns of the leads, in the order in which they are handed out; none
    /// for all that are not the time.
    pub leads: Vec<Column>,
    /// The unit of the samples; `None` to tell it from the name of the column, or
    /// else mV.
    pub unit: Option<String>,
    /// Steps of a sample per unit: 1 where samples are physical values.
    pub gain: f64,
    /// Whether the first line is a header; `None` to find out.
    pub header: Option<bool>,
}

/// Which column holds the times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Time {
    /// The one that the header names so, if any does.
    #[default]
    Auto,
    /// None does: samples follow each other without a gap.
    None,
    /// This one.
    At(Column),
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// By its number, from 1.
    Number(usize),
    /// By its name in the header.
    Name(String),
}

impl Default for Options {
    fn default() -> Options {
        Options {
            fs: None,
            time: Time::Auto,
            time_unit: None,
            leads: Vec::new(),
            unit: None,
            gain: 1.0,
            header: None,
        }
    }
}

impl FromStr for Options {
    type Err = Error;

    fn from_str(text: &str) -> Result<Options> {
        let mut options = Options::default();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let refused = || {
                Error::Invalid(format!(
                    "--samples: '{}' is not understood; write fs=HZ, time=COLUMN or time=none, time-unit=s|ms|us|ns, leads=COLUMN|COLUMN, unit=mV|uV|V, gain=STEPS or header=yes|no, with commas between; a column is its name or its number from 1",
                    part.trim()
                ))
            };
            let (key, value) = part.split_once('=').ok_or_else(refused)?;
            let value = value.trim();
            ensure(!value.is_empty(), refused)?;
            let above_zero = || match value.parse::<f64>() {
                Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
                _ => Err(refused()),
            };
            match key.trim() {
                "fs" => options.fs = Some(above_zero()?),
                "gain" => options.gain = above_zero()?,
                "time" if value == "none" => options.time = Time::None,
                "time" => options.time = Time::At(value.parse()?),
                "time-unit" => options.time_unit = Some(seconds(value).ok_or_else(refused)?),
                "leads" => {
                    let all = value.split('|').map(|column| column.trim().parse());
                    options.leads = all.collect::<Result<_>>()?;
                }
                "unit" => options.unit = Some(value.into()),
                "header" => {
                    options.header = match value {
                        "yes" => Some(true),
                        "no" => Some(false),
                        _ => return Err(refused()),
                    }
                }
                _ => return Err(refused()),
            }
        }
        Ok(options)
    }
}

impl FromStr for Column {
    type Err = Error;

    fn from_str(text: &str) -> Result<Column> {
        match text.parse() {
            Ok(0) => Err(Error::Invalid(
                "--samples: columns are counted from 1; there is no column 0".into(),
            )),
            Ok(number) => Ok(Column::Number(number)),
            Err(_) if text.is_empty() => Err(Error::Invalid(
                "--samples: a column is its name or its number from 1, and one of them is empty"
                    .into(),
            )),
            Err(_) => Ok(Column::Name(text.into())),
        }
    }
}

impl Column {
    /// Its number from 0, among columns of these names, if they have any.
    ///
    /// # Errors
    /// In words: a column that is not there.
    pub(super) fn find(&self, names: Option<&[String]>, width: usize) -> Result<usize, String> {
        let name = match self {
            Column::Number(number) if (1..=width).contains(number) => return Ok(number - 1),
            Column::Number(number) => {
                return Err(format!(
                    "--samples names column {number}; the table has columns 1 to {width}"
                ));
            }
            Column::Name(name) => name,
        };
        let names = names.ok_or_else(|| {
            format!(
                "--samples names the column '{name}', and the table has no header; give its number, from 1, or header=yes where the first line is one"
            )
        })?;
        let exact = names.iter().position(|n| n == name);
        let alike = || {
            let same = |n: &String| n.eq_ignore_ascii_case(name) || split_unit(n).0 == name;
            names.iter().position(same)
        };
        exact.or_else(alike).ok_or_else(|| {
            let told: Vec<&str> = names.iter().take(8).map(String::as_str).collect();
            format!(
                "there is no column '{name}'; the header names {}",
                told.join(", ")
            )
        })
    }
}

/// What times in a unit are multiplied by to be seconds.
pub(super) fn seconds(unit: &str) -> Option<f64> {
    Some(match unit.to_lowercase().as_str() {
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "ms" | "msec" | "millis" | "millisecond" | "milliseconds" => 1e-3,
        "us" | "usec" | "\u{b5}s" | "\u{3bc}s" | "micros" | "microsecond" | "microseconds" => 1e-6,
        "ns" | "nsec" | "nanos" | "nanosecond" | "nanoseconds" => 1e-9,
        _ => return None,
    })
}

/// A column's name without the unit in brackets at its end, and that unit.
pub(super) fn split_unit(name: &str) -> (&str, Option<&str>) {
    let inner = [('(', ')'), ('[', ']')]
        .into_iter()
        .find_map(|(open, close)| {
            let (name, unit) = name.strip_suffix(close)?.rsplit_once(open)?;
            Some((name.trim_end(), unit.trim()))
        });
    match inner {
        Some((name, unit)) if !unit.is_empty() => (name, Some(unit)),
        _ => (name, None),
    }
}
