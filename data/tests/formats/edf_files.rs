//! The EDF reader on small files made here: what is special about them.

use std::path::Path;

use data::formats;
use data::record::Record;
use data::record::annotation::Symbol;

use crate::edf_file::{Channel, File, channel, interrupted, samples, written};
use crate::folders::{data, said};

#[test]
fn signals_of_several_rates_are_held_to_the_fastest_ecg() {
    let channels = [
        channel("ECG", "mV", 3),
        channel("Resp", "l", 2),
        channel("Sound", "mV", 4),
    ];
    let data = [1, 2, 3, 10, 20, 7, 8, 9, 6, 4, 5, 6, 30, 40, 1, 2, 3, 4];
    let (_folder, path) = written(&File::new("2", &channels, &data).bytes());
    let recording = formats::open(&path).unwrap();
    assert_eq!((recording.fs, recording.length), (3.0, Some(6)));
    assert_eq!(recording.clock().fs(), 3.0);
    let full = recording.clone().at_full_rate();
    assert_eq!(
        (full.fs, full.length, full.clock().fs()),
        (4.0, Some(8), 3.0)
    );
    assert_eq!(
        samples(&recording.read().unwrap()),
        [
            [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            [10.0, 10.0, 20.0, 30.0, 30.0, 40.0],
            [7.0, 8.0, 9.0, 1.0, 2.0, 3.0],
        ]
    );
    let full = full.read().unwrap();
    assert_eq!(
        full.signals[0].samples,
        [1.0, 1.0, 2.0, 3.0, 4.0, 4.0, 5.0, 6.0]
    );
}

#[test]
fn labels_units_and_dates_are_read_as_they_occur() {
    let mut channels: Vec<Channel> = [
        ("ECG II", "mV"),
        ("EKG LL-RA", "uV"),
        ("EKG1", "V"),
        ("ECG 2", "nV"),
        ("ecg-V5", "microvol"),
        ("ECG", ""),
        ("ECG (ABP)", "mV"),
        ("EEG Fpz-Cz", "uV"),
        ("SpO2", "%"),
    ]
    .map(|(label, unit)| channel(label, unit, 1))
    .into();
    let bytes = |label, unit| Channel {
        label,
        unit,
        ..channel("", "", 1)
    };
    channels.push(bytes(b"Herzt\xf6ne", b"\xb5V"));
    channels.push(bytes(b"V1", b"\xe6V"));
    channels.push(bytes("Präcordial".as_bytes(), "µV".as_bytes()));
    let data: Vec<i16> = vec![1000; channels.len()];
    let mut file = File::new("1", &channels, &data);
    let record = file.read().unwrap();
    let read: Vec<(&str, &str, f32)> = record
        .signals
        .iter()
        .map(|s| (s.name.as_str(), s.units.as_str(), s.samples[0]))
        .collect();
    assert_eq!(
        read,
        [
            ("II", "mV", 1000.0),
            ("LL-RA", "mV", 1.0),
            ("EKG1", "mV", 1e6),
            ("ECG 2", "mV", 1e-3),
            ("V5", "mV", 1.0),
            ("ECG", "mV", 1000.0),
            ("ECG (ABP)", "mV", 1000.0),
            ("EEG Fpz-Cz", "mV", 1.0),
            ("SpO2", "%", 1000.0),
            ("Herzt\u{f6}ne", "mV", 1.0),
            ("V1", "mV", 1.0),
            ("Präcordial", "mV", 1.0),
        ]
    );
    assert!(record.comments[0].ends_with("M\u{fc}ller"));
    for (date, recording, day) in [
        (
            "24.12.21",
            "Startdate 24-DEC-2021 X X X",
            Some((2021, 12, 24)),
        ),
        ("01.02.85", "X", Some((1985, 2, 1))),
        ("01.02.84", "", Some((2084, 2, 1))),
        (
            "01.02.yy",
            "Startdate 01-FEB-2085 X X X",
            Some((2085, 2, 1)),
        ),
        ("xx", "Startdate X X X X", None),
    ] {
        (file.date, file.recording) = (date, recording);
        let (_folder, path) = written(&file.bytes());
        let start = formats::open(&path).unwrap().start.unwrap();
        assert_eq!((start.seconds, start.date), (80_130.0, day), "{date}");
    }
}

#[test]
fn a_range_may_be_inverted_and_a_signal_without_one_is_refused_when_it_is_chosen() {
    let limits = |label, limits| Channel {
        limits,
        ..channel(label, "mV", 2)
    };
    let channels = [
        limits("flat", ["5", "5", "-100", "100"]),
        limits("digital", ["-1", "1", "100", "100"]),
        limits("crossed", ["-1", "1", "100", "-100"]),
        limits("words", ["-1", "much", "-100", "100"]),
        limits("II", ["10", "-10", "-100", "100"]),
        limits("comma", ["-0,5", "0,5", "-100", "100"]),
    ];
    let values = [50, -10].repeat(6);
    let (folder, path) = written(&File::new("1", &channels, &values).bytes());
    let recording = formats::open(&path).unwrap();
    let extents = recording.check().unwrap();
    assert!(extents[..4].iter().all(|e| e.invalid == 2));
    // The first with a sample is taken, unasked.
    assert_eq!(recording.choice(&extents).first_ecg().unwrap(), 4);
    let remarks: Vec<_> = recording.leads.iter().map(|l| l.remark.clone()).collect();
    assert!(
        remarks[4].as_ref().unwrap().contains("inverted"),
        "{remarks:?}"
    );
    assert_eq!(remarks[5], None);
    for (lead, word) in ["both 5", "minimum 100", "minimum 100", "'much'"]
        .iter()
        .enumerate()
    {
        let refusal = recording.chunks(&[lead]).err().unwrap().to_string();
        assert!(
            refusal.contains(word) && refusal.contains("another lead"),
            "{refusal}"
        );
    }
    let record = recording.read().unwrap();
    assert_eq!(record.signals[4].samples, [-5.0, 1.0]);
    assert_eq!(record.signals[5].samples, [0.25, -0.05]);
    if let Some(shown) = data(folder.path(), &["info", "night.edf"]) {
        let text = said(&shown);
        assert!(
            shown.status.success() && text.contains("flat: its physical minimum"),
            "{text}"
        );
    }
}

#[test]
fn twenty_four_bits_are_read() {
    let mut file = File::new("1", &[channel("ECG", "uV", 4)], &[]);
    file.version = b"\xffBIOSEMI";
    file.channels[0].limits = ["-8388608", "8388607", "-8388608", "8388607"];
    file.data = [1_000_000_i32, -1, 8_388_607, -8_388_608]
        .iter()
        .flat_map(|s| s.to_le_bytes()[..3].to_vec())
        .collect();
    let record = file.read().unwrap();
    assert_eq!(
        record.signals[0].samples,
        [1000.0, -0.001, 8388.607, -8388.608]
    );
    // What lies below the digital minimum stands for no sample.
    file.channels[0].limits = ["-8388607", "8388607", "-8388607", "8388607"];
    let record = file.read().unwrap();
    assert_eq!(record.signals[0].samples[..3], [1000.0, -0.001, 8388.607]);
    assert!(record.signals[0].samples[3].is_nan());
}

#[test]
fn a_number_of_records_that_is_not_known_and_a_last_one_that_is_cut_are_said() {
    let channels = [channel("ECG", "mV", 4), channel("V1", "mV", 2)];
    let data: Vec<i16> = (0..18).collect();
    let whole = File::new("-1", &channels, &data);
    let read = |bytes: &[u8]| -> data::Result<(Record, String)> {
        let (_folder, path) = written(bytes);
        let recording = formats::open(&path)?;
        let remark = recording.remark.clone().unwrap_or_default();
        let length = recording.length;
        let record = recording.read()?;
        assert_eq!(length, Some(record.len() as u64));
        Ok((record, remark))
    };
    let (record, remark) = read(&whole.bytes()).unwrap();
    assert!(record.len() == 12 && remark.contains("by the size of the file there are 3"));
    let counted = File {
        records: "3",
        ..whole.clone()
    };
    let mut bytes = counted.bytes();
    assert_eq!(read(&bytes).unwrap().1, "");
    // The last record lacks the second signal and an odd byte of the first.
    bytes.truncate(bytes.len() - 7);
    let (record, remark) = read(&bytes).unwrap();
    assert!(remark.contains("cut short (5 of 12 bytes)"), "{remark}");
    assert_eq!(record.signals[0].samples[7..], [9.0, 12.0, 13.0]);
    assert_eq!(
        record.signals[1].samples[..8],
        [4.0, 4.0, 5.0, 5.0, 10.0, 10.0, 11.0, 11.0]
    );
    assert!(record.signals[1].samples[8..].iter().all(|v| v.is_nan()));
    let mut unknown = whole.bytes();
    unknown.truncate(unknown.len() - 7);
    let (again, remark) = read(&unknown).unwrap();
    assert!(
        remark.contains("there are 2") && remark.contains("cut short"),
        "{remark}"
    );
    assert_eq!(again.len(), record.len());
    // More than a part of a record is missing.
    bytes.truncate(bytes.len() - 5);
    let refusal = read(&bytes).unwrap_err().to_string();
    assert!(refusal.contains("the file is cut short"), "{refusal}");
    let mut longer = counted.bytes();
    longer.extend([1, 2, 3]);
    assert!(
        read(&longer)
            .unwrap()
            .1
            .contains("3 bytes after the 3 data records")
    );
}

#[test]
fn interruptions_are_gaps_and_texts_are_annotations() {
    let file = interrupted(&[
        "+0.25||;+0.5|N|;",
        "+1.25||;+2~1|pain|;",
        "+3.5||;+3.75|V|\"|;",
    ]);
    let (folder, path) = written(&file.bytes());
    let recording = formats::open(&path).unwrap();
    assert_eq!(recording.start.unwrap().seconds, 80_130.25);
    assert_eq!((recording.leads.len(), recording.length), (1, None));
    let found = recording.annotations().unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|a| (a.sample, a.symbol, a.text()))
        .collect();
    let quote = Symbol::from_mnemonic("\"").unwrap();
    assert_eq!(
        found,
        [
            (1, Symbol::N, ""),
            (7, Symbol::NOTE, "pain"),
            (14, Symbol::V, ""),
            (14, quote, "")
        ]
    );
    let record = recording.read().unwrap();
    let read = &record.signals[0].samples;
    assert_eq!(read[..8], [0.0, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0, 13.0]);
    assert!(read[8..13].iter().all(|v| v.is_nan()));
    assert_eq!(read[13..], [20.0, 21.0, 22.0, 23.0]);
    if let Some(shown) = data(folder.path(), &["info", "night.edf"]) {
        let text = said(&shown);
        assert!(
            text.contains("in the file: 4 annotations") && text.contains("1  pain"),
            "{text}"
        );
        assert!(text.contains("beats:   N 1, S 0, V 1"), "{text}");
    }
    // The same file that says it has no gap is one stretch.
    let continuous = File {
        reserved: "EDF+C",
        ..file
    };
    assert_eq!(continuous.read().unwrap().len(), 12);
}

