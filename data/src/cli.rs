//! The commands of the `data` program, one module each.

use std::io::Write;

use clap::Parser;

use crate::program;

#[cfg(feature = "hdf5")]
mod convert;
mod detect;
#[cfg(feature = "download")]
mod fetch;
mod holter;
mod info;
mod score;
mod synth;

/// ECG recordings: look at them, fetch, convert, synthesise and score them.
#[derive(Parser)]
#[command(name = "data", version, about, after_help = program::EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    #[cfg(feature = "hdf5")]
    Convert(convert::Arguments),
    Detect(detect::Arguments),
    #[cfg(feature = "download")]
    Fetch(fetch::Arguments),
    Holter(holter::Arguments),
    Info(info::Arguments),
    Score(score::Arguments),
    Synth(synth::Arguments),
}

impl Cli {
    /// Does what was asked for, and writes to `out` what is told of it.
    ///
    /// # Errors
    /// In words, and with what is behind them.
    pub fn run(&self, mut out: impl Write) -> anyhow::Result<()> {
        match &self.command {
            #[cfg(feature = "hdf5")]
            Command::Convert(arguments) => convert::run(arguments, &mut out),
            Command::Detect(arguments) => detect::run(arguments, &mut out),
            #[cfg(feature = "download")]
            Command::Fetch(arguments) => fetch::run(arguments, &mut out),
            Command::Holter(arguments) => holter::run(arguments, &mut out),
            Command::Info(arguments) => info::run(arguments, &mut out),
            Command::Score(arguments) => score::run(arguments, &mut out),
            Command::Synth(arguments) => synth::run(arguments, &mut out),
        }?;
        Ok(out.flush()?)
    }
}
