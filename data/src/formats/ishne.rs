//! ISHNE Holter files: a header of 522 bytes, free text, and samples of 16 bits.
//!
//! The format is that of F. Badilini for the ISHNE Standard Output Format Task
//! Force, "The ISHNE Holter Standard Output File Format", Annals of Noninvasive
//! Electrocardiology 3 (1998) 263-266; the annotation file beside it is that of
//! the Telemetric and Holter ECG Warehouse (THEW). All numbers are little endian,
//! and -9 stands for what is absent.
//!
//! | byte | bytes | what | here |
//! |---|---|---|---|
//! | 0 | 8 | `ISHNE1.0`, or `ANN  1.0` for annotations | |
//! | 8 | 2 | CRC-CCITT of what follows up to the samples | a wrong one is a remark |
//! | 10 | 4 | bytes of free text after the header | |
//! | 14 | 4 | samples: of each lead, or of all together | see below |
//! | 18, 22 | 4, 4 | where the text and the samples begin | |
//! | 26 | 2 | version | not read |
//! | 28, 68, 108 | 40, 40, 20 | first name, last name and number of the patient | not read |
//! | 128, 130, 132 | 2, 2, 6 | sex, race, date of birth | not read |
//! | 138 | 6 | day, month and year of the recording | `start` |
//! | 144 | 6 | day, month and year of the file | not read |
//! | 150 | 6 | hour, minute and second of its first sample | `start` |
//! | 156 | 2 | leads, 1 to 12 | |
//! | 158 | 12 x 2 | what each lead is | its name |
//! | 182 | 12 x 2 | its quality | a remark where it is bad |
//! | 206 | 12 x 2 | its resolution in nV | samples in mV |
//! | 230 | 2 | pacemaker | a comment |
//! | 232 | 40 | type of the recorder | a comment |
//! | 272 | 2 | sampling rate in Hz | `fs` |
//! | 274, 354, 434 | 80, 80, 88 | owner, copyright, reserved | owner and copyright are comments |
//!
//! Programs disagree whether the number of samples is that of one lead or of all;
//! the length of the file settles it. A file with fewer samples than it says is
//! refused as cut short; one with more is read as far as it says, with a remark.
//! Sample -32768 marks what was not recorded and is NaN.

mod annotations;
mod header;

use std::path::Path;
use std::sync::Arc;

use crate::formats::interleaved::Frames;
use crate::formats::lead::Lead;
use crate::record::Start;
use crate::record::annotation::Annotation;
use crate::record::error::{Error, Result, ensure};
use crate::record::units::Units;
pub use annotations::AnnotationFile;
use header::{Header, SIGNALS};

/// What stands for a sample that was not recorded.
const INVALID: i16 = i16::MIN;

/// Whether a file with these first bytes is an ISHNE recording.
pub(in crate::formats) fn is(head: &[u8]) -> bool {
    head.starts_with(SIGNALS)
}

/// A recording by its header.
#[derive(Debug)]
pub(in crate::formats) struct Layout {
    header: Header,
    /// Frames: samples of each lead.
    frames: u64,
}

impl Layout {
    /// Reads the header, and compares what it says with the length of the file.
    ///
    /// # Errors
    /// [`crate::Error::Io`]; [`crate::Error::Malformed`] for what is no ISHNE
    /// recording or shorter than it says.
    pub fn read(path: &Path) -> Result<Layout> {
        let mut header = Header::read(path, SIGNALS)?;
        let frames = header.frames()?;
        Ok(Layout { header, frames })
    }

    /// The leads, in mV where the header gives their resolution.
    pub fn leads(&self) -> Vec<Lead> {
        let leads = self.header.leads.iter().map(|lead| Lead {
            name: lead.name.clone(),
            units: match lead.resolution {
                Some(_) => Units::Millivolt,
                None => Units::Other("ADC units".into()),
            },
            remark: joined(&lead.doubts),
        });
        leads.collect()
    }

    /// Samples per second of each lead.
    pub fn fs(&self) -> f64 {
        self.header.fs
    }

    /// When the first sample was taken.
    pub fn start(&self) -> Option<Start> {
        self.header.start
    }

    /// Samples of each lead.
    pub fn length(&self) -> Option<u64> {
        Some(self.frames)
    }

    /// What is doubtful about the file as a whole.
    pub fn remark(&self) -> Option<String> {
        joined(&self.header.doubts)
    }

    /// The annotations of the file beside this one, `night.ann` of `night.ecg`;
    /// none where there is no such file.
    ///
    /// # Errors
    /// As [`AnnotationFile::read`]; [`crate::Error::Malformed`] where it counts in
    /// another rate.
    pub fn annotations(&self) -> Result<Vec<Annotation>> {
        let path = self.header.path.with_extension("ann");
        if !AnnotationFile::is_at(&path) {
            return Ok(Vec::new());
        }
        let file = AnnotationFile::read(&path)?;
        ensure(file.fs == self.header.fs, || {
            Error::malformed(
                &path,
                format!(
                    "annotations at {} Hz beside a recording at {} Hz; is it that of another recording? move it away",
                    file.fs, self.header.fs
                ),
            )
        })?;
        Ok(file.annotations)
    }

    /// What the file says of the recording, the patient's name and number left out.
    pub fn comments(&self) -> Vec<String> {
        self.header.comments.clone()
    }
}

/// Doubts in one text.
fn joined(doubts: &[String]) -> Option<String> {
    (!doubts.is_empty()).then(|| doubts.join("; "))
}

/// Reads leads in step.
pub(in crate::formats) struct Reader {
    frames: Frames,
    /// Leads of a frame.
    width: usize,
    /// Per wanted lead its place in a frame, and nV a step.
    wanted: Vec<(usize, Option<i16>)>,
}

impl Reader {
    /// Opens the file for these leads.
    ///
    /// # Errors
    /// [`crate::Error::Io`].
    pub fn new(layout: Arc<Layout>, leads: &[usize]) -> Result<Reader> {
        let header = &layout.header;
        let width = header.leads.len();
        let size = 2 * width;
        Ok(Reader {
            frames: Frames::open(&header.path, header.offset, size, layout.frames)?,
            width,
            wanted: leads
                .iter()
                .map(|&at| (at, header.leads[at].resolution))
                .collect(),
        })
    }

    /// Samples of each lead that are not read yet.
    pub fn left(&self) -> u64 {
        self.frames.left()
    }

    /// Appends at most `most` samples of each lead to its vector in `out`; returns
    /// how many each got, 0 at the end.
    ///
    /// # Errors
    /// As [`Frames::next`].
    pub fn read(&mut self, most: usize, out: &mut [Vec<f32>]) -> Result<usize> {
        let bytes = self.frames.next(most)?;
        let (samples, _) = bytes.as_chunks::<2>();
        let count = samples.len() / self.width;
        for (out, &(at, resolution)) in out.iter_mut().zip(&self.wanted) {
            let own = samples.iter().skip(at).step_by(self.width);
            out.extend(own.map(|bytes| value(i16::from_le_bytes(*bytes), resolution)));
        }
        Ok(count)
    }
}

/// A sample in mV, or as it is where its resolution is not known.
fn value(sample: i16, resolution: Option<i16>) -> f32 {
    match (sample, resolution) {
        (INVALID, _) => f32::NAN,
        (sample, None) => f32::from(sample),
        // The product is exact, so that the quotient is the nearest number.
        (sample, Some(nanovolts)) => {
            (f64::from(i32::from(sample) * i32::from(nanovolts)) / 1e6) as f32
        }
    }
}

#[cfg(test)]
mod tests;
