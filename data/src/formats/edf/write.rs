//! Annotations as an EDF+ file of its own, without signals, for viewers of EDF.
//!
//! As EDF+ prescribes (Kemp and Olivan, Clin. Neurophysiol. 114:1755, 2003): one
//! signal, `EDF Annotations`, whose data records are contiguous, begin with their
//! own onset, and hold the annotations of their time as `+seconds`, the byte 20,
//! the text, the bytes 20 and 0. A beat's text is its mnemonic, a rhythm's is that
//! of its note.

use std::path::{Path, PathBuf};

use crate::output::made_here::EDF_NOTE;
use crate::record::Start;
use crate::record::annotation::{Annotation, Symbol};
use crate::record::error::{Error, Result};

/// Seconds of a data record.
const SECONDS: u64 = 10;
/// What EDF+ allows a data record, and the header's fields of this file, in bytes.
const LARGEST: usize = 61_440;
const HEADER: usize = 512;
const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];

/// Where the EDF+ file of an annotation file is written: `DIR/100.net.edf` for
/// `DIR/100.net`.
pub fn beside(annotations: &Path) -> PathBuf {
    let mut path = annotations.as_os_str().to_owned();
    path.push(".edf");
    PathBuf::from(path)
}

/// The bytes of a file with these annotations, in order of time, of a recording
/// of `fs` samples per second that ends at the sample `end`. An annotation before
/// the first sample lies at it.
///
/// # Errors
/// [`Error::Invalid`] for more annotations within ten seconds than a data record
/// holds.
pub fn annotation_file(
    annotations: &[Annotation],
    fs: f64,
    start: Option<Start>,
    end: u64,
) -> Result<Vec<u8>> {
    let seconds = |a: &Annotation| a.sample.max(0) as f64 / fs;
    let last = annotations
        .iter()
        .map(seconds)
        .fold(end as f64 / fs, f64::max);
    let count = (last as u64 / SECONDS + 1) as usize;
    // What a record's own second says of it when the recording began within one.
    let begins = start.map_or(0.0, |start| start.seconds.fract());
    let mut records: Vec<Vec<u8>> = (0..count)
        .map(|record| {
            let onset = decimal(begins + (record as u64 * SECONDS) as f64);
            format!("+{onset}\x14\x14\0").into_bytes()
        })
        .collect();
    for annotation in annotations {
        let at = seconds(annotation);
        let text = text(annotation);
        let list = format!("+{}\x14{text}\x14\0", decimal(begins + at));
        records[(at as u64 / SECONDS) as usize].extend(list.bytes());
    }
    let longest = records.iter().map(Vec::len).max().unwrap_or(0);
    let width = longest.next_multiple_of(2);
    if width > LARGEST {
        return Err(Error::Invalid(format!(
            "{longest} bytes of annotations lie within {SECONDS} s, and EDF+ holds {LARGEST}; write them as WFDB annotations"
        )));
    }
    let mut bytes = header(start, count, width);
    for mut record in records {
        record.resize(width, 0);
        bytes.append(&mut record);
    }
    Ok(bytes)
}

/// A number with as many of six decimals as it needs: no sample is lost up to
/// half a million of them per second.
fn decimal(seconds: f64) -> String {
    let text = format!("{seconds:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn text(annotation: &Annotation) -> String {
    let own = match (annotation.symbol, annotation.text()) {
        (Symbol::RHYTHM, note) if !note.is_empty() => note.to_owned(),
        (symbol, "") => symbol.as_str().to_owned(),
        (symbol, note) => format!("{symbol} {note}"),
    };
    // These bytes end a text.
    own.replace(['\x14', '\x15', '\0'], " ")
}

fn header(start: Option<Start>, records: usize, width: usize) -> Vec<u8> {
    let date = start.and_then(|start| start.date);
    let (day, recording) = match date {
        Some((year, month, day)) => {
            let name = MONTHS[(usize::from(month).clamp(1, 12)) - 1];
            (
                format!("{day:02}.{month:02}.{:02}", year % 100),
                format!("Startdate {day:02}-{name}-{year:04}{EDF_NOTE}"),
            )
        }
        None => ("01.01.85".into(), format!("Startdate X{EDF_NOTE}")),
    };
    let whole = start.map_or(0, |start| start.seconds as u64);
    let [h, m, s] = [whole / 3600 % 24, whole / 60 % 60, whole % 60];
    let fields: [(&str, usize); 20] = [
        ("0", 8),
        ("X X X X", 80),
        (&recording, 80),
        (&day, 8),
        (&format!("{h:02}.{m:02}.{s:02}"), 8),
        (&HEADER.to_string(), 8),
        ("EDF+C", 44),
        (&records.to_string(), 8),
        (&SECONDS.to_string(), 8),
        ("1", 4),
        ("EDF Annotations", 16),
        ("", 80),
        ("", 8),
        ("-1", 8),
        ("1", 8),
        ("-32768", 8),
        ("32767", 8),
        ("", 80),
        (&(width / 2).to_string(), 8),
        ("", 32),
    ];
    let text = fields.map(|(text, width)| format!("{text:<width$}"));
    text.concat().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats;

    fn beats(samples: &[i64]) -> Vec<Annotation> {
        let beat = |&sample: &i64| Annotation::new(sample, Symbol::V);
        samples.iter().map(beat).collect()
    }

    #[test]
    fn what_is_written_is_read_with_every_beat_at_its_sample() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.edf");
        let mut all: Vec<_> = (0..500)
            .map(|i| Annotation::new(301 * i, Symbol::N))
            .collect();
        all[3].symbol = Symbol::RHYTHM;
        all[3].aux_note = "(AFIB".into();
        let bytes = annotation_file(&all, 360.0, None, 200_000).unwrap();
        assert_eq!((bytes.len() - HEADER) % 2, 0);
        std::fs::write(&path, &bytes).unwrap();
        let lists: Vec<_> = super::super::annotations::lists(&bytes[HEADER..]).collect();
        let told = lists.iter().flat_map(|list| {
            let sample = (360.0 * list.onset).round() as i64;
            list.texts.iter().map(move |text| (sample, text.clone()))
        });
        let told: Vec<_> = told.filter(|(_, text)| !text.is_empty()).collect();
        let expected: Vec<_> = all.iter().map(|a| (a.sample, text(a))).collect();
        assert_eq!(told, expected);
        // Without signals it is no recording, and says so instead of failing.
        assert!(
            formats::open(&path).is_ok_and(|r| r.leads.is_empty()) || formats::open(&path).is_err()
        );
    }

    #[test]
    fn a_start_is_stated_and_more_than_a_record_holds_is_refused() {
        let start = Start {
            seconds: 3_661.5,
            date: Some((2026, 11, 28)),
        };
        let bytes = annotation_file(&beats(&[100]), 100.0, Some(start), 1000).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("28.11.2601.01.01") && text.contains("Startdate 28-NOV-2026"));
        assert!(text.contains("+0.5\x14\x14\0+1.5\x14V\x14\0"), "{text}");
        let crowd: Vec<i64> = (0..9000).map(|i| i / 10).collect();
        let error = annotation_file(&beats(&crowd), 100.0, None, 1000).unwrap_err();
        assert!(error.to_string().contains("61440"), "{error}");
    }
}
