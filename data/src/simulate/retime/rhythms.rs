//! When each beat comes, and what its P wave becomes.

use std::f64::consts::TAU;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Fused, Plan, SHORTEST, even, normal};
use crate::record::aami::Class;
use crate::record::annotation::Symbol;

/// Intervals over which the local sinus rhythm is the median.
const LOCAL: usize = 10;

/// How premature beats come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pattern {
    Alone,
    EverySecond,
    EveryThird,
    Runs,
}

/// What one focus does for a while.
struct Episode {
    pattern: Pattern,
    /// Probability that a beat which can be premature is, when alone.
    probability: f64,
    /// Coupling interval as a part of the sinus interval, and its spread.
    coupling: f64,
    spread: f64,
    /// Factor of the P wave.
    p: f64,
    /// Part of the prematurity that the following pause makes up for.
    pause: f64,
}

impl Episode {
    fn draw(rng: &mut ChaCha8Rng) -> Episode {
        use Pattern::*;
        let pattern = [Alone, EverySecond, EveryThird, Runs][rng.random_range(0..4)];
        let p = p_wave(rng);
        let pause = match rng.random_range(0..3) {
            0 => 0.0,
            1 => even(rng, 0.0, 0.4),
            _ => even(rng, 0.3, 1.0),
        };
        Episode {
            pattern,
            probability: even(rng, 0.02, 0.15),
            coupling: even(rng, 0.5, 0.95),
            spread: [0.02, 0.06][rng.random_range(0..2)],
            p,
            pause,
        }
    }

    /// Premature beats in a row, from here on.
    fn run(&self, rng: &mut ChaCha8Rng) -> usize {
        match self.pattern {
            // Geometric, 9 beats on average.
            Pattern::Runs => (2 + geometric(rng, 0.88)).min(100),
            _ if rng.random::<f64>() < 0.07 => 2,
            _ => 1,
        }
    }
}

pub(super) fn premature(beats: &mut [Plan], fs: f64, rng: &mut ChaCha8Rng) {
    let sinus = |beats: &[Plan], i: usize| {
        let mut near: Vec<f64> = beats[i.saturating_sub(LOCAL).max(1)..=i]
            .iter()
            .map(|b| b.recorded)
            .collect();
        near.sort_by(f64::total_cmp);
        near[near.len() / 2]
    };
    let (mut i, mut until) = (3, 0);
    let mut episode = Episode::draw(rng);
    while i + 3 < beats.len() {
        if i >= until {
            until = i + rng.random_range(60..500);
            episode = Episode::draw(rng);
        }
        let among_normal = beats[i - 2..i + 3].iter().all(|b| b.class == Class::N);
        let probability = match episode.pattern {
            Pattern::Alone => episode.probability,
            Pattern::Runs => 0.5 * episode.probability,
            Pattern::EverySecond | Pattern::EveryThird => 0.95,
        };
        if !among_normal || rng.random::<f64>() >= probability {
            i += 1;
            continue;
        }
        let base = sinus(beats, i);
        let coupling = if episode.pattern == Pattern::Alone && rng.random::<f64>() < 0.5 {
            even(rng, 0.5, 0.92)
        } else {
            episode.coupling
        };
        let first = i;
        let wanted = first + episode.run(rng);
        while i < wanted && i + 2 < beats.len() && beats[i].class == Class::N {
            let interval = beats[i].recorded.min(base) * coupling;
            let interval = interval * normal(rng, episode.spread).exp();
            beats[i].interval = interval.max(SHORTEST * fs);
            beats[i].p = episode.p;
            beats[i].symbol = Symbol::S;
            i += 1;
        }
        // The beat after the last premature one comes late.
        let gained = (base - beats[first].interval).max(0.0);
        beats[i].interval += gained * episode.pause * normal(rng, 0.05).exp();
        i += match episode.pattern {
            Pattern::EverySecond => 1,
            _ => 2,
        };
    }
}

/// Draws how often in a row something happens that goes on with this
/// probability.
fn geometric(rng: &mut ChaCha8Rng, on: f64) -> usize {
    let u: f64 = rng.random::<f64>().max(1e-9);
    (u.ln() / on.ln()) as usize
}

/// Draws what becomes of an ectopic focus's P wave: as it was, turned or
/// flattened, or of another size.
fn p_wave(rng: &mut ChaCha8Rng) -> f64 {
    match rng.random_range(0..3) {
        0 => 1.0,
        1 => even(rng, -0.8, 0.6),
        _ => even(rng, 0.0, 1.5),
    }
}

