//! ONNX Runtime: finding its library and building sessions.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;

use crate::device::Device;
use crate::error::{Error, Result};

/// The variable that names the library.
const LIBRARY_VARIABLE: &str = "ORT_DYLIB_PATH";

/// Where `make setup` puts it, from the project's root.
const INSTALLED: &str = ".deps/onnxruntime/libonnxruntime.so";

/// ONNX Runtime allows one environment per process.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

/// A session that runs on the calling thread alone.
///
/// Batches are spread over cores by running several sessions: two threads
/// inside one session take nearly twice the processor time for a beat, since
/// the operators are too small to share. Memory patterns are off: batches
/// differ in size, and a pattern is kept for each.
///
/// # Errors
/// The library is missing or too old, or `model` is not a graph that it runs.
pub fn session(model: &[u8], name: &Path) -> Result<Session> {
    let environment = environment()?;
    let device = Device::chosen();
    let builder = Session::builder(&environment).map_err(|e| failed(name, &e))?;
    let builder = builder
        .with_execution_providers(device.providers())
        .map_err(|e| device.missing(e.message()))?;
    let build = || -> ort::Result<Session> {
        builder
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(1)?
            .with_memory_pattern(false)?
            .commit_from_memory(model)
    };
    build().map_err(|e| {
        Error::Runtime(format!(
            "{}: ONNX Runtime cannot load this model: {}",
            name.display(),
            e.message()
        ))
    })
}

/// What ONNX Runtime says while it runs a model.
pub(crate) fn failed(model: &Path, error: &ort::Error) -> Error {
    Error::Runtime(format!(
        "{}: ONNX Runtime: {}",
        model.display(),
        error.message()
    ))
}

fn environment() -> Result<Environment> {
    let mut current = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = &*current {
        return Ok(environment.clone());
    }
    let library = locate(std::env::var_os(LIBRARY_VARIABLE).map(PathBuf::from))?;
    Device::chosen().load_libraries(&library)?;
    let builder = ort::init_from(&library).map_err(|e| {
        Error::Runtime(format!("ONNX Runtime cannot be loaded: {e}; run `make setup` in the project's folder, or set {LIBRARY_VARIABLE} to a libonnxruntime of version 1.{} or later",
            ort::MINOR_VERSION))
    })?;
    let environment = builder
        .with_name("ectopy")
        .with_telemetry(false)
        .build()
        .map_err(|e| {
            Error::Runtime(format!(
                "{}: ONNX Runtime does not start: {}",
                library.display(),
                e.message()
            ))
        })?;
    *current = Some(environment.clone());
    Ok(environment)
}

/// The library to load: the user's choice, else what `make setup` installed
/// for the project that the current folder or the program lies in, else the
/// system's.
fn locate(chosen: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(path) = chosen.filter(|p| !p.as_os_str().is_empty()) {
        if !path.exists() {
            return Err(Error::Runtime(format!(
                "{}: ONNX Runtime is not there; run `make setup` in the project's folder, or set {LIBRARY_VARIABLE} to the path of libonnxruntime",
                path.display()
            )));
        }
        return Ok(path);
    }
    let starts = [std::env::current_dir(), std::env::current_exe()];
    let installed = starts
        .iter()
        .flatten()
        .flat_map(|start| start.ancestors())
        .map(|folder| folder.join(INSTALLED))
        .find(|path| path.exists());
    let system = format!(
        "{}onnxruntime{}",
        std::env::consts::DLL_PREFIX,
        std::env::consts::DLL_SUFFIX
    );
    Ok(installed.unwrap_or_else(|| system.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_not_there_is_named_with_the_remedy() {
        let refusal = locate(Some("nowhere/libonnxruntime.so".into())).unwrap_err();
        let text = refusal.to_string();
        assert!(text.contains("nowhere/libonnxruntime.so") && text.contains("make setup"));
    }
}
