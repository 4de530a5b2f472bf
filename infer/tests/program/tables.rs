//! Tables of beats as others write them, and stores that cannot be read.

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use tempfile::TempDir;

use crate::cli::PROGRAM;
use crate::model::kaggle_model;
use crate::shared::shared;

/// A folder with a model for the Kaggle format.
struct Desk(TempDir);

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        std::fs::write(desk.0.path().join("k.onnx"), kaggle_model(0.0)).unwrap();
        desk
    }

    fn infer(&self, arguments: &[&str]) -> assert_cmd::assert::Assert {
        let mut command = Command::new(PROGRAM);
        command.current_dir(self.0.path()).args(arguments).assert()
    }

    fn classify(&self, input: &str) -> assert_cmd::assert::Assert {
        self.infer(&[input, "--model", "k.onnx", "--output", "out.csv"])
    }

    /// Everything but the input's name, for each row.
    fn predictions(&self, input: &str) -> Vec<String> {
        self.classify(input).success();
        let text = std::fs::read_to_string(self.0.path().join("out.csv")).unwrap();
        let bare = |line: &str| line.split_once(',').unwrap().1.to_owned();
        text.lines().skip(1).map(bare).collect()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.0.path().join(name), content).unwrap();
    }
}

/// Labelled rows from 0 to 1, each another one.
fn rows(count: usize) -> String {
    let row = |r: usize| {
        let cell = |i: usize| ((r * 31 + i * 7) % 101) as f64 / 100.0;
        let cells: Vec<String> = (0..187).map(|i| cell(i).to_string()).collect();
        format!("{},{}\n", cells.join(","), r % 5)
    };
    (0..count).map(row).collect()
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn rows_are_numbered_alike_with_and_without_a_header() {
    let desk = Desk::new();
    let text = rows(6);
    desk.write("plain.csv", &text);
    let plain = desk.predictions("plain.csv");
    assert_eq!(plain.len(), 6);
    assert!(plain[0].starts_with("0,") && plain[5].starts_with("5,"));
    let numbers: Vec<String> = (0..188).map(|i| i.to_string()).collect();
    for (name, text) in [
        ("numbers.csv", format!("{}\n{text}", numbers.join(","))),
        ("mark.csv", format!("\u{feff}{text}")),
        ("commas.csv", text.replace(',', ";").replace('.', ",")),
        ("end.csv", text.replace('\n', ",\r\n") + "\r\n"),
    ] {
        desk.write(name, text);
        assert_eq!(desk.predictions(name), plain, "{name}");
    }
    // Explanations count the same rows.
    for name in ["plain.csv", "numbers.csv"] {
        let out = format!("{name}.out");
        let run = [
            "explain", name, "--rows", "2", "--model", "k.onnx", "--output", &out,
        ];
        desk.infer(&run).success();
    }
    let read = |name: &str| {
        let path = desk.0.path().join(name).join("attributions.jsonl");
        std::fs::read_to_string(path).unwrap()
    };
    let explained = read("numbers.csv.out").replace("numbers.csv", "plain.csv");
    assert_eq!(read("plain.csv.out"), explained);
    let headed = shared("faults/kaggle-numeric-header/u_hdr.csv");
    let bare = headed.with_file_name("u_plain.csv");
    let headed = desk.predictions(headed.to_str().unwrap());
    assert_eq!(headed.len(), 15);
    assert_eq!(headed, desk.predictions(bare.to_str().unwrap()));
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn rows_on_another_scale_are_refused_by_every_task() {
    let desk = Desk::new();
    let good = rows(2);
    for (cell, shown) in [
        ("-1", "-1"),
        ("255", "255"),
        ("1.25", "1.25"),
        ("-0.5", "-0.5"),
    ] {
        desk.write(
            "beats.csv",
            good.clone() + &rows(1).replacen("0,", &format!("{cell},"), 1),
        );
        for task in [&["beats.csv"][..], &["explain", "beats.csv"]] {
            desk.infer(&[task, &["--model", "k.onnx", "--output", "out.csv"]].concat())
                .failure()
                .stderr(
                    contains("line 3")
                        .and(contains("row 2"))
                        .and(contains(format!("is {shown}; by the contract"))),
                );
        }
    }
    for cell in ["nan", "inf", "1e60"] {
        desk.write(
            "beats.csv",
            good.clone() + &rows(1).replacen("0,", &format!("{cell},"), 1),
        );
        desk.classify("beats.csv")
            .failure()
            .stderr(contains("line 3").and(contains("not a finite number")));
    }
    // Nothing appears beside a refused input.
    assert!(!desk.0.path().join("out.csv").exists());
    {
        let raw = shared("faults/kaggle-not-scaled/raw_mv.csv");
        desk.classify(raw.to_str().unwrap())
            .failure()
            .stderr(contains("1500").and(contains("by the contract")));
    }
    // The same rows in a store.
    let mut beats = data::pipeline::beats::Beats::new(
        data::pipeline::input::InputSpec::kaggle(),
        &data::Classes::aami5(),
    );
    beats.windows = vec![0.5; 2 * 187];
    beats.windows[187] = 1500.0;
    data::beat_files::store::write(&desk.0.path().join("raw.h5"), &beats, "").unwrap();
    desk.classify("raw.h5").failure().stderr(
        contains("row 1")
            .and(contains("1500"))
            .and(contains("by the contract")),
    );
}

#[test]
fn flat_rows_are_left_to_a_human() {
    let desk = Desk::new();
    desk.write("beats.csv", rows(1) + &vec!["0"; 188].join(",") + "\n");
    let predictions = desk.predictions("beats.csv");
    assert!(predictions[0].ends_with("false,,,") && predictions[1].ends_with("true,,,"));
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn stores_that_cannot_be_read_are_explained() {
    let desk = Desk::new();
    {
        let packed = shared("faults/hdf5-messages/h4.h5");
        desk.classify(packed.to_str().unwrap()).failure().stderr(
            contains("LZF")
                .and(contains("gzip"))
                .and(contains("/plugin").not()),
        );
    }
    let mut beats = data::pipeline::beats::Beats::new(
        data::pipeline::input::InputSpec::kaggle(),
        &data::Classes::aami5(),
    );
    beats.windows = (0..187).map(|i| i as f32 / 186.0).collect();
    let path = desk.0.path().join("beats.h5");
    data::beat_files::store::write(&path, &beats, "").unwrap();
    let held = std::fs::File::open(&path).unwrap();
    held.lock().unwrap();
    desk.classify("beats.h5").failure().stderr(
        contains("locked")
            .and(contains("another process"))
            .and(contains("not a store").not()),
    );
    held.unlock().unwrap();
    desk.classify("beats.h5").success();
    let whole = std::fs::read(&path).unwrap();
    desk.write("beats.h5", &whole[..whole.len() / 2]);
    desk.classify("beats.h5")
        .failure()
        .stderr(contains("cut short").or(contains("damaged")));
}

#[test]
fn predictions_are_the_same_bytes_for_the_same_rows() {
    let desk = Desk::new();
    desk.write("beats.csv", rows(300));
    let mut made = Vec::new();
    for (name, threads) in [("a.h5", "1"), ("b.h5", "2")] {
        let run = [
            "beats.csv",
            "--model",
            "k.onnx",
            "--output",
            name,
            "--threads",
            threads,
        ];
        desk.infer(&run).success();
        made.push(std::fs::read(desk.0.path().join(name)).unwrap());
        // A time in seconds would differ.
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }
    assert!(made[0] == made[1], "the files differ");
    let explained = ["a", "b"].map(|folder| {
        let run = ["explain", "beats.csv", "--rows", "2", "--format", "hdf5"];
        desk.infer(&[&run[..], &["--model", "k.onnx", "--output", folder]].concat())
            .success();
        std::thread::sleep(std::time::Duration::from_millis(1100));
        std::fs::read(desk.0.path().join(folder).join("attributions.h5")).unwrap()
    });
    assert!(explained[0] == explained[1], "the explanations differ");
}

#[test]
fn absurd_numbers_are_refused_by_name() {
    let desk = Desk::new();
    desk.write("beats.csv", rows(2));
    for threads in ["1000000000", "0", "-1", "99999999999999999999"] {
        let flag = format!("--threads={threads}");
        for task in [&["beats.csv"][..], &["explain", "beats.csv"]] {
            desk.infer(&[task, &["--model", "k.onnx", &flag]].concat())
                .code(2)
                .stderr(contains("--threads").and(contains("1 to 1024")));
        }
    }
    for start in ["nan", "-1", "1e300", "inf"] {
        desk.infer(&["evaluate", &format!("--start={start}")])
            .failure()
            .stderr(contains("--start"));
    }
    desk.infer(&["explain", "beats.csv", "--rows", "0-99999999999"])
        .code(2)
        .stderr(contains("--rows"));
}
