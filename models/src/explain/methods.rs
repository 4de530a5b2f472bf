//! Attribution methods: what of a beat speaks for a class. All of them only
//! call the gradient graph, in batches.

use std::str::FromStr;

use data::pipeline::input::InputSpec;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::integrated_gradients::integrated;
use super::remembered::Earlier;
use super::{GradientGraph, Gradients, InputBatch};
use crate::onnx::PREDICTED;

/// Noisy copies that SmoothGrad averages over.
const COPIES: usize = 32;
/// Standard deviation of SmoothGrad's noise, as a part of the window's range
/// (Smilkov et al. 2017 recommend 0.1 to 0.2).
const NOISE: f32 = 0.1;
/// Length of the stretch that occlusion flattens, in seconds: about a P wave.
const OCCLUSION: f64 = 0.08;

/// How a beat's values are credited with its logit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The gradient of the class's logit: where a change would matter.
    Gradient,
    /// The gradient times the value.
    GradientXInput,
    /// The gradient, averaged over noisy copies of the beat (Smilkov et al. 2017).
    Smoothgrad,
    /// The gradient averaged on the way from zero to the beat, times the value;
    /// sums up to the logit's difference (Sundararajan et al. 2017).
    IntegratedGradients,
    /// The last convolution stage weighted by its mean gradients (Selvaraju et
    /// al. 2017); one curve for all channels, none for rhythm features.
    Gradcam,
    /// How much the logit falls when a stretch becomes a straight line, or a
    /// rhythm feature 0, or an earlier beat is left out; needs no gradient.
    Occlusion,
}

impl Method {
    /// Every method.
    pub const ALL: [Method; 6] = [
        Method::Gradient,
        Method::GradientXInput,
        Method::Smoothgrad,
        Method::IntegratedGradients,
        Method::Gradcam,
        Method::Occlusion,
    ];

    /// The name that users know it by.
    pub fn name(self) -> &'static str {
        match self {
            Method::Gradient => "gradient",
            Method::GradientXInput => "gradient-x-input",
            Method::Smoothgrad => "smoothgrad",
            Method::IntegratedGradients => "integrated-gradients",
            Method::Gradcam => "gradcam",
            Method::Occlusion => "occlusion",
        }
    }

    /// What it does, in a line.
    pub fn about(self) -> &'static str {
        match self {
            Method::Gradient => "The gradient of the class's logit: where a change would matter",
            Method::GradientXInput => "The gradient times the value",
            Method::Smoothgrad => {
                "The gradient, averaged over noisy copies of the beat (Smilkov et al. 2017)"
            }
            Method::IntegratedGradients => {
                "The gradient averaged on the way from zero to the beat, times the value; sums up to the logit's difference (Sundararajan et al. 2017)"
            }
            Method::Gradcam => {
                "The last convolution stage weighted by its mean gradients (Selvaraju et al. 2017); one curve for all channels, none for rhythm features"
            }
            Method::Occlusion => {
                "How much the logit falls when a stretch becomes a straight line, or a rhythm feature 0, or an earlier beat is left out; needs no gradient"
            }
        }
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(text: &str) -> Result<Method, String> {
        let found = Method::ALL.into_iter().find(|m| m.name() == text);
        found.ok_or_else(|| {
            let names = Method::ALL.map(Method::name);
            format!("it may be {}", names.join(", "))
        })
    }
}

/// The credit of every value of every row, row after row; of a row of several
/// beats that of each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributions {
    /// The output index that each row was explained for.
    pub targets: Vec<i64>,
    /// `rows x classes`.
    pub logits: Vec<f32>,
    /// `rows x channels x length`.
    pub window: Vec<f32>,
    /// `rows x features`.
    pub rhythm: Vec<f32>,
    /// Of a model that remembers beats, those before each row: see
    /// [`super::remembered`].
    pub earlier: Vec<Earlier>,
}

