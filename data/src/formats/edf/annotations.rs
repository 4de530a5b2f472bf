//! The annotation channels of EDF+ and BDF+: lists of texts with their times.
//!
//! A list begins with a time in seconds since the start, and a duration where it
//! has one, and goes on with its texts:
//!
//! ```text
//! +180.5 0x15 2.25 0x14 text 0x14 text 0x14 0x00
//! ```
//!
//! The first list of a record has an empty text and tells when the record begins.

/// A list of texts that begin at one time.
#[derive(Debug, PartialEq)]
pub(super) struct List {
    /// Seconds since the start of the recording.
    pub onset: f64,
    /// The texts that are not empty.
    pub texts: Vec<String>,
}

/// The lists in a channel's bytes of one record. What is no list is passed over.
pub(super) fn lists(bytes: &[u8]) -> impl Iterator<Item = List> {
    bytes.split(|b| *b == 0).filter_map(|list| {
        let mut parts = list.split(|b| *b == 0x14);
        let onset = time(parts.next()?)?;
        let texts = parts.filter(|text| !text.is_empty());
        let texts = texts.map(|text| String::from_utf8_lossy(text).trim().to_owned());
        Some(List {
            onset,
            texts: texts.filter(|text| !text.is_empty()).collect(),
        })
    })
}

/// When a record begins, from the first bytes of its first annotation channel.
pub(super) fn onset(bytes: &[u8]) -> Option<f64> {
    let end = bytes.iter().position(|b| *b == 0x14)?;
    time(&bytes[..end])
}

/// The time at the beginning of a list, before its duration.
fn time(bytes: &[u8]) -> Option<f64> {
    let time = bytes.split(|b| *b == 0x15).next()?;
    if !time.starts_with(b"+") && !time.starts_with(b"-") {
        return None;
    }
    let seconds: f64 = std::str::from_utf8(time).ok()?.trim().parse().ok()?;
    seconds.is_finite().then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_a_time_and_texts() {
        let bytes = b"+0.5\x14\x14\0+1\x152.25\x14N\x14 two words \x14\0\0-3e0\x14V\x14\0x\x14y\x14\0+inf\x14z\x14\0\0";
        let found: Vec<_> = lists(bytes).map(|l| (l.onset, l.texts)).collect();
        let texts = |all: &[&str]| all.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            found,
            [
                (0.5, texts(&[])),
                (1.0, texts(&["N", "two words"])),
                (-3.0, texts(&["V"])),
            ]
        );
        assert_eq!(onset(bytes), Some(0.5));
        for none in [&b""[..], b"\0\0", b"+1", b"5\x14\x14", b"+x\x14\x14"] {
            assert_eq!(onset(none), None);
        }
    }
}
