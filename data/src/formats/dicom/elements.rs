//! The data elements of a DICOM file, one after the other.
//!
//! An element is a tag, with explicit value representation (VR) two letters that
//! name the type, a length, and the value. A sequence is an element whose value is
//! items, each a list of elements; a sequence and an item may have no length and
//! then end with an element of their own.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::record::error::{Error, Result, ensure};

/// Bytes before the mark of a DICOM file.
pub(super) const PREAMBLE: usize = 128;
/// The mark.
pub(super) const MARK: &[u8] = b"DICM";

/// Sequences that lie in each other, at most.
const DEEPEST: usize = 16;

/// Longest value that is read, in bytes, samples apart.
const LONGEST_VALUE: u64 = 1 << 16;

/// A length that is not said.
const UNDEFINED: u32 = u32::MAX;

const ITEM: Tag = (0xfffe, 0xe000);
const ITEM_END: Tag = (0xfffe, 0xe00d);
const SEQUENCE_END: Tag = (0xfffe, 0xe0dd);

/// Group and element.
pub(super) type Tag = (u16, u16);

/// What is done with an item: it is read up to a byte, or to an element that ends
/// it, and lies so many sequences deep.
pub(super) type Each<'a> = &'a mut dyn FnMut(&mut Elements, Option<u64>, usize) -> Result<()>;

/// How elements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    /// With a type; little endian.
    Explicit,
    /// Without one; little endian.
    Implicit,
}

/// An element whose value is not read yet.
pub(super) struct Element {
    pub tag: Tag,
    /// Bytes of the value; `None` where it ends with an element of its own.
    pub length: Option<u64>,
    /// Whether it is of unknown type: its items then are implicit.
    unknown: bool,
}

/// Reads the elements of a file.
pub(super) struct Elements {
    file: BufReader<File>,
    path: PathBuf,
    syntax: Syntax,
    /// The byte that is read next, and how many there are.
    at: u64,
    size: u64,
}

impl Elements {
    /// Opens a file behind its mark.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] for what has no such mark.
    pub fn open(path: &Path) -> Result<Elements> {
        let file = File::open(path).map_err(Error::io(path))?;
        let size = file.metadata().map_err(Error::io(path))?.len();
        let mut elements = Elements {
            file: BufReader::new(file),
            path: path.into(),
            syntax: Syntax::Explicit,
            at: 0,
            size,
        };
        let mut start = Vec::new();
        let length = PREAMBLE + MARK.len();
        let mut head = elements.file.by_ref().take(length as u64);
        head.read_to_end(&mut start).map_err(Error::io(path))?;
        ensure(start.len() == length && start.ends_with(MARK), || {
            Error::malformed(
                path,
                "not a DICOM file: byte 128 does not begin with 'DICM'; name a file of that format",
            )
        })?;
        elements.at = length as u64;
        Ok(elements)
    }

