//! One signal of a signal file: from ADC units to physical ones.

use std::path::Path;

use crate::formats::wfdb::format::Format;
use crate::formats::wfdb::header::{Header, SignalHeader};
use crate::record::error::{Error, Result};

/// Formats up to this width have few enough values for a table of them.
const LARGEST_TABLE_BITS: u32 = 16;

/// One signal while it is being read.
pub(super) struct Column {
    /// Name and file, for messages.
    described: String,
    /// Where its samples begin in a frame of the file; in a FLAC stream its channel.
    pub offset: usize,
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
    /// What the sum must be, modulo 65,536; `None` where the header does not say.
    checksum: Option<u16>,
    /// Samples at the beginning that the skew leaves out.
    skip: usize,
    /// Physical values that nobody has taken yet, from `at` on.
    values: Vec<f32>,
    at: usize,
}

impl Column {
    /// For a signal of `header`, of which a file has `frames` frames.
    pub fn new(header: &Header, signal: &SignalHeader, offset: usize, frames: u64) -> Column {
        // A program that writes the header before the samples knows neither
        // length nor sum and puts 0 for both.
        let placeholder = header.frames.is_none() && signal.checksum == Some(0);
        let mut column = Column {
            described: format!("'{}' in {}", signal.description, signal.file_name),
            offset,
            samples_per_frame: signal.samples_per_frame,
            gain: signal.scale().1,
            baseline: f64::from(signal.baseline),
            invalid: signal.format.and_then(Format::invalid),
            table: Vec::new(),
            running: (signal.format == Some(Format::F8)).then_some(signal.initial_value),
            sum: 0,
            checksum: signal.checksum.filter(|_| !placeholder),
            skip: signal.skew.saturating_mul(signal.samples_per_frame),
            values: Vec::new(),
            at: 0,
        };
        let bits = signal.format.map_or(u32::MAX, Format::bits);
        let count = frames.saturating_mul(signal.samples_per_frame as u64);
        if bits <= LARGEST_TABLE_BITS && !signal.format.is_some_and(Format::is_flac) {
            let values = 1_i32 << bits;
            // A table pays when there are more samples than entries.
            if count > values as u64 {
                let physical = column.physical();
                column.table = (-values / 2..values / 2).map(physical).collect();
            }
        }
        column
    }

    /// Whole frames that can be taken.
    pub fn ready(&self) -> usize {
        (self.values.len() - self.at) / self.samples_per_frame
    }

    /// Appends the next frames as frames of `per_frame` samples, without taking
    /// them: each sample is held until the next is due; where `per_frame` is less
    /// than the signal has, the samples between are left out.
    pub fn copy(&self, frames: usize, per_frame: usize, out: &mut Vec<f32>) {
        let own = self.samples_per_frame;
        let values = &self.values[self.at..self.at + frames * own];
        if own == per_frame {
            out.extend_from_slice(values);
            return;
        }
        for frame in values.chunks_exact(own) {
            out.extend((0..per_frame).map(|k| frame[k * own / per_frame]));
        }
    }

    /// Takes the next frames.
    pub fn advance(&mut self, frames: usize) {
        self.at += frames * self.samples_per_frame;
    }

    /// Adds frames without samples.
    pub fn pad(&mut self, frames: usize) {
        self.compact();
        let values = self.values.len() + frames * self.samples_per_frame;
        self.values.resize(values, f32::NAN);
    }

    /// Adds this signal's samples out of whole frames of `width` samples;
    /// `own` is room for them.
    pub fn take(&mut self, frames: &[i32], width: usize, own: &mut Vec<i32>) {
        own.clear();
        let frames = frames.chunks_exact(width);
        if self.samples_per_frame == 1 {
            own.extend(frames.map(|frame| frame[self.offset]));
        } else {
            let span = self.offset..self.offset + self.samples_per_frame;
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

    /// Adds samples in ADC units.
    pub fn extend(&mut self, samples: &[i32]) {
        self.compact();
        let sum = samples
            .iter()
            .fold(0_u32, |sum, s| sum.wrapping_add(*s as u32));
        self.sum = self.sum.wrapping_add(sum);
        let skipped = self.skip.min(samples.len());
        self.skip -= skipped;
        let samples = &samples[skipped..];
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

    /// Compares the sum of all samples with the header's.
    ///
    /// # Errors
    /// [`Error::Malformed`] when they differ.
    pub fn check(&self, header_path: &Path) -> Result<()> {
        let sum = self.sum as u16;
        match self.checksum.filter(|expected| *expected != sum) {
            None => Ok(()),
            Some(expected) => Err(Error::malformed(
                header_path,
                format!(
                    "signal {} adds up to {sum} modulo 65536, but the header's checksum is {expected}; \
                     the signal file is damaged or was changed: fetch it again, or correct the header if the change was meant",
                    self.described
                ),
            )),
        }
    }

    /// Forgets what was taken.
    fn compact(&mut self) {
        self.values.drain(..self.at);
        self.at = 0;
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
}
