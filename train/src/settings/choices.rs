//! Values of settings that are a choice among names.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind};

use crate::device::has_fast_bf16;

/// What is trained, for which task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Recipe {
    /// Windows of raw recordings, trained on DS1 and judged on other patients
    #[default]
    InterPatient,
    /// The Kaggle heartbeat task: beats of the same patients in training and test
    Kaggle,
    /// The Kaggle task as the notebook trains it, for comparison
    Notebook,
    /// Beats of a table of any length, by patients where it tells them
    Table,
}

/// Which records of a folder train.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// As ds1 in a folder whose records all have names of the MIT-BIH Arrhythmia Database, else as all
    #[default]
    Auto,
    /// Those of DS1, so that DS2 can judge the model; paced ones are left out
    Ds1,
    /// Every one
    All,
}

/// Numbers that training uses for convolutions; everything else is `f32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum Precision {
    /// 16 bits where the device has instructions for them, else 32
    Auto,
    /// 16 bits: twice as fast on a CPU with AVX-512 BF16 or AMX and on a GPU, slow elsewhere
    Bf16,
    /// 32 bits
    F32,
}

impl Precision {
    /// What convolutions compute in on this device.
    pub fn kind(self, device: Device) -> Kind {
        match self {
            Precision::F32 => Kind::Float,
            Precision::Auto if !has_fast_bf16(device) => Kind::Float,
            Precision::Auto | Precision::Bf16 => Kind::BFloat16,
        }
    }
}

/// The figure on the validation part that picks the best epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Monitor {
    /// Mean F1 of the classes
    MacroF1,
    /// Mean F1 of S and V, the classes that inter-patient work is judged by
    EctopicF1,
    /// Share of right beats
    Accuracy,
    /// Cross-entropy, negated
    Loss,
    /// None: the last epoch is the best one
    Last,
}

/// The annotator where none is named.
pub(super) fn reference() -> String {
    data::datasets::dataset::REFERENCE.into()
}

/// Beats of a chunk where nothing else is said: with a memory of 15 to 31 beats
/// most of them see all that they will see.
pub(crate) fn usual_chunk() -> usize {
    64
}

/// What is not set is not written: files from before the setting stay the same.
pub(super) fn is_usual_chunk(beats: &usize) -> bool {
    *beats == usual_chunk()
}
