//! A recording of whatever format: what it says of itself, and its samples a
//! piece at a time.

use std::path::Path;
use std::sync::Arc;

use crate::formats::wfdb::{self, Clock};
use crate::record::error::Result;
use crate::record::units::Units;
use crate::record::{Leads, Record, Signal, Start};

/// Samples of each lead that are read at once where the whole is wanted.
const AT_ONCE: usize = 4096;

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
    /// Samples of each lead in a frame of the file.
    per_frame: usize,
    layout: Arc<wfdb::Layout>,
}

/// What a recording says of one of its signals.
#[derive(Clone, Debug, PartialEq)]
pub struct Lead {
    /// The lead, such as `MLII` or `V5`; empty when the file does not say.
    pub name: String,
    /// Units of its samples: mV where it is a voltage.
    pub units: Units,
    /// What is doubtful about its samples, for the user.
    pub remark: Option<String>,
}

impl Lead {
    /// Whether the samples are a voltage, in mV.
    pub fn is_voltage(&self) -> bool {
        self.units == Units::Millivolt
    }
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
        let layout = Arc::new(wfdb::Layout::read(path)?);
        let (header, signals) = (&layout.header, &layout.leads.signals);
        let name = wfdb::header_path(path);
        let name = name.file_stem().map(|n| n.to_string_lossy().into_owned());
        let lead = |(signal, units): (&wfdb::SignalHeader, &Units)| Lead {
            name: signal.description.clone(),
            units: units.clone(),
            remark: (header.segments.is_empty()
                && !signal.calibrated
                && *units == Units::Millivolt)
                .then(|| {
                    format!(
                        "not calibrated; WFDB's default of {} ADC units per mV is taken",
                        signal.gain
                    )
                }),
        };
        Ok(Recording {
            name: name.unwrap_or_else(|| header.name.clone()),
            fs: 0.0,
            leads: signals.iter().zip(&layout.units).map(lead).collect(),
            start: header.start,
            length: None,
            comments: header.comments.clone(),
            per_frame: 1,
            layout: Arc::clone(&layout),
        }
        .with_samples_per_frame(layout.leads.ecg_samples_per_frame()))
    }

    /// The same under another name, such as its path in a folder.
    pub fn named(mut self, name: &str) -> Recording {
        self.name = name.to_owned();
        self
    }

    /// The same at the rate of its fastest signal, of whatever kind.
    pub fn at_full_rate(self) -> Recording {
        let per_frame = self.layout.leads.max_samples_per_frame();
        self.with_samples_per_frame(per_frame)
    }

    fn with_samples_per_frame(mut self, per_frame: usize) -> Recording {
        let header = &self.layout.header;
        self.per_frame = per_frame;
        self.fs = header.frame_fs * per_frame as f64;
        self.length = header.frames.map(|f| f.saturating_mul(per_frame as u64));
        self
    }

    /// How time is counted in the recording and in its annotation files.
    pub fn clock(&self) -> Clock {
        self.layout.clock()
    }

    /// The samples of the leads at these places of [`Recording::leads`], in this
    /// order. Files are checked as they are read; see [`Recording::check`].
    ///
    /// # Errors
    /// [`crate::Error::Io`] for a file that cannot be read;
    /// [`crate::Error::Malformed`] for one that is too short or contradicts what
    /// the recording says; [`crate::Error::Unsupported`] for a recording too
    /// large to be genuine.
    pub fn chunks(&self, leads: &[usize]) -> Result<Chunks> {
        Ok(Chunks {
            reader: wfdb::Reader::new(Arc::clone(&self.layout), leads, self.per_frame)?,
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
        let mut chunks = self.chunks(&self.all())?;
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
        let mut chunks = self.chunks(&self.all())?;
        let mut columns = vec![Vec::new(); self.leads.len()];
        loop {
            // What is left of a segment has been compared with the size of its
            // files, so that a forged length asks for no memory.
            let left = chunks.reader.left() as usize;
            columns.iter_mut().for_each(|c| c.reserve_exact(left));
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
    reader: wfdb::Reader,
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
