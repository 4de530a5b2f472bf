//! WFDB header files (`.hea`): the record line, the signal lines or segment
//! lines, and the comments, as `header(5)` of the WFDB manual defines them.

use std::path::{Component, Path};

use crate::formats::wfdb::format::Format;
use crate::record::error::{Error, Result};
use crate::record::units::Units;
use crate::record::{Start, is_ecg};

/// Frames per second of a record whose header gives none (`DEFFREQ`).
const DEFAULT_FS: f64 = 250.0;
/// ADC units per physical unit where the header gives none (`DEFGAIN`).
const DEFAULT_GAIN: f64 = 200.0;
/// The file name of a signal, and the record name of a segment, without samples.
pub const NULL: &str = "~";

/// The content of one header file.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// The record's name as the record line gives it.
    pub name: String,
    /// Frames per second; a signal has `samples_per_frame` samples in each.
    pub frame_fs: f64,
    /// Length in frames, where the header gives it.
    pub frames: Option<u64>,
    /// When the first frame was sampled, where the header gives it.
    pub start: Option<Start>,
    /// Number of signals, also of a multi-segment record.
    pub signal_count: usize,
    /// One entry per signal; empty for a multi-segment record.
    pub signals: Vec<SignalHeader>,
    /// The segments of a multi-segment record; empty for any other.
    pub segments: Vec<Segment>,
    /// Comment lines without the `#`.
    pub comments: Vec<String>,
}

/// One part of a multi-segment record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Record name of the segment, or [`NULL`] for a gap.
    pub name: String,
    /// Length in frames; 0 marks the layout header of a variable-layout record.
    pub frames: u64,
}

/// How one signal is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalHeader {
    /// File beside the header, or [`NULL`] where there is none.
    pub file_name: String,
    /// Storage format; `None` for format 0, a signal without samples.
    pub format: Option<Format>,
    /// Samples of this signal in each frame.
    pub samples_per_frame: usize,
    /// Frames by which this signal lags the others in the file.
    pub skew: usize,
    /// Bytes before the first sample; in FLAC files, samples.
    pub byte_offset: u64,
    /// ADC units per physical unit; never 0.
    pub gain: f64,
    /// Whether the header gives the gain; WFDB's default of 200 per mV is
    /// taken otherwise.
    pub calibrated: bool,
    /// ADC value of physical zero.
    pub baseline: i32,
    /// Physical units, as the header writes them.
    pub units: String,
    /// ADC resolution in bits; 0 when unknown.
    pub adc_resolution: u32,
    /// ADC value at mid range.
    pub adc_zero: i32,
    /// Value before the first difference, for format 8.
    pub initial_value: i32,
    /// Sum of all samples modulo 65,536, where the header gives it.
    pub checksum: Option<u16>,
    /// Description, usually the lead.
    pub description: String,
}

impl SignalHeader {
    /// The units that samples are read in, and ADC units per such unit: mV for
    /// every voltage.
    pub fn scale(&self) -> (Units, f64) {
        let (units, factor) = Units::of(&self.units);
        // WFDB's default gain is per mV, whatever voltage the header names.
        let factor = if self.calibrated { factor } else { 1.0 };
        (units, self.gain / factor)
    }
}

impl Header {
    /// Reads and parses a header file.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, otherwise as [`Header::parse`].
    pub fn read(path: &Path) -> Result<Header> {
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        // Old recordings are Latin-1 at times, in comments and in the micro
        // sign of a unit.
        let text = String::from_utf8(bytes)
            .unwrap_or_else(|e| e.into_bytes().iter().map(|&b| char::from(b)).collect());
        Header::parse(text.trim_start_matches('\u{feff}'), path)
    }

