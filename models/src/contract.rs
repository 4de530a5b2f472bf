//! The contract: everything a consumer must know to feed a model and read its
//! answer. It travels inside the ONNX file and is the only thing that `infer`
//! and `embedded` go by.

use data::Classes;
use data::pipeline::LOOK_AHEAD;
use data::pipeline::input::{InputSpec, Layout};
use data::record::annotation::Annotation;
use data::record::checksum::hexadecimal;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::seal::SEAL_KEY;

/// Key of the contract in ONNX `metadata_props`.
pub const METADATA_KEY: &str = "ectopy.contract";

/// Name of the input that takes windows, `[batch, channels, length]`.
pub const BEAT: &str = "beat";
/// Name of the input that takes rhythm features, `[batch, features]`.
pub const RHYTHM: &str = "rhythm";
/// Name of the input of a model with a memory that takes what it holds of the
/// beats before, `[state]`; zeros at the beginning of a stretch of beats.
pub const STATE: &str = "state";
/// Name of the output that takes its place for the beats to come.
pub const STATE_OUT: &str = "state_out";
/// Name of the output before the softmax, `[batch, classes]`.
pub const LOGITS: &str = "logits";
/// Name of the output after the softmax, `[batch, classes]`.
pub const PROBABILITIES: &str = "probabilities";

/// Version of the contract's own layout; a consumer refuses any other.
pub const VERSION: u32 = 1;

/// Reject thresholds from here on set apart rounding errors rather than doubts:
/// thresholds have four decimals.
const SURE: f64 = 0.9999;

/// Most values of a window, far above any real one: a limit on what a hostile
/// file can allocate.
const LARGEST_WINDOW: usize = 1 << 20;
/// The same of a state.
const LARGEST_STATE: usize = 1 << 24;

/// What a model expects and what its answers mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// Layout of this structure, [`VERSION`].
    pub version: u32,
    /// How a recording becomes the inputs `beat` and `rhythm`.
    pub input: InputSpec,
    /// Class of each output, in order, and the labels that mean it.
    pub classes: Classes,
    /// `probabilities = softmax(logits / temperature)`; the graph applies it.
    pub temperature: f64,
    /// A beat whose largest probability is below this is better left to a
    /// human; 0 rejects nothing.
    pub reject_threshold: f64,
    /// What the model remembers of the beats before; `None` for one that answers
    /// to each beat alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// How the model came about.
    pub training: Training,
}

/// What a model remembers. The rows of its inputs are then consecutive beats of
/// one recording, and each answer depends on the beats before.
///
/// The gap rule: the state is zeros for the first beat of a recording, for the
/// first after a gap of the signal, and for the first after beats that were left
/// out because they lay within fibrillation ([`Beats::begins`]).
///
/// [`Beats::begins`]: data::pipeline::beats::Beats::begins
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Beats that an answer depends on, at most, the beat itself among them.
    pub beats: usize,
    /// Values of the state.
    pub state: usize,
    /// Beats after a beat that its answer waits for: those of the pipeline, since
    /// the memory looks back only.
    pub look_ahead: usize,
}

impl Memory {
    /// A memory that reaches over so many beats with a state of so many values.
    pub fn of(beats: usize, state: usize) -> Memory {
        Memory {
            beats,
            state,
            look_ahead: LOOK_AHEAD,
        }
    }
}

/// How a model came about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Recipe name, such as `inter-patient`.
    pub recipe: String,
    /// Seed of the run.
    pub seed: u64,
    /// What it was trained on, in words, such as `mitdb DS1 + svdb`.
    pub data: String,
    /// SHA-256 over the prepared training beats, in hexadecimal.
    pub data_sha256: String,
    /// Version of the trainer.
    pub trainer: String,
}

/// What a model says about one beat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// The place of the most probable class in the contract's list, the earlier
    /// one on a tie.
    pub class: usize,
    /// Its probability.
    pub probability: f32,
    /// Why it is better left to a human, if it is.
    pub reject: Option<Reject>,
}

/// Why a beat is better left to a human.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reject {
    /// The probability is below the contract's reject threshold.
    Uncertain,
    /// The signal around it cannot be read: it may be no beat at all.
    Quality,
}

impl Reject {
    /// The word for it in tables.
    pub fn name(self) -> &'static str {
        match self {
            Reject::Uncertain => "uncertain",
            Reject::Quality => "quality",
        }
    }
}

impl Decision {
    /// Whether it is better left to a human.
    pub fn rejected(&self) -> bool {
        self.reject.is_some()
    }

    /// The same of a beat whose surroundings can be read or not: that they
    /// cannot weighs more than any probability.
    pub fn with_signal(self, readable: bool) -> Decision {
        let reject = if readable {
            self.reject
        } else {
            Some(Reject::Quality)
        };
        Decision { reject, ..self }
    }

