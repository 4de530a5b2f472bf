//! Decimal numbers in CSV cells, as fast as the disk delivers them.

/// Powers of ten that a double holds exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Digits that always fit into 64 bits.
const MOST_DIGITS: usize = 19;

/// Parses the cell at the start of `line`: the nearest `f32`, or `None` when
/// it is no number; and what follows its separator, or `None` after the last
/// cell.
pub(crate) fn take(line: &[u8], separator: u8) -> (Option<f32>, Option<&[u8]>) {
    if let Some((value, length)) = plain(line) {
        match line.get(length) {
            None => return (Some(value), None),
            Some(&b) if b == separator && b != b' ' => {
                return (Some(value), Some(&line[length + 1..]));
            }
            Some(_) => {}
        }
    }
    let (text, after) = split(line, separator);
    (cell(text), after)
}

/// The cell at the start of `line` as it is written, and what follows its
/// separator. Quotes protect a separator; runs of spaces separate as one.
pub(crate) fn split(line: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    let mut quoted = false;
    let end = line.iter().position(|&b| {
        quoted ^= b == b'"';
        b == separator && !quoted
    });
    let Some(end) = end else {
        return (line, None);
    };
    let after = &line[end + 1..];
    let after = match separator {
        b' ' => after.trim_ascii_start(),
        _ => after,
    };
    (&line[..end], Some(after))
}

/// A cell without the space and the quotes around it.
pub(crate) fn bare(cell: &[u8]) -> &[u8] {
    let cell = cell.trim_ascii();
    let inner = cell.strip_prefix(b"\"").and_then(|c| c.strip_suffix(b"\""));
    inner.unwrap_or(cell).trim_ascii()
}

/// The number in a cell, perhaps in quotes or with a decimal comma, which is
/// one where no point and no second comma contradicts it.
pub(crate) fn cell(cell: &[u8]) -> Option<f32> {
    let text = std::str::from_utf8(bare(cell)).ok()?;
    if let Some((whole, part)) = text.split_once(',') {
        let digits = !part.is_empty() && !text.contains('.') && !part.contains(',');
        return digits.then(|| format!("{whole}.{part}").parse().ok())?;
    }
    text.parse().ok()
}

/// The number at the start of `line` and its length in bytes, when it has the
/// common form `1.23e-04` with at most 19 digits and a small exponent. `None`
/// leaves the rest to the standard library.
fn plain(line: &[u8]) -> Option<(f32, usize)> {
    let negative = line.first() == Some(&b'-');
    let mut at = usize::from(negative);
    let mut digits = 0_u64;
    let whole = at;
    at = take_digits(line, at, &mut digits);
    let mut count = at - whole;
    let mut exponent = 0_i32;
    if line.get(at) == Some(&b'.') {
        let start = at + 1;
        at = take_digits(line, start, &mut digits);
        count += at - start;
        exponent = -((at - start) as i32);
    }
    if count == 0 || count > MOST_DIGITS {
        return None;
    }
    if let Some(b'e' | b'E') = line.get(at) {
        let down = match line.get(at + 1) {
            Some(b'-') => true,
            Some(b'+') => false,
            _ => return None,
        };
        let mut power = 0;
        let start = at + 2;
        at = take_digits(line, start, &mut power);
        if !(1..=3).contains(&(at - start)) {
            return None;
        }
        exponent += if down { -(power as i32) } else { power as i32 };
    }
    let power = *EXACT_POWERS.get(exponent.unsigned_abs() as usize)?;
    let value = digits as f64;
    let value = if exponent < 0 {
        value / power
    } else {
        value * power
    };
    // Two roundings to f64 lie behind `value`, each by half of its last bit at
    // most. They decide the rounding to f32 only next to the middle between
    // two floats.
    const HALF: u64 = 1 << 28;
    let below = value.to_bits() & ((1 << 29) - 1);
    if value != 0.0 && (below.abs_diff(HALF) <= 2 || value < f64::from(f32::MIN_POSITIVE)) {
        return None;
    }
    let value = value as f32;
    Some((if negative { -value } else { value }, at))
}

