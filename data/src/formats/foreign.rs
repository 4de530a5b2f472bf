//! Files that are not the text a reader expects, told by their first bytes.

/// The mark that some programs put in front of UTF-8 text.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// First bytes of files that people give by mistake, what these are, and the
/// remedy.
const KINDS: [(&[u8], &str); 17] = [
    (
        b"\x1f\x8b",
        "compressed with gzip; unpack it first (gunzip)",
    ),
    (
        b"PK\x03\x04",
        "a ZIP archive or a spreadsheet; unpack it, or save the sheet as CSV",
    ),
    (b"\xfd7zXZ\0", "compressed with xz; unpack it first (unxz)"),
    (
        b"\x28\xb5\x2f\xfd",
        "compressed with Zstandard; unpack it first (unzstd)",
    ),
    (b"BZh", "compressed with bzip2; unpack it first (bunzip2)"),
    (
        b"\xff\xfe",
        "text in UTF-16; save it as UTF-8 or plain ASCII",
    ),
    (
        b"\xfe\xff",
        "text in UTF-16; save it as UTF-8 or plain ASCII",
    ),
    (
        b"\x89HDF\r\n\x1a\n",
        "an HDF5 file; `infer` and `data convert` read stores of beats (`data convert FILE.h5 --output FILE.csv`)",
    ),
    (
        b"\x93NUMPY",
        "a NumPy array; write it as text with numpy.savetxt(FILE, rows, delimiter=',')",
    ),
    (
        b"PAR1",
        "a Parquet file; write it as CSV without header and index",
    ),
    (
        b"ARROW1",
        "an Arrow file; write it as CSV without header and index",
    ),
    (
        b"MATLAB 5.0",
        "a MATLAB file; write its numbers as text, with commas between",
    ),
    (
        b"SQLite format 3",
        "an SQLite database; write the table as CSV",
    ),
    (
        b"ISHNE1.0",
        "an ISHNE recording, not a table; name it where a recording is asked for",
    ),
    (
        b"%PDF",
        "a PDF document; samples are given as text or raw numbers",
    ),
    (
        b"\x7fELF",
        "a program; samples are given as text or raw numbers",
    ),
    (b"{\"", "JSON; write the numbers as CSV"),
];

/// What a file is that starts with these bytes, with the remedy, when it is
/// known not to be a table of numbers as text.
pub fn kind(start: &[u8]) -> Option<&'static str> {
    let named = KINDS.iter().find(|(mark, _)| start.starts_with(mark));
    if let Some((_, what)) = named {
        return Some(what);
    }
    start.contains(&0).then_some(
        "not text, for it holds NUL bytes (raw samples, or UTF-16); write it as UTF-8 text",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_text_are_named() {
        for (start, word) in [
            (&b"\x1f\x8b\x08\x08"[..], "gzip"),
            (b"PK\x03\x04", "spreadsheet"),
            (b"\xff\xfe1\0,\0", "UTF-16"),
            (b"1\0,\0", "UTF-16"),
            (b"\x89HDF\r\n\x1a\n", "HDF5"),
            (b"\x93NUMPY\x01\0", "savetxt"),
        ] {
            assert!(kind(start).is_some_and(|k| k.contains(word)), "{word}");
        }
        for text in [&b"0.5,0.25"[..], b"\xef\xbb\xbf0.5", b"", b"0,1,2", b"# x"] {
            assert_eq!(kind(text), None);
        }
    }
}
