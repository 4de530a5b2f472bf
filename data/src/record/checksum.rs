//! SHA-256 as it is written in contracts, stores, seals and lists of files.

use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::record::error::{Error, Result};

/// SHA-256 over the hashes of several records, in hexadecimal.
pub fn joined(hashes: &[String]) -> String {
    hexadecimal(&Sha256::digest(hashes.concat()))
}

/// SHA-256 of one file, in hexadecimal.
///
/// # Errors
/// [`Error::Io`] when it cannot be read.
pub fn of_file(path: &Path) -> Result<String> {
    let mut file = std::fs::File::open(path).map_err(Error::io(path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(Error::io(path))? {
            0 => break,
            count => hash.update(&buffer[..count]),
        }
    }
    Ok(hexadecimal(&hash.finalize()))
}

/// Two lower-case digits per byte, as digests are written everywhere.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
