//! The models that a server offers, each as a graph with named tensors.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use data::record::error::ensure;
use models::onnx::{PROBABILITIES, TARGET};
use models::shipped::bundle::{self, Version};
use ort::session::SessionOutputs;
use ort::session::{Session, SessionInputValue};
use ort::value::{Outlet, TensorElementType, TensorRef};

use super::tensor::{DataType, Refusal, Tensor, TensorSpec, Values};
use crate::classifier::Classifier;
use crate::error::{Error, Result};
use crate::explain::graph::Explainer;
use crate::pool::Pool;
use crate::report;
use crate::runtime;
use crate::shipped;

/// The protocol's word for what runs the graphs.
pub const PLATFORM: &str = "onnxruntime_onnx";

/// The version of a model that has no folder of versions.
const FIRST: &str = "1";

/// What a graph is made for.
enum Graph {
    Classifier(Arc<Classifier>),
    Explainer(Arc<Explainer>),
}

/// A graph under its name and version.
pub struct Model {
    /// Its name in paths.
    pub name: String,
    /// Its version, a number.
    pub version: String,
    /// What it takes.
    pub inputs: Vec<TensorSpec>,
    /// What it gives.
    pub outputs: Vec<TensorSpec>,
    /// Whether its rows do not depend on each other, so that requests may share a
    /// run; not so for a model with a memory.
    pub batched: bool,
    graph: Graph,
}

/// A classifier and what explains it, for recordings.
#[derive(Clone)]
pub struct Pair {
    /// The name of the classifier.
    pub name: String,
    /// Both.
    pub model: Arc<report::Model>,
}

/// All models of a server.
pub struct Repository {
    models: Vec<Arc<Model>>,
    pairs: Vec<Pair>,
}

impl Repository {
    /// Loads models, each with its explain graph: files, and folders of them.
    ///
    /// # Errors
    /// A file is no model, or two have the same name and version.
    pub fn load(paths: &[PathBuf], threads: usize) -> Result<Repository> {
        let mut all = Repository {
            models: Vec::new(),
            pairs: Vec::new(),
        };
        for path in paths {
            for found in found(path)? {
                all.add(found, threads)?;
            }
        }
        ensure(!all.models.is_empty(), || {
            Error::Input("there is no model to serve; name files or folders by --models".into())
        })?;
        Ok(all)
    }

    fn add(&mut self, found: Found, threads: usize) -> Result<()> {
        let Found {
            name,
            version,
            path,
        } = found;
        let twice = self
            .models
            .iter()
            .any(|m| m.name == name && m.version == version);
        ensure(!twice, || {
            Error::usage(format!(
                "{}: there are two models {name} of version {version}; rename one",
                path.display()
            ))
        })?;
        let classifier = Arc::new(Classifier::with_threads(&path, threads)?);
        let explainer = Arc::new(Explainer::of(&path, threads)?);
        let explain = format!("{name}{}", bundle::EXPLAIN);
        let graph = Graph::Classifier(Arc::clone(&classifier));
        self.models
            .push(Arc::new(Model::of(&name, &version, graph)?));
        let graph = Graph::Explainer(Arc::clone(&explainer));
        self.models
            .push(Arc::new(Model::of(&explain, &version, graph)?));
        self.pairs.push(Pair {
            name,
            model: Arc::new(report::Model::of(classifier, explainer)?),
        });
        Ok(())
    }

    /// All models, each version by itself.
    pub fn models(&self) -> &[Arc<Model>] {
        &self.models
    }

    /// The versions of a model, the newest first.
    pub fn versions(&self, name: &str) -> Vec<&Arc<Model>> {
        let number = |m: &Model| m.version.parse::<u64>().unwrap_or(0);
        let mut found: Vec<_> = self.models.iter().filter(|m| m.name == name).collect();
        found.sort_by_key(|m| std::cmp::Reverse(number(m)));
        found
    }

    /// The model of this name and version; the newest where none is asked for.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] names what there is.
    pub fn get(&self, name: &str, version: Option<&str>) -> Result<&Arc<Model>, Refusal> {
        let versions = self.versions(name);
        let Some(newest) = versions.first() else {
            let mut names: Vec<&str> = self.models.iter().map(|m| m.name.as_str()).collect();
            names.dedup();
            return Err(Refusal::NotFound(format!(
                "there is no model {name:?}; there are {}",
                names.join(", ")
            )));
        };
        let Some(version) = version.filter(|v| !v.is_empty()) else {
            return Ok(newest);
        };
        let found = versions.iter().find(|m| m.version == version);
        found.copied().ok_or_else(|| {
            Refusal::NotFound(format!(
                "model {name:?} has no version {version:?}; the newest is {}",
                newest.version
            ))
        })
    }

