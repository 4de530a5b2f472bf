//! What speaks for the class of a beat.

use data::pipeline::prepare::Batches;
use models::explain::methods::{Attributions, Method};
use models::explain::remembered::attribute_after;
use models::explain::{Portion, portions};
use models::onnx::PREDICTED;
use numpy::ndarray::{Array2, Array3};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArray3};
use pyo3::prelude::*;
use report::credits::of_row;

use crate::beats::{Beats, heeding};
use crate::error::{Failure, Result, detached};

/// Beats of a batch.
const BATCH: usize = 256;

/// What was found for some beats.
struct Explained {
    windows: Vec<f32>,
    features: Vec<f32>,
    credits: Attributions,
    reasons: Vec<Vec<String>>,
}

/// Windows and credits of beats, `beats x channels x length`; features and their
/// credits, `beats x features`; the class that was explained and the reasons in words.
type Arrays<'py> = (
    [Bound<'py, PyArray3<f32>>; 2],
    [Bound<'py, PyArray2<f32>>; 2],
    Bound<'py, PyArray1<i64>>,
    Vec<Vec<String>>,
);

/// Credits the values of beats with the logit of a class; the predicted one where
/// none is named.
#[pyfunction]
#[pyo3(signature = (beats, rows, method, class = None, seed = 0))]
pub fn explain<'py>(
    py: Python<'py>,
    beats: &Beats,
    mut rows: Vec<u64>,
    method: &str,
    class: Option<&str>,
    seed: u64,
) -> PyResult<Arrays<'py>> {
    let method: Method = method
        .parse()
        .map_err(|why| Failure::Usage(format!("method '{method}': {why}")))?;
    let contract = beats.model_ref().contract();
    let target = match class {
        None => PREDICTED,
        Some(name) => contract.classes.named(name).ok_or_else(|| {
            let names = beats.model_ref().classes().join(", ");
            Failure::Usage(format!(
                "there is no class '{name}'; the classes are {names}"
            ))
        })? as i64,
    };
    rows.sort_unstable();
    rows.dedup();
    let found = detached(py, || explained(beats, &rows, method, target, seed))?;
    let input = &contract.input;
    let (channels, length, features) = (input.channels(), input.length(), input.rhythm.len());
    let count = found.credits.targets.len();
    let failed = |e: numpy::ndarray::ShapeError| PyErr::from(Failure::Usage(e.to_string()));
    let cube = |values| {
        let array = Array3::from_shape_vec((count, channels, length), values);
        Ok::<_, PyErr>(array.map_err(failed)?.into_pyarray(py))
    };
    let table = |values| {
        let array = Array2::from_shape_vec((count, features), values);
        Ok::<_, PyErr>(array.map_err(failed)?.into_pyarray(py))
    };
    Ok((
        [cube(found.windows)?, cube(found.credits.window)?],
        [table(found.features)?, table(found.credits.rhythm)?],
        found.credits.targets.into_pyarray(py),
        found.reasons,
    ))
}

fn explained(
    beats: &Beats,
    rows: &[u64],
    method: Method,
    target: i64,
    seed: u64,
) -> Result<Explained> {
    let (inner, model) = (beats.inner(), beats.model_ref());
    let recording = beats.recording_ref();
    let contract = model.contract();
    let found = Batches::new(
        recording.inner(),
        &inner.chosen.places,
        &contract.input,
        BATCH,
    )?;
    let chunks = found.map(heeding);
    let mut all = Explained {
        windows: Vec::new(),
        features: Vec::new(),
        credits: Attributions::default(),
        reasons: Vec::new(),
    };
    if rows.is_empty() {
        return Ok(all);
    }
    portions(
        (&recording.called(), chunks),
        contract,
        usize::MAX,
        Some(rows),
        |portion| {
            let Portion {
                beats,
                numbers,
                earlier,
            } = portion;
            let targets = vec![target; beats.len()];
            let credits = attribute_after(model, method, &beats, &earlier, &targets, seed)?;
            let log = &inner.labelled.log;
            for (row, number) in numbers.iter().enumerate() {
                let of_row = of_row(&contract.input, (&beats, row), &credits, log, *number);
                all.reasons.push(of_row.reasons);
            }
            all.windows.extend(&beats.windows);
            all.features.extend(&beats.rhythm);
            all.credits.targets.extend(credits.targets);
            all.credits.window.extend(credits.window);
            all.credits.rhythm.extend(credits.rhythm);
            Ok(())
        },
    )?;
    Ok(all)
}
