//! What a path on a command line stands for.

use std::path::{Path, PathBuf};

use crate::datasets::dataset::select;
use crate::formats;
use crate::record::error::{Error, Result};

/// What lies at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A recording.
    Record,
    /// A folder.
    Folder,
    /// A file that is no part of a record.
    File,
    /// Nothing.
    Absent,
}

/// A path on a command line, and what it stands for: the one rule of every
/// program.
///
/// `DIR/100` and the main file of a record `DIR/100` are that record, also where
/// a folder `DIR/100` lies beside it; `DIR/100/` is that folder. A file that is a
/// whole recording, such as an EDF file, is that recording. Another file of
/// a record, such as one of its signals, is refused with the record's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The path; of a recording in several files without an ending.
    pub path: PathBuf,
    /// What is there.
    pub kind: Kind,
    /// Said to the user where the path could be read in two ways.
    pub remark: Option<String>,
}

impl Place {
    /// What `path` stands for.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a file of a record that is not its header.
    pub fn of(path: &Path) -> Result<Place> {
        let place = Place::of_any(path);
        if place.kind == Kind::File
            && let Some(record) = formats::owner(path)
        {
            return Err(Error::Invalid(format!(
                "{}: a file of a record; give the record: {}",
                path.display(),
                record.display()
            )));
        }
        Ok(place)
    }

    /// As [`Place::of`], where something must be there.
    ///
    /// # Errors
    /// As [`Place::of`]; [`Error::Invalid`] where there is nothing.
    pub fn found(path: &Path) -> Result<Place> {
        let place = Place::of(path)?;
        match place.kind {
            Kind::Absent => Err(Error::Invalid(format!(
                "{}: there is no such input; give a table of beats (CSV, Parquet), an HDF5 store, a folder of recordings, or a recording: its file (such as an EDF file), or FOLDER/100 for {}",
                path.display(),
                formats::main_file(Path::new("FOLDER/100")).display()
            ))),
            _ => Ok(place),
        }
    }

    /// As [`Place::of`], for a program that reads any file: one of a record is a
    /// [`Kind::File`].
    pub fn of_any(path: &Path) -> Place {
        let shown = path.display();
        let place = |kind| Place {
            path: path.to_owned(),
            kind,
            remark: None,
        };
        // Only a folder's name ends so, and a path forgets it.
        if path.as_os_str().as_encoded_bytes().ends_with(b"/") && path.is_dir() {
            return place(Kind::Folder);
        }
        if let Some(record) = formats::at(path) {
            let remark = (record == path && path.is_dir()).then(|| {
                format!("{shown}: both a record and a folder; the record is taken, {shown}/ is the folder")
            });
            return Place {
                path: record,
                kind: Kind::Record,
                remark,
            };
        }
        place(match (path.is_dir(), path.exists()) {
            (true, _) => Kind::Folder,
            (false, true) => Kind::File,
            (false, false) => Kind::Absent,
        })
    }
}

/// Recordings by folder and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recordings {
    /// Their folder.
    pub folder: PathBuf,
    /// Their names in it, such as `100` or `a/100`.
    pub names: Vec<String>,
    /// See [`Place::remark`].
    pub remark: Option<String>,
}

impl Recordings {
    /// The recordings of a folder that `selection` asks for (see [`select`]), or
    /// the one record that the path names.
    ///
    /// # Errors
    /// As [`Place::of`] and [`select`]; [`Error::Invalid`] when there is
    /// neither folder nor record, or a selection from a single record.
    pub fn find(path: &Path, selection: &str) -> Result<Recordings> {
        let place = Place::of(path)?;
        let refuse = |why: &str| Err(Error::Invalid(format!("{}: {why}", path.display())));
        match place.kind {
            Kind::Folder => Ok(Recordings {
                names: select(path, selection)?,
                folder: place.path,
                remark: place.remark,
            }),
            Kind::Record => {
                let name = place.path.file_name().and_then(|n| n.to_str());
                let Some(name) = name else {
                    return refuse("the record's name is not UTF-8; rename its files");
                };
                if selection != "all" && selection != name {
                    return refuse(&format!(
                        "this is one record; '{selection}' chooses among those of a folder"
                    ));
                }
                let folder = place.path.parent().filter(|p| !p.as_os_str().is_empty());
                Ok(Recordings {
                    folder: folder.unwrap_or(Path::new(".")).to_owned(),
                    names: vec![name.to_owned()],
                    remark: place.remark,
                })
            }
            Kind::File => refuse(
                "a file, neither a folder of recordings nor a recording; beats of a table are classified and counted by `infer FILE`",
            ),
            Kind::Absent => refuse("no such folder or recording; give a folder of recordings"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_goes_before_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("100")).unwrap();
        for file in ["100.hea", "100/x.hea", "100.dat", "100.csv"] {
            std::fs::write(at(file), "100 1 360 0\n").unwrap();
        }
        let record = Place::of(&at("100")).unwrap();
        assert_eq!((record.kind, &record.path), (Kind::Record, &at("100")));
        assert!(record.remark.unwrap().contains("100/ is the folder"));
        let header = Place::of(&at("100.hea")).unwrap();
        assert_eq!((header.path, header.remark), (at("100"), None));
        assert_eq!(Place::of(&at("100/")).unwrap().kind, Kind::Folder);
        assert_eq!(Place::of(&at("100.csv")).unwrap().kind, Kind::File);
        assert_eq!(Place::of(&at("101")).unwrap().kind, Kind::Absent);
        let refusal = Place::found(&at("101")).unwrap_err().to_string();
        assert!(refusal.contains("101: there is no such input; give a table"));
        assert_eq!(Place::of_any(&at("100.dat")).kind, Kind::File);
        let refusal = Place::of(&at("100.dat")).unwrap_err().to_string();
        assert!(refusal.ends_with(&format!("give the record: {}", at("100").display())));

        let found = Recordings::find(&at("100"), "all").unwrap();
        assert_eq!(
            (found.folder.as_path(), found.names),
            (folder.path(), vec!["100".into()])
        );
        let found = Recordings::find(&at("100/"), "all").unwrap();
        assert_eq!(found.names, ["x"]);
        assert!(Recordings::find(&at("100"), "ds1").is_err());
        assert!(Recordings::find(&at("100.csv"), "all").is_err());
    }
}
