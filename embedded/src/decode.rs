//! Bytes of a stream to frames of samples in mV: raw integers or floats, or
//! lines of text.

use std::fmt;

use crate::line::{self, Line};
use crate::plausible;

/// How samples are written in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// 16-bit integers, little endian; -32768 is a missing sample, as in WFDB.
    I16,
    /// 32-bit integers, little endian; -2147483648 is a missing sample.
    I32,
    /// 32-bit floats, little endian; NaN is a missing sample.
    F32,
    /// Lines of numbers separated by commas, semicolons, tabs or spaces. An
    /// empty field, `nan` or `-` is a missing sample.
    Csv,
}

/// What the numbers of a stream mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Format {
    /// How samples are written.
    pub encoding: Encoding,
    /// Columns of a frame.
    pub channels: usize,
    /// The columns that the model reads, from 0, in the order of its leads.
    pub pick: Vec<usize>,
    /// Units of the stream per mV.
    pub gain: f64,
    /// The number that stands for 0 mV.
    pub baseline: f64,
    /// Whether a line that cannot be read is a missing frame, as on a serial
    /// line that was opened half way through one, instead of an error.
    pub lenient: bool,
}

/// A line that is not a frame of samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Line number from 1.
    pub line: u64,
    /// What was found and what was expected.
    pub detail: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.detail)
    }
}

impl std::error::Error for BadLine {}

/// The longest line that is read, in bytes; a longer one is not text.
const LONGEST_LINE: usize = 4096;

/// Most columns of a frame.
pub const MOST_CHANNELS: usize = 256;
/// Units per mV that a stream can have.
const GAINS: std::ops::RangeInclusive<f64> = 1e-9..=1e12;
const LARGEST_BASELINE: f64 = 1e12;

/// So many lines in a row that cannot be read are worth a remark of their own.
const UNREADABLE_RUN: u64 = 100;

/// Turns bytes into frames, however they were cut into reads.
#[derive(Clone, Debug)]
pub struct Decoder {
    format: Format,
    /// Bytes of a frame or line that is not complete.
    rest: Vec<u8>,
    /// Values of the present frame.
    frame: Vec<f32>,
    /// Numbers of the present line.
    values: Vec<f64>,
    line: u64,
    garbled: u64,
    /// Lines in a row that could not be read.
    unreadable_run: u64,
    /// A line that could not be read and that the user should hear of.
    worth_telling: Option<BadLine>,
    /// A first line without numbers, until a frame follows.
    header: Option<String>,
    /// Inside a line longer than is read.
    overlong: bool,
    /// Just after a carriage return.
    returned: bool,
    /// The first bytes of a stream of raw samples, until they are looked at.
    start: Option<Vec<u8>>,
}

impl Decoder {
    /// A decoder at the start of a stream.
    ///
    /// # Errors
    /// In words: no column, a column that does not exist, or a gain of zero.
    pub fn new(format: Format) -> Result<Decoder, String> {
        if format.channels == 0 || format.channels > MOST_CHANNELS {
            return Err(format!(
                "--channels is {}; a frame has 1 to {MOST_CHANNELS}",
                format.channels
            ));
        }
        if let Some(missing) = format.pick.iter().find(|c| **c >= format.channels) {
            return Err(format!(
                "column {} is asked for, but a frame has {}; set --channels",
                missing + 1,
                format.channels
            ));
        }
        if format.pick.is_empty() {
            return Err("no column is asked for".into());
        }
        if !GAINS.contains(&format.gain.abs()) {
            return Err(format!(
                "--gain is {}; it is in units per mV, {:e} to {:e} or as much below 0 for an inverted lead",
                format.gain,
                GAINS.start(),
                GAINS.end()
            ));
        }
        if !format.baseline.is_finite() || format.baseline.abs() > LARGEST_BASELINE {
            return Err(format!(
                "--baseline is {}; it is the number that stands for 0 mV, up to {LARGEST_BASELINE:e}",
                format.baseline
            ));
        }
        Ok(Decoder {
            rest: Vec::with_capacity(LONGEST_LINE),
            frame: Vec::with_capacity(format.channels),
            values: Vec::with_capacity(format.channels + 1),
            start: (format.encoding != Encoding::Csv).then(Vec::new),
            format,
            line: 0,
            garbled: 0,
            unreadable_run: 0,
            worth_telling: None,
            header: None,
            overlong: false,
            returned: false,
        })
    }

