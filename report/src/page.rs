//! The page: numbers as text, pictures as SVG, beats and signal for its script.

use std::io::Read;
use std::path::Path;

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use data::holter::{Episode, NOTICE, Rate, Summary};
use data::record::aami::Class;
use models::contract::Reject;
use serde_json::json;

use crate::charts;
use crate::clock::{Clock, duration};
use crate::colours;
use crate::error::Result;
use crate::words::EpisodeRow;
use crate::{Labels, Report};

/// Bytes of a page within which its fingerprint lies.
const HEAD: u64 = 1024;
/// What stands before it.
const FINGERPRINT: &str = "<meta name=\"fingerprint\" content=\"";

/// The fingerprint that a page was made with; `None` where the file is no page.
pub fn fingerprint(page: &Path) -> Option<String> {
    let mut head = Vec::new();
    let file = std::fs::File::open(page).ok()?;
    file.take(HEAD).read_to_end(&mut head).ok()?;
    let head = String::from_utf8_lossy(&head).into_owned();
    let (_, rest) = head.split_once(FINGERPRINT)?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// The script of every page, for who must say which scripts may run.
pub const SCRIPT: &str = include_str!("../templates/report.js");

/// Beats of a strip whose reasons are told.
const EXPLAINED: usize = 3;
/// Beats in the list of those that a human should see, at most.
const LISTED: usize = 200;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    notice: &'a str,
    fingerprint: &'a str,
    report: &'a Report,
    summary: &'a Summary,
    clock: Clock,
    style: &'a str,
    script: &'a str,
    data: String,
    charts: Charts,
    classes: Vec<ClassRow>,
    strips: Vec<StripView>,
    doubtful: Vec<DoubtfulRow>,
    doubtful_count: usize,
    hours: Vec<HourRow>,
    sentences: Vec<String>,
    episodes: Vec<EpisodeRow>,
    few_normal: bool,
    no_hrv: bool,
}

struct Charts {
    heart_rate: String,
    burden: String,
    tachogram: String,
    poincare: String,
}

struct ClassRow {
    name: String,
    key: String,
    colour: &'static str,
    count: u64,
    percent: f64,
    mean: String,
    mean_of: u64,
    meaning: &'static str,
}

struct StripView {
    id: String,
    title: String,
    time: String,
    svg: String,
    reasons: Vec<String>,
}

struct DoubtfulRow {
    index: usize,
    time: String,
    class: String,
    colour: &'static str,
    probability: String,
}

struct HourRow {
    from: String,
    index: usize,
    beats: u64,
    mean: String,
    range: String,
    s: u64,
    v: u64,
    s_runs: u64,
    v_runs: u64,
    pauses: u64,
    analysable: String,
}

/// What the template says numbers with.
impl Page<'_> {
    /// A number with so many digits behind the point, or a dash.
    fn fixed(&self, value: &Option<f64>, digits: usize) -> String {
        fixed(*value, digits)
    }

    fn whole(&self, value: &Option<f64>) -> String {
        fixed(*value, 0)
    }

    fn rate(&self, rate: &Option<Rate>) -> String {
        fixed(rate.map(|rate| rate.rate), 0)
    }

    /// The beats of a run, if there is one.
    fn beats(&self, run: &Option<Episode>) -> u64 {
        run.and_then(|run| run.beats).unwrap_or(0)
    }

    fn duration(&self, seconds: &f64) -> String {
        duration(*seconds)
    }

    fn time(&self, sample: &u64) -> String {
        self.clock.time(*sample)
    }
}

/// A number with so many digits behind the point, or a dash.
pub(crate) fn fixed(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
}

impl Report {
    /// The page, one self-contained HTML document. It carries `fingerprint`, which
    /// [`fingerprint`] finds again.
    ///
    /// # Errors
    /// The classes are too many for a page.
    pub fn html(&self, fingerprint: &str) -> Result<String> {
        let clock = Clock::new(self.log.fs, self.subject.start);
        let seconds = self.summary.time.duration;
        let doubtful = self.doubtful();
        let marked = self.malignant();
        let page = Page {
            notice: NOTICE,
            fingerprint,
            report: self,
            summary: &self.summary,
            clock,
            style: include_str!("../templates/report.css"),
            script: SCRIPT,
            data: self.data()?,
            charts: Charts {
                heart_rate: charts::heart_rate(&self.summary.minutes, &marked, seconds, &clock),
                burden: charts::burden(&self.summary.minutes, &marked, seconds, &clock),
                tachogram: charts::tachogram(&self.log, seconds, &clock),
                poincare: charts::poincare(&self.summary.hrv.poincare),
            },
            classes: self.class_rows(),
            strips: self.strip_views(&clock),
            doubtful_count: doubtful.len(),
            doubtful: self.doubtful_rows(&doubtful, &clock),
            hours: self.hour_rows(&clock),
            sentences: self.sentences(&clock),
            episodes: self.episode_rows(&clock),
            few_normal: 2 * self.summary.beats.n.count < self.summary.beats.analysed,
            no_hrv: 2 * self.summary.hrv.intervals < self.summary.beats.analysed,
        };
        Ok(page.render()?)
    }

    /// The places of the beats that are left to a human for their probability, the
    /// least certain first.
    pub(crate) fn doubtful(&self) -> Vec<usize> {
        let beats = &self.log.beats;
        let uncertain = |&i: &usize| beats[i].reject == Some(Reject::Uncertain);
        let mut found: Vec<usize> = (0..beats.len()).filter(uncertain).collect();
        let probability = |i: usize| beats[i].probability;
        found.sort_by(|a, b| {
            let order = probability(*a).total_cmp(&probability(*b));
            order.then(a.cmp(b))
        });
        found
    }

