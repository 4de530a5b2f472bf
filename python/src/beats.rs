//! The labelled beats of one recording, and what is made of them.

use std::io::Write;
use std::path::{Path, PathBuf};

use data::episodes::{Thresholds, notes};
use data::formats;
use data::holter::Options;
use data::output::{OutputFile, Outputs};
use data::pipeline::input::Layout;
use data::pipeline::lead_choice::{self, Chosen};
use data::pipeline::prepare::Batches;
use pyo3::prelude::*;
use report::predictions::{CsvFile, ParquetFile, Row, as_json};
use report::{Labelled, Making, Report, Source, labelled};

use crate::error::{Failure, Result, detached, heed_signals};
use crate::model::{Model, Run, Told};
use crate::recording::Recording;

/// Beats of a batch.
const BATCH: usize = 256;
/// What a page says it was made by.
const PROGRAM: &str = concat!("ectopy ", env!("CARGO_PKG_VERSION"));

/// The beats of a recording with the classes that a model gives them.
#[pyclass(frozen, module = "ectopy")]
pub struct Beats {
    recording: Py<Recording>,
    model: Py<Model>,
    inner: Inner,
}

/// What needs no Python.
pub struct Inner {
    pub chosen: Chosen,
    /// Samples of the lead that is shown.
    pub end: u64,
    pub labelled: Labelled,
    pub told: Told,
    /// What tables call the recording, and its name.
    pub input: String,
    pub record: String,
    pub fs: f64,
}

/// Finds the beats of a recording and classifies them, as `infer --detect` does.
#[pyfunction]
#[pyo3(signature = (recording, model, lead = None))]
pub fn analyse(
    py: Python<'_>,
    recording: Py<Recording>,
    model: Py<Model>,
    lead: Option<&str>,
) -> PyResult<Beats> {
    let inner = {
        let (recording, model) = (recording.get(), model.get());
        detached(py, || {
            let inner = Inner::new(recording, model, lead);
            inner.map_err(|failure| failure.of(&recording.called()))
        })?
    };
    Ok(Beats {
        recording,
        model,
        inner,
    })
}

#[pymethods]
impl Beats {
    fn __len__(&self) -> usize {
        self.inner.told.decisions.len()
    }

    /// Samples per second, in which beats are counted.
    #[getter]
    fn fs(&self) -> f64 {
        self.inner.fs
    }

    /// The recording's name.
    #[getter]
    fn record(&self) -> &str {
        &self.inner.record
    }

    /// The recording.
    #[getter]
    fn recording(&self, py: Python<'_>) -> Py<Recording> {
        self.recording.clone_ref(py)
    }

    /// The model that gave the classes.
    #[getter]
    fn model(&self, py: Python<'_>) -> Py<Model> {
        self.model.clone_ref(py)
    }

    /// The names of the classes, in the order of the probabilities.
    #[getter]
    fn classes(&self) -> Vec<String> {
        self.model.get().classes()
    }

    /// The lead that was read first.
    #[getter]
    fn lead(&self) -> String {
        let leads = &self.recording.get().inner().leads;
        leads[self.inner.chosen.places[0]].name.clone()
    }

    /// What a user should know of the recording and of the choice of its lead.
    #[getter]
    fn remarks(&self) -> Vec<String> {
        self.inner.chosen.remarks.clone()
    }

    /// Length of the lead in seconds.
    #[getter]
    fn duration(&self) -> f64 {
        self.inner.end as f64 / self.inner.fs
    }

    /// Episodes and stretches that cannot be read: sample, symbol, subtype, text.
    #[getter]
    fn notes(&self) -> Vec<(i64, String, i8, String)> {
        let notes = self.inner.labelled.notes.iter();
        notes
            .map(|n| {
                (
                    n.sample,
                    n.symbol.to_string(),
                    n.subtype,
                    n.text().to_owned(),
                )
            })
            .collect()
    }

    /// Writes the beats and notes as a WFDB annotation file.
    #[pyo3(signature = (path, rhythm = false, force = false))]
    fn write_annotations(
        &self,
        py: Python<'_>,
        path: PathBuf,
        rhythm: bool,
        force: bool,
    ) -> PyResult<()> {
        let recording = self.recording.get();
        detached(py, || {
            self.inner
                .write_annotations(recording, &path, rhythm, force)
        })
    }

