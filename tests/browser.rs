//! The one place that knows where a browser is: a part of the build script.
//!
//! A test that needs one is marked `#[cfg_attr(not(browser), ignore = "no browser")]`
//! and finds it as `env!("ECTOPY_BROWSER")`.

use std::path::PathBuf;

/// Names under which Chromium is installed.
const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// Sets `cfg(browser)` and `ECTOPY_BROWSER` where Chromium is on the path, or
/// `ECTOPY_BROWSER` names it.
pub fn tell() {
    println!("cargo:rerun-if-env-changed=ECTOPY_BROWSER");
    println!("cargo:rerun-if-env-changed=PATH");
    println!("cargo:rustc-check-cfg=cfg(browser)");
    let named = std::env::var_os("ECTOPY_BROWSER").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path);
    let installed = places.flat_map(|folder| NAMES.map(|name| folder.join(name)));
    let found = named.into_iter().chain(installed).find(|p| p.is_file());
    if found.is_some() {
        println!("cargo:rustc-cfg=browser");
    }
    let found = found.unwrap_or_default();
    println!("cargo:rustc-env=ECTOPY_BROWSER={}", found.display());
}
