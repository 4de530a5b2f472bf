//! WFDB records, single or multi-segment, as their headers lay them out, and
//! their samples a piece at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::formats::wfdb::clock::Clock;
use crate::formats::wfdb::header::{Header, NULL, SignalHeader};
use crate::formats::wfdb::signal::{SignalFiles, VALUES_ALWAYS_ALLOWED};
use crate::record::error::{Error, Result};
use crate::record::units::Units;

/// Frames looked at once in search of a valid sample.
const FRAMES: u64 = 4096;

/// A record by its headers: all of them are read, and no signal file.
#[derive(Debug)]
pub(in crate::formats) struct Layout {
    /// The record's own header.
    pub header: Header,
    /// Where it is.
    path: PathBuf,
    /// The header that describes the leads: the record's own, or that of its
    /// first segment.
    pub leads: Header,
    /// Per lead the units that its samples are read in.
    pub units: Vec<Units>,
    parts: Vec<Part>,
}

/// A segment of a record; the whole of it, where it has none.
#[derive(Debug)]
struct Part {
    /// Length in frames, where the record's header gives it.
    frames: Option<u64>,
    /// Its header and where that is; `None` for a gap.
    segment: Option<(Header, PathBuf)>,
    /// Per lead the signal of the segment that holds it, if any does.
    sources: Vec<Option<usize>>,
}

/// The header file of a record path with or without its extension.
pub(in crate::formats) fn header_path(path: &Path) -> PathBuf {
    if path.extension().is_some_and(|e| e == "hea") {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".hea");
    PathBuf::from(name)
}

impl Layout {
    /// Reads the headers of a record: `FOLDER/100` or `FOLDER/100.hea`.
    ///
    /// In a variable-layout record, whose first segment has no samples, leads are
    /// matched by name to the layout; in a fixed-layout one by position.
    ///
    /// # Errors
    /// [`Error::Io`] when a header is missing, [`Error::Malformed`] when one makes
    /// no sense or they do not fit together, [`Error::Unsupported`] for what WFDB
    /// does not define.
    pub fn read(path: &Path) -> Result<Layout> {
        let path = header_path(path);
        let header = Header::read(&path)?;
        if header.segments.is_empty() {
            let units = header.signals.iter().map(|s| s.scale().0).collect();
            let part = Part {
                frames: None,
                sources: (0..header.signals.len()).map(Some).collect(),
                segment: Some((header.clone(), path.clone())),
            };
            return Ok(Layout {
                leads: header.clone(),
                units,
                parts: vec![part],
                header,
                path,
            });
        }
        let mut layout = Layout::joined(header, path)?;
        for lead in 0..layout.units.len() {
            layout.units[lead] = layout.settled_units(lead)?;
        }
        Ok(layout)
    }

    /// How annotations of the record count.
    pub fn clock(&self) -> Clock {
        Clock::new(self.header.frame_fs, self.leads.ecg_samples_per_frame())
    }

    fn joined(header: Header, path: PathBuf) -> Result<Layout> {
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
        let (leads, _) = open(&first.name)?;
        if leads.signals.len() != header.signal_count {
            return Err(Error::malformed(
                path,
                format!(
                    "the record line says {} signals, but {} has {}",
                    header.signal_count,
                    first.name,
                    leads.signals.len()
                ),
            ));
        }
        let mut parts = Vec::new();
        for segment in &header.segments[usize::from(variable)..] {
            let mut part = Part {
                frames: Some(segment.frames),
                segment: None,
                sources: vec![None; leads.signals.len()],
            };
            if segment.name != NULL {
                let (own, own_path) = open(&segment.name)?;
                if own.frame_fs != header.frame_fs {
                    return Err(Error::malformed(
                        own_path,
                        format!(
                            "sampled at {} Hz inside a record of {} Hz",
                            own.frame_fs, header.frame_fs
                        ),
                    ));
                }
                for (index, lead) in leads.signals.iter().enumerate() {
                    let same = |s: &SignalHeader| s.description == lead.description;
                    part.sources[index] = if variable {
                        own.signals.iter().position(same)
                    } else {
                        (index < own.signals.len()).then_some(index)
                    };
                }
                part.segment = Some((own, own_path));
            }
            parts.push(part);
        }
        let units = leads.signals.iter().map(|s| s.scale().0).collect();
        Ok(Layout {
            header,
            path,
            leads,
            units,
            parts,
        })
    }

    /// Refuses a record with more gaps than a genuine one has, whose header may
    /// be a few forged bytes.
    fn check_gaps(&self, per_frame: usize) -> Result<()> {
        let lacking = |part: &Part| part.sources.iter().filter(|s| s.is_none()).count() as u64;
        let gaps = self.parts.iter().fold(0_u64, |gaps, part| {
            let values = part.frames.unwrap_or(0).saturating_mul(per_frame as u64);
            gaps.saturating_add(values.saturating_mul(lacking(part)))
        });
        if gaps > VALUES_ALWAYS_ALLOWED {
            return Err(Error::unsupported(
                &self.path,
                format!(
                    "more than {VALUES_ALWAYS_ALLOWED} samples are gaps; read its segments one by one"
                ),
            ));
        }
        Ok(())
    }

