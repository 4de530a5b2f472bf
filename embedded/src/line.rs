//! One line of a stream of text to the numbers in it.

use data::formats::foreign;

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A frame of samples.
    Frame,
    /// Nothing, or a remark.
    Empty,
    /// The names of the columns.
    Header,
}

/// Reads a line into `values`, one per column, NaN for a missing sample; the
/// `first` line of a stream may be a header, and may have a byte-order mark.
///
/// # Errors
/// In words: what is no number, or how the number of columns is not `channels`.
pub(crate) fn read(
    line: &[u8],
    first: bool,
    channels: usize,
    values: &mut Vec<f64>,
) -> Result<Line, String> {
    values.clear();
    let doubtful = first || line.contains(&0);
    if let Some(what) = doubtful.then(|| foreign::kind(line)).flatten() {
        return Err(format!("it is {what}, or give another --format"));
    }
    let mark = first
        .then(|| line.strip_prefix(foreign::BYTE_ORDER_MARK))
        .flatten();
    let Ok(line) = std::str::from_utf8(mark.unwrap_or(line)) else {
        return Err("the line is not text; are these raw samples? give --format".into());
    };
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(Line::Empty);
    }
    let separator = [';', '\t', ','].into_iter().find(|s| line.contains(*s));
    for (column, field) in line.split(separator.unwrap_or(' ')).enumerate() {
        let field = field.trim();
        // Runs of spaces separate as one; an empty field between commas is a
        // missing sample.
        if field.is_empty() && separator.is_none() {
            continue;
        }
        match number(field, separator) {
            Some(value) => values.push(value),
            None if first && column == 0 => return Ok(Line::Header),
            None => {
                return Err(format!(
                    "'{}' is not a number, in '{}'",
                    shown(field),
                    shown(line)
                ));
            }
        }
    }
    // Some programs end a line with a separator.
    if values.len() == channels + 1 && separator.is_some_and(|s| line.ends_with(s)) {
        values.pop();
    }
    match values.len() == channels {
        true => Ok(Line::Frame),
        false => Err(miscounted(line, separator, values.len(), channels)),
    }
}

/// The number of a field, perhaps in quotes, and with a decimal comma where
/// the comma does not separate; NaN for a missing sample.
fn number(field: &str, separator: Option<char>) -> Option<f64> {
    let inner = field.strip_prefix('"').and_then(|f| f.strip_suffix('"'));
    let field = inner.unwrap_or(field).trim();
    if field.is_empty() || field == "-" {
        return Some(f64::NAN);
    }
    let whole = field.parse().ok();
    let commas = || -> Option<f64> {
        let (before, after) = field.split_once(',')?;
        let digits = !after.is_empty() && after.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| format!("{before}.{after}").parse().ok())?
    };
    whole.or_else(|| commas().filter(|_| separator != Some(',')))
}

fn miscounted(line: &str, separator: Option<char>, found: usize, channels: usize) -> String {
    let counts = format!("{found} columns, expected {channels}, in '{}'", shown(line));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    // A fraction has no sign and no space before it.
    let decimal = separator == Some(',')
        && found == 2 * channels
        && line.split(',').skip(1).step_by(2).all(digits);
    match decimal {
        true => format!(
            "{counts}: if the comma is a decimal comma, write points instead (tr , .) or semicolons between columns; if it separates columns, set --channels {found}"
        ),
        false => format!("{counts}; set --channels"),
    }
}

/// A line as a message can show it.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let more = if text.chars().count() > LONGEST {
        "..."
    } else {
        ""
    };
    let start: String = text
        .chars()
        .take(LONGEST)
        .flat_map(char::escape_debug)
        .collect();
    start + more
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(line: &str, first: bool, channels: usize) -> Result<Vec<f64>, String> {
        let mut values = Vec::new();
        match read(line.as_bytes(), first, channels, &mut values)? {
            Line::Frame => Ok(values),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn decimal_commas_are_read_where_they_have_one_meaning() {
        assert_eq!(values("0,5;-1,25", false, 2).unwrap(), [0.5, -1.25]);
        assert_eq!(values("0,5\t1", false, 2).unwrap(), [0.5, 1.0]);
        assert_eq!(values("0,5", false, 2).unwrap(), [0.0, 5.0]);
        let refusal = values("-0,145", false, 1).unwrap_err();
        assert!(refusal.contains("decimal comma"), "{refusal}");
        assert!(refusal.contains("'-0,145'"), "{refusal}");
        let refusal = values("1,-2", false, 1).unwrap_err();
        assert!(!refusal.contains("decimal"), "{refusal}");
        assert!(
            values("0,5,1,25", false, 2)
                .unwrap_err()
                .contains("decimal")
        );
    }

    #[test]
    fn marks_quotes_and_trailing_separators_are_no_samples() {
        assert_eq!(values("\u{feff}-0.5", true, 1).unwrap(), [-0.5]);
        assert_eq!(values("\"7\"", false, 1).unwrap(), [7.0]);
        assert_eq!(values("7,", false, 1).unwrap(), [7.0]);
        assert!(values("7,", false, 2).unwrap()[1].is_nan());
        assert_eq!(values("mlii,v1", true, 2).unwrap_err(), "Header");
        assert!(
            values("ECG: 995", false, 1)
                .unwrap_err()
                .contains("in 'ECG: 995'")
        );
        assert!(values("9\09\0", false, 1).unwrap_err().contains("NUL"));
        assert!(values("1\0", true, 1).unwrap_err().contains("UTF-16"));
    }
}
