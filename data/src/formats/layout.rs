//! Which format a recording has: found by the bytes of its file, and asked for
//! what every format can tell.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::formats::lead::Lead;
use crate::formats::samples::{self, Options};
use crate::formats::wfdb::{self, Clock};
use crate::formats::{dicom, edf, foreign, ishne, memory};
use crate::record::Start;
use crate::record::annotation::Annotation;
use crate::record::error::{Error, Result};
use crate::record::units::Units;

/// Bytes by which a format is found.
const HEAD: u64 = 4096;

/// A format in which a recording is one file.
struct OneFile {
    /// What it is called.
    name: &'static str,
    /// Endings that its files have: annotations beside them are named without.
    endings: &'static [&'static str],
    /// Whether a file that begins with these bytes has the format.
    is: fn(&[u8]) -> bool,
    read: fn(&Path) -> Result<Layout>,
}

const ONE_FILE: [OneFile; 3] = [
    OneFile {
        name: "EDF, EDF+, BDF and BDF+",
        endings: &["edf", "bdf", "rec"],
        is: edf::is,
        read: |path| Ok(Layout::Edf(Arc::new(edf::Layout::read(path)?))),
    },
    OneFile {
        name: "ISHNE",
        endings: &["ecg"],
        is: ishne::is,
        read: |path| Ok(Layout::Ishne(Arc::new(ishne::Layout::read(path)?))),
    },
    OneFile {
        name: "DICOM waveforms",
        endings: &["dcm"],
        is: dicom::is,
        read: |path| Ok(Layout::Dicom(Arc::new(dicom::Layout::read(path)?))),
    },
];

/// The format of a file by its first bytes.
fn format_of(path: &Path) -> Option<&'static OneFile> {
    // A device or a pipe must not be read to be looked at.
    if !path.is_file() {
        return None;
    }
    let head = head(path).ok()?;
    ONE_FILE.iter().find(|format| (format.is)(&head))
}

fn head(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(Error::io(path))?;
    let mut head = Vec::new();
    file.take(HEAD)
        .read_to_end(&mut head)
        .map_err(Error::io(path))?;
    Ok(head)
}

/// Whether a file is a whole recording.
pub(super) fn is_recording(path: &Path) -> bool {
    format_of(path).is_some()
}

/// Whether a file is a whole recording with signals, or one that cannot be read:
/// what a folder's recordings are. A file of annotations alone is none of them.
pub(super) fn is_listed(path: &Path) -> bool {
    let read = format_of(path).map(|format| (format.read)(path));
    read.is_some_and(|layout| layout.map_or(true, |layout| !layout.leads().is_empty()))
}

/// Whether files with this ending may be a whole recording.
pub(super) fn is_ending(ending: &str) -> bool {
    let mut endings = ONE_FILE.iter().flat_map(|format| format.endings);
    endings.any(|known| known.eq_ignore_ascii_case(ending))
}

/// What is read, for messages.
pub(super) fn known() -> String {
    let names: Vec<&str> = ONE_FILE.iter().map(|format| format.name).collect();
    format!("WFDB (FOLDER/100 for 100.hea), {}", names.join(", "))
}

/// What a recording says of itself, in the terms of its format.
#[derive(Clone, Debug)]
pub(super) enum Layout {
    /// With the samples of each lead in a frame, as they are handed out.
    Wfdb(Arc<wfdb::Layout>, usize),
    Edf(Arc<edf::Layout>),
    Ishne(Arc<ishne::Layout>),
    Dicom(Arc<dicom::Layout>),
    Samples(Arc<samples::Layout>),
    Memory(Arc<memory::Layout>),
}

impl Layout {
    /// Finds the format and reads what the recording says of itself.
    ///
    /// # Errors
    /// As [`crate::formats::open`].
    pub fn read(path: &Path) -> Result<Layout> {
        let is_wfdb = wfdb::header_path(path).is_file();
        if !is_wfdb && path.is_file() {
            let Some(format) = format_of(path) else {
                let head = head(path)?;
                let what = foreign::kind(&head);
                let what = what.map_or("no recording of a known format".to_owned(), str::to_owned);
                return Err(Error::unsupported(
                    path,
                    format!("{what}; recordings are read in the formats {}", known()),
                ));
            };
            return (format.read)(path);
        }
        let layout = wfdb::Layout::read(path)?;
        let per_frame = layout.leads.ecg_samples_per_frame();
        Ok(Layout::Wfdb(Arc::new(layout), per_frame))
    }

