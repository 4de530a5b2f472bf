//! What in a recording is worth a look: the stretches that become strips.

use std::ops::Range;

use data::holter::{Episode, Summary};
use data::record::aami::Class;
use models::contract::Reject;

use crate::beats::{Beat, BeatLog};
use crate::words::length;

/// Seconds of a strip: 175 mm of paper, which a page of A4 holds.
pub const STRIP: f64 = 7.0;
/// Seconds of it before what does not fit into it, and to both sides of what does.
const LEAD_IN: f64 = 2.0;
const MARGIN: f64 = 0.4;
/// Strips of one kind of episode at most.
const OF_A_KIND: usize = 3;
/// Doubtful beats with a strip, and seconds that lie between two of them at least.
const DOUBTFUL: usize = 8;
const APART: f64 = 30.0;
/// Beats that a strip is about at most.
const ABOUT: usize = 8;

/// A stretch that is worth a look.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Its name among the page's links, such as `longest-v-run`.
    pub id: String,
    /// What it shows, with its figures.
    pub title: String,
    /// Samples of the recording, at most up to its end.
    pub span: Range<u64>,
    /// The places of the beats that it is about, in the log.
    pub about: Vec<usize>,
}

/// The stretches that are worth a look, what is more urgent first. Two that begin
/// within a second of each other are one.
pub fn findings(summary: &Summary, log: &BeatLog) -> Vec<Finding> {
    let end = (summary.time.duration * summary.fs).round() as u64;
    let mut found = Finder {
        log,
        end,
        found: Vec::new(),
    };
    let s = summary;
    found.episodes(
        "vf",
        "Ventricular fibrillation or flutter",
        &s.ventricular_fibrillation.longest,
    );
    found.episodes("asystole", "Asystole", &s.asystole.longest);
    found.episodes(
        "vt",
        "Ventricular tachycardia by the signal",
        &s.ventricular_tachycardia.longest,
    );
    for (ectopy, class) in [(&s.ventricular, Class::V), (&s.supraventricular, Class::S)] {
        let name = class.name();
        let small = name.to_ascii_lowercase();
        found.run(
            &format!("longest-{small}-run"),
            &format!("Longest {name} run"),
            ectopy.runs.longest,
        );
        found.run(
            &format!("fastest-{small}-run"),
            &format!("Fastest {name} run"),
            ectopy.runs.fastest,
        );
    }
    found.episodes("pause", "Pause", &s.pauses.longest);
    found.episodes(
        "no-beats",
        "No beat found in a readable signal",
        first(&s.no_beats.longest),
    );
    if let Some(af) = &s.atrial_fibrillation {
        found.episodes("af", "Atrial fibrillation", first(&af.episodes.longest));
    }
    found.episodes("bigeminy", "Bigeminy", first(&s.bigeminy.longest));
    found.episodes("trigeminy", "Trigeminy", first(&s.trigeminy.longest));
    if let Some(early) = s.r_on_t.earliest.first() {
        let title = format!(
            "R-on-T: V beat {:.2} s after the beat before, where QT is expected to be {:.2} s",
            early.rr, early.qt
        );
        found.at("r-on-t", &title, early.at.sample);
    }
    for (id, title, rate) in [
        ("fastest", "Highest heart rate", s.heart_rate.max),
        ("slowest", "Lowest heart rate", s.heart_rate.min),
    ] {
        if let Some(rate) = rate {
            // It is the mean of intervals that end here.
            let count = s.options.thresholds.intervals;
            let seconds = count as f64 * 60.0 / rate.rate;
            let shown = found.samples(seconds.min(STRIP - 2.0 * MARGIN));
            let span = [rate.at.sample.saturating_sub(shown), rate.at.sample];
            let title = format!("{title}: {:.0}/min over {count} intervals", rate.rate);
            found.add(id, &title, span, found.about(span));
        }
    }
    found.rows();
    found.doubtful();
    found.found
}

/// Whether a finding can be about a beat: it is ectopic, or left to a human.
pub fn may_concern(log: &BeatLog, beat: &Beat) -> bool {
    log.aami(beat) != Some(Class::N) || beat.reject == Some(Reject::Uncertain)
}

/// The first of them, if any.
fn first(episodes: &[Episode]) -> &[Episode] {
    &episodes[..episodes.len().min(1)]
}

