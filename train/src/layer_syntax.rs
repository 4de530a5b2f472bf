//! Layers in a few characters, for flags and settings files:
//! `64x5/2@1+2` is a block of 64 channels, kernel 5, stride 2, dilation 1 and
//! max pooling by 2.

use std::fmt;
use std::str::FromStr;

use models::architecture::{Block, Stem};
use serde::{Deserialize, Serialize};

/// A [`Block`] as text, `CHANNELSxKERNEL[/STRIDE][@DILATION][+POOL]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BlockText(pub Block);

/// An optional [`Stem`] as text, `CHANNELSxKERNEL[/STRIDE]` or `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StemText(pub Option<Stem>);

/// The numbers of `text` by the mark before them; the first has none.
fn numbers(text: &str, marks: &[char]) -> Option<Vec<(char, usize)>> {
    let mut found = Vec::new();
    let mut mark = ' ';
    let mut rest = text.trim();
    loop {
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        if found.iter().any(|&(m, _)| m == mark) {
            return None;
        }
        found.push((mark, rest[..end].parse().ok()?));
        let Some(next) = rest[end..].chars().next() else {
            return Some(found);
        };
        if !marks.contains(&next) {
            return None;
        }
        mark = next;
        rest = &rest[end + next.len_utf8()..];
    }
}

impl FromStr for BlockText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = numbers(text, &['x', '/', '@', '+']).unwrap_or_default();
        let get = |mark| numbers.iter().find(|(m, _)| *m == mark).map(|&(_, n)| n);
        let (Some(channels), Some(kernel)) = (get(' '), get('x')) else {
            return Err(format!(
                "'{text}' is not a block; write CHANNELSxKERNEL[/STRIDE][@DILATION][+POOL], such as 64x5/2 or 32x3+2"
            ));
        };
        Ok(BlockText(Block {
            channels,
            kernel,
            stride: get('/').unwrap_or(1),
            dilation: get('@').unwrap_or(1),
            pool: get('+').unwrap_or(1),
        }))
    }
}

impl fmt::Display for BlockText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Block {
            channels,
            kernel,
            stride,
            dilation,
            pool,
        } = self.0;
        write!(f, "{channels}x{kernel}")?;
        for (mark, number) in [('/', stride), ('@', dilation), ('+', pool)] {
            if number != 1 {
                write!(f, "{mark}{number}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for StemText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(StemText(None));
        }
        let numbers = numbers(text, &['x', '/']).unwrap_or_default();
        let get = |mark| numbers.iter().find(|(m, _)| *m == mark).map(|&(_, n)| n);
        let (Some(channels), Some(kernel)) = (get(' '), get('x')) else {
            return Err(format!(
                "'{text}' is not a stem; write CHANNELSxKERNEL[/STRIDE], such as 32x7/2, or none"
            ));
        };
        let stride = get('/').unwrap_or(1);
        Ok(StemText(Some(Stem {
            channels,
            kernel,
            stride,
        })))
    }
}

impl fmt::Display for StemText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("none"),
            Some(Stem {
                channels,
                kernel,
                stride: 1,
            }) => write!(f, "{channels}x{kernel}"),
            Some(Stem {
                channels,
                kernel,
                stride,
            }) => write!(f, "{channels}x{kernel}/{stride}"),
        }
    }
}

macro_rules! through_text {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = String;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> String {
                value.to_string()
            }
        }
    };
}

through_text!(BlockText);
through_text!(StemText);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_stems_survive_their_text() {
        for text in ["32x3", "64x5/2", "8x7@4", "32x3+2", "16x9/2@3+4"] {
            assert_eq!(text.parse::<BlockText>().unwrap().to_string(), text);
        }
        for text in ["none", "32x7", "32x7/2"] {
            assert_eq!(text.parse::<StemText>().unwrap().to_string(), text);
        }
        let block = "64x5/2".parse::<BlockText>().unwrap().0;
        assert_eq!(
            (block.channels, block.kernel, block.stride, block.pool),
            (64, 5, 2, 1)
        );
    }

    #[test]
    fn malformed_blocks_are_refused() {
        for text in [
            "", "32", "x3", "32x", "32x3x3", "32x3+", "32x3*2", "-1x3", "32 x3", "32x3é",
        ] {
            assert!(text.parse::<BlockText>().is_err(), "{text}");
        }
        for text in ["", "no", "32x7+2", "7"] {
            assert!(text.parse::<StemText>().is_err(), "{text}");
        }
    }
}
