//! Why a file is no store that can be read, in words of its user: HDF5's own
//! name what its code did and where plugins were looked for when it was built.

use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use hdf5::filters::Filter;
use hdf5::{Dataset, File, H5Type, MajorErrorCode, MinorErrorCode};

use crate::formats::foreign;
use crate::record::error::{Error, Result};

/// The remedy for a file that is no store.
pub(super) const REMEDY: &str = "make one with 'data convert'";

/// Filters that others write with, by their registered numbers.
const FILTERS: [(i32, &str); 8] = [
    (4, "SZIP"),
    (32_000, "LZF"),
    (32_001, "Blosc"),
    (32_004, "LZ4"),
    (32_008, "bitshuffle"),
    (32_013, "ZFP"),
    (32_015, "Zstandard"),
    (32_026, "Blosc2"),
];

/// A file that is not a store of prepared beats.
pub(super) fn foreign_file(path: &Path, detail: &str) -> Error {
    Error::malformed(
        path,
        format!("not a store of prepared beats: {detail}; {REMEDY}"),
    )
}

/// What HDF5 says went wrong with a file, without what it says of itself.
pub(in crate::beat_files) fn hdf5_error(path: &Path) -> impl FnOnce(hdf5::Error) -> Error {
    move |error| {
        let Some(stack) = error.stack() else {
            return Error::malformed(path, format!("HDF5: {error}"));
        };
        let frames = stack.iter();
        let mut plain = frames.filter(|f| f.major_code() != MajorErrorCode::Plugin);
        let said = plain.next_back().map_or("unknown error", |f| f.desc());
        Error::malformed(path, format!("HDF5: {said}; is the file damaged? {REMEDY}"))
    }
}

/// What HDF5 says of a file that another process has locked.
const LOCKED: &str = "lock file";
/// How long a lock is waited for: whoever writes a store is done with it soon
/// after, and a child that was started meanwhile holds its lock a little longer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether HDF5's account of an error has this in it.
fn says(error: &hdf5::Error, word: &str) -> bool {
    let stack = error.stack();
    stack.is_some_and(|s| s.iter().any(|f| f.desc().contains(word)))
}

/// Opens a file for reading.
///
/// # Errors
/// [`Error::Io`] when it is not there; [`Error::Unsupported`] where another
/// process still writes it after some seconds; [`Error::Malformed`] for one that is not HDF5 or is cut
/// short.
pub(in crate::beat_files) fn open(path: &Path) -> Result<File> {
    let mut start = Vec::new();
    let file = std::fs::File::open(path).map_err(Error::io(path))?;
    file.take(64)
        .read_to_end(&mut start)
        .map_err(Error::io(path))?;
    if start.is_empty() {
        return Err(foreign_file(path, "the file is empty"));
    }
    let begun = Instant::now();
    let mut opened = File::open(path);
    while opened.as_ref().is_err_and(|e| says(e, LOCKED)) && begun.elapsed() < PATIENCE {
        std::thread::sleep(PATIENCE / 30);
        opened = File::open(path);
    }
    opened.map_err(|error| {
        let says = |word: &str| says(&error, word);
        if says(LOCKED) {
            let detail = "another process has it open for writing (it is locked); wait until that has ended, or read a copy. On a file system without locks set HDF5_USE_FILE_LOCKING=FALSE";
            return Error::unsupported(path, detail);
        }
        if says("already open for write") || says("h5clear") {
            let detail = "another process has it open for writing, or one that wrote it has crashed; wait for it, or make the file again";
            return Error::unsupported(path, detail);
        }
        if error.contains_minor(MinorErrorCode::Truncated) || says("truncated") {
            return foreign_file(path, "the file is cut short");
        }
        match foreign::kind(&start) {
            Some(kind) if !start.starts_with(SIGNATURE) => {
                foreign_file(path, &format!("the file is {kind}"))
            }
            _ if error.contains_minor(MinorErrorCode::NotHdf5) => {
                foreign_file(path, "the file is not HDF5")
            }
            _ => hdf5_error(path)(error),
        }
    })
}

/// The first bytes of an HDF5 file.
const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";

/// A dataset whose values are `T` and can be read here.
///
/// # Errors
/// In words: it is not there, is no dataset, holds another type, or is
/// compressed in a way that this program has not.
pub(super) fn dataset<T: H5Type>(file: &File, name: &str) -> std::result::Result<Dataset, String> {
    if !file.link_exists(name) {
        return Err(format!("it has no dataset '{name}'"));
    }
    let dataset = file
        .dataset(name)
        .map_err(|_| format!("its '{name}' is no dataset"))?;
    let lacking = dataset.filters().into_iter().find(|f| !f.is_available());
    if let Some(filter) = lacking {
        return Err(format!(
            "its dataset '{name}' is compressed with {}, which this program has not; write it with gzip (in h5py: compression='gzip')",
            filter_name(&filter)
        ));
    }
    let found = dataset.dtype().and_then(|t| t.to_descriptor()).ok();
    let wanted = T::type_descriptor();
    if found.as_ref() != Some(&wanted) {
        let found = found.map_or("another type".into(), |f| f.to_string());
        return Err(format!(
            "its dataset '{name}' holds {found}; expected {wanted}"
        ));
    }
    Ok(dataset)
}

pub(super) fn filter_name(filter: &Filter) -> String {
    let known = FILTERS.iter().find(|(id, _)| *id == filter.id());
    known.map_or_else(
        || format!("the filter of number {}", filter.id()),
        |(_, name)| (*name).into(),
    )
}
