//! Filters the signal at the contract's rate, finds each beat's fiducial point,
//! waits for its window and its successor, and passes on window and features.

use std::collections::VecDeque;

use crate::pipeline::detector::Detector;
use crate::pipeline::fiducial::FiducialFinder;
use crate::pipeline::input::InputSpec;
use crate::pipeline::malignant::{self, Watch};
use crate::pipeline::quality::Quality;
use crate::pipeline::readable::{Change, Condition, Legibility, Readability, Stretch};
use crate::pipeline::rhythm::RhythmMemory;
use crate::pipeline::template::PatientMemory;
use crate::record::error::Result;
use crate::signal::filter::{self, BandPass};
use crate::signal::frames::{Frames, MOST};
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
    /// Frame of the filtered signal: near the beat while in `found`, its
    /// fiducial point once in `waiting`.
    frame: f64,
    /// The caller's mark that it comes from.
    mark: Option<u64>,
}

/// A prepared beat. `fiducial` is in frames since the last restart, less the
/// filters' delay; `mark` is the caller's sample number; `rr` is in seconds.
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
    /// Looks for malignant rhythms where beats are detected; `None` where they
    /// are marked.
    watch: Option<Watch>,
    /// The filters of the watch where the contract has none.
    watch_filters: Vec<BandPass>,
    /// The present frames after the contract's, the watch's and the detector's
    /// filters.
    filtered: Vec<f32>,
    watched: Vec<f32>,
    detected: Vec<f32>,
    /// Changes of condition within the present frames, and the condition at the
    /// frame decided last.
    changes: Vec<(usize, Change)>,
    condition: Condition,
    legibility: Legibility,
    memory: PatientMemory,
    rhythm_memory: RhythmMemory,
    quality: Quality,
    /// Places whose fiducial point is not yet known, and those that wait for
    /// their window and their successor.
    found: VecDeque<Place>,
    waiting: VecDeque<Place>,
    /// Number of frames before which neither queue has anything to do.
    due: u64,
    previous: Option<f64>,
    excerpt: Vec<f32>,
    window: Vec<f32>,
    rhythm: Vec<f32>,
    /// Whether beat features are held within their limits.
    limited: bool,
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
        // It must hold the oldest waiting beat's excerpt and the search around
        // a mark.
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
            filtered: vec![0.0; leads * MOST],
            watched: vec![0.0; leads * MOST],
            detected: vec![0.0; leads * MOST],
            changes: Vec::with_capacity(MOST),
            condition: Condition::Readable,
            legibility: Legibility::new(),
            rhythm_memory: RhythmMemory::new(),
            quality: Quality::new(spec.fs),
            found: VecDeque::with_capacity(WAITING),
            waiting: VecDeque::with_capacity(WAITING),
            due: u64::MAX,
            previous: None,
            excerpt: vec![0.0; leads * memory.reach()],
            window: vec![0.0; spec.window_values()],
            rhythm: vec![0.0; spec.rhythm.len()],
            limited: true,
            memory,
        })
    }

    /// Longest time in seconds from a beat's fiducial point to its emission.
    pub fn delay(&self) -> f64 {
        let window = self.memory.reach_after() as f64 / self.spec.fs;
        window.max(LONGEST_RR + Detector::DELAY) + self.lag / self.spec.fs
    }

    /// Beat features are passed on as they are, beyond their limits too.
    pub fn without_limits(&mut self) {
        self.limited = false;
    }

    /// So many seconds of a flat line are an asystole.
    pub fn set_asystole(&mut self, seconds: f64) {
        if let Some(watch) = &mut self.watch {
            watch.set_asystole(seconds);
        }
    }

    /// Announces a beat near this frame; calls come in ascending order.
    pub fn mark(&mut self, frame: u64, mark: u64) {
        self.found.push_back(Place {
            frame: frame as f64 + self.lag.round(),
            mark: Some(mark),
        });
        self.due = self.next_due();
    }

    /// Takes the next frames in, at most [`MOST`], and passes on the beats,
    /// episodes and unreadable stretches that they decide, each with the index
    /// of the frame that decided it.
    ///
    /// What can be told of each frame by itself is worked out for all of them
    /// first; decisions then go through them one after the other.
    #[inline]
    pub fn push(&mut self, frames: Frames<'_>, emit: &mut impl FnMut(usize, Passed<'_>)) {
        self.filter(frames);
        self.changes.clear();
        let changes = &mut self.changes;
        (self.readability).take(frames, &mut |at, change| changes.push((at, change)));
        let first = self.signal.len();
        let (mut at, mut change) = (0, 0);
        while at < frames.count() {
            let next = self.changes.get(change).copied();
            let next = next.filter(|(place, _)| *place == at);
            if let Some((_, next)) = next {
                change += 1;
                self.turn(next, &mut |passed| emit(at, passed));
            }
            let end = self.changes.get(change).map_or(frames.count(), |c| c.0);
            let start = at;
            let found = self.decide(&mut at, first, end);
            let passed = at - 1;
            if let Some(watch) = &mut self.watch {
                // A flat line may be a heart that stands still.
                let readable = matches!(self.condition, Condition::Readable | Condition::Flat);
                let filtered = match self.watch_filters.is_empty() {
                    true => &self.filtered,
                    false => &self.watched,
                };
                let frames = Frames::new(filtered, frames.count()).part(start..at);
                watch.take(frames, readable, &mut |e| emit(passed, Passed::Episode(e)));
            }
            self.signal.advance(first + at as u64);
            if let Some(position) = found {
                self.found_at(position);
            }
            if self.signal.len() >= self.due {
                self.pass_on(&mut |beat| emit(passed, beat));
                self.due = self.next_due();
            }
        }
    }

    /// Runs all filters over frames, and stores what beats are cut out of.
    #[inline]
    fn filter(&mut self, frames: Frames<'_>) {
        let count = frames.count();
        let outputs = self.filtered.chunks_exact_mut(count);
        let outputs = outputs.zip(self.watched.chunks_exact_mut(count));
        let outputs = outputs.zip(self.detected.chunks_exact_mut(count));
        let leads = frames.leads().zip(outputs).enumerate();
        for (lead, (values, ((filtered, watched), detected))) in leads {
            match &mut self.detector {
                Some(detector) => {
                    let qrs = detector.filter(lead);
                    if let Some(filter) = self.filters.get_mut(lead) {
                        filter::run([filter, qrs], values, [filtered, detected]);
                    } else {
                        filtered.copy_from_slice(values);
                        let watch = &mut self.watch_filters[lead];
                        filter::run([watch, qrs], values, [watched, detected]);
                    }
                }
                None => match self.filters.get_mut(lead) {
                    Some(filter) => filter::run([filter], values, [filtered]),
                    None => filtered.copy_from_slice(values),
                },
            }
            self.signal.store(lead, filtered);
        }
        self.signal.stored(count);
        if let Some(detector) = &mut self.detector {
            detector.take(Frames::new(&self.detected, count));
        }
    }

    /// Tells detector and legibility of a change of condition.
    fn turn(&mut self, change: Change, emit: &mut impl FnMut(Passed<'_>)) {
        self.condition = change.condition;
        if let Some(detector) = &mut self.detector {
            detector.turn(change);
        }
        let told = self.legibility.turn(change);
        told.into_iter()
            .flatten()
            .for_each(|s| emit(Passed::Unreadable(s)));
    }

    /// Lets the detector decide the frames `first + at` up to `first + end`. It
    /// stops early, with `at` moved there, at a QRS complex or where something
    /// else is due; returns the complex's own, earlier frame.
    #[inline]
    fn decide(&mut self, at: &mut usize, first: u64, end: usize) -> Option<u64> {
        let now = first + *at as u64;
        let until_due = self.due.saturating_sub(now).max(1);
        let mut part = until_due.min((end - *at) as u64);
        if let Some(watch) = &self.watch {
            part = part.min(watch.lacks() as u64);
        }
        let Some(detector) = &mut self.detector else {
            *at += part as usize;
            return None;
        };
        let found = detector.decide_until(now + part);
        *at = (detector.decided() - first) as usize;
        found
    }

    /// The detector has found a beat.
    fn found_at(&mut self, position: u64) {
        self.found.push_back(Place {
            frame: position as f64 + self.lag.round(),
            mark: None,
        });
        self.due = self.next_due();
    }

    /// Earliest number of frames at which a beat can be passed on or a fiducial
    /// point be sought.
    fn next_due(&self) -> u64 {
        let found = (self.found.front()).map_or(f64::MAX, |place| {
            place.frame + self.finder.look_ahead() as f64
        });
        let waiting = self.waiting.front().map_or(f64::MAX, |place| {
            let window = self.memory.reach_after() as f64 + 1.0;
            let wait = match self.waiting.len() {
                1 => self.patience().max(window),
                _ => window,
            };
            place.frame + wait
        });
        // Rounding must not make it late.
        (found.min(waiting) - 1.0) as u64
    }

    /// Frames after a beat in which the next one is waited for.
    fn patience(&self) -> f64 {
        (LONGEST_RR + Detector::DELAY) * self.spec.fs
    }

    /// Passes on the beats that are due.
    #[inline(never)]
    fn pass_on(&mut self, emit: &mut impl FnMut(Passed<'_>)) {
        let seen = self.signal.len();
        while let Some(place) = self.found.front() {
            if (seen as f64) < place.frame + self.finder.look_ahead() as f64 {
                break;
            }
            self.find_next();
        }
        while let Some(place) = self.waiting.front() {
            let since = seen as f64 - place.frame;
            if since < self.memory.reach_after() as f64 + 1.0
                || (self.waiting.len() < 2 && since < self.patience())
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
            // The detector decides late: the last frame is repeated until its
            // last decisions are out.
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
        self.condition = Condition::Readable;
        self.due = self.next_due();
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
        self.condition = Condition::Readable;
        self.due = self.next_due();
    }

    fn find_next(&mut self) {
        if let Some(place) = self.found.pop_front() {
            let frame = self.finder.find(&self.signal, place.frame as u64);
            self.waiting.push_back(Place { frame, ..place });
        }
    }

    /// Prepares the beat that has waited longest. `silence` stands for the next
    /// RR interval in seconds if no beat followed; `None` at the end of a
    /// stretch.
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
            *value = match self.limited {
                true => feature.value(&timing, &likeness),
                false => feature.unlimited(&timing, &likeness),
            };
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
