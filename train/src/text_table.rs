//! Tables for people: columns of one width.

use std::io::Write;

use crate::error::{Error, Result};

/// Rows with columns of one width, two spaces apart; cells of which `right` is
/// true end on one line, as numbers should. The rows have equally many cells.
pub fn aligned(rows: &[Vec<String>], right: impl Fn(usize) -> bool) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| -> usize {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            line += &match right(column) {
                true => format!("{cell:>width$}  "),
                false => format!("{cell:<width$}  "),
            };
        }
        text += line.trim_end();
        text += "\n";
    }
    text
}

/// Writes a text to standard output.
///
/// # Errors
/// When it cannot be written.
pub fn show(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(Error::Stdout)
}

/// A figure with four decimals; `-` where it is undefined.
pub fn figure(value: Option<f64>) -> String {
    value.map_or("-".into(), |v| format!("{v:.4}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_end_or_begin_on_one_line() {
        let rows = [["γ", "10"], ["two", "1"]].map(|row| row.map(String::from).to_vec());
        assert_eq!(aligned(&rows, |column| column > 0), "γ    10\ntwo   1\n");
    }
}
