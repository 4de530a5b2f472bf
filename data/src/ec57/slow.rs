//! A second comparison of beats, slow and obvious: every question is answered
//! by going through all annotations again.

use std::collections::BTreeMap;

use crate::aami::{Class, Convention};
use crate::annotation::{Annotation, Symbol};

/// What it finds: cells by the letters of reference and test (`*` where the
/// reference fibrillates), the RR error in samples, the shutdown in samples.
#[derive(Debug, Default, PartialEq)]
pub struct Found {
    pub cells: BTreeMap<(char, char), u64>,
    pub rr_error: Option<f64>,
    pub shut_down: i64,
}

/// Annotations of one annotator in order, and the window.
struct Book<'a> {
    all: &'a [Annotation],
    window: i64,
}

impl Book<'_> {
    /// Whether the annotation stands after a `[` that no `]` has ended yet.
    fn is_inside(&self, index: usize) -> bool {
        let mut inside = false;
        for annotation in &self.all[..index] {
            match annotation.symbol.as_str() {
                "[" => inside = true,
                "]" => inside = false,
                _ => {}
            }
        }
        inside
    }

    fn opens(&self, index: usize) -> bool {
        self.all[index].symbol == Symbol::VF_ON && !self.is_inside(index)
    }

    fn closes(&self, index: usize) -> bool {
        self.all[index].symbol == Symbol::VF_OFF && self.is_inside(index)
    }

    fn is_beat_or_wave(&self, index: usize) -> bool {
        let a = &self.all[index];
        let is_one =
            Class::from_symbol(a.symbol, Convention::Bxb).is_some() || a.symbol.as_str() == "!";
        is_one && !self.is_inside(index)
    }

    fn is_beat(&self, index: usize) -> bool {
        self.is_beat_or_wave(index) && self.all[index].symbol.as_str() != "!"
    }

    fn is_shut(&self, index: usize) -> bool {
        let a = &self.all[index];
        a.symbol.as_str() == "~" && a.subtype & 0x10 != 0 && a.subtype & 0x20 != 0
    }

    /// First and last sample of the shutdown that an annotation begins.
    fn shutdown(&self, index: usize) -> Option<(i64, i64)> {
        if !self.is_shut(index) || self.is_inside(index) {
            return None;
        }
        let here = self.all[index].sample;
        let Some(next) = self.all.get(index + 1) else {
            return Some((here, i64::MAX));
        };
        if next.symbol.as_str() == "~" && !self.is_shut(index + 1) {
            return Some((here, next.sample));
        }
        let last = (0..index)
            .filter(|k| self.is_beat_or_wave(*k) || self.closes(*k))
            .map(|k| self.all[k].sample)
            .fold(0, i64::max);
        let end = next.sample - self.window;
        Some(((last + self.window).min(end), end))
    }

    fn fibrillates(&self, sample: i64) -> bool {
        (0..self.all.len()).filter(|k| self.opens(*k)).any(|k| {
            let end = (k..self.all.len()).find(|e| self.closes(*e));
            let end = end.map_or(i64::MAX, |e| self.all[e].sample);
            self.all[k].sample <= sample && sample <= end
        })
    }

    fn is_dark(&self, sample: i64) -> bool {
        let mut shutdowns = (0..self.all.len()).filter_map(|k| self.shutdown(k));
        shutdowns.any(|(from, to)| (from..=to).contains(&sample))
    }

    /// The true RR interval that ends at a beat or wave.
    fn interval(&self, index: usize) -> Option<i64> {
        let before = (0..index).rev().find(|k| self.is_beat_or_wave(*k))?;
        let (from, to) = (self.all[before].sample, self.all[index].sample);
        for k in 0..index {
            let begins = match self.opens(k) {
                true => Some(self.all[k].sample),
                false => self.shutdown(k).map(|s| s.0),
            };
            if begins.is_some_and(|b| from <= b && b < to) {
                return None;
            }
        }
        (to > from).then(|| to - from)
    }

    fn letter(&self, index: usize) -> char {
        let class = Class::from_symbol(self.all[index].symbol, Convention::Bxb);
        class.map_or('-', |class| class.name().chars().next().unwrap())
    }

    fn absent(&self, sample: i64) -> char {
        if self.is_dark(sample) { 'x' } else { 'o' }
    }
}

