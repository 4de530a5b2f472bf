//! Every setting of a run. A recipe gives the defaults, a TOML file overrides
//! some of them, flags override both; the result is saved with the run.

mod choices;
mod classes_text;
mod files;

use std::path::PathBuf;

use clap::Args;
use data::Classes;
use data::datasets::patients::Patients;
use data::pipeline::input::InputSpec;
use models::Architecture;
use models::architecture::Pooling;
use serde::{Deserialize, Serialize};

use crate::augment::Augmentation;
use crate::error::{Error, Result};
use crate::folds::Fold;
use crate::layer_syntax::{BeatLayerText, BlockText, StemText};
use crate::loss::Distillation;
use crate::optimiser::Algorithm;
use crate::schedule::{Schedule, Shape};
use crate::table::TableSettings;
pub(crate) use choices::usual_chunk;
pub use choices::{Monitor, Precision, Recipe, Split};
use data::record::error::ensure;

/// The resolved settings of a run.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Task and defaults
    #[arg(long, help_heading = "Task")]
    pub recipe: Recipe,
    /// Seed of the split, the initial weights, the sampling and the augmentation
    #[arg(long, help_heading = "Task", value_name = "N")]
    pub seed: u64,
    /// Share of the patients (inter-patient) or of the training beats (kaggle) for validation
    #[arg(long, help_heading = "Task", value_name = "SHARE")]
    pub validation: f64,
    /// Folder of annotated WFDB records or of the Kaggle CSV files; a file of beats (CSV, TSV, Parquet, .h5 of data convert); or synthetic
    #[arg(long, help_heading = "Task", value_name = "PATH")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// Further folders of annotated WFDB records (inter-patient), or files of beats, to train on
    #[arg(long, help_heading = "Task", value_name = "PATH")]
    pub extra: Vec<PathBuf>,
    /// Classes and the labels that mean them: aami5, aami3, aami2, ptbdb, 'symbols N L V /', or such as 'normal=N L R,ectopic=A V'
    #[arg(long, help_heading = "Task", value_name = "CLASSES")]
    #[serde(default = "Classes::aami5", with = "classes_text")]
    pub classes: Classes,
    /// Annotator of the beats: the ending of its files
    #[arg(long, help_heading = "Task", value_name = "NAME")]
    #[serde(default = "choices::reference")]
    pub annotator: String,
    /// Records of --data to train on: a file that lists them, or names with commas between
    #[arg(long, help_heading = "Task", value_name = "LIST")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<String>,
    /// Rule by which records of --data stay out of the training
    #[arg(long, help_heading = "Task")]
    #[serde(default)]
    pub split: Split,
    /// File with a line RECORD,PATIENT for each record; without it every record is of its own patient
    #[arg(long, help_heading = "Task", value_name = "FILE")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patients: Option<PathBuf>,
    /// Regular expression that finds the patient in a record's name, such as '^(p\d+)_' for p001_night2
    #[arg(
        long,
        help_heading = "Task",
        value_name = "REGEX",
        conflicts_with = "patients"
    )]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient_pattern: Option<String>,
    /// Model to start from: its network, without batch norm, and its weights; where its classes differ, with a new last layer
    #[arg(long, help_heading = "Task", value_name = "FILE.onnx")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<PathBuf>,
    /// Layers that stay as they are in --init: names or their beginnings, such as stem,block1
    #[arg(
        long,
        help_heading = "Task",
        value_name = "NAMES",
        value_delimiter = ',',
        requires = "init"
    )]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
    /// Records of the validation part, instead of a share of the patients (inter-patient)
    #[arg(
        long,
        help_heading = "Task",
        value_name = "RECORDS",
        value_delimiter = ','
    )]
    pub hold_out: Vec<String>,
    /// Train on all patients but those of one fold, which are the test part, such as 2/5; --folds trains every fold (inter-patient)
    #[arg(long, help_heading = "Task", value_name = "N/K")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<Fold>,
    /// Weight of each record's second lead as examples of their own (inter-patient, any lead)
    #[arg(long, help_heading = "Task", value_name = "WEIGHT")]
    pub second_lead: f64,
    /// Weight, against a class's recorded beats, of beats of the same recordings moved in time (inter-patient)
    #[arg(long, help_heading = "Task", value_name = "WEIGHT")]
    pub retimed: f64,

    /// Where to compute: auto, cpu, cuda or cuda:N
    #[arg(long, help_heading = "Computing", value_name = "DEVICE")]
    pub device: String,
    /// CPU threads; 0 for one per core
    #[arg(long, help_heading = "Computing", value_name = "N")]
    pub threads: usize,
    /// Numbers that convolutions use while training
    #[arg(long, help_heading = "Computing")]
    pub precision: Precision,

    /// Passes over the training part
    #[arg(long, help_heading = "Optimisation", value_name = "N")]
    pub epochs: usize,
    /// Stop after this many epochs without a better validation figure; 0 never does
    #[arg(long, help_heading = "Optimisation", value_name = "EPOCHS")]
    pub patience: usize,
    /// The validation figure that picks the best epoch
    #[arg(long, help_heading = "Optimisation")]
    pub monitor: Monitor,
    /// Beats per step
    #[arg(long, help_heading = "Optimisation", value_name = "BEATS")]
    pub batch: usize,
    /// How weight decay enters a step
    #[arg(long, help_heading = "Optimisation")]
    pub optimiser: Algorithm,
    /// Learning rate after the warm-up
    #[arg(long, help_heading = "Optimisation", value_name = "RATE")]
    pub learning_rate: f64,
    /// Weight decay of convolutions and dense layers
    #[arg(long, help_heading = "Optimisation", value_name = "RATE")]
    pub weight_decay: f64,
    /// Longest gradient; longer ones are shortened to it; 0 for no limit
    #[arg(long, help_heading = "Optimisation", value_name = "LENGTH")]
    pub clip: f64,
    /// How the learning rate changes
    #[arg(long, help_heading = "Optimisation")]
    pub schedule: Shape,
    /// Epochs over which the learning rate rises to its peak
    #[arg(long, help_heading = "Optimisation", value_name = "EPOCHS")]
    pub warmup: f64,
    /// Epochs without a better figure before a plateau schedule acts
    #[arg(long, help_heading = "Optimisation", value_name = "EPOCHS")]
    pub plateau_patience: usize,
    /// What a plateau multiplies the learning rate by
    #[arg(long, help_heading = "Optimisation", value_name = "FACTOR")]
    pub plateau_factor: f64,
    /// Weight of the past in a running average of the weights, which is what is
    /// validated and exported; 0 for none
    #[arg(long, help_heading = "Optimisation", value_name = "DECAY")]
    pub average: f64,

    /// Share of the validation beats that the reject threshold sets aside
    #[arg(long, help_heading = "Optimisation", value_name = "SHARE")]
    pub reject: f64,

    /// Focal exponent; 0 for plain cross-entropy
    #[arg(long, help_heading = "Loss and sampling", value_name = "GAMMA")]
    pub gamma: f64,
    /// Share of a label that is spread over all classes
    #[arg(long, help_heading = "Loss and sampling", value_name = "SHARE")]
    pub label_smoothing: f64,
    /// Class weights are 1 / count^THIS; 0 for none
    #[arg(long, help_heading = "Loss and sampling", value_name = "EXPONENT")]
    pub class_weights: f64,
    /// Rows are drawn with weights 1 / count^THIS of their class; 0 for a plain shuffle, 1 for equal classes
    #[arg(long, help_heading = "Loss and sampling", value_name = "EXPONENT")]
    pub balance: f64,
    /// Beats shown per epoch; 0 for as many as there are
    #[arg(long, help_heading = "Loss and sampling", value_name = "BEATS")]
    pub shown: usize,
    /// Added to the logits of the classes for good, a value each
    #[arg(
        long,
        help_heading = "Loss and sampling",
        value_name = "BIASES",
        value_delimiter = ',',
        allow_negative_numbers = true
    )]
    pub class_bias: Vec<f64>,
    /// Run folders of teachers whose averaged answers are learned as well
    #[arg(long, help_heading = "Loss and sampling", value_name = "RUN")]
    pub teacher: Vec<PathBuf>,
    /// Share of the teachers in the loss
    #[arg(long, help_heading = "Loss and sampling", value_name = "SHARE")]
    pub teacher_weight: f64,
    /// Temperature at which teachers are listened to
    #[arg(long, help_heading = "Loss and sampling", value_name = "T")]
    pub teacher_temperature: f64,

    /// White noise, in units of the window
    #[arg(long, help_heading = "Augmentation", value_name = "LEVEL")]
    pub noise: f64,
    /// Spread of a beat's gain
    #[arg(long, help_heading = "Augmentation", value_name = "LEVEL")]
    pub gain: f64,
    /// Largest displacement of the fiducial point
    #[arg(long, help_heading = "Augmentation", value_name = "SAMPLES")]
    pub shift: f64,
    /// Largest relative change of the time scale
    #[arg(long, help_heading = "Augmentation", value_name = "SHARE")]
    pub stretch: f64,
    /// Baseline wander, in units of the window
    #[arg(long, help_heading = "Augmentation", value_name = "LEVEL")]
    pub wander: f64,
    /// White noise on the rhythm features, in standard deviations
    #[arg(long, help_heading = "Augmentation", value_name = "LEVEL")]
    pub rhythm_noise: f64,
    /// Share of the rhythm features that are set to their mean
    #[arg(long, help_heading = "Augmentation", value_name = "SHARE")]
    pub rhythm_dropout: f64,

    /// Convolution ahead of the blocks, CHANNELSxKERNEL[/STRIDE], or none
    #[arg(long, help_heading = "Network", value_name = "STEM")]
    pub stem: StemText,
    /// Residual blocks, each CHANNELSxKERNEL[/STRIDE][@DILATION][+MAXPOOL|~MEANPOOL][-seRATIO][-neckRATIO][-pre]: -se is squeeze-excitation and -neck a bottleneck with CHANNELS / RATIO values, -pre is pre-activation
    #[arg(
        long,
        help_heading = "Network",
        value_name = "BLOCKS",
        value_delimiter = ','
    )]
    pub blocks: Vec<BlockText>,
    /// How the last feature map becomes a vector: average, average-max or flatten
    #[arg(long, help_heading = "Network", value_parser = from_name::<Pooling>)]
    pub pooling: Pooling,
    /// Widths of the dense layers of the rhythm branch
    #[arg(
        long,
        help_heading = "Network",
        value_name = "WIDTHS",
        value_delimiter = ','
    )]
    pub rhythm_hidden: Vec<usize>,
    /// Widths of the hidden dense layers of the head
    #[arg(
        long,
        help_heading = "Network",
        value_name = "WIDTHS",
        value_delimiter = ','
    )]
    pub hidden: Vec<usize>,
    /// Dropout in the head
    #[arg(long, help_heading = "Network", value_name = "SHARE")]
    pub dropout: f64,

    /// Layers of a memory of earlier beats, each CHANNELSxKERNEL[@DILATION] in beats, after the first hidden layer
    #[arg(
        long,
        help_heading = "Network",
        value_name = "LAYERS",
        value_delimiter = ','
    )]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memory: Vec<BeatLayerText>,
    /// Consecutive beats that a network with a memory is shown at once
    #[arg(long, help_heading = "Loss and sampling", value_name = "BEATS")]
    #[serde(
        default = "usual_chunk",
        skip_serializing_if = "choices::is_usual_chunk"
    )]
    pub chunk: usize,

    /// How files of beats are read
    #[command(flatten)]
    #[serde(default, skip_serializing_if = "TableSettings::is_default")]
    pub table: TableSettings,

    /// How a recording becomes windows; see --input
    #[arg(skip = InputSpec::window())]
    pub input: InputSpec,
}

