//! From the signal at the contract's rate to prepared beats.

use std::collections::VecDeque;

use crate::pipeline::detector::Detector;
use crate::pipeline::fiducial::FiducialFinder;
use crate::pipeline::input::InputSpec;
use crate::pipeline::malignant::{self, Watch};
use crate::pipeline::quality::Quality;
use crate::pipeline::readable::{Condition, Legibility, Readability, Stretch};
use crate::pipeline::rhythm::RhythmMemory;
use crate::pipeline::template::PatientMemory;
use crate::record::error::Result;
use crate::signal::filter::BandPass;
use crate::signal::recent::RecentSignal;

/// Longest wait for the next beat in seconds. An RR interval beyond it counts
/// as this long in the rhythm features.
pub(crate) const LONGEST_RR: f64 = 2.0;
/// Beats that can wait at once without a new allocation: more than fit into
/// the longest wait at 300 beats per minute.
const WAITING: usize = 32;
/// A frequency in the middle of the QRS, at which the filter's delay is taken.
const QRS_FREQUENCY: f64 = 12.0;

/// A beat's place before it is prepared.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Frame of the filtered signal near the beat, then its fiducial point.
    frame: f64,
    /// The caller's mark that it comes from.
    mark: Option<u64>,
}

/// A prepared beat; times in frames since the last restart, before filtering.
pub(crate) struct Segment<'a> {
    pub fiducial: f64,
    pub mark: Option<u64>,
    pub window: &'a [f32],
    pub rhythm: &'a [f32],
    pub rr: Option<f64>,
    pub quality: f32,
    pub fibrillation: bool,
    pub readable: bool,
}

/// What the segmenter passes on, in the order of decision.
pub(crate) enum Passed<'a> {
    Beat(Segment<'a>),
    /// A malignant rhythm begins or has ended.
    Episode(malignant::Episode),
    Unreadable(Stretch),
}

/// Filters, finds beats, and cuts them out. Allocates only in
/// [`Segmenter::new`], unless marks come denser than [`WAITING`] allows.
pub(crate) struct Segmenter {
    spec: InputSpec,
    filters: Vec<BandPass>,
    /// Delay of the filters in frames.
    lag: f64,
    signal: RecentSignal,
    detector: Option<Detector>,
    finder: FiducialFinder,
    readability: Readability,
    /// Where beats are detected, malignant rhythms are too.
    watch: Option<Watch>,
    /// The filters of the watch where the contract has none.
    watch_filters: Vec<BandPass>,
    filtered: Vec<f32>,
    legibility: Legibility,
    memory: PatientMemory,
    rhythm_memory: RhythmMemory,
    quality: Quality,
    /// Places whose fiducial point is not yet known, and those that wait for
    /// their window and their successor.
    found: VecDeque<Place>,
    waiting: VecDeque<Place>,
    previous: Option<f64>,
    excerpt: Vec<f32>,
    window: Vec<f32>,
    rhythm: Vec<f32>,
}

impl Segmenter {
    /// A segmenter for signals at the contract's rate.
    pub fn new(spec: &InputSpec, detect: bool) -> Result<Segmenter> {
        let leads = spec.lead_count();
        let filters = match spec.band {
            Some(band) => vec![BandPass::new(band, spec.fs)?; leads],
            None => Vec::new(),
        };
        let lag = filters
            .first()
            .map_or(0.0, |f| f.delay(QRS_FREQUENCY, spec.fs));
        let detector = if detect {
            Some(Detector::new(spec.fs, leads)?)
        } else {
            None
        };
        let watch_filters = match spec.band {
            None if detect => vec![BandPass::new(malignant::BAND, spec.fs)?; leads],
            _ => Vec::new(),
        };
        let finder = FiducialFinder::new(spec.fs, leads);
        let memory = PatientMemory::new(spec.fs, leads, spec.before, spec.after);
        let seconds = LONGEST_RR + Detector::DELAY;
        // The oldest waiting beat, its excerpt, and the search around a mark.
        let capacity =
            (seconds * spec.fs) as usize + memory.reach() + 2 * finder.look_ahead() as usize;
        Ok(Segmenter {
            spec: spec.clone(),
            filters,
            lag,
            signal: RecentSignal::new(leads, capacity),
            detector,
            finder,
            readability: Readability::new(spec.fs, leads),
            watch: detect.then(|| Watch::new(spec.fs, leads)),
            watch_filters,
            filtered: vec![0.0; leads],
            legibility: Legibility::new(),
            rhythm_memory: RhythmMemory::new(),
            quality: Quality::new(spec.fs),
            found: VecDeque::with_capacity(WAITING),
            waiting: VecDeque::with_capacity(WAITING),
            previous: None,
            excerpt: vec![0.0; leads * memory.reach()],
            window: vec![0.0; spec.window_values()],
            rhythm: vec![0.0; spec.rhythm.len()],
            memory,
        })
    }

