//! The task `explain`.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use data::Class;
use data::datasets::dataset::{self, Kind, Place};
use data::datasets::splits;
use data::output::{self, Outputs};
use data::pipeline::beats::Beats;
use data::pipeline::input::InputSpec;
use data::plot::{self, Picture};
use models::onnx::PREDICTED;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::graph::{Explainer, Rows};
use super::kernels::Kernels;
use super::methods::{Attributions, Method, attribute, settled};
use super::optimise::optimise;
use super::pictures::{self, Atlas};
use super::quality::Sample;
use super::report;
use super::results::{CHUNK, Explained, Format, Results};
use crate::classifier::{self, BATCH, differences};
use crate::cli::Classify;
use crate::shipped;
use crate::source::{Choice, Fiducials, Source};

/// Beats of each class on which `--score` measures.
const PER_CLASS: usize = 500;

/// Rows that one range of `--rows` may hold: their pictures wait in memory.
const MOST_ROWS: u64 = 1000;

/// Arguments of `explain`.
#[derive(Args, Debug)]
pub struct Explain {
    /// A CSV file in the Kaggle format, a WFDB record (FOLDER/100) or a folder
    /// of records.
    #[arg(value_name = "INPUT")]
    pub input: PathBuf,
    /// The model [default: the one in the models folder whose contract fits].
    /// Its explain graph is read beside it, or built from it.
    #[arg(short, long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Beats to explain and to draw, counted from 0: 3,17 or 20-29 [default:
    /// all of them, without a picture of each].
    #[arg(long, value_name = "ROWS")]
    pub rows: Option<RowList>,
    /// The class that is explained [default: the predicted one].
    #[arg(long, value_name = "CLASS")]
    pub class: Option<Class>,
    /// How values are credited; several, with commas between, stand side by
    /// side in the pictures.
    #[arg(
        long,
        value_name = "METHOD",
        value_delimiter = ',',
        default_value = "integrated-gradients"
    )]
    pub method: Vec<Method>,
    /// The folder for results and pictures.
    #[arg(short, long, value_name = "DIR", default_value = "explanations")]
    pub output: PathBuf,
    /// Format of the results.
    #[arg(short, long, default_value = "jsonl")]
    pub format: Format,
    /// Format of the pictures.
    #[arg(long, default_value = "png")]
    pub picture: PictureFormat,
    /// Look for inputs that the model takes for each class (or for --class),
    /// starting from the first of --rows, or from zero.
    #[arg(long)]
    pub optimise: bool,
    /// Measure how good the explanations are, and print the table; nothing
    /// else is done.
    #[arg(long, conflicts_with_all = ["rows", "optimise", "class"])]
    pub score: bool,
    /// Folders: which records, as ds1, ds2, a file that lists names, or names
    /// with commas between.
    #[arg(long, value_name = "RECORDS", default_value = "all")]
    pub records: String,
    /// Records: the lead for a model that takes any one lead [default: the
    /// record's first].
    #[arg(long, value_name = "LEAD")]
    pub lead: Option<String>,
    /// Seed of everything that is drawn at random.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Threads [default: all cores].
    #[arg(long, value_name = "N", value_parser = classifier::threads)]
    pub threads: Option<NonZeroUsize>,
    /// Replace files in the folder that this program did not make.
    #[arg(long)]
    pub force: bool,
    /// Without --rows: the first beat of each predicted class.
    #[arg(skip)]
    pub examples: bool,
}

impl Explain {
    /// The beats of a classification, explained beside it.
    ///
    /// # Errors
    /// There is more than one input.
    pub fn beside(classify: &Classify, output: &Path) -> Result<Explain> {
        let [input] = &classify.inputs[..] else {
            bail!(
                "--explain counts the beats of one input, {} are given",
                classify.inputs.len()
            );
        };
        Ok(Explain {
            input: input.clone(),
            model: classify.model.clone(),
            rows: classify.rows.clone(),
            class: None,
            method: vec![Method::IntegratedGradients, Method::Gradcam],
            output: output.into(),
            format: Format::Jsonl,
            picture: PictureFormat::Png,
            optimise: false,
            score: false,
            records: "all".into(),
            lead: classify.lead.clone(),
            seed: 0,
            threads: classify.threads,
            force: classify.force,
            examples: classify.rows.is_none(),
        })
    }
}

