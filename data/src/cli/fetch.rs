//! `data fetch`: downloads a database from PhysioNet.

use std::io::Write;
use std::path::PathBuf;

use crate::datasets::dataset::DEFAULT_FOLDER;
use crate::datasets::download::{self, MITDB_URL};

/// Downloads the MIT-BIH Arrhythmia Database (100 MB), or another database of
/// WFDB records. An interrupted download goes on where it stopped.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder that the files go to
    #[arg(default_value = DEFAULT_FOLDER)]
    folder: PathBuf,
    /// Address of the database's files
    #[arg(long, default_value = MITDB_URL)]
    url: String,
    /// Replace files of the same names that are not the database's
    #[arg(long)]
    force: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> anyhow::Result<()> {
    let fetched = download::fetch(&arguments.url, &arguments.folder, arguments.force)?;
    writeln!(
        out,
        "{}: {} files, all checksums right; {} fetched ({:.1} MB)",
        arguments.folder.display(),
        fetched.files,
        fetched.new_files,
        fetched.bytes as f64 / 1e6
    )?;
    Ok(())
}
