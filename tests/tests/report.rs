//! Recordings to pages: what the page says is what the JSON says, a reader can
//! correct it in a browser, and many recordings go on where they were.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use data::formats::wfdb::AnnotationFile;
use data::record::aami::{Class, Convention};
use data::simulate::synth::{self, Settings};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use tempfile::TempDir;

use crate::desk;
use crate::programs::program;

/// A folder in which reports are made.
struct Desk(TempDir);

impl Desk {
    fn new() -> Desk {
        Desk(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn program(&self, package: &str, arguments: &[&str]) -> assert_cmd::assert::Assert {
        let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../models");
        Command::new(program(package))
            .current_dir(self.0.path())
            .env("ECTOPY_MODELS", models)
            .args(arguments)
            .assert()
    }

    fn report(&self, arguments: &[&str]) -> assert_cmd::assert::Assert {
        self.program("infer", &[&["report"], arguments].concat())
    }

    /// Synthetic recordings `s0`, `s1`, ... of so many seconds in a folder.
    fn synthetic(&self, folder: &str, count: u64, seconds: f64) {
        for i in 0..count {
            let settings = Settings::new(250.0, 7 + i);
            let name = format!("s{i}");
            let (record, annotations) = synth::record(&name, &settings, seconds).unwrap();
            let recording = data::datasets::dataset::Annotated {
                record,
                annotations,
            };
            desk::write(&self.path(folder), &recording, "atr");
        }
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.path(name)).unwrap()).unwrap()
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }
}

/// The text of the element that shows a number.
fn shown<'a>(page: &'a str, key: &str) -> &'a str {
    let element = format!("<output data-n=\"{key}\">");
    let rest = page
        .split(&element)
        .nth(1)
        .unwrap_or_else(|| panic!("{key}"));
    rest.split('<').next().unwrap()
}

#[test]
fn the_page_says_what_the_json_says_and_needs_no_network() {
    let desk = Desk::new();
    desk.synthetic("in", 1, 200.0);
    desk.report(&["in/s0", "--json"])
        .success()
        .stdout(contains("report.html").and(contains("Not a medical device")));
    let (page, json) = (desk.text("report.html"), desk.json("report.json"));
    let numbers = &json["numbers"];
    for (key, value) in [
        ("v.beats", &numbers["ventricular"]["beats"]),
        ("v.couplets", &numbers["ventricular"]["couplets"]),
        ("s.beats", &numbers["supraventricular"]["beats"]),
        ("class.N", &numbers["beats"]["n"]["count"]),
        ("pauses", &numbers["pauses"]["count"]),
        ("rejected", &numbers["beats"]["rejected"]["count"]),
    ] {
        assert_eq!(shown(&page, key), value.to_string(), "{key}");
    }
    let mean = numbers["heart_rate"]["mean"].as_f64().unwrap();
    assert_eq!(shown(&page, "rate.mean"), format!("{mean:.0}"));
    assert!(numbers["beats"]["total"].as_u64().unwrap() > 150);
    assert_eq!(json["subject"]["labels"]["model"]["name"], "resnet.onnx");
    assert!(page.contains("Not a medical device"));
    // Nothing is fetched: no address but the name space of pictures, and a policy.
    assert!(page.contains("default-src 'none'"));
    assert!(!page.contains("http://") && !page.contains("https://"));
    assert!(page.contains("QRS ") && page.contains("class=\"for\""));
    // The strips of the page are the findings of the JSON.
    let findings = json["findings"].as_array().unwrap();
    assert!(!findings.is_empty());
    for finding in findings {
        let id = format!("<figure id=\"{}\">", finding["id"].as_str().unwrap());
        assert!(page.contains(&id), "{id}");
    }
}

