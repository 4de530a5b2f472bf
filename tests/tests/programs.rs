//! The programs under test.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The program of a package. All are built first, since cargo builds only the
/// binaries of the package whose tests it runs.
pub fn program(package: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        // Where they are built already, such as for a release.
        if let Some(built) = std::env::var_os("ECTOPY_PROGRAMS") {
            return built.into();
        }
        for program in ["data", "train", "infer", "embedded"] {
            let mut build = Command::new(env!("CARGO"));
            build
                .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
                .args(["build", "--quiet", "--package", program]);
            if !cfg!(debug_assertions) {
                build.arg("--release");
            }
            assert!(
                build.status().unwrap().success(),
                "{program} does not build"
            );
        }
        // Test binaries lie in `deps`, one folder below the programs.
        let test = std::env::current_exe().unwrap();
        test.ancestors().nth(2).unwrap().into()
    });
    folder.join(package)
}
