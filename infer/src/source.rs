//! Inputs of every kind as chunks of prepared beats.

use std::path::{Path, PathBuf};

use data::beat_files::store::Store;
use data::beat_files::table::{self, Reading};
use data::datasets::dataset::{self, Place, REFERENCE, Recordings};
use data::formats::wfdb::AnnotationFile;
use data::formats::{self, Recording, annotation_path, samples};
use data::output::Outputs;
use data::pipeline::beats::Beats;
use data::pipeline::input::{InputSpec, Layout};
use data::pipeline::{lead_choice, prepare};
use data::record::error::ensure;
use models::Contract;
use models::fit::differences;

use crate::error::{Error, Result};
use crate::pool::BATCH;

/// Where the beats of a recording come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fiducials {
    /// The annotator's beats, which then have labels.
    Annotator(String),
    /// The QRS detector's.
    Detector,
    /// The reference annotator's where the record has it, else the detector's.
    Either,
}

impl Fiducials {
    /// What the flags `--reference` and `--detect` ask for.
    pub fn of(reference: Option<&str>, detect: bool) -> Fiducials {
        match reference {
            Some(annotator) => Fiducials::Annotator(annotator.into()),
            None if detect => Fiducials::Detector,
            None => Fiducials::Either,
        }
    }
}

/// Beats of one input, a batch at a time.
pub type Chunks = Box<dyn Iterator<Item = Result<Beats>> + Send>;

/// One input.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path as the user gave it, or the record's path inside a folder.
    pub path: PathBuf,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// A table, which takes the contract's length, classes and scale.
    Table(Reading),
    Store(Box<InputSpec>),
    /// A recording, its name in its folder, and which of its beats are used.
    Record {
        folder: PathBuf,
        name: String,
        choice: Box<Choice>,
    },
}

/// Which beats of an input are classified.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Where the beats come from.
    pub fiducials: Fiducials,
    /// The lead that is read, by name, by number or `auto`, see
    /// [`lead_choice::choose_asked`]; `None` for the record's first ECG.
    pub lead: Option<String>,
    /// How tables are read.
    pub table: Reading,
    /// How tables of samples are read, where files that are no recordings are such.
    pub samples: Option<samples::Options>,
}

impl Choice {
    /// How a recording at this path is a table of samples, if it is one.
    fn samples(&self, path: &Path) -> Option<&samples::Options> {
        let options = self.samples.as_ref();
        options.filter(|_| path.is_file() && formats::at(path).is_none())
    }

    /// Opens the recording `name` of a folder; its path beside it.
    fn open(&self, folder: &Path, name: &str) -> Result<(PathBuf, Recording)> {
        let path = folder.join(name);
        let (path, recording) = match self.samples(&path) {
            Some(options) => {
                let recording = formats::open_samples(&path, options)?;
                (path, recording)
            }
            None => {
                let path = dataset::record_path(folder, name)?;
                let recording = formats::open(&path)?;
                (path, recording)
            }
        };
        Ok((path, recording.named(name)))
    }

    /// The annotation file that the beats of a record come from, if any does.
    fn annotations(&self, record: &Path) -> Option<PathBuf> {
        let file = |annotator: &str| annotation_path(record, annotator);
        match &self.fiducials {
            Fiducials::Annotator(annotator) => Some(file(annotator)),
            Fiducials::Either => Some(file(REFERENCE)).filter(|f| f.exists()),
            Fiducials::Detector => None,
        }
    }

    /// The same, for a file that is there.
    fn found_annotations(&self, record: &Path) -> Result<Option<PathBuf>> {
        match &self.fiducials {
            Fiducials::Annotator(annotator) => formats::found_annotations(record, annotator)
                .map(Some)
                .map_err(|e| Error::Input(format!("{e}; --detect finds beats itself"))),
            Fiducials::Either | Fiducials::Detector => Ok(self.annotations(record)),
        }
    }
}

impl Source {
    /// The inputs behind a path: a table, an HDF5 store, a recording, or every
    /// recording of a folder.
    ///
    /// # Errors
    /// There is nothing of the kind, or a file is not readable.
    pub fn find(path: &Path, choice: &Choice) -> Result<Vec<Source>> {
        if choice.samples(path).is_some() {
            let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let folder = folder.unwrap_or(Path::new("."));
            return Ok(vec![Source::record(folder, name.into_owned(), choice)]);
        }
        let place = Place::found(path)?;
        if let Some(remark) = &place.remark {
            eprintln!("{remark}");
        }
        let kind = match place.kind {
            dataset::Kind::Folder | dataset::Kind::Record => {
                let found = Recordings::find(path, "all")?;
                let records = found.names.into_iter();
                return Ok(records
                    .map(|name| Source::record(&found.folder, name, choice))
                    .collect());
            }
            dataset::Kind::File | dataset::Kind::Absent => {
                let dataset = choice.table.columns.samples.is_some();
                if table::is_hdf5(path)? && !dataset {
                    Kind::Store(Box::new(Store::open(path)?.input().clone()))
                } else {
                    Kind::Table(choice.table.clone())
                }
            }
        };
        Ok(vec![Source {
            path: path.into(),
            kind,
        }])
    }

