//! Programs that are ended at random moments leave nothing half, and nothing
//! after the next run.
//!
//! `ECTOPY_KILLS` says how often each program is killed; 50 is thorough.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use data::beat_files::store::Store;
use data::formats::wfdb::{self, AnnotationFile};
use data::pipeline::input::InputSpec;
use tempfile::TempDir;

use crate::programs::program;

/// Kills of a program where the environment does not say.
const KILLS: u64 = 4;

struct Desk {
    folder: TempDir,
}

impl Desk {
    /// A folder with three recordings of a minute and a model.
    fn new() -> Desk {
        let desk = Desk {
            folder: tempfile::tempdir().unwrap(),
        };
        let arguments = "synth --output ecg --patients 3 --minutes 1";
        assert!(desk.whole("data", arguments).success());
        let model = models::untrained::classifier_for(&InputSpec::window(), 1).unwrap();
        std::fs::write(desk.path("m.onnx"), model).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self, name: &str, arguments: &str) -> Child {
        Command::new(program(name))
            .current_dir(self.folder.path())
            .args(arguments.split(' '))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn whole(&self, name: &str, arguments: &str) -> ExitStatus {
        self.start(name, arguments).wait().unwrap()
    }

    /// Every file below `out`, sorted, as paths in it.
    fn out(&self) -> Vec<String> {
        let mut files = Vec::new();
        collect(&self.path("out"), "", &mut files);
        files.sort();
        files
    }

    fn clear(&self) {
        if self.path("out").exists() {
            std::fs::remove_dir_all(self.path("out")).unwrap();
        }
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        match entry.path().is_dir() {
            true => collect(&entry.path(), &format!("{name}/"), files),
            false => files.push(name),
        }
    }
}

/// What is killed, and what may be seen after.
struct Case<'a> {
    program: &'a str,
    arguments: &'a str,
    /// The run after a kill, where it is not the same.
    again: &'a dyn Fn(&Desk) -> String,
    /// Looks at each file that has its name, right after the kill.
    intact: &'a dyn Fn(&Path),
    /// The files whose bytes the next run must bring.
    results: &'a [&'a str],
}

/// Ends the program at moments from a seeded generator, by SIGKILL and SIGTERM
/// in turn.
fn kill_at_random(case: &Case) {
    let desk = Desk::new();
    let started = Instant::now();
    assert!(desk.whole(case.program, case.arguments).success());
    let duration = started.elapsed().as_micros() as u64;
    let results = || -> Vec<Vec<u8>> {
        let paths = case.results.iter().map(|name| desk.path(name));
        paths.map(|path| std::fs::read(path).unwrap()).collect()
    };
    let (files, bytes) = (desk.out(), results());
    let kills = std::env::var("ECTOPY_KILLS").map_or(KILLS, |n| n.parse().unwrap());
    let mut state = 20_u64;
    let (mut hit, mut left) = (0, 0);
    for kill in 0..kills {
        desk.clear();
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let mut child = desk.start(case.program, case.arguments);
        std::thread::sleep(Duration::from_micros((state >> 20) % duration));
        let term = kill % 2 == 1;
        if term {
            let id = child.id().to_string();
            // It may have ended by now.
            let _ = Command::new("kill").args(["-TERM", &id]).status();
        } else {
            child.kill().unwrap();
        }
        let status = child.wait().unwrap();
        hit += u64::from(!status.success());
        let temporary = |f: &&String| f.ends_with(".tmp") || f.ends_with(".lock");
        let leftovers = desk.out().iter().filter(temporary).count();
        left += leftovers;
        if term {
            let ended = status.success() || status.code() == Some(143);
            // Until its handler is there, a program is ended by the system.
            assert!(ended || status.code().is_none(), "{status}");
            assert_eq!(leftovers, 0, "kill {kill}: {:?}", desk.out());
        }
        for name in desk.out().iter().filter(|f| !temporary(f)) {
            (case.intact)(&desk.path("out").join(name));
        }
        let again = (case.again)(&desk);
        assert!(
            desk.whole(case.program, &again).success(),
            "kill {kill}: {again}"
        );
        assert_eq!(desk.out(), files, "kill {kill}");
        assert!(results() == bytes, "kill {kill}: {:?}", case.results);
    }
    eprintln!(
        "{}: {kills} kills, {hit} before the end; {left} leftovers, all swept",
        case.program
    );
}

