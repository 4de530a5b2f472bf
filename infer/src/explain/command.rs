//! The task `explain`.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Instant;

use data::output::Outputs;
use data::record::error::ensure;
use models::onnx::PREDICTED;

use super::arguments::{Explain, RowList, row_name};
use super::credit_files::{CHUNK, Explained, Results};
use super::graph::Explainer;
use super::inputs::sources;
use super::pictures::{self, Atlas};
use super::plots::{Pictures, kernels};
use super::score::score;
use super::search::search;
use crate::error::{Error, Result};
use crate::pool::BATCH;
use crate::progress::Progress;
use crate::shipped;
use crate::source::Source;
use models::explain::methods::{Attributions, Method};
use models::explain::remembered::attribute_after;
use models::explain::{Portion, portions};

/// Explains an input as the arguments ask for.
///
/// # Errors
/// The first thing that is wrong with the model, the input or the output.
pub fn run(arguments: &Explain) -> Result<()> {
    let mut outputs = Outputs::new(arguments.force);
    sources(arguments)?
        .iter()
        .for_each(|s| s.protect(&mut outputs));
    arguments.pass_outputs(&mut outputs)?;
    run_within(arguments, &mut outputs)
}

/// Explains an input whose outputs have passed [`Explain::pass_outputs`].
///
/// # Errors
/// As [`run`].
pub fn run_within(arguments: &Explain, outputs: &mut Outputs) -> Result<()> {
    let sources = sources(arguments)?;
    let model = shipped::model_for(&sources, arguments.model.as_deref())?;
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = arguments.threads.map_or_else(cores, NonZeroUsize::get);
    let explainer = Explainer::of(&model, threads)?;
    shipped::check(&sources, explainer.path(), &explainer.contract.input)?;
    eprintln!("model: {}", explainer.path().display());
    let single = arguments.score || arguments.optimise;
    ensure(!single || explainer.contract.memory.is_none(), || {
        Error::usage(
            "--score and --optimise change single beats, and the model remembers those before them; leave the flag out, or take a model without a memory".into(),
        )
    })?;
    if arguments.score {
        score(&explainer, &sources, arguments)
    } else if arguments.optimise {
        search(&explainer, &sources, arguments)
    } else {
        explain(&explainer, &sources, arguments, outputs)
    }
}

/// Credits of all beats, or of the chosen ones with a picture of each.
fn explain(
    explainer: &Explainer,
    sources: &[Source],
    arguments: &Explain,
    outputs: &mut Outputs,
) -> Result<()> {
    let contract = explainer.contract.clone();
    let target = match &arguments.class {
        Some(class) => explainer.target(class)? as i64,
        None => PREDICTED,
    };
    let found;
    let chosen = match &arguments.rows {
        None if arguments.examples => {
            found = examples(explainer, &sources[0])?;
            pass_pictures(arguments, &found.0, outputs)?;
            Some(&found)
        }
        rows => rows.as_ref(),
    };
    let methods = &arguments.method;
    let mut results = Results::create(&arguments.output, arguments.format, methods, &contract)?;
    let mut atlas = Atlas::new(&contract, methods[0]);
    let mut drawn = Pictures::new(arguments);
    let portion = (BATCH * explainer.threads()).next_multiple_of(CHUNK);
    let started = Instant::now();
    let mut progress = Progress::new("explained");
    let mut each = |portion: Portion| {
        let Portion {
            beats,
            numbers,
            earlier,
        } = portion;
        let targets = vec![target; beats.len()];
        let credit = |&m| attribute_after(explainer, m, &beats, &earlier, &targets, arguments.seed);
        let credits: Vec<Attributions> = methods.iter().map(credit).collect::<Result<_>>()?;
        progress.add(beats.len());
        atlas.add(&beats, &credits[0]);
        if chosen.is_some() {
            for (row, number) in numbers.iter().enumerate() {
                let figure = pictures::beat(&contract, methods, &beats, &credits, row, *number);
                drawn.add(&row_name(*number), &figure)?;
            }
        }
        results.write(&Explained {
            beats: &beats,
            numbers: &numbers,
            credits: &credits,
            earlier_windows: arguments.earlier_windows,
        })
    };
    for source in sources {
        portions(
            source.named_chunks(&contract)?,
            &contract,
            portion,
            chosen.map(|rows| &rows.0[..]),
            &mut each,
        )?;
    }
    progress.clear();
    let summary = progress.line(started.elapsed());
    if chosen.is_none() {
        if let Some(figure) = atlas.figure() {
            drawn.add("atlas", &figure)?;
        }
        drawn.add("kernels", &kernels(explainer.path())?)?;
    }
    eprintln!("results: {}", results.path().display());
    results.commit()?;
    drawn.write()?;
    eprintln!("{summary}");
    Ok(())
}

/// Checks the pictures of rows that only the model has chosen.
fn pass_pictures(arguments: &Explain, rows: &[u64], outputs: &mut Outputs) -> Result<()> {
    for row in rows {
        if let Some(format) = arguments.picture.format() {
            let name = format!("{}.{}", row_name(*row), format.ending());
            outputs.file(&arguments.output.join(name))?;
        }
    }
    Ok(())
}

/// The first beat of every class that the model sees in an input.
fn examples(explainer: &Explainer, source: &Source) -> Result<RowList> {
    let mut first: BTreeMap<i64, u64> = BTreeMap::new();
    let portion = BATCH * explainer.threads();
    let beats = source.named_chunks(&explainer.contract)?;
    portions(beats, &explainer.contract, portion, None, |portion| {
        let Portion {
            beats,
            numbers,
            earlier,
        } = portion;
        let predicted = vec![PREDICTED; beats.len()];
        let method = Method::Gradient;
        let found = attribute_after(explainer, method, &beats, &earlier, &predicted, 0)?;
        for (class, number) in found.targets.into_iter().zip(numbers) {
            first.entry(class).or_insert(number);
        }
        Ok(())
    })?;
    let mut rows: Vec<u64> = first.into_values().collect();
    rows.sort_unstable();
    Ok(RowList(rows))
}