    /// The record `name` of a folder.
    pub fn record(folder: &Path, name: String, choice: &Choice) -> Source {
        let path = match folder == Path::new(".") {
            true => PathBuf::from(&name),
            false => folder.join(&name),
        };
        Source {
            path,
            kind: Kind::Record {
                folder: folder.into(),
                name,
                choice: Box::new(choice.clone()),
            },
        }
    }

    /// How the rows were prepared; `None` for a recording, which is prepared
    /// as the model asks. A table is taken for the Kaggle format, which is the
    /// only one that shipped models know.
    pub fn input(&self) -> Option<InputSpec> {
        match &self.kind {
            Kind::Table(_) => Some(InputSpec::kaggle()),
            Kind::Store(input) => Some((**input).clone()),
            Kind::Record { .. } => None,
        }
    }

    /// What speaks against a model of this contract: how the rows were prepared,
    /// or that it takes none of a table.
    pub fn unfit(&self, expected: &InputSpec) -> Vec<String> {
        let reasons = |why: Option<&str>| why.map(str::to_owned).into_iter().collect();
        match &self.kind {
            Kind::Table(_) => reasons(expected.unfit_for_tables()),
            Kind::Store(input) => differences(input, expected),
            Kind::Record { .. } => reasons(
                (expected.layout == Layout::Table)
                    .then_some("the model takes rows of a table, and this is a recording"),
            ),
        }
    }

    /// Refuses what is said of tables or of recordings where none is among the
    /// inputs: it would not be heard.
    ///
    /// # Errors
    /// Names the flags.
    pub fn heed(sources: &[Source], choice: &Choice) -> Result<()> {
        let any = |of: fn(&Kind) -> bool| sources.iter().any(|source| of(&source.kind));
        let tables = any(|kind| matches!(kind, Kind::Table(_)));
        let records = any(|kind| matches!(kind, Kind::Record { .. }));
        for (said, there, flags, what) in [
            (
                choice.table != Reading::default(),
                tables,
                "--table and --normalise",
                "tables",
            ),
            (
                choice.lead.is_some()
                    || choice.samples.is_some()
                    || choice.fiducials != Fiducials::Either,
                records,
                "--reference, --detect, --lead and --samples",
                "recordings",
            ),
        ] {
            ensure(there || !said, || {
                Error::usage(format!(
                    "{flags} are of {what}, and no input is one; leave them out"
                ))
            })?;
        }
        Ok(())
    }

