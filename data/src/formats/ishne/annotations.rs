//! The annotation file beside an ISHNE recording.
//!
//! It has the header of the recording with another beginning; then, in 4 bytes,
//! the sample from which is counted, and 4 bytes for each annotation: its label,
//! a byte for the use of the program that wrote it, and the samples since the one
//! before. The first annotation counts from the sample at the beginning.
//!
//! | label | what | symbol of WFDB |
//! |---|---|---|
//! | `N` `V` `S` | normal, ventricular, supraventricular | `N` `V` `S` |
//! | `B` | with bundle branch block | `B` |
//! | `P` | paced | `/` |
//! | `U` | not classified | `Q` |
//! | `X` | artefact | `\|` |
//! | `C` | calibration pulse | a note |
//! | `!` | no annotation for 65,535 samples | none; its interval counts |
//! | another | | a note with the label |

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::header::{ANNOTATIONS, Header};
use crate::record::annotation::{Annotation, Symbol};
use crate::record::error::{Error, Result, ensure};

/// What an annotation file says.
#[derive(Clone, Debug, PartialEq)]
pub struct AnnotationFile {
    /// Samples per second that [`Annotation::sample`] counts.
    pub fs: f64,
    /// The annotations in the order of the file, which is that of time.
    pub annotations: Vec<Annotation>,
    /// What is doubtful about the file, for the user.
    pub remarks: Vec<String>,
}

impl AnnotationFile {
    /// Whether there is such a file at a path.
    pub(in crate::formats) fn is_at(path: &Path) -> bool {
        let mut start = [0; ANNOTATIONS.len()];
        let file = path.is_file().then(|| File::open(path).ok()).flatten();
        let read = file.and_then(|mut file| file.read_exact(&mut start).ok());
        read.is_some() && start == *ANNOTATIONS
    }

    /// Reads a file of annotations, such as `FOLDER/1001.ann`.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] for what is no ISHNE annotation file,
    /// or ends within an annotation.
    pub fn read(path: &Path) -> Result<AnnotationFile> {
        let header = Header::read(path, ANNOTATIONS)?;
        let file = File::open(path).map_err(Error::io(path))?;
        let mut file = BufReader::new(file);
        file.seek(SeekFrom::Start(header.offset))
            .map_err(Error::io(path))?;
        let words = header.size.saturating_sub(header.offset);
        ensure(words >= 4 && words.is_multiple_of(4), || {
            Error::malformed(
                path,
                format!(
                    "{words} bytes after the header; expected 4 for the first sample and 4 for each annotation; is the file cut short? copy it again"
                ),
            )
        })?;
        let mut word = || {
            let mut bytes = [0; 4];
            file.read_exact(&mut bytes).map_err(Error::io(path))?;
            Ok::<_, Error>(bytes)
        };
        let mut sample = i64::from(u32::from_le_bytes(word()?));
        let mut annotations = Vec::new();
        for _ in 1..words / 4 {
            let [label, _, low, high] = word()?;
            sample += i64::from(u16::from_le_bytes([low, high]));
            annotations.extend(annotation(label, sample));
        }
        Ok(AnnotationFile {
            fs: header.fs,
            annotations,
            remarks: header.doubts,
        })
    }
}

/// The annotation of a label; none for one that only carries time.
fn annotation(label: u8, sample: i64) -> Option<Annotation> {
    let symbol = match label {
        b'!' => return None,
        b'N' => Symbol::N,
        b'V' => Symbol::V,
        b'S' => Symbol::S,
        b'B' => Symbol::from_mnemonic("B")?,
        b'P' => Symbol::PACED,
        b'U' => Symbol::Q,
        b'X' => Symbol::from_mnemonic("|")?,
        _ => Symbol::NOTE,
    };
    let mut annotation = Annotation::new(sample, symbol);
    if symbol == Symbol::NOTE {
        annotation.aux_note = match label {
            b'C' => "calibration pulse".into(),
            _ => char::from(label).to_string(),
        };
    }
    Some(annotation)
}