#[test]
fn many_recordings_go_on_where_they_were_and_past_a_bad_one() {
    let desk = Desk::new();
    desk.synthetic("in", 3, 40.0);
    let signal = desk.path("in/s1.dat");
    let whole = std::fs::read(&signal).unwrap();
    std::fs::write(&signal, &whole[..whole.len() / 2]).unwrap();
    desk.report(&["in", "-o", "out"])
        .code(1)
        .stdout(contains("2 pages made, 0 were there already, 1 failed"))
        .stderr(contains("1 of 3 recordings").and(contains("s1.dat")));
    let made = |name: &str| {
        std::fs::metadata(desk.path(name))
            .unwrap()
            .modified()
            .unwrap()
    };
    let before = made("out/s0.html");
    std::fs::write(&signal, &whole).unwrap();
    desk.report(&["in", "-o", "out"])
        .success()
        .stdout(contains("1 pages made, 2 were there already, 0 failed"));
    assert_eq!(made("out/s0.html"), before);
    for words in ["one.html (", "one.html is there already"] {
        desk.report(&["in/s0", "-o", "one.html"])
            .success()
            .stdout(contains(words));
    }
    // With another option it is another page.
    desk.report(&["in", "-o", "out", "--pause", "1.5", "--shard", "1/3"])
        .success();
    assert_ne!(made("out/s0.html"), before);
    // A page of somebody else's is not replaced.
    std::fs::write(desk.path("out/s2.html"), "<!DOCTYPE html>mine").unwrap();
    desk.report(&["in", "-o", "out"])
        .code(1)
        .stderr(contains("s2.html").and(contains("--force")));
    let mut left: Vec<_> = std::fs::read_dir(desk.path("out")).unwrap().collect();
    assert_eq!(left.len(), 3, "{left:?}");
    left.clear();
}

/// The MIT-BIH database has a `subtyp` of 1 and 2 at beats, and means another thing.
#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn labels_of_a_database_count_as_data_holter_counts_them() {
    let desk = Desk::new();
    let record = Path::new(env!("ECTOPY_RECORDINGS")).join("mitdb/200");
    let labels = record.with_extension("atr");
    let [record, labels] = [&record, &labels].map(|path| path.to_str().unwrap());
    desk.report(&[record, "--annotations", labels, "--json"])
        .success();
    let holter = desk.program("data", &["holter", record, "--json"]);
    let expected: Value = serde_json::from_slice(&holter.success().get_output().stdout).unwrap();
    let found = &desk.json("report.json")["numbers"];
    assert_eq!(found["beats"]["v"]["count"], 826);
    for part in ["beats", "heart_rate", "ventricular", "hrv", "pauses"] {
        assert_eq!(found[part], expected[part], "{part}");
    }
}

/// The script shares nothing with the programs: it counts again by the words that
/// document the numbers.
#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn numbers_of_the_json_are_those_that_a_script_counts_on_its_own() {
    let desk = Desk::new();
    let folder = Path::new(env!("ECTOPY_RECORDINGS")).join("mitdb");
    for name in ["200", "203", "207", "219", "232"] {
        let record = folder.join(name);
        let labels = record.with_extension("atr");
        let [record, labels] = [&record, &labels].map(|path| path.to_str().unwrap());
        desk.report(&[record, "--annotations", labels, "--json", "--force"])
            .success();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/tests/holter/count.py");
        let counted = Command::new(crate::onnx_checker::python())
            .args([script, record])
            .assert()
            .success();
        let theirs: Value = serde_json::from_slice(&counted.get_output().stdout).unwrap();
        let ours = &desk.json("report.json")["numbers"];
        for class in ["N", "S", "V", "F", "Q"] {
            let count = &ours["beats"][class.to_lowercase()]["count"];
            assert_eq!(count, &theirs["beats"][class], "{name}, {class}");
        }
        for (class, ectopy) in [("V", "ventricular"), ("S", "supraventricular")] {
            let (ours, theirs) = (&ours[ectopy], &theirs[class]);
            for what in ["singles", "couplets", "triplets"] {
                assert_eq!(ours[what], theirs[what], "{name}, {class} {what}");
            }
            let runs = &ours["runs"];
            assert_eq!(runs["count"], theirs["runs"], "{name}, {class} runs");
            assert_eq!(runs["beats"], theirs["run_beats"], "{name}, {class} runs");
        }
        let fibrillation = &ours["ventricular_fibrillation"]["count"];
        assert_eq!(fibrillation, &theirs["vf_episodes"], "{name}");
        assert_eq!(ours["pauses"]["count"], theirs["pauses"], "{name}");
        let rate = &ours["heart_rate"];
        assert_eq!(rate["intervals"], theirs["intervals"], "{name}");
        let off = rate["mean"].as_f64().unwrap() - theirs["mean_rate"].as_f64().unwrap();
        assert!(off.abs() < 1e-6, "{name}: {off}");
    }
}