    /// Reads a table of samples, which is not found by its bytes.
    ///
    /// # Errors
    /// As [`crate::formats::open_samples`].
    pub fn read_samples(path: &Path, options: &Options) -> Result<Layout> {
        Ok(Layout::Samples(Arc::new(samples::Layout::read(
            path, options,
        )?)))
    }

    /// The recording's name: that of its file, where this is the whole of it with
    /// its ending.
    pub fn name(&self, path: &Path) -> String {
        let name = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned());
        match self {
            Layout::Wfdb(layout, _) => {
                let header = wfdb::header_path(path);
                let name = header.file_stem().map(|n| n.to_string_lossy().into_owned());
                name.unwrap_or_else(|| layout.header.name.clone())
            }
            _ => name(path).unwrap_or_default(),
        }
    }

    /// The leads, in the order of the file.
    pub fn leads(&self) -> Vec<Lead> {
        match self {
            Layout::Wfdb(layout, _) => wfdb_leads(layout),
            Layout::Edf(layout) => layout.leads(),
            Layout::Ishne(layout) => layout.leads(),
            Layout::Dicom(layout) => layout.leads(),
            Layout::Samples(layout) => layout.leads(),
            Layout::Memory(layout) => layout.leads(),
        }
    }

    /// Samples per second of each lead as they are handed out.
    pub fn fs(&self) -> f64 {
        match self {
            Layout::Wfdb(layout, per_frame) => layout.header.frame_fs * *per_frame as f64,
            Layout::Edf(layout) => layout.fs(),
            Layout::Ishne(layout) => layout.fs(),
            Layout::Dicom(layout) => layout.fs(),
            Layout::Samples(layout) => layout.fs(),
            Layout::Memory(layout) => layout.fs(),
        }
    }

    /// When the first sample was taken, where the file says so.
    pub fn start(&self) -> Option<Start> {
        match self {
            Layout::Wfdb(layout, _) => layout.header.start,
            Layout::Edf(layout) => layout.start(),
            Layout::Ishne(layout) => layout.start(),
            Layout::Dicom(layout) => layout.start(),
            Layout::Samples(layout) => layout.start(),
            Layout::Memory(_) => None,
        }
    }

    /// Samples of each lead, where the file says so.
    pub fn length(&self) -> Option<u64> {
        match self {
            Layout::Wfdb(layout, per_frame) => {
                let frames = layout.header.frames;
                frames.map(|frames| frames.saturating_mul(*per_frame as u64))
            }
            Layout::Edf(layout) => layout.length(),
            Layout::Ishne(layout) => layout.length(),
            Layout::Dicom(layout) => layout.length(),
            Layout::Samples(layout) => layout.length(),
            Layout::Memory(layout) => layout.length(),
        }
    }

    /// Free text from the file.
    pub fn comments(&self) -> Vec<String> {
        match self {
            Layout::Wfdb(layout, _) => layout.header.comments.clone(),
            Layout::Edf(layout) => layout.comments(),
            Layout::Ishne(layout) => layout.comments(),
            Layout::Dicom(layout) => layout.comments(),
            Layout::Samples(layout) => layout.comments(),
            Layout::Memory(layout) => layout.comments(),
        }
    }

    /// What is doubtful about the file as a whole.
    pub fn remark(&self) -> Option<String> {
        match self {
            Layout::Wfdb(..) | Layout::Samples(_) | Layout::Memory(_) => None,
            Layout::Edf(layout) => layout.remark(),
            Layout::Ishne(layout) => layout.remark(),
            Layout::Dicom(layout) => layout.remark(),
        }
    }

    /// Why a lead cannot be read, where that is known of it alone.
    pub fn refusal(&self, lead: usize) -> Option<Error> {
        match self {
            Layout::Edf(layout) => layout.refusal(lead),
            _ => None,
        }
    }

    /// The same at the rate of its fastest signal.
    pub fn at_full_rate(&self) -> Layout {
        match self {
            Layout::Wfdb(layout, _) => {
                Layout::Wfdb(Arc::clone(layout), layout.leads.max_samples_per_frame())
            }
            Layout::Edf(layout) => Layout::Edf(Arc::new(layout.at_full_rate())),
            one_rate => one_rate.clone(),
        }
    }

    /// Samples that the size of its files makes believable; as many as there are
    /// where the format sees to that itself.
    pub fn most_values(&self) -> u64 {
        match self {
            Layout::Edf(layout) => layout.most_values(),
            _ => u64::MAX,
        }
    }

    /// How annotations of the recording count: in WFDB as its headers say, else
    /// in samples of its ECG leads.
    pub fn clock(&self) -> Clock {
        match self {
            Layout::Wfdb(layout, _) => layout.clock(),
            Layout::Edf(layout) => Clock::single(layout.ecg_fs()),
            one_rate => Clock::single(one_rate.fs()),
        }
    }

    /// The annotations that the recording's own file holds, or in ISHNE the one
    /// beside it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn annotations(&self) -> Result<Vec<Annotation>> {
        match self {
            Layout::Edf(layout) => layout.annotations(),
            Layout::Ishne(layout) => layout.annotations(),
            _ => Ok(Vec::new()),
        }
    }

    /// A reader of the samples of these leads.
    ///
    /// # Errors
    /// As [`crate::formats::Recording::chunks`].
    pub fn reader(&self, leads: &[usize]) -> Result<Reader> {
        Ok(match self {
            Layout::Wfdb(layout, per_frame) => {
                Reader::Wfdb(wfdb::Reader::new(Arc::clone(layout), leads, *per_frame)?)
            }
            Layout::Edf(layout) => {
                Reader::Edf(Box::new(edf::Reader::new(Arc::clone(layout), leads)?))
            }
            Layout::Ishne(layout) => Reader::Ishne(ishne::Reader::new(Arc::clone(layout), leads)?),
            Layout::Dicom(layout) => Reader::Dicom(dicom::Reader::new(Arc::clone(layout), leads)?),
            Layout::Samples(layout) => {
                Reader::Samples(Box::new(samples::Reader::new(Arc::clone(layout), leads)?))
            }
            Layout::Memory(layout) => {
                Reader::Memory(memory::Reader::new(Arc::clone(layout), leads))
            }
        })
    }
}