#[test]
fn times_of_records_that_make_no_sense_are_refused() {
    for (lists, words) in [
        (
            &["+0||", "+0.5||"][..],
            "data record 2 begins at 0.5 s, before the end",
        ),
        (&["+0||", "-9||"], "data record 2 begins at -9 s"),
        (&["+0||", ""], "data record 2 does not say when it begins"),
        (&["+0||", "+40000000||"], "begins 463 days after the first"),
        (&["+0||", "+1e300||"], "days after the first"),
    ] {
        let refusal = interrupted(lists).read().unwrap_err().to_string();
        assert!(refusal.contains(words), "{refusal}");
    }
    // What a clock rounds is no gap.
    let near = interrupted(&["+0||", "+1.0004||", "+1.9996||", "+3.0004||"]);
    assert_eq!(near.read().unwrap().len(), 16);
    let mut silent = File::new("-1", &[channel("ECG", "mV", 4)], &[1, 2, 3, 4]);
    silent.reserved = "EDF+D";
    let refusal = silent.read().unwrap_err().to_string();
    assert!(refusal.contains("no annotation channel"), "{refusal}");
    // A month of nothing is read in pieces, but not into memory.
    let month = interrupted(&["+0||", "+2600000||"]);
    let (_folder, path) = written(&month.bytes());
    assert_eq!(
        formats::open(&path).unwrap().check().unwrap()[0].samples,
        10_400_004
    );
}

