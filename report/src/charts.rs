//! Pictures of the whole recording, as `svg` elements.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use data::Classes;
use data::holter::{Minutes, POINCARE_CELL, PoincareCell};
use data::record::aami::Class;

use crate::beats::BeatLog;
use crate::clock::Clock;
use crate::colours;
use crate::signal::MeanBeat;
use crate::strip::escaped;

/// Size of a chart over time, and its margins at the left and below.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 44.0;
const BELOW: f64 = 22.0;
const TOP: f64 = 8.0;
/// Columns of the tachogram.
const COLUMNS: usize = 900;
/// RR intervals that are shown, in seconds.
const SHOWN: [f64; 2] = [0.2, 2.0];
/// Longest interval that is drawn over time, in seconds.
const LONGEST: f64 = 6.0;
/// Highest rate that is drawn, in beats per minute.
const HIGHEST: f64 = 300.0;

/// A chart over time: where seconds and values lie.
struct Plane {
    seconds: f64,
    low: f64,
    high: f64,
}

impl Plane {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + (WIDTH - LEFT) * (seconds / self.seconds.max(1.0)).clamp(0.0, 1.0)
    }

    fn y(&self, value: f64) -> f64 {
        let part = (value - self.low) / (self.high - self.low).max(1e-9);
        TOP + (HEIGHT - TOP - BELOW) * (1.0 - part.clamp(0.0, 1.0))
    }

    /// Width of a minute, at least a unit.
    fn minute(&self) -> f64 {
        ((WIDTH - LEFT) * 60.0 / self.seconds.max(60.0)).max(1.0)
    }

    /// Bands from and to these seconds, at least a unit wide.
    fn marks(&self, marked: &[[f64; 2]]) -> String {
        let mut path = String::new();
        for [from, to] in marked {
            let x = self.x(*from);
            let width = (self.x(*to) - x).max(1.5);
            let below = HEIGHT - BELOW;
            let _ = write!(path, "M{x:.1} {TOP}h{width:.1}V{below:.1}h-{width:.1}z");
        }
        format!("<path class=\"marked\" d=\"{path}\"/>")
    }

    /// The element's beginning, with both axes.
    fn begun(&self, label: &str, unit: &str, clock: &Clock) -> String {
        let mut svg = format!(
            "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escaped(label)
        );
        for value in ticks(self.low, self.high, 4) {
            let y = self.y(value);
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{WIDTH}\"/><text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 5.0,
                y + 4.0,
                short(value),
            );
        }
        let step = time_step(self.seconds);
        let mut at = 0.0;
        while at < self.seconds - 0.04 * self.seconds {
            let x = self.x(at);
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{x:.1} {TOP}V{:.1}\"/><text x=\"{:.1}\" y=\"{:.0}\">{}</text>",
                HEIGHT - BELOW,
                x + 3.0,
                HEIGHT - 6.0,
                escaped(&clock.at(at)),
            );
            at += step;
        }
        let _ = write!(
            svg,
            "<text x=\"{WIDTH}\" y=\"{:.0}\" text-anchor=\"end\">{}</text>",
            TOP + 8.0,
            escaped(unit)
        );
        svg
    }
}

/// The heart rate over time: the mean of each minute, and its range by the longest
/// and the shortest RR interval.
pub(crate) fn heart_rate(
    minutes: &Minutes,
    marked: &[[f64; 2]],
    seconds: f64,
    clock: &Clock,
) -> String {
    let rates: Vec<Option<[f64; 3]>> = (0..minutes.heart_rate.len())
        .map(|i| {
            let of = |rr: Option<f32>| rr.map(|rr| (60.0 / f64::from(rr.max(0.01))).min(HIGHEST));
            let mean = f64::from(minutes.heart_rate[i]?);
            Some([
                of(minutes.longest_rr[i])?,
                mean,
                of(minutes.shortest_rr[i])?,
            ])
        })
        .collect();
    let known = rates.iter().flatten();
    let high = known.clone().map(|r| r[2]).fold(100.0, f64::max);
    let low = known.map(|r| r[0]).fold(50.0, f64::min).max(0.0);
    let plane = Plane {
        seconds,
        low: (low / 10.0).floor() * 10.0,
        high: (high / 10.0).ceil() * 10.0,
    };
    let mut svg = plane.begun(
        "heart rate of each minute: mean, and its range by single intervals",
        "beats per minute",
        clock,
    );
    svg += &plane.marks(marked);
    let width = plane.minute();
    let (mut band, mut line, mut joined) = (String::new(), String::new(), false);
    for (i, rate) in rates.iter().enumerate() {
        let Some([low, mean, high]) = *rate else {
            joined = false;
            continue;
        };
        let x = plane.x(60.0 * i as f64);
        let _ = write!(
            band,
            "M{x:.1} {:.1}h{width:.1}V{:.1}h-{width:.1}z",
            plane.y(high),
            plane.y(low)
        );
        let letter = if joined { 'L' } else { 'M' };
        let (x, y) = (x + width / 2.0, plane.y(mean));
        let _ = write!(line, "{letter}{x:.1} {y:.1}");
        if !joined {
            line += "h.1";
        }
        joined = true;
    }
    let _ = write!(
        svg,
        "<path class=\"band\" d=\"{band}\"/><path class=\"line\" d=\"{line}\"/></svg>"
    );
    svg
}

