//! Lists of classes as a user writes them.

use std::fmt;
use std::str::FromStr;

use super::{BeatClass, Classes, SYMBOLS, aami_of};
use crate::record::aami::Class;
use crate::record::error::{Error, Result, ensure};

/// What a user may write, for help texts and messages.
pub const SYNTAX: &str = "aami5 (N, S, V, F, Q), aami3 (N, S, V; fusions are V, paced beats left out), aami2 (N and abnormal), ptbdb (normal, abnormal; a table's 0 and 1), 'symbols N L V /' (a class per beat symbol), or classes with the labels that mean them, such as 'normal=N L R,ectopic=A V'";

impl FromStr for Classes {
    type Err = Error;

    /// Reads a preset, `symbols` with beat symbols, or `NAME=LABEL LABEL,NAME=…`.
    fn from_str(text: &str) -> Result<Classes> {
        let text = text.trim();
        match text {
            "aami5" => return Ok(Classes::aami5()),
            "aami3" => return Ok(aami3()),
            "aami2" => return Ok(aami2()),
            "ptbdb" => return Ok(ptbdb()),
            _ => {}
        }
        if let Some(symbols) = text.strip_prefix("symbols") {
            return of_symbols(symbols);
        }
        let list: Result<Vec<BeatClass>> = text.split(',').map(class).collect();
        Classes::new(list?)
    }
}

/// `NAME=LABEL LABEL`, or one of EC57's names alone.
fn class(text: &str) -> Result<BeatClass> {
    let text = text.trim();
    if let Some((name, labels)) = text.split_once('=') {
        let labels: Vec<&str> = labels.split_whitespace().collect();
        if let Some(next) = labels.iter().find(|label| label.contains('=')) {
            return Err(Error::Invalid(format!(
                "'{text}': classes have commas between them; write one before '{next}'"
            )));
        }
        return Ok(BeatClass::new(name.trim(), &labels));
    }
    let own = Class::ALL.into_iter().find(|class| class.name() == text);
    own.map(BeatClass::of_aami)
        .ok_or_else(|| Error::Invalid(format!("'{text}' names no classes; expected {SYNTAX}")))
}

fn of_symbols(symbols: &str) -> Result<Classes> {
    let symbols: Vec<&str> = symbols.split_whitespace().collect();
    ensure(!symbols.is_empty(), || {
        Error::Invalid(format!(
            "'symbols' names none; write those that make a class each, such as 'symbols N L V /', of {}; `data info` counts them in recordings",
            SYMBOLS.join(" ")
        ))
    })?;
    for symbol in &symbols {
        ensure(aami_of(symbol).is_some(), || {
            Error::Invalid(format!(
                "'{symbol}' is no beat symbol of WFDB; those are {}",
                SYMBOLS.join(" ")
            ))
        })?;
    }
    Classes::new(symbols.iter().map(|s| BeatClass::new(s, &[s])).collect())
}

/// N, S and V, where fusions count as V (Llamedo and Martinez 2011) and paced
/// and unclassifiable beats belong to none.
fn aami3() -> Classes {
    let mut v = BeatClass::of_aami(Class::V);
    v.labels.push("F".into());
    Classes(
        [
            BeatClass::of_aami(Class::N),
            BeatClass::of_aami(Class::S),
            v,
        ]
        .into(),
    )
}

/// N against every S, V and F.
fn aami2() -> Classes {
    let labels: Vec<&str> = SYMBOLS
        .into_iter()
        .filter(|label| matches!(aami_of(label), Some(Class::S | Class::V | Class::F)))
        .collect();
    Classes(
        [
            BeatClass::of_aami(Class::N),
            BeatClass::new("abnormal", &labels),
        ]
        .into(),
    )
}

/// The other half of the Kaggle heartbeat data set: 0 and 1.
fn ptbdb() -> Classes {
    Classes(
        [
            BeatClass::new("normal", &["0"]),
            BeatClass::new("abnormal", &["1"]),
        ]
        .into(),
    )
}

impl fmt::Display for Classes {
    /// As [`Classes::from_str`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let presets = [
            ("aami5", Classes::aami5()),
            ("aami3", aami3()),
            ("aami2", aami2()),
            ("ptbdb", ptbdb()),
        ];
        if let Some((name, _)) = presets.iter().find(|(_, classes)| classes == self) {
            return f.write_str(name);
        }
        let list: Vec<String> = self
            .iter()
            .map(|class| match class.aami {
                Some(aami) if *class == BeatClass::of_aami(aami) => class.name.clone(),
                _ => format!("{}={}", class.name, class.labels.join(" ")),
            })
            .collect();
        f.write_str(&list.join(","))
    }
}
