//! `train sweep`: every combination of some values of settings, over seeds.

mod grid;

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::ValueEnum;
use data::output;

use crate::error::Result;
use crate::fit::{Ending, Stop};
use crate::many::{Manner, Series};
use crate::report::{self, Finished, figures, named};
use crate::settings::{Monitor, Settings};
use crate::text_table::{aligned, figure, show};
use data::scoring::metrics::mean_and_deviation;
use grid::RUNS;
pub use grid::{Cell, Grid, Varied};

/// The runs of a sweep.
#[derive(Debug)]
pub struct Sweep {
    series: Series,
    axes: Vec<String>,
    /// The combination of each run.
    values: Vec<Vec<String>>,
}

impl Sweep {
    /// The runs of a grid whose cells have these settings, `folds` of each
    /// where that is given.
    ///
    /// # Errors
    /// When settings make no sense, or the folder holds other runs.
    pub fn new(
        grid: &Grid,
        cells: Vec<(Cell, Settings)>,
        folds: Option<usize>,
        manner: &Manner,
    ) -> Result<Sweep> {
        grid.refuse_more_than(RUNS / folds.unwrap_or(1))?;
        let (mut runs, mut values) = (Vec::new(), Vec::new());
        let mut name = String::new();
        for (cell, settings) in cells {
            name = format!("{}-sweep", settings.recipe.name());
            let folder = cell.folder(settings.seed);
            let more = match folds {
                None => vec![(folder, settings)],
                Some(count) => {
                    let folds = crate::folds::of(&settings, count)?.into_iter();
                    let below = |(fold, settings)| (format!("{folder}/{fold}"), settings);
                    folds.map(below).collect()
                }
            };
            let combination: Vec<String> =
                cell.values.into_iter().map(|(_, value)| value).collect();
            values.extend(more.iter().map(|_| combination.clone()));
            runs.extend(more);
        }
        Ok(Sweep {
            series: Series::new(runs, &name, manner)?,
            axes: grid.keys().map(String::from).collect(),
            values,
        })
    }

    /// Trains the runs, prints the table and writes it and `sweep.csv`.
    ///
    /// # Errors
    /// When a run fails, or a file cannot be written.
    pub fn run(&self, stop: &Stop) -> Result<Ending> {
        let Some(runs) = self.series.train(stop)? else {
            return Ok(Ending::Interrupted);
        };
        let text = self.table(&runs);
        let csv = self.csv(&runs)?;
        output::write(self.series.file("sweep.csv"), &csv)?;
        output::write(self.series.file("sweep.txt"), text.as_bytes())?;
        show(&text)?;
        eprintln!("wrote {}", self.series.folder.display());
        Ok(Ending::Finished)
    }

    /// A row per combination: means and deviations of the validation figures.
    fn table(&self, runs: &[Finished]) -> String {
        let each: Vec<_> = runs.iter().map(|run| figures(&run.validation)).collect();
        let names = report::names(each.iter());
        let monitored = monitored(runs).filter(|name| !names.contains(name));
        let mut head = self.axes.clone();
        head.push("runs".into());
        head.extend(monitored.clone());
        head.extend(names.iter().cloned());
        let mut rows = vec![head];
        let mut seen: BTreeSet<&Vec<String>> = BTreeSet::new();
        for values in self.values.iter().filter(|values| seen.insert(values)) {
            let of: Vec<usize> = (0..runs.len())
                .filter(|&i| self.values[i] == *values)
                .collect();
            let mut row = values.clone();
            row.push(of.len().to_string());
            if monitored.is_some() {
                row.push(spread(of.iter().map(|&i| runs[i].monitored())));
            }
            for name in &names {
                row.push(spread(of.iter().map(|&i| named(&each[i], name))));
            }
            rows.push(row);
        }
        format!(
            "validation part, mean ± standard deviation over the runs of each row\n{}\nChoose by these figures. The test part must not be used to choose: what it then says of the chosen settings would be too good.\n",
            aligned(&rows, |column| column >= self.axes.len())
        )
    }

    /// A row per run, with the values as they are.
    fn csv(&self, runs: &[Finished]) -> Result<Vec<u8>> {
        let each: Vec<_> = runs.iter().map(|run| figures(&run.validation)).collect();
        let names = report::names(each.iter());
        let mut rows = Vec::new();
        let mut head = vec!["folder".to_owned()];
        head.extend(self.axes.iter().cloned());
        head.extend(
            [
                "seed",
                "fold",
                "epochs",
                "best_epoch",
                "seconds",
                "monitored",
            ]
            .map(String::from),
        );
        head.extend(
            names
                .iter()
                .map(|name| format!("validation {name}").replace([' ', '-'], "_")),
        );
        rows.push(head);
        let number = |value: Option<f64>| value.map_or(String::new(), |v| format!("{v:.6}"));
        for ((run, values), figures) in runs.iter().zip(&self.values).zip(&each) {
            let mut row = vec![self.series.place(run).display().to_string()];
            row.extend(values.iter().cloned());
            row.push(run.settings.seed.to_string());
            row.push(
                run.settings
                    .fold
                    .map_or(String::new(), |fold| fold.to_string()),
            );
            row.extend([run.history.len(), run.best_epoch].map(|n| n.to_string()));
            row.push(format!("{:.2}", run.seconds()));
            row.push(number(run.monitored()));
            row.extend(names.iter().map(|name| number(named(figures, name))));
            rows.push(row);
        }
        let mut writer = csv::Writer::from_writer(Vec::new());
        let path = || PathBuf::from("sweep.csv");
        for row in rows {
            let wrong = |e: csv::Error| data::Error::malformed(path(), e.to_string());
            writer.write_record(row).map_err(wrong)?;
        }
        let bytes = writer.into_inner();
        Ok(bytes.map_err(|e| data::Error::malformed(path(), e.to_string()))?)
    }
}

/// What the figure is called by which the best epochs were chosen; none where
/// every run keeps its last.
fn monitored(runs: &[Finished]) -> Option<String> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    for run in runs
        .iter()
        .filter(|run| run.settings.monitor != Monitor::Last)
    {
        let value = run.settings.monitor.to_possible_value()?;
        names.insert(value.get_name().replace("f1", "F1"));
    }
    match names.len() {
        0 | 1 => names.pop_first(),
        _ => Some("monitored".into()),
    }
}

fn spread(values: impl Iterator<Item = Option<f64>>) -> String {
    match mean_and_deviation(values) {
        [mean, None] => figure(mean),
        [mean, deviation] => format!("{} ± {}", figure(mean), figure(deviation)),
    }
}
