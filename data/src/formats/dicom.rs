//! DICOM waveforms: 12-lead, general and ambulatory ECG.
//!
//! The format is that of the DICOM standard: part 10 (files), part 5 (data
//! elements) and part 3, C.10.9 (waveforms). Written as explicit or implicit value
//! representation, little endian.
//!
//! | data element | what | here |
//! |---|---|---|
//! | (0002,0010) | transfer syntax | how the rest is written |
//! | (0008,0016) | SOP class: 12-lead ECG, general ECG (also of 32 bits), ambulatory ECG | others are refused |
//! | (0008,002A), or (0008,0022) and (0008,0032), or (0008,0023) and (0008,0033) | time of acquisition, or of the content | `start` |
//! | (0008,0070), (0008,1090) | manufacturer and model | comments |
//! | (5400,0100) | waveforms, each a group of channels that are sampled together | one is read, see below |
//! | (003A,0005), (003A,0010), (003A,001A) | channels, samples of each, sampling frequency in Hz | `fs`, `length` |
//! | (003A,0200) | the channels | the leads |
//! | (003A,0208), (003A,0203) | source of a channel as a code with its meaning, label | the name: `II` of `Lead II` |
//! | (003A,0210) to (003A,0213) | sensitivity, its units, correction factor, baseline | sample times sensitivity times factor plus baseline, voltages in mV |
//! | (003A,0215) | skew of a channel in samples | a remark |
//! | (5400,1004), (5400,1006) | bits of a sample and what they mean | 8, 16 and 32 bits |
//! | (5400,100A) | the value of what was not recorded | NaN |
//! | (5400,1010) | samples, frame after frame | |
//!
//! Of several groups the first one of the highest sampling frequency is read that
//! has an ECG lead and was recorded, rather than computed from others such as a
//! mean beat; the rest is said in a remark.
//!
//! The reader of data elements is our own. The crate `dicom-object` 0.10 brings 18
//! crates that nothing else here needs, among them dictionaries and the alphabets of
//! East Asia, does not decode waveforms, and holds the samples in memory, where here
//! a piece is read at a time.

mod elements;
mod group;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::formats::interleaved::Frames;
use crate::formats::lead::Lead;
use crate::record::Start;
use crate::record::error::{Error, Result, ensure};
use elements::{Element, Elements, MARK, PREAMBLE, Syntax, Tag};
use group::{Channel, Group, Stored};

const TRANSFER_SYNTAX: Tag = (0x0002, 0x0010);
const SOP_CLASS: Tag = (0x0008, 0x0016);
const ACQUISITION_DATE: Tag = (0x0008, 0x0022);
const CONTENT_DATE: Tag = (0x0008, 0x0023);
const ACQUISITION: Tag = (0x0008, 0x002a);
const ACQUISITION_TIME: Tag = (0x0008, 0x0032);
const CONTENT_TIME: Tag = (0x0008, 0x0033);
const MANUFACTURER: Tag = (0x0008, 0x0070);
const MODEL: Tag = (0x0008, 0x1090);
const WAVEFORMS: Tag = (0x5400, 0x0100);

/// SOP classes of an ECG.
const ECGS: [&str; 4] = [
    "1.2.840.10008.5.1.4.1.1.9.1.1",
    "1.2.840.10008.5.1.4.1.1.9.1.2",
    "1.2.840.10008.5.1.4.1.1.9.1.3",
    "1.2.840.10008.5.1.4.1.1.9.1.4",
];

/// Transfer syntaxes.
const IMPLICIT: &str = "1.2.840.10008.1.2";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

/// Whether a file with these first bytes is DICOM.
pub(in crate::formats) fn is(head: &[u8]) -> bool {
    head.get(PREAMBLE..)
        .is_some_and(|rest| rest.starts_with(MARK))
}

/// A recording by its description.
#[derive(Debug)]
pub(in crate::formats) struct Layout {
    path: PathBuf,
    channels: Vec<Channel>,
    stored: Stored,
    fs: f64,
    samples: u32,
    start: Option<Start>,
    comments: Vec<String>,
    /// What is doubtful about the whole file, for the user.
    doubt: Option<String>,
}

