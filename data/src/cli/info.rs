//! `data info`: what a recording or a file of beats holds.

mod beats;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::beat_files::table::{self, Columns};
use crate::datasets::dataset::{Failures, Kind, Place, REFERENCE, record_path};
use crate::formats::wfdb::AnnotationFile;
use crate::formats::{self, Clock, Extent, Recording, annotation_path};
use crate::program::Usage;
use crate::record::aami::{Class, Convention};
use crate::record::annotation::Annotation;
use anyhow::bail;

/// Kinds of annotations that are listed.
const KINDS: usize = 20;

/// Shows a recording's signals and annotations, or what a file of beats holds.
#[derive(clap::Args)]
pub struct Arguments {
    /// Recordings, such as data/mitdb/100 (WFDB) or an EDF file, folders of them,
    /// tables of beats or stores
    #[arg(required = true)]
    records: Vec<PathBuf>,
    /// Annotator whose annotations are counted [default: atr, where there is one]
    #[arg(long)]
    annotator: Option<String>,
    #[arg(long, value_name = "COLUMNS", help = table::COLUMNS_HELP)]
    table: Option<Columns>,
}

/// Runs the command.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> anyhow::Result<()> {
    let (mut paths, mut files) = (Vec::new(), 0);
    for path in &arguments.records {
        let place = Place::found(path)?;
        if let Some(remark) = place.remark {
            eprintln!("{remark}");
        }
        match place.kind {
            Kind::Folder => {
                let names = formats::find(path)?.into_iter();
                paths.extend(names.map(|name| (record_path(path, &name), name)));
            }
            kind => {
                files += usize::from(kind == Kind::File);
                paths.push((Ok(place.path), path.display().to_string()));
            }
        }
    }
    for (said, heard, flag, what) in [
        (
            arguments.annotator.is_some(),
            paths.len() > files,
            "--annotator",
            "recordings",
        ),
        (
            arguments.table.is_some(),
            files > 0,
            "--table",
            "files of beats",
        ),
    ] {
        if said && !heard {
            bail!(Usage(format!(
                "{flag} is of {what}, and none is given; leave it out"
            )));
        }
    }
    let mut failures = Failures::among(paths.len());
    let mut first = true;
    for (path, name) in paths {
        let mut text = Vec::new();
        let shown =
            path.map_err(anyhow::Error::from)
                .and_then(|path| match Place::of(&path)?.kind {
                    Kind::File => {
                        let columns = arguments.table.clone().unwrap_or_default();
                        beats::show(&path, &columns, &mut text)
                    }
                    _ => show(&path, arguments.annotator.as_deref(), &mut text),
                });
        if failures.keep(name, shown)?.is_some() {
            if !std::mem::take(&mut first) {
                writeln!(out)?;
            }
            out.write_all(&text)?;
        }
    }
    Ok(failures.finish()?)
}

fn show(path: &Path, annotator: Option<&str>, out: &mut impl Write) -> anyhow::Result<()> {
    let recording = formats::open(path)?.at_full_rate();
    let (extents, clock) = (recording.check()?, recording.clock());
    signals(&recording, &extents, &clock, out)?;
    if let Some(remark) = &recording.remark {
        writeln!(out, "  {remark}")?;
    }
    for lead in &recording.leads {
        if let Some(remark) = &lead.remark {
            writeln!(out, "  {}: {remark}", lead.name)?;
        }
    }
    own_annotations(&recording.annotations()?, out)?;
    // A recording need not have the reference annotator, but the one that is
    // asked for by name.
    let annotations = match annotator {
        Some(annotator) => formats::found_annotations(path, annotator)?,
        None => annotation_path(path, REFERENCE),
    };
    if annotator.is_some() || annotations.is_file() {
        let file = AnnotationFile::read(&annotations)?;
        counts(&annotations, &file, &clock, out)?;
    }
    Ok(())
}