#[test]
fn what_cannot_be_reported_is_refused_with_the_remedy() {
    let desk = Desk::new();
    desk.synthetic("in", 2, 20.0);
    std::fs::write(desk.path("beats.csv"), "0.1,0.2,0\n").unwrap();
    std::fs::write(desk.path("empty.txt"), "\n").unwrap();
    for (arguments, words) in [
        (&["absent"][..], "absent"),
        (&["beats.csv"], "a report is of a recording"),
        (&["in", "-o", "x.html"], "name a folder"),
        (&["in", "--annotations", "in/s0.atr"], "of one recording"),
        (&["in/s0", "--annotations", "in/s0.dat"], "s0.dat"),
        (&["in/s0", "--lead", "V9"], "V9"),
        (&["in/s0", "--reference", "xyz"], "xyz"),
        (&["--list", "empty.txt"], "names no recording"),
        (&["in/s0", "--shard", "3/2"], "1/4 to 4/4"),
    ] {
        desk.report(arguments)
            .failure()
            .stderr(contains(words).and(contains("panicked").not()));
        assert!(!desk.path("report.html").exists(), "{arguments:?}");
    }
}

/// Opens a page in the browser, with a script at its end; gives what that wrote.
#[cfg(browser)]
fn probed(desk: &Desk, page: &str, size: &str) -> Value {
    let script = concat!(
        "<script>",
        include_str!("report/probe.js"),
        "</script></body>"
    );
    let probe = desk.path("probe.html");
    std::fs::write(&probe, desk.text(page).replace("</body>", script)).unwrap();
    let size = format!("--window-size={size}");
    let (dom, log) = browse(desk, &["--dump-dom", &size], &probe);
    assert!(!log.contains("CONSOLE"), "{page}: {log}");
    let found = dom.split("<pre id=\"probe\">").nth(1);
    let found = found.unwrap_or_else(|| panic!("{page}: {log}"));
    let text = found.split("</pre>").next().unwrap();
    serde_json::from_str(
        &text
            .replace("&amp;", "&")
            .replace("&lt;", "<")
            .replace("&gt;", ">"),
    )
    .unwrap()
}

/// What the browser prints of a page, and its log.
#[cfg(browser)]
fn browse(desk: &Desk, arguments: &[&str], page: &Path) -> (String, String) {
    let profile = format!("--user-data-dir={}", desk.path("profile").display());
    let out = std::process::Command::new(env!("ECTOPY_BROWSER"))
        .args(["--headless", "--no-sandbox", "--disable-gpu"])
        .args(["--enable-logging=stderr", "--virtual-time-budget=60000"])
        .arg(profile)
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(out.stdout), text(out.stderr))
}

/// Standard base64, for files out of the browser.
#[cfg(browser)]
fn decoded(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}

