//! Tables as text: lines to beats.

use std::borrow::Cow;
use std::io::BufRead;
use std::path::{Path, PathBuf};

use super::columns::{Columns, Plan, Role};
use super::header::check_kaggle;
use super::rows::{Fault, Taker};
use super::{Asked, ROWS, Rows, labels};
use crate::formats::text::dialect::{Dialect, First};
use crate::formats::text::lines::Lines;
use crate::formats::text::number;
use crate::pipeline::beats::Beats;
use crate::pipeline::input::Layout;
use crate::record::error::{Error, Result, ensure};

/// Longest line that is read, in bytes: ten times one of the public files; and
/// of another table, for windows of a hundred thousand samples.
const LONGEST_LINE: u64 = 1 << 16;
const LONGEST_LINE_OF_TABLE: u64 = 1 << 21;

/// Reads a file in chunks of rows, in memory that does not grow with the file.
///
/// The first line decides which column is what.
pub(super) struct Text {
    lines: Lines,
    path: PathBuf,
    rows: usize,
    columns: Columns,
    taker: Taker,
    /// Samples of a row; before the first line `None` where no contract says it.
    wanted: Option<usize>,
    /// Whether the file is of the Kaggle format and nothing is said of its columns.
    kaggle: bool,
    dialect: Dialect,
    /// The line after which only blank ones may follow.
    blank: Option<u64>,
    /// What the columns hold, and the line that settled it.
    plan: Option<(Plan, u64)>,
    /// Names of the header.
    names: Option<Vec<String>>,
}

impl Text {
    /// Opens a file, which may be packed with gzip, for chunks of at most `rows` beats.
    pub fn open(path: &Path, asked: &Asked<'_>) -> Result<Text> {
        Ok(Text::of(Lines::open(path, longest(asked))?, path, asked))
    }

    /// Reads from `bytes`, which messages call `name`.
    pub fn new(bytes: Box<dyn BufRead + Send>, name: &Path, asked: &Asked<'_>) -> Text {
        Text::of(Lines::new(bytes, name, longest(asked)), name, asked)
    }

    fn of(lines: Lines, name: &Path, asked: &Asked<'_>) -> Text {
        let columns = asked.reading.columns.clone();
        Text {
            lines,
            path: name.into(),
            rows: asked.rows(),
            kaggle: asked.input.layout == Layout::Kaggle && columns.is_auto(),
            columns,
            taker: asked.taker(),
            wanted: asked.length(),
            dialect: Dialect::default(),
            blank: None,
            plan: None,
            names: None,
        }
    }

    /// Refuses what only other files have.
    fn samples_named(&self) -> Result<()> {
        ensure(self.columns.samples.is_none(), || {
            Error::malformed(
                &self.path,
                "--table samples= names the one column (Parquet) or dataset (HDF5) that holds all samples; a table as text has a column for each, leave it out",
            )
        })
    }

    /// Takes the first line for what it is: a header, which settles the columns,
    /// or (`true`) a beat.
    fn begins_with_row(&mut self) -> Result<bool> {
        // An index column makes one more; it is refused by name later.
        let widths = |length: usize| match self.kaggle {
            true => length..=length + 2,
            false => length + self.columns.beside()..=length + self.columns.beside() + 4,
        };
        self.dialect = Dialect::of(&self.lines.line, self.wanted.map(widths));
        let names = match self.columns.header {
            Some(true) => self.dialect.names(&self.lines.line),
            Some(false) => return Ok(true),
            None => match self.dialect.first(&self.lines.line) {
                First::Row => return Ok(true),
                First::Header(names) => names,
                First::Refused(why) => return Err(self.malformed(why)),
            },
        };
        let plan = match self.wanted.filter(|_| self.kaggle) {
            Some(length) => check_kaggle(&names, length).map(|()| kaggle_plan(names.len(), length)),
            None => self.columns.plan(Some(&names), names.len(), self.wanted),
        };
        let plan = plan.map_err(|why| self.malformed(why))?;
        self.plan = Some((plan, self.lines.number));
        self.names = Some(names);
        Ok(false)
    }

    /// Settles the columns by the row in the buffer, where no header has.
    fn settle(&mut self) -> Result<()> {
        if self.plan.is_some() {
            return Ok(());
        }
        let width = self.dialect.cells(&self.lines.line).len();
        let plan = match self.wanted.filter(|_| self.kaggle) {
            Some(length) if width == length || width == length + 1 => {
                Ok(kaggle_plan(width, length))
            }
            Some(length) => Err(self.no_kaggle_row(width, length)),
            None => self.columns.plan(None, width, self.wanted),
        };
        let plan = plan.map_err(|why| self.malformed(why))?;
        self.plan = Some((plan, self.lines.number));
        Ok(())
    }

