//! The table of `--score`: how good the explanations of a model are.

use std::fmt::Write as _;

use data::output::made_here::{JSON_KEY, MAKER};
use data::pipeline::input::Layout;
use serde::Serialize;
use serde_json::{Value, json};

use super::faithfulness::{
    Estimate, FINE_STEPS, Faithfulness, Sample, Shares, chance, completeness, faithfulness,
    inaccuracy, quantiles, sanity, shares,
};
use super::graph::Explainer;
use crate::error::Result;
use models::explain::integrated_gradients::STEPS;
use models::explain::methods::{Method, attribute};
use report::waves::Wave;

/// Everything that is measured.
pub struct ScoreTable {
    beats: usize,
    methods: Vec<(Method, Faithfulness, Option<Estimate>)>,
    /// Integrated gradients: by how much their sum misses the logit's
    /// difference, [`quantiles`].
    completeness: Option<[f64; 3]>,
    /// By how much they differ from those of many steps, [`quantiles`].
    inaccuracy: Option<[f64; 3]>,
    /// Where the credit of integrated gradients goes, per class.
    shares: Vec<(String, usize, Shares)>,
}

/// Measures every method on a sample; `bytes` are the model's file, whose
/// weights are shuffled for the sanity check.
///
/// # Errors
/// Those of the graph.
pub fn measure(explainer: &Explainer, bytes: &[u8], sample: &Sample) -> Result<ScoreTable> {
    let mut table = ScoreTable {
        beats: sample.targets.len(),
        methods: Vec::new(),
        completeness: None,
        inaccuracy: None,
        shares: Vec::new(),
    };
    let chance = chance(explainer, sample)?;
    for &method in &Method::ALL {
        let credit = attribute(explainer, method, sample.rows, sample.targets, sample.seed)?;
        let faithful = faithfulness(explainer, sample, &chance, method, &credit)?;
        let correlation = sanity(explainer, bytes, sample, method, &credit)?;
        table.methods.push((method, faithful, correlation));
        if method != Method::IntegratedGradients {
            continue;
        }
        table.completeness = quantiles(completeness(explainer, sample, &credit)?);
        table.inaccuracy = quantiles(inaccuracy(explainer, sample, &credit)?);
        if explainer.contract.input.layout == Layout::Table {
            // Nobody knows where the waves of such a row are.
            continue;
        }
        for (index, class) in explainer.contract.classes.names().enumerate() {
            let of_class = sample.targets.iter().enumerate();
            let of_class = of_class.filter(|(_, target)| **target == index as i64);
            let rows: Vec<usize> = of_class.map(|(row, _)| row).collect();
            if !rows.is_empty() {
                let shares = shares(explainer, sample.rows, &credit, &rows);
                table.shares.push((class.to_owned(), rows.len(), shares));
            }
        }
    }
    Ok(table)
}

fn shown(estimate: &Option<Estimate>) -> String {
    match estimate {
        None => "-".into(),
        Some(Estimate {
            mean,
            interval: None,
        }) => format!("{mean:+.3}"),
        Some(Estimate {
            mean,
            interval: Some(i),
        }) => format!("{mean:+.3} [{:+.3}, {:+.3}]", i.low, i.high),
    }
}

fn as_json(estimate: &Option<Estimate>) -> Value {
    #[derive(Serialize)]
    struct Shown {
        mean: f64,
        interval: Option<[f64; 2]>,
    }
    json!(estimate.map(|e| Shown {
        mean: e.mean,
        interval: e.interval.map(|i| [i.low, i.high]),
    }))
}

impl ScoreTable {
    /// The table for people.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} beats; 95 % intervals over patients (over rows where there are none)\n\n",
            self.beats
        );
        let _ = writeln!(
            text,
            "Gain in mean probability of the class over a random order (above 0 is better), and\n\
             correlation with the credit of shuffled weights (near 0 is better)\n\n\
             {:<21} {:<25} {:<25} {:<25}",
            "method", "deletion", "insertion", "shuffled weights"
        );
        for (method, faithful, correlation) in &self.methods {
            let _ = writeln!(
                text,
                "{:<21} {:<25} {:<25} {:<25}",
                method.name(),
                shown(&faithful.deletion),
                shown(&faithful.insertion),
                shown(correlation)
            );
        }
        let shown = |quantiles: Option<[f64; 3]>| {
            let [median, p95, max] = quantiles.map(|q| q.map(|part| 100.0 * part))?;
            Some(format!(
                "{median:.2} % (median), {p95:.2} % (95 % of beats below), {max:.2} % at most"
            ))
        };
        if let (Some(missed), Some(apart)) = (shown(self.completeness), shown(self.inaccuracy)) {
            let _ = writeln!(
                text,
                "\nIntegrated gradients, {STEPS} steps: their sum misses the logit's difference by {missed}\n\
                 They differ from those of {FINE_STEPS} equal steps by {apart} of their size"
            );
        }
        if self.shares.is_empty() {
            return text;
        }
        text += "\nWhere the credit of integrated gradients goes, %\n\nclass  beats";
        for wave in Wave::ALL {
            let _ = write!(text, "{:>7}", wave.name());
        }
        let _ = writeln!(text, "{:>7}{:>8}", "rest", "rhythm");
        for (class, beats, shares) in &self.shares {
            let _ = write!(text, "{class:<5}{beats:>7}");
            for part in shares.waves.iter().chain([&shares.rest]) {
                let _ = write!(text, "{:>7.1}", 100.0 * part);
            }
            let _ = writeln!(text, "{:>8.1}", 100.0 * shares.rhythm);
        }
        text
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let methods = self.methods.iter().map(|(method, faithful, correlation)| {
            let value = json!({
                "deletion_gain": as_json(&faithful.deletion),
                "insertion_gain": as_json(&faithful.insertion),
                "shuffled_weights_correlation": as_json(correlation),
            });
            (method.name().to_owned(), value)
        });
        let shares = self.shares.iter().map(|(class, beats, shares)| {
            let [p, qrs, t] = shares.waves;
            let value = json!({
                "beats": beats, "P": p, "QRS": qrs, "T": t,
                "rest": shares.rest, "rhythm": shares.rhythm,
            });
            (class.clone(), value)
        });
        let quantiles = |quantiles: Option<[f64; 3]>| {
            quantiles.map(|[median, p95, max]| json!({"median": median, "p95": p95, "max": max}))
        };
        json!({
            JSON_KEY: MAKER,
            "beats": self.beats,
            "methods": methods.collect::<serde_json::Map<_, _>>(),
            "completeness_error": quantiles(self.completeness),
            "credit_error": quantiles(self.inaccuracy),
            "shares": shares.collect::<serde_json::Map<_, _>>(),
        })
    }
}
