//! Evaluations as Markdown tables.

use std::fmt::Write;
use std::path::Path;

use data::scoring::metrics::{Confusion, fraction, mean_and_deviation, percent};
use data::{Class, Classes};
use models::Contract;
use serde::Deserialize;
use serde_json::Value;

use super::read_json;
use crate::error::{Error, Result};

/// The JSON file of `infer evaluate`.
pub struct EvaluationFile(Value);

/// Figures that stand beside each other: heading, place in the JSON, and
/// whether it is a percentage.
const FIGURES: [(&str, &str, bool); 12] = [
    ("accuracy", "accuracy", true),
    ("macro F1", "macro_f1", true),
    ("jk", "jk", false),
    ("ECE", "ece", false),
    ("V Se", "classes/V/se", true),
    ("V +P", "classes/V/ppv", true),
    ("V F1", "classes/V/f1", true),
    ("S Se", "classes/S/se", true),
    ("S +P", "classes/S/ppv", true),
    ("S F1", "classes/S/f1", true),
    ("S F1 without 232", "without/232/classes/S/f1", true),
    ("F F1", "classes/F/f1", true),
];

impl EvaluationFile {
    /// Reads an evaluation.
    ///
    /// # Errors
    /// The file cannot be read or is not an evaluation.
    pub fn read(path: &Path) -> Result<EvaluationFile> {
        let keys = ["accuracy", "classes"];
        let value = read_json(path, "infer evaluate --json", keys)?;
        Ok(EvaluationFile(value))
    }

    /// Whether it is an evaluation of the model of this contract.
    pub fn is_of(&self, contract: &Contract) -> bool {
        let evaluated = Contract::from_json(&self.0["contract"].to_string());
        evaluated.is_ok_and(|evaluated| evaluated == *contract)
    }

    /// Name, place in the file and value of every figure that there is.
    pub fn figures(&self) -> impl Iterator<Item = (&'static str, &'static str, f64)> {
        let figure = |(name, place, _)| Some((name, place, self.number(place)?));
        FIGURES.into_iter().filter_map(figure)
    }

    fn confusion(&self) -> Result<Confusion> {
        let wrong = |e: String| {
            Error::Input(format!(
                "an evaluation's 'confusion' is not a matrix of five by five numbers; make the file again with `infer evaluate --json`: {e}"
            ))
        };
        let counts = Vec::deserialize(&self.0["confusion"]).map_err(|e| wrong(e.to_string()))?;
        Confusion::of_counts(&Classes::aami5(), counts).map_err(|e| wrong(e.to_string()))
    }

    /// How many records were evaluated.
    fn records(&self) -> usize {
        self.0["records"].as_object().map_or(0, |r| r.len())
    }

    fn number(&self, place: &str) -> Option<f64> {
        self.0.pointer(&format!("/{place}"))?.as_f64()
    }

    fn shown(&self, place: &str, as_percent: bool) -> String {
        let value = self.number(place);
        if as_percent {
            percent(value)
        } else {
            fraction(value)
        }
    }

    /// `96.21 (94.10-97.88)`, a percentage with its interval.
    fn ranged(&self, place: &str) -> String {
        let interval = |end| self.number(&format!("intervals/{place}/{end}"));
        match (interval("low"), interval("high")) {
            (Some(low), Some(high)) => format!(
                "{} ({}-{})",
                percent(self.number(place)),
                percent(Some(low)),
                percent(Some(high))
            ),
            _ => percent(self.number(place)),
        }
    }

    /// The noise table; empty where none was made.
    pub fn noise(&self) -> String {
        let Some(rows) = self.0.get("noise").and_then(Value::as_array) else {
            return String::new();
        };
        let mut text = String::from(
            "### Noise\n\nMIT-BIH Noise Stress Test Database (electrode motion in records 118 and 119), from 5:00, escape beats as N, %.\n\n\
             | SNR dB | accuracy | V F1 | S F1 | kept | accuracy of kept | V F1 of kept | S F1 of kept |\n\
             |---|---|---|---|---|---|---|---|\n",
        );
        for row in rows {
            let get = |place: &str| percent(row.pointer(place).and_then(Value::as_f64));
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                row["snr_db"],
                get("/all/accuracy"),
                get("/all/classes/V/f1"),
                get("/all/classes/S/f1"),
                get("/reject/coverage"),
                get("/reject/kept/accuracy"),
                get("/reject/kept/classes/V/f1"),
                get("/reject/kept/classes/S/f1"),
            );
        }
        text.push('\n');
        text
    }
}

