use proptest::prelude::*;

use super::*;
use crate::record::units::Units;

/// What is read of these bytes, a few samples at a time.
fn read(bytes: &[u8], options: &str) -> Result<(Layout, Vec<Vec<f32>>)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.csv");
    std::fs::write(&path, bytes).unwrap();
    let layout = Arc::new(Layout::read(&path, &options.parse()?)?);
    let all: Vec<usize> = (0..layout.leads().len()).collect();
    let mut reader = Reader::new(Arc::clone(&layout), &all)?;
    let mut out = vec![Vec::new(); all.len()];
    while reader.read(3, &mut out)? > 0 {}
    drop(reader);
    Ok((Arc::into_inner(layout).unwrap(), out))
}

fn refusal(bytes: &[u8], options: &str) -> String {
    read(bytes, options).unwrap_err().to_string()
}

/// As text, with NaN as `-`.
fn shown(samples: &[f32]) -> String {
    let all = samples.iter().map(|v| match v.is_nan() {
        true => "-".to_owned(),
        false => v.to_string(),
    });
    all.collect::<Vec<_>>().join(" ")
}

#[test]
fn tables_of_every_dialect_are_read() {
    for (text, options, expected) in [
        ("1\n2\n3\n", "fs=100", vec!["1 2 3"]),
        ("a,b\n1,4\n,5\nNaN,6\n", "fs=100", vec!["1 - -", "4 5 6"]),
        (
            "t;ecg\n0,00;0,5\n0,01;1,5\n0,02;-1\n",
            "",
            vec!["0.5 1.5 -1"],
        ),
        ("time_ms\tII\n0\t1\n10\t2\n20\t3\n", "", vec!["1 2 3"]),
        (
            "x,t (us),y\n1,0,4\n2,10000,5\n3,20000,6",
            "leads=y",
            vec!["4 5 6"],
        ),
        (
            "0 1 2\n0.01 3 4\n0.02 5 6\n",
            "time=1,leads=3|2",
            vec!["2 4 6", "1 3 5"],
        ),
        (
            "time,ecg\n2024-01-01T00:00:00.00Z,1\n2024-01-01T00:00:00.01Z,2\n",
            "",
            vec!["1 2"],
        ),
        ("\u{feff}t,v\r\n0,1\r\n0.01,2\r\n\r\n", "", vec!["1 2"]),
        (",ecg\n0,7\n1,8\n", "fs=100", vec!["7 8"]),
        (
            "t,ecg\n0,1\n0,2\n",
            "fs=100,time=none,leads=ecg",
            vec!["1 2"],
        ),
        ("5,7\n6,8\n", "fs=100,header=yes", vec!["6", "8"]),
    ] {
        let (layout, out) =
            read(text.as_bytes(), options).unwrap_or_else(|e| panic!("{text}: {e}"));
        let out: Vec<String> = out.iter().map(|lead| shown(lead)).collect();
        assert_eq!(
            (layout.fs(), out),
            (100.0, expected.iter().map(|s| (*s).to_owned()).collect()),
            "{text}"
        );
    }
}

#[test]
fn units_and_gain_make_millivolts() {
    let text = "t,II (uV),P [mmHg],x (2)\n0,500,80,1\n0.01,1000,90,2\n";
    let (layout, out) = read(text.as_bytes(), "").unwrap();
    assert_eq!(out[0], [0.5, 1.0]);
    assert_eq!(layout.leads()[0].name, "II");
    assert_eq!(layout.leads()[2].name, "x (2)");
    let (layout, out) = read(text.as_bytes(), "leads=II,unit=mV,gain=200").unwrap();
    assert_eq!(out, [[2.5, 5.0]]);
    assert_eq!(layout.leads()[0].units, Units::Millivolt);
    let (layout, _) = read(text.as_bytes(), "unit=mmHg").unwrap();
    assert_eq!(layout.leads()[0].units, Units::Other("mmHg".into()));
}

