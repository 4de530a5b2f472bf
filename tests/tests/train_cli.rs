//! The program `train` from the outside, on synthetic patients.

use std::path::Path;

use assert_cmd::Command;
use data::pipeline::input::InputSpec;
use models::architecture::Op;
use predicates::prelude::*;
use predicates::str::contains;
use train::settings::Recipe;

use crate::desk::Desk;
use crate::programs::program;

/// A small network and a short run.
const QUICK: [&str; 16] = [
    "--data",
    "synthetic",
    "--device",
    "cpu",
    "--threads",
    "1",
    "--epochs",
    "3",
    "--blocks",
    "8x5/2,8x3/4",
    "--stem",
    "none",
    "--hidden",
    "8",
    "--seed",
    "5",
];

#[test]
fn a_run_leaves_its_files_and_a_model() {
    let desk = Desk::new();
    let export = [
        "--recipe",
        "kaggle",
        "--out",
        "run",
        "--export",
        "model.onnx",
    ];
    desk.train(&[&QUICK[..], &export].concat())
        .assert()
        .success()
        .stdout(contains("best of 3 epochs").and(contains("test part")))
        .stderr(contains("  best\n").and(contains("agree with libtorch's")));
    // What they show is tested where they are painted.
    for name in ["loss.png", "confusion.png", "kernels.png"] {
        let picture = std::fs::read(desk.path(&format!("run/{name}"))).unwrap();
        assert!(picture.starts_with(b"\x89PNG"), "{name}");
    }
    assert!(desk.read("run/report.txt").contains("\ntest part\n"));
    assert!(desk.path("run/checkpoint.safetensors").exists());
    assert_eq!(desk.read("run/metrics.csv").lines().count(), 4);
    assert_eq!(desk.read("run/metrics.jsonl").lines().count(), 3);
    let report: serde_json::Value = serde_json::from_str(&desk.read("run/report.json")).unwrap();
    let accuracy = report["test"]["accuracy"].as_f64().unwrap();
    assert!((0.3..=1.0).contains(&accuracy), "{accuracy}");
    let settings = desk.read("run/settings.toml");
    assert!(settings.contains("seed = 5"), "{settings}");
    let contract =
        models::onnx::contract(&std::fs::read(desk.path("model.onnx")).unwrap()).unwrap();
    assert_eq!(contract.input, InputSpec::kaggle());
    assert_eq!(contract.training.seed, 5);
}

#[test]
fn the_inter_patient_recipe_exports_two_inputs() {
    let desk = Desk::new();
    let rows = ["--shown", "0", "--retimed", "0", "--second-lead", "0"];
    let files = ["--out", "run", "--export", "resnet.onnx"];
    // The last epoch is the best one here: nothing needs to say so of each.
    desk.train(&[&QUICK[..], &rows, &files].concat())
        .assert()
        .success()
        .stdout(contains("validation part, after 3 epochs"))
        .stderr(contains("epoch 3/3").and(contains("best").not()));
    let contract =
        models::onnx::contract(&std::fs::read(desk.path("resnet.onnx")).unwrap()).unwrap();
    assert_eq!(contract.training.recipe, "inter-patient");
    assert!(!contract.input.rhythm.is_empty());
    assert!(contract.reject_threshold > 0.0);
}

#[test]
fn a_resumed_run_ends_as_an_unbroken_one() {
    let desk = Desk::new();
    let kaggle = ["--recipe", "kaggle"];
    desk.train(&[&QUICK[..], &kaggle, &["--out", "whole"]].concat())
        .assert()
        .success();
    // A cosine depends on the whole length, so the broken run is told it, too.
    desk.train(
        &[
            &QUICK[..],
            &kaggle,
            &["--out", "broken", "--stop-after", "1"],
        ]
        .concat(),
    )
    .assert()
    .code(130)
    .stderr(contains("--resume"));
    assert!(!desk.path("broken/model.onnx").exists());
    desk.train(&["--resume", "broken"]).assert().success();
    let read = |name: &str| std::fs::read(desk.path(name)).unwrap();
    assert!(read("whole/model.onnx") == read("broken/model.onnx"));
    assert_eq!(
        desk.read("whole/report.json"),
        desk.read("broken/report.json")
    );
}

