//! One recording to its page.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data::episodes::Thresholds;
use data::formats;
use data::holter::Options;
use data::output::OutputFile;
use data::pipeline::beats::Beats;
use data::pipeline::input::Layout;
use data::pipeline::lead_choice;
use data::pipeline::prepare::Batches;
use data::record::checksum;
use models::Contract;
use models::contract::Decision;
use report::{Engine, Making, Report, labelled};
use sha2::{Digest, Sha256};

use super::arguments::Arguments;
use crate::classifier::{Classifier, Prediction};
use crate::error::{Error, Result};
use crate::explain::graph::Explainer;
use crate::pool::BATCH;
use crate::source::Source;

/// A recording's name and version in the page.
const PROGRAM: &str = concat!("ectopy ", env!("CARGO_PKG_VERSION"));

/// The model behind the pages, where no annotations are.
pub(crate) struct Model {
    pub classifier: Arc<Classifier>,
    pub explainer: Arc<Explainer>,
    /// SHA-256 of the files of both, in hexadecimal.
    sha256: String,
}

impl Model {
    /// Loads a model and what explains it.
    ///
    /// # Errors
    /// As [`Classifier::load`] and [`Explainer::of`].
    pub fn load(path: &Path, threads: usize) -> Result<Model> {
        let classifier = Classifier::with_threads(path, threads)?;
        let explainer = Explainer::of(path, threads)?;
        Model::of(classifier.into(), explainer.into())
    }

    /// A model and what explains it, which others may use, too.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn of(classifier: Arc<Classifier>, explainer: Arc<Explainer>) -> Result<Model> {
        let files = [classifier.path(), explainer.path()];
        let hashes = files.into_iter().map(checksum::of_file);
        Ok(Model {
            sha256: hashes.collect::<data::Result<Vec<_>>>()?.concat(),
            classifier,
            explainer,
        })
    }
}

/// What a page is made from, and how.
pub(super) struct Origin {
    /// SHA-256 over the files of the recording.
    recording: String,
    /// All of it as one number: a page that has it needs not be made again.
    fingerprint: String,
}

/// A recording and where its page goes.
pub(super) struct Job {
    pub source: Source,
    pub page: PathBuf,
}

impl Job {
    /// Where the same content goes as JSON.
    pub fn json(&self) -> PathBuf {
        self.page.with_extension("json")
    }

    /// What the page is made from, and how.
    pub fn origin(&self, model: Option<&Model>, arguments: &Arguments) -> Result<Origin> {
        let recording = recording_sha256(&self.source)?;
        let mut hash = Sha256::new();
        hash.update(&recording);
        if let Some(model) = model {
            hash.update(&model.sha256);
        }
        for file in [
            arguments.annotations.clone(),
            arguments
                .reference
                .as_deref()
                .map(|annotator| formats::annotation_path(&self.source.path, annotator)),
        ]
        .into_iter()
        .flatten()
        {
            hash.update(checksum::of_file(&file)?);
        }
        hash.update(format!(
            "{PROGRAM} {:?} {:?} {} {:?}",
            arguments.lead, arguments.reference, arguments.pause, arguments.samples
        ));
        Ok(Origin {
            recording,
            fingerprint: checksum::hexadecimal(&hash.finalize()),
        })
    }

    /// Whether the page is there already, made from the same and in the same way.
    pub fn is_done(&self, origin: &Origin, json: bool) -> bool {
        let of_page = report::fingerprint(&self.page);
        of_page.as_ref() == Some(&origin.fingerprint) && (!json || self.json().is_file())
    }

    /// Makes the page, whole or not at all.
    ///
    /// # Errors
    /// The recording cannot be read or prepared, or a file not be written.
    pub fn make(
        &self,
        model: Option<&Model>,
        arguments: &Arguments,
        origin: &Origin,
    ) -> Result<()> {
        let report = self.report(model, arguments, origin)?;
        let html = report.html(&origin.fingerprint)?;
        let mut files = vec![(self.page.clone(), html)];
        if arguments.json {
            // The page comes last: where it is, all is.
            files.insert(0, (self.json(), report.json()));
        }
        let mut written = Vec::new();
        for (path, text) in &files {
            let mut file = OutputFile::create(path)?;
            file.write_all(text.as_bytes())
                .map_err(data::Error::io(path))?;
            written.push(file);
        }
        for file in written {
            file.commit()?;
        }
        Ok(())
    }

    fn report(
        &self,
        model: Option<&Model>,
        arguments: &Arguments,
        origin: &Origin,
    ) -> Result<Report> {
        let recording = self.source.recording()?;
        let extents = recording.check()?;
        let names = model.map_or(&[][..], |m| &m.classifier.contract.input.leads);
        let asked = arguments.lead.as_deref();
        let chosen = lead_choice::choose_for(&recording, &extents, names, asked)?;
        let (labels, labelled) = match (model, &arguments.annotations) {
            (Some(model), _) => {
                let labelled = if streamed(model, arguments) {
                    labelled::by_detector(model, &recording, &chosen, BATCH)?
                } else {
                    let beats = self.source.chunks(&model.classifier.contract)?;
                    labelled::by_model(model, beats, &recording, &chosen)?
                };
                (report::Source::Model(model), labelled)
            }
            (None, Some(file)) => (
                report::Source::Annotations(file),
                labelled::by_annotations(&recording, &chosen, file)?,
            ),
            (None, None) => return Err(Error::usage("no model and no annotations".into())),
        };
        let making = Making {
            recording: &recording,
            chosen: &chosen,
            end: extents[chosen.places[0]].samples,
            labels,
            options: Options {
                thresholds: Thresholds {
                    pause: arguments.pause,
                    ..Thresholds::default()
                },
                ..Options::default()
            },
            sha256: origin.recording.clone(),
            program: PROGRAM,
        };
        making.report(labelled, &self.source.path, || {
            let model = model.ok_or_else(|| Error::usage("no model".into()))?;
            let input = &model.classifier.contract.input;
            if !streamed(model, arguments) {
                return self.source.chunks(&model.classifier.contract);
            }
            let found = Batches::new(&recording, &chosen.places, input, BATCH)?;
            Ok(Box::new(found.map(|beats| Ok(beats?))))
        })
    }
}

/// Whether beats are found while the recording is read; else they come from an
/// annotator or are cut from the whole of it.
fn streamed(model: &Model, arguments: &Arguments) -> bool {
    let layout = model.classifier.contract.input.layout;
    arguments.reference.is_none() && layout == Layout::Window
}

impl Engine for Model {
    type Error = Error;
    type Explainer = Explainer;

    fn contract(&self) -> &Contract {
        &self.classifier.contract
    }

    fn path(&self) -> &Path {
        self.classifier.path()
    }

    fn decide(
        &self,
        beats: report::Chunks<'_, Error>,
        sink: &mut dyn FnMut(Beats, Vec<Decision>) -> Result<()>,
    ) -> Result<()> {
        self.classifier.stream(beats, |beats, predictions| {
            let decisions = predictions.iter().map(Prediction::decision);
            sink(beats, decisions.collect())
        })
    }

    fn explainer(&self) -> &Explainer {
        &self.explainer
    }
}

/// SHA-256 over the files of a recording.
fn recording_sha256(recording: &Source) -> Result<String> {
    let files = recording.files()?;
    let hashes: Vec<String> = files
        .iter()
        .map(|file| checksum::of_file(file))
        .collect::<data::Result<_>>()?;
    Ok(checksum::joined(&hashes))
}
