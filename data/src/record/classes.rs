//! The classes that a model tells apart, and which labels mean them.
//!
//! A class is known by its place in the list, which is that of the model's
//! output. Names and labels travel in the model's contract, so that no program
//! knows a list of its own.

mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::record::aami::{Class, Convention};
use crate::record::annotation::{Annotation, Symbol};
use crate::record::error::{Error, Result, ensure};

/// Most classes of a list: a limit on what a hostile file can ask for, and within
/// the range of the signed byte that files of predictions hold.
const MOST: usize = 120;

/// The classes of a model, in the order of its outputs. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes(Arc<[BeatClass]>);

/// One class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeatClass {
    /// What predictions call it.
    name: String,
    /// Labels that mean it: WFDB beat symbols in an annotation file, values in a
    /// table's column of labels.
    labels: Vec<String>,
    /// See [`BeatClass::aami`].
    aami: Option<Class>,
}

impl BeatClass {
    /// A class of this name that these labels mean. In a table its name and its
    /// place in the list mean it, too.
    pub fn new(name: &str, labels: &[&str]) -> BeatClass {
        let labels: Vec<String> = labels.iter().map(|&l| l.to_owned()).collect();
        BeatClass {
            name: name.into(),
            aami: common_class(&labels),
            labels,
        }
    }

    /// The class of EC57 with its name and symbols, escape beats as N.
    pub fn of_aami(class: Class) -> BeatClass {
        let of_class = |symbol: &&&str| aami_of(symbol).is_some_and(|its| its == class);
        let labels: Vec<&str> = SYMBOLS.iter().filter(of_class).copied().collect();
        BeatClass::new(class.name(), &labels)
    }

    /// What predictions call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Labels that mean it.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The class of EC57 to which all its beats belong; `None` where they are of
    /// several, or where it is not known by beat symbols. A class of
    /// ventricular beats and fusions counts as V.
    pub fn aami(&self) -> Option<Class> {
        self.aami
    }

    /// The WFDB symbol under which a classifier writes a beat of this class:
    /// EC57's for a class of that name, else the first of its labels. A class
    /// without a place in EC57 is written as `Q`, unclassifiable, and its name
    /// goes into the annotation's text.
    fn symbol(&self) -> (Symbol, Option<&str>) {
        let Some(class) = self.aami else {
            return (Symbol::Q, Some(&self.name));
        };
        let first = self.labels.first();
        let own = first.and_then(|label| Symbol::from_mnemonic(label));
        match own {
            Some(symbol) if self.name != class.name() => (symbol, None),
            _ => (class.symbol(), None),
        }
    }
}

/// The beat symbols of WFDB in the order in which classes name them, the
/// commonest first within a class of EC57.
const SYMBOLS: [&str; 19] = [
    "N", "L", "R", "e", "j", "B", "n", "A", "a", "J", "S", "V", "E", "r", "F", "/", "f", "Q", "?",
];

fn aami_of(label: &str) -> Option<Class> {
    Class::from_symbol(Symbol::from_mnemonic(label)?, Convention::Literature)
}

/// The one class of EC57 of all these labels; V for V and F together.
fn common_class(labels: &[String]) -> Option<Class> {
    let mut of_labels = labels.iter().map(|label| aami_of(label));
    let first = of_labels.next()??;
    let join = |a: Class, b: Option<Class>| match (a, b?) {
        (a, b) if a == b => Some(a),
        (Class::V, Class::F) | (Class::F, Class::V) => Some(Class::V),
        _ => None,
    };
    of_labels.try_fold(first, join)
}

