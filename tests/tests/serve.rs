//! The server as its clients see it: PyPI's tritonclient, unchanged; clients that are
//! many, slow or gone; and requests drawn from its own description.
//!
//! The scripts beside this file are run by hand for longer, as their heads say.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use data::formats::wfdb;
use data::simulate::synth::{self, Settings};
use tempfile::TempDir;

use crate::onnx_checker::python;
use crate::programs::program;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A server of the shipped models on a port of its own; it ends with this.
struct Server {
    child: Child,
    /// Host and port.
    address: String,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Server {
    fn start(arguments: &[&str]) -> Server {
        Server::start_in(&std::env::temp_dir(), arguments)
    }

    /// A server with this folder of temporary files.
    fn start_in(temporary: &Path, arguments: &[&str]) -> Server {
        let mut child = Command::new(program("infer"))
            .env("ECTOPY_MODELS", format!("{ROOT}/models"))
            .env("TMPDIR", temporary)
            .env_remove("RUST_LOG")
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut early = String::new();
        let address = lines.by_ref().map(Result::unwrap).find_map(|line| {
            early.push_str(&line);
            let (_, rest) = line.split_once("listens at ")?;
            let (_, rest) = rest.split_once("://")?;
            Some(rest.split(',').next()?.to_owned())
        });
        let address = address.unwrap_or_else(|| panic!("it does not listen: {early}"));
        let log = Arc::new(Mutex::new(early));
        let into = Arc::clone(&log);
        // A pipe that nobody reads would stop who writes into it.
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                into.lock().unwrap().push_str(&line);
            }
        });
        Server {
            child,
            address,
            log,
            reader: Some(reader),
        }
    }

    /// How it ends, and what it has written.
    fn ended(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        let log = self.log.lock().unwrap().clone();
        (status, log)
    }

    /// What it has written until now.
    fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs one of the scripts; what it prints.
fn script(name: &str, arguments: &[&str]) -> String {
    let path = format!("{}/tests/serve/{name}", env!("CARGO_MANIFEST_DIR"));
    run(Command::new(python()).arg(path).args(arguments))
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, error) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}: {said}{error}");
    println!("{said}");
    said
}

/// What `infer` makes of beats of both models, for the clients to compare with.
fn answers_of_infer(folder: &Path) {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let go = |package: &str, arguments: &str| {
        let mut command = Command::new(program(package));
        command.env("ECTOPY_MODELS", format!("{ROOT}/models"));
        run(command.current_dir(folder).args(arguments.split(' ')));
    };
    std::fs::copy(format!("{ROOT}/beats.csv"), path("beats.csv")).unwrap();
    go("data", "synth --output ecg --patients 1 --minutes 3");
    go("data", "convert ecg --layout window --output beats.h5");
    for (model, beats) in [("kaggle", "beats.csv"), ("resnet", "beats.h5")] {
        go(
            "infer",
            &format!("{beats} --model {model} --output {model}.jsonl"),
        );
        go(
            "infer",
            &format!(
                "explain {beats} --model {model} --method gradient --format hdf5 --output {model}"
            ),
        );
    }
}

#[test]
fn tritonclient_is_given_what_infer_gives_to_the_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    answers_of_infer(folder.path());
    let server = Server::start(&[]);
    let folder = folder.path().to_str().unwrap();
    let (models, beats) = (format!("{ROOT}/models"), format!("{ROOT}/beats.csv"));
    script(
        "conformance.py",
        &[&server.address, &models, &beats, folder],
    );
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// A certificate of this machine with its key.
fn certificate(folder: &TempDir) -> [PathBuf; 2] {
    let paths = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    let names = "subjectAltName=DNS:localhost,IP:127.0.0.1";
    run(Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args(["-subj", "/CN=localhost", "-addext", names, "-out"])
        .arg(&paths[0])
        .arg("-keyout")
        .arg(&paths[1]));
    paths
}

#[test]
fn a_guarded_server_wants_the_token_and_speaks_tls_to_all_its_clients() {
    let folder = tempfile::tempdir().unwrap();
    let paths = certificate(&folder);
    let [certificate, key] = [0, 1].map(|i| paths[i].to_str().unwrap());
    let token = folder.path().join("token");
    std::fs::write(&token, "open sesame\nanother line\n").unwrap();
    let origin = "https://example.org";
    let server = Server::start(&[
        "--tls-cert",
        certificate,
        "--tls-key",
        key,
        "--token-file",
        token.to_str().unwrap(),
        "--cors",
        origin,
    ]);
    // The name in the certificate.
    let address = server.address.replace("127.0.0.1", "localhost");
    script(
        "guarded.py",
        &[&address, certificate, "open sesame", origin],
    );
    assert!(!server.log().contains("sesame"), "{}", server.log());
}

