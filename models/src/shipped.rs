//! Where the shipped models lie, for programs whose user names none.

use std::path::PathBuf;

/// The variable that names the folder of models.
pub const FOLDER_VARIABLE: &str = "ECTOPY_MODELS";

/// The folder's name in the project and beside an installed program.
pub const FOLDER: &str = "models";

/// Where models may lie, the best place first: the folder that the user names
/// alone, else `models` in the current folder, in each one above the program,
/// and in `share/ectopy` of each. Not all of them need to exist.
pub fn folders() -> Vec<PathBuf> {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE).filter(|f| !f.is_empty()) {
        return vec![folder.into()];
    }
    let mut folders = vec![PathBuf::from(FOLDER)];
    if let Ok(program) = std::env::current_exe() {
        let above = program.ancestors().skip(1);
        folders.extend(above.flat_map(|a| [a.join(FOLDER), a.join("share/ectopy").join(FOLDER)]));
    }
    folders
}