/// Ectopic beats of each minute: ventricular ones upwards, supraventricular ones
/// downwards, and where nothing could be analysed.
pub(crate) fn burden(
    minutes: &Minutes,
    marked: &[[f64; 2]],
    seconds: f64,
    clock: &Clock,
) -> String {
    let counts = |column: &[Option<u32>]| -> Vec<f64> {
        column.iter().map(|n| f64::from(n.unwrap_or(0))).collect()
    };
    let (v, s) = (counts(&minutes.v), counts(&minutes.s));
    let most = v.iter().chain(&s).copied().fold(10.0, f64::max);
    let plane = Plane {
        seconds,
        low: -most,
        high: most,
    };
    let mut svg = plane.begun(
        "ectopic beats of each minute: ventricular upwards, supraventricular downwards",
        "V up, S down, beats a minute",
        clock,
    );
    svg += &plane.marks(marked);
    let (width, zero) = (plane.minute(), plane.y(0.0));
    let bars = |column: &[f64], side: f64| {
        let mut path = String::new();
        for (i, count) in column.iter().enumerate().filter(|(_, c)| **c > 0.0) {
            let (x, y) = (plane.x(60.0 * i as f64), plane.y(side * count));
            let _ = write!(path, "M{x:.1} {zero:.1}h{width:.1}V{y:.1}h-{width:.1}z");
        }
        path
    };
    let mut blind = String::new();
    for (i, analysable) in minutes.analysable.iter().enumerate() {
        // The last minute of a recording is seldom whole.
        let whole = (seconds - 60.0 * i as f64).min(60.0);
        if f64::from(*analysable) < 0.5 * whole {
            let x = plane.x(60.0 * i as f64);
            let below = HEIGHT - BELOW;
            let _ = write!(blind, "M{x:.1} {TOP}h{width:.1}V{below:.1}h-{width:.1}z");
        }
    }
    let colour = |class: Class| colours::of(&Classes::aami5(), class.index());
    let _ = write!(
        svg,
        "<path class=\"blind\" d=\"{blind}\"/><path fill=\"{}\" d=\"{}\"/><path fill=\"{}\" d=\"{}\"/></svg>",
        colour(Class::V),
        bars(&v, 1.0),
        colour(Class::S),
        bars(&s, -1.0),
    );
    svg
}

