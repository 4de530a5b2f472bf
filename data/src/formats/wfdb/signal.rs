//! Signal files (`.dat`): from bytes to samples in physical units.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::formats::wfdb::format::Format;
use crate::formats::wfdb::header::{Header, NULL, SignalHeader};
use crate::record::error::{Error, Result};

/// Samples unpacked at once; small enough to stay in the cache.
const CHUNK: usize = 16_384;

/// Formats up to this width have few enough values for a table of them.
const LARGEST_TABLE_BITS: u32 = 16;

/// Values that a record may have whatever the size of its files, so that a
/// few forged bytes cannot ask for all memory: a gibibyte of `f32`.
pub(super) const VALUES_ALWAYS_ALLOWED: u64 = 1 << 28;
/// Values that each byte of a signal file may unpack to beyond that. FLAC packs
/// recordings to about one byte a sample; only constant signals go far below.
const VALUES_PER_BYTE: u64 = 64;

/// The signals of one segment, each at its own rate.
pub(super) struct Signals {
    /// Length in frames.
    pub frames: u64,
    /// Per signal of the header `frames * samples_per_frame` physical values;
    /// NaN where invalid.
    pub values: Vec<Vec<f32>>,
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

/// Reads all signals of a header that is not multi-segment; `header_path`
/// locates the signal files.
///
/// # Errors
/// [`Error::Io`] for a file that cannot be read; [`Error::Malformed`] for a
/// file that is too short, contradicts the header or fails its checksum;
/// [`Error::Unsupported`] for a record too large to be genuine.
pub(super) fn read(header: &Header, header_path: &Path) -> Result<Signals> {
    let groups = groups(header, header_path)?;
    let frames = match header.frames {
        Some(frames) => frames,
        None => inferred_frames(header, &groups)?,
    };
    check_size(header, header_path, &groups, frames)?;
    let mut columns: Vec<Column> = header.signals.iter().map(Column::new).collect();
    for group in &groups {
        if group.format.is_flac() {
            read_flac(group, header, frames, &mut columns)?;
        } else {
            read_packed(group, header, frames, &mut columns)?;
        }
    }
    let mut values = Vec::with_capacity(columns.len());
    for (signal, column) in header.signals.iter().zip(columns) {
        values.push(column.finish(signal, header.frames, frames, header_path)?);
    }
    Ok(Signals { frames, values })
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
    let info = open_flac(group)?.streaminfo();
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

/// One signal while it is being read.
struct Column {
    values: Vec<f32>,
    samples_per_frame: usize,
    gain: f64,
    baseline: f64,
    invalid: Option<i32>,
    /// Physical value of every sample value from the lowest on, where looking
    /// it up is faster than computing it; otherwise empty.
    table: Vec<f32>,
    /// Running value of format 8, which stores differences.
    running: Option<i32>,
    sum: u32,
}

impl Column {
    fn new(signal: &SignalHeader) -> Column {
        Column {
            values: Vec::new(),
            samples_per_frame: signal.samples_per_frame,
            gain: signal.scale().1,
            baseline: f64::from(signal.baseline),
            invalid: signal.format.and_then(Format::invalid),
            table: Vec::new(),
            running: (signal.format == Some(Format::F8)).then_some(signal.initial_value),
            sum: 0,
        }
    }

    /// Takes this signal's samples out of whole frames of `width` samples;
    /// `own` is room for them.
    fn take(&mut self, frames: &[i32], width: usize, offset: usize, own: &mut Vec<i32>) {
        own.clear();
        let frames = frames.chunks_exact(width);
        if self.samples_per_frame == 1 {
            own.extend(frames.map(|frame| frame[offset]));
        } else {
            let span = offset..offset + self.samples_per_frame;
            own.extend(frames.flat_map(|frame| &frame[span.clone()]));
        }
        if let Some(running) = &mut self.running {
            for sample in own.iter_mut() {
                *running = running.wrapping_add(*sample);
                *sample = *running;
            }
        }
        self.extend(own);
    }

    /// Makes room for `count` samples of `format`, and the table when there
    /// are more samples than values that they can have.
    fn expect(&mut self, count: usize, format: Format) {
        self.values.reserve_exact(count);
        let values = 1_i32 << format.bits().min(LARGEST_TABLE_BITS);
        if format.bits() <= LARGEST_TABLE_BITS && count > values as usize {
            let physical = self.physical();
            self.table = (-values / 2..values / 2).map(physical).collect();
        }
    }

    /// Computes the physical value of a sample: divided in `f64` and rounded
    /// once, the nearest `f32` to the exact value; NaN for an invalid sample.
    fn physical(&self) -> impl Fn(i32) -> f32 + use<> {
        let (gain, baseline, invalid) = (self.gain, self.baseline, self.invalid);
        move |sample| {
            if Some(sample) == invalid {
                f32::NAN
            } else {
                ((f64::from(sample) - baseline) / gain) as f32
            }
        }
    }

    fn extend(&mut self, samples: &[i32]) {
        let sum = samples
            .iter()
            .fold(0_u32, |sum, s| sum.wrapping_add(*s as u32));
        self.sum = self.sum.wrapping_add(sum);
        let physical = self.physical();
        if self.table.is_empty() {
            self.values.extend(samples.iter().map(|s| physical(*s)));
        } else {
            let table = &self.table[..];
            let lowest = table.len() as i32 / 2;
            // Every sample of the format has its entry.
            let look_up = |sample: &i32| table.get((sample + lowest) as usize).copied();
            self.values
                .extend(samples.iter().map(|s| look_up(s).unwrap_or(f32::NAN)));
        }
    }

    /// Checks the sum, undoes the skew and pads a signal without a file.
    fn finish(
        mut self,
        signal: &SignalHeader,
        stated_frames: Option<u64>,
        frames: u64,
        path: &Path,
    ) -> Result<Vec<f32>> {
        let wanted = frames as usize * self.samples_per_frame;
        if self.values.is_empty() {
            self.values.resize(wanted, f32::NAN);
            return Ok(self.values);
        }
        let sum = self.sum as u16;
        // A program that writes the header before the samples knows neither
        // length nor sum and puts 0 for both.
        let placeholder = stated_frames.is_none() && signal.checksum == Some(0);
        if let Some(expected) = signal.checksum.filter(|_| !placeholder)
            && sum != expected
        {
            return Err(Error::malformed(
                path,
                format!(
                    "signal '{}' in {} adds up to {sum} modulo 65536, but the header's checksum is {expected}; \
                     the signal file is damaged or was changed: fetch it again, or correct the header if the change was meant",
                    signal.description, signal.file_name
                ),
            ));
        }
        let lag = signal.skew.saturating_mul(self.samples_per_frame);
        if lag > 0 {
            self.values.drain(..lag.min(wanted));
            self.values.resize(wanted, f32::NAN);
        }
        Ok(self.values)
    }
}

fn read_packed(group: &Group, header: &Header, frames: u64, columns: &mut [Column]) -> Result<()> {
    let io = Error::io;
    let mut file = File::open(&group.path).map_err(io(&group.path))?;
    file.seek(SeekFrom::Start(group.offset))
        .map_err(io(&group.path))?;
    for &member in &group.members {
        let signal = &header.signals[member];
        columns[member].expect(frames as usize * signal.samples_per_frame, group.format);
    }
    // Six frames are a whole number of blocks in every packing.
    let width = group.frame_samples as usize;
    let chunk_frames = (CHUNK / width / 6).max(1) * 6;
    let mut samples = vec![0; chunk_frames * width];
    let (mut bytes, mut own) = (Vec::new(), Vec::new());
    let mut left = frames;
    while left > 0 {
        let now = left.min(chunk_frames as u64);
        let samples = &mut samples[..now as usize * width];
        let size = group.format.bytes(samples.len() as u64).unwrap_or(0);
        bytes.resize(size as usize, 0);
        file.read_exact(&mut bytes).map_err(io(&group.path))?;
        group.format.unpack(&bytes, samples);
        let mut offset = 0;
        for &member in &group.members {
            columns[member].take(samples, width, offset, &mut own);
            offset += columns[member].samples_per_frame;
        }
        left -= now;
    }
    Ok(())
}

fn flac_error(path: &Path) -> impl FnOnce(claxon::Error) -> Error {
    move |error| match error {
        claxon::Error::IoError(source) => Error::io(path)(source),
        other => Error::malformed(path, format!("not a sound FLAC stream: {other}")),
    }
}

fn open_flac(group: &Group) -> Result<claxon::FlacReader<BufReader<File>>> {
    let file = File::open(&group.path).map_err(Error::io(&group.path))?;
    claxon::FlacReader::new(BufReader::new(file)).map_err(flac_error(&group.path))
}

fn read_flac(group: &Group, header: &Header, frames: u64, columns: &mut [Column]) -> Result<()> {
    let path = &group.path;
    let mut reader = open_flac(group)?;
    let info = reader.streaminfo();
    if info.channels as usize != group.members.len() {
        return Err(Error::malformed(
            path,
            format!(
                "the FLAC stream has {} channels, but the header puts {} signals into it",
                info.channels,
                group.members.len()
            ),
        ));
    }
    if info.bits_per_sample > group.format.bits() {
        return Err(Error::malformed(
            path,
            format!(
                "the FLAC stream has {} bits a sample, but format {} allows {}",
                info.bits_per_sample,
                group.format.code(),
                group.format.bits()
            ),
        ));
    }
    let per_frame = header.signals[group.members[0]].samples_per_frame;
    let same = |&m: &usize| header.signals[m].samples_per_frame == per_frame;
    if !group.members.iter().all(same) {
        return Err(Error::malformed(
            path,
            "signals in one FLAC file must have the same number of samples per frame",
        ));
    }
    let wanted = frames * per_frame as u64;
    let (mut skip, mut done) = (group.offset, 0);
    let mut blocks = reader.blocks();
    let mut buffer = Vec::new();
    while done < wanted {
        let Some(block) = blocks.read_next_or_eof(buffer).map_err(flac_error(path))? else {
            return Err(Error::malformed(
                path,
                format!(
                    "the FLAC stream ends after {done} samples, but the header demands {wanted}; the file is cut short or belongs to another header"
                ),
            ));
        };
        let length = u64::from(block.duration());
        let from = skip.min(length);
        let to = length.min(from + (wanted - done));
        for (channel, &member) in group.members.iter().enumerate() {
            let samples = block.channel(channel as u32);
            let column = &mut columns[member];
            column.extend(&samples[from as usize..to as usize]);
        }
        skip -= from;
        done += to - from;
        buffer = block.into_buffer();
    }
    Ok(())
}
