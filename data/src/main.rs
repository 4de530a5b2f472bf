//! `data`: looks at recordings, fetches, converts, synthesises and scores them.

use std::process::ExitCode;

use clap::Parser;
use data::cli::Cli;
use data::output::signals;
use data::program;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = signals::end_on_signals().map_err(anyhow::Error::from);
    match result.and_then(|()| cli.run(std::io::stdout().lock())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => program::failed(error.as_ref()),
    }
}
