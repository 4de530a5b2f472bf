//! The folder that holds recordings while they are worked on.
//!
//! Each server has a folder of its own in the spool, which a lock tells to be in use.
//! What a server that was killed left behind is swept by the next.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::Result;

/// The spool inside the system's folder of temporary files.
const SPOOL: &str = "ectopy-serve";
/// How the folders of servers begin.
const PREFIX: &str = "server-";
/// The file in such a folder that its owner keeps locked.
const LOCK: &str = "lock";

/// A server's own folder, which goes with it.
pub struct Spool {
    folder: TempDir,
    _lock: File,
}

impl Spool {
    /// Sweeps what is left of servers that are gone, and opens a folder.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open() -> Result<Spool> {
        Spool::open_in(&std::env::temp_dir().join(SPOOL))
    }

    fn open_in(spool: &Path) -> Result<Spool> {
        std::fs::create_dir_all(spool).map_err(data::Error::io(spool))?;
        for folder in std::fs::read_dir(spool)
            .map_err(data::Error::io(spool))?
            .flatten()
        {
            sweep(&folder.path());
        }
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(spool)
            .map_err(data::Error::io(spool))?;
        let path = folder.path().join(LOCK);
        let lock = File::create(&path).map_err(data::Error::io(&path))?;
        lock.lock().map_err(data::Error::io(&path))?;
        Ok(Spool {
            folder,
            _lock: lock,
        })
    }

    /// A folder for one recording, which goes when it is dropped.
    ///
    /// # Errors
    /// The disk is full, or the folder has gone.
    pub fn recording(&self) -> Result<Study> {
        let path = self.folder.path();
        let folder = TempDir::new_in(path).map_err(data::Error::io(path))?;
        let study = Study { folder };
        for path in [study.input(), study.results()] {
            std::fs::create_dir(&path).map_err(data::Error::io(&path))?;
        }
        Ok(study)
    }
}

/// Removes a server's folder unless its owner runs. A lock that is missing belongs to
/// a server that just begins, or one that ended while it began: it stays.
fn sweep(folder: &Path) {
    let Ok(lock) = File::open(folder.join(LOCK)) else {
        return;
    };
    match lock.try_lock() {
        Ok(()) => {
            // What cannot be removed is tried again by the next server.
            let _ = std::fs::remove_dir_all(folder);
        }
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
    }
}

/// The folder of one recording.
pub struct Study {
    folder: TempDir,
}

impl Study {
    /// What was sent.
    pub fn input(&self) -> PathBuf {
        self.folder.path().join("input")
    }

    /// What was made of it.
    pub fn results(&self) -> PathBuf {
        self.folder.path().join("results")
    }

    /// A message without this folder's path, which is nobody's business.
    pub fn without_path(&self, words: &str) -> String {
        let folder = format!("{}/", self.input().display());
        words.replace(&folder, "")
    }
}

/// The name under which a file that was sent is kept: what its sender calls it,
/// without folders and without what a shell or a header could misread.
pub fn kept_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let kept: String = last
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .take(100)
        .collect();
    let kept = kept.trim_start_matches(['.', '-']);
    match kept {
        "" => "recording".into(),
        kept => kept.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_their_folder() {
        assert_eq!(kept_name("100.hea"), "100.hea");
        assert_eq!(kept_name("../../etc/passwd"), "passwd");
        assert_eq!(kept_name(r"C:\night 1.edf"), "night_1.edf");
        assert_eq!(kept_name(".."), "recording");
        assert_eq!(kept_name(""), "recording");
        assert_eq!(kept_name(&"x".repeat(300)).len(), 100);
    }

    #[test]
    fn what_a_killed_server_left_is_swept_and_what_runs_stays() {
        let spool = TempDir::new().unwrap();
        let running = Spool::open_in(spool.path()).unwrap();
        let dead = spool.path().join("server-dead");
        std::fs::create_dir(&dead).unwrap();
        std::fs::write(dead.join(LOCK), "").unwrap();
        std::fs::write(dead.join("night"), "samples").unwrap();
        let next = Spool::open_in(spool.path()).unwrap();
        assert!(!dead.exists());
        assert!(running.folder.path().exists() && next.folder.path().exists());
        drop(running);
        assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 1);
    }
}
