//! The `train` program.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use data::output::signals;
use data::program::{self, INTERRUPTED};
use train::cli::Request;
use train::fit::{Ending, Stop};

fn main() -> ExitCode {
    let stop = Arc::new(Stop::default());
    match run(&stop) {
        Ok(Ending::Finished) => ExitCode::SUCCESS,
        Ok(Ending::Interrupted) => {
            ExitCode::from(stop.signal().map_or(INTERRUPTED, signals::exit_code))
        }
        Err(error) => {
            if let Some(usage) = error.downcast_ref::<clap::Error>() {
                usage.exit();
            }
            program::failed(error.as_ref())
        }
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
    let request = Request::parse(std::env::args_os())?;
    train::session::run(&request, stop)
}