    /// Parses the text of a header file; `path` is for messages only.
    ///
    /// # Errors
    /// [`Error::Malformed`] with the line that is wrong;
    /// [`Error::Unsupported`] for a signal format that WFDB does not define.
    pub fn parse(text: &str, path: &Path) -> Result<Header> {
        let mut comments = Vec::new();
        let mut lines = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let trimmed = line.trim();
            if let Some(comment) = trimmed.strip_prefix('#') {
                comments.push(comment.trim().to_owned());
            } else if !trimmed.is_empty() {
                let at = Line {
                    path,
                    number: index as u64 + 1,
                };
                lines.push((at, trimmed));
            }
        }
        let Some(((at, record_line), rest)) = lines.split_first() else {
            return Err(Error::malformed(
                path,
                "the header has no record line; a WFDB header starts with 'NAME SIGNALS FS LENGTH'",
            ));
        };
        let (mut header, segment_count) = at.record_line(record_line)?;
        header.comments = comments;
        let expected = segment_count.unwrap_or(header.signal_count);
        if rest.len() < expected {
            let what = if segment_count.is_some() {
                "segment"
            } else {
                "signal"
            };
            return Err(Error::malformed(
                path,
                format!(
                    "the record line promises {expected} {what}s, but {} {what} lines follow",
                    rest.len()
                ),
            ));
        }
        for (at, line) in &rest[..expected] {
            if segment_count.is_some() {
                header.segments.push(at.segment_line(line)?);
            } else {
                header.signals.push(at.signal_line(line)?);
            }
        }
        Ok(header)
    }

    /// The most samples that an ECG lead has in a frame; where there is none, any
    /// signal. At least 1.
    pub fn ecg_samples_per_frame(&self) -> usize {
        let leads = self.signals.iter();
        let leads = leads.filter(|s| is_ecg(&s.description, &s.scale().0));
        leads
            .map(|s| s.samples_per_frame)
            .max()
            .unwrap_or_else(|| self.max_samples_per_frame())
    }

    /// The most samples that any signal has in a frame; at least 1.
    pub fn max_samples_per_frame(&self) -> usize {
        self.signals
            .iter()
            .map(|s| s.samples_per_frame)
            .max()
            .unwrap_or(1)
    }
}

/// Where a line stands, for messages.
struct Line<'a> {
    path: &'a Path,
    number: u64,
}

