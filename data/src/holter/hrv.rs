//! Variability of the normal-to-normal intervals; definitions are at
//! [`crate::holter::Hrv`].

use std::collections::VecDeque;
use std::f64::consts::FRAC_1_SQRT_2;

use crate::holter::options::Options;
use crate::holter::spectrum;
use crate::holter::summary::{FrequencyDomain, Hrv, POINCARE_CELL, PoincareCell};

/// Seconds of a window.
const WINDOW: f64 = 300.0;
/// Seconds of NN intervals in a window whose mean and deviation count, and in
/// one whose spectrum does.
const ENOUGH: f64 = 0.5 * WINDOW;
const NEARLY_ALL: f64 = 0.8 * WINDOW;
/// Candidates that an interval is compared with.
const BEFORE: usize = 5;
/// Bins of the histogram per second, and most of them.
const BINS: f64 = 128.0;
const MOST_BINS: usize = 8 * 128;
/// Cells of the Poincaré plot in a row: up to 4 s.
const CELLS: usize = 4000 / POINCARE_CELL as usize;
/// What NN50 is about, in ms, above what rounding makes of it.
const NN50: f64 = 50.0 + 1e-6;

/// Mean and deviation of numbers in one pass (Welford).
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn take(&mut self, x: f64) {
        self.count += 1;
        let off = x - self.mean;
        self.mean += off / self.count as f64;
        self.squares += off * (x - self.mean);
    }

    fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    fn deviation(&self) -> Option<f64> {
        (self.count > 1).then(|| (self.squares / (self.count - 1) as f64).sqrt())
    }
}

/// The NN intervals of the window under way: times in seconds, values in ms.
#[derive(Clone, Debug, Default)]
struct Window {
    number: u64,
    times: Vec<f64>,
    values: Vec<f64>,
}

/// Gathers the NN intervals of a recording.
#[derive(Clone, Debug)]
pub(super) struct Variability {
    range: [f64; 2],
    change: f64,
    /// The latest candidates, in seconds.
    before: VecDeque<f64>,
    artefacts: u64,
    /// The interval before the next one, in ms, and whether it is NN.
    last: Option<(f64, bool)>,
    nn: Moments,
    /// Adjacent NN intervals: their differences, and the axes of the plot.
    squares: f64,
    nn50: u64,
    across: Moments,
    along: Moments,
    histogram: Vec<u32>,
    /// Pairs of all intervals and of NN intervals, a row per earlier interval.
    cells: Vec<[u32; 2]>,
    window: Window,
    means: Moments,
    deviations: Moments,
    spectra: u64,
    power: [f64; 3],
}

impl Variability {
    pub fn new(options: &Options) -> Variability {
        Variability {
            range: options.nn_range,
            change: options.nn_change,
            before: VecDeque::with_capacity(BEFORE),
            artefacts: 0,
            last: None,
            nn: Moments::default(),
            squares: 0.0,
            nn50: 0,
            across: Moments::default(),
            along: Moments::default(),
            histogram: Vec::new(),
            cells: vec![[0; 2]; CELLS * CELLS],
            window: Window::default(),
            means: Moments::default(),
            deviations: Moments::default(),
            spectra: 0,
            power: [0.0; 3],
        }
    }

    /// The next interval shares no beat with the last.
    pub fn interrupt(&mut self) {
        self.last = None;
    }

    /// An RR interval of so many seconds that ends at a time, and whether it is
    /// between two normal beats.
    pub fn interval(&mut self, time: f64, rr: f64, normal: bool) {
        let nn = normal && self.accepts(rr);
        let now = 1000.0 * rr;
        if let Some((before, was_nn)) = self.last {
            self.pair(before, now, nn && was_nn);
        }
        self.last = Some((now, nn));
        if nn {
            self.nn.take(now);
            let bin = ((rr * BINS) as usize).min(MOST_BINS - 1);
            if self.histogram.len() <= bin {
                self.histogram.resize(bin + 1, 0);
            }
            self.histogram[bin] += 1;
            self.window(time, now);
        }
    }

