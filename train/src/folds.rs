//! Cross-validation over patients: each fold of them is tested by a network
//! that learnt from all others.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

use data::datasets::splits;
use data::output;
use data::plot::{self, ConfusionMatrix};
use data::record::error::ensure;
use data::scoring::metrics::{Confusion, ConfusionFigures, mean_and_deviation};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::fit::{Ending, Stop};
use crate::many::{Manner, Series};
use crate::report::{self, Finished, figures, named};
use crate::settings::Settings;
use crate::text_table::{aligned, figure, show};

/// Most folds: each is a network to train.
pub const MOST: usize = 100;
/// Patients that a network needs besides those of its fold: one to learn from,
/// one to validate with.
const OTHERS: usize = 2;

/// Which part of the patients a run tests, as `NUMBER/OF` in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fold {
    /// From 1.
    number: usize,
    of: usize,
}

impl Display for Fold {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl From<Fold> for String {
    fn from(fold: Fold) -> String {
        fold.to_string()
    }
}

impl FromStr for Fold {
    type Err = String;

    fn from_str(text: &str) -> Result<Fold, String> {
        let numbers = text.split_once('/').and_then(|(number, of)| {
            let number = number.parse().ok()?;
            Some((number, of.parse().ok()?))
        });
        let possible =
            |(number, of): &(usize, usize)| (2..=MOST).contains(of) && (1..=*of).contains(number);
        let (number, of) = numbers.filter(possible).ok_or_else(|| {
            format!("'{text}' is no fold; write NUMBER/FOLDS, such as 2/5, of 2 to {MOST} folds")
        })?;
        Ok(Fold { number, of })
    }
}

impl TryFrom<String> for Fold {
    type Error = String;

    fn try_from(text: String) -> Result<Fold, String> {
        text.parse()
    }
}

impl Fold {
    /// The records that this fold tests, as places in `patients`, which names
    /// the patient of each; `beats` counts its beats by class.
    ///
    /// # Errors
    /// When there are not enough patients.
    pub fn records(self, patients: &[&str], beats: &[Vec<usize>], seed: u64) -> Result<Vec<usize>> {
        let mut each: Vec<&str> = patients.to_vec();
        each.sort_unstable();
        each.dedup();
        let count = each.len();
        let fits = |folds: usize| folds <= count && count - count.div_ceil(folds) >= OTHERS;
        ensure(fits(self.of), || {
            let remedy = match (2..=MOST).find(|&folds| fits(folds)) {
                Some(least) => format!("take --folds {least} to {}", count.min(MOST)),
                None => format!("{} patients at least can be divided", OTHERS + 1),
            };
            Error::usage(format!(
                "--folds {}: the recordings are of {count} patients, and every fold needs one, with {OTHERS} others to learn from and to validate with; {remedy}",
                self.of
            ))
        })?;
        let fold_of = splits::folds(patients, beats, self.of, seed);
        let mine = |&record: &usize| fold_of[record] + 1 == self.number;
        Ok((0..patients.len()).filter(mine).collect())
    }
}

/// The runs of all folds.
#[derive(Debug)]
pub struct Folds(Series);

/// These settings once for each fold, with the names of their folders.
///
/// # Errors
/// When the settings are those of one fold already.
pub fn of(settings: &Settings, count: usize) -> Result<Vec<(String, Settings)>> {
    ensure(settings.fold.is_none(), || {
        Error::usage(
            "--folds trains every fold, and --fold (or fold in --config) one; give one of the two",
        )
    })?;
    let fold = |number| {
        let fold = Some(Fold { number, of: count });
        let settings = settings.clone();
        (format!("fold-{number}"), Settings { fold, ..settings })
    };
    Ok((1..=count).map(fold).collect())
}

/// `report.json` of all folds.
#[derive(Serialize)]
struct Report<'a> {
    recipe: &'a str,
    seed: u64,
    /// Over all patients, each tested once.
    test: ConfusionFigures,
    /// Mean and sample standard deviation over the folds, by figure.
    over_folds: Vec<Spread>,
    folds: Vec<FoldReport<'a>>,
}

#[derive(Serialize)]
struct Spread {
    figure: String,
    mean: Option<f64>,
    deviation: Option<f64>,
}

#[derive(Serialize)]
struct FoldReport<'a> {
    folder: String,
    best_epoch: usize,
    test_records: &'a [String],
    test: ConfusionFigures,
}

impl Folds {
    /// So many folds of the patients.
    ///
    /// # Errors
    /// When the settings do not go with folds, or the folder holds other runs.
    pub fn new(settings: &Settings, count: usize, manner: &Manner) -> Result<Folds> {
        let name = format!("{}-folds", settings.recipe.name());
        Ok(Folds(Series::new(of(settings, count)?, &name, manner)?))
    }

