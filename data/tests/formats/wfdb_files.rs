//! The WFDB reader on small files made here: what is special about records,
//! and what is wrong with them.

use std::path::Path;

use data::formats::find;
use data::record::Record;
use proptest::prelude::*;
use tempfile::TempDir;

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

/// Samples in format 16.
fn format16(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|s| s.to_le_bytes()).collect()
}

fn read(folder: &TempDir, name: &str) -> Record {
    read_record(&folder.path().join(name)).unwrap()
}

/// The whole record, at the rate of its fastest signal.
fn read_record(path: &Path) -> data::Result<Record> {
    data::formats::open(path)?.at_full_rate().read()
}

fn samples(record: &Record) -> Vec<Vec<f32>> {
    record.signals.iter().map(|s| s.samples.clone()).collect()
}

#[test]
fn calibration_and_invalid_samples() {
    let header = b"r 2 360\nr.dat 16 100(50)/mV\nr.dat 16 0 16 10\n# 69 M\n";
    let dat = format16(&[150, 10, i16::MIN, 210, -50, -190]);
    let folder = folder(&[("r.hea", header), ("r.dat", &dat)]);
    let record = read(&folder, "r.hea");
    assert_eq!(
        (record.name.as_str(), record.fs, record.len()),
        ("r", 360.0, 3)
    );
    assert_eq!(record.comments, ["69 M"]);
    let first = &record.signals[0].samples;
    assert_eq!((first[0], first[2]), (1.0, -1.0));
    assert!(first[1].is_nan());
    // Without a gain 200 per mV, without a baseline the ADC zero.
    assert_eq!(record.signals[1].samples, [0.0, 1.0, -1.0]);
}

