//! The task `explain --optimise`: inputs that the model takes for each class.

use data::output;
use data::pipeline::beats::Beats;
use serde_json::json;

use super::activation_maximisation::maximise;
use super::arguments::Explain;
use super::graph::Explainer;
use super::pictures;
use super::plots::Pictures;
use crate::error::Result;
use crate::pool::BATCH;
use crate::source::Source;
use models::explain::InputBatch;
use models::explain::portions;

/// Input optimisation, from one beat or from nothing.
pub(super) fn search(explainer: &Explainer, sources: &[Source], arguments: &Explain) -> Result<()> {
    let contract = explainer.contract.clone();
    let classes: Vec<usize> = match &arguments.class {
        Some(class) => vec![explainer.target(class)?],
        None => (0..contract.classes.len()).collect(),
    };
    let targets: Vec<i64> = classes.iter().map(|&class| class as i64).collect();
    let mut first = Beats::new(contract.input.clone(), &contract.classes);
    let mut from = String::from("no signal");
    match &arguments.rows {
        None => {
            first.windows = vec![0.0; contract.input.window_values()];
            first.rhythm = vec![0.0; contract.input.rhythm.len()];
        }
        Some(rows) => portions(
            sources[0].named_chunks(&contract)?,
            &contract,
            BATCH,
            Some(&rows.0),
            |portion| {
                if first.is_empty() {
                    from = format!("beat {}", portion.numbers[0]);
                    first = portion.beats.select(&[0]);
                }
                Ok(())
            },
        )?,
    }
    let start = first.select(&vec![0; classes.len()]);
    let found = maximise(explainer, &InputBatch::of(&start), &targets)?;
    let figure = pictures::optimised(&contract, &start, &classes, &found, &from);
    let mut drawn = Pictures::new(arguments);
    drawn.add("optimised", &figure)?;
    let mut lines = String::new();
    let (width, outputs) = (contract.input.window_values(), contract.classes.len());
    for (row, &class) in classes.iter().enumerate() {
        let line = json!({
            "class": contract.classes.name(class),
            "start": from,
            "logits_before": found.before[row * outputs..][..outputs],
            "logits_after": found.after[row * outputs..][..outputs],
            "beat": found.rows.windows[row * width..][..width],
        });
        lines += &format!("{line}\n");
    }
    let path = arguments.output.join("optimised.jsonl");
    output::write(&path, lines.as_bytes())?;
    eprintln!("results: {}", path.display());
    drawn.write()
}
