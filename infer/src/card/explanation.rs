//! How good a model's explanations are, as Markdown tables.

use std::fmt::Write;
use std::path::Path;

use data::Class;
use data::scoring::metrics::percent;
use serde_json::Value;

use super::read_json;
use crate::error::Result;
use crate::explain::faithfulness::FINE_STEPS;
use models::explain::integrated_gradients::STEPS;
use models::explain::methods::Method;

/// The parts of a beat that credit goes to, as the file names them.
const PARTS: [&str; 5] = ["P", "QRS", "T", "rest", "rhythm"];

/// The tables of a `score.json` that `infer explain --score` wrote on `data`.
///
/// # Errors
/// The file cannot be read or is not a score of explanations.
pub fn section(path: &Path, data: &str) -> Result<String> {
    let score = read_json(path, "infer explain --score", ["methods", "shares"])?;
    let number = |place: &str| score.pointer(place).and_then(Value::as_f64);
    let mut text = format!(
        "### Explanations\n\nBy `infer explain --score`. {data}, {} beats. Gain in mean probability of the class over a random order of deleting or inserting stretches of 30 ms (above 0 is better), and correlation with the credit of the same network with shuffled weights (near 0 is better); 95 % intervals over patients.\n\n\
         | method | deletion | insertion | shuffled weights |\n|---|---|---|---|\n",
        score["beats"]
    );
    for method in &Method::ALL {
        let name = method.name();
        let shown = |what: &str| {
            let at = |end: &str| number(&format!("/methods/{name}/{what}/{end}"));
            let mean = at("mean").map_or("-".into(), |mean| format!("{mean:+.3}"));
            match (at("interval/0"), at("interval/1")) {
                (Some(low), Some(high)) => format!("{mean} ({low:+.3} to {high:+.3})"),
                _ => mean,
            }
        };
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} |",
            shown("deletion_gain"),
            shown("insertion_gain"),
            shown("shuffled_weights_correlation")
        );
    }
    let _ = write!(
        text,
        "\nIntegrated gradients of {STEPS} steps miss the logit's difference by {} % (median), {} % (95 % of beats below), {} % at most; their credits differ from those of {FINE_STEPS} equal steps by {} % (median), {} % (95 % of beats below) of their size. Where the credit goes, %:\n\n\
         | class | beats | {} |\n|---|---|{}\n",
        percent(number("/completeness_error/median")),
        percent(number("/completeness_error/p95")),
        percent(number("/completeness_error/max")),
        percent(number("/credit_error/median")),
        percent(number("/credit_error/p95")),
        PARTS.join(" | "),
        "---|".repeat(PARTS.len())
    );
    for class in Class::ALL {
        let Some(beats) = number(&format!("/shares/{class}/beats")) else {
            continue;
        };
        let part = |part: &str| percent(number(&format!("/shares/{class}/{part}")));
        let _ = writeln!(
            text,
            "| {class} | {beats} | {} |",
            PARTS.map(part).join(" | ")
        );
    }
    text.push('\n');
    Ok(text)
}