/// Adds the decimal digits from `at` on to `number`, which may overflow after
/// 19 of them; returns where they end.
fn take_digits(line: &[u8], mut at: usize, number: &mut u64) -> usize {
    while let Some(chunk) = line.get(at..at + 8) {
        let Some(value) = eight_digits(chunk) else {
            break;
        };
        *number = number.wrapping_mul(100_000_000).wrapping_add(value);
        at += 8;
    }
    while let Some(digit) = line
        .get(at)
        .map(|b| b.wrapping_sub(b'0'))
        .filter(|&d| d < 10)
    {
        *number = number.wrapping_mul(10).wrapping_add(digit.into());
        at += 1;
    }
    at
}

/// The value of eight decimal digits, computed in one register: neighbouring
/// digits, then pairs, then fours are joined by a multiplication each.
fn eight_digits(chunk: &[u8]) -> Option<u64> {
    let word = u64::from_le_bytes(chunk.try_into().ok()?);
    const EACH: u64 = 0x0101_0101_0101_0101;
    // A byte is a digit when its high half is 3 and stays so after adding 6.
    let high = (word & (0xf0 * EACH)) | ((word.wrapping_add(6 * EACH) & (0xf0 * EACH)) >> 4);
    if high != 0x33 * EACH {
        return None;
    }
    let ones = word & (0x0f * EACH);
    let pairs = (ones.wrapping_mul(10).wrapping_add(ones >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100).wrapping_add(pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours.wrapping_mul(10_000).wrapping_add(fours >> 32)) & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the standard library makes of a cell.
    fn standard(cell: &str) -> Option<u32> {
        cell.trim().parse().ok().map(f32::to_bits)
    }

    #[test]
    fn every_form_of_a_number_is_read() {
        for cell in [
            "0",
            "1",
            "-1",
            "0.5",
            ".5",
            "5.",
            "1e0",
            "1e-3",
            "1E+05",
            "-0.0",
            " 0.25 ",
            "+0.5",
            "1.000000000000000000e+00",
            "9.779411554336547852e-01",
            "0.000000000000000000e+00",
            "12345678",
            "123456789012345678901234567890",
            "1e-30",
            "1e30",
            "1e-46",
            "1e39",
            "16777217",
            "1.00000005960464477539",
            "0.1234567890123456789",
            "99999999999999999999",
        ] {
            let (value, rest) = take(cell.as_bytes(), b',');
            assert_eq!(value.map(f32::to_bits), standard(cell), "{cell}");
            assert_eq!(rest, None);
            let line = format!("{cell},7");
            let (value, rest) = take(line.as_bytes(), b',');
            assert_eq!(value.map(f32::to_bits), standard(cell), "{cell}");
            assert_eq!(rest, Some(&b"7"[..]));
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for cell in [
            "", " ", "abc", "1.2.3", "1e", "e5", "--1", ".", "0x10", "1 2", "1/2", "1:2",
        ] {
            assert_eq!(take(cell.as_bytes(), b','), (None, None), "{cell}");
        }
        assert_eq!(take(b"\xff\xfe,1", b','), (None, Some(&b"1"[..])));
    }

    proptest! {
        #[test]
        fn the_nearest_float_is_found(value: f64, digits in 0_usize..22) {
            for cell in [format!("{value:.digits$e}"), format!("{:.18e}", value as f32), format!("{value:.digits$}")] {
                let python = cell.replace("e-", "e-0");
                for cell in [&cell, &python] {
                    prop_assert_eq!(take(cell.as_bytes(), b',').0.map(f32::to_bits), standard(cell));
                }
            }
        }

        #[test]
        fn cells_between_zero_and_one_are_the_nearest_floats(value in 0.0..=1.0_f64) {
            for cell in [format!("{value:.18e}"), format!("{value:.17}"), format!("{value:.6}"), format!("{}", value as f32)] {
                prop_assert_eq!(take(cell.as_bytes(), b',').0.map(f32::to_bits), standard(&cell));
            }
        }

        #[test]
        fn any_bytes_are_survived(line: Vec<u8>) {
            let (value, _) = take(&line, b',');
            let cell = line.split(|&b| b == b',').next().unwrap();
            let text = std::str::from_utf8(cell).ok();
            prop_assert_eq!(value.map(f32::to_bits), text.and_then(standard));
        }
    }
}
