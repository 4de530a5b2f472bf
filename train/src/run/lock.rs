//! The lock of a run's folder: one process at a time trains in it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use data::output::Guarded;

use super::RunFolder;
use crate::error::{Error, Result};

/// Name of the file in a run's folder.
pub(super) const FILE: &str = "run.lock";

/// A lock that this process holds. It ends with the process in any case, so
/// that nobody has to clear away what a killed one left.
pub struct Lock {
    file: Option<(Guarded, File)>,
    /// Folders that were made for it, the deepest first.
    made: Vec<PathBuf>,
}

impl RunFolder {
    /// Takes the folder for this process, making it where it is missing.
    ///
    /// # Errors
    /// When another process holds it: says which; when it cannot be written.
    pub fn lock(&self) -> Result<Lock> {
        let missing = |p: &&Path| !p.as_os_str().is_empty() && !p.exists();
        let made = self.path().ancestors().take_while(missing);
        let made = made.map(Path::to_owned).collect();
        let place = || self.path().display().to_string();
        std::fs::create_dir_all(self.path()).map_err(data::Error::io(self.path()))?;
        let mut lock = Lock { file: None, made };
        let path = self.file(FILE);
        let mut file = loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            let mut file = options.open(&path).map_err(data::Error::io(self.path()))?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    let mut holder = String::new();
                    let _ = file.read_to_string(&mut holder);
                    return Err(Error::Run(format!(
                        "{}: {} is training in it; wait for it, or name another folder with --out",
                        place(),
                        Some(holder.trim())
                            .filter(|h| !h.is_empty())
                            .unwrap_or("another process")
                    )));
                }
                // A file system without locks cannot tell of other processes.
                Err(TryLockError::Error(_)) | Ok(()) => {}
            }
            // Whoever held it may have removed it meanwhile.
            if is_at(&file, &path) {
                break file;
            }
        };
        let (guarded, ()) = Guarded::new(&path, || Ok(())).map_err(data::Error::io(&path))?;
        file.set_len(0).map_err(data::Error::io(self.path()))?;
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        writeln!(file, "process {} on {}", std::process::id(), host.trim())
            .map_err(data::Error::io(self.path()))?;
        lock.file = Some((guarded, file));
        Ok(lock)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.file = None;
        for folder in &self.made {
            // Only one that nothing was written to can be removed.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_nothing_is_left() {
        let root = std::env::temp_dir().join(format!("lock-{}", std::process::id()));
        let run = RunFolder::create(Some(&root.join("deep/run")), "x", false).unwrap();
        let lock = run.lock().unwrap();
        let refusal = run.lock().map(|_| ()).unwrap_err().to_string();
        let holder = format!("process {} on", std::process::id());
        assert!(refusal.contains(&holder), "{refusal}");
        drop(lock);
        assert!(!root.exists());
        // What a killed process left is no lock.
        std::fs::create_dir_all(run.path()).unwrap();
        std::fs::write(run.file(FILE), "process 1 on here").unwrap();
        let lock = run.lock().unwrap();
        run.write_json("x.json", &1).unwrap();
        drop(lock);
        assert!(!run.file(FILE).exists() && run.file("x.json").exists());
        std::fs::remove_dir_all(&root).unwrap();
    }
}
