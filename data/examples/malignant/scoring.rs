//! Duration and episodes that reference and test have in common, as EC57 asks
//! for ventricular fibrillation: any overlap matches an episode.

use crate::records::Span;

/// Sums over recordings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    /// Seconds in the reference, in the test, and in both.
    pub reference: f64,
    pub test: f64,
    pub both: f64,
    /// Reference episodes, and how many of them are found.
    pub episodes: usize,
    pub found: usize,
    /// Episodes of the test, and how many of them are true.
    pub reported: usize,
    pub right: usize,
}

impl Score {
    /// Compares the episodes of a recording.
    pub fn of(reference: &[Span], test: &[Span]) -> Score {
        let (reference, test) = (joined(reference), joined(test));
        let length = |spans: &[(f64, f64)]| spans.iter().map(|(a, b)| b - a).sum();
        let meets = |span: &(f64, f64), others: &[(f64, f64)]| {
            others.iter().map(|o| common(span, o)).sum::<f64>() > 0.0
        };
        Score {
            reference: length(&reference),
            test: length(&test),
            both: reference
                .iter()
                .flat_map(|r| test.iter().map(|t| common(r, t)))
                .sum(),
            episodes: reference.len(),
            found: reference.iter().filter(|r| meets(r, &test)).count(),
            reported: test.len(),
            right: test.iter().filter(|t| meets(t, &reference)).count(),
        }
    }

    /// Adds another recording's.
    pub fn add(&mut self, other: Score) {
        self.reference += other.reference;
        self.test += other.test;
        self.both += other.both;
        self.episodes += other.episodes;
        self.found += other.found;
        self.reported += other.reported;
        self.right += other.right;
    }
}

fn common(a: &(f64, f64), b: &(f64, f64)) -> f64 {
    (a.1.min(b.1) - a.0.max(b.0)).max(0.0)
}

/// Spans in order, those that touch or overlap as one.
pub fn joined(spans: &[Span]) -> Vec<(f64, f64)> {
    let mut sorted: Vec<_> = spans.iter().map(|s| (s.start, s.end)).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut out: Vec<(f64, f64)> = Vec::new();
    for (start, end) in sorted {
        match out.last_mut() {
            Some(last) if start <= last.1 + 0.1 => last.1 = last.1.max(end),
            _ => out.push((start, end)),
        }
    }
    out
}
