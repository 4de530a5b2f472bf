//! Signal files (`.dat`): from bytes to samples in physical units, a piece at a
//! time.

mod column;
mod flac;
mod packed;

use std::path::{Path, PathBuf};

use crate::formats::wfdb::format::Format;
use crate::formats::wfdb::header::{Header, NULL};
use crate::record::error::{Error, Result};
use column::Column;
use flac::Flac;
use packed::Packed;

/// Samples unpacked at once; small enough to stay in the cache.
const CHUNK: usize = 16_384;

/// Values that a record may have whatever the size of its files, so that a
/// few forged bytes cannot ask for all memory: a gibibyte of `f32`.
pub(super) const VALUES_ALWAYS_ALLOWED: u64 = 1 << 28;
/// Values that each byte of a signal file may unpack to beyond that. FLAC packs
/// recordings to about one byte a sample; only constant signals go far below.
const VALUES_PER_BYTE: u64 = 64;

/// The signal files of one segment, read in step: frame by frame, however they
/// are packed and skewed. Of each file a piece is in memory.
pub(super) struct SignalFiles {
    /// Length in frames.
    frames: u64,
    /// Frames not yet handed out.
    left: u64,
    cursors: Vec<Cursor>,
    /// Per wanted signal the cursor and the column in it; `None` where it has no
    /// samples.
    places: Vec<Option<(usize, usize)>>,
}

impl SignalFiles {
    /// Opens the files of the `wanted` signals of a header that is not
    /// multi-segment, by their place in it; `None` stands for a signal that this
    /// segment lacks. `header_path` locates the files.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that cannot be read; [`Error::Malformed`] for a
    /// file that is too short or contradicts the header; [`Error::Unsupported`]
    /// for a record too large to be genuine.
    pub fn open(
        header: &Header,
        header_path: &Path,
        wanted: &[Option<usize>],
    ) -> Result<SignalFiles> {
        let groups = groups(header, header_path)?;
        let frames = match header.frames {
            Some(frames) => frames,
            None => inferred_frames(header, &groups)?,
        };
        check_size(header, header_path, &groups, frames)?;
        let mut cursors: Vec<Cursor> = Vec::new();
        let mut places = vec![None; wanted.len()];
        // Without frames nothing is said about how wide one is.
        for group in groups.iter().filter(|_| frames > 0) {
            for (wanted, place) in wanted.iter().zip(&mut places) {
                let Some(wanted) = *wanted else { continue };
                let Some(offset) = group.offset_of(wanted, header) else {
                    continue;
                };
                let signal = &header.signals[wanted];
                let column = Column::new(header, signal, offset, frames);
                // A skewed signal is read by a cursor of its own, that many
                // frames ahead, so that nobody has to wait for it in memory.
                let same = |c: &Cursor| c.path == group.path && c.skew == signal.skew;
                let at = match cursors.iter().position(same) {
                    Some(at) => at,
                    None => {
                        cursors.push(Cursor::open(
                            group,
                            header,
                            header_path,
                            signal.skew,
                            frames,
                        )?);
                        cursors.len() - 1
                    }
                };
                cursors[at].columns.push(column);
                *place = Some((at, cursors[at].columns.len() - 1));
            }
        }
        Ok(SignalFiles {
            frames,
            left: frames,
            cursors,
            places,
        })
    }

    /// Length in frames.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Frames not yet handed out.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Appends at least one frame and at most `most` to `out`, one vector per
    /// wanted signal, as `per_frame` samples each; returns how many frames, 0 at
    /// the end.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] for a file that ends early, is no
    /// FLAC stream, or fails its checksum, which is known at its end.
    pub fn read(&mut self, most: u64, per_frame: usize, out: &mut [Vec<f32>]) -> Result<u64> {
        let mut frames = most.min(self.left);
        if frames == 0 {
            return Ok(0);
        }
        for cursor in &mut self.cursors {
            frames = frames.min(cursor.ready()?);
        }
        for (place, out) in self.places.iter().zip(out) {
            match *place {
                Some((cursor, column)) => {
                    self.cursors[cursor].columns[column].copy(frames as usize, per_frame, out);
                }
                None => out.resize(out.len() + frames as usize * per_frame, f32::NAN),
            }
        }
        for column in self.cursors.iter_mut().flat_map(|c| &mut c.columns) {
            column.advance(frames as usize);
        }
        self.left -= frames;
        Ok(frames)
    }
}

/// One pass over a signal file, for signals that are skewed alike.
struct Cursor {
    path: PathBuf,
    header_path: PathBuf,
    source: Source,
    columns: Vec<Column>,
    /// Frames by which the columns lag behind the file.
    skew: usize,
    /// Frames that the file still has.
    left: u64,
    /// Frames without samples that follow those of the file.
    owed: u64,
}

/// What a signal file is decoded by.
enum Source {
    Packed(Packed),
    // Boxed, since the decoder holds its buffer by value.
    Flac(Box<Flac>),
}

impl Cursor {
    fn open(
        group: &Group,
        header: &Header,
        header_path: &Path,
        skew: usize,
        frames: u64,
    ) -> Result<Cursor> {
        let source = if group.format.is_flac() {
            Source::Flac(Box::new(Flac::open(group, header, frames)?))
        } else {
            Source::Packed(Packed::open(group, frames)?)
        };
        Ok(Cursor {
            path: group.path.clone(),
            header_path: header_path.into(),
            source,
            columns: Vec::new(),
            skew,
            left: frames,
            owed: frames.min(skew as u64),
        })
    }