/// Format of the pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PictureFormat {
    /// Pixels.
    Png,
    /// Curves and text.
    Svg,
    /// No pictures.
    None,
}

impl PictureFormat {
    /// What the pictures' names end with.
    fn ending(self) -> Option<&'static str> {
        match self {
            PictureFormat::Png => Some("png"),
            PictureFormat::Svg => Some("svg"),
            PictureFormat::None => None,
        }
    }
}

/// Row numbers from 0, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowList(Vec<u64>);

impl FromStr for RowList {
    type Err = String;

    fn from_str(text: &str) -> Result<RowList, String> {
        let number = |text: &str| {
            text.trim()
                .parse::<u64>()
                .map_err(|_| format!("'{text}' is not a row; rows are 3,17 or 20-29, from 0"))
        };
        let mut rows = Vec::new();
        for part in text.split(',') {
            match part.split_once('-') {
                None => rows.push(number(part)?),
                Some((first, last)) => {
                    let (first, last) = (number(first)?, number(last)?);
                    if last < first || last - first >= MOST_ROWS {
                        return Err(format!(
                            "'{part}' is not a range of at most {MOST_ROWS} rows"
                        ));
                    }
                    rows.extend(first..=last);
                }
            }
        }
        rows.sort_unstable();
        rows.dedup();
        Ok(RowList(rows))
    }
}

/// Explains an input as the arguments ask for.
///
/// # Errors
/// The first thing that is wrong with the model, the input or the output.
pub fn run(arguments: &Explain) -> Result<()> {
    let mut outputs = Outputs::new(arguments.force);
    sources(arguments)?
        .iter()
        .for_each(|s| s.protect(&mut outputs));
    pass_outputs(arguments, &mut outputs)?;
    run_within(arguments, &mut outputs)
}

/// Checks everything that will be written and has a known name, before the work.
///
/// # Errors
/// An output breaks the rule of [`Outputs`].
pub fn pass_outputs(arguments: &Explain, outputs: &mut Outputs) -> Result<()> {
    let mut pass = |name: &str| outputs.file(&arguments.output.join(name));
    let ending = arguments.picture.ending();
    let mut names = Vec::new();
    if arguments.score {
        pass("score.json")?;
    } else if arguments.optimise {
        pass("optimised.jsonl")?;
        names.push("optimised".to_owned());
    } else {
        pass(arguments.format.file_name())?;
        match &arguments.rows {
            Some(RowList(rows)) => names.extend(rows.iter().map(|row| row_name(*row))),
            None if arguments.examples => {}
            None => names.extend(["atlas", "kernels"].map(String::from)),
        }
    }
    for name in names {
        if let Some(ending) = ending {
            pass(&format!("{name}.{ending}"))?;
        }
    }
    Ok(())
}

/// The name of a row's picture.
fn row_name(row: u64) -> String {
    format!("row-{row}")
}

/// Explains an input whose outputs have passed [`pass_outputs`].
///
/// # Errors
/// As [`run`].
pub fn run_within(arguments: &Explain, outputs: &mut Outputs) -> Result<()> {
    let sources = sources(arguments)?;
    let prepared: Vec<_> = sources.iter().map(Source::input).collect();
    let model = match &arguments.model {
        Some(path) => path.clone(),
        None => shipped::choose(&prepared)?,
    };
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = arguments.threads.map_or_else(cores, NonZeroUsize::get);
    let mut explainer = Explainer::of(&model, threads)?;
    for (source, input) in sources.iter().zip(&prepared) {
        let model = &explainer.contract.input;
        let unfit: Vec<_> = input.iter().flat_map(|i| differences(i, model)).collect();
        ensure!(
            unfit.is_empty(),
            "{} does not fit {}: {}; choose another model with --model",
            source.path.display(),
            explainer.path().display(),
            unfit.join("; ")
        );
    }
    eprintln!("model: {}", explainer.path().display());
    if arguments.score {
        score(&mut explainer, &sources, arguments)
    } else if arguments.optimise {
        search(&mut explainer, &sources, arguments)
    } else {
        explain(&mut explainer, &sources, arguments, outputs)
    }
}

