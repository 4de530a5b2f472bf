//! Beats with those before them, for models that remember.
//!
//! A beat is explained together with the beats before it in its stretch, as many
//! as the model's memory has: no answer depends on more. A method then credits
//! every value of all of them, and an earlier beat's credit is one number, the sum
//! over its window and its features:
//!
//! `credit(beat) = sum_i credit(x_i) + sum_j credit(f_j)`.
//!
//! The methods that tell where the logit would change (gradient, SmoothGrad) sum
//! the gradient times the value, `sum_i g_i x_i + sum_j g_j f_j`. Integrated
//! gradients of all beats add up to the logit's rise from no beat at all, and
//! Grad-CAM, which weights the beat's own maps, credits no earlier beat.

use std::collections::{BTreeMap, VecDeque};

use data::pipeline::beats::Beats;

use super::methods::{Attributions, Method, attribute};
use super::{GradientGraph, InputBatch};
use crate::Contract;

/// What the beats before an explained one are credited with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Earlier {
    /// A number a beat, the one just before first.
    pub credits: Vec<f32>,
    /// The credit of every value of their windows, in the same order,
    /// `beats x channels x length`.
    pub windows: Vec<f32>,
}

/// The last beats that were seen, of the present stretch.
pub(super) struct Recent {
    /// So many are enough.
    most: usize,
    beats: VecDeque<InputBatch>,
}

impl Recent {
    pub fn new(contract: &Contract) -> Recent {
        Recent {
            most: contract.memory.map_or(0, |memory| memory.beats - 1),
            beats: VecDeque::new(),
        }
    }

    /// Takes the next beat and gives those before it, oldest first.
    pub fn take(&mut self, beats: &Beats, row: usize) -> InputBatch {
        if self.most == 0 {
            return InputBatch::default();
        }
        if beats.begins.get(row).copied().unwrap_or(true) {
            self.beats.clear();
        }
        let before = joined(&self.beats);
        self.beats.push_back(InputBatch {
            windows: beats.window(row).to_vec(),
            rhythm: beats.rhythm_row(row).to_vec(),
        });
        if self.beats.len() > self.most {
            self.beats.pop_front();
        }
        before
    }
}

fn joined<'a>(parts: impl IntoIterator<Item = &'a InputBatch>) -> InputBatch {
    let mut all = InputBatch::default();
    for part in parts {
        all.windows.extend(&part.windows);
        all.rhythm.extend(&part.rhythm);
    }
    all
}

/// As [`attribute`], for beats with those before each, as [`Recent`] gives them.
///
/// # Errors
/// Those of the graph.
pub fn attribute_after<G: GradientGraph>(
    explainer: &G,
    method: Method,
    beats: &Beats,
    earlier: &[InputBatch],
    targets: &[i64],
    seed: u64,
) -> Result<Attributions, G::Error> {
    if explainer.contract().memory.is_none() {
        return attribute(explainer, method, &InputBatch::of(beats), targets, seed);
    }
    // Rows of one call have as many beats.
    let mut alike: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (row, before) in earlier.iter().enumerate() {
        alike.entry(before.windows.len()).or_default().push(row);
    }
    let mut found: Vec<(usize, Attributions)> = Vec::new();
    for rows in alike.into_values() {
        let sequences = rows.iter().map(|&row| {
            let own = InputBatch {
                windows: beats.window(row).to_vec(),
                rhythm: beats.rhythm_row(row).to_vec(),
            };
            joined([&earlier[row], &own])
        });
        let sequences: Vec<InputBatch> = sequences.collect();
        let asked: Vec<i64> = rows.iter().map(|&row| targets[row]).collect();
        let batch = joined(&sequences);
        let credit = attribute(explainer, method, &batch, &asked, seed)?;
        for (place, (row, values)) in rows.into_iter().zip(&sequences).enumerate() {
            let of_row = parted(explainer, method, &credit, place, values);
            found.push((row, of_row));
        }
    }
    found.sort_by_key(|(row, _)| *row);
    let mut all = Attributions::default();
    for (_, row) in found {
        all.targets.extend(row.targets);
        all.logits.extend(row.logits);
        all.window.extend(row.window);
        all.rhythm.extend(row.rhythm);
        all.earlier.extend(row.earlier);
    }
    Ok(all)
}

/// One row of credits, the beat's own apart from those of the beats before.
fn parted<G: GradientGraph>(
    explainer: &G,
    method: Method,
    credit: &Attributions,
    place: usize,
    values: &InputBatch,
) -> Attributions {
    let input = &explainer.contract().input;
    let (width, features) = (input.window_values(), input.rhythm.len());
    let of_row = |all: &[f32], width: usize| all[place * width..(place + 1) * width].to_vec();
    let mut window = of_row(&credit.window, values.windows.len());
    let mut rhythm = of_row(&credit.rhythm, values.rhythm.len());
    let own_window = window.split_off(window.len() - width);
    let own_rhythm = rhythm.split_off(rhythm.len() - features);
    let weighted = matches!(method, Method::Gradient | Method::Smoothgrad);
    let sum = |credits: &[f32], values: &[f32]| -> f32 {
        let terms = credits.iter().zip(values);
        terms.map(|(c, x)| if weighted { c * x } else { *c }).sum()
    };
    let mut earlier = Earlier::default();
    for beat in (0..window.len() / width).rev() {
        let (at, of) = (
            beat * width..(beat + 1) * width,
            beat * features..(beat + 1) * features,
        );
        let credits = sum(&window[at.clone()], &values.windows[at.clone()])
            + sum(&rhythm[of.clone()], &values.rhythm[of]);
        earlier.credits.push(credits);
        earlier.windows.extend(&window[at]);
    }
    let classes = explainer.contract().classes.len();
    Attributions {
        targets: vec![credit.targets[place]],
        logits: of_row(&credit.logits, classes),
        window: own_window,
        rhythm: own_rhythm,
        earlier: vec![earlier],
    }
}
