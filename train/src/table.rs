//! Beats from a file: a table of any number of columns, or a store of `data convert`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{ArgAction, Args};
use data::beat_files::store::Store;
use data::beat_files::table::{self, Columns, Reading};
use data::datasets::dataset::REFERENCE;
use data::datasets::splits::{self, KAGGLE_SEED, KAGGLE_TEST, Split};
use data::pipeline::beats::Beats;
use data::pipeline::input::{InputSpec, Layout, Normalisation};
use data::record::error::ensure;
use models::Contract;
use models::fit::differences;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::even_split::most_even;
use crate::patients::patients_of;
use crate::settings::{Recipe, Settings};
use crate::source::{BeatSets, join, name_of};

/// How files of beats are read, and which one is the test.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TableSettings {
    /// What the columns are.
    #[arg(long = "table", value_name = "COLUMNS", help_heading = "Tables", help = table::COLUMNS_HELP)]
    pub columns: Columns,
    /// Whether rows are scaled.
    #[arg(
        long,
        action = ArgAction::Set,
        num_args = 0..=1,
        default_missing_value = "true",
        require_equals = true,
        value_name = "true|false",
        help_heading = "Tables",
        help = table::NORMALISE_HELP
    )]
    pub normalise: bool,
    /// File of the test beats, instead of a fifth of the patients or beats of --data
    #[arg(long, value_name = "FILE", help_heading = "Tables")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<PathBuf>,
}

impl TableSettings {
    /// Whether nothing is said.
    pub fn is_default(&self) -> bool {
        *self == TableSettings::default()
    }

    fn reading(&self) -> Reading {
        Reading {
            columns: self.columns.clone(),
            normalise: self.normalise,
        }
    }
}

/// What the command line says of a table's input, which no setting of its own holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rows {
    /// Samples per second.
    pub fs: Option<f64>,
    /// Whether values are kept as they are.
    pub as_is: bool,
}

impl Rows {
    /// An input with what is said here.
    pub(crate) fn over(self, input: &InputSpec) -> InputSpec {
        let mut input = input.clone();
        input.fs = self.fs.unwrap_or(input.fs);
        if self.as_is {
            input.normalisation = Normalisation::AsIs;
        }
        input
    }
}

/// Whether a recipe learns from beats cut in this way.
pub(crate) fn fits(recipe: Recipe, input: &InputSpec) -> bool {
    let any = matches!(recipe, Recipe::InterPatient | Recipe::Table);
    *input == InputSpec::kaggle() || any && input.layout != Layout::Kaggle
}

/// The file that `--data` names, if it names one.
fn file(data: Option<&Path>) -> Option<&Path> {
    data.filter(|path| path.is_file())
}

/// The files of beats that the settings name.
pub(crate) fn files(settings: &Settings) -> Vec<&Path> {
    let data = settings.data.iter().chain(&settings.extra);
    let all = data.chain(&settings.table.test).map(PathBuf::as_path);
    all.filter(|path| path.is_file()).collect()
}

/// Whether the beats come from files.
pub(crate) fn is_source(settings: &Settings) -> bool {
    file(settings.data.as_deref()).is_some()
}

/// Refuses to train a model of a table's rows on recordings: nothing says where
/// in them such a row begins and ends.
pub(crate) fn refuse_recordings(settings: &Settings, init: &Path, of: &Contract) -> Result<()> {
    ensure(
        of.input.layout != Layout::Table || is_source(settings),
        || {
            Error::usage(format!(
                "--init {}: the model takes rows of a table of {} samples, which are not cut from recordings, and it cannot monitor any; give a file of beats with --data FILE, or start from a model for recordings",
                init.display(),
                of.input.length()
            ))
        },
    )
}

/// The store in a file; `None` for a table.
fn store(path: &Path, columns: &Columns) -> Result<Option<Store>> {
    match table::is_hdf5(path)? && columns.samples.is_none() {
        true => Ok(Some(Store::open(path)?)),
        false => Ok(None),
    }
}