fn sources(arguments: &Explain) -> Result<Vec<Source>> {
    let choice = Choice {
        fiducials: Fiducials::Either,
        lead: arguments.lead.clone(),
    };
    if Place::of(&arguments.input)?.kind != Kind::Folder {
        return Source::find(&arguments.input, &choice);
    }
    let names = dataset::select(&arguments.input, &arguments.records)?.into_iter();
    let sources: Vec<Source> = names
        .map(|name| Source::record(&arguments.input, name, &choice))
        .collect();
    ensure!(
        arguments.rows.is_none() || sources.len() == 1,
        "--rows counts the beats of one input; {} has {} records, name one of them",
        arguments.input.display(),
        sources.len()
    );
    Ok(sources)
}

/// Beats of a source, prepared for `input`, with their row numbers, `portion`
/// or more at a time; with `rows` those alone.
fn portions(
    source: &Source,
    input: &InputSpec,
    portion: usize,
    rows: Option<&RowList>,
    mut each: impl FnMut(Beats, Vec<u64>) -> Result<()>,
) -> Result<()> {
    let mut held: Option<(Beats, Vec<u64>)> = None;
    let mut seen = 0;
    for chunk in source.chunks(input)? {
        let chunk = chunk?;
        let numbers = seen..seen + chunk.len() as u64;
        seen = numbers.end;
        let (chunk, numbers): (Beats, Vec<u64>) = match rows {
            None => (chunk, numbers.collect()),
            Some(RowList(rows)) => {
                let wanted = rows.iter().filter(|row| numbers.contains(row));
                let wanted: Vec<u64> = wanted.copied().collect();
                let indices: Vec<usize> = wanted
                    .iter()
                    .map(|row| (row - numbers.start) as usize)
                    .collect();
                (chunk.select(&indices), wanted)
            }
        };
        match &mut held {
            None => held = Some((chunk, numbers)),
            Some((beats, all)) => {
                beats.append(&chunk)?;
                all.extend(numbers);
            }
        }
        if let Some((beats, numbers)) = held.take_if(|(beats, _)| beats.len() >= portion) {
            each(beats, numbers)?;
        }
    }
    let name = source.path.display();
    ensure!(seen > 0, "{name}: there is no beat in it");
    if let Some(row) = rows.and_then(|rows| rows.0.iter().find(|row| **row >= seen)) {
        bail!(
            "row {row} is out of range: {name} has {seen} rows, 0 to {}",
            seen - 1
        );
    }
    match held {
        Some((beats, numbers)) if !beats.is_empty() => each(beats, numbers),
        _ => Ok(()),
    }
}

fn explain(
    explainer: &mut Explainer,
    sources: &[Source],
    arguments: &Explain,
    outputs: &mut Outputs,
) -> Result<()> {
    let contract = explainer.contract.clone();
    let target = match arguments.class {
        Some(class) => explainer.target(class)?,
        None => PREDICTED,
    };
    let found;
    let chosen = match &arguments.rows {
        None if arguments.examples => {
            found = examples(explainer, &sources[0])?;
            if let Some(ending) = arguments.picture.ending() {
                for row in &found.0 {
                    let name = format!("{}.{ending}", row_name(*row));
                    outputs.file(&arguments.output.join(name))?;
                }
            }
            Some(&found)
        }
        rows => rows.as_ref(),
    };
    let methods = &arguments.method;
    let mut results = Results::create(&arguments.output, arguments.format, methods, &contract)?;
    let mut atlas = Atlas::new(&contract, methods[0]);
    let mut drawn = Pictures::new(arguments);
    let mut count = 0;
    let portion = (BATCH * explainer.threads()).next_multiple_of(CHUNK);
    let started = std::time::Instant::now();
    for source in sources {
        portions(
            source,
            &contract.input,
            portion,
            chosen,
            |beats, numbers| {
                let rows = Rows::of(&beats);
                let targets = vec![target; beats.len()];
                let credits: Vec<Attributions> = methods
                    .iter()
                    .map(|&m| attribute(explainer, m, &rows, &targets, arguments.seed))
                    .collect::<Result<_>>()?;
                count += beats.len();
                atlas.add(&beats, &credits[0]);
                if chosen.is_some() {
                    for (row, number) in numbers.iter().enumerate() {
                        let figure =
                            pictures::beat(&contract, methods, &beats, &credits, row, *number);
                        drawn.add(&row_name(*number), &figure)?;
                    }
                }
                results.write(&Explained {
                    beats: &beats,
                    numbers: &numbers,
                    credits: &credits,
                })
            },
        )?;
    }
    let seconds = started.elapsed().as_secs_f64();
    if chosen.is_none() {
        if let Some(figure) = atlas.figure() {
            drawn.add("atlas", &figure)?;
        }
        let bytes = read(explainer.path())?;
        let title = format!("First layer of {}", explainer.path().display());
        drawn.add("kernels", &Kernels::of(&bytes, title)?)?;
    }
    eprintln!("results: {}", results.path().display());
    results.commit()?;
    drawn.write()?;
    eprintln!(
        "{count} beats in {seconds:.2} s ({:.0} beats/s)",
        count as f64 / seconds
    );
    Ok(())
}

