//! A multiplex group of a waveform: channels that are sampled together.

use super::elements::{Element, Elements, Tag};
use crate::record::error::{Error, Result, ensure};
use crate::record::is_ecg;
use crate::record::units::Units;

const ORIGINALITY: Tag = (0x003a, 0x0004);
const CHANNELS: Tag = (0x003a, 0x0005);
const SAMPLES: Tag = (0x003a, 0x0010);
const RATE: Tag = (0x003a, 0x001a);
const LABEL: Tag = (0x003a, 0x0020);
const DEFINITIONS: Tag = (0x003a, 0x0200);
const CHANNEL_LABEL: Tag = (0x003a, 0x0203);
const SOURCE: Tag = (0x003a, 0x0208);
const SENSITIVITY: Tag = (0x003a, 0x0210);
const SENSITIVITY_UNITS: Tag = (0x003a, 0x0211);
const CORRECTION: Tag = (0x003a, 0x0212);
const BASELINE: Tag = (0x003a, 0x0213);
const SKEW: Tag = (0x003a, 0x0215);
const CODE: Tag = (0x0008, 0x0100);
const MEANING: Tag = (0x0008, 0x0104);
const BITS: Tag = (0x5400, 0x1004);
const INTERPRETATION: Tag = (0x5400, 0x1006);
const PADDING: Tag = (0x5400, 0x100a);
const DATA: Tag = (0x5400, 0x1010);

/// How a sample is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sample {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
}

impl Sample {
    fn of(bits: u16, interpretation: &str) -> Option<Sample> {
        Some(match (bits, interpretation) {
            (8, "SB") => Sample::I8,
            (8, "UB") => Sample::U8,
            (16, "SS") => Sample::I16,
            (16, "US") => Sample::U16,
            (32, "SL") => Sample::I32,
            (32, "UL") => Sample::U32,
            _ => return None,
        })
    }

    /// Bytes of a sample.
    pub fn size(self) -> usize {
        match self {
            Sample::I8 | Sample::U8 => 1,
            Sample::I16 | Sample::U16 => 2,
            Sample::I32 | Sample::U32 => 4,
        }
    }

    /// The sample at the start of these bytes; 0 where they are too few.
    pub fn value(self, bytes: &[u8]) -> i64 {
        let mut all = [0; 4];
        if let Some(own) = bytes.get(..self.size()) {
            all[..own.len()].copy_from_slice(own);
        }
        let [a, b, c, d] = all;
        match self {
            Sample::I8 => i64::from(a as i8),
            Sample::U8 => i64::from(a),
            Sample::I16 => i64::from(i16::from_le_bytes([a, b])),
            Sample::U16 => i64::from(u16::from_le_bytes([a, b])),
            Sample::I32 => i64::from(i32::from_le_bytes([a, b, c, d])),
            Sample::U32 => i64::from(u32::from_le_bytes([a, b, c, d])),
        }
    }
}

/// A channel by its definition.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    pub name: String,
    pub units: Units,
    /// What a step is in these units, and what sample 0 is.
    pub step: f64,
    pub zero: f64,
    /// What is doubtful about it, for the user.
    pub doubts: Vec<String>,
}

/// A group by its description.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub label: String,
    /// Whether it was computed from others, such as a mean beat.
    pub derived: bool,
    pub channels: Vec<Channel>,
    /// Channels as they are counted, and samples of each.
    count: u16,
    pub samples: u32,
    pub fs: f64,
    bits: u16,
    interpretation: String,
    padding: Vec<u8>,
    /// Where the samples begin, and their bytes.
    data: Option<(u64, u64)>,
}

/// Where the samples of a group lie and how.
#[derive(Debug)]
pub(super) struct Stored {
    pub offset: u64,
    pub sample: Sample,
    /// Bytes of a frame: one sample of each channel.
    pub frame: usize,
    pub padding: Option<i64>,
}

impl Group {
    /// Reads an item of the waveform sequence.
    pub fn read(elements: &mut Elements, end: Option<u64>, depth: usize) -> Result<Group> {
        let mut group = Group::default();
        while let Some(element) = elements.next(end)? {
            match element.tag {
                ORIGINALITY => group.derived = elements.text(&element)? == "DERIVED",
                CHANNELS => group.count = short(elements, &element)?,
                SAMPLES => group.samples = long(elements, &element)?,
                RATE => group.fs = decimal(elements, &element)?.unwrap_or(0.0),
                LABEL => group.label = elements.text(&element)?,
                BITS => group.bits = short(elements, &element)?,
                INTERPRETATION => group.interpretation = elements.text(&element)?,
                PADDING => group.padding = elements.value(&element)?,
                DEFINITIONS => elements.items(&element, depth, &mut |elements, end, depth| {
                    let channel = Channel::read(elements, end, depth)?;
                    group.channels.push(channel);
                    Ok(())
                })?,
                DATA => {
                    let length = element.length.ok_or_else(|| {
                        elements.malformed("the samples have no length, which DICOM does not allow")
                    })?;
                    group.data = Some((elements.at(), length));
                    elements.skip(&element, depth)?;
                }
                _ => elements.skip(&element, depth)?,
            }
        }
        Ok(group)
    }

    /// Whether any channel is an ECG lead.
    pub fn has_ecg(&self) -> bool {
        self.channels.iter().any(|c| is_ecg(&c.name, &c.units))
    }

    /// What it is, for messages.
    pub fn described(&self) -> String {
        let label = match self.label.as_str() {
            "" => "without a label",
            label => label,
        };
        let derived = if self.derived { ", derived" } else { "" };
        format!(
            "{label} ({} channels, {} samples at {} Hz{derived})",
            self.channels.len(),
            self.samples,
            self.fs
        )
    }

