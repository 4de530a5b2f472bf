//! The program `train` over many runs: folds, sweeps, comparisons, and what a
//! run leaves for TensorBoard.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use assert_cmd::assert::Assert;
use data::program::USAGE;
use predicates::prelude::*;
use predicates::str::contains;

use crate::desk::Desk;
use crate::programs::program;

/// A small network and a short run over the 16 synthetic patients.
const QUICK: &str = "--data synthetic --device cpu --threads 1 --epochs 2 --blocks 8x5/2,8x3/4 --stem none --hidden 8 --retimed 0 --second-lead 0 --shown 500 --monitor macro-f1";
/// Patients of the synthetic recordings, each with one record.
const PATIENTS: usize = 16;

impl Desk {
    fn json(&self, name: &str) -> serde_json::Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    /// `train` in this folder, with the words of a line.
    fn line(&self, line: &str) -> Assert {
        let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        self.train(&words).assert()
    }

    /// When the models of these runs were written.
    fn written(&self, runs: &[String]) -> Vec<SystemTime> {
        let model = |run: &String| self.path(run).join("model.onnx");
        let time = |run: &String| model(run).metadata().unwrap().modified().unwrap();
        runs.iter().map(time).collect()
    }
}

/// Sum of a matrix of counts in a report.
fn beats(confusion: &serde_json::Value) -> u64 {
    let rows = confusion.as_array().unwrap().iter();
    let cells = rows.flat_map(|row| row.as_array().unwrap());
    cells.map(|count| count.as_u64().unwrap()).sum()
}

