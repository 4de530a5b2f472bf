//! Annotation files in WFDB's MIT format: reader and writer.
//!
//! The format is that of `annot(5)` in the WFDB Applications Guide: 16-bit
//! little-endian words, a code in the upper 6 bits and a number in the lower
//! 10. An annotation's number is its distance from the one before; pseudo-codes
//! carry long distances, the other fields and text.

mod writer;

use std::path::Path;

use crate::formats::ishne;
use crate::formats::wfdb::clock::Clock;
use crate::output;
use crate::output::made_here::ANNOTATION_NOTE;
use crate::record::annotation::{Annotation, Symbol};
use crate::record::error::{Error, Result};
pub use writer::AnnotationWriter;

// Pseudo-codes.
const SKIP: u8 = 59;
const NUM: u8 = 60;
const SUB: u8 = 61;
const CHN: u8 = 62;
const AUX: u8 = 63;

/// Bits of a word that hold its number; the code is above them.
const NUMBER_BITS: u32 = 10;
const NUMBER_MASK: u16 = (1 << NUMBER_BITS) - 1;
/// What ends a file: code and number 0.
const END: [u8; 2] = [0; 2];
/// Longest text: its length is one byte.
const MAX_AUX: usize = u8::MAX as usize;

/// Notes at sample 0 that start so say something about the whole file; with one
/// mark more they define what its annotations mean.
const MARK: &str = "#";
const DEFINITION: &str = "##";
const TIME_RESOLUTION: &str = "## time resolution: ";
/// The same as others write it: without the marks, folded to lower case.
const TIME_RESOLUTION_WORDS: &str = "time resolution";

/// The content of an annotation file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnnotationFile {
    /// The notes at sample 0: definitions, such as the time resolution, and
    /// remarks of the program that made the file.
    pub notes: Vec<Annotation>,
    /// All other annotations, in the order of the file.
    pub annotations: Vec<Annotation>,
}

impl AnnotationFile {
    /// A file of `annotations` whose sample numbers count at `fs` samples per
    /// second, or frames of the record where that is `None`.
    pub fn new(fs: Option<f64>, annotations: Vec<Annotation>) -> AnnotationFile {
        AnnotationFile {
            notes: fs.map(time_resolution).into_iter().collect(),
            annotations,
        }
    }

