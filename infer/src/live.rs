//! Live samples in, labelled beats out: the monitor of a stream, with ONNX
//! Runtime under it. It reports what `embedded` reports of the same samples.

use std::path::Path;
use std::sync::Arc;

use data::pipeline::Beat;
use data::pipeline::beats::Beats;
use models::Contract;
use models::contract::Decision;
use models::monitor::{self, BeatClassifier};

use crate::classifier::{Classifier, State};
use crate::error::{Error, Result};

/// Turns samples into labelled beats as they come; see
/// [`models::monitor::Monitor`]. As many as there are streams share one
/// [`Classifier`].
///
/// ```
/// use std::path::Path;
/// use std::sync::Arc;
///
/// use data::simulate::synth::{self, Settings};
/// use infer::Classifier;
/// use infer::live::{LiveClassifier, Monitor};
/// use models::monitor::Line;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shipped");
/// let classifier = Arc::new(Classifier::load(&models.join("resnet.onnx"))?);
/// let (record, _) = synth::record("s1", &Settings::new(250.0, 1), 60.0)?;
/// let live = LiveClassifier::new(Arc::clone(&classifier));
/// let mut monitor = Monitor::new(live, record.fs, 1)?;
/// let mut lines = Vec::new();
/// for samples in record.signals[0].samples.chunks(25) {
///     for event in monitor.push(samples)? {
///         Line::of(event, record.fs, &classifier.contract.classes).write(&mut lines)?;
///     }
/// }
/// assert!(lines.starts_with(br#"{"event":"#));
/// # Ok(())
/// # }
/// ```
pub type Monitor = monitor::Monitor<LiveClassifier>;

/// A classifier on the beats of one stream, and what it remembers of them. Others
/// may use the classifier meanwhile.
pub struct LiveClassifier {
    classifier: Arc<Classifier>,
    state: State,
    /// Room for one beat.
    beat: Beats,
}

impl LiveClassifier {
    /// For a new stream.
    pub fn new(classifier: Arc<Classifier>) -> LiveClassifier {
        let contract = &classifier.contract;
        LiveClassifier {
            state: classifier.begin(),
            beat: Beats {
                // What is remembered begins anew where the monitor says so.
                begins: vec![false],
                ..Beats::new(contract.input.clone(), &contract.classes)
            },
            classifier,
        }
    }
}

impl BeatClassifier for LiveClassifier {
    type Error = Error;

    fn contract(&self) -> &Contract {
        &self.classifier.contract
    }

    fn path(&self) -> &Path {
        self.classifier.path()
    }

    fn forget(&mut self) {
        self.state = self.classifier.begin();
    }

    fn classify_next(&mut self, beat: &Beat<'_>) -> Result<(Decision, Vec<f32>)> {
        let row = &mut self.beat;
        row.windows.clear();
        row.windows.extend_from_slice(beat.window);
        row.rhythm.clear();
        row.rhythm.extend_from_slice(beat.rhythm);
        let within = |error: Error| error.within(format!("beat at sample {}", beat.sample));
        let answer = self.classifier.go_on(row, &mut self.state);
        let probabilities = answer
            .map_err(within)?
            .pop()
            .map(|answer| answer.probabilities)
            .unwrap_or_default();
        // The probabilities alone: the monitor knows whether the signal can be
        // read.
        let decision = self.contract().decide(&probabilities).ok_or_else(|| {
            within(Error::graph(
                self.path(),
                "the model's answer is not a number for every class",
            ))
        })?;
        Ok((decision, probabilities))
    }
}
