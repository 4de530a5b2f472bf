//! Where tests find a part of the recordings; see `recordings.rs`.

use std::path::{Path, PathBuf};

/// A part of the folder of recordings, such as `mitdb/100.hea`.
pub fn shared(part: &str) -> PathBuf {
    let found = Path::new(env!("ECTOPY_RECORDINGS")).join(part);
    assert!(found.exists(), "no {}", found.display());
    found
}
