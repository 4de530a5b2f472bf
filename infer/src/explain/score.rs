//! The task `explain --score`: how good the explanations of a model are.

use std::collections::BTreeMap;

use data::datasets::patients::Patients;
use data::output;
use data::pipeline::beats::Beats;
use models::onnx::PREDICTED;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::arguments::Explain;
use super::faithfulness::Sample;
use super::graph::Explainer;
use super::score_table;
use crate::error::Result;
use crate::pool::BATCH;
use crate::progress::Progress;
use crate::source::Source;
use models::explain::methods::settled;
use models::explain::{GradientGraph, InputBatch};
use models::explain::{Portion, portions};

/// Beats of each class on which is measured.
const PER_CLASS: usize = 500;

/// The table of `--score`, on up to [`PER_CLASS`] beats of every class.
pub(super) fn score(explainer: &Explainer, sources: &[Source], arguments: &Explain) -> Result<()> {
    let portion = BATCH * explainer.threads();
    let mut gathered = Gathered {
        kept: BTreeMap::new(),
        draw: ChaCha8Rng::seed_from_u64(arguments.seed),
        patients: Vec::new(),
    };
    let mut progress = Progress::new("seen");
    for source in sources {
        portions(
            source.named_chunks(&explainer.contract)?,
            &explainer.contract,
            portion,
            None,
            |Portion { beats, numbers, .. }| {
                let rows = InputBatch::of(&beats);
                let predicted = vec![PREDICTED; beats.len()];
                let logits = explainer.run(&rows, &predicted)?.logits;
                progress.add(beats.len());
                gathered.add(&beats, &numbers, &settled(&predicted, &logits));
                Ok(())
            },
        )?;
    }
    progress.clear();
    let (mut rows, mut targets, mut groups) = (InputBatch::default(), Vec::new(), Vec::new());
    for (_, beats) in gathered.kept.into_values() {
        for beat in beats {
            rows.windows.extend(beat.window);
            rows.rhythm.extend(beat.rhythm);
            targets.push(beat.target);
            groups.push(beat.group);
        }
    }
    let bytes = std::fs::read(explainer.path()).map_err(data::Error::io(explainer.path()))?;
    let sample = Sample {
        rows: &rows,
        targets: &targets,
        groups: &groups,
        seed: arguments.seed,
    };
    let table = score_table::measure(explainer, &bytes, &sample)?;
    let path = arguments.output.join("score.json");
    output::write(&path, format!("{:#}\n", table.json()).as_bytes())?;
    print!("{}", table.text());
    eprintln!("score: {}", path.display());
    Ok(())
}

/// Beats drawn evenly from all inputs, up to [`PER_CLASS`] of every class: of
/// the reference's where there is one, else of the model's.
struct Gathered {
    /// Per class how many have been seen, and those that are kept.
    kept: BTreeMap<usize, (usize, Vec<Kept>)>,
    draw: ChaCha8Rng,
    /// Names of the patients seen so far.
    patients: Vec<String>,
}

struct Kept {
    window: Vec<f32>,
    rhythm: Vec<f32>,
    target: i64,
    group: u32,
}

impl Gathered {
    fn add(&mut self, beats: &Beats, numbers: &[u64], predicted: &[i64]) {
        for (row, &target) in predicted.iter().enumerate() {
            let class = beats.labels.get(row).copied().unwrap_or(target as usize);
            let (seen, kept) = self.kept.entry(class).or_default();
            *seen += 1;
            // Reservoir sampling: every beat has the same chance.
            let place = if kept.len() < PER_CLASS {
                kept.len()
            } else {
                self.draw.random_range(0..*seen)
            };
            if place >= PER_CLASS {
                continue;
            }
            let group = match beats.records.get(row) {
                None => numbers[row] as u32,
                Some(&record) => {
                    let name = &beats.record_names[record as usize];
                    let patient = Patients::ByRecord.of(name).unwrap_or(name);
                    let known = self.patients.iter().position(|p| p == patient);
                    known.unwrap_or_else(|| {
                        self.patients.push(patient.into());
                        self.patients.len() - 1
                    }) as u32
                }
            };
            let beat = Kept {
                window: beats.window(row).to_vec(),
                rhythm: beats.rhythm_row(row).to_vec(),
                target,
                group,
            };
            if place < kept.len() {
                kept[place] = beat;
            } else {
                kept.push(beat);
            }
        }
    }
}
