//! WFDB signal formats: how samples are packed into bytes (`signal(5)`).

/// A WFDB storage format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// 8: first differences in 8 bits.
    F8,
    /// 16: two's complement, little endian.
    F16,
    /// 24: two's complement, little endian.
    F24,
    /// 32: two's complement, little endian.
    F32,
    /// 61: 16 bits, two's complement, big endian.
    F61,
    /// 80: 8 bits, offset binary.
    F80,
    /// 160: 16 bits, offset binary, little endian.
    F160,
    /// 212: two 12-bit samples in three bytes.
    F212,
    /// 310: three 10-bit samples in four bytes, the packing of old Holter recorders.
    F310,
    /// 311: three 10-bit samples in four bytes, packed in order.
    F311,
    /// 508: FLAC, at most 8 bits.
    F508,
    /// 516: FLAC, at most 16 bits.
    F516,
    /// 524: FLAC, at most 24 bits.
    F524,
}

impl Format {
    /// The format of a code in a header.
    pub fn from_code(code: u16) -> Option<Format> {
        Some(match code {
            8 => Format::F8,
            16 => Format::F16,
            24 => Format::F24,
            32 => Format::F32,
            61 => Format::F61,
            80 => Format::F80,
            160 => Format::F160,
            212 => Format::F212,
            310 => Format::F310,
            311 => Format::F311,
            508 => Format::F508,
            516 => Format::F516,
            524 => Format::F524,
            _ => return None,
        })
    }

    /// The code of this format in a header.
    pub fn code(self) -> u16 {
        match self {
            Format::F8 => 8,
            Format::F16 => 16,
            Format::F24 => 24,
            Format::F32 => 32,
            Format::F61 => 61,
            Format::F80 => 80,
            Format::F160 => 160,
            Format::F212 => 212,
            Format::F310 => 310,
            Format::F311 => 311,
            Format::F508 => 508,
            Format::F516 => 516,
            Format::F524 => 524,
        }
    }

    /// Bits of a sample.
    pub fn bits(self) -> u32 {
        match self {
            Format::F80 | Format::F508 => 8,
            Format::F310 | Format::F311 => 10,
            Format::F212 => 12,
            Format::F16 | Format::F61 | Format::F160 | Format::F516 => 16,
            Format::F24 | Format::F524 => 24,
            // Differences of 8 bits add up to any value.
            Format::F8 | Format::F32 => 32,
        }
    }

    /// Whether the samples are a FLAC stream.
    pub fn is_flac(self) -> bool {
        matches!(self, Format::F508 | Format::F516 | Format::F524)
    }

    /// The sample value that stands for "no valid sample"; format 8 has none.
    pub fn invalid(self) -> Option<i32> {
        match self {
            Format::F8 => None,
            format => Some(i32::MIN >> (32 - format.bits())),
        }
    }

    /// Samples and bytes of the smallest whole unit of the packing.
    pub(super) fn block(self) -> (usize, usize) {
        match self {
            Format::F8 | Format::F80 => (1, 1),
            Format::F16 | Format::F61 | Format::F160 => (1, 2),
            Format::F24 => (1, 3),
            Format::F32 => (1, 4),
            Format::F212 => (2, 3),
            Format::F310 | Format::F311 => (3, 4),
            Format::F508 | Format::F516 | Format::F524 => (1, 0),
        }
    }

    /// Bytes that `samples` take, or `None` on overflow and for FLAC.
    ///
    /// A last block need not be whole: only the bytes up to its last sample
    /// must be there.
    pub fn bytes(self, samples: u64) -> Option<u64> {
        if self.is_flac() {
            return None;
        }
        let (block_samples, block_bytes) = self.block();
        let whole = (samples / block_samples as u64).checked_mul(block_bytes as u64)?;
        let tail = match (self, samples % block_samples as u64) {
            (_, 0) => 0,
            (Format::F310, 2) => 4,
            (Format::F311, 2) => 3,
            _ => 2,
        };
        whole.checked_add(tail)
    }

