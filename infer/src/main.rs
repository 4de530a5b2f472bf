//! `infer`: heartbeats classified with ONNX Runtime.

use std::io::stdout;
use std::process::ExitCode;

use clap::Parser;
use data::output::signals;
use data::program;
use infer::cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => program::failed(&error),
    }
}

fn run(cli: &Cli) -> infer::Result<()> {
    if let Some(Command::Serve(arguments)) = &cli.command {
        // It ends by itself when it is asked to, with what it has begun.
        return infer::serve::run(arguments);
    }
    signals::end_on_signals()?;
    match &cli.command {
        Some(Command::Describe(arguments)) => infer::describe::run(arguments),
        Some(Command::Evaluate(arguments)) => infer::evaluate::run(arguments, &mut stdout().lock()),
        Some(Command::Card(arguments)) => infer::card::run(arguments, &mut stdout().lock()),
        Some(Command::Explain(arguments)) => infer::explain::command::run(arguments),
        Some(Command::Bundle(arguments)) => infer::bundle::run(arguments),
        Some(Command::Report(arguments)) => infer::report::run(arguments),
        Some(Command::Serve(arguments)) => infer::serve::run(arguments),
        None => infer::classify::run(&cli.classify),
    }
}
