use proptest::prelude::*;

use super::*;
use crate::record::units::Units;

/// Writes data elements, explicit or implicit, with lengths or without.
#[derive(Clone, Copy)]
struct Writer {
    explicit: bool,
    lengths: bool,
}

impl Writer {
    fn element(self, tag: Tag, kind: &[u8; 2], value: &[u8]) -> Vec<u8> {
        let mut value = value.to_vec();
        if value.len() % 2 == 1 {
            value.push(if kind == b"UI" { 0 } else { b' ' });
        }
        let mut bytes = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
        let long = [b"OB", b"OW", b"SQ", b"UN"].contains(&kind);
        match (self.explicit, long) {
            (true, false) => {
                bytes.extend(kind);
                bytes.extend((value.len() as u16).to_le_bytes());
            }
            (explicit, _) => {
                if explicit {
                    bytes.extend(kind);
                    bytes.extend([0, 0]);
                }
                bytes.extend((value.len() as u32).to_le_bytes());
            }
        }
        bytes.extend(value);
        bytes
    }

    fn sequence(self, tag: Tag, items: &[Vec<u8>]) -> Vec<u8> {
        let word = |tag: Tag, length: u32| {
            [
                &tag.0.to_le_bytes()[..],
                &tag.1.to_le_bytes(),
                &length.to_le_bytes(),
            ]
            .concat()
        };
        let mut all = Vec::new();
        for item in items {
            let length = if self.lengths {
                item.len() as u32
            } else {
                u32::MAX
            };
            all.extend(word((0xfffe, 0xe000), length));
            all.extend(item);
            if !self.lengths {
                all.extend(word((0xfffe, 0xe00d), 0));
            }
        }
        let mut bytes = self.element(tag, b"SQ", &all);
        if !self.lengths {
            let at = if self.explicit { 8 } else { 4 };
            bytes[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
            bytes.extend(word((0xfffe, 0xe0dd), 0));
        }
        bytes
    }

    fn channel(self, meaning: &str, sensitivity: &str, unit: &str) -> Vec<u8> {
        let code = |value: &str, meaning: &str| {
            [
                self.element((0x0008, 0x0100), b"SH", value.as_bytes()),
                self.element((0x0008, 0x0104), b"LO", meaning.as_bytes()),
            ]
            .concat()
        };
        let mut all = self.sequence((0x003a, 0x0208), &[code("2:2", meaning)]);
        if !sensitivity.is_empty() {
            all.extend(self.element((0x003a, 0x0210), b"DS", sensitivity.as_bytes()));
            all.extend(self.sequence((0x003a, 0x0211), &[code(unit, "")]));
            all.extend(self.element((0x003a, 0x0212), b"DS", b"2"));
            all.extend(self.element((0x003a, 0x0213), b"DS", b"100"));
        }
        all
    }

    fn group(self, originality: &str, fs: &str, channels: &[Vec<u8>], samples: &[i16]) -> Vec<u8> {
        let count = channels.len();
        let data: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        [
            self.element((0x003a, 0x0004), b"CS", originality.as_bytes()),
            self.element((0x003a, 0x0005), b"US", &(count as u16).to_le_bytes()),
            self.element(
                (0x003a, 0x0010),
                b"UL",
                &((samples.len() / count) as u32).to_le_bytes(),
            ),
            self.element((0x003a, 0x001a), b"DS", fs.as_bytes()),
            self.element((0x003a, 0x0020), b"SH", b"RHYTHM"),
            self.sequence((0x003a, 0x0200), channels),
            self.element((0x5400, 0x1004), b"US", &16_u16.to_le_bytes()),
            self.element((0x5400, 0x1006), b"CS", b"SS"),
            self.element((0x5400, 0x100a), b"OW", &(-32768_i16).to_le_bytes()),
            self.element((0x5400, 0x1010), b"OW", &data),
        ]
        .concat()
    }

    fn file(self, class: &str, groups: &[Vec<u8>]) -> Vec<u8> {
        let meta = Writer {
            explicit: true,
            lengths: true,
        };
        let syntax = if self.explicit { EXPLICIT } else { IMPLICIT };
        [
            vec![0; PREAMBLE],
            MARK.to_vec(),
            meta.element((0x0002, 0x0001), b"OB", &[0, 1]),
            meta.element(TRANSFER_SYNTAX, b"UI", syntax.as_bytes()),
            self.element(SOP_CLASS, b"UI", class.as_bytes()),
            self.element(ACQUISITION, b"DT", b"20130125105919.5+0100"),
            self.element(MANUFACTURER, b"LO", b"Maker"),
            self.sequence((0x0040, 0x0555), &[self.sequence((0x0040, 0xa168), &[])]),
            self.sequence(WAVEFORMS, groups),
        ]
        .concat()
    }
}

const ALL: [Writer; 4] = [
    Writer {
        explicit: true,
        lengths: true,
    },
    Writer {
        explicit: true,
        lengths: false,
    },
    Writer {
        explicit: false,
        lengths: true,
    },
    Writer {
        explicit: false,
        lengths: false,
    },
];

fn small(writer: Writer) -> Vec<u8> {
    let channels = [
        writer.channel("Lead II", "1.25", "uV"),
        writer.channel("Lead V1 (chest)", "0.5", "mV"),
    ];
    let beat = writer.group("DERIVED", "1000", &channels, &[1, 2]);
    let rhythm = writer.group("ORIGINAL", "500", &channels, &[400, 1, -32768, 2, 0, -3]);
    writer.file(ECGS[0], &[beat, rhythm])
}

fn read(bytes: &[u8]) -> Result<(Layout, Vec<Vec<f32>>)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.dcm");
    std::fs::write(&path, bytes).unwrap();
    let layout = Arc::new(Layout::read(&path)?);
    let all: Vec<usize> = (0..layout.leads().len()).collect();
    let mut reader = Reader::new(Arc::clone(&layout), &all)?;
    let mut out = vec![Vec::new(); all.len()];
    while reader.read(2, &mut out)? > 0 {}
    assert_eq!(reader.left(), 0);
    drop(reader);
    Ok((Arc::into_inner(layout).unwrap(), out))
}

