//! Time to read a half-hour record of two signals, as in the MIT-BIH
//! Arrhythmia Database, and its annotations, against the `wfdb` package of
//! Python (`peer.py`), in one run on one machine.
//!
//! Reads record 100 below `ECTOPY_SHARED`/mitdb where that is, otherwise a
//! synthetic record of the same size and format. The Python with `wfdb` is that
//! of the environment variable `ECTOPY_PYTHON`, else `.deps/python/bin/python`,
//! which `setup/setup.sh python` makes.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use data::formats::wfdb::read_annotations;
use data::formats::{self, annotation_path};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const ROUNDS: usize = 5;
/// Readings of which each round takes the median.
const RUNS: usize = 21;

/// Two signals of 650,000 samples in format 212.
fn synthetic(folder: &Path) -> Result<PathBuf> {
    let bytes: Vec<u8> = (0..650_000 * 3_usize).map(|i| (i * 31 / 7) as u8).collect();
    std::fs::write(folder.join("a.dat"), bytes)?;
    let line = "a.dat 212 200 11 1024 0\n";
    std::fs::write(
        folder.join("a.hea"),
        format!("a 2 360 650000\n{line}{line}"),
    )?;
    // 2,000 normal beats, 300 samples apart, and the end.
    let mut annotations: Vec<u8> = (0..2000).flat_map(|_| [0x2c, 0x05]).collect();
    annotations.extend([0, 0]);
    std::fs::write(folder.join("a.atr"), annotations)?;
    Ok(folder.join("a"))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn seconds(read: impl Fn() -> Result<()>) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let started = Instant::now();
        read()?;
        times.push(started.elapsed().as_secs_f64());
    }
    Ok(median(times))
}

/// Seconds of Python for the signals and for the annotations.
fn peer(record: &Path) -> Result<[f64; 2]> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.deps/python/bin/python");
    let python = std::env::var_os("ECTOPY_PYTHON").map_or(own, PathBuf::from);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peer.py");
    let output = Command::new(&python)
        .arg(script)
        .arg(record)
        .arg(RUNS.to_string())
        .output()
        .map_err(|e| format!("{}: {e}", python.display()))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().into());
    }
    let text = String::from_utf8(output.stdout)?;
    let mut numbers = text.split_whitespace().map(str::parse);
    let mut next = || numbers.next().ok_or("the peer printed too little");
    Ok([next()??, next()??])
}

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let shared = std::env::var_os("ECTOPY_SHARED").map(|f| Path::new(&f).join("mitdb/100"));
    let record = match shared.and_then(|path| formats::at(&path)) {
        Some(record) => record,
        None => synthetic(folder.path())?,
    };
    let annotations = annotation_path(&record, "atr");
    let (mut ours, mut theirs) = ([vec![], vec![]], [vec![], vec![]]);
    // Turn by turn, so that a busy machine slows both alike.
    for _ in 0..ROUNDS {
        ours[0].push(seconds(|| {
            black_box(formats::open(black_box(&record))?.read()?);
            Ok(())
        })?);
        ours[1].push(seconds(|| {
            black_box(read_annotations(black_box(&annotations))?);
            Ok(())
        })?);
        match peer(&record) {
            Ok(times) => (0..2).for_each(|i| theirs[i].push(times[i])),
            Err(error) => eprintln!("no peer: {error}"),
        }
    }
    println!("{}, median of {ROUNDS} rounds:", record.display());
    for ((name, ours), theirs) in ["signals", "annotations"].into_iter().zip(ours).zip(theirs) {
        let ours = median(ours);
        print!("  {name:<12} {:8.3} ms", 1e3 * ours);
        if theirs.is_empty() {
            println!();
        } else {
            let theirs = median(theirs);
            println!(
                "   wfdb {:8.3} ms   {:.1} times as fast",
                1e3 * theirs,
                theirs / ours
            );
        }
    }
    Ok(())
}
