//! Any bytes as a stream of samples: the frames do not depend on how the bytes
//! were cut into reads.

#![no_main]

use embedded::decode::{Decoder, Encoding, Format};
use libfuzzer_sys::fuzz_target;

/// The samples, and whether the stream was read to its end.
fn decode(format: &Format, bytes: &[u8], cut: usize) -> Option<(Vec<f32>, bool)> {
    let mut decoder = Decoder::new(format.clone()).ok()?;
    let mut samples = Vec::new();
    let mut good = bytes
        .chunks(cut)
        .all(|part| decoder.push(part, &mut samples).is_ok());
    good = good && decoder.finish(&mut samples).is_ok();
    assert!(good || !format.lenient, "a lenient decoder refuses nothing");
    assert_eq!(samples.len() % format.pick.len(), 0, "whole frames only");
    Some((samples, good))
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&[kind, channels, pick, gain, cut], stream)) = bytes.split_first_chunk::<5>() else {
        return;
    };
    let encodings = [Encoding::I16, Encoding::I32, Encoding::F32, Encoding::Csv];
    let picked = 1 + usize::from(kind >> 6);
    let format = Format {
        encoding: encodings[usize::from(kind % 4)],
        channels: usize::from(channels),
        pick: (0..picked).map(|i| usize::from(pick >> (2 * i))).collect(),
        gain: f64::from(gain as i8),
        baseline: f64::from(pick),
        lenient: kind & 4 != 0,
    };
    let whole = decode(&format, stream, stream.len().max(1));
    let parts = decode(&format, stream, 1 + usize::from(cut));
    if let (Some((whole, good)), Some((parts, also))) = (whole, parts) {
        assert_eq!(good, also);
        let bits = |samples: &[f32]| samples.iter().map(|s| s.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&whole), bits(&parts));
    }
});
