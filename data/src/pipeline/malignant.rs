//! Malignant rhythms from the signal itself: ventricular fibrillation and
//! flutter, ventricular tachycardia, asystole.
//!
//! Once a second a small network looks at the last 4 s of the filtered signal:
//! the energy and sparseness of differences over 1/128 to 1/2 s (a spectrum that
//! is made of sums), the autocorrelation up to 1.25 s, the part of time that is
//! still between waves, all that a window before, and how it differs from the
//! patient's usual shape. Three of four windows begin an episode, whose start is
//! set back to where it is seen first; so an episode is told 5 to 7 s after its
//! onset. A rhythm with a clear period below 118 per minute is left to the
//! labels of beats. Asystole is a line without any slope that could be a wave,
//! for some seconds, in a signal that can be read: silence of the detector alone
//! is none.

mod block;
mod evidence;
mod features;
mod flat;
mod network;
mod shapes;
mod weights;

use crate::signal::frames::Frames;
use evidence::{Evidence, OFFSET, ONSET, Verdict, Window};
use flat::Flat;
pub use network::{KINDS, LIMIT, Network, UNITS};
pub use shapes::{INPUTS, Second, Shapes};
pub use weights::SHIPPED;

/// The band in Hz of the signal that is watched.
pub const BAND: [f64; 2] = [0.5, 40.0];
/// Seconds of a flat line that are an asystole.
pub const ASYSTOLE: f64 = 4.0;

/// What an episode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Ventricular fibrillation or flutter.
    Fibrillation,
    /// Ventricular tachycardia.
    Tachycardia,
    /// No electrical activity.
    Asystole,
}

/// An episode of a malignant rhythm; frames are those of the watched signal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Episode {
    /// What it is.
    pub kind: Kind,
    /// Its first frame.
    pub start: u64,
    /// The frame after its last one; `None` while it goes on.
    pub end: Option<u64>,
    /// Waves per minute, where the signal repeats itself clearly.
    pub rate: Option<f64>,
}

#[derive(Clone, Debug)]
struct Lead {
    shapes: Shapes,
    flat: Flat,
}

/// Watches the filtered signal for malignant rhythms. Allocates only in
/// [`Watch::new`].
#[derive(Clone, Debug)]
pub struct Watch {
    fs: f64,
    network: &'static Network,
    leads: Vec<Lead>,
    frames: u64,
    /// Whether the whole present second could be read so far.
    readable: bool,
    evidence: Evidence,
    /// The tachycardia or fibrillation under way, and where it began.
    present: Option<(Kind, u64)>,
    /// Seconds of a flat line that are an asystole.
    least_flat: f64,
    /// Where the asystole under way began.
    asystole: Option<u64>,
    /// Where the last episode ended: the next begins no earlier.
    floor: u64,
}

impl Watch {
    /// Longest time in seconds from the onset of a clear malignant rhythm to
    /// its announcement.
    pub const DELAY: f64 = 10.0;

    /// A watch over `leads` leads at `fs` Hz.
    pub fn new(fs: f64, leads: usize) -> Watch {
        Watch::with_network(fs, leads, &SHIPPED)
    }

    /// As [`Watch::new`], with another network.
    pub fn with_network(fs: f64, leads: usize, network: &'static Network) -> Watch {
        let lead = Lead {
            shapes: Shapes::new(fs),
            flat: Flat::default(),
        };
        Watch {
            fs,
            network,
            leads: vec![lead; leads],
            frames: 0,
            readable: true,
            evidence: Evidence::default(),
            present: None,
            least_flat: ASYSTOLE,
            asystole: None,
            floor: 0,
        }
    }

    /// So many seconds of a flat line are an asystole, at least one.
    pub fn set_asystole(&mut self, seconds: f64) {
        self.least_flat = seconds.max(1.0);
    }

    /// Whether what is seen just now looks like fibrillation, announced or not:
    /// what the detector takes for a beat there is none.
    pub fn suspects_fibrillation(&self) -> bool {
        self.evidence.kind() == Some(Kind::Fibrillation) || self.evidence.suspects_fibrillation()
    }

    /// Frames until the present second is complete.
    #[inline]
    pub(crate) fn lacks(&self) -> usize {
        self.leads[0].shapes.lacks()
    }

    /// Takes a frame of filtered values in mV, and whether the signal can be
    /// read there; passes on the episodes that begin and end.
    pub fn push(&mut self, frame: &[f32], readable: bool, emit: &mut impl FnMut(Episode)) {
        self.take(Frames::one(frame), readable, emit);
    }