    /// From now on elements are written so.
    pub fn set(&mut self, syntax: Syntax) {
        self.syntax = syntax;
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The byte that is read next.
    pub fn at(&self) -> u64 {
        self.at
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.file.read_exact(bytes).map_err(|cause| {
            match cause.kind() == ErrorKind::UnexpectedEof {
                true => self.malformed("the file ends there; is it cut short?"),
                false => Error::io(&self.path)(cause),
            }
        })?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn number(&mut self) -> Result<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn length(&mut self) -> Result<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn tag(&mut self) -> Result<Tag> {
        Ok((self.number()?, self.number()?))
    }

    /// The group of the next element, which is not read; `None` at the end.
    pub fn next_group(&mut self) -> Result<Option<u16>> {
        if self.at >= self.size {
            return Ok(None);
        }
        let group = self.number()?;
        self.go(-2)?;
        Ok(Some(group))
    }

    fn go(&mut self, by: i64) -> Result<()> {
        self.file.seek_relative(by).map_err(Error::io(&self.path))?;
        self.at = self.at.saturating_add_signed(by);
        Ok(())
    }

    /// The next element of a list that ends before byte `end`, or with an element
    /// of its own where there is none; `None` at its end.
    pub fn next(&mut self, end: Option<u64>) -> Result<Option<Element>> {
        if end.is_some_and(|end| self.at >= end) {
            return Ok(None);
        }
        let tag = self.tag()?;
        if tag.0 == ITEM.0 {
            let length = self.length()?;
            ensure(tag == ITEM_END && end.is_none() && length == 0, || {
                self.malformed("an item ends where none is open")
            })?;
            return Ok(None);
        }
        let (length, unknown) = match self.syntax {
            Syntax::Implicit => (self.length()?, false),
            Syntax::Explicit => self.explicit_length()?,
        };
        let length = (length != UNDEFINED).then_some(u64::from(length));
        self.bound(length, end)?;
        Ok(Some(Element {
            tag,
            length,
            unknown,
        }))
    }

    /// The length behind a type, and whether the type is unknown.
    fn explicit_length(&mut self) -> Result<(u32, bool)> {
        let kind: [u8; 2] = self.take()?;
        ensure(kind.iter().all(u8::is_ascii_uppercase), || {
            self.malformed("a data element has no type (VR)")
        })?;
        Ok(match &kind {
            b"OB" | b"OW" | b"OF" | b"OD" | b"OL" | b"OV" | b"SQ" | b"SV" | b"UC" | b"UN"
            | b"UR" | b"UT" | b"UV" => {
                self.number()?;
                (self.length()?, &kind == b"UN")
            }
            _ => (u32::from(self.number()?), false),
        })
    }

    /// Refuses a value that is longer than what holds it.
    fn bound(&self, length: Option<u64>, end: Option<u64>) -> Result<()> {
        let left = end
            .unwrap_or(self.size)
            .min(self.size)
            .saturating_sub(self.at);
        match length.filter(|length| *length > left) {
            None => Ok(()),
            Some(length) => Err(self.malformed(&format!(
                "a data element says that it has {length} bytes, and {left} are left; is the file cut short?"
            ))),
        }
    }

    /// The value of an element.
    ///
    /// # Errors
    /// [`Error::Malformed`] for one without a length, or longer than any that is
    /// read.
    pub fn value(&mut self, element: &Element) -> Result<Vec<u8>> {
        let length = element.length.filter(|length| *length <= LONGEST_VALUE);
        let length = length.ok_or_else(|| {
            let (group, number) = element.tag;
            self.malformed(&format!(
                "data element ({group:04X},{number:04X}) has no length or is longer than {LONGEST_VALUE} bytes"
            ))
        })?;
        let mut bytes = vec![0; length as usize];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// The value of an element as text, the first where there are several.
    ///
    /// # Errors
    /// As [`Elements::value`].
    pub fn text(&mut self, element: &Element) -> Result<String> {
        let bytes = self.value(element)?;
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => error.as_bytes().iter().map(|b| char::from(*b)).collect(),
        };
        let first = text.split('\\').next().unwrap_or_default();
        Ok(first.trim_matches(['\0', ' ']).to_owned())
    }

    /// Passes over the value of an element.
    ///
    /// # Errors
    /// As [`Elements::items`].
    pub fn skip(&mut self, element: &Element, depth: usize) -> Result<()> {
        match element.length {
            // Shorter than the file, so that it fits.
            Some(length) => self.go(length as i64),
            None => self.items(element, depth, &mut |elements, end, depth| {
                while let Some(element) = elements.next(end)? {
                    elements.skip(&element, depth)?;
                }
                Ok(())
            }),
        }
    }

    /// Hands out the items of a sequence: each must be read to its end, which is a
    /// byte or, where that is `None`, an element of its own.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] for what is no sequence, or lies deeper
    /// in others than any in use.
    pub fn items(&mut self, element: &Element, depth: usize, each: Each<'_>) -> Result<()> {
        ensure(depth < DEEPEST, || {
            self.malformed(&format!("more than {DEEPEST} sequences lie in each other"))
        })?;
        let syntax = self.syntax;
        if element.unknown {
            self.syntax = Syntax::Implicit;
        }
        let end = element.length.map(|length| self.at + length);
        while end.is_none_or(|end| self.at < end) {
            let tag = self.tag()?;
            let length = self.length()?;
            if tag == SEQUENCE_END && end.is_none() {
                break;
            }
            ensure(tag == ITEM, || {
                self.malformed("a sequence holds what is no item")
            })?;
            let length = (length != UNDEFINED).then_some(u64::from(length));
            self.bound(length, end)?;
            each(self, length.map(|length| self.at + length), depth + 1)?;
        }
        self.syntax = syntax;
        Ok(())
    }

    /// An error at the byte that is read next.
    pub fn malformed(&self, what: &str) -> Error {
        Error::malformed(
            &self.path,
            format!("at byte {}: {what}; copy the file again", self.at),
        )
    }
}
