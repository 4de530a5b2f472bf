//! The programs under test.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The program of a package. All are built first, since cargo builds only the
/// binaries of the package whose tests it runs; all targets together, so that
/// the dependencies' features, and so their compiled code, are those of the tests.
pub fn program(package: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        // Where they are built already, such as for a release.
        if let Some(built) = std::env::var_os("ECTOPY_PROGRAMS") {
            return built.into();
        }
        let mut build = Command::new(env!("CARGO"));
        build
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .args(["build", "--quiet", "--workspace", "--all-targets"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        assert!(
            build.status().unwrap().success(),
            "the programs do not build"
        );
        // Test binaries lie in `deps`, one folder below the programs.
        let test = std::env::current_exe().unwrap();
        test.ancestors().nth(2).unwrap().into()
    });
    folder.join(package)
}

/// The folder of databases and golden data, or `None` with a note that the
/// test is skipped.
pub fn shared(part: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("ECTOPY_SHARED").map(PathBuf::from);
    let found = folder.map(|f| f.join(part)).filter(|f| f.exists());
    if found.is_none() {
        eprintln!("skipped: ECTOPY_SHARED does not name a folder with {part}");
    }
    found
}
