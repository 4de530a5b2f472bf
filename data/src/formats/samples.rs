//! Plain samples: a table with a row for each sample, as text (CSV, TSV and the
//! like, perhaps packed with gzip) or Parquet (feature `parquet`).
//!
//! Because such a file may as well be a table of beats, it is opened as a recording
//! only where [`Options`] are given. There is no standard; what is read is this:
//!
//! | what | how it is told |
//! |---|---|
//! | separator, decimal comma, header | by the first line, as in tables of beats |
//! | times | the column named `time`, `t`, `timestamp` and the like, or `time=COLUMN`: numbers, or dates and times of ISO 8601 (the zone is not read), or time stamps of Parquet |
//! | their unit | `time-unit=`, or the name of the column (`time_ms`, `t (us)`), or seconds |
//! | rate | `fs=`, or the mean step of the first 65,536 rows, gaps apart |
//! | leads | `leads=`, or every column that is not the time or a count of the rows |
//! | unit | `unit=`, or the name of the column (`II (uV)`), or mV |
//! | gain | `gain=`, steps per unit; without it samples are physical values |
//! | missing samples | blank cells, `NaN`, `NA`, `null`, `-`; rows that the times leave out |
//!
//! A row must lie within half a sample of its place, which follows a slow drift of
//! the clock. One that comes later has a gap before it, which is NaN. One that comes
//! earlier, or is not after the one before it, is refused with its line.

mod options;
#[cfg(feature = "parquet")]
mod parquet;
mod plan;
mod text;
mod time;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::formats::lead::Lead;
use crate::record::Start;
use crate::record::error::{Error, Result, ensure};
pub use options::{Column, Options, Time};
use plan::Plan;
use time::{Fault, Grid};

/// Rows that are read at once.
const AT_ONCE: usize = 1024;

/// Samples that gaps may come to.
const GAPS_ALLOWED: u64 = 1 << 28;

/// Sampling rates that are taken for one, Hz.
const RATES: std::ops::RangeInclusive<f64> = 10.0..=100_000.0;

/// The first bytes of a Parquet file.
const PARQUET: &[u8] = b"PAR1";

/// Some rows of a table.
struct Piece {
    /// Per lead of the plan its place in `columns`, where it is wanted.
    wanted: Vec<Option<usize>>,
    times: Vec<f64>,
    columns: Vec<Vec<f32>>,
    /// Per row its line, or number.
    places: Vec<u64>,
    /// What the first time says of the beginning; `None` before it was read.
    start: Option<Option<Start>>,
}

impl Piece {
    /// For these leads of so many.
    fn new(leads: &[usize], of: usize) -> Piece {
        Piece {
            wanted: (0..of)
                .map(|lead| leads.iter().position(|l| *l == lead))
                .collect(),
            times: Vec::new(),
            columns: vec![Vec::new(); leads.len()],
            places: Vec::new(),
            start: None,
        }
    }

    fn clear(&mut self) {
        self.times.clear();
        self.places.clear();
        self.columns.iter_mut().for_each(Vec::clear);
    }

    /// Adds a sample of a lead as it is in the file.
    fn push(&mut self, lead: usize, value: f64, plan: &Plan) {
        if let Some(at) = self.wanted[lead] {
            self.columns[at].push((value * plan.leads[lead].factor) as f32);
        }
    }
}

/// A reader of rows.
trait Table {
    /// Adds at most `most` rows; none at the end.
    fn rows(&mut self, most: usize, piece: &mut Piece) -> Result<()>;

    /// An error at a row.
    fn place(&self, path: &Path, place: u64, what: String) -> Error;
}