#[test]
fn signals_of_several_rates_are_held_to_the_highest() {
    let header = b"r 2 50 2\nr.dat 16x3 1/mV\nr.dat 16x2 1/mV\n";
    let dat = format16(&[1, 2, 3, 10, 20, 4, 5, 6, 30, 40]);
    let record = read(&folder(&[("r.hea", header), ("r.dat", &dat)]), "r");
    assert_eq!(record.fs, 150.0);
    assert_eq!(
        samples(&record),
        [
            [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            [10.0, 10.0, 20.0, 30.0, 30.0, 40.0]
        ]
    );
}

#[test]
fn skew_and_byte_offset_are_undone() {
    let header = b"r 2 50 4\nr.dat 16+6 1/mV\nr.dat 16:2+6 1/mV\n";
    let mut dat = b"prefix".to_vec();
    dat.extend(format16(&[1, 0, 2, 0, 3, 1, 4, 2]));
    let record = read(&folder(&[("r.hea", header), ("r.dat", &dat)]), "r");
    assert_eq!(record.signals[0].samples, [1.0, 2.0, 3.0, 4.0]);
    let skewed = &record.signals[1].samples;
    assert_eq!(skewed[..2], [1.0, 2.0]);
    assert!(skewed[2].is_nan() && skewed[3].is_nan());
}

/// Two segments, each of two samples.
const SEGMENTS: [(&str, &[u8]); 2] = [
    (
        "a.hea",
        b"a 2 50 2\na.dat 16 1/mV 16 0 0 4 0 I\na.dat 16 1/mV 16 0 0 6 0 V\n",
    ),
    ("b.hea", b"b 1 50 2\nb.dat 16 2/mV 16 0 0 30 0 V\n"),
];

#[test]
fn segments_of_a_fixed_layout_are_joined() {
    let a = format16(&[1, 2, 3, 4]);
    let files = [
        ("m.hea", b"m/2 2 50 4\na 2\na 2\n".as_slice()),
        SEGMENTS[0],
        ("a.dat", &a),
    ];
    let record = read(&folder(&files), "m");
    assert_eq!(
        samples(&record),
        [[1.0, 3.0, 1.0, 3.0], [2.0, 4.0, 2.0, 4.0]]
    );
}

#[test]
fn segments_of_a_variable_layout_are_matched_by_name() {
    let (a, b) = (format16(&[1, 2, 3, 4]), format16(&[10, 20]));
    let files = [
        ("m.hea", b"m/4 2 50 5\nlayout 0\na 2\n~ 1\nb 2\n".as_slice()),
        (
            "layout.hea",
            b"layout 2 50 0\n~ 0 1/mV 16 0 0 0 0 I\n~ 0 1/mV 16 0 0 0 0 V\n",
        ),
        SEGMENTS[0],
        SEGMENTS[1],
        ("a.dat", &a),
        ("b.dat", &b),
    ];
    let record = read(&folder(&files), "m");
    let [first, second] = &record.signals[..] else {
        panic!("{} signals", record.signals.len());
    };
    assert_eq!((first.name.as_str(), second.name.as_str()), ("I", "V"));
    assert_eq!(first.samples[..2], [1.0, 3.0]);
    assert!(first.samples[2..].iter().all(|v| v.is_nan()) && first.samples.len() == 5);
    assert_eq!(second.samples[..2], [2.0, 4.0]);
    assert!(second.samples[2].is_nan());
    assert_eq!(second.samples[3..], [5.0, 10.0]);
}

#[test]
fn what_is_wrong_is_named() {
    let table: [(&[u8], &str); 21] = [
        (b"", "no record line"),
        (b"# only a comment\n", "no record line"),
        (
            b"r\n",
            "line 1: the record line lacks the number of signals",
        ),
        (b"r x 360\n", "line 1: the number of signals 'x'"),
        (
            b"r 1 -5 10\n",
            "line 1: the sampling frequency -5 is not above 0",
        ),
        (b"r 1 inf 10\n", "line 1: the sampling frequency inf"),
        (b"r 2 360 10\nr.dat 16\n", "promises 2 signals, but 1"),
        (b"r/0 2 360 10\n", "at least one segment"),
        (b"r/2 2 360 10\na 5\n", "promises 2 segments, but 1"),
        (
            b"#\nr 1 360 2\nr.dat\n",
            "line 3: the signal line lacks the storage format",
        ),
        (
            b"r 1 360 2\nr.dat 17\n",
            "line 2: signal format 17 is not one of",
        ),
        (
            b"r 1 360 2\nr.dat 16x0\n",
            "line 2: a frame needs at least one sample",
        ),
        (
            b"r 1 360 2\nr.dat 16 nan\n",
            "line 2: the gain NaN is not finite",
        ),
        (
            b"r 1 360 2\nr.dat 16 200(5/mV\n",
            "line 2: the baseline in '200(5/mV' lacks",
        ),
        (
            b"r 1 360 2\n../up.dat 16\n",
            "line 2: '../up.dat' leads out",
        ),
        (
            b"r 1 360 2\n/etc/passwd 16\n",
            "line 2: '/etc/passwd' leads out",
        ),
        (b"r 1 360 2\ngone.dat 16\n", "gone.dat: "),
        (
            b"r 1 360 3\nr.dat 16\n",
            "r.dat: 4 bytes, but the header demands 6",
        ),
        (
            b"r 1 360 2\nr.dat 16 200 16 0 0 9\n",
            "adds up to 3 modulo 65536, but the header's checksum is 9",
        ),
        (
            b"r 2 360 1\nr.dat 16\nr.dat 212\n",
            "format 16 and format 212",
        ),
        (b"r 1 360 2\nr.dat 516\n", "r.dat: not a sound FLAC stream"),
    ];
    for (header, expected) in table {
        let dat = format16(&[1, 2]);
        let folder = folder(&[("r.hea", header), ("r.dat", &dat)]);
        let message = read_record(&folder.path().join("r"))
            .unwrap_err()
            .to_string();
        let header = String::from_utf8_lossy(header);
        assert!(
            message.contains(expected),
            "{header:?} gave '{message}', expected '{expected}'"
        );
    }
}

#[test]
fn forged_lengths_ask_for_no_memory() {
    let headers: [&[u8]; 4] = [
        b"r 1 360 18446744073709551615\nr.dat 16\n",
        b"r 2 360 1\nr.dat 16\n~ 0x999999999999\n",
        b"r 1 360 9999999999999\n~ 0\n",
        b"r/2 1 360 2\ns 1\n~ 99999999999999\n",
    ];
    let segment = b"s 1 360 1\nr.dat 16\n".as_slice();
    for header in headers {
        let dat = format16(&[1, 2]);
        let folder = folder(&[("r.hea", header), ("s.hea", segment), ("r.dat", &dat)]);
        assert!(read_record(&folder.path().join("r")).is_err());
    }
}

#[test]
fn segments_that_do_not_fit_are_refused() {
    let dat = format16(&[1, 2, 3, 4]);
    let table: [(&[u8], &str); 5] = [
        (b"m/1 2 50 2\nm 2\n", "cannot itself be a multi-segment"),
        (b"m/1 2 50 2\nabsent 2\n", "absent.hea"),
        (
            b"m/1 2 60 2\na 2\n",
            "sampled at 50 Hz inside a record of 60 Hz",
        ),
        (
            b"m/1 2 50 3\na 3\n",
            "2 samples long, but the multi-segment header says 3",
        ),
        (b"m/1 3 50 2\na 2\n", "says 3 signals, but a has 2"),
    ];
    for (header, expected) in table {
        let folder = folder(&[("m.hea", header), SEGMENTS[0], ("a.dat", &dat)]);
        let message = read_record(&folder.path().join("m"))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains(expected),
            "'{message}', expected '{expected}'"
        );
    }
}

#[test]
fn records_of_a_folder() {
    let listed = folder(&[("RECORDS", b"b\na\n"), ("c.hea", b"")]);
    assert_eq!(find(listed.path()).unwrap(), ["b", "a"]);
    let unlisted = folder(&[("b.hea", b""), ("a.hea", b""), ("a.dat", b"")]);
    assert_eq!(find(unlisted.path()).unwrap(), ["a", "b"]);
    assert!(find(folder(&[]).path()).is_err());
    assert!(find(Path::new("no/such/folder")).is_err());
}

/// Header lines that are nearly right.
fn nearly_a_header() -> impl Strategy<Value = String> {
    let field = "[0-9]{1,4}|16|212|516x[0-9]|8:[0-9]|310\\+[0-9]|-?[0-9]\\([0-9]*\\)?/mV|~";
    let line = proptest::collection::vec(field, 0..9);
    proptest::collection::vec(line, 0..4).prop_map(|lines| {
        let mut text = "r".to_owned();
        for (number, fields) in lines.iter().enumerate() {
            if number > 0 {
                text += "\nr.dat";
            }
            for field in fields {
                text += " ";
                text += field;
            }
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn no_bytes_make_the_reader_panic(
        header in prop_oneof![
            nearly_a_header().prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..200),
        ],
        dat in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let folder = folder(&[("r.hea", &header), ("r.dat", &dat)]);
        let _ = read_record(&folder.path().join("r"));
    }
}
