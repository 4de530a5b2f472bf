//! `data convert`: recordings to prepared beats.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::Classes;
use crate::beat_files::store::{self, Store};
use crate::beat_files::table::{self, Columns, Reading};
use crate::datasets::dataset::{self, Failures, Kind, Place, Recordings};
use crate::output::Outputs;
use crate::pipeline::beats::Beats;
use crate::pipeline::input::{InputSpec, Normalisation};
use crate::pipeline::prepare;
use crate::program::Usage;
use crate::record::checksum;
use crate::record::classes::LeftOut;
use anyhow::{Context, bail};

/// Records read before their beats are written.
const RECORDS_AT_ONCE: usize = 8;
/// Rows in memory while files of beats are converted.
const ROWS_AT_ONCE: usize = 8192;

/// Prepares the annotated beats of a folder of records, or the rows of a table,
/// as an HDF5 store (.h5) or a table of text (.csv); or turns a store into a table.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of WFDB records, one record, or a file of beats (a table as CSV,
    /// TSV, packed with gzip or not, as Parquet or HDF5; or a store)
    input: PathBuf,
    /// File to be written, .h5 or .csv
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Records: all, ds1, ds2, a file that lists them, or names with commas between
    #[arg(long, default_value = "all")]
    records: String,
    /// Annotator of the beats
    #[arg(long, default_value = dataset::REFERENCE)]
    annotator: String,
    /// How beats are cut: as in the Kaggle files, in windows around the fiducial
    /// point as the main model takes them, or by whoever made the table
    /// [default: kaggle, and table with --fs]
    #[arg(long, value_enum)]
    layout: Option<Cut>,
    /// Tables: samples per second
    #[arg(long, value_name = "HZ")]
    fs: Option<f64>,
    #[arg(long, value_name = "COLUMNS", help = table::COLUMNS_HELP)]
    table: Option<Columns>,
    #[arg(long, help = table::NORMALISE_HELP)]
    normalise: bool,
    /// Tables: keep values of any size, for a model that takes them so
    #[arg(long, conflicts_with = "normalise")]
    as_is: bool,
    /// Classes and the labels that mean them: a preset (aami5, aami3, aami2,
    /// ptbdb), 'symbols N L V /', or such as 'normal=N L R,ectopic=A V'
    #[arg(long, default_value_t = Classes::aami5(), value_name = "CLASSES")]
    classes: Classes,
    /// Leads, with commas between; otherwise the first ECG of each record
    #[arg(long, value_delimiter = ',')]
    leads: Vec<String>,
    /// Replace an output that this program did not make, or that cannot tell
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Cut {
    Kaggle,
    Window,
    Table,
}

impl Arguments {
    fn cut(&self) -> Cut {
        let by_rate = self.fs.map(|_| Cut::Table);
        self.layout.or(by_rate).unwrap_or(Cut::Kaggle)
    }

    /// Whether anything is said that is of recordings alone.
    fn is_of_recordings(&self) -> bool {
        let said = self.annotator != dataset::REFERENCE || self.records != "all";
        said || !self.leads.is_empty()
    }

    /// Whether anything is said that is of tables alone.
    fn is_of_table(&self) -> bool {
        let said = self.fs.is_some() || self.table.is_some() || self.normalise || self.as_is;
        said || self.cut() == Cut::Table
    }
}

/// Runs the command.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> anyhow::Result<()> {
    let format = Format::of(&arguments.output)?;
    let place = Place::found(&arguments.input)?;
    let mut outputs = Outputs::new(arguments.force);
    if matches!(place.kind, Kind::Folder | Kind::Record) {
        if arguments.is_of_table() {
            bail!(Usage(format!(
                "{}: recordings; --fs, --table, --normalise, --as-is and --layout table are of tables",
                arguments.input.display()
            )));
        }
        return records(arguments, format, &mut outputs, out);
    }
    if arguments.is_of_recordings() {
        bail!(Usage(format!(
            "{}: a file of beats; --annotator, --records and --leads are of recordings, leave them out",
            arguments.input.display()
        )));
    }
    outputs.input(&arguments.input);
    outputs.file(&arguments.output)?;
    let columns = arguments.table.clone().unwrap_or_default();
    if !table::is_hdf5(&arguments.input)? || columns.samples.is_some() {
        return from_table(arguments, columns, format, out);
    }
    if format == Format::Store {
        bail!(Usage(format!(
            "{} and {} have the same format; there is nothing to convert",
            arguments.input.display(),
            arguments.output.display()
        )));
    }
    if arguments.is_of_table() {
        bail!(Usage(format!(
            "{}: a store, which says itself what its beats are; leave out --fs, --table, --normalise, --as-is and --layout",
            arguments.input.display()
        )));
    }
    let beats = store::read(&arguments.input)?;
    table::write(&arguments.output, &beats)?;
    report(
        &arguments.output,
        beats.len(),
        &beats.classes,
        &beats.support(),
        out,
    )
}

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Store,
    Csv,
}