#[test]
fn a_settings_file_yields_to_flags() {
    let desk = Desk::new();
    let file = "recipe = \"notebook\"\nepochs = 9\nbatch = 32\nblocks = [\"4x3/4\"]\n";
    std::fs::write(desk.path("my.toml"), file).unwrap();
    let flags = [
        "--config",
        "my.toml",
        "--data",
        "synthetic",
        "--epochs",
        "1",
        "--out",
        "run",
    ];
    desk.train(&flags).assert().success();
    let settings = desk.read("run/settings.toml");
    for line in [
        "recipe = \"notebook\"",
        "epochs = 1",
        "batch = 32",
        "blocks = [\"4x3/4\"]",
    ] {
        assert!(settings.contains(line), "{line} is not in\n{settings}");
    }
}

#[test]
fn every_option_of_a_block_goes_from_a_settings_file_to_a_model() {
    let desk = Desk::new();
    let blocks = r#"blocks = ["8x5/2-se4-pre", "8x3~2-neck2-pre", "12x3@2+2-se2"]"#;
    let file = format!("recipe = \"kaggle\"\nepochs = 1\nhidden = [8]\n{blocks}\n");
    std::fs::write(desk.path("my.toml"), file).unwrap();
    let flags = ["--config", "my.toml", "--data", "synthetic", "--out", "run"];
    let export = ["--device", "cpu", "--export", "model.onnx"];
    desk.train(&[&flags[..], &export].concat())
        .assert()
        .success()
        .stderr(contains("model.explain.onnx: read back"));
    let read = |path: &str| Recipe::Notebook.defaults().overlay_file(&desk.path(path));
    let (asked, saved) = (read("my.toml").unwrap(), read("run/settings.toml").unwrap());
    assert_eq!(saved.blocks, asked.blocks);
    let (network, _, _) =
        models::onnx::network(&std::fs::read(desk.path("model.onnx")).unwrap()).unwrap();
    let norms = network
        .nodes
        .iter()
        .filter(|n| matches!(n.op, Op::Norm { .. }));
    let gates = network.nodes.iter().filter(|n| n.op == Op::Gate);
    assert_eq!((norms.count(), gates.count()), (2, 2));
}

#[test]
fn describe_shows_the_shipped_network_and_leaves_nothing() {
    let desk = Desk::new();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let config = models.join("evidence/runs/resnet.toml");
    let run = desk
        .train(&["describe", "--config", config.to_str().unwrap()])
        .assert()
        .success();
    let text = String::from_utf8(run.get_output().stdout.clone()).unwrap();
    let settings = Recipe::InterPatient
        .defaults()
        .overlay_file(&config)
        .unwrap();
    let network = settings.architecture(&settings.input).network().unwrap();
    let shipped = std::fs::read(models.join("shipped/resnet.onnx")).unwrap();
    let (shipped, _, _) = models::onnx::network(&shipped).unwrap();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .skip_while(|line| !line.starts_with("layer"))
        .map(|line| {
            line.split("  ")
                .map(str::trim)
                .filter(|c| !c.is_empty())
                .collect()
        })
        .collect();
    assert_eq!(rows.len(), shipped.nodes.len() + 2, "{text}");
    for (i, (node, row)) in shipped.nodes.iter().zip(&rows[1..]).enumerate() {
        let shape: Vec<String> = node.shape.iter().map(usize::to_string).collect();
        assert_eq!((row[0], row[2]), (&*shipped.name(i), &*shape.join(" x ")));
    }
    let total = rows.last().unwrap();
    let numbers = [network.parameter_count(), network.macs()].map(|n| n.to_string());
    assert_eq!(total[3..5], numbers);
    // 7 of the stem, 4 x 2 + 4 x 4, 4 x 4 + 4 x 8 and 2 x 8 + 2 x 16 of the
    // blocks, at 128 Hz.
    assert_eq!(total[5], "127 samples, 992 ms");
    assert_eq!(std::fs::read_dir(desk.folder.path()).unwrap().count(), 0);
}

