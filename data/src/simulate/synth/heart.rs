//! When the synthetic heart beats, and from where: a sinus node that keeps its
//! own time, ectopic foci that come before it, atrial fibrillation and pacing.
//!
//! The sinus rhythm follows McSharry et al. (2003): a tachogram with two
//! spectral bands, the Mayer waves around 0.1 Hz and respiration around
//! 0.25 Hz, here as a sum of sinusoids drawn from those bands so that it never
//! ends. Ectopic beats act on the node as they do in a heart: an atrial one
//! resets it, a ventricular one makes its next impulse fall on refractory
//! tissue, which gives the compensatory pause without being told to.

use std::f64::consts::TAU;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal, Normal};

/// Where a beat comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Origin {
    /// The sinus node, or in atrial fibrillation a conducted atrial impulse.
    Sinus,
    /// An atrial focus, ahead of time.
    Atrial,
    /// A ventricular focus, by number.
    Ventricular(usize),
    /// Sinus and ventricular wavefronts at once; the share is the ventricular one.
    Fusion(f64),
    /// A pacemaker.
    Paced,
}

/// The rhythm that a beat belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Episode {
    /// Sinus rhythm, with or without single ectopic beats.
    Sinus,
    /// Atrial fibrillation.
    Fibrillation,
    /// A pacemaker's rhythm.
    Paced,
    /// Every second beat is ventricular.
    Bigeminy,
    /// Every third beat is ventricular.
    Trigeminy,
    /// Three or more ventricular beats in a row.
    VentricularTachycardia,
    /// Three or more atrial beats in a row.
    SupraventricularTachycardia,
}

impl Episode {
    /// The WFDB rhythm annotation, such as `(AFIB`.
    pub fn aux_note(self) -> &'static str {
        match self {
            Episode::Sinus => "(N",
            Episode::Fibrillation => "(AFIB",
            Episode::Paced => "(P",
            Episode::Bigeminy => "(B",
            Episode::Trigeminy => "(T",
            Episode::VentricularTachycardia => "(VT",
            Episode::SupraventricularTachycardia => "(SVTA",
        }
    }
}

/// One beat of the plan that the signal is drawn from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beat {
    /// Time of the R peak from the start, in seconds.
    pub time: f64,
    /// Seconds since the R peak before it.
    pub rr: f64,
    /// Where it comes from.
    pub origin: Origin,
    /// The rhythm it belongs to.
    pub episode: Episode,
}

/// How a synthetic heart beats. Rates are probabilities per sinus beat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rhythm {
    /// Mean sinus rate in beats per minute, 30 to 200.
    pub rate: f64,
    /// Standard deviation of RR over mean RR in sinus rhythm.
    pub variation: f64,
    /// Breaths per minute.
    pub breaths: f64,
    /// An atrial premature beat follows.
    pub atrial: f64,
    /// A ventricular premature beat follows.
    pub ventricular: f64,
    /// The next beat is a fusion.
    pub fusion: f64,
    /// A premature beat goes on into a couplet or a run.
    pub runs: f64,
    /// An episode of bigeminy or trigeminy begins.
    pub geminy: f64,
    /// Share of the time in atrial fibrillation, 0 to 1.
    pub fibrillation: f64,
    /// Share of the time paced, 0 to 1.
    pub paced: f64,
}

impl Default for Rhythm {
    /// An adult at rest with a few premature beats of every kind.
    fn default() -> Self {
        Rhythm {
            rate: 72.0,
            variation: 0.05,
            breaths: 15.0,
            atrial: 0.03,
            ventricular: 0.04,
            fusion: 0.01,
            runs: 0.1,
            geminy: 0.002,
            fibrillation: 0.0,
            paced: 0.0,
        }
    }
}

impl Rhythm {
    /// Sinus rhythm alone.
    pub fn sinus(rate: f64) -> Rhythm {
        Rhythm {
            rate,
            atrial: 0.0,
            ventricular: 0.0,
            fusion: 0.0,
            runs: 0.0,
            geminy: 0.0,
            ..Rhythm::default()
        }
    }
}

/// The shortest time between two beats: refractory tissue conducts nothing.
const REFRACTORY_S: f64 = 0.28;
/// Mean length of an episode of fibrillation or pacing that is not permanent.
const EPISODE_S: f64 = 90.0;
/// Sinusoids per band of the tachogram.
const LINES: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Sinus,
    /// Until a time.
    Fibrillation(f64),
    /// Until a time.
    Paced(f64),
    /// Ventricular beats left, seconds between them.
    VentricularRun(u32, f64),
    /// Atrial beats left, seconds between them.
    AtrialRun(u32, f64),
    /// Ectopic beats left, sinus beats between two of them, sinus beats left.
    Geminy(u32, u32, u32),
}

