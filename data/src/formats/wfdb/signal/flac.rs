//! Signal files that are FLAC streams, a block at a time.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use claxon::FlacReader;

use super::Group;
use super::column::Column;
use crate::formats::wfdb::header::Header;
use crate::record::error::{Error, Result};

/// A FLAC stream that is decoded from its first block on; a block has at most
/// 65,535 samples of each channel.
pub(super) struct Flac {
    reader: FlacReader<BufReader<File>>,
    path: PathBuf,
    buffer: Vec<i32>,
    per_frame: u64,
    /// Samples of each channel to be passed over, decoded after that, and wanted.
    skip: u64,
    done: u64,
    wanted: u64,
}

/// Opens the stream of a group.
pub(super) fn open(group: &Group) -> Result<FlacReader<BufReader<File>>> {
    let file = File::open(&group.path).map_err(Error::io(&group.path))?;
    FlacReader::new(BufReader::new(file)).map_err(unsound(&group.path))
}

fn unsound(path: &Path) -> impl FnOnce(claxon::Error) -> Error {
    move |error| match error {
        claxon::Error::IoError(source) => Error::io(path)(source),
        other => Error::malformed(path, format!("not a sound FLAC stream: {other}")),
    }
}

impl Flac {
    pub fn open(group: &Group, header: &Header, frames: u64) -> Result<Flac> {
        let path = &group.path;
        let reader = open(group)?;
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
        Ok(Flac {
            reader,
            path: path.clone(),
            buffer: Vec::new(),
            per_frame: per_frame as u64,
            skip: group.offset,
            done: 0,
            wanted: frames.saturating_mul(per_frame as u64),
        })
    }

    /// Decodes the next block into the columns; returns how many frames are not
    /// complete then.
    pub fn decode(&mut self, columns: &mut [Column]) -> Result<u64> {
        let buffer = std::mem::take(&mut self.buffer);
        let block = self.reader.blocks().read_next_or_eof(buffer);
        let Some(block) = block.map_err(unsound(&self.path))? else {
            let (done, wanted) = (self.done, self.wanted);
            return Err(Error::malformed(
                &self.path,
                format!(
                    "the FLAC stream ends after {done} samples, but the header demands {wanted}; the file is cut short or belongs to another header"
                ),
            ));
        };
        let length = u64::from(block.duration());
        let from = self.skip.min(length);
        let to = length.min(from + (self.wanted - self.done));
        for column in columns {
            let samples = block.channel(column.offset as u32);
            column.extend(&samples[from as usize..to as usize]);
        }
        self.skip -= from;
        self.done += to - from;
        self.buffer = block.into_buffer();
        Ok((self.wanted - self.done).div_ceil(self.per_frame))
    }
}
