//! Arguments to settings: recipe defaults, then the settings file, then flags.

mod glossary;
mod refusals;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{
    Arg, ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser, ValueEnum, value_parser,
};

use crate::error::{Error, Result};
use crate::folds::{self, Folds};
use crate::init::Init;
use crate::many::Manner;
use crate::run::RunFolder;
use crate::settings::{Recipe, Settings};
use crate::sweep::{Grid, Sweep, Varied};
use crate::table;
use data::record::error::ensure;

/// Train the residual CNN on annotated beats and export it to ONNX.
///
/// Without --data the folder in the environment variable ECTOPY_DATA is used,
/// then data/mitdb, then the MIT-BIH Arrhythmia Database is downloaded. Every
/// setting is a flag and a key of the file given with --config (flags win);
/// its default depends on the recipe. The resolved settings are saved with the
/// run, in settings.toml.
#[derive(Parser, Debug)]
#[command(
    name = "train",
    version,
    after_help = data::program::EXIT_CODES,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
struct Arguments {
    /// Settings file, TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the run's files; by default the next free runs/RECIPE-N
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Go on with the run in this folder, to the same result as if it had not stopped
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["config", "out"])]
    resume: Option<PathBuf>,
    /// Train K networks, each on all patients but those of its fold, which it is tested with, and report on all together; started again with the same --out it goes on (inter-patient)
    #[arg(long, value_name = "K", conflicts_with_all = ["resume", "export"], value_parser = value_parser!(u64).range(2..=folds::MOST as u64))]
    folds: Option<u64>,
    /// End the run after this many epochs more, as Ctrl-C would; go on with --resume
    #[arg(long, value_name = "EPOCHS")]
    stop_after: Option<usize>,
    /// Write the best network here as ONNX as well as into the run's folder
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Replace an exported model, or files in the run's folder, that this program did not make
    #[arg(long)]
    force: bool,
    /// Leads by name, in the order of the channels, such as MLII,V1; records without them are left out
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        help_heading = "Input"
    )]
    leads: Vec<String>,
    /// One value of the input, such as before=96 or 'band=[0.5, 30.0]'; may be repeated
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Input")]
    input: Vec<String>,
    /// Samples per second of a table's rows
    #[arg(long, value_name = "HZ", help_heading = "Tables")]
    fs: Option<f64>,
    /// Learn a table's values of any size as they are
    #[arg(long, help_heading = "Tables")]
    as_is: bool,
}

/// The subcommand that shows the network instead of training it.
const DESCRIBE: &str = "describe";
const ABOUT_DESCRIBE: &str = "Print the network that these flags make, layer by layer with shapes, parameters, multiply-accumulates and receptive fields, and train nothing";

/// The subcommands that train a grid of settings, and that compare runs.
const SWEEP: &str = "sweep";
const ABOUT_SWEEP: &str = "Train every combination of some values of settings, with every seed, and compare them on the validation part; started again with the same --out it goes on";
const COMPARE: &str = "compare";
const ABOUT_COMPARE: &str =
    "Print the settings in which finished runs differ, and their figures side by side";

/// What the command line asks for.
#[derive(Debug)]
pub enum Asked {
    /// One run.
    Train(Box<Request>),
    /// The network of a run, shown.
    Describe(Box<Request>),
    /// A run for each fold of the patients.
    Folds(Folds),
    /// A run for each cell of a grid.
    Sweep(Sweep),
    /// What finished runs came to.
    Compare(Vec<PathBuf>),
}

/// A run to begin or to go on with.
#[derive(Debug)]
pub struct Request {
    /// The resolved settings.
    pub settings: Settings,
    /// The run's folder.
    pub run: RunFolder,
    /// Whether the run has a checkpoint to go on from.
    pub resumed: bool,
    /// Epochs after which to end as if interrupted.
    pub stop_after: Option<usize>,
    /// Where else the model goes.
    pub export: Option<PathBuf>,
    /// Whether it may replace what this program did not make.
    pub force: bool,
    /// Whether it is all that the program does, so that its report is printed.
    pub alone: bool,
}

