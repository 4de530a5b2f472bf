//! Annotation files that are written as the annotations come.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{END, Encoder, made_here};
use crate::output::Temporary;
use crate::record::annotation::Annotation;
use crate::record::error::{Error, Result};

/// Writes an annotation file one annotation at a time. The file appears, whole,
/// when [`AnnotationWriter::commit`] is called; or before, when
/// [`AnnotationWriter::write_through`] is, and then it grows and is a whole
/// annotation file at any time.
pub struct AnnotationWriter {
    file: File,
    /// Until the file has its own name.
    temporary: Option<Temporary>,
    path: PathBuf,
    /// What the file does not hold yet.
    encoder: Encoder,
    /// Where the end mark of a file with its own name lies.
    end: u64,
}

impl AnnotationWriter {
    /// Begins an annotation file such as `DIR/100.mon` whose sample numbers are
    /// frames of the record; for others see [`crate::formats::wfdb::Clock::create`].
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be written.
    pub fn create(path: &Path) -> Result<AnnotationWriter> {
        AnnotationWriter::begin(path, None)
    }

    /// Begins a file whose sample numbers count at `fs` samples per second, which
    /// it states, or frames of the record.
    pub(in super::super) fn begin(path: &Path, fs: Option<f64>) -> Result<AnnotationWriter> {
        let (temporary, file) = Temporary::beside(path)?;
        let mut encoder = Encoder::default();
        encoder.definitions(&made_here(fs, Vec::new()).notes)?;
        Ok(AnnotationWriter {
            file,
            temporary: Some(temporary),
            path: path.into(),
            encoder,
            end: 0,
        })
    }

    /// What [`AnnotationWriter::begin`] puts before the first annotation.
    pub(in super::super) fn preamble(fs: Option<f64>) -> Result<Vec<u8>> {
        let mut encoder = Encoder::default();
        encoder.definitions(&made_here(fs, Vec::new()).notes)?;
        Ok(encoder.bytes)
    }

    /// Adds the next annotation, in memory.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the annotation cannot be expressed in the format.
    pub fn write(&mut self, annotation: &Annotation) -> Result<()> {
        self.encoder.put(annotation)
    }

    /// Brings to disk what was added so far, for good, and gives the file its
    /// name where it has none yet.
    ///
    /// Whatever happens meanwhile, the file holds what it held, or all: the new
    /// annotations come behind the end mark, and only then take its place.
    ///
    /// # Errors
    /// [`Error::Io`]; then the file is as before, and the next call tries again.
    pub fn write_through(&mut self) -> Result<()> {
        let written = match &self.temporary {
            Some(_) => self.first(),
            None => self.more(),
        };
        written.map_err(Error::io(&self.path))?;
        if let Some(temporary) = self.temporary.take() {
            temporary.persist(&self.path)?;
        }
        self.end += self.encoder.bytes.len() as u64;
        self.encoder.bytes.clear();
        Ok(())
    }

    fn first(&mut self) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&self.encoder.bytes)?;
        self.file.write_all(&END)?;
        self.file.sync_all()
    }

    fn more(&mut self) -> std::io::Result<()> {
        let Some((first, rest)) = self.encoder.bytes.split_first_chunk::<2>() else {
            return Ok(());
        };
        let behind = self.end + END.len() as u64;
        self.file.seek(SeekFrom::Start(behind))?;
        let added = self.file.write_all(rest);
        let added = added.and_then(|()| self.file.write_all(&END));
        if let Err(error) = added.and_then(|()| self.file.sync_data()) {
            // Some readers go on behind an end mark.
            let _ = self.file.set_len(behind);
            return Err(error);
        }
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(first)?;
        self.file.sync_data()
    }

    /// Ends the file, under its name.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn commit(mut self) -> Result<()> {
        self.write_through()
    }

    /// Removes the file, under whatever name.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn discard(self) -> Result<()> {
        match self.temporary {
            Some(_) => Ok(()),
            None => std::fs::remove_file(&self.path).map_err(Error::io(&self.path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::wfdb::{AnnotationFile, write_annotations};
    use crate::record::annotation::Symbol;

    #[test]
    fn writing_one_by_one_gives_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, streamed) = (folder.path().join("a.atr"), folder.path().join("b.atr"));
        let mut all = vec![Annotation::new(18, Symbol::RHYTHM)];
        all[0].aux_note = "(AFIB".into();
        all.extend((0..500).map(|i| Annotation::new(20 + 900 * i, Symbol::V)));
        all[7].subtype = 1;
        write_annotations(&whole, &all).unwrap();
        let mut writer = AnnotationWriter::create(&streamed).unwrap();
        for annotation in &all {
            writer.write(annotation).unwrap();
        }
        assert!(!streamed.exists());
        writer.commit().unwrap();
        assert_eq!(
            std::fs::read(whole).unwrap(),
            std::fs::read(streamed).unwrap()
        );
    }

    #[test]
    fn what_is_written_through_can_be_read_at_any_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mon");
        let mut writer = AnnotationWriter::create(&path).unwrap();
        let all: Vec<_> = (1..9)
            .map(|i| Annotation::new(70_000 * i, Symbol::N))
            .collect();
        for (count, annotation) in all.iter().enumerate() {
            writer.write_through().unwrap();
            let file = AnnotationFile::read(&path).unwrap();
            assert_eq!(file.annotations, all[..count]);
            assert_eq!(file.notes, made_here(None, Vec::new()).notes);
            writer.write(annotation).unwrap();
            writer.write_through().unwrap();
        }
        writer.commit().unwrap();
        let grown = std::fs::read(&path).unwrap();
        write_annotations(&path, &all).unwrap();
        assert_eq!(grown, std::fs::read(&path).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    /// A power cut may come after any of the bytes that are added.
    #[test]
    fn a_file_whose_growth_is_cut_holds_what_it_held() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mon");
        let mut writer = AnnotationWriter::create(&path).unwrap();
        writer.write(&Annotation::new(5, Symbol::V)).unwrap();
        writer.write_through().unwrap();
        let held = std::fs::read(&path).unwrap();
        writer.write(&Annotation::new(70_000, Symbol::N)).unwrap();
        writer.write_through().unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in held.len()..=whole.len() {
            let bytes = [&held, &whole[held.len()..cut]].concat();
            let file = AnnotationFile::parse(&bytes).unwrap();
            assert_eq!(file.annotations, [Annotation::new(5, Symbol::V)]);
        }
    }

    #[test]
    fn what_is_discarded_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mon");
        for through in [false, true] {
            let mut writer = AnnotationWriter::create(&path).unwrap();
            writer.write(&Annotation::new(5, Symbol::V)).unwrap();
            if through {
                writer.write_through().unwrap();
            }
            writer.discard().unwrap();
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}
