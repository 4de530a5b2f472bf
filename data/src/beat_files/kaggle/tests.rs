use proptest::prelude::*;

use super::*;
use crate::record::classes::Classes;

fn reader(text: impl Into<Vec<u8>>, rows: usize) -> Reader {
    let input = Box::new(std::io::Cursor::new(text.into()));
    Reader::new(input, Path::new("beats.csv"), rows, &Classes::aami5())
}

fn message(text: impl Into<Vec<u8>>) -> String {
    let error = reader(text, 4).find_map(Result::err);
    error.expect("the text should be refused").to_string()
}

/// A row of zeros with `cell` in column 4 and these cells at its end.
fn row(cell: &str, end: &str) -> String {
    let zeros = vec!["0.0"; 183].join(",");
    format!("0,0.5,1,{cell},{zeros}{end}\n")
}

fn header(columns: usize) -> String {
    let names: Vec<String> = (0..columns).map(|i| i.to_string()).collect();
    names.join(",") + "\n"
}

fn read_all(text: impl Into<Vec<u8>>) -> Beats {
    let mut all = Beats::new(InputSpec::kaggle(), &Classes::aami5());
    for chunk in reader(text, 3) {
        all.append(&chunk.unwrap()).unwrap();
    }
    all
}

#[test]
fn samples_and_class_are_told_apart() {
    let beats = reader(row("2e-1", ",3.0") + &row("1", ",0"), 9)
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(beats.labels, [3, 0]);
    assert_eq!(beats.window(0)[..5], [0.0, 0.5, 1.0, 0.2, 0.0]);
    let beats = reader(row("2e-1", ""), 9).next().unwrap().unwrap();
    assert_eq!((beats.len(), beats.labels.len()), (1, 0));
}

#[test]
fn line_ends_of_every_kind_are_read() {
    let text = row("1", ",4");
    let crlf = text.replace('\n', "\r\n");
    let open = text.trim_end().to_owned();
    for text in [text, crlf, open] {
        let beats = reader(text, 9).next().unwrap().unwrap();
        assert_eq!(beats.labels, [4]);
    }
}

#[test]
fn a_bad_row_is_named_by_its_line() {
    let good = row("1", ",1");
    for (bad, detail) in [
        (
            row("1", ""),
            "line 2: 187 columns; expected 188 as in line 1",
        ),
        (row("1", ",1,1"), "line 2: 189 columns; expected 188"),
        (row("1", ",1,1,1,1"), "line 2: 191 columns; expected 188"),
        (
            row("x", ",1"),
            "line 2: column 4 is \"x\", not a finite number",
        ),
        (row("", ",1"), "line 2: column 4 is \"\""),
        (row("nan", ",1"), "line 2: column 4 is \"nan\""),
        (row("-inf", ",1"), "line 2: column 4 is \"-inf\""),
        (row("1e60", ",1"), "line 2: column 4 is \"1e60\""),
        (
            row("1", ",5"),
            "line 2: the class in column 188 is 5; expected 0 to 4",
        ),
        (row("1", ",-1"), "line 2: the class in column 188 is -1"),
        (row("1", ",1.5"), "line 2: the class in column 188 is 1.5"),
        ("\n".into(), "line 2: the line is blank"),
        (
            row("1.01", ",1"),
            "line 2: column 4 of row 1 (counted from 0) is 1.01; by the contract",
        ),
        (
            row("-0.5", ",1"),
            "line 2: column 4 of row 1 (counted from 0) is -0.5",
        ),
        (header(188), "line 2: a header line among the beats"),
        (row("1", ",1").replace(",1\n", ",0.25\n"), "another column"),
        (
            row("1", ",1").replacen("0,", "3,", 1),
            "if it is the class, move it",
        ),
        (
            "0".repeat(1 << 17),
            "line 2: the line is longer than 65536 bytes",
        ),
    ] {
        let text = message(good.clone() + &bad + &good);
        assert!(text.contains(detail), "{text}\n{detail}");
        assert!(text.starts_with("beats.csv"), "{text}");
    }
}

#[test]
fn what_is_no_kaggle_file_is_refused() {
    assert!(message("").contains("empty"));
    assert!(message("\n\n").contains("empty"));
    assert!(message(header(188)).contains("only a header"));
    assert!(message("a,b,c\n1,2,3\n").contains("3 columns; expected 187"));
    assert!(message("1,2,3\n").contains("3 columns; expected 187"));
    assert!(message([0xff, 0xfe, 0, 1]).contains("UTF-16"));
    assert!(message(b"\x1f\x8b\x08").contains("gunzip"));
    let rows = row("0.5", ",1").repeat(2);
    assert!(message(rows.replace('\n', "\r")).contains("carriage returns"));
    // Decimal commas between commas have two meanings.
    let doubled = vec!["0,5"; 187].join(",") + "\n";
    assert!(message(doubled).contains("decimal commas"));
}

