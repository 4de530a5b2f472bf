//! ISHNE files and tables of samples through the one door, and what programs say
//! of those that are spoilt.

use data::formats;
use data::simulate::synth::{self, Settings};

use crate::folders::{data, said};

/// A minute of a made-up patient in an ISHNE file at 250 Hz, in steps of 1 uV. Its
/// checksum is left out.
fn ishne() -> Vec<u8> {
    let (record, _) = synth::record("s", &Settings::new(250.0, 5), 60.0).unwrap();
    let samples = &record.signals[0].samples;
    let mut bytes = vec![0; 522];
    let mut put = |at: usize, new: &[u8]| bytes[at..at + new.len()].copy_from_slice(new);
    put(0, b"ISHNE1.0");
    put(14, &(samples.len() as i32).to_le_bytes());
    put(18, &522_i32.to_le_bytes());
    put(22, &522_i32.to_le_bytes());
    put(156, &1_i16.to_le_bytes());
    put(158, &6_i16.to_le_bytes());
    put(206, &1000_i16.to_le_bytes());
    put(272, &250_i16.to_le_bytes());
    bytes.extend(
        samples
            .iter()
            .flat_map(|v| ((v * 1e3) as i16).to_le_bytes()),
    );
    bytes
}

#[test]
fn a_file_is_found_by_its_bytes_and_listed_in_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    // The ending says nothing.
    let path = folder.path().join("night.bin");
    std::fs::write(&path, ishne()).unwrap();
    let recording = formats::open(&path).unwrap();
    assert_eq!((recording.fs, recording.length), (250.0, Some(15_000)));
    assert!(recording.remark.as_ref().unwrap().contains("checksum"));
    let names = formats::find(folder.path()).unwrap();
    assert_eq!(names, ["night.bin"]);
    let record = recording.read().unwrap();
    let (made, _) = synth::record("s", &Settings::new(250.0, 5), 60.0).unwrap();
    let pairs = record.signals[0]
        .samples
        .iter()
        .zip(&made.signals[0].samples);
    assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() <= 0.001));
}

#[test]
fn a_table_of_samples_is_the_recording_that_it_was_written_from() {
    let folder = tempfile::tempdir().unwrap();
    let (record, _) = synth::record("s", &Settings::new(360.0, 5), 30.0).unwrap();
    let samples = &record.signals[0].samples;
    let mut text = String::from("time,II (uV)\n");
    for (at, sample) in samples.iter().enumerate() {
        text += &format!("{:.3},{}\n", at as f64 / 360.0, f64::from(*sample) * 1e3);
    }
    let path = folder.path().join("night.csv");
    std::fs::write(&path, text).unwrap();
    let said = formats::open(&path).unwrap_err().to_string();
    assert!(
        said.contains("recordings are read in the formats"),
        "{said}"
    );
    let recording = formats::open_samples(&path, &"".parse().unwrap()).unwrap();
    assert_eq!((recording.fs, &*recording.name), (360.0, "night.csv"));
    let read = recording.read().unwrap();
    assert_eq!((read.len(), &*read.signals[0].name), (samples.len(), "II"));
    let pairs = read.signals[0].samples.iter().zip(samples);
    assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() <= 1e-6));
}

#[test]
fn a_program_refuses_what_is_spoilt_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let good = ishne();
    let with = |at: usize, new: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + new.len()].copy_from_slice(new);
        bytes
    };
    let dicom = [
        &[0; 128][..],
        b"DICM",
        &[2, 0, 0x10, 0, b'U', b'I', 255, 255],
    ]
    .concat();
    let no_voltage = with(206, &(-9_i16).to_le_bytes());
    for (bytes, words) in [
        (good[..100].to_vec(), "within the header"),
        (good[..600].to_vec(), "cut short"),
        (with(22, &i32::MAX.to_le_bytes()), "samples begin"),
        (with(156, &99_i16.to_le_bytes()), "99 leads"),
        (no_voltage, "no ECG lead"),
        (dicom, "cut short"),
        (
            b"time,II\n0,1\n".to_vec(),
            "neither a folder of recordings nor a recording",
        ),
    ] {
        std::fs::write(folder.path().join("night.ecg"), &bytes).unwrap();
        let Some(output) = data(folder.path(), &["detect", "night.ecg", "--output", "out"]) else {
            return;
        };
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(words), "{words}: {text}");
        assert!(!folder.path().join("out/night.qrs").exists(), "{text}");
        assert!(text.lines().count() <= 3, "{text}");
    }
    std::fs::write(folder.path().join("night.ecg"), &good).unwrap();
    if let Some(output) = data(folder.path(), &["detect", "night.ecg", "--output", "out"]) {
        assert!(output.status.success(), "{}", said(&output));
        assert!(folder.path().join("out/night.qrs").exists());
    }
}
