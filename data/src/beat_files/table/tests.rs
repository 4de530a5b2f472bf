use std::io::Write as _;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::pipeline::input::Normalisation;

/// What a file holds by these columns, and its beats, of the classes `ptbdb`.
pub(super) fn two_classes(path: &Path, columns: &str) -> Result<(Shape, Beats)> {
    let reading = Reading {
        columns: columns.parse()?,
        normalise: false,
    };
    let shape = shape(path, &reading.columns)?;
    let input = InputSpec::table(100.0, shape.length);
    let beats = read(path, &input, &reading, &"ptbdb".parse()?)?;
    Ok((shape, beats))
}

fn two() -> Classes {
    "ptbdb".parse().unwrap()
}

fn reading(columns: &str) -> Reading {
    Reading {
        columns: columns.parse().unwrap(),
        normalise: false,
    }
}

fn packed(text: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(text).unwrap();
    packer.finish().unwrap()
}

struct Desk(TempDir);

impl Desk {
    fn new() -> Desk {
        Desk(tempfile::tempdir().unwrap())
    }

    fn file(&self, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join("beats.table");
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// A table of as many samples as it has, at 100 Hz.
    fn read(&self, bytes: impl AsRef<[u8]>, columns: &str) -> Result<Beats> {
        let path = self.file(bytes);
        let shape = shape(&path, &columns.parse()?)?;
        let input = InputSpec::table(100.0, shape.length);
        read(&path, &input, &reading(columns), &two())
    }
}

/// How a table of a test is written.
#[derive(Clone, Debug)]
struct Style {
    separator: char,
    header: bool,
    label_first: bool,
    patients: bool,
    identity: bool,
    named: bool,
    commas: bool,
    packed: bool,
    ends: &'static str,
}

fn style() -> impl Strategy<Value = Style> {
    let separators = prop::sample::select(vec![',', ';', '\t', '|']);
    let flags = prop::array::uniform7(any::<bool>());
    let ends = prop::sample::select(vec!["\n", "\r\n"]);
    (separators, flags, ends).prop_map(|(separator, flags, ends)| {
        let [
            header,
            label_first,
            patients,
            identity,
            named,
            commas,
            packed,
        ] = flags;
        Style {
            separator,
            header,
            label_first,
            patients,
            identity,
            named: named && header,
            commas: commas && separator != ',',
            packed,
            ends,
        }
    })
}

impl Style {
    /// The columns of a row or of the header, and the place of each part.
    fn row(&self, samples: Vec<String>, label: &str, patient: &str, identity: &str) -> Vec<String> {
        let mut row = samples;
        if self.label_first {
            row.insert(0, label.into());
        } else {
            row.push(label.into());
        }
        if self.patients {
            row.push(patient.into());
        }
        if self.identity {
            row.insert(0, identity.into());
        }
        row
    }

    fn columns(&self, samples: usize) -> String {
        let names = self.row(vec![String::new(); samples], "rhythm", "who", "nr");
        let mut parts = Vec::new();
        for (key, name) in [("label", "rhythm"), ("patient", "who"), ("drop", "nr")] {
            let Some(at) = names.iter().position(|n| n == name) else {
                continue;
            };
            parts.push(match self.named {
                true => format!("{key}={name}"),
                false => format!("{key}={}", at + 1),
            });
        }
        parts.join(",")
    }