    /// The most samples that lie in `bytes`; 0 for FLAC.
    pub(super) fn samples_in(self, bytes: u64) -> u64 {
        if self.is_flac() {
            return 0;
        }
        let (block_samples, block_bytes) = self.block();
        let whole = (bytes / block_bytes as u64).saturating_mul(block_samples as u64);
        (1..block_samples as u64)
            .map(|extra| whole.saturating_add(extra))
            .rfind(|&n| self.bytes(n).is_some_and(|b| b <= bytes))
            .unwrap_or(whole)
    }

    /// Unpacks `out.len()` samples from `bytes`, which start at a block;
    /// format 8 gives the differences.
    ///
    /// Samples beyond the end of `bytes` are unpacked as if zeros followed.
    pub(super) fn unpack(self, bytes: &[u8], out: &mut [i32]) {
        let (block_samples, block_bytes) = self.block();
        if block_bytes == 0 {
            return;
        }
        let whole = (bytes.len() / block_bytes).min(out.len() / block_samples);
        let (body, tail) = out.split_at_mut(whole * block_samples);
        let (body_bytes, tail_bytes) = bytes.split_at(whole * block_bytes);
        self.unpack_blocks(body_bytes, body);
        if !tail.is_empty() {
            let mut padded = [0; 4];
            let n = tail_bytes.len().min(block_bytes);
            padded[..n].copy_from_slice(&tail_bytes[..n]);
            let mut samples = [0; 3];
            self.unpack_blocks(&padded[..block_bytes], &mut samples[..block_samples]);
            let n = tail.len().min(block_samples);
            tail[..n].copy_from_slice(&samples[..n]);
        }
    }

    fn unpack_blocks(self, bytes: &[u8], out: &mut [i32]) {
        match self {
            Format::F8 => each(bytes, out, |[a]| [i32::from(a as i8)]),
            Format::F80 => each(bytes, out, |[a]| [i32::from(a) - 128]),
            Format::F16 => each(bytes, out, |b| [i32::from(i16::from_le_bytes(b))]),
            Format::F61 => each(bytes, out, |b| [i32::from(i16::from_be_bytes(b))]),
            Format::F160 => each(bytes, out, |b| [i32::from(u16::from_le_bytes(b)) - 32_768]),
            Format::F24 => each(bytes, out, |[a, b, c]| {
                [i32::from_le_bytes([0, a, b, c]) >> 8]
            }),
            Format::F32 => each(bytes, out, |b| [i32::from_le_bytes(b)]),
            Format::F212 => each(bytes, out, |[a, b, c]| {
                let (a, b, c) = (u32::from(a), u32::from(b), u32::from(c));
                [
                    signed::<12>(a | (b & 0x0f) << 8),
                    signed::<12>(c | (b >> 4) << 8),
                ]
            }),
            Format::F310 => each(bytes, out, |[a, b, c, d]| {
                let low = u32::from(u16::from_le_bytes([a, b]));
                let high = u32::from(u16::from_le_bytes([c, d]));
                let third = low >> 11 | high >> 11 << 5;
                [
                    signed::<10>(low >> 1),
                    signed::<10>(high >> 1),
                    signed::<10>(third),
                ]
            }),
            Format::F311 => each(bytes, out, |b| {
                let word = u32::from_le_bytes(b);
                [
                    signed::<10>(word),
                    signed::<10>(word >> 10),
                    signed::<10>(word >> 20),
                ]
            }),
            Format::F508 | Format::F516 | Format::F524 => {}
        }
    }
}

/// Turns each block of `B` bytes into `S` samples.
#[inline(always)]
fn each<const B: usize, const S: usize>(
    bytes: &[u8],
    out: &mut [i32],
    unpack: impl Fn([u8; B]) -> [i32; S],
) {
    let (blocks, _) = bytes.as_chunks::<B>();
    let (samples, _) = out.as_chunks_mut::<S>();
    for (block, samples) in blocks.iter().zip(samples) {
        *samples = unpack(*block);
    }
}