impl Format {
    fn of(path: &Path) -> anyhow::Result<Format> {
        match path.extension().and_then(|e| e.to_str()) {
            Some("h5" | "hdf5") => Ok(Format::Store),
            Some("csv") => Ok(Format::Csv),
            _ => bail!(Usage(format!(
                "{}: expected a file of beats that ends in .h5 or .csv",
                path.display()
            ))),
        }
    }
}

fn records(
    arguments: &Arguments,
    format: Format,
    outputs: &mut Outputs,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let found = Recordings::find(&arguments.input, &arguments.records)?;
    if let Some(remark) = &found.remark {
        eprintln!("{remark}");
    }
    let (folder, annotator) = (&found.folder, &arguments.annotator);
    let mut input = match arguments.cut() {
        Cut::Window => InputSpec::window(),
        _ => InputSpec::kaggle(),
    };
    input.leads.clone_from(&arguments.leads);
    if format == Format::Csv && input != InputSpec::kaggle() {
        bail!(Usage(
            "a CSV file holds one lead in the Kaggle layout only; name an .h5 file instead".into()
        ));
    }
    arguments.classes.fit_annotations()?;
    for name in &found.names {
        dataset::protect(outputs, &folder.join(name), annotator);
    }
    outputs.file(&arguments.output)?;
    let mut failures = Failures::among(found.names.len());
    let (names, source) = identified(&found, annotator, &mut failures)?;
    if format == Format::Store && is_up_to_date(arguments, &input, &source, out)? {
        return Ok(failures.finish()?);
    }
    let classes = &arguments.classes;
    let (mut rows, mut support) = (0, vec![0; classes.len()]);
    let mut left_out = LeftOut::default();
    let mut count = |beats: &Beats| {
        rows += beats.len();
        for (total, n) in support.iter_mut().zip(beats.support()) {
            *total += n;
        }
    };
    let mut prepare = |names: &[String], failures: &mut Failures| -> anyhow::Result<Vec<Beats>> {
        let read = dataset::each(folder, names, annotator, |annotated| {
            let beats =
                prepare::record(&annotated.record, &annotated.annotations, &input, classes)?;
            match beats.is_empty() {
                true => Err(crate::Error::Invalid("no beat can be cut out of it".into())),
                false => Ok((
                    beats,
                    annotated.record.passed_over(),
                    classes.left_out(&annotated.annotations),
                )),
            }
        });
        let mut kept = Vec::new();
        for (name, result) in names.iter().zip(read) {
            if let Some((beats, remark, of_no_class)) = failures.keep(name, result)? {
                left_out.add(&of_no_class);
                if let Some(remark) = remark.filter(|_| input.leads.is_empty()) {
                    eprintln!("{remark}");
                }
                count(&beats);
                kept.push(beats);
            }
        }
        Ok(kept)
    };
    match format {
        Format::Store => {
            let mut writer = store::Writer::create(&arguments.output, &input, classes, &source)?;
            for names in names.chunks(RECORDS_AT_ONCE) {
                for beats in prepare(names, &mut failures)? {
                    writer.append(&beats)?;
                }
            }
            failures.unless_all()?;
            if !failures.all().is_empty() {
                writer.mark_incomplete()?;
            }
            writer.finish()?;
        }
        Format::Csv => {
            let mut all = Beats::new(input.clone(), classes);
            for beats in prepare(&names, &mut failures)? {
                all.append(&beats)?;
            }
            failures.unless_all()?;
            table::write(&arguments.output, &all)?;
        }
    }
    report(&arguments.output, rows, classes, &support, out)?;
    if !left_out.is_empty() {
        writeln!(out, "  left out, of no class: {left_out}")?;
    }
    Ok(failures.finish()?)
}

/// The names of the records whose files can be read, and the hash over them.
fn identified(
    found: &Recordings,
    annotator: &str,
    failures: &mut Failures,
) -> anyhow::Result<(Vec<String>, String)> {
    let (mut names, mut hashes) = (Vec::new(), Vec::new());
    for name in &found.names {
        let hash = dataset::sha256(&found.folder, name, annotator);
        if let Some(hash) = failures.keep(name, hash)? {
            names.push(name.clone());
            hashes.push(hash);
        }
    }
    failures.unless_all()?;
    Ok((names, checksum::joined(&hashes)))
}

