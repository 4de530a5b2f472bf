//! The trained network as an ONNX file, verified before it gets its name.

use std::io::Write;
use std::path::{Path, PathBuf};

use data::output::OutputFile;
use data::pipeline::beats::Beats;
use models::Network;
use models::contract::{self, Contract, Training};
use models::onnx;
use models::onnx::Dense;
use tch::Tensor;

use crate::error::{Error, Result};
use crate::examples::Examples;
use crate::feature_scaler::FeatureScaler;
use crate::network::ResidualCnn;
use crate::settings::Settings;
use data::record::error::ensure;

/// Largest difference of a logit that passes as the same network.
pub const TOLERANCE: f32 = 1e-4;
/// Beats that are compared.
const COMPARED: usize = 256;

/// Where [`explainer`] writes the graph that explains the classifier at `path`.
pub fn explainer_path(path: &Path) -> PathBuf {
    path.with_extension("explain.onnx")
}

/// Beats of a rehearsal.
const REHEARSED: usize = 4;

/// Does what [`classifier`] and [`explainer`] will do, with an untrained network
/// and made-up beats, so that what cannot be exported is not trained.
///
/// # Errors
/// When no engine can run the network on such windows; the message names the
/// settings that decide about it.
pub fn rehearse(settings: &Settings, network: Network) -> Result<()> {
    let input = &settings.input;
    let mut beats = Beats::new(input.clone(), &settings.classes);
    let wave = |i: usize| (i as f32 * 0.7).sin();
    beats.windows = (0..REHEARSED * input.window_values()).map(wave).collect();
    beats.rhythm = (0..REHEARSED * input.rhythm.len()).map(wave).collect();
    beats.labels = vec![0; REHEARSED];
    let memory = network.memory();
    if memory.is_some() {
        beats.begins = vec![false; REHEARSED];
    }
    let rehearsed = || -> Result<()> {
        let model = ResidualCnn::new(network, 0, tch::Device::Cpu)?;
        let model = FeatureScaler::of(&beats).fold(&model)?;
        let examples = Examples::new(&beats, tch::Device::Cpu)?;
        let contract = Contract {
            version: contract::VERSION,
            input: input.clone(),
            classes: settings.classes.clone(),
            temperature: 1.0,
            reject_threshold: 0.0,
            memory,
            training: Training::default(),
        };
        let weights = model.weights()?;
        let graph = onnx::classifier(model.network(), &weights, &contract)?;
        difference(&graph, &model, &examples, false)?;
        let graph = onnx::explainer(model.network(), &weights, &contract)?;
        difference(&graph, &model, &examples, true)?;
        Ok(())
    };
    rehearsed().map_err(Error::within(format!(
        "the network of --stem and --blocks on windows of {} samples (--input before, after) cannot be exported",
        input.length()
    )))
}

/// Writes the classifier to `path`, reads it back, and compares its logits
/// with libtorch's on some of `examples`; only then the file gets its name.
/// Returns the largest difference.
///
/// # Errors
/// When the file cannot be written, or what was read back disagrees.
pub fn classifier(
    path: &Path,
    model: &ResidualCnn,
    contract: &Contract,
    examples: &Examples,
) -> Result<f32> {
    let bytes = onnx::classifier(model.network(), &model.weights()?, contract)?;
    verified(path, &bytes, model, contract, examples, false)
}

/// Writes the graph that explains the classifier at `path` beside it,
/// verified in the same way; its path and the largest difference.
///
/// # Errors
/// As [`classifier`].
pub fn explainer(
    path: &Path,
    model: &ResidualCnn,
    contract: &Contract,
    examples: &Examples,
) -> Result<(PathBuf, f32)> {
    let path = explainer_path(path);
    let bytes = onnx::explainer(model.network(), &model.weights()?, contract)?;
    let difference = verified(&path, &bytes, model, contract, examples, true)?;
    Ok((path, difference))
}

fn verified(
    path: &Path,
    bytes: &[u8],
    model: &ResidualCnn,
    contract: &Contract,
    examples: &Examples,
    explains: bool,
) -> Result<f32> {
    let mut file = OutputFile::create(path)?;
    file.write_all(bytes)
        .and_then(|()| file.flush())
        .map_err(data::Error::io(path))?;
    let written = std::fs::read(file.temporary_path()).map_err(data::Error::io(path))?;
    let found = onnx::contract(&written)?;
    ensure(found == *contract, || {
        Error::Verification(format!(
            "{}: the contract read back differs",
            path.display()
        ))
    })?;
    let difference = difference(&written, model, examples, explains)
        .map_err(Error::within(format!("{}: verification", path.display())))?;
    ensure(difference <= TOLERANCE, || {
        Error::Verification(format!(
            "{}: not written, since its logits differ from libtorch's by {difference:.1e}, more than {TOLERANCE:.0e}",
            path.display()
        ))
    })?;
    file.commit()?;
    Ok(difference)
}

/// Largest difference between the logits of an ONNX file and libtorch's; the
/// file takes a target as its last input if it `explains`.
fn difference(
    bytes: &[u8],
    model: &ResidualCnn,
    examples: &Examples,
    explains: bool,
) -> Result<f32> {
    let rows = examples.rows();
    let memory = model.network().memory();
    let (batch, count) = match memory {
        Some(_) => {
            // Consecutive beats, taken for a stretch of their own.
            let chunk = 0..rows.min(COMPARED);
            let count = chunk.len();
            (examples.chunks(&[chunk], &vec![1.0; rows]), count)
        }
        None => {
            let step = rows.div_ceil(COMPARED).max(1);
            let picked: Vec<i64> = (0..rows as i64).step_by(step).collect();
            (examples.batch(&picked), picked.len())
        }
    };
    let (rhythm, ages) = (batch.rhythm.as_ref(), batch.ages.as_ref());
    let expected = flat(&model.logits(&batch.windows, rhythm, ages))?;

    let mut inputs = vec![(onnx::BEAT, dense(&batch.windows)?)];
    if let Some(rhythm) = &batch.rhythm {
        inputs.push((onnx::RHYTHM, dense(rhythm)?));
    }
    if explains {
        let predicted = vec![onnx::PREDICTED as f64; count];
        inputs.push((onnx::TARGET, Dense::new(&[count], predicted)));
    } else if let Some(memory) = memory {
        let nothing = vec![0.0; memory.state];
        inputs.push((onnx::STATE, Dense::new(&[memory.state], nothing)));
    }
    let outputs = onnx::evaluate(bytes, &inputs)?;
    let logits = &outputs[0].values;
    ensure(logits.len() == expected.len(), || {
        Error::Verification(format!(
            "{} logits instead of {}",
            logits.len(),
            expected.len()
        ))
    })?;
    Ok(logits.iter().zip(&expected).fold(0.0, |worst, (a, b)| {
        // A NaN must not pass as no difference.
        let difference = (*a as f32 - b).abs();
        if difference.is_nan() {
            f32::INFINITY
        } else {
            f32::max(worst, difference)
        }
    }))
}

fn flat(tensor: &Tensor) -> Result<Vec<f32>> {
    let tensor = tensor.to_device(tch::Device::Cpu).contiguous().view(-1);
    Ok(Vec::<f32>::try_from(tensor)?)
}

fn dense(tensor: &Tensor) -> Result<Dense> {
    let shape: Vec<usize> = tensor.size().iter().map(|&n| n as usize).collect();
    Ok(Dense::new(&shape, flat(tensor)?.into_iter().map(f64::from)))
}