fn signals(
    recording: &Recording,
    extents: &[Extent],
    clock: &Clock,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let samples = extents.first().map_or(0, |extent| extent.samples);
    let seconds = samples as f64 / recording.fs;
    writeln!(
        out,
        "{}: {} samples at {} Hz ({})",
        recording.name,
        samples,
        recording.fs,
        duration(seconds)
    )?;
    if clock.frame_fs() != clock.fs() {
        writeln!(
            out,
            "  {} frames per second, which annotations count unless they state another resolution",
            clock.frame_fs()
        )?;
    }
    writeln!(
        out,
        "  {:<16} {:>8} {:>10} {:>10} {:>10}",
        "signal", "units", "lowest", "highest", "invalid"
    )?;
    for (lead, extent) in recording.leads.iter().zip(extents) {
        let [low, high] = extent.range;
        write!(out, "  {:<16} {:>8}", lead.name, lead.units)?;
        if low > high {
            write!(out, " {:>10} {:>10}", "-", "-")?;
        } else {
            write!(out, " {low:>10.3} {high:>10.3}")?;
        }
        writeln!(out, " {:>10}", extent.invalid)?;
    }
    for comment in recording.comments.iter().filter(|c| !c.is_empty()) {
        writeln!(out, "  # {comment}")?;
    }
    Ok(())
}

/// Counts what the recording's own file has of annotations, by symbol, and notes
/// by their text.
fn own_annotations(annotations: &[Annotation], out: &mut impl Write) -> std::io::Result<()> {
    if annotations.is_empty() {
        return Ok(());
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    let mut classes = [0_usize; Class::ALL.len()];
    for annotation in annotations {
        let kind = match annotation.text() {
            "" => annotation.symbol.as_str(),
            text => text,
        };
        *kinds.entry(kind).or_default() += 1;
        if let Some(class) = Class::from_symbol(annotation.symbol, Convention::default()) {
            classes[class.index()] += 1;
        }
    }
    writeln!(out, "  in the file: {} annotations", annotations.len())?;
    let mut shown: Vec<(&str, usize)> = kinds.into_iter().collect();
    shown.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (kind, count) in shown.iter().take(KINDS) {
        writeln!(out, "    {count:>6}  {kind}")?;
    }
    if shown.len() > KINDS {
        writeln!(out, "    and {} other kinds", shown.len() - KINDS)?;
    }
    if classes.iter().any(|count| *count > 0) {
        let named = Class::ALL
            .iter()
            .map(|c| format!("{} {}", c.name(), classes[c.index()]));
        writeln!(out, "    beats:   {}", named.collect::<Vec<_>>().join(", "))?;
    }
    Ok(())
}

fn counts(
    path: &Path,
    file: &AnnotationFile,
    clock: &Clock,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let labels = file.labels();
    let mut symbols: BTreeMap<String, usize> = BTreeMap::new();
    for annotation in &file.annotations {
        let shown = file.shown(&labels, annotation.symbol);
        *symbols.entry(shown).or_default() += 1;
    }
    let mut classes = [0_usize; Class::ALL.len()];
    for annotation in clock.annotations(file.clone()) {
        if let Some(class) = Class::from_symbol(annotation.symbol, Convention::default()) {
            classes[class.index()] += 1;
        }
    }
    let list = |pairs: &mut dyn Iterator<Item = (&str, usize)>| {
        let parts: Vec<String> = pairs.map(|(name, n)| format!("{name} {n}")).collect();
        parts.join(", ")
    };
    let count = file.annotations.len();
    write!(out, "  {}: {count} annotations", path.display())?;
    match file.fs() {
        Some(fs) => writeln!(out, ", {fs} ticks per second")?,
        None => writeln!(out)?,
    }
    let mut shown = symbols.iter().map(|(name, n)| (name.as_str(), *n));
    writeln!(out, "    symbols: {}", list(&mut shown))?;
    let mut named = Class::ALL.iter().map(|c| (c.name(), classes[c.index()]));
    writeln!(out, "    beats:   {}", list(&mut named))?;
    for (code, label) in &labels {
        let class = label
            .standard(*code)
            .and_then(|symbol| Class::from_symbol(symbol, Convention::default()));
        writeln!(
            out,
            "    label {}: code {code}, '{}', {}",
            label.mnemonic,
            label.description,
            match class {
                Some(class) => format!("AAMI class {}", class.name()),
                None => "no AAMI class".to_owned(),
            }
        )?;
    }
    Ok(())
}

/// Hours, minutes and seconds.
fn duration(seconds: f64) -> String {
    let whole = seconds as u64;
    format!(
        "{}:{:02}:{:06.3}",
        whole / 3600,
        whole / 60 % 60,
        seconds - (whole / 60 * 60) as f64
    )
}
