//! Seals model files in place: `seal FILE.onnx...`. For files exported before
//! there were seals, and for those that were changed on purpose. Nothing else
//! in them alters.

use std::path::PathBuf;

use models::seal::{seal, verify};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if paths.is_empty() {
        return Err("usage: seal FILE.onnx...".into());
    }
    for path in paths {
        let name = path.display();
        let bytes = std::fs::read(&path).map_err(|e| format!("{name}: {e}"))?;
        if verify(&bytes).is_ok() {
            println!("{name}: its seal is intact");
            continue;
        }
        let sealed = seal(&bytes).map_err(|e| format!("{name}: {e}"))?;
        data::output::write(&path, &sealed)?;
        println!("{name}: sealed");
    }
    Ok(())
}
