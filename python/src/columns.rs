//! Beats as columns of numpy.

use models::contract::Reject;
use numpy::IntoPyArray;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::beats::Beats;

/// The columns by their names: arrays of numbers, lists of text.
#[pyfunction]
pub fn columns<'py>(py: Python<'py>, beats: &Beats) -> PyResult<Bound<'py, PyDict>> {
    let (inner, classes) = (beats.inner(), &beats.model_ref().contract().classes);
    let told = &inner.told;
    let rows = told.decisions.len();
    let decisions = || told.decisions.iter();
    let columns = PyDict::new(py);
    let record = std::iter::repeat_n(inner.record.as_str(), rows);
    columns.set_item("record", PyList::new(py, record)?)?;
    let row: Vec<i64> = (0..rows as i64).collect();
    columns.set_item("row", row.into_pyarray(py))?;
    let sample: Vec<i64> = told.samples.iter().map(|&s| s as i64).collect();
    columns.set_item("sample", sample.into_pyarray(py))?;
    let class = decisions().map(|d| classes.name(d.class));
    columns.set_item("class", PyList::new(py, class.collect::<Vec<_>>())?)?;
    for (place, name) in classes.names().enumerate() {
        let of_class = told.probabilities.iter().skip(place);
        let of_class: Vec<f32> = of_class.step_by(classes.len()).copied().collect();
        columns.set_item(name, of_class.into_pyarray(py))?;
    }
    let rejected: Vec<bool> = decisions().map(|d| d.reject.is_some()).collect();
    columns.set_item("rejected", rejected.into_pyarray(py))?;
    let reject = decisions().map(|d| d.reject.map(Reject::name));
    columns.set_item("reject", PyList::new(py, reject.collect::<Vec<_>>())?)?;
    let time: Vec<f64> = told.samples.iter().map(|&s| s as f64 / inner.fs).collect();
    columns.set_item("time", time.into_pyarray(py))?;
    let rr: Vec<f32> = told.rr.iter().map(|rr| rr.unwrap_or(f32::NAN)).collect();
    columns.set_item("rr", rr.into_pyarray(py))?;
    columns.set_item("quality", told.quality.clone().into_pyarray(py))?;
    Ok(columns)
}