#[test]
fn gaps_are_invalid_samples_and_a_start_is_read() {
    let text = "timestamp,ecg\n2024-02-29 10:00:00.00,1\n2024-02-29 10:00:00.01,2\n2024-02-29 10:00:00.05,3\n2024-02-29 10:00:00.06,4\n2024-02-29 10:00:00.07,5\n";
    let (layout, out) = read(text.as_bytes(), "").unwrap();
    assert_eq!(shown(&out[0]), "1 2 - - - 3 4 5");
    let start = layout.start().unwrap();
    assert_eq!((start.seconds, start.date), (36_000.0, Some((2024, 2, 29))));
    assert_eq!(layout.length(), None);
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    for (text, options, word) in [
        ("", "fs=1", "no rows"),
        ("a,b\n", "fs=100", "no rows"),
        ("1\n2\n", "", "fs=HZ"),
        ("t,v\n0,1\n", "", "do not tell the rate"),
        ("t,v\n0,1\n1,2\n2,3\n", "", "time-unit=ms"),
        (
            "t,v\n0,1\n0.01,2\n0.005,3\n",
            "",
            "line 4: the time 0.005 s is not after",
        ),
        (
            "t,v\n0,1\n0.01,2\n0.02,3\n0.024,3\n",
            "fs=100",
            "line 5: the time 0.024 s comes 0.6",
        ),
        (
            "t,v\n0,1\n0.01,x\n0.02,3\n",
            "",
            "line 3: column 2 is \"x\"",
        ),
        (
            "t,v\n0,1\n,2\n0.02,3\n",
            "",
            "line 3: column 1 is \"\", no time",
        ),
        ("t,v\n0,1\n0.01,inf\n0.02,3\n", "", "line 3: column 2"),
        (
            "t,v\n0,1\n0.01\n0.02,3\n",
            "",
            "line 3: 1 columns; expected 2",
        ),
        ("t,v\n0,1\n0.01,2\n9e9,3\n", "", "line 4: gaps"),
        ("t,v\n0,1\n", "leads=w,fs=100", "there is no column 'w'"),
        ("0,1\n", "leads=w,fs=100", "no header"),
        ("0,1\n", "leads=3,fs=100", "columns 1 to 2"),
        ("t\n0\n", "fs=100", "no column for a lead"),
        ("t,v\n0,1\n", "fs=100,leads=t", "column of the times"),
        ("t,v\n0,1\n", "fs=100,leads=v|v", "twice"),
        ("ISHNE1.0\0\0", "fs=100", "ISHNE"),
    ] {
        let said = refusal(text.as_bytes(), options);
        assert!(said.contains(word), "{text:?} {options}: {said}");
    }
    for options in [
        "fs=0",
        "fs=x",
        "gain=-1",
        "fs",
        "what=1",
        "leads=0",
        "leads=a||b",
        "time-unit=h",
        "header=maybe",
    ] {
        let said = options.parse::<Options>().unwrap_err().to_string();
        assert!(said.contains("--samples"), "{said}");
    }
    let folder = Layout::read(folder.path(), &"fs=100".parse().unwrap());
    assert!(matches!(folder, Err(Error::Io { .. })));
}

#[test]
fn packed_tables_are_unpacked_and_cut_ones_refused() {
    use std::io::Write;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for row in 0..1000 {
        writeln!(packed, "{},{}", f64::from(row) / 250.0, row * 7 % 13).unwrap();
    }
    let packed = packed.finish().unwrap();
    let (layout, out) = read(&packed, "time=1").unwrap();
    assert_eq!((layout.fs(), out[0].len()), (250.0, 1000));
    let said = refusal(&packed[..packed.len() / 2], "time=1");
    assert!(said.contains("unpacked"), "{said}");
}

#[cfg(feature = "parquet")]
mod columns {
    use std::sync::Arc;

    use ::parquet::data_type::{ByteArrayType, DoubleType, Int64Type};
    use ::parquet::file::writer::SerializedFileWriter;
    use ::parquet::schema::parser::parse_message_type;

    use super::*;

    /// A file of time stamps, samples of which some are missing, and a text.
    fn file(times: &[i64], samples: &[Option<f64>]) -> Vec<u8> {
        let schema = "message m { required int64 when (TIMESTAMP(MILLIS,true)); optional double II; required binary note (UTF8); }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let mut bytes = Vec::new();
        let mut writer = SerializedFileWriter::new(&mut bytes, schema, Default::default()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column
            .typed::<Int64Type>()
            .write_batch(times, None, None)
            .unwrap();
        column.close().unwrap();
        let there: Vec<f64> = samples.iter().flatten().copied().collect();
        let levels: Vec<i16> = samples.iter().map(|s| i16::from(s.is_some())).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column
            .typed::<DoubleType>()
            .write_batch(&there, Some(&levels), None)
            .unwrap();
        column.close().unwrap();
        let notes = vec!["x".into(); times.len()];
        let mut column = group.next_column().unwrap().unwrap();
        column
            .typed::<ByteArrayType>()
            .write_batch(&notes, None, None)
            .unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        bytes
    }

    #[test]
    fn columns_of_parquet_are_read_with_gaps_and_missing_values() {
        let day = 1_709_200_800_000; // 2024-02-29 10:00
        let times = [day, day + 10, day + 20, day + 40];
        let bytes = file(&times, &[Some(1.0), None, Some(3.0), Some(4.0)]);
        let (layout, out) = read(&bytes, "time=when,leads=II").unwrap();
        assert_eq!(shown(&out[0]), "1 - 3 - 4");
        let start = layout.start().unwrap();
        assert_eq!((start.seconds, start.date), (36_000.0, Some((2024, 2, 29))));
        assert!(refusal(&bytes, "time=when").contains("holds text"));
        assert!(refusal(&bytes[..bytes.len() / 2], "time=when").contains("Parquet"));
        let back = file(&[day, day - 1], &[None, None]);
        assert!(refusal(&back, "time=when,leads=II").contains("row 1"));
    }
}

proptest! {
    #[test]
    fn any_text_is_survived(bytes: Vec<u8>, timed: bool) {
        let options = if timed { "time=1" } else { "fs=100" };
        if let Ok((_, out)) = read(&bytes, options) {
            let length = out[0].len();
            prop_assert!(out.iter().all(|lead| lead.len() == length));
        }
    }

    #[test]
    fn any_damage_is_survived(at in 0_usize..60, new in "[0-9.,;\\-tneTZ:\n ]{1,4}", cut in 1_usize..70) {
        let mut text = "t,v,w\n0,1,2\n0.01,3,4\n0.02,5,6\n0.03,7,8\n0.04,9,10\n0.05,11,12\n".to_owned();
        text.replace_range(at..(at + new.len()).min(text.len()), &new);
        text.truncate(cut);
        if let Ok((_, out)) = read(text.as_bytes(), "") {
            let length = out[0].len();
            prop_assert!(out.iter().all(|lead| lead.len() == length));
        }
    }
}