/// Every RR interval over time; where they are too many to be drawn, the range of
/// those that share a column.
pub(crate) fn tachogram(log: &BeatLog, seconds: f64, clock: &Clock) -> String {
    let intervals = (0..log.beats.len()).filter_map(|i| log.rr(i));
    let high = intervals.fold(SHOWN[1], f64::max).min(LONGEST).ceil();
    let plane = Plane {
        seconds,
        low: 0.0,
        high,
    };
    let mut svg = plane.begun("RR intervals over time", "RR in seconds", clock);
    let mut columns: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for (i, beat) in log.beats.iter().enumerate() {
        if let Some(rr) = log.rr(i) {
            let part = beat.sample as f64 / log.fs / seconds.max(1.0);
            let column = (part * COLUMNS as f64) as usize;
            columns.entry(column.min(COLUMNS)).or_default().push(rr);
        }
    }
    let mut path = String::new();
    for (column, mut intervals) in columns {
        let x = LEFT + (WIDTH - LEFT) * column as f64 / COLUMNS as f64;
        intervals.sort_by(f64::total_cmp);
        // Neighbours nearer than a pixel are one stroke.
        let near = high / (HEIGHT - TOP - BELOW);
        let mut from = intervals[0];
        for (i, &rr) in intervals.iter().enumerate() {
            let next = intervals.get(i + 1);
            if next.is_none_or(|next| next - rr > 2.0 * near) {
                let _ = write!(
                    path,
                    "M{x:.1} {:.1}V{:.1}",
                    plane.y(from) + 0.6,
                    plane.y(rr) - 0.6
                );
                from = next.copied().unwrap_or(rr);
            }
        }
    }
    let _ = write!(svg, "<path class=\"dots\" d=\"{path}\"/></svg>");
    svg
}

/// Each RR interval against the one before it, as a map of how many there are.
pub(crate) fn poincare(cells: &[PoincareCell]) -> String {
    const SIZE: f64 = 300.0;
    const EDGE: f64 = 36.0;
    let [from, to] = SHOWN;
    let scale = (SIZE - EDGE) / (to - from);
    let x = |seconds: f64| EDGE + (seconds - from) * scale;
    let y = |seconds: f64| SIZE - EDGE - (seconds - from) * scale;
    let mut svg = format!(
        "<svg class=\"poincare\" viewBox=\"0 0 {SIZE} {SIZE}\" role=\"img\" aria-label=\"each RR interval against the one before\">"
    );
    for tick in [0.5, 1.0, 1.5, 2.0] {
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{EDGE} {0:.1}H{SIZE}M{1:.1} 0V{2:.1}\"/><text x=\"{3:.0}\" y=\"{4:.1}\" text-anchor=\"end\">{tick}</text><text x=\"{1:.1}\" y=\"{5:.0}\" text-anchor=\"middle\">{tick}</text>",
            y(tick),
            x(tick).min(SIZE - 8.0),
            SIZE - EDGE,
            EDGE - 5.0,
            y(tick).max(6.0) + 4.0,
            SIZE - EDGE + 14.0,
        );
    }
    // Five shades, by the logarithm of the count.
    let most = cells.iter().map(|cell| cell.all).max().unwrap_or(1);
    let mut shades = vec![String::new(); 5];
    let side = f64::from(POINCARE_CELL) / 1000.0;
    for cell in cells {
        let [before, rr] = [cell.rr, cell.next].map(|ms| f64::from(ms) / 1000.0);
        let inside = |v: f64| (from..to).contains(&v);
        if !inside(before) || !inside(rr) {
            continue;
        }
        let part = f64::from(cell.all).ln_1p() / f64::from(most).ln_1p();
        let shade = ((part * 5.0) as usize).min(4);
        let (left, below, side) = (x(before), y(rr + side), side * scale);
        let _ = write!(
            shades[shade],
            "M{left:.1} {below:.1}h{side:.1}v{side:.1}h-{side:.1}z"
        );
    }
    for (i, path) in shades.iter().enumerate() {
        let opacity = 0.25 + 0.75 * i as f64 / 4.0;
        let _ = write!(
            svg,
            "<path class=\"cells\" opacity=\"{opacity:.2}\" d=\"{path}\"/>"
        );
    }
    let _ = write!(
        svg,
        "<text x=\"{SIZE}\" y=\"{:.0}\" text-anchor=\"end\">RR before, s</text><text x=\"{:.0}\" y=\"12\">RR, s</text></svg>",
        SIZE - 6.0,
        EDGE + 4.0
    );
    svg
}

