//! The monitor of a stream of samples, with this crate's classifier.

use std::path::Path;

use data::pipeline::Beat;
use models::Contract;
use models::contract::Decision;
use models::monitor::{self, BeatClassifier};

use crate::classifier::{Classifier, Prediction};
use crate::error::{Error, Result};

pub use models::monitor::{Event, Gap, LabelledBeat, Unreadable};

/// Turns samples into labelled beats as they come; see
/// [`models::monitor::Monitor`].
///
/// ```
/// use std::path::Path;
///
/// use data::simulate::synth::{self, Settings};
/// use embedded::{Classifier, Event, Monitor};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shipped");
/// let classifier = Classifier::load(&models.join("resnet.onnx"))?;
/// let (record, reference) = synth::record("s1", &Settings::new(250.0, 1), 60.0)?;
/// let mut monitor = Monitor::new(classifier, record.fs, 1)?;
/// let mut classes = Vec::new();
/// let mut keep = |events: &[Event]| {
///     for event in events {
///         if let Event::Beat(beat) = event {
///             classes.push(beat.class());
///         }
///     }
/// };
/// for samples in record.signals[0].samples.chunks(25) {
///     keep(monitor.push(samples)?);
/// }
/// keep(monitor.finish()?);
/// // The detector still learns when the first beat comes.
/// assert_eq!(classes.len(), reference.len() - 1);
/// let normal = classes.iter().filter(|class| **class == Some(data::Class::N.index())).count();
/// assert!(2 * normal > classes.len());
/// # Ok(())
/// # }
/// ```
pub type Monitor = monitor::Monitor<Classifier>;

impl BeatClassifier for Classifier {
    type Error = Error;

    fn contract(&self) -> &Contract {
        self.contract()
    }

    fn path(&self) -> &Path {
        self.path()
    }

    fn forget(&mut self) {
        self.forget();
    }

    fn classify_next(&mut self, beat: &Beat<'_>) -> Result<(Decision, Vec<f32>)> {
        let answer = self.classify_beat(beat.window, beat.rhythm);
        let Prediction {
            decision,
            probabilities,
            ..
        } = answer.map_err(|e| e.within(format!("beat at sample {}", beat.sample)))?;
        Ok((decision, probabilities))
    }
}
