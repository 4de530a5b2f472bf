//! The header of an EDF or BDF file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::record::error::{Error, Result};
use crate::record::units::Units;
use crate::record::{Start, is_ecg};

/// Bytes of the header's first part, and of each signal's.
const PART: usize = 256;
/// First byte of a BDF file, and what follows it.
const BDF: &[u8] = b"\xffBIOSEMI";
/// Version of an EDF file.
const EDF: &[u8] = b"0       ";

/// Whether a file that starts with these bytes is EDF or BDF.
pub(in crate::formats) fn is(head: &[u8]) -> bool {
    if head.starts_with(BDF) {
        return true;
    }
    // A table of numbers may begin with a 0 and blanks, but not go on so.
    let whole = |from: usize, to: usize| {
        let text = head.get(from..to).map(text);
        text.is_some_and(|text| text.parse::<i64>().is_ok())
    };
    head.starts_with(EDF) && whole(184, 192) && whole(236, 244) && whole(252, 256)
}

/// What the header says.
#[derive(Clone, Debug)]
pub(super) struct Header {
    /// When the recording began, to a second.
    pub start: Option<Start>,
    /// Who and what was recorded.
    pub comments: Vec<String>,
    /// Whether there may be gaps between records.
    pub interrupted: bool,
    /// Number of records; `None` where the recorder did not come to write it.
    pub records: Option<u64>,
    /// Seconds of a record.
    pub duration: f64,
    /// The signals and annotation channels, in the order of the file.
    pub signals: Vec<Signal>,
    /// Bytes of a sample: 2 or 3.
    pub width: usize,
    /// Bytes of the header.
    pub bytes: u64,
    /// Bytes of a record.
    pub record_bytes: u64,
}

/// What the header says of one signal.
#[derive(Clone, Debug)]
pub(super) struct Signal {
    /// The lead, see [`crate::formats::edf`].
    pub name: String,
    /// Units of its samples.
    pub units: Units,
    /// A sample times the first plus the second is in those units.
    pub scale: [f64; 2],
    /// The digital minimum.
    pub least: f64,
    /// The sample that stands for none, where there is one: the lowest that fits
    /// into its bytes, where the header's digital range does not reach it.
    pub invalid: Option<i32>,
    /// Samples of a record.
    pub samples: usize,
    /// Where in a record they begin.
    pub offset: u64,
    /// Whether these are no samples but annotations.
    pub annotations: bool,
    /// What is doubtful about it.
    pub remark: Option<String>,
    /// Why its samples have no physical value.
    pub unusable: Option<String>,
}

impl Signal {
    /// The lead's name for messages.
    pub fn shown(&self) -> &str {
        match self.name.as_str() {
            "" => "without a name",
            name => name,
        }
    }
}

impl Header {
    /// Reads the header of a file.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] for what is no header, or one of
    /// which nothing can be read.
    pub fn read(path: &Path) -> Result<Header> {
        let mut file = File::open(path).map_err(Error::io(path))?;
        let first = part(&mut file, PART, path)?;
        let mut fields = Fields::new(&first, path);
        let version = fields.next(8);
        let width = match version {
            EDF => 2,
            BDF => 3,
            _ => {
                return Err(Error::malformed(
                    path,
                    "an EDF file begins with '0' and blanks, a BDF file with 255 and 'BIOSEMI'",
                ));
            }
        };
        let [patient, recording] = [fields.text(80), fields.text(80)];
        let [date, time] = [fields.text(8), fields.text(8)];
        let bytes: u64 = fields.whole(8, "the number of header bytes")?;
        let reserved = fields.text(44);
        let records: i64 = fields.whole(8, "the number of data records")?;
        let duration = fields.number(8, "the duration of a data record")?;
        let count: u16 = fields.whole(4, "the number of signals")?;
        let expected = PART as u64 * (u64::from(count) + 1);
        let refuse = |why: String| Err(Error::malformed(path, why));
        if count == 0 {
            return refuse("the header names no signal; there is nothing to read".into());
        }
        if bytes != expected {
            return refuse(format!(
                "the header says that it has {bytes} bytes, but with {count} signals it has {expected}; the file is damaged"
            ));
        }
        if !(0.0..=1e9).contains(&duration) {
            return refuse(format!(
                "a data record is said to last {duration} s; the file is damaged"
            ));
        }
        let rest = part(&mut file, PART * usize::from(count), path)?;
        let mut signals = signals(&rest, usize::from(count), path)?;
        let mut record_bytes = 0_u64;
        for signal in &mut signals {
            signal.offset = record_bytes;
            let lowest = -1_i32 << (8 * width - 1);
            signal.invalid = Some(lowest).filter(|lowest| signal.least > f64::from(*lowest));
            // At most 9,999 signals of eight digits: far from an overflow.
            record_bytes += (signal.samples * width) as u64;
        }
        if record_bytes == 0 {
            return refuse("a data record has no sample of any signal; the file is damaged".into());
        }
        let mut comments = Vec::new();
        for (what, text) in [("patient", &patient), ("recording", &recording)] {
            if !text.is_empty() {
                comments.push(format!("{what}: {text}"));
            }
        }
        Ok(Header {
            start: start(&date, &time, &recording),
            comments,
            interrupted: ["EDF+D", "BDF+D"].iter().any(|d| reserved.starts_with(d)),
            records: u64::try_from(records).ok(),
            duration,
            signals,
            width,
            bytes,
            record_bytes,
        })
    }
}

