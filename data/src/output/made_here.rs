//! How a file tells that a program of this project made it, so that a new run
//! may replace it unasked.
//!
//! | kind | by |
//! |---|---|
//! | annotations | the note [`ANNOTATION_NOTE`] at sample 0, among the definitions |
//! | predictions, CSV | their heading, [`PREDICTIONS_HEADING`] |
//! | predictions and credits, JSON Lines | the keys of the first line, [`LINE_KEYS`] |
//! | predictions, Parquet | the maker, [`MAKER`], at the end |
//! | figures, JSON | the key [`JSON_KEY`] that says so |
//! | predictions, credits and stores, HDF5 | the attributes `contract` or `format` |
//! | models | the seal at the end |
//! | annotations, EDF+ | the equipment in the header's recording field, [`EDF_NOTE`] |
//! | pages | the element [`PAGE_NOTE`] in the head |
//! | pictures | the text `Software` (PNG) or a comment (SVG) |
//! | records | the comment [`RECORD_NOTE`] in the header |
//!
//! A file without any bytes holds nothing to lose and may be replaced as well.
//! Beats in the Kaggle format are numbers alone: they cannot tell, so they are
//! replaced only with `--force`.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// What every mark says.
pub const MAKER: &str = "ectopy";
/// The note at sample 0 of an annotation file. WFDB passes over what begins with
/// `#` there. Two of them, which older files have, are for definitions, and the
/// `wfdb` package for Python (4.3) never ends with one that it does not know.
pub const ANNOTATION_NOTE: &str = "# made by: ectopy";
/// The heading of predictions as CSV begins so.
pub const PREDICTIONS_HEADING: &str = "input,row,record,sample,label,class,";
/// The key of JSON files whose value is [`MAKER`].
pub const JSON_KEY: &str = "made_by";
/// A line of predictions, or of credits, has these keys.
pub const LINE_KEYS: [&[&str]; 3] = [
    &["input", "row", "class", "probabilities", "logits"],
    &["row", "class", "method", "logits", "beat", "rhythm"],
    &["class", "start", "logits_before", "logits_after", "beat"],
];
/// The comment in the SVG files.
pub const SVG_NOTE: &str = "<!-- made by ectopy -->";
/// The element in the head of pages.
pub const PAGE_NOTE: &str = "<meta name=\"generator\" content=\"ectopy\">";
/// The equipment that an EDF+ file names, with the fields around it.
pub const EDF_NOTE: &str = " X ectopy X";
/// The comment of records that were synthesised.
pub const RECORD_NOTE: &str = "made by ectopy";
/// What the attribute `format` of a store says.
pub const STORE_FORMAT: &str = "prepared heartbeats";
/// The key of the seal, the last of an ONNX file's metadata.
const SEAL_KEY: &str = "ectopy.sha256";

/// The start and the end of a file that are looked at, in bytes; a first line
/// of JSON may be longer.
const LOOK: u64 = 1024;
const LONGEST_LINE: u64 = 1 << 20;

/// Whether a program of this project made the file, or it is empty. A file that
/// cannot be read is taken for another's.
pub fn is_made_here(path: &Path) -> bool {
    let Ok((head, tail)) = ends(path) else {
        return false;
    };
    if head.is_empty() || head.starts_with(PREDICTIONS_HEADING.as_bytes()) {
        return true;
    }
    if head.starts_with(b"{") {
        return is_json_made_here(path);
    }
    if head.starts_with(b"PAR1") {
        return contains(&tail, MAKER.as_bytes());
    }
    if head.starts_with(b"\x89HDF") {
        return is_hdf5_made_here(path);
    }
    if head.starts_with(b"\x89PNG") {
        return contains(&head, b"tEXtSoftware\0ectopy");
    }
    if head.starts_with(b"<!DOCTYPE html>") {
        return contains(&head, PAGE_NOTE.as_bytes());
    }
    if head.starts_with(b"0       ") {
        return contains(&head, EDF_NOTE.as_bytes());
    }
    if head.starts_with(b"<svg") {
        return contains(&head, SVG_NOTE.as_bytes());
    }
    contains(&head, ANNOTATION_NOTE.as_bytes())
        || contains(&tail, SEAL_KEY.as_bytes())
        || tail.split(|&byte| byte == b'\n').any(is_record_note)
}