    /// Samples per second in which the sample numbers count, where the file
    /// says so; otherwise they count frames, see [`crate::formats::wfdb::Clock`].
    pub fn fs(&self) -> Option<f64> {
        self.notes.iter().find_map(|note| {
            let text = note.text().strip_prefix(DEFINITION)?.trim();
            let text = text.to_ascii_lowercase();
            let value = text.strip_prefix(TIME_RESOLUTION_WORDS)?.trim_start();
            let value = value.strip_prefix(':')?.trim_start();
            // A unit may follow the number.
            let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | '+' | '-');
            let end = value.find(|c| !is_number(c)).unwrap_or(value.len());
            let fs: f64 = value[..end].parse().ok()?;
            (fs.is_finite() && fs > 0.0).then_some(fs)
        })
    }

    /// The annotations in samples of a record with one sample per frame, `fs` a
    /// second; for any record see [`Clock::annotations`].
    pub fn at_rate(self, fs: f64) -> Vec<Annotation> {
        Clock::single(fs).annotations(self)
    }

    /// Reads an annotation file, such as `DIR/100.atr`, or one of ISHNE, which states
    /// its rate.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] when the bytes end early or are not
    /// annotations.
    pub fn read(path: &Path) -> Result<AnnotationFile> {
        if ishne::AnnotationFile::is_at(path) {
            let file = ishne::AnnotationFile::read(path)?;
            return Ok(AnnotationFile::new(Some(file.fs), file.annotations));
        }
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        AnnotationFile::parse(&bytes).map_err(|detail| Error::malformed(path, detail))
    }

    /// Writes an annotation file that WFDB reads.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Invalid`] when an annotation cannot be expressed
    /// in the format.
    pub fn write(&self, path: &Path) -> Result<()> {
        output::write(path, &self.encode()?)
    }

    /// The content of the bytes of a file, or what is wrong with them.
    fn parse(bytes: &[u8]) -> Result<AnnotationFile, String> {
        let mut words = Words { bytes, at: 0 };
        let mut all: Vec<Annotation> = Vec::new();
        let mut time: i64 = 0;
        loop {
            let start = words.at;
            let word = words.next()?;
            let (code, number) = ((word >> NUMBER_BITS) as u8, word & NUMBER_MASK);
            let byte = number as u8;
            let overflow = || format!("byte {start}: the sample number exceeds 64 bits");
            if code == SKIP {
                let (high, low) = (words.next()?, words.next()?);
                let distance = (u32::from(high) << 16 | u32::from(low)) as i32;
                time = time.checked_add(distance.into()).ok_or_else(overflow)?;
            } else if code > SKIP {
                let last = all.last_mut().ok_or_else(|| {
                    format!(
                        "byte {start}: field {code} comes before any annotation; this is not a WFDB annotation file in the MIT format"
                    )
                })?;
                match code {
                    NUM => last.number = byte as i8,
                    SUB => last.subtype = byte as i8,
                    CHN => last.channel = byte,
                    // One character per byte, so that any text survives.
                    _ => {
                        last.aux_note = words
                            .text(byte.into())?
                            .iter()
                            .map(|&b| b as char)
                            .collect()
                    }
                }
            } else if word == 0 {
                break;
            } else {
                let symbol = Symbol::from_code(code).ok_or_else(|| {
                    format!(
                        "byte {start}: annotation code {code}, expected 0 to 49 or {SKIP} to {AUX}; this is not a WFDB annotation file in the MIT format"
                    )
                })?;
                time = time.checked_add(number.into()).ok_or_else(overflow)?;
                // Channel and number hold until they are changed.
                let (channel, number) = all.last().map_or((0, 0), |a| (a.channel, a.number));
                all.push(Annotation {
                    channel,
                    number,
                    ..Annotation::new(time, symbol)
                });
            }
        }
        // Code 0 annotates nothing: WFDB ends the definitions with one.
        all.retain(|a| a.symbol.code() != 0);
        let (notes, annotations) = all
            .into_iter()
            .partition(|a| a.sample == 0 && a.symbol == Symbol::NOTE);
        Ok(AnnotationFile { notes, annotations })
    }

    /// The bytes of the file.
    fn encode(&self) -> Result<Vec<u8>> {
        let mut encoder = Encoder::default();
        // Definitions reach to the last mark: labels between marks have none.
        let is_mark = |note: &Annotation| note.aux_note.starts_with(MARK);
        let end = self.notes.iter().rposition(is_mark).map_or(0, |at| at + 1);
        let (definitions, remarks) = self.notes.split_at(end);
        encoder.definitions(definitions)?;
        for annotation in remarks.iter().chain(&self.annotations) {
            encoder.put(annotation)?;
        }
        encoder.bytes.extend(END);
        Ok(encoder.bytes)
    }
}

/// Reads the annotations of a file such as `DIR/100.atr` as they stand there,
/// without notes about the file as a whole. [`Clock::read`] gives them in samples
/// of their record.
///
/// # Errors
/// As [`AnnotationFile::read`].
pub fn read_annotations(path: &Path) -> Result<Vec<Annotation>> {
    Ok(AnnotationFile::read(path)?.annotations)
}

/// Writes annotations whose sample numbers are frames of the record, after a
/// note that this program made them; for others see
/// [`crate::formats::wfdb::Clock::write`].
///
/// # Errors
/// As [`AnnotationFile::write`].
pub fn write_annotations(path: &Path, annotations: &[Annotation]) -> Result<()> {
    made_here(None, annotations.to_vec()).write(path)
}

/// A file of `annotations` that says who made it; sample numbers as for
/// [`AnnotationFile::new`].
pub(super) fn made_here(fs: Option<f64>, annotations: Vec<Annotation>) -> AnnotationFile {
    let mut file = AnnotationFile::new(fs, annotations);
    file.notes.push(maker());
    file
}

