//! Tables in an HDF5 file of others, as `h5py` writes them: a dataset of samples,
//! rows by length, and where there are any, one of classes and one of patients.

use std::path::{Path, PathBuf};

use hdf5::types::{FixedAscii, FixedUnicode, TypeDescriptor, VarLenAscii, VarLenUnicode};
use hdf5::{Dataset, File};

use super::columns::{Choice, Columns, LABELS, PATIENTS, Place, Plan, Role};
use super::rows::{Fault, Taker};
use super::{Asked, ROWS, Rows, labels};
use crate::beat_files::store::refusal;
use crate::pipeline::beats::Beats;
use crate::record::error::{Error, Result, ensure};

/// Bytes of a text of fixed length that are read.
const TEXT: usize = 256;

/// Reads a file in chunks of rows.
pub(super) struct Hdf5 {
    path: PathBuf,
    columns: Columns,
    samples: Dataset,
    label: Option<Side>,
    patient: Option<Side>,
    shape: [usize; 2],
    taker: Taker,
    rows: usize,
    at: usize,
}

/// A dataset of one value a row, with its name.
struct Side {
    name: String,
    set: Dataset,
    /// The values, once a row was asked for: read whole, since a value a row is
    /// little beside its samples.
    texts: Option<Vec<String>>,
}

impl Side {
    /// The value of a row.
    fn text(&mut self, row: usize) -> hdf5::Result<String> {
        let texts = match self.texts.take() {
            Some(texts) => texts,
            None => texts(&self.set)?,
        };
        Ok(self.texts.insert(texts)[row].clone())
    }
}

impl Hdf5 {
    /// Opens a file for chunks of at most `rows` beats.
    pub fn open(path: &Path, asked: &Asked<'_>) -> Result<Hdf5> {
        let refused = |why: String| Error::malformed(path, why);
        let file = refusal::open(path)?;
        let columns = &asked.reading.columns;
        let name = columns.samples.as_ref().ok_or_else(|| {
            refused(format!(
                "an HDF5 file that is no store of prepared beats; say which of its datasets ({}) holds the samples, rows by length, with --table samples=NAME",
                file.member_names().unwrap_or_default().join(", ")
            ))
        })?;
        ensure(columns.drop.is_empty() && columns.header.is_none(), || {
            refused("--table drop= and header= are of columns; HDF5 has datasets, of which those not named are left out".into())
        })?;
        let samples = dataset(&file, name).map_err(refused)?;
        let &[count, length] = &samples.shape()[..] else {
            return Err(refused(format!(
                "the dataset '{name}' has the shape {:?}; expected [rows, samples of a row]",
                samples.shape()
            )));
        };
        if let Some(wanted) = asked.length().filter(|wanted| *wanted != length) {
            return Err(refused(format!(
                "the rows of '{name}' have {length} samples; expected {wanted}, as the contract says; take data or a model of the same length"
            )));
        }
        let side = |choice: &Choice, known: &[&str]| {
            let found = side(&file, choice, known)?;
            let fits = |Side { name, set, .. }: &Side| {
                ensure(set.size() == count, || {
                    format!(
                        "the dataset '{name}' has {} values; expected {count}, one a row of samples",
                        set.size()
                    )
                })
            };
            found.iter().try_for_each(fits)?;
            Ok::<_, String>(found)
        };
        let label = side(&columns.label, &LABELS).map_err(refused)?;
        let patient = side(&columns.patient, &PATIENTS).map_err(refused)?;
        ensure(count > 0, || refused("the table has no rows".into()))?;
        Ok(Hdf5 {
            path: path.into(),
            columns: columns.clone(),
            samples,
            label,
            patient,
            shape: [count, length],
            taker: asked.taker(),
            rows: asked.rows(),
            at: 0,
        })
    }

    fn piece(&mut self, beats: &mut Beats, count: usize) -> Result<()> {
        let error = refusal::hdf5_error;
        let rows = self.at..self.at + count;
        let samples = self.samples.read_slice_2d::<f32, _>((rows.clone(), ..));
        let samples = samples.map_err(error(&self.path))?;
        for (row, window) in rows.zip(samples.rows()) {
            if let Some(at) = window.iter().position(|v| !v.is_finite()) {
                let what = format!("is {}, not a finite number of 32 bits", window[at]);
                return Err(self.at_sample(at, &what));
            }
            beats.windows.extend(window);
            let text = |side: &mut Option<Side>| {
                let text = side.as_mut().map(|side| side.text(row));
                text.transpose().map_err(error(&self.path))
            };
            let (label, patient) = (text(&mut self.label)?, text(&mut self.patient)?);
            let taken = self.taker.take(beats, label.as_deref(), patient.as_deref());
            taken.map_err(|fault| self.refused(fault))?;
            self.at += 1;
        }
        Ok(())
    }