/// Opens a table of whatever kind, and says what its columns are.
fn open(path: &Path, options: &Options) -> Result<(Box<dyn Table + Send>, Plan)> {
    let mut start = Vec::new();
    let file = File::open(path).map_err(Error::io(path))?;
    file.take(PARQUET.len() as u64)
        .read_to_end(&mut start)
        .map_err(Error::io(path))?;
    if start != PARQUET {
        let text = text::Text::open(path, options)?;
        let plan = text.plan().clone();
        return Ok((Box::new(text), plan));
    }
    #[cfg(feature = "parquet")]
    {
        let table = parquet::Parquet::open(path, options)?;
        let plan = table.plan().clone();
        Ok((Box::new(table), plan))
    }
    #[cfg(not(feature = "parquet"))]
    Err(Error::unsupported(
        path,
        "Parquet is not read by this program; write it as CSV",
    ))
}

/// A recording by the first rows of its table.
#[derive(Debug)]
pub(in crate::formats) struct Layout {
    path: PathBuf,
    options: Options,
    plan: Plan,
    fs: f64,
    start: Option<Start>,
}

impl Layout {
    /// Reads what the columns are, and the rate.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] for what is no such table;
    /// [`Error::Invalid`] where nothing tells the rate.
    pub fn read(path: &Path, options: &Options) -> Result<Layout> {
        let (mut table, plan) = open(path, options)?;
        let mut piece = Piece::new(&[], plan.leads.len());
        // A row more than none tells that there is any.
        let most = match (plan.time, options.fs) {
            (Some(_), None) => time::ROWS,
            _ => 1,
        };
        while piece.places.len() < most {
            let before = piece.places.len();
            table.rows((most - before).min(AT_ONCE), &mut piece)?;
            if piece.places.len() == before {
                break;
            }
        }
        ensure(!piece.places.is_empty(), || text::empty(path))?;
        let fs = match options.fs {
            Some(fs) => fs,
            None => rate(path, &*table, &piece, plan.time.is_some())?,
        };
        ensure(RATES.contains(&fs), || {
            Error::Invalid(format!(
                "{}: {fs} samples per second; expected {} to {}; are the times in another unit? say time-unit=ms, or give the rate with fs=",
                path.display(),
                RATES.start(),
                RATES.end()
            ))
        })?;
        Ok(Layout {
            path: path.into(),
            options: options.clone(),
            plan,
            fs,
            start: piece.start.flatten(),
        })
    }

    /// The leads, voltages in mV.
    pub fn leads(&self) -> Vec<Lead> {
        let leads = self.plan.leads.iter().map(|lead| Lead {
            name: lead.name.clone(),
            units: lead.units.clone(),
            remark: None,
        });
        leads.collect()
    }

    /// Samples per second of each lead.
    pub fn fs(&self) -> f64 {
        self.fs
    }

    /// When the first sample was taken, where the times say so.
    pub fn start(&self) -> Option<Start> {
        self.start
    }

    /// A table does not say how many rows it has.
    pub fn length(&self) -> Option<u64> {
        None
    }

