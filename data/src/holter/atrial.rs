//! Atrial fibrillation, by a model's probability at each beat or by the rhythm
//! notes of an annotation file.

use crate::holter::list::{Clock, Gathered, percent};
use crate::holter::options::Options;
use crate::holter::summary::{AtrialFibrillation, RhythmSource};

/// What is told of atrial fibrillation.
#[derive(Clone, Debug)]
pub(super) struct Atrial {
    probability: f32,
    /// Seconds of the shortest episode by the model.
    shortest: f64,
    /// Whether any beat had a probability.
    modelled: bool,
    /// First and last beat of the row under way.
    row: Option<(u64, u64)>,
    by_model: Gathered,
    /// Whether any note told of it, and since when the last does.
    was_noted: bool,
    since: Option<u64>,
    by_notes: Gathered,
    /// Samples that could be analysed while a note told of it.
    noted_samples: u64,
}

impl Atrial {
    pub fn new(options: &Options) -> Atrial {
        Atrial {
            probability: options.af_probability,
            shortest: options.af_seconds,
            modelled: false,
            row: None,
            by_model: Gathered::new(options.listed),
            was_noted: false,
            since: None,
            by_notes: Gathered::new(options.listed),
            noted_samples: 0,
        }
    }

    /// A beat that follows the one before it.
    pub fn beat(&mut self, sample: u64, probability: Option<f32>, clock: &Clock) {
        self.modelled |= probability.is_some();
        if probability.is_some_and(|p| p >= self.probability) {
            let (start, _) = self.row.unwrap_or((sample, sample));
            self.row = Some((start, sample));
        } else {
            self.interrupt(clock);
        }
    }

    /// The next beat does not follow the last.
    pub fn interrupt(&mut self, clock: &Clock) {
        if let Some((start, end)) = self.row.take() {
            let episode = clock.episode(start, end);
            if episode.seconds >= self.shortest {
                self.by_model.take(episode);
            }
        }
    }

    /// A note tells of the rhythm from here on.
    pub fn noted(&mut self, fibrillation: bool, at: u64, clock: &Clock) {
        self.was_noted |= fibrillation;
        match (fibrillation, self.since) {
            (true, None) => self.since = Some(at),
            (false, Some(start)) => {
                self.since = None;
                self.by_notes.take(clock.episode(start, at));
            }
            _ => {}
        }
    }

    /// So many samples could be analysed.
    pub fn analysable(&mut self, samples: u64) {
        if self.since.is_some() {
            self.noted_samples += samples;
        }
    }

    /// What it comes to, of so many seconds that could be analysed.
    pub fn told(self, clock: &Clock, analysable: f64) -> Option<AtrialFibrillation> {
        let (source, gathered) = match (self.modelled, self.was_noted) {
            (true, _) => (RhythmSource::Model, self.by_model),
            (false, true) => (RhythmSource::Annotations, self.by_notes),
            (false, false) => return None,
        };
        let episodes = gathered.episodes();
        let seconds = match source {
            RhythmSource::Model => episodes.seconds,
            RhythmSource::Annotations => clock.seconds(self.noted_samples),
        };
        Some(AtrialFibrillation {
            source,
            burden: percent(seconds, analysable),
            episodes,
        })
    }
}
