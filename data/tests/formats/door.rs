//! The door for recordings: what is read in pieces is what is read whole, a long
//! recording needs no more memory than a short one, and nobody else knows how
//! its files are called.

use std::fs::File;
use std::path::{Path, PathBuf};

use data::formats::{self, Recording};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::environment::{root, shared};

/// Reads some leads of a recording in pieces of random size, as columns or as
/// interleaved frames, and compares bit for bit.
fn equal_in_pieces(recording: &Recording, random: &mut ChaCha8Rng) {
    let whole = recording.clone().read().unwrap();
    let all = 0..recording.leads.len();
    let leads: Vec<usize> = all.filter(|_| random.random_bool(0.7)).collect();
    let bits = |samples: &[f32]| -> Vec<u32> { samples.iter().map(|s| s.to_bits()).collect() };
    let largest = [1, 7, 100, 5000, usize::MAX][random.random_range(0..5)];
    let mut chunks = recording.chunks(&leads).unwrap();
    let mut columns = vec![Vec::new(); leads.len()];
    let mut interleaved = Vec::new();
    let mut length = 0;
    loop {
        let most = random.random_range(1..=largest);
        let frames = random.random_bool(0.5);
        let before = interleaved.len();
        let count = if frames {
            let count = chunks.read_frames(most, &mut interleaved).unwrap();
            for frame in interleaved[before..].chunks(leads.len().max(1)) {
                let columns = columns.iter_mut().zip(frame);
                columns.for_each(|(column, sample)| column.push(*sample));
            }
            count
        } else {
            chunks.read(most, &mut columns).unwrap()
        };
        length += count;
        assert!(columns.iter().all(|c| c.len() == length));
        // A frame of the file is handed out whole.
        assert!(count <= most.max(100), "{count} of {most}");
        if count == 0 {
            break;
        }
    }
    for (lead, column) in leads.iter().zip(&columns) {
        let name = &recording.name;
        let expected = bits(&whole.signals[*lead].samples);
        assert!(bits(column) == expected, "{name}, lead {lead}");
    }
    let length = leads.first().map_or(0, |_| whole.len());
    assert_eq!(columns.first().map_or(0, Vec::len), length);
}

/// A recording whose leads differ in rate, skew and packing, and one of segments
/// and gaps with it.
fn made_here(folder: &Path) -> [PathBuf; 2] {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut bytes = |count: usize| -> Vec<u8> { (0..count).map(|_| random.random()).collect() };
    let file = |name: &str, content: &[u8]| std::fs::write(folder.join(name), content).unwrap();
    let frames = 10_007;
    file("a.d0", &bytes(frames * 3 * 2));
    file("a.d1", &bytes(frames * 2 * 3 / 2 + 2));
    file("a.d2", &bytes(frames));
    let header = format!(
        "a 6 100 {frames}\na.d0 16x2 9/mV 0 0 0\na.d0 16:5 9/mV\na.d1 212:40 9/mV\n\
         a.d1 212 9/mV\na.d2 8:3 9/mV 8 0 17\n~ 0 9/mV\n"
    );
    file("a.hea", header.as_bytes());
    let segments = format!("m/4 6 100 {}\na {frames}\n~ 77\na {frames}\n~ 9000\n", 0);
    file("m.hea", segments.as_bytes());
    [folder.join("a"), folder.join("m")]
}

#[test]
fn what_is_read_in_pieces_is_what_is_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(7);
    for path in made_here(folder.path()) {
        for _ in 0..12 {
            let recording = formats::open(&path).unwrap();
            equal_in_pieces(&recording, &mut random);
            equal_in_pieces(&recording.at_full_rate(), &mut random);
        }
    }
    // Skew takes samples from the beginning and leaves none at the end.
    let [a, _] = made_here(folder.path());
    let record = formats::open(&a).unwrap().read().unwrap();
    let missing = |lead: usize| record.signals[lead].samples.iter().rev();
    let missing = |lead| missing(lead).take_while(|s| s.is_nan()).count();
    assert_eq!([0, 1, 2, 3, 4].map(missing), [0, 10, 80, 0, 6]);
}