/// The first beat of every class that the model sees in an input.
fn examples(explainer: &mut Explainer, source: &Source) -> Result<RowList> {
    let input = explainer.contract.input.clone();
    let mut first: BTreeMap<i64, u64> = BTreeMap::new();
    let portion = BATCH * explainer.threads();
    portions(source, &input, portion, None, |beats, numbers| {
        let predicted = vec![PREDICTED; beats.len()];
        let logits = explainer.run(&Rows::of(&beats), &predicted)?.logits;
        for (class, number) in settled(&predicted, &logits).into_iter().zip(numbers) {
            first.entry(class).or_insert(number);
        }
        Ok(())
    })?;
    let mut rows: Vec<u64> = first.into_values().collect();
    rows.sort_unstable();
    Ok(RowList(rows))
}

/// Pictures that are written together once everything has gone well.
struct Pictures {
    folder: PathBuf,
    format: PictureFormat,
    drawn: Vec<(PathBuf, Vec<u8>)>,
}

impl Pictures {
    fn new(arguments: &Explain) -> Pictures {
        Pictures {
            folder: arguments.output.clone(),
            format: arguments.picture,
            drawn: Vec::new(),
        }
    }

    fn add(&mut self, name: &str, picture: &impl Picture) -> Result<()> {
        let Some(ending) = self.format.ending() else {
            return Ok(());
        };
        let bytes = match self.format {
            PictureFormat::Svg => plot::svg(picture)?.into_bytes(),
            _ => plot::png(picture)?,
        };
        let path = self.folder.join(format!("{name}.{ending}"));
        self.drawn.push((path, bytes));
        Ok(())
    }

    fn write(&self) -> Result<()> {
        for (path, bytes) in &self.drawn {
            output::write(path, bytes)?;
            eprintln!("picture: {}", path.display());
        }
        Ok(())
    }
}

/// Input optimisation, from one beat or from nothing.
fn search(explainer: &mut Explainer, sources: &[Source], arguments: &Explain) -> Result<()> {
    let contract = explainer.contract.clone();
    let classes = match arguments.class {
        Some(class) => vec![class],
        None => contract.classes.clone(),
    };
    let targets: Vec<i64> = classes
        .iter()
        .map(|&class| explainer.target(class))
        .collect::<Result<_>>()?;
    let mut first = Beats::new(contract.input.clone());
    let mut from = String::from("no signal");
    match &arguments.rows {
        None => {
            first.windows = vec![0.0; contract.input.window_values()];
            first.rhythm = vec![0.0; contract.input.rhythm.len()];
        }
        Some(rows) => portions(
            &sources[0],
            &contract.input,
            BATCH,
            Some(rows),
            |beats, numbers| {
                if first.is_empty() {
                    from = format!("beat {}", numbers[0]);
                    first = beats.select(&[0]);
                }
                Ok(())
            },
        )?,
    }
    let start = first.select(&vec![0; classes.len()]);
    let found = optimise(explainer, &Rows::of(&start), &targets)?;
    let figure = pictures::optimised(&contract, &start, &classes, &found, &from);
    let mut drawn = Pictures::new(arguments);
    drawn.add("optimised", &figure)?;
    let mut lines = String::new();
    let (width, outputs) = (contract.input.window_values(), contract.classes.len());
    for (row, class) in classes.iter().enumerate() {
        let line = json!({
            "class": class.name(),
            "start": from,
            "logits_before": found.before[row * outputs..][..outputs],
            "logits_after": found.after[row * outputs..][..outputs],
            "beat": found.rows.windows[row * width..][..width],
        });
        lines += &format!("{line}\n");
    }
    let path = arguments.output.join("optimised.jsonl");
    output::write(&path, lines.as_bytes())?;
    eprintln!("results: {}", path.display());
    drawn.write()
}