/// Whether a line of a record's header is the comment [`RECORD_NOTE`].
fn is_record_note(line: &[u8]) -> bool {
    line.strip_prefix(b"# ") == Some(RECORD_NOTE.as_bytes())
}

fn ends(path: &Path) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let (mut head, mut tail) = (Vec::new(), Vec::new());
    file.by_ref().take(LOOK).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(length.saturating_sub(LOOK)))?;
    file.take(LOOK).read_to_end(&mut tail)?;
    Ok((head, tail))
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Whether the first JSON value says so, or is a line of results.
fn is_json_made_here(path: &Path) -> bool {
    let Ok(file) = File::open(path) else {
        return false;
    };
    let file = std::io::BufReader::new(file.take(LONGEST_LINE * 64));
    let mut values = serde_json::Deserializer::from_reader(file).into_iter();
    let Some(Ok(serde_json::Value::Object(first))) = values.next() else {
        return false;
    };
    let says = first.get(JSON_KEY).and_then(|v| v.as_str());
    says.is_some_and(|by| by == MAKER)
        || LINE_KEYS
            .iter()
            .any(|keys| keys.iter().all(|key| first.contains_key(*key)))
}

#[cfg(feature = "hdf5")]
fn is_hdf5_made_here(path: &Path) -> bool {
    let Ok(file) = hdf5::File::open(path) else {
        return false;
    };
    let text = |name: &str| {
        let attribute = file.attr(name).ok()?;
        let text = attribute.read_scalar::<hdf5::types::VarLenUnicode>().ok()?;
        Some(text.to_string())
    };
    let has = |name: &str| {
        file.attr_names()
            .is_ok_and(|names| names.iter().any(|n| n == name))
    };
    has("contract") && text("contract").is_some()
        || has("format") && text("format").is_some_and(|f| f == STORE_FORMAT)
}

#[cfg(not(feature = "hdf5"))]
fn is_hdf5_made_here(_path: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::wfdb;
    use crate::record::annotation::{Annotation, Symbol};

    #[test]
    fn marks_are_found_and_others_files_are_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        let made = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            is_made_here(&path)
        };
        assert!(made("empty", b""));
        assert!(made("p.csv", b"input,row,record,sample,label,class,N\n"));
        assert!(made("f.json", b"{\n  \"made_by\": \"ectopy\", \"x\": 1}"));
        let line =
            "{\"class\":\"N\",\"input\":\"a\",\"logits\":{},\"probabilities\":{},\"row\":0}\n";
        assert!(made("p.jsonl", line.repeat(3).as_bytes()));
        assert!(!made("t.csv", b"0.1,0.2\n"));
        assert!(!made("o.json", b"{\"beats\": 3, \"note\": \"ectopy\"}"));
        assert!(!made("cut.json", b"{\"made_by\": \"ect"));
        assert!(!made("README.md", b"how ectopy works, made by ectopy"));
        assert!(!made("p.png", b"\x89PNG\r\n\x1a\n rest"));
        assert!(!is_made_here(&folder.path().join("absent")));
        let path = folder.path().join("r.qrs");
        wfdb::write_annotations(&path, &[Annotation::new(7, Symbol::N)]).unwrap();
        assert!(is_made_here(&path));
        assert_eq!(wfdb::read_annotations(&path).unwrap().len(), 1);
        // The file of another program, with its own definition.
        let other = wfdb::AnnotationFile::new(Some(250.0), vec![Annotation::new(7, Symbol::N)]);
        other.write(&path).unwrap();
        assert!(!is_made_here(&path));
    }

    #[cfg(feature = "hdf5")]
    #[test]
    fn stores_are_ours() {
        use crate::pipeline::beats::Beats;
        use crate::pipeline::input::InputSpec;
        use crate::record::classes::Classes;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.h5");
        crate::beat_files::store::write(
            &path,
            &Beats::new(InputSpec::kaggle(), &Classes::aami5()),
            "x",
        )
        .unwrap();
        assert!(is_made_here(&path));
        let other = folder.path().join("o.h5");
        hdf5::File::create(&other).unwrap().close().unwrap();
        assert!(!is_made_here(&other));
    }
}
