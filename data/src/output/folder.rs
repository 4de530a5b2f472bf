//! A folder that is whole or absent.

use std::path::{Path, PathBuf};

use super::temporary::TemporaryFolder;
use crate::record::error::{Error, Result};

/// A folder that appears under its name only when [`OutputFolder::commit`] is
/// called; dropped before that, it leaves nothing behind.
pub struct OutputFolder {
    temporary: TemporaryFolder,
    path: PathBuf,
}

impl OutputFolder {
    /// Makes a temporary folder beside `path`, after the folder that they lie in
    /// where that is missing.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be made; [`Error::Invalid`] when
    /// `path` is a file or has no name.
    pub fn create(path: impl Into<PathBuf>) -> Result<OutputFolder> {
        let path = path.into();
        if path.exists() && !path.is_dir() {
            let what = format!("{}: is no folder; name a folder", path.display());
            return Err(Error::Invalid(what));
        }
        let temporary = TemporaryFolder::beside(&path)?;
        Ok(OutputFolder { temporary, path })
    }

    /// Writes a file in it, with the folders above it. An executable one may be run
    /// by everybody.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk is full, with the file's name to be.
    pub fn write(&self, name: &str, bytes: &[u8], executable: bool) -> Result<()> {
        let place = self.temporary.path().join(name);
        let write = || {
            if let Some(folder) = place.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let mut file = std::fs::File::create_new(&place)?;
            std::io::Write::write_all(&mut file, bytes)?;
            #[cfg(unix)]
            if executable {
                use std::os::unix::fs::PermissionsExt;
                file.set_permissions(std::fs::Permissions::from_mode(0o755))?;
            }
            file.sync_all()
        };
        #[cfg(not(unix))]
        let _ = executable;
        write().map_err(Error::io(self.path.join(name)))
    }

    /// Gives the folder its name. An older one of that name goes with all that is
    /// in it: whoever calls knows that it may.
    ///
    /// # Errors
    /// [`Error::Io`] when a rename is refused; the older folder is then in place.
    pub fn commit(self) -> Result<()> {
        self.temporary.persist(&self.path)
    }

    /// The name that it will have.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_is_whole_or_absent_and_takes_the_place_of_an_older_one() {
        let desk = tempfile::tempdir().unwrap();
        let path = desk.path().join("above/out");
        let folder = OutputFolder::create(&path).unwrap();
        folder.write("a/b.txt", b"1", false).unwrap();
        assert!(!path.exists());
        drop(folder);
        assert!(names(desk.path()).is_empty());
        for text in ["1", "2"] {
            let folder = OutputFolder::create(&path).unwrap();
            folder.write("a/b.txt", text.as_bytes(), false).unwrap();
            folder.write("run", b"", true).unwrap();
            assert!(folder.write("run", b"", true).is_err());
            folder.write(text, b"", false).unwrap();
            folder.commit().unwrap();
        }
        assert_eq!(names(&desk.path().join("above")), ["out"]);
        assert_eq!(names(&path), ["2", "a", "run"]);
        assert_eq!(std::fs::read(path.join("a/b.txt")).unwrap(), b"2");
        let refused = OutputFolder::create(path.join("run")).err().unwrap();
        assert!(refused.to_string().contains("no folder"), "{refused}");
    }

    #[test]
    fn a_folder_of_a_run_that_was_killed_is_swept() {
        let desk = tempfile::tempdir().unwrap();
        let left = desk.path().join(".out.4194305-0.ectopy.tmp");
        std::fs::create_dir_all(left.join("a")).unwrap();
        std::fs::write(left.join("a/b"), "half").unwrap();
        let folder = OutputFolder::create(desk.path().join("out")).unwrap();
        assert!(!left.exists());
        let held = names(desk.path());
        assert_eq!(held.len(), 1);
        // Another that begins meanwhile leaves it alone.
        let second = OutputFolder::create(desk.path().join("other")).unwrap();
        assert!(names(desk.path()).contains(&held[0]));
        drop((folder, second));
        assert!(names(desk.path()).is_empty());
    }
}
