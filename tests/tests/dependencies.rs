//! What the programs are made of: no runtime weighs where it is not at work.

/// Names of the crates that a package is built from.
fn crates(package: &str, arguments: &[&str]) -> Vec<String> {
    let output = std::process::Command::new(env!("CARGO"))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .args(["tree", "--offline", "--edges", "normal,build"])
        .args(["--prefix", "none", "--package", package])
        .args(arguments)
        // Features unified over the workspace would be the tests' own.
        .env_remove("CARGO_RESOLVER_FEATURE_UNIFICATION")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let tree = String::from_utf8(output.stdout).unwrap();
    let names = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    names.map(String::from).collect()
}

fn assert_without(package: &str, arguments: &[&str], heavy: &[&str]) {
    let crates = crates(package, arguments);
    assert!(crates.iter().any(|name| name == package), "{crates:?}");
    for name in &crates {
        let heavy = heavy
            .iter()
            .find(|h| name == *h || name.starts_with(&format!("{h}-")));
        assert!(heavy.is_none(), "{package} {arguments:?} depends on {name}");
    }
}

/// What `embedded` never has.
const HEAVY: [&str; 7] = [
    "hdf5",
    "plotters",
    "ort",
    "tch",
    "torch-sys",
    "ureq",
    "indicatif",
];

#[test]
fn the_edge_program_depends_on_nothing_heavy() {
    for target in ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"] {
        assert_without("embedded", &["--target", target], &HEAVY);
        let edge = ["--target", target, "--no-default-features"];
        assert_without("embedded", &edge, &HEAVY);
        // The second registers itself, and by that keeps every operator linked.
        assert_without("embedded", &edge, &["tract-onnx", "tract-nnef"]);
        let found = crates("embedded", &edge);
        assert!(found.iter().any(|name| name == "tract-core"));
    }
}

#[test]
fn tract_is_in_no_other_program() {
    for package in ["data", "models", "train", "infer"] {
        assert_without(package, &[], &["tract"]);
    }
}

#[test]
fn tract_onnx_is_in_the_program_of_a_host() {
    let found = crates("embedded", &[]);
    assert!(found.iter().any(|name| name == "tract-onnx"));
}
