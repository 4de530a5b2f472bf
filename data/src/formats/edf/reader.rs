//! The samples of an EDF file, a piece at a time.

use std::sync::Arc;

use crate::formats::edf::annotations::onset;
use crate::formats::edf::header::Signal;
use crate::formats::edf::layout::Layout;
use crate::formats::edf::window::Window;
use crate::record::error::{Error, Result};

/// Samples of each lead that are handed out at once, at most.
const AT_ONCE: usize = 16_384;
/// Bytes of a lead that are decoded at once, at most, where samples are left out.
const BYTES_AT_ONCE: u64 = 1 << 20;
/// A record of at most so many bytes is read whole, and those behind it with it,
/// so many bytes at once; of a larger one a piece of each lead.
const SMALL: u64 = 1 << 17;
const AHEAD: usize = 1 << 18;
/// Bytes of all leads together that are read ahead from large records.
const AHEAD_LARGE: usize = 1 << 22;
/// The longest time between records that is a gap, in seconds: a year.
const LONGEST: f64 = 366.0 * 86_400.0;
/// What the times of records may be off by, in seconds or in samples.
const JITTER: f64 = 0.005;

/// Reads leads of a file in step, record after record.
pub(in crate::formats) struct Reader {
    layout: Arc<Layout>,
    wanted: Vec<usize>,
    /// One for all leads where records are small, or else one for each.
    windows: Vec<Window>,
    shared: bool,
    /// For the times of records.
    times: Window,
    /// The present record, and how many samples of it have been handed out.
    record: u64,
    at: usize,
    /// Invalid samples that come before the present record.
    gap: u64,
    /// Samples before the present record, and whether its time has been read.
    position: u64,
    placed: bool,
    /// When the record before ended, in seconds since the first began.
    end: f64,
}

impl Reader {
    /// Opens the file for these leads.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] for a file with gaps that does not say
    /// where.
    pub fn new(layout: Arc<Layout>, leads: &[usize]) -> Result<Reader> {
        let shared = layout.header.record_bytes <= SMALL;
        let (count, ahead) = match shared {
            true => (1, AHEAD),
            false => (leads.len(), AHEAD_LARGE / leads.len().max(1)),
        };
        if layout.header.interrupted && layout.onset_place(0).is_none() {
            return Err(Error::malformed(
                &layout.path,
                "the header says that the recording is interrupted, but there is no annotation channel that says when; the file is damaged",
            ));
        }
        let open = |_| Window::open(&layout.path, ahead.max(4096));
        Ok(Reader {
            windows: (0..count).map(open).collect::<Result<_>>()?,
            times: Window::open(&layout.path, 0)?,
            wanted: leads.to_vec(),
            shared,
            record: 0,
            at: 0,
            gap: 0,
            position: 0,
            placed: false,
            end: 0.0,
            layout,
        })
    }

    /// Samples of each lead that the file still has, those of gaps apart.
    pub fn left(&self) -> u64 {
        let layout = &self.layout;
        let records = layout.records.saturating_sub(self.record);
        let whole = records.saturating_mul(layout.per_record as u64);
        let tail = match self.record <= layout.records {
            true => layout.tail(),
            false => 0,
        };
        whole.saturating_add(tail).saturating_sub(self.at as u64)
    }

    /// Appends at most `most` samples to each vector of `out`, at least one;
    /// returns how many, 0 at the end.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] for records whose times make no sense,
    /// or a file that has become shorter; [`Error::Unsupported`] for a gap of more
    /// than a year.
    pub fn read(&mut self, most: usize, out: &mut [Vec<f32>]) -> Result<usize> {
        let most = most.clamp(1, AT_ONCE);
        let mut count = 0;
        while count < most {
            let step = self.step(most - count, out)?;
            if step == 0 {
                break;
            }
            count += step;
        }
        Ok(count)
    }

    /// Samples of the present record; 0 after the last.
    fn size(&self) -> usize {
        match self.record.cmp(&self.layout.records) {
            std::cmp::Ordering::Less => self.layout.per_record,
            // It is less than a record.
            std::cmp::Ordering::Equal => self.layout.tail() as usize,
            std::cmp::Ordering::Greater => 0,
        }
    }

