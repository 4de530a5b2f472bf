use proptest::prelude::*;

use super::*;

fn reader(text: impl Into<Vec<u8>>, rows: usize) -> Reader {
    let input = Box::new(std::io::Cursor::new(text.into()));
    Reader::new(input, Path::new("beats.csv"), rows)
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

#[test]
fn samples_and_class_are_told_apart() {
    let beats = reader(row("2e-1", ",3.0") + &row("1", ",0"), 9)
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(beats.labels, [Class::F, Class::N]);
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
        assert_eq!(beats.labels, [Class::Q]);
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
        ("\n".into(), "line 2: column 1 is \"\""),
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
    assert!(message("a,b,c\n1,2,3\n").contains("no header line"));
    assert!(message("1,2,3\n").contains("3 columns; expected 187"));
    assert!(message([0xff, 0xfe, 0, 1]).contains("line 1"));
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
        let mut beats = Beats::new(InputSpec::kaggle());
        beats.windows = values;
        beats.labels = labels.into_iter().flatten().filter_map(Class::from_index).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("beats.csv");
        write(&path, &beats).unwrap();
        prop_assert_eq!(&read(&path).unwrap(), &beats);
        let mut joined = Beats::new(InputSpec::kaggle());
        for chunk in Reader::open(&path, rows).unwrap() {
            let chunk = chunk.unwrap();
            prop_assert!(chunk.len() <= rows);
            joined.append(&chunk).unwrap();
        }
        prop_assert_eq!(joined, beats);
    }
}
