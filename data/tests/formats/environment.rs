//! What tests may find outside the project: recordings and a Python with the
//! reference packages. Both may be absent.

use std::path::{Path, PathBuf};

/// The project's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folder of shared recordings, or `None` with a note that the test is skipped.
pub fn shared(test: &str) -> Option<PathBuf> {
    let folder = match std::env::var_os("ECTOPY_SHARED") {
        Some(folder) => PathBuf::from(folder),
        None => root().join("../shared"),
    };
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!(
        "skipped: {test}: no recordings at {}; ECTOPY_SHARED names their folder",
        folder.display()
    );
    None
}

/// The Python with the reference packages, or `None` with a note that the
/// test is skipped.
pub fn python(test: &str) -> Option<PathBuf> {
    let python = root().join(".deps/python/bin/python");
    if python.is_file() {
        return Some(python);
    }
    eprintln!("skipped: {test}: no reference packages; 'setup/setup.sh python' fetches them");
    None
}
