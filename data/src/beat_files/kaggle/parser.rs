//! Lines to beats, and what a file's beats must have in common.

use super::dialect::First;
use super::{Reader, number};
use crate::pipeline::beats::Beats;
use crate::record::error::{Error, Result};

/// What the rows of a file have in common.
#[derive(Debug)]
pub(super) struct Extent {
    rows: u64,
    /// Lowest and highest sample.
    low: f32,
    high: f32,
    /// Whether each row so far begins with a whole number and has the first class.
    whole_first: bool,
    /// Whether a row jumps from 0 to nearly 1 at its start.
    jump: bool,
}

impl Default for Extent {
    fn default() -> Extent {
        Extent {
            rows: 0,
            low: f32::INFINITY,
            high: f32::NEG_INFINITY,
            whole_first: true,
            jump: false,
        }
    }
}

impl Extent {
    /// Rows that were added.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    fn add(&mut self, window: &[f32], class: Option<usize>) {
        self.rows += 1;
        for &value in window {
            self.low = self.low.min(value);
            self.high = self.high.max(value);
        }
        let zero = class == Some(0);
        self.whole_first &= zero && window[0].fract() == 0.0;
        self.jump |= window[0] == 0.0 && window[1] > 0.8;
    }

    /// Why these rows cannot be what the format says, although each of them
    /// could be. Each published row has 0 and, unless it was cut, 1 in it, and
    /// none goes from one to the other within a sample.
    pub fn doubt(&self) -> Option<String> {
        const LEAST_HIGH: f32 = 0.5;
        const MOST_LOW: f32 = 0.25;
        if self.whole_first && self.jump {
            return Some(
                "column 1 holds whole numbers and the last column 0 only: is the class in column 1? it must be the last column".into(),
            );
        }
        (self.high < LEAST_HIGH || self.low > MOST_LOW).then(|| {
            format!(
                "all samples lie between {} and {}; each beat must be scaled so that its lowest sample is 0 and its highest 1",
                self.low, self.high
            )
        })
    }
}

impl Reader {
    /// Parses the line in the buffer as one beat.
    pub(super) fn row(&mut self, beats: &mut Beats) -> Result<()> {
        let length = self.spec.length();
        let separator = self.dialect.separator;
        let start = beats.windows.len();
        let mut rest = self.dialect.without_trailing(&self.buffer);
        let mut label = None;
        let mut columns = 0;
        loop {
            let (cell, after) = number::take(rest, separator);
            columns += 1;
            match cell {
                Some(value) if value.is_finite() && columns <= length => beats.windows.push(value),
                Some(value) if value.is_finite() => label = Some(value),
                _ => return Err(self.not_a_number(rest, columns)),
            }
            match after {
                Some(after) => rest = after,
                None => break,
            }
            if columns > length + 1 {
                columns += rest.iter().filter(|&&b| b == separator).count() + 1;
                break;
            }
        }
        self.count(columns)?;
        debug_assert_eq!(beats.windows.len(), start + length);
        let window = &beats.windows[start..];
        let normalisation = self.spec.normalisation;
        if let Some(at) = window.iter().position(|&v| !normalisation.allows(v)) {
            return Err(self.unscaled(window[at], at + 1, columns));
        }
        let class = label.map(|value| self.class(value, columns)).transpose()?;
        self.extent.add(window, class);
        beats.labels.extend(class);
        Ok(())
    }

    /// Whether a row of so many columns fits, and the rows before it.
    fn count(&mut self, columns: usize) -> Result<()> {
        let length = self.spec.length();
        let (expected, line) = match self.columns {
            Some(settled) => settled,
            None if columns == length || columns == length + 1 => (columns, self.line),
            None => {
                let doubled = [length * 2, length * 2 + 1, length * 2 + 2].contains(&columns);
                let hint = match (doubled && self.dialect.separator == b',', columns) {
                    (true, _) => {
                        "; are the commas inside the numbers decimal commas? write points, or semicolons between the numbers"
                    }
                    (_, 1) => "; the numbers are separated by commas",
                    _ => "",
                };
                return Err(self.malformed(format!(
                    "{columns} columns; expected {length} samples and, where known, the class{hint}"
                )));
            }
        };
        if columns != expected {
            let hint = match columns {
                n if n == expected + 1 && line == 1 && self.extent.rows() == 0 => {
                    "; is column 1 an index? write the file without it"
                }
                _ => "",
            };
            return Err(self.malformed(format!(
                "{columns} columns; expected {expected} as in line {line}{hint}"
            )));
        }
        self.columns = Some((expected, line));
        Ok(())
    }

    fn class(&self, value: f32, column: usize) -> Result<usize> {
        let class = self.classes.of_value(&value.to_string());
        class.ok_or_else(|| {
            let between = (0.0..1.0).contains(&value);
            let hint = match between {
                true => "; is it a sample, and the class in another column? it must be the last",
                false => "",
            };
            self.malformed(format!(
                "the class in column {column} is {value}; expected {}{hint}",
                self.classes.values_in_words()
            ))
        })
    }

    /// The error for a sample that the format's scaling does not allow.
    fn unscaled(&self, value: f32, column: usize, columns: usize) -> Error {
        if let Some(header) = self.second_header() {
            return header;
        }
        let row = self.extent.rows();
        let class = self.classes.of_value(&value.to_string()).is_some();
        let hint = match column {
            1 if class && columns > self.spec.length() => {
                "; if it is the class, move it to the last column"
            }
            c if class && c == self.spec.length() && c == columns => {
                "; if it is the class, a sample is missing before it"
            }
            _ => "; scale each beat, or cut beats from the recording with `data convert`",
        };
        self.malformed(format!(
            "column {column} of row {row} (counted from 0) is {value}; {}{hint}",
            self.spec.normalisation.rule()
        ))
    }

    fn not_a_number(&self, rest: &[u8], column: usize) -> Error {
        if let Some(header) = self.second_header() {
            return header;
        }
        let (cell, _) = number::split(rest, self.dialect.separator);
        let shown: String = String::from_utf8_lossy(cell).chars().take(20).collect();
        self.malformed(format!("column {column} is {shown:?}, not a finite number"))
    }

    /// The error for a header line that is not the first line.
    fn second_header(&self) -> Option<Error> {
        let found = self.dialect.first(&self.buffer, self.spec.length());
        (self.line > 1 && matches!(found, First::Header(_))).then(|| {
            self.malformed(
                "a header line among the beats; were files joined? remove the line".into(),
            )
        })
    }
}
