//! The task `bundle`: a model as a folder to deploy.
//!
//! ```text
//! DIR/NAME/config.pbtxt            Triton and KServe
//! DIR/NAME/1/model.onnx
//! DIR/NAME-explain/config.pbtxt
//! DIR/NAME-explain/1/model.onnx    its graph of gradients
//! DIR/README.md                    the model card
//! DIR/SHA256SUMS
//! DIR/Dockerfile, compose.yaml, ectopy.service, onnxruntime.txt, infer
//! ```
//!
//! Only the models are folders, since Triton takes every folder for a model.

mod config;
mod replace;
mod server;

use std::path::PathBuf;

use clap::Args;
use data::output::OutputFolder;
use data::record::checksum::hexadecimal;
use data::record::error::ensure;
use models::shipped::bundle::{CONFIG, EXPLAIN, MODEL};
use sha2::{Digest, Sha256};

use crate::card;
use crate::classifier::Classifier;
use crate::error::{Error, Result};
use crate::explain::graph::{self, Explainer};
use crate::shipped;

/// The version under which a model is put into its folder.
const VERSION: &str = "1";
/// The card, which Hugging Face shows.
const CARD: &str = "README.md";
/// The checksums of all other files, for `sha256sum -c`.
const CHECKSUMS: &str = "SHA256SUMS";

/// Arguments of `bundle`.
#[derive(Args)]
pub struct Arguments {
    /// The folder to make; one that this program made before is replaced.
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// The model [default: the one in the models folder for recordings].
    #[arg(short, long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// The model's name in the bundle [default: that of its file].
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// What the model's card is made from, see `infer card` [default:
    /// evidence/card.toml in the models folder, where it tells of this model].
    #[arg(long, value_name = "MANIFEST")]
    pub card: Option<PathBuf>,
    /// The licence that the card names, in Hugging Face's words [default: apache-2.0
    /// for a model that came with the project, else none].
    #[arg(long, value_name = "LICENCE")]
    pub license: Option<String>,
    /// Leave out this program, without which the Dockerfile cannot be built.
    #[arg(long)]
    pub no_program: bool,
    /// Replace a bundle that was changed, or parts of one.
    #[arg(long)]
    pub force: bool,
}

/// A file of a bundle: its place, its bytes, and whether it is a program.
struct Part(String, Vec<u8>, bool);

/// Runs the command.
///
/// # Errors
/// The model cannot be used, its name cannot be that of a folder, or the folder is
/// not this program's to replace.
pub fn run(arguments: &Arguments) -> Result<()> {
    let path = shipped::model_for(&[], arguments.model.as_deref())?;
    let name = name(arguments, &path)?;
    replace::check(&arguments.output, &path, arguments.force)?;
    let classifier = Classifier::with_threads(&path, 1)?;
    let contract = &classifier.contract;
    let (from, gradients, _) = graph::graph_of(&path)?;
    Explainer::load(&from, &gradients, contract.clone(), 1)?;
    let bytes = models::shipped::read(&path)?;
    let told = card::hub::page(&card::hub::Subject {
        name: &name,
        bytes: &bytes,
        contract,
        manifest: arguments.card.as_deref(),
        license: arguments.license.as_deref(),
    })?;
    if !told.has_results {
        eprintln!("{CARD}: without results, since no manifest tells of this model; see --card");
    }

    let explain = format!("{name}{EXPLAIN}");
    let mut parts = vec![Part(CARD.into(), told.text.into_bytes(), false)];
    for (name, bytes) in [(&name, bytes), (&explain, gradients)] {
        let config = config::text(name, &bytes).map_err(Error::model(&path))?;
        parts.push(Part(format!("{name}/{CONFIG}"), config.into_bytes(), false));
        parts.push(Part(format!("{name}/{VERSION}/{MODEL}"), bytes, false));
    }
    for (file, text) in server::files(&name) {
        parts.push(Part(file.into(), text.into_bytes(), false));
    }
    if !arguments.no_program {
        let program = std::env::current_exe().map_err(data::Error::io("the program itself"))?;
        let bytes = std::fs::read(&program).map_err(data::Error::io(&program))?;
        parts.push(Part(server::PROGRAM.into(), bytes, true));
    }
    write(arguments, parts)?;
    eprintln!(
        "{}: {name} and {explain}, version {VERSION}",
        arguments.output.display()
    );
    Ok(())
}

fn write(arguments: &Arguments, mut parts: Vec<Part>) -> Result<()> {
    parts.sort_by(|a, b| a.0.cmp(&b.0));
    let folder = OutputFolder::create(&arguments.output)?;
    let mut sums = String::new();
    for Part(name, bytes, executable) in &parts {
        folder.write(name, bytes, *executable)?;
        sums += &format!("{}  {name}\n", hexadecimal(&Sha256::digest(bytes)));
    }
    folder.write(CHECKSUMS, sums.as_bytes(), false)?;
    Ok(folder.commit()?)
}

/// The model's name, which has to do as a folder, in an address and in a text.
fn name(arguments: &Arguments, model: &std::path::Path) -> Result<String> {
    let stem = || {
        let file = models::shipped::file_name(model);
        file.trim_end_matches(".onnx").to_owned()
    };
    let name = arguments.name.clone().unwrap_or_else(stem);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let fits = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= 100
        && name.chars().all(plain)
        && !name.ends_with(EXPLAIN)
        && !replace::FILES.contains(&name.as_str());
    ensure(fits, || {
        Error::usage(format!(
            "'{name}' cannot be a model's name in a bundle: letters, digits, '-', '_' and '.' can, at most 100, not ending with {EXPLAIN} and not the name of one of the bundle's files; give another with --name"
        ))
    })?;
    Ok(name)
}
