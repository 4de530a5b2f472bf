//! One recording to its page.

use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data::episodes::Thresholds;
use data::formats::{self, Recording};
use data::holter::Options;
use data::output::OutputFile;
use data::pipeline::input::Layout;
use data::pipeline::lead_choice::{self, Chosen};
use data::pipeline::prepare::Batches;
use data::record::checksum;
use report::findings::{Finding, findings};
use report::signal::{Excerpt, gather};
use report::{Credit, Labels, Report, Strip, Subject};
use sha2::{Digest, Sha256};

use super::arguments::Arguments;
use super::credits::{credits, of_portion};
use super::kept::Kept;
use super::labelled::{Labelled, by_annotations, by_model, gaps, numbers};
use crate::classifier::Classifier;
use crate::error::{Error, Result};
use crate::explain::graph::Explainer;
use crate::pool::BATCH;
use crate::source::{Chunks, Source};

/// Steps of the envelope in a second, for a day; a longer recording has as many
/// steps, so that its page does not grow without bounds.
const PER_SECOND: f64 = 20.0;
const MOST_STEPS: f64 = 3_500_000.0;
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
        let html = report.html(&origin.fingerprint).map_err(made)?;
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
        let path = &self.source.path;
        let recording = self.source.recording()?;
        let extents = recording.check()?;
        let names = model.map_or(&[][..], |m| &m.classifier.contract.input.leads);
        let asked = arguments.lead.as_deref();
        let chosen = lead_choice::choose_for(&recording, &extents, names, asked)?;
        // The first of the leads that are classified is shown.
        let lead = chosen.places[0];
        let (mut labelled, kept, gaps) = match (model, &arguments.annotations) {
            (Some(model), _) => self.classified(&recording, &chosen, model, arguments)?,
            (None, Some(file)) => {
                let labelled = by_annotations(&recording, file)?;
                (labelled, None, gaps(&recording, lead)?)
            }
            (None, None) => return Err(Error::usage("no model and no annotations".into())),
        };
        let end = extents[lead].samples;
        let options = Options {
            thresholds: Thresholds {
                pause: arguments.pause,
                ..Thresholds::default()
            },
            ..Options::default()
        };
        let summary = numbers(&mut labelled, recording.start, &gaps, end, options);
        let Labelled { log, notes } = labelled;
        let found = findings(&summary, &log);
        let spans: Vec<Range<u64>> = found.iter().map(|f| f.span.clone()).collect();
        let per_second = PER_SECOND.min(MOST_STEPS / summary.time.duration.max(1.0));
        let mut about: Vec<u64> = found
            .iter()
            .flat_map(|f| &f.about)
            .map(|&p| p as u64)
            .collect();
        about.sort_unstable();
        about.dedup();
        let credited = || {
            // A few beats that were not kept have it all prepared once more.
            let portion = kept.as_ref().and_then(|kept| kept.portion(&about));
            match (model, portion) {
                (None, _) => Ok(Vec::new()),
                (Some(model), Some(portion)) => of_portion(&model.explainer, portion, &log),
                (Some(model), None) => {
                    let chunks = self.chunks(&recording, &chosen, model, arguments)?;
                    credits(&model.explainer, (path, chunks), &log, about.clone())
                }
            }
        };
        // Neither waits for the other.
        let (gathered, credited) = std::thread::scope(|scope| {
            let gathered = scope.spawn(|| gather(&recording, lead, &log, &spans, per_second));
            let credited = credited();
            let gathered = gathered.join();
            (
                gathered.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                credited,
            )
        });
        let (gathered, credited) = (gathered.map_err(made)?, credited?);
        Ok(Report {
            subject: subject(&recording, &chosen, model, arguments, origin),
            log,
            notes,
            preamble: recording.clock().preamble()?,
            summary,
            strips: strips(found, gathered.excerpts, &credited),
            means: gathered.means,
            envelope: gathered.envelope,
        })
    }

    /// The recording's beats with the model's classes, those that strips may be
    /// about, and where the lead that is shown lacks samples.
    fn classified(
        &self,
        recording: &Recording,
        chosen: &Chosen,
        model: &Model,
        arguments: &Arguments,
    ) -> Result<(Labelled, Option<Kept>, Vec<[u64; 2]>)> {
        let classifier = &model.classifier;
        let found = self.found(recording, chosen, model, arguments)?;
        let (labelled, kept, gaps) = match found {
            Some(mut found) => {
                let beats = found.by_ref().map(|beats| Ok(beats?));
                let (labelled, kept) = by_model(classifier, beats, recording)?;
                // Leads may differ in length, and the shown one is read to its end.
                let gaps = match chosen.places.len() {
                    1 => found.gaps(),
                    _ => gaps(recording, chosen.places[0])?,
                };
                (labelled, kept, gaps)
            }
            None => {
                let chunks = self.source.chunks(&classifier.contract)?;
                let (labelled, kept) = by_model(classifier, chunks, recording)?;
                (labelled, kept, gaps(recording, chosen.places[0])?)
            }
        };
        Ok((labelled, Some(kept), gaps))
    }

    /// The recording's beats as the model wants them.
    fn chunks(
        &self,
        recording: &Recording,
        chosen: &Chosen,
        model: &Model,
        arguments: &Arguments,
    ) -> Result<Chunks> {
        match self.found(recording, chosen, model, arguments)? {
            Some(found) => Ok(Box::new(found.map(|beats| Ok(beats?)))),
            None => self.source.chunks(&model.classifier.contract),
        }
    }

    /// The recording's beats as the model wants them, found while it is read;
    /// `None` where they come from an annotator or are cut from the whole of it.
    fn found(
        &self,
        recording: &Recording,
        chosen: &Chosen,
        model: &Model,
        arguments: &Arguments,
    ) -> Result<Option<Batches>> {
        let input = &model.classifier.contract.input;
        if arguments.reference.is_some() || input.layout != Layout::Window {
            return Ok(None);
        }
        let found = Batches::new(recording, &chosen.places, input, BATCH)?;
        Ok(Some(found))
    }
}