    /// Its name in its folder, where this is a recording.
    pub fn record_name(&self) -> Option<&str> {
        match &self.kind {
            Kind::Record { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Samples per second, where this is a recording.
    ///
    /// # Errors
    /// Its header cannot be read.
    pub fn fs(&self) -> Result<Option<f64>> {
        match &self.kind {
            Kind::Record { .. } => Ok(Some(self.recording()?.fs)),
            Kind::Table(_) | Kind::Store(_) => Ok(None),
        }
    }

    /// Opens the recording that this is.
    ///
    /// # Errors
    /// It cannot be opened, or this is none.
    pub fn recording(&self) -> Result<Recording> {
        match &self.kind {
            Kind::Record {
                folder,
                name,
                choice,
            } => Ok(choice.open(folder, name)?.1),
            Kind::Table(_) | Kind::Store(_) => Err(Error::Input(format!(
                "{}: it holds beats and is no recording",
                self.path.display()
            ))),
        }
    }

    /// The files that this consists of, annotations apart.
    ///
    /// # Errors
    /// A recording's header cannot be read.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        match &self.kind {
            Kind::Record { choice, .. } if choice.samples(&self.path).is_none() => {
                Ok(formats::files(&self.path)?)
            }
            _ => Ok(vec![self.path.clone()]),
        }
    }

    /// Makes its files inputs of the run, which no output may replace.
    pub fn protect(&self, outputs: &mut Outputs) {
        match &self.kind {
            Kind::Table(_) | Kind::Store(_) => outputs.input(&self.path),
            Kind::Record { choice, .. } => {
                outputs.record(&formats::known_files(&self.path));
                outputs.input(&self.path);
                if let Some(annotations) = choice.annotations(&self.path) {
                    outputs.input(&annotations);
                }
            }
        }
    }

    /// [`Source::chunks`], and the path that messages call them by.
    ///
    /// # Errors
    /// As [`Source::chunks`].
    pub fn named_chunks(&self, contract: &Contract) -> Result<(&Path, Chunks)> {
        Ok((&self.path, self.chunks(contract)?))
    }

    /// The beats, a batch at a time, with labels of the contract's classes; a
    /// recording's are prepared as the contract says.
    ///
    /// # Errors
    /// The file cannot be opened or has labels of other classes, or the
    /// recording not be prepared; errors inside a file come from the iterator.
    pub fn chunks(&self, contract: &Contract) -> Result<Chunks> {
        Ok(match &self.kind {
            Kind::Table(reading) => {
                let Contract { input, classes, .. } = contract;
                let chunks = table::open(&self.path, input, reading, BATCH, classes)?;
                Box::new(chunks.map(|c| Ok(c?)))
            }
            Kind::Store(_) => {
                let store = Store::open(&self.path)?;
                let same = *store.classes() == contract.classes || !store.has_labels();
                ensure(same, || {
                    Error::Unfit(format!(
                        "{}: the classes of its labels are {}, the model's are {}; make it again with `data convert --classes`",
                        self.path.display(),
                        store.classes(),
                        contract.classes
                    ))
                })?;
                let starts = (0..store.len()).step_by(BATCH);
                Box::new(starts.map(move |start| {
                    let end = store.len().min(start + BATCH);
                    Ok(store.rows(start, end)?)
                }))
            }
            Kind::Record {
                folder,
                name,
                choice,
            } => {
                let prepared = prepare(folder, name, choice, contract);
                prepared.map_err(|e| e.within(self.path.display().to_string()))?
            }
        })
    }
}

/// The beats of a recording. Those that the detector finds come as it finds them,
/// in bounded memory; the Kaggle layout, and beats of an annotator, take the whole
/// recording.
fn prepare(folder: &Path, name: &str, choice: &Choice, contract: &Contract) -> Result<Chunks> {
    let input = &contract.input;
    let (path, recording) = choice.open(folder, name)?;
    let annotations = choice.found_annotations(&path)?;
    let mut spec = input.clone();
    // A lead that is asked for is read for the one of the model.
    let asked = choice.lead.as_deref().filter(|_| input.leads.is_empty());
    let as_asked = input.clone();
    let named = move |beats: data::Result<Beats>| -> Result<Beats> {
        let mut beats = beats?;
        beats.input.clone_from(&as_asked);
        Ok(beats)
    };
    let streamed = annotations.is_none() && spec.layout == Layout::Window;
    let mut chosen = None;
    if streamed || asked.is_some() {
        let extents = recording.check()?;
        let leads = lead_choice::choose_for(&recording, &extents, &input.leads, asked)?;
        leads
            .remarks
            .iter()
            .for_each(|remark| eprintln!("{remark}"));
        if asked.is_some() {
            spec.leads.clone_from(&leads.names);
        }
        chosen = Some(leads);
    }
    if let Some(leads) = chosen.as_ref().filter(|_| streamed) {
        let found = prepare::Batches::new(&recording, &leads.places, &spec, BATCH)?;
        return Ok(Box::new(found.map(named)));
    }
    let (clock, remark) = (recording.clock(), recording.remark.clone());
    let record = recording.read()?;
    if chosen.is_none() {
        let passed_over = record.passed_over().filter(|_| spec.leads.is_empty());
        for remark in remark.into_iter().chain(passed_over) {
            eprintln!("{remark}");
        }
    }
    let beats = match annotations {
        Some(path_of_file) => {
            let file = AnnotationFile::read(&path_of_file)?;
            let own = file.own_labels();
            let annotations = clock.annotations(file);
            let left_out = contract.classes.left_out(&annotations);
            if !left_out.is_empty() {
                eprintln!(
                    "{}: beats of none of the model's classes are left out: {left_out}",
                    path_of_file.display()
                );
            }
            let beats = prepare::record(&record, &annotations, &spec, &contract.classes)?;
            if beats.is_empty() && !own.is_empty() {
                return Err(Error::Input(format!(
                    "{}: there is no beat in it; its labels {} are defined by the file and have no AAMI class",
                    path_of_file.display(),
                    own.join(", ")
                )));
            }
            beats
        }
        None => prepare::detected(&record, &spec)?,
    };
    Ok(Box::new(batches(named(Ok(beats))?)))
}

fn batches(beats: Beats) -> impl Iterator<Item = Result<Beats>> + Send {
    let starts = (0..beats.len()).step_by(BATCH);
    starts.map(move |start| {
        let rows: Vec<usize> = (start..beats.len().min(start + BATCH)).collect();
        Ok(beats.select(&rows))
    })
}