fn typical_interval(beats: &[Plan]) -> f64 {
    let mut all: Vec<f64> = beats.iter().skip(1).map(|b| b.recorded).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

pub(super) fn sick_sinus(beats: &mut [Plan], fs: f64, rng: &mut ChaCha8Rng) {
    // Within what hearts do: ectopic beats at 50 to 120, sinus at 22 to 70 a minute.
    let ectopic = (typical_interval(beats) * even(rng, 0.65, 1.1)).clamp(0.5 * fs, 1.2 * fs);
    let sinus = (ectopic * even(rng, 1.25, 2.6)).clamp(0.85 * fs, 2.7 * fs);
    let (spread, sinus_spread) = (even(rng, 0.01, 0.08), even(rng, 0.03, 0.2));
    let (on, sinus_on) = (even(rng, 0.5, 0.92), even(rng, 0.0, 0.4));
    let first = even(rng, 0.8, 1.1);
    let p = p_wave(rng);
    let plain = [0.0, 0.3][rng.random_range(0..2)];
    let (mut i, mut until, mut quiet) = (1, 0, false);
    while i < beats.len() {
        if i >= until {
            until = i + rng.random_range(60..500);
            quiet = rng.random::<f64>() < plain;
        }
        if quiet {
            i += 1;
            continue;
        }
        let run = 1 + geometric(rng, on);
        for k in 0..run.min(beats.len() - i) {
            let beat = &mut beats[i];
            i += 1;
            if !matches!(beat.class, Class::N | Class::S) {
                continue;
            }
            let coupling = if k == 0 { first } else { 1.0 };
            beat.interval = ectopic * coupling * normal(rng, spread).exp();
            beat.symbol = Symbol::S;
            beat.p = p;
        }
        let run = 1 + geometric(rng, sinus_on.max(1e-9));
        for _ in 0..run.min(beats.len() - i) {
            if matches!(beats[i].class, Class::N) {
                beats[i].interval = sinus * normal(rng, sinus_spread).exp();
            }
            i += 1;
        }
    }
}

pub(super) fn fibrillation(beats: &mut [Plan], rng: &mut ChaCha8Rng) {
    let median = typical_interval(beats);
    // DS1's own fibrillation spreads by 0.25 to 0.35.
    let (rate, spread) = (even(rng, 0.65, 1.1), even(rng, 0.15, 0.38));
    let p = even(rng, -0.1, 0.1);
    for beat in beats {
        let interval = median * rate * normal(rng, spread).exp();
        // A ventricular beat is not made late: that would be an escape beat.
        beat.interval = match beat.class {
            Class::V | Class::F => interval.min(beat.recorded),
            _ => interval,
        };
        beat.p = p;
        if beat.class == Class::S {
            beat.symbol = Symbol::N;
        }
    }
}

pub(super) fn arrhythmia(beats: &mut [Plan], rng: &mut ChaCha8Rng) {
    let (breath, depth) = (even(rng, 3.0, 9.0), even(rng, 0.05, 0.16));
    let phase = even(rng, 0.0, TAU);
    for i in 1..beats.len() {
        let swing = depth * (TAU * i as f64 / breath + phase).sin() + normal(rng, 0.01);
        if beats[i - 1].class == Class::N && beats[i].class == Class::N {
            beats[i].interval *= 1.0 + swing;
        }
    }
}

/// How conducted beats are lost.
#[derive(Clone, Copy)]
enum Loss {
    None,
    /// Now and then, with this probability.
    Seldom(f64),
    /// The last of so many.
    OneIn(usize),
}

pub(super) fn block(beats: &mut [Plan], rng: &mut ChaCha8Rng) {
    let (mut until, mut since, mut loss) = (0, 0, Loss::None);
    for i in 1..beats.len().saturating_sub(1) {
        if i >= until {
            until = i + rng.random_range(10..200);
            loss = match rng.random_range(0..4) {
                0 => Loss::None,
                1 => Loss::Seldom(even(rng, 0.02, 0.15)),
                _ => Loss::OneIn(2 + geometric(rng, 0.5)),
            };
        }
        let lost = match loss {
            Loss::None => false,
            Loss::Seldom(probability) => rng.random::<f64>() < probability,
            Loss::OneIn(n) => since + 1 >= n,
        };
        let sinus = beats[i - 1..=i + 1].iter().all(|b| b.class == Class::N);
        beats[i].dropped = lost && sinus && !beats[i - 1].dropped;
        since = if beats[i].dropped { 0 } else { since + 1 };
    }
}

/// The nearest ventricular beats, one of which a fusion beat takes after.
const NEAREST: usize = 8;

pub(super) fn fusion(beats: &mut [Plan], fs: f64, rng: &mut ChaCha8Rng) {
    let ventricular: Vec<usize> = beats
        .iter()
        .filter(|b| b.class == Class::V)
        .map(|b| b.at)
        .collect();
    if ventricular.len() < NEAREST {
        return;
    }
    let probability = even(rng, 0.03, 0.25);
    for i in 2..beats.len().saturating_sub(2) {
        let among_normal = beats[i - 1..=i + 1].iter().all(|b| b.class == Class::N);
        if !among_normal || beats[i - 1].fused.is_some() || rng.random::<f64>() >= probability {
            continue;
        }
        let at = ventricular.partition_point(|&v| v < beats[i].at);
        let first = at
            .saturating_sub(NEAREST / 2)
            .min(ventricular.len() - NEAREST);
        let with = ventricular[first + rng.random_range(0..NEAREST)];
        let with = with.saturating_add_signed(normal(rng, 0.015 * fs).round() as isize);
        let part = even(rng, 0.2, 0.55);
        beats[i].fused = Some(Fused { with, part });
        beats[i].symbol = Symbol::F;
        // Both impulses come at nearly the same time; the sinus node goes on.
        let gained = beats[i].recorded * even(rng, 0.0, 0.15);
        beats[i].interval -= gained;
        beats[i + 1].interval += gained;
    }
}
