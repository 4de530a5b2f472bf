//! Input optimisation: what a beat would have to look like for a class.

use data::pipeline::input::{InputSpec, Normalisation};

use super::graph::Explainer;
use crate::error::Result;
use models::explain::{GradientGraph, InputBatch};

/// Steps of the ascent.
const STEPS: usize = 200;
/// Size of the first step: the largest change of a value. Later ones shrink
/// linearly to nothing.
const RATE: f32 = 0.05;
/// Part of the distance to the start that every step takes back.
const PULL: f32 = 0.005;
/// Part of a value that every step replaces by the mean of its neighbours:
/// a heart makes no noise at the sampling rate.
const SMOOTHING: f32 = 0.2;

/// The ascent's outcome, row after row.
pub struct Maximised {
    /// The inputs found.
    pub rows: InputBatch,
    /// Logits at the start, `rows x classes`.
    pub before: Vec<f32>,
    /// Logits at the end, `rows x classes`.
    pub after: Vec<f32>,
}

/// Climbs the logit of each row's target from `start` by its gradient, held
/// back towards the start and towards smooth signals. Rhythm features stay.
///
/// # Errors
/// Those of the graph.
pub fn maximise(explainer: &Explainer, start: &InputBatch, targets: &[i64]) -> Result<Maximised> {
    let input = explainer.contract.input.clone();
    let mut rows = start.clone();
    let mut before = Vec::new();
    for step in 0..STEPS {
        let gradients = explainer.run(&rows, targets)?;
        if step == 0 {
            before = gradients.logits;
        }
        let rate = RATE * (1.0 - step as f32 / STEPS as f32);
        let width = input.window_values();
        let all = rows.windows.chunks_exact_mut(width);
        let origins = start.windows.chunks_exact(width);
        for ((row, origin), slope) in all.zip(origins).zip(gradients.saliency.chunks_exact(width)) {
            let steepest = slope.iter().fold(f32::MIN_POSITIVE, |m, s| m.max(s.abs()));
            for ((value, origin), slope) in row.iter_mut().zip(origin).zip(slope) {
                *value += rate * slope / steepest + PULL * (origin - *value);
            }
            restrain(&input, row);
        }
    }
    let after = explainer.run(&rows, targets)?.logits;
    Ok(Maximised {
        rows,
        before,
        after,
    })
}

/// Smooths every channel and keeps it in the range of the normalisation.
fn restrain(input: &InputSpec, row: &mut [f32]) {
    for channel in row.chunks_exact_mut(input.length()) {
        let mut before = channel[0];
        for i in 0..channel.len() {
            let after = channel[(i + 1).min(channel.len() - 1)];
            let value = channel[i];
            channel[i] += SMOOTHING * (0.5 * (before + after) - value);
            before = value;
        }
        if input.normalisation == Normalisation::MinMax {
            channel.iter_mut().for_each(|v| *v = v.clamp(0.0, 1.0));
        }
    }
}
