//! One recording, one model, two engines: one annotation file.

use assert_cmd::Command;
use data::input::InputSpec;
use data::synth::{self, Settings};
use data::wfdb;

use crate::programs::program;

#[test]
fn infer_and_embedded_write_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (record, _) = synth::record("s1", &Settings::new(360.0, 3), 300.0).unwrap();
    wfdb::write_record(folder.path(), &record).unwrap();
    let model = models::untrained::classifier_for(&InputSpec::window(), 1).unwrap();
    std::fs::write(folder.path().join("m.onnx"), model).unwrap();
    for package in ["infer", "embedded"] {
        Command::new(program(package))
            .current_dir(folder.path())
            .args([
                "s1",
                "--model",
                "m.onnx",
                "--annotator",
                package,
                "--output",
                ".",
            ])
            .assert()
            .success();
    }
    let read =
        |annotator| std::fs::read(folder.path().join("s1").with_extension(annotator)).unwrap();
    assert!(
        read("infer").len() > 2 * 200,
        "some beats a minute for five"
    );
    assert_eq!(read("infer"), read("embedded"));
}
