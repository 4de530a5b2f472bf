//! What the numbers go by: the limits, and a beat.

use serde::Serialize;

use crate::Class;
use crate::episodes::Thresholds;

/// The limits that the numbers go by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Options {
    /// When a rhythm is an episode. A pause of any length counts as one, of 4 s
    /// too.
    pub thresholds: Thresholds,
    /// Seconds that an NN interval lasts at least and at most.
    pub nn_range: [f64; 2],
    /// Most that an NN interval differs from the median of those before it, as a
    /// part of that.
    pub nn_change: f64,
    /// The QT interval, in seconds, that is expected at 60 beats per minute.
    pub qtc: f64,
    /// Least probability of atrial fibrillation that makes a beat part of an
    /// episode.
    pub af_probability: f32,
    /// Seconds that an episode of atrial fibrillation lasts at least; 30 s is the
    /// definition of the European Society of Cardiology.
    pub af_seconds: f64,
    /// Longest episodes and gaps that are listed, of each kind.
    pub listed: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            thresholds: Thresholds::default(),
            nn_range: [0.3, 2.0],
            nn_change: 0.2,
            qtc: 0.4,
            af_probability: 0.5,
            af_seconds: 30.0,
            listed: 10,
        }
    }
}

/// A beat as the numbers need it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beat {
    /// Where it is, in samples from the first one of the recording.
    pub sample: u64,
    /// Its class; `None` for a class without a place in EC57.
    pub class: Option<Class>,
    /// Whether the signal around it could be read.
    pub readable: bool,
    /// Whether the classifier leaves it to a human. It keeps its class, and is no
    /// part of an NN interval.
    pub rejected: bool,
    /// Whether the beat before it is unknown, so that no interval leads to it:
    /// see [`crate::pipeline::beats::Beats::begins`].
    pub begins: bool,
    /// Probability of atrial fibrillation here, where a model tells it.
    pub af: Option<f32>,
}

impl Beat {
    /// A readable beat that follows the one before it.
    pub fn new(sample: u64, class: Class) -> Beat {
        Beat {
            sample,
            class: Some(class),
            readable: true,
            rejected: false,
            begins: false,
            af: None,
        }
    }
}
