//! What sample numbers of annotations count: frames, samples, or ticks of the
//! annotation file's own.

use std::path::Path;

use crate::formats::wfdb::annotation::{AnnotationFile, AnnotationWriter, made_here};
use crate::formats::wfdb::record::Layout;
use crate::record::annotation::Annotation;
use crate::record::error::Result;

/// How time is counted in a record and in the annotation files beside it.
///
/// A record holds so many frames per second, and each frame one or more samples
/// of a signal. The samples that are counted are those of the ECG lead with the
/// most of them per frame, as [`crate::formats::open`] hands them out. An
/// annotation file counts in the time resolution that it states, or else in
/// frames, as the WFDB library does. All annotations of a record are read and
/// written here, so that the units cannot be mixed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clock {
    frame_fs: f64,
    samples_per_frame: usize,
}

impl Clock {
    /// The clock of a record, `FOLDER/100` or `FOLDER/100.hea`.
    ///
    /// # Errors
    /// A header cannot be read, or is none.
    pub fn of(record: &Path) -> Result<Clock> {
        Ok(Layout::read(record)?.clock())
    }

    /// The clock of a record of `frame_fs` frames per second, each of so many
    /// samples of its fastest ECG lead.
    pub(super) fn new(frame_fs: f64, samples_per_frame: usize) -> Clock {
        Clock {
            frame_fs,
            samples_per_frame,
        }
    }

    /// The clock of what has one sample per frame, `fs` a second.
    pub fn single(fs: f64) -> Clock {
        Clock::new(fs, 1)
    }

    /// Samples per second of the record.
    pub fn fs(&self) -> f64 {
        self.frame_fs * self.samples_per_frame as f64
    }

    /// Frames per second: what an annotation file without a time resolution counts.
    pub fn frame_fs(&self) -> f64 {
        self.frame_fs
    }

    /// The time resolution that a file of sample numbers must state; `None`
    /// where samples are frames.
    fn stated(&self) -> Option<f64> {
        (self.samples_per_frame > 1).then(|| self.fs())
    }

    /// The annotations of a file with their times in samples of the record, and
    /// their symbols as the file defines them (see [`AnnotationFile::labels`]).
    pub fn annotations(&self, file: AnnotationFile) -> Vec<Annotation> {
        let own = file.fs().unwrap_or(self.frame_fs);
        let factor = self.fs() / own;
        let mut annotations = file.standard();
        if factor != 1.0 {
            for annotation in &mut annotations {
                annotation.sample = (annotation.sample as f64 * factor).round() as i64;
            }
        }
        annotations
    }

    /// Reads an annotation file of the record, as [`Clock::annotations`].
    ///
    /// # Errors
    /// As [`AnnotationFile::read`].
    pub fn read(&self, path: &Path) -> Result<Vec<Annotation>> {
        Ok(self.annotations(AnnotationFile::read(path)?))
    }

    /// Begins an annotation file of the record for times in samples, and states
    /// the time resolution where these are not frames, as `gqrs -H` does.
    ///
    /// # Errors
    /// [`crate::Error::Io`] when the folder cannot be written.
    pub fn create(&self, path: &Path) -> Result<AnnotationWriter> {
        AnnotationWriter::begin(path, self.stated())
    }

    /// What an annotation file that [`Clock::create`] begins has before its first
    /// annotation, for a program that encodes annotations itself.
    ///
    /// # Errors
    /// None: what is stated can be written.
    pub fn preamble(&self) -> Result<Vec<u8>> {
        AnnotationWriter::preamble(self.stated())
    }

    /// Writes annotations whose times are in samples of the record.
    ///
    /// # Errors
    /// As [`AnnotationFile::write`].
    pub fn write(&self, path: &Path, annotations: &[Annotation]) -> Result<()> {
        made_here(self.stated(), annotations.to_vec()).write(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::annotation::Symbol;

    /// Three samples of the first signal in each of 100 frames per second.
    fn clock() -> (tempfile::TempDir, Clock) {
        let folder = tempfile::tempdir().unwrap();
        let header = "r 2 100 1000\nr.dat 16x3 200\nr.dat 16x2 200\n";
        std::fs::write(folder.path().join("r.hea"), header).unwrap();
        let clock = Clock::of(&folder.path().join("r")).unwrap();
        (folder, clock)
    }

    fn note(text: &str) -> Annotation {
        Annotation {
            aux_note: text.into(),
            ..Annotation::new(0, Symbol::NOTE)
        }
    }

    #[test]
    fn what_is_written_in_samples_is_read_in_samples() {
        let (folder, clock) = clock();
        assert_eq!((clock.fs(), clock.frame_fs()), (300.0, 100.0));
        let beats: Vec<_> = [7, 301, 100_000]
            .map(|s| Annotation::new(s, Symbol::N))
            .into();
        let (whole, streamed) = (folder.path().join("r.a"), folder.path().join("r.b"));
        clock.write(&whole, &beats).unwrap();
        let mut writer = clock.create(&streamed).unwrap();
        beats.iter().for_each(|beat| writer.write(beat).unwrap());
        writer.commit().unwrap();
        assert_eq!(clock.read(&whole).unwrap(), beats);
        let bytes = std::fs::read(&whole).unwrap();
        assert_eq!(bytes, std::fs::read(&streamed).unwrap());
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("## time resolution: 300"), "{text}");
    }

    #[test]
    fn a_file_counts_frames_unless_it_states_a_resolution() {
        let (_folder, clock) = clock();
        let at = |notes: &[&str]| {
            let file = AnnotationFile {
                notes: notes.iter().map(|text| note(text)).collect(),
                annotations: vec![Annotation::new(50, Symbol::N)],
            };
            clock.annotations(file)[0].sample
        };
        assert_eq!(at(&[]), 150);
        assert_eq!(at(&["made by hand"]), 150);
        for (stated, sample) in [
            ("## time resolution: 300", 50),
            ("## time resolution: 100", 150),
            ("## time resolution: 1000.000000000000\0", 15),
            ("## time resolution: 1e3", 15),
            ("##time resolution:600 Hz", 25),
            ("## Time Resolution: 150 samples/second", 100),
            ("## time resolution: 0", 150),
            ("## time resolution: fast", 150),
        ] {
            assert_eq!(at(&["remark", stated]), sample, "{stated}");
        }
    }

    #[test]
    fn samples_that_are_frames_need_no_resolution() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.a");
        let beats = [Annotation::new(3, Symbol::V)];
        Clock::single(360.0).write(&path, &beats).unwrap();
        assert_eq!(AnnotationFile::read(&path).unwrap().fs(), None);
    }
}