/// A `kebab-case` name of an enumeration, for flags of types that know serde
/// but not clap.
fn from_name<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    T::deserialize(toml::Value::String(text.into())).map_err(|e| e.message().to_string())
}

/// Refuses what is no share: below 0, or 1 and above where not `inclusive`.
fn share(name: &str, value: f64, inclusive: bool) -> Result<()> {
    let upper = if inclusive { value <= 1.0 } else { value < 1.0 };
    ensure(value >= 0.0 && upper, || {
        Error::usage(format!(
            "--{name} is {value}; it is a share, from 0 up to 1"
        ))
    })
}

impl Settings {
    /// Refuses values that make no sense.
    ///
    /// # Errors
    /// Names the flag, what it may be and what it is.
    pub fn check(&self) -> Result<()> {
        share("validation", self.validation, false)?;
        share("average", self.average, false)?;
        share("label-smoothing", self.label_smoothing, false)?;
        share("teacher-weight", self.teacher_weight, true)?;
        share("dropout", self.dropout, false)?;
        share("rhythm-dropout", self.rhythm_dropout, false)?;
        share("reject", self.reject, false)?;
        share("stretch", self.stretch, false)?;
        ensure(self.validation > 0.0, || {
            Error::usage("--validation is 0; the best epoch could not be chosen")
        })?;
        self.check_numbers()?;
        ensure(
            self.class_bias.is_empty() || self.class_bias.len() == self.classes.len(),
            || {
                Error::usage(format!(
                    "--class-bias has {} values; give one for each of the classes {}",
                    self.class_bias.len(),
                    self.classes.names().collect::<Vec<_>>().join(", ")
                ))
            },
        )?;
        if let (Monitor::EctopicF1, Some(lacking)) = (self.monitor, self.classes.lacking()) {
            return Err(Error::usage(format!(
                "--monitor ectopic-f1: {lacking}; take macro-f1 or another"
            )));
        }
        let kaggle = InputSpec::kaggle();
        ensure(crate::table::fits(self.recipe, &self.input), || {
            Error::usage(format!(
                "--input, --leads: the Kaggle format is one lead and {} samples of {} Hz, and cannot be cut otherwise; leave them out, or take --recipe inter-patient",
                kaggle.length(),
                kaggle.fs
            ))
        })?;
        ensure(self.epochs > 0, || {
            Error::usage("--epochs is 0; train at least one")
        })?;
        ensure(self.batch >= 2, || {
            Error::usage(format!(
                "--batch is {}; batch norm needs at least 2 beats",
                self.batch
            ))
        })?;
        crate::limits::check(self)
    }

