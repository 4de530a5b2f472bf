//! The `train` program.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Result;
use train::cli::Request;
use train::fit::{Ending, Stop};

/// Exit code of a program that a signal ended, as shells have it for SIGINT.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    match run() {
        Ok(Ending::Finished) => ExitCode::SUCCESS,
        Ok(Ending::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(error) => {
            if let Some(usage) = error.downcast_ref::<clap::Error>() {
                usage.exit();
            }
            eprintln!("train: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<Ending> {
    let request = Request::parse(std::env::args_os())?;
    let stop = Arc::new(Stop {
        after: request.stop_after,
        ..Stop::default()
    });
    let asked = stop.clone();
    ctrlc::set_handler(move || {
        // The second signal means now.
        if asked.asked.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED.into());
        }
        eprintln!("\nstopping after this step; press Ctrl-C again to stop at once");
    })?;
    train::session::run(&request, &stop)
}