#[test]
fn large_records_are_read_in_pieces() {
    let count = 200_000;
    let channels = [
        channel("ECG", "mV", count),
        channel("Sound", "l", 2 * count),
    ];
    let mut file = File::new("1", &channels, &[]);
    file.duration = "1000";
    let value = |at: usize| (at * 7 % 1000) as i16;
    file.data = (0..3 * count)
        .flat_map(|at| value(at).to_le_bytes())
        .collect();
    let record = {
        let (_folder, path) = written(&file.bytes());
        let recording = formats::open(&path).unwrap();
        assert_eq!((recording.fs, recording.length), (200.0, Some(200_000)));
        recording.read().unwrap()
    };
    let [first, second] = [&record.signals[0].samples, &record.signals[1].samples];
    assert!(
        first
            .iter()
            .enumerate()
            .all(|(at, v)| *v == f32::from(value(at)))
    );
    let held = |at: usize| f32::from(value(count + 2 * at));
    assert!(second.iter().enumerate().all(|(at, v)| *v == held(at)));
}

#[test]
fn a_folder_has_its_recordings_in_one_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let edf = File::new("1", &[channel("ECG", "mV", 300)], &vec![7; 300]).bytes();
    for name in ["night.edf", "named.otherwise", "both.edf", "notes.csv"] {
        std::fs::write(at(name), &edf).unwrap();
    }
    std::fs::write(at("both.hea"), "both 1 360 0\n").unwrap();
    std::fs::write(at("table.csv"), "0,1,2\n").unwrap();
    let names = formats::find(folder.path()).unwrap();
    assert_eq!(names, ["both", "named.otherwise", "night.edf", "notes.csv"]);
    std::fs::write(at("RECORDS"), "night.edf\nboth\n").unwrap();
    assert_eq!(formats::find(folder.path()).unwrap(), ["night.edf", "both"]);
    assert_eq!(formats::at(&at("night.edf")), Some(at("night.edf")));
    assert_eq!(formats::at(&at("table.csv")), None);
    assert_eq!(formats::files(&at("night.edf")).unwrap(), [at("night.edf")]);
    // An annotator's file lies beside, without the ending of the recording.
    assert_eq!(
        formats::annotation_path(&at("night.edf"), "atr"),
        at("night.atr")
    );
    let path = formats::new_annotation_path(Path::new("out/night.EDF"), "qrs");
    assert_eq!(path.unwrap(), Path::new("out/night.qrs"));
    let clock = formats::open(&at("night.edf")).unwrap().clock();
    let beat = data::record::annotation::Annotation::new(7, Symbol::N);
    clock
        .write(&at("night.edf.atr"), std::slice::from_ref(&beat))
        .unwrap();
    assert_eq!(
        formats::annotation_path(&at("night.edf"), "atr"),
        at("night.edf.atr")
    );
    clock.write(&at("night.atr"), &[beat]).unwrap();
    assert_eq!(
        formats::annotation_path(&at("night.edf"), "atr"),
        at("night.atr")
    );
    assert_eq!(formats::owner(&at("night.atr")), Some(at("night.edf")));
    assert_eq!(formats::owner(&at("table.csv")), None);
    let refusal = formats::found_annotations(&at("night.edf"), "man").unwrap_err();
    assert!(
        refusal.to_string().contains("this recording has atr"),
        "{refusal}"
    );
}