/// The page of a recording as a reader uses it.
#[cfg(browser)]
fn is_used(desk: &Desk, recording: &str, name: &str) {
    desk.report(&[recording, "--json"]).success();
    for size in ["1200,900", "390,844"] {
        let found = probed(desk, "report.html", size);
        // The script counts as the numbers do, before anything is corrected.
        assert_eq!(found["shown"], found["computed"], "{name}");
        assert_eq!(found["opened"], serde_json::json!([true, true]), "{name}");
        assert_eq!(found["offered"], true);
        assert_eq!(found["undone"], true);
        assert!(found["inked"].as_u64().unwrap() > 1000, "{name}");
        assert!(
            found["wide"].as_i64().unwrap() <= 0,
            "{name} at {size}: {}",
            found["wide"]
        );
        // What is saved untouched holds the page's beats; what is corrected, the
        // corrections, and both are what data and infer read.
        let beats = |key: &str| {
            let path = desk.path("saved.cor");
            std::fs::write(&path, decoded(found[key].as_str().unwrap())).unwrap();
            let file = AnnotationFile::read(&path).unwrap();
            let class = |s| Class::from_symbol(s, Convention::Literature);
            let all = file.annotations.into_iter();
            all.filter_map(|a| Some((a.sample as u64, class(a.symbol)?)))
                .collect::<Vec<_>>()
        };
        let (untouched, corrected) = (beats("untouched"), beats("corrected"));
        assert_eq!(untouched.len() as u64, found["beats"].as_u64().unwrap());
        let [first, second] = [0, 1].map(|i| found["edited"][i].as_u64().unwrap());
        let mut expected = untouched.clone();
        expected.retain(|(sample, _)| *sample != second);
        let place = expected
            .iter()
            .position(|(sample, _)| *sample == first)
            .unwrap();
        expected[place].1 = Class::V;
        assert_eq!(corrected, expected, "{name}");
        // `saved.cor` holds the corrections: the numbers made of it are the page's.
        desk.report(&[recording, "--annotations", "saved.cor", "-o", "again.html"])
            .success();
        let again = desk.text("again.html");
        for (key, value) in found["changed"].as_object().unwrap() {
            assert_eq!(shown(&again, key), value.as_str().unwrap(), "{name}: {key}");
        }
    }
    let pdf = format!("--print-to-pdf={}", desk.path("report.pdf").display());
    browse(desk, &[&pdf], &desk.path("report.html"));
    assert!(
        std::fs::read(desk.path("report.pdf"))
            .unwrap()
            .starts_with(b"%PDF")
    );
}

#[test]
#[cfg_attr(not(browser), ignore = "no browser")]
fn a_reader_corrects_a_page_in_a_browser() {
    #[cfg(browser)]
    {
        let desk = Desk::new();
        desk.synthetic("in", 1, 400.0);
        is_used(&desk, "in/s0", "synthetic");
        // Corrections are scored like any annotations.
        std::fs::copy(desk.path("saved.cor"), desk.path("in/s0.cor")).unwrap();
        desk.program("data", &["score", "in", "--test", "cor", "--start", "0"])
            .success();
    }
}

#[test]
#[cfg_attr(not(browser), ignore = "no browser")]
fn the_page_of_a_day_with_two_leads_is_small_and_works_in_a_browser() {
    #[cfg(browser)]
    {
        let desk = Desk::new();
        let settings = Settings::new(250.0, 7);
        let (mut record, annotations) = synth::record("day", &settings, 86_400.0).unwrap();
        record.signals.truncate(2);
        assert_eq!(record.signals.len(), 2);
        let day = data::datasets::dataset::Annotated {
            record,
            annotations,
        };
        desk::write(&desk.path("in"), &day, "atr");
        drop(day);
        is_used(&desk, "in/day", "day");
        let size = desk.text("report.html").len();
        assert!(size < 5_000_000, "{size}");
        let beats = &desk.json("report.json")["numbers"]["beats"]["total"];
        assert!(beats.as_u64().unwrap() > 80_000, "{beats}");
    }
}

#[test]
#[cfg_attr(not(all(browser, recordings)), ignore = "no browser, or no recordings")]
fn pages_of_real_recordings_work_in_a_browser() {
    #[cfg(all(browser, recordings))]
    for name in ["200", "203", "207", "219", "232"] {
        let recording = Path::new(env!("ECTOPY_RECORDINGS"))
            .join("mitdb")
            .join(name);
        is_used(&Desk::new(), recording.to_str().unwrap(), name);
    }
}
