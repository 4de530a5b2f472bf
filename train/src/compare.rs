//! `train compare`: finished runs side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::cli::flat;
use crate::error::Result;
use crate::report::{Finished, figures, named, names};
use crate::run::RunFolder;
use crate::text_table::{aligned, figure, show};

/// A cell of a figure's row.
type Cell = fn(&Finished) -> String;

/// Prints the settings in which the runs in these folders differ, and their
/// figures.
///
/// # Errors
/// When a folder holds no run, or one that has not ended.
pub fn run(folders: &[PathBuf]) -> Result<()> {
    let mut runs = Vec::new();
    for folder in folders {
        runs.push(Finished::expect(&RunFolder::open(folder)?)?);
    }
    show(&text(&runs)?)
}

fn text(runs: &[Finished]) -> Result<String> {
    let paths = runs.iter().map(|run| run.run.path().display().to_string());
    let mut rows: Vec<Vec<String>> = vec![[String::new()].into_iter().chain(paths).collect()];
    let mut row = |name: String, cells: Vec<String>| {
        rows.push([name].into_iter().chain(cells).collect());
    };
    let settings: Vec<BTreeMap<String, toml::Value>> = runs
        .iter()
        .map(|run| flat(&run.settings))
        .collect::<Result<_>>()?;
    let keys: BTreeSet<&String> = settings.iter().flat_map(BTreeMap::keys).collect();
    for key in keys {
        let value = |of: &BTreeMap<String, toml::Value>| of.get(key).cloned();
        if settings.iter().any(|of| value(of) != value(&settings[0])) {
            let shown = |of| value(of).map_or("-".into(), |value| value.to_string());
            row(key.clone(), settings.iter().map(shown).collect());
        }
    }
    let validation: Vec<_> = runs.iter().map(|run| figures(&run.validation)).collect();
    let none = Vec::new;
    let test = |run: &Finished| run.test.as_ref().map_or_else(none, figures);
    let test: Vec<_> = runs.iter().map(test).collect();
    for (part, each) in [("validation", validation), ("test", test)] {
        for name in names(each.iter()) {
            let cells = each.iter().map(|figures| figure(named(figures, &name)));
            row(format!("{part} {name}"), cells.collect());
        }
    }
    let counts: [(&str, Cell); 6] = [
        ("validation loss", |run| {
            figure(run.best().map(|best| best.loss))
        }),
        ("validation beats", |run| run.validation.total().to_string()),
        ("epochs", |run| run.history.len().to_string()),
        ("best epoch", |run| run.best_epoch.to_string()),
        ("parameters", |run| run.parameters.to_string()),
        ("seconds", |run| format!("{:.1}", run.seconds())),
    ];
    for (name, cell) in counts {
        row(name.into(), runs.iter().map(cell).collect());
    }
    Ok(aligned(&rows, |column| column > 0))
}