/// Evaluations beside each other, each of one seed.
pub fn comparison(evaluations: &[(&str, EvaluationFile)]) -> String {
    let headings: Vec<&str> = FIGURES.iter().map(|f| f.0).collect();
    let mut text = format!(
        "### Results\n\nBy `infer evaluate`: whole records, reference beats, escape beats (e, j) as N; Se, +P, F1 and accuracy in %.\n\n\
         | | seed | records | beats | {} |\n|---|{}\n",
        headings.join(" | "),
        "---|".repeat(headings.len() + 3)
    );
    for (name, evaluation) in evaluations {
        let seed = &evaluation.0["contract"]["training"]["seed"];
        let (records, beats) = (evaluation.records(), &evaluation.0["beats"]);
        let _ = write!(text, "| {name} | {seed} | {records} | {beats} |");
        for (_, place, as_percent) in FIGURES {
            let _ = write!(text, " {} |", evaluation.shown(place, as_percent));
        }
        text.push('\n');
    }
    text.push('\n');
    text
}

/// Mean and standard deviation over the seeds of a recipe.
pub fn seeds(name: &str, seeds: &[EvaluationFile]) -> String {
    let mut text = format!(
        "### {name}: over {} seeds\n\n\
         | | mean | standard deviation | least | greatest |\n|---|---|---|---|---|\n",
        seeds.len()
    );
    for (name, place, as_percent) in FIGURES {
        let values: Vec<f64> = seeds.iter().filter_map(|s| s.number(place)).collect();
        if values.len() < seeds.len() {
            continue;
        }
        let [mean, deviation] = mean_and_deviation(values.iter().copied().map(Some));
        let least = values.iter().copied().reduce(f64::min);
        let greatest = values.iter().copied().reduce(f64::max);
        let show = |value| {
            if as_percent {
                percent(value)
            } else {
                fraction(value)
            }
        };
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} |",
            show(mean),
            show(deviation),
            show(least),
            show(greatest)
        );
    }
    text.push('\n');
    text
}

/// Cross-validations: the beats of all folds together, each classified by the
/// network that was trained without their patient.
///
/// # Errors
/// A fold's file holds no confusion matrix.
pub fn cross_validations(validations: &[(&str, Vec<EvaluationFile>)]) -> Result<String> {
    let mut text = String::from(
        "### Patients held out of training\n\nCross-validation over patients: the recipe is trained once for each fold without the fold's patients and classifies theirs; the beats of all folds together, %.\n\n\
         | | folds | records | beats | accuracy | jk | V Se | V +P | V F1 | S Se | S +P | S F1 | F F1 |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (name, folds) in validations {
        let mut all = Confusion::new(&Classes::aami5());
        for fold in folds {
            all += &fold.confusion()?;
        }
        let [v, s, f] = [Class::V, Class::S, Class::F].map(|class| all.class(class.index()));
        let cells = [v.se, v.ppv, v.f1, s.se, s.ppv, s.f1, f.f1].map(percent);
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {} |",
            folds.len(),
            folds.iter().map(EvaluationFile::records).sum::<usize>(),
            all.total(),
            percent(all.accuracy()),
            fraction(all.jk()),
            cells.join(" | ")
        );
    }
    text.push('\n');
    Ok(text)
}