/// What is read of a file.
#[derive(Default)]
struct Contents {
    class: String,
    acquisition: String,
    /// Date and time of the acquisition, and of the content.
    dates: [[String; 2]; 2],
    comments: Vec<String>,
    groups: Vec<Group>,
}

impl Layout {
    /// Reads all but the samples.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] for what is no DICOM file, or damaged;
    /// [`Error::Unsupported`] for one that is no ECG or written in another way.
    pub fn read(path: &Path) -> Result<Layout> {
        let mut elements = Elements::open(path)?;
        let syntax = transfer_syntax(path, &mut elements)?;
        elements.set(syntax);
        let contents = Contents::read(&mut elements)?;
        ensure(ECGS.contains(&contents.class.as_str()), || {
            Error::unsupported(
                path,
                format!(
                    "a DICOM file of class '{}', which is no ECG; read are 12-lead, general and ambulatory ECG; name such a file",
                    contents.class
                ),
            )
        })?;
        let start = contents.start();
        let comments = contents.comments;
        let mut groups = contents.groups;
        let chosen = chosen(&groups).ok_or_else(|| {
            Error::malformed(path, "the file has no waveform; export the recording again")
        })?;
        let group = groups.remove(chosen);
        let others: Vec<String> = groups.iter().map(Group::described).collect();
        let doubt = (!others.is_empty()).then(|| {
            format!(
                "of its waveforms {} is read, not {}",
                group.described(),
                others.join(", ")
            )
        });
        Ok(Layout {
            path: path.into(),
            stored: group.stored(path)?,
            fs: group.fs,
            samples: group.samples,
            channels: group.channels,
            start,
            comments,
            doubt,
        })
    }

    /// The leads, voltages in mV.
    pub fn leads(&self) -> Vec<Lead> {
        let lead = |channel: &Channel| Lead {
            name: channel.name.clone(),
            units: channel.units.clone(),
            remark: (!channel.doubts.is_empty()).then(|| channel.doubts.join("; ")),
        };
        self.channels.iter().map(lead).collect()
    }

    /// What is doubtful about the file as a whole.
    pub fn remark(&self) -> Option<String> {
        self.doubt.clone()
    }

    /// Samples per second of each lead.
    pub fn fs(&self) -> f64 {
        self.fs
    }

    /// When the first sample was taken.
    pub fn start(&self) -> Option<Start> {
        self.start
    }

    /// Samples of each lead.
    pub fn length(&self) -> Option<u64> {
        Some(u64::from(self.samples))
    }

    /// Manufacturer and model.
    pub fn comments(&self) -> Vec<String> {
        self.comments.clone()
    }
}

/// How the elements behind the file's own are written.
fn transfer_syntax(path: &Path, elements: &mut Elements) -> Result<Syntax> {
    let mut found = String::new();
    while elements.next_group()? == Some(TRANSFER_SYNTAX.0) {
        let Some(element) = elements.next(Some(elements.size()))? else {
            break;
        };
        match element.tag {
            TRANSFER_SYNTAX => found = elements.text(&element)?,
            _ => elements.skip(&element, 0)?,
        }
    }
    let what = match found.as_str() {
        IMPLICIT => return Ok(Syntax::Implicit),
        EXPLICIT => return Ok(Syntax::Explicit),
        DEFLATED => "deflated",
        BIG_ENDIAN => "big endian",
        "" => "written in a way that it does not say",
        _ => "compressed or written in a way that is not known",
    };
    Err(Error::unsupported(
        path,
        format!(
            "the file is {what} (transfer syntax '{found}'); export it as explicit VR little endian"
        ),
    ))
}

