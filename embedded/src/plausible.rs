//! Whether raw samples look like what the user says that they are.
//!
//! An ECG sampled fast enough is smooth: a sample is near the one before it.
//! Bytes read in the wrong width are not, and become smooth only when they are
//! read as they were written; and of a sample's bytes the low ones change more
//! often than the high ones.

use crate::decode::Encoding;

/// Bytes that are looked at.
pub(crate) const BYTES: usize = 8192;
/// Mean step from sample to sample, in standard deviations: noise has 1.1,
/// samples of another width .8 and more, an ECG at 128 Hz or more less than .4.
const ROUGH: f64 = 0.7;
const SMOOTH: f64 = 0.5;
/// A byte that changes so many times as often as another is below it.
const BELOW: usize = 3;
/// Fewer frames say nothing.
const LEAST_FRAMES: usize = 64;
/// No sample of 32 bits reaches this, in any unit.
const LARGEST: f64 = 1e9;

/// What the bytes at the start of a stream of `channels` look like, when that
/// is surely not `given`.
pub(crate) fn other(bytes: &[u8], given: Encoding, channels: usize) -> Option<&'static str> {
    const SWAPPED: &str = "big endian; swap the bytes of each sample (dd conv=swab for i16)";
    let busier = |upper: usize, lower: usize, width: usize| {
        let [upper, lower] = [upper, lower].map(|b| changes(bytes, b, width * channels));
        // A low byte that is always 0 is one that the device does not use.
        let (upper, lower) = (upper.unwrap_or(0), lower.unwrap_or(usize::MAX / BELOW));
        upper > LEAST_FRAMES / 4 && upper > BELOW * lower
    };
    match given {
        Encoding::Csv => return None,
        Encoding::I16 if busier(1, 0, 2) => return Some(SWAPPED),
        Encoding::I32 if busier(3, 2, 4) => return Some(SWAPPED),
        Encoding::I32 if busier(2, 1, 4) => return Some("i16; set --format"),
        _ => {}
    }
    if roughness(bytes, given, false, channels)? < ROUGH {
        return None;
    }
    let kinds = [
        (Encoding::F32, true, SWAPPED),
        (Encoding::I16, false, "i16; set --format"),
        (Encoding::I32, false, "i32; set --format"),
        (Encoding::F32, false, "f32; set --format"),
    ];
    let smooth = |&(encoding, swapped, _): &(Encoding, bool, _)| {
        roughness(bytes, encoding, swapped, channels).is_some_and(|r| r < SMOOTH)
    };
    kinds.into_iter().find(smooth).map(|(.., what)| what)
}

/// How often a byte of the first sample of a frame differs from that of the
/// frame before; `None` when it is always 0, or there is too little.
fn changes(bytes: &[u8], byte: usize, frame: usize) -> Option<usize> {
    let column: Vec<u8> = bytes.chunks_exact(frame).map(|f| f[byte]).collect();
    let used = column.len() >= LEAST_FRAMES && column.iter().any(|&b| b != 0);
    used.then(|| column.windows(2).filter(|w| w[0] != w[1]).count())
}

/// Mean absolute step over standard deviation; `None` for a constant or too
/// little, infinite for what is no number.
fn roughness(bytes: &[u8], encoding: Encoding, swapped: bool, channels: usize) -> Option<f64> {
    let width = if encoding == Encoding::I16 { 2 } else { 4 };
    let value = |word: &[u8]| -> f64 {
        let mut word = [word[0], word[1], word[width - 2], word[width - 1]];
        if swapped {
            word[..width].reverse();
        }
        match encoding {
            Encoding::I16 => f64::from(i16::from_le_bytes([word[0], word[1]])),
            Encoding::I32 => f64::from(i32::from_le_bytes(word)),
            _ => f64::from(f32::from_le_bytes(word)),
        }
    };
    let frames = bytes.chunks_exact(width * channels);
    let samples: Vec<f64> = frames.map(|frame| value(&frame[..width])).collect();
    if samples.len() < LEAST_FRAMES {
        return None;
    }
    let tiny = |v: &f64| *v != 0.0 && v.abs() < 1.0 / LARGEST;
    let wild = samples
        .iter()
        .filter(|v| !v.is_finite() || v.abs() > LARGEST || tiny(v));
    if wild.count() * 4 > samples.len() {
        return Some(f64::INFINITY);
    }
    let count = samples.len() as f64;
    let kept = |v: &f64| {
        if v.is_finite() {
            v.clamp(-LARGEST, LARGEST)
        } else {
            0.0
        }
    };
    let samples: Vec<f64> = samples.iter().map(kept).collect();
    let mean = samples.iter().sum::<f64>() / count;
    let variance = samples.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
    let steps: f64 = samples.windows(2).map(|w| (w[1] - w[0]).abs()).sum();
    (variance > 0.0).then(|| steps / (count - 1.0) / variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A smooth signal with sharp peaks around an offset, in units.
    fn ecg(i: usize) -> f64 {
        let t = i as f64 / 250.0;
        let peak = (-((t % 0.8 - 0.4) / 0.02).powi(2)).exp();
        1000.0 + 40.0 * (t * 2.0).sin() + 900.0 * peak
    }

    fn bytes(write: impl Fn(f64) -> Vec<u8>) -> Vec<u8> {
        (0..2000).flat_map(|i| write(ecg(i))).collect()
    }

    #[test]
    fn the_wrong_order_and_width_are_told_and_the_right_ones_are_not() {
        let little = bytes(|v| (v as i16).to_le_bytes().to_vec());
        let big = bytes(|v| (v as i16).to_be_bytes().to_vec());
        let wide = bytes(|v| (v as i32).to_le_bytes().to_vec());
        let float = bytes(|v| (v as f32 / 1000.0).to_le_bytes().to_vec());
        let float_big = bytes(|v| (v as f32 / 1000.0).to_be_bytes().to_vec());
        let wide_big = bytes(|v| (v as i32).to_be_bytes().to_vec());
        let shifted = bytes(|v| ((v as i16) << 8).to_le_bytes().to_vec());
        use Encoding::{F32, I16, I32};
        for (data, right) in [(&little, I16), (&wide, I32), (&float, F32), (&shifted, I16)] {
            assert_eq!(other(data, right, 1), None, "{right:?}");
        }
        for (data, given, word) in [
            (&big, I16, "big endian"),
            (&float_big, F32, "big endian"),
            (&wide_big, I32, "big endian"),
            (&little, I32, "i16;"),
            (&wide, I16, "i32;"),
            (&float, I16, "f32;"),
            (&little, F32, "i16;"),
        ] {
            let found = other(data, given, 1);
            assert!(
                found.is_some_and(|f| f.contains(word)),
                "{given:?} {found:?}"
            );
        }
    }

    #[test]
    fn noise_and_silence_are_left_alone() {
        let mut state = 1u32;
        let noise: Vec<u8> = (0..8000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        for given in [Encoding::I16, Encoding::I32, Encoding::F32] {
            assert_eq!(other(&noise, given, 1), None);
            assert_eq!(other(&[0; 8000], given, 2), None);
            assert_eq!(other(&noise[..40], given, 1), None);
        }
    }
}
