//! Rows of a Parquet file, a column for each lead.

use std::path::{Path, PathBuf};

use parquet::basic::{LogicalType, TimeUnit};

use super::options::Options;
use super::plan::Plan;
use super::time;
use super::{Piece, Table};
use crate::formats::columns::{self, Groups, Values, damaged};
use crate::record::error::{Error, Result, ensure};

/// Reads rows of a Parquet file.
pub(super) struct Parquet {
    path: PathBuf,
    groups: Groups,
    plan: Plan,
    /// Whether the times are dates rather than seconds from anywhere.
    dated: bool,
    /// Rows read so far.
    row: u64,
}

impl Parquet {
    /// Opens a file and reads what its columns are.
    pub fn open(path: &Path, options: &Options) -> Result<Parquet> {
        let groups = Groups::of(path)?;
        let leaves = &groups.leaves;
        let names: Vec<String> = leaves.iter().map(|leaf| leaf.name.clone()).collect();
        let plan = Plan::new(options, Some(&names), names.len());
        let mut plan = plan.map_err(|why| Error::malformed(path, why))?;
        let time = plan.time.map(|(at, _)| at);
        for at in plan.leads.iter().map(|lead| lead.column).chain(time) {
            let lists = (leaves[at].lists > 0).then_some("lists");
            if let Some(what) = leaves[at].foreign.or(lists) {
                return Err(Error::malformed(
                    path,
                    format!(
                        "column '{}' holds {what}; expected a number in each row; write it as floats, or choose others with --samples leads=COLUMN",
                        leaves[at].name
                    ),
                ));
            }
        }
        let stamp = time.and_then(|at| stamp_unit(leaves[at].logical.as_ref()?));
        if let Some((time, unit)) = plan.time.as_mut().zip(stamp) {
            time.1 = unit;
        }
        Ok(Parquet {
            path: path.into(),
            groups,
            plan,
            dated: stamp.is_some(),
            row: 0,
        })
    }

    /// What the columns are.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Opens the next group of rows where none is left; false after the last.
    fn begin(&mut self, piece: &Piece) -> Result<bool> {
        let plan = &self.plan;
        self.groups.begin(|at| {
            let lead = plan.lead_at(at);
            lead.is_some_and(|lead| piece.wanted[lead].is_some())
                || plan.time.is_some_and(|(time, _)| time == at)
        })
    }

    /// The next `count` values of a column; NaN or no text where there is none.
    fn values(&mut self, at: usize, count: usize) -> Result<Values> {
        let leaf = &self.groups.leaves[at];
        let wrong =
            |what: String| Error::malformed(&self.path, format!("column '{}' {what}", leaf.name));
        let Some(reader) = &mut self.groups.open[at] else {
            return Ok(Values::Numbers(Vec::new()));
        };
        let read = columns::read(reader, leaf, count).map_err(damaged(&self.path))?;
        let (values, levels) = read.ok_or_else(|| {
            wrong("holds bytes or times of an old kind; write it as floats, or choose others with --samples leads=COLUMN".into())
        })?;
        ensure(levels.rows == count, || {
            wrong(format!(
                "ends after {} rows; is the file damaged? write it again",
                self.row + levels.rows as u64
            ))
        })?;
        let is_there =
            |at: usize| leaf.present == 0 || levels.present.get(at) == Some(&leaf.present);
        Ok(match values {
            Values::Numbers(values) => {
                let mut values = values.into_iter();
                let all = (0..count).map(|at| match is_there(at) {
                    true => values.next().unwrap_or(f64::NAN),
                    false => f64::NAN,
                });
                Values::Numbers(all.collect())
            }
            Values::Texts(texts) => {
                let mut texts = texts.into_iter();
                let all = (0..count).map(|at| match is_there(at) {
                    true => texts.next().unwrap_or_default(),
                    false => String::new(),
                });
                Values::Texts(all.collect())
            }
        })
    }

    /// Adds the next `count` times.
    fn times(&mut self, at: usize, unit: f64, count: usize, piece: &mut Piece) -> Result<()> {
        match self.values(at, count)? {
            Values::Numbers(values) => {
                if let Some(row) = values.iter().position(|value| !value.is_finite()) {
                    return Err(self.no_time(row, "missing"));
                }
                let times = values.iter().map(|value| value * unit);
                let first = values.first().map(|value| value * unit);
                let start = first
                    .filter(|_| self.dated)
                    .and_then(time::start_of_seconds);
                piece.start.get_or_insert(start);
                piece.times.extend(times);
            }
            Values::Texts(texts) => {
                for (row, text) in texts.iter().enumerate() {
                    let time = time::of(text, unit).ok_or_else(|| self.no_time(row, text))?;
                    piece.times.push(time);
                }
                let start = texts.first().and_then(|text| time::start(text));
                piece.start.get_or_insert(start);
            }
        }
        Ok(())
    }
}

impl Parquet {
    fn no_time(&self, row: usize, shown: &str) -> Error {
        let shown: String = shown.chars().take(30).collect();
        let what =
            format!("the time is {shown:?}; expected a number, or a date and time of ISO 8601");
        self.place(&self.path, self.row + row as u64, what)
    }
}

impl Table for Parquet {
    fn rows(&mut self, most: usize, piece: &mut Piece) -> Result<()> {
        if !self.begin(piece)? {
            return Ok(());
        }
        let count = self.groups.left.min(most);
        if let Some((at, unit)) = self.plan.time {
            self.times(at, unit, count, piece)?;
        }
        for lead in 0..self.plan.leads.len() {
            if piece.wanted[lead].is_none() {
                continue;
            }
            let column = self.plan.leads[lead].column;
            match self.values(column, count)? {
                Values::Numbers(values) => {
                    for (row, value) in values.into_iter().enumerate() {
                        if value.is_infinite() {
                            let what = format!(
                                "column '{}' is {value}; expected a finite number, or none",
                                self.groups.leaves[column].name
                            );
                            return Err(self.place(&self.path, self.row + row as u64, what));
                        }
                        piece.push(lead, value, &self.plan);
                    }
                }
                Values::Texts(_) => {
                    return Err(Error::malformed(
                        &self.path,
                        format!(
                            "column '{}' holds text; choose columns of numbers with --samples leads=COLUMN",
                            self.groups.leaves[column].name
                        ),
                    ));
                }
            }
        }
        piece
            .places
            .extend((0..count as u64).map(|row| self.row + row));
        self.groups.left -= count;
        self.row += count as u64;
        Ok(())
    }

    fn place(&self, path: &Path, place: u64, what: String) -> Error {
        Error::malformed(path, format!("row {place} (counted from 0): {what}"))
    }
}

/// What time stamps of a type are multiplied by to be seconds.
fn stamp_unit(logical: &LogicalType) -> Option<f64> {
    match logical {
        LogicalType::Timestamp(stamp) | LogicalType::Time(stamp) => Some(match stamp.unit {
            TimeUnit::MILLIS => 1e-3,
            TimeUnit::MICROS => 1e-6,
            TimeUnit::NANOS => 1e-9,
        }),
        _ => None,
    }
}
