//! The Kaggle heartbeat format, rebuilt from recordings.

use crate::pipeline::beats::Beats;
use crate::pipeline::input::InputSpec;
use crate::record::annotation::Annotation;
use crate::record::classes::Classes;
use crate::record::error::Result;
use crate::record::{Record, Signal};

/// Cuts the annotated beats of a record as the published files do; `lead`
/// names a signal, otherwise the first ECG is taken.
///
/// The recipe was recovered from the published rows, which it reproduces: a
/// beat reaches from its annotation to the next one, whatever that marks, and
/// on for a fifth of the interval after that. It is read at
/// [`InputSpec::kaggle`]'s rate without a filter (of mitdb's samples, every
/// third), scaled so that its lowest sample is 0 and its highest 1, and cut or
/// padded with zeros to the length of a row. The last annotation of a record
/// gives no row, since nothing ends it. Beats with an invalid sample or of no
/// class are left out.
///
/// # Errors
/// [`crate::Error::Invalid`] when the record has no ECG, or none named `lead`.
pub fn from_record(
    record: &Record,
    annotations: &[Annotation],
    lead: Option<&str>,
    classes: &Classes,
) -> Result<Beats> {
    let samples = &signal(record, lead)?.samples;
    let mut beats = Beats::new(InputSpec::kaggle(), classes);
    beats.record_names.push(record.name.clone());
    let length = beats.input.window_values();
    let step = record.fs / beats.input.fs;
    let mut beat = Vec::new();
    for (index, annotation) in annotations.iter().enumerate() {
        let Some(class) = classes.of_symbol(annotation.symbol) else {
            continue;
        };
        let Some(next) = annotations.get(index + 1) else {
            break;
        };
        let Ok(start) = u64::try_from(annotation.sample) else {
            continue;
        };
        let interval = next.sample.saturating_sub(annotation.sample).max(0);
        let following = annotations
            .get(index + 2)
            .map_or(0, |a| a.sample.saturating_sub(next.sample).max(0));
        let span = interval.saturating_add(following / 5).max(1) as u64;
        beat.clear();
        decimate(samples, start, span, step, &mut beat);
        if beat.is_empty() || !scale(&mut beat) {
            continue;
        }
        beat.resize(length, 0.0);
        beats.windows.extend_from_slice(&beat);
        beats.labels.push(class);
        beats.records.push(0);
        beats.samples.push(start);
    }
    Ok(beats)
}

/// The lead of that name, or else the record's first ECG.
fn signal<'a>(record: &'a Record, lead: Option<&str>) -> Result<&'a Signal> {
    lead.map_or_else(|| record.first_ecg(), |name| record.lead(name))
}

/// Takes a sample every `step` from `start` on while within `span` and the
/// signal, between two samples by linear interpolation.
fn decimate(samples: &[f32], start: u64, span: u64, step: f64, out: &mut Vec<f32>) {
    let Some(tail) = usize::try_from(start).ok().and_then(|s| samples.get(s..)) else {
        return;
    };
    let end = (span as f64).min(tail.len() as f64);
    for k in 0_u32.. {
        let position = f64::from(k) * step;
        if position >= end {
            return;
        }
        let (whole, part) = (position as usize, position.fract() as f32);
        let left = tail[whole];
        let right = tail.get(whole + 1).copied().unwrap_or(left);
        out.push(if part == 0.0 {
            left
        } else {
            left + (right - left) * part
        });
    }
}

/// Scales to `[0, 1]`, a constant to 0; `false` when a sample is invalid.
fn scale(beat: &mut [f32]) -> bool {
    let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
    for &sample in beat.iter() {
        if sample.is_nan() {
            return false;
        }
        low = low.min(sample);
        high = high.max(sample);
    }
    let range = high - low;
    for sample in beat {
        *sample = if range > 0.0 {
            (*sample - low) / range
        } else {
            0.0
        };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::aami::Class;
    use crate::record::annotation::Symbol;

    /// A record whose sample `i` is `i % 1000` and whose annotations are at `marks`.
    fn ramp(fs: f64, marks: &[(i64, Symbol)]) -> (Record, Vec<Annotation>) {
        let samples = (0..5000).map(|i| (i % 1000) as f32).collect();
        let record = Record {
            name: "ramp".into(),
            fs,
            signals: vec![Signal {
                name: "II".into(),
                units: "mV".into(),
                samples,
            }],
            comments: Vec::new(),
        };
        let annotations = marks.iter().map(|&(s, a)| Annotation::new(s, a)).collect();
        (record, annotations)
    }

    #[test]
    fn a_beat_reaches_a_fifth_into_the_next_interval() {
        let marks = [
            (0, Symbol::N),
            (300, Symbol::RHYTHM),
            (400, Symbol::V),
            (999, Symbol::N),
        ];
        let (record, annotations) = ramp(360.0, &marks);
        let beats = from_record(&record, &annotations, None, &Classes::aami5()).unwrap();
        // The rhythm change ends a beat but is none; the last beat has no end.
        assert_eq!(beats.labels, [Class::N, Class::V].map(Class::index));
        assert_eq!(beats.samples, [0, 400]);
        // 300 + 100 / 5 samples, every third.
        let expected: Vec<f32> = (0..107).map(|k| k as f32 / 106.0).collect();
        assert_eq!(&beats.window(0)[..107], expected);
        assert!(beats.window(0)[107..].iter().all(|&v| v == 0.0));
        // Longer than a row: scaled over all of it, then cut.
        assert!(beats.window(1)[186] < 1.0);
    }

    #[test]
    fn other_rates_are_interpolated() {
        let marks = [(0, Symbol::N), (250, Symbol::N), (500, Symbol::N)];
        let (record, annotations) = ramp(250.0, &marks);
        let beats = from_record(&record, &annotations, Some("II"), &Classes::aami5()).unwrap();
        let row = beats.window(0);
        // 1.2 s at 120 Hz.
        assert_eq!(row.iter().rposition(|&v| v > 0.0), Some(143));
        assert!((row[72] - 72.0 / 143.0).abs() < 1e-6);
    }

    #[test]
    fn invalid_samples_and_absent_leads() {
        let marks = [(0, Symbol::N), (300, Symbol::N), (600, Symbol::N)];
        let (mut record, annotations) = ramp(360.0, &marks);
        record.signals[0].samples[3] = f32::NAN;
        let beats = from_record(&record, &annotations, None, &Classes::aami5()).unwrap();
        assert_eq!(beats.samples, [300]);
        let message =
            from_record(&record, &annotations, Some("V5"), &Classes::aami5()).unwrap_err();
        assert!(message.to_string().contains("no lead V5; it has II"));
    }
}
