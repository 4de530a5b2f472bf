//! `data`: looks at recordings, fetches, converts, synthesises and scores them.

mod cli;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use data::output::signals;
use data::program;

/// ECG recordings: look at them, fetch, convert, synthesise and score them.
#[derive(Parser)]
#[command(name = "data", version, about, after_help = program::EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    #[cfg(feature = "hdf5")]
    Convert(cli::convert::Arguments),
    Detect(cli::detect::Arguments),
    #[cfg(feature = "download")]
    Fetch(cli::fetch::Arguments),
    Holter(cli::holter::Arguments),
    Info(cli::info::Arguments),
    Score(cli::score::Arguments),
    Synth(cli::synth::Arguments),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = signals::end_on_signals().map_err(anyhow::Error::from);
    match result.and_then(|()| run(&cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => program::failed(error.as_ref()),
    }
}

fn run(command: &Command) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match command {
        #[cfg(feature = "hdf5")]
        Command::Convert(arguments) => cli::convert::run(arguments, &mut out),
        Command::Detect(arguments) => cli::detect::run(arguments, &mut out),
        #[cfg(feature = "download")]
        Command::Fetch(arguments) => cli::fetch::run(arguments, &mut out),
        Command::Holter(arguments) => cli::holter::run(arguments, &mut out),
        Command::Info(arguments) => cli::info::run(arguments, &mut out),
        Command::Score(arguments) => cli::score::run(arguments, &mut out),
        Command::Synth(arguments) => cli::synth::run(arguments, &mut out),
    }?;
    Ok(out.flush()?)
}