fn output(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

#[test]
fn folds_test_every_patient_once_and_go_on_where_they_were() {
    let desk = Desk::new();
    let line = format!("--folds 3 {QUICK} --out cv");
    // The first run stops in the middle, as by Ctrl-C.
    desk.line(&format!("{line} --stop-after 1"))
        .code(130)
        .stderr(contains("0 of 3 runs are finished").and(contains("--out cv goes on")));
    assert!(!desk.path("cv/report.json").exists());
    assert!(!desk.path("cv/fold-2").exists());
    let text = output(&desk.line(&line).success());
    assert_eq!(text, desk.read("cv/report.txt"));
    let picture = std::fs::read(desk.path("cv/confusion.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG"));

    let report = desk.json("cv/report.json");
    let folds = report["folds"].as_array().unwrap();
    let (mut tested, mut total) = (Vec::new(), 0);
    for (number, fold) in (1..).zip(folds) {
        assert_eq!(fold["folder"], format!("fold-{number}"));
        let run = desk.json(&format!("cv/fold-{number}/report.json"));
        assert_eq!(run["test_records"], fold["test_records"]);
        assert_eq!(run["test"]["confusion"], fold["test"]["confusion"]);
        assert_eq!(run["test"]["beats"], beats(&fold["test"]["confusion"]));
        total += beats(&fold["test"]["confusion"]);
        let records = fold["test_records"].as_array().unwrap();
        tested.extend(records.iter().map(|name| name.as_str().unwrap().to_owned()));
        // Who is tested does not validate either, and the rest is all used.
        let [train, validation] = ["train", "validation"].map(|part| match &run[part] {
            serde_json::Value::Array(counts) => counts.iter().map(|n| n.as_u64().unwrap()).sum(),
            part => part["beats"].as_u64().unwrap(),
        });
        let test = run["test"]["beats"].as_u64().unwrap();
        assert_eq!(
            train + validation + test,
            beats(&report["test"]["confusion"])
        );
    }
    assert_eq!(folds.len(), 3);
    assert_eq!(tested.len(), PATIENTS);
    assert_eq!(tested.iter().collect::<BTreeSet<_>>().len(), PATIENTS);
    assert_eq!(total, beats(&report["test"]["confusion"]));
    let spread = &report["over_folds"][0];
    let accuracy = |fold: &serde_json::Value| fold["test"]["accuracy"].as_f64().unwrap();
    let mean = folds.iter().map(accuracy).sum::<f64>() / 3.0;
    assert_eq!(spread["figure"], "accuracy");
    assert!((spread["mean"].as_f64().unwrap() - mean).abs() < 1e-12);

    // What is finished stays, and the fold is a run as any other.
    let runs: Vec<String> = (1..=3).map(|n| format!("cv/fold-{n}")).collect();
    let written = desk.written(&runs);
    assert_eq!(output(&desk.line(&line).success()), text);
    assert_eq!(desk.written(&runs), written);
    let other = desk.line(&format!("--folds 4 {QUICK} --out cv"));
    other
        .code(1)
        .stderr(contains("\"1/3\", asked for is \"1/4\""));
    desk.line("--resume cv/fold-2 --epochs 3").success();
    assert_eq!(desk.read("cv/fold-2/metrics.csv").lines().count(), 4);
}

/// An interrupted fold must end as one that never stopped.
#[test]
fn a_fold_alone_is_the_fold_among_others() {
    let desk = Desk::new();
    desk.line(&format!("--folds 2 {QUICK} --out cv --stop-after 1"))
        .code(130);
    desk.line("--resume cv/fold-1").success();
    desk.line(&format!("--fold 1/2 {QUICK} --out alone"))
        .success()
        .stdout(contains("\ntest part\n"));
    let model = |run: &str| std::fs::read(desk.path(run).join("model.onnx")).unwrap();
    assert!(model("cv/fold-1") == model("alone"));
    assert_eq!(
        desk.read("cv/fold-1/report.json"),
        desk.read("alone/report.json")
    );
    assert_eq!(
        desk.read("cv/fold-1/settings.toml"),
        desk.read("alone/settings.toml")
    );
}

const GRID: &str = "sweep --grid gamma=0,2 --seeds 1-2";

/// The runs of [`GRID`], in the order of training.
fn cells() -> Vec<String> {
    let cell = |(gamma, seed)| format!("sw/gamma={gamma}_seed={seed}");
    [(0, 1), (2, 1), (0, 2), (2, 2)].map(cell).to_vec()
}

#[test]
fn a_sweep_trains_every_cell_once_and_tells_them_apart() {
    let desk = Desk::new();
    let line = format!("{GRID} {QUICK} --out sw");
    desk.line(&format!("{line} --stop-after 1")).code(130);
    assert!(!desk.path("sw/sweep.csv").exists());
    let text = output(&desk.line(&line).success());
    for words in [
        "validation part, mean ±",
        "macro-F1",
        "must not be used to choose",
    ] {
        assert!(text.contains(words), "{text}");
    }
    assert!(!text.contains("test part\n"), "{text}");
    let csv = desk.read("sw/sweep.csv");
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let at = |name: &str| rows[0].iter().position(|column| *column == name).unwrap();
    let mut sums = [0.0; 2];
    for (row, cell) in rows[1..].iter().zip(cells()) {
        assert_eq!(format!("sw/{}", row[0]), cell);
        let report = desk.json(&format!("{cell}/report.json"));
        let settings = desk.read(&format!("{cell}/settings.toml"));
        let gamma = format!("gamma = {}.0\n", row[at("gamma")]);
        assert!(settings.contains(&gamma), "{settings}");
        assert_eq!(report["seed"].to_string(), row[at("seed")]);
        let accuracy = report["validation"]["accuracy"].as_f64().unwrap();
        assert_eq!(format!("{accuracy:.6}"), row[at("validation_accuracy")]);
        sums[usize::from(row[at("gamma")] == "2")] += accuracy;
    }
    assert_eq!(rows.len(), 5);
    for (gamma, sum) in ["0", "2"].into_iter().zip(sums) {
        let line = text.lines().find(|l| l.starts_with(&format!("{gamma}  ")));
        let words: Vec<&str> = line.unwrap().split_whitespace().collect();
        assert_eq!(words[1..4], ["2", &*format!("{:.4}", sum / 2.0), "±"]);
    }
    // Again: nothing is trained. With a value more: only that.
    let written = desk.written(&cells());
    let again = desk.line(&line).success();
    assert_eq!(output(&again), text);
    let more = line.replace("gamma=0,2", "gamma=0,2,1");
    desk.line(&more)
        .success()
        .stderr(contains("4 of 6 runs are finished already").and(contains("gamma=1_seed=2")));
    assert_eq!(desk.written(&cells()), written);
    let inside = desk.line(&format!("{QUICK} --out sw/gamma=0_seed=1"));
    inside.code(1).stderr(contains("holds a run already"));
}

#[test]
fn a_killed_sweep_goes_on_to_the_same_result() {
    let desk = Desk::new();
    // Long enough that a kill comes before the end.
    let quick = QUICK.replace("--epochs 2", "--epochs 8");
    let quick = quick.replace("--shown 500", "--shown 3000");
    let whole = format!("{GRID} {quick} --out sw");
    let start = || {
        std::process::Command::new(program("train"))
            .current_dir(desk.folder.path())
            .args(whole.split(' '))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let appears = |path: &Path| {
        let began = Instant::now();
        while !path.exists() {
            assert!(began.elapsed() < Duration::from_secs(120), "{path:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    // By SIGKILL in the first run, by SIGTERM in the third.
    for (place, term) in [(0, false), (2, true)] {
        let mut child = start();
        appears(&desk.path(&cells()[place]).join("metrics.csv"));
        match term {
            false => child.kill().unwrap(),
            true => {
                let id = child.id().to_string();
                let kill = std::process::Command::new("kill").arg(id).status();
                assert!(kill.unwrap().success());
            }
        }
        let status = child.wait().unwrap();
        assert!(!status.success(), "it was over before it was killed");
        assert!(!desk.path("sw/sweep.csv").exists());
        let end = if term { Some(143) } else { None };
        assert_eq!(status.code(), end);
    }
    desk.line(&whole).success();
    let unbroken = whole.replace("--out sw", "--out other");
    desk.line(&unbroken).success();
    for cell in cells() {
        let other = cell.replace("sw/", "other/");
        let model = |run: &str| std::fs::read(desk.path(run).join("model.onnx")).unwrap();
        assert!(model(&cell) == model(&other), "{cell}");
        // The steps before the kill leave no epoch twice.
        assert_eq!(desk.read(&format!("{cell}/metrics.csv")).lines().count(), 9);
    }
    assert_eq!(desk.read("sw/sweep.txt"), desk.read("other/sweep.txt"));
}

#[test]
fn a_sweep_of_folds_is_folds_in_each_cell() {
    let desk = Desk::new();
    let grid = "sweep --grid blocks=8x5/2,8x3/4;8x3/4 --folds 2";
    let quick = QUICK.replace("--blocks 8x5/2,8x3/4 ", "");
    let text = output(&desk.line(&format!("{grid} {quick} --out sw")).success());
    for cell in ["blocks=8x5_2,8x3_4_seed=1", "blocks=8x3_4_seed=1"] {
        for fold in 1..=2 {
            let settings = desk.read(&format!("sw/{cell}/fold-{fold}/settings.toml"));
            assert!(
                settings.contains(&format!("fold = \"{fold}/2\"")),
                "{settings}"
            );
        }
    }
    let line = text.lines().find(|l| l.starts_with("8x3/4 ")).unwrap();
    assert!(line.split_whitespace().nth(1) == Some("2"), "{text}");
}

#[test]
fn compare_sets_side_by_side_what_differs() {
    let desk = Desk::new();
    desk.line(&format!("--recipe kaggle {QUICK} --epochs 1 --out a").replace("--epochs 2 ", ""))
        .success();
    let two = "--recipe kaggle --classes aami2 --gamma 2 --out b";
    desk.line(&format!("{two} {QUICK}")).success();
    let text = output(&desk.line("compare a b").success());
    let row = |name: &str| -> Vec<String> {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        let line = line.unwrap_or_else(|| panic!("{name} is not in\n{text}"));
        let cells = line[name.len()..].split("  ").map(str::trim);
        cells.filter(|c| !c.is_empty()).map(String::from).collect()
    };
    assert_eq!(row("gamma"), ["0.0", "2.0"]);
    assert_eq!(row("epochs")[..], ["1", "2"].map(String::from)[..]);
    assert!(
        !text.contains("\nseed "),
        "what is the same is not told:\n{text}"
    );
    for (part, key) in [
        ("validation accuracy", "validation"),
        ("test accuracy", "test"),
    ] {
        let of = |run: &str| desk.json(&format!("{run}/report.json"))[key]["accuracy"].as_f64();
        let expected = ["a", "b"].map(|run| format!("{:.4}", of(run).unwrap()));
        assert_eq!(row(part), expected);
    }
    let parameters = |run: &str| desk.json(&format!("{run}/report.json"))["parameters"].to_string();
    assert_eq!(row("parameters"), ["a", "b"].map(parameters));
    // Classes that only one of them has.
    assert_eq!(row("validation F1 V")[1], "-");

    std::fs::remove_file(desk.path("b/model.onnx")).unwrap();
    for (runs, words) in [
        (
            "a b",
            "b: the run is not finished; go on with it: train --resume b",
        ),
        ("a absent", "absent: no run here"),
    ] {
        desk.line(&format!("compare {runs}"))
            .code(1)
            .stdout("")
            .stderr(contains(words));
    }
    std::fs::write(desk.path("a/report.json"), "{\"epochs\": 1").unwrap();
    let broken = desk.line("compare a a").code(1);
    broken.stderr(contains("a/report.json").and(contains("panicked").not()));
    desk.line("compare a").code(i32::from(USAGE));
}

#[test]
fn rubbish_is_refused_before_anything_is_made() {
    let desk = Desk::new();
    for (line, words) in [
        ("--folds 1", "2..=100"),
        ("--folds 17", "the recordings are of 16 patients"),
        ("--folds 3 --fold 1/3", "give one of the two"),
        ("--folds 3 --recipe kaggle", "take --recipe inter-patient"),
        (
            "--folds 3 --hold-out s001",
            "--hold-out could name patients",
        ),
        ("--fold 4/3", "such as 2/5"),
        ("sweep", "--grid"),
        ("sweep --grid colour=1,2", "there is no setting 'colour'"),
        ("sweep --grid gamma=", "a value is empty"),
        ("sweep --grid gamma=1,x", "'x' for '--gamma"),
        ("sweep --grid gamma=1,-3", "--gamma is -3"),
        ("sweep --grid gamma=1 --gamma 2", "leave one of the two out"),
        ("sweep --grid gamma=1 --seeds 3-1", "ends before it begins"),
        (
            "sweep --grid gamma=1 --seeds 1-2 --seed 1",
            "leave --seed out",
        ),
        ("sweep --grid gamma=1,2 --seeds 1-999", "make 1998 runs"),
        ("sweep --grid gamma=1 --resume x", "leave --resume out"),
        (
            "sweep --grid gamma=1 --folds 17",
            "the recordings are of 16",
        ),
        ("--folds 3 --resume x", "cannot be used with"),
    ] {
        let data = "--data synthetic --device cpu";
        desk.line(&format!("{line} {data}"))
            .code(i32::from(USAGE))
            .stdout("")
            .stderr(contains(words).and(contains("panicked").not()));
        let made = std::fs::read_dir(desk.folder.path()).unwrap().count();
        assert_eq!(made, 0, "{line}");
    }
    // A folder of something else is not filled with runs.
    std::fs::create_dir(desk.path("mine")).unwrap();
    std::fs::write(desk.path("mine/report.json"), "mine").unwrap();
    for task in ["--folds 2", "sweep --grid gamma=1"] {
        desk.line(&format!("{task} {QUICK} --out mine"))
            .code(1)
            .stderr(contains("report.json is in it").and(contains("--force")));
    }
    assert_eq!(desk.read("mine/report.json"), "mine");
}

#[test]
fn a_run_leaves_an_event_file_without_an_epoch_twice() {
    let desk = Desk::new();
    let line = format!("--recipe kaggle {QUICK} --out run");
    desk.line(&format!("{line} --stop-after 1")).code(130);
    desk.line("--resume run").success();
    let bytes = std::fs::read(desk.path("run/metrics.tfevents")).unwrap();
    let (mut rest, mut records) = (&bytes[..], Vec::new());
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        records.push(&rest[12..12 + length]);
        rest = &rest[16 + length..];
    }
    // The version, then an event an epoch.
    assert_eq!(records.len(), 3);
    let tag = b"validation/f1/V";
    for record in &records[1..] {
        let found = record.windows(tag.len()).filter(|part| part == tag);
        assert_eq!(found.count(), 1);
    }
}

#[test]
fn the_long_help_explains_the_words() {
    let desk = Desk::new();
    let [long, short] = ["--help", "-h"].map(|flag| output(&desk.line(flag).success()));
    for word in [
        "jk",
        "template",
        "second lead",
        "retimed",
        "augmentation",
        "logit bias",
        "focal",
    ] {
        let entry = format!("\n  {word}\n");
        assert!(long.contains(&entry), "{word}");
        assert!(!short.contains(&entry), "{word}");
    }
    desk.line("sweep --help")
        .success()
        .stdout(contains("--seeds").and(contains("--resume <").not()));
}
