//! What an EDF file holds: its leads, their common rate, and how many records
//! are there.

use std::path::{Path, PathBuf};

use crate::formats::edf::annotations::{lists, onset};
use crate::formats::edf::header::{Header, Signal};
use crate::formats::edf::window::Window;
use crate::formats::lead::Lead;
use crate::record::annotation::{Annotation, Symbol};
use crate::record::error::{Error, Result};
use crate::record::{Start, is_ecg};

/// Bytes that are searched for the time of a record.
const ONSET: usize = 64;
/// Bytes that are read at once where annotations are looked for.
const AHEAD: usize = 1 << 18;
/// Samples for each byte of a file that it may come to with its gaps and with its
/// slow signals repeated.
const VALUES_PER_BYTE: u64 = 64;

/// A recording by its header and the size of its file.
#[derive(Clone, Debug)]
pub(in crate::formats) struct Layout {
    pub(super) path: PathBuf,
    pub(super) header: Header,
    /// The places of the leads among the signals of the file.
    leads: Vec<usize>,
    /// Samples of each lead in a record as they are handed out.
    pub(super) per_record: usize,
    /// Whole records.
    pub(super) records: u64,
    /// Bytes of a last record that is cut short.
    pub(super) cut: u64,
    /// The time of the first record, in seconds; 0 where the file gives none.
    pub(super) first: f64,
    remark: Option<String>,
}

impl Layout {
    /// Reads the header of a file.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] for a header that makes no sense, or a
    /// file that lacks more than a part of its last record.
    pub fn read(path: &Path) -> Result<Layout> {
        let header = Header::read(path)?;
        let size = std::fs::metadata(path).map_err(Error::io(path))?.len();
        let (records, cut, remark) = records(&header, size, path)?;
        let signals = header.signals.iter().enumerate();
        let leads = signals.filter(|(_, signal)| !signal.annotations);
        let leads: Vec<usize> = leads.map(|(at, _)| at).collect();
        let mut layout = Layout {
            path: path.to_owned(),
            header,
            leads,
            per_record: 1,
            records,
            cut,
            first: 0.0,
            remark,
        };
        let sampled = layout.signals().any(|signal| signal.samples > 0);
        if sampled && layout.header.duration == 0.0 {
            return Err(Error::malformed(
                path,
                "its data records last 0 s, which only a file without signals may say; the header is damaged",
            ));
        }
        layout.per_record = layout.ecg_per_record();
        layout.first = layout.first_onset()?;
        Ok(layout)
    }

    /// Samples of a record at the rate of the fastest ECG lead, or the fastest
    /// signal where there is none.
    fn ecg_per_record(&self) -> usize {
        let ecg = self.signals().filter(|s| is_ecg(&s.name, &s.units));
        let ecg = ecg.map(|signal| signal.samples).max();
        ecg.filter(|n| *n > 0).unwrap_or_else(|| self.fastest())
    }

    fn fastest(&self) -> usize {
        let rates = self.signals().map(|signal| signal.samples);
        rates.max().unwrap_or(0).max(1)
    }

    /// The same at the rate of the fastest signal, of whatever kind.
    pub fn at_full_rate(&self) -> Layout {
        Layout {
            per_record: self.fastest(),
            ..self.clone()
        }
    }

    /// The signals that are leads.
    fn signals(&self) -> impl Iterator<Item = &Signal> {
        self.leads.iter().map(|at| &self.header.signals[*at])
    }

    /// Whether there are only annotations.
    pub(super) fn has_no_lead(&self) -> bool {
        self.leads.is_empty()
    }

    /// A lead's signal.
    pub(super) fn signal(&self, lead: usize) -> &Signal {
        &self.header.signals[self.leads[lead]]
    }

    /// The leads, in the order of the file.
    pub fn leads(&self) -> Vec<Lead> {
        let lead = |signal: &Signal| Lead {
            name: signal.name.clone(),
            units: signal.units.clone(),
            remark: signal.unusable.clone().or_else(|| signal.remark.clone()),
        };
        self.signals().map(lead).collect()
    }

    /// Why a lead cannot be read, if it cannot.
    pub fn refusal(&self, lead: usize) -> Option<Error> {
        let signal = self.signal(lead);
        let why = signal.unusable.as_ref()?;
        Some(Error::malformed(
            &self.path,
            format!(
                "signal {} ({}) cannot be read: {why}; choose another lead or correct the header",
                lead + 1,
                signal.shown()
            ),
        ))
    }

    /// Samples per second of each lead; 1 where the file has only annotations.
    pub fn fs(&self) -> f64 {
        self.rate(self.per_record)
    }

    /// The same for the fastest ECG lead, which annotations count in.
    pub fn ecg_fs(&self) -> f64 {
        self.rate(self.ecg_per_record())
    }

    fn rate(&self, per_record: usize) -> f64 {
        if self.leads.is_empty() || self.header.duration == 0.0 {
            return 1.0;
        }
        let fs = per_record as f64 / self.header.duration;
        // The header's duration has a few digits.
        match (fs - fs.round()).abs() <= 2e-6 * fs {
            true => fs.round(),
            false => fs,
        }
    }

    /// Samples that the file's size makes believable.
    pub fn most_values(&self) -> u64 {
        let data = self.records.saturating_mul(self.header.record_bytes);
        data.saturating_mul(VALUES_PER_BYTE)
    }

