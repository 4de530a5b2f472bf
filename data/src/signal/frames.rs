//! Some frames at once, lead by lead.

use std::ops::Range;

/// Most frames that are handled at once: few enough for the processor to work
/// on the end of one stage and the beginning of the next at the same time.
pub const MOST: usize = 32;

/// Consecutive frames of some leads. Each lead's values lie side by side, so
/// that a stage runs over one lead after the other.
#[derive(Clone, Copy, Debug)]
pub struct Frames<'a> {
    /// Each lead's values are the first or later ones of `stride`.
    values: &'a [f32],
    stride: usize,
    from: usize,
    count: usize,
}

impl<'a> Frames<'a> {
    /// `count` frames of the leads in `values`, at least one.
    #[inline]
    pub fn new(values: &'a [f32], count: usize) -> Frames<'a> {
        Frames {
            values,
            stride: count,
            from: 0,
            count,
        }
    }

    /// A single frame.
    #[inline]
    pub fn one(frame: &'a [f32]) -> Frames<'a> {
        Frames::new(frame, 1)
    }

    /// Some of these frames.
    #[inline]
    pub fn part(self, range: Range<usize>) -> Frames<'a> {
        Frames {
            from: self.from + range.start,
            count: range.len(),
            ..self
        }
    }

    /// The number of frames.
    #[inline]
    pub fn count(self) -> usize {
        self.count
    }

    /// Each lead's values.
    #[inline]
    pub fn leads(self) -> impl Iterator<Item = &'a [f32]> {
        let range = self.from..self.from + self.count;
        let leads = self.values.chunks_exact(self.stride);
        leads.map(move |lead| &lead[range.clone()])
    }
}
