//! A recording of whatever format: what it says of itself, and its samples a
//! piece at a time.

use std::path::Path;
use std::sync::Arc;

use crate::formats::layout::{Layout, Reader};
use crate::formats::lead::Lead;
use crate::formats::memory;
use crate::formats::samples::Options;
use crate::formats::wfdb::Clock;
use crate::record::annotation::Annotation;
use crate::record::error::{Error, Result};
use crate::record::{Leads, Record, Signal, Start};

/// Samples of each lead that are read at once where the whole is wanted.
const AT_ONCE: usize = 4096;
/// Samples of all leads together that are read into memory whatever the recording
/// says, so that a few forged bytes cannot ask for all of it: a gibibyte. A reader
/// vouches for more where its files hold them.
const MOST_IN_MEMORY: u64 = 1 << 28;

/// A recording on disk. Opening it reads what it says of itself; samples are
/// read by [`Recording::chunks`], in bounded memory however many there are.
///
/// ```
/// # fn main() -> data::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("ectopy-{}", std::process::id()));
/// # let (record, _) = data::simulate::synth::record("s1", &data::simulate::synth::Settings::new(250.0, 1), 20.0)?;
/// # data::formats::wfdb::write_record(&folder, &record)?;
/// let recording = data::formats::open(&folder.join("s1"))?;
/// let extents = recording.check()?;
/// let lead = recording.choice(&extents).first_ecg()?;
/// let mut chunks = recording.chunks(&[lead])?;
/// let (mut samples, mut count) = (Vec::new(), 0);
/// while chunks.read_frames(1000, &mut samples)? > 0 {
///     count += samples.len();
///     samples.clear();
/// }
/// assert_eq!(count as f64, 20.0 * recording.fs);
/// # std::fs::remove_dir_all(&folder).ok();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Recording {
    /// Its name, such as `100`; used in messages.
    pub name: String,
    /// Samples per second of every lead as they are handed out: those of the
    /// fastest ECG lead. Samples of slower signals are repeated, and of faster
    /// ones left out.
    pub fs: f64,
    /// The leads, in the order of the file.
    pub leads: Vec<Lead>,
    /// When the first sample was taken, where the file says so.
    pub start: Option<Start>,
    /// Samples of each lead, where the file says so.
    pub length: Option<u64>,
    /// Free text from the file.
    pub comments: Vec<String>,
    /// What is doubtful about the recording as a whole, for the user.
    pub remark: Option<String>,
    layout: Layout,
}

/// What the samples of one lead come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    /// How many there are.
    pub samples: u64,
    /// How many of them are invalid.
    pub invalid: u64,
    /// The lowest and the highest of the others; infinite where there is none.
    pub range: [f32; 2],
    /// Whether any is a finite number.
    pub recorded: bool,
}

impl Recording {
    /// Reads what a recording says of itself: see [`crate::formats::open`].
    pub(super) fn open(path: &Path) -> Result<Recording> {
        let layout = Layout::read(path)?;
        let name = layout.name(path);
        Ok(Recording::of(layout, name))
    }

    /// The same of a table of samples: see [`crate::formats::open_samples`].
    pub(super) fn open_samples(path: &Path, options: &Options) -> Result<Recording> {
        let layout = Layout::read_samples(path, options)?;
        let name = layout.name(path);
        Ok(Recording::of(layout, name))
    }

    /// A record in memory as a recording, so that it goes the way of all others.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] where there is no sample, leads differ in length, or
    /// the rate is none.
    pub fn of_record(record: Record) -> Result<Recording> {
        let layout = memory::Layout::new(record)?;
        let name = layout.name();
        Ok(Recording::of(Layout::Memory(Arc::new(layout)), name))
    }

    fn of(layout: Layout, name: String) -> Recording {
        Recording {
            name,
            fs: layout.fs(),
            leads: layout.leads(),
            start: layout.start(),
            length: layout.length(),
            comments: layout.comments(),
            remark: layout.remark(),
            layout,
        }
    }

    /// The same under another name, such as its path in a folder.
    pub fn named(mut self, name: &str) -> Recording {
        self.name = name.to_owned();
        self
    }

    /// The same at the rate of its fastest signal, of whatever kind.
    pub fn at_full_rate(self) -> Recording {
        Recording::of(self.layout.at_full_rate(), self.name)
    }

    /// How time is counted in the recording and in its annotation files.
    pub fn clock(&self) -> Clock {
        self.layout.clock()
    }

    /// The annotations that the recording's own file holds, as EDF+ files do, or in
    /// ISHNE the file `FOLDER/night.ann` beside `FOLDER/night.ecg`, at the rate of
    /// [`Recording::clock`]; none in other formats. A text that is a
    /// mnemonic of WFDB, such as `N`, is that symbol, any other a note.
    ///
    /// # Errors
    /// [`crate::Error::Io`] for a file that cannot be read.
    pub fn annotations(&self) -> Result<Vec<Annotation>> {
        self.layout.annotations()
    }

    /// The samples of the leads at these places of [`Recording::leads`], in this
    /// order. Files are checked as they are read; see [`Recording::check`].
    ///
    /// # Errors
    /// [`crate::Error::Io`] for a file that cannot be read;
    /// [`crate::Error::Malformed`] for one that is too short or contradicts what
    /// the recording says, and for a lead without a scale;
    /// [`crate::Error::Unsupported`] for a recording too large to be genuine.
    pub fn chunks(&self, leads: &[usize]) -> Result<Chunks> {
        match leads.iter().find_map(|lead| self.layout.refusal(*lead)) {
            Some(refusal) => Err(refusal),
            None => self.chunks_of_any(leads),
        }
    }

