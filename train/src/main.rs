//! The `train` program.

use std::process::ExitCode;
use std::sync::Arc;

use data::output::signals;
use data::program::{self, INTERRUPTED};
use train::cli::Asked;
use train::fit::{Ending, Stop};
use train::{Error, Result};

fn main() -> ExitCode {
    let stop = Arc::new(Stop::default());
    match run(&stop) {
        Ok(Ending::Finished) => ExitCode::SUCCESS,
        Ok(Ending::Interrupted) => {
            ExitCode::from(stop.signal().map_or(INTERRUPTED, signals::exit_code))
        }
        Err(Error::Clap(usage)) => usage.exit(),
        Err(error) => program::failed(&error),
    }
}

fn run(stop: &Arc<Stop>) -> Result<Ending> {
    let asked = stop.clone();
    signals::on_signals(move |signal| {
        // Where no step is under way there is nothing to save, and a second
        // signal means now.
        if !asked.ask(signal) {
            signals::end(signal);
        }
        eprintln!("\nstopping after this step; press Ctrl-C again to stop at once");
    })?;
    match Asked::parse(std::env::args_os())? {
        Asked::Train(request) => return train::session::run(&request, stop),
        Asked::Folds(folds) => return folds.run(stop),
        Asked::Sweep(sweep) => return sweep.run(stop),
        Asked::Describe(request) => train::describe::run(&request)?,
        Asked::Compare(folders) => train::compare::run(&folders)?,
    }
    Ok(Ending::Finished)
}