/// The next `length` bytes of the header.
fn part(file: &mut File, length: usize, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = file.take(length as u64).read_to_end(&mut bytes);
    read.map_err(Error::io(path))?;
    match bytes.len() == length {
        true => Ok(bytes),
        false => Err(Error::malformed(
            path,
            "it ends within the header; the file is cut short",
        )),
    }
}

/// The fields of a part, one after the other.
struct Fields<'a> {
    bytes: &'a [u8],
    path: &'a Path,
}

impl<'a> Fields<'a> {
    fn new(bytes: &'a [u8], path: &'a Path) -> Fields<'a> {
        Fields { bytes, path }
    }

    fn next(&mut self, width: usize) -> &'a [u8] {
        let (field, rest) = self.bytes.split_at(width.min(self.bytes.len()));
        self.bytes = rest;
        field
    }

    fn text(&mut self, width: usize) -> String {
        text(self.next(width))
    }

    /// A whole number that fits.
    fn whole<T: std::str::FromStr>(&mut self, width: usize, what: &str) -> Result<T> {
        let text = self.text(width);
        let number = text.trim_start_matches('+').parse();
        number.map_err(|_| self.refused(what, &text))
    }

    /// A finite number, with a point or a comma.
    fn number(&mut self, width: usize, what: &str) -> Result<f64> {
        let text = self.text(width);
        number(&text).ok_or_else(|| self.refused(what, &text))
    }

    fn refused(&self, what: &str, text: &str) -> Error {
        Error::malformed(
            self.path,
            format!("{what} is '{text}', which is no such number; the header is damaged"),
        )
    }
}

fn number(text: &str) -> Option<f64> {
    let number: f64 = text.replace(',', ".").parse().ok()?;
    number.is_finite().then_some(number)
}

/// The text of a field: UTF-8 where it is, else Latin-1, so that no byte is an
/// error; without blanks and NUL around it.
fn text(field: &[u8]) -> String {
    let text = match std::str::from_utf8(field) {
        Ok(text) => text.to_owned(),
        Err(_) => field.iter().map(|b| char::from(*b)).collect(),
    };
    let blank = |c: char| c.is_whitespace() || c == '\0';
    text.trim_matches(blank).to_owned()
}

/// The signals. Of each field the header has one after the other for all of them.
fn signals(bytes: &[u8], count: usize, path: &Path) -> Result<Vec<Signal>> {
    let mut fields = Fields::new(bytes, path);
    let mut column =
        |width: usize| -> Vec<String> { (0..count).map(|_| fields.text(width)).collect() };
    let (labels, _transducers) = (column(16), column(80));
    let units = column(8);
    let limits = [column(8), column(8), column(8), column(8)];
    let _filters = column(80);
    let samples = column(8);
    let signal = |at: usize| {
        let label = &labels[at];
        let count = samples[at].trim_start_matches('+').parse::<u32>();
        // Eight characters: at most 99,999,999.
        let count = count.map_err(|_| {
            Error::malformed(
                path,
                format!(
                    "the number of samples in a record is '{}' for signal '{label}', which is no such number; the header is damaged",
                    samples[at]
                ),
            )
        })?;
        let limits = [0, 1, 2, 3].map(|which: usize| limits[which][at].as_str());
        Ok(Signal::new(label, &units[at], limits, count as usize))
    };
    (0..count).map(signal).collect()
}

