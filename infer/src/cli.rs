//! The command line.

use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};

use data::beat_files::table::{self, Columns};
use data::formats::samples;
use data::plot::PictureFormat;

use crate::device::Device;
use crate::explain::arguments::{Explain, RowList};
use crate::predictions::Format;
use crate::{bundle, card, classifier, evaluate, report, serve};

/// Classifies heartbeats with ONNX Runtime.
///
/// `infer beats.csv` classifies with the shipped model that fits the input,
/// writes predictions.csv, and where the input has labels prints the
/// classification report and draws the confusion matrix.
#[derive(Parser)]
#[command(
    name = "infer",
    version,
    after_help = data::program::EXIT_CODES,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub struct Cli {
    /// Another task than classification.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What to classify.
    #[command(flatten)]
    pub classify: Classify,
}

/// Tasks beside classification.
#[derive(Subcommand)]
pub enum Command {
    /// Print a model's contract as JSON: what it expects and what its answers mean.
    Describe(Describe),
    /// Measure a model on annotated WFDB records.
    Evaluate(evaluate::Arguments),
    /// Print the model card, made from evaluations and the files of runs, as Markdown.
    Card(card::Arguments),
    /// Explain beats: which of their values speak for a class, with pictures.
    Explain(Explain),
    /// Make a folder to deploy: the model for Triton and KServe, its card, and what
    /// runs the server in a container or under systemd.
    Bundle(bundle::Arguments),
    /// Make of each recording a page that a person can check and correct.
    Report(report::arguments::Arguments),
    /// Serve models and recordings over HTTP and gRPC (Open Inference Protocol).
    Serve(serve::arguments::Arguments),
}

/// Arguments of the classification.
#[derive(Args)]
pub struct Classify {
    /// Tables of beats (CSV, TSV, packed with gzip or not, Parquet; with or without
    /// a column of the class), HDF5 stores, recordings (WFDB as FOLDER/100, EDF
    /// and BDF files) or folders of them.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// The model, a file or a bundle [default: the one in the models folder whose
    /// contract fits].
    #[arg(short, long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Where predictions go; `-` is standard output. With --annotator, the
    /// folder of the annotation files.
    #[arg(short, long, value_name = "PATH", default_value = "predictions.csv")]
    pub output: PathBuf,
    /// Format of the predictions [default: by the name of --output, else CSV].
    #[arg(short, long)]
    pub format: Option<Format>,
    /// Draw the confusion matrix here (.png or .svg) [default: beside the
    /// predictions, if the input has labels].
    #[arg(long, value_name = "FILE", value_parser = picture())]
    pub confusion: Option<PathBuf>,
    /// Records: classify the beats of this annotator [default: atr where the
    /// record has it, else the detector's beats].
    #[arg(long, value_name = "ANNOTATOR", conflicts_with = "detect")]
    pub reference: Option<String>,
    /// Records: find the beats with the QRS detector.
    #[arg(long)]
    pub detect: bool,
    /// Records: the lead to classify with a model that takes any one lead: a name,
    /// also another usual one, a number from 1, or auto, the lead on which beats
    /// stand out best [default: the record's first ECG].
    #[arg(long, value_name = "LEAD")]
    pub lead: Option<String>,
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
    /// Records: write WFDB annotation files OUTPUT/RECORD.NAME instead of
    /// predictions, for the detector's beats unless --reference is given.
    #[arg(long, value_name = "NAME")]
    pub annotator: Option<String>,
    /// With --annotator: note the rhythms that the beats make, too: (VT, (SVTA,
    /// (IVR, (B, (T, (ASYS, and (N where there is none of them.
    #[arg(long, requires = "annotator")]
    pub rhythm: bool,
    /// With --annotator: write the annotations as EDF+, too, beside the others.
    #[arg(long, requires = "annotator")]
    pub edf_plus: bool,
    /// Replace outputs that this program did not make.
    #[arg(long)]
    pub force: bool,
    /// Threads [default: all cores].
    #[arg(long, value_name = "N", value_parser = classifier::threads)]
    pub threads: Option<std::num::NonZeroUsize>,
    /// What runs the model: cpu, cuda, cuda:1, tensorrt.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: Device,
    /// Explain beats too, with a picture of each, into this folder.
    #[arg(long, value_name = "DIR")]
    pub explain: Option<PathBuf>,
    /// The beats to explain: 3,17 or 20-29, from 0 [default: the first of each
    /// predicted class].
    #[arg(long, value_name = "ROWS", requires = "explain")]
    pub rows: Option<RowList>,
}

/// The value of every flag that names a picture: its ending is one that is
/// written, which is known before any work.
pub(crate) fn picture() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| PictureFormat::of(&path).map(|_| path))
}

/// Arguments of `describe`.
#[derive(Args)]
pub struct Describe {
    /// The ONNX file.
    pub model: PathBuf,
}
