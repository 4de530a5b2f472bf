//! Figures of a model on beats whose classes are known.

use data::scoring::metrics::Confusion;
use data::{Class, Classes};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::error::Result;
use crate::examples::Examples;
use crate::network::ResidualCnn;
use crate::settings::Monitor;

/// How a model does on some beats.
#[derive(Clone, Debug, PartialEq)]
pub struct LossAndConfusion {
    /// Beats by reference and predicted class.
    pub confusion: Confusion,
    /// Mean cross-entropy, nats.
    pub loss: f64,
}

/// The figures of a [`LossAndConfusion`] that a run keeps per epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Mean cross-entropy, nats.
    pub loss: f64,
    /// Share of right beats.
    pub accuracy: f64,
    /// Mean F1 of the classes that have beats.
    pub macro_f1: f64,
    /// F1 by class, in the order of the outputs; 0 for a class without beats.
    pub f1: Vec<f64>,
}

/// The place of the largest of a row of scores; the first of equals.
pub fn predicted(scores: &[f32]) -> Option<usize> {
    (0..scores.len()).reduce(|a, b| if scores[b] > scores[a] { b } else { a })
}

impl LossAndConfusion {
    /// Runs the model over all examples.
    ///
    /// # Errors
    /// When libtorch cannot copy the answers to the CPU.
    pub fn of(model: &ResidualCnn, examples: &Examples) -> Result<LossAndConfusion> {
        let logits = examples.logits(model);
        LossAndConfusion::of_logits(&logits, examples)
    }

    /// From logits `[rows, classes]` that were computed already.
    ///
    /// # Errors
    /// As [`LossAndConfusion::of`].
    pub fn of_logits(logits: &Tensor, examples: &Examples) -> Result<LossAndConfusion> {
        let loss = logits
            .cross_entropy_for_logits(&examples.labels)
            .double_value(&[]);
        let flat = logits
            .to_device(Device::Cpu)
            .to_kind(Kind::Float)
            .contiguous()
            .view(-1);
        let flat = Vec::<f32>::try_from(flat)?;
        let mut confusion = Confusion::new(&examples.classes);
        let width = examples.classes.len();
        for (scores, &label) in flat.chunks_exact(width).zip(&examples.class_of) {
            if let Some(class) = predicted(scores) {
                confusion.add(label, class);
            }
        }
        Ok(LossAndConfusion { confusion, loss })
    }

    /// The figures kept per epoch.
    pub fn figures(&self) -> Figures {
        let f1 = |class| self.confusion.class(class).f1.unwrap_or(0.0);
        Figures {
            loss: self.loss,
            accuracy: self.confusion.accuracy().unwrap_or(0.0),
            macro_f1: self.confusion.macro_f1().unwrap_or(0.0),
            f1: (0..self.confusion.classes().len()).map(f1).collect(),
        }
    }
}

impl Figures {
    /// The figure that picks the best epoch; larger is better.
    ///
    /// [`Monitor::Last`] is better every time: it is the number of the `epoch`.
    pub fn monitored(&self, monitor: Monitor, epoch: usize, classes: &Classes) -> f64 {
        match monitor {
            Monitor::Last => epoch as f64,
            Monitor::MacroF1 => self.macro_f1,
            Monitor::EctopicF1 => {
                let ectopic = [Class::S, Class::V].map(|class| classes.of_aami(class));
                let f1 = ectopic.iter().flatten().map(|&place| self.f1[place]);
                f1.clone().sum::<f64>() / f1.count().max(1) as f64
            }
            Monitor::Accuracy => self.accuracy,
            Monitor::Loss => -self.loss,
        }
    }
}
