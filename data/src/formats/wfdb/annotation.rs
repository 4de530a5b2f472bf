//! Annotation files in WFDB's MIT format: reader and writer.
//!
//! The format is that of `annot(5)` in the WFDB Applications Guide: 16-bit
//! little-endian words, a code in the upper 6 bits and a number in the lower
//! 10. An annotation's number is its distance from the one before; pseudo-codes
//! carry long distances, the other fields and text.

mod writer;

use std::path::Path;

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

/// Notes at sample 0 that start so say something about the whole file.
const DEFINITION: &str = "## ";
const TIME_RESOLUTION: &str = "## time resolution: ";

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
    /// second, or at the rate of the record's header where that is `None`.
    pub fn new(fs: Option<f64>, annotations: Vec<Annotation>) -> AnnotationFile {
        let note = |fs| Annotation {
            aux_note: format!("{TIME_RESOLUTION}{fs}"),
            ..Annotation::new(0, Symbol::NOTE)
        };
        AnnotationFile {
            notes: fs.map(note).into_iter().collect(),
            annotations,
        }
    }

    /// Samples per second in which the sample numbers count, where the file
    /// says so; otherwise that is the rate of the record's header.
    pub fn fs(&self) -> Option<f64> {
        self.notes
            .iter()
            .find_map(|n| n.aux_note.strip_prefix(TIME_RESOLUTION))
            .and_then(|text| text.trim_end_matches('\0').trim().parse().ok())
            .filter(|fs: &f64| fs.is_finite() && *fs > 0.0)
    }

    /// The annotations, their sample numbers converted to `fs`, the rate of
    /// the record that they belong to.
    pub fn at_rate(mut self, fs: f64) -> Vec<Annotation> {
        if let Some(own) = self.fs().filter(|own| *own != fs) {
            for annotation in &mut self.annotations {
                annotation.sample = (annotation.sample as f64 * (fs / own)).round() as i64;
            }
        }
        self.annotations
    }

    /// Reads an annotation file, such as `DIR/100.atr`.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] when the bytes end early or are not
    /// annotations.
    pub fn read(path: &Path) -> Result<AnnotationFile> {
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
        let (definitions, remarks): (Vec<_>, Vec<_>) = self
            .notes
            .iter()
            .partition(|n| n.aux_note.starts_with(DEFINITION));
        encoder.definitions(&definitions)?;
        for annotation in remarks.into_iter().chain(&self.annotations) {
            encoder.put(annotation)?;
        }
        encoder.bytes.extend(END);
        Ok(encoder.bytes)
    }
}

/// Reads the annotations of a file such as `DIR/100.atr`, without notes about
/// the file as a whole. Sample numbers are at the annotator's own rate: use
/// [`AnnotationFile::at_rate`] where that may differ from the record's.
///
/// # Errors
/// As [`AnnotationFile::read`].
pub fn read_annotations(path: &Path) -> Result<Vec<Annotation>> {
    Ok(AnnotationFile::read(path)?.annotations)
}

