//! `infer`: heartbeats classified with ONNX Runtime.

use std::io::stdout;
use std::process::ExitCode;

use clap::Parser;
use data::output::signals;
use data::program;
use infer::cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match signals::end_on_signals() {
        Ok(()) => run(&cli),
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => program::failed(error.as_ref()),
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    match &cli.command {
        Some(Command::Describe(arguments)) => infer::describe::run(arguments),
        Some(Command::Evaluate(arguments)) => infer::evaluate::run(arguments, &mut stdout().lock()),
        Some(Command::Card(arguments)) => infer::card::run(arguments, &mut stdout().lock()),
        Some(Command::Explain(arguments)) => infer::explain::command::run(arguments),
        None => infer::classify::run(&cli.classify),
    }
}