/// An endless iterator of [`Beat`]s.
#[derive(Clone, Debug)]
pub struct Heart {
    rhythm: Rhythm,
    rng: ChaCha8Rng,
    /// Frequency in Hz, phase, relative amplitude.
    tachogram: Vec<(f64, f64, f64)>,
    /// Slow drift of the rate, an Ornstein-Uhlenbeck process.
    drift: f64,
    mode: Mode,
    /// When the sinus node fires next.
    next_sinus: f64,
    /// Time of the last beat.
    last: f64,
    foci: usize,
}

impl Heart {
    /// A heart with this rhythm, whose ventricular beats come from `foci`
    /// places. The same seed beats the same.
    pub fn new(rhythm: Rhythm, foci: usize, seed: u64) -> Heart {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(1);
        let tachogram = tachogram(&rhythm, &mut rng);
        let mut heart = Heart {
            rhythm,
            rng,
            tachogram,
            drift: 0.0,
            mode: Mode::Sinus,
            next_sinus: 0.5,
            last: 0.5 - 60.0 / rhythm.rate,
            foci: foci.max(1),
        };
        if rhythm.fibrillation >= 1.0 || heart.chance(rhythm.fibrillation) {
            heart.mode = Mode::Fibrillation(heart.episode_end(rhythm.fibrillation));
        } else if rhythm.paced >= 1.0 || heart.chance(rhythm.paced) {
            heart.mode = Mode::Paced(heart.episode_end(rhythm.paced));
        }
        heart
    }

    /// The sinus node's interval at a time, in seconds.
    fn interval(&mut self, time: f64) -> f64 {
        let band: f64 = self
            .tachogram
            .iter()
            .map(|(f, phase, a)| a * (TAU * f * time + phase).cos())
            .sum();
        // Correlated over about two minutes, as the rate wanders at rest.
        self.drift = 0.992 * self.drift + 0.126 * self.normal();
        let mean = 60.0 / self.rhythm.rate;
        let rr = mean * (1.0 + self.rhythm.variation * (band + 0.5 * self.drift));
        rr.clamp(0.3, 3.0)
    }

    fn normal(&mut self) -> f64 {
        rand_distr::StandardNormal.sample(&mut self.rng)
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.rng.random::<f64>() < probability
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.rng.random::<f64>()
    }

    fn episode_end(&mut self, share: f64) -> f64 {
        if share >= 1.0 {
            return f64::INFINITY;
        }
        self.last + self.between(0.3, 1.7) * EPISODE_S
    }

    /// Whether an episode that takes `share` of the time begins at a beat.
    fn begins(&mut self, share: f64) -> bool {
        if share <= 0.0 {
            return false;
        }
        let beats = EPISODE_S * self.rhythm.rate / 60.0;
        let odds = share / (1.0 - share).max(1e-9);
        self.chance(odds / beats)
    }

    /// The sinus node's impulses up to `time` find the tissue refractory.
    fn block_sinus_until(&mut self, time: f64) {
        while self.next_sinus < time {
            self.next_sinus += self.interval(self.next_sinus);
        }
    }

    fn focus(&mut self) -> usize {
        // The first focus is by far the most active.
        if self.foci > 1 && self.chance(0.2) {
            self.rng.random_range(1..self.foci)
        } else {
            0
        }
    }

    fn beat(&mut self, time: f64, origin: Origin, episode: Episode) -> Beat {
        let time = time.max(self.last + REFRACTORY_S);
        let rr = time - self.last;
        self.last = time;
        Beat {
            time,
            rr,
            origin,
            episode,
        }
    }

    fn ventricular(&mut self, time: f64, episode: Episode) -> Beat {
        let origin = Origin::Ventricular(self.focus());
        let beat = self.beat(time, origin, episode);
        // Retrograde conduction keeps the node's way blocked for half a cycle.
        let blocked = (0.55 * 60.0 / self.rhythm.rate).max(0.4);
        self.block_sinus_until(beat.time + blocked);
        beat
    }

    fn atrial(&mut self, time: f64, episode: Episode) -> Beat {
        let beat = self.beat(time, Origin::Atrial, episode);
        self.next_sinus = beat.time + self.interval(beat.time) * self.between(1.0, 1.2);
        beat
    }

    fn sinus(&mut self, episode: Episode) -> Beat {
        let beat = self.beat(self.next_sinus, Origin::Sinus, episode);
        self.next_sinus = beat.time + self.interval(beat.time);
        beat
    }

