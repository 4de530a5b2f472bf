//! Numbers as Rust source, for files of weights.

use std::fmt::Write;

/// A field that is an array.
pub fn row(text: &mut String, name: &str, values: &[f32]) {
    let _ = writeln!(text, "    {name}: {},", list(values));
}

/// A field that is an array of arrays.
pub fn rows<const N: usize>(text: &mut String, name: &str, values: &[[f32; N]]) {
    let _ = writeln!(text, "    {name}: [");
    for values in values {
        let _ = writeln!(text, "        {},", list(values));
    }
    text.push_str("    ],\n");
}

/// Four digits are enough: the last one moves a probability by less than .001.
fn list(values: &[f32]) -> String {
    let values: Vec<String> = values.iter().map(|v| format!("{:?}", short(*v))).collect();
    format!("[{}]", values.join(", "))
}

/// The value in as many digits as are written.
pub fn short(value: f32) -> f32 {
    format!("{value:.4e}").parse().unwrap_or(value)
}