/// The low `BITS` bits as two's complement.
#[inline(always)]
fn signed<const BITS: u32>(value: u32) -> i32 {
    ((value << (32 - BITS)) as i32) >> (32 - BITS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PACKED: [Format; 10] = [
        Format::F8,
        Format::F16,
        Format::F24,
        Format::F32,
        Format::F61,
        Format::F80,
        Format::F160,
        Format::F212,
        Format::F310,
        Format::F311,
    ];

    /// Packs samples as `signal(5)` of the WFDB manual describes the format.
    fn pack(format: Format, samples: &[i32]) -> Vec<u8> {
        let bit = |value: i32, from: u32, bits: u32| ((value >> from) & ((1 << bits) - 1)) as u8;
        let (block_samples, _) = format.block();
        let mut bytes = Vec::new();
        for block in samples.chunks(block_samples) {
            let at = |i: usize| block.get(i).copied().unwrap_or(0);
            let (a, b, c) = (at(0), at(1), at(2));
            match format {
                Format::F8 => bytes.push(a as u8),
                Format::F80 => bytes.push((a + 128) as u8),
                Format::F16 => bytes.extend((a as i16).to_le_bytes()),
                Format::F61 => bytes.extend((a as i16).to_be_bytes()),
                Format::F160 => bytes.extend(((a + 32_768) as u16).to_le_bytes()),
                Format::F24 => bytes.extend(&a.to_le_bytes()[..3]),
                Format::F32 => bytes.extend(a.to_le_bytes()),
                Format::F212 => {
                    bytes.extend([bit(a, 0, 8), bit(a, 8, 4) | bit(b, 8, 4) << 4, bit(b, 0, 8)])
                }
                Format::F310 => bytes.extend([
                    bit(a, 0, 7) << 1,
                    bit(a, 7, 3) | bit(c, 0, 5) << 3,
                    bit(b, 0, 7) << 1,
                    bit(b, 7, 3) | bit(c, 5, 5) << 3,
                ]),
                Format::F311 => bytes.extend([
                    bit(a, 0, 8),
                    bit(a, 8, 2) | bit(b, 0, 6) << 2,
                    bit(b, 6, 4) | bit(c, 0, 4) << 4,
                    bit(c, 4, 6),
                ]),
                Format::F508 | Format::F516 | Format::F524 => {}
            }
        }
        bytes
    }

    proptest! {
        #[test]
        fn packed_samples_are_unpacked(samples in proptest::collection::vec(any::<i32>(), 1..40)) {
            for format in PACKED {
                let bits = if format == Format::F8 { 8 } else { format.bits() };
                let expected: Vec<i32> =
                    samples.iter().map(|s| s << (32 - bits) >> (32 - bits)).collect();
                let mut bytes = pack(format, &expected);
                // Only the bytes up to the last sample need be there.
                let needed = format.bytes(samples.len() as u64).unwrap();
                prop_assert!(format.samples_in(needed) >= samples.len() as u64);
                bytes.truncate(needed as usize);
                let mut unpacked = vec![0; samples.len()];
                format.unpack(&bytes, &mut unpacked);
                prop_assert_eq!(unpacked, expected, "{:?}", format);
            }
        }

        #[test]
        fn no_bytes_make_unpacking_panic(bytes: Vec<u8>, wanted in 0_usize..200) {
            for format in PACKED {
                format.unpack(&bytes, &mut vec![0; wanted]);
                let fit = format.samples_in(bytes.len() as u64);
                prop_assert!(format.bytes(fit).unwrap() <= bytes.len() as u64);
                prop_assert!(format.bytes(fit + 1).unwrap() > bytes.len() as u64);
            }
        }
    }

    #[test]
    fn codes_and_lengths() {
        for code in 0..=600 {
            if let Some(format) = Format::from_code(code) {
                assert_eq!(format.code(), code);
            }
        }
        assert_eq!(Format::F212.invalid(), Some(-2048));
        assert_eq!(Format::F32.invalid(), Some(i32::MIN));
        assert_eq!(Format::F8.invalid(), None);
        assert_eq!(Format::F32.bytes(u64::MAX), None);
    }
}