/// The settings to start from: those of the recipe that is asked for, else of the
/// one that serves the data; of a store with its classes.
pub(crate) fn defaults(asked: Option<Recipe>, data: Option<&Path>) -> Result<Settings> {
    let Some(path) = file(data) else {
        return Ok(asked.unwrap_or_default().defaults());
    };
    // Whoever names a dataset of an HDF5 file of others is heard later.
    let store = match table::is_hdf5(path)? {
        true => Store::open(path).ok(),
        false => None,
    };
    let windows = store
        .as_ref()
        .is_some_and(|s| s.input().layout == Layout::Window);
    let recipe = asked.unwrap_or_else(|| {
        let (recipe, why) = match windows {
            true => (Recipe::InterPatient, "windows of recordings"),
            false => (Recipe::Table, "rows of a table"),
        };
        eprintln!("{}: {why}; recipe {}", path.display(), recipe.name());
        recipe
    });
    let mut settings = recipe.defaults();
    // Both are made of recordings, which a file of beats no longer has.
    (settings.second_lead, settings.retimed) = (0.0, 0.0);
    if let Some(store) = store {
        settings.classes = store.classes().clone();
    }
    Ok(settings)
}

/// How the rows of the file that the settings name are taken by a network.
///
/// # Errors
/// The recipe does not fit the file, the rate is not said, or nothing tells
/// which column is what.
pub(crate) fn input(settings: &Settings, rows: Rows) -> Result<InputSpec> {
    let recipe = settings.recipe;
    let Some(path) = file(settings.data.as_deref()) else {
        let said = rows.fs.is_some() || rows.as_is || !settings.table.is_default();
        ensure(!said, || {
            Error::usage(
                "--fs, --as-is, --table, --normalise and --test are of files of beats; name one with --data FILE, or leave them out",
            )
        })?;
        ensure(recipe != Recipe::Table, || {
            Error::usage(
                "--recipe table learns from a file of beats: name it with --data FILE (CSV, TSV, Parquet, or a store of `data convert`)",
            )
        })?;
        return Ok(settings.input.clone());
    };
    there(settings)?;
    let name = path.display();
    ensure(!(rows.as_is && settings.table.normalise), || {
        Error::usage("--as-is keeps values and --normalise scales them; leave one of the two out")
    })?;
    ensure(settings.annotator == REFERENCE, || {
        Error::usage(format!(
            "{name}: a file of beats, which has its labels in a column; leave out --annotator"
        ))
    })?;
    if let Some(store) = store(path, &settings.table.columns)? {
        return of_store(&store, settings, rows, path);
    }
    match recipe {
        Recipe::InterPatient => Err(Error::usage(format!(
            "{name}: rows of a table, which --recipe inter-patient does not take; take --recipe table"
        ))),
        Recipe::Kaggle | Recipe::Notebook => {
            let input = InputSpec::kaggle();
            ensure(
                rows.fs.is_none_or(|fs| fs == input.fs) && !rows.as_is,
                || {
                    Error::usage(format!(
                        "--recipe {} takes the Kaggle format, scaled and of {} Hz; for another table take --recipe table",
                        recipe.name(),
                        input.fs
                    ))
                },
            )?;
            Ok(input)
        }
        Recipe::Table => {
            let (low, high) = (table::RATES.start(), table::RATES.end());
            let fs = rows.fs.ok_or_else(|| {
                Error::usage(format!(
                    "{name}: how many samples per second? give --fs HZ, {low} to {high}"
                ))
            })?;
            ensure(table::RATES.contains(&fs), || {
                Error::usage(format!(
                    "--fs is {fs}; tables have {low} to {high} samples per second"
                ))
            })?;
            let shape = table::shape(path, &settings.table.columns)?;
            eprintln!("{name}: {}", shape.words);
            Ok(rows.over(&InputSpec::table(fs, shape.length)))
        }
    }
}

