//! One lead's shape over the last seconds: now, a window ago, and against the
//! patient's usual one.

use super::block::{Block, Collector, PARTS};
use super::features::{SHAPE, WINDOW, describe};

/// Numbers that a decision goes by.
pub const INPUTS: usize = 3 * SHAPE;
/// Windows over which the usual shape is learnt; they come once a second.
const USUAL: f32 = 120.0;

/// What one second more tells of a lead.
#[derive(Clone, Copy, Debug)]
pub struct Second<'a> {
    /// The window that ends with it, or `None` in the first seconds: the shape
    /// now, the shape a window before, and now minus usual.
    pub inputs: Option<&'a [f32; INPUTS]>,
    /// Frames from one wave to the next, where one follows the other alike.
    pub period: Option<f64>,
    /// Mean squared slopes, in mV squared per two frames, of eight parts.
    pub slopes: [f32; PARTS],
}

/// What is known of a lead's last seconds. Allocates only in [`Shapes::new`].
#[derive(Clone, Debug)]
pub struct Shapes {
    collector: Collector,
    window: [Block; WINDOW],
    /// Blocks taken in since the last restart.
    count: u64,
    /// Shapes of the last windows, the latest last.
    recent: [[f32; SHAPE]; WINDOW + 1],
    usual: [f32; SHAPE],
    /// Windows that the usual shape is made of.
    learnt: f32,
    inputs: [f32; INPUTS],
}

impl Shapes {
    /// Of a filtered signal of `fs` Hz.
    pub fn new(fs: f64) -> Shapes {
        Shapes {
            collector: Collector::new(fs),
            window: [Block::EMPTY; WINDOW],
            count: 0,
            recent: [[0.0; SHAPE]; WINDOW + 1],
            usual: [0.0; SHAPE],
            learnt: 0.0,
            inputs: [0.0; INPUTS],
        }
    }

    /// Frames of what is called a second.
    pub fn frames(&self) -> usize {
        self.collector.length()
    }

    /// The next value is the first of a new stretch; the usual shape stays.
    pub fn restart(&mut self) {
        self.collector.clear();
        self.count = 0;
    }

    /// Forgets the patient too.
    pub fn reset(&mut self) {
        self.restart();
        self.learnt = 0.0;
    }

    /// Takes a filtered value in mV; tells of the second that it completes.
    pub fn push(&mut self, value: f32) -> Option<Second<'_>> {
        self.store(&[value]);
        (self.lacks() == 0).then(|| self.complete())
    }

    /// Frames until the present second is complete.
    #[inline]
    pub(super) fn lacks(&self) -> usize {
        self.collector.lacks()
    }

    /// Takes filtered values in mV, no more than the present second lacks.
    #[inline]
    pub(super) fn store(&mut self, values: &[f32]) {
        self.collector.store(values);
    }

    /// Tells of the present second, which is complete.
    pub(super) fn complete(&mut self) -> Second<'_> {
        let block = &self.collector.block();
        self.window.copy_within(1.., 0);
        self.window[WINDOW - 1] = *block;
        self.count += 1;
        let part = (self.collector.length() / PARTS) as f32;
        let slopes = block.parts.map(|sum| sum / part);
        if self.count < WINDOW as u64 {
            return Second {
                inputs: None,
                period: None,
                slopes,
            };
        }
        let (shape, lag) = describe(&self.window, self.collector.length());
        if self.count == WINDOW as u64 {
            self.recent = [shape; WINDOW + 1];
            if self.learnt == 0.0 {
                self.usual = shape;
            }
        }
        self.recent.copy_within(1.., 0);
        self.recent[WINDOW] = shape;
        let (now, rest) = self.inputs.split_at_mut(SHAPE);
        let (before, change) = rest.split_at_mut(SHAPE);
        now.copy_from_slice(&shape);
        before.copy_from_slice(&self.recent[0]);
        for ((change, now), usual) in change.iter_mut().zip(&shape).zip(&self.usual) {
            *change = now - usual;
        }
        self.learnt = (self.learnt + 1.0).min(USUAL);
        for (usual, now) in self.usual.iter_mut().zip(&self.recent[0]) {
            *usual += (now - *usual) / self.learnt;
        }
        Second {
            inputs: Some(&self.inputs),
            period: (lag > 0).then_some(4.0 * lag as f64),
            slopes,
        }
    }
}
