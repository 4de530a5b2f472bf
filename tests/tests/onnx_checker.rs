//! The exported files in Python: `onnx.checker` with full check, and the same
//! numbers from PyPI's onnxruntime.

use std::path::{Path, PathBuf};
use std::process::Command;

use data::pipeline::beats::Beats;
use infer::Classifier;
use infer::explain::graph::Explainer;
use models::explain::{GradientGraph, InputBatch};

use crate::networks::{Case, cases, synthetic};

/// Checks both files and writes all outputs of the explainer for rows of raw
/// floats, one raw file per output.
const SCRIPT: &str = r#"
import sys
import numpy, onnx, onnxruntime

folder = sys.argv[1]
for name in ("model.onnx", "model.explain.onnx"):
    onnx.checker.check_model(folder + "/" + name, full_check=True)
logits = []
for name in ("model.onnx", "model.explain.onnx"):
    session = onnxruntime.InferenceSession(folder + "/" + name, providers=["CPUExecutionProvider"])
    inputs = {}
    for i in session.get_inputs():
        kind = numpy.int64 if i.type == "tensor(int64)" else numpy.float32
        values = numpy.fromfile(folder + "/" + i.name, kind)
        inputs[i.name] = values.reshape([-1] + i.shape[1:])
    names = [o.name for o in session.get_outputs()]
    outputs = dict(zip(names, session.run(names, inputs)))
    logits.append(outputs["logits"])
    if "saliency" in outputs:
        outputs["saliency"].tofile(folder + "/saliency")
        outputs["gradcam"].tofile(folder + "/gradcam")
assert (logits[0] == logits[1]).all(), "classifier and explainer disagree"
logits[0].tofile(folder + "/logits")
"#;

/// The interpreter of the set-up.
pub fn python() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.deps/python/bin/python");
    assert!(
        path.exists(),
        "no Python with onnx; `setup/setup.sh python` fetches it, as `make test` does"
    );
    path
}

fn check(python: &Path, case: &Case, beats: &Beats) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let raw = |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|v| v.to_le_bytes()).collect() };
    let targets: Vec<i64> = (0..beats.len() as i64).map(|i| i % 6 - 1).collect();
    write("model.onnx", &case.classifier());
    write("model.explain.onnx", &case.explainer());
    write("beat", &raw(&beats.windows));
    write("rhythm", &raw(&beats.rhythm));
    let bytes: Vec<u8> = targets.iter().flat_map(|t| t.to_le_bytes()).collect();
    write("target", &bytes);
    if let Some(memory) = case.contract.memory {
        write("state", &raw(&vec![0.0; memory.state]));
    }
    let output = Command::new(python)
        .args(["-c", SCRIPT])
        .arg(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", case.name);

    let path = Path::new("model.explain.onnx");
    let contract = case.contract.clone();
    let ours = if contract.memory.is_some() {
        // Here the explainer runs on a beat with those before it, one at a time.
        let classifier = Classifier::load(&folder.path().join("model.onnx")).unwrap();
        let logits = classifier.classify(beats).unwrap();
        vec![(
            "logits",
            logits.into_iter().flat_map(|p| p.logits).collect(),
        )]
    } else {
        let explainer = Explainer::load(path, &case.explainer(), contract, 1).unwrap();
        let ours = explainer.run(&InputBatch::of(beats), &targets).unwrap();
        vec![
            ("logits", ours.logits),
            ("saliency", ours.saliency),
            ("gradcam", ours.gradcam),
        ]
    };
    for (name, ours) in &ours {
        let bytes = std::fs::read(folder.path().join(name)).unwrap();
        let (theirs, _) = bytes.as_chunks::<4>();
        assert_eq!(theirs.len(), ours.len(), "{}: {name}", case.name);
        let theirs = theirs.iter().map(|b| f32::from_le_bytes(*b));
        let largest = theirs
            .zip(ours)
            .fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
        println!(
            "{}: {name} in Python: largest difference {largest:.1e}",
            case.name
        );
        assert!(
            largest <= 1e-5,
            "{}: {name} differs by {largest}",
            case.name
        );
    }
}

#[test]
fn exported_files_pass_the_checker_and_run_in_python() {
    let python = python();
    for case in cases() {
        let beats = synthetic(&case.contract.input);
        let rows: Vec<usize> = (0..beats.len().min(60)).collect();
        check(&python, &case, &beats.select(&rows));
    }
}