/// The input of a store's beats, which it says itself.
fn of_store(store: &Store, settings: &Settings, rows: Rows, path: &Path) -> Result<InputSpec> {
    let (recipe, name) = (settings.recipe, path.display());
    let input = store.input();
    ensure(
        rows.fs.is_none_or(|fs| fs == input.fs) && !rows.as_is && !scaled_in_vain(settings),
        || {
            Error::usage(format!(
                "{name}: a store says itself that it has {} Hz and how it was scaled; leave out --fs, --as-is and --normalise",
                input.fs
            ))
        },
    )?;
    let fits = match (recipe, input.layout) {
        (Recipe::InterPatient, layout) => layout == Layout::Window,
        (Recipe::Table, layout) => layout != Layout::Window,
        (Recipe::Kaggle | Recipe::Notebook, layout) => layout == Layout::Kaggle,
    };
    ensure(fits, || {
        Error::usage(format!(
            "{name}: its beats are not cut for --recipe {}; leave the recipe out and the fitting one is taken",
            recipe.name()
        ))
    })?;
    Ok(input.clone())
}

/// Whether rows are to be scaled, and the store of --data is the only file.
fn scaled_in_vain(settings: &Settings) -> bool {
    let alone = settings.extra.is_empty() && settings.table.test.is_none();
    settings.table.normalise && alone
}

/// Refuses files that are not there, by the flag that names them.
fn there(settings: &Settings) -> Result<()> {
    let extra = settings.extra.iter().map(|path| ("--extra", path));
    let test = settings.table.test.iter().map(|path| ("--test", path));
    for (flag, path) in extra.chain(test) {
        ensure(path.exists(), || {
            Error::usage(format!(
                "{flag} {}: there is no such file or folder",
                path.display()
            ))
        })?;
    }
    Ok(())
}

/// The beats of the files that the settings name.
///
/// # Errors
/// A file cannot be read, was prepared otherwise, or has no classes; or there
/// are too few patients.
pub(crate) fn beat_sets(settings: &Settings) -> Result<BeatSets> {
    ensure(
        settings.retimed == 0.0 && settings.second_lead == 0.0,
        || {
            Error::usage(
                "--retimed and --second-lead are made of recordings, and --data is a file of beats; leave them out",
            )
        },
    )?;
    let mut sources = settings.data.iter().chain(&settings.extra);
    let all = sources
        .clone()
        .map(|path| beats(path, settings))
        .collect::<Result<Vec<Beats>>>()?;
    let all = join(all)?;
    let names: Vec<String> = sources.by_ref().map(|path| name_of(path)).collect();
    let mut description = names.join(" + ");
    let (rest, test) = match &settings.table.test {
        Some(path) => {
            let test = beats(path, settings)?;
            tell_shared(&all, &test, settings)?;
            (all, test)
        }
        None => {
            let (split, part) = held_out(&all, settings, KAGGLE_TEST, KAGGLE_SEED, 3)?;
            description += &format!(", four fifths of the {part}");
            (all.select(&split.train), all.select(&split.held_out))
        }
    };
    if rest.records.is_empty() {
        eprintln!(
            "{}: nothing tells whose beats they are, so beats of one patient fall on both sides and figures are better than on new patients; name the column with --table patient=COLUMN",
            names.join(", ")
        );
    }
    let split = match settings.hold_out.is_empty() {
        true => held_out(&rest, settings, settings.validation, settings.seed, 2)?.0,
        false => named(&rest, settings)?,
    };
    Ok(BeatSets::divided(&rest, &split, test, description))
}

/// The labelled beats of one file.
fn beats(path: &Path, settings: &Settings) -> Result<Beats> {
    let (input, classes) = (&settings.input, &settings.classes);
    let name = path.display();
    let beats = match store(path, &settings.table.columns)? {
        Some(store) => {
            let unfit = differences(store.input(), input);
            ensure(unfit.is_empty(), || {
                Error::Beats(format!(
                    "{name}: its beats are not as the settings say: {}; make it again with `data convert`",
                    unfit.join("; ")
                ))
            })?;
            ensure(store.classes() == classes, || {
                Error::Beats(format!(
                    "{name}: the classes of its labels are {}, the run's are {classes}; leave out --classes, or make it again with `data convert --classes`",
                    store.classes()
                ))
            })?;
            store.rows(0, store.len())?
        }
        None => table::read(path, input, &settings.table.reading(), classes)?,
    };
    ensure(
        !beats.is_empty() && beats.labels.len() == beats.len(),
        || {
            Error::Beats(format!(
                "{name}: its rows have no class, which training needs; name the column with --table label=COLUMN"
            ))
        },
    )?;
    Ok(beats)
}

