//! Recordings: files of any format that the programs read, and arrays.

use std::path::{Path, PathBuf};

use data::datasets::dataset::{Kind, Place};
use data::formats::{self, samples};
use data::record::checksum::{self, hexadecimal};
use data::record::units::Units;
use data::record::{Record, Signal, Start};
use numpy::ndarray::{Array2, ShapeBuilder};
use numpy::{IntoPyArray, PyArray2, PyReadonlyArray2};
use pyo3::prelude::*;

use crate::error::{Failure, Result, detached, heed_signals};

/// Year, month and day.
type Date = (u16, u8, u8);

/// The names of a folder's recordings: see `formats::find`.
#[pyfunction]
pub fn find(py: Python<'_>, folder: PathBuf) -> PyResult<Vec<String>> {
    detached(py, || Ok(formats::find(&folder)?))
}

/// Samples of each lead that are read at once.
const AT_ONCE: usize = 1 << 16;

/// A recording. Opening it reads what it says of itself; samples are read where they
/// are needed.
#[pyclass(frozen, module = "ectopy")]
pub struct Recording {
    inner: formats::Recording,
    /// Where it is; `None` for an array.
    path: Option<PathBuf>,
    /// Said where the path could be read in two ways.
    remark: Option<String>,
}

#[pymethods]
impl Recording {
    /// Opens a recording by its path.
    #[staticmethod]
    #[pyo3(signature = (path, samples = None))]
    fn open(py: Python<'_>, path: PathBuf, samples: Option<&str>) -> PyResult<Recording> {
        let options = samples.map(|text| {
            let options = text.parse::<samples::Options>();
            options.map_err(|why| Failure::Usage(format!("samples='{text}': {why}")))
        });
        let options = options.transpose()?;
        detached(py, || {
            let mut remark = None;
            let (inner, path) = match options {
                Some(options) => (formats::open_samples(&path, &options)?, path),
                None => {
                    // A signal file, a folder and the like are refused with the remedy.
                    let place = Place::found(&path)?;
                    if place.kind == Kind::Folder {
                        return Err(Failure::Usage(format!(
                            "{}: it is a folder; give a recording in it: FOLDER/100, or the file that it is",
                            path.display()
                        )));
                    }
                    remark = place.remark;
                    (formats::open(&place.path)?, place.path)
                }
            };
            Ok(Recording {
                inner,
                path: Some(path),
                remark,
            })
        })
    }

    /// Takes an array of `samples x leads` values in mV.
    #[staticmethod]
    fn from_array(
        py: Python<'_>,
        signal: PyReadonlyArray2<'_, f32>,
        fs: f64,
        leads: Vec<String>,
        name: String,
    ) -> PyResult<Recording> {
        let signal = signal.as_array();
        let signals = signal.columns().into_iter().zip(leads);
        let signals = signals.map(|(column, name)| Signal {
            name,
            units: Units::Millivolt,
            samples: column.to_vec(),
        });
        let record = Record {
            name,
            fs,
            signals: signals.collect(),
            comments: Vec::new(),
        };
        detached(py, || {
            Ok(Recording {
                inner: formats::Recording::of_record(record)?,
                path: None,
                remark: None,
            })
        })
    }

    /// What it is called, such as `100`.
    #[getter]
    fn name(&self) -> &str {
        &self.inner.name
    }

    /// Where it is; `None` for an array.
    #[getter]
    fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Samples per second of every lead.
    #[getter]
    fn fs(&self) -> f64 {
        self.inner.fs
    }

    /// The names of its leads.
    #[getter]
    fn leads(&self) -> Vec<&str> {
        self.inner.leads.iter().map(|l| l.name.as_str()).collect()
    }

    /// The units of each lead: mV for every voltage.
    #[getter]
    fn units(&self) -> Vec<String> {
        let leads = self.inner.leads.iter();
        leads.map(|lead| lead.units.to_string()).collect()
    }

    /// Samples of each lead, where the file says so.
    #[getter]
    fn length(&self) -> Option<u64> {
        self.inner.length
    }