    /// From and to when a ventricular arrhythmia or asystole is told by the signal,
    /// in seconds.
    fn malignant(&self) -> Vec<[f64; 2]> {
        let s = &self.summary;
        let kinds = [
            &s.ventricular_fibrillation,
            &s.ventricular_tachycardia,
            &s.asystole,
        ];
        let all = kinds.into_iter().flat_map(|kind| &kind.longest);
        all.map(|e| [e.start.seconds, e.end.seconds]).collect()
    }

    /// What the script needs, as JSON.
    fn data(&self) -> Result<String> {
        let classes: Vec<_> = (0..self.log.classes.len())
            .map(|index| {
                let written = self.log.classes.annotation(index, 0);
                json!({
                    "name": self.log.classes.name(index),
                    "aami": self.log.classes.aami(index).map(Class::name),
                    "colour": colours::of(&self.log.classes, index),
                    "code": written.symbol.code(),
                    "text": written.aux_note,
                })
            })
            .collect();
        let notes: Vec<_> = self
            .notes
            .iter()
            .map(|n| json!([n.sample, n.symbol.code(), n.subtype, n.aux_note]))
            .collect();
        let thresholds = &self.summary.options.thresholds;
        let data = json!({
            "record": self.subject.record,
            "sha256": self.subject.sha256,
            "fs": self.log.fs,
            "samples": (self.summary.time.duration * self.log.fs).round() as u64,
            "start": self.subject.start.map(|s| s.seconds),
            "classes": classes,
            "notes": notes,
            "preamble": STANDARD.encode(&self.preamble),
            "pause": thresholds.pause,
            "silence": thresholds.asystole,
            "run": thresholds.run,
            "intervals": thresholds.intervals,
            "beats": self.log.packed()?,
            "perSecond": self.envelope.per_second,
            "envelope": self.envelope.packed(),
            "step": crate::signal::ENVELOPE_STEP,
        });
        // Inside a script element no text may look like its end.
        Ok(data.to_string().replace('<', "\\u003c"))
    }

    fn class_rows(&self) -> Vec<ClassRow> {
        let mut counts = vec![0; self.log.classes.len()];
        let beats = self.log.beats.iter();
        for beat in beats.filter(|beat| beat.reject != Some(Reject::Quality)) {
            counts[usize::from(beat.class)] += 1;
        }
        let analysed = self.summary.beats.analysed.max(1) as f64;
        (0..self.log.classes.len())
            .map(|index| {
                let mean = self.means.iter().find(|mean| mean.class == index);
                let name = self.log.classes.name(index).to_owned();
                let count: u64 = counts[index];
                ClassRow {
                    key: format!("class.{name}"),
                    name,
                    colour: colours::of(&self.log.classes, index),
                    count,
                    percent: 100.0 * count as f64 / analysed,
                    mean: mean.map_or_else(String::new, |mean| {
                        charts::mean_beat(mean, &self.log.classes, self.log.fs)
                    }),
                    mean_of: mean.map_or(0, |mean| mean.count),
                    meaning: match self.log.classes.aami(index) {
                        Some(Class::N) => "normal, bundle branch block, escape",
                        Some(Class::S) => "supraventricular ectopic",
                        Some(Class::V) => "ventricular ectopic",
                        Some(Class::F) => "fusion",
                        Some(Class::Q) => "paced or unclassifiable",
                        None => "",
                    },
                }
            })
            .collect()
    }

    fn strip_views(&self, clock: &Clock) -> Vec<StripView> {
        let view = |strip: &crate::Strip| {
            let reasons = strip.credits.iter().filter(|c| !c.reasons.is_empty());
            let told = reasons.take(EXPLAINED).map(|credit| {
                let beat = &self.log.beats[credit.beat];
                format!(
                    "{} at {}: {}",
                    self.log.classes.name(usize::from(beat.class)),
                    clock.time(beat.sample),
                    credit.reasons.join(", ")
                )
            });
            StripView {
                id: strip.id.clone(),
                title: strip.title.clone(),
                time: clock.time(strip.span()[0]),
                svg: strip.svg(&self.log, clock),
                reasons: told.collect(),
            }
        };
        self.strips.iter().map(view).collect()
    }

    fn doubtful_rows(&self, doubtful: &[usize], clock: &Clock) -> Vec<DoubtfulRow> {
        let row = |&index: &usize| {
            let beat = &self.log.beats[index];
            let class = usize::from(beat.class);
            DoubtfulRow {
                index,
                time: clock.time(beat.sample),
                class: self.log.classes.name(class).to_owned(),
                colour: colours::of(&self.log.classes, class),
                probability: format!("{:.2}", beat.probability),
            }
        };
        doubtful.iter().take(LISTED).map(row).collect()
    }

    fn hour_rows(&self, clock: &Clock) -> Vec<HourRow> {
        let hours = self.summary.hours.iter();
        hours
            .map(|hour| HourRow {
                from: clock.at(hour.hour as f64 * 3600.0),
                index: hour.hour as usize,
                beats: hour.beats,
                mean: fixed(hour.mean_rate, 0),
                range: match (hour.min_rate, hour.max_rate) {
                    (Some(min), Some(max)) => format!("{min:.0}–{max:.0}"),
                    _ => "–".to_owned(),
                },
                s: hour.s,
                v: hour.v,
                s_runs: hour.s_runs,
                v_runs: hour.v_runs,
                pauses: hour.pauses,
                analysable: format!("{:.0}", hour.analysable_minutes),
            })
            .collect()
    }
}
