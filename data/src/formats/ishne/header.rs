//! The header of an ISHNE file.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::record::Start;
use crate::record::error::{Error, Result, ensure};

/// The first bytes of a recording, and of its annotations.
pub(super) const SIGNALS: &[u8; 8] = b"ISHNE1.0";
pub(super) const ANNOTATIONS: &[u8; 8] = b"ANN  1.0";

/// Bytes of the header, and from which of them on the checksum is made.
const LENGTH: usize = 522;
const CHECKED: usize = 10;

/// Leads that the header has room for.
const MOST_LEADS: i16 = 12;

/// Longest free text that is read, in bytes.
const LONGEST_TEXT: u64 = 1 << 20;

/// What stands for a value that is absent.
const ABSENT: i16 = -9;

/// Names of the leads by their codes. Of a generic or unknown one the file does
/// not say more than that it is an ECG.
const NAMES: [&str; 20] = [
    "", "", "X", "Y", "Z", "I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5",
    "V6", "ES", "AS", "AI",
];

/// What a header says.
#[derive(Debug)]
pub(super) struct Header {
    pub path: PathBuf,
    /// Samples per second.
    pub fs: f64,
    pub leads: Vec<Channel>,
    pub start: Option<Start>,
    pub comments: Vec<String>,
    /// What is doubtful about the whole file, for the user.
    pub doubts: Vec<String>,
    /// Where the samples or annotations begin.
    pub offset: u64,
    /// Samples as the header has them, of one lead or of all.
    samples: i32,
    /// Bytes of the file.
    pub size: u64,
}

/// What a header says of one lead.
#[derive(Debug)]
pub(super) struct Channel {
    pub name: String,
    /// nV per step; `None` where the header does not say.
    pub resolution: Option<i16>,
    /// What is doubtful about it, for the user.
    pub doubts: Vec<String>,
}

/// The fixed bytes of a header.
struct Bytes([u8; LENGTH]);

impl Bytes {
    fn short(&self, at: usize) -> i16 {
        i16::from_le_bytes([self.0[at], self.0[at + 1]])
    }

    fn long(&self, at: usize) -> i32 {
        let bytes = &self.0[at..at + 4];
        i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    /// Three numbers in a row that are a date or a time.
    fn three(&self, at: usize) -> [i16; 3] {
        [0, 2, 4].map(|by| self.short(at + by))
    }

    fn text(&self, at: usize, length: usize) -> String {
        text(&self.0[at..at + length])
    }
}

impl Header {
    /// Reads the header of a file that begins with `magic`.
    pub fn read(path: &Path, magic: &[u8; 8]) -> Result<Header> {
        let mut file = File::open(path).map_err(Error::io(path))?;
        let size = file.metadata().map_err(Error::io(path))?.len();
        let mut start = Vec::new();
        let head = file.by_ref().take(LENGTH as u64).read_to_end(&mut start);
        head.map_err(Error::io(path))?;
        ensure(start.starts_with(magic), || {
            let expected = String::from_utf8_lossy(magic);
            Error::malformed(
                path,
                format!(
                    "not an ISHNE file: it does not begin with '{expected}'; {}",
                    instead(&start)
                ),
            )
        })?;
        let bytes: [u8; LENGTH] = start.as_slice().try_into().map_err(|_| {
            Error::malformed(
                path,
                format!(
                    "the file ends within the header, after {} of {LENGTH} bytes; copy it again",
                    start.len()
                ),
            )
        })?;
        let bytes = Bytes(bytes);
        let (text_size, offset) = blocks(path, &bytes, magic, size)?;
        let mut rest = vec![0; text_size as usize];
        file.read_exact(&mut rest).map_err(Error::io(path))?;
        let doubts: Vec<String> = checksum_doubt(&bytes, &rest).into_iter().collect();
        let doubted = doubts
            .first()
            .map_or(String::new(), |d| format!("; and {d}"));
        let wrong = |what: String| {
            Error::malformed(
                path,
                format!("{what}{doubted}; is the file damaged? copy it again"),
            )
        };
        let count = bytes.short(156);
        ensure((1..=MOST_LEADS).contains(&count), || {
            wrong(format!(
                "the header says {count} leads; expected 1 to {MOST_LEADS}"
            ))
        })?;
        let fs = bytes.short(272);
        ensure(fs > 0, || {
            wrong(format!(
                "the header says a sampling rate of {fs} Hz; expected one above 0"
            ))
        })?;
        Ok(Header {
            path: path.into(),
            fs: f64::from(fs),
            leads: (0..count as usize)
                .map(|at| Channel::of(&bytes, at))
                .collect(),
            start: start_of(&bytes),
            comments: comments(&bytes, &rest),
            doubts,
            offset,
            samples: bytes.long(14),
            size,
        })
    }