    /// Trains them and reports on all together.
    ///
    /// # Errors
    /// When a run fails, or a file cannot be written.
    pub fn run(&self, stop: &Stop) -> Result<Ending> {
        let Some(runs) = self.0.train(stop)? else {
            return Ok(Ending::Interrupted);
        };
        let tested: Vec<(&Finished, &Confusion)> = runs
            .iter()
            .filter_map(|run| Some((run, run.test.as_ref()?)))
            .collect();
        let pooled = Confusion::sum(tested.iter().map(|(_, test)| *test));
        let pooled = pooled.ok_or_else(|| Error::Beats("no fold has a beat to test".into()))?;
        let (text, over_folds) = self.text(&tested, &pooled);
        let settings = &runs[0].settings;
        let report = Report {
            recipe: settings.recipe.name(),
            seed: settings.seed,
            test: pooled.figures(),
            over_folds,
            folds: tested
                .iter()
                .map(|(run, test)| FoldReport {
                    folder: self.0.place(run).display().to_string(),
                    best_epoch: run.best_epoch,
                    test_records: &run.test_records,
                    test: test.figures(),
                })
                .collect(),
        };
        let json = serde_json::to_string_pretty(&report)? + "\n";
        output::write(self.0.file(report::FILE), json.as_bytes())?;
        output::write(self.0.file("report.txt"), text.as_bytes())?;
        let title = &format!("{}, {} folds", settings.recipe.name(), runs.len());
        let confusion = &pooled;
        plot::save(
            &ConfusionMatrix { confusion, title },
            &self.0.file("confusion.png"),
        )?;
        show(&text)?;
        eprintln!("wrote {}", self.0.folder.display());
        Ok(Ending::Finished)
    }

    /// The report in words, and mean and spread over the folds.
    fn text(
        &self,
        tested: &[(&Finished, &Confusion)],
        pooled: &Confusion,
    ) -> (String, Vec<Spread>) {
        let names: Vec<&str> = pooled.classes().names().collect();
        let row = |class: usize| -> Vec<String> {
            let counts = (0..names.len()).map(|called| pooled.count(class, called).to_string());
            [names[class].to_owned()]
                .into_iter()
                .chain(counts)
                .collect()
        };
        let head = ["reference \\ called"]
            .into_iter()
            .chain(names.iter().copied());
        let mut matrix = vec![head.map(String::from).collect()];
        matrix.extend((0..names.len()).map(row));

        let each: Vec<_> = tested.iter().map(|(_, test)| figures(test)).collect();
        let columns = report::names(each.iter());
        let mut head: Vec<String> = ["fold", "records", "beats"].map(String::from).to_vec();
        head.extend(columns.iter().cloned());
        let mut rows = vec![head];
        for ((run, test), figures) in tested.iter().zip(&each) {
            let counts = [run.test_records.len() as u64, test.total()];
            let mut row = vec![self.0.place(run).display().to_string()];
            row.extend(counts.map(|count| count.to_string()));
            row.extend(columns.iter().map(|name| figure(named(figures, name))));
            rows.push(row);
        }
        let spread = |name: &String| {
            let [mean, deviation] = mean_and_deviation(each.iter().map(|f| named(f, name)));
            Spread {
                figure: name.clone(),
                mean,
                deviation,
            }
        };
        let spreads: Vec<Spread> = columns.iter().map(spread).collect();
        type Of = fn(&Spread) -> Option<f64>;
        let lines: [(&str, Of); 2] = [("mean", |s| s.mean), ("deviation", |s| s.deviation)];
        for (name, of) in lines {
            let mut row = vec![name.to_owned(), String::new(), String::new()];
            row.extend(spreads.iter().map(|spread| figure(of(spread))));
            rows.push(row);
        }
        let right = |column: usize| column > 0;
        let text = format!(
            "test parts of {} folds together: every patient tested once, by a network that never saw it\n{}\n{}\n{}",
            tested.len(),
            pooled.report(),
            aligned(&matrix, right),
            aligned(&rows, right)
        );
        (text, spreads)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_fold_is_read_as_it_is_written() {
        let fold: Fold = "2/5".parse().unwrap();
        assert_eq!((fold.number, fold.of), (2, 5));
        assert_eq!(fold.to_string(), "2/5");
        for wrong in [
            "", "2", "0/5", "6/5", "1/1", "1/1000", "-1/5", "2/5/5", "a/b",
        ] {
            let words = wrong.parse::<Fold>().unwrap_err();
            assert!(words.contains("such as 2/5"), "{words}");
        }
    }

    #[test]
    fn every_record_is_tested_once_and_too_few_patients_are_refused() {
        let patients = ["a", "b", "b", "c", "d"];
        let beats = vec![vec![10, 1]; 5];
        let mut tested: Vec<usize> = (1..=3)
            .flat_map(|number| {
                let fold = Fold { number, of: 3 };
                fold.records(&patients, &beats, 7).unwrap()
            })
            .collect();
        tested.sort_unstable();
        assert_eq!(tested, [0, 1, 2, 3, 4]);
        for (count, of) in [(4, 5), (2, 2), (3, 2)] {
            let fold = Fold { number: 1, of };
            let patients = &["a", "b", "c", "d"][..count];
            let words = fold.records(patients, &beats[..count], 7).unwrap_err();
            let words = words.to_string();
            assert!(words.contains(&format!("of {count} patients")), "{words}");
        }
    }
}
