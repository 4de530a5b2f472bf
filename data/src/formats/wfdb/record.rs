//! Whole WFDB records, single or multi-segment, as [`Record`]s.

use std::path::{Path, PathBuf};

use crate::formats::wfdb::header::{Header, NULL, SignalHeader};
use crate::formats::wfdb::signal::{self, Signals, VALUES_ALWAYS_ALLOWED};
use crate::record::error::{Error, Result};
use crate::record::{Record, Signal};

/// Reads a record: `FOLDER/100` or `FOLDER/100.hea`.
///
/// All storage formats of WFDB are read, multi-segment records of fixed and
/// variable layout included. Samples are in physical units, mV for every voltage:
/// the `f32` nearest to `(sample - baseline) / gain`, NaN where the file marks a
/// sample invalid or a segment lacks the signal. Skew is undone. Where signals
/// have different rates, the record has the highest, and the samples of the
/// others are repeated (as WFDB's high-resolution mode does).
///
/// # Errors
/// [`Error::Io`] when a file is missing, [`Error::Malformed`] when the header
/// makes no sense, a signal file is shorter than it says or fails the
/// checksum it gives, [`Error::Unsupported`] for what WFDB does not define.
pub fn read_record(path: &Path) -> Result<Record> {
    read(path, Header::max_samples_per_frame)
}

/// Reads a record for its ECG: as [`read_record`], at the rate of its fastest ECG
/// lead, so that a lead is not repeated for the sake of another kind of signal,
/// of which samples are then left out. What annotations count is known to
/// [`crate::formats::wfdb::Clock`].
///
/// # Errors
/// As [`read_record`].
pub fn read_ecg(path: &Path) -> Result<Record> {
    read(path, Header::ecg_samples_per_frame)
}

/// A record with as many samples in a frame as `per_frame` takes from the header
/// of its signals.
fn read(path: &Path, per_frame: fn(&Header) -> usize) -> Result<Record> {
    let path = header_path(path);
    let header = Header::read(&path)?;
    let name = path.file_stem().map(|n| n.to_string_lossy().into_owned());
    let mut record = if header.segments.is_empty() {
        single(&header, &path, per_frame(&header))?
    } else {
        joined(&header, &path, per_frame)?
    };
    record.name = name.unwrap_or(header.name);
    record.comments = header.comments;
    Ok(record)
}

/// The header file of a record path with or without its extension.
pub fn header_path(path: &Path) -> PathBuf {
    if path.extension().is_some_and(|e| e == "hea") {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".hea");
    PathBuf::from(name)
}

fn single(header: &Header, path: &Path, per_frame: usize) -> Result<Record> {
    let read = signal::read(header, path)?;
    let mut record = empty(header.frame_fs, per_frame, &header.signals);
    for ((out, spec), values) in record
        .signals
        .iter_mut()
        .zip(&header.signals)
        .zip(read.values)
    {
        if spec.samples_per_frame == per_frame {
            out.samples = values;
        } else {
            repeat(&values, spec.samples_per_frame, per_frame, &mut out.samples);
        }
    }
    Ok(record)
}

/// A record of these signals without samples, `per_frame` of them in a frame.
fn empty(frame_fs: f64, per_frame: usize, signals: &[SignalHeader]) -> Record {
    let signal = |s: &SignalHeader| Signal {
        name: s.description.clone(),
        units: s.scale().0,
        samples: Vec::new(),
    };
    Record {
        name: String::new(),
        fs: frame_fs * per_frame as f64,
        signals: signals.iter().map(signal).collect(),
        comments: Vec::new(),
    }
}

/// Appends frames of `from` samples as frames of `to`, each sample held until
/// the next is due; where `to` is less, the samples between are left out.
fn repeat(values: &[f32], from: usize, to: usize, out: &mut Vec<f32>) {
    if from == to {
        out.extend_from_slice(values);
        return;
    }
    for frame in values.chunks_exact(from) {
        out.extend((0..to).map(|k| frame[k * from / to]));
    }
}

