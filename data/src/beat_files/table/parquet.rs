//! Tables as Parquet: a column per sample, or one column of lists.

use std::path::{Path, PathBuf};

use super::columns::{Columns, Plan, Role};
use super::rows::{Fault, Taker};
use super::{Asked, ROWS, Rows, labels};
use crate::formats::columns::{self, Groups, Leaf, Values, damaged};
use crate::pipeline::beats::Beats;
use crate::record::error::{Error, Result, ensure};

/// Reads a file in chunks of rows.
pub(super) struct Parquet {
    path: PathBuf,
    columns: Columns,
    groups: Groups,
    plan: Plan,
    /// The column of lists, where one holds all samples.
    list: Option<usize>,
    taker: Taker,
    rows: usize,
}

impl Parquet {
    /// Opens a file for chunks of at most `rows` beats.
    pub fn open(path: &Path, asked: &Asked<'_>) -> Result<Parquet> {
        let groups = Groups::of(path)?;
        let leaves = &groups.leaves;
        let (plan, list) = plan(&asked.reading.columns, leaves, asked.length())
            .map_err(|why| Error::malformed(path, why))?;
        for (leaf, role) in leaves.iter().zip(&plan.roles) {
            let used = *role != Role::Dropped;
            if let Some(what) = leaf.foreign.filter(|_| used) {
                return Err(Error::malformed(
                    path,
                    format!(
                        "column '{}' holds {what}, which are not read; write it as 32- or 64-bit floats, or leave it out with --table drop={0}",
                        leaf.name
                    ),
                ));
            }
        }
        Ok(Parquet {
            path: path.into(),
            columns: asked.reading.columns.clone(),
            groups,
            plan,
            list,
            taker: asked.taker(),
            rows: asked.rows(),
        })
    }

    /// Opens the next group of rows where none is left; false after the last.
    fn begin(&mut self) -> Result<bool> {
        let roles = &self.plan.roles;
        self.groups
            .begin(|at| roles.get(at).is_some_and(|role| *role != Role::Dropped))
    }

    /// Values of a column in the next `count` rows, and of a column of lists how
    /// many each row has.
    fn values(&mut self, at: usize, count: usize) -> Result<(Values, Vec<usize>)> {
        let leaf = &self.groups.leaves[at];
        let first = self.taker.extent.rows;
        let Some(reader) = &mut self.groups.open[at] else {
            return Ok((Values::Numbers(Vec::new()), Vec::new()));
        };
        let read = columns::read(reader, leaf, count);
        let read = read.map_err(damaged(&self.path))?;
        let (values, levels) = read.ok_or_else(|| {
            Error::malformed(
                &self.path,
                format!(
                    "column '{}' holds times or bytes; leave it out with --table drop={0}",
                    leaf.name
                ),
            )
        })?;
        let mut lengths = Vec::new();
        for (&present, &repeated) in levels.present.iter().zip(&levels.repeated) {
            if repeated == 0 {
                lengths.push(0);
            }
            if let Some(last) = lengths.last_mut() {
                *last += usize::from(present == leaf.present);
            }
        }
        let rows = if leaf.lists > 0 {
            lengths.len()
        } else {
            levels.rows
        };
        let missing = levels.present.iter().position(|p| *p < leaf.present);
        if let Some(missing) = missing.filter(|_| leaf.present > 0) {
            let starts = levels.repeated.iter().take(missing + 1);
            let row = match leaf.lists {
                0 => missing,
                _ => starts.filter(|r| **r == 0).count().saturating_sub(1),
            };
            return Err(self.at_row(first + row as u64, at, "is empty (null)"));
        }
        ensure(rows == count, || {
            Error::malformed(
                &self.path,
                format!(
                    "column '{}' ends after {} rows; is the file damaged? write it again",
                    self.groups.leaves[at].name,
                    first + rows as u64
                ),
            )
        })?;
        Ok((values, lengths))
    }

    /// Takes the next `count` rows of the group.
    fn piece(&mut self, beats: &mut Beats, count: usize) -> Result<()> {
        let length = self.taker.spec.length();
        let mut samples: Vec<Vec<f64>> = Vec::new();
        let (mut labels, mut patients) = (None, None);
        for at in 0..self.groups.leaves.len() {
            let role = self.plan.roles[at];
            if role == Role::Dropped {
                continue;
            }
            let (values, lengths) = self.values(at, count)?;
            let first = self.taker.extent.rows;
            match (role, values) {
                (Role::Label, values) => labels = Some(values.texts()),
                (Role::Patient, values) => patients = Some(values.texts()),
                (_, Values::Texts(_)) => {
                    return Err(self.at_row(first, at, "is text, not a number"));
                }
                (_, Values::Numbers(values)) => {
                    if let Some(other) = lengths.iter().position(|n| *n != length) {
                        let what = format!(
                            "has {} samples; expected {length} as in every row; cut or pad the lists to one length",
                            lengths[other]
                        );
                        return Err(self.at_row(first + other as u64, at, &what));
                    }
                    samples.push(values);
                }
            }
        }
        for row in 0..count {
            let value = |at: usize| match self.list {
                Some(_) => samples[0][row * length + at],
                None => samples[at][row],
            };
            for at in 0..length {
                let sample = value(at) as f32;
                if !sample.is_finite() {
                    let number = self.taker.extent.rows;
                    let what = format!("is {}, not a finite number of 32 bits", value(at));
                    return Err(self.at_row(number, self.sample_column(at), &what));
                }
                beats.windows.push(sample);
            }
            let text = |texts: &Option<Vec<String>>| texts.as_ref().map(|t| t[row].clone());
            let (label, patient) = (text(&labels), text(&patients));
            let taken = self.taker.take(beats, label.as_deref(), patient.as_deref());
            taken.map_err(|fault| self.refused(fault))?;
        }
        Ok(())
    }

