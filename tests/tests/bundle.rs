//! `infer bundle`: a folder that Triton, Hugging Face's readers, `sha256sum`,
//! systemd and the programs take.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use data::formats::wfdb;
use data::simulate::synth::{self, Settings};
use infer::explain::graph::Explainer;
use serde_json::Value;
use tempfile::TempDir;

use crate::networks::remembering;
use crate::onnx_checker::python;
use crate::programs::program;

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../models/shipped")
        .join(name)
}

/// A folder to work in, with a model of one's own that remembers beats.
struct Desk(TempDir);

impl Desk {
    fn new() -> Desk {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("own.onnx"), remembering().classifier()).unwrap();
        Desk(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, package: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(program(package));
        // The programs may lie outside the project, and then find no models by themselves.
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
        command.env("ECTOPY_MODELS", models);
        command.current_dir(self.0.path()).args(arguments);
        command.output().unwrap()
    }

    /// Makes a bundle without the program.
    fn bundle(&self, model: &Path, output: &str, more: &[&str]) -> Output {
        let model = model.to_str().unwrap();
        let plain = ["bundle", "--no-program", "--model", model, "-o", output];
        self.run("infer", &[&plain, more].concat())
    }

    fn python(&self, script: &str, arguments: &[&str]) -> String {
        let mut python = Command::new(python());
        python.current_dir(self.0.path()).args(["-c", script]);
        python.env("HF_HUB_OFFLINE", "1").args(arguments);
        said(&python.output().unwrap())
    }
}

/// Standard output of what succeeded.
fn said(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Standard error of what was refused.
fn refusal(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Every file below a folder with its bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut open) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap();
                let bytes = std::fs::read(&path).unwrap();
                found.insert(name.to_str().unwrap().to_owned(), bytes);
            }
        }
    }
    found
}

/// Reads every config.pbtxt by the client's own messages and holds it against the
/// graph.
const CONFIGS: &str = r#"
import math, pathlib, sys
import onnx
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton

TYPES = {onnx.TensorProto.FLOAT: triton.TYPE_FP32, onnx.TensorProto.INT64: triton.TYPE_INT64}
for folder in sorted(p for p in pathlib.Path(sys.argv[1]).iterdir() if p.is_dir()):
    config = text_format.Parse((folder / "config.pbtxt").read_text(), triton.ModelConfig())
    graph = onnx.load(folder / "1" / "model.onnx").graph
    assert config.name == folder.name
    assert config.platform == "onnxruntime_onnx"
    batched = config.max_batch_size > 0
    assert config.HasField("dynamic_batching") == batched
    assert all(0 < size <= config.max_batch_size for size in config.dynamic_batching.preferred_batch_size)
    for told, found in ((config.input, graph.input), (config.output, graph.output)):
        assert [t.name for t in told] == [f.name for f in found]
        for t, f in zip(told, found):
            tensor = f.type.tensor_type
            assert t.data_type == TYPES[tensor.elem_type], t
            shape = [d.dim_value if d.HasField("dim_value") else -1 for d in tensor.shape.dim]
            dims = list(t.dims)
            assert dims and 0 not in dims, t
            if t.HasField("reshape"):
                assert math.prod(dims) == math.prod(t.reshape.shape), t
                dims = list(t.reshape.shape)
            assert [-1] * batched + dims == shape, (t, shape)
    print(config.name, config.max_batch_size, len(config.input), len(config.output))
"#;

#[test]
fn triton_reads_of_a_model_what_its_graph_takes_and_gives() {
    let desk = Desk::new();
    let cases = [
        (
            shipped("resnet.onnx"),
            "resnet 1024 2 2\nresnet-explain 1024 3 4\n",
        ),
        (
            shipped("kaggle.onnx"),
            "kaggle 1024 1 2\nkaggle-explain 1024 2 3\n",
        ),
        // A model with a memory is never batched.
        (desk.path("own.onnx"), "own 0 3 3\nown-explain 0 3 4\n"),
    ];
    for (model, expected) in cases {
        said(&desk.bundle(&model, "bundle", &[]));
        assert_eq!(desk.python(CONFIGS, &["bundle"]), expected);
        let name = expected.split(' ').next().unwrap();
        let found = files(&desk.path("bundle"));
        assert_eq!(
            found[&format!("{name}/1/model.onnx")],
            std::fs::read(&model).unwrap()
        );
        let explain = model.with_extension("explain.onnx");
        if explain.exists() {
            let there = &found[&format!("{name}-explain/1/model.onnx")];
            assert_eq!(*there, std::fs::read(explain).unwrap());
        }
    }
}