impl Classes {
    /// A list of classes.
    ///
    /// # Errors
    /// [`Error::Invalid`] for fewer than two or more than 120 classes, an empty
    /// or repeated name, or a label that means two of them.
    pub fn new(list: Vec<BeatClass>) -> Result<Classes> {
        ensure((2..=MOST).contains(&list.len()), || {
            Error::Invalid(format!(
                "{} class(es) are named; a classifier tells 2 to {MOST} apart",
                list.len()
            ))
        })?;
        for (i, class) in list.iter().enumerate() {
            ensure(!class.name.trim().is_empty(), || {
                Error::Invalid(format!("class {i} (counted from 0) has no name"))
            })?;
            // A name may become the text of an annotation, which has bytes only.
            ensure(class.name.chars().all(|c| matches!(c, ' '..='~')), || {
                Error::Invalid(format!(
                    "the class '{}' has letters that an annotation file cannot hold; use printable ASCII",
                    class.name.escape_default()
                ))
            })?;
            let earlier = &list[..i];
            ensure(earlier.iter().all(|c| c.name != class.name), || {
                Error::Invalid(format!("the class '{}' is named twice", class.name))
            })?;
            for label in &class.labels {
                let twice = earlier.iter().find(|c| c.labels.contains(label));
                ensure(twice.is_none(), || {
                    Error::Invalid(format!(
                        "the label '{label}' means both '{}' and '{}'; give it to one of them",
                        twice.map_or("", |c| &c.name),
                        class.name
                    ))
                })?;
            }
        }
        Ok(Classes(list.into()))
    }

    /// The five classes of EC57: N, S, V, F, Q.
    pub fn aami5() -> Classes {
        Classes(Class::ALL.map(BeatClass::of_aami).into())
    }

    /// Number of classes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none, which [`Classes::new`] refuses.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The classes in order.
    pub fn iter(&self) -> std::slice::Iter<'_, BeatClass> {
        self.0.iter()
    }

    /// Their names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(BeatClass::name)
    }

    /// The name of the class at a place.
    ///
    /// # Panics
    /// When there is no such place.
    pub fn name(&self, index: usize) -> &str {
        &self.0[index].name
    }

    /// The place of the class of this name; letters may be small or large where
    /// that leaves one.
    pub fn named(&self, name: &str) -> Option<usize> {
        let exact = self.0.iter().position(|c| c.name == name);
        let alike = |c: &BeatClass| c.name.eq_ignore_ascii_case(name);
        exact.or_else(|| {
            let mut found = (0..self.len()).filter(|&i| alike(&self.0[i]));
            found.next().filter(|_| found.next().is_none())
        })
    }

    /// The class of an annotated beat; `None` for a symbol that no class names.
    pub fn of_symbol(&self, symbol: Symbol) -> Option<usize> {
        let label = symbol.as_str();
        self.0
            .iter()
            .position(|c| c.labels.iter().any(|l| l == label))
    }

    /// Whether annotated beats can be of these classes: every label is a beat
    /// symbol of WFDB.
    ///
    /// # Errors
    /// [`Error::Invalid`] names a label that is none.
    pub fn fit_annotations(&self) -> Result<()> {
        for class in self.iter() {
            let odd = class.labels.iter().find(|label| aami_of(label).is_none());
            ensure(odd.is_none(), || {
                Error::Invalid(format!(
                    "class '{}': recordings have no beats labelled '{}'; the beat symbols of WFDB are {}",
                    class.name,
                    odd.map_or("", |label| label),
                    SYMBOLS.join(" ")
                ))
            })?;
        }
        Ok(())
    }

    /// The beats among these annotations that are of no class.
    pub fn left_out(&self, annotations: &[Annotation]) -> LeftOut {
        let mut left_out = LeftOut::default();
        for annotation in annotations {
            let symbol = annotation.symbol;
            if aami_of(symbol.as_str()).is_some() && self.of_symbol(symbol).is_none() {
                *left_out.0.entry(symbol).or_default() += 1;
            }
        }
        left_out
    }

    /// The class that a value of a table's column of labels means: one of its
    /// labels, its name, or its place in the list, counted from 0, as a number
    /// (`1`, `1.0`, `1e0`).
    pub fn of_value(&self, value: &str) -> Option<usize> {
        let value = value.trim();
        let labelled = |c: &BeatClass| c.labels.iter().any(|l| l == value);
        self.0
            .iter()
            .position(labelled)
            .or_else(|| self.named(value))
            .or_else(|| {
                let number: f64 = value.parse().ok()?;
                let whole = number >= 0.0 && number.fract() == 0.0;
                let index = (whole && number < self.len() as f64).then_some(number as usize)?;
                // `1.0` is the label `1`, where a class has that.
                let written = index.to_string();
                let other = self.0.iter().position(|c| c.labels.contains(&written));
                Some(other.unwrap_or(index))
            })
    }

    /// What [`Classes::of_value`] takes, in words for messages: `0 to 4 for N S V
    /// F Q`.
    pub fn values_in_words(&self) -> String {
        let names: Vec<&str> = self.names().collect();
        let numbers = format!("0 to {} for {}", self.len() - 1, names.join(" "));
        let own: Vec<&str> = self
            .0
            .iter()
            .flat_map(|c| &c.labels)
            .map(String::as_str)
            .filter(|label| aami_of(label).is_none())
            .collect();
        match own.is_empty() {
            true => numbers,
            false => format!("{}, or {numbers}", own.join(" ")),
        }
    }

    /// The class of EC57 of the class at a place: see [`BeatClass::aami`].
    pub fn aami(&self, index: usize) -> Option<Class> {
        self.0.get(index)?.aami
    }

    /// The places of the classes that hold beats of this class of EC57 and no
    /// others.
    pub fn of_aami(&self, class: Class) -> Vec<usize> {
        let of_class = |&c: &usize| self.aami(c) == Some(class);
        (0..self.len()).filter(of_class).collect()
    }

    /// Whether there are any such.
    pub fn has(&self, class: Class) -> bool {
        !self.of_aami(class).is_empty()
    }

    /// What of EC57, jk and episodes of ectopic beats cannot be told with these
    /// classes, in words; `None` where they have both S and V.
    pub fn lacking(&self) -> Option<String> {
        let absent: Vec<&str> = [Class::S, Class::V]
            .into_iter()
            .filter(|&class| !self.has(class))
            .map(Class::name)
            .collect();
        (!absent.is_empty()).then(|| {
            let names: Vec<&str> = self.names().collect();
            format!(
                "none of the model's classes ({}) is EC57's {}: figures and episodes of {} beats are left out",
                names.join(", "),
                absent.join(" or "),
                absent.join(" and "),
            )
        })
    }

    /// The annotation of a beat of the class at a place, at this sample: see
    /// the class's symbol; its name is the text where no symbol says it.
    pub fn annotation(&self, index: usize, sample: i64) -> Annotation {
        let (symbol, name) = self.0[index].symbol();
        let mut annotation = Annotation::new(sample, symbol);
        if let Some(name) = name {
            annotation.aux_note = name.into();
        }
        annotation
    }
}

