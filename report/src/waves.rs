//! Where in a window the waves of a normal beat lie.

use std::ops::Range;

use data::pipeline::input::{InputSpec, Layout};

/// A wave of the electrocardiogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wave {
    /// The P wave and the PR segment.
    P,
    /// The QRS complex.
    Qrs,
    /// The ST segment and the T wave.
    T,
}

impl Wave {
    /// All waves, in the order in which they come in a beat.
    pub const ALL: [Wave; 3] = [Wave::P, Wave::Qrs, Wave::T];

    /// Its usual name.
    pub fn name(self) -> &'static str {
        match self {
            Wave::P => "P",
            Wave::Qrs => "QRS",
            Wave::T => "T",
        }
    }

    /// Start and end in seconds from the R peak. Textbook extents of a beat in
    /// sinus rhythm at rest: the waves of an early or wide beat may lie beyond
    /// them.
    fn extent(self) -> [f64; 2] {
        match self {
            Wave::P => [-0.24, -0.06],
            Wave::Qrs => [-0.06, 0.10],
            Wave::T => [0.10, 0.44],
        }
    }
}

/// Length of a beat in the Kaggle format, in RR intervals: the next R peak
/// lies at this part of the window's unpadded length.
const KAGGLE_INTERVALS: f64 = 1.2;

/// The waves inside one channel of a beat's window, as ranges of its samples,
/// in their order. A row of the Kaggle format also shows the next beat.
pub fn waves(input: &InputSpec, channel: &[f32]) -> Vec<(Wave, Range<usize>)> {
    let mut peaks = own_peak(input);
    if input.layout == Layout::Kaggle {
        let padding = channel.iter().rev().take_while(|v| **v == 0.0).count();
        peaks.push((channel.len() - padding) as f64 / KAGGLE_INTERVALS);
    }
    around(input, &peaks, channel.len())
}

/// The waves of the window's own beat alone, for a window that no single
/// beat fills: where the next one lies is then unknown.
pub fn own_waves(input: &InputSpec) -> Vec<(Wave, Range<usize>)> {
    around(input, &own_peak(input), input.length())
}

/// Where the window's own R peak lies; of a row of a table nobody knows.
fn own_peak(input: &InputSpec) -> Vec<f64> {
    match input.layout {
        Layout::Table => Vec::new(),
        Layout::Kaggle | Layout::Window => vec![input.before as f64],
    }
}

/// The waves around R peaks. Where two would overlap, the later one gives way.
fn around(input: &InputSpec, peaks: &[f64], length: usize) -> Vec<(Wave, Range<usize>)> {
    let mut found: Vec<(Wave, Range<usize>)> = Vec::new();
    for peak in peaks {
        for wave in Wave::ALL {
            let free = found.last().map_or(0, |(_, range)| range.end);
            let sample = |seconds: f64| (peak + seconds * input.fs).round().max(0.0) as usize;
            let [start, end] = wave.extent().map(sample);
            let range = start.max(free)..end.min(length);
            if !range.is_empty() {
                found.push((wave, range));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_one_beat() {
        let input = InputSpec {
            layout: Layout::Window,
            fs: 100.0,
            before: 30,
            after: 70,
            ..InputSpec::kaggle()
        };
        let found = waves(&input, &[1.0; 100]);
        assert_eq!(
            found,
            [(Wave::P, 6..24), (Wave::Qrs, 24..40), (Wave::T, 40..74)]
        );
    }

    #[test]
    fn a_row_of_a_table_has_none_that_are_known() {
        let input = InputSpec {
            layout: Layout::Table,
            ..InputSpec::kaggle()
        };
        assert!(waves(&input, &[1.0; 187]).is_empty());
        assert!(own_waves(&input).is_empty());
    }

    #[test]
    fn a_kaggle_row_begins_at_one_beat_and_ends_after_the_next() {
        let mut row = [0.5; 187];
        row[121..].fill(0.0);
        let found = waves(&InputSpec::kaggle(), &row);
        let names: Vec<_> = found.iter().map(|(wave, _)| wave.name()).collect();
        assert_eq!(names, ["QRS", "T", "P", "QRS", "T"]);
        // The next R peak is at 121 / 1.2 = 100.8, at 120 Hz.
        assert_eq!(found[3].1, 94..113);
        let names: Vec<_> = own_waves(&InputSpec::kaggle())
            .iter()
            .map(|(wave, _)| wave.name())
            .collect();
        assert_eq!(names, ["QRS", "T"]);
    }
}
