//! Labelled beats of a recording to its report.

use std::ops::Range;
use std::path::Path;

use data::formats::Recording;
use data::holter::Options;
use data::pipeline::lead_choice::Chosen;

use crate::credits::{credits, of_portion};
use crate::engine::{Chunks, Engine};
use crate::findings::{Finding, findings};
use crate::labelled::Labelled;
use crate::signal::{Excerpt, gather};
use crate::{Credit, Labels, Report, Strip, Subject};

/// Steps of the envelope in a second, for a day; a longer recording has as many
/// steps, so that its page does not grow without bounds.
const PER_SECOND: f64 = 20.0;
const MOST_STEPS: f64 = 3_500_000.0;

/// What a report is made of, beside its labelled beats.
pub struct Making<'a, M> {
    /// The recording.
    pub recording: &'a Recording,
    /// The leads that the model read, of which the first is shown.
    pub chosen: &'a Chosen,
    /// Samples of that lead.
    pub end: u64,
    /// The model that gave the classes, or the file of annotations that did.
    pub labels: Source<'a, M>,
    /// Limits of the numbers.
    pub options: Options,
    /// SHA-256 of the recording's files, in hexadecimal.
    pub sha256: String,
    /// The program and its version.
    pub program: &'a str,
}

/// Who gave the beats their classes.
pub enum Source<'a, M> {
    /// A model, which explains them, too.
    Model(&'a M),
    /// An annotation file.
    Annotations(&'a Path),
}

impl<M: Engine> Making<'_, M> {
    /// Makes the report. `again` prepares all beats once more, where some have to be
    /// explained that were not kept; `path` is what messages call the recording.
    ///
    /// # Errors
    /// The recording cannot be read; those of the model.
    pub fn report<'c>(
        self,
        mut labelled: Labelled,
        path: &Path,
        again: impl FnOnce() -> Result<Chunks<'c, M::Error>, M::Error>,
    ) -> Result<Report, M::Error> {
        let recording = self.recording;
        let lead = self.chosen.places[0];
        let summary = labelled.numbers(recording.start, self.end, self.options);
        let Labelled {
            log, notes, kept, ..
        } = labelled;
        let found = findings(&summary, &log);
        let spans: Vec<Range<u64>> = found.iter().map(|f| f.span.clone()).collect();
        let per_second = PER_SECOND.min(MOST_STEPS / summary.time.duration.max(1.0));
        let about = found.iter().flat_map(|f| &f.about);
        let mut about: Vec<u64> = about.map(|&place| place as u64).collect();
        about.sort_unstable();
        about.dedup();
        let credited = || {
            // A few beats that were not kept have it all prepared once more.
            let portion = kept.as_ref().and_then(|kept| kept.portion(&about));
            match (&self.labels, portion) {
                (Source::Annotations(_), _) => Ok(Vec::new()),
                (Source::Model(model), Some(portion)) => {
                    of_portion(model.explainer(), portion, &log)
                }
                (Source::Model(model), None) => {
                    credits(model.explainer(), (path, again()?), &log, about.clone())
                }
            }
        };
        // Neither waits for the other.
        let (gathered, credited) = std::thread::scope(|scope| {
            let gathered = scope.spawn(|| gather(recording, lead, &log, &spans, per_second));
            let credited = credited();
            let gathered = gathered.join();
            (
                gathered.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                credited,
            )
        });
        let (gathered, credited) = (gathered?, credited?);
        Ok(Report {
            subject: self.subject(),
            log,
            notes,
            preamble: recording.clock().preamble()?,
            summary,
            strips: strips(found, gathered.excerpts, &credited),
            means: gathered.means,
            envelope: gathered.envelope,
        })
    }

    /// What the recording is called, and what was done with it.
    fn subject(self) -> Subject {
        let labels = match self.labels {
            Source::Model(model) => {
                let contract = model.contract();
                Labels::Model {
                    name: models::shipped::file_name(model.path()),
                    recipe: contract.training.recipe.clone(),
                    data: contract.training.data.clone(),
                    contract_sha256: contract.hash(),
                    reject_threshold: contract.reject_threshold,
                }
            }
            Source::Annotations(file) => {
                let name = file.file_name().unwrap_or_default();
                Labels::Annotations {
                    name: name.to_string_lossy().into_owned(),
                }
            }
        };
        let lead = &self.recording.leads[self.chosen.places[0]];
        let remarks = self.chosen.remarks.iter().chain(&lead.remark);
        Subject {
            record: self.recording.name.clone(),
            lead: match lead.name.as_str() {
                "" => "without a name".into(),
                name => name.into(),
            },
            sha256: self.sha256,
            start: self.recording.start,
            labels,
            program: self.program.into(),
            remarks: remarks.cloned().collect(),
        }
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
