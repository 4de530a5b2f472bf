//! What tests may find outside the project: recordings and a Python with the
//! reference packages.

use std::path::{Path, PathBuf};

/// The project's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folder of recordings.
pub fn shared() -> PathBuf {
    PathBuf::from(env!("ECTOPY_RECORDINGS"))
}

/// The Python with the reference packages.
pub fn python() -> PathBuf {
    let python = root().join(".deps/python/bin/python");
    assert!(
        python.is_file(),
        "no reference packages; 'setup/setup.sh python' fetches them, as 'make test' does"
    );
    python
}
