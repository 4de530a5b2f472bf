//! Inputs of every kind as chunks of prepared beats.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use data::beat_files::kaggle;
use data::beat_files::store::Store;
use data::datasets::dataset::REFERENCE;
use data::formats::wfdb;
use data::formats::wfdb::AnnotationFile;
use data::pipeline::beats::Beats;
use data::pipeline::input::InputSpec;
use data::pipeline::prepare;

use crate::classifier::BATCH;

/// Where the beats of a recording come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fiducials {
    /// The annotator's beats, which then have labels.
    Annotator(String),
    /// The QRS detector's.
    Detector,
    /// The reference annotator's where the record has it, else the detector's.
    Either,
}

/// Beats of one input, a batch at a time.
pub type Chunks = Box<dyn Iterator<Item = Result<Beats>> + Send>;

/// One input.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path as the user gave it, or the record's path inside a folder.
    pub path: PathBuf,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Kaggle,
    Store(Box<InputSpec>),
    /// A recording, the annotator whose beats are used, and its first lead.
    Record {
        annotator: Option<String>,
        lead: Option<String>,
    },
}

/// The first bytes of an HDF5 file.
const HDF5_SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";

/// Which beats of a recording are classified.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Where the beats come from.
    pub fiducials: Fiducials,
    /// The lead that is taken for the first; `None` for the record's own.
    pub lead: Option<String>,
}

impl Source {
    /// The inputs behind a path: a Kaggle CSV file, an HDF5 store, a WFDB
    /// record with or without `.hea`, or every record of a folder.
    ///
    /// # Errors
    /// There is nothing of the kind, or a file is not readable.
    pub fn find(path: &Path, choice: &Choice) -> Result<Vec<Source>> {
        if path.is_dir() {
            let names = wfdb::record_names(path)?.into_iter();
            return names
                .map(|name| Source::record(path.join(name), choice))
                .collect();
        }
        if path.extension().is_some_and(|e| e == "hea") {
            return Ok(vec![Source::record(path.with_extension(""), choice)?]);
        }
        if !path.exists() && path.with_added_extension("hea").exists() {
            return Ok(vec![Source::record(path.into(), choice)?]);
        }
        if !path.exists() {
            bail!(
                "{}: there is no such input; give a CSV file in the Kaggle format, an HDF5 store, or a WFDB record as FOLDER/100 for FOLDER/100.hea",
                path.display()
            );
        }
        let kind = if starts_as_hdf5(path).with_context(|| path.display().to_string())? {
            Kind::Store(Box::new(Store::open(path)?.input().clone()))
        } else {
            Kind::Kaggle
        };
        Ok(vec![Source {
            path: path.into(),
            kind,
        }])
    }

    fn record(path: PathBuf, choice: &Choice) -> Result<Source> {
        let annotations = |annotator: &str| path.with_added_extension(annotator);
        let annotator = match &choice.fiducials {
            Fiducials::Annotator(name) => {
                let file = annotations(name);
                if !file.exists() {
                    bail!(
                        "{}: there is no such annotation file; name another annotator with --reference, or use --detect",
                        file.display()
                    );
                }
                Some(name.clone())
            }
            Fiducials::Either if annotations(REFERENCE).exists() => Some(REFERENCE.into()),
            Fiducials::Either | Fiducials::Detector => None,
        };
        let lead = choice.lead.clone();
        Ok(Source {
            path,
            kind: Kind::Record { annotator, lead },
        })
    }

    /// How the rows were prepared; `None` for a recording, which is prepared
    /// as the model asks.
    pub fn input(&self) -> Option<InputSpec> {
        match &self.kind {
            Kind::Kaggle => Some(InputSpec::kaggle()),
            Kind::Store(input) => Some((**input).clone()),
            Kind::Record { .. } => None,
        }
    }

    /// Whether this is a recording.
    pub fn is_record(&self) -> bool {
        matches!(self.kind, Kind::Record { .. })
    }

    /// The beats, a batch at a time; a recording's are prepared for `input`.
    ///
    /// # Errors
    /// The file cannot be opened, or the recording not be prepared; errors
    /// inside a file come from the iterator.
    pub fn chunks(&self, input: &InputSpec) -> Result<Chunks> {
        Ok(match &self.kind {
            Kind::Kaggle => Box::new(kaggle::Reader::open(&self.path, BATCH)?.map(|c| Ok(c?))),
            Kind::Store(_) => {
                let store = Store::open(&self.path)?;
                let starts = (0..store.len()).step_by(BATCH);
                Box::new(starts.map(move |start| {
                    let end = store.len().min(start + BATCH);
                    Ok(store.rows(start, end)?)
                }))
            }
            Kind::Record { annotator, lead } => {
                let beats = self.prepare(annotator.as_deref(), lead.as_deref(), input)?;
                Box::new(batches(beats))
            }
        })
    }

    fn prepare(
        &self,
        annotator: Option<&str>,
        lead: Option<&str>,
        input: &InputSpec,
    ) -> Result<Beats> {
        let mut record = wfdb::read_record(&self.path)?;
        if let Some(lead) = lead {
            let at = record.signals.iter().position(|s| s.name == lead);
            let at = at.with_context(|| {
                let names: Vec<_> = record.signals.iter().map(|s| s.name.as_str()).collect();
                let path = self.path.display();
                format!(
                    "{path}: there is no lead {lead}; it has {}",
                    names.join(", ")
                )
            })?;
            record.signals.swap(0, at);
        }
        let prepared = match annotator {
            Some(annotator) => {
                let file = AnnotationFile::read(&self.path.with_added_extension(annotator))?;
                prepare::record(&record, &file.at_rate(record.fs), input)
            }
            None => prepare::detected(&record, input),
        };
        prepared.with_context(|| self.path.display().to_string())
    }
}

fn starts_as_hdf5(path: &Path) -> std::io::Result<bool> {
    let mut start = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(HDF5_SIGNATURE.len() as u64)
        .read_to_end(&mut start)?;
    Ok(start == HDF5_SIGNATURE)
}

fn batches(beats: Beats) -> impl Iterator<Item = Result<Beats>> + Send {
    // What was noted is passed on where there is no beat, too.
    let starts = (0..beats.len()).step_by(BATCH);
    let nothing = (beats.is_empty() && !beats.notes.is_empty()).then_some(0);
    starts.chain(nothing).map(move |start| {
        let rows: Vec<usize> = (start..beats.len().min(start + BATCH)).collect();
        Ok(beats.select(&rows))
    })
}