    /// The column that holds the sample at this place.
    fn sample_column(&self, at: usize) -> usize {
        let mut samples =
            (0..self.groups.leaves.len()).filter(|&c| self.plan.roles[c] == Role::Sample);
        match self.list {
            Some(list) => list,
            None => samples.nth(at).unwrap_or(0),
        }
    }

    fn refused(&self, fault: Fault) -> Error {
        let row = self.taker.extent.rows;
        let of = |role: Role| self.plan.place(role).unwrap_or(0);
        match fault {
            Fault::Unscaled { at, value } => {
                let (rule, remedy) = self.taker.beyond();
                let what = format!("is {value}; {rule}{remedy}");
                self.at_row(row, self.sample_column(at), &what)
            }
            Fault::Class(shown) => {
                let found = labels(&self.path, &self.columns, &self.taker.spec);
                let what = self.taker.unknown_class(&shown, found.as_deref());
                self.at_row(row, of(Role::Label), &what)
            }
            Fault::Other(why) => self.at_row(row, of(Role::Patient), &format!("is empty; {why}")),
        }
    }

    fn at_row(&self, row: u64, column: usize, what: &str) -> Error {
        let name = &self.groups.leaves[column].name;
        Error::malformed(
            &self.path,
            format!("column '{name}' of row {row} (counted from 0) {what}"),
        )
    }

    fn nothing(&self) -> Error {
        Error::malformed(&self.path, "the table has no rows")
    }
}

/// What the columns hold, and which one holds lists of samples, if one does.
fn plan(
    columns: &Columns,
    leaves: &[Leaf],
    wanted: Option<usize>,
) -> Result<(Plan, Option<usize>), String> {
    let names: Vec<String> = leaves.iter().map(|leaf| leaf.name.clone()).collect();
    let lists: Vec<usize> = (0..leaves.len())
        .filter(|&at| leaves[at].lists > 0)
        .collect();
    let list = match (&columns.samples, &lists[..]) {
        (Some(name), _) => {
            let found = lists.into_iter().find(|&at| names[at] == *name);
            Some(found.ok_or_else(|| {
                format!("--table samples={name}: there is no such column of lists; a column for each sample needs no samples=")
            })?)
        }
        (None, [list]) => Some(*list),
        (None, _) => None,
    };
    let Some(list) = list else {
        return Ok((columns.plan(Some(&names), names.len(), wanted)?, None));
    };
    let plan = columns.plan(Some(&names), names.len(), Some(1));
    let plan = plan.ok().filter(|plan| plan.roles[list] == Role::Sample);
    let plan = plan.ok_or_else(|| {
        format!(
            "column '{}' holds the samples as lists; say what the others are with --table (label=, patient=, drop=): {}",
            names[list],
            names.join(", ")
        )
    })?;
    Ok((plan, Some(list)))
}

impl Rows for Parquet {
    /// What the columns hold. Of a column of lists the samples are those of its
    /// first row.
    fn plan(&mut self) -> Result<(Plan, Option<Vec<String>>)> {
        let names = self
            .groups
            .leaves
            .iter()
            .map(|leaf| leaf.name.clone())
            .collect();
        let mut plan = self.plan.clone();
        if let Some(list) = self.list {
            ensure(self.begin()?, || self.nothing())?;
            let (_, lengths) = self.values(list, 1)?;
            plan.samples = lengths.first().copied().unwrap_or(0);
        }
        Ok((plan, Some(names)))
    }

    fn chunk(&mut self) -> Result<Beats> {
        let mut beats = self.taker.chunk(self.rows.min(ROWS));
        while beats.len() < self.rows && self.begin()? {
            let count = self.groups.left.min(self.rows - beats.len()).min(ROWS);
            self.piece(&mut beats, count)?;
            self.groups.left -= count;
        }
        if beats.len() < self.rows {
            ensure(self.taker.extent.rows > 0, || self.nothing())?;
            if let Some(doubt) = self.taker.doubt(true) {
                return Err(Error::malformed(&self.path, doubt));
            }
        }
        Ok(beats)
    }

    fn taker(&mut self) -> &mut Taker {
        &mut self.taker
    }
}

#[cfg(test)]
mod tests;
