//! Numbers of tensors in JSON, which are most of a request, read fast.
//!
//! A general reader of JSON passes each number by several times, and took half of the
//! server's time. So the lists of `data` are lifted out of the request before it is
//! read, and read by code that knows only lists and numbers. It takes nothing that
//! JSON does not allow; what it does not take goes the general way, which says what
//! is wrong.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};

use super::tensor::{DataType, Values};

/// Lists within lists of numbers that are read: more than any tensor has sizes.
const DEPTH: usize = 8;

/// Powers of ten that `f64` holds exactly.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// The largest whole number up to which `f64` holds all.
const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;

/// The key of the lists that are lifted.
const KEY: &[u8] = b"\"data\"";

/// JSON without the lists of numbers that follow the key `data`: `[0]` stands for the
/// first of them, `[1]` for the second.
pub struct Lifted<'a> {
    json: Cow<'a, [u8]>,
    lists: Vec<&'a [u8]>,
}

impl<'a> Lifted<'a> {
    /// Lifts what can be lifted.
    pub fn of(json: &'a [u8]) -> Lifted<'a> {
        let mut lists = Vec::new();
        let mut left = Vec::new();
        let mut rest = json;
        while let Some((before, list, after)) = next_list(rest) {
            left.extend_from_slice(before);
            left.extend_from_slice(format!("[{}]", lists.len()).as_bytes());
            lists.push(list);
            rest = after;
        }
        left.extend_from_slice(rest);
        // A quote that is escaped, or a key, would be misread.
        match lists.is_empty() || left.contains(&b'\\') {
            true => Lifted {
                json: Cow::Borrowed(json),
                lists: Vec::new(),
            },
            false => Lifted {
                json: Cow::Owned(left),
                lists,
            },
        }
    }

    /// The JSON that is left.
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// The list that was lifted where `text` stands, or else `text`.
    pub fn list<'b>(&'b self, text: &'b str) -> &'b [u8] {
        // A list of one number that a request itself has was lifted, too.
        let number = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        let place = number.and_then(|n| n.parse::<usize>().ok());
        let list = place.and_then(|place| self.lists.get(place));
        list.map_or(text.as_bytes(), |list| list)
    }
}

/// The next list after the key, with what is before and after it.
fn next_list(json: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut from = 0;
    loop {
        let key = json[from..].windows(KEY.len()).position(|w| w == KEY)?;
        from += key + KEY.len();
        let after = json[from..].trim_ascii_start();
        let list = after.strip_prefix(b":").map(<[u8]>::trim_ascii_start);
        let Some(list) = list.filter(|list| list.starts_with(b"[")) else {
            continue;
        };
        if let Some(length) = length(list) {
            let start = json.len() - list.len();
            return Some((&json[..start], &list[..length], &list[length..]));
        }
    }
}

/// The bytes of a list up to its own end; `None` where it holds strings.
fn length(list: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        at += mark(&list[at..])? + 1;
        match list[at - 1] {
            b'[' => depth += 1,
            b']' => depth -= 1,
            _ => return None,
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

/// Where the next bracket or quote is.
fn mark(text: &[u8]) -> Option<usize> {
    let is = |b: u8| (b == b'[') | (b == b']') | (b == b'"');
    let mut at = 0;
    // Without an early end the compiler compares many bytes at a time.
    for chunk in text.chunks(64) {
        if chunk.iter().fold(false, |any, &b| any | is(b)) {
            return chunk.iter().position(|&b| is(b)).map(|place| at + place);
        }
        at += chunk.len();
    }
    None
}

/// Reads at most `most` numbers from lists, which may be nested, into one row-major
/// list.
///
/// # Errors
/// Words that say what is wrong, and where.
pub fn read(list: &[u8], data_type: DataType, most: usize) -> serde_json::Result<Values> {
    let empty = || Values::empty(data_type, most.min(list.len()));
    let mut into = empty();
    if fast(list, &mut into, most).is_some() {
        return Ok(into);
    }
    let mut into = empty();
    let mut json = serde_json::Deserializer::from_slice(list);
    let numbers = Numbers {
        into: &mut into,
        most,
        depth: 0,
    };
    numbers.deserialize(&mut json)?;
    json.end()?;
    Ok(into)
}

/// Reads lists of numbers that are as they mostly are; `None` where they are not.
fn fast(list: &[u8], into: &mut Values, most: usize) -> Option<()> {
    let (mut rest, mut depth, mut opened) = (list, 0_usize, false);
    loop {
        rest = blank(rest);
        let first = *rest.first()?;
        if first == b'[' {
            depth += 1;
            rest = &rest[1..];
            opened = true;
            if depth > DEPTH {
                return None;
            }
            continue;
        }
        // An empty list has its end at once.
        if first != b']' || !opened {
            if depth == 0 || into.len() >= most {
                return None;
            }
            let number = Number::at(rest)?;
            number.push(&rest[..number.length], into)?;
            rest = &rest[number.length..];
        }
        opened = false;
        loop {
            rest = blank(rest);
            let next = *rest.first()?;
            rest = &rest[1..];
            match next {
                b',' => break,
                b']' if depth > 1 => depth -= 1,
                b']' => return blank(rest).is_empty().then_some(()),
                _ => return None,
            }
        }
    }
}

/// What follows the blanks of JSON.
fn blank(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = text {
        text = rest;
    }
    text
}

/// A number as it is written: `-12.5` is 125, one digit after the point, negative.
struct Number {
    /// All digits, without a point.
    digits: u64,
    /// Digits after the point.
    after: usize,
    negative: bool,
    /// Whether the above is all of it, and exact.
    whole: bool,
    /// Bytes that it takes.
    length: usize,
}

impl Number {
    /// The number that a text begins with.
    fn at(text: &[u8]) -> Option<Number> {
        let negative = text.first() == Some(&b'-');
        let start = usize::from(negative);
        let (mut at, mut digits) = (start, 0_u64);
        let mut run = |at: &mut usize| {
            let begin = *at;
            while let Some(digit @ b'0'..=b'9') = text.get(*at) {
                digits = digits
                    .wrapping_mul(10)
                    .wrapping_add(u64::from(digit - b'0'));
                *at += 1;
            }
            *at - begin
        };
        let before = run(&mut at);
        // JSON has no number like `.5`, `1.` or `01`.
        if before == 0 || (before > 1 && text[start] == b'0') {
            return None;
        }
        let mut after = 0;
        if text.get(at) == Some(&b'.') {
            at += 1;
            after = run(&mut at);
            if after == 0 {
                return None;
            }
        }
        // 19 digits fit into 64 bits.
        let mut whole = before + after <= 19;
        if let Some(b'e' | b'E') = text.get(at) {
            whole = false;
            at += 1;
            if let Some(b'+' | b'-') = text.get(at) {
                at += 1;
            }
            if run(&mut at) == 0 {
                return None;
            }
        }
        Some(Number {
            digits,
            after,
            negative,
            whole,
            length: at,
        })
    }

    /// Appends the value, whose own text is `text`.
    fn push(&self, text: &[u8], into: &mut Values) -> Option<()> {
        match into {
            Values::Fp32(values) => {
                let exact = self.whole && self.digits <= EXACT && self.after < TENS.len();
                // The quotient of two exact numbers is rounded once, and so right.
                let value = match exact {
                    true if self.negative => -(self.digits as f64 / TENS[self.after]),
                    true => self.digits as f64 / TENS[self.after],
                    false => std::str::from_utf8(text).ok()?.parse::<f64>().ok()?,
                };
                values.push(value as f32);
            }
            Values::Int64(values) => {
                let value = i64::try_from(self.digits).ok();
                let value = value.filter(|_| self.whole && self.after == 0)?;
                values.push(if self.negative { -value } else { value });
            }
        }
        Some(())
    }
}

/// Reads numbers from lists, which may be nested, into one row-major list.
struct Numbers<'a> {
    into: &'a mut Values,
    most: usize,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Numbers<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Numbers<'_> {
    fn room<E: serde::de::Error>(&self) -> Result<(), E> {
        match self.depth {
            0 => Err(E::custom("it is no list")),
            _ if self.into.len() >= self.most => {
                Err(E::custom(format_args!("more than {} values", self.most)))
            }
            _ => Ok(()),
        }
    }
}

impl<'de> Visitor<'de> for Numbers<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.into {
            Values::Fp32(_) => f.write_str("numbers, or lists of them"),
            Values::Int64(_) => f.write_str("whole numbers, or lists of them"),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if self.depth == DEPTH {
            return Err(A::Error::custom("too many lists within lists"));
        }
        while list
            .next_element_seed(Numbers {
                into: self.into,
                most: self.most,
                depth: self.depth + 1,
            })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.room()?;
        match self.into {
            Values::Fp32(values) => values.push(value as f32),
            Values::Int64(_) => return Err(E::custom(format_args!("{value} is no whole number"))),
        }
        Ok(())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.room()?;
        match self.into {
            Values::Fp32(values) => values.push(value as f32),
            Values::Int64(values) => values.push(value),
        }
        Ok(())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.room()?;
        match self.into {
            Values::Fp32(values) => values.push(value as f32),
            Values::Int64(values) => {
                let value = i64::try_from(value);
                values.push(value.map_err(|_| E::custom("a number is beyond INT64"))?);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the general way reads.
    fn general(list: &str, data_type: DataType, most: usize) -> Option<Values> {
        let mut into = Values::empty(data_type, 0);
        let mut json = serde_json::Deserializer::from_str(list);
        let numbers = Numbers {
            into: &mut into,
            most,
            depth: 0,
        };
        numbers.deserialize(&mut json).ok()?;
        json.end().ok()?;
        Some(into)
    }

    fn quick(list: &str, data_type: DataType, most: usize) -> Option<Values> {
        let mut into = Values::empty(data_type, 0);
        fast(list.as_bytes(), &mut into, most).map(|()| into)
    }

    #[test]
    fn lists_of_numbers_are_read_fast() {
        let all = Some(Values::Fp32(vec![1.0, -0.5, 1e-3, 0.25, 1.729_103_6]));
        for list in [
            "[1,-0.5,1e-3,0.25,1.7291036]",
            " [ [1 ,-0.5] ,\n[1E-3,2.5e-1], [] , [1.72910356521606445]\t] ",
        ] {
            assert_eq!(quick(list, DataType::Fp32, 5), all, "{list}");
        }
        let whole = Some(Values::Int64(vec![0, -7, i64::MAX]));
        let list = "[0,-7,9223372036854775807]";
        assert_eq!(quick(list, DataType::Int64, 3), whole);
        let long = "[0.1000000000000000000000000000000000000001]";
        assert_eq!(
            quick(long, DataType::Fp32, 1),
            Some(Values::Fp32(vec![0.1]))
        );
    }

    #[test]
    fn what_is_no_list_of_numbers_goes_the_general_way() {
        for list in [
            "", "[", "]", "[]]", "[1", "[1,]", "[,1]", "[1 2]", "[01]", "[1.]", "[.5]", "[-]",
            "[+1]", "[1e]", "[1,2,3]", "1", "[1]x", "[NaN]", "[null]", "[\"1\"]", "[{}]", "[--1]",
        ] {
            assert_eq!(quick(list, DataType::Fp32, 2), None, "{list}");
            assert!(read(list.as_bytes(), DataType::Fp32, 2).is_err(), "{list}");
        }
        let deep = |lists: usize| format!("{}1{}", "[".repeat(lists), "]".repeat(lists));
        assert!(quick(&deep(DEPTH), DataType::Fp32, 1).is_some());
        assert!(quick(&deep(DEPTH + 1), DataType::Fp32, 1).is_none());
        for list in ["[0.5]", "[1e3]", "[9223372036854775808]"] {
            assert_eq!(quick(list, DataType::Int64, 1), None, "{list}");
        }
    }

    #[test]
    fn lists_are_lifted_and_found_again() {
        let json = br#"{"data" : [1, [2]], "b": "data", "data":["]"], "c": {"data":[3]}}"#;
        let lifted = Lifted::of(json);
        let left: &[u8] = br#"{"data" : [0], "b": "data", "data":["]"], "c": {"data":[1]}}"#;
        assert_eq!(lifted.json(), left);
        assert_eq!(lifted.list("[0]"), b"[1, [2]]");
        assert_eq!(lifted.list("[1]"), b"[3]");
        assert_eq!(lifted.list(r#"["]"]"#), br#"["]"]"#);
        for untouched in [
            r#"{"data": [1, 2"#,
            r#"{"a": "\"data\": [1]", "data": [2]}"#,
            r#"{"a": [1]}"#,
            r#"{"data": 1}"#,
        ] {
            let lifted = Lifted::of(untouched.as_bytes());
            assert_eq!(lifted.json(), untouched.as_bytes());
            assert_eq!(lifted.list("[0]"), b"[0]");
        }
    }

    proptest! {
        #[test]
        fn both_ways_read_the_same(
            list in r"\[{1,2}(-?[0-9]{1,21}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?[ ,\[\]]{1,2}){0,6}\]{0,2}",
            whole in any::<bool>(),
        ) {
            let data_type = if whole { DataType::Int64 } else { DataType::Fp32 };
            if let Some(values) = quick(&list, data_type, 5) {
                prop_assert_eq!(general(&list, data_type, 5), Some(values));
            }
        }

        #[test]
        fn a_number_is_read_as_it_was_written(values in prop::collection::vec(any::<f32>(), 0..20)) {
            let values: Vec<f32> = values.into_iter().filter(|v| v.is_finite()).collect();
            let list = serde_json::to_string(&values).unwrap();
            let most = values.len();
            prop_assert_eq!(quick(&list, DataType::Fp32, most), Some(Values::Fp32(values.clone())));
            let wide: Vec<f64> = values.iter().map(|&v| f64::from(v)).collect();
            let list = serde_json::to_string(&wide).unwrap();
            prop_assert_eq!(quick(&list, DataType::Fp32, most), Some(Values::Fp32(values)));
        }
    }
}
