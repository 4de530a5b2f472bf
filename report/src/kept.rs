//! Prepared beats that strips may be about, kept while a recording is classified, so
//! that it need not be prepared once more to explain a few of them.
//!
//! Which beats strips are about is known at the end. Until then every beat is kept
//! that a strip can be about, and where these become many, those of the last part
//! are thinned to the beats that its own findings are about: what is the longest, the
//! first or the least certain of all is that of its part, too. Where a beat is missed
//! all the same, [`Kept::portion`] says so.

use data::holter::Options;
use data::pipeline::beats::Beats;
use models::Contract;
use models::explain::{InputBatch, Portion};

use crate::BeatLog;
use crate::findings::{findings, may_concern};
use crate::labelled::Labelled;

/// Values of windows and features that are kept: 64 MiB, and a day of a model of
/// 300 values a beat has room for half of its beats.
const MOST: usize = 1 << 24;
/// Seconds at both ends of a part that are kept as they are: an episode may reach
/// over the end, and the choice of doubtful beats looks 30 s around.
const MARGIN: f64 = 120.0;

/// Beats that strips may be about.
pub(crate) struct Kept {
    most: usize,
    /// Nothing is kept for a model with a memory, which needs the beats before, too.
    beats: Option<Beats>,
    /// The place in the log of each row, ascending.
    places: Vec<usize>,
    /// Where the part that is not thinned yet begins: in the log and its notes, and
    /// among the rows.
    log: usize,
    notes: usize,
    row: usize,
}

impl Kept {
    /// Nothing yet, for the beats of a model of this contract.
    pub fn new(contract: &Contract) -> Kept {
        let beats = Beats::new(contract.input.clone(), &contract.classes);
        Kept {
            most: MOST,
            beats: contract.memory.is_none().then_some(beats),
            places: Vec::new(),
            log: 0,
            notes: 0,
            row: 0,
        }
    }

    /// Takes the beats that were labelled last, those of the log from `first` on.
    ///
    /// # Errors
    /// The beats were prepared in another way than those before.
    pub fn take(&mut self, beats: &Beats, labelled: &Labelled, first: usize) -> data::Result<()> {
        let Some(kept) = &mut self.beats else {
            return Ok(());
        };
        let log = &labelled.log;
        let concerned = |row: &usize| may_concern(log, &log.beats[first + row]);
        let rows: Vec<usize> = (0..beats.len()).filter(concerned).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let mut chosen = beats.select(&rows);
        chosen.classes.clone_from(&kept.classes);
        kept.append(&chosen)?;
        // A name for each batch would add up.
        kept.record_names.clear();
        self.places.extend(rows.iter().map(|row| first + row));
        if kept.windows.len() + kept.rhythm.len() > self.most {
            self.thin(labelled);
        }
        Ok(())
    }

    /// Leaves of the last part the beats that its findings are about, and its ends.
    fn thin(&mut self, labelled: &Labelled) {
        let log = &labelled.log;
        let (Some(kept), [first, .., last]) = (&mut self.beats, &log.beats[self.log..]) else {
            return;
        };
        let ends = {
            let margin = (MARGIN * log.fs) as u64;
            first.sample + margin..last.sample.saturating_sub(margin)
        };
        let mut part = Labelled {
            log: BeatLog {
                fs: log.fs,
                classes: log.classes.clone(),
                beats: log.beats[self.log..].to_vec(),
            },
            notes: labelled.notes[self.notes..].to_vec(),
            gaps: Vec::new(),
            kept: None,
        };
        let summary = part.numbers(None, last.sample + 1, Options::default());
        let found = findings(&summary, &part.log);
        let mut about: Vec<usize> = found.into_iter().flat_map(|f| f.about).collect();
        about.iter_mut().for_each(|place| *place += self.log);
        about.sort_unstable();
        let stays = |row: &usize| {
            let place = self.places[*row];
            let within = ends.contains(&log.beats[place].sample);
            *row < self.row || !within || about.binary_search(&place).is_ok()
        };
        let rows: Vec<usize> = (0..self.places.len()).filter(stays).collect();
        *kept = kept.select(&rows);
        self.places = rows.iter().map(|row| self.places[*row]).collect();
        (self.log, self.notes) = (log.beats.len(), labelled.notes.len());
        self.row = self.places.len();
    }