    /// A table says nothing else.
    pub fn comments(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The rate of the first rows of a table.
fn rate(path: &Path, table: &dyn Table, piece: &Piece, timed: bool) -> Result<f64> {
    ensure(timed, || {
        Error::Invalid(format!(
            "{}: nothing tells how many samples there are in a second; give the rate with --samples fs=HZ, or the column of the times with time=COLUMN",
            path.display()
        ))
    })?;
    let pairs = piece.times.windows(2);
    if let Some(at) = pairs.into_iter().position(|pair| pair[1] <= pair[0]) {
        let fault = Fault::Backwards {
            last: piece.times[at],
        };
        return Err(refused(path, table, piece, at + 1, 0.0, &fault));
    }
    time::rate(&piece.times).ok_or_else(|| {
        Error::Invalid(format!(
            "{}: its times do not tell the rate; give it with --samples fs=HZ",
            path.display()
        ))
    })
}

/// The error for the time of a row.
fn refused(
    path: &Path,
    table: &dyn Table,
    piece: &Piece,
    at: usize,
    fs: f64,
    fault: &Fault,
) -> Error {
    let time = piece.times[at];
    let what = match fault {
        Fault::Backwards { last } => format!(
            "the time {time} s is not after {last} s, the one before; sort the rows, or where times are rounded say time=none,fs=HZ"
        ),
        Fault::Early { samples } => format!(
            "the time {time} s comes {samples:.1} samples before its place at {fs} Hz; the samples are not regular; resample them, or say time=none,fs=HZ"
        ),
    };
    table.place(path, piece.places[at], what)
}

/// Reads leads in step.
pub(in crate::formats) struct Reader {
    layout: Arc<Layout>,
    table: Box<dyn Table + Send>,
    piece: Piece,
    /// The row of the piece that is handed out next.
    at: usize,
    grid: Grid,
    /// Missing samples before that row, once they are counted.
    gap: Option<u64>,
    /// Missing samples so far.
    gaps: u64,
}

impl Reader {
    /// Opens the table for these leads.
    ///
    /// # Errors
    /// As [`Layout::read`].
    pub fn new(layout: Arc<Layout>, leads: &[usize]) -> Result<Reader> {
        let (table, plan) = open(&layout.path, &layout.options)?;
        ensure(plan == layout.plan, || {
            Error::malformed(
                &layout.path,
                "the file has changed while it was read; open it again",
            )
        })?;
        Ok(Reader {
            table,
            piece: Piece::new(leads, plan.leads.len()),
            at: 0,
            grid: Grid::new(layout.fs),
            gap: None,
            gaps: 0,
            layout,
        })
    }

    /// A table does not say how many rows it has: those that are in memory.
    pub fn left(&self) -> u64 {
        (self.piece.places.len() - self.at) as u64
    }

    /// Appends at most `most` samples of each lead to its vector in `out`; returns
    /// how many each got, 0 at the end.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] for a row that is not like those before,
    /// or has a time that is refused.
    pub fn read(&mut self, most: usize, out: &mut [Vec<f32>]) -> Result<usize> {
        let most = most.max(1);
        let mut count = 0;
        while count < most {
            if self.at == self.piece.places.len() && !self.more()? {
                break;
            }
            let gap = self.gap()?;
            if gap > 0 {
                let now = gap.min((most - count) as u64);
                for out in &mut *out {
                    out.resize(out.len() + now as usize, f32::NAN);
                }
                count += now as usize;
                self.gap = Some(gap - now);
                continue;
            }
            let rows = match self.layout.plan.time {
                Some(_) => 1,
                None => (self.piece.places.len() - self.at).min(most - count),
            };
            for (out, column) in out.iter_mut().zip(&self.piece.columns) {
                out.extend_from_slice(&column[self.at..self.at + rows]);
            }
            count += rows;
            self.at += rows;
            self.gap = None;
        }
        Ok(count)
    }

    /// Reads the next rows; false at the end.
    fn more(&mut self) -> Result<bool> {
        self.piece.clear();
        self.at = 0;
        self.table.rows(AT_ONCE, &mut self.piece)?;
        Ok(!self.piece.places.is_empty())
    }

    /// Missing samples before the next row.
    fn gap(&mut self) -> Result<u64> {
        if let Some(gap) = self.gap {
            return Ok(gap);
        }
        let gap = match self.layout.plan.time {
            None => 0.0,
            Some(_) => {
                let missing = self.grid.missing(self.piece.times[self.at]);
                missing.map_err(|fault| {
                    refused(
                        &self.layout.path,
                        &*self.table,
                        &self.piece,
                        self.at,
                        self.layout.fs,
                        &fault,
                    )
                })?
            }
        };
        // The cast saturates.
        self.gaps = self.gaps.saturating_add(gap as u64);
        ensure(self.gaps <= GAPS_ALLOWED, || {
            let what = format!(
                "gaps in the times come to more than {GAPS_ALLOWED} samples; are they recordings of several days? give one at a time"
            );
            self.table
                .place(&self.layout.path, self.piece.places[self.at], what)
        })?;
        self.gap = Some(gap as u64);
        Ok(gap as u64)
    }
}

#[cfg(test)]
mod tests;