    /// Writes the beats as a table: `csv`, `jsonl` or `parquet`.
    #[pyo3(signature = (path, format, force = false))]
    fn write_table(
        &self,
        py: Python<'_>,
        path: PathBuf,
        format: &str,
        force: bool,
    ) -> PyResult<()> {
        let (recording, model) = (self.recording.get(), self.model.get());
        detached(py, || {
            self.inner
                .write_table(recording, model, &path, format, force)
        })
    }

    /// The numbers of a Holter report, as JSON.
    fn holter_json(&self, py: Python<'_>, pause: f64) -> PyResult<String> {
        let recording = self.recording.get();
        detached(py, || {
            let mut labelled = self.inner.labelled.clone();
            let start = recording.inner().start;
            let summary = labelled.numbers(start, self.inner.end, options(pause)?);
            serde_json::to_string(&summary).map_err(|e| Failure::Usage(e.to_string()))
        })
    }

    /// Writes the report's page and, where asked for, its content as JSON.
    #[pyo3(signature = (page, json, pause, force = false))]
    fn write_report(
        &self,
        py: Python<'_>,
        page: PathBuf,
        json: Option<PathBuf>,
        pause: f64,
        force: bool,
    ) -> PyResult<()> {
        let (recording, model) = (self.recording.get(), self.model.get());
        detached(py, || {
            let mut outputs = outputs(recording, force);
            outputs.file(&page)?;
            if let Some(json) = &json {
                outputs.file(json)?;
            }
            let report = self.inner.report(recording, model, pause)?;
            let html = report.html(&fingerprint(&report, model, pause))?;
            let mut files = Vec::new();
            if let Some(json) = &json {
                files.push(written(json, report.json().as_bytes())?);
            }
            files.push(written(&page, html.as_bytes())?);
            files.into_iter().try_for_each(OutputFile::commit)?;
            Ok(())
        })
    }
}

impl Beats {
    pub fn inner(&self) -> &Inner {
        &self.inner
    }

    pub fn model_ref(&self) -> &Model {
        self.model.get()
    }

    pub fn recording_ref(&self) -> &Recording {
        self.recording.get()
    }
}

impl Inner {
    fn new(recording: &Recording, model: &Model, lead: Option<&str>) -> Result<Inner> {
        let input = &model.contract().input;
        if input.layout != Layout::Window {
            return Err(Failure::Usage(format!(
                "{} classifies beats that are cut out already; to analyse recordings take a model of layout 'window'",
                model.name()
            )));
        }
        let (inner, called) = (recording.inner(), recording.called());
        let extents = inner.check()?;
        let chosen = lead_choice::choose_for(inner, &extents, &input.leads, lead)?;
        let run = Run::new(model);
        let labelled = labelled::by_detector(&run, inner, &chosen, BATCH)?;
        Ok(Inner {
            end: extents[chosen.places[0]].samples,
            input: called.display().to_string(),
            record: inner.name.clone(),
            fs: inner.fs,
            told: run.told(),
            chosen,
            labelled,
        })
    }