    /// The annotation under which every program of the project writes this
    /// beat: that of its class at the beat's sample, see
    /// [`Classes::annotation`], with WFDB's `subtyp` 1 where it is left to a
    /// human, for whatever reason.
    pub fn annotation(&self, classes: &Classes, sample: u64) -> Annotation {
        // A recording of 2^63 samples does not exist.
        let sample = i64::try_from(sample).unwrap_or(i64::MAX);
        let mut annotation = classes.annotation(self.class, sample);
        annotation.subtype = i8::from(self.rejected());
        annotation
    }
}

/// When a beat is left to a human by a reject threshold, in words.
pub fn reject_rule(threshold: f64) -> String {
    let rule = format!("probability below {threshold}");
    match threshold >= SURE {
        true => format!(
            "{rule}: the model was certain of nearly all beats that it was validated with, so that this threshold tells little"
        ),
        false => rule,
    }
}

/// Why a contract cannot be honoured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContractError {
    /// The model carries none.
    #[error(
        "no contract in the model (metadata key {METADATA_KEY}): it was not exported by `train --export`, or its metadata was stripped"
    )]
    Missing,
    /// It is no ONNX file, or not all of one.
    #[error("the file is not an ONNX model, or its end is missing; copy or export it again")]
    NotOnnx,
    /// It is not what this version writes.
    #[error(
        "the model's contract cannot be read: {0}; export the model again with this version's `train`"
    )]
    Unreadable(String),
    /// The file has a contract and no seal.
    #[error(
        "the model has no seal (metadata key {SEAL_KEY}), so that damage cannot be told: export it again with this version's `train`, or seal it as it is with `cargo run -p models --example seal -- FILE`"
    )]
    Unsealed,
    /// The file does not fit its seal.
    #[error(
        "the model is damaged or was changed after its export: by its seal (metadata key {SEAL_KEY}) its SHA-256 is {stated}, found {found}; copy or export it again"
    )]
    Damaged {
        /// The digest in the file.
        stated: String,
        /// The digest of the file.
        found: String,
    },
    /// Well formed, but it asks for something that the consumer does not have.
    #[error("{0}")]
    Mismatch(String),
}

impl Contract {
    /// Reads a contract from its JSON.
    ///
    /// # Errors
    /// [`ContractError::Unreadable`] when the JSON or its version is another's;
    /// [`ContractError::Mismatch`] when its values make no sense.
    pub fn from_json(json: &str) -> Result<Contract, ContractError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let unreadable = |e: serde_json::Error| ContractError::Unreadable(e.to_string());
        let found: Version = serde_json::from_str(json).map_err(unreadable)?;
        if found.version != VERSION {
            return Err(ContractError::Unreadable(format!(
                "it has version {}, this program reads version {VERSION}",
                found.version
            )));
        }
        let contract: Contract = serde_json::from_str(json).map_err(unreadable)?;
        contract.check()?;
        Ok(contract)
    }

    /// The contract as one line of JSON, the form that is hashed and stored.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// SHA-256 of [`Contract::to_json`], in hexadecimal: equal for a
    /// classifier and its explain graph.
    pub fn hash(&self) -> String {
        hexadecimal(&Sha256::digest(self.to_json()))
    }

    /// Reads one row of the output `probabilities`; `None` when it has another
    /// number of classes or a value that is no number.
    pub fn decide(&self, probabilities: &[f32]) -> Option<Decision> {
        if probabilities.len() != self.classes.len() || probabilities.iter().any(|p| p.is_nan()) {
            return None;
        }
        let later =
            |best: (usize, f32), next: (usize, f32)| if next.1 > best.1 { next } else { best };
        let pairs = probabilities.iter().copied().enumerate();
        let (class, probability) = pairs.reduce(later)?;
        Some(Decision {
            class,
            probability,
            reject: (f64::from(probability) < self.reject_threshold).then_some(Reject::Uncertain),
        })
    }

    fn check(&self) -> Result<(), ContractError> {
        let refuse = |what: String| Err(ContractError::Mismatch(what));
        if !(self.input.fs.is_finite() && self.input.fs > 0.0) {
            return refuse(format!("the contract's sampling rate is {}", self.input.fs));
        }
        // Each part first, so that their sums and products cannot overflow.
        let InputSpec {
            before,
            after,
            leads,
            ..
        } = &self.input;
        let parts = [*before, *after, leads.len()];
        let beyond = parts.iter().any(|p| *p > LARGEST_WINDOW)
            || self.input.window_values() > LARGEST_WINDOW;
        if beyond || self.input.length() == 0 {
            return refuse(format!(
                "the contract's window has {before} samples before the fiducial point and {after} from it on, in {} lead(s); 1 to {LARGEST_WINDOW} values can be read",
                self.input.lead_count()
            ));
        }
        if let (Layout::Table, Some(why)) = (self.input.layout, self.input.unfit_for_tables()) {
            return refuse(format!("the contract's input makes no sense: {why}"));
        }
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            return refuse(format!(
                "the contract's temperature is {}",
                self.temperature
            ));
        }
        self.check_memory()?;
        if !(0.0..=1.0).contains(&self.reject_threshold) {
            return refuse(format!(
                "the contract's reject threshold is {}, not a probability",
                self.reject_threshold
            ));
        }
        Ok(())
    }
}