    fn text(&self, beats: &Beats) -> Vec<u8> {
        let length = beats.input.length();
        let mut lines = Vec::new();
        if self.header {
            let names = (0..length).map(|i| format!("t{i}")).collect();
            lines.push(self.row(names, "rhythm", "who", "nr"));
        }
        for row in 0..beats.len() {
            let cell = |v: &f32| match self.commas {
                true => v.to_string().replace('.', ","),
                false => v.to_string(),
            };
            let samples = beats.window(row).iter().map(cell).collect();
            let label = beats.classes.name(beats.labels[row]);
            let patient = match beats.records.get(row) {
                Some(&record) => beats.record_names[record as usize].as_str(),
                None => "",
            };
            lines.push(self.row(samples, label, patient, &format!("beat {row}")));
        }
        let separator = self.separator.to_string();
        let lines = lines.iter().map(|cells| cells.join(&separator) + self.ends);
        let text = lines.collect::<String>().into_bytes();
        if self.packed { packed(&text) } else { text }
    }
}

/// Beats of a table whose rows all reach from 0 to 1.
fn beats(length: usize, rows: usize, values: &[f32], labels: &[bool], patients: bool) -> Beats {
    let mut beats = Beats::new(InputSpec::table(100.0, length), &two());
    for row in 0..rows {
        beats.windows.extend(&values[row * length..][..length]);
        beats.windows[row * length] = 0.0;
        beats.windows[row * length + 1] = 1.0;
        beats.labels.push(labels[row].into());
        if patients {
            let name = format!("p{}", row % 3);
            let known = beats.record_names.iter().position(|n| *n == name);
            let record = known.unwrap_or_else(|| {
                beats.record_names.push(name);
                beats.record_names.len() - 1
            });
            beats.records.push(record as u32);
            beats.samples.push(row as u64);
        }
    }
    beats
}

proptest! {
    #[test]
    fn a_table_in_any_style_is_the_same_beats(
        style in style(),
        length in 4_usize..12,
        rows in 1_usize..9,
        values in prop::collection::vec(0.0..=1.0_f32, 12 * 9),
        labels in prop::collection::vec(any::<bool>(), 9),
        at_once in 1_usize..5,
    ) {
        let expected = beats(length, rows, &values, &labels, style.patients);
        let desk = Desk::new();
        let columns = style.columns(length);
        let text = style.text(&expected);
        prop_assert_eq!(&desk.read(&text, &columns).unwrap(), &expected, "{}", columns);
        // The same where the contract tells the length, in chunks.
        let path = desk.file(&text);
        let chunks = open(&path, &expected.input, &reading(&columns), at_once, &two()).unwrap();
        let (mut row, mut windows) = (0, Vec::new());
        for chunk in chunks {
            let chunk = chunk.unwrap();
            prop_assert!(chunk.len() <= at_once);
            for i in 0..chunk.records.len() {
                let name = |beats: &Beats, row: usize| {
                    beats.record_names[beats.records[row] as usize].clone()
                };
                prop_assert_eq!(name(&chunk, i), name(&expected, row + i));
                prop_assert_eq!(chunk.samples[i], (row + i) as u64);
            }
            row += chunk.len();
            windows.extend(chunk.windows);
        }
        prop_assert_eq!(windows, expected.windows);
    }

    #[test]
    fn what_is_written_reads_back(
        length in 2_usize..12,
        rows in 1_usize..9,
        values in prop::collection::vec(0.0..=1.0_f32, 12 * 9),
        labels in prop::collection::vec(any::<bool>(), 9),
        patients: bool,
    ) {
        let expected = beats(length, rows, &values, &labels, patients);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("beats.csv");
        write(&path, &expected).unwrap();
        let found = shape(&path, &Columns::default()).unwrap();
        prop_assert_eq!(found.length, length);
        let back = read(&path, &expected.input, &Reading::default(), &two()).unwrap();
        prop_assert_eq!(back, expected);
    }
}

/// Every table of these is refused with these words.
fn refused(cases: &[(String, &str, &[&str])]) {
    let desk = Desk::new();
    for (text, columns, words) in cases {
        let refusal = desk.read(text, columns).unwrap_err().to_string();
        for word in *words {
            assert!(refusal.contains(word), "{text:?} {columns}: {refusal}");
        }
        assert!(refusal.contains("beats.table"), "{refusal}");
    }
}

#[test]
fn rows_of_rubbish_are_refused_with_line_finding_and_remedy() {
    let head = "s0,s1,s2,label\n";
    refused(&[
        (
            format!("{head}0,1,0.5,normal\n0,1,normal\n"),
            "",
            &["line 3", "column 3", "\"normal\"", "3 columns; expected 4"],
        ),
        (
            format!("{head}0,1,0.5,normal\n0,1,0.5\n"),
            "",
            &["3 columns; expected 4 as in line 1", "take it out"],
        ),
        (
            format!("{head}0,1,0.5,normal\n0,1,0.5,normal,7\n"),
            "",
            &["line 3", "5 columns; expected 4", "in quotes"],
        ),
        (
            format!("{head}0,one,0.5,normal\n"),
            "",
            &["line 2", "column 2", "\"one\"", "drop="],
        ),
        (
            format!("{head}0,,0.5,normal\n"),
            "",
            &["line 2", "column 2", "\"\""],
        ),
        (
            format!("{head}0,1,0.5,weird\n"),
            "",
            &[
                "line 2",
                "column 4 is \"weird\"",
                "0 to 1 for normal abnormal",
                "--classes",
                "the labels \"weird\" 1)",
            ],
        ),
        (
            format!("{head}0,1,0.5,2\n"),
            "",
            &["column 4 is 2", "0 to 1 for normal abnormal"],
        ),
        (
            format!("{head}0,1,0.5,normal\n"),
            "label=rhythm",
            &["line 1", "no column 'rhythm'", "'label'"],
        ),
    ]);
}

#[test]
fn tables_of_rubbish_are_refused_with_line_finding_and_remedy() {
    let head = "s0,s1,s2,label\n";
    refused(&[
        (
            format!("{head}0,1,0.5,normal\n"),
            "label=7",
            &["columns 1 to 4"],
        ),
        (
            format!("{head}0,3,0.5,normal\n"),
            "",
            &["line 2", "column 2", "is 3", "--normalise", "--as-is"],
        ),
        (
            "who,s0,s1,label\n,0,1,normal\n".into(),
            "patient=who",
            &["line 2", "column 1", "patient"],
        ),
        ("0,0.5,1,0\n".into(), "", &["line 1", "--table label=last"]),
        (
            "0,0.5,1,0\n".into(),
            "label=last,header=yes,patient=none",
            &["only a header"],
        ),
        (head.into(), "", &["only a header"]),
        (String::new(), "", &["empty"]),
        (
            format!("{head}0,1,0.5,normal\n\n0,1,0.5,normal\n"),
            "",
            &["line 3", "blank"],
        ),
        (
            format!("{head}0,1,0.5,normal\n{head}"),
            "",
            &["line 3", "a header line among the beats"],
        ),
        (
            format!("{head}0,1,0.5,normal\n"),
            "samples=ecg",
            &["samples="],
        ),
    ]);
}

#[test]
fn files_cut_short_are_refused() {
    let desk = Desk::new();
    let text = "s0,s1,label\n".to_owned() + &"0,1,normal\n0,0.123,abnormal\n".repeat(4000);
    let whole = packed(text.as_bytes());
    assert_eq!(desk.read(&whole, "").unwrap().len(), 8000);
    let refusal = desk.read(&whole[..whole.len() / 2], "").unwrap_err();
    assert!(refusal.to_string().contains("cut short"), "{refusal}");
    let refusal = desk.read(b"PAR1 and nothing of it", "").unwrap_err();
    assert!(refusal.to_string().contains("as Parquet"), "{refusal}");
    let refusal = desk.read(b"\x89HDF\r\n\x1a\nrest", "").unwrap_err();
    assert!(refusal.to_string().contains("HDF5"), "{refusal}");
}

#[test]
fn another_length_than_the_contracts_is_refused_with_both() {
    let desk = Desk::new();
    for text in ["s0,s1,s2,label\n0,1,0.5,0\n", "0,1,0.5,0\n"] {
        let path = desk.file(text);
        let input = InputSpec::table(100.0, 7);
        let refusal = read(&path, &input, &reading("label=last"), &two()).unwrap_err();
        let words = "4 columns, 3 of them samples; expected 7 samples";
        assert!(refusal.to_string().contains(words), "{refusal}");
    }
    let refusal = open(
        &desk.file("0,1\n"),
        &InputSpec::window(),
        &Reading::default(),
        1,
        &two(),
    );
    assert!(refusal.is_err_and(|e| e.to_string().contains("windows")));
}

#[test]
fn values_are_scaled_where_that_is_asked_and_kept_where_the_contract_says() {
    let desk = Desk::new();
    let path = desk.file("-1,1,3,0\n5,5,5,1\n");
    let mut input = InputSpec::table(100.0, 3);
    let mut asked = Reading::default();
    assert!(read(&path, &input, &asked, &two()).is_err());
    asked.normalise = true;
    let scaled = read(&path, &input, &asked, &two()).unwrap();
    assert_eq!(scaled.windows, [0.0, 0.5, 1.0, 0.0, 0.0, 0.0]);
    assert!(!scaled.is_flat(0) && scaled.is_flat(1));
    input.normalisation = Normalisation::AsIs;
    let refusal = read(&path, &input, &asked, &two()).unwrap_err().to_string();
    assert!(refusal.contains("leave out --normalise"), "{refusal}");
    asked.normalise = false;
    let kept = read(&path, &input, &asked, &two()).unwrap();
    assert_eq!(kept.windows, [-1.0, 1.0, 3.0, 5.0, 5.0, 5.0]);
    assert!(!kept.is_flat(0) && kept.is_flat(1));
}

#[test]
fn what_is_read_is_said() {
    let desk = Desk::new();
    let path = desk.file("patient,s0,s1,s2,class\na,0,1,0.5,0\n");
    let found = shape(&path, &Columns::default()).unwrap();
    assert_eq!(
        found.words,
        "3 samples (columns 's0' to 's2'), class in column 'class', patient in column 'patient'"
    );
}

#[test]
fn rows_are_not_scaled_for_a_contract_that_takes_them_as_they_are() {
    let desk = Desk::new();
    let path = desk.file("s0,s1,label\n0,7,normal\n");
    let as_is = InputSpec {
        normalisation: Normalisation::AsIs,
        ..InputSpec::table(100.0, 2)
    };
    let both = Reading {
        normalise: true,
        ..Reading::default()
    };
    let refusal = read(&path, &as_is, &both, &two()).unwrap_err().to_string();
    assert!(refusal.contains("leave out --normalise"), "{refusal}");
}