impl Asked {
    /// From the arguments, the program's name first.
    ///
    /// # Errors
    /// [`clap::Error`] for arguments that clap refuses and for `--help`; else
    /// what is wrong with the settings.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Asked> {
        let command = command()?;
        let typed: Vec<OsString> = arguments.into_iter().collect();
        let matches = command.clone().try_get_matches_from(&typed);
        let mut matches = matches.map_err(refusals::typed)?;
        match matches.remove_subcommand() {
            Some((name, flags)) if name == COMPARE => {
                let folders = flags.get_many("runs").into_iter().flatten();
                Ok(Asked::Compare(folders.cloned().collect()))
            }
            Some((name, flags)) if name == SWEEP => {
                Ok(Asked::Sweep(sweep_of(&command, &typed, &flags)?))
            }
            Some((_, flags)) => Ok(Asked::Describe(Request::of(&flags)?.into())),
            None => {
                let arguments = Arguments::from_arg_matches(&matches)?;
                let Some(count) = arguments.folds else {
                    return Ok(Asked::Train(Request::of(&matches)?.into()));
                };
                let (settings, _) = resolve(&matches, &arguments)?;
                let folds = Folds::new(&settings, count as usize, &arguments.manner())?;
                Ok(Asked::Folds(folds))
            }
        }
    }
}

impl Arguments {
    fn manner(&self) -> Manner {
        Manner {
            out: self.out.clone(),
            stop_after: self.stop_after,
            force: self.force,
        }
    }
}

impl Request {
    fn of(matches: &ArgMatches) -> Result<Request> {
        let arguments = Arguments::from_arg_matches(matches)?;
        let (settings, run) = resolve(matches, &arguments)?;
        let resumed = run.is_some();
        let run = match run {
            Some(run) => run,
            None => RunFolder::create(
                arguments.out.as_deref(),
                settings.recipe.name(),
                arguments.force,
            )?,
        };
        Ok(Request {
            settings,
            run,
            resumed,
            stop_after: arguments.stop_after,
            export: arguments.export,
            force: arguments.force,
            alone: true,
        })
    }
}

/// The settings that are asked for, and the run that they are to go on with.
fn resolve(matches: &ArgMatches, arguments: &Arguments) -> Result<(Settings, Option<RunFolder>)> {
    let (saved, run) = match &arguments.resume {
        Some(folder) => {
            let run = RunFolder::open(folder)?;
            (run.read_settings()?, Some(run))
        }
        None => {
            let asked = matches.get_one("recipe").copied();
            let (in_file, data) = match &arguments.config {
                Some(file) => Settings::recipe_of_file(file)?,
                None => (None, None),
            };
            let data = matches.get_one("data").cloned().or(data);
            let defaults = table::defaults(asked.or(in_file), data.as_deref())?;
            let settings = match &arguments.config {
                Some(file) => defaults.overlay_file(file)?,
                None => defaults,
            };
            (settings, None)
        }
    };
    let mut settings = saved.clone();
    settings.update_from_arg_matches(matches)?;
    if let (None, Some(path)) = (&run, &settings.init) {
        let defaults = settings.recipe.defaults();
        refusals::network(matches, &settings, &defaults)?;
        // What the model expects and tells apart, where nothing else is asked for.
        let contract = Init::read(path)?.contract;
        table::refuse_recordings(&settings, path, &contract)?;
        if settings.classes == defaults.classes {
            settings.classes = contract.classes;
        }
        if settings.input == defaults.input {
            settings.input = contract.input;
        }
    }
    settings.spread_class_bias();
    // What is out of range cannot be written as TOML either.
    settings.check()?;
    let rows = table::Rows {
        fs: arguments.fs,
        as_is: arguments.as_is,
    };
    settings.input = match run {
        None => table::input(&settings, rows)?,
        // A run is of one rate and scale: others are told as changes.
        Some(_) => rows.over(&settings.input),
    };
    settings.input = overlay_input(&settings, &arguments.input)?;
    if !arguments.leads.is_empty() {
        settings.input.leads.clone_from(&arguments.leads);
    }
    if let Some(run) = &run {
        refuse_changes(run, &saved, &settings)?;
    }
    settings.check()?;
    Ok((settings, run))
}