impl Contents {
    fn read(elements: &mut Elements) -> Result<Contents> {
        let mut contents = Contents::default();
        let [acquisition, content] = [0, 1];
        let end = Some(elements.size());
        while let Some(element) = elements.next(end)? {
            match element.tag {
                SOP_CLASS => contents.class = elements.text(&element)?,
                ACQUISITION => contents.acquisition = elements.text(&element)?,
                ACQUISITION_DATE => contents.dates[acquisition][0] = elements.text(&element)?,
                ACQUISITION_TIME => contents.dates[acquisition][1] = elements.text(&element)?,
                CONTENT_DATE => contents.dates[content][0] = elements.text(&element)?,
                CONTENT_TIME => contents.dates[content][1] = elements.text(&element)?,
                MANUFACTURER | MODEL => contents.comment(elements, &element)?,
                WAVEFORMS => elements.items(&element, 0, &mut |elements, end, depth| {
                    let group = Group::read(elements, end, depth)?;
                    contents.groups.push(group);
                    Ok(())
                })?,
                _ => elements.skip(&element, 0)?,
            }
        }
        Ok(contents)
    }

    fn comment(&mut self, elements: &mut Elements, element: &Element) -> Result<()> {
        let what = match element.tag {
            MODEL => "model",
            _ => "manufacturer",
        };
        let text = elements.text(element)?;
        if !text.is_empty() {
            self.comments.push(format!("{what}: {text}"));
        }
        Ok(())
    }

    /// When the acquisition began, or else what the content says.
    fn start(&self) -> Option<Start> {
        let both = (self.acquisition.get(..8)).zip(self.acquisition.get(8..));
        let acquisition = both.and_then(|(date, time)| moment(date, time));
        acquisition.or_else(|| {
            self.dates
                .iter()
                .find_map(|[date, time]| moment(date, time))
        })
    }
}

/// A start from `YYYYMMDD` and `HHMMSS`, of which seconds, or minutes and seconds,
/// may be left out and a fraction may follow.
fn moment(date: &str, time: &str) -> Option<Start> {
    let clock = time.split(['+', '-']).next()?;
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let part = |from: usize| -> Option<f64> {
        match whole.get(from..from + 2) {
            Some(digits) => digits.parse::<u8>().ok().map(f64::from),
            None => (from > 0 && whole.len() <= from).then_some(0.0),
        }
    };
    let fraction: f64 = format!("0.{fraction}0").parse().ok()?;
    let seconds = (part(0)? * 60.0 + part(2)?) * 60.0 + part(4)? + fraction;
    let digits = |range: std::ops::Range<usize>| date.get(range)?.parse::<u16>().ok();
    let date = match (digits(0..4), digits(4..6), digits(6..8)) {
        (Some(year), Some(month @ 1..=12), Some(day @ 1..=31)) => {
            Some((year, month as u8, day as u8))
        }
        _ => None,
    };
    (seconds < 86_400.0).then_some(Start { seconds, date })
}

/// The group that is read.
fn chosen(groups: &[Group]) -> Option<usize> {
    let rank = |group: &Group| (group.has_ecg(), !group.derived);
    let best = groups.iter().map(rank).max()?;
    let among = (0..groups.len()).filter(|&at| rank(&groups[at]) == best);
    among.reduce(|best, at| match groups[at].fs > groups[best].fs {
        true => at,
        false => best,
    })
}

/// Reads leads in step.
pub(in crate::formats) struct Reader {
    frames: Frames,
    layout: Arc<Layout>,
    wanted: Vec<usize>,
}

impl Reader {
    /// Opens the file for these leads.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn new(layout: Arc<Layout>, leads: &[usize]) -> Result<Reader> {
        let stored = &layout.stored;
        let samples = u64::from(layout.samples);
        Ok(Reader {
            frames: Frames::open(&layout.path, stored.offset, stored.frame, samples)?,
            wanted: leads.to_vec(),
            layout,
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
        let Stored {
            sample,
            frame,
            padding,
            ..
        } = self.layout.stored;
        for (out, &at) in out.iter_mut().zip(&self.wanted) {
            let channel = &self.layout.channels[at];
            let offset = at * sample.size();
            let value = |frame: &[u8]| match sample.value(&frame[offset..]) {
                raw if Some(raw) == padding => f32::NAN,
                raw => (raw as f64 * channel.step + channel.zero) as f32,
            };
            out.extend(bytes.chunks_exact(frame).map(value));
        }
        Ok(bytes.len() / frame)
    }
}

#[cfg(test)]
mod tests;