impl Line<'_> {
    fn malformed(&self, detail: impl Into<String>) -> Error {
        Error::at_line(self.path, self.number, detail)
    }

    fn number<T: std::str::FromStr>(&self, text: &str, what: &str) -> Result<T> {
        text.parse()
            .map_err(|_| self.malformed(format!("the {what} '{text}' is not a number in range")))
    }

    /// `NAME[/SEGMENTS] SIGNALS [FS[/COUNTER_FS[(BASE)]] [FRAMES [TIME [DATE]]]]`
    fn record_line(&self, line: &str) -> Result<(Header, Option<usize>)> {
        let mut fields = line.split_whitespace();
        let field = fields.next().unwrap_or_default();
        let (name, segments) = match field.split_once('/') {
            Some((name, count)) => {
                let count = count.parse().map_err(|_| {
                    self.malformed(format!(
                        "'{field}' is no record name: a name holds no path, and after '/' comes the number of segments of a multi-segment record"
                    ))
                })?;
                (name, Some(count))
            }
            None => (field, None),
        };
        if segments == Some(0) {
            return Err(self.malformed("a multi-segment record needs at least one segment"));
        }
        let signal_count = fields
            .next()
            .ok_or_else(|| self.malformed("the record line lacks the number of signals"))?;
        let signal_count = signal_count.parse().map_err(|_| {
            self.malformed(format!(
                "the number of signals '{signal_count}' is not a number in range; it follows the record name, which holds no space"
            ))
        })?;
        let frame_fs = match fields.next() {
            Some(field) => {
                let fs = field.split('/').next().unwrap_or_default();
                let fs: f64 = self.number(fs, "sampling frequency")?;
                if !(fs.is_finite() && fs > 0.0) {
                    return Err(
                        self.malformed(format!("the sampling frequency {fs} is not above 0"))
                    );
                }
                fs
            }
            None => DEFAULT_FS,
        };
        let frames = match fields.next() {
            Some(field) => self.number(field, "number of samples")?,
            None => 0,
        };
        let header = Header {
            name: name.to_owned(),
            frame_fs,
            // A length of 0 stands for "unknown".
            frames: (frames > 0).then_some(frames),
            start: fields
                .next()
                .and_then(|time| Start::of(time, fields.next())),
            signal_count,
            signals: Vec::new(),
            segments: Vec::new(),
            comments: Vec::new(),
        };
        Ok((header, segments))
    }

    /// `NAME FRAMES`
    fn segment_line(&self, line: &str) -> Result<Segment> {
        let mut fields = line.split_whitespace();
        let name = fields.next().unwrap_or_default();
        let frames = fields
            .next()
            .ok_or_else(|| self.malformed("the segment line lacks the number of samples"))?;
        Ok(Segment {
            name: self.beside_header(name)?,
            frames: self.number(frames, "number of samples")?,
        })
    }

    /// `FILE FORMAT[xSPF][:SKEW][+OFFSET] [GAIN[(BASELINE)][/UNITS] [RESOLUTION
    /// [ZERO [INITIAL [CHECKSUM [BLOCK [DESCRIPTION]]]]]]]`
    fn signal_line(&self, line: &str) -> Result<SignalHeader> {
        let mut rest = line;
        let file_name = next_field(&mut rest).unwrap_or_default();
        let storage = next_field(&mut rest)
            .ok_or_else(|| self.malformed("the signal line lacks the storage format"))?;
        let mut signal = SignalHeader {
            file_name: self.beside_header(file_name)?,
            format: None,
            samples_per_frame: 1,
            skew: 0,
            byte_offset: 0,
            gain: DEFAULT_GAIN,
            calibrated: false,
            baseline: 0,
            units: "mV".to_owned(),
            adc_resolution: 0,
            adc_zero: 0,
            initial_value: 0,
            checksum: None,
            description: String::new(),
        };
        self.storage(storage, &mut signal)?;
        let baseline = match next_field(&mut rest) {
            Some(field) => self.calibration(field, &mut signal)?,
            None => None,
        };
        if let Some(field) = next_field(&mut rest) {
            signal.adc_resolution = self.number(field, "ADC resolution")?;
        }
        if let Some(field) = next_field(&mut rest) {
            signal.adc_zero = self.number(field, "ADC zero")?;
        }
        signal.baseline = baseline.unwrap_or(signal.adc_zero);
        signal.initial_value = match next_field(&mut rest) {
            Some(field) => self.number(field, "initial value")?,
            None => signal.adc_zero,
        };
        if let Some(field) = next_field(&mut rest) {
            // Written signed by WFDB and unsigned by others; both are the sum
            // modulo 2^16.
            signal.checksum = Some(self.number::<i64>(field, "checksum")? as u16);
        }
        if let Some(field) = next_field(&mut rest) {
            self.number::<i64>(field, "block size")?;
        }
        signal.description = rest.trim().to_owned();
        Ok(signal)
    }

    /// `FORMAT[xSPF][:SKEW][+OFFSET]`
    fn storage(&self, field: &str, signal: &mut SignalHeader) -> Result<()> {
        let is_mark = |c: char| matches!(c, 'x' | ':' | '+');
        let end = field.find(is_mark).unwrap_or(field.len());
        let (code, mut rest) = field.split_at(end);
        let code: u16 = self.number(code, "storage format")?;
        signal.format = match code {
            0 => None,
            code => Some(Format::from_code(code).ok_or_else(|| {
                Error::unsupported(
                    self.path,
                    format!(
                        "line {}: signal format {code} is not one of WFDB's (8, 16, 24, 32, 61, 80, 160, 212, 310, 311, 508, 516, 524)",
                        self.number
                    ),
                )
            })?),
        };
        while let Some(mark) = rest.chars().next() {
            let value = &rest[1..];
            let end = value.find(is_mark).unwrap_or(value.len());
            let (value, next) = value.split_at(end);
            match mark {
                'x' => {
                    signal.samples_per_frame = self.number(value, "number of samples per frame")?;
                    if signal.samples_per_frame == 0 {
                        return Err(self.malformed("a frame needs at least one sample"));
                    }
                }
                ':' => signal.skew = self.number(value, "skew")?,
                _ => signal.byte_offset = self.number(value, "byte offset")?,
            }
            rest = next;
        }
        Ok(())
    }

    /// `GAIN[(BASELINE)][/UNITS]`; returns the baseline.
    fn calibration(&self, field: &str, signal: &mut SignalHeader) -> Result<Option<i32>> {
        let (numbers, units) = match field.split_once('/') {
            Some((numbers, units)) => (numbers, Some(units)),
            None => (field, None),
        };
        if let Some(units) = units.filter(|u| !u.is_empty()) {
            signal.units = units.to_owned();
        }
        let (gain, baseline) = match numbers.split_once('(') {
            Some((gain, rest)) => {
                let baseline = rest.strip_suffix(')').ok_or_else(|| {
                    self.malformed(format!("the baseline in '{field}' lacks its ')'"))
                })?;
                (gain, Some(self.number(baseline, "baseline")?))
            }
            None => (numbers, None),
        };
        let gain: f64 = self.number(gain, "gain")?;
        if !gain.is_finite() {
            return Err(self.malformed(format!("the gain {gain} is not finite")));
        }
        // A gain of 0 stands for "not calibrated"; WFDB then assumes the default.
        signal.calibrated = gain != 0.0;
        if signal.calibrated {
            signal.gain = gain;
        }
        Ok(baseline)
    }

    /// A file or record name that cannot lead out of the header's folder.
    fn beside_header(&self, name: &str) -> Result<String> {
        let plain = Path::new(name)
            .components()
            .all(|c| matches!(c, Component::Normal(_)));
        if name.is_empty() || !plain {
            return Err(self.malformed(format!(
                "'{name}' leads out of the header's folder; signal files and segments must lie beside the header"
            )));
        }
        Ok(name.to_owned())
    }
}

/// Splits the first field off `rest`.
fn next_field<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let text = rest.trim_start();
    if text.is_empty() {
        return None;
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (field, after) = text.split_at(end);
    *rest = after;
    Some(field)
}
