//! The one place that knows where the real recordings are: a part of the build
//! scripts of all crates whose tests read them.
//!
//! A test that needs them is marked
//! `#[cfg_attr(not(recordings), ignore = "no recordings")]`
//! and finds the folder as `env!("ECTOPY_RECORDINGS")`, or a part of it by `shared.rs`, so that without them it
//! is reported as ignored and never as passed.

use std::path::PathBuf;

/// Sets `cfg(recordings)` and `ECTOPY_RECORDINGS` where `ECTOPY_SHARED`, or
/// `shared` beside the project, is a folder of recordings.
pub fn tell() {
    println!("cargo:rerun-if-env-changed=ECTOPY_SHARED");
    println!(
        "cargo:rerun-if-changed={}",
        concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/recordings.rs")
    );
    println!("cargo:rustc-check-cfg=cfg(recordings)");
    let folder = match std::env::var_os("ECTOPY_SHARED") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
    };
    let folder = folder.canonicalize().unwrap_or(folder);
    let found = folder.join("mitdb/RECORDS").is_file();
    if found {
        println!("cargo:rustc-cfg=recordings");
    }
    let folder = if found { folder } else { PathBuf::new() };
    println!("cargo:rustc-env=ECTOPY_RECORDINGS={}", folder.display());
}
