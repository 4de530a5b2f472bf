//! Folders of WFDB records: their names, and the files that each consists of.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::formats::wfdb::header::{Header, NULL};
use crate::formats::wfdb::record::header_path;
use crate::record::error::{Error, Result};

/// How deep `RECORDS` files may lead into folders of folders.
const DEEPEST: usize = 8;
/// Endings of files that are no part of a record, whatever lies beside them.
const FOREIGN: [&str; 8] = [
    "csv", "txt", "h5", "hdf5", "onnx", "json", "jsonl", "ndjson",
];

/// The names of a folder's recordings: those of its `RECORDS` file, or else those
/// that `unlisted` finds in it; see [`crate::formats::find`].
///
/// # Errors
/// [`Error::Io`] when the folder cannot be listed.
pub(in crate::formats) fn record_names(
    folder: &Path,
    unlisted: &impl Fn(&Path) -> Result<Vec<String>>,
) -> Result<Vec<String>> {
    let mut names = Vec::new();
    collect(folder, "", 0, unlisted, &mut names)?;
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    Ok(names)
}

/// Adds the records of `root/prefix`.
fn collect(
    root: &Path,
    prefix: &str,
    depth: usize,
    unlisted: &impl Fn(&Path) -> Result<Vec<String>>,
    names: &mut Vec<String>,
) -> Result<()> {
    let folder = root.join(prefix);
    let list = folder.join("RECORDS");
    if !list.is_file() {
        let own = unlisted(&folder)?.into_iter();
        names.extend(own.map(|name| format!("{prefix}{name}")));
        return Ok(());
    }
    let bytes = std::fs::read(&list).map_err(Error::io(&list))?;
    let text = String::from_utf8_lossy(&bytes);
    for line in text.trim_start_matches('\u{feff}').lines() {
        let entry = line.trim();
        let entry = entry.strip_prefix("./").unwrap_or(entry);
        if entry.is_empty() || entry.starts_with('#') {
            continue;
        }
        let name = format!("{prefix}{}", entry.strip_suffix(".hea").unwrap_or(entry));
        let bare = name.trim_end_matches('/');
        let is_folder = bare.len() < name.len() || !header_path(&root.join(bare)).is_file();
        if is_folder && depth < DEEPEST && is_inside(bare) && root.join(bare).is_dir() {
            let prefix = format!("{bare}/");
            collect(root, &prefix, depth + 1, unlisted, names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}

/// The names of all header files in a folder, sorted.
pub(in crate::formats) fn header_names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        if path.extension().is_some_and(|e| e == "hea")
            && let Some(stem) = path.file_stem()
        {
            names.push(stem.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Whether a name cannot lead out of the folder that it is looked up in.
pub(crate) fn is_inside(name: &str) -> bool {
    use std::path::Component::Normal;
    let mut parts = Path::new(name).components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Normal(_)))
}

/// Every file that a record consists of, the header first: signal files, and
/// the headers and signal files of its segments. No file is named twice. With the
/// first header that cannot be read, where the files behind it are not known.
pub(in crate::formats) fn files(record: &Path) -> (Vec<PathBuf>, Option<Error>) {
    let path = header_path(record);
    let mut files = vec![path.clone()];
    let header = match Header::read(&path) {
        Ok(header) => header,
        Err(error) => return (files, Some(error)),
    };
    files.extend(signal_files(&header, &path));
    let mut failure = None;
    for segment in header.segments.iter().filter(|s| s.name != NULL) {
        let segment = header_path(&path.with_file_name(&segment.name));
        // A segment of segments is refused where the record is read.
        if segment == path {
            continue;
        }
        files.push(segment.clone());
        match Header::read(&segment) {
            Ok(header) => files.extend(signal_files(&header, &segment)),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    let mut seen = BTreeSet::new();
    files.retain(|file| seen.insert(file.clone()));
    (files, failure)
}

fn signal_files(header: &Header, path: &Path) -> Vec<PathBuf> {
    let signals = header.signals.iter().filter(|s| s.format.is_some());
    let names = signals.map(|s| s.file_name.as_str()).filter(|n| *n != NULL);
    names.map(|name| path.with_file_name(name)).collect()
}

/// The record that a file belongs to: it has the record's name, or the header
/// of a record beside it names it. `None` for a file of no record.
pub(in crate::formats) fn record_of(file: &Path) -> Option<PathBuf> {
    let extension = file.extension()?.to_str()?;
    if FOREIGN.contains(&extension) {
        return None;
    }
    let record = file.with_extension("");
    if header_path(&record).is_file() {
        return Some(record);
    }
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty());
    let entries = std::fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let headers = entries.filter_map(|e| Some(e.ok()?.path()));
    let mut headers: Vec<PathBuf> = headers
        .filter(|p| p.extension().is_some_and(|e| e == "hea"))
        .collect();
    headers.sort();
    let name = file.file_name()?.to_str()?;
    let owner = headers.iter().find(|path| {
        Header::read(path).is_ok_and(|h| h.signals.iter().any(|s| s.file_name == name))
    })?;
    Some(file.with_file_name(owner.file_stem()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        folder
    }

    #[test]
    fn a_list_leads_into_folders() {
        let folder = folder(&[
            (
                "RECORDS",
                b"\xef\xbb\xbf# all\r\na/100\r\n\r\n  b/ \r\nc\r\n./top.hea\na/100\nf\xff\n../up\ngone\n",
            ),
            ("a/100.hea", b""),
            ("b/2.hea", b""),
            ("b/1.hea", b""),
            ("c/RECORDS", b"d/\nx\n"),
            ("c/d/9.hea", b""),
            ("c/x.hea", b""),
            ("top.hea", b""),
        ]);
        let names = record_names(folder.path(), &header_names).unwrap();
        let wanted = [
            "a/100",
            "b/1",
            "b/2",
            "c/d/9",
            "c/x",
            "top",
            "f\u{fffd}",
            "../up",
            "gone",
        ];
        assert_eq!(names, wanted);
        assert!(is_inside("a/100") && !is_inside("../up") && !is_inside("/a") && !is_inside(""));
    }

    #[test]
    fn a_list_that_leads_to_itself_ends() {
        let folder = folder(&[("RECORDS", b"./\na\n"), ("a/RECORDS", b"b\n")]);
        assert_eq!(record_names(folder.path(), &header_names).unwrap(), ["a/b"]);
    }

    #[test]
    fn a_record_is_all_of_its_files() {
        let folder = folder(&[
            ("m.hea", b"m/4 1 50 3\nlayout 0\ns 1\n~ 1\ns 1\n"),
            ("layout.hea", b"layout 1 50 0\n~ 0 200/mV\n"),
            ("s.hea", b"s 2 50 1\nx.dat 16\nx.dat 16\n"),
        ]);
        let (files, None) = files(&folder.path().join("m")) else {
            panic!("every header is there");
        };
        let names: Vec<_> = files.iter().map(|f| f.file_name().unwrap()).collect();
        assert_eq!(names, ["m.hea", "layout.hea", "s.hea", "x.dat"]);
        for (file, record) in [
            ("s.hea", Some("s")),
            ("s.atr", Some("s")),
            ("x.dat", Some("s")),
            ("s.csv", None),
            ("y.dat", None),
            ("RECORDS", None),
        ] {
            let found = record_of(&folder.path().join(file));
            assert_eq!(found, record.map(|r| folder.path().join(r)), "{file}");
        }
    }

    #[test]
    fn what_is_known_of_a_damaged_record_is_told() {
        let folder = folder(&[
            ("m.hea", b"m/2 1 50 3\ngone 1\ns 2\n"),
            ("s.hea", b"s 1 50 2\nx.dat 16\n"),
        ]);
        let record = folder.path().join("m");
        let (known, error) = files(&record);
        assert!(error.is_some());
        let names: Vec<_> = known.iter().map(|f| f.file_name().unwrap()).collect();
        assert_eq!(names, ["m.hea", "gone.hea", "s.hea", "x.dat"]);
        let absent = folder.path().join("absent");
        assert_eq!(files(&absent).0, [absent.with_extension("hea")]);
    }
}