fn wfdb_leads(layout: &wfdb::Layout) -> Vec<Lead> {
    let whole = layout.header.segments.is_empty();
    let lead = |(signal, units): (&wfdb::SignalHeader, &Units)| Lead {
        name: signal.description.clone(),
        units: units.clone(),
        remark: (whole && !signal.calibrated && *units == Units::Millivolt).then(|| {
            format!(
                "not calibrated; WFDB's default of {} ADC units per mV is taken",
                signal.gain
            )
        }),
    };
    let signals = layout.leads.signals.iter();
    signals.zip(&layout.units).map(lead).collect()
}

/// Samples of some leads, in step.
pub(super) enum Reader {
    Wfdb(wfdb::Reader),
    Edf(Box<edf::Reader>),
    Ishne(ishne::Reader),
    Dicom(dicom::Reader),
    Samples(Box<samples::Reader>),
    Memory(memory::Reader),
}

impl Reader {
    /// Samples of each lead that are known to be in the file, or in its present
    /// segment.
    pub fn left(&self) -> u64 {
        match self {
            Reader::Wfdb(reader) => reader.left(),
            Reader::Edf(reader) => reader.left(),
            Reader::Ishne(reader) => reader.left(),
            Reader::Dicom(reader) => reader.left(),
            Reader::Samples(reader) => reader.left(),
            Reader::Memory(reader) => reader.left(),
        }
    }

    /// See [`crate::formats::Chunks::read`].
    ///
    /// # Errors
    /// As there.
    pub fn read(&mut self, most: usize, out: &mut [Vec<f32>]) -> Result<usize> {
        match self {
            Reader::Wfdb(reader) => reader.read(most, out),
            Reader::Edf(reader) => reader.read(most, out),
            Reader::Ishne(reader) => reader.read(most, out),
            Reader::Dicom(reader) => reader.read(most, out),
            Reader::Samples(reader) => reader.read(most, out),
            Reader::Memory(reader) => Ok(reader.read(most, out)),
        }
    }
}
