//! What happened, in sentences and as a list of episodes.

use data::holter::{Ectopy, Episode, Episodes};

use crate::Report;
use crate::clock::{Clock, duration};
use crate::page::fixed;

/// A row of ventricular beats, and one that is slower than a run.
const V_RUN: &str = "V run";
const IDIOVENTRICULAR: &str = "idioventricular rhythm";

/// An episode in the list.
pub(crate) struct EpisodeRow {
    sample: u64,
    pub from: String,
    pub length: String,
    pub what: String,
    pub beats: String,
    pub rate: String,
}

impl Report {
    /// The episodes that the numbers list, in order of time.
    pub(crate) fn episode_rows(&self, clock: &Clock) -> Vec<EpisodeRow> {
        let s = &self.summary;
        let none = Vec::new();
        let af = s.atrial_fibrillation.as_ref();
        let vf = &s.ventricular_fibrillation.longest;
        let vt = &s.ventricular_tachycardia.longest;
        let kinds = [
            ("ventricular fibrillation or flutter", vf),
            ("ventricular tachycardia, by the waveform", vt),
            ("asystole", &s.asystole.longest),
            ("no beat found", &s.no_beats.longest),
            ("pause", &s.pauses.longest),
            (V_RUN, &s.ventricular.runs.list),
            ("S run", &s.supraventricular.runs.list),
            ("bigeminy", &s.bigeminy.longest),
            ("trigeminy", &s.trigeminy.longest),
            ("bradycardia", &s.bradycardia.longest),
            ("tachycardia", &s.tachycardia.longest),
            (
                "atrial fibrillation",
                af.map_or(&none, |af| &af.episodes.longest),
            ),
        ];
        let slow = s.options.thresholds.run_rate;
        let all = kinds.into_iter().flat_map(|(what, episodes)| {
            episodes.iter().map(move |episode| EpisodeRow {
                sample: episode.start.sample,
                from: clock.time(episode.start.sample),
                length: length(episode.seconds),
                what: match what == V_RUN && episode.rate.is_some_and(|rate| rate < slow) {
                    true => IDIOVENTRICULAR.into(),
                    false => what.into(),
                },
                beats: episode.beats.map_or_else(String::new, |n| n.to_string()),
                rate: fixed(episode.rate, 0),
            })
        });
        let mut rows: Vec<EpisodeRow> = all.collect();
        rows.sort_by_key(|row| row.sample);
        rows
    }

    /// What happened, in a few sentences.
    pub(crate) fn sentences(&self, clock: &Clock) -> Vec<String> {
        let s = &self.summary;
        let mut said = Vec::new();
        let part = 100.0 * s.time.analysable / s.time.duration.max(1e-9);
        if part < 99.5 {
            said.push(format!(
                "{part:.0} % of the recording could be analysed; in the rest the signal is absent or cannot be read, and nothing is said of it."
            ));
        }
        for (episodes, what) in [
            (
                &s.ventricular_fibrillation,
                "ventricular fibrillation or flutter",
            ),
            (&s.asystole, "asystole"),
            (
                &s.ventricular_tachycardia,
                "ventricular tachycardia by the shape of the signal",
            ),
        ] {
            said.extend(told(episodes, what, clock));
        }
        said.extend(told(&s.pauses, "a pause", clock));
        for (ectopy, what) in [
            (&s.ventricular, "ventricular (V)"),
            (&s.supraventricular, "supraventricular (S)"),
        ] {
            said.push(rows(ectopy, what, clock));
        }
        if let Some(af) = &s.atrial_fibrillation {
            said.push(format!(
                "Atrial fibrillation: {} episodes, {:.1} % of the analysable time.",
                af.episodes.count, af.burden
            ));
        }
        if s.beats.rejected.count > 0 {
            said.push(format!(
                "{} beats ({:.1} %) need review: they are counted with their class, and are no part of the heart-rate variability.",
                s.beats.rejected.count, s.beats.rejected.percent
            ));
        }
        said
    }
}

