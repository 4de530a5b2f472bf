//! A strip of ECG as it is printed on paper: 25 mm/s and 10 mm/mV, with labels and
//! the credits of beats behind the trace.

use std::fmt::Write as _;

use models::contract::Reject;

use crate::beats::BeatLog;
use crate::clock::Clock;
use crate::colours;
use crate::signal::Excerpt;

/// Units of the drawing per mm, so that whole numbers will do.
const MM: f64 = 20.0;
/// Paper speed and gain.
const MM_PER_SECOND: f64 = 25.0;
const MM_PER_MILLIVOLT: f64 = 10.0;
/// Room for labels above the trace, and for times below it, in mm.
const ABOVE: f64 = 9.0;
const BELOW: f64 = 5.0;
/// What is shown at least to each side of the median, and at most, in mV.
const LEAST: f64 = 1.0;
const MOST: f64 = 3.5;
/// Points a second beyond which neighbours are drawn as their range.
const POINTS: f64 = 400.0;
/// Width of a credit's bar, in seconds, and the part of the greatest credit below
/// which none is drawn.
const BAR: f64 = 0.016;
const FAINT: f32 = 0.08;

/// What speaks for the class of a beat, along its window.
#[derive(Clone, Debug, PartialEq)]
pub struct Credit {
    /// The place of the beat in the log.
    pub beat: usize,
    /// Credit of each sample of the window, summed over its channels: what speaks
    /// for the class is positive.
    pub window: Vec<f32>,
    /// Samples of the window per second, and of them before the fiducial point.
    pub fs: f64,
    /// Of those, the samples before the fiducial point.
    pub before: usize,
    /// What the credits come to, in words.
    pub reasons: Vec<String>,
}

/// A stretch that matters.
#[derive(Clone, Debug)]
pub struct Strip {
    /// Its name among the page's links, such as `longest-v-run`.
    pub id: String,
    /// What it shows.
    pub title: String,
    /// The signal.
    pub excerpt: Excerpt,
    /// The beats that it is about, in the order of the log.
    pub about: Vec<usize>,
    /// Credits of some of them.
    pub credits: Vec<Credit>,
}

impl Strip {
    /// The first and the last sample, of the recording.
    pub(crate) fn span(&self) -> [u64; 2] {
        let start = self.excerpt.start;
        [start, start + self.excerpt.samples.len() as u64]
    }

    /// The drawing, an `svg` element. Beats are groups of class `beat` with their
    /// place in the log as `data-beat`.
    pub(crate) fn svg(&self, log: &BeatLog, clock: &Clock) -> String {
        let samples = &self.excerpt.samples;
        let fs = self.excerpt.fs;
        let median = median(samples);
        let finite = samples.iter().filter(|v| v.is_finite());
        let reach = |side: f64| {
            let far = finite
                .clone()
                .map(|v| side * (f64::from(*v) - median))
                .fold(0.0, f64::max);
            far.clamp(LEAST, MOST) + 0.2
        };
        let (up, down) = (reach(1.0), reach(-1.0));
        let width = samples.len() as f64 / fs * MM_PER_SECOND;
        let height = ABOVE + (up + down) * MM_PER_MILLIVOLT + BELOW;
        let frame = Frame {
            start: self.excerpt.start,
            fs,
            zero: (ABOVE + up * MM_PER_MILLIVOLT) * MM,
            median,
            top: ABOVE * MM,
            bottom: (height - BELOW) * MM,
        };
        let mut svg = format!(
            "<svg class=\"strip\" role=\"img\" aria-label=\"{}\" style=\"width:{width:.1}mm;height:{height:.1}mm\" viewBox=\"0 0 {:.0} {:.0}\" data-start=\"{}\" data-samples=\"{}\"><rect y=\"{:.0}\" width=\"100%\" height=\"{:.0}\" class=\"paper\"/>",
            escaped(&self.title),
            width * MM,
            height * MM,
            self.excerpt.start,
            samples.len(),
            frame.top,
            frame.bottom - frame.top,
        );
        for credit in &self.credits {
            frame.credit(credit, log, &mut svg);
        }
        svg += "<path class=\"trace\" d=\"";
        frame.trace(samples, &mut svg);
        svg += "\"/>";
        frame.labels(self, log, &mut svg);
        let _ = write!(
            svg,
            "<text class=\"time\" x=\"0\" y=\"{:.0}\">{}</text><text class=\"time\" text-anchor=\"end\" x=\"{:.0}\" y=\"{:.0}\">25 mm/s, 10 mm/mV; a large square is 0.2 s and 0.5 mV</text></svg>",
            height * MM - 1.2 * MM,
            escaped(&clock.time(self.excerpt.start)),
            width * MM,
            height * MM - 1.2 * MM,
        );
        svg
    }
}