    /// Longest time in seconds from a beat's fiducial point to its emission.
    pub fn delay(&self) -> f64 {
        let window = self.memory.reach_after() as f64 / self.spec.fs;
        window.max(LONGEST_RR + Detector::DELAY) + self.lag / self.spec.fs
    }

    /// So many seconds of a flat line are an asystole.
    pub fn set_asystole(&mut self, seconds: f64) {
        if let Some(watch) = &mut self.watch {
            watch.set_asystole(seconds);
        }
    }

    /// A beat near this frame; ascending.
    pub fn mark(&mut self, frame: u64, mark: u64) {
        self.found.push_back(Place {
            frame: frame as f64 + self.lag.round(),
            mark: Some(mark),
        });
    }

    /// Takes the next frame in and passes on the beats that it completes.
    #[inline]
    pub fn push(&mut self, frame: &[f32], emit: &mut impl FnMut(Passed<'_>)) {
        if let Some(change) = self.readability.push(frame) {
            if let Some(detector) = &mut self.detector {
                detector.turn(change);
            }
            let told = self.legibility.turn(change);
            told.into_iter()
                .flatten()
                .for_each(|s| emit(Passed::Unreadable(s)));
        }
        self.filtered.copy_from_slice(frame);
        for (filter, x) in self.filters.iter_mut().zip(&mut self.filtered) {
            *x = filter.step(*x);
        }
        self.signal.push(self.filtered.iter().copied());
        if let Some(watch) = &mut self.watch {
            for (filter, x) in self.watch_filters.iter_mut().zip(&mut self.filtered) {
                *x = filter.step(*x);
            }
            // A flat line may be a heart that stands still.
            let condition = self.readability.condition();
            let readable = matches!(condition, Condition::Readable | Condition::Flat);
            watch.push(&self.filtered, readable, &mut |e| emit(Passed::Episode(e)));
        }
        if let Some(detector) = &mut self.detector
            && let Some(position) = detector.push(frame)
        {
            self.found.push_back(Place {
                frame: position as f64 + self.lag.round(),
                mark: None,
            });
        }
        let seen = self.signal.len();
        while let Some(place) = self.found.front() {
            if (seen as f64) < place.frame + self.finder.look_ahead() as f64 {
                break;
            }
            self.find_next();
        }
        while let Some(place) = self.waiting.front() {
            let since = seen as f64 - place.frame;
            let patience = (LONGEST_RR + Detector::DELAY) * self.spec.fs;
            if since < self.memory.reach_after() as f64 + 1.0
                || (self.waiting.len() < 2 && since < patience)
            {
                break;
            }
            self.emit_next(Some(LONGEST_RR), emit);
        }
    }

    /// Passes on what still waits, with zeros for what was not recorded; the
    /// next frame is number 0 of a new stretch of the same patient. `last` is
    /// the last frame of this one.
    pub fn restart(&mut self, last: &[f32], emit: &mut impl FnMut(Passed<'_>)) {
        let len = self.signal.len();
        if let Some(detector) = &mut self.detector {
            // The detector decides late: let it see the end from behind.
            let wait = if len > 0 { detector.delay() } else { 0 };
            let end = len.saturating_sub((Detector::TAIL * self.spec.fs).ceil() as u64);
            for _ in 0..wait {
                if let Some(position) = detector.push(last).filter(|p| *p < end) {
                    self.found.push_back(Place {
                        frame: position as f64 + self.lag.round(),
                        mark: None,
                    });
                }
            }
            detector.restart();
        }
        while !self.found.is_empty() {
            self.find_next();
        }
        while !self.waiting.is_empty() {
            self.emit_next(None, emit);
        }
        let told = self.legibility.end(len);
        told.into_iter().for_each(|s| emit(Passed::Unreadable(s)));
        self.readability.restart();
        if let Some(watch) = &mut self.watch {
            watch.restart(&mut |e| emit(Passed::Episode(e)));
        }
        self.previous = None;
        self.rhythm_memory.interrupt();
        let filters = self.filters.iter_mut().chain(&mut self.watch_filters);
        filters.for_each(BandPass::reset);
        self.signal.restart();
    }

    /// Forgets the patient too, and drops what waits.
    pub fn reset(&mut self) {
        self.found.clear();
        self.waiting.clear();
        self.readability.restart();
        if let Some(watch) = &mut self.watch {
            watch.reset();
        }
        self.legibility.reset();
        self.previous = None;
        let filters = self.filters.iter_mut().chain(&mut self.watch_filters);
        filters.for_each(BandPass::reset);
        self.signal.restart();
        self.memory.clear();
        self.rhythm_memory.clear();
        if let Some(detector) = &mut self.detector {
            detector.reset();
        }
    }

    fn find_next(&mut self) {
        if let Some(place) = self.found.pop_front() {
            let frame = self.finder.find(&self.signal, place.frame as u64);
            self.waiting.push_back(Place { frame, ..place });
        }
    }

    /// Prepares the beat that has waited longest. `silence` is the RR interval
    /// after it if no beat followed.
    fn emit_next(&mut self, silence: Option<f64>, emit: &mut impl FnMut(Passed<'_>)) {
        let Some(place) = self.waiting.pop_front() else {
            return;
        };
        let fs = self.spec.fs;
        let rr = self.previous.map(|p| (place.frame - p) / fs);
        self.previous = Some(place.frame);
        let next = match self.waiting.front() {
            Some(next) => Some((next.frame - place.frame) / fs),
            None => silence,
        };
        let limited = |rr: f64| rr.min(LONGEST_RR);
        let timing = self.rhythm_memory.place(rr.map(limited), next.map(limited));

        let centre = place.frame.round() as i64;
        let (reach, before) = (self.memory.reach(), self.memory.reach_before());
        for (lead, values) in self.excerpt.chunks_exact_mut(reach).enumerate() {
            self.signal.copy(lead, centre - before as i64, values);
        }
        let quality = self.quality.of(&self.excerpt, reach, before);
        let fiducial = (place.frame - self.lag).max(0.0);
        let (readable, told) = self.legibility.beat(fiducial as u64, quality);
        told.into_iter()
            .flatten()
            .for_each(|s| emit(Passed::Unreadable(s)));
        let likeness = self.memory.take(&mut self.excerpt, timing.previous as f32);

        let length = self.spec.length();
        let from = before.saturating_add_signed(likeness.lag) - self.spec.before;
        let template_from = self.memory.template_before() - self.spec.before;
        let mut channels = self.window.chunks_exact_mut(length);
        for (lead, excerpt) in self.excerpt.chunks_exact(reach).enumerate() {
            let beat = &excerpt[from..from + length];
            if let Some(channel) = channels.next() {
                channel.copy_from_slice(beat);
            }
            if !self.spec.template {
                continue;
            }
            let template = &self.memory.template(lead)[template_from..];
            if let Some(channel) = channels.next() {
                for (d, (x, t)) in channel.iter_mut().zip(beat.iter().zip(template)) {
                    *d = x - t;
                }
            }
        }
        for (value, feature) in self.rhythm.iter_mut().zip(&self.spec.rhythm) {
            *value = feature.value(&timing, &likeness);
        }
        emit(Passed::Beat(Segment {
            fiducial,
            mark: place.mark,
            window: &self.window,
            rhythm: &self.rhythm,
            rr,
            quality,
            fibrillation: (self.watch.as_ref()).is_some_and(Watch::suspects_fibrillation),
            readable,
        }));
    }
}
