//! Whether prepared beats are what a model expects.

use data::pipeline::beats::Beats;
use data::pipeline::input::InputSpec;
use serde_json::{Map, Value};

use crate::contract::Memory;

/// Names of a list that are told one by one; of more their number is.
const NAMED: usize = 5;

/// What differs between how beats were prepared and what a model expects, one
/// entry per setting; empty when they fit.
pub fn differences(prepared: &InputSpec, expected: &InputSpec) -> Vec<String> {
    if prepared == expected {
        return Vec::new();
    }
    let (prepared, expected) = (settings(prepared), settings(expected));
    prepared
        .iter()
        .filter(|(key, value)| expected.get(*key) != Some(value))
        .map(|(key, value)| {
            let wanted = expected.get(key).unwrap_or(&Value::Null);
            match (names(value), names(wanted)) {
                (Some(found), Some(wanted)) => lists(key, &found, &wanted),
                _ => format!("{key} is {value}, the model needs {wanted}"),
            }
        })
        .collect()
}

/// Why a model with this memory cannot take these beats; `None` where it can, and
/// for every model without one.
pub fn out_of_order(memory: Option<Memory>, beats: &Beats) -> Option<&'static str> {
    (memory.is_some() && !beats.in_order()).then_some(
        "the model remembers beats, and these do not tell where a recording begins or has a gap; give a recording, or a store that this version's `data convert` makes of recordings, or take a model without a memory",
    )
}

fn settings(input: &InputSpec) -> Map<String, Value> {
    match serde_json::to_value(input) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// The names in a list of names, such as leads or features.
fn names(value: &Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}

/// How two lists of names differ: what one has and the other has not, rather
/// than both in full.
fn lists(key: &str, found: &[&str], wanted: &[&str]) -> String {
    let beyond = |a: &[&str], b: &[&str]| {
        let names: Vec<_> = a.iter().copied().filter(|n| !b.contains(n)).collect();
        named(&names)
    };
    let count = |names: &[&str]| match names.len() {
        0 => "none".into(),
        1..=NAMED => names.join(", "),
        many => many.to_string(),
    };
    let mut text = format!(
        "{key}: the beats have {}, the model needs {}",
        count(found),
        count(wanted)
    );
    if found.len().max(wanted.len()) <= NAMED {
        return text;
    }
    match (beyond(wanted, found), beyond(found, wanted)) {
        (None, None) => text += ", the same in another order",
        (lacking, unknown) => {
            text += &lacking.map_or_else(String::new, |names| format!(", lacking {names}"));
            text += &unknown.map_or_else(String::new, |names| format!(", too many {names}"));
        }
    }
    text
}

/// Up to [`NAMED`] names, and how many more there are; `None` without any.
fn named(names: &[&str]) -> Option<String> {
    match names {
        [] => None,
        few if few.len() <= NAMED => Some(few.join(", ")),
        many => Some(format!(
            "{} and {} more",
            many[..NAMED].join(", "),
            many.len() - NAMED
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_has_no_differences() {
        assert!(differences(&InputSpec::window(), &InputSpec::window()).is_empty());
    }

    #[test]
    fn many_names_are_told_by_what_is_missing() {
        let expected = InputSpec::window();
        let mut prepared = expected.clone();
        let count = expected.rhythm.len();
        assert!(count > NAMED, "{count}");
        let last = prepared.rhythm.pop().unwrap();
        let name = serde_json::to_value(last).unwrap();
        let told = format!(
            "rhythm: the beats have {}, the model needs {count}, lacking {}",
            count - 1,
            name.as_str().unwrap()
        );
        assert_eq!(differences(&prepared, &expected), [told]);

        prepared.rhythm.insert(0, last);
        let other =
            format!("the beats have {count}, the model needs {count}, the same in another order");
        assert_eq!(
            differences(&prepared, &expected),
            [format!("rhythm: {other}")]
        );

        prepared.rhythm.clear();
        let [told] = &differences(&prepared, &expected)[..] else {
            panic!("one setting differs");
        };
        assert!(
            told.contains(&format!("and {} more", count - NAMED)),
            "{told}"
        );
        assert!(told.len() < 200, "{told}");
    }

    #[test]
    fn few_names_and_numbers_are_told_in_full() {
        let expected = InputSpec::window();
        let mut prepared = expected.clone();
        prepared.leads = vec!["MLII".into(), "V1".into()];
        prepared.before += 1;
        let told = differences(&prepared, &expected).join("; ");
        assert!(
            told.contains("leads: the beats have MLII, V1, the model needs none"),
            "{told}"
        );
        assert!(
            told.contains(&format!("the model needs {}", expected.before)),
            "{told}"
        );
    }
}