    /// Length of a run: mostly a couplet or a few beats, seldom long.
    fn run_length(&mut self) -> u32 {
        let mut left = 1;
        while left < 12 && self.chance(0.6) {
            left += 1;
        }
        left
    }

    fn in_sinus(&mut self) -> Beat {
        let r = self.rhythm;
        if self.begins(r.fibrillation) {
            self.mode = Mode::Fibrillation(self.episode_end(r.fibrillation));
            return self.step();
        }
        if self.begins(r.paced) {
            self.mode = Mode::Paced(self.episode_end(r.paced));
            return self.step();
        }
        if self.chance(r.geminy) {
            let sinus = 1 + u32::from(self.chance(0.5));
            let pairs = self.rng.random_range(3..12);
            self.mode = Mode::Geminy(pairs, sinus, sinus);
            return self.step();
        }
        let expected = self.next_sinus - self.last;
        if self.chance(r.atrial) {
            let run = self.chance(r.runs);
            let coupling = (expected * self.between(0.55, 0.85)).max(0.34);
            let at = self.last + coupling;
            if run {
                let left = self.run_length();
                let between = self.between(0.32, 0.5).min(0.85 * expected);
                self.mode = Mode::AtrialRun(left, between);
                return self.atrial(at, run_episode(left + 1, false));
            }
            return self.atrial(at, Episode::Sinus);
        }
        if self.chance(r.ventricular) {
            let run = self.chance(r.runs);
            let coupling = (expected * self.between(0.5, 0.8)).max(0.32);
            let at = self.last + coupling;
            if run {
                let left = self.run_length();
                let between = self.between(0.33, 0.55).min(0.8 * expected);
                self.mode = Mode::VentricularRun(left, between);
                return self.ventricular(at, run_episode(left + 1, true));
            }
            return self.ventricular(at, Episode::Sinus);
        }
        if self.chance(r.fusion) {
            let share = self.between(0.35, 0.65);
            let at = self.next_sinus - self.between(0.0, 0.03);
            let beat = self.beat(at, Origin::Fusion(share), Episode::Sinus);
            self.next_sinus = beat.time + self.interval(beat.time);
            return beat;
        }
        self.sinus(Episode::Sinus)
    }

    fn in_fibrillation(&mut self, until: f64) -> Beat {
        let mean = 60.0 / (self.rhythm.rate * 1.25).clamp(60.0, 160.0);
        let rr = LogNormal::new(mean.ln(), 0.22).map_or(mean, |d| d.sample(&mut self.rng));
        let at = self.last + rr.clamp(0.33, 1.9);
        if at > until {
            self.mode = Mode::Sinus;
            self.next_sinus = at;
        }
        if self.chance(self.rhythm.ventricular * 0.5) {
            // After a short coupling, whatever the conduction would have done.
            let coupling = self.between(0.36, 0.5);
            return self.ventricular(self.last + coupling, Episode::Fibrillation);
        }
        self.beat(at, Origin::Sinus, Episode::Fibrillation)
    }

    fn in_pacing(&mut self, until: f64) -> Beat {
        // A pacemaker has no variation of its own.
        let at = self.last + 60.0 / self.rhythm.rate.clamp(50.0, 100.0);
        if at > until {
            self.mode = Mode::Sinus;
            self.next_sinus = at + 1.0;
        }
        if self.chance(self.rhythm.ventricular) {
            let coupling = self.between(0.4, 0.6);
            return self.ventricular(self.last + coupling, Episode::Paced);
        }
        self.beat(at, Origin::Paced, Episode::Paced)
    }

    fn step(&mut self) -> Beat {
        match self.mode {
            Mode::Sinus => self.in_sinus(),
            Mode::Fibrillation(until) => self.in_fibrillation(until),
            Mode::Paced(until) => self.in_pacing(until),
            Mode::VentricularRun(left, between) => {
                let at = self.last + between * self.between(0.95, 1.05);
                self.mode = match left {
                    0 | 1 => Mode::Sinus,
                    _ => Mode::VentricularRun(left - 1, between),
                };
                self.ventricular(at, run_episode(left + 2, true))
            }
            Mode::AtrialRun(left, between) => {
                let at = self.last + between * self.between(0.97, 1.03);
                self.mode = match left {
                    0 | 1 => Mode::Sinus,
                    _ => Mode::AtrialRun(left - 1, between),
                };
                self.atrial(at, run_episode(left + 2, false))
            }
            Mode::Geminy(pairs, between, sinus_left) => {
                let episode = match between {
                    1 => Episode::Bigeminy,
                    _ => Episode::Trigeminy,
                };
                if sinus_left > 0 {
                    self.mode = Mode::Geminy(pairs, between, sinus_left - 1);
                    return self.sinus(episode);
                }
                self.mode = match pairs {
                    0 | 1 => Mode::Sinus,
                    _ => Mode::Geminy(pairs - 1, between, between),
                };
                let expected = self.next_sinus - self.last;
                let coupling = (expected * self.between(0.55, 0.7)).max(0.34);
                self.ventricular(self.last + coupling, episode)
            }
        }
    }
}

