//! Runs that belong together, one after the other in folders of one folder:
//! the folds of a cross-validation, the cells of a sweep.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::cli::{Request, refuse_changes};
use crate::error::Result;
use crate::fit::{Ending, Stop};
use crate::progress::left;
use crate::report::Finished;
use crate::run::RunFolder;
use crate::session;
use crate::settings::Settings;

/// How the runs are gone about.
#[derive(Clone, Debug)]
pub struct Manner {
    /// The folder of them all; by default a new one.
    pub out: Option<PathBuf>,
    /// Epochs after which the run under way ends as if interrupted.
    pub stop_after: Option<usize>,
    /// Whether files may be replaced that this program did not make.
    pub force: bool,
}

/// Runs that are trained one after the other.
#[derive(Debug)]
pub struct Series {
    /// The folder that theirs lie in.
    pub folder: PathBuf,
    runs: Vec<Request>,
}

impl Series {
    /// The runs of these settings, each in the folder of this name, to be gone
    /// on with where they have begun. `name` is what a new folder is called by.
    ///
    /// # Errors
    /// When settings make no sense, a run that has begun has others, or the
    /// folder holds what is no part of these runs.
    pub fn new(runs: Vec<(String, Settings)>, name: &str, manner: &Manner) -> Result<Series> {
        let folder = match &manner.out {
            Some(out) => out.clone(),
            None => RunFolder::create(None, name, false)?.path().to_owned(),
        };
        let request = |(name, settings): (String, Settings)| -> Result<Request> {
            settings.check()?;
            let path = folder.join(name);
            let resumed = RunFolder::is_in(&path);
            let run = match resumed {
                true => RunFolder::open(&path)?,
                false => RunFolder::create(Some(&path), "", manner.force)?,
            };
            if resumed {
                refuse_changes(&run, &run.read_settings()?, &settings)?;
            }
            Ok(Request {
                settings,
                run,
                resumed,
                stop_after: manner.stop_after,
                export: None,
                force: manner.force,
                alone: false,
            })
        };
        let runs: Vec<Request> = runs.into_iter().map(request).collect::<Result<_>>()?;
        if !runs.iter().any(|run| run.resumed) {
            RunFolder::create(Some(&folder), "", manner.force)?;
        }
        Ok(Series { folder, runs })
    }

    /// Trains the runs that have not ended; `None` when it was interrupted.
    ///
    /// # Errors
    /// As of the first run that fails.
    pub fn train(&self, stop: &Stop) -> Result<Option<Vec<Finished>>> {
        let mut finished = Vec::new();
        for request in &self.runs {
            finished.push(match request.resumed {
                true => Finished::read(&request.run, Some(&request.settings))?,
                false => None,
            });
        }
        let (count, started) = (self.runs.len(), Instant::now());
        let open = finished.iter().filter(|run| run.is_none()).count();
        if open < count {
            eprintln!("{} of {count} runs are finished already", count - open);
        }
        let mut trained = 0;
        for (place, request) in self.runs.iter().enumerate() {
            if finished[place].is_some() {
                continue;
            }
            let path = request.run.path().display();
            let left = match trained {
                0 => String::new(),
                _ => format!(", {}", left(started.elapsed(), trained, open)),
            };
            eprintln!("run {} of {count}: {path}{left}", place + 1);
            if session::run(request, stop)? == Ending::Interrupted {
                eprintln!(
                    "stopped; {} of {count} runs are finished; the same command with --out {} goes on",
                    count - open + trained,
                    self.folder.display()
                );
                return Ok(None);
            }
            trained += 1;
            finished[place] = Some(Finished::expect(&request.run)?);
        }
        Ok(Some(finished.into_iter().flatten().collect()))
    }

    /// A file in the folder of the runs.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Where a run lies in the folder.
    pub fn place<'a>(&self, run: &'a Finished) -> &'a Path {
        let path = run.run.path();
        path.strip_prefix(&self.folder).unwrap_or(path)
    }
}
