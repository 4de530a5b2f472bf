//! What the header of a file in the Kaggle format may name.

use super::columns::{self, LABELS, is_one_of};

/// Refuses the header of a file in the Kaggle format, of `length` samples a
/// row, that puts something else than the class beside them.
pub(super) fn check_kaggle(names: &[String], length: usize) -> Result<(), String> {
    let index = "column 1 is an index that counts the rows; write the file without it (in pandas: to_csv(FILE, index=False, header=False)), or say --table drop=1";
    let first = columns::is_index(&names[0]);
    if !(length..=length + 1).contains(&names.len()) {
        return Err(match names.len() == length + 2 && first {
            true => index.into(),
            false => format!(
                "the line is no row of numbers, and as a header it has {} columns; expected {length} samples and, where known, the class; say what other columns are with --table",
                names.len()
            ),
        });
    }
    if first {
        return Err(index.into());
    }
    let class = names.iter().position(|n| is_one_of(n, &LABELS));
    match class.filter(|at| at + 1 != names.len()) {
        Some(at) => Err(format!(
            "the header names the class '{}' in column {}; it must be the last column, after {length} samples, or be named with --table label={}",
            names[at],
            at + 1,
            at + 1
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::text::dialect::{Dialect, First};

    fn first(line: &str) -> First {
        let dialect = Dialect::of(line.as_bytes(), Some(4..=6));
        match dialect.first(line.as_bytes()) {
            First::Header(names) => match check_kaggle(&names, 4) {
                Ok(()) => First::Header(names),
                Err(why) => First::Refused(why),
            },
            other => other,
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