    /// How the patient of a record is told.
    ///
    /// # Errors
    /// When the list of patients or the pattern cannot be read.
    pub fn patients(&self) -> Result<Patients> {
        Ok(match (&self.patients, &self.patient_pattern) {
            (Some(list), _) => Patients::listed(list)?,
            (None, Some(pattern)) => {
                Patients::named(pattern).map_err(Error::flag("--patient-pattern"))?
            }
            (None, None) => Patients::default(),
        })
    }

    /// Refuses numbers that are none, or below what they may be.
    fn check_numbers(&self) -> Result<()> {
        for (name, value) in [
            ("weight-decay", self.weight_decay),
            ("clip", self.clip),
            ("warmup", self.warmup),
            ("gamma", self.gamma),
            ("class-weights", self.class_weights),
            ("balance", self.balance),
            ("noise", self.noise),
            ("gain", self.gain),
            ("shift", self.shift),
            ("wander", self.wander),
            ("rhythm-noise", self.rhythm_noise),
            ("second-lead", self.second_lead),
            ("retimed", self.retimed),
        ] {
            ensure(value.is_finite() && value >= 0.0, || {
                Error::usage(format!(
                    "--{name} is {value}; it must be a finite number and cannot be below 0"
                ))
            })?;
        }
        for (name, value) in [
            ("learning-rate", self.learning_rate),
            ("plateau-factor", self.plateau_factor),
            ("teacher-temperature", self.teacher_temperature),
        ] {
            ensure(value.is_finite() && value > 0.0, || {
                Error::usage(format!(
                    "--{name} is {value}; it must be a finite number above 0"
                ))
            })?;
        }
        Ok(())
    }