#[test]
fn convert_can_be_killed() {
    let arguments = "convert ecg --layout window --output out/b.h5";
    kill_at_random(&Case {
        program: "data",
        arguments,
        again: &|_| arguments.into(),
        intact: &|path| assert!(Store::open(path).unwrap().len() > 100),
        // The same beats; HDF5 itself writes times into its files.
        results: &["ecg/s000.dat"],
    });
}

#[test]
fn infer_can_be_killed() {
    let arguments = "ecg --model m.onnx --detect --output out/p.csv";
    kill_at_random(&Case {
        program: "infer",
        arguments,
        again: &|_| arguments.into(),
        intact: &|path| {
            let text = std::fs::read_to_string(path).unwrap();
            assert!(text.lines().count() > 150 && text.ends_with('\n'));
        },
        results: &["out/p.csv"],
    });
}

#[test]
fn reports_can_be_killed() {
    let arguments = "report ecg --model m.onnx --json --output out";
    kill_at_random(&Case {
        program: "infer",
        arguments,
        again: &|_| arguments.into(),
        intact: &|path| {
            let text = std::fs::read_to_string(path).unwrap();
            let text = text.trim_end();
            assert!(text.ends_with("</html>") || text.ends_with('}'));
        },
        results: &[
            "out/s000.html",
            "out/s001.html",
            "out/s002.html",
            "out/s000.json",
        ],
    });
}

#[test]
fn embedded_can_be_killed() {
    let arguments = "ecg/s000 --model m.onnx --annotator mon --output out --quiet --speed 60 --write-through 0.05";
    kill_at_random(&Case {
        program: "embedded",
        arguments,
        again: &|_| arguments.into(),
        intact: &|path| _ = AnnotationFile::read(path).unwrap(),
        results: &["out/s000.mon"],
    });
}

#[test]
fn train_can_be_killed() {
    let settings = "--data synthetic --recipe kaggle --device cpu --threads 1 --epochs 3 --blocks 8x5/2,8x3/4 --stem none --hidden 8 --seed 5";
    let arguments = format!("{settings} --out out/run --export out/m.onnx");
    let again = |desk: &Desk| match desk.path("out/run/settings.toml").exists() {
        true => "--resume out/run --export out/m.onnx".into(),
        false => format!("{settings} --out out/run --export out/m.onnx"),
    };
    let intact = |path: &Path| {
        if path.extension().is_some_and(|e| e == "onnx") {
            models::onnx::contract(&std::fs::read(path).unwrap()).unwrap();
        }
    };
    kill_at_random(&Case {
        program: "train",
        arguments: &arguments,
        again: &again,
        intact: &intact,
        results: &["out/m.onnx"],
    });
}

/// A power cut costs no more than what came since the last writing.
#[test]
fn a_monitor_that_is_killed_has_written_what_it_decided() {
    let desk = Desk::new();
    let mut child = desk.start(
        "embedded",
        "ecg/s000 --model m.onnx --annotator mon --output out --quiet --speed 10 --write-through 0.2",
    );
    let path = desk.path("out/s000.mon");
    let started = Instant::now();
    let mut last = 0;
    while last < 20 {
        assert!(started.elapsed() < Duration::from_secs(60), "{last} beats");
        std::thread::sleep(Duration::from_millis(20));
        if path.exists() {
            // It can be read at any time.
            last = wfdb::read_annotations(&path).unwrap().len();
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = wfdb::read_annotations(&path).unwrap();
    assert!(kept.len() >= last);
    assert_eq!(desk.out(), ["s000.mon"]);
}
