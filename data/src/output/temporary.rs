//! Files and folders of this process that must not outlive it: named after their
//! output, and removed by this process or by the next one.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::record::error::{Error, Result};

/// What the name of a temporary file ends with.
const ENDING: &str = ".ectopy.tmp";
/// Bytes of an output's name that its temporary file takes over; a name may
/// have 255.
const NAME_BYTES: usize = 200;

/// What this process has to remove, and the folders that it has swept. Whoever
/// holds the lock may create, rename or remove such files.
struct Live {
    files: Vec<PathBuf>,
    swept: BTreeSet<PathBuf>,
}

static LIVE: Mutex<Live> = Mutex::new(Live {
    files: Vec::new(),
    swept: BTreeSet::new(),
});

/// The folder that a path lies in.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn live() -> MutexGuard<'static, Live> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes every file that this process guards, and keeps it from making or
/// renaming any more: to be called when it is about to end.
pub(super) fn discard_all() {
    let mut live = live();
    for path in live.files.drain(..) {
        remove(&path);
    }
    std::mem::forget(live);
}

/// A file that is removed when this value is dropped or signals end the
/// program; only a kill leaves it behind.
pub struct Guarded {
    path: PathBuf,
}

impl Guarded {
    /// Guards the file that `create` makes, or finds, at `path`.
    ///
    /// # Errors
    /// Those of `create`; then nothing is guarded.
    pub fn new<T>(
        path: &Path,
        create: impl FnOnce() -> std::io::Result<T>,
    ) -> std::io::Result<(Guarded, T)> {
        let mut live = live();
        let made = create()?;
        live.files.push(path.to_owned());
        let path = path.to_owned();
        Ok((Guarded { path }, made))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let mut live = live();
        if let Some(at) = live.files.iter().position(|p| *p == self.path) {
            live.files.swap_remove(at);
            remove(&self.path);
        }
    }
}

/// Removes a file, or a folder with all that is in it. It may be gone already;
/// nobody is left to tell about anything else.
fn remove(path: &Path) {
    let _ = match path.is_dir() && !path.is_symlink() {
        true => std::fs::remove_dir_all(path),
        false => std::fs::remove_file(path),
    };
}

/// A temporary file `.NAME.PID-N.ectopy.tmp` beside the output NAME, locked so
/// that other processes see that it has an owner.
pub struct Temporary {
    file: Guarded,
    /// Goes after the file, if nothing else came into it.
    _folder: Option<MadeFolder>,
}

/// A folder that was made for an output: what fails leaves none behind.
struct MadeFolder {
    folder: PathBuf,
    /// The first of its ancestors that was missing, or itself.
    top: PathBuf,
}

impl MadeFolder {
    /// Makes a folder, with those above it, where it is missing.
    fn make(folder: &Path) -> std::io::Result<Option<MadeFolder>> {
        let missing = folder.ancestors().take_while(|f| !f.exists());
        let made = missing.last().map(|top| MadeFolder {
            folder: folder.to_owned(),
            top: top.to_owned(),
        });
        std::fs::create_dir_all(folder)?;
        Ok(made)
    }
}

impl Drop for MadeFolder {
    fn drop(&mut self) {
        for folder in self.folder.ancestors() {
            // One with something in it stays.
            if std::fs::remove_dir(folder).is_err() || folder == self.top {
                break;
            }
        }
    }
}

impl Temporary {
    /// Creates the file, after the folder where that is missing, and removes
    /// what processes that are gone have left in the folder.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be written; [`Error::Invalid`] when
    /// `path` is a folder or a device.
    pub fn beside(path: &Path) -> Result<(Temporary, File)> {
        refuse_no_file(path)?;
        let name = path.file_name().ok_or_else(|| {
            Error::Invalid(format!("{}: has no file name; name a file", path.display()))
        })?;
        let folder = folder_of(path);
        let made = MadeFolder::make(folder).map_err(Error::io(folder))?;
        sweep(folder);
        let (temporary, file) = Temporary::new(folder, name).map_err(Error::io(path))?;
        let temporary = Temporary {
            _folder: made,
            ..temporary
        };
        Ok((temporary, file))
    }