fn time_resolution(fs: f64) -> Annotation {
    Annotation {
        aux_note: format!("{TIME_RESOLUTION}{fs}"),
        ..Annotation::new(0, Symbol::NOTE)
    }
}

/// The note that this program made a file.
fn maker() -> Annotation {
    Annotation {
        aux_note: ANNOTATION_NOTE.into(),
        ..Annotation::new(0, Symbol::NOTE)
    }
}

/// The words of a file, with a message where they end too soon.
struct Words<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Words<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let end = self.at.saturating_add(count);
        let taken = self.bytes.get(self.at..end).ok_or_else(|| {
            format!(
                "the file ends after {} bytes without the end mark (two zero bytes); it was cut short, fetch or write it again",
                self.bytes.len()
            )
        })?;
        self.at = end;
        Ok(taken)
    }

    fn next(&mut self) -> Result<u16, String> {
        let two = self.take(2)?;
        Ok(u16::from_le_bytes([two[0], two[1]]))
    }

    /// Text of `length` bytes, which is padded to whole words.
    fn text(&mut self, length: usize) -> Result<&'a [u8], String> {
        Ok(&self.take(length.next_multiple_of(2))?[..length])
    }
}

#[derive(Default)]
struct Encoder {
    bytes: Vec<u8>,
    time: i64,
    channel: u8,
    number: i8,
}

impl Encoder {
    fn word(&mut self, code: u8, number: u16) {
        let word = u16::from(code) << NUMBER_BITS | (number & NUMBER_MASK);
        self.bytes.extend(word.to_le_bytes());
    }

    fn skip(&mut self, distance: i32) {
        self.word(SKIP, 0);
        self.bytes.extend(((distance >> 16) as u16).to_le_bytes());
        self.bytes.extend((distance as u16).to_le_bytes());
    }

    /// What is said about the whole file, which comes first; ended as WFDB does:
    /// one sample back and forth.
    fn definitions(&mut self, notes: &[Annotation]) -> Result<()> {
        for note in notes {
            self.put(note)?;
        }
        if !notes.is_empty() {
            self.skip(-1);
            self.word(0, 1);
        }
        Ok(())
    }

    fn put(&mut self, annotation: &Annotation) -> Result<()> {
        let refuse = |what: String| {
            Err(Error::Invalid(format!(
                "the annotation '{}' at sample {} cannot be written in the WFDB format: {what}",
                annotation.symbol, annotation.sample
            )))
        };
        let code = annotation.symbol.code();
        if code == 0 {
            return refuse("code 0 stands for no annotation".into());
        }
        let distance = annotation
            .sample
            .checked_sub(self.time)
            .and_then(|d| i32::try_from(d).ok());
        let Some(distance) = distance else {
            return refuse(format!(
                "it is more than {} samples from the one before, at {}",
                i32::MAX,
                self.time
            ));
        };
        match u16::try_from(distance) {
            Ok(number) if number <= NUMBER_MASK => self.word(code, number),
            _ => {
                self.skip(distance);
                self.word(code, 0);
            }
        }
        self.time = annotation.sample;
        if annotation.subtype != 0 {
            // Sign-extended to the width of a number, as WFDB does.
            self.word(SUB, i16::from(annotation.subtype) as u16);
        }
        if annotation.channel != self.channel {
            self.word(CHN, u16::from(annotation.channel));
            self.channel = annotation.channel;
        }
        if annotation.number != self.number {
            self.word(NUM, i16::from(annotation.number) as u16);
            self.number = annotation.number;
        }
        if !annotation.aux_note.is_empty() {
            let text: Result<Vec<u8>, _> = annotation.aux_note.chars().map(u8::try_from).collect();
            let Ok(text) = text else {
                return refuse("its text has characters beyond Latin-1".into());
            };
            if text.len() > MAX_AUX {
                return refuse(format!(
                    "its text has {} characters, at most {MAX_AUX} fit",
                    text.len()
                ));
            }
            self.word(AUX, text.len() as u16);
            self.bytes.extend_from_slice(&text);
            if text.len() % 2 == 1 {
                self.bytes.push(0);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