#[test]
fn beats_of_the_same_signal_are_the_same_in_both_formats() {
    use data::simulate::synth::{self, Settings};
    let folder = tempfile::tempdir().unwrap();
    let (record, _) = synth::record("s", &Settings::new(250.0, 5), 60.0).unwrap();
    let values = |signal: usize| {
        record.signals[signal]
            .samples
            .chunks(250)
            .collect::<Vec<_>>()
    };
    let mut file = File::new("60", &[], &[]);
    for _ in &record.signals {
        let limits = ["-32.768", "32.767", "-32768", "32767"];
        file.channels.push(Channel {
            limits,
            ..channel("ECG II", "mV", 250)
        });
    }
    file.channels.truncate(1);
    for second in values(0) {
        let microvolts = second.iter().map(|v| (v * 1000.0).round() as i16);
        file.data.extend(microvolts.flat_map(|s| s.to_le_bytes()));
    }
    std::fs::write(folder.path().join("night.edf"), file.bytes()).unwrap();
    let mut wfdb = record.clone();
    wfdb.name = "w".into();
    wfdb.signals.truncate(1);
    data::formats::wfdb::write_record(folder.path(), &wfdb).unwrap();
    let beats = |record: &str, stem: &str, lead: &[&str]| {
        let arguments = [&["detect", record, "--output", "out"], lead].concat();
        let output = data(folder.path(), &arguments)?;
        assert!(output.status.success(), "{}", said(&output));
        let path = folder.path().join(format!("out/{stem}.qrs"));
        let found = data::formats::wfdb::read_annotations(&path).unwrap();
        Some(found.iter().map(|a| a.sample).collect::<Vec<_>>())
    };
    let Some(found) = beats("night.edf", "night", &[]) else {
        return;
    };
    assert!(found.len() > 50);
    assert_eq!(found, beats("w", "w", &[]).unwrap());
    for lead in ["MLII", "1", "auto"] {
        assert_eq!(
            found,
            beats("night.edf", "night", &["--lead", lead]).unwrap(),
            "{lead}"
        );
    }
    let refused = data(
        folder.path(),
        &["detect", "night.edf", "--lead", "V1", "--output", "o"],
    );
    let text = said(&refused.unwrap());
    assert!(text.contains("has no lead V1; it has II"), "{text}");
}