/// A sweep: for each cell the arguments are read as if they were typed.
fn sweep_of(command: &Command, typed: &[OsString], flags: &ArgMatches) -> Result<Sweep> {
    let arguments = Arguments::from_arg_matches(flags)?;
    let varied = Varied::from_arg_matches(flags)?;
    for (given, flag, instead) in [
        (
            varied.seeds.is_some() && flags.contains_id("seed"),
            "seed",
            "--seeds has the seeds of a sweep",
        ),
        (
            arguments.resume.is_some(),
            "resume",
            "a sweep that is started again with the same --out goes on",
        ),
        (
            arguments.export.is_some(),
            "export",
            "every run has a model.onnx in its folder",
        ),
    ] {
        ensure(!given, || {
            Error::usage(format!("--{flag}: {instead}; leave --{flag} out"))
        })?;
    }
    let settings = setting_flags();
    let grid = Grid::parse(&varied, &settings)?;
    for key in grid.keys() {
        let arg = settings.iter().find(|arg| arg.get_long() == Some(key));
        let given = arg.is_some_and(|arg| flags.contains_id(arg.get_id().as_str()));
        ensure(!given, || {
            Error::usage(format!(
                "--{key} is given, and --grid varies {key}; leave one of the two out"
            ))
        })?;
    }
    let mut cells = Vec::new();
    for cell in grid.cells() {
        let more = cell.flags().map(OsString::from);
        let words = typed.iter().cloned().chain(more);
        let mut matches = command.clone().try_get_matches_from(words)?;
        let (_, flags) = matches
            .remove_subcommand()
            .ok_or_else(|| Error::usage("write sweep first, then the flags"))?;
        cells.push((
            cell,
            resolve(&flags, &Arguments::from_arg_matches(&flags)?)?.0,
        ));
    }
    let folds = arguments.folds.map(|count| count as usize);
    Sweep::new(&grid, cells, folds, &arguments.manner())
}

/// The flags that stand for settings.
pub(crate) fn setting_flags() -> Vec<Arg> {
    let (own, settings) = (
        Arguments::command(),
        Settings::augment_args_for_update(Command::new("settings")),
    );
    let input = own.get_arguments();
    let input = input.filter(|arg| arg.get_help_heading() == Some("Input"));
    settings.get_arguments().chain(input).cloned().collect()
}

/// The command line, with the recipes' defaults in its help.
///
/// For clap the settings have no defaults of their own: those that are not
/// given stay as the recipe or the file has them.
fn command() -> Result<Command> {
    let command = Arguments::command();
    let about = command.get_about().cloned().unwrap_or_default();
    let long = command.get_long_about().cloned().unwrap_or_default();
    // The settings would put their own comment in the place of this one.
    let command = Settings::augment_args_for_update(command)
        .about(about)
        .long_about(long)
        .after_long_help(format!(
            "{}\n\n{}",
            glossary::WORDS,
            data::program::EXIT_CODES
        ));
    let mut defaults = Vec::new();
    for recipe in Recipe::value_variants() {
        defaults.push((recipe.name(), toml::Table::try_from(recipe.defaults())?));
    }
    let command = command.mut_args(|arg| {
        let key = arg.get_id().as_str().replace('_', "-");
        let values: Vec<(&str, String)> = defaults
            .iter()
            .filter_map(|(recipe, table)| Some((*recipe, shown(table.get(&key)?)?)))
            .collect();
        match (arg.get_help(), told(&values)) {
            (Some(help), Some(default)) => {
                let help = format!("{help} [default: {default}]");
                arg.help(help)
            }
            _ => arg,
        }
    });
    let describe = command.clone().name(DESCRIBE);
    let describe = describe.about(ABOUT_DESCRIBE).long_about(ABOUT_DESCRIBE);
    let sweep = Varied::augment_args(command.clone().name(SWEEP))
        .about(ABOUT_SWEEP)
        .long_about(ABOUT_SWEEP)
        .mut_args(|arg| match arg.get_id().as_str() {
            "resume" | "export" => arg.hide(true),
            _ => arg,
        });
    let runs = Arg::new("runs").value_name("RUN").num_args(2..);
    let runs = runs.required(true).value_parser(value_parser!(PathBuf));
    let compare = Command::new(COMPARE).about(ABOUT_COMPARE);
    let compare = compare.arg(runs.help("Folders of finished runs"));
    Ok(command.subcommands([describe, sweep, compare]))
}

