//! The five heartbeat classes of ANSI/AAMI EC57 and how WFDB beat symbols map
//! onto them.

use serde::{Deserialize, Serialize};

use crate::record::annotation::Symbol;

/// A heartbeat class of ANSI/AAMI EC57.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Class {
    /// Normal and bundle branch block beats, and atrial or nodal escape beats.
    N,
    /// Supraventricular ectopic beats.
    S,
    /// Ventricular ectopic beats.
    V,
    /// Fusions of a ventricular and a normal beat.
    F,
    /// Paced, fusions with paced, and unclassifiable beats.
    Q,
}

/// Whose class the escape beats `e` and `j` are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Convention {
    /// Escape beats are N, as the literature after de Chazal (2004) counts.
    #[default]
    Literature,
    /// Escape beats are S, as WFDB's `bxb` counts.
    Bxb,
}

impl Class {
    /// All classes, in the order of the network's outputs.
    pub const ALL: [Class; 5] = [Class::N, Class::S, Class::V, Class::F, Class::Q];

    /// The class of a beat symbol, or `None` for an annotation that is not a
    /// beat.
    pub fn from_symbol(symbol: Symbol, convention: Convention) -> Option<Class> {
        Some(match symbol.as_str() {
            "e" | "j" | "n" if convention == Convention::Bxb => Class::S,
            "N" | "L" | "R" | "e" | "j" | "B" | "n" => Class::N,
            "A" | "a" | "J" | "S" => Class::S,
            "V" | "E" | "r" => Class::V,
            "F" => Class::F,
            "/" | "f" | "Q" | "?" => Class::Q,
            _ => return None,
        })
    }

    /// The class at an output index of the network.
    pub fn from_index(index: usize) -> Option<Class> {
        Class::ALL.get(index).copied()
    }

    /// The output index of this class.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The one-letter name of EC57.
    pub fn name(self) -> &'static str {
        ["N", "S", "V", "F", "Q"][self.index()]
    }

    /// The WFDB symbol under which a classifier writes a beat of this class.
    pub fn symbol(self) -> Symbol {
        match self {
            Class::N => Symbol::N,
            Class::S => Symbol::S,
            Class::V => Symbol::V,
            Class::F => Symbol::F,
            Class::Q => Symbol::Q,
        }
    }
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Class {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Class::ALL
            .into_iter()
            .find(|c| c.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("'{text}' is not a class; the classes are N, S, V, F and Q"))
    }
}