    /// Takes some frames at once, which complete the present second at most
    /// with the last of them; see [`Watch::lacks`].
    #[inline]
    pub(crate) fn take(
        &mut self,
        frames: Frames<'_>,
        readable: bool,
        emit: &mut impl FnMut(Episode),
    ) {
        self.frames += frames.count() as u64;
        self.readable &= readable;
        let complete = frames.count() == self.lacks();
        for (lead, values) in self.leads.iter_mut().zip(frames.leads()) {
            lead.shapes.store(values);
        }
        if complete {
            self.complete(emit);
        }
    }

    /// Looks at a second that is complete.
    #[inline(never)]
    fn complete(&mut self, emit: &mut impl FnMut(Episode)) {
        let mut seconds = 0;
        let mut window = Window::default();
        let mut known = false;
        for lead in &mut self.leads {
            let second = lead.shapes.complete();
            seconds += 1;
            lead.flat.take(&second.slopes);
            if let Some(inputs) = second.inputs {
                let [_, tachycardia, fibrillation] = self.network.kinds(inputs);
                window.tachycardia += tachycardia;
                window.fibrillation += fibrillation;
                let rate = second.period.map(|period| 60.0 * self.fs / period);
                window.rate = window.rate.or(rate);
                known = true;
            }
        }
        let readable = std::mem::replace(&mut self.readable, true);
        if !readable {
            self.leads.iter_mut().for_each(|lead| lead.flat.restart());
        }
        self.watch_flat(emit);
        if known {
            window.tachycardia /= seconds as f32;
            window.fibrillation /= seconds as f32;
            self.judge(window, readable, emit);
        }
    }

    /// The signal ends after the frames taken in: closes what goes on. The next
    /// frame is number 0 of a new stretch of the same patient's signal.
    pub fn restart(&mut self, emit: &mut impl FnMut(Episode)) {
        self.close(self.frames, emit);
        if let Some(start) = self.asystole.take() {
            emit(episode(Kind::Asystole, start, Some(self.frames)));
        }
        self.leads.iter_mut().for_each(|lead| {
            lead.shapes.restart();
            lead.flat.restart();
        });
        self.evidence.clear();
        self.readable = true;
        (self.frames, self.floor) = (0, 0);
    }

    /// Forgets the patient and what goes on.
    pub fn reset(&mut self) {
        self.restart(&mut |_| ());
        self.leads.iter_mut().for_each(|lead| {
            lead.shapes.reset();
            lead.flat.reset();
        });
    }

    /// Seconds that every lead has been flat up to now.
    fn flat(&self) -> f64 {
        let all = |least: f64, lead: &Lead| least.min(lead.flat.seconds());
        self.leads.iter().fold(f64::MAX, all)
    }

    fn watch_flat(&mut self, emit: &mut impl FnMut(Episode)) {
        let seconds = self.flat();
        let since = self.frames.saturating_sub((seconds * self.fs) as u64);
        match self.asystole {
            None if seconds >= self.least_flat => {
                let start = since.max(self.floor);
                self.close(start, emit);
                self.evidence.clear();
                self.asystole = Some(start);
                emit(episode(Kind::Asystole, start, None));
            }
            Some(start) if seconds < 1.0 => {
                self.asystole = None;
                // It ended within the second that has just been seen.
                let end = self.frames - self.leads[0].shapes.frames() as u64;
                self.floor = end.max(start);
                emit(episode(Kind::Asystole, start, Some(self.floor)));
            }
            _ => {}
        }
    }

    fn judge(&mut self, window: Window, readable: bool, emit: &mut impl FnMut(Episode)) {
        let window = if !readable || self.flat() >= 1.0 {
            Window::default()
        } else {
            window
        };
        let second = self.leads[0].shapes.frames() as u64;
        let ago = |windows: usize, seconds: f64| {
            (windows as u64 * second + (seconds * self.fs) as u64).min(self.frames)
        };
        match self.evidence.take(window) {
            Some(Verdict::Begin(kind, windows)) => {
                let start = (self.frames - ago(windows, ONSET)).max(self.floor);
                // One that goes over into another ends there.
                self.close(start, emit);
                self.present = Some((kind, start.max(self.floor)));
                emit(Episode {
                    rate: self.evidence.rate(),
                    ..episode(kind, start.max(self.floor), None)
                });
            }
            Some(Verdict::End(windows)) => self.close(self.frames - ago(windows, OFFSET), emit),
            None => {}
        }
    }

    /// Ends the tachycardia or fibrillation under way, if there is one.
    fn close(&mut self, end: u64, emit: &mut impl FnMut(Episode)) {
        let rate = self.evidence.rate();
        if let Some((kind, start)) = self.present.take() {
            self.floor = end.max(start);
            emit(Episode {
                rate,
                ..episode(kind, start, Some(self.floor))
            });
        }
    }
}

fn episode(kind: Kind, start: u64, end: Option<u64>) -> Episode {
    Episode {
        kind,
        start,
        end,
        rate: None,
    }
}

#[cfg(test)]
mod tests;