/// Joins the segments of a multi-segment record.
///
/// In a variable-layout record, whose first segment has no samples, signals
/// are matched by name to the layout; in a fixed-layout one by position.
fn joined(header: &Header, path: &Path, per_frame: fn(&Header) -> usize) -> Result<Record> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let open = |name: &str| -> Result<(Header, PathBuf)> {
        let path = header_path(&folder.join(name));
        let segment = Header::read(&path)?;
        if segment.segments.is_empty() {
            Ok((segment, path))
        } else {
            Err(Error::malformed(
                path,
                "a segment cannot itself be a multi-segment record",
            ))
        }
    };
    let variable = header.segments[0].frames == 0;
    let first = header.segments.iter().find(|s| s.name != NULL);
    let Some(first) = first else {
        return Err(Error::malformed(path, "every segment is a gap"));
    };
    let (layout, _) = open(&first.name)?;
    if layout.signals.len() != header.signal_count {
        return Err(Error::malformed(
            path,
            format!(
                "the record line says {} signals, but {} has {}",
                header.signal_count,
                first.name,
                layout.signals.len()
            ),
        ));
    }
    let per_frame = per_frame(&layout);
    let mut record = empty(header.frame_fs, per_frame, &layout.signals);
    let mut gaps = 0_u64;
    let mut pad = |out: &mut Vec<f32>, frames: u64| {
        let values = frames.saturating_mul(per_frame as u64);
        gaps = gaps.saturating_add(values);
        if gaps > VALUES_ALWAYS_ALLOWED {
            return Err(Error::unsupported(
                path,
                format!(
                    "more than {VALUES_ALWAYS_ALLOWED} samples are gaps; read its segments one by one"
                ),
            ));
        }
        out.resize(out.len() + values as usize, f32::NAN);
        Ok(())
    };
    let parts = if variable {
        &header.segments[1..]
    } else {
        &header.segments[..]
    };
    for part in parts {
        if part.name == NULL {
            for out in &mut record.signals {
                pad(&mut out.samples, part.frames)?;
            }
            continue;
        }
        let (segment, segment_path) = open(&part.name)?;
        let read = signal::read(&segment, &segment_path)?;
        check_segment(header, &segment, &read, part.frames, &segment_path)?;
        for (index, out) in record.signals.iter_mut().enumerate() {
            let source = if variable {
                segment
                    .signals
                    .iter()
                    .position(|s| s.description == out.name)
            } else {
                (index < segment.signals.len()).then_some(index)
            };
            match source {
                Some(source) => {
                    let units = segment.signals[source].scale().0;
                    if out.samples.iter().all(|v| v.is_nan()) {
                        // The layout may give none, or those of nothing.
                        out.units = units;
                    } else if out.units != units {
                        return Err(Error::malformed(
                            segment_path,
                            format!(
                                "signal '{}' is in {units} here, but in {} in the segments before",
                                out.name, out.units
                            ),
                        ));
                    }
                    let from = segment.signals[source].samples_per_frame;
                    repeat(&read.values[source], from, per_frame, &mut out.samples);
                }
                None => pad(&mut out.samples, part.frames)?,
            }
        }
    }
    Ok(record)
}

fn check_segment(
    header: &Header,
    segment: &Header,
    read: &Signals,
    frames: u64,
    path: &Path,
) -> Result<()> {
    if segment.frame_fs != header.frame_fs {
        return Err(Error::malformed(
            path,
            format!(
                "sampled at {} Hz inside a record of {} Hz",
                segment.frame_fs, header.frame_fs
            ),
        ));
    }
    if read.frames != frames {
        return Err(Error::malformed(
            path,
            format!(
                "{} samples long, but the multi-segment header says {frames}",
                read.frames
            ),
        ));
    }
    Ok(())
}