struct Finder<'a> {
    log: &'a BeatLog,
    /// Samples of the recording.
    end: u64,
    found: Vec<Finding>,
}

impl Finder<'_> {
    fn samples(&self, seconds: f64) -> u64 {
        (seconds * self.log.fs).round() as u64
    }

    /// A strip around what begins at `start` and ends at `end`.
    fn add(&mut self, id: &str, title: &str, [start, end]: [u64; 2], about: Vec<usize>) {
        let length = self.samples(STRIP);
        // What fits lies in the middle; of what does not, the beginning is shown.
        let spare = length.saturating_sub(end.saturating_sub(start)) / 2;
        let before = match spare >= self.samples(MARGIN) {
            true => spare,
            false => self.samples(LEAD_IN),
        };
        let from = start.saturating_sub(before);
        let from = from.min(self.end.saturating_sub(length));
        let span = from..self.end.min(from + length);
        let near = self.samples(1.0);
        let same = |f: &&mut Finding| f.span.start.abs_diff(span.start) < near;
        if let Some(before) = self.found.iter_mut().find(same) {
            before.title = format!("{}; {title}", before.title);
            before.about.extend(about);
            before.about.sort_unstable();
            before.about.dedup();
            before.about.truncate(ABOUT);
            return;
        }
        self.found.push(Finding {
            id: id.into(),
            title: title.into(),
            span,
            about,
        });
    }

    /// The beats of a class in a stretch; of any class but N without one.
    fn about(&self, [start, end]: [u64; 2]) -> Vec<usize> {
        let within = self.log.between(start, end.saturating_add(1));
        let ectopic = |&i: &usize| self.log.aami(&self.log.beats[i]) != Some(Class::N);
        within.filter(ectopic).take(ABOUT).collect()
    }

    fn episodes(&mut self, id: &str, title: &str, episodes: &[Episode]) {
        for (i, episode) in episodes.iter().take(OF_A_KIND).enumerate() {
            let id = match i {
                0 => id.to_owned(),
                i => format!("{id}-{}", i + 1),
            };
            let span = [episode.start.sample, episode.end.sample];
            let title = format!("{title}: {}", figures(episode));
            self.add(&id, &title, span, self.about(span));
        }
    }

    fn run(&mut self, id: &str, title: &str, run: Option<Episode>) {
        if let Some(run) = run {
            let span = [run.start.sample, run.end.sample];
            self.add(
                id,
                &format!("{title}: {}", figures(&run)),
                span,
                self.about(span),
            );
        }
    }

    fn at(&mut self, id: &str, title: &str, sample: u64) {
        let span = [sample, sample];
        self.add(id, title, span, self.about(span));
    }

    /// The first triplet and the first couplet of each class, and of its single
    /// beats the most certain one.
    fn rows(&mut self) {
        for class in [Class::V, Class::S] {
            let mut rows = Vec::new();
            let mut row: Option<Range<usize>> = None;
            for (i, beat) in self.log.beats.iter().enumerate() {
                let is = self.log.aami(beat) == Some(class) && beat.reject.is_none();
                let goes_on = row.as_ref().is_some_and(|r| r.end == i) && !beat.begins;
                match (&mut row, is && goes_on) {
                    (Some(row), true) => row.end = i + 1,
                    _ => {
                        rows.extend(row.take());
                        row = is.then_some(i..i + 1);
                    }
                }
            }
            rows.extend(row);
            let certain = |row: &Range<usize>| self.log.beats[row.start].probability;
            let singles = rows.iter().filter(|row| row.len() == 1);
            let single = singles.max_by(|a, b| certain(a).total_cmp(&certain(b)));
            let name = class.name();
            for (kind, row) in [
                ("triplet", rows.iter().find(|row| row.len() == 3)),
                ("couplet", rows.iter().find(|row| row.len() == 2)),
                ("single", single),
            ] {
                if let Some(row) = row.cloned() {
                    let [a, b] = [row.start, row.end - 1].map(|i| self.log.beats[i].sample);
                    let title = match kind {
                        "single" => format!("Single {name} beat, the most certain one"),
                        _ => format!("First {name} {kind}"),
                    };
                    let id = format!("{}-{kind}", name.to_ascii_lowercase());
                    self.add(&id, &title, [a, b], row.collect());
                }
            }
        }
    }

    /// The least certain beats, some time apart.
    fn doubtful(&mut self) {
        let mut doubtful: Vec<usize> = (0..self.log.beats.len())
            .filter(|&i| self.log.beats[i].reject == Some(Reject::Uncertain))
            .collect();
        let certain = |i: &usize| self.log.beats[*i].probability;
        doubtful.sort_by(|a, b| certain(a).total_cmp(&certain(b)).then(a.cmp(b)));
        let apart = self.samples(APART);
        let mut taken: Vec<u64> = Vec::new();
        for index in doubtful {
            let beat = self.log.beats[index];
            if taken.len() == DOUBTFUL {
                break;
            }
            if taken.iter().all(|t| t.abs_diff(beat.sample) >= apart) {
                taken.push(beat.sample);
                let title = format!(
                    "Doubtful: {} with a probability of {:.2}",
                    self.log.classes.name(usize::from(beat.class)),
                    beat.probability
                );
                let id = format!("doubtful-{}", taken.len());
                self.add(&id, &title, [beat.sample; 2], vec![index]);
            }
        }
    }
}

