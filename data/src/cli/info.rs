//! `data info`: what a recording holds.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use data::formats::wfdb::{self, AnnotationFile};
use data::record::Record;
use data::record::aami::{Class, Convention};
use data::record::annotation::Annotation;

/// Shows a recording's signals and annotations.
#[derive(clap::Args)]
pub struct Arguments {
    /// WFDB records, such as data/mitdb/100
    #[arg(required = true)]
    records: Vec<PathBuf>,
    /// Annotator whose annotations are counted, where there are any
    #[arg(long, default_value = data::datasets::dataset::REFERENCE)]
    annotator: String,
}

/// Runs the command.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> anyhow::Result<()> {
    for (index, path) in arguments.records.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        let record = wfdb::read_record(path)?;
        signals(&record, out)?;
        let annotations = annotation_path(path, &arguments.annotator);
        if annotations.is_file() {
            let file = AnnotationFile::read(&annotations)?;
            counts(&annotations, &file.annotations, out)?;
        }
    }
    Ok(())
}

fn annotation_path(record: &Path, annotator: &str) -> PathBuf {
    let mut name = match record.extension() {
        Some(extension) if extension == "hea" => record.with_extension(""),
        _ => record.to_owned(),
    }
    .into_os_string();
    name.push(".");
    name.push(annotator);
    PathBuf::from(name)
}

fn signals(record: &Record, out: &mut impl Write) -> std::io::Result<()> {
    let seconds = record.len() as f64 / record.fs;
    writeln!(
        out,
        "{}: {} samples at {} Hz ({})",
        record.name,
        record.len(),
        record.fs,
        clock(seconds)
    )?;
    writeln!(
        out,
        "  {:<16} {:>8} {:>10} {:>10} {:>10}",
        "signal", "units", "lowest", "highest", "invalid"
    )?;
    for signal in &record.signals {
        let (mut low, mut high, mut invalid) = (f32::INFINITY, f32::NEG_INFINITY, 0_u64);
        for &sample in &signal.samples {
            if sample.is_nan() {
                invalid += 1;
            } else {
                low = low.min(sample);
                high = high.max(sample);
            }
        }
        write!(out, "  {:<16} {:>8}", signal.name, signal.units)?;
        if low > high {
            write!(out, " {:>10} {:>10}", "-", "-")?;
        } else {
            write!(out, " {low:>10.3} {high:>10.3}")?;
        }
        writeln!(out, " {invalid:>10}")?;
    }
    for comment in record.comments.iter().filter(|c| !c.is_empty()) {
        writeln!(out, "  # {comment}")?;
    }
    Ok(())
}

fn counts(path: &Path, annotations: &[Annotation], out: &mut impl Write) -> std::io::Result<()> {
    let mut symbols: BTreeMap<&str, usize> = BTreeMap::new();
    let mut classes = [0_usize; Class::ALL.len()];
    for annotation in annotations {
        *symbols.entry(annotation.symbol.as_str()).or_default() += 1;
        if let Some(class) = Class::from_symbol(annotation.symbol, Convention::default()) {
            classes[class.index()] += 1;
        }
    }
    let list = |pairs: &mut dyn Iterator<Item = (&str, usize)>| {
        let parts: Vec<String> = pairs.map(|(name, n)| format!("{name} {n}")).collect();
        parts.join(", ")
    };
    writeln!(
        out,
        "  {}: {} annotations",
        path.display(),
        annotations.len()
    )?;
    writeln!(out, "    symbols: {}", list(&mut symbols.into_iter()))?;
    let mut named = Class::ALL.iter().map(|c| (c.name(), classes[c.index()]));
    writeln!(out, "    beats:   {}", list(&mut named))
}

/// Hours, minutes and seconds.
fn clock(seconds: f64) -> String {
    let whole = seconds as u64;
    format!(
        "{}:{:02}:{:06.3}",
        whole / 3600,
        whole / 60 % 60,
        seconds - (whole / 60 * 60) as f64
    )
}
