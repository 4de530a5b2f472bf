//! Rhythm features on one scale while training.
//!
//! They range from hundredths to several units, and an optimiser that moves
//! every weight alike would never use the small ones. Training therefore sees
//! them with mean 0 and deviation 1; afterwards the same change is folded into
//! the first dense layer, so that the network takes them as the pipeline
//! gives them.

use std::path::Path;

use data::pipeline::beats::Beats;
use models::architecture::Op;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::error::{Error, Result};
use crate::examples::Examples;
use crate::network::ResidualCnn;
use crate::run::RunFolder;
use data::record::error::ensure;

/// Name of the file in a run's folder.
const FILE: &str = "rhythm.json";
/// Added to a deviation, so that a feature that never changes stays finite.
const LEAST: f64 = 1e-3;

/// Mean and standard deviation of each rhythm feature; empty without features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureScaler {
    mean: Vec<f32>,
    deviation: Vec<f32>,
}

impl FeatureScaler {
    /// Of these beats.
    pub fn of(beats: &Beats) -> FeatureScaler {
        let width = beats.input.rhythm.len();
        let rows = beats.len().max(1) as f64;
        let (mut sum, mut square) = (vec![0.0; width], vec![0.0; width]);
        for row in beats.rhythm.chunks_exact(width.max(1)) {
            for (j, &value) in row.iter().enumerate() {
                sum[j] += f64::from(value);
                square[j] += f64::from(value).powi(2);
            }
        }
        let mean: Vec<f64> = sum.iter().map(|s| s / rows).collect();
        let deviation = square.iter().zip(&mean).map(|(s, m)| {
            let variance = (s / rows - m * m).max(0.0);
            (variance.sqrt() + LEAST) as f32
        });
        FeatureScaler {
            deviation: deviation.collect(),
            mean: mean.into_iter().map(|m| m as f32).collect(),
        }
    }

    /// Mean and standard deviation of each rhythm feature.
    pub fn moments(&self) -> impl Iterator<Item = (f32, f32)> {
        self.mean
            .iter()
            .copied()
            .zip(self.deviation.iter().copied())
    }

    /// What the run in this folder trained with.
    ///
    /// # Errors
    /// When the file is missing or is not what [`FeatureScaler::save`] writes.
    pub fn load(run: &RunFolder) -> Result<FeatureScaler> {
        FeatureScaler::read(&run.file(FILE))
    }

    fn read(path: &Path) -> Result<FeatureScaler> {
        let text = std::fs::read_to_string(path).map_err(data::Error::io(path))?;
        let standard: FeatureScaler =
            serde_json::from_str(&text).map_err(|e| data::Error::malformed(path, e.to_string()))?;
        ensure(standard.mean.len() == standard.deviation.len(), || {
            Error::Run(format!(
                "{}: {} means but {} deviations",
                path.display(),
                standard.mean.len(),
                standard.deviation.len()
            ))
        })?;
        Ok(standard)
    }