    /// Frames that can be taken, at least one before the end of the record.
    fn ready(&mut self) -> Result<u64> {
        loop {
            let ready = self.columns.iter().map(Column::ready).min().unwrap_or(0);
            if ready > 0 || self.left + self.owed == 0 {
                return Ok(ready as u64);
            }
            if self.left == 0 {
                let frames = self.owed.min(CHUNK as u64);
                self.columns.iter_mut().for_each(|c| c.pad(frames as usize));
                self.owed -= frames;
                continue;
            }
            self.left = match &mut self.source {
                Source::Packed(packed) => packed.decode(self.left, &mut self.columns)?,
                Source::Flac(flac) => flac.decode(&mut self.columns)?,
            };
            if self.left == 0 {
                for column in &self.columns {
                    column.check(&self.header_path)?;
                }
            }
        }
    }
}

/// Signals that share a file, in the order in which its frames hold them.
struct Group {
    path: PathBuf,
    format: Format,
    offset: u64,
    members: Vec<usize>,
    frame_samples: u64,
    file_bytes: u64,
}

impl Group {
    /// Where a signal begins in a frame of the file; in a FLAC stream its
    /// channel. `None` for a signal of another file.
    fn offset_of(&self, signal: usize, header: &Header) -> Option<usize> {
        let at = self.members.iter().position(|&m| m == signal)?;
        if self.format.is_flac() {
            return Some(at);
        }
        let before = self.members[..at].iter();
        Some(before.map(|&m| header.signals[m].samples_per_frame).sum())
    }
}

fn groups(header: &Header, header_path: &Path) -> Result<Vec<Group>> {
    let folder = header_path.parent().unwrap_or(Path::new(""));
    let mut groups: Vec<Group> = Vec::new();
    for (index, signal) in header.signals.iter().enumerate() {
        let Some(format) = signal.format.filter(|_| signal.file_name != NULL) else {
            continue;
        };
        let path = folder.join(&signal.file_name);
        let samples = signal.samples_per_frame as u64;
        if let Some(group) = groups.iter_mut().find(|g| g.path == path) {
            if group.format != format {
                return Err(Error::malformed(
                    header_path,
                    format!(
                        "{} is said to hold format {} and format {}; a file has one format",
                        signal.file_name,
                        group.format.code(),
                        format.code()
                    ),
                ));
            }
            group.members.push(index);
            group.frame_samples = group.frame_samples.saturating_add(samples);
        } else {
            let file_bytes = std::fs::metadata(&path).map_err(Error::io(&path))?.len();
            groups.push(Group {
                path,
                format,
                offset: signal.byte_offset,
                members: vec![index],
                frame_samples: samples,
                file_bytes,
            });
        }
    }
    Ok(groups)
}

/// The length of a record whose header does not give it.
fn inferred_frames(header: &Header, groups: &[Group]) -> Result<u64> {
    let Some(group) = groups.first() else {
        return Ok(0);
    };
    if !group.format.is_flac() {
        let bytes = group.file_bytes.saturating_sub(group.offset);
        return Ok(group.format.samples_in(bytes) / group.frame_samples);
    }
    let info = flac::open(group)?.streaminfo();
    let samples = info.samples.ok_or_else(|| {
        Error::malformed(
            &group.path,
            "neither the header nor the FLAC stream gives the number of samples",
        )
    })?;
    let per_frame = header.signals[group.members[0]].samples_per_frame as u64;
    Ok(samples.saturating_sub(group.offset) / per_frame)
}

/// Refuses a record whose length has too few bytes behind it.
fn check_size(header: &Header, path: &Path, groups: &[Group], frames: u64) -> Result<()> {
    for group in groups.iter().filter(|g| !g.format.is_flac()) {
        let needed = frames
            .checked_mul(group.frame_samples)
            .and_then(|n| group.format.bytes(n))
            .and_then(|n| n.checked_add(group.offset));
        if needed.is_none_or(|n| n > group.file_bytes) {
            let needed = needed.map_or("more than 2^64".to_owned(), |n| n.to_string());
            return Err(Error::malformed(
                &group.path,
                format!(
                    "{} bytes, but the header demands {needed}; the file is cut short or belongs to another header",
                    group.file_bytes
                ),
            ));
        }
    }
    let bytes: u64 = groups.iter().map(|g| g.file_bytes).sum();
    let allowed = bytes
        .saturating_mul(VALUES_PER_BYTE)
        .max(VALUES_ALWAYS_ALLOWED);
    // Signals of a lower rate are repeated up to the highest one.
    let total = (header.max_samples_per_frame() as u64)
        .checked_mul(header.signals.len() as u64)
        .and_then(|n| n.checked_mul(frames));
    if total.is_none_or(|n| n > allowed) {
        return Err(Error::unsupported(
            path,
            format!(
                "the header claims {frames} frames of {} signals, far more than the {bytes} bytes of its signal files hold",
                header.signals.len()
            ),
        ));
    }
    Ok(())
}