/// Per row whose beat it is; empty where that is not told.
fn patients(beats: &Beats, settings: &Settings) -> Result<Vec<String>> {
    let names = patients_of(beats.record_names.iter(), settings)?;
    let name = |&record: &u32| names[record as usize].clone();
    Ok(beats.records.iter().map(name).collect())
}

/// Holds out a share of the patients, of whom there must be `least`, or where
/// nothing tells them of the beats; and says of which.
fn held_out(
    beats: &Beats,
    settings: &Settings,
    share: f64,
    seed: u64,
    least: usize,
) -> Result<(Split, &'static str)> {
    if beats.records.is_empty() {
        return Ok((splits::stratified(&beats.labels, share, seed), "beats"));
    }
    let of_rows = patients(beats, settings)?;
    let of_rows: Vec<&str> = of_rows.iter().map(String::as_str).collect();
    let mut names: Vec<&str> = of_rows.clone();
    names.sort_unstable();
    names.dedup();
    ensure(names.len() >= least, || {
        Error::Beats(format!(
            "the beats are of {} patient(s); at least {least} are needed to train, to validate{}",
            names.len(),
            match least {
                3 =>
                    " and to test; give a file of others with --test, or take beats for patients with --table patient=none",
                _ => "; take beats for patients with --table patient=none",
            }
        ))
    })?;
    let place = |name: &str| names.binary_search(&name).unwrap_or(0);
    let mut support = vec![vec![0; settings.classes.len()]; names.len()];
    for (name, &label) in of_rows.iter().zip(&beats.labels) {
        support[place(name)][label] += 1;
    }
    let split = most_even(&names, &support, share, seed);
    let out: BTreeSet<&str> = split.held_out.iter().map(|&at| names[at]).collect();
    Ok((divided(&of_rows, |name| out.contains(name)), "patients"))
}

/// Holds out the patients of these names.
fn named(beats: &Beats, settings: &Settings) -> Result<Split> {
    let hold_out = &settings.hold_out;
    let of_rows = patients(beats, settings)?;
    let of_rows: Vec<&str> = of_rows.iter().map(String::as_str).collect();
    let there: BTreeSet<&str> = of_rows.iter().copied().collect();
    let unknown = hold_out.iter().find(|name| !there.contains(name.as_str()));
    ensure(unknown.is_none() && there.len() > hold_out.len(), || {
        let all: Vec<&str> = there.iter().copied().collect();
        Error::usage(format!(
            "--hold-out: {}; the patients that are not tested on are {}, and one must be left to train on",
            unknown.map_or("none is left".into(), |name| format!(
                "there is no patient {name}"
            )),
            all.join(", ")
        ))
    })?;
    Ok(divided(&of_rows, |name| {
        hold_out.iter().any(|out| out == name)
    }))
}

fn divided(of_rows: &[&str], is_out: impl Fn(&str) -> bool) -> Split {
    let (held_out, train) = (0..of_rows.len()).partition(|&row| is_out(of_rows[row]));
    Split { train, held_out }
}

/// Says which patients are named in both files.
fn tell_shared(all: &Beats, test: &Beats, settings: &Settings) -> Result<()> {
    let of = |beats| -> Result<BTreeSet<String>> {
        Ok(patients(beats, settings)?.into_iter().collect())
    };
    let (here, there) = (of(all)?, of(test)?);
    let both: Vec<&str> = here.intersection(&there).map(String::as_str).collect();
    if !both.is_empty() {
        eprintln!(
            "patients of these names are in both files; figures on the test are too good if they are the same: {}",
            both.join(", ")
        );
    }
    Ok(())
}