const CARD: &str = r#"
import json, sys
from huggingface_hub import ModelCard

card = ModelCard.load(sys.argv[1])
told = card.data.to_dict()
told.pop("model-index", None)
results = [[r.dataset_type, r.dataset_name, r.metric_type, r.metric_name, r.metric_value]
           for r in card.data.eval_results or []]
print(json.dumps([told, results, card.text]))
"#;

#[test]
fn hugging_face_reads_the_card_and_the_figures_of_the_evaluations() {
    let desk = Desk::new();
    let read = |bundle: &str| -> [Value; 3] {
        let card = desk.python(CARD, &[&format!("{bundle}/README.md")]);
        serde_json::from_str(&card).unwrap()
    };
    let evidence = |file: &str| -> Value {
        let runs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/evidence/runs");
        let bytes = std::fs::read(runs.join(file)).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    for (name, file, datasets) in [
        ("resnet", "resnet.ds2.json", vec!["mitdb", "svdb"]),
        ("kaggle", "kaggle.test.json", vec!["mitdb"]),
    ] {
        let model = shipped(&format!("{name}.onnx"));
        said(&desk.bundle(&model, name, &[]));
        let [told, results, text] = read(name);
        assert_eq!(told["license"], "apache-2.0");
        assert_eq!(told["library_name"], "onnx");
        assert_eq!(told["pipeline_tag"], "other");
        assert!(told["tags"].as_array().unwrap().contains(&"ecg".into()));
        assert_eq!(told["datasets"], serde_json::json!(datasets));
        let text = text.as_str().unwrap();
        assert!(text.contains("must not be used for diagnosis or treatment"));
        assert!(text.contains("## Limits") && text.contains("sha256sum -c"));
        let evaluation = evidence(file);
        let mut compared = 0;
        for result in results.as_array().unwrap() {
            assert_eq!(result[0], "mitdb");
            let figure = result[3].as_str().unwrap();
            let place = match figure.split_once(' ') {
                _ if figure == "macro F1" => "/macro_f1".to_owned(),
                _ if figure == "ECE" => "/ece".into(),
                _ if figure == "S F1 without 232" => "/without/232/classes/S/f1".into(),
                Some((class, of)) => {
                    let of = of.to_lowercase().replace("+p", "ppv");
                    format!("/classes/{class}/{of}")
                }
                None => format!("/{figure}"),
            };
            let measured = evaluation.pointer(&place).and_then(Value::as_f64);
            let difference = measured.unwrap() - result[4].as_f64().unwrap();
            assert!(difference.abs() <= 5.1e-7, "{result}: {measured:?}");
            compared += 1;
        }
        assert!(compared >= 10, "{name}: {compared} figures");
    }
    // Of a model that nobody measured nothing is said, nor how it may be used.
    let made = desk.bundle(&desk.path("own.onnx"), "own", &[]);
    assert!(String::from_utf8_lossy(&made.stderr).contains("--card"));
    let [told, results, text] = read("own");
    assert_eq!(results, Value::Array(Vec::new()));
    assert_eq!((told.get("license"), told.get("datasets")), (None, None));
    let text = text.as_str().unwrap();
    assert!(text.contains("must not be used for diagnosis") && text.contains("No evaluation"));
    let more = ["--license", "cc-by-4.0", "--name", "a.b-c"];
    said(&desk.bundle(&desk.path("own.onnx"), "named", &more));
    assert_eq!(read("named")[0]["license"], "cc-by-4.0");
    assert!(desk.path("named/a.b-c/1/model.onnx").is_file());
    // A manifest that is named has to tell of the model.
    let manifest = shipped("../evidence/card.toml");
    let card = ["--card", manifest.to_str().unwrap()];
    let refused = refusal(&desk.bundle(&desk.path("own.onnx"), "other", &card));
    assert!(
        refused.contains("card.toml") && refused.contains("SHA-256"),
        "{refused}"
    );
    assert!(!desk.path("other").exists());
}

#[test]
fn checksums_are_of_all_files_and_the_program_is_one_of_them() {
    let desk = Desk::new();
    let model = shipped("resnet.onnx");
    let model = model.to_str().unwrap();
    said(&desk.run("infer", &["bundle", "-o", "bundle", "--model", model]));
    let sums = || {
        let mut sums = Command::new("sha256sum");
        sums.current_dir(desk.path("bundle"));
        sums.args(["--check", "--strict", "SHA256SUMS"])
            .output()
            .unwrap()
    };
    let checked = said(&sums());
    assert_eq!(
        checked.lines().count(),
        files(&desk.path("bundle")).len() - 1
    );
    assert!(checked.contains("infer: OK"));
    let version = Command::new(desk.path("bundle/infer"))
        .arg("--version")
        .output();
    assert!(said(&version.unwrap()).starts_with("infer "));
    std::fs::write(desk.path("bundle/compose.yaml"), "services: {}\n").unwrap();
    assert!(!sums().status.success());
}

#[test]
fn the_programs_take_a_bundle_as_they_take_the_file() {
    let desk = Desk::new();
    let (record, _) = synth::record("s1", &Settings::new(360.0, 8), 60.0).unwrap();
    wfdb::write_record(desk.0.path(), &record).unwrap();
    let beats = Path::new(env!("CARGO_MANIFEST_DIR")).join("../beats.csv");
    std::fs::copy(beats, desk.path("beats.csv")).unwrap();
    for (name, input) in [("kaggle", "beats.csv"), ("resnet", "s1")] {
        let model = shipped(&format!("{name}.onnx"));
        said(&desk.bundle(&model, name, &[]));
        let file = model.to_str().unwrap().to_owned();
        let below = format!("{name}/{name}");
        let answers = [&file, name, &below].map(|model| {
            let predict = [input, "--output", "out.svg.csv", "--confusion", "out.svg"];
            let mut answers = Vec::new();
            said(&desk.run("infer", &[&predict[..], &["--model", model]].concat()));
            for output in ["out.svg.csv", "out.svg"] {
                answers.push(std::fs::read(desk.path(output)).unwrap_or_default());
            }
            answers.push(said(&desk.run("embedded", &[input, "--model", model])).into());
            answers.push(said(&desk.run("infer", &["describe", model])).into());
            answers
        });
        assert!(answers[0][0].len() > 1000 && answers[0][2].len() > 1000);
        assert_eq!(answers[0], answers[1], "{name}");
        assert_eq!(answers[0], answers[2], "{name}");
        let classifier = models::shipped::find(&desk.path(name));
        let explainer = Explainer::of(&classifier, 1).unwrap();
        assert!(
            explainer
                .path()
                .ends_with(format!("{name}-explain/1/model.onnx"))
        );
    }
    // Both in one folder: one has to be named.
    std::fs::rename(desk.path("kaggle/kaggle"), desk.path("resnet/kaggle")).unwrap();
    std::fs::create_dir(desk.path("empty")).unwrap();
    for package in ["infer", "embedded"] {
        let refused = refusal(&desk.run(package, &["s1", "--model", "resnet"]));
        assert!(
            refused.contains("several classifiers (kaggle, resnet)"),
            "{refused}"
        );
        let refused = refusal(&desk.run(package, &["s1", "--model", "empty"]));
        assert!(
            refused.contains("empty") && refused.contains("infer bundle"),
            "{refused}"
        );
    }
}

#[test]
fn a_bundle_takes_the_place_of_nothing_but_an_unchanged_bundle() {
    let desk = Desk::new();
    let (resnet, kaggle) = (shipped("resnet.onnx"), shipped("kaggle.onnx"));
    said(&desk.bundle(&kaggle, "bundle", &[]));
    said(&desk.bundle(&resnet, "bundle", &[]));
    let made = files(&desk.path("bundle"));
    assert!(!desk.path("bundle/kaggle").exists());

    // Something else in it stays, whatever is asked for.
    for foreign in ["notes.txt", "resnet-notes/diary.txt"] {
        let path = desk.path("bundle").join(foreign);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "mine").unwrap();
        for more in [&[][..], &["--force"]] {
            let refused = refusal(&desk.bundle(&resnet, "bundle", more));
            assert!(refused.contains(foreign), "{refused}");
            assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        }
        std::fs::remove_file(&path).unwrap();
    }
    std::fs::remove_dir(desk.path("bundle/resnet-notes")).unwrap();

    // What was changed, or added to a model, goes with --force only.
    let change: [fn(&Path); 3] = [
        |folder| std::fs::write(folder.join("resnet/config.pbtxt"), "mine").unwrap(),
        |folder| std::fs::write(folder.join("resnet/labels.txt"), "mine").unwrap(),
        |folder| std::fs::remove_file(folder.join("SHA256SUMS")).unwrap(),
    ];
    for change in change {
        change(&desk.path("bundle"));
        let changed = files(&desk.path("bundle"));
        let refused = refusal(&desk.bundle(&resnet, "bundle", &[]));
        assert!(refused.contains("--force"), "{refused}");
        assert_eq!(files(&desk.path("bundle")), changed);
        said(&desk.bundle(&resnet, "bundle", &["--force"]));
        assert_eq!(files(&desk.path("bundle")), made);
    }

    // A bundle is made again from its own model, but not over it.
    said(&desk.bundle(&desk.path("bundle"), "again", &[]));
    assert_eq!(files(&desk.path("again")), made);
    let refused = refusal(&desk.bundle(&desk.path("again"), "again", &["--force"]));
    assert!(refused.contains("lies in it"), "{refused}");
    for name in ["a/b", "..", "x-explain", "Dockerfile", "ä", ""] {
        let refused = desk.bundle(&resnet, "named", &["--name", name]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(refusal(&refused).contains("--name"));
    }
    std::fs::write(desk.path("file"), "mine").unwrap();
    assert!(refusal(&desk.bundle(&resnet, "file", &["--force"])).contains("no folder"));
    let mut left: Vec<_> = std::fs::read_dir(desk.0.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["again", "bundle", "file", "own.onnx"]);
}

/// The command of the image's health check, with another port.
fn health_check(dockerfile: &str, port: u16) -> Command {
    let mut line = dockerfile
        .lines()
        .skip_while(|l| !l.contains("HEALTHCHECK"));
    let line = line.nth(1).unwrap().trim();
    let parts: Vec<String> = serde_json::from_str(line.strip_prefix("CMD ").unwrap()).unwrap();
    let mut command = Command::new(&parts[0]);
    command.args(
        parts[1..]
            .iter()
            .map(|part| part.replace("8080", &port.to_string())),
    );
    command
}

#[test]
fn the_health_check_asks_whether_the_server_is_ready() {
    let desk = Desk::new();
    said(&desk.bundle(&shipped("resnet.onnx"), "bundle", &[]));
    let dockerfile = std::fs::read_to_string(desk.path("bundle/Dockerfile")).unwrap();
    for (answer, healthy) in [("200 OK", true), ("503 Service Unavailable", false)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // The whole request, which comes line by line: one that is closed before
            // it was read breaks the connection.
            let mut request = String::new();
            let mut reader = BufReader::new(&mut stream);
            while !request.ends_with("\r\n\r\n") {
                assert!(reader.read_line(&mut request).unwrap() > 0, "{request}");
            }
            write!(stream, "HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n").unwrap();
            request
        });
        let status = health_check(&dockerfile, port).status().unwrap();
        assert_eq!(status.success(), healthy, "{answer}");
        let request = server.join().unwrap();
        assert!(
            request.starts_with("GET /v2/health/ready HTTP/1.0\r\n"),
            "{request}"
        );
        // Nobody listens any more.
        assert!(
            !health_check(&dockerfile, port)
                .output()
                .unwrap()
                .status
                .success()
        );
    }
    let runtime = std::fs::read_to_string(desk.path("bundle/onnxruntime.txt")).unwrap();
    assert!(runtime.contains("onnxruntime==") && runtime.matches("--hash=").count() == 2);
    assert!(!runtime.contains("cmake") && runtime.ends_with('\n'));
}

#[test]
#[cfg_attr(not(systemd), ignore = "no systemd-analyze")]
fn systemd_takes_the_unit_and_finds_it_well_shut() {
    let desk = Desk::new();
    said(&desk.bundle(&shipped("resnet.onnx"), "bundle", &[]));
    let unit = std::fs::read_to_string(desk.path("bundle/ectopy.service")).unwrap();
    // Where the program lies here.
    let infer = program("infer").display().to_string();
    let unit = unit.replace("/opt/ectopy/infer", &infer);
    std::fs::write(desk.path("ectopy.service"), unit).unwrap();
    let analyse = |arguments: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        command.current_dir(desk.0.path()).args(arguments);
        command.arg("./ectopy.service").output().unwrap()
    };
    let verified = analyse(&["verify", "--man=no"]);
    said(&verified);
    assert_eq!(String::from_utf8_lossy(&verified.stderr), "");
    // Exposure of at most 2.0 of 10.
    said(&analyse(&[
        "security",
        "--offline=true",
        "--no-pager",
        "--threshold=20",
    ]));
}