    /// The classifier of this name with its explain graph; without a name, the
    /// first that takes recordings.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when there is none.
    pub fn pair(&self, name: Option<&str>) -> Result<&Pair, Refusal> {
        let windows = |pair: &&Pair| {
            use data::pipeline::input::Layout;
            pair.model.classifier.contract.input.layout == Layout::Window
        };
        let found = match name {
            Some(name) => self.pairs.iter().filter(|p| p.name == name).find(windows),
            None => self.pairs.iter().find(windows),
        };
        found.ok_or_else(|| {
            Refusal::NotFound(match name {
                Some(name) => format!("there is no model {name:?} that takes recordings"),
                None => "no model of this server takes recordings".into(),
            })
        })
    }
}

impl Model {
    fn of(name: &str, version: &str, graph: Graph) -> Result<Model> {
        let (pool, remembers) = graph.parts();
        let path = pool.path();
        let (inputs, outputs) = pool.with(|session| {
            let specs = |outlets: &[Outlet]| -> Result<Vec<TensorSpec>> {
                outlets.iter().map(|o| spec(path, o)).collect()
            };
            Ok((specs(session.inputs())?, specs(session.outputs())?))
        })?;
        Ok(Model {
            name: name.into(),
            version: version.into(),
            inputs,
            outputs,
            batched: !remembers,
            graph,
        })
    }

    /// Whether its answers are classes of beats.
    pub fn classifier(&self) -> Option<&Classifier> {
        match &self.graph {
            Graph::Classifier(classifier) => Some(classifier),
            Graph::Explainer(_) => None,
        }
    }

    /// The place and description of an input.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] names the inputs that there are.
    pub fn input(&self, name: &str) -> Result<(usize, &TensorSpec), Refusal> {
        named(&self.inputs, name).ok_or_else(|| {
            Refusal::Invalid(format!(
                "model {} has no input '{name}'; it takes {}",
                self.name,
                names(&self.inputs)
            ))
        })
    }

    /// The place of an output.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] names the outputs that there are.
    pub fn output(&self, name: &str) -> Result<usize, Refusal> {
        let found = named(&self.outputs, name).map(|(place, _)| place);
        found.ok_or_else(|| {
            Refusal::Invalid(format!(
                "model {} has no output '{name}'; it gives {}",
                self.name,
                names(&self.outputs)
            ))
        })
    }

    /// Brings inputs into the graph's order and checks that they go together; the
    /// number of rows beside them.
    ///
    /// # Errors
    /// [`Refusal::Invalid`]: one is missing, given twice, not finite, or has other
    /// rows than the rest.
    pub fn arrange(&self, given: Vec<Tensor>) -> Result<(Vec<Values>, usize), Refusal> {
        let mut places: Vec<Option<Tensor>> = self.inputs.iter().map(|_| None).collect();
        for tensor in given {
            let (place, _) = self.input(&tensor.name)?;
            if !tensor.values.are_finite() {
                return Err(Refusal::Invalid(format!(
                    "input '{}' has values that are no finite numbers",
                    tensor.name
                )));
            }
            let name = tensor.name.clone();
            if places[place].replace(tensor).is_some() {
                return Err(Refusal::Invalid(format!("input '{name}' is given twice")));
            }
        }
        let (mut values, mut rows) = (Vec::with_capacity(places.len()), None);
        for (spec, tensor) in self.inputs.iter().zip(places) {
            let tensor = tensor.ok_or_else(|| {
                Refusal::Invalid(format!(
                    "input '{}' is missing; model {} takes {}",
                    spec.name,
                    self.name,
                    names(&self.inputs)
                ))
            })?;
            if spec.shape.first() == Some(&-1) {
                let own = tensor.shape[0];
                let first = *rows.get_or_insert(own);
                if first != own {
                    return Err(Refusal::Invalid(format!(
                        "input '{}' has {own} rows, another has {first}",
                        spec.name
                    )));
                }
            }
            values.push(tensor.values);
        }
        Ok((values, rows.unwrap_or(1)))
    }