/// Lists what is left of both annotators and takes the earliest away, with its
/// partner if it has one, until nothing is left before the end.
pub fn compare(
    reference: &[Annotation],
    test: &[Annotation],
    (window, start, length): (i64, i64, Option<i64>),
) -> Found {
    let reference = Book {
        all: reference,
        window,
    };
    let test = Book { all: test, window };
    let scored = |book: &Book<'_>| -> Vec<usize> {
        (0..book.all.len())
            .filter(|k| book.is_beat_or_wave(*k) && book.all[*k].sample >= start)
            .collect()
    };
    let (mut left, mut right) = (scored(&reference), scored(&test));
    let mut found = Found::default();
    let mut differences: Vec<f64> = Vec::new();
    let mut tally = |r: Option<usize>, t: Option<usize>| {
        let interval = r.and_then(|r| reference.interval(r));
        if let (Some(a), Some(b)) = (interval, t.and_then(|t| test.interval(t))) {
            differences.push((a - b) as f64);
        }
    };
    let at = |book: &Book<'_>, index: Option<usize>| index.map(|k| book.all[k].sample);
    let gap = |a: Option<i64>, b: Option<i64>| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs(),
        _ => i64::MAX,
    };
    let beats = |book: &Book<'_>, list: &[usize]| -> Vec<usize> {
        list.iter().copied().filter(|k| book.is_beat(*k)).collect()
    };

    // The beats around the start.
    let first = beats(&reference, &left).first().copied();
    let tests = beats(&test, &right);
    let (one, two) = (tests.first().copied(), tests.get(1).copied());
    let learnt = (0..test.all.len())
        .rev()
        .find(|k| test.is_beat(*k) && test.all[*k].sample < start);
    let distance = |t| gap(at(&reference, first), at(&test, t));
    if distance(learnt) <= window && distance(learnt) < distance(one) {
        let (r, t) = (first.unwrap(), learnt.unwrap());
        tally(Some(r), Some(t));
        *found
            .cells
            .entry((reference.letter(r), test.letter(t).to_ascii_lowercase()))
            .or_default() += 1;
        left.retain(|k| *k > r);
    } else if start > 0
        && gap(at(&test, one), Some(start)) <= window
        && distance(two) < distance(one)
    {
        right.retain(|k| Some(*k) > one);
    }

    loop {
        let (r, t) = (left.first().copied(), right.first().copied());
        let times = (at(&reference, r), at(&test, t));
        let goes_on = match length {
            Some(end) => times.0.is_some_and(|s| s <= end) || times.1.is_some_and(|s| s <= end),
            None => r.is_some(),
        };
        if !goes_on {
            break;
        }
        let test_is_first = times.1.unwrap_or(i64::MAX) < times.0.unwrap_or(i64::MAX);
        let (rs, ts) = (beats(&reference, &left), beats(&test, &right));
        let sample = |book: &Book<'_>, list: &[usize], n: usize| at(book, list.get(n).copied());
        let (r1, r2) = (sample(&reference, &rs, 0), sample(&reference, &rs, 1));
        let (t1, t2) = (sample(&test, &ts, 0), sample(&test, &ts, 1));
        // The later beat of the two, the beat that could lure it away from the
        // earlier one, and that beat's own alternative.
        let (late, lure, other) = if test_is_first {
            (r1, t2, r2)
        } else {
            (t1, r2, t2)
        };
        let is_beat = match test_is_first {
            true => ts.first() == t.as_ref(),
            false => rs.first() == r.as_ref(),
        };
        let partners = gap(r1, t1) <= window
            && (gap(r1, t1) < gap(late, lure) || gap(other, lure) < gap(late, lure));
        if is_beat && partners {
            tally(Some(rs[0]), Some(ts[0]));
            let cell = (
                reference.letter(rs[0]),
                test.letter(ts[0]).to_ascii_lowercase(),
            );
            *found.cells.entry(cell).or_default() += 1;
            left.retain(|k| *k > rs[0]);
            right.retain(|k| *k > ts[0]);
        } else if test_is_first {
            tally(r, t);
            let t = right.remove(0);
            let sample = test.all[t].sample;
            let cell = match reference.fibrillates(sample) {
                true => '*',
                false => reference.absent(sample).to_ascii_uppercase(),
            };
            if test.is_beat(t) {
                let cell = (cell, test.letter(t).to_ascii_lowercase());
                *found.cells.entry(cell).or_default() += 1;
            }
        } else {
            tally(r, t);
            let r = left.remove(0);
            if reference.is_beat(r) {
                let cell = (reference.letter(r), test.absent(reference.all[r].sample));
                *found.cells.entry(cell).or_default() += 1;
            }
        }
    }
    let squares: f64 = differences.iter().map(|d| d * d).sum();
    let count = differences.len();
    found.rr_error = (count > 0).then(|| (squares / count as f64).sqrt());
    // Shutdowns before the second of the test beats that are left.
    let last = right.get(1).copied().unwrap_or(usize::MAX);
    for (from, to) in (0..test.all.len().min(last)).filter_map(|k| test.shutdown(k)) {
        found.shut_down += match (to, length) {
            (i64::MAX, Some(end)) => (end - from).max(0),
            (i64::MAX, None) => 0,
            _ => to - from,
        };
    }
    found
}