/// A default as it is typed; `None` where there is nothing to type.
fn shown(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::Table(_) => None,
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Array(values) => {
            let values: Option<Vec<String>> = values.iter().map(shown).collect();
            values.filter(|v| !v.is_empty()).map(|v| v.join(","))
        }
        other => Some(other.to_string()),
    }
}

/// The default of the first recipe, and those of others that have another.
fn told(values: &[(&str, String)]) -> Option<String> {
    let ((first, value), others) = values.split_first()?;
    if first != &Recipe::default().name() {
        let all = values
            .iter()
            .map(|(name, value)| format!("{value} for {name}"));
        return Some(all.collect::<Vec<_>>().join(", "));
    }
    let mut text = value.clone();
    // The recipe's own name differs with the recipe, and is no default of it.
    for (name, other) in others
        .iter()
        .filter(|(name, other)| other != value && other != name)
    {
        text += &format!(", {other} for {name}");
    }
    Some(text)
}

/// Settings that may change when a run goes on: they alter nothing of what was
/// learnt already.
const FREE: [&str; 3] = ["epochs", "device", "threads"];

/// Every setting by its key; those of the input each by its own.
pub(crate) fn flat(settings: &Settings) -> Result<BTreeMap<String, toml::Value>> {
    let mut flat = BTreeMap::new();
    for (key, value) in toml::Table::try_from(settings)? {
        match value {
            toml::Value::Table(parts) => flat.extend(
                parts
                    .into_iter()
                    .map(|(part, value)| (format!("{key} {part}"), value)),
            ),
            value => _ = flat.insert(key, value),
        }
    }
    Ok(flat)
}

/// A run is what its settings say, from its first step to its last.
pub(crate) fn refuse_changes(run: &RunFolder, saved: &Settings, asked: &Settings) -> Result<()> {
    let (saved, asked) = (flat(saved)?, flat(asked)?);
    let keys: BTreeSet<_> = saved.keys().chain(asked.keys()).collect();
    let show = |value: Option<&toml::Value>| value.map_or("none".into(), |v| v.to_string());
    let changes: Vec<String> = keys
        .into_iter()
        .filter(|key| !FREE.contains(&key.as_str()) && saved.get(*key) != asked.get(*key))
        .map(|key| {
            let (was, wanted) = (show(saved.get(key)), show(asked.get(key)));
            format!("\n  --{key}: the run has {was}, asked for is {wanted}")
        })
        .collect();
    ensure(changes.is_empty(), || {
        Error::Run(format!(
            "{}: the settings of a run are fixed; only --{} and where it is exported to may differ. Leave these out, or begin another run with --out:{}",
            run.path().display(),
            FREE.join(", --"),
            changes.concat()
        ))
    })?;
    Ok(())
}

fn overlay_input(
    settings: &Settings,
    pairs: &[String],
) -> Result<data::pipeline::input::InputSpec> {
    let mut table = toml::Table::try_from(&settings.input)?;
    for pair in pairs {
        ensure(pair.contains('='), || {
            Error::usage(format!(
                "--input {pair}: write KEY=VALUE, such as before=96"
            ))
        })?;
        let given: toml::Table = pair.parse().map_err(Error::flag(&format!(
            "--input {pair}: the value is written as in TOML, text in double quotes"
        )))?;
        table.extend(given);
    }
    table.try_into().map_err(Error::flag("--input"))
}
