//! Beats as columns: of Arrow, through its C interface, and of numpy.

use std::sync::Arc;

use ::arrow_schema::{ArrowError, DataType, Field, Schema};
use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    StructArray,
};
use models::contract::Reject;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use pyo3_arrow::ffi::{ArrayIterator, to_schema_pycapsule, to_stream_pycapsule};

use crate::beats::Beats;
use crate::error::Failure;

/// The columns of `infer --format parquet` that a recording's beats have.
fn batch(beats: &Beats) -> Result<RecordBatch, ArrowError> {
    let (inner, classes) = (beats.inner(), &beats.model_ref().contract().classes);
    let (told, rows) = (&inner.told, inner.told.decisions.len());
    let decisions = || told.decisions.iter();
    let mut fields: Vec<Field> = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    let mut add = |name: &str, absent: bool, column: ArrayRef| {
        fields.push(Field::new(name, column.data_type().clone(), absent));
        columns.push(column);
    };
    let record = std::iter::repeat_n(inner.record.as_str(), rows);
    add(
        "record",
        false,
        Arc::new(StringArray::from_iter_values(record)),
    );
    let row = (0..rows as i64).collect::<Vec<_>>();
    add("row", false, Arc::new(Int64Array::from(row)));
    let sample = told.samples.iter().map(|&sample| sample as i64);
    add(
        "sample",
        false,
        Arc::new(Int64Array::from_iter_values(sample)),
    );
    let class = decisions().map(|decision| classes.name(decision.class));
    add(
        "class",
        false,
        Arc::new(StringArray::from_iter_values(class)),
    );
    for (place, name) in classes.names().enumerate() {
        let of_class = told.probabilities.iter().skip(place);
        let of_class = of_class.step_by(classes.len()).copied();
        add(
            name,
            false,
            Arc::new(Float32Array::from_iter_values(of_class)),
        );
    }
    let rejected = decisions().map(|d| Some(d.reject.is_some()));
    add(
        "rejected",
        false,
        Arc::new(BooleanArray::from_iter(rejected)),
    );
    let reject = decisions().map(|decision| decision.reject.map(Reject::name));
    add("reject", true, Arc::new(StringArray::from_iter(reject)));
    let time = told.samples.iter().map(|&sample| sample as f64 / inner.fs);
    add(
        "time",
        false,
        Arc::new(Float64Array::from_iter_values(time)),
    );
    let rr = told.rr.iter().copied();
    add("rr", true, Arc::new(Float32Array::from_iter(rr)));
    let quality = told.quality.iter().copied();
    add(
        "quality",
        false,
        Arc::new(Float32Array::from_iter_values(quality)),
    );
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

fn failed(error: ArrowError) -> PyErr {
    Failure::Usage(error.to_string()).into()
}

/// The beats as a stream of Arrow's C interface.
#[pyfunction]
#[pyo3(signature = (beats, requested_schema = None))]
pub fn arrow_stream<'py>(
    py: Python<'py>,
    beats: &Beats,
    requested_schema: Option<Bound<'py, PyCapsule>>,
) -> PyResult<Bound<'py, PyCapsule>> {
    let batch = batch(beats).map_err(failed)?;
    let columns = DataType::Struct(batch.schema().fields().clone());
    let field = Arc::new(Field::new("beats", columns, false));
    let rows: ArrayRef = Arc::new(StructArray::from(batch));
    let reader = Box::new(ArrayIterator::new(vec![Ok(rows)], field));
    Ok(to_stream_pycapsule(py, reader, requested_schema)?)
}

/// The columns' names and types, as a schema of Arrow's C interface.
#[pyfunction]
pub fn arrow_schema<'py>(py: Python<'py>, beats: &Beats) -> PyResult<Bound<'py, PyCapsule>> {
    let batch = batch(beats).map_err(failed)?;
    Ok(to_schema_pycapsule(py, batch.schema().as_ref())?)
}
