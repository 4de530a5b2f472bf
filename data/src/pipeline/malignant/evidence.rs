//! From windows to episodes of ventricular tachycardia, fibrillation and
//! flutter: three of four windows begin one, three of four end it.

use super::Kind;

/// Windows looked at, one a second, and how many of them decide.
const WINDOWS: usize = 4;
const DECIDE: usize = 3;
/// Probability of a malignant rhythm above which a window speaks for it, and
/// below which against it.
const ON: f32 = 0.85;
const OFF: f32 = 0.6;
/// Part of the evidence of the last windows above which tachycardia has gone
/// over into fibrillation.
const OTHER: f32 = 0.7;
/// Seconds from the onset of an episode to the end of the first window that
/// speaks for it, and from the offset to that of the first against it.
pub(super) const ONSET: f64 = 2.5;
pub(super) const OFFSET: f64 = 2.0;
/// The latest rates whose median is the rate.
const RATES: usize = 9;
/// Rates per minute at which a rhythm whose period is clear is no malignant one
/// by its shape: a wide QRS looks like a tachycardia. Runs of ventricular beats
/// that are so slow are told by their labels. The period of something slower
/// than that is no rate: fibrillation now and then repeats itself by chance.
const SLOW: std::ops::Range<f64> = 75.0..118.0;

/// A tachycardia of at least so many waves per minute is flutter.
const FLUTTER: f64 = 300.0;

/// What a window says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Window {
    /// Probabilities of ventricular tachycardia, and fibrillation or flutter.
    pub tachycardia: f32,
    pub fibrillation: f32,
    /// Waves per minute, where the window repeats itself clearly.
    pub rate: Option<f64>,
}

/// What the windows come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    /// An episode began so many windows before the present one.
    Begin(Kind, usize),
    /// It ended so many windows before.
    End(usize),
}

/// The evidence of the last windows.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    windows: [Window; WINDOWS],
    /// Windows known, at most as many as are looked at.
    known: usize,
    kind: Option<Kind>,
    rates: [f64; RATES],
    measured: usize,
}

impl Evidence {
    /// The episode under way.
    pub fn kind(&self) -> Option<Kind> {
        self.kind
    }

    /// Waves per minute: the median of the latest windows.
    pub fn rate(&self) -> Option<f64> {
        let known = self.measured.min(RATES);
        let mut sorted = self.rates;
        sorted[..known].sort_by(f64::total_cmp);
        sorted[..known].get(known / 2).copied()
    }

    /// Whether the latest window speaks for fibrillation.
    pub fn suspects_fibrillation(&self) -> bool {
        let latest = self.windows[WINDOWS - 1];
        self.known > 0 && latest.fibrillation > ON
    }

    /// Forgets the windows. An episode under way is over.
    pub fn clear(&mut self) {
        *self = Evidence::default();
    }

    /// Takes a window in.
    pub fn take(&mut self, mut window: Window) -> Option<Verdict> {
        if window.rate.is_some_and(|rate| SLOW.contains(&rate)) {
            (window.tachycardia, window.fibrillation) = (0.0, 0.0);
        }
        if window.rate.is_some_and(|rate| rate >= FLUTTER) {
            window.fibrillation += std::mem::take(&mut window.tachycardia);
        }
        self.windows.copy_within(1.., 0);
        self.windows[WINDOWS - 1] = window;
        self.known = (self.known + 1).min(WINDOWS);
        self.measure(window);
        let [tachycardia, fibrillation] = self.sums();
        let Some(kind) = self.kind else {
            let first = self.first(|w| w.malignant() > ON)?;
            let kind = if fibrillation >= tachycardia {
                Kind::Fibrillation
            } else {
                Kind::Tachycardia
            };
            self.kind = Some(kind);
            // What was before the onset does not count.
            self.measured = 0;
            for at in WINDOWS - 1 - first..WINDOWS {
                self.measure(self.windows[at]);
            }
            return Some(Verdict::Begin(kind, first));
        };
        if let Some(first) = self.first(|w| w.malignant() < OFF) {
            self.kind = None;
            return Some(Verdict::End(first));
        }
        // Tachycardia goes over into fibrillation; of the way back the shape says
        // too little while an episode lasts.
        let part = fibrillation / (tachycardia + fibrillation).max(1.0);
        if kind == Kind::Tachycardia && part > OTHER {
            self.kind = Some(Kind::Fibrillation);
            return Some(Verdict::Begin(Kind::Fibrillation, WINDOWS - 1));
        }
        None
    }

    fn measure(&mut self, window: Window) {
        if let Some(rate) = window.rate {
            self.rates[self.measured % RATES] = rate;
            self.measured += 1;
            if self.measured == 2 * RATES {
                self.measured = RATES;
            }
        }
    }

    /// How many windows ago the first of those that `hold` was, when enough do.
    fn first(&self, hold: impl Fn(&Window) -> bool) -> Option<usize> {
        let known = &self.windows[WINDOWS - self.known..];
        if known.iter().filter(|w| hold(w)).count() < DECIDE {
            return None;
        }
        known.iter().position(hold).map(|at| known.len() - 1 - at)
    }

    fn sums(&self) -> [f32; 2] {
        let known = &self.windows[WINDOWS - self.known..];
        [
            known.iter().map(|w| w.tachycardia).sum(),
            known.iter().map(|w| w.fibrillation).sum(),
        ]
    }
}

impl Window {
    fn malignant(&self) -> f32 {
        self.tachycardia + self.fibrillation
    }
}
