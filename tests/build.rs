//! Lets the binaries find libtorch where the build found it, and tells the
//! tests whether there are real recordings, a browser and systemd's checker.

mod browser;
mod recordings;

fn main() {
    if let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
    }
    recordings::tell();
    browser::tell();
    // A test that needs it is marked as those of pages are, see `browser.rs`.
    println!("cargo:rustc-check-cfg=cfg(systemd)");
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|p| p.join("systemd-analyze").is_file()) {
        println!("cargo:rustc-cfg=systemd");
    }
}