/// Arguments, and what the one message must name.
const REFUSED: [(&[&str], &[&str]); 17] = [
    (&["--data", "nowhere"], &["nowhere", "--data synthetic"]),
    (
        &["--data", "synthetic", "--device", "cuda:99"],
        &["cuda:99"],
    ),
    (
        &["--data", "synthetic", "--device", "gpu"],
        &["auto, cpu, cuda"],
    ),
    (&["--data", "synthetic", "--epochs", "0"], &["--epochs"]),
    (
        &["--data", "synthetic", "--batch", "1"],
        &["--batch", "batch norm"],
    ),
    (
        &["--data", "synthetic", "--learning-rate", "0"],
        &["--learning-rate"],
    ),
    (&["--data", "synthetic", "--dropout", "1.5"], &["--dropout"]),
    (&["--data", "synthetic", "--blocks", "32x4"], &["odd"]),
    (
        &["--data", "synthetic", "--blocks", "8x3-se9"],
        &["block1", "squeeze-excitation", "1 to 9", "1 to 8"],
    ),
    (
        &["--data", "synthetic", "--blocks", "64x3,8x3-neck9"],
        &["block2", "bottleneck", "1 to 9", "1 to 8"],
    ),
    (
        &["--data", "synthetic", "--blocks", "8x3~20,8x3~20"],
        &["block2", "a pooling of 20 finds only"],
    ),
    (
        &["--data", "synthetic", "--blocks", "wide"],
        &["wide", "CHANNELSxKERNEL"],
    ),
    (
        &["--data", "synthetic", "--input", "before"],
        &["KEY=VALUE"],
    ),
    (&["--data", "synthetic", "--input", "colour=1"], &["colour"]),
    (&["--config", "absent.toml"], &["absent.toml"]),
    (&["--resume", "absent"], &["absent", "no run here"]),
    (&["--recipe", "kagle"], &["kagle"]),
];

#[test]
fn two_leads_are_trained_on_records_that_have_them() {
    let desk = Desk::new();
    Command::new(program("data"))
        .args(["synth", "--patients", "5", "--minutes", "1", "--output"])
        .arg(desk.path("ecg"))
        .assert()
        .success();
    let header = desk.read("ecg/s001.hea").replace(" V1", " V2");
    std::fs::write(desk.path("ecg/s001.hea"), header).unwrap();
    let arguments = |leads: &'static str| {
        let mut arguments = QUICK.to_vec();
        arguments[1] = "ecg";
        arguments.extend(["--recipe", "inter-patient", "--validation", "0.4"]);
        arguments.extend(["--shown", "500", "--out", "run", "--leads", leads]);
        arguments.extend(["--export", "two.onnx"]);
        arguments
    };
    desk.train(&arguments("MLII,aVF"))
        .assert()
        .failure()
        .stderr(contains("no lead aVF").and(contains("panicked").not()));
    desk.train(&arguments("MLII,V1"))
        .assert()
        .success()
        .stderr(contains("without s001"));
    let bytes = std::fs::read(desk.path("two.onnx")).unwrap();
    let contract = models::onnx::contract(&bytes).unwrap();
    assert_eq!(contract.input.leads, ["MLII", "V1"]);
    assert!(contract.training.data.contains("without s001"));
}

#[test]
fn bad_input_is_one_message_and_no_files() {
    let desk = Desk::new();
    let about_data = |names: &[&str]| {
        names
            .iter()
            .any(|n| ["nowhere", "cuda:99", "auto, cpu, cuda"].contains(n))
    };
    for (arguments, names) in REFUSED {
        let mut asked = vec![arguments.to_vec()];
        // What is shown needs neither data nor device.
        if !about_data(names) {
            asked.push([&["describe"], arguments].concat());
        }
        for arguments in asked {
            let mut assert = desk.train(&arguments).assert().failure();
            for name in names {
                assert = assert.stderr(contains(*name));
            }
            assert.stderr(contains("panicked").not());
        }
    }
    assert_eq!(std::fs::read_dir(desk.folder.path()).unwrap().count(), 0);
}

#[test]
fn a_network_that_cannot_be_exported_is_neither_trained_nor_shown() {
    let desk = Desk::new();
    std::fs::write(desk.path("my.toml"), "rhythm-hidden = []").unwrap();
    let flags = ["--config", "my.toml", "--data", "synthetic", "--out", "run"];
    for task in [&[][..], &["describe"]] {
        desk.train(&[task, &flags].concat())
            .assert()
            .failure()
            .stderr(contains("cannot be exported").and(contains("set --rhythm-hidden")));
    }
    assert!(!desk.path("run").exists());
}