    fn no_kaggle_row(&self, columns: usize, length: usize) -> String {
        let doubled = [length * 2, length * 2 + 1, length * 2 + 2].contains(&columns);
        let hint = match (doubled && self.dialect.separator == b',', columns) {
            (true, _) => {
                "; are the commas inside the numbers decimal commas? write points, or semicolons between the numbers"
            }
            (_, 1) => "; the numbers are separated by commas",
            _ => "; a table of other columns needs --table, or a model or a layout for tables",
        };
        format!("{columns} columns; expected {length} samples and, where known, the class{hint}")
    }

    /// Parses the line in the buffer as one beat.
    fn row(&mut self, beats: &mut Beats) -> Result<()> {
        self.settle()?;
        let Some((plan, _)) = &self.plan else {
            return Ok(());
        };
        let separator = self.dialect.separator;
        let mut rest = self.dialect.without_trailing(&self.lines.line);
        let (mut label, mut patient) = (None, None);
        let mut columns = 0;
        loop {
            let at = rest;
            let role = plan.roles.get(columns).copied();
            let after = match role {
                Some(Role::Sample) => {
                    let (cell, after) = number::take(rest, separator);
                    match cell.filter(|value| value.is_finite()) {
                        Some(value) => beats.windows.push(value),
                        None => return Err(self.not_a_number(at, columns + 1)),
                    }
                    after
                }
                Some(role) => {
                    let (cell, after) = number::split(rest, separator);
                    match role {
                        Role::Label => label = Some(shown(cell)),
                        Role::Patient => patient = Some(shown(cell)),
                        _ => {}
                    }
                    after
                }
                None => {
                    // More cells than columns: they are counted for the message.
                    columns += self.dialect.cells(rest).len();
                    break;
                }
            };
            columns += 1;
            match after {
                Some(after) => rest = after,
                None => break,
            }
        }
        self.like_before(columns)?;
        let taken = self.taker.take(beats, label.as_deref(), patient.as_deref());
        taken.map_err(|fault| self.refused(fault, columns))
    }

    /// Whether a row of so many columns is like those before it.
    fn like_before(&self, columns: usize) -> Result<()> {
        let Some((plan, line)) = &self.plan else {
            return Ok(());
        };
        let expected = plan.roles.len();
        if columns == expected {
            return Ok(());
        }
        let hint = match columns {
            n if n == expected + 1 && *line == 1 && self.taker.extent.rows == 0 => {
                "is column 1 an index? write the file without it"
            }
            n if n < expected => {
                "is the line cut short? complete it, or take it out; shorter beats are padded to one length"
            }
            _ => {
                "take out the cells that are too many, or the line; a cell with a separator in it stands in quotes"
            }
        };
        Err(self.malformed(format!(
            "{columns} columns; expected {expected} as in line {line}; {hint}"
        )))
    }

    fn refused(&self, fault: Fault, columns: usize) -> Error {
        let place = |role: Role| {
            let plan = self.plan.as_ref().map(|(plan, _)| plan);
            plan.and_then(|plan| plan.place(role))
                .map_or(0, |at| at + 1)
        };
        match fault {
            Fault::Unscaled { at, value } => self.unscaled(value, at, columns),
            Fault::Class(shown) => {
                let between = |v: f32| (0.0..1.0).contains(&v);
                let hint = match number::cell(shown.as_bytes()).is_some_and(between) {
                    true => {
                        "; is it a sample, and the class in another column? it must be the last, or be named with --table label=COLUMN"
                    }
                    false => "",
                };
                let found = labels(&self.path, &self.columns, &self.taker.spec);
                self.malformed(format!(
                    "the class in column {} {}{hint}",
                    place(Role::Label),
                    self.taker.unknown_class(&shown, found.as_deref())
                ))
            }
            Fault::Other(why) => self.malformed(format!("column {}: {why}", place(Role::Patient))),
        }
    }

    /// The error for a sample that the contract's scaling does not allow.
    fn unscaled(&self, value: f32, at: usize, columns: usize) -> Error {
        if let Some(header) = self.second_header() {
            return header;
        }
        let Some((plan, _)) = &self.plan else {
            return self.malformed(String::new());
        };
        let mut samples = (0..plan.roles.len()).filter(|&c| plan.roles[c] == Role::Sample);
        let column = samples.nth(at).unwrap_or(at) + 1;
        let row = self.taker.extent.rows;
        let class = self.taker.classes.of_value(&value.to_string()).is_some();
        let (rule, remedy) = self.taker.beyond();
        let hint = match column {
            1 if class && columns > plan.samples => {
                "; if it is the class, move it to the last column, or say --table label=1"
            }
            c if class && c == plan.samples && c == columns => {
                "; if it is the class, a sample is missing before it"
            }
            _ => remedy,
        };
        self.malformed(format!(
            "column {column} of row {row} (counted from 0) is {value}; {rule}{hint}"
        ))
    }