/// Where things lie in a strip, in units of the drawing.
struct Frame {
    start: u64,
    fs: f64,
    zero: f64,
    median: f64,
    top: f64,
    bottom: f64,
}

impl Frame {
    fn x(&self, seconds: f64) -> f64 {
        seconds * MM_PER_SECOND * MM
    }

    /// Seconds from the strip's start to a sample of the recording.
    fn seconds(&self, sample: u64) -> f64 {
        (sample as f64 - self.start as f64) / self.fs
    }

    fn y(&self, millivolt: f32) -> f64 {
        let y = self.zero - (f64::from(millivolt) - self.median) * MM_PER_MILLIVOLT * MM;
        y.clamp(self.top, self.bottom)
    }

    /// The trace as a path of whole numbers, each from the one before.
    fn trace(&self, samples: &[f32], out: &mut String) {
        let step = (self.fs / POINTS).ceil().max(1.0) as usize;
        let mut before: Option<(i64, i64)> = None;
        for (i, group) in samples.chunks(step).enumerate() {
            let valid = group.iter().copied().filter(|v| v.is_finite());
            let (low, high) = (
                valid.clone().reduce(f32::min),
                valid.clone().reduce(f32::max),
            );
            let (Some(low), Some(high), Some(first)) = (low, high, valid.clone().next()) else {
                // The trace ends where the signal does, and begins anew.
                before = None;
                continue;
            };
            let x = self.x((i * step) as f64 / self.fs).round() as i64;
            let pair = match first == low {
                true => [low, high],
                false => [high, low],
            };
            let count = if high > low { 2 } else { 1 };
            for value in &pair[..count] {
                let y = self.y(*value).round() as i64;
                let _ = match before {
                    None => write!(out, "M{x} {y}l0 0 "),
                    Some((px, py)) => write!(out, "{} {} ", x - px, y - py),
                };
                before = Some((x, y));
            }
        }
    }

    /// Bars behind the trace: the stronger, the more that moment speaks for the
    /// class of its beat, or against it.
    fn credit(&self, credit: &Credit, log: &BeatLog, out: &mut String) {
        let Some(beat) = log.beats.get(credit.beat) else {
            return;
        };
        let most = credit.window.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        if most.is_nan() || most <= 0.0 {
            return;
        }
        let per_bar = ((BAR * credit.fs).round() as usize).max(1);
        let begin = self.seconds(beat.sample) - credit.before as f64 / credit.fs;
        let bars: Vec<f32> = credit
            .window
            .chunks(per_bar)
            .map(|c| c.iter().sum())
            .collect();
        let most = bars.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        let width = self.x(per_bar as f64 / credit.fs);
        for (i, bar) in bars.iter().enumerate() {
            let part = bar / most;
            if part.abs() < FAINT {
                continue;
            }
            let x = self.x(begin + (i * per_bar) as f64 / credit.fs);
            let side = if part > 0.0 { "for" } else { "against" };
            let _ = write!(
                out,
                "<rect class=\"{side}\" x=\"{x:.0}\" y=\"{:.0}\" width=\"{:.0}\" height=\"{:.0}\" opacity=\"{:.2}\"/>",
                self.top,
                width + 1.0,
                self.bottom - self.top,
                0.75 * part.abs(),
            );
        }
    }

