//! What speaks for the class of the beats that strips are about.

use std::path::Path;

use data::pipeline::beats::Beats;
use data::pipeline::input::InputSpec;
use models::explain::methods::{Attributions, Method};
use models::explain::remembered::attribute_after;
use models::explain::{GradientGraph, Portion, portions};
use models::onnx::PREDICTED;

use crate::engine::Chunks;
use crate::reason::Credited;
use crate::{BeatLog, Credit};

/// Integrated gradients of the beats at these places of the log, for the class that
/// the model gives them.
///
/// # Errors
/// Those of the beats and of the graph.
pub fn credits<G: GradientGraph>(
    explainer: &G,
    beats: (&Path, Chunks<'_, G::Error>),
    log: &BeatLog,
    mut places: Vec<u64>,
) -> Result<Vec<Credit>, G::Error> {
    places.sort_unstable();
    places.dedup();
    let mut found = Vec::new();
    if places.is_empty() {
        return Ok(found);
    }
    let contract = explainer.contract().clone();
    portions(beats, &contract, usize::MAX, Some(&places), |portion| {
        found.extend(of_portion(explainer, portion, log)?);
        Ok(())
    })?;
    Ok(found)
}

/// The same of beats that are prepared already, each with its place in the log.
pub(crate) fn of_portion<G: GradientGraph>(
    explainer: &G,
    portion: Portion,
    log: &BeatLog,
) -> Result<Vec<Credit>, G::Error> {
    let Portion {
        beats,
        numbers,
        earlier,
    } = portion;
    if beats.is_empty() {
        return Ok(Vec::new());
    }
    let input = &explainer.contract().input;
    let method = Method::IntegratedGradients;
    let targets = vec![PREDICTED; beats.len()];
    let all = attribute_after(explainer, method, &beats, &earlier, &targets, 0)?;
    let numbers = numbers.into_iter().enumerate();
    let credits = numbers.map(|(row, place)| of_row(input, (&beats, row), &all, log, place));
    Ok(credits.collect())
}

/// What was found for a row of beats, which is at this place of the log.
pub fn of_row(
    input: &InputSpec,
    (beats, row): (&Beats, usize),
    all: &Attributions,
    log: &BeatLog,
    place: u64,
) -> Credit {
    let (width, features) = (input.window_values(), input.rhythm.len());
    let mut summed = vec![0.0; input.length()];
    for channel in all.window[row * width..][..width].chunks_exact(input.length()) {
        let values = summed.iter_mut().zip(channel);
        values.for_each(|(sum, credit)| *sum += credit);
    }
    let place = place as usize;
    let reasons = Credited {
        input,
        features: beats.rhythm_row(row),
        feature_credits: &all.rhythm[row * features..][..features],
        window_credits: &summed,
        rr: log.rr(place),
    }
    .reasons();
    Credit {
        beat: place,
        window: summed,
        fs: input.fs,
        before: input.before,
        reasons,
    }
}
