//! The network in tract: one beat in, its class and probabilities out.

use std::path::{Path, PathBuf};

use data::pipeline::beats::Beats;
use data::record::checksum::hexadecimal;
use data::record::error::ensure;
use models::contract::{BEAT, ContractError, Decision, METADATA_KEY, RHYTHM, STATE, STATE_OUT};
use models::fit::{differences, out_of_order};
use models::messages::{GraphProto, ModelProto};
use models::{Contract, seal};
use prost::Message;
use sha2::{Digest, Sha256};
use tract_core::prelude::*;

use crate::engine::{self, Engine, File, Network};
use crate::error::{Error, Result};

/// Larger files are not models for a small machine: a limit on what a wrong
/// path can make the program read.
const LARGEST_FILE: u64 = 256 << 20;

/// The model's answer for one beat.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Scores before the softmax, in the order of the contract's classes.
    pub logits: Vec<f32>,
    /// Calibrated probabilities, in the same order.
    pub probabilities: Vec<f32>,
    /// What the contract makes of them.
    pub decision: Decision,
}

/// A classifier that has been checked against its contract. Its batch is one
/// beat and its plan is made once, when it is loaded. Where the model remembers
/// beats, it keeps what is held of those before.
pub struct Classifier {
    contract: Contract,
    path: PathBuf,
    sha256: String,
    network: Network,
}

impl Classifier {
    /// Loads an ONNX file that carries a contract.
    ///
    /// # Errors
    /// The file cannot be read or is not ONNX, does not fit its seal, has no
    /// contract, its inputs and outputs are not what the contract says, or it
    /// has an operator that no engine of this program knows.
    pub fn load(path: &Path) -> Result<Classifier> {
        // A file that is not there is told of where it is read.
        let size = std::fs::metadata(path).map_or(0, |file| file.len());
        ensure(size <= LARGEST_FILE, || {
            let detail = format!(
                "{size} bytes is more than any model of this project; is it the right file?"
            );
            Error::graph(path, detail)
        })?;
        let bytes = models::shipped::read(path)?;
        Classifier::from_bytes(&bytes, path)
    }

    /// As [`Classifier::load`], from a file already in memory; `path` is only
    /// named in messages.
    ///
    /// # Errors
    /// As [`Classifier::load`].
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Classifier> {
        Classifier::with_engines(bytes, path, &Engine::ALL)
    }

    /// As [`Classifier::from_bytes`], but the graph is read by `engine` or not
    /// at all; so one engine can be held against the other.
    ///
    /// # Errors
    /// As [`Classifier::load`].
    pub fn with_engine(bytes: &[u8], path: &Path, engine: Engine) -> Result<Classifier> {
        Classifier::with_engines(bytes, path, &[engine])
    }

    fn with_engines(bytes: &[u8], path: &Path, engines: &[Engine]) -> Result<Classifier> {
        let (contract, network) = read(bytes, path, engines)?;
        Ok(Classifier {
            contract,
            path: path.into(),
            sha256: hexadecimal(&Sha256::digest(bytes)),
            network,
        })
    }

    /// What reads the model's graph.
    pub fn engine(&self) -> Engine {
        self.network.engine()
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

    /// The next beat is the first of a stretch: the first of a recording, or the
    /// first after a gap. A model without a memory takes each beat for one.
    pub fn forget(&mut self) {
        self.network.forget();
    }

    /// Classifies one beat, the next of its recording: `channels x length` values of its window and the
    /// rhythm features, both as the contract asks.
    ///
    /// # Errors
    /// The numbers of values are not the contract's, or the network's answer
    /// is not a number.
    pub fn classify_beat(&mut self, window: &[f32], rhythm: &[f32]) -> Result<Prediction> {
        let input = &self.contract.input;
        check_count(window, input.window_values(), BEAT)?;
        if !input.rhythm.is_empty() {
            check_count(rhythm, input.rhythm.len(), RHYTHM)?;
        }
        let outputs = self.network.run(input, window, rhythm)?;
        let row = |i: usize| -> Result<&[f32]> {
            let tensor = outputs
                .get(i)
                .ok_or_else(|| Error::Answer(format!("the network gave {i} outputs")))?;
            Ok(tensor.try_as_plain_ram()?.as_slice::<f32>()?)
        };
        let (logits, probabilities) = (row(0)?, row(1)?);
        let decision = self.contract.decide(probabilities).ok_or_else(|| {
            Error::Answer("the network's answer is not a number for every class".into())
        })?;
        Ok(Prediction {
            logits: logits.to_vec(),
            probabilities: probabilities.to_vec(),
            decision,
        })
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
        let remembers = self.contract.memory.is_some();
        if let Some(why) = out_of_order(self.contract.memory, beats) {
            return Err(Error::Unfit(format!("{}: {why}", self.path.display())));
        }
        (0..beats.len())
            .map(|row| {
                if remembers && (row == 0 || beats.begins[row]) {
                    self.forget();
                }
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
fn read(bytes: &[u8], path: &Path, engines: &[Engine]) -> Result<(Contract, Network)> {
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
    let (input, memory) = (&contract.input, contract.memory);
    check_names(&graph, &contract).map_err(unlike)?;
    let graph = &graph;
    let network = Network::read(engines, File { bytes, graph }, input, memory).map_err(|e| {
        unlike(format!(
            "the graph does not fit its contract's input of {} channels x {} samples: {e:#}",
            input.channels(),
            input.length()
        ))
    })?;
    for (i, name) in engine::outputs(memory).iter().enumerate() {
        let fact = network.output(i)?;
        let shape = fact.shape.as_concrete().unwrap_or_default();
        let count = match memory {
            Some(memory) if *name == STATE_OUT => memory.state,
            _ => contract.classes.len(),
        };
        let one_row = shape.last() == Some(&count) && shape.iter().product::<usize>() == count;
        ensure(fact.datum_type == f32::datum_type() && one_row, || {
            unlike(format!(
                "by the contract the output '{name}' is {count} numbers of 32 bits, in the graph {shape:?} of {:?}",
                fact.datum_type
            ))
        })?;
    }
    Ok((contract, network))
}

/// Inputs and outputs must be those of the contract, by their names; in words
/// which is not.
fn check_names(graph: &GraphProto, contract: &Contract) -> Result<(), String> {
    let mut inputs = vec![BEAT];
    if !contract.input.rhythm.is_empty() {
        inputs.push(RHYTHM);
    }
    if contract.memory.is_some() {
        inputs.push(STATE);
    }
    let wanted = engine::outputs(contract.memory);
    let found: Vec<&str> = graph.input.iter().map(|i| &*i.name).collect();
    if let Some(extra) = found.iter().find(|name| !inputs.contains(name)) {
        return Err(format!(
            "the contract knows no input '{extra}': {}",
            if *extra == "target" {
                "this is an explain graph; give the classifier it was exported with"
            } else {
                "the model was changed after its export; export it again with `train --export`"
            }
        ));
    }
    let outputs: Vec<&str> = graph.output.iter().map(|o| &*o.name).collect();
    for (kind, wanted, found) in [("input", &inputs[..], found), ("output", wanted, outputs)] {
        if let Some(missing) = wanted.iter().find(|name| !found.contains(name)) {
            return Err(format!(
                "the contract needs the {kind} '{missing}', the graph does not have it"
            ));
        }
    }
    Ok(())
}

/// An input has as many values as the contract says.
fn check_count(values: &[f32], expected: usize, name: &str) -> Result<()> {
    ensure(values.len() == expected, || {
        Error::Unfit(format!(
            "input '{name}' has {} values, the contract asks for {expected}",
            values.len()
        ))
    })
}