    fn not_a_number(&self, rest: &[u8], column: usize) -> Error {
        if let Some(header) = self.second_header() {
            return header;
        }
        let (cell, _) = number::split(rest, self.dialect.separator);
        let shown: String = String::from_utf8_lossy(cell).chars().take(20).collect();
        let columns = self.dialect.cells(&self.lines.line).len();
        // Where the line has too few or too many cells, that is what mends it.
        let remedy = match self.like_before(columns) {
            Err(Error::Malformed { detail, .. }) => detail,
            _ => "write a number, or say with --table that the column is no sample (drop=, label=, patient=)".into(),
        };
        self.malformed(format!(
            "column {column} is {shown:?}, not a finite number; {remedy}"
        ))
    }

    /// The error for a header line that is not the first line.
    fn second_header(&self) -> Option<Error> {
        let fits = |names: &[String]| match self.wanted.filter(|_| self.kaggle) {
            Some(length) => check_kaggle(names, length).is_ok(),
            None => self
                .plan
                .as_ref()
                .is_some_and(|(plan, _)| plan.roles.len() == names.len()),
        };
        let header =
            matches!(self.dialect.first(&self.lines.line), First::Header(names) if fits(&names));
        (self.lines.number > 1 && header).then(|| {
            self.malformed(
                "a header line among the beats; were files joined? remove the line".into(),
            )
        })
    }

    /// Refuses a file that had no beats, or that as a whole cannot be what the
    /// contract says.
    fn end(&self) -> Result<()> {
        if self.taker.extent.rows == 0 {
            return Err(self.nothing());
        }
        match self.taker.doubt(!self.kaggle) {
            Some(doubt) => Err(Error::malformed(&self.path, doubt)),
            None => Ok(()),
        }
    }

    /// The error for a file without rows.
    fn nothing(&self) -> Error {
        let what = match self.names {
            Some(_) => "there is only a header",
            None => "the file is empty",
        };
        let samples = match self.wanted {
            Some(length) => format!("{length} samples"),
            None => "samples".into(),
        };
        Error::malformed(
            &self.path,
            format!("{what}; expected rows of {samples} and, where known, a class"),
        )
    }

    fn malformed(&self, detail: String) -> Error {
        self.lines.malformed(detail)
    }
}

/// The longest line that is read, in bytes.
fn longest(asked: &Asked<'_>) -> u64 {
    match asked.input.layout {
        Layout::Kaggle => LONGEST_LINE,
        _ => LONGEST_LINE_OF_TABLE,
    }
}

/// A cell as text.
fn shown(cell: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(number::bare(cell))
}

/// The columns of the Kaggle format: samples, and the class where there is one more.
fn kaggle_plan(width: usize, length: usize) -> Plan {
    let role = |at: usize| match at < length {
        true => Role::Sample,
        false => Role::Label,
    };
    Plan::new((0..width).map(role).collect())
}

impl Rows for Text {
    /// Reads as far as the line that tells what the columns hold.
    fn plan(&mut self) -> Result<(Plan, Option<Vec<String>>)> {
        self.samples_named()?;
        while self.plan.is_none() && self.lines.read()? {
            if self.lines.line.trim_ascii().is_empty() {
                continue;
            }
            if self.lines.number > 1 || self.begins_with_row()? {
                self.settle()?;
            }
        }
        match &self.plan {
            Some((plan, _)) => Ok((plan.clone(), self.names.clone())),
            None => Err(self.nothing()),
        }
    }

    fn chunk(&mut self) -> Result<Beats> {
        self.samples_named()?;
        let mut beats = self.taker.chunk(self.rows.min(ROWS));
        while beats.len() < self.rows {
            if !self.lines.read()? {
                self.end()?;
                break;
            }
            if self.lines.line.trim_ascii().is_empty() {
                self.blank.get_or_insert(self.lines.number);
                continue;
            }
            if let Some(line) = self.blank {
                let what = "the line is blank, and lines with beats follow it; remove it";
                return Err(Error::at_line(&self.path, line, what));
            }
            if self.lines.number > 1 || self.begins_with_row()? {
                self.row(&mut beats)?;
            }
        }
        Ok(beats)
    }

    fn taker(&mut self) -> &mut Taker {
        &mut self.taker
    }
}