impl Contract {
    fn check_memory(&self) -> Result<(), ContractError> {
        let Some(memory) = self.memory else {
            return Ok(());
        };
        let refuse = |what: String| Err(ContractError::Mismatch(what));
        if memory.beats < 2 || !(1..=LARGEST_STATE).contains(&memory.state) {
            return refuse(format!(
                "the contract's memory is of {} beats with a state of {} values; 2 beats or more and 1 to {LARGEST_STATE} values can be had",
                memory.beats, memory.state
            ));
        }
        if memory.look_ahead != LOOK_AHEAD {
            return refuse(format!(
                "the contract's memory waits for {} beats after a beat, this program for {LOOK_AHEAD}",
                memory.look_ahead
            ));
        }
        if self.input.layout != Layout::Window {
            return refuse(
                "the contract has a memory of beats, and rows of a table have no order in time; only the layout 'window' has".into(),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use data::pipeline::input::Normalisation;

    use super::*;

    fn contract() -> Contract {
        Contract {
            version: VERSION,
            input: InputSpec::kaggle(),
            classes: "V,N,S".parse().unwrap(),
            temperature: 1.0,
            reject_threshold: 0.5,
            memory: None,
            training: Training {
                recipe: "test".into(),
                seed: 0,
                data: "none".into(),
                data_sha256: String::new(),
                trainer: String::new(),
            },
        }
    }

    #[test]
    fn a_decision_follows_the_order_of_the_contracts_classes() {
        let decision = contract().decide(&[0.2, 0.1, 0.7]).unwrap();
        assert_eq!((decision.class, decision.reject), (2, None));
        let tie = contract().decide(&[0.4, 0.4, 0.2]).unwrap();
        assert_eq!((tie.class, tie.reject), (0, Some(Reject::Uncertain)));
        assert_eq!(contract().decide(&[0.5, 0.5]), None);
        assert_eq!(contract().decide(&[f32::NAN, 0.5, 0.5]), None);
    }

    #[test]
    fn a_threshold_of_certainty_is_told_as_one() {
        assert_eq!(reject_rule(0.5), "probability below 0.5");
        let sure = reject_rule(1.0);
        assert!(sure.starts_with("probability below 1:") && sure.contains("tells little"));
    }

    #[test]
    fn windows_without_measure_are_refused() {
        for (before, after) in [(0, 0), (usize::MAX, 2), (0, LARGEST_WINDOW + 1)] {
            let mut odd = contract();
            (odd.input.before, odd.input.after) = (before, after);
            let refusal = Contract::from_json(&odd.to_json()).unwrap_err();
            assert!(refusal.to_string().contains("window"), "{refusal}");
        }
    }

    #[test]
    fn a_table_without_sense_is_refused() {
        let mut table = contract();
        table.input = InputSpec::table(100.0, 100);
        let read = Contract::from_json(&table.to_json()).unwrap();
        assert_eq!(read, table);
        assert!(table.to_json().contains(r#""layout":"table""#));
        table.input.normalisation = Normalisation::AsIs;
        assert!(table.to_json().contains(r#""normalisation":"as-is""#));
        assert!(Contract::from_json(&table.to_json()).is_ok());
        table.input.template = true;
        let refusal = Contract::from_json(&table.to_json()).unwrap_err();
        assert!(refusal.to_string().contains("one lead"), "{refusal}");
    }

    #[test]
    fn a_memory_is_told_and_one_without_sense_is_refused() {
        assert!(!contract().to_json().contains("memory"));
        let with = |memory, input| Contract {
            memory: Some(memory),
            input,
            ..contract()
        };
        let good = with(Memory::of(15, 640), InputSpec::window());
        assert_eq!(Contract::from_json(&good.to_json()).unwrap(), good);
        let wait = Memory {
            look_ahead: 8,
            ..Memory::of(15, 640)
        };
        for (wrong, why) in [
            (with(Memory::of(1, 640), InputSpec::window()), "1 beats"),
            (with(Memory::of(15, 0), InputSpec::window()), "0 values"),
            (with(wait, InputSpec::window()), "waits for 8"),
            (with(Memory::of(15, 640), InputSpec::kaggle()), "no order"),
        ] {
            let refusal = Contract::from_json(&wrong.to_json()).unwrap_err();
            assert!(refusal.to_string().contains(why), "{refusal}");
        }
    }

    #[test]
    fn a_class_named_twice_is_refused() {
        let twice = contract().to_json().replace(r#""S""#, r#""V""#);
        let refusal = Contract::from_json(&twice).unwrap_err();
        assert!(refusal.to_string().contains("twice"));
    }
}