    /// Samples of each lead, by the header and the length of the file; a file that
    /// is longer is a doubt.
    pub fn frames(&mut self) -> Result<u64> {
        let leads = self.leads.len() as u64;
        let values = self.size.saturating_sub(self.offset) / 2;
        let said = u64::try_from(self.samples).unwrap_or(0);
        if said == 0 || values == said {
            // A recorder that does not know the length puts none.
            return Ok(values / leads);
        }
        ensure(values >= said.saturating_mul(leads), || {
            Error::malformed(
                &self.path,
                format!(
                    "the header says {said} samples (of {leads} lead(s) each, or of all), and the file has {values} in all; is it cut short? copy it again"
                ),
            )
        })?;
        if values > said * leads {
            self.doubts.push(format!(
                "the file has {values} samples in all, and its header says {said} of {leads} lead(s) each, which are read"
            ));
        }
        Ok(said)
    }
}

impl Channel {
    fn of(bytes: &Bytes, at: usize) -> Channel {
        let at_lead = |block: usize| bytes.short(block + 2 * at);
        let (code, quality, resolution) = (at_lead(158), at_lead(182), at_lead(206));
        let mut doubts = Vec::new();
        let name = usize::try_from(code).ok().and_then(|code| NAMES.get(code));
        match (code, name) {
            (ABSENT, _) => doubts.push("the header says that the lead is absent".into()),
            (_, None) => doubts.push(format!(
                "the header gives lead code {code}, which ISHNE does not define"
            )),
            _ => {}
        }
        let name = match name {
            Some(name) if !name.is_empty() => (*name).to_owned(),
            _ => format!("ECG{}", at + 1),
        };
        let quality = match quality {
            2 => Some("noise in less than a tenth of it"),
            3 => Some("noise in more than a tenth of it"),
            4 => Some("disconnected for less than a tenth of it"),
            5 => Some("disconnected for more than a tenth of it"),
            _ => None,
        };
        doubts.extend(quality.map(|what| format!("the recorder says: {what}")));
        if resolution <= 0 {
            doubts.push(format!(
                "the header gives a resolution of {resolution} nV, so that its samples are no voltage"
            ));
        }
        Channel {
            name,
            resolution: Some(resolution).filter(|nanovolts| *nanovolts > 0),
            doubts,
        }
    }
}

/// How long the free text is and where the data begin, as far as the file reaches.
fn blocks(path: &Path, bytes: &Bytes, magic: &[u8; 8], size: u64) -> Result<(u64, u64)> {
    let said = bytes.long(10);
    let text = u64::try_from(said).unwrap_or(0);
    let end = LENGTH as u64 + text;
    ensure(text <= LONGEST_TEXT && end <= size, || {
        Error::malformed(
            path,
            format!(
                "the header says {said} bytes of text after it, and the file has {} more; is it cut short? copy it again",
                size.saturating_sub(LENGTH as u64)
            ),
        )
    })?;
    // Programs that write annotations leave the places as they were in the
    // recording; there and here the data follow the text.
    if magic == ANNOTATIONS {
        return Ok((text, end));
    }
    let offset = bytes.long(22);
    match u64::try_from(offset) {
        Ok(offset) if (end..=size).contains(&offset) => Ok((text, offset)),
        _ => Err(Error::malformed(
            path,
            format!(
                "the header says that samples begin at byte {offset}; expected {end}, or up to {size}, where the file ends; is the file damaged? copy it again"
            ),
        )),
    }
}

/// What is said where the checksum is wrong.
fn checksum_doubt(bytes: &Bytes, rest: &[u8]) -> Option<String> {
    let stored = bytes.short(8) as u16;
    let computed = crc(bytes.0[CHECKED..].iter().chain(rest));
    (stored != computed && stored.swap_bytes() != computed)
        .then(|| format!("the checksum of the header is {stored:04X} and should be {computed:04X}"))
}

/// CRC-CCITT with polynomial 1021 and start FFFF, both hexadecimal.
pub(super) fn crc<'a>(bytes: impl Iterator<Item = &'a u8>) -> u16 {
    bytes.fold(0xffff, |mut crc, byte| {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            let carry = crc & 0x8000 != 0;
            crc = (crc << 1) ^ if carry { 0x1021 } else { 0 };
        }
        crc
    })
}

/// The day and the time of the first sample, as far as they are one.
fn start_of(bytes: &Bytes) -> Option<Start> {
    let [hour, minute, second] = bytes.three(150);
    let time = [(hour, 0..24), (minute, 0..60), (second, 0..60)];
    if !time.into_iter().all(|(part, range)| range.contains(&part)) {
        return None;
    }
    let date = match bytes.three(138) {
        [day @ 1..=31, month @ 1..=12, year @ 1..=i16::MAX] => {
            Some((year as u16, month as u8, day as u8))
        }
        _ => None,
    };
    let seconds = (f64::from(hour) * 60.0 + f64::from(minute)) * 60.0 + f64::from(second);
    Some(Start { seconds, date })
}

/// What the file says, the patient's name, number and birth left out.
fn comments(bytes: &Bytes, rest: &[u8]) -> Vec<String> {
    let pacemaker = match bytes.short(230) {
        1 => Some("pacemaker: type not known"),
        2 => Some("pacemaker: single chamber, unipolar"),
        3 => Some("pacemaker: dual chamber, unipolar"),
        4 => Some("pacemaker: single chamber, bipolar"),
        5 => Some("pacemaker: dual chamber, bipolar"),
        _ => None,
    };
    let said = [
        ("recorder: ", bytes.text(232, 40)),
        ("owner: ", bytes.text(274, 80)),
        ("copyright: ", bytes.text(354, 80)),
        ("", text(rest)),
    ];
    let said = said.into_iter().filter(|(_, text)| !text.is_empty());
    let said = said.map(|(what, text)| format!("{what}{text}"));
    pacemaker
        .map(str::to_owned)
        .into_iter()
        .chain(said)
        .collect()
}

/// Text up to its first NUL. No alphabet is defined: UTF-8 or else Latin-1.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    let bytes = &bytes[..end];
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|b| char::from(*b)).collect(),
    };
    text.trim().to_owned()
}

/// What a file is instead, and the remedy.
fn instead(start: &[u8]) -> &'static str {
    match start {
        [] => "it is empty; copy it again",
        _ if start.starts_with(ANNOTATIONS) => "it holds annotations; name the recording",
        _ if start.starts_with(SIGNALS) => "it holds samples; name the file of annotations",
        _ => "name a file of that format",
    }
}