    /// The same, where a lead that cannot be read has no valid sample.
    fn chunks_of_any(&self, leads: &[usize]) -> Result<Chunks> {
        Ok(Chunks {
            reader: self.layout.reader(leads)?,
            columns: vec![Vec::new(); leads.len()],
        })
    }

    /// Reads all samples once, in bounded memory, and says what those of each
    /// lead come to: what passes can be read to its end, so that a program may
    /// tell of its beginning.
    ///
    /// # Errors
    /// As [`Recording::chunks`] and [`Chunks::read`].
    pub fn check(&self) -> Result<Vec<Extent>> {
        let none = Extent {
            samples: 0,
            invalid: 0,
            range: [f32::INFINITY, f32::NEG_INFINITY],
            recorded: false,
        };
        let mut extents = vec![none; self.leads.len()];
        let mut chunks = self.chunks_of_any(&self.all())?;
        let mut columns = vec![Vec::new(); self.leads.len()];
        while chunks.read(AT_ONCE, &mut columns)? > 0 {
            for (extent, column) in extents.iter_mut().zip(&mut columns) {
                extent.add(column);
                column.clear();
            }
        }
        Ok(extents)
    }

    /// The leads to choose among, where [`Recording::check`] found these extents.
    pub fn choice(&self, extents: &[Extent]) -> Leads<'_> {
        let leads = self.leads.iter().zip(extents);
        let recorded: Vec<_> = leads
            .map(|(lead, extent)| (lead.name.as_str(), &lead.units, extent.recorded))
            .collect();
        Leads::new(&self.name, recorded.into_iter())
    }

    /// The whole recording in memory: a loop over [`Recording::chunks`].
    ///
    /// # Errors
    /// As [`Recording::check`].
    pub fn read(self) -> Result<Record> {
        let mut chunks = self.chunks_of_any(&self.all())?;
        let mut columns = vec![Vec::new(); self.leads.len()];
        loop {
            // What is left of a segment has been compared with the size of its
            // files, so that a forged length asks for no memory.
            let left = chunks.reader.left();
            self.refuse_more_than_memory(columns.first().map_or(0, Vec::len) as u64, left)?;
            columns
                .iter_mut()
                .for_each(|c| c.reserve_exact(left as usize));
            if chunks.read(AT_ONCE, &mut columns)? == 0 {
                break;
            }
        }
        let signal = |(lead, samples): (Lead, Vec<f32>)| Signal {
            name: lead.name,
            units: lead.units,
            samples,
        };
        Ok(Record {
            name: self.name,
            fs: self.fs,
            signals: self.leads.into_iter().zip(columns).map(signal).collect(),
            comments: self.comments,
        })
    }

    /// Refuses what is in memory of each lead and what is left of it where that
    /// is far more than a genuine file holds: gaps, and slow signals repeated.
    fn refuse_more_than_memory(&self, held: u64, left: u64) -> Result<()> {
        let leads = self.leads.len() as u64;
        let values = held.saturating_add(left).saturating_mul(leads);
        if values <= self.layout.most_values().max(MOST_IN_MEMORY) {
            return Ok(());
        }
        Err(Error::Invalid(format!(
            "record {}: {values} samples, far more than its file holds, are gaps or repeated; choose a lead, which is read in pieces",
            self.name
        )))
    }

    fn all(&self) -> Vec<usize> {
        (0..self.leads.len()).collect()
    }
}

impl Extent {
    fn add(&mut self, samples: &[f32]) {
        let [low, high] = &mut self.range;
        self.samples += samples.len() as u64;
        for &sample in samples {
            if sample.is_nan() {
                self.invalid += 1;
            } else {
                *low = low.min(sample);
                *high = high.max(sample);
                self.recorded |= sample.is_finite();
            }
        }
    }
}

/// The samples of some leads, handed out in step from the first to the last.
/// What is in memory is a piece of each signal file and what was asked for: a
/// FLAC file gives a block at a time, every other packing 16,384 samples.
pub struct Chunks {
    reader: Reader,
    columns: Vec<Vec<f32>>,
}

impl Chunks {
    /// Appends the next samples of each lead to its vector in `out`, in the
    /// lead's units and NaN where invalid; returns how many each got: 0 at the end
    /// only, and `most` at most, but always a whole frame of the file, which is one
    /// sample in most formats.
    ///
    /// # Errors
    /// [`crate::Error::Io`]; [`crate::Error::Malformed`] for a file that ends
    /// early, cannot be decoded, or fails its checksum, which is known at its end.
    pub fn read(&mut self, most: usize, out: &mut [Vec<f32>]) -> Result<usize> {
        self.reader.read(most, out)
    }

    /// As [`Chunks::read`], with the samples of the leads interleaved: `out` gets
    /// that many frames of one sample of each lead.
    ///
    /// # Errors
    /// As [`Chunks::read`].
    pub fn read_frames(&mut self, most: usize, out: &mut Vec<f32>) -> Result<usize> {
        if self.columns.len() == 1 {
            return self.reader.read(most, std::slice::from_mut(out));
        }
        self.columns.iter_mut().for_each(Vec::clear);
        let count = self.reader.read(most, &mut self.columns)?;
        for at in 0..count {
            out.extend(self.columns.iter().map(|column| column[at]));
        }
        Ok(count)
    }
}
