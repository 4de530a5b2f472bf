//! Labels that an annotation file defines itself, in the notes at its start:
//!
//! ```text
//! ## annotation type definitions
//! 42 W wide
//! ## end of definitions
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crate::formats::wfdb::annotation::AnnotationFile;
use crate::record::annotation::{Annotation, Symbol};

/// Begin and end of the definitions, as `annopen` of the WFDB library writes them.
const BEGIN: &str = "annotation type definitions";
const END: &str = "end of definitions";

/// What an annotation file calls one of its codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Its mnemonic.
    pub mnemonic: String,
    /// Its meaning in words; empty where the file gives none.
    pub description: String,
}

impl Label {
    /// The standard symbol where the label of `code` says what that code means
    /// anyway; `None` for a label of the file's own, which has no AAMI class: its
    /// mnemonic may mean anything (`r` right bundle branch block, or R on T).
    pub fn standard(&self, code: u8) -> Option<Symbol> {
        Symbol::from_code(code).filter(|s| s.as_str() == self.mnemonic)
    }
}

impl AnnotationFile {
    /// The labels that the file defines, by code. A code that is standard
    /// elsewhere means in this file what its label says.
    pub fn labels(&self) -> BTreeMap<u8, Label> {
        let mut labels = BTreeMap::new();
        let mut within = false;
        for note in &self.notes {
            let text = note.text().trim();
            if let Some(definition) = text.strip_prefix('#') {
                let definition = definition.trim_start_matches('#').trim();
                within = (within || definition.eq_ignore_ascii_case(BEGIN))
                    && !definition.eq_ignore_ascii_case(END);
            } else if within && let Some((code, label)) = parse(text) {
                labels.insert(code, label);
            }
        }
        labels
    }

    /// The labels of the file's own that its annotations have, in the order of
    /// their codes: these have no AAMI class.
    pub fn own_labels(&self) -> Vec<String> {
        let used: BTreeSet<u8> = self.annotations.iter().map(|a| a.symbol.code()).collect();
        let labels = self.labels().into_iter();
        let own = labels.filter(|(code, l)| used.contains(code) && l.standard(*code).is_none());
        own.map(|(_, label)| label.mnemonic).collect()
    }

    /// How an annotation is shown: by its label, its standard mnemonic, or its
    /// code in brackets as the WFDB library does.
    pub fn shown(&self, labels: &BTreeMap<u8, Label>, symbol: Symbol) -> String {
        match (labels.get(&symbol.code()), symbol.as_str()) {
            (Some(label), _) => label.mnemonic.clone(),
            (None, "") => format!("[{}]", symbol.code()),
            (None, standard) => standard.to_owned(),
        }
    }

    /// The annotations with standard symbols: a label of the file's own has no
    /// class and becomes a note that carries it as text.
    pub(super) fn standard(self) -> Vec<Annotation> {
        let labels = self.labels();
        let mut annotations = self.annotations;
        if labels.is_empty() {
            return annotations;
        }
        for annotation in &mut annotations {
            let Some(label) = labels.get(&annotation.symbol.code()) else {
                continue;
            };
            annotation.symbol = label
                .standard(annotation.symbol.code())
                .unwrap_or(Symbol::NOTE);
            if annotation.symbol == Symbol::NOTE && annotation.aux_note.is_empty() {
                annotation.aux_note.clone_from(&label.mnemonic);
            }
        }
        annotations
    }
}

/// `CODE MNEMONIC [DESCRIPTION]`
fn parse(text: &str) -> Option<(u8, Label)> {
    let (code, rest) = text.split_once(char::is_whitespace)?;
    let code: u8 = code.parse().ok()?;
    Symbol::from_code(code).filter(|s| s.code() > 0)?;
    let rest = rest.trim_start();
    let (mnemonic, description) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let label = Label {
        mnemonic: mnemonic.to_owned(),
        description: description.trim().to_owned(),
    };
    (!mnemonic.is_empty()).then_some((code, label))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(definitions: &[&str], codes: &[u8]) -> AnnotationFile {
        let note = |text: &&str| Annotation {
            aux_note: (*text).into(),
            ..Annotation::new(0, Symbol::NOTE)
        };
        let annotation = |(i, &code): (usize, &u8)| {
            Annotation::new(i as i64 + 1, Symbol::from_code(code).unwrap())
        };
        AnnotationFile {
            notes: definitions.iter().map(note).collect(),
            annotations: codes.iter().enumerate().map(annotation).collect(),
        }
    }

    #[test]
    fn labels_are_shown_and_those_of_the_file_have_no_class() {
        let definitions = [
            "## annotation type definitions",
            "42 W wide complex",
            "43 V",
            "1 v pvc",
            "8 A early",
            "99 X",
            "nonsense",
            "## end of definitions",
            "44 Y not a definition any more",
        ];
        let file = file(&definitions, &[42, 43, 1, 5, 44, 8]);
        let labels = file.labels();
        assert_eq!(labels.keys().copied().collect::<Vec<_>>(), [1, 8, 42, 43]);
        assert_eq!(labels[&42].description, "wide complex");
        let shown = file
            .annotations
            .iter()
            .map(|a| file.shown(&labels, a.symbol));
        assert_eq!(shown.collect::<Vec<_>>(), ["W", "V", "v", "V", "[44]", "A"]);
        assert_eq!(file.own_labels(), ["v", "W", "V"]);
        let standard: Vec<_> = file.standard().iter().map(|a| a.symbol.code()).collect();
        let note = Symbol::NOTE.code();
        // The file says that its code 1 is no normal beat.
        assert_eq!(standard, [note, note, note, 5, 44, 8]);
    }

    #[test]
    fn without_definitions_nothing_changes() {
        let file = file(&["a remark", "42 W wide"], &[1, 42]);
        assert!(file.labels().is_empty());
        assert_eq!(file.clone().standard(), file.annotations);
    }
}