/// Explains rows, each for its target: an output index, or
/// [`PREDICTED`]. `seed` draws SmoothGrad's noise.
///
/// # Errors
/// Those of the graph.
pub fn attribute<G: GradientGraph>(
    explainer: &G,
    method: Method,
    rows: &InputBatch,
    targets: &[i64],
    seed: u64,
) -> Result<Attributions, G::Error> {
    let plain = explainer.run(rows, targets)?;
    let targets = settled(targets, &plain.logits);
    let logits = plain.logits.clone();
    let (window, rhythm) = match method {
        Method::Gradient => (plain.saliency, plain.rhythm),
        Method::GradientXInput => (
            product(&plain.saliency, &rows.windows),
            product(&plain.rhythm, &rows.rhythm),
        ),
        Method::Gradcam => {
            let input = &explainer.contract().input;
            let (channels, length) = (input.channels(), input.length());
            let curves = plain.gradcam.chunks_exact(length);
            // The stage that it weights is the last beat's.
            let of_row = rows.windows.len() / targets.len().max(1);
            let before = of_row - channels * length;
            let window = curves.flat_map(|c| [vec![0.0; before], c.repeat(channels)].concat());
            (window.collect(), vec![0.0; rows.rhythm.len()])
        }
        Method::Smoothgrad => smoothed(explainer, rows, &targets, seed)?,
        Method::IntegratedGradients => integrated(explainer, rows, &targets)?,
        Method::Occlusion => occluded(explainer, rows, &targets, &logits)?,
    };
    Ok(Attributions {
        targets,
        logits,
        window,
        rhythm,
        earlier: Vec::new(),
    })
}

/// Targets with the predicted class in the place of [`PREDICTED`]: it must
/// stay the beat's own while a method changes the beat.
pub fn settled(targets: &[i64], logits: &[f32]) -> Vec<i64> {
    let classes = logits.len() / targets.len().max(1);
    let best = |row: &[f32]| {
        let mut best = 0;
        for (i, logit) in row.iter().enumerate() {
            if *logit > row[best] {
                best = i;
            }
        }
        best as i64
    };
    let rows = logits.chunks_exact(classes.max(1));
    let settle = |(target, row): (&i64, &[f32])| match *target {
        PREDICTED => best(row),
        class => class,
    };
    targets.iter().zip(rows).map(settle).collect()
}

fn product(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a * b).collect()
}

/// Sum of gradients over several calls of the graph.
#[derive(Default)]
struct Mean {
    window: Vec<f32>,
    rhythm: Vec<f32>,
    calls: usize,
}

impl Mean {
    fn add(&mut self, gradients: &Gradients) {
        let add = |sum: &mut Vec<f32>, values: &[f32]| {
            sum.resize(values.len(), 0.0);
            sum.iter_mut().zip(values).for_each(|(s, v)| *s += v);
        };
        add(&mut self.window, &gradients.saliency);
        add(&mut self.rhythm, &gradients.rhythm);
        self.calls += 1;
    }

    fn finish(mut self) -> (Vec<f32>, Vec<f32>) {
        let share = 1.0 / self.calls.max(1) as f32;
        self.window.iter_mut().for_each(|v| *v *= share);
        self.rhythm.iter_mut().for_each(|v| *v *= share);
        (self.window, self.rhythm)
    }
}

fn smoothed<G: GradientGraph>(
    explainer: &G,
    rows: &InputBatch,
    targets: &[i64],
    seed: u64,
) -> Result<(Vec<f32>, Vec<f32>), G::Error> {
    let width = explainer.contract().input.window_values();
    let mut draw = ChaCha8Rng::seed_from_u64(seed);
    let mut mean = Mean::default();
    for _ in 0..COPIES {
        let mut noisy = rows.clone();
        for row in noisy.windows.chunks_exact_mut(width) {
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let smallest = row.iter().copied().fold(f32::INFINITY, f32::min);
            for value in row {
                let noise: f32 = StandardNormal.sample(&mut draw);
                *value += NOISE * (largest - smallest) * noise;
            }
        }
        mean.add(&explainer.run(&noisy, targets)?);
    }
    Ok(mean.finish())
}