    /// Where its samples are.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a description that is incomplete or makes no
    /// sense; [`Error::Unsupported`] for samples that are stored in another way.
    pub fn stored(&self, path: &std::path::Path) -> Result<Stored> {
        let wrong = |what: String| {
            Error::malformed(
                path,
                format!("the waveform {what}; is the file damaged? export it again"),
            )
        };
        ensure(
            self.count > 0 && self.channels.len() == usize::from(self.count),
            || {
                wrong(format!(
                    "has {} channels and defines {}",
                    self.count,
                    self.channels.len()
                ))
            },
        )?;
        ensure(self.fs > 0.0 && self.fs.is_finite(), || {
            wrong(format!(
                "has a sampling frequency of {} Hz; expected one above 0",
                self.fs
            ))
        })?;
        let sample = Sample::of(self.bits, &self.interpretation).ok_or_else(|| {
            Error::unsupported(
                path,
                format!(
                    "samples of {} bits as '{}'; read are 8 bits (SB, UB), 16 (SS, US) and 32 (SL, UL); export it again as 16 bits",
                    self.bits, self.interpretation
                ),
            )
        })?;
        let frame = sample.size() * usize::from(self.count);
        let needed = frame as u64 * u64::from(self.samples);
        let (offset, length) = self.data.unwrap_or((0, 0));
        ensure(self.samples > 0 && length >= needed, || {
            wrong(format!(
                "has {} samples of {} channels, which are {needed} bytes, and holds {length}",
                self.samples, self.count
            ))
        })?;
        Ok(Stored {
            offset,
            sample,
            frame,
            padding: (self.padding.len() >= sample.size()).then(|| sample.value(&self.padding)),
        })
    }
}

impl Channel {
    fn read(elements: &mut Elements, end: Option<u64>, depth: usize) -> Result<Channel> {
        let (mut label, mut source, mut units) = (String::new(), Code::default(), Code::default());
        let (mut sensitivity, mut correction, mut baseline) = (None, None, None);
        let mut skew = None;
        while let Some(element) = elements.next(end)? {
            match element.tag {
                CHANNEL_LABEL => label = elements.text(&element)?,
                SOURCE => source = Code::read(elements, &element, depth)?,
                SENSITIVITY => sensitivity = decimal(elements, &element)?,
                SENSITIVITY_UNITS => units = Code::read(elements, &element, depth)?,
                CORRECTION => correction = decimal(elements, &element)?,
                BASELINE => baseline = decimal(elements, &element)?,
                SKEW => skew = decimal(elements, &element)?,
                _ => elements.skip(&element, depth)?,
            }
        }
        let mut doubts = Vec::new();
        let (units, factor) = match (sensitivity, units.value.as_str()) {
            (Some(_), unit) if !unit.is_empty() => Units::of(unit),
            _ => {
                doubts.push(
                    "the file does not say what a step is, so that its samples are no voltage"
                        .into(),
                );
                (Units::Other("ADC units".into()), 1.0)
            }
        };
        if let Some(skew) = skew.filter(|skew| skew.abs() >= 1.0) {
            doubts.push(format!(
                "it begins {skew} samples beside the others, which is not undone"
            ));
        }
        Ok(Channel {
            name: source.lead(label),
            units,
            step: sensitivity.unwrap_or(1.0) * correction.unwrap_or(1.0) * factor,
            zero: baseline.unwrap_or(0.0) * factor,
            doubts,
        })
    }
}

/// A code with what it means.
#[derive(Default)]
struct Code {
    value: String,
    meaning: String,
}

impl Code {
    /// The first code of a sequence.
    fn read(elements: &mut Elements, element: &Element, depth: usize) -> Result<Code> {
        let mut first: Option<Code> = None;
        elements.items(element, depth, &mut |elements, end, depth| {
            let mut code = Code::default();
            while let Some(element) = elements.next(end)? {
                match element.tag {
                    CODE => code.value = elements.text(&element)?,
                    MEANING => code.meaning = elements.text(&element)?,
                    _ => elements.skip(&element, depth)?,
                }
            }
            first.get_or_insert(code);
            Ok(())
        })?;
        Ok(first.unwrap_or_default())
    }

    /// The name of the lead that this is the source of: `II` for `Lead II`, `I`
    /// for `Lead I (Einthoven)`; else the channel's label, or the code.
    fn lead(self, label: String) -> String {
        let meaning = self.meaning.trim();
        let bare = match meaning.get(..5) {
            Some(start) if start.eq_ignore_ascii_case("lead ") => &meaning[5..],
            _ => meaning,
        };
        let bare = bare.split('(').next().unwrap_or_default().trim();
        let all = [bare.to_owned(), label, self.value];
        all.into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_default()
    }
}

fn short(elements: &mut Elements, element: &Element) -> Result<u16> {
    let bytes = elements.value(element)?;
    match bytes[..] {
        [a, b, ..] => Ok(u16::from_le_bytes([a, b])),
        _ => Err(elements.malformed("a number of 16 bits is shorter")),
    }
}

fn long(elements: &mut Elements, element: &Element) -> Result<u32> {
    let bytes = elements.value(element)?;
    match bytes[..] {
        [a, b, c, d, ..] => Ok(u32::from_le_bytes([a, b, c, d])),
        _ => Err(elements.malformed("a number of 32 bits is shorter")),
    }
}

/// A number as text; none where the value is empty.
fn decimal(elements: &mut Elements, element: &Element) -> Result<Option<f64>> {
    let text = elements.text(element)?;
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Some(number)),
        _ => {
            let shown: String = text.chars().take(20).collect();
            Err(elements.malformed(&format!("'{shown}' is no number")))
        }
    }
}
