//! The EDF reader on files that are spoilt: one message, and nothing written.

use data::formats;
use proptest::prelude::*;

use crate::edf_file::{File, channel, interrupted, written};
use crate::folders::{data, said};

/// Files that cannot be read, and what is said of each.
fn spoilt() -> Vec<(Vec<u8>, &'static str)> {
    let good = File::new("2", &[channel("ECG", "mV", 300)], &vec![7; 600]);
    let with = |change: &dyn Fn(&mut File)| {
        let mut file = good.clone();
        change(&mut file);
        file.bytes()
    };
    let patched = |at: usize, text: &[u8]| {
        let mut bytes = good.bytes();
        bytes[at..at + text.len()].copy_from_slice(text);
        bytes
    };
    vec![
        (good.bytes()[..256].to_vec(), "within the header"),
        (good.bytes()[..511].to_vec(), "within the header"),
        (
            good.bytes()[..512].to_vec(),
            "512 bytes, but the header demands 1712",
        ),
        (good.bytes()[..1100].to_vec(), "cut short"),
        (with(&|f| f.records = "99999999"), "demands 59999999912"),
        (with(&|f| f.channels[0].samples = 99_999_999), "cut short"),
        (
            with(&|f| f.channels[0].samples = 0),
            "no sample of any signal",
        ),
        (with(&|f| f.duration = "0"), "last 0 s"),
        (with(&|f| f.duration = "-1"), "last -1 s"),
        (with(&|f| f.duration = "1e99"), "the file is damaged"),
        (with(&|f| f.duration = "soon"), "'soon'"),
        (with(&|f| f.channels.clear()), "no signal"),
        (patched(184, b"768     "), "says that it has 768 bytes"),
        (patched(252, b"9999"), "the file is damaged"),
        (
            patched(472, b"x       "),
            "number of samples in a record is 'x'",
        ),
        (b"\xffBIOSEMI".to_vec(), "within the header"),
        (b"hello".to_vec(), "recordings are read in the formats WFDB"),
        (Vec::new(), "recordings are read in the formats WFDB"),
        (
            good.bytes()[..255].to_vec(),
            "recordings are read in the formats WFDB",
        ),
        (b"\x1f\x8b\x08".to_vec(), "gzip"),
    ]
}

#[test]
fn what_is_wrong_is_told_in_one_message() {
    for (bytes, words) in spoilt() {
        let (_folder, path) = written(&bytes);
        let refusal = formats::open(&path).and_then(|r| r.read()).unwrap_err();
        let refusal = refusal.to_string();
        assert!(refusal.contains(words), "{words}: {refusal}");
        assert!(
            refusal.contains("night.edf") && !refusal.contains('\n'),
            "{refusal}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("night.edf");
    std::fs::create_dir(&path).unwrap();
    assert!(formats::open(&path).is_err());
}

#[test]
fn a_program_refuses_what_is_wrong_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let no_ecg = File::new("2", &[channel("Resp", "l", 300)], &vec![7; 600]).bytes();
    let all = spoilt().into_iter().map(|(bytes, _)| bytes);
    for bytes in all.chain([no_ecg]) {
        std::fs::write(folder.path().join("night.edf"), &bytes).unwrap();
        let arguments = ["detect", "night.edf", "--output", "out"];
        let Some(output) = data(folder.path(), &arguments) else {
            return;
        };
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(!folder.path().join("out/night.qrs").exists(), "{text}");
        assert!(text.lines().count() <= 2, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_bytes_make_the_reader_panic(
        changes in prop::collection::vec((0_usize..2000, any::<u8>()), 0..12),
        length in 0_usize..2000,
        plus in any::<bool>(),
    ) {
        let mut file = interrupted(&["+0||;+0.5|N|;", "+2||", "+3.5||"]);
        file.reserved = if plus { "EDF+D" } else { "" };
        let mut bytes = file.bytes();
        for (at, byte) in changes {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        bytes.truncate(length.max(500));
        let (_folder, path) = written(&bytes);
        if let Ok(recording) = formats::open(&path) {
            let _ = recording.annotations();
            let all: Vec<usize> = (0..recording.leads.len()).collect();
            if let Ok(mut chunks) = recording.chunks(&all) {
                let mut out = vec![Vec::new(); all.len()];
                for _ in 0..20 {
                    if chunks.read(1000, &mut out).is_ok_and(|count| count == 0) {
                        break;
                    }
                    prop_assert!(out.iter().all(|o| o.len() == out[0].len()));
                }
            }
        }
    }
}
