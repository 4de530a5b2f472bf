//! The same content as the page's as JSON. Its fields are described in
//! `docs/report.md`.

use data::holter::{NOTICE, Summary};
use serde::Serialize;

use crate::{Report, Subject};

/// Version of the document's own layout.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    made_by: &'a str,
    version: u32,
    notice: &'a str,
    subject: &'a Subject,
    numbers: &'a Summary,
    findings: Vec<Found<'a>>,
    classes: Vec<&'a str>,
    doubtful: Vec<Doubtful<'a>>,
}

#[derive(Serialize)]
struct Found<'a> {
    id: &'a str,
    title: &'a str,
    first_sample: u64,
    end_sample: u64,
    beats: Vec<Labelled<'a>>,
}

/// A beat that a strip is about.
#[derive(Serialize)]
struct Labelled<'a> {
    sample: u64,
    class: &'a str,
    probability: f32,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    reasons: &'a [String],
}

/// A beat that is left to a human.
#[derive(Serialize)]
struct Doubtful<'a> {
    sample: u64,
    class: &'a str,
    probability: f32,
}

impl Report {
    /// The content as indented JSON.
    pub fn json(&self) -> String {
        let class = |index: usize| {
            let beat = &self.log.beats[index];
            self.log.classes.name(usize::from(beat.class))
        };
        let findings = self.strips.iter().map(|strip| {
            let [first_sample, end_sample] = strip.span();
            let beats = strip.about.iter().map(|&index| {
                let credit = strip.credits.iter().find(|c| c.beat == index);
                Labelled {
                    sample: self.log.beats[index].sample,
                    class: class(index),
                    probability: self.log.beats[index].probability,
                    reasons: credit.map_or(&[], |c| &c.reasons),
                }
            });
            Found {
                id: &strip.id,
                title: &strip.title,
                first_sample,
                end_sample,
                beats: beats.collect(),
            }
        });
        let doubtful = self.doubtful().into_iter().map(|index| Doubtful {
            sample: self.log.beats[index].sample,
            class: class(index),
            probability: self.log.beats[index].probability,
        });
        let document = Document {
            made_by: data::output::made_here::MAKER,
            version: VERSION,
            notice: NOTICE,
            subject: &self.subject,
            numbers: &self.summary,
            findings: findings.collect(),
            classes: self.log.classes.names().collect(),
            doubtful: doubtful.collect(),
        };
        // Nothing in it can fail to be written: every key is text.
        let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
        text.push('\n');
        text
    }
}
