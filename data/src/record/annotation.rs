//! Annotations: a label at a sample of a recording, in WFDB's terms.

use serde::{Deserialize, Serialize};

/// Annotator of the reference annotations in PhysioNet's databases.
pub const REFERENCE: &str = "atr";

/// A WFDB annotation code (`anntyp`), 0 to 49, printed as its mnemonic.
///
/// Codes and mnemonics are those of WFDB's `ecgcodes.h` and `annot.c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Symbol(u8);

/// Mnemonics by code; an empty string is a code without one.
const MNEMONICS: [&str; 50] = [
    " ", "N", "L", "R", "a", "V", "F", "J", "A", "S", "E", "j", "/", "Q", "~", "", "|", "", "s",
    "T", "*", "D", "\"", "=", "p", "B", "^", "t", "+", "u", "?", "!", "[", "]", "e", "n", "@", "x",
    "f", "(", ")", "r", "", "", "", "", "", "", "", "",
];

impl Symbol {
    /// Normal beat.
    pub const N: Symbol = Symbol(1);
    /// Premature ventricular contraction.
    pub const V: Symbol = Symbol(5);
    /// Fusion of ventricular and normal beat.
    pub const F: Symbol = Symbol(6);
    /// Supraventricular premature beat.
    pub const S: Symbol = Symbol(9);
    /// Paced beat.
    pub const PACED: Symbol = Symbol(12);
    /// Unclassifiable beat.
    pub const Q: Symbol = Symbol(13);
    /// Atrial premature beat.
    pub const A: Symbol = Symbol(8);
    /// Change of signal quality.
    pub const NOISE: Symbol = Symbol(14);
    /// Comment.
    pub const NOTE: Symbol = Symbol(22);
    /// Change of rhythm.
    pub const RHYTHM: Symbol = Symbol(28);
    /// Ventricular flutter wave.
    pub const FLUTTER_WAVE: Symbol = Symbol(31);
    /// Start of ventricular flutter or fibrillation.
    pub const VF_ON: Symbol = Symbol(32);
    /// End of ventricular flutter or fibrillation.
    pub const VF_OFF: Symbol = Symbol(33);

    /// The symbol of a code, if the code is below 50.
    pub fn from_code(code: u8) -> Option<Symbol> {
        (usize::from(code) < MNEMONICS.len()).then_some(Symbol(code))
    }

    /// The symbol of a mnemonic such as `"N"` or `"+"`.
    pub fn from_mnemonic(text: &str) -> Option<Symbol> {
        let code = MNEMONICS
            .iter()
            .position(|m| *m == text && !text.is_empty())?;
        Some(Symbol(code as u8))
    }

    /// The annotation code.
    pub fn code(self) -> u8 {
        self.0
    }

    /// The mnemonic; empty for a code that has none.
    pub fn as_str(self) -> &'static str {
        MNEMONICS[usize::from(self.0)]
    }
}

impl std::fmt::Display for Symbol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A label at one sample of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// Sample number from the start of the record, at the annotator's rate.
    pub sample: i64,
    /// What is annotated.
    pub symbol: Symbol,
    /// WFDB `subtyp`.
    pub subtype: i8,
    /// WFDB `chan`: the signal it was made on.
    pub channel: u8,
    /// WFDB `num`.
    pub number: i8,
    /// WFDB `aux`: text, such as the rhythm `(AFIB`; empty when absent. One
    /// character per byte of the file, including the NUL that ends the text in
    /// many files: see [`Annotation::text`].
    pub aux_note: String,
}

impl Annotation {
    /// An annotation without channel, number or text.
    pub fn new(sample: i64, symbol: Symbol) -> Self {
        Annotation {
            sample,
            symbol,
            subtype: 0,
            channel: 0,
            number: 0,
            aux_note: String::new(),
        }
    }
    /// [`Annotation::aux_note`] without the NUL and blanks that may end it.
    pub fn text(&self) -> &str {
        self.aux_note.trim_end_matches(['\0', ' '])
    }
}
