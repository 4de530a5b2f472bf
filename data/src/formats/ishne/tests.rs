use proptest::prelude::*;

use super::header::{ANNOTATIONS, crc};
use super::*;
use crate::record::annotation::Symbol;

/// A file of these leads (code, quality, resolution), text and data.
fn file(magic: &[u8; 8], leads: &[[i16; 3]], samples: i32, text: &[u8], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 522];
    let mut put = |at: usize, new: &[u8]| bytes[at..at + new.len()].copy_from_slice(new);
    put(0, magic);
    put(10, &(text.len() as i32).to_le_bytes());
    put(14, &samples.to_le_bytes());
    put(18, &522_i32.to_le_bytes());
    put(22, &(522 + text.len() as i32).to_le_bytes());
    put(28, b"Secret");
    for (at, value) in [
        (138, 2),
        (140, 8),
        (142, 1990),
        (150, 10),
        (152, 30),
        (154, 5),
    ] {
        put(at, &i16::to_le_bytes(value));
    }
    put(156, &(leads.len() as i16).to_le_bytes());
    for lead in 0..12 {
        for (block, at) in [158, 182, 206].into_iter().enumerate() {
            let value = leads.get(lead).map_or(-9, |lead| lead[block]);
            put(at + 2 * lead, &value.to_le_bytes());
        }
    }
    put(230, &2_i16.to_le_bytes());
    put(232, b"digital");
    put(272, &200_i16.to_le_bytes());
    bytes.extend(text);
    let sum = crc(bytes[10..].iter());
    bytes[8..10].copy_from_slice(&sum.to_le_bytes());
    bytes.extend(data);
    bytes
}

const LEADS: [[i16; 3]; 2] = [[6, 1, 2500], [11, 3, 1000]];

fn samples(values: &[i16]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn small() -> Vec<u8> {
    let data = samples(&[400, -1000, i16::MIN, 1000, 0, i16::MAX]);
    file(SIGNALS, &LEADS, 3, b"a remark", &data)
}

/// What is read of these bytes, a few samples at a time.
fn read(bytes: &[u8]) -> Result<(Layout, Vec<Vec<f32>>)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.ecg");
    std::fs::write(&path, bytes).unwrap();
    let layout = Arc::new(Layout::read(&path)?);
    let all: Vec<usize> = (0..layout.leads().len()).collect();
    let mut reader = Reader::new(Arc::clone(&layout), &all)?;
    let mut out = vec![Vec::new(); all.len()];
    loop {
        let left = reader.left();
        let count = reader.read(2, &mut out)?;
        assert_eq!(reader.left(), left - count as u64);
        if count == 0 {
            break;
        }
    }
    drop(reader);
    Ok((Arc::into_inner(layout).unwrap(), out))
}