    /// Its length in seconds, where the file says so.
    #[getter]
    fn duration(&self) -> Option<f64> {
        let length = self.inner.length?;
        Some(length as f64 / self.inner.fs)
    }

    /// Seconds since midnight at the first sample and the date (year, month, day),
    /// as far as the file says.
    #[getter]
    fn start_parts(&self) -> Option<(f64, Option<Date>)> {
        let Start { seconds, date } = self.inner.start?;
        Some((seconds, date))
    }

    /// Free text from the file.
    #[getter]
    fn comments(&self) -> Vec<String> {
        self.inner.comments.clone()
    }

    /// What is doubtful about it.
    #[getter]
    fn remarks(&self) -> Vec<String> {
        let leads = self.inner.leads.iter();
        let of_leads = leads.filter_map(|lead| {
            let remark = lead.remark.as_ref()?;
            Some(format!("{}: {remark}", lead.name))
        });
        let whole = self.remark.iter().chain(&self.inner.remark);
        whole.cloned().chain(of_leads).collect()
    }

    /// SHA-256 over its files, in hexadecimal; over its samples for an array.
    #[pyo3(name = "sha256")]
    fn py_sha256(&self, py: Python<'_>) -> PyResult<String> {
        detached(py, || self.sha256())
    }

    /// Reads all of it: `samples x leads` values, NaN where there is none.
    fn read<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let array = detached(py, || self.all())?;
        Ok(array.into_pyarray(py))
    }

    fn __repr__(&self) -> String {
        let leads: Vec<&str> = self.leads();
        let duration = self.duration();
        let duration = duration.map_or(String::new(), |s| format!(", {s:.1} s"));
        format!(
            "<ectopy.Recording {}: {} at {} Hz{duration}>",
            self.name(),
            leads.join(", "),
            self.fs()
        )
    }
}

impl Recording {
    /// The recording itself.
    pub fn inner(&self) -> &formats::Recording {
        &self.inner
    }

    /// What messages and tables call it.
    pub fn called(&self) -> PathBuf {
        match &self.path {
            Some(path) => path.clone(),
            None => PathBuf::from(&self.inner.name),
        }
    }

    /// The files that it consists of; none for an array.
    pub fn files(&self) -> Vec<PathBuf> {
        let path = self.path.iter();
        path.flat_map(|path| {
            let mut files = formats::known_files(path);
            if files.is_empty() || !files[0].exists() {
                files = vec![path.clone()];
            }
            files
        })
        .collect()
    }

    /// See `py_sha256`.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn sha256(&self) -> Result<String> {
        use sha2::{Digest, Sha256};

        if self.path.is_some() {
            let hashes = self.files();
            let hashes = hashes.iter().map(|file| checksum::of_file(file));
            let hashes: Vec<String> = hashes.collect::<data::Result<_>>()?;
            return Ok(checksum::joined(&hashes));
        }
        let mut hash = Sha256::new();
        self.pieces(|columns| {
            for value in columns.iter().flatten() {
                hash.update(value.to_le_bytes());
            }
        })?;
        Ok(hexadecimal(&hash.finalize()))
    }

    fn all(&self) -> Result<Array2<f32>> {
        let leads = self.inner.leads.len();
        let mut columns: Vec<Vec<f32>> = vec![Vec::new(); leads];
        self.pieces(|pieces| {
            for (column, piece) in columns.iter_mut().zip(pieces) {
                column.extend_from_slice(piece);
            }
        })?;
        let length = columns.first().map_or(0, Vec::len);
        let array = Array2::from_shape_vec((length, leads).f(), columns.concat());
        array.map_err(|e| Failure::Usage(e.to_string()))
    }

    /// Reads all of it, a piece of every lead at a time.
    fn pieces(&self, mut each: impl FnMut(&[Vec<f32>])) -> Result<()> {
        let leads: Vec<usize> = (0..self.inner.leads.len()).collect();
        let mut chunks = self.inner.chunks(&leads)?;
        let mut columns = vec![Vec::new(); leads.len()];
        while chunks.read(AT_ONCE, &mut columns)? > 0 {
            heed_signals()?;
            each(&columns);
            columns.iter_mut().for_each(Vec::clear);
        }
        Ok(())
    }
}