/// Writes annotations whose sample numbers are at the record's rate, after a
/// note that this program made them.
///
/// # Errors
/// As [`AnnotationFile::write`].
pub fn write_annotations(path: &Path, annotations: &[Annotation]) -> Result<()> {
    let mut file = AnnotationFile::new(None, annotations.to_vec());
    file.notes.push(maker());
    file.write(path)
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

    /// Notes about the whole file, ended as WFDB does: one sample back and forth.
    fn definitions(&mut self, notes: &[&Annotation]) -> Result<()> {
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn symbols() -> impl Strategy<Value = Symbol> {
        (1u8..50).prop_map(|code| Symbol::from_code(code).unwrap())
    }

    prop_compose! {
        fn annotations()(
            sample in prop_oneof![0i64..5000, -3_000_000_000i64..3_000_000_000],
            symbol in symbols(),
            subtype: i8,
            channel in 0u8..3,
            number in -2i8..2,
            aux in prop::collection::vec(any::<u8>(), 0..6),
        ) -> Annotation {
            Annotation {
                sample, symbol, subtype, channel, number,
                aux_note: aux.into_iter().map(char::from).collect(),
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            // What is read can be written and read again.
            if let Ok(file) = AnnotationFile::parse(&bytes)
                && let Ok(again) = file.encode()
            {
                prop_assert_eq!(AnnotationFile::parse(&again).unwrap().annotations, file.annotations);
            }
        }

        #[test]
        fn what_is_written_is_read_back(mut list in prop::collection::vec(annotations(), 0..20)) {
            // A note at sample 0 is about the file and kept apart.
            list.retain(|a| a.sample != 0 || a.symbol != Symbol::NOTE);
            let file = AnnotationFile::new(Some(250.0), list);
            match file.encode() {
                Ok(bytes) => {
                    let read = AnnotationFile::parse(&bytes).unwrap();
                    prop_assert_eq!(read.fs(), Some(250.0));
                    prop_assert_eq!(read, file);
                }
                // Two 3e9 samples apart in either direction exceed a SKIP.
                Err(e) => prop_assert!(e.to_string().contains("samples from the one before")),
            }
        }
    }

    #[test]
    fn fields_long_and_negative_distances_are_read() {
        #[rustfmt::skip]
        let bytes = [
            0x12, 0x70, 0x03, 0xFC, b'(', b'N', 0, 0, // '+' at 18 with 3 bytes of text
            0x00, 0xEC, 0x01, 0x00, 0x02, 0x00, // skip 65,538
            0x00, 0x04, 0xFF, 0xF7, 0x02, 0xF8, // 'N', sub -1, channel 2
            0x00, 0xEC, 0xFF, 0xFF, 0xFF, 0xFF, // skip -1
            0x00, 0x14, // 'V'
            0x00, 0x00,
        ];
        let file = AnnotationFile::parse(&bytes).unwrap();
        let got: Vec<_> = file
            .annotations
            .iter()
            .map(|a| {
                (
                    a.sample,
                    a.symbol.as_str(),
                    a.subtype,
                    a.channel,
                    a.aux_note.as_str(),
                )
            })
            .collect();
        assert_eq!(
            got,
            [
                (18, "+", 0, 0, "(N\0"),
                (65_556, "N", -1, 2, ""),
                (65_555, "V", 0, 2, "")
            ]
        );
        assert_eq!(file.encode().unwrap(), bytes);
    }

    #[test]
    fn a_file_cut_short_or_of_another_kind_is_refused() {
        for bytes in [
            &b""[..],
            b"\x12\x70",
            b"\x12\x70\x03",
            b"\x00\xEC\x01",
            b"\x12\x04\x05\xFCab",
        ] {
            let message = AnnotationFile::parse(bytes).unwrap_err();
            assert!(message.contains("cut short"), "{message}");
        }
        for bytes in [&b"\x00\xFC\0\0"[..], b"\x00\xD0\0\0"] {
            let message = AnnotationFile::parse(bytes).unwrap_err();
            assert!(message.contains("not a WFDB annotation file"), "{message}");
        }
    }

    #[test]
    fn sample_numbers_follow_the_rate() {
        let beat = Annotation::new(500, Symbol::N);
        let file = AnnotationFile::new(Some(500.0), vec![beat.clone()]);
        assert_eq!(file.at_rate(125.0)[0].sample, 125);
        assert_eq!(
            AnnotationFile::new(None, vec![beat]).at_rate(125.0)[0].sample,
            500
        );
    }

    #[test]
    fn what_the_format_cannot_hold_is_refused() {
        let long = Annotation {
            aux_note: "x".repeat(256),
            ..Annotation::new(1, Symbol::NOTE)
        };
        let wide = Annotation {
            aux_note: "\u{4E2D}".into(),
            ..Annotation::new(1, Symbol::NOTE)
        };
        for annotation in [long, wide, Annotation::new(1 << 40, Symbol::N)] {
            assert!(
                AnnotationFile::new(None, vec![annotation])
                    .encode()
                    .is_err()
            );
        }
    }

    /// Files that WFDB itself wrote come back byte for byte.
    #[test]
    fn wfdb_files_survive_byte_for_byte() {
        let Ok(shared) = std::env::var("ECTOPY_SHARED") else {
            eprintln!("skipped: ECTOPY_SHARED is not set");
            return;
        };
        let mut files = 0;
        for folder in ["mitdb", "svdb", "nstdb", "golden/ec57/annotations"] {
            for entry in std::fs::read_dir(Path::new(&shared).join(folder)).unwrap() {
                let path = entry.unwrap().path();
                let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
                if !["atr", "gqrs", "osea", "tst"].contains(&extension) {
                    continue;
                }
                let file = AnnotationFile::read(&path).unwrap();
                let bytes = std::fs::read(&path).unwrap();
                assert!(file.encode().unwrap() == bytes, "{}", path.display());
                files += 1;
            }
        }
        assert!(files > 48 * 4, "only {files} files");
    }
}