#[test]
fn a_broken_settings_file_is_named() {
    let desk = Desk::new();
    for (text, name) in [
        ("epochs = \"many\"", "epochs"),
        ("colour = 1", "colour"),
        ("epochs =", "epochs"),
    ] {
        std::fs::write(desk.path("bad.toml"), text).unwrap();
        desk.train(&["--config", "bad.toml", "--data", "synthetic"])
            .assert()
            .failure()
            .stderr(contains("bad.toml").and(contains(name)));
    }
}

#[test]
fn a_damaged_checkpoint_is_named() {
    let desk = Desk::new();
    let stop = ["--recipe", "kaggle", "--out", "run", "--stop-after", "1"];
    desk.train(&[&QUICK[..], &stop].concat()).assert().code(130);
    std::fs::write(desk.path("run/checkpoint.safetensors"), b"not one").unwrap();
    desk.train(&["--resume", "run"])
        .assert()
        .failure()
        .stderr(contains("checkpoint.safetensors").and(contains("damaged")));
}

#[test]
fn absurd_numbers_and_unknown_records_are_refused_before_anything_is_made() {
    let desk = Desk::new();
    for (flag, value, word) in [
        ("--threads", "1000000000", "0 to 1024"),
        ("--hidden", "1000000000", "--hidden is 1000000000"),
        ("--rhythm-hidden", "99999999999", "--rhythm-hidden is"),
        ("--input", "after=100000", "--input after is 100000"),
        ("--batch", "99999999999", "--batch is 99999999999"),
        ("--epochs", "99999999999", "--epochs is"),
        ("--shown", "99999999999", "--shown is"),
        ("--blocks", "1000000000x3", "--blocks has the number"),
        ("--noise", "1e300", "--noise is"),
        ("--seed", "18446744073709551615", "--seed is"),
        ("--hidden", "18446744073709551615", "--hidden is"),
        ("--input", "after=-5", "--input"),
        ("--learning-rate", "inf", "--learning-rate is"),
        ("--hold-out", "s000,nobody", "there is no record nobody"),
    ] {
        let given = format!("{flag}={value}");
        desk.train(&[
            "--data",
            "synthetic",
            "--device",
            "cpu",
            "--out",
            "run",
            &given,
        ])
        .assert()
        .failure()
        .stderr(contains(word));
        let made = std::fs::read_dir(desk.folder.path()).unwrap().count();
        assert!(
            made == 0 || flag == "--hold-out",
            "{flag} left {made} files"
        );
    }
}

#[test]
fn kaggle_rows_on_another_scale_are_refused() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("kaggle")).unwrap();
    let row = |scale: f64, class: usize| {
        let cell = |i: usize| (scale * ((class * 13 + i * 7) % 101) as f64 / 100.0).to_string();
        let cells: Vec<String> = (0..187).map(cell).collect();
        format!("{},{class}\n", cells.join(","))
    };
    let rows: String = (0..50).map(|i| row(1.0, i % 5)).collect();
    std::fs::write(desk.path("kaggle/mitbih_test.csv"), &rows).unwrap();
    std::fs::write(desk.path("kaggle/mitbih_train.csv"), rows + &row(2000.0, 1)).unwrap();
    let arguments = ["--recipe", "kaggle", "--data", "kaggle", "--device", "cpu"];
    desk.train(&arguments)
        .assert()
        .failure()
        .stderr(contains("mitbih_train.csv, line 51").and(contains("by the contract")));
}

#[test]
fn help_begins_with_the_program_and_tells_the_defaults() {
    let desk = Desk::new();
    for flag in ["-h", "--help"] {
        desk.train(&["describe", flag])
            .assert()
            .success()
            .stdout(contains("receptive fields").and(contains("-seRATIO")));
        desk.train(&[flag])
            .assert()
            .success()
            .stdout(predicates::str::starts_with("Train the residual CNN"))
            .stdout(contains("[default: inter-patient]"))
            .stdout(contains("[default: 6, 12 for kaggle, 30 for"));
    }
}