/// How long an episode is, its beats and its rate.
fn figures(episode: &Episode) -> String {
    let mut text = length(episode.seconds);
    if let Some(beats) = episode.beats {
        text = format!("{beats} beats, {text}");
    }
    if let Some(rate) = episode.rate {
        text = format!("{text}, {rate:.0}/min");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beats::tests::log;
    use data::holter::{Holter, Options};

    fn found(classes: &str) -> Vec<Finding> {
        let log = log(0.8, classes);
        let mut holter = Holter::new(log.fs, None, Options::default());
        for beat in &log.beats {
            let class = log.aami(beat).unwrap();
            holter.beat(&data::holter::Beat {
                begins: beat.begins,
                ..data::holter::Beat::new(beat.sample, class)
            });
        }
        findings(&holter.finish(100 * 60), &log)
    }

    fn of<'a>(found: &'a [Finding], id: &str) -> &'a Finding {
        let here = found.iter().find(|f| f.id == id);
        here.unwrap_or_else(|| panic!("{id} in {found:?}"))
    }

    #[test]
    fn a_run_is_shown_with_what_goes_before_it() {
        let classes = format!("{}VVVV{}", "N".repeat(20), "N".repeat(30));
        let found = found(&classes);
        let run = of(&found, "longest-v-run");
        assert!(
            run.title
                .starts_with("Longest V run: 4 beats, 2.4 s, 75/min; Fastest V run")
        );
        assert_eq!(run.about, [20, 21, 22, 23]);
        // The run begins at 16.8 s, and its 2.4 s lie in the middle of 7 s.
        assert_eq!(run.span, 1450..2150);
    }

    #[test]
    fn the_ends_of_a_recording_cut_nothing_off() {
        let found = found(&format!("V{}SS", "N".repeat(71)));
        // The first beat lies at 0.8 s, and so does one of the slowest rate's.
        let single = found.iter().find(|f| f.title.contains("Single V"));
        let single = single.unwrap();
        assert!(
            single.span.contains(&80) && single.about == [0],
            "{single:?}"
        );
        assert_eq!(single.span.end - single.span.start, 700);
        assert_eq!(of(&found, "s-couplet").span, 5300..6000);
    }

    #[test]
    fn the_least_certain_beats_are_shown_some_time_apart() {
        let mut log = log(0.8, &"N".repeat(70));
        for (index, probability) in [(10, 0.4), (11, 0.3), (60, 0.5)] {
            log.beats[index].reject = Some(Reject::Uncertain);
            log.beats[index].probability = probability;
        }
        let holter = Holter::new(log.fs, None, Options::default());
        let found = findings(&holter.finish(6000), &log);
        let doubtful = found.iter().filter(|f| f.id.starts_with("doubtful"));
        let titles: Vec<_> = doubtful.map(|f| (f.title.as_str(), &f.about)).collect();
        assert_eq!(
            titles,
            [
                ("Doubtful: N with a probability of 0.30", &vec![11]),
                ("Doubtful: N with a probability of 0.50", &vec![60]),
            ]
        );
    }
}
