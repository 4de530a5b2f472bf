//! A small synthetic record with what the pipeline makes of it and what the
//! scorer says: they keep both honest where no real recordings are at hand.
//!
//! `golden.*` are `data synth --patients 2 --minutes 1 --seed 3 --fs 128`,
//! second record. `beats.csv` and `score.txt` were written by this test when
//! `ECTOPY_WRITE_GOLDEN` was set; look at their difference before committing it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use data::Class;
use data::formats;
use data::formats::wfdb::AnnotationFile;
use data::pipeline::beat_feature::BeatFeature;
use data::pipeline::input::InputSpec;
use data::pipeline::prepare;
use data::record::Record;
use data::record::aami::Convention;
use data::record::annotation::{Annotation, Symbol};
use data::scoring::ec57::{self, Options, Pair};

/// Arithmetic differs by so much between processors, and no more.
const TOLERANCE: f64 = 2e-3;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn record() -> (Record, Vec<Annotation>) {
    let path = file("golden");
    let record = formats::open(&path).unwrap().read().unwrap();
    let annotations = AnnotationFile::read(&formats::annotation_path(&path, "atr")).unwrap();
    let annotations = annotations.at_rate(record.fs);
    (record, annotations)
}

/// Compares a table line by line, numbers within the tolerance.
fn same(name: &str, text: &str) {
    if std::env::var_os("ECTOPY_WRITE_GOLDEN").is_some() {
        std::fs::write(file(name), text).unwrap();
    }
    let golden = std::fs::read_to_string(file(name)).unwrap();
    assert_eq!(
        text.lines().count(),
        golden.lines().count(),
        "lines of {name}"
    );
    for (at, (ours, golden)) in text.lines().zip(golden.lines()).enumerate() {
        let split = |line: &str| -> Vec<String> {
            line.split([',', ' '])
                .filter(|f| !f.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let (ours, golden) = (split(ours), split(golden));
        let equal = |(a, b): (&String, &String)| match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(a), Ok(b)) => (a - b).abs() <= TOLERANCE,
            _ => a == b,
        };
        assert!(
            ours.len() == golden.len() && ours.iter().zip(&golden).all(equal),
            "{name}, line {}: {ours:?}, golden {golden:?}",
            at + 1
        );
    }
}

#[test]
fn detected_beats_windows_and_features_stay() {
    let (record, _) = record();
    let spec = InputSpec::window();
    let beats = prepare::detected(&record, &spec).unwrap();
    let names = BeatFeature::ALL.map(BeatFeature::name).join(",");
    let mut text = format!("sample,least,greatest,mean square,{names}\n");
    for beat in 0..beats.len() {
        let window = beats.window(beat);
        let least = window.iter().copied().fold(f32::MAX, f32::min);
        let greatest = window.iter().copied().fold(f32::MIN, f32::max);
        let square = window.iter().map(|x| x * x).sum::<f32>() / window.len() as f32;
        write!(
            text,
            "{},{least:.3},{greatest:.3},{square:.3}",
            beats.samples[beat]
        )
        .unwrap();
        for value in beats.rhythm_row(beat) {
            write!(text, ",{value:.3}").unwrap();
        }
        text.push('\n');
    }
    same("beats.csv", &text);
}

#[test]
fn the_score_stays() {
    let (record, reference) = record();
    // A test annotator that errs: every 7th beat is missed, every 9th called V,
    // every 11th told half an interval late as well.
    let mut test = Vec::new();
    let beats = reference
        .iter()
        .filter(|a| Class::from_symbol(a.symbol, Convention::Literature).is_some());
    for (at, beat) in beats.enumerate() {
        if at % 7 == 6 {
            continue;
        }
        let symbol = if at % 9 == 8 { Symbol::V } else { beat.symbol };
        test.push(Annotation::new(beat.sample, symbol));
        if at % 11 == 10 {
            test.push(Annotation::new(beat.sample + 40, Symbol::N));
        }
    }
    let options = Options {
        start: 0.0,
        ..Options::default()
    };
    let pair = Pair {
        reference: &reference,
        test: &test,
        fs: record.fs,
        length: Some(record.len() as i64),
    };
    let comparison = ec57::compare(&pair, &options);
    let compared = vec![("golden".to_owned(), comparison)];
    let (_, comparison) = &compared[0];
    let text = format!(
        "{}\n{}\n{}{}",
        ec57::HEADING,
        ec57::line("golden", comparison),
        ec57::matrix_report("golden", "atr", "tst", comparison),
        ec57::summary_report(&compared)
    );
    same("score.txt", &text);
}
