//! What a store says of itself, as text.

use hdf5::File;
use hdf5::types::VarLenUnicode;

use crate::pipeline::input::InputSpec;
use crate::record::classes::Classes;
use crate::record::error::{Error, Result};

/// Text as HDF5 stores it, which ends it at a NUL.
pub(super) fn text(text: &str) -> VarLenUnicode {
    let whole = text.split('\0').next().unwrap_or_default();
    // The conversion fails on a NUL only.
    whole.parse().unwrap_or_default()
}

pub(super) fn text_attribute(file: &File, name: &str, value: &str) -> hdf5::Result<()> {
    let attribute = file.new_attr::<VarLenUnicode>().create(name)?;
    attribute.write_scalar(&text(value))
}

pub(super) fn read_text(file: &File, name: &str) -> std::result::Result<String, String> {
    let value = file
        .attr(name)
        .and_then(|a| a.read_scalar::<VarLenUnicode>());
    match value {
        Ok(text) => Ok(text.as_str().to_owned()),
        Err(_) => Err(format!("it has no text as its attribute '{name}'")),
    }
}

/// The attribute `classes`: names alone for EC57's five, as stores always had it.
pub(super) fn written(classes: &Classes) -> String {
    if *classes == Classes::aami5() {
        return classes.names().collect::<Vec<_>>().join(" ");
    }
    serde_json::to_string(classes).unwrap_or_default()
}

/// Reads what [`written`] wrote; in words why it cannot.
pub(super) fn classes(text: &str) -> Result<Classes, String> {
    let foreign = |cause: String| format!("its attribute 'classes' is not understood: {cause}");
    if text.starts_with('[') {
        return serde_json::from_str(text).map_err(|e| foreign(e.to_string()));
    }
    let list = text.split_whitespace().collect::<Vec<_>>().join(",");
    list.parse().map_err(|e: Error| foreign(e.to_string()))
}

pub(super) fn json(input: &InputSpec) -> String {
    // Plain data with text keys: there is nothing that JSON cannot express.
    serde_json::to_string(input).unwrap_or_default()
}
