//! The labelled beats of one recording, as the page and its script hold them.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use data::Classes;
use data::record::aami::Class;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use models::contract::Reject;

use crate::error::{Error, Result};

/// Bits of a beat's second byte, beside its class.
const UNCERTAIN: u8 = 1 << 5;
const UNREADABLE: u8 = 1 << 6;
const BEGINS: u8 = 1 << 7;
/// Classes that fit into the same byte.
const MOST_CLASSES: usize = 32;

/// A beat with its label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beat {
    /// Where it is, in samples of the recording.
    pub sample: u64,
    /// The place of its class in the list of classes.
    pub class: u8,
    /// The probability of that class, 0 to 1; 1 for a label that a human gave.
    pub probability: f32,
    /// Why it is left to a human, if it is.
    pub reject: Option<Reject>,
    /// Whether the beat before it in time is unknown: the first of a recording,
    /// after a gap, and after fibrillation.
    pub begins: bool,
}

/// The beats of a recording in order of time, with what their classes are.
#[derive(Clone, Debug)]
pub struct BeatLog {
    /// Samples per second of [`Beat::sample`].
    pub fs: f64,
    /// The classes.
    pub classes: Classes,
    /// The beats.
    pub beats: Vec<Beat>,
}

impl BeatLog {
    /// The class of EC57 that a beat's class stands for, where it does.
    pub fn aami(&self, beat: &Beat) -> Option<Class> {
        self.classes.aami(usize::from(beat.class))
    }

    /// Seconds from the beat before, where that is known.
    pub fn rr(&self, index: usize) -> Option<f64> {
        let beat = self.beats.get(index)?;
        let before = self.beats.get(index.checked_sub(1)?)?;
        let rr = beat.sample.saturating_sub(before.sample) as f64 / self.fs;
        (!beat.begins).then_some(rr)
    }

    /// The places of the beats from the sample `from` up to, not including, `to`.
    pub fn between(&self, from: u64, to: u64) -> std::ops::Range<usize> {
        let first = |sample| self.beats.partition_point(|beat| beat.sample < sample);
        first(from)..first(to).max(first(from))
    }

    /// The beats for the page's script: base64 of a raw DEFLATE stream (RFC 1951) of,
    /// for each beat, the samples since the beat before as a LEB128 number, a byte
    /// of the class (bits 0 to 4) and flags (5: uncertain, 6: unreadable, 7: the
    /// beat before is unknown), and a byte of the probability in 1/255.
    ///
    /// # Errors
    /// There are more classes than the byte holds.
    pub(crate) fn packed(&self) -> Result<String> {
        if self.classes.len() > MOST_CLASSES {
            return Err(Error::Classes(self.classes.len(), MOST_CLASSES));
        }
        let mut bytes = Vec::with_capacity(4 * self.beats.len());
        let mut before = 0;
        for beat in &self.beats {
            leb128(beat.sample.saturating_sub(before), &mut bytes);
            before = beat.sample;
            let reject = match beat.reject {
                Some(Reject::Uncertain) => UNCERTAIN,
                Some(Reject::Quality) => UNREADABLE,
                None => 0,
            };
            let begins = if beat.begins { BEGINS } else { 0 };
            bytes.push(beat.class | reject | begins);
            bytes.push((255.0 * beat.probability.clamp(0.0, 1.0)).round() as u8);
        }
        Ok(deflated(&bytes))
    }
}

/// Base64 of a raw DEFLATE stream of `bytes`.
pub(crate) fn deflated(bytes: &[u8]) -> String {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    // A vector takes every byte.
    let packed = encoder.write_all(bytes).and_then(|()| encoder.finish());
    STANDARD.encode(packed.unwrap_or_default())
}

fn leb128(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::io::Read;

    /// Beats every `rr` seconds at 100 Hz with these classes, certain all.
    pub fn log(rr: f64, classes: &str) -> BeatLog {
        let of = |letter: char| "NSVFQ".find(letter).unwrap() as u8;
        let beat = |(i, letter): (usize, char)| Beat {
            sample: (100.0 * rr * (i + 1) as f64).round() as u64,
            class: of(letter),
            probability: 0.9,
            reject: None,
            begins: i == 0,
        };
        BeatLog {
            fs: 100.0,
            classes: Classes::aami5(),
            beats: classes.chars().enumerate().map(beat).collect(),
        }
    }

    #[test]
    fn intervals_are_known_but_after_a_beginning() {
        let mut log = log(0.8, "NNSN");
        log.beats[2].begins = true;
        let known: Vec<_> = (0..5).map(|i| log.rr(i)).collect();
        assert_eq!(known, [None, Some(0.8), None, Some(0.8), None]);
        assert_eq!(log.between(80, 161), 0..2);
        assert_eq!(log.between(81, 80), 1..1);
        assert_eq!(log.aami(&log.beats[2]), Some(Class::S));
    }

    #[test]
    fn packed_beats_are_what_the_page_says_they_are() {
        let mut log = log(2.0, "NV");
        log.beats[1].reject = Some(Reject::Quality);
        log.beats[1].probability = 0.5;
        let bytes = STANDARD.decode(log.packed().unwrap()).unwrap();
        let mut plain = Vec::new();
        flate2::read::DeflateDecoder::new(&bytes[..])
            .read_to_end(&mut plain)
            .unwrap();
        assert_eq!(plain, [0xc8, 0x01, 0x80, 230, 0xc8, 0x01, 0x42, 128]);
    }
}