#[test]
#[cfg_attr(not(recordings), ignore = "no recordings")]
fn every_sample_record_is_the_same_in_pieces() {
    let shared = shared();
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut read = 0;
    for folder in ["fixtures/wfdb_sample", "cudb"] {
        let folder = shared.join(folder);
        for name in formats::find_unlisted(&folder).unwrap() {
            let recording = formats::open(&folder.join(&name)).unwrap();
            // Of some only the header is there.
            if recording.check().is_err() {
                continue;
            }
            read += 1;
            equal_in_pieces(&recording, &mut random);
            equal_in_pieces(&recording.at_full_rate(), &mut random);
        }
    }
    assert!(read >= 35, "only {read} records found");
}

/// The file is a hole of a tebibyte: whoever read it whole would never end.
#[test]
fn a_recording_that_no_memory_holds_is_read_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let samples = 1_u64 << 39;
    let file = File::create(folder.path().join("r.dat")).unwrap();
    if let Err(error) = file.set_len(samples * 2) {
        eprintln!("skipped: no file of a tebibyte can be made here: {error}");
        return;
    }
    let header = format!("r 1 250 {samples} 10:00:00 24/12/2025\nr.dat 16 200(-50)/mV\n");
    std::fs::write(folder.path().join("r.hea"), header).unwrap();
    let recording = formats::open(&folder.path().join("r")).unwrap();
    assert_eq!(recording.length, Some(samples));
    let start = recording.start.unwrap();
    assert_eq!(
        (start.seconds, start.date),
        (36_000.0, Some((2025, 12, 24)))
    );
    let mut chunks = recording.chunks(&[0]).unwrap();
    let mut out = Vec::new();
    for _ in 0..100 {
        out.clear();
        let count = chunks.read_frames(usize::MAX, &mut out).unwrap();
        assert!((1..=16_384).contains(&count) && out.len() == count);
        assert!(out.iter().all(|&v| v == 0.25));
    }
}

/// The source files of a folder and those below it.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The first file ending of a recording that a text spells.
fn spelled(text: &str) -> Option<&'static str> {
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let dotted = [".hea", ".dat", ".atr", ".edf", ".bdf"].into_iter();
    let mut dotted = dotted.filter(|e| text.match_indices(e).any(|(at, _)| ends(&text[at + 4..])));
    let quoted = ["\"hea\"", "\"dat\"", "\"edf\"", "\"bdf\""]
        .into_iter()
        .find(|e| text.contains(e));
    dotted.next().or(quoted)
}

#[test]
fn nobody_else_knows_how_the_files_of_a_recording_are_called() {
    assert_eq!(spelled("read r.hea, or"), Some(".hea"));
    assert_eq!(spelled("self.header.data, atr"), None);
    let root = root();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&root).unwrap() {
        let crate_folder = entry.unwrap().path();
        for part in ["src", "examples"].map(|part| crate_folder.join(part)) {
            if crate_folder.join("Cargo.toml").is_file() && part.is_dir() {
                sources(&part, &mut files);
            }
        }
    }
    assert!(files.len() > 200, "only {} sources found", files.len());
    let door = root.join("data/src/formats");
    for file in files.iter().filter(|f| !f.starts_with(&door)) {
        let is_test = |f: &Path| {
            f.file_stem()
                .is_some_and(|s| s.to_string_lossy().ends_with("tests"))
        };
        if is_test(file) || *file == door.with_extension("rs") {
            continue;
        }
        let text = std::fs::read_to_string(file).unwrap();
        // Tests may say what they like.
        let text = text
            .split("#[cfg(test)]\nmod tests")
            .next()
            .unwrap_or_default();
        if let Some(ending) = spelled(text) {
            panic!(
                "{} spells {ending}; data::formats tells paths",
                file.display()
            );
        }
    }
}
