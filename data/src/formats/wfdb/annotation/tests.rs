use super::*;
use proptest::prelude::*;

fn symbols() -> impl Strategy<Value = Symbol> {
    (1u8..50).prop_map(|code| Symbol::from_code(code).unwrap())
}

prop_compose! {
    fn annotations()(
        sample in prop_oneof![0i64..5000, -3_000_000_000i64..3_000_000_000],
        symbol in symbols(),
        subtype: i8,
        channel in 0u8..3,
        number in -2i8..2,
        aux in prop::collection::vec(any::<u8>(), 0..6),
    ) -> Annotation {
        Annotation {
            sample, symbol, subtype, channel, number,
            aux_note: aux.into_iter().map(char::from).collect(),
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        // What is read can be written and read again.
        if let Ok(file) = AnnotationFile::parse(&bytes)
            && let Ok(again) = file.encode()
        {
            prop_assert_eq!(AnnotationFile::parse(&again).unwrap().annotations, file.annotations);
        }
    }

    #[test]
    fn what_is_written_is_read_back(mut list in prop::collection::vec(annotations(), 0..20)) {
        // A note at sample 0 is about the file and kept apart.
        list.retain(|a| a.sample != 0 || a.symbol != Symbol::NOTE);
        let file = AnnotationFile::new(Some(250.0), list);
        match file.encode() {
            Ok(bytes) => {
                let read = AnnotationFile::parse(&bytes).unwrap();
                prop_assert_eq!(read.fs(), Some(250.0));
                prop_assert_eq!(read, file);
            }
            // Two 3e9 samples apart in either direction exceed a SKIP.
            Err(e) => prop_assert!(e.to_string().contains("samples from the one before")),
        }
    }
}

#[test]
fn fields_long_and_negative_distances_are_read() {
    #[rustfmt::skip]
    let bytes = [
        0x12, 0x70, 0x03, 0xFC, b'(', b'N', 0, 0, // '+' at 18 with 3 bytes of text
        0x00, 0xEC, 0x01, 0x00, 0x02, 0x00, // skip 65,538
        0x00, 0x04, 0xFF, 0xF7, 0x02, 0xF8, // 'N', sub -1, channel 2
        0x00, 0xEC, 0xFF, 0xFF, 0xFF, 0xFF, // skip -1
        0x00, 0x14, // 'V'
        0x00, 0x00,
    ];
    let file = AnnotationFile::parse(&bytes).unwrap();
    let got: Vec<_> = file
        .annotations
        .iter()
        .map(|a| {
            (
                a.sample,
                a.symbol.as_str(),
                a.subtype,
                a.channel,
                a.aux_note.as_str(),
            )
        })
        .collect();
    assert_eq!(
        got,
        [
            (18, "+", 0, 0, "(N\0"),
            (65_556, "N", -1, 2, ""),
            (65_555, "V", 0, 2, "")
        ]
    );
    assert_eq!(file.encode().unwrap(), bytes);
}

#[test]
fn a_file_cut_short_or_of_another_kind_is_refused() {
    for bytes in [
        &b""[..],
        b"\x12\x70",
        b"\x12\x70\x03",
        b"\x00\xEC\x01",
        b"\x12\x04\x05\xFCab",
    ] {
        let message = AnnotationFile::parse(bytes).unwrap_err();
        assert!(message.contains("cut short"), "{message}");
    }
    for bytes in [&b"\x00\xFC\0\0"[..], b"\x00\xD0\0\0"] {
        let message = AnnotationFile::parse(bytes).unwrap_err();
        assert!(message.contains("not a WFDB annotation file"), "{message}");
    }
}

#[test]
fn sample_numbers_follow_the_rate() {
    let beat = Annotation::new(500, Symbol::N);
    let file = AnnotationFile::new(Some(500.0), vec![beat.clone()]);
    assert_eq!(file.at_rate(125.0)[0].sample, 125);
    assert_eq!(
        AnnotationFile::new(None, vec![beat]).at_rate(125.0)[0].sample,
        500
    );
}

#[test]
fn what_the_format_cannot_hold_is_refused() {
    let long = Annotation {
        aux_note: "x".repeat(256),
        ..Annotation::new(1, Symbol::NOTE)
    };
    let wide = Annotation {
        aux_note: "\u{4E2D}".into(),
        ..Annotation::new(1, Symbol::NOTE)
    };
    for annotation in [long, wide, Annotation::new(1 << 40, Symbol::N)] {
        assert!(
            AnnotationFile::new(None, vec![annotation])
                .encode()
                .is_err()
        );
    }
}

/// Files that WFDB itself wrote come back byte for byte.
#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn wfdb_files_survive_byte_for_byte() {
    let shared = Path::new(env!("ECTOPY_RECORDINGS"));
    let mut files = 0;
    for folder in ["mitdb", "svdb", "nstdb", "golden/ec57/annotations"] {
        for entry in std::fs::read_dir(shared.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
            if !["atr", "gqrs", "osea", "tst"].contains(&extension) {
                continue;
            }
            let file = AnnotationFile::read(&path).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            assert!(file.encode().unwrap() == bytes, "{}", path.display());
            files += 1;
        }
    }
    assert!(files > 48 * 4, "only {files} files");
}
