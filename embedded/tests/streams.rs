//! The program on streams and files that are not what it was told: it says so
//! at once, counts what it could not read, and never ends in silence.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../tests/shared.rs"]
mod shared;

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use data::pipeline::input::InputSpec;
use data::simulate::synth::{self, Settings};
use serde_json::Value;
use tempfile::TempDir;

const FS: f64 = 360.0;

/// A part of the folder of faults.
fn fault(part: &str) -> PathBuf {
    shared::shared(&format!("faults/{part}"))
}

/// A folder with a model of each layout.
struct Bench(TempDir);

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        for (name, input) in [
            ("window", InputSpec::window()),
            ("kaggle", InputSpec::kaggle()),
        ] {
            let model = models::untrained::classifier_for(&input, 1).unwrap();
            std::fs::write(folder.path().join(name).with_extension("onnx"), model).unwrap();
        }
        Bench(folder)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().into()
    }

    fn command(&self, model: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_embedded"));
        let model = self.0.path().join(model).with_extension("onnx");
        command.args(arguments).arg("--model").arg(model);
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.command("window", arguments).output().unwrap())
    }

    /// What becomes of bytes that arrive over TCP.
    fn received(&self, bytes: &[u8], arguments: &[&str]) -> Run {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        let mut all = vec![address.as_str(), "--no-reconnect"];
        all.extend(arguments);
        let mut command = self.command("window", &all);
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut connection, _) = listener.accept().unwrap();
        connection.write_all(bytes).unwrap();
        drop(connection);
        Run::of(child.wait_with_output().unwrap())
    }
}

struct Run {
    ok: bool,
    events: Vec<Value>,
    errors: String,
}

impl Run {
    fn of(output: Output) -> Run {
        let text = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(!errors.contains("panicked"), "{errors}");
        Run {
            ok: output.status.success(),
            events: text
                .lines()
                .map(|l| serde_json::from_str(l).unwrap())
                .collect(),
            errors,
        }
    }

    fn of_kind(&self, kind: &str) -> Vec<&Value> {
        self.events.iter().filter(|e| e["event"] == kind).collect()
    }

    fn beats(&self) -> Vec<u64> {
        let beats = self.of_kind("beat");
        beats
            .iter()
            .map(|b| b["sample"].as_u64().unwrap())
            .collect()
    }

    fn summary(&self) -> &Value {
        self.events.last().unwrap()
    }

    fn refused(&self, word: &str) {
        assert!(!self.ok, "{}", self.errors);
        assert!(self.errors.contains(word), "{word}: {}", self.errors);
    }
}

/// 40 s of one lead in units of 1/200 mV with 0 mV at 1024.
fn units() -> Vec<i32> {
    let (record, _) = synth::record("s", &Settings::new(FS, 3), 40.0).unwrap();
    let samples = record.signals[0].samples.iter();
    samples.map(|x| (x * 200.0).round() as i32 + 1024).collect()
}

fn lines(units: &[i32], prefix: &str, end: &str) -> String {
    units.iter().map(|u| format!("{prefix}{u}{end}")).collect()
}

const ADC: [&str; 8] = [
    "--format",
    "csv",
    "--fs",
    "360",
    "--gain",
    "200",
    "--baseline",
    "1024",
];