/// A strip for each finding, with the credits of the beats that it is about.
fn strips(found: Vec<Finding>, excerpts: Vec<Excerpt>, credits: &[Credit]) -> Vec<Strip> {
    let of = |about: &[usize]| -> Vec<Credit> {
        let mine = credits.iter().filter(|c| about.contains(&c.beat));
        mine.cloned().collect()
    };
    let strips = found.into_iter().zip(excerpts);
    strips
        .map(|(finding, excerpt)| Strip {
            id: finding.id,
            title: finding.title,
            excerpt,
            credits: of(&finding.about),
            about: finding.about,
        })
        .collect()
}

/// What the recording is called, and what was done with it.
fn subject(
    recording: &Recording,
    chosen: &Chosen,
    model: Option<&Model>,
    arguments: &Arguments,
    origin: &Origin,
) -> Subject {
    let file_name = |path: &Path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let labels = match (model, &arguments.annotations) {
        (Some(model), _) => {
            let contract = &model.classifier.contract;
            Labels::Model {
                name: models::shipped::file_name(model.classifier.path()),
                recipe: contract.training.recipe.clone(),
                data: contract.training.data.clone(),
                contract_sha256: contract.hash(),
                reject_threshold: contract.reject_threshold,
            }
        }
        (None, file) => Labels::Annotations {
            name: file.as_deref().map(file_name).unwrap_or_default(),
        },
    };
    let lead = &recording.leads[chosen.places[0]];
    let remarks = chosen.remarks.iter().chain(&lead.remark);
    Subject {
        record: recording.name.clone(),
        lead: match lead.name.as_str() {
            "" => "without a name".into(),
            name => name.into(),
        },
        sha256: origin.recording.clone(),
        start: recording.start,
        labels,
        program: PROGRAM.into(),
        remarks: remarks.cloned().collect(),
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

/// What the page's crate says, as this one's error.
fn made(error: report::Error) -> Error {
    match error {
        report::Error::Data(error) => error.into(),
        other => Error::Input(other.to_string()),
    }
}
