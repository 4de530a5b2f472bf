//! The model behind it all: the shipped one, or a file.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use data::pipeline::annotator::Annotator;
use data::pipeline::beats::Beats;
use data::record::annotation::Annotation;
use embedded::{Classifier, Explainer};
use models::Contract;
use models::contract::Decision;
use models::explain::{GradientGraph, Gradients, InputBatch};
use pyo3::prelude::*;
use report::{Chunks, Engine};

use crate::error::{Failure, Result, detached, heed_signals};

/// The model inside the package, which takes any one lead.
const SHIPPED: &[u8] = include_bytes!("../../models/shipped/resnet.onnx");
/// Beats that are explained at once.
const ROWS: usize = 32;
/// What messages call it.
const SHIPPED_NAME: &str = "resnet.onnx";

/// A heartbeat classifier with its contract.
///
/// Without a path it is the one inside the package.
#[pyclass(frozen, module = "ectopy")]
pub struct Model {
    bytes: Vec<u8>,
    path: PathBuf,
    contract: Contract,
    sha256: String,
    /// Built when a beat is explained first.
    explainer: OnceLock<Explainer>,
    /// Loaded classifiers that nobody uses at present.
    idle: Mutex<Vec<Classifier>>,
}

#[pymethods]
impl Model {
    #[new]
    #[pyo3(signature = (path = None))]
    fn new(py: Python<'_>, path: Option<PathBuf>) -> PyResult<Model> {
        detached(py, || Model::load(path.as_deref()))
    }

    /// The name of its file.
    #[getter]
    pub fn name(&self) -> String {
        models::shipped::file_name(&self.path)
    }

    /// The names of its classes, in the order of its probabilities.
    #[getter]
    pub fn classes(&self) -> Vec<String> {
        self.contract.classes.names().map(String::from).collect()
    }

    /// SHA-256 of its file, in hexadecimal.
    #[getter]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// What it expects and what its answers mean, as JSON.
    fn contract_json(&self) -> PyResult<String> {
        let json = serde_json::to_string_pretty(&self.contract);
        json.map_err(|e| Failure::Usage(e.to_string()).into())
    }

    fn __repr__(&self) -> String {
        let classes = self.classes().join(", ");
        format!("<ectopy.Model {} of the classes {classes}>", self.name())
    }
}

impl Model {
    /// The model of a file, or else the shipped one.
    ///
    /// # Errors
    /// The file is no model.
    pub fn load(path: Option<&Path>) -> Result<Model> {
        let (bytes, path) = match path {
            Some(path) => {
                let path = models::shipped::find(path);
                (models::shipped::read(&path)?, path)
            }
            None => (SHIPPED.to_vec(), PathBuf::from(SHIPPED_NAME)),
        };
        let classifier = Classifier::from_bytes(&bytes, &path)?;
        Ok(Model {
            contract: classifier.contract().clone(),
            sha256: classifier.sha256().to_owned(),
            bytes,
            path,
            explainer: OnceLock::new(),
            idle: Mutex::new(vec![classifier]),
        })
    }

    pub fn contract(&self) -> &Contract {
        &self.contract
    }

    /// A classifier that remembers nothing, for one recording.
    ///
    /// # Errors
    /// None that did not come when the model was loaded.
    pub fn classifier(&self) -> Result<Classifier> {
        let idle = self.idle.lock().unwrap_or_else(|e| e.into_inner()).pop();
        let mut classifier = match idle {
            Some(classifier) => classifier,
            None => Classifier::from_bytes(&self.bytes, &self.path)?,
        };
        classifier.forget();
        Ok(classifier)
    }

    /// Takes a classifier back, for the next recording.
    fn take_back(&self, classifier: Classifier) {
        let mut idle = self.idle.lock().unwrap_or_else(|e| e.into_inner());
        idle.push(classifier);
    }

    /// The gradient graph, built when it is asked for first.
    ///
    /// # Errors
    /// It cannot be built from the model.
    pub fn explainer(&self) -> Result<&Explainer> {
        if let Some(explainer) = self.explainer.get() {
            return Ok(explainer);
        }
        let built = Explainer::from_bytes(&self.bytes, &self.path)?;
        Ok(self.explainer.get_or_init(|| built))
    }
}

/// The model at work on one recording: what it says of each beat is kept.
pub struct Run<'a> {
    model: &'a Model,
    told: Mutex<Told>,
}

/// What was told of the beats of a recording, a row for each.
#[derive(Default)]
pub struct Told {
    /// `rows x classes`.
    pub probabilities: Vec<f32>,
    /// `rows x classes`.
    pub logits: Vec<f32>,
    pub decisions: Vec<Decision>,
    pub samples: Vec<u64>,
    pub rr: Vec<Option<f32>>,
    pub quality: Vec<f32>,
    /// Beats and notes in order of time.
    pub annotations: Vec<Annotation>,
}

impl<'a> Run<'a> {
    pub fn new(model: &'a Model) -> Run<'a> {
        Run {
            model,
            told: Mutex::default(),
        }
    }

    /// What was told.
    pub fn told(self) -> Told {
        self.told.into_inner().unwrap_or_else(|e| e.into_inner())
    }
}

impl Engine for Run<'_> {
    type Error = Failure;
    type Explainer = Model;

    fn contract(&self) -> &Contract {
        &self.model.contract
    }

    fn path(&self) -> &Path {
        &self.model.path
    }

    fn decide(
        &self,
        beats: Chunks<'_, Failure>,
        sink: &mut dyn FnMut(Beats, Vec<Decision>) -> Result<()>,
    ) -> Result<()> {
        let mut classifier = self.model.classifier()?;
        let mut annotator = Annotator::whole();
        let classes = &self.model.contract.classes;
        for beats in beats {
            let beats = beats?;
            heed_signals()?;
            annotator.notes(&beats.notes);
            let mut told = self.told.lock().unwrap_or_else(|e| e.into_inner());
            let first = told.decisions.len();
            for row in 0..beats.len() {
                if beats.begins.get(row).copied().unwrap_or(false) {
                    classifier.forget();
                }
                let answer = classifier.classify_beat(beats.window(row), beats.rhythm_row(row))?;
                // No heartbeat can be in a flat window, whatever the network says.
                let readable = beats.is_readable(row) && !beats.is_flat(row);
                let decision = answer.decision.with_signal(readable);
                annotator.beat(decision.annotation(classes, beats.samples[row]));
                told.decisions.push(decision);
                told.probabilities.extend(answer.probabilities);
                told.logits.extend(answer.logits);
            }
            told.samples.extend(&beats.samples);
            told.rr.extend(&beats.rr);
            told.quality.extend(&beats.quality);
            let decisions = told.decisions[first..].to_vec();
            drop(told);
            sink(beats, decisions)?;
        }
        let mut told = self.told.lock().unwrap_or_else(|e| e.into_inner());
        told.annotations = annotator.all();
        self.model.take_back(classifier);
        Ok(())
    }

    fn explainer(&self) -> &Model {
        self.model
    }
}

/// The gradient graph, built when it is asked something first.
impl GradientGraph for Model {
    type Error = Failure;

    fn contract(&self) -> &Contract {
        &self.contract
    }

    fn rows_at_once(&self) -> usize {
        ROWS
    }

    fn run(&self, rows: &InputBatch, targets: &[i64]) -> Result<Gradients> {
        heed_signals()?;
        Ok(self.explainer()?.run(rows, targets)?)
    }
}