/// Beats of symbols that are in no class, which nothing learns from and nothing
/// is judged by: how many of each symbol. As text `/ 12, Q 3`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut(BTreeMap<Symbol, usize>);

impl LeftOut {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of both.
    pub fn add(&mut self, other: &LeftOut) {
        for (symbol, count) in &other.0 {
            *self.0.entry(*symbol).or_default() += count;
        }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.0.iter();
        let counts: Vec<String> = counts.map(|(symbol, n)| format!("{symbol} {n}")).collect();
        f.write_str(&counts.join(", "))
    }
}

/// As a contract holds a class: its name alone where it is EC57's.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Aami(Class),
    Own(Own),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    labels: Vec<String>,
}

impl Serialize for Classes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|class| match class.aami {
            Some(aami) if *class == BeatClass::of_aami(aami) => Written::Aami(aami),
            _ => Written::Own(Own {
                name: class.name.clone(),
                labels: class.labels.clone(),
            }),
        }))
    }
}

impl<'de> Deserialize<'de> for Classes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Classes, D::Error> {
        let list: Vec<Written> = Vec::deserialize(deserializer)?;
        let list = list.into_iter().map(|class| match class {
            Written::Aami(class) => BeatClass::of_aami(class),
            Written::Own(Own { name, labels }) => {
                let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
                BeatClass::new(&name, &labels)
            }
        });
        Classes::new(list.collect()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
