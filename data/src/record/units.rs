//! Physical units of a signal: millivolts, or something that is no voltage.

/// What the samples of a [`crate::record::Signal`] are measured in. A voltage
/// is always in mV: readers convert, see [`Units::of`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Units {
    /// mV, whatever unit of voltage the file used.
    Millivolt,
    /// The unit of a signal that is no voltage, such as `mmHg`.
    Other(String),
}

impl Units {
    /// The units that a file's text stands for, and by how much its values are
    /// multiplied to be in them.
    ///
    /// Volts, milli-, micro- and nanovolts are known by symbol and by name, in
    /// any case and with either micro sign (U+00B5 and U+03BC), also where a name is
    /// cut after eight letters, as in EDF headers. No text stands for mV, as WFDB
    /// defines.
    pub fn of(text: &str) -> (Units, f64) {
        let folded: String = text
            .trim()
            .chars()
            .map(|c| match c {
                '\u{b5}' | '\u{3bc}' => 'u',
                c => c.to_ascii_lowercase(),
            })
            .collect();
        let name = match folded.strip_suffix('s') {
            Some(singular) if singular.ends_with("volt") => singular,
            _ => &folded,
        };
        let factor = match name {
            "" | "mv" | "millivolt" | "millivol" => 1.0,
            "v" | "volt" => 1e3,
            "uv" | "mcv" | "microvolt" | "microvol" | "uvolt" => 1e-3,
            "nv" | "nanovolt" => 1e-6,
            _ => return (Units::Other(text.trim().to_owned()), 1.0),
        };
        (Units::Millivolt, factor)
    }

    /// As it is written: `mV`, or the other unit's own text.
    pub fn as_str(&self) -> &str {
        match self {
            Units::Millivolt => "mV",
            Units::Other(text) => text,
        }
    }
}

/// For samples that are in mV already, or no voltage; use [`Units::of`] where
/// they may have to be converted.
impl From<&str> for Units {
    fn from(text: &str) -> Units {
        match text {
            "" | "mV" => Units::Millivolt,
            other => Units::Other(other.to_owned()),
        }
    }
}

impl std::fmt::Display for Units {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_voltage_is_millivolts() {
        for (factor, spellings) in [
            (1.0, &["", "mV", "mv", "MV", "millivolts"][..]),
            (1e3, &["V", "v", "Volt", "volts"]),
            (
                1e-3,
                &["microVol", "uV", "UV", "\u{b5}V", "\u{3bc}V", "microVolts"],
            ),
            (1e-6, &["nV", "NV"]),
        ] {
            for text in spellings {
                assert_eq!(Units::of(text), (Units::Millivolt, factor), "{text}");
            }
        }
        for text in ["mmHg", "NU", "bpm", "%", "adu", "l/min"] {
            assert_eq!(Units::of(text), (Units::Other(text.into()), 1.0));
        }
    }
}