/// One evaluation at length.
pub fn details(name: &str, evaluation: &EvaluationFile) -> String {
    let patients = evaluation.number("intervals/patients").unwrap_or(0.0);
    let mut text = format!(
        "### {name}: classes\n\nWith 95 % intervals by bootstrap over {patients} patients, in %.\n\n\
         | class | beats | Se | +P | F1 |\n|---|---|---|---|---|\n"
    );
    for class in Class::ALL {
        let cell = |figure: &str| evaluation.ranged(&format!("classes/{class}/{figure}"));
        let support = evaluation.number(&format!("classes/{class}/support"));
        let _ = writeln!(
            text,
            "| {class} | {} | {} | {} | {} |",
            support.unwrap_or(0.0),
            cell("se"),
            cell("ppv"),
            cell("f1")
        );
    }
    let _ = writeln!(
        text,
        "\nAccuracy {} %, macro F1 {} %.\n",
        evaluation.ranged("accuracy"),
        evaluation.ranged("macro_f1")
    );
    text += &views(name, evaluation);
    text += &calibration(name, evaluation);
    text += &records(name, evaluation);
    text
}

fn views(name: &str, evaluation: &EvaluationFile) -> String {
    let rows = [
        ("whole records, e j as N", ""),
        ("whole records, e j as S (bxb)", "bxb/"),
        ("from 5:00, e j as N", "ec57_period/"),
        ("from 5:00, e j as S (bxb)", "ec57_period/bxb/"),
    ];
    let mut text = format!(
        "### {name}: conventions\n\n\
         | | beats | accuracy | V Se | V +P | V F1 | S Se | S +P | S F1 |\n|---|---|---|---|---|---|---|---|---|\n"
    );
    for (row, place) in rows {
        let Some(beats) = evaluation.number(&format!("{place}beats")) else {
            continue;
        };
        let _ = write!(
            text,
            "| {row} | {beats} | {} |",
            evaluation.shown(&format!("{place}accuracy"), true)
        );
        for class in ["V", "S"] {
            for figure in ["se", "ppv", "f1"] {
                let place = format!("{place}classes/{class}/{figure}");
                let _ = write!(text, " {} |", evaluation.shown(&place, true));
            }
        }
        text.push('\n');
    }
    text.push('\n');
    text
}

fn calibration(name: &str, evaluation: &EvaluationFile) -> String {
    let mut text = format!(
        "### {name}: calibration and reject option\n\nExpected calibration error {}.\n\n\
         | beats kept, % | least probability | error, % |\n|---|---|---|\n",
        evaluation.shown("ece", false)
    );
    let points = evaluation.0["risk_coverage"].as_array();
    for point in points.into_iter().flatten() {
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            percent(point["coverage"].as_f64()),
            fraction(point["threshold"].as_f64()),
            percent(point["risk"].as_f64())
        );
    }
    if let Some(threshold) = evaluation.number("reject/threshold") {
        let _ = writeln!(
            text,
            "\nThe model's own threshold {threshold:.3} keeps {} %: accuracy {} %, V F1 {} %, S F1 {} %.",
            evaluation.shown("reject/coverage", true),
            evaluation.shown("reject/kept/accuracy", true),
            evaluation.shown("reject/kept/classes/V/f1", true),
            evaluation.shown("reject/kept/classes/S/f1", true)
        );
    }
    text.push('\n');
    text
}

fn records(name: &str, evaluation: &EvaluationFile) -> String {
    let mut text = format!(
        "<details><summary>{name}: record by record</summary>\n\n\
         | record | beats | accuracy | V beats | V Se | V +P | S beats | S Se | S +P |\n|---|---|---|---|---|---|---|---|---|\n"
    );
    let records = evaluation.0["records"].as_object();
    for (record, view) in records.into_iter().flatten() {
        let get = |place: &str| percent(view.pointer(place).and_then(Value::as_f64));
        let _ = write!(
            text,
            "| {record} | {} | {} |",
            view["beats"],
            get("/accuracy")
        );
        for class in ["V", "S"] {
            let _ = write!(
                text,
                " {} | {} | {} |",
                view["classes"][class]["support"],
                get(&format!("/classes/{class}/se")),
                get(&format!("/classes/{class}/ppv"))
            );
        }
        text.push('\n');
    }
    text + "\n</details>\n\n"
}