    /// The class of each beat above it, and the interval between two of them.
    fn labels(&self, strip: &Strip, log: &BeatLog, out: &mut String) {
        let [from, to] = strip.span();
        for index in log.between(from, to) {
            let beat = &log.beats[index];
            let x = self.x(self.seconds(beat.sample));
            if let Some(rr) = log.rr(index).filter(|_| index > 0) {
                let middle = x - self.x(rr) / 2.0;
                if middle > 0.0 {
                    let _ = write!(
                        out,
                        "<text class=\"rr\" x=\"{middle:.0}\" y=\"{:.0}\">{:.0}</text>",
                        7.6 * MM,
                        1000.0 * rr
                    );
                }
            }
            let name = log.classes.name(usize::from(beat.class));
            let about = match strip.about.contains(&index) {
                true => " about",
                false => "",
            };
            let doubt = match beat.reject {
                Some(Reject::Uncertain) => "?",
                Some(Reject::Quality) => "~",
                None => "",
            };
            let _ = write!(
                out,
                "<g class=\"beat{about}\" data-beat=\"{index}\" tabindex=\"0\" role=\"button\" aria-label=\"beat {} at {:.2} s of the strip\"><rect x=\"{:.0}\" y=\"0\" width=\"{:.0}\" height=\"{:.0}\" class=\"touch\"/><line x1=\"{x:.0}\" x2=\"{x:.0}\" y1=\"{:.0}\" y2=\"{:.0}\"/><text x=\"{x:.0}\" y=\"{:.0}\" style=\"fill:{}\">{}{doubt}</text></g>",
                escaped(name),
                self.seconds(beat.sample),
                x - 4.0 * MM,
                8.0 * MM,
                self.bottom,
                8.0 * MM,
                9.4 * MM,
                5.0 * MM,
                colours::of(&log.classes, usize::from(beat.class)),
                escaped(name),
            );
        }
    }
}

fn median(samples: &[f32]) -> f64 {
    let mut finite: Vec<f32> = samples.iter().copied().filter(|v| v.is_finite()).collect();
    let middle = finite.len() / 2;
    if finite.is_empty() {
        return 0.0;
    }
    let (_, median, _) = finite.select_nth_unstable_by(middle, f32::total_cmp);
    f64::from(*median)
}

/// Text for inside an element or an attribute.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beats::tests::log;

    fn strip() -> Strip {
        let mut samples = vec![0.25_f32; 400];
        samples[80] = 1.25;
        samples[200..210].fill(f32::NAN);
        Strip {
            id: "s".into(),
            title: "A <strip>".into(),
            excerpt: Excerpt {
                start: 0,
                fs: 100.0,
                samples,
            },
            about: vec![1],
            credits: vec![Credit {
                beat: 1,
                window: vec![0.0, 1.0, -0.5, 0.0],
                fs: 100.0,
                before: 2,
                reasons: Vec::new(),
            }],
        }
    }

    #[test]
    fn a_strip_is_drawn_to_scale_and_says_what_it_shows() {
        let svg = strip().svg(&log(0.8, "NVNN"), &Clock::new(100.0, None));
        // Four seconds at 25 mm/s.
        assert!(svg.contains("width:100.0mm") && svg.contains("viewBox=\"0 0 2000 "));
        assert!(svg.contains("A &lt;strip&gt;") && svg.matches("data-beat=").count() == 4);
        assert!(svg.contains("class=\"beat about\" data-beat=\"1\""));
        assert!(svg.contains(">800</text>"), "the RR interval in ms");
        // The peak lies 10 mm, 200 units, above its neighbour; the gap cuts the trace.
        let path = svg.split("d=\"").nth(1).unwrap();
        let path = path.split('"').next().unwrap();
        assert!(path.contains("5 -200 5 200 "), "{path}");
        assert_eq!(path.matches('M').count(), 2);
        assert_eq!(svg.matches("class=\"for\"").count(), 1);
        assert_eq!(svg.matches("class=\"against\"").count(), 1);
    }

    #[test]
    fn a_strip_without_signal_is_empty_paper() {
        let mut strip = strip();
        strip.excerpt.samples.fill(f32::NAN);
        let svg = strip.svg(&log(0.8, ""), &Clock::new(100.0, None));
        assert!(svg.contains("d=\"\"") && !svg.contains("NaN"));
    }
}
