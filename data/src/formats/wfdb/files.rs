//! The files that a record consists of.

use std::path::{Path, PathBuf};

use super::header::{Header, NULL};
use super::header_path;

/// The files of a record (`FOLDER/100` or `FOLDER/100.hea`): its header, the
/// signal files that it names, and those of its segments. Whatever cannot be
/// read adds no more; reading the record tells why.
pub fn record_files(path: &Path) -> Vec<PathBuf> {
    let mut files = vec![header_path(path)];
    let Ok(header) = Header::read(&files[0]) else {
        return files;
    };
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    add_signals(&header, &folder, &mut files);
    for segment in header.segments.iter().filter(|s| s.name != NULL) {
        let path = header_path(&folder.join(&segment.name));
        if let Ok(header) = Header::read(&path) {
            add_signals(&header, &folder, &mut files);
        }
        files.push(path);
    }
    files.sort();
    files.dedup();
    files
}

fn add_signals(header: &Header, folder: &Path, files: &mut Vec<PathBuf>) {
    files.extend(header.signals.iter().map(|s| folder.join(&s.file_name)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_and_their_signals_belong_to_a_record() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        write("m.hea", "m/2 1 360 20\na 10\nb 10\n");
        write("a.hea", "a 1 360 10\na.d16 16 200 12 0 0 0 0 I\n");
        write("b.hea", "b 1 360 10\nother.xyz 16 200 12 0 0 0 0 I\n");
        let names = |record: &str| -> Vec<String> {
            let files = record_files(&folder.path().join(record)).into_iter();
            let name = |f: PathBuf| f.file_name().unwrap().to_str().unwrap().to_owned();
            files.map(name).collect()
        };
        let wanted = ["a.d16", "a.hea", "b.hea", "m.hea", "other.xyz"];
        assert_eq!(names("m"), wanted);
        assert_eq!(names("m.hea"), wanted);
        assert_eq!(names("absent"), ["absent.hea"]);
    }
}