/// How often something occurs, and when for the longest time.
fn told(episodes: &Episodes, what: &str, clock: &Clock) -> Option<String> {
    let longest: &Episode = episodes.longest.first()?;
    let at = clock.time(longest.start.sample);
    let lasts = length(longest.seconds);
    Some(match episodes.count {
        1 => format!("One episode of {what}: {lasts} at {at}."),
        count => format!(
            "{count} episodes of {what}, {} in all: the longest lasts {lasts}, at {at}.",
            length(episodes.seconds)
        ),
    })
}

/// A length of time, to a tenth of a second where it is short.
pub(crate) fn length(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.1} s"),
        s => duration(s),
    }
}

fn rows(ectopy: &Ectopy, what: &str, clock: &Clock) -> String {
    if ectopy.beats == 0 {
        return format!("No {what} ectopic beat.");
    }
    let mut text = format!(
        "{} {what} ectopic beats, {:.2} % of all",
        ectopy.beats, ectopy.burden
    );
    if let Some(longest) = &ectopy.runs.longest {
        let run = |run: &Episode| {
            format!(
                "{} beats at {:.0}/min, at {}",
                run.beats.unwrap_or(0),
                run.rate.unwrap_or(0.0),
                clock.time(run.start.sample)
            )
        };
        let count = ectopy.runs.count;
        let runs = if count == 1 { "run" } else { "runs" };
        text += &format!(
            ", with {count} {runs} of 3 and more: the longest has {}",
            run(longest)
        );
        if let Some(fastest) = ectopy.runs.fastest.filter(|fastest| fastest != longest) {
            text += &format!("; the fastest has {}", run(&fastest));
        }
    }
    text + "."
}

#[cfg(test)]
mod tests {
    use super::*;
    use data::holter::{Runs, Time};

    fn episode(seconds: f64, beats: u64, rate: f64) -> Episode {
        let time = |seconds: f64| Time {
            sample: (100.0 * seconds) as u64,
            seconds,
        };
        Episode {
            start: time(60.0),
            end: time(60.0 + seconds),
            seconds,
            beats: Some(beats),
            rate: Some(rate),
        }
    }

    #[test]
    fn episodes_are_told_by_number_length_and_place() {
        let clock = Clock::new(100.0, None);
        let episodes = |count, seconds| Episodes {
            count,
            seconds,
            longest: vec![episode(12.5, 0, 0.0)],
            extreme: None,
        };
        let told = |count, seconds| told(&episodes(count, seconds), "a pause", &clock).unwrap();
        assert_eq!(told(1, 12.5), "One episode of a pause: 12.5 s at 0:01:00.");
        assert_eq!(
            told(3, 90.0),
            "3 episodes of a pause, 0:01:30 in all: the longest lasts 12.5 s, at 0:01:00."
        );
        assert_eq!(super::told(&Episodes::default(), "a pause", &clock), None);
    }

    #[test]
    fn the_longest_run_is_told_and_the_fastest_where_it_is_another() {
        let clock = Clock::new(100.0, None);
        let (long, fast) = (episode(3.0, 5, 100.0), episode(1.0, 3, 180.0));
        let mut ectopy = Ectopy {
            beats: 8,
            burden: 0.5,
            runs: Runs {
                count: 2,
                longest: Some(long),
                fastest: Some(fast),
                ..Runs::default()
            },
            ..Ectopy::default()
        };
        assert_eq!(
            rows(&ectopy, "V", &clock),
            "8 V ectopic beats, 0.50 % of all, with 2 runs of 3 and more: the longest has 5 beats at 100/min, at 0:01:00; the fastest has 3 beats at 180/min, at 0:01:00."
        );
        ectopy.runs.fastest = Some(long);
        assert!(!rows(&ectopy, "V", &clock).contains("fastest"));
        assert_eq!(rows(&Ectopy::default(), "V", &clock), "No V ectopic beat.");
    }
}
