//! The network in tract: one beat in, its class and probabilities out.

use std::path::{Path, PathBuf};

use data::Class;
use data::pipeline::beats::Beats;
use data::record::checksum::hexadecimal;
use data::record::error::ensure;
use models::contract::{
    BEAT, ContractError, Decision, LOGITS, METADATA_KEY, PROBABILITIES, RHYTHM,
};
use models::fit::differences;
use models::messages::ModelProto;
use models::{Contract, seal};
use prost::Message;
use sha2::{Digest, Sha256};
use tract_core::prelude::*;

use crate::error::{Error, Result};
use crate::graph;

/// The graph's outputs, in the order in which they are asked for.
const OUTPUTS: [&str; 2] = [LOGITS, PROBABILITIES];
/// Larger files are not models for a small machine: a limit on what a wrong
/// path can make the program read.
const LARGEST_FILE: u64 = 256 << 20;

type State = TypedSimpleState;

/// The model's answer for one beat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Scores before the softmax, in the order of [`Class::ALL`]; negative
    /// infinity for a class that the model does not know.
    pub logits: [f32; Class::ALL.len()],
    /// Calibrated probabilities, in the order of [`Class::ALL`].
    pub probabilities: [f32; Class::ALL.len()],
    /// What the contract makes of them.
    pub decision: Decision,
}

/// A classifier that has been checked against its contract. Its batch is one
/// beat and its plan is made once, when it is loaded.
pub struct Classifier {
    contract: Contract,
    path: PathBuf,
    sha256: String,
    state: State,
}

impl Classifier {
    /// Loads an ONNX file that carries a contract.
    ///
    /// # Errors
    /// The file cannot be read or is not ONNX, does not fit its seal, has no
    /// contract, or its inputs and outputs are not what the contract says.
    pub fn load(path: &Path) -> Result<Classifier> {
        let size = std::fs::metadata(path)
            .map_err(data::Error::io(path))?
            .len();
        ensure(size <= LARGEST_FILE, || {
            let detail = format!(
                "{size} bytes is more than any model of this project; is it the right file?"
            );
            Error::graph(path, detail)
        })?;
        let bytes = std::fs::read(path).map_err(data::Error::io(path))?;
        Classifier::from_bytes(&bytes, path)
    }

    /// As [`Classifier::load`], from a file already in memory; `path` is only
    /// named in messages.
    ///
    /// # Errors
    /// As [`Classifier::load`].
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Classifier> {
        let sha256 = hexadecimal(&Sha256::digest(bytes));
        let (contract, state) = plan(bytes, path)?;
        Ok(Classifier {
            contract,
            path: path.into(),
            sha256,
            state,
        })
    }

    /// What the model expects and what its answers mean.
    pub fn contract(&self) -> &Contract {
        &self.contract
    }

    /// The file that the model was loaded from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of the model file, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Classifies one beat: `channels x length` values of its window and the
    /// rhythm features, both as the contract asks.
    ///
    /// # Errors
    /// The numbers of values are not the contract's, or the network's answer
    /// is not a number.
    pub fn classify_beat(&mut self, window: &[f32], rhythm: &[f32]) -> Result<Prediction> {
        let input = &self.contract.input;
        let mut inputs = tvec![map(window, [input.length(), input.channels()], BEAT)?];
        if !input.rhythm.is_empty() {
            inputs.push(map(rhythm, [1, input.rhythm.len()], RHYTHM)?);
        }
        let outputs = self.state.run(inputs)?;
        let row = |i: usize| -> Result<&[f32]> {
            let tensor = outputs
                .get(i)
                .ok_or_else(|| Error::Answer(format!("the network gave no {}", OUTPUTS[i])))?;
            Ok(tensor.try_as_plain_ram()?.as_slice::<f32>()?)
        };
        let (logits, probabilities) = (row(0)?, row(1)?);
        let decision = self.contract.decide(probabilities).ok_or_else(|| {
            Error::Answer("the network's answer is not a number for every class".into())
        })?;
        let mut prediction = Prediction {
            logits: [f32::NEG_INFINITY; Class::ALL.len()],
            probabilities: [0.0; Class::ALL.len()],
            decision,
        };
        for ((class, logit), probability) in
            self.contract.classes.iter().zip(logits).zip(probabilities)
        {
            prediction.logits[class.index()] = *logit;
            prediction.probabilities[class.index()] = *probability;
        }
        Ok(prediction)
    }

