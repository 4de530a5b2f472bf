//! Live samples to labelled beats.

use std::sync::Mutex;

use models::monitor::{Counter, Line};
use numpy::PyReadonlyArray1;
use pyo3::prelude::*;

use crate::error::{Failure, Result, detached};
use crate::model::Model;

/// Turns live samples into events, as the program `embedded` does.
#[pyclass(frozen, module = "ectopy._ectopy")]
pub struct Monitor {
    fs: f64,
    inner: Mutex<Inner>,
}

struct Inner {
    monitor: embedded::Monitor,
    counter: Counter,
}

#[pymethods]
impl Monitor {
    /// A monitor of a model for `fs` samples per second of so many leads.
    #[new]
    fn new(py: Python<'_>, model: &Model, fs: f64, leads: usize) -> PyResult<Monitor> {
        detached(py, || {
            let classes = model.contract().classes.clone();
            Ok(Monitor {
                fs,
                inner: Mutex::new(Inner {
                    monitor: embedded::Monitor::new(model.classifier()?, fs, leads)?,
                    counter: Counter::new(fs, &classes),
                }),
            })
        })
    }

    /// Longest time in seconds from an R peak to its decision.
    #[getter]
    fn delay(&self) -> f64 {
        self.locked(|inner| inner.monitor.delay())
    }

    /// Frames taken in so far, lost ones included.
    #[getter]
    fn samples(&self) -> u64 {
        self.locked(|inner| inner.monitor.samples())
    }

    /// Takes interleaved samples in mV; the events as lines of JSON.
    fn push(&self, py: Python<'_>, samples: PyReadonlyArray1<'_, f32>) -> PyResult<Vec<String>> {
        let samples = samples.as_slice()?.to_vec();
        detached(py, || {
            self.told(|monitor| Ok(monitor.push(&samples)?.to_vec()))
        })
    }

    /// Counts frames as lost; the events as lines of JSON.
    fn skip(&self, py: Python<'_>, frames: u64) -> PyResult<Vec<String>> {
        detached(py, || {
            self.told(|monitor| Ok(monitor.skip(frames)?.to_vec()))
        })
    }

    /// Ends the recording; the events as lines of JSON, and what it came to.
    fn finish(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        detached(py, || {
            let mut lines = self.told(|monitor| Ok(monitor.finish()?.to_vec()))?;
            let totals = self.locked(|inner| inner.counter.totals(inner.monitor.samples()));
            lines.push(json(&Line::Summary(&totals))?);
            Ok(lines)
        })
    }

    /// Forgets the patient; the next frame is sample 0 of a new recording.
    fn reset(&self) {
        self.locked(|inner| {
            let classes = inner.monitor.classifier().contract().classes.clone();
            inner.counter = Counter::new(self.fs, &classes);
            inner.monitor.reset();
        });
    }
}

impl Monitor {
    fn locked<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(|e| e.into_inner()))
    }

    fn told(
        &self,
        work: impl FnOnce(&mut embedded::Monitor) -> Result<Vec<embedded::Event>>,
    ) -> Result<Vec<String>> {
        self.locked(|inner| {
            let events = work(&mut inner.monitor)?;
            let classes = inner.monitor.classifier().contract().classes.clone();
            let line = |event: &embedded::Event| {
                inner.counter.event(event);
                json(&Line::of(event, self.fs, &classes))
            };
            events.iter().map(line).collect()
        })
    }
}

fn json(line: &Line) -> Result<String> {
    serde_json::to_string(line).map_err(|e| Failure::Usage(e.to_string()))
}
