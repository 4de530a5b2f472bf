//! Writing a record: a header and one signal file of format 16.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::output::{self, OutputFile};
use crate::record::error::{Error, Result};
use crate::record::{Record, Signal};

/// The value that marks an invalid sample in format 16.
const INVALID: i16 = i16::MIN;
/// ADC units per physical unit, where the signal's range allows them.
const GAIN: f64 = 1000.0;

/// The files that [`write_record`] makes for a record of this name: the header,
/// and the signals.
pub fn written_files(folder: &Path, name: &str) -> [PathBuf; 2] {
    ["hea", "dat"].map(|ending| folder.join(format!("{name}.{ending}")))
}

/// Writes `FOLDER/NAME.dat` (format 16) and `FOLDER/NAME.hea`. A sample is
/// rounded to 1/1000 of its unit, or coarser where a signal exceeds 32 units;
/// one that is not a finite number is marked invalid.
///
/// # Errors
/// [`Error::Io`]; [`Error::Invalid`] when the record has no signal, signals of
/// different lengths, or a name that WFDB cannot express.
pub fn write_record(folder: &Path, record: &Record) -> Result<()> {
    check(record)?;
    let gains: Vec<f64> = record.signals.iter().map(gain).collect();
    let mut checksums = vec![0i16; gains.len()];
    let mut initial = vec![None; gains.len()];
    let [header_path, path] = written_files(folder, &record.name);
    let mut file = OutputFile::create(&path)?;
    for at in 0..record.len() {
        for (i, signal) in record.signals.iter().enumerate() {
            let value = f64::from(signal.samples[at]) * gains[i];
            let value = match value.is_finite() {
                true => value.round() as i16,
                false => INVALID,
            };
            checksums[i] = checksums[i].wrapping_add(value);
            initial[i].get_or_insert(value);
            let written = file.write_all(&value.to_le_bytes());
            written.map_err(Error::io(&path))?;
        }
    }
    let mut header = format!(
        "{} {} {} {}\n",
        record.name,
        gains.len(),
        record.fs,
        record.len()
    );
    for (i, signal) in record.signals.iter().enumerate() {
        let units = &signal.units;
        let _ = writeln!(
            header,
            "{}.dat 16 {}/{units} 16 0 {} {} 0 {}",
            record.name,
            gains[i],
            initial[i].unwrap_or(0),
            checksums[i],
            signal.name
        );
    }
    for comment in &record.comments {
        let _ = writeln!(header, "# {}", comment.replace(['\n', '\r'], " "));
    }
    file.commit()?;
    output::write(header_path, header.as_bytes())
}

fn check(record: &Record) -> Result<()> {
    let refuse = |what: String| {
        Err(Error::Invalid(format!(
            "record '{}' cannot be written as WFDB: {what}",
            record.name
        )))
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if record.name.is_empty() || !record.name.chars().all(plain) {
        return refuse("a name has letters, digits, underscores and hyphens only".into());
    }
    if !(record.fs.is_finite() && record.fs > 0.0) {
        return refuse(format!("its sampling rate is {}", record.fs));
    }
    if record.is_empty() {
        return refuse("it has no samples".into());
    }
    for signal in &record.signals {
        if signal.samples.len() != record.len() {
            return refuse(format!(
                "signal '{}' has {} samples, the first one {}",
                signal.name,
                signal.samples.len(),
                record.len()
            ));
        }
        if signal.units.as_str().contains(char::is_whitespace) || signal.name.contains(['\n', '\r'])
        {
            return refuse(format!(
                "signal '{}' has a break in its name or units",
                signal.name
            ));
        }
    }
    Ok(())
}

/// ADC units per physical unit that keep the signal within 16 bits.
fn gain(signal: &Signal) -> f64 {
    let finite = signal.samples.iter().filter(|x| x.is_finite());
    let largest = finite.fold(0.0f64, |most, x| most.max(f64::from(x.abs())));
    let mut gain = GAIN;
    while largest * gain > f64::from(i16::MAX) {
        gain /= 10.0;
    }
    gain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats;

    fn record() -> Record {
        let signal = |name: &str, samples: &[f32]| Signal {
            name: name.into(),
            units: "mV".into(),
            samples: samples.to_vec(),
        };
        Record {
            name: "r-1".into(),
            fs: 128.5,
            signals: vec![
                signal("MLII", &[0.0, 1.234, f32::NAN, -2.5]),
                signal("V 1", &[100.0, -50.0, 0.01, 3.0]),
            ],
            comments: vec!["a remark".into()],
        }
    }

    #[test]
    fn a_written_record_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        write_record(folder.path(), &record()).unwrap();
        let back = formats::open(&folder.path().join("r-1")).unwrap();
        let back = back.read().unwrap();
        assert_eq!((back.fs, &back.comments), (128.5, &record().comments));
        for (wrote, read) in record().signals.iter().zip(&back.signals) {
            assert_eq!((&wrote.name, &wrote.units), (&read.name, &read.units));
            for (a, b) in wrote.samples.iter().zip(&read.samples) {
                assert!((a - b).abs() < 0.006 || a.is_nan() && b.is_nan(), "{a} {b}");
            }
        }
    }

    #[test]
    fn what_wfdb_cannot_express_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = |change: fn(&mut Record)| {
            let mut changed = record();
            change(&mut changed);
            write_record(folder.path(), &changed)
                .unwrap_err()
                .to_string()
        };
        assert!(refusal(|r| r.name = "a b".into()).contains("letters"));
        assert!(refusal(|r| r.fs = 0.0).contains("rate"));
        assert!(refusal(|r| r.signals.clear()).contains("no samples"));
        assert!(refusal(|r| r.signals[1].samples.truncate(1)).contains("V 1"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
