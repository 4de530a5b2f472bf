//! Settings from TOML files.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Recipe, Settings};
use crate::error::Result;

impl Settings {
    /// Lays a TOML file over these settings.
    ///
    /// # Errors
    /// Names the file and what it says wrongly.
    pub fn overlay_file(&self, path: &Path) -> Result<Settings> {
        let text = std::fs::read_to_string(path).map_err(data::Error::io(path))?;
        let file: toml::Table =
            toml::from_str(&text).map_err(|e| data::Error::malformed(path, e.to_string()))?;
        let mut table = toml::Table::try_from(self)?;
        for (key, value) in file {
            // The input may be given in part, too.
            match (table.get_mut(&key), value) {
                (Some(toml::Value::Table(old)), toml::Value::Table(new)) => old.extend(new),
                (_, value) => {
                    table.insert(key, value);
                }
            }
        }
        Ok(table
            .try_into()
            .map_err(|e: toml::de::Error| data::Error::malformed(path, e.to_string()))?)
    }

    /// The recipe and the data that a settings file asks for, if it does.
    ///
    /// # Errors
    /// When the file cannot be read or names no known recipe.
    pub fn recipe_of_file(path: &Path) -> Result<(Option<Recipe>, Option<PathBuf>)> {
        #[derive(Deserialize)]
        struct Only {
            recipe: Option<Recipe>,
            data: Option<PathBuf>,
        }
        let text = std::fs::read_to_string(path).map_err(data::Error::io(path))?;
        let only: Only =
            toml::from_str(&text).map_err(|e| data::Error::malformed(path, e.to_string()))?;
        Ok((only.recipe, only.data))
    }
}