    /// Creates the file in a folder that is there.
    pub(super) fn new(folder: &Path, name: &OsStr) -> std::io::Result<(Temporary, File)> {
        let (file, opened) = guarded(folder, name, |path| {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true).open(path)
        })?;
        let temporary = Temporary {
            file,
            _folder: None,
        };
        Ok((temporary, opened))
    }

    /// Its present name.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Gives the file its own name, replacing an older file, for good: what the
    /// caller has synced survives a power cut under that name.
    ///
    /// # Errors
    /// [`Error::Io`] when the rename is refused.
    pub fn persist(self, path: &Path) -> Result<()> {
        let mut live = live();
        std::fs::rename(self.path(), path).map_err(Error::io(path))?;
        live.files.retain(|p| p != self.path());
        drop(live);
        // Not every file system can sync a folder; the file is there all the same.
        let _ = File::open(folder_of(path)).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

/// A temporary folder, named and locked as a [`Temporary`] file is.
pub struct TemporaryFolder {
    folder: Guarded,
    /// Holds the lock.
    _lock: File,
    /// Goes after the folder, if nothing else came into it.
    _above: Option<MadeFolder>,
}

impl TemporaryFolder {
    /// As [`Temporary::beside`].
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be made; [`Error::Invalid`] when `path` has no
    /// name.
    pub fn beside(path: &Path) -> Result<TemporaryFolder> {
        let name = path.file_name().ok_or_else(|| {
            let what = format!("{}: has no name of its own; name a folder", path.display());
            Error::Invalid(what)
        })?;
        let above = folder_of(path);
        let made = MadeFolder::make(above).map_err(Error::io(above))?;
        sweep(above);
        let (folder, lock) = guarded(above, name, |path| {
            std::fs::create_dir(path)?;
            File::open(path)
        })
        .map_err(Error::io(path))?;
        Ok(TemporaryFolder {
            folder,
            _lock: lock,
            _above: made,
        })
    }

    /// Its present name.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Gives the folder its own name; an older one goes with all that is in it.
    ///
    /// # Errors
    /// [`Error::Io`] when a rename is refused; an older folder is then in place.
    pub fn persist(self, path: &Path) -> Result<()> {
        // The older one is moved into an empty folder of a temporary name, and goes
        // with that.
        let older = match path.exists() {
            true => Some(TemporaryFolder::beside(path)?),
            false => None,
        };
        let mut live = live();
        let aside = older.as_ref().map(|older| older.path().join("older"));
        let renamed = || {
            if let Some(aside) = &aside {
                std::fs::rename(path, aside)?;
            }
            std::fs::rename(self.path(), path).inspect_err(|_| {
                if let Some(aside) = &aside {
                    let _ = std::fs::rename(aside, path);
                }
            })
        };
        renamed().map_err(Error::io(path))?;
        live.files.retain(|p| p != self.path());
        drop(live);
        let _ = File::open(folder_of(path)).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

/// What `create` makes under a temporary name for `name`, which no other process
/// has, guarded and locked.
fn guarded(
    folder: &Path,
    name: &OsStr,
    create: impl Fn(&Path) -> std::io::Result<File>,
) -> std::io::Result<(Guarded, File)> {
    let name = name.to_string_lossy();
    let name = &name[..name.floor_char_boundary(NAME_BYTES)];
    let id = std::process::id();
    for number in 0_u32.. {
        let path = folder.join(format!(".{name}.{id}-{number}{ENDING}"));
        match Guarded::new(&path, || create(&path)) {
            Ok((guarded, file)) => {
                // Where a file system has no locks, the process's number tells.
                let _ = file.try_lock();
                return Ok((guarded, file));
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// Refuses a path at which there is something else than a file.
pub(super) fn refuse_no_file(path: &Path) -> Result<()> {
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(Error::Invalid(format!(
            "{}: is {}; name a file",
            path.display(),
            match metadata.is_dir() {
                true => "a folder",
                false => "a device or pipe, which a file cannot replace",
            }
        ))),
        _ => Ok(()),
    }
}

/// Removes the temporary files in a folder whose owners are gone, once for
/// each folder.
fn sweep(folder: &Path) {
    let mut live = live();
    if !live.swept.insert(folder.to_owned()) {
        return;
    }
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Some(owner) = owner(&entry.file_name()) else {
            continue;
        };
        let owned = match owner == std::process::id() {
            // A number is given again, in a container often the same one.
            true => live.files.iter().any(|p| p.file_name() == path.file_name()),
            false => is_running(owner),
        };
        if !owned && !is_locked(&path) {
            // Another run may be sweeping as well.
            remove(&path);
        }
    }
}

/// The process that made a temporary file of this name.
fn owner(name: &OsStr) -> Option<u32> {
    let name = name.to_str()?.strip_prefix('.')?.strip_suffix(ENDING)?;
    let (process, number) = name.rsplit_once('.')?.1.split_once('-')?;
    number.parse::<u32>().ok()?;
    process.parse().ok()
}

/// Whether a process of this number runs, as far as the system tells.
fn is_running(process: u32) -> bool {
    Path::new("/proc").join(process.to_string()).exists()
}

/// Whether somebody, perhaps in another container, holds the file.
fn is_locked(path: &Path) -> bool {
    let opened = OpenOptions::new()
        .read(true)
        .write(!path.is_dir())
        .open(path);
    matches!(
        opened.map(|file| file.try_lock()),
        Ok(Err(TryLockError::WouldBlock))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_temporary_file_is_named_after_its_output_and_goes_with_its_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("100.qrs");
        let (temporary, _file) = Temporary::beside(&path).unwrap();
        let (second, _file) = Temporary::beside(&path).unwrap();
        let id = std::process::id();
        let wanted = [
            format!(".100.qrs.{id}-0.ectopy.tmp"),
            format!(".100.qrs.{id}-1.ectopy.tmp"),
        ];
        assert_eq!(names(folder.path()), wanted);
        drop(second);
        temporary.persist(&path).unwrap();
        assert_eq!(names(folder.path()), ["100.qrs"]);
        let long = folder.path().join("é".repeat(127));
        drop(Temporary::beside(&long).unwrap());
    }

    #[test]
    fn what_dead_processes_left_is_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        // Process numbers end at 2^22 on Linux.
        let dead = ".100.qrs.4194305-0.ectopy.tmp";
        let held = ".101.qrs.4194305-0.ectopy.tmp";
        let reused = format!(".102.qrs.{}-7.ectopy.tmp", std::process::id());
        let others = [".hidden.4194305-0.tmp", "100.4194305-0.ectopy.tmp"];
        let running = ".103.qrs.1-0.ectopy.tmp";
        for name in [dead, held, &reused, running].iter().chain(&others) {
            std::fs::write(folder.path().join(name), "half").unwrap();
        }
        let file = File::open(folder.path().join(held)).unwrap();
        file.try_lock().unwrap();
        drop(Temporary::beside(&folder.path().join("new")).unwrap());
        assert_eq!(names(folder.path()), [held, running, others[0], others[1]]);
    }

    #[test]
    fn folders_and_devices_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = |path: &Path| match Temporary::beside(path) {
            Ok(_) => panic!("{}", path.display()),
            Err(error) => error.to_string(),
        };
        assert!(refusal(folder.path()).contains("a folder"));
        assert!(refusal(Path::new("/dev/null")).contains("device"));
        assert!(refusal(&folder.path().join("..")).contains("folder"));
    }
}