/// Whether the output is a store of these very beats. Says why when it is one
/// of others, which is then replaced.
fn is_up_to_date(
    arguments: &Arguments,
    input: &InputSpec,
    source: &str,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    let path = &arguments.output;
    if std::fs::metadata(path).map_or(0, |file| file.len()) == 0 {
        return Ok(false);
    }
    let why = match Store::open(path) {
        Ok(old) => match old.stale(input, &arguments.classes, source) {
            None => {
                writeln!(out, "{}: up to date, {} beats", path.display(), old.len())?;
                return Ok(true);
            }
            Some(why) => why.to_owned(),
        },
        Err(error) if arguments.force => error.to_string(),
        Err(error) => return Err(error).context("--force makes it again"),
    };
    writeln!(out, "{}: {why}; it is made again", path.display())?;
    Ok(false)
}

/// What a table's rows become, as the arguments say.
fn table_input(arguments: &Arguments, columns: &Columns) -> anyhow::Result<InputSpec> {
    if arguments.cut() == Cut::Window {
        bail!(Usage(format!(
            "{}: a table; windows (--layout window) are cut from recordings",
            arguments.input.display()
        )));
    }
    let mut input = InputSpec::kaggle();
    if arguments.cut() == Cut::Table {
        let (low, high) = (table::RATES.start(), table::RATES.end());
        let Some(fs) = arguments.fs else {
            bail!(Usage(format!(
                "--layout table: how many samples per second has {}? give --fs HZ, {low} to {high}",
                arguments.input.display()
            )));
        };
        if !table::RATES.contains(&fs) {
            bail!(Usage(format!(
                "--fs is {fs}; tables have {low} to {high} samples per second"
            )));
        }
        let shape = table::shape(&arguments.input, columns)?;
        eprintln!("{}: {}", arguments.input.display(), shape.words);
        input = InputSpec::table(fs, shape.length);
    } else if arguments.fs.is_some() {
        bail!(Usage(format!(
            "--fs goes with --layout table; the Kaggle format has {} Hz",
            input.fs
        )));
    }
    if arguments.as_is {
        if arguments.cut() != Cut::Table {
            bail!(Usage(
                "--as-is goes with --layout table; beats of the Kaggle format are scaled to 0 to 1"
                    .into()
            ));
        }
        input.normalisation = Normalisation::AsIs;
    }
    Ok(input)
}

fn from_table(
    arguments: &Arguments,
    columns: Columns,
    format: Format,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let input = table_input(arguments, &columns)?;
    let classes = &arguments.classes;
    let reading = Reading {
        columns,
        normalise: arguments.normalise,
    };
    let mut source = checksum::of_file(&arguments.input)?;
    if reading != Reading::default() {
        source = checksum::joined(&[
            source,
            reading.columns.to_string(),
            reading.normalise.to_string(),
        ]);
    }
    if format == Format::Csv {
        if input == InputSpec::kaggle()
            && reading == Reading::default()
            && Format::of(&arguments.input).is_ok_and(|of| of == format)
        {
            bail!(Usage(format!(
                "{} and {} have the same format; there is nothing to convert",
                arguments.input.display(),
                arguments.output.display()
            )));
        }
        let beats = table::read(&arguments.input, &input, &reading, classes)?;
        table::write(&arguments.output, &beats)?;
        let support = beats.support();
        return report(&arguments.output, beats.len(), classes, &support, out);
    }
    if is_up_to_date(arguments, &input, &source, out)? {
        return Ok(());
    }
    let mut writer = store::Writer::create(&arguments.output, &input, classes, &source)?;
    let (mut rows, mut support) = (0, vec![0; classes.len()]);
    for beats in table::open(&arguments.input, &input, &reading, ROWS_AT_ONCE, classes)? {
        let beats = beats?;
        writer.append(&beats)?;
        rows += beats.len();
        for (total, n) in support.iter_mut().zip(beats.support()) {
            *total += n;
        }
    }
    writer.finish()?;
    report(&arguments.output, rows, classes, &support, out)
}

fn report(
    path: &Path,
    rows: usize,
    classes: &Classes,
    support: &[usize],
    out: &mut impl Write,
) -> anyhow::Result<()> {
    write!(out, "{}: {rows} beats", path.display())?;
    if support.iter().any(|&n| n > 0) {
        let named = classes.names().zip(support);
        let parts: Vec<String> = named.map(|(class, n)| format!("{class} {n}")).collect();
        write!(out, " ({})", parts.join(", "))?;
    }
    writeln!(out)?;
    Ok(())
}