#[test]
fn every_way_of_writing_is_read() {
    for writer in ALL {
        let bytes = small(writer);
        assert!(is(&bytes) && !is(&bytes[1..]));
        let (layout, out) = read(&bytes).unwrap();
        // 400 steps of 1.25 uV times 2, and a baseline of 100 uV.
        assert_eq!(out[0][0], 1.1);
        assert!(out[0][1].is_nan());
        assert_eq!(out[0][2], 0.1);
        assert_eq!(out[1], [101.0, 102.0, 97.0]);
        assert_eq!((layout.fs(), layout.length()), (500.0, Some(3)));
        let leads = layout.leads();
        assert_eq!([&*leads[0].name, &*leads[1].name], ["II", "V1"]);
        assert!(layout.remark().unwrap().contains("derived"));
        let start = layout.start().unwrap();
        assert_eq!((start.seconds, start.date), (39_559.5, Some((2013, 1, 25))));
        assert_eq!(layout.comments(), ["manufacturer: Maker"]);
    }
}

#[test]
fn channels_without_a_scale_are_no_voltage() {
    let writer = ALL[1];
    let channel = writer.channel("Lead I", "", "");
    let group = writer.group("ORIGINAL", "250", &[channel], &[5, 6]);
    let (layout, out) = read(&writer.file(ECGS[2], &[group])).unwrap();
    assert_eq!(out[0], [5.0, 6.0]);
    let leads = layout.leads();
    assert_eq!(leads[0].units, Units::Other("ADC units".into()));
    assert!(leads[0].remark.as_ref().unwrap().contains("no voltage"));
}

#[test]
fn what_is_wrong_is_named() {
    let writer = ALL[0];
    let whole = small(writer);
    let channel = || writer.channel("Lead I", "1", "uV");
    let group = |fs: &str| writer.group("ORIGINAL", fs, &[channel()], &[5, 6]);
    let replaced = |bytes: Vec<u8>, old: &[u8], new: &[u8]| {
        let at = bytes.windows(old.len()).position(|w| w == old).unwrap();
        [&bytes[..at], new, &bytes[at + old.len()..]].concat()
    };
    let mut deep = writer.element((0x0040, 0x0001), b"SQ", &[]);
    for _ in 0..40 {
        deep = Writer {
            explicit: true,
            lengths: false,
        }
        .sequence((0x0040, 0x0001), &[deep]);
    }
    let meta = [
        vec![0; PREAMBLE],
        MARK.to_vec(),
        writer.element(TRANSFER_SYNTAX, b"UI", EXPLICIT.as_bytes()),
    ];
    let one = writer.file(ECGS[1], &[group("250")]);
    for (bytes, word) in [
        (Vec::new(), "not a DICOM file"),
        (vec![0; 200], "not a DICOM file"),
        (whole[..whole.len() - 4].to_vec(), "cut short"),
        (whole[..150].to_vec(), "cut short"),
        (
            writer.file("1.2.840.10008.5.1.4.1.1.2", &[group("250")]),
            "no ECG",
        ),
        (writer.file(ECGS[1], &[]), "no waveform"),
        (writer.file(ECGS[1], &[group("0")]), "sampling frequency"),
        (writer.file(ECGS[1], &[group("x")]), "'x' is no number"),
        (replaced(one.clone(), b"SS", b"MB"), "as 'MB'"),
        (
            replaced(
                one.clone(),
                &[0x3a, 0, 0x10, 0, b'U', b'L', 4, 0, 2, 0, 0, 0],
                &[0x3a, 0, 0x10, 0, b'U', b'L', 4, 0, 255, 255, 255, 255],
            ),
            "bytes, and holds 4",
        ),
        (
            replaced(
                one,
                &[0x3a, 0, 5, 0, b'U', b'S', 2, 0, 1, 0],
                &[0x3a, 0, 5, 0, b'U', b'S', 2, 0, 9, 0],
            ),
            "defines 1",
        ),
        ([meta.concat(), deep].concat(), "lie in each other"),
    ] {
        let said = read(&bytes).unwrap_err().to_string();
        assert!(said.contains(word), "{word}: {said}");
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Layout::read(folder.path()), Err(Error::Io { .. })));
}

#[test]
fn deflated_and_big_endian_files_are_refused_by_name() {
    let meta = Writer {
        explicit: true,
        lengths: true,
    };
    for (syntax, word) in [
        (DEFLATED, "deflated"),
        (BIG_ENDIAN, "big endian"),
        ("1.2.3", "not known"),
    ] {
        let syntax = meta.element(TRANSFER_SYNTAX, b"UI", syntax.as_bytes());
        let said = read(&[vec![0; PREAMBLE], MARK.to_vec(), syntax].concat()).unwrap_err();
        assert!(said.to_string().contains(word), "{said}");
    }
}

proptest! {
    #[test]
    fn any_damage_is_survived(way in 0_usize..4, cut: prop::sample::Index, at: prop::sample::Index, new: [u8; 4], truncate: bool) {
        let mut bytes = small(ALL[way]);
        let at = at.index(bytes.len() - 4);
        bytes[at..at + 4].copy_from_slice(&new);
        if truncate {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok((layout, out)) = read(&bytes) {
            let length = layout.length().unwrap() as usize;
            prop_assert!(out.iter().all(|lead| lead.len() == length));
        }
    }
}