/// A class's mean beat on paper of 25 mm/s and 10 mm/mV.
pub(crate) fn mean_beat(mean: &MeanBeat, classes: &Classes, fs: f64) -> String {
    let lowest = mean.samples.iter().copied().fold(0.0, f32::min).max(-2.5);
    let highest = mean.samples.iter().copied().fold(0.0, f32::max).min(2.5);
    let width = mean.samples.len() as f64 / fs * 25.0;
    let height = f64::from(highest - lowest) * 10.0 + 4.0;
    let mut path = String::new();
    for (i, value) in mean.samples.iter().enumerate() {
        let letter = if i == 0 { 'M' } else { 'L' };
        let _ = write!(
            path,
            "{letter}{:.0} {:.0}",
            20.0 * 25.0 * i as f64 / fs,
            20.0 * (2.0 + 10.0 * f64::from(highest - value.clamp(lowest, highest)))
        );
    }
    format!(
        "<svg class=\"strip\" style=\"width:{width:.1}mm;height:{height:.1}mm\" viewBox=\"0 0 {:.0} {:.0}\" role=\"img\" aria-label=\"mean beat of class {}\"><rect width=\"100%\" height=\"100%\" class=\"paper\"/><path class=\"trace\" style=\"stroke:{}\" d=\"{path}\"/></svg>",
        20.0 * width,
        20.0 * height,
        escaped(classes.name(mean.class)),
        colours::of(classes, mean.class),
    )
}

/// About `count` round numbers between two values.
fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let rough = (high - low).max(1e-9) / count as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let factors = [1.0, 2.0, 2.5, 5.0, 10.0];
    let factor = factors.into_iter().find(|f| f * power >= rough);
    let step = factor.unwrap_or(10.0) * power;
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

fn short(value: f64) -> String {
    // What goes downwards is counted, too.
    let value = value.abs();
    match value.fract() == 0.0 {
        true => format!("{value:.0}"),
        false => format!("{value:.1}"),
    }
}

/// Seconds between marks of time: at most ten of them.
fn time_step(seconds: f64) -> f64 {
    let steps = [
        10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 10800.0, 21600.0, 43200.0,
        86400.0, 172_800.0,
    ];
    let enough = steps.into_iter().find(|step| seconds / step <= 10.0);
    enough.unwrap_or(seconds / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beats::tests::log;

    #[test]
    fn marks_are_round_numbers() {
        assert_eq!(ticks(40.0, 160.0, 4), [50.0, 100.0, 150.0]);
        assert_eq!(ticks(-10.0, 10.0, 4), [-10.0, -5.0, 0.0, 5.0, 10.0]);
        assert_eq!(time_step(1800.0), 300.0);
        assert_eq!(time_step(86_400.0), 10_800.0);
    }

    #[test]
    fn a_minute_without_a_rate_breaks_the_line() {
        let known = [true, true, false, true];
        let column = |value: f32| known.map(|known| known.then_some(value)).to_vec();
        let minutes = Minutes {
            heart_rate: column(70.0),
            shortest_rr: column(0.75),
            longest_rr: column(1.0),
            v: known.map(|known| known.then_some(3)).to_vec(),
            s: vec![None; 4],
            analysable: known.map(|known| if known { 60.0 } else { 0.0 }).to_vec(),
            ..Minutes::default()
        };
        let clock = Clock::new(100.0, None);
        let path = |svg: &str, name: &str| -> String {
            let rest = svg.split(name).nth(1).unwrap();
            rest.split('"').next().unwrap().to_owned()
        };
        let svg = heart_rate(&minutes, &[[60.0, 90.0]], 240.0, &clock);
        assert_eq!(path(&svg, "class=\"line\" d=\"").matches('M').count(), 2);
        let marked = path(&svg, "class=\"marked\" d=\"");
        assert_eq!(marked, format!("M283.0 {TOP}h119.5V168.0h-119.5z"));
        let svg = burden(&minutes, &[], 240.0, &clock);
        assert_eq!(path(&svg, "class=\"blind\" d=\"").matches('M').count(), 1);
    }

    #[test]
    fn intervals_alike_are_one_stroke_and_one_cell() {
        let log = log(0.8, "NNNNNNNN");
        let clock = Clock::new(100.0, None);
        let svg = tachogram(&log, 7.0, &clock);
        let dots = svg.split("class=\"dots\" d=\"").nth(1).unwrap();
        assert_eq!(dots.matches('M').count(), 7);
        let cell = |rr| PoincareCell {
            rr,
            next: 800,
            all: 6,
            normal: 6,
        };
        let svg = poincare(&[cell(800), cell(5000)]);
        let cells: usize = svg
            .split("class=\"cells\"")
            .skip(1)
            .map(|part| part.split('>').next().unwrap().matches('M').count())
            .sum();
        assert_eq!(cells, 1);
    }
}
