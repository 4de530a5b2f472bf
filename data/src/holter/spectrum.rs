//! The Lomb-Scargle periodogram of the NN intervals of a window, which needs no
//! resampling and no values in the place of those left out.
//!
//! N. R. Lomb, Astrophys. Space Sci. 39:447, 1976; J. D. Scargle, Astrophys. J.
//! 263:835, 1982.

use std::f64::consts::TAU;

/// Step of the frequencies, in Hz: one period in a window of 300 s.
const STEP: f64 = 1.0 / 300.0;
/// Multiples of the step up to which a band goes: 0.04, 0.15 and 0.4 Hz.
const BANDS: [usize; 3] = [12, 45, 120];
/// Below this, a sum of squares of cosines or sines is rounding.
const NOTHING: f64 = 1e-9;

/// Power in ms² of very low, low and high frequencies, of values in ms at these
/// times in seconds, ascending and as many; see
/// [`crate::holter::FrequencyDomain`].
pub(super) fn power(times: &[f64], values: &[f64]) -> [f64; 3] {
    let mut bands = [0.0; 3];
    let (Some(&first), Some(&last)) = (times.first(), times.last()) else {
        return bands;
    };
    if times.len() < 2 || last <= first {
        return bands;
    }
    let spacing = (last - first) / (times.len() - 1) as f64;
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    // Per value: itself, the step's angle, and the present angle.
    let mut points: Vec<Point> = (times.iter().zip(values))
        .map(|(time, value)| {
            let (sin, cos) = (TAU * STEP * (time - first)).sin_cos();
            Point {
                value: value - mean,
                step: [cos, sin],
                now: [1.0, 0.0],
            }
        })
        .collect();
    let mut multiple = 0;
    for (band, &to) in bands.iter_mut().zip(&BANDS) {
        while multiple < to {
            multiple += 1;
            *band += 2.0 * spacing * STEP * turn(&mut points);
        }
    }
    bands
}

/// A value at an angle, as cosine and sine.
struct Point {
    value: f64,
    step: [f64; 2],
    now: [f64; 2],
}

/// Goes on to the next multiple of the step; the periodogram there.
fn turn(points: &mut [Point]) -> f64 {
    let (mut by_cos, mut by_sin, mut cos2, mut both) = (0.0, 0.0, 0.0, 0.0);
    for point in &mut *points {
        let ([c, s], [dc, ds]) = (point.now, point.step);
        let (c, s) = (c * dc - s * ds, s * dc + c * ds);
        point.now = [c, s];
        by_cos += point.value * c;
        by_sin += point.value * s;
        cos2 += c * c;
        both += c * s;
    }
    // Scargle's shift of time, which makes cosine and sine orthogonal.
    let sin2 = points.len() as f64 - cos2;
    let (sin, cos) = (0.5 * (2.0 * both).atan2(cos2 - sin2)).sin_cos();
    let along = by_cos * cos + by_sin * sin;
    let across = by_sin * cos - by_cos * sin;
    let energy = cos2 * cos * cos + 2.0 * both * cos * sin + sin2 * sin * sin;
    let part = |amount: f64, energy: f64| match energy > NOTHING {
        true => amount * amount / energy,
        false => 0.0,
    };
    0.5 * (part(along, energy) + part(across, points.len() as f64 - energy))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of these sines at uneven times of five minutes: amplitude and Hz.
    fn waves(waves: &[(f64, f64)]) -> [f64; 3] {
        let uneven = |i: i32| 0.8 * f64::from(i) + 0.05 * (1.7 * f64::from(i)).sin();
        let times: Vec<f64> = (0..375).map(uneven).collect();
        let value = |t: &f64| {
            let wave = |(a, f): &(f64, f64)| a * (TAU * f * t + 0.3).sin();
            900.0 + waves.iter().map(wave).sum::<f64>()
        };
        power(&times, &times.iter().map(value).collect::<Vec<_>>())
    }

    #[test]
    fn a_sine_has_half_its_squared_amplitude_in_its_band_and_nothing_in_others() {
        for (band, frequency) in [(0, 0.02), (1, 0.1), (2, 0.25)] {
            let power = waves(&[(30.0, frequency)]);
            assert!((power[band] / 450.0 - 1.0).abs() < 0.02, "{power:?}");
            let rest: f64 = power.iter().sum::<f64>() - power[band];
            assert!(rest < 0.03 * 450.0, "{power:?}");
        }
    }

    #[test]
    fn bands_add_up() {
        let power = waves(&[(20.0, 0.02), (30.0, 0.1), (40.0, 0.25)]);
        for (power, expected) in power.iter().zip([200.0, 450.0, 800.0]) {
            assert!((power / expected - 1.0).abs() < 0.05, "{power} {expected}");
        }
    }

    #[test]
    fn too_few_values_and_equal_times_have_no_power() {
        assert_eq!(power(&[], &[]), [0.0; 3]);
        assert_eq!(power(&[1.0], &[800.0]), [0.0; 3]);
        assert_eq!(power(&[1.0, 1.0], &[800.0, 900.0]), [0.0; 3]);
        assert_eq!(power(&[1.0, 2.0, 3.0], &[800.0; 3]), [0.0; 3]);
    }
}