impl Signal {
    /// `limits` are the lowest and highest physical and digital value.
    fn new(label: &str, unit: &str, limits: [&str; 4], samples: usize) -> Signal {
        let annotations = ["EDF Annotations", "BDF Annotations"].contains(&label);
        let name = name(label);
        let unit = unit.trim();
        let (units, factor, mut remark) = match unit.is_empty() {
            true if is_ecg(&name, &Units::Millivolt) && !annotations => {
                let remark = "the file gives no unit; mV is taken".to_owned();
                (Units::Millivolt, 1.0, Some(remark))
            }
            true => (Units::Other(String::new()), 1.0, None),
            false => {
                let (units, factor) = Units::of(&of_code_page(unit));
                (units, factor, None)
            }
        };
        let mut signal = Signal {
            name,
            units,
            scale: [f64::NAN, f64::NAN],
            least: number(limits[2]).unwrap_or(f64::NAN),
            invalid: None,
            samples,
            offset: 0,
            annotations,
            remark: None,
            unusable: None,
        };
        match scale(limits) {
            Ok([gain, offset]) => {
                if gain < 0.0 {
                    let inverted = "the physical range is inverted, which turns the polarity";
                    remark = Some(match remark {
                        Some(remark) => format!("{remark}; {inverted}"),
                        None => inverted.to_owned(),
                    });
                }
                signal.scale = [gain * factor, offset * factor];
            }
            Err(why) => signal.unusable = Some(why),
        }
        signal.remark = remark.filter(|_| !annotations);
        signal
    }
}

/// What a sample is multiplied by, and what is added.
fn scale(limits: [&str; 4]) -> Result<[f64; 2], String> {
    let mut values = [0.0; 4];
    let names = [
        "physical minimum",
        "physical maximum",
        "digital minimum",
        "digital maximum",
    ];
    for ((value, text), name) in values.iter_mut().zip(limits).zip(names) {
        *value = number(text).ok_or_else(|| format!("its {name} is '{text}', no number"))?;
    }
    let [low, high, least, most] = values;
    if low == high {
        return Err(format!(
            "its physical minimum and maximum are both {low}, so that no sample has a value"
        ));
    }
    if least >= most {
        return Err(format!(
            "its digital minimum {least} is not below its digital maximum {most}"
        ));
    }
    let gain = (high - low) / (most - least);
    match [gain, low - least * gain] {
        [gain, offset] if gain.is_finite() && offset.is_finite() => Ok([gain, offset]),
        _ => Err("its physical range is beyond every number".to_owned()),
    }
}

/// A lead's name: the label without the type in front, where a name remains.
fn name(label: &str) -> String {
    let rest = label.char_indices().nth(3);
    if let Some((kind, rest)) = rest.map(|(at, _)| label.split_at(at))
        && ["ECG", "EKG"].iter().any(|k| kind.eq_ignore_ascii_case(k))
        && rest.starts_with([' ', '-', '_', ':', '.'])
    {
        let rest = rest.trim_matches([' ', '-', '_', ':', '.']);
        // A number alone would be taken for the lead's place.
        let named = rest.chars().any(char::is_alphabetic);
        if named && is_ecg(rest, &Units::Millivolt) {
            return rest.to_owned();
        }
    }
    label.to_owned()
}

/// A unit whose micro sign is that of the code pages 437 and 850 (0xE6), as
/// Latin-1 shows it, with the usual one.
fn of_code_page(unit: &str) -> String {
    match unit.strip_prefix('\u{e6}') {
        Some(rest) => format!("\u{b5}{rest}"),
        None => unit.to_owned(),
    }
}

/// The start by the fields of the header, of which EDF+ says the year's century
/// in the text about the recording.
fn start(date: &str, time: &str, recording: &str) -> Option<Start> {
    let time: String = time.replace('.', ":");
    let parts: Vec<&str> = date.split(['.', '/', '-']).map(str::trim).collect();
    let short = match parts[..] {
        [day, month, year] => year.parse::<u16>().ok().map(|year| {
            // The format was made in 1985.
            let century = if year >= 85 { 1900 } else { 2000 };
            format!("{day}/{month}/{}", year + century * u16::from(year < 100))
        }),
        _ => None,
    };
    let date = long_date(recording).or(short);
    Start::of(&time, date.as_deref())
}

/// `D/M/Y` of a text that begins with, say, `Startdate 02-MAR-2002`.
fn long_date(recording: &str) -> Option<String> {
    const MONTHS: [&str; 12] = [
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ];
    let rest = recording.strip_prefix("Startdate ")?;
    let mut parts = rest.split_whitespace().next()?.split('-');
    let [day, month, year] = [parts.next()?, parts.next()?, parts.next()?];
    let at = MONTHS.iter().position(|m| m.eq_ignore_ascii_case(month))?;
    Some(format!("{day}/{}/{year}", at + 1))
}
