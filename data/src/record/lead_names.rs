//! Names that mean the same lead.

/// What a lead's name means: names of one meaning are one lead, and no case,
/// blank, hyphen or underscore tells them apart.
///
/// The bipolar limb leads are known by numeral, as German and Spanish recorders
/// number them (`DII`, `D2`), as Holter recorders modify them (`MLII`) and by
/// their electrodes, the positive one first (`LL-RA`). `ECG2` and `EKG 2` are the
/// recorder's second channel, whatever lead that is.
pub(super) fn meaning(name: &str) -> String {
    let plain = plain(name);
    let kind = plain.strip_prefix("ECG").or(plain.strip_prefix("EKG"));
    let lead = match kind {
        // `ECG` alone, and the recorder's channels.
        Some(rest) if rest.chars().all(|c| c.is_ascii_digit()) => return format!("ECG{rest}"),
        Some(rest) => rest,
        None => &plain,
    };
    let lead = lead.strip_prefix("LEAD").unwrap_or(lead);
    let known = match lead {
        "I" | "DI" | "D1" | "MLI" | "ML1" | "LARA" => "I",
        "II" | "DII" | "D2" | "MLII" | "ML2" | "LLRA" => "II",
        "III" | "DIII" | "D3" | "MLIII" | "ML3" | "LLLA" => "III",
        _ => {
            let chest = lead.strip_prefix('M').unwrap_or(lead);
            let is_chest = matches!(chest.as_bytes(), [b'V', b'1'..=b'9']);
            if is_chest { chest } else { lead }
        }
    };
    known.to_owned()
}

/// Whether the QRS complex of a lead points up in most people: not in aVR and over
/// the right heart, and in aVL, aVF and III by the heart's axis. A lead of another
/// name is taken for one in which it does.
pub(crate) fn usually_upright(name: &str) -> bool {
    let meant = meaning(name);
    !["AVR", "AVL", "AVF", "III", "V1", "V2", "V3", "MCL1"].contains(&meant.as_str())
}

/// A name in capitals, without blanks, hyphens and underscores.
pub(super) fn plain(name: &str) -> String {
    let kept = name.chars().filter(|c| !c.is_whitespace());
    let kept = kept.filter(|c| !['-', '_'].contains(c));
    kept.flat_map(char::to_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names_of_a_lead_mean_the_same() {
        for (meant, names) in [
            (
                "I",
                &["I", "i", "ECG I", "LA-RA", "DI", "MLI", "Lead I"][..],
            ),
            (
                "II",
                &[
                    "II",
                    "MLII",
                    "ECG II",
                    "EKG-II",
                    "LL-RA",
                    "ECG LL-RA",
                    "D2",
                    "DII",
                    "ml2",
                ],
            ),
            ("III", &["III", "D3", "LL-LA"]),
            ("AVR", &["aVR", "AVR", "avr", "ECG aVR", "aV R"]),
            ("V1", &["V1", "v1", "MV1", "ECG V1", "V 1"]),
            ("ECG1", &["ECG1", "ECG 1", "EKG1", "ecg-1"]),
            ("ECG", &["ECG", "ekg", "ECG "]),
        ] {
            for name in names {
                assert_eq!(meaning(name), meant, "{name}");
            }
        }
        // The same electrodes the other way round are another polarity.
        for [a, b] in [
            ["LL-RA", "RA-LL"],
            ["V1", "V2"],
            ["MCL1", "V1"],
            ["ECG2", "II"],
        ] {
            assert_ne!(meaning(a), meaning(b));
        }
    }
}
