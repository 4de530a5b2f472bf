//! Arguments to settings: recipe defaults, then the settings file, then flags.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Command, CommandFactory, FromArgMatches, Parser, ValueEnum};

use crate::error::{Error, Result};
use crate::run::RunFolder;
use crate::settings::{Recipe, Settings};
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
#[command(name = "train", version, after_help = data::program::EXIT_CODES)]
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

/// What the command line asks for.
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
}

impl Request {
    /// From the arguments, the program's name first.
    ///
    /// # Errors
    /// [`clap::Error`] for arguments that clap refuses and for `--help`; else
    /// what is wrong with the settings.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Request> {
        let matches = command()?.try_get_matches_from(arguments)?;
        let arguments = Arguments::from_arg_matches(&matches)?;
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
        settings.update_from_arg_matches(&matches)?;
        settings.spread_class_bias();
        // What is out of range cannot be written as TOML either.
        settings.check()?;
        let Arguments { fs, as_is, .. } = arguments;
        let rows = table::Rows { fs, as_is };
        settings.input = match run {
            None => table::input(&settings, rows)?,
            // A run is of one rate and scale: others are told as changes.
            Some(_) => rows.over(&settings.input),
        };
        settings.input = overlay_input(&settings, &arguments.input)?;
        if !arguments.leads.is_empty() {
            settings.input.leads.clone_from(&arguments.leads);
        }
        let resumed = run.is_some();
        let run = match run {
            Some(run) => {
                refuse_changes(&run, &saved, &settings)?;
                run
            }
            None => RunFolder::create(
                arguments.out.as_deref(),
                settings.recipe.name(),
                arguments.force,
            )?,
        };
        settings.check()?;
        Ok(Request {
            settings,
            run,
            resumed,
            stop_after: arguments.stop_after,
            export: arguments.export,
            force: arguments.force,
        })
    }
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
        .long_about(long);
    let mut defaults = Vec::new();
    for recipe in Recipe::value_variants() {
        defaults.push((recipe.name(), toml::Table::try_from(recipe.defaults())?));
    }
    Ok(command.mut_args(|arg| {
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
    }))
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

/// A run is what its settings say, from its first step to its last.
fn refuse_changes(run: &RunFolder, saved: &Settings, asked: &Settings) -> Result<()> {
    let table = |settings: &Settings| -> Result<BTreeMap<String, toml::Value>> {
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
    };
    let (saved, asked) = (table(saved)?, table(asked)?);
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