fn all_unreadable(run: &Run, quoted: &str, lines: u64) {
    run.refused("not one of its lines could be read");
    assert!(run.errors.contains("line 1"), "{}", run.errors);
    assert!(run.errors.contains(quoted), "{}", run.errors);
    assert_eq!(run.summary()["unreadable_lines"], lines);
    assert_eq!(run.summary()["samples"], lines);
    assert_eq!((run.of_kind("gap").len(), run.beats().len()), (1, 0));
    assert!(
        run.errors
            .contains(&format!("{lines} lines could not be read"))
    );
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn a_stream_of_which_no_line_is_readable_is_said_counted_and_a_gap() {
    let bench = Bench::new();
    let units = units();
    let all = units.len() as u64;
    for prefix in ["ECG: ", "ECG:", "V=", "$"] {
        let text = lines(&units, prefix, "\n");
        let run = bench.received(text.as_bytes(), &ADC);
        all_unreadable(&run, &format!("'{prefix}{}'", units[0]), all);
    }
    {
        let file = fault("live-unreadable-lines/ecg_colon.txt");
        let run = bench.received(&std::fs::read(file).unwrap(), &ADC);
        all_unreadable(&run, "'ECG: 995'", 14_400);
    }
    // Without a single line end.
    let run = bench.received(&[b'7'; 100_000], &ADC);
    run.refused("without a line end");
    let run = bench.received(b"", &ADC);
    run.refused("empty");
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn unreadable_lines_among_readable_ones_are_counted_and_a_gap() {
    let bench = Bench::new();
    let units = units();
    let good = lines(&units, "", "\n");
    let whole = bench.received(good.as_bytes(), &ADC);
    assert!(whole.ok && whole.beats().len() > 30, "{}", whole.errors);
    assert_eq!(whole.summary()["unreadable_lines"], 0);
    let text = good.clone() + &"lost\n".repeat(720) + &good;
    let run = bench.received(text.as_bytes(), &ADC);
    assert!(run.ok, "{}", run.errors);
    assert_eq!(run.summary()["unreadable_lines"], 720);
    let gaps = run.of_kind("gap");
    assert_eq!(gaps[0]["start"], units.len());
    assert_eq!(gaps[1]["length"], 720);
    assert!(run.errors.contains("'lost'"), "{}", run.errors);
    // A header when the device starts anew is one missing sample.
    let text = format!("mlii\n{good}mlii\n{good}");
    let run = bench.received(text.as_bytes(), &ADC);
    assert_eq!(run.summary()["unreadable_lines"], 1);
    assert_eq!(run.summary()["samples"], 2 * units.len() + 1);
    {
        let file = fault("live-unreadable-lines/good.txt");
        let run = bench.received(&std::fs::read(file).unwrap(), &ADC);
        assert!(run.ok && run.beats().len() > 30, "{}", run.errors);
    }
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn every_way_to_write_numbers_gives_the_same_beats() {
    let bench = Bench::new();
    let units = units();
    let plain = lines(&units, "", "\n");
    let beats_of = |name: &str, text: &[u8], more: &[&str]| {
        let file = bench.file(name, text);
        let run = bench.run(&[&[file.as_str()], &ADC[..], more].concat());
        assert!(run.ok, "{name}: {}", run.errors);
        assert_eq!(run.summary()["samples"], units.len(), "{name}");
        run.beats()
    };
    let wanted = beats_of("plain.csv", plain.as_bytes(), &[]);
    assert!(wanted.len() > 30);
    let commas: String = units.iter().map(|u| format!("{u},0;7\n")).collect();
    for (name, text, more) in [
        ("mark.csv", format!("\u{feff}{plain}"), &[][..]),
        ("header.csv", format!("\u{feff}mlii\n{plain}"), &[]),
        ("return.csv", plain.replace('\n', "\r"), &[]),
        ("both.csv", plain.replace('\n', "\r\n"), &[]),
        ("trailing.csv", plain.replace('\n', ",\n"), &[]),
        ("decimal.csv", commas, &["--channels", "2"]),
    ] {
        assert_eq!(beats_of(name, text.as_bytes(), more), wanted, "{name}");
    }
    let (mark, plain) = (fault("csv-bom/bom.csv"), fault("csv-bom/plain.csv"));
    let run = |path: &Path| bench.run(&[path.to_str().unwrap(), "--fs", "360"]);
    let (mark, plain) = (run(&mark), run(&plain));
    assert!(mark.ok && plain.ok);
    assert_eq!(mark.summary()["samples"], 7200);
    assert_eq!(mark.events, plain.events);
}

#[test]
fn what_cannot_be_read_is_explained() {
    let bench = Bench::new();
    let utf16: Vec<u8> = "\u{feff}995\n996\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for (name, content, word) in [
        ("comma.csv", &b"-0,145\n-0,150\n"[..], "decimal comma"),
        ("two.csv", b"1,-2\n", "--channels"),
        ("wide.csv", &utf16, "UTF-16"),
        ("packed.csv", b"\x1f\x8b\x08\x00", "gunzip"),
        ("nul.csv", b"1\n2\n\0\0\0\n", "NUL"),
        ("empty.csv", b"", "empty"),
        ("blank.csv", b"\n\n# x\n", "empty"),
        ("header.csv", b"mlii\n", "empty"),
        ("middle.csv", b"1\n2\nmlii\n", "line 3: 'mlii'"),
        ("long.csv", &[b'1'; 10_000], "without a line end"),
    ] {
        let file = bench.file(name, content);
        bench.run(&[&file, "--fs", "360"]).refused(word);
    }
}

#[test]
fn raw_samples_read_in_the_wrong_way_are_told() {
    let bench = Bench::new();
    let units = units();
    let bytes =
        |write: fn(i32) -> Vec<u8>| -> Vec<u8> { units.iter().flat_map(|u| write(*u)).collect() };
    let little = bytes(|u| (u as i16).to_le_bytes().into());
    let swapped = bytes(|u| (u as i16).to_be_bytes().into());
    let wide = bytes(|u| u.to_le_bytes().into());
    let adc = [
        "--fs",
        "360",
        "--gain",
        "200",
        "--baseline",
        "1024",
        "--format",
    ];
    for (content, format, word) in [
        (&swapped, "i16", "big endian"),
        (&wide, "i16", "i32; set --format"),
        (&little, "f32", "i16; set --format"),
    ] {
        let file = bench.file("raw", content);
        let run = bench.run(&[&[file.as_str()], &adc[..], &[format]].concat());
        run.refused(word);
        let run = bench.received(content, &[&adc[..], &[format]].concat());
        assert!(run.errors.contains(word), "{}", run.errors);
    }
    let file = bench.file("raw", &little);
    let run = bench.run(&[&[file.as_str()], &adc[..], &["i16"]].concat());
    assert!(run.ok && run.beats().len() > 30, "{}", run.errors);
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn a_quiet_run_counts_as_a_loud_one() {
    let bench = Bench::new();
    let file = bench.file("s.csv", lines(&units(), "", "\n"));
    let loud = bench.run(&[&[file.as_str()], &ADC[..]].concat());
    let quiet = bench.run(&[&[file.as_str()], &ADC[..], &["-q"]].concat());
    assert!(quiet.ok && quiet.events.is_empty());
    let (loud, quiet) = (loud.errors.trim(), quiet.errors.trim());
    assert!(loud.contains("40.0 s of signal"), "{loud}");
    assert_eq!(loud, quiet);
    {
        let header = fault("embedded-quiet/base.hea");
        let record = header.with_extension("");
        let run = bench.run(&[record.to_str().unwrap(), "-q"]);
        assert!(
            run.errors.contains("180.0 s of signal, 223 beats"),
            "{}",
            run.errors
        );
    }
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn rows_outside_the_contracts_scale_are_refused() {
    let bench = Bench::new();
    let row = |cell: &str| format!("0,1,{cell}{},1\n", ",0.25".repeat(184));
    let run = |content: &str| {
        let file = bench.file("rows.csv", content);
        Run::of(bench.command("kaggle", &[&file]).output().unwrap())
    };
    assert!(run(&(row("0.5") + &row("0.25"))).ok);
    for cell in ["1.5", "-0.2", "255", "-1"] {
        let run = run(&(row("0.5") + &row(cell)));
        run.refused("line 2");
        run.refused(&format!("is {cell}; by the contract"));
    }
    run(&row("nan")).refused("not a finite number");
    // A flat row is left to a human, whatever the network says.
    let flat = format!("{}\n", vec!["0"; 187].join(","));
    let run = run(&(row("0.5").replace(",1\n", "\n") + &flat));
    assert!(run.ok, "{}", run.errors);
    assert_eq!(run.events[1]["rejected"], true);
    {
        let path = fault("kaggle-not-scaled/raw_mv.csv");
        let path = path.to_str().unwrap();
        let run = Run::of(bench.command("kaggle", &[path]).output().unwrap());
        run.refused("1500");
    }
}

#[test]
fn absurd_numbers_are_refused_by_name() {
    let bench = Bench::new();
    let file = bench.file("s.csv", "1\n2\n");
    for (flag, value) in [
        ("--fs", "1e300"),
        ("--fs", "-360"),
        ("--fs", "nan"),
        ("--gain", "0"),
        ("--gain", "nan"),
        ("--gain", "1e-300"),
        ("--gain", "inf"),
        ("--baseline", "1e300"),
        ("--baseline", "nan"),
        ("--channels", "99999999999"),
        ("--channels", "0"),
        ("--columns", "18446744073709551615"),
        ("--speed", "1e300"),
        ("--speed", "1e-300"),
        ("--silence", "nan"),
        ("--baud", "4294967295"),
        ("--baud", "0"),
        ("--pause", "1e300"),
        ("--tachycardia", "inf"),
        ("--run", "4294967295"),
        ("--geminy", "4294967295"),
    ] {
        let fs: &[&str] = if flag == "--fs" {
            &[]
        } else {
            &["--fs", "360"]
        };
        let run = bench.run(&[&[file.as_str(), &format!("{flag}={value}")], fs].concat());
        run.refused(flag);
    }
    bench
        .run(&["tcp://127.0.0.1:99999", "--fs", "360", "--format", "f32"])
        .refused("port");
}