    /// Hands out samples of the present record or of the gap before it.
    fn step(&mut self, most: usize, out: &mut [Vec<f32>]) -> Result<usize> {
        let size = self.size();
        if size == 0 || self.layout.has_no_lead() {
            return Ok(0);
        }
        if !self.placed {
            self.place()?;
            self.placed = true;
        }
        if self.gap > 0 {
            let count = most.min(usize::try_from(self.gap).unwrap_or(most));
            for out in out {
                out.resize(out.len() + count, f32::NAN);
            }
            self.gap -= count as u64;
            return Ok(count);
        }
        let mut count = most.min(size - self.at);
        for lead in &self.wanted {
            let bytes = self.layout.signal(*lead).samples as u64 * self.layout.header.width as u64;
            let fits = BYTES_AT_ONCE.saturating_mul(self.layout.per_record as u64) / bytes.max(1);
            count = count.min(usize::try_from(fits).unwrap_or(count).max(1));
        }
        for (index, out) in out.iter_mut().enumerate().take(self.wanted.len()) {
            self.decode(index, count, out)?;
        }
        self.at += count;
        if self.at == size {
            self.position += size as u64;
            self.record += 1;
            self.at = 0;
            self.placed = false;
        }
        Ok(count)
    }

    /// Finds the gap before the present record.
    fn place(&mut self) -> Result<()> {
        let layout = &self.layout;
        if !layout.header.interrupted || self.record == layout.records {
            return Ok(());
        }
        let refuse = |why: String| {
            let record = self.record + 1;
            let why = format!("data record {record} {why}");
            Err(Error::malformed(&layout.path, why))
        };
        let Some((place, length)) = layout.onset_place(self.record) else {
            return Ok(());
        };
        let Some(onset) = onset(self.times.get(place, length)?) else {
            return refuse(
                "does not say when it begins, though the recording is interrupted; the file is damaged".into(),
            );
        };
        let fs = layout.fs();
        let (time, jitter) = (onset - layout.first, JITTER.max(1.0 / fs));
        if time > LONGEST {
            return Err(Error::unsupported(
                &layout.path,
                format!(
                    "data record {} begins {:.0} days after the first; recordings of a year at most are read, cut it into several",
                    self.record + 1,
                    time / 86_400.0
                ),
            ));
        }
        if time + jitter < self.end {
            return refuse(format!(
                "begins at {onset} s, before the end of the one ahead of it at {} s; the times of the records must ascend",
                self.end + layout.first
            ));
        }
        // Not negative, and at most a year of samples.
        let expected = (time.max(0.0) * fs).round() as u64;
        let gap = expected.saturating_sub(self.position);
        if gap as f64 > jitter * fs {
            self.gap = gap;
            self.position += gap;
        }
        self.end = time + layout.header.duration;
        Ok(())
    }

    /// Appends the next `count` samples of a wanted lead.
    fn decode(&mut self, index: usize, count: usize, out: &mut Vec<f32>) -> Result<()> {
        let layout = Arc::clone(&self.layout);
        let signal = layout.signal(self.wanted[index]);
        let width = layout.header.width;
        let (own, common) = (signal.samples as u64, layout.per_record as u64);
        let (from, to) = (self.at as u64, (self.at + count) as u64);
        // Eight digits times eight digits: far from an overflow.
        let source = |at: u64| at * own / common;
        let (first, end) = (source(from), source(to - 1) + 1);
        let there = match self.record == layout.records {
            true => layout.there(signal).min(own),
            false => own,
        };
        let end = end.min(there);
        if end <= first || signal.unusable.is_some() {
            out.resize(out.len() + count, f32::NAN);
            return Ok(());
        }
        let bytes = self.bytes(index, signal, first, end)?;
        let physical = |sample: &[u8]| -> f32 {
            let value = match *sample {
                [low, high] => i32::from(i16::from_le_bytes([low, high])),
                [low, middle, high] => i32::from_le_bytes([0, low, middle, high]) >> 8,
                _ => return f32::NAN,
            };
            match signal.invalid == Some(value) {
                true => f32::NAN,
                false => (f64::from(value) * signal.scale[0] + signal.scale[1]) as f32,
            }
        };
        if own == common && end - first == count as u64 {
            out.extend(bytes.chunks_exact(width).map(physical));
            return Ok(());
        }
        out.extend((from..to).map(|at| {
            let at = (source(at) - first) as usize * width;
            bytes.get(at..at + width).map_or(f32::NAN, physical)
        }));
        Ok(())
    }

    /// The bytes of some samples of a signal in the present record.
    fn bytes(&mut self, index: usize, signal: &Signal, first: u64, end: u64) -> Result<&[u8]> {
        let layout = &self.layout;
        let width = layout.header.width as u64;
        let begin = signal.offset + first * width;
        let length = ((end - first) * width) as usize;
        let place = layout.place(self.record);
        if !self.shared {
            return self.windows[index].get(place + begin, length);
        }
        let there = match self.record == layout.records {
            true => layout.cut,
            false => layout.header.record_bytes,
        };
        let record = self.windows[0].get(place, there as usize)?;
        Ok(&record[begin as usize..begin as usize + length])
    }
}
