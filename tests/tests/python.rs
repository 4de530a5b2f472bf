//! The Python package: its wheel in an environment of its own, and its tests there.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::programs::program;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// What a command says, which must not fail.
fn said(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let words = String::from_utf8_lossy(&stdout) + String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?}\n{words}");
    words.into_owned()
}

/// The interpreter of a fresh environment with the wheel in it. Packages that tests
/// compare with, and numpy, are those of the project.
fn environment(folder: &Path) -> PathBuf {
    let wheels = folder.join("wheels");
    // Of a release build where the tests are of one.
    let profile = if cfg!(debug_assertions) {
        "dev"
    } else {
        "release"
    };
    said(
        Command::new(root().join("setup/wheel.sh"))
            .arg(&wheels)
            .arg(profile),
    );
    let wheel = std::fs::read_dir(&wheels).unwrap().next().unwrap();
    let venv = folder.join("venv");
    said(
        Command::new("python3")
            .args(["-m", "venv", "--without-pip"])
            .arg(&venv),
    );
    let python = venv.join("bin/python");
    let site = said(Command::new(&python).args([
        "-c",
        "import sysconfig; print(sysconfig.get_path('purelib'))",
    ]));
    let site = Path::new(site.trim());
    said(
        Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--no-index", "--no-deps"])
            .args([
                "--disable-pip-version-check",
                "--root-user-action",
                "ignore",
            ])
            .arg("--target")
            .arg(site)
            .arg(wheel.unwrap().path()),
    );
    let packages = root().join(".deps/python/python").canonicalize().unwrap();
    std::fs::write(site.join("tools.pth"), packages.to_str().unwrap()).unwrap();
    python
}

#[test]
fn the_python_package_passes_its_tests() {
    let folder = tempfile::tempdir().unwrap();
    let python = environment(folder.path());
    let models = root().join("models").canonicalize().unwrap();
    let programs = program("infer");
    let mut tests = Command::new(python);
    tests
        // Not in the project, where Python would take the sources for the package.
        .current_dir(folder.path())
        .args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider"])
        .arg(root().join("python/tests").canonicalize().unwrap())
        .env("ECTOPY_MODELS", models)
        .env("ECTOPY_PROGRAMS", programs.parent().unwrap())
        .env("PYTHONDONTWRITEBYTECODE", "1");
    if cfg!(recordings) {
        tests.env("ECTOPY_SHARED", env!("ECTOPY_RECORDINGS"));
    }
    println!("{}", said(&mut tests));
}
