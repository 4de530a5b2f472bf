//! The extension module `ectopy._ectopy`: the engine for Python.
//!
//! The package around it, in `python/ectopy`, is what users call: it takes arrays of
//! any kind, makes dictionaries of JSON, and documents every argument. Long calls run
//! while other threads of Python do; Ctrl-C is heeded between batches of beats.

mod arrow;
mod beats;
mod columns;
mod error;
mod explain;
mod model;
mod monitor;
mod programs;
mod recording;

use pyo3::prelude::*;

/// The extension module.
#[pymodule]
mod _ectopy {
    #[pymodule_export]
    use crate::arrow::{arrow_schema, arrow_stream};
    #[pymodule_export]
    use crate::beats::{Beats, analyse};
    #[pymodule_export]
    use crate::columns::columns;
    #[pymodule_export]
    use crate::error::{Error, InputError, InternalError, ModelError, UsageError};
    #[pymodule_export]
    use crate::explain::explain;
    #[pymodule_export]
    use crate::model::Model;
    #[pymodule_export]
    use crate::monitor::Monitor;
    #[pymodule_export]
    use crate::programs::{data_command, data_main};
    #[pymodule_export]
    use crate::recording::{Recording, find};

    /// The version of the package.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    /// What is said where results are shown.
    #[pymodule_export]
    const NOTICE: &str = data::holter::NOTICE;
}
