//! The pictures of a run as files.

use std::path::{Path, PathBuf};

use data::output;
use data::plot::kernels::Kernels;
use data::plot::{Picture, PictureFormat};
use models::onnx;

use super::arguments::Explain;
use crate::error::{Error, Result};

/// Pictures that are written together once everything has gone well.
pub(super) struct Pictures {
    folder: PathBuf,
    format: Option<PictureFormat>,
    drawn: Vec<(PathBuf, Vec<u8>)>,
}

impl Pictures {
    pub(super) fn new(arguments: &Explain) -> Pictures {
        Pictures {
            folder: arguments.output.clone(),
            format: arguments.picture.format(),
            drawn: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, name: &str, picture: &impl Picture) -> Result<()> {
        let Some(format) = self.format else {
            return Ok(());
        };
        let path = self.folder.join(format!("{name}.{}", format.ending()));
        self.drawn.push((path, format.bytes(picture)?));
        Ok(())
    }

    pub(super) fn write(&self) -> Result<()> {
        for (path, bytes) in &self.drawn {
            output::write(path, bytes)?;
            eprintln!("picture: {}", path.display());
        }
        Ok(())
    }
}

/// The first layer of the network in a classifier's or an explainer's file.
///
/// # Errors
/// The file does not hold its network, or that has no convolution.
pub(super) fn kernels(path: &Path) -> Result<Kernels> {
    let bytes = std::fs::read(path).map_err(data::Error::io(path))?;
    let (network, weights, contract) = onnx::network(&bytes).map_err(Error::model(path))?;
    let first = weights
        .first_convolution(&network)
        .ok_or_else(|| Error::graph(path, "the network has no convolution"))?;
    let title = format!("First layer of {}", path.display());
    let [_, channels, taps] = first.shape[..] else {
        return Err(Error::graph(path, "its first convolution has no kernels"));
    };
    Ok(Kernels::new(
        title,
        contract.input.fs,
        channels,
        taps,
        &first.values,
    ))
}
