//! The arguments of `explain`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use data::beat_files::table::{self, Columns};
use data::formats::samples;
use data::output::Outputs;
use data::plot::PictureFormat;

use super::credit_files::Format;
use crate::classifier;
use crate::cli::Classify;
use crate::error::{Error, Result};
use models::explain::methods::Method;

/// Rows that one range of `--rows` may hold: their pictures wait in memory.
const MOST_ROWS: u64 = 1000;

/// Arguments of `explain`.
#[derive(Args, Debug)]
pub struct Explain {
    /// A table of beats, a store, a WFDB record (FOLDER/100) or a folder of records.
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
    pub class: Option<String>,
    /// How values are credited; several, with commas between, stand side by
    /// side in the pictures.
    #[arg(
        long,
        value_name = "METHOD",
        value_delimiter = ',',
        default_value = "integrated-gradients",
        value_parser = methods()
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
    pub picture: PictureChoice,
    /// Models that remember beats: write the credits of the earlier beats' windows
    /// too, not only a number a beat (jsonl).
    #[arg(long)]
    pub earlier_windows: bool,
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
    /// Records: explain the beats of this annotator [default: atr where the
    /// record has it, else the detector's beats].
    #[arg(long, value_name = "ANNOTATOR", conflicts_with = "detect")]
    pub reference: Option<String>,
    /// Records: find the beats with the QRS detector.
    #[arg(long)]
    pub detect: bool,
    /// Files that hold samples, a row for each, and not beats (CSV, TSV, Parquet):
    /// what their columns are, such as fs=250,leads=ecg,unit=uV,gain=200, or time=t
    /// for a column of times; see docs/recordings.md.
    #[arg(long, value_name = "COLUMNS")]
    pub samples: Option<samples::Options>,
    /// What the columns of tables are.
    #[arg(long, value_name = "COLUMNS", help = table::COLUMNS_HELP)]
    pub table: Option<Columns>,
    /// Whether rows of tables are scaled.
    #[arg(long, help = table::NORMALISE_HELP)]
    pub normalise: bool,
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
            return Err(Error::usage(format!(
                "--explain counts the beats of one input, {} are given",
                classify.inputs.len()
            )));
        };
        Ok(Explain {
            input: input.clone(),
            model: classify.model.clone(),
            rows: classify.rows.clone(),
            class: None,
            method: vec![Method::IntegratedGradients, Method::Gradcam],
            output: output.into(),
            format: Format::Jsonl,
            earlier_windows: false,
            picture: PictureChoice::Png,
            optimise: false,
            score: false,
            records: "all".into(),
            lead: classify.lead.clone(),
            reference: classify.reference.clone(),
            detect: classify.detect || classify.annotator.is_some(),
            samples: classify.samples.clone(),
            table: classify.table.clone(),
            normalise: classify.normalise,
            seed: 0,
            threads: classify.threads,
            force: classify.force,
            examples: classify.rows.is_none(),
        })
    }

    /// Checks everything that will be written and has a known name, before the work.
    ///
    /// # Errors
    /// An output breaks the rule of [`Outputs`].
    pub fn pass_outputs(&self, outputs: &mut Outputs) -> Result<()> {
        let mut pass = |name: &str| outputs.file(&self.output.join(name));
        let format = self.picture.format();
        let mut names = Vec::new();
        if self.score {
            pass("score.json")?;
        } else if self.optimise {
            pass("optimised.jsonl")?;
            names.push("optimised".to_owned());
        } else {
            pass(self.format.file_name())?;
            match &self.rows {
                Some(RowList(rows)) => names.extend(rows.iter().map(|row| row_name(*row))),
                None if self.examples => {}
                None => names.extend(["atlas", "kernels"].map(String::from)),
            }
        }
        for name in names {
            if let Some(format) = format {
                pass(&format!("{name}.{}", format.ending()))?;
            }
        }
        Ok(())
    }
}

/// Parses a method, and tells what there are in the help.
fn methods() -> impl TypedValueParser<Value = Method> {
    let value = |method: Method| PossibleValue::new(method.name()).help(method.about());
    PossibleValuesParser::new(Method::ALL.map(value)).try_map(|name| name.parse::<Method>())
}

/// What `--picture` says: a format, or that none are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PictureChoice {
    /// Pixels.
    Png,
    /// Curves and text.
    Svg,
    /// No pictures.
    None,
}

impl PictureChoice {
    /// The format of the pictures, where any are wanted.
    pub(super) fn format(self) -> Option<PictureFormat> {
        match self {
            PictureChoice::Png => Some(PictureFormat::Png),
            PictureChoice::Svg => Some(PictureFormat::Svg),
            PictureChoice::None => None,
        }
    }
}

/// Row numbers from 0, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowList(pub(super) Vec<u64>);

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

/// The name of a row's picture.
pub(super) fn row_name(row: u64) -> String {
    format!("row-{row}")
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