    /// When the first sample was taken.
    pub fn start(&self) -> Option<Start> {
        let mut start = self.header.start?;
        // The header's time has no fraction; that of a record has.
        let fraction = (0.0..1.0).contains(&self.first);
        start.seconds += if fraction { self.first } else { 0.0 };
        Some(start)
    }

    /// Samples of each lead; not known of a file with gaps.
    pub fn length(&self) -> Option<u64> {
        if self.header.interrupted {
            return None;
        }
        if self.leads.is_empty() {
            return Some(0);
        }
        let whole = self.records.checked_mul(self.per_record as u64)?;
        whole.checked_add(self.tail())
    }

    /// Samples of each lead in the last record, where that is cut short: as many
    /// as the lead has of which most is there.
    pub(super) fn tail(&self) -> u64 {
        let per_record = self.per_record as u64;
        let there = |signal: &Signal| {
            let samples = signal.samples as u64;
            let there = self.there(signal).min(samples);
            (there * per_record).div_ceil(samples.max(1))
        };
        let most = self.signals().map(there).max();
        most.filter(|_| self.cut > 0).unwrap_or(0)
    }

    /// Samples of a signal that begin in the last record, where that is cut short.
    pub(super) fn there(&self, signal: &Signal) -> u64 {
        self.cut.saturating_sub(signal.offset) / self.header.width as u64
    }

    /// Who and what was recorded.
    pub fn comments(&self) -> Vec<String> {
        self.header.comments.clone()
    }

    /// What is doubtful about the file.
    pub fn remark(&self) -> Option<String> {
        self.remark.clone()
    }

    /// Where a record begins in the file.
    pub(super) fn place(&self, record: u64) -> u64 {
        let before = record.saturating_mul(self.header.record_bytes);
        before.saturating_add(self.header.bytes)
    }

    /// Where the time of a record stands, and how many bytes of it to look at.
    pub(super) fn onset_place(&self, record: u64) -> Option<(u64, usize)> {
        let channel = self.header.signals.iter().find(|s| s.annotations)?;
        let bytes = channel.samples.checked_mul(self.header.width)?;
        Some((self.place(record) + channel.offset, bytes.min(ONSET)))
    }

    fn first_onset(&self) -> Result<f64> {
        let Some((place, length)) = self.onset_place(0).filter(|_| self.records > 0) else {
            return Ok(0.0);
        };
        let mut window = Window::open(&self.path, 0)?;
        Ok(onset(window.get(place, length)?).unwrap_or(0.0))
    }

    /// The annotations in the file, at the leads' rate: a text that is a mnemonic
    /// of WFDB, such as `N`, is that symbol, and any other a note.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn annotations(&self) -> Result<Vec<Annotation>> {
        let channels = self.header.signals.iter().filter(|s| s.annotations);
        let channels: Vec<&Signal> = channels.collect();
        let mut found = Vec::new();
        if channels.is_empty() {
            return Ok(found);
        }
        let mut window = Window::open(&self.path, AHEAD)?;
        for record in 0..self.records {
            for channel in &channels {
                let bytes = channel.samples * self.header.width;
                let bytes = window.get(self.place(record) + channel.offset, bytes)?;
                for list in lists(bytes) {
                    let sample = ((list.onset - self.first) * self.ecg_fs()).round() as i64;
                    found.extend(list.texts.iter().map(|text| annotation(sample, text)));
                }
            }
        }
        found.sort_by_key(|annotation| annotation.sample);
        Ok(found)
    }
}

fn annotation(sample: i64, text: &str) -> Annotation {
    match Symbol::from_mnemonic(text) {
        Some(symbol) => Annotation::new(sample, symbol),
        None => Annotation {
            aux_note: text.to_owned(),
            ..Annotation::new(sample, Symbol::NOTE)
        },
    }
}

/// How many whole records a file has, how many bytes of one more, and what there
/// is to say about that.
fn records(header: &Header, size: u64, path: &Path) -> Result<(u64, u64, Option<String>)> {
    let bytes = header.record_bytes;
    let data = size.saturating_sub(header.bytes);
    let (whole, rest) = (data / bytes, data % bytes);
    let cut = |rest: u64| match rest {
        0 => None,
        _ => Some(format!(
            "the last data record is cut short ({rest} of {bytes} bytes); the samples that it lacks are invalid"
        )),
    };
    match header.records {
        None => {
            let counted = format!(
                "the header does not say how many data records there are, since the recorder did not come to its end; by the size of the file there are {whole}"
            );
            let remark = match cut(rest) {
                Some(cut) => format!("{counted}; {cut}"),
                None => counted,
            };
            Ok((whole, rest, Some(remark)))
        }
        Some(said) if said <= whole => {
            let more = data - said * bytes;
            let remark = (more > 0).then(|| {
                format!("{more} bytes after the {said} data records of the header are left out")
            });
            Ok((said, 0, remark))
        }
        Some(said) if said == whole + 1 && rest > 0 => Ok((whole, rest, cut(rest))),
        Some(said) => {
            let needed = said
                .checked_mul(bytes)
                .and_then(|n| n.checked_add(header.bytes));
            let needed = needed.map_or("more than 2^64".to_owned(), |n| n.to_string());
            Err(Error::malformed(
                path,
                format!(
                    "{size} bytes, but the header demands {needed}; the file is cut short or belongs to another header"
                ),
            ))
        }
    }
}