    /// The beats at these places of the log, where all of them were kept.
    pub fn portion(&self, places: &[u64]) -> Option<Portion> {
        let row = |place: &u64| self.places.binary_search(&(*place as usize)).ok();
        let rows: Vec<usize> = places.iter().map(row).collect::<Option<_>>()?;
        Some(Portion {
            beats: self.beats.as_ref()?.select(&rows),
            numbers: places.to_vec(),
            earlier: vec![InputBatch::default(); rows.len()],
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::Beat;
    use data::Classes;
    use data::pipeline::input::InputSpec;
    use models::contract::Reject;

    use super::*;

    /// Rows in 100 Hz of a beat every 0.8 s, each window full of its place; runs of
    /// V beats that grow and shrink again, single S beats, and doubtful N beats.
    fn labelled(count: usize) -> Labelled {
        let classes = Classes::aami5();
        let place = |name| classes.names().position(|n| n == name).unwrap() as u8;
        let (n, s, v) = (place("N"), place("S"), place("V"));
        let beat = |i: usize| {
            let part = i / 100;
            let run = 1 + (7 * part) % 23;
            let class = match i % 100 {
                at if (40..40 + run).contains(&at) => v,
                at if at % 30 == 5 => s,
                _ => n,
            };
            let doubtful = i.is_multiple_of(37);
            Beat {
                sample: 80 * (i as u64 + 1),
                class,
                probability: 0.3 + ((i * 7919) % 1000) as f32 / 2000.0,
                reject: doubtful.then_some(Reject::Uncertain),
                begins: i == 0,
            }
        };
        Labelled {
            log: BeatLog {
                fs: 100.0,
                beats: (0..count).map(beat).collect(),
                classes,
            },
            notes: Vec::new(),
            gaps: Vec::new(),
            kept: None,
        }
    }

    fn rows(spec: &InputSpec, places: std::ops::Range<usize>) -> Beats {
        let mut beats = Beats::new(spec.clone(), &Classes::aami5());
        for place in places {
            let values = vec![place as f32; spec.window_values()];
            beats.windows.extend(values);
            beats.rhythm.extend(vec![0.0; spec.rhythm.len()]);
        }
        beats
    }

    /// Takes the beats of a log in batches, with room for so many values.
    fn kept(whole: &mut Labelled, most: usize) -> Kept {
        let spec = InputSpec::window();
        let mut kept = Kept {
            most,
            beats: Some(Beats::new(spec.clone(), &whole.log.classes)),
            places: Vec::new(),
            log: 0,
            notes: 0,
            row: 0,
        };
        let all = std::mem::take(&mut whole.log.beats);
        for (i, batch) in all.chunks(64).enumerate() {
            let first = 64 * i;
            whole.log.beats.extend(batch);
            let beats = rows(&spec, first..first + batch.len());
            kept.take(&beats, whole, first).unwrap();
        }
        kept
    }

    #[test]
    fn what_findings_are_about_is_kept_though_most_is_thinned() {
        let mut whole = labelled(20_000);
        let values = InputSpec::window().window_values();
        let all = kept(&mut whole, usize::MAX);
        let few = kept(&mut whole, 1000 * values);
        assert!(all.places.len() > 3000, "{}", all.places.len());
        assert!(few.places.len() < 2500, "{}", few.places.len());
        let end = whole.log.beats.last().unwrap().sample + 80;
        let summary = whole.numbers(None, end, Options::default());
        let found = findings(&summary, &whole.log);
        let mut about: Vec<u64> = found
            .iter()
            .flat_map(|f| &f.about)
            .map(|&place| place as u64)
            .collect();
        about.sort_unstable();
        about.dedup();
        assert!(about.len() > 30, "{about:?}");
        for kept in [all, few] {
            let portion = kept.portion(&about).unwrap();
            assert_eq!(portion.numbers, about);
            for (row, place) in about.iter().enumerate() {
                assert_eq!(portion.beats.window(row)[0], *place as f32);
            }
        }
    }

    #[test]
    fn what_was_not_kept_is_said() {
        let mut whole = labelled(300);
        let kept = kept(&mut whole, usize::MAX);
        // Beat 1 is N and certain, beat 5 is S.
        assert!(kept.portion(&[5]).is_some());
        assert!(kept.portion(&[1, 5]).is_none());
        let nothing = Kept {
            beats: None,
            ..kept
        };
        assert!(nothing.portion(&[5]).is_none());
    }
}
