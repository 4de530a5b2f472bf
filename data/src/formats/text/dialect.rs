//! How a CSV file is written: its separator, and whether its first line is a
//! header.

use std::ops::RangeInclusive;

use super::number;

/// Separators, the likeliest to be told apart first: a comma may be a decimal
/// comma where another one separates.
const SEPARATORS: [u8; 5] = [b';', b'\t', b'|', b' ', b','];

/// How cells are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// The byte between cells; runs of spaces count as one.
    pub separator: u8,
}

impl Default for Dialect {
    fn default() -> Dialect {
        Dialect { separator: b',' }
    }
}

/// What a first line is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// A beat.
    Row,
    /// Names of columns.
    Header(Vec<String>),
    /// Something that must be refused, and why.
    Refused(String),
}

impl Dialect {
    /// The separator that cuts a first line into so many cells. Where that is
    /// not known, or none does: the first one that is in it, commas last, for
    /// they may be decimal commas.
    pub fn of(line: &[u8], widths: Option<RangeInclusive<usize>>) -> Dialect {
        let separates = |dialect: &Dialect, cells: &[String]| {
            dialect.separator != b' ' || cells.iter().all(|c| number::cell(c.as_bytes()).is_some())
        };
        let mut known = SEPARATORS
            .map(|separator| Dialect { separator })
            .into_iter();
        let found = match widths {
            Some(widths) => known.find(|dialect| {
                let cells = dialect.cells(line);
                widths.contains(&cells.len()) && separates(dialect, &cells)
            }),
            None => known.find(|dialect| {
                let cells = dialect.cells(line);
                let commas = dialect.separator == b' ' && line.contains(&b',');
                cells.len() > 1 && separates(dialect, &cells) && !commas
            }),
        };
        found.unwrap_or_default()
    }

    /// A line without the separator that some programs put at its end.
    pub fn without_trailing<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        match (line.strip_suffix(&[self.separator]), self.separator) {
            (Some(_), b' ') => line.trim_ascii(),
            (Some(line), _) => line,
            (None, b' ') => line.trim_ascii_start(),
            (None, _) => line,
        }
    }

    /// The cells of a line, trimmed and without quotes.
    pub fn cells(&self, line: &[u8]) -> Vec<String> {
        let mut rest = self.without_trailing(line);
        let mut cells = Vec::new();
        loop {
            let (cell, after) = number::split(rest, self.separator);
            cells.push(String::from_utf8_lossy(number::bare(cell)).into_owned());
            match after {
                Some(after) => rest = after,
                None => return cells,
            }
        }
    }

    /// The names in a line that is known to be a header.
    pub fn names(&self, line: &[u8]) -> Vec<String> {
        self.cells(line.strip_prefix(b"#").unwrap_or(line))
    }

    /// Whether the first line of a file is a beat.
    pub fn first(&self, line: &[u8]) -> First {
        let cells = self.names(line);
        let values: Vec<_> = cells.iter().map(|c| number::cell(c.as_bytes())).collect();
        let numbers: Vec<f32> = values.iter().flatten().copied().collect();
        let names = cells.len() - numbers.len();
        let counted = numbers.len() >= 3
            && (numbers[0] == 0.0 || numbers[0] == 1.0)
            && numbers.windows(2).all(|w| w[1] == w[0] + 1.0);
        let named = numbers.is_empty() && cells.iter().any(|c| !c.is_empty());
        if counted || named {
            return First::Header(cells);
        }
        match names > 0 && cells.iter().any(|c| is_mangled(c)) {
            true => First::Refused(
                "the first line is a beat that a program has taken for a header (pandas numbers equal names: 0.0, 0.0.1, 0.0.2); write the file again from the original, read with header=None".into(),
            ),
            false => First::Row,
        }
    }
}

/// Whether a name is a number to which `.1`, `.2`, ... was added.
fn is_mangled(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(number, count)| {
        number.contains('.')
            && number.parse::<f32>().is_ok()
            && count.parse::<u32>().is_ok()
            && name.parse::<f32>().is_err()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_told_by_the_number_of_cells() {
        for (line, separator) in [
            ("0.5,1,0,0.25", b','),
            ("0.5, 1, 0, 0.25", b','),
            ("0,5;1;0;0,25", b';'),
            ("0,5;1;0;0,25;", b';'),
            ("0,5\t1\t0\t0,25\t3", b'\t'),
            ("0,5 1 0 0,25 3", b' '),
            ("0.5  1  0  0.25", b' '),
            ("a b,c d,e,f", b','),
            ("\"0,5\",\"1\",\"0\",\"1\"", b','),
            ("1", b','),
        ] {
            assert_eq!(
                Dialect::of(line.as_bytes(), Some(4..=6)).separator,
                separator,
                "{line}"
            );
        }
    }

    #[test]
    fn separators_of_any_number_of_cells_are_told() {
        for (line, separator) in [
            ("0.5,1,0,0.25,7", b','),
            ("0,5;1;0;0,25", b';'),
            ("0,5\t0,1\t0,2", b'\t'),
            ("0.5 1 0", b' '),
            ("time s,class name", b','),
            ("0.5, 1, 0, 0.25", b','),
            ("1", b','),
        ] {
            assert_eq!(
                Dialect::of(line.as_bytes(), None).separator,
                separator,
                "{line}"
            );
        }
    }
}
