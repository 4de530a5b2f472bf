//! How a CSV file is written: its separator, and whether its first line is a
//! header.

use super::number;

/// Separators, the likeliest to be told apart first: a comma may be a decimal
/// comma where another one separates.
const SEPARATORS: [u8; 5] = [b';', b'\t', b'|', b' ', b','];

/// How cells are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
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
pub(super) enum First {
    /// A beat.
    Row,
    /// So many names of columns.
    Header(usize),
    /// Something that must be refused, and why.
    Refused(String),
}

impl Dialect {
    /// The separator that cuts a first line into `length` cells, or one more
    /// for the class; a comma when none does.
    pub fn of(line: &[u8], length: usize) -> Dialect {
        let fits = |dialect: &Dialect| {
            let cells = dialect.cells(line);
            let separates = dialect.separator != b' '
                || cells.iter().all(|c| number::cell(c.as_bytes()).is_some());
            // An index column makes one more; it is refused by name later.
            (length..=length + 2).contains(&cells.len()) && separates
        };
        let mut known = SEPARATORS
            .map(|separator| Dialect { separator })
            .into_iter();
        known.find(fits).unwrap_or_default()
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
    fn cells(&self, line: &[u8]) -> Vec<String> {
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

    /// Whether the first line of a file of `length` samples a row is a beat.
    pub fn first(&self, line: &[u8], length: usize) -> First {
        let line = line.strip_prefix(b"#").unwrap_or(line);
        let cells = self.cells(line);
        let values: Vec<_> = cells.iter().map(|c| number::cell(c.as_bytes())).collect();
        let numbers: Vec<f32> = values.iter().flatten().copied().collect();
        let names = cells.len() - numbers.len();
        let counted = numbers.len() >= 3
            && (numbers[0] == 0.0 || numbers[0] == 1.0)
            && numbers.windows(2).all(|w| w[1] == w[0] + 1.0);
        let named = numbers.is_empty() && cells.iter().any(|c| !c.is_empty());
        if !(counted || named) {
            let mangled = names > 0 && cells.iter().any(|c| is_mangled(c));
            return match mangled {
                true => First::Refused(
                    "the first line is a beat that a program has taken for a header (pandas numbers equal names: 0.0, 0.0.1, 0.0.2); write the file again from the original, read with header=None".into(),
                ),
                false => First::Row,
            };
        }
        if !(length..=length + 1).contains(&cells.len()) {
            let indexed = cells.len() == length + 2 && is_index(&cells[0]);
            return First::Refused(match indexed {
                true => index_column(),
                false => format!(
                    "the line is no row of numbers, and as a header it has {} columns; expected {length} samples and, where known, the class",
                    cells.len()
                ),
            });
        }
        if is_index(&cells[0]) {
            return First::Refused(index_column());
        }
        let class = cells.iter().position(|c| is_class(c));
        match class.filter(|at| at + 1 != cells.len()) {
            Some(at) => First::Refused(format!(
                "the header names the class '{}' in column {}; it must be the last column, after {length} samples",
                cells[at],
                at + 1
            )),
            None => First::Header(cells.len()),
        }
    }
}

fn index_column() -> String {
    "column 1 is an index that counts the rows; write the file without it (in pandas: to_csv(FILE, index=False, header=False))".into()
}

/// Names that programs give to a column that counts the rows.
fn is_index(name: &str) -> bool {
    name.is_empty()
        || name.starts_with("Unnamed")
        || ["index", "id", "row"]
            .iter()
            .any(|n| name.eq_ignore_ascii_case(n))
}

/// Names that people give to the column of the class.
fn is_class(name: &str) -> bool {
    ["label", "labels", "class", "target", "y"]
        .iter()
        .any(|n| name.eq_ignore_ascii_case(n))
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

    fn first(line: &str) -> First {
        Dialect::of(line.as_bytes(), 4).first(line.as_bytes(), 4)
    }

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
                Dialect::of(line.as_bytes(), 4).separator,
                separator,
                "{line}"
            );
        }
    }

    #[test]
    fn headers_of_every_kind_are_known() {
        for line in [
            "0,1,2,3",
            "1,2,3,4",
            "0.0;1.0;2.0;3.0",
            "0,1,2,3,label",
            "#0,1,2,3",
            "# 0,1,2,3",
        ] {
            assert!(matches!(first(line), First::Header(_)), "{line}");
        }
        for line in [
            "a,b,c,d",
            "\"x 0\",\"x 1\",\"x 2\",\"x 3\",\"class\"",
            "a;b;c;d",
            "0,1,2,3,4",
        ] {
            assert!(matches!(first(line), First::Header(_)), "{line}");
        }
        for line in [
            "1.0,0.5,0.25,0",
            "1,0,1,0",
            "0,1,x,0.5",
            "nan,nan,nan,nan",
            "0,1,1,0,2",
        ] {
            assert_eq!(first(line), First::Row, "{line}");
        }
        for (line, word) in [
            (",0,1,2,3", "index"),
            ("Unnamed: 0,a,b,c,d,label", "index"),
            ("label,0,1,2,3", "column 1"),
            ("1.0,0.5,0.0,0.0.1", "header=None"),
            ("hello", "1 columns"),
        ] {
            assert!(
                matches!(first(line), First::Refused(why) if why.contains(word)),
                "{line}"
            );
        }
    }
}
