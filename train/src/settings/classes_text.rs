//! Classes in a settings file: the text that a user may write.

use data::Classes;
use serde::{Deserialize, Deserializer, Serializer, de::Error};

pub fn serialize<S: Serializer>(classes: &Classes, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(classes)
}

pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Classes, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(D::Error::custom)
}