fn refusal(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

#[test]
fn a_recording_is_read_in_millivolts() {
    let (layout, out) = read(&small()).unwrap();
    assert_eq!(out[0][0], 1.0);
    assert!(out[0][1].is_nan());
    assert_eq!(out[1], [-1.0, 1.0, 32.767]);
    assert_eq!((layout.fs(), layout.length()), (200.0, Some(3)));
    let start = layout.start().unwrap();
    assert_eq!((start.seconds, start.date), (37_805.0, Some((1990, 8, 2))));
    let leads = layout.leads();
    assert_eq!([&*leads[0].name, &*leads[1].name], ["II", "V1"]);
    assert!(
        leads[0].is_voltage() && leads[0].remark.is_none(),
        "{leads:?}"
    );
    assert!(leads[1].remark.as_ref().unwrap().contains("noise"));
    let comments = layout.comments().join("\n");
    assert!(comments.contains("single chamber") && comments.contains("a remark"));
    assert!(!comments.contains("Secret"));
}

#[test]
fn samples_are_counted_of_one_lead_or_of_all_or_not() {
    for said in [3, 6, 0, -9] {
        let mut bytes = small();
        bytes[14..18].copy_from_slice(&i32::to_le_bytes(said));
        assert_eq!(read(&bytes).unwrap().1[0].len(), 3, "{said}");
    }
    let mut bytes = small();
    bytes.extend(samples(&[1, 2]));
    let (layout, out) = read(&bytes).unwrap();
    assert_eq!(out[0].len(), 3);
    assert!(layout.remark().unwrap().contains("8 samples in all"));
}

#[test]
fn a_wrong_checksum_is_a_remark_and_an_absent_resolution_no_voltage() {
    let mut bytes = small();
    bytes[28] = b'X';
    let (layout, out) = read(&bytes).unwrap();
    assert_eq!(out[1][0], -1.0);
    assert!(layout.remark().unwrap().contains("checksum"));
    let leads = [[0, 0, -9], [1, -9, 1000], [-9, -9, 1000], [99, 0, 1000]];
    let (layout, out) = read(&file(SIGNALS, &leads, 1, b"", &samples(&[7, 8, 9, 10]))).unwrap();
    let leads = layout.leads();
    assert_eq!(out[0], [7.0]);
    assert!(!leads[0].is_voltage() && leads[1].is_voltage());
    assert_eq!(leads[1].name, "ECG2");
    assert!(leads[2].remark.as_ref().unwrap().contains("absent"));
    assert!(leads[3].remark.as_ref().unwrap().contains("99"));
}

#[test]
fn what_is_wrong_is_named() {
    let whole = small();
    let with = |at: usize, new: &[u8]| {
        let mut bytes = whole.clone();
        bytes[at..at + new.len()].copy_from_slice(new);
        bytes
    };
    for (bytes, word) in [
        (Vec::new(), "empty"),
        (b"hello".to_vec(), "does not begin"),
        (whole[..300].to_vec(), "within the header"),
        (whole[..525].to_vec(), "cut short"),
        (whole[..whole.len() - 2].to_vec(), "cut short"),
        (with(0, ANNOTATIONS), "annotations"),
        (with(10, &i32::MAX.to_le_bytes()), "bytes of text"),
        (with(14, &i32::MAX.to_le_bytes()), "cut short"),
        (with(22, &i32::MAX.to_le_bytes()), "samples begin"),
        (with(22, &(-1_i32).to_le_bytes()), "samples begin"),
        (with(156, &0_i16.to_le_bytes()), "0 leads"),
        (with(156, &13_i16.to_le_bytes()), "checksum"),
        (with(272, &0_i16.to_le_bytes()), "sampling rate"),
    ] {
        let said = refusal(&bytes);
        assert!(said.contains(word), "{word}: {said}");
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(
        Layout::read(folder.path()),
        Err(crate::Error::Io { .. })
    ));
    assert!(matches!(
        AnnotationFile::read(folder.path()),
        Err(crate::Error::Io { .. })
    ));
}

/// What is read of these bytes as annotations.
fn annotations(bytes: &[u8]) -> Result<AnnotationFile> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.ann");
    std::fs::write(&path, bytes).unwrap();
    AnnotationFile::read(&path)
}

#[test]
fn annotations_count_from_each_other() {
    let mut data = 100_u32.to_le_bytes().to_vec();
    for (label, samples) in [
        (b'N', 150_u16),
        (b'!', 65_535),
        (b'V', 10),
        (b'C', 1),
        (b'P', 1),
    ] {
        data.extend([label, b'.']);
        data.extend(samples.to_le_bytes());
    }
    let bytes = file(ANNOTATIONS, &LEADS, 3, b"text", &data);
    let found = annotations(&bytes).unwrap();
    assert_eq!((found.fs, found.remarks.len()), (200.0, 0));
    let told: Vec<_> = found
        .annotations
        .iter()
        .map(|a| (a.sample, a.symbol))
        .collect();
    let expected = [
        (250, Symbol::N),
        (65_795, Symbol::V),
        (65_796, Symbol::NOTE),
        (65_797, Symbol::PACED),
    ];
    assert_eq!(told, expected);
    assert_eq!(found.annotations[2].text(), "calibration pulse");
    let cut = annotations(&bytes[..bytes.len() - 1])
        .unwrap_err()
        .to_string();
    assert!(cut.contains("cut short"), "{cut}");
    assert!(annotations(&small()).is_err());
}

proptest! {
    #[test]
    fn any_damage_is_survived(cut in 0_usize..600, at in 0_usize..560, new: [u8; 4]) {
        let mut bytes = small();
        let end = (at + 4).min(bytes.len());
        if at < end {
            bytes[at..end].copy_from_slice(&new[..end - at]);
        }
        bytes.truncate(cut.max(8));
        if let Ok((layout, out)) = read(&bytes) {
            let length = layout.length().unwrap() as usize;
            prop_assert!(out.iter().all(|lead| lead.len() == length));
        }
        bytes[..8].copy_from_slice(ANNOTATIONS);
        let _ = annotations(&bytes);
    }
}