    /// The beat at this place, as a row of tables.
    pub fn row(&self, at: usize, classes: usize) -> Row<'_> {
        let told = &self.told;
        let of = |values: &'_ [f32]| -> std::ops::Range<usize> {
            debug_assert_eq!(values.len(), classes * told.decisions.len());
            at * classes..(at + 1) * classes
        };
        Row {
            input: &self.input,
            row: at as u64,
            place: Some((&self.record, told.samples[at])),
            time: Some(told.samples[at] as f64 / self.fs),
            rr: told.rr.get(at).copied().flatten(),
            quality: told.quality.get(at).copied(),
            label: None,
            decision: told.decisions[at],
            probabilities: &told.probabilities[of(&told.probabilities)],
            logits: &told.logits[of(&told.logits)],
        }
    }

    fn write_annotations(
        &self,
        recording: &Recording,
        path: &Path,
        rhythm: bool,
        force: bool,
    ) -> Result<()> {
        let annotator = path.extension().unwrap_or_default().to_string_lossy();
        let checked = formats::new_annotation_path(&path.with_extension(""), &annotator)?;
        if checked != path {
            return Err(Failure::Usage(format!(
                "{}: name an annotation file RECORD.ANNOTATOR, such as {}",
                path.display(),
                checked.display()
            )));
        }
        let mut outputs = outputs(recording, force);
        outputs.annotations(path)?;
        let clock = recording.inner().clock();
        let mut all = self.told.annotations.clone();
        if rhythm {
            all = notes::with_rhythm(all, clock.fs());
        }
        let mut file = clock.create(path)?;
        all.iter()
            .try_for_each(|annotation| file.write(annotation))?;
        Ok(file.commit()?)
    }

    fn write_table(
        &self,
        recording: &Recording,
        model: &Model,
        path: &Path,
        format: &str,
        force: bool,
    ) -> Result<()> {
        outputs(recording, force).file(path)?;
        let contract = model.contract();
        let classes = &contract.classes;
        let rows = (0..self.told.decisions.len()).map(|at| self.row(at, classes.len()));
        let file = OutputFile::create(path)?;
        let done = match format {
            "csv" => CsvFile::create(file, contract).and_then(|mut csv| {
                rows.into_iter().try_for_each(|row| csv.write(&row))?;
                csv.finish()
            }),
            "parquet" => ParquetFile::create(file, contract).and_then(|mut parquet| {
                rows.into_iter().try_for_each(|row| parquet.write(&row))?;
                parquet.finish()
            }),
            "jsonl" => {
                let mut file = file;
                rows.into_iter()
                    .try_for_each(|row| writeln!(file, "{}", as_json(&row, classes)))
                    .map(|()| file)
            }
            _ => {
                return Err(Failure::Usage(format!(
                    "format '{format}': it may be csv, jsonl or parquet"
                )));
            }
        };
        Ok(done.map_err(data::Error::io(path))?.commit()?)
    }

    fn report(&self, recording: &Recording, model: &Model, pause: f64) -> Result<Report> {
        let run = Run::new(model);
        let inner = recording.inner();
        let making = Making {
            recording: inner,
            chosen: &self.chosen,
            end: self.end,
            labels: Source::Model(&run),
            options: options(pause)?,
            sha256: recording.sha256()?,
            program: PROGRAM,
        };
        making.report(self.labelled.clone(), &recording.called(), || {
            let input = &model.contract().input;
            let found = Batches::new(inner, &self.chosen.places, input, BATCH)?;
            Ok(Box::new(found.map(heeding)))
        })
    }
}

/// A batch of beats, before which signals are heeded.
///
/// # Errors
/// The recording cannot be read; what a handler raises.
pub fn heeding(
    beats: data::Result<data::pipeline::beats::Beats>,
) -> Result<data::pipeline::beats::Beats> {
    heed_signals()?;
    Ok(beats?)
}

fn options(pause: f64) -> Result<Options> {
    if !(0.5..=60.0).contains(&pause) {
        return Err(Failure::Usage(format!(
            "pause={pause}: it may be 0.5 to 60 seconds"
        )));
    }
    Ok(Options {
        thresholds: Thresholds {
            pause,
            ..Thresholds::default()
        },
        ..Options::default()
    })
}

/// The rule of outputs, with the files of the recording among those that are read.
fn outputs(recording: &Recording, force: bool) -> Outputs {
    let mut outputs = Outputs::new(force);
    outputs.record(&recording.files());
    outputs
}

fn written(path: &Path, bytes: &[u8]) -> Result<OutputFile> {
    let mut file = OutputFile::create(path)?;
    file.write_all(bytes).map_err(data::Error::io(path))?;
    Ok(file)
}

/// What a page is made from, and how, as one number.
fn fingerprint(report: &Report, model: &Model, pause: f64) -> String {
    let of = [&report.subject.sha256, model.sha256(), PROGRAM].map(str::to_owned);
    let lead = report.subject.lead.clone();
    data::record::checksum::joined(&[of.concat(), lead, pause.to_string()])
}
