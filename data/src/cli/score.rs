//! `data score`: compares an annotator with the reference as EC57 prescribes.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use data::datasets::dataset::{self, Failures, Recordings};
use data::formats::wfdb::Clock;
use data::output::{self, Outputs, made_here::MAKER};
use data::record::aami::Convention;
use data::record::annotation::Annotation;
use data::scoring::ec57::{self, Comparison, Options, Summary};
use serde::Serialize;

/// Scores an annotator beat by beat (EC57), as bxb and sumstats do.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of the WFDB records and their reference annotations, or one record
    folder: PathBuf,
    /// Reference annotator: the ending of its files
    #[arg(long, default_value = dataset::REFERENCE)]
    reference: String,
    /// Test annotator: the ending of its files
    #[arg(long)]
    test: String,
    /// Folder of the test annotations, where it is another
    #[arg(long, value_name = "DIR")]
    test_dir: Option<PathBuf>,
    /// Records: ds1, ds2, all, a file that lists them, or names with commas between
    #[arg(long, value_name = "LIST", default_value = "all")]
    records: String,
    /// Learning period at the start of a record, not scored: seconds, M:SS or H:MM:SS
    #[arg(long, value_name = "TIME", default_value = "5:00", value_parser = seconds)]
    start: f64,
    /// Print the matrix of every record before the lines
    #[arg(long)]
    matrices: bool,
    /// Write the figures, as fractions, to a JSON file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Replace a JSON file that this program did not make
    #[arg(long)]
    force: bool,
}

/// What the JSON file holds.
#[derive(Serialize)]
struct Scores {
    made_by: &'static str,
    /// Escape beats as S, the convention of the printed report.
    #[serde(flatten)]
    bxb: Summary,
    /// The same with escape beats as N.
    escape_beats_as_n: Summary,
}

/// Runs the command.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> anyhow::Result<()> {
    let found = Recordings::find(&arguments.folder, &arguments.records)?;
    if let Some(remark) = &found.remark {
        eprintln!("{remark}");
    }
    if let Some(path) = &arguments.json {
        let mut outputs = Outputs::new(arguments.force);
        let test = arguments.test_dir.as_ref().unwrap_or(&found.folder);
        for name in &found.names {
            let record = found.folder.join(name);
            dataset::protect(&mut outputs, &record, &arguments.reference);
            outputs.input(&dataset::annotation_path(&test.join(name), &arguments.test));
        }
        outputs.file(path)?;
    }
    let mut failures = Failures::among(found.names.len());
    let mut bxb = Vec::new();
    let mut literature = Vec::new();
    for name in found.names {
        let read = Pair::read(arguments, &found.folder, &name);
        let Some(compare) = failures.keep(&name, read)? else {
            continue;
        };
        bxb.push((name.clone(), compare.with(Convention::Bxb, arguments.start)));
        literature.push((name, compare.with(Convention::Literature, arguments.start)));
    }
    failures.unless_all()?;
    let scores = Scores {
        made_by: MAKER,
        bxb: Summary::new(&bxb),
        escape_beats_as_n: Summary::new(&literature),
    };
    if let Some(path) = &arguments.json {
        output::write(path, &serde_json::to_vec_pretty(&scores)?)?;
    }
    if arguments.matrices {
        for (name, comparison) in &bxb {
            let (reference, test) = (&arguments.reference, &arguments.test);
            write!(
                out,
                "{}",
                ec57::matrix_report(name, reference, test, comparison)
            )?;
        }
        writeln!(out)?;
    }
    writeln!(out, "{}", ec57::HEADING)?;
    for (name, comparison) in &bxb {
        writeln!(out, "{}", ec57::line(name, comparison))?;
    }
    write!(out, "{}", ec57::summary_report(&bxb))?;
    let lines = ec57::summary_report(&literature);
    writeln!(
        out,
        "\nEscape beats (e, j) are S above. As N, as the literature counts them:"
    )?;
    for line in lines
        .lines()
        .filter(|l| l.starts_with("Gross") || l.starts_with("Average"))
    {
        writeln!(out, "{line}")?;
    }
    Ok(failures.finish()?)
}

/// What the two annotators say about one record.
struct Pair {
    fs: f64,
    reference: Vec<Annotation>,
    test: Vec<Annotation>,
}

impl Pair {
    fn read(arguments: &Arguments, folder: &Path, name: &str) -> anyhow::Result<Pair> {
        let record = dataset::record_path(folder, name)?;
        let clock = Clock::of(&record)?;
        let read = |record: &Path, annotator: &str| {
            clock.read(&dataset::annotation_path(record, annotator))
        };
        let test_folder = arguments.test_dir.as_deref().unwrap_or(folder);
        Ok(Pair {
            fs: clock.fs(),
            reference: read(&record, &arguments.reference)
                .with_context(|| format!("reference annotations of record {name}"))?,
            test: read(&test_folder.join(name), &arguments.test).with_context(|| {
                format!("test annotations of record {name} (choose records with --records, another folder with --test-dir)")
            })?,
        })
    }

    fn with(&self, convention: Convention, start: f64) -> Comparison {
        let options = Options { start, convention };
        ec57::compare(&self.reference, &self.test, self.fs, &options)
    }
}

/// Reads `90`, `1:30` or `0:01:30`.
fn seconds(text: &str) -> Result<f64, String> {
    let parts: Option<Vec<f64>> = text
        .split(':')
        .map(|part| {
            part.parse()
                .ok()
                .filter(|p: &f64| p.is_finite() && *p >= 0.0)
        })
        .collect();
    match parts {
        Some(parts) if parts.len() <= 3 => {
            Ok(parts.iter().fold(0.0, |sum, part| 60.0 * sum + part))
        }
        _ => Err("expected seconds, M:SS or H:MM:SS".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_wfdb_writes_them() {
        assert_eq!(seconds("5:00"), Ok(300.0));
        assert_eq!(seconds("0"), Ok(0.0));
        assert_eq!(seconds("1:00:30"), Ok(3630.0));
        for wrong in ["", "five", "-1", "1:2:3:4", "1:"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