impl Iterator for Heart {
    type Item = Beat;

    fn next(&mut self) -> Option<Beat> {
        Some(self.step())
    }
}

/// Two ectopic beats are a couplet inside another rhythm, three a tachycardia.
fn run_episode(beats: u32, ventricular: bool) -> Episode {
    match (beats >= 3, ventricular) {
        (false, _) => Episode::Sinus,
        (true, true) => Episode::VentricularTachycardia,
        (true, false) => Episode::SupraventricularTachycardia,
    }
}

/// Sinusoids whose frequencies are drawn from the two bands of McSharry's
/// power spectrum (0.1 Hz and the breathing rate, both with a standard
/// deviation of 0.01 Hz, low to high frequency power 0.5); together they have
/// variance 1.
fn tachogram(rhythm: &Rhythm, rng: &mut ChaCha8Rng) -> Vec<(f64, f64, f64)> {
    let bands = [(0.1, 1.0 / 3.0), (rhythm.breaths / 60.0, 2.0 / 3.0)];
    let mut lines = Vec::with_capacity(bands.len() * LINES);
    for (centre, power) in bands {
        for _ in 0..LINES {
            let f = Normal::new(centre, 0.01).map_or(centre, |d| d.sample(rng));
            let phase = TAU * rng.random::<f64>();
            lines.push((f.max(0.02), phase, (2.0 * power / LINES as f64).sqrt()));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(rhythm: Rhythm, n: usize) -> Vec<Beat> {
        Heart::new(rhythm, 2, 7).take(n).collect()
    }

    #[test]
    fn sinus_rhythm_has_the_asked_rate_and_variation() {
        let beats = first(Rhythm::sinus(75.0), 4000);
        let rr: Vec<f64> = beats[1..].iter().map(|b| b.rr).collect();
        let mean = rr.iter().sum::<f64>() / rr.len() as f64;
        let sd = (rr.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / rr.len() as f64).sqrt();
        assert!((mean - 0.8).abs() < 0.02, "mean RR {mean}");
        assert!((0.03..0.09).contains(&(sd / mean)), "SD/mean {}", sd / mean);
        assert!(beats.iter().all(|b| b.origin == Origin::Sinus));
    }

    #[test]
    fn a_ventricular_beat_brings_a_compensatory_pause_and_an_atrial_one_does_not() {
        let mut rhythm = Rhythm::sinus(60.0);
        rhythm.variation = 0.0;
        rhythm.ventricular = 0.05;
        rhythm.atrial = 0.05;
        let beats = first(rhythm, 3000);
        let mut seen = [0, 0];
        for three in beats.windows(3) {
            if three[0].origin != Origin::Sinus || three[2].origin != Origin::Sinus {
                continue;
            }
            let around = three[2].time - three[0].time;
            match three[1].origin {
                Origin::Ventricular(_) => {
                    assert!((around - 2.0).abs() < 1e-6, "{around}");
                    seen[0] += 1;
                }
                Origin::Atrial => {
                    assert!(around < 2.1 && three[1].rr < 0.9, "{around}");
                    seen[1] += 1;
                }
                _ => {}
            }
        }
        assert!(seen[0] > 50 && seen[1] > 50, "{seen:?}");
    }

    #[test]
    fn fibrillation_is_irregular_and_takes_its_share_of_the_time() {
        let share = 0.4;
        let rhythm = Rhythm {
            fibrillation: share,
            ..Rhythm::sinus(70.0)
        };
        let beats = first(rhythm, 40_000);
        let fibrillating: f64 = beats
            .iter()
            .filter(|b| b.episode == Episode::Fibrillation)
            .map(|b| b.rr)
            .sum();
        let found = fibrillating / beats[beats.len() - 1].time;
        assert!((found - share).abs() < 0.1, "{found}");
    }

    #[test]
    fn beats_never_overlap() {
        let rhythm = Rhythm {
            atrial: 0.2,
            ventricular: 0.2,
            fusion: 0.1,
            runs: 0.5,
            geminy: 0.05,
            fibrillation: 0.2,
            paced: 0.2,
            ..Rhythm::default()
        };
        let beats = first(rhythm, 20_000);
        for pair in beats.windows(2) {
            assert!(pair[1].time - pair[0].time >= REFRACTORY_S - 1e-9);
        }
    }
}