fn occluded<G: GradientGraph>(
    explainer: &G,
    rows: &InputBatch,
    targets: &[i64],
    logits: &[f32],
) -> Result<(Vec<f32>, Vec<f32>), G::Error> {
    let input = explainer.contract().input.clone();
    let classes = explainer.contract().classes.len();
    let of_target = |logits: &[f32]| -> Vec<f32> {
        let rows = logits.chunks_exact(classes).zip(targets);
        rows.map(|(row, &target)| row[target as usize]).collect()
    };
    let whole = of_target(logits);
    let falls = |changed: &InputBatch| -> Result<Vec<f32>, G::Error> {
        let left = of_target(&explainer.run(changed, targets)?.logits);
        Ok(whole
            .iter()
            .zip(&left)
            .map(|(whole, left)| whole - left)
            .collect())
    };
    let (width, features) = (input.window_values(), input.rhythm.len());
    let beats = rows.windows.len() / (width * targets.len()).max(1);
    let (row_width, row_features) = (beats * width, beats * features);
    let mut window = vec![0.0; rows.windows.len()];
    for stretch in stretches(&input) {
        let own = row_width - width;
        let stretch = own + stretch.start..own + stretch.end;
        let mut flat = rows.clone();
        for row in flat.windows.chunks_exact_mut(row_width) {
            straighten(&mut row[stretch.clone()]);
        }
        let credited = window.chunks_exact_mut(row_width);
        for (row, credit) in credited.zip(falls(&flat)?) {
            for value in &mut row[stretch.clone()] {
                // Stretches overlap by half: a value is in two of them.
                *value += credit / (2 * stretch.len()) as f32;
            }
        }
    }
    // An earlier beat is left out as a whole, and its values share what that does.
    for beat in 0..beats - 1 {
        let own = beat * width..(beat + 1) * width;
        let mut without = rows.clone();
        for row in without.windows.chunks_exact_mut(row_width) {
            row[own.clone()].fill(0.0);
        }
        for row in without.rhythm.chunks_exact_mut(row_features.max(1)) {
            row[beat * features..(beat + 1) * features].fill(0.0);
        }
        let credited = window.chunks_exact_mut(row_width);
        for (row, credit) in credited.zip(falls(&without)?) {
            row[own.clone()].fill(credit / width as f32);
        }
    }
    let mut rhythm = vec![0.0; rows.rhythm.len()];
    for feature in row_features - features..row_features {
        let mut without = rows.clone();
        let values = without.rhythm.iter_mut().skip(feature);
        values.step_by(row_features).for_each(|value| *value = 0.0);
        for (row, credit) in falls(&without)?.into_iter().enumerate() {
            rhythm[row * row_features + feature] = credit;
        }
    }
    Ok((window, rhythm))
}

/// Stretches of [`OCCLUSION`] within each channel, half overlapping, as ranges
/// of a row's values.
fn stretches(input: &InputSpec) -> Vec<std::ops::Range<usize>> {
    let length = input.length();
    let width = ((OCCLUSION * input.fs) as usize).clamp(2, length);
    let starts = move || (0..length).step_by(width / 2);
    (0..input.channels())
        .flat_map(|channel| {
            starts().map(move |start| {
                let end = (start + width).min(length);
                channel * length + start..channel * length + end
            })
        })
        .collect()
}

/// Replaces values by the straight line from the first to the last.
fn straighten(values: &mut [f32]) {
    let (Some(&first), Some(&last)) = (values.first(), values.last()) else {
        return;
    };
    let steps = (values.len() - 1).max(1) as f32;
    for (i, value) in values.iter_mut().enumerate() {
        *value = first + (last - first) * i as f32 / steps;
    }
}