    /// The units of a lead over all segments. The layout may give none, or those
    /// of nothing, and so may a segment without a valid sample: the first segment
    /// that has one decides, and those behind it must agree.
    fn settled_units(&self, lead: usize) -> Result<Units> {
        let mut units = self.units[lead].clone();
        let source = |part: &Part| -> Option<(Units, PathBuf)> {
            let (header, path) = part.segment.as_ref()?;
            let signal = &header.signals[part.sources[lead]?];
            Some((signal.scale().0, path.clone()))
        };
        let given: Vec<_> = self.parts.iter().map(source).collect();
        let mut all = given.iter().flatten();
        let first = all.next();
        if let Some((first, _)) = first.filter(|(first, _)| all.all(|(units, _)| units == first)) {
            return Ok(first.clone());
        }
        let mut decided = false;
        for (part, given) in self.parts.iter().zip(given) {
            let Some((own, path)) = given else { continue };
            if decided && own != units {
                return Err(Error::malformed(
                    path,
                    format!(
                        "signal '{}' is in {own} here, but in {units} in the segments before",
                        self.leads.signals[lead].description
                    ),
                ));
            }
            units = own;
            decided = decided || part.has_sample(lead)?;
        }
        Ok(units)
    }
}

impl Part {
    fn open(&self, wanted: &[usize]) -> Result<Option<SignalFiles>> {
        let Some((header, path)) = &self.segment else {
            return Ok(None);
        };
        let sources: Vec<_> = wanted.iter().map(|&lead| self.sources[lead]).collect();
        let files = SignalFiles::open(header, path, &sources)?;
        match self.frames {
            Some(frames) if frames != files.frames() => Err(Error::malformed(
                path,
                format!(
                    "{} samples long, but the multi-segment header says {frames}",
                    files.frames()
                ),
            )),
            _ => Ok(Some(files)),
        }
    }

    /// Whether any sample of a lead is valid.
    fn has_sample(&self, lead: usize) -> Result<bool> {
        let Some(mut files) = self.open(&[lead])? else {
            return Ok(false);
        };
        let per_frame = self.segment.as_ref().zip(self.sources[lead]);
        let per_frame = per_frame.map_or(1, |((h, _), s)| h.signals[s].samples_per_frame);
        let mut values = [Vec::new()];
        while files.read(FRAMES, per_frame, &mut values)? > 0 {
            if values[0].iter().any(|v| !v.is_nan()) {
                return Ok(true);
            }
            values[0].clear();
        }
        Ok(false)
    }
}

/// Reads leads of a record in step, segment after segment; of each signal file
/// a piece is in memory.
pub(in crate::formats) struct Reader {
    layout: Arc<Layout>,
    wanted: Vec<usize>,
    /// Samples that each lead has in a frame as it is handed out.
    per_frame: usize,
    /// The part that is opened next.
    next: usize,
    files: Option<SignalFiles>,
    /// Frames of the present gap not yet handed out.
    gap: u64,
}

impl Reader {
    /// Opens the first segment for the `wanted` leads.
    ///
    /// # Errors
    /// As [`SignalFiles::open`]; [`Error::Unsupported`] for a record that is
    /// nearly all gaps.
    pub fn new(layout: Arc<Layout>, wanted: &[usize], per_frame: usize) -> Result<Reader> {
        layout.check_gaps(per_frame)?;
        let mut reader = Reader {
            layout,
            wanted: wanted.into(),
            per_frame,
            next: 0,
            files: None,
            gap: 0,
        };
        reader.open_next()?;
        Ok(reader)
    }

    /// Goes on to the next segment; `false` where there is none.
    fn open_next(&mut self) -> Result<bool> {
        let Some(part) = self.layout.parts.get(self.next) else {
            return Ok(false);
        };
        self.next += 1;
        self.files = part.open(&self.wanted)?;
        self.gap = match part.segment {
            Some(_) => 0,
            None => part.frames.unwrap_or(0),
        };
        Ok(true)
    }

    /// Samples of each lead that the present segment still has.
    pub fn left(&self) -> u64 {
        let frames = self.files.as_ref().map_or(self.gap, SignalFiles::left);
        frames.saturating_mul(self.per_frame as u64)
    }

    /// Appends whole frames of at most `most` samples, at least one frame, to
    /// `out`, one vector per wanted lead; returns how many samples each got, 0 at
    /// the end.
    ///
    /// # Errors
    /// As [`SignalFiles::open`] and [`SignalFiles::read`].
    pub fn read(&mut self, most: usize, out: &mut [Vec<f32>]) -> Result<usize> {
        while self.left() == 0 {
            if !self.open_next()? {
                return Ok(0);
            }
        }
        let most = (most / self.per_frame).max(1) as u64;
        let frames = match &mut self.files {
            Some(files) => files.read(most, self.per_frame, out)?,
            None => {
                let frames = self.gap.min(most);
                let values = frames as usize * self.per_frame;
                for out in out {
                    out.resize(out.len() + values, f32::NAN);
                }
                self.gap -= frames;
                frames
            }
        };
        Ok(frames as usize * self.per_frame)
    }
}