    /// Gives other classes than EC57's five the biases that the recipe has for
    /// these: each class that of its place in EC57, 0 without one.
    pub fn spread_class_bias(&mut self) {
        let default = self.recipe.defaults().class_bias;
        if self.class_bias == default && !default.is_empty() {
            let of = |class: usize| self.classes.aami(class).map_or(0.0, |c| default[c.index()]);
            self.class_bias = (0..self.classes.len()).map(of).collect();
        }
    }

    /// The network for windows made as `input` says.
    pub fn architecture(&self, input: &InputSpec) -> Architecture {
        Architecture {
            channels: input.channels(),
            length: input.length(),
            rhythm: input.rhythm.len(),
            classes: self.classes.len(),
            stem: self.stem.0,
            blocks: self.blocks.iter().map(|b| b.0).collect(),
            pooling: self.pooling,
            rhythm_hidden: if input.rhythm.is_empty() {
                Vec::new()
            } else {
                self.rhythm_hidden.clone()
            },
            hidden: self.hidden.clone(),
            dropout: self.dropout,
            memory: self.memory.iter().map(|layer| layer.0).collect(),
        }
    }

    /// How windows made as `input` says are varied.
    pub fn augmentation(&self, input: &InputSpec) -> Augmentation {
        Augmentation {
            noise: self.noise,
            gain: self.gain,
            shift: self.shift,
            stretch: self.stretch,
            wander: self.wander,
            rhythm_noise: self.rhythm_noise,
            rhythm_dropout: self.rhythm_dropout,
            ..Augmentation::none(input)
        }
    }

    /// The learning rate over the run.
    pub fn schedule(&self) -> Schedule {
        Schedule {
            shape: self.schedule,
            peak: self.learning_rate,
            warmup: self.warmup,
            epochs: self.epochs as f64,
            patience: self.plateau_patience,
            factor: self.plateau_factor,
        }
    }

    /// How much the teachers count.
    pub fn distillation(&self) -> Distillation {
        Distillation {
            weight: if self.teacher.is_empty() {
                0.0
            } else {
                self.teacher_weight
            },
            temperature: self.teacher_temperature,
        }
    }
}
