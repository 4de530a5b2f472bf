//! EDF files made here, for tests to spoil.

use std::path::PathBuf;

use data::formats;
use data::record::Record;
use tempfile::TempDir;

/// A signal as a header tells of it.
#[derive(Clone)]
pub struct Channel {
    pub label: &'static [u8],
    pub unit: &'static [u8],
    /// Lowest and highest physical and digital value.
    pub limits: [&'static str; 4],
    pub samples: usize,
}

/// A signal of which a digital step is a physical one.
pub fn channel(label: &'static str, unit: &'static str, samples: usize) -> Channel {
    Channel {
        label: label.as_bytes(),
        unit: unit.as_bytes(),
        limits: ["-32768", "32767", "-32768", "32767"],
        samples,
    }
}

/// A file that is yet to be spoilt.
#[derive(Clone)]
pub struct File {
    pub version: &'static [u8],
    pub recording: &'static str,
    pub date: &'static str,
    pub reserved: &'static str,
    pub records: &'static str,
    pub duration: &'static str,
    pub channels: Vec<Channel>,
    pub data: Vec<u8>,
}

impl File {
    pub fn new(records: &'static str, channels: &[Channel], data: &[i16]) -> File {
        File {
            version: b"0",
            recording: "Startdate 24-DEC-2021 X X X",
            date: "24.12.21",
            reserved: "",
            records,
            duration: "1",
            channels: channels.to_vec(),
            data: data.iter().flat_map(|s| s.to_le_bytes()).collect(),
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut field = |text: &[u8], width: usize| {
            let mut field = text.to_vec();
            field.resize(width, b' ');
            bytes.extend(field);
        };
        field(self.version, 8);
        field(b"X M 01-JAN-1970 M\xfcller", 80);
        field(self.recording.as_bytes(), 80);
        field(self.date.as_bytes(), 8);
        field(b"22.15.30", 8);
        let count = self.channels.len();
        field((256 * (count + 1)).to_string().as_bytes(), 8);
        field(self.reserved.as_bytes(), 44);
        field(self.records.as_bytes(), 8);
        field(self.duration.as_bytes(), 8);
        field(count.to_string().as_bytes(), 4);
        let all = &self.channels;
        all.iter().for_each(|c| field(c.label, 16));
        all.iter().for_each(|_| field(b"", 80));
        all.iter().for_each(|c| field(c.unit, 8));
        for which in 0..4 {
            all.iter()
                .for_each(|c| field(c.limits[which].as_bytes(), 8));
        }
        all.iter().for_each(|_| field(b"HP:0.05Hz", 80));
        all.iter()
            .for_each(|c| field(c.samples.to_string().as_bytes(), 8));
        all.iter().for_each(|_| field(b"", 32));
        bytes.extend(&self.data);
        bytes
    }

    /// The file in a folder, and what is read of it.
    pub fn read(&self) -> data::Result<Record> {
        let (_folder, path) = written(&self.bytes());
        formats::open(&path)?.at_full_rate().read()
    }
}

pub fn written(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("night.edf");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

pub fn samples(record: &Record) -> Vec<Vec<f32>> {
    record.signals.iter().map(|s| s.samples.clone()).collect()
}

/// A list of annotations of one record, in so many samples.
fn notes(text: &str, samples: usize) -> Vec<u8> {
    let mut bytes = text.replace('|', "\x14").replace('~', "\x15").into_bytes();
    bytes
        .iter_mut()
        .filter(|b| **b == b';')
        .for_each(|b| *b = 0);
    bytes.resize(2 * samples, 0);
    bytes
}

/// Records of a second at these times, each of four samples and a list.
pub fn interrupted(lists: &[&str]) -> File {
    let channels = [channel("ECG", "mV", 4), channel("EDF Annotations", "", 12)];
    let mut file = File::new("-1", &channels, &[]);
    file.reserved = "EDF+D";
    for (record, list) in lists.iter().enumerate() {
        let own = (0..4).map(|at| 10 * record as i16 + at);
        file.data.extend(own.flat_map(|s| s.to_le_bytes()));
        file.data.extend(notes(list, 12));
    }
    file
}