    /// Classifies beats in memory, one prediction per row.
    ///
    /// # Errors
    /// The beats were prepared otherwise than the contract says, or as
    /// [`Classifier::classify_beat`].
    pub fn classify(&mut self, beats: &Beats) -> Result<Vec<Prediction>> {
        let differ = differences(&beats.input, &self.contract.input);
        ensure(differ.is_empty(), || {
            Error::Unfit(format!(
                "the beats were not prepared as {} expects: {}; prepare them with this model's contract",
                self.path.display(),
                differ.join("; ")
            ))
        })?;
        (0..beats.len())
            .map(|row| {
                let mut prediction = self
                    .classify_beat(beats.window(row), beats.rhythm_row(row))
                    .map_err(|e| e.within(format!("beat {}", row + 1)))?;
                // No heartbeat can be in it, whatever the network makes of it.
                prediction.decision = prediction.decision.with_signal(!beats.is_flat(row));
                Ok(prediction)
            })
            .collect()
    }
}

/// Parses, checks and optimises the graph for one beat at a time.
fn plan(bytes: &[u8], path: &Path) -> Result<(Contract, State)> {
    let refused = |cause| Error::model(path, cause);
    let unlike = |detail: String| Error::graph(path, detail);
    seal::verify(bytes).map_err(refused)?;
    let file =
        ModelProto::decode(bytes).map_err(|e| unlike(format!("not a readable ONNX model: {e}")))?;
    let entry = file.metadata_props.iter().find(|e| e.key == METADATA_KEY);
    let contract = entry
        .ok_or(ContractError::Missing)
        .and_then(|entry| Contract::from_json(&entry.value))
        .map_err(refused)?;
    let graph = file
        .graph
        .ok_or_else(|| unlike("the file has no graph".into()))?;
    let input = &contract.input;
    let mut inputs = vec![(BEAT, [1, input.length(), input.channels()])];
    if !input.rhythm.is_empty() {
        inputs.push((RHYTHM, [1, 1, input.rhythm.len()]));
    }
    let found = || graph.input.iter().map(|i| &*i.name);
    if let Some(extra) = found().find(|name| inputs.iter().all(|i| i.0 != *name)) {
        return Err(unlike(format!(
            "the contract knows no input '{extra}': {}",
            if extra == "target" {
                "this is an explain graph; give the classifier it was exported with"
            } else {
                "the model was changed after its export; export it again with `train --export`"
            }
        )));
    }
    if let Some((missing, _)) = inputs.iter().find(|i| found().all(|name| name != i.0)) {
        return Err(unlike(format!(
            "the contract needs the input '{missing}', the graph does not have it"
        )));
    }
    let outputs = || graph.output.iter().map(|o| &*o.name);
    if let Some(missing) = OUTPUTS.iter().find(|o| outputs().all(|name| name != **o)) {
        return Err(unlike(format!(
            "the contract needs the output '{missing}', the graph does not have it"
        )));
    }
    let model = graph::read(&graph, &inputs, &OUTPUTS).map_err(|e| {
        unlike(format!(
            "the graph does not fit its contract's input of {} channels x {} samples: {e:#}",
            input.channels(),
            input.length()
        ))
    })?;
    let model = model.into_optimized()?;
    for (i, name) in OUTPUTS.iter().enumerate() {
        let fact = model.output_fact(i)?;
        let shape = fact.shape.as_concrete().unwrap_or_default();
        ensure(
            fact.datum_type == f32::datum_type() && shape == [1, 1, contract.classes.len()],
            || {
                unlike(format!(
                    "by the contract the output '{name}' is {} numbers of 32 bits, in the graph {shape:?} of {:?}",
                    contract.classes.len(),
                    fact.datum_type
                ))
            },
        )?;
    }
    let runnable = model.into_runnable()?;
    let state = runnable.spawn()?;
    Ok((contract, state))
}

/// `channels x length` values as the map that the graph takes.
fn map(values: &[f32], [length, channels]: [usize; 2], name: &str) -> Result<TValue> {
    let expected = length * channels;
    ensure(values.len() == expected, || {
        Error::Unfit(format!(
            "input '{name}' has {} values, the contract asks for {expected}",
            values.len()
        ))
    })?;
    let mut map: Vec<f32> = Vec::with_capacity(expected);
    for i in 0..length {
        map.extend(values[i..].iter().step_by(length));
    }
    let map = Tensor::from_shape(&[1, length, channels], &map)?;
    Ok(map.into_tvalue())
}