    /// Lines that could not be read and were taken as missing frames.
    pub fn garbled(&self) -> u64 {
        self.garbled
    }

    /// A line that could not be read and of which the user has not heard: the
    /// first one, and each that ends a long stretch of such lines.
    pub fn worth_telling(&mut self) -> Option<BadLine> {
        self.worth_telling.take()
    }

    /// What the stream's raw samples look like, once it has begun, when that
    /// is surely not what its format says; told once, at the latest when the
    /// stream has `ended`.
    pub fn looks_like(&mut self, ended: bool) -> Option<&'static str> {
        let bytes = self
            .start
            .take_if(|s| ended || s.len() >= plausible::BYTES)?;
        plausible::other(&bytes, self.format.encoding, self.format.channels)
    }

    /// The stream begins anew, after a lost connection.
    pub fn restart(&mut self) {
        self.rest.clear();
        self.frame.clear();
        self.line = 0;
        self.overlong = false;
        self.returned = false;
        self.header = None;
    }

    /// Decodes bytes and appends the frames' picked columns to `samples`.
    ///
    /// # Errors
    /// [`BadLine`] for text that is not a frame, unless the format is lenient.
    pub fn push(&mut self, bytes: &[u8], samples: &mut Vec<f32>) -> Result<(), BadLine> {
        if let Some(start) = &mut self.start {
            let wanted = plausible::BYTES.saturating_sub(start.len());
            start.extend_from_slice(&bytes[..wanted.min(bytes.len())]);
        }
        match self.format.encoding {
            Encoding::I16 => {
                self.binary(bytes, samples, |b: [u8; 2]| match i16::from_le_bytes(b) {
                    i16::MIN => f64::NAN,
                    value => value.into(),
                });
            }
            Encoding::I32 => {
                self.binary(bytes, samples, |b: [u8; 4]| match i32::from_le_bytes(b) {
                    i32::MIN => f64::NAN,
                    value => value.into(),
                });
            }
            Encoding::F32 => {
                self.binary(bytes, samples, |b: [u8; 4]| f32::from_le_bytes(b).into());
            }
            Encoding::Csv => return self.text(bytes, samples),
        }
        Ok(())
    }

    /// The stream has ended: a last line without a line end is still one.
    ///
    /// # Errors
    /// As [`Decoder::push`]; also for a binary stream that ends inside a frame,
    /// in words.
    pub fn finish(&mut self, samples: &mut Vec<f32>) -> Result<(), String> {
        if self.format.encoding == Encoding::Csv {
            return self.end_line(samples).map_err(|e| e.to_string());
        }
        let left = self.rest.len() + self.frame.len();
        if left == 0 || self.format.lenient {
            return Ok(());
        }
        Err(format!(
            "the input ends inside a frame of {} channels; check the format and --channels",
            self.format.channels
        ))
    }

    fn binary<const N: usize>(
        &mut self,
        mut bytes: &[u8],
        samples: &mut Vec<f32>,
        value: impl Fn([u8; N]) -> f64,
    ) {
        let mut one = [0; N];
        if !self.rest.is_empty() {
            let wanted = N - self.rest.len();
            let (head, tail) = bytes.split_at(wanted.min(bytes.len()));
            self.rest.extend_from_slice(head);
            bytes = tail;
            if self.rest.len() < N {
                return;
            }
            one.copy_from_slice(&self.rest);
            self.rest.clear();
            self.value(value(one), samples);
        }
        let words = bytes.chunks_exact(N);
        self.rest.extend_from_slice(words.remainder());
        for word in words {
            one.copy_from_slice(word);
            self.value(value(one), samples);
        }
    }

    fn value(&mut self, value: f64, samples: &mut Vec<f32>) {
        let millivolts = (value - self.format.baseline) / self.format.gain;
        self.frame.push(millivolts as f32);
        if self.frame.len() == self.format.channels {
            samples.extend(self.format.pick.iter().map(|&c| self.frame[c]));
            self.frame.clear();
        }
    }

    /// Lines end in a line feed, a carriage return or both.
    fn text(&mut self, mut bytes: &[u8], samples: &mut Vec<f32>) -> Result<(), BadLine> {
        while let Some(end) = bytes.iter().position(|b| matches!(b, b'\n' | b'\r')) {
            let second = std::mem::take(&mut self.returned) && end == 0 && bytes[0] == b'\n';
            let (piece, rest) = bytes.split_at(end);
            self.returned = rest[0] == b'\r';
            bytes = &rest[1..];
            if !second {
                self.keep(piece, samples)?;
                self.end_line(samples)?;
            }
        }
        self.returned &= bytes.is_empty();
        self.keep(bytes, samples)
    }

    /// Reads the line that has been kept.
    fn end_line(&mut self, samples: &mut Vec<f32>) -> Result<(), BadLine> {
        if std::mem::take(&mut self.overlong) {
            self.rest.clear();
            return Ok(());
        }
        let line = std::mem::take(&mut self.rest);
        let result = self.line(&line, samples);
        self.rest = line;
        self.rest.clear();
        result
    }

    /// Keeps a piece of a line, but never more than a line can have.
    fn keep(&mut self, piece: &[u8], samples: &mut Vec<f32>) -> Result<(), BadLine> {
        if self.overlong || self.rest.len() + piece.len() <= LONGEST_LINE {
            if !self.overlong {
                self.rest.extend_from_slice(piece);
            }
            return Ok(());
        }
        self.overlong = true;
        self.line += 1;
        self.bad(
            format!("more than {LONGEST_LINE} bytes without a line end; this is not CSV"),
            samples,
        )
    }

    fn line(&mut self, line: &[u8], samples: &mut Vec<f32>) -> Result<(), BadLine> {
        self.line += 1;
        let mut values = std::mem::take(&mut self.values);
        let read = line::read(line, self.line == 1, self.format.channels, &mut values);
        self.values = values;
        match read {
            Ok(Line::Frame) => {
                self.unreadable_run = 0;
                self.header = None;
                let Format { gain, baseline, .. } = self.format;
                let millivolts = |&c: &usize| ((self.values[c] - baseline) / gain) as f32;
                samples.extend(self.format.pick.iter().map(millivolts));
                Ok(())
            }
            Ok(Line::Empty) => Ok(()),
            Ok(Line::Header) => {
                let text = String::from_utf8_lossy(line);
                self.header = Some(format!("no number in '{}'", line::shown(text.trim())));
                Ok(())
            }
            Err(detail) => {
                // No header then, but a line like this one.
                if let Some(first) = self.header.take_if(|_| self.format.lenient) {
                    self.line -= 1;
                    self.bad(first, samples)?;
                    self.line += 1;
                }
                self.bad(detail, samples)
            }
        }
    }

    fn bad(&mut self, detail: String, samples: &mut Vec<f32>) -> Result<(), BadLine> {
        let bad = BadLine {
            line: self.line,
            detail,
        };
        if !self.format.lenient {
            return Err(bad);
        }
        self.garbled += 1;
        self.unreadable_run += 1;
        if self.garbled == 1 || self.unreadable_run == UNREADABLE_RUN {
            self.worth_telling.get_or_insert(bad);
        }
        samples.extend(self.format.pick.iter().map(|_| f32::NAN));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(encoding: Encoding, channels: usize, pick: &[usize]) -> Format {
        Format {
            encoding,
            channels,
            pick: pick.to_vec(),
            gain: 200.0,
            baseline: 0.0,
            lenient: false,
        }
    }

    fn decode(format: Format, bytes: &[u8], cut: usize) -> Result<Vec<f32>, String> {
        let mut decoder = Decoder::new(format)?;
        let mut samples = Vec::new();
        for piece in bytes.chunks(cut) {
            decoder
                .push(piece, &mut samples)
                .map_err(|e| e.to_string())?;
        }
        decoder.finish(&mut samples)?;
        Ok(samples)
    }

    #[test]
    fn integers_are_scaled_and_picked_however_they_are_cut() {
        let values = [200i16, -100, i16::MIN, 50];
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        for cut in 1..9 {
            let samples = decode(format(Encoding::I16, 2, &[1, 0]), &bytes, cut).unwrap();
            assert_eq!(samples[..3], [-0.5, 1.0, 0.25], "cut {cut}");
            assert!(samples[3].is_nan());
        }
        let bytes: Vec<u8> = [200i32, i32::MIN]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let samples = decode(format(Encoding::I32, 1, &[0]), &bytes, 3).unwrap();
        assert!(samples[0] == 1.0 && samples[1].is_nan());
    }

    #[test]
    fn floats_keep_their_value() {
        let mut floats = format(Encoding::F32, 1, &[0]);
        floats.gain = 1.0;
        let bytes: Vec<u8> = [0.125f32, -3.5]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        assert_eq!(decode(floats, &bytes, 5).unwrap(), [0.125, -3.5]);
    }

    #[test]
    fn text_takes_every_separator_headers_comments_and_missing_samples() {
        let text = b"mlii,v1\n200,100\n# remark\n\n-;40\r\n 20\t nan\n60,";
        for cut in 1..12 {
            let samples = decode(format(Encoding::Csv, 2, &[0]), text, cut).unwrap();
            assert_eq!(samples.len(), 4, "cut {cut}: {samples:?}");
            assert_eq!([samples[0], samples[2], samples[3]], [1.0, 0.1, 0.3]);
            assert!(samples[1].is_nan());
        }
        let spaces = decode(format(Encoding::Csv, 2, &[1]), b"1  200\n2   400", 4).unwrap();
        assert_eq!(spaces, [1.0, 2.0]);
    }

    #[test]
    fn bad_lines_are_errors_in_files_and_missing_frames_on_a_wire() {
        let two = format(Encoding::Csv, 2, &[0, 1]);
        let refused = |text: &[u8]| decode(two.clone(), text, 7).unwrap_err();
        assert_eq!(
            refused(b"1,2\n3,x\n"),
            "line 2: 'x' is not a number, in '3,x'"
        );
        assert!(refused(b"1,2\n3\n").contains("1 columns, expected 2"));
        assert!(refused(b"1,2\n\xff\xfe\n").contains("not text"));
        assert!(refused(&[b'1'; 10_000]).contains("not CSV"));
        let lenient = Format {
            lenient: true,
            ..two
        };
        let mut long = vec![b'9'; 10_000];
        long.extend(b"\n1,2\nbad\n");
        let samples = decode(lenient, &long, 512).unwrap();
        assert_eq!(samples.len(), 6);
        assert!(samples[0].is_nan() && samples[4].is_nan());
    }

    #[test]
    fn lines_end_in_returns_feeds_or_both_however_they_are_cut() {
        let one = format(Encoding::Csv, 1, &[0]);
        let text = b"200\r400\r\n600\n\r800\r\r\n\n1000";
        for cut in 1..12 {
            let samples = decode(one.clone(), text, cut).unwrap();
            assert_eq!(samples, [1.0, 2.0, 3.0, 4.0, 5.0], "cut {cut}");
        }
        // Lines are counted once, whatever ends them.
        let refused = decode(one, b"1\r\n2\r\nx\r\n", 4).unwrap_err();
        assert!(refused.starts_with("line 3"), "{refused}");
    }

    #[test]
    fn a_header_without_readable_lines_after_it_was_none() {
        let lenient = Format {
            lenient: true,
            ..format(Encoding::Csv, 1, &[0])
        };
        let read = |text: &str| {
            let mut decoder = Decoder::new(lenient.clone()).unwrap();
            let mut samples = Vec::new();
            decoder.push(text.as_bytes(), &mut samples).unwrap();
            let told = decoder.worth_telling().map(|b| b.to_string());
            (samples.len(), decoder.garbled(), told)
        };
        let (frames, garbled, told) = read("a=1\na=2\na=3\n");
        assert_eq!((frames, garbled), (3, 3));
        assert_eq!(told.unwrap(), "line 1: no number in 'a=1'");
        assert_eq!(read("mlii\n1\n2\n"), (2, 0, None));
        assert_eq!(read("mlii\n1\nx\n").1, 1);
    }

    #[test]
    fn impossible_formats_are_refused() {
        let refused = |f: Format| Decoder::new(f).unwrap_err();
        assert!(refused(format(Encoding::I16, 1, &[1])).contains("column 2"));
        assert!(refused(format(Encoding::I16, 0, &[0])).contains("--channels is 0"));
        let mut zero = format(Encoding::I16, 1, &[0]);
        zero.gain = 0.0;
        assert!(refused(zero).contains("--gain is 0"));
        let cut = decode(format(Encoding::I16, 2, &[0]), &[1, 2, 3, 4, 5, 6], 6);
        assert!(cut.unwrap_err().contains("inside a frame"));
    }
}