    /// Keeps it with the run.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, run: &RunFolder) -> Result<()> {
        run.write_json(FILE, self)
    }

    /// Brings the rhythm features of some examples to it.
    pub fn apply(&self, examples: &mut Examples) {
        if let Some(rhythm) = &mut examples.rhythm {
            let on = |values: &[f32]| Tensor::from_slice(values).to_device(rhythm.device());
            *rhythm = (&*rhythm - on(&self.mean)) / on(&self.deviation);
        }
    }

    /// A network that answers to features as they are what `model` answers to
    /// features brought to this standard.
    ///
    /// # Errors
    /// When the rhythm features do not go into a dense layer of their own.
    pub fn fold(&self, model: &ResidualCnn) -> Result<ResidualCnn> {
        self.changed(model, |weight, bias, mean, deviation| {
            let scaled = weight / deviation;
            let moved = bias - scaled.mv(mean);
            (scaled, moved)
        })
    }

    /// The inverse of [`FeatureScaler::fold`].
    ///
    /// # Errors
    /// As [`FeatureScaler::fold`].
    pub fn unfold(&self, model: &ResidualCnn) -> Result<ResidualCnn> {
        self.changed(model, |weight, bias, mean, deviation| {
            let moved = bias + weight.mv(mean);
            (weight * deviation, moved)
        })
    }

    /// A network whose layer of rhythm features has the weight and the bias that
    /// `change` makes of these, of the means and of the deviations.
    fn changed(
        &self,
        model: &ResidualCnn,
        change: impl Fn(&Tensor, &Tensor, &Tensor, &Tensor) -> (Tensor, Tensor),
    ) -> Result<ResidualCnn> {
        let changed = model.duplicate();
        if self.mean.is_empty() {
            return Ok(changed);
        }
        let nodes = &model.network().nodes;
        let takes_rhythm = |node: &&models::architecture::Node| {
            matches!(node.op, Op::Dense { .. }) && nodes[node.inputs[0]].op == Op::Rhythm
        };
        let Some(Op::Dense { name, .. }) = nodes.iter().find(takes_rhythm).map(|n| &n.op) else {
            return Err(Error::usage(
                "the rhythm features need a dense layer of their own; set --rhythm-hidden",
            ));
        };
        let _guard = tch::no_grad_guard();
        let weight = changed.parameter(&format!("{name}.weight"));
        let bias = changed.parameter(&format!("{name}.bias"));
        let (Some(mut weight), Some(mut bias)) = (weight, bias) else {
            return Err(Error::Network(format!("the network has no layer {name}")));
        };
        let on = |values: &[f32]| Tensor::from_slice(values).to_device(weight.device());
        let (new_weight, new_bias) = change(&weight, &bias, &on(&self.mean), &on(&self.deviation));
        weight.copy_(&new_weight);
        bias.copy_(&new_bias);
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data::Classes;
    use data::pipeline::beat_feature::BeatFeature;
    use data::pipeline::input::InputSpec;
    use models::Architecture;
    use models::architecture::Block;
    use tch::Device;

    fn beats() -> Beats {
        let mut input = InputSpec::window();
        (input.before, input.after) = (4, 4);
        input.rhythm = vec![BeatFeature::Previous, BeatFeature::Alternation];
        let mut beats = Beats::new(input, &Classes::aami5());
        for row in 0..6 {
            let value = row as f32;
            beats
                .windows
                .extend((0..16).map(|j| (value * j as f32).sin()));
            // One feature around 3, one in hundredths.
            beats.rhythm.extend([3.0 + value, 0.01 * value * value]);
            beats.labels.push(0);
        }
        beats
    }

    #[test]
    fn the_folded_network_takes_features_as_they_are() {
        let beats = beats();
        let block = Block::new(3, 3);
        let network = Architecture {
            channels: 2,
            length: 8,
            rhythm: 2,
            blocks: vec![block],
            rhythm_hidden: vec![4],
            ..Architecture::notebook()
        };
        let model = ResidualCnn::new(network.network().unwrap(), 1, Device::Cpu).unwrap();
        let raw = Examples::new(&beats, Device::Cpu).unwrap();
        let mut standardised = Examples::new(&beats, Device::Cpu).unwrap();
        let scaler = FeatureScaler::of(&beats);
        scaler.apply(&mut standardised);
        let rhythm = standardised.rhythm.as_ref().unwrap();
        let mean = rhythm.mean_dim([0_i64].as_slice(), false, tch::Kind::Float);
        assert!(mean.abs().max().double_value(&[]) < 1e-5);
        assert!((rhythm.std(false).double_value(&[]) - 1.0).abs() < 0.05);

        let logits = |model: &ResidualCnn, examples: &Examples| examples.logits(model);
        let folded = scaler.fold(&model).unwrap();
        let expected = logits(&model, &standardised);
        let difference = (logits(&folded, &raw) - &expected).abs().max();
        assert!(difference.double_value(&[]) < 1e-4);
        let unfolded = (logits(&model, &raw) - expected).abs().max();
        assert!(unfolded.double_value(&[]) > 1e-2);
    }
}