#[test]
fn a_bundle_is_served_and_so_is_the_folder_of_one_of_its_models() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("ward");
    run(Command::new(program("infer"))
        .env("ECTOPY_MODELS", format!("{ROOT}/models"))
        .args(["bundle", "--no-program", "--model", "resnet", "--output"])
        .arg(&bundle));
    for models in [bundle.clone(), bundle.join("resnet")] {
        let server = Server::start(&["--models", models.to_str().unwrap()]);
        let log = server.log();
        for model in ["resnet", "resnet-explain"] {
            let line = format!("model=\"{model}\" version=\"1\"");
            assert_eq!(log.matches(&line).count(), 1, "{line}: {log}");
        }
    }
}

#[test]
fn clients_that_are_slow_idle_or_gone_harm_no_other() {
    let server = Server::start(&[]);
    script("behaviour.py", &["hostile", &server.address]);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn a_full_queue_sheds_load_and_is_as_ever_afterwards() {
    let server = Server::start(&["--queue", "64"]);
    script("behaviour.py", &["full", &server.address]);
    // Who has more to do than can be done does not fill the disk with that.
    assert!(!server.log().contains("status=503"), "{}", server.log());
}

#[test]
fn a_server_that_is_asked_to_end_answers_what_it_has_accepted() {
    let server = Server::start(&[]);
    let id = server.child.id().to_string();
    script("behaviour.py", &["end", &server.address, &id]);
    let (status, log) = server.ended();
    assert!(status.success(), "{status}: {log}");
}

/// A record of one lead, and what the programs make of it.
fn answers_about_a_night(folder: &Path) {
    let (mut night, _) = synth::record("night", &Settings::new(250.0, 3), 360.0).unwrap();
    night.signals.truncate(1);
    wfdb::write_record(folder, &night).unwrap();
    let go = |package: &str, arguments: &str| -> String {
        let mut command = Command::new(program(package));
        command.env("ECTOPY_MODELS", format!("{ROOT}/models"));
        run(command.current_dir(folder).args(arguments.split(' ')))
    };
    for format in ["csv", "jsonl", "parquet"] {
        go("infer", &format!("night --detect --output beats.{format}"));
    }
    go("infer", "night --annotator qrs --rhythm --output .");
    go("infer", "report night --json --output report.html");
    let model = format!("{ROOT}/models/shipped/resnet.onnx");
    let lines = go("embedded", &format!("night --model {model}"));
    std::fs::write(folder.join("live.jsonl"), lines).unwrap();
}

#[test]
fn a_recording_and_a_stream_are_answered_with_what_the_programs_write() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [folder, temporary] = [0, 1].map(|i| folders[i].path());
    answers_about_a_night(folder);
    let server = Server::start_in(temporary, &["--recording", "2"]);
    let [folder, spool] = [folder, temporary].map(|f| f.to_str().unwrap());
    script("recordings.py", &[&server.address, folder, spool]);
    let log = server.log();
    assert!(!log.contains("panicked") && !log.contains("night"), "{log}");
}

#[test]
#[cfg_attr(not(browser), ignore = "no browser")]
fn the_page_takes_a_recording_explains_a_beat_and_shows_a_live_stream() {
    let folder = tempfile::tempdir().unwrap();
    let (mut night, _) = synth::record("night", &Settings::new(250.0, 3), 360.0).unwrap();
    night.signals.truncate(1);
    wfdb::write_record(folder.path(), &night).unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "open sesame").unwrap();
    let server = Server::start(&["--token-file", token.to_str().unwrap()]);
    let address = format!("http://{}", server.address);
    let files = ["night.hea", "night.dat"].map(|name| folder.path().join(name));
    let [header, signal] = [0, 1].map(|i| files[i].to_str().unwrap());
    let watched = ["--token", "open sesame", "--seconds", "60"];
    let arguments = [&[address.as_str(), header, signal][..], &watched].concat();
    script("page.py", &arguments);
    let log = server.log();
    assert!(!log.contains("panicked") && !log.contains("night"), "{log}");
}

#[test]
fn what_a_killed_server_left_on_the_disk_is_swept_by_the_next() {
    let temporary = tempfile::tempdir().unwrap();
    let servers = || {
        let spool = temporary.path().join("ectopy-serve");
        std::fs::read_dir(spool).map_or(0, Iterator::count)
    };
    let killed = Server::start_in(temporary.path(), &[]);
    assert_eq!(servers(), 1);
    drop(killed);
    assert_eq!(servers(), 1);
    let next = Server::start_in(temporary.path(), &[]);
    assert_eq!(servers(), 1);
    let id = next.child.id().to_string();
    run(Command::new("kill").args(["-TERM", &id]));
    assert!(next.ended().0.success());
    assert_eq!(servers(), 0);
}

#[test]
fn the_description_of_the_api_is_what_the_server_does() {
    let server = Server::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "{}/tests/serve/schemathesis.toml",
        env!("CARGO_MANIFEST_DIR")
    );
    let address = format!("http://{}/openapi.json", server.address);
    run(Command::new(python())
        .current_dir(folder.path())
        .args(["-m", "schemathesis.cli", "--no-color"])
        .args(["--config-file", &settings, "run", &address])
        .args(["--checks", "all", "--max-examples", "10", "--seed", "16"])
        .args(["--phases", "examples,coverage,fuzzing"]));
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