/// The table of `--score`, on up to [`PER_CLASS`] beats of every class.
fn score(explainer: &mut Explainer, sources: &[Source], arguments: &Explain) -> Result<()> {
    let input = explainer.contract.input.clone();
    let portion = BATCH * explainer.threads();
    let mut gathered = Gathered {
        kept: BTreeMap::new(),
        draw: ChaCha8Rng::seed_from_u64(arguments.seed),
        patients: Vec::new(),
    };
    for source in sources {
        portions(source, &input, portion, None, |beats, numbers| {
            let rows = Rows::of(&beats);
            let predicted = vec![PREDICTED; beats.len()];
            let logits = explainer.run(&rows, &predicted)?.logits;
            gathered.add(&beats, &numbers, &settled(&predicted, &logits));
            Ok(())
        })?;
    }
    let (mut rows, mut targets, mut groups) = (Rows::default(), Vec::new(), Vec::new());
    for (_, beats) in gathered.kept.into_values() {
        for beat in beats {
            rows.windows.extend(beat.window);
            rows.rhythm.extend(beat.rhythm);
            targets.push(beat.target);
            groups.push(beat.group);
        }
    }
    let bytes = read(explainer.path())?;
    let sample = Sample {
        rows: &rows,
        targets: &targets,
        groups: &groups,
        seed: arguments.seed,
    };
    let report = report::measure(explainer, &bytes, &sample)?;
    let path = arguments.output.join("score.json");
    output::write(&path, format!("{:#}\n", report.json()).as_bytes())?;
    print!("{}", report.text());
    eprintln!("score: {}", path.display());
    Ok(())
}

/// Beats drawn evenly from all inputs, up to [`PER_CLASS`] of every class: of
/// the reference's where there is one, else of the model's.
struct Gathered {
    /// Per class how many have been seen, and those that are kept.
    kept: BTreeMap<usize, (usize, Vec<Kept>)>,
    draw: ChaCha8Rng,
    /// Names of the patients seen so far.
    patients: Vec<String>,
}

struct Kept {
    window: Vec<f32>,
    rhythm: Vec<f32>,
    target: i64,
    group: u32,
}

impl Gathered {
    fn add(&mut self, beats: &Beats, numbers: &[u64], predicted: &[i64]) {
        for (row, &target) in predicted.iter().enumerate() {
            let class = beats.labels.get(row).map_or(target as usize, |c| c.index());
            let (seen, kept) = self.kept.entry(class).or_default();
            *seen += 1;
            // Reservoir sampling: every beat has the same chance.
            let place = if kept.len() < PER_CLASS {
                kept.len()
            } else {
                self.draw.random_range(0..*seen)
            };
            if place >= PER_CLASS {
                continue;
            }
            let group = match beats.records.get(row) {
                None => numbers[row] as u32,
                Some(&record) => {
                    let patient = splits::patient(&beats.record_names[record as usize]);
                    let known = self.patients.iter().position(|p| p == patient);
                    known.unwrap_or_else(|| {
                        self.patients.push(patient.into());
                        self.patients.len() - 1
                    }) as u32
                }
            };
            let beat = Kept {
                window: beats.window(row).to_vec(),
                rhythm: beats.rhythm_row(row).to_vec(),
                target,
                group,
            };
            if place < kept.len() {
                kept[place] = beat;
            } else {
                kept.push(beat);
            }
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_numbers_and_ranges() {
        assert_eq!("17, 3,5-7".parse(), Ok(RowList(vec![3, 5, 6, 7, 17])));
        for wrong in ["", "a", "3-", "7-5", "0-99999999"] {
            assert!(wrong.parse::<RowList>().is_err(), "{wrong}");
        }
    }
}
