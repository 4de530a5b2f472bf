//! Signal files whose samples are packed one after the other.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use super::column::Column;
use super::{CHUNK, Group};
use crate::formats::wfdb::format::Format;
use crate::record::error::{Error, Result};

/// A signal file that is read from its first sample on.
pub(super) struct Packed {
    file: File,
    path: PathBuf,
    format: Format,
    /// Samples of a frame.
    width: usize,
    bytes: Vec<u8>,
    samples: Vec<i32>,
    own: Vec<i32>,
}

impl Packed {
    /// Opens the file of a group of `frames` frames, at least one.
    pub fn open(group: &Group, frames: u64) -> Result<Packed> {
        let mut file = File::open(&group.path).map_err(Error::io(&group.path))?;
        file.seek(SeekFrom::Start(group.offset))
            .map_err(Error::io(&group.path))?;
        let width = group.frame_samples as usize;
        // Six frames are a whole number of blocks in every packing.
        let at_once = frames.min((CHUNK / width / 6).max(1) as u64 * 6) as usize;
        Ok(Packed {
            file,
            path: group.path.clone(),
            format: group.format,
            width,
            bytes: Vec::new(),
            samples: vec![0; at_once * width],
            own: Vec::new(),
        })
    }

    /// Decodes the next of `left` frames into the columns; returns how many are
    /// left then.
    pub fn decode(&mut self, left: u64, columns: &mut [Column]) -> Result<u64> {
        let now = left.min((self.samples.len() / self.width) as u64);
        let samples = &mut self.samples[..now as usize * self.width];
        let size = self.format.bytes(samples.len() as u64).unwrap_or(0);
        self.bytes.resize(size as usize, 0);
        let read = self.file.read_exact(&mut self.bytes);
        read.map_err(Error::io(&self.path))?;
        self.format.unpack(&self.bytes, samples);
        for column in columns {
            column.take(samples, self.width, &mut self.own);
        }
        Ok(left - now)
    }
}