    /// The rule about artefacts, and a candidate more.
    fn accepts(&mut self, rr: f64) -> bool {
        let mut before: Vec<f64> = self.before.iter().copied().collect();
        before.sort_by(f64::total_cmp);
        let [least, most] = self.range;
        let usual = match before.get(before.len() / 2) {
            Some(median) => (rr - median).abs() <= self.change * median,
            None => true,
        };
        if self.before.len() == BEFORE {
            self.before.pop_front();
        }
        self.before.push_back(rr);
        let accepted = usual && rr >= least && rr <= most;
        self.artefacts += u64::from(!accepted);
        accepted
    }

    /// Two adjacent intervals in ms.
    fn pair(&mut self, before: f64, now: f64, nn: bool) {
        let place = |ms: f64| (ms / f64::from(POINCARE_CELL)) as usize;
        let (row, column) = (place(before), place(now));
        if row < CELLS && column < CELLS {
            let [all, normal] = &mut self.cells[row * CELLS + column];
            *all += 1;
            *normal += u32::from(nn);
        }
        if nn {
            let difference = now - before;
            self.squares += difference * difference;
            self.nn50 += u64::from(difference.abs() > NN50);
            self.across.take(difference * FRAC_1_SQRT_2);
            self.along.take((now + before) * FRAC_1_SQRT_2);
        }
    }

    fn window(&mut self, time: f64, nn: f64) {
        let number = (time / WINDOW) as u64;
        if number != self.window.number {
            self.close();
            self.window.number = number;
        }
        self.window.times.push(time);
        self.window.values.push(nn);
    }

    fn close(&mut self) {
        let Window { times, values, .. } = &mut self.window;
        let seconds = values.iter().sum::<f64>() / 1000.0;
        if seconds >= ENOUGH {
            let mut moments = Moments::default();
            values.iter().for_each(|nn| moments.take(*nn));
            self.means.take(moments.mean);
            if let Some(deviation) = moments.deviation() {
                self.deviations.take(deviation);
            }
        }
        if seconds >= NEARLY_ALL {
            self.spectra += 1;
            let power = spectrum::power(times, values);
            self.power
                .iter_mut()
                .zip(power)
                .for_each(|(sum, p)| *sum += p);
        }
        times.clear();
        values.clear();
    }

    pub fn hrv(mut self) -> Hrv {
        self.close();
        let pairs = self.across.count;
        let any = |value: f64| (pairs > 0).then_some(value);
        let intervals = self.nn.count;
        let fullest = self.histogram.iter().copied().max();
        Hrv {
            intervals,
            artefacts: self.artefacts,
            mean_nn: self.nn.mean(),
            sdnn: self.nn.deviation(),
            sdann: self.means.deviation(),
            sdnn_index: self.deviations.mean(),
            rmssd: any((self.squares / pairs as f64).sqrt()),
            pnn50: any(100.0 * self.nn50 as f64 / intervals as f64),
            triangular_index: fullest.map(|most| intervals as f64 / f64::from(most)),
            sd1: self.across.deviation(),
            sd2: self.along.deviation(),
            frequency: self.frequency(),
            poincare: cells(&self.cells),
            histogram: self.histogram,
        }
    }

    fn frequency(&self) -> Option<FrequencyDomain> {
        let [vlf, lf, hf] = self.power.map(|sum| sum / self.spectra as f64);
        (self.spectra > 0).then(|| FrequencyDomain {
            windows: self.spectra,
            vlf,
            lf,
            hf,
            total: vlf + lf + hf,
            lf_hf: (hf > 0.0).then(|| lf / hf),
        })
    }
}

/// The cells that are not empty.
fn cells(cells: &[[u32; 2]]) -> Vec<PoincareCell> {
    let bound = |place: usize| place as u32 * POINCARE_CELL;
    let filled = cells.iter().enumerate().filter(|(_, [all, _])| *all > 0);
    let cell = |(at, &[all, normal]): (usize, &[u32; 2])| PoincareCell {
        rr: bound(at / CELLS),
        next: bound(at % CELLS),
        all,
        normal,
    };
    filled.map(cell).collect()
}

#[cfg(test)]
mod tests;