    fn at_sample(&self, at: usize, what: &str) -> Error {
        let detail = format!(
            "sample {at} of row {} of '{}' (both counted from 0) {what}",
            self.at,
            self.samples.name()
        );
        Error::malformed(&self.path, detail)
    }

    fn refused(&self, fault: Fault) -> Error {
        let name = |side: &Option<Side>| {
            let name = side.as_ref().map(|side| side.name.clone());
            name.unwrap_or_default()
        };
        let detail = match fault {
            Fault::Unscaled { at, value } => {
                let (rule, remedy) = self.taker.beyond();
                return self.at_sample(at, &format!("is {value}; {rule}{remedy}"));
            }
            Fault::Class(shown) => {
                let found = labels(&self.path, &self.columns, &self.taker.spec);
                format!(
                    "value {} of '{}' (counted from 0) {}",
                    self.at,
                    name(&self.label),
                    self.taker.unknown_class(&shown, found.as_deref())
                )
            }
            Fault::Other(why) => format!(
                "value {} of '{}' (counted from 0): {why}",
                self.at,
                name(&self.patient)
            ),
        };
        Error::malformed(&self.path, detail)
    }
}

/// The dataset of this part: the one that is named, else the one known by name.
fn side(file: &File, choice: &Choice, known: &[&str]) -> Result<Option<Side>, String> {
    let name = match choice {
        Choice::None => return Ok(None),
        Choice::At(Place::Name(name)) => name.clone(),
        Choice::Auto => match known.iter().find(|name| file.link_exists(name)) {
            Some(name) => (*name).to_owned(),
            None => return Ok(None),
        },
        Choice::Last | Choice::At(Place::Number(_)) => {
            return Err("HDF5 has datasets, not columns; name one with --table label=NAME".into());
        }
    };
    let set = dataset(file, &name)?;
    Ok(Some(Side {
        name,
        set,
        texts: None,
    }))
}

fn dataset(file: &File, name: &str) -> Result<Dataset, String> {
    file.dataset(name).map_err(|_| {
        format!(
            "it has no dataset '{name}'; there are {}",
            file.member_names().unwrap_or_default().join(", ")
        )
    })
}

/// The values of a dataset as text.
fn texts(set: &Dataset) -> hdf5::Result<Vec<String>> {
    let trimmed = |text: &str| text.trim().to_owned();
    Ok(match set.dtype()?.to_descriptor()? {
        TypeDescriptor::VarLenUnicode => {
            let all = set.read_raw::<VarLenUnicode>()?;
            all.iter().map(|t| trimmed(t.as_str())).collect()
        }
        TypeDescriptor::VarLenAscii => {
            let all = set.read_raw::<VarLenAscii>()?;
            all.iter().map(|t| trimmed(t.as_str())).collect()
        }
        TypeDescriptor::FixedAscii(_) => {
            let all = set.read_raw::<FixedAscii<TEXT>>()?;
            all.iter().map(|t| trimmed(t.as_str())).collect()
        }
        TypeDescriptor::FixedUnicode(_) => {
            let all = set.read_raw::<FixedUnicode<TEXT>>()?;
            all.iter().map(|t| trimmed(t.as_str())).collect()
        }
        TypeDescriptor::Boolean => {
            let all = set.read_raw::<bool>()?;
            all.iter().map(|&b| u8::from(b).to_string()).collect()
        }
        _ => set.read_raw::<f64>()?.iter().map(f64::to_string).collect(),
    })
}

impl Rows for Hdf5 {
    /// What the datasets hold, as if they were columns.
    fn plan(&mut self) -> Result<(Plan, Option<Vec<String>>)> {
        let mut names = vec![self.samples.name()];
        let mut roles = vec![Role::Sample];
        for (side, role) in [(&self.label, Role::Label), (&self.patient, Role::Patient)] {
            if let Some(side) = side {
                names.push(side.name.clone());
                roles.push(role);
            }
        }
        let mut plan = Plan::new(roles);
        plan.samples = self.shape[1];
        Ok((plan, Some(names)))
    }

    fn chunk(&mut self) -> Result<Beats> {
        let mut beats = self.taker.chunk(self.rows.min(ROWS));
        while beats.len() < self.rows && self.at < self.shape[0] {
            let left = (self.shape[0] - self.at).min(self.rows - beats.len());
            self.piece(&mut beats, left.min(ROWS))?;
        }
        if beats.len() < self.rows
            && let Some(doubt) = self.taker.doubt(true)
        {
            return Err(Error::malformed(&self.path, doubt));
        }
        Ok(beats)
    }

    fn taker(&mut self) -> &mut Taker {
        &mut self.taker
    }
}

#[cfg(test)]
mod tests;
