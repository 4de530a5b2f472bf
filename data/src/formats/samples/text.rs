//! Rows of a table as text.

use std::path::Path;

use super::options::Options;
use super::plan::Plan;
use super::time;
use super::{Piece, Table};
use crate::formats::text::dialect::Dialect;
use crate::formats::text::lines::Lines;
use crate::formats::text::number;
use crate::record::error::{Error, Result, ensure};

/// Longest line that is read, in bytes.
const LONGEST_LINE: u64 = 1 << 16;

/// What stands for a sample that is missing.
const MISSING: [&str; 7] = ["", "na", "n/a", "null", "none", "-", "nan"];

/// Reads rows of a table as text.
pub(super) struct Text {
    lines: Lines,
    dialect: Dialect,
    plan: Plan,
    /// Whether the line that was read last is a row that nobody has taken.
    waiting: bool,
}

impl Text {
    /// Opens a table and reads the lines that tell what its columns are.
    pub fn open(path: &Path, options: &Options) -> Result<Text> {
        let mut lines = Lines::open(path, LONGEST_LINE)?;
        if !next(&mut lines)? {
            return Err(empty(path));
        }
        let dialect = Dialect::of(&lines.line, None);
        let first = dialect.names(&lines.line);
        let named = lines.line.starts_with(b"#") || first.iter().any(|cell| !is_value(cell));
        let is_header = options.header.unwrap_or(named);
        let names = is_header.then_some(first.as_slice());
        let plan = Plan::new(options, names, first.len());
        let plan = plan.map_err(|why| lines.malformed(why))?;
        Ok(Text {
            lines,
            dialect,
            plan,
            waiting: !is_header,
        })
    }

    /// What the columns are.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Takes the row in the line that was read last.
    fn row(&self, piece: &mut Piece) -> Result<()> {
        let separator = self.dialect.separator;
        let mut rest = Some(self.dialect.without_trailing(&self.lines.line));
        let mut column = 0;
        while let Some(cells) = rest {
            let time = self.plan.time.filter(|(at, _)| *at == column);
            rest = match (time, self.plan.lead_at(column)) {
                (Some((_, unit)), _) => {
                    let (cell, after) = number::split(cells, separator);
                    let text = String::from_utf8_lossy(number::bare(cell));
                    let time =
                        time::of(&text, unit).or_else(|| time::of(&text.replace(',', "."), unit));
                    let time = time.ok_or_else(|| {
                        self.wrong(
                            column,
                            cell,
                            "no time; expected a number, or a date and time of ISO 8601",
                        )
                    })?;
                    if piece.start.is_none() {
                        piece.start = Some(time::start(&text));
                    }
                    piece.times.push(time);
                    after
                }
                (None, Some(lead)) if piece.wanted[lead].is_some() => {
                    let (value, after) = number::take(cells, separator);
                    let value = match value {
                        Some(value) if !value.is_infinite() => value,
                        _ => self.missing(column, cells)?,
                    };
                    piece.push(lead, f64::from(value), &self.plan);
                    after
                }
                _ => number::split(cells, separator).1,
            };
            column += 1;
        }
        ensure(column == self.plan.width, || {
            self.lines.malformed(format!(
                "{column} columns; expected {} as in the first line; is the line cut short, or does a cell hold the separator? mend it or take it out",
                self.plan.width
            ))
        })?;
        piece.places.push(self.lines.number);
        Ok(())
    }

    /// NaN for a cell that stands for what is missing.
    fn missing(&self, column: usize, cells: &[u8]) -> Result<f32> {
        let (cell, _) = number::split(cells, self.dialect.separator);
        let text = String::from_utf8_lossy(number::bare(cell)).to_lowercase();
        match MISSING.contains(&text.as_str()) {
            true => Ok(f32::NAN),
            false => Err(self.wrong(
                column,
                cell,
                "no number; write one or leave the cell blank, or choose the columns with --samples leads=COLUMN",
            )),
        }
    }

    fn wrong(&self, column: usize, cell: &[u8], what: &str) -> Error {
        let shown: String = String::from_utf8_lossy(cell).chars().take(20).collect();
        self.lines
            .malformed(format!("column {} is {shown:?}, {what}", column + 1))
    }
}

impl Table for Text {
    fn rows(&mut self, most: usize, piece: &mut Piece) -> Result<()> {
        for _ in 0..most {
            if !self.waiting && !next(&mut self.lines)? {
                break;
            }
            self.waiting = false;
            self.row(piece)?;
        }
        Ok(())
    }

    fn place(&self, path: &Path, place: u64, what: String) -> Error {
        Error::at_line(path, place, what)
    }
}

/// Reads the next line that is not blank; false at the end.
fn next(lines: &mut Lines) -> Result<bool> {
    while lines.read()? {
        if !lines.line.trim_ascii().is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a cell may be one of a row.
fn is_value(cell: &str) -> bool {
    let missing = MISSING.contains(&cell.to_lowercase().as_str());
    missing || number::cell(cell.as_bytes()).is_some() || time::of(cell, 1.0).is_some()
}

/// The error for a table without rows.
pub(super) fn empty(path: &Path) -> Error {
    Error::malformed(
        path,
        "the table has no rows; expected a row for each sample",
    )
}