    /// Runs the graph on rows, one set of values per input in the graph's order.
    ///
    /// # Errors
    /// [`Refusal::Failed`] when ONNX Runtime fails.
    pub fn run(&self, inputs: &[Values], rows: usize) -> Result<Vec<Tensor>, Refusal> {
        let (pool, _) = self.graph.parts();
        let run = |session: &mut Session| -> Result<Vec<Tensor>> {
            let failed = |e: ort::Error| runtime::failed(pool.path(), &e);
            let mut given: Vec<(&str, SessionInputValue<'_>)> = Vec::with_capacity(inputs.len());
            for (spec, values) in self.inputs.iter().zip(inputs) {
                let shape: Vec<i64> = spec
                    .shape
                    .iter()
                    .map(|&size| if size < 0 { rows as i64 } else { size })
                    .collect();
                let value = match values {
                    Values::Fp32(v) => TensorRef::from_array_view((shape, &v[..])).map(Into::into),
                    Values::Int64(v) => TensorRef::from_array_view((shape, &v[..])).map(Into::into),
                };
                given.push((&spec.name, value.map_err(failed)?));
            }
            let outputs = session.run(given).map_err(failed)?;
            self.outputs
                .iter()
                .map(|spec| taken(spec, &outputs).map_err(failed))
                .collect()
        };
        pool.with(run).map_err(|e| Refusal::Failed(e.to_string()))
    }

    /// The place of the output of probabilities, where this classifies.
    pub fn probabilities(&self) -> Option<usize> {
        self.classifier()?;
        named(&self.outputs, PROBABILITIES).map(|(place, _)| place)
    }
}

impl Graph {
    /// Its sessions, and whether it has a memory.
    fn parts(&self) -> (&Pool, bool) {
        match self {
            Graph::Classifier(c) => (c.pool(), c.contract.memory.is_some()),
            Graph::Explainer(e) => (e.pool(), e.contract.memory.is_some()),
        }
    }
}

fn named<'a>(specs: &'a [TensorSpec], name: &str) -> Option<(usize, &'a TensorSpec)> {
    specs.iter().enumerate().find(|(_, spec)| spec.name == name)
}

fn names(specs: &[TensorSpec]) -> String {
    let names: Vec<&str> = specs.iter().map(|s| s.name.as_str()).collect();
    names.join(", ")
}

fn spec(path: &Path, outlet: &Outlet) -> Result<TensorSpec> {
    let data_type = match outlet.dtype().tensor_type() {
        Some(TensorElementType::Float32) => DataType::Fp32,
        Some(TensorElementType::Int64) => DataType::Int64,
        other => {
            let detail = format!("tensor '{}' is of type {other:?}", outlet.name());
            return Err(Error::graph(path, detail));
        }
    };
    let shape = outlet.dtype().tensor_shape();
    Ok(TensorSpec {
        name: outlet.name().into(),
        data_type,
        shape: shape.map(|s| s.to_vec()).unwrap_or_default(),
    })
}

fn taken(spec: &TensorSpec, outputs: &SessionOutputs<'_>) -> ort::Result<Tensor> {
    let value = &outputs[spec.name.as_str()];
    let (shape, values) = match spec.data_type {
        DataType::Fp32 => {
            let (shape, values) = value.try_extract_tensor::<f32>()?;
            (shape, Values::Fp32(values.to_vec()))
        }
        DataType::Int64 => {
            let (shape, values) = value.try_extract_tensor::<i64>()?;
            (shape, Values::Int64(values.to_vec()))
        }
    };
    Ok(Tensor {
        name: spec.name.clone(),
        shape: shape
            .iter()
            .map(|&s| usize::try_from(s).unwrap_or(0))
            .collect(),
        values,
    })
}

/// A classifier's file, and the name under which it is served.
struct Found {
    name: String,
    version: String,
    path: PathBuf,
}

/// The classifiers at a path: a file; a folder of files; a folder that has for each
/// model a folder with its versions, `NAME/1/model.onnx`; or such a folder of one model.
fn found(path: &Path) -> Result<Vec<Found>> {
    let stem = |path: &Path| {
        let name = path.file_stem().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    if !path.is_dir() {
        let path = models::shipped::find(path);
        return Ok(vec![Found {
            name: stem(&path),
            version: FIRST.into(),
            path,
        }]);
    }
    let mut all: Vec<Found> = shipped::classifiers_in(path)?
        .into_iter()
        .map(|path| Found {
            name: stem(&path),
            version: FIRST.into(),
            path,
        })
        .collect();
    // A bundle given as `.` has a name all the same.
    let folder = path.canonicalize().map_err(data::Error::io(path))?;
    for Version { name, number, file } in bundle::versions(&folder) {
        if is_classifier(&file)? {
            all.push(Found {
                name,
                version: number,
                path: file,
            });
        }
    }
    Ok(all)
}

/// Whether the graph is a classifier's and not what explains one.
fn is_classifier(file: &Path) -> Result<bool> {
    let bytes = models::shipped::read(file)?;
    let [inputs, _] = models::onnx::tensors(&bytes).map_err(Error::model(file))?;
    Ok(inputs.iter().all(|input| input.name != TARGET))
}