#[test]
fn what_other_programs_write_is_the_same_beats() {
    let text = row("2.5e-1", ",3") + &row("1", ",0") + &row("0.75", ",4");
    let expected = read_all(text.clone());
    assert_eq!(expected.labels, [3, 0, 4]);
    let semicolons = text.replace(',', ";");
    let quoted: String = text
        .lines()
        .map(|l| format!("\"{}\"\n", l.replace(',', "\",\"")))
        .collect();
    let names = vec!["s"; 187].join(",") + ",label\n";
    for (what, text) in [
        ("mark", format!("\u{feff}{text}")),
        ("semicolons", semicolons.clone()),
        ("decimal commas", semicolons.replace('.', ",")),
        ("tabs", text.replace(',', "\t")),
        ("tabs and commas", text.replace(',', "\t").replace('.', ",")),
        ("spaces", text.replace(',', " ")),
        ("columns of spaces", text.replace(',', "   ")),
        ("comma and space", text.replace(',', ", ")),
        ("quotes", quoted.clone()),
        ("quotes and commas", quoted.replace('.', ",")),
        ("trailing comma", text.replace('\n', ",\n")),
        ("trailing semicolon", semicolons.replace('\n', ";\n")),
        ("blank end", format!("{text}\n \r\n\n")),
        ("numbers as header", header(188) + &text),
        ("names as header", names.clone() + &text),
        ("marked header", format!("\u{feff}{names}{text}")),
        ("remark", format!("# {names}{text}")),
        (
            "all",
            format!(
                "\u{feff}{}{}\r\n\r\n",
                names.replace(',', ";"),
                semicolons.replace('.', ",")
            ),
        ),
    ] {
        assert_eq!(read_all(text), expected, "{what}");
    }
    let unlabelled = read_all(header(187) + &row("0.25", ""));
    assert_eq!((unlabelled.len(), unlabelled.labels.len()), (1, 0));
}

#[test]
fn tables_of_another_shape_are_refused() {
    let good = row("0.5", ",1");
    let index: String = ["0,", "1,", "2,"]
        .iter()
        .map(|i| format!("{i}{}", row("0.5", "")))
        .collect();
    let first: String = ["0,", "1,", "0,"]
        .iter()
        .map(|i| format!("{i}{}", row("0.5", "").replacen("0,0.5", "0.9,0.5", 1)))
        .collect();
    let mangled = "1.0,".to_owned() + &vec!["0.0.1"; 186].join(",") + "\n";
    for (text, detail) in [
        (format!(",{}{index}", header(187)), "index=False"),
        (
            format!("label,{}", header(187)) + &good,
            "it must be the last column",
        ),
        (index, "of row 2"),
        (first, "is the class in column 1?"),
        (mangled + &good, "header=None"),
        (
            header(187) + &good,
            "line 2: 188 columns; expected 187 as in line 1; is column 1 an index",
        ),
        (
            good.replace("0.0", "0.3")
                .replace("0,0.5,1,0.5", "0.3,0.4,0.4,0.4"),
            "all samples lie between 0.3 and 0.4",
        ),
        (
            vec!["0"; 187].join(",") + "\n",
            "all samples lie between 0 and 0",
        ),
    ] {
        let text = message(text);
        assert!(text.contains(detail), "{text}\n{detail}");
    }
}

#[test]
fn windows_of_one_value_are_flat() {
    let mut beats = Beats::new(InputSpec::kaggle(), &Classes::aami5());
    beats.windows = vec![0.0; 187 * 2];
    beats.windows[5] = 1.0;
    assert!(!beats.is_flat(0) && beats.is_flat(1));
}

#[test]
fn nothing_follows_an_error() {
    let mut reader = reader(row("x", "") + &row("1", ""), 1);
    assert!(reader.next().unwrap().is_err());
    assert!(reader.next().is_none());
}

proptest! {
    #[test]
    fn what_is_written_reads_back_in_chunks_of_any_size(
        values in prop::collection::vec(0.0..=1.0_f32, 187 * 7),
        labels in prop::option::of(prop::collection::vec(0_usize..5, 7)),
        rows in 1_usize..10,
    ) {
        let mut beats = Beats::new(InputSpec::kaggle(), &Classes::aami5());
        beats.windows = values;
        beats.labels = labels.into_iter().flatten().collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("beats.csv");
        write(&path, &beats).unwrap();
        prop_assert_eq!(&read(&path, &Classes::aami5()).unwrap(), &beats);
        let mut joined = Beats::new(InputSpec::kaggle(), &Classes::aami5());
        for chunk in Reader::open(&path, rows, &Classes::aami5()).unwrap() {
            let chunk = chunk.unwrap();
            prop_assert!(chunk.len() <= rows);
            joined.append(&chunk).unwrap();
        }
        prop_assert_eq!(joined, beats);
    }
}
