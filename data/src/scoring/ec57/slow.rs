//! A second comparison of beats, slow and obvious: every question is answered
//! by going through all annotations again.

use std::collections::BTreeMap;

use crate::record::aami::{Class, Convention};
use crate::record::annotation::{Annotation, Symbol};

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
        // The start of the record stands for a beat or an end that is not there.
        let last_of = |is_one: &dyn Fn(usize) -> bool| {
            let last = (0..index).rev().find(|k| is_one(*k));
            last.map_or(0, |k| self.all[k].sample)
        };
        let last = last_of(&|k| self.is_beat_or_wave(k)).max(last_of(&|k| self.closes(k)));
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
    let book = |all| Book { all, window };
    let (reference, test) = (book(reference), book(test));
    let scored = |book: &Book<'_>| -> Vec<usize> {
        (0..book.all.len())
            .filter(|k| book.is_beat_or_wave(*k) && book.all[*k].sample >= start)
            .collect()
    };
    let mut lists = Lists {
        left: scored(&reference),
        right: scored(&test),
        reference,
        test,
        cells: BTreeMap::new(),
        differences: Vec::new(),
    };
    lists.begin(start);
    while lists.goes_on(length) {
        lists.take_the_earliest();
    }
    let squares: f64 = lists.differences.iter().map(|d| d * d).sum();
    let count = lists.differences.len();
    Found {
        rr_error: (count > 0).then(|| (squares / count as f64).sqrt()),
        shut_down: lists.shut_down(length),
        cells: lists.cells,
    }
}

/// Beats and waves of both annotators that are not compared yet, as indices of
/// annotations, and what was found.
struct Lists<'a> {
    reference: Book<'a>,
    test: Book<'a>,
    left: Vec<usize>,
    right: Vec<usize>,
    cells: BTreeMap<(char, char), u64>,
    differences: Vec<f64>,
}

fn at(book: &Book<'_>, index: Option<usize>) -> Option<i64> {
    index.map(|k| book.all[k].sample)
}

fn gap(a: Option<i64>, b: Option<i64>) -> i64 {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs(),
        _ => i64::MAX,
    }
}

fn beats(book: &Book<'_>, list: &[usize]) -> Vec<usize> {
    list.iter().copied().filter(|k| book.is_beat(*k)).collect()
}

impl Lists<'_> {
    fn count(&mut self, reference: char, test: char) {
        let cell = (reference, test.to_ascii_lowercase());
        *self.cells.entry(cell).or_default() += 1;
    }

    fn tally(&mut self, r: Option<usize>, t: Option<usize>) {
        let interval = r.and_then(|r| self.reference.interval(r));
        if let (Some(a), Some(b)) = (interval, t.and_then(|t| self.test.interval(t))) {
            self.differences.push((a - b) as f64);
        }
    }

    fn pair(&mut self, r: usize, t: usize) {
        self.tally(Some(r), Some(t));
        self.count(self.reference.letter(r), self.test.letter(t));
        self.left.retain(|k| *k > r);
        self.right.retain(|k| *k > t);
    }

    /// The beats around the start.
    fn begin(&mut self, start: i64) {
        let window = self.test.window;
        let first = beats(&self.reference, &self.left).first().copied();
        let tests = beats(&self.test, &self.right);
        let (one, two) = (tests.first().copied(), tests.get(1).copied());
        let learnt = (0..self.test.all.len())
            .rev()
            .find(|k| self.test.is_beat(*k) && self.test.all[*k].sample < start);
        let distance = |t| gap(at(&self.reference, first), at(&self.test, t));
        let is_learnt = distance(learnt) <= window && distance(learnt) < distance(one);
        let is_left_out = start > 0
            && gap(at(&self.test, one), Some(start)) <= window
            && distance(two) < distance(one);
        if is_learnt {
            self.pair(first.unwrap(), learnt.unwrap());
        } else if is_left_out {
            self.right.retain(|k| Some(*k) > one);
        }
    }

    fn goes_on(&self, length: Option<i64>) -> bool {
        let r = at(&self.reference, self.left.first().copied());
        let t = at(&self.test, self.right.first().copied());
        match length {
            Some(end) => r.is_some_and(|s| s <= end) || t.is_some_and(|s| s <= end),
            None => r.is_some(),
        }
    }

    fn take_the_earliest(&mut self) {
        let (r, t) = (self.left.first().copied(), self.right.first().copied());
        let times = (at(&self.reference, r), at(&self.test, t));
        let test_is_first = times.1.unwrap_or(i64::MAX) < times.0.unwrap_or(i64::MAX);
        let rs = beats(&self.reference, &self.left);
        let ts = beats(&self.test, &self.right);
        let sample = |book: &Book<'_>, list: &[usize], n: usize| at(book, list.get(n).copied());
        let [r1, r2] = [0, 1].map(|n| sample(&self.reference, &rs, n));
        let [t1, t2] = [0, 1].map(|n| sample(&self.test, &ts, n));
        // The later beat of the two, the beat that could lure it away from the
        // earlier one, and that beat's own alternative.
        let (late, lure, other) = match test_is_first {
            true => (r1, t2, r2),
            false => (t1, r2, t2),
        };
        let is_beat = match test_is_first {
            true => ts.first() == t.as_ref(),
            false => rs.first() == r.as_ref(),
        };
        let partners = gap(r1, t1) <= self.test.window
            && (gap(r1, t1) < gap(late, lure) || gap(other, lure) < gap(late, lure));
        if is_beat && partners {
            self.pair(rs[0], ts[0]);
            return;
        }
        self.tally(r, t);
        if test_is_first {
            let t = self.right.remove(0);
            let sample = self.test.all[t].sample;
            let said = match self.reference.fibrillates(sample) {
                true => '*',
                false => self.reference.absent(sample).to_ascii_uppercase(),
            };
            if is_beat {
                self.count(said, self.test.letter(t));
            }
        } else {
            let r = self.left.remove(0);
            if is_beat {
                let said = self.test.absent(self.reference.all[r].sample);
                self.count(self.reference.letter(r), said);
            }
        }
    }

    /// Samples of the shutdowns before the second of the test beats that are
    /// left.
    fn shut_down(&self, length: Option<i64>) -> i64 {
        let last = self.right.get(1).copied().unwrap_or(usize::MAX);
        let marks = 0..self.test.all.len().min(last);
        let shutdowns = marks.filter_map(|k| self.test.shutdown(k));
        shutdowns
            .map(|(from, to)| match (to, length) {
                (i64::MAX, Some(end)) => (end - from).max(0),
                (i64::MAX, None) => 0,
                _ => to - from,
            })
            .sum()
    }
}
