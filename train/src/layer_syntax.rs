//! Layers in a few characters, for flags and settings files.
//!
//! | text | what it sets of a [`Block`] |
//! |---|---|
//! | `64x5` | channels and kernel |
//! | `/2` | stride |
//! | `@4` | dilation |
//! | `+2`, `~2` | pooling after it: maximum, or mean, of 2 samples |
//! | `-se16` | squeeze-excitation with a 16th of the channels |
//! | `-neck4` | bottleneck with a fourth of the channels |
//! | `-pre` | pre-activation |
//!
//! A layer of a memory of beats is written alike, `64x5@2`: channels, kernel and
//! dilation, in beats.

use std::fmt;
use std::str::FromStr;

use models::architecture::{BeatLayer, Block, PoolKind, Stem};
use serde::{Deserialize, Serialize};

/// How a block is written.
const BLOCK: &str =
    "CHANNELSxKERNEL[/STRIDE][@DILATION][+MAXPOOL|~MEANPOOL][-seRATIO][-neckRATIO][-pre]";

/// A [`Block`] as text, as the table above says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BlockText(pub Block);

/// An optional [`Stem`] as text, `CHANNELSxKERNEL[/STRIDE]` or `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StemText(pub Option<Stem>);

/// A [`BeatLayer`] as text, `CHANNELSxKERNEL[@DILATION]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BeatLayerText(pub BeatLayer);

const SQUEEZE: &str = "se";
const BOTTLENECK: &str = "neck";
const PRE_ACTIVATION: &str = "pre";

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

/// A block, or nothing where the text is none.
fn block(text: &str) -> Option<Block> {
    let mut parts = text.split('-');
    let numbers = numbers(parts.next()?, &['x', '/', '@', '+', '~'])?;
    let get = |mark| numbers.iter().find(|(m, _)| *m == mark).map(|&(_, n)| n);
    let mut block = Block {
        stride: get('/').unwrap_or(1),
        dilation: get('@').unwrap_or(1),
        ..Block::new(get(' ')?, get('x')?)
    };
    (block.pool, block.pool_kind) = match (get('+'), get('~')) {
        (maximum, None) => (maximum.unwrap_or(1), PoolKind::Max),
        (None, Some(mean)) => (mean, PoolKind::Average),
        _ => return None,
    };
    for word in parts {
        // A word given twice, or a ratio of 0, says nothing.
        let ratio = |number: &str| number.parse().ok().filter(|&ratio: &usize| ratio > 0);
        if word == PRE_ACTIVATION && !block.pre_activation {
            block.pre_activation = true;
        } else if let Some(number) = word.strip_prefix(SQUEEZE).filter(|_| block.squeeze == 0) {
            block.squeeze = ratio(number)?;
        } else {
            let number = word
                .strip_prefix(BOTTLENECK)
                .filter(|_| block.bottleneck == 0)?;
            block.bottleneck = ratio(number)?;
        }
    }
    Some(block)
}

impl FromStr for BlockText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        block(text).map(BlockText).ok_or_else(|| {
            format!(
                "'{text}' is not a block; write {BLOCK}, such as 64x5/2, 32x3+2 or 64x5-se16-pre"
            )
        })
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
            pool_kind,
            squeeze,
            bottleneck,
            pre_activation,
        } = self.0;
        let pooled = match pool_kind {
            PoolKind::Max => '+',
            PoolKind::Average => '~',
        };
        write!(f, "{channels}x{kernel}")?;
        for (mark, number) in [('/', stride), ('@', dilation), (pooled, pool)] {
            if number != 1 {
                write!(f, "{mark}{number}")?;
            }
        }
        for (word, ratio) in [(SQUEEZE, squeeze), (BOTTLENECK, bottleneck)] {
            if ratio != 0 {
                write!(f, "-{word}{ratio}")?;
            }
        }
        if pre_activation {
            write!(f, "-{PRE_ACTIVATION}")?;
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

impl FromStr for BeatLayerText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = numbers(text, &['x', '@']).unwrap_or_default();
        let get = |mark| numbers.iter().find(|(m, _)| *m == mark).map(|&(_, n)| n);
        let (Some(channels), Some(kernel)) = (get(' '), get('x')) else {
            return Err(format!(
                "'{text}' is not a layer of memory; write CHANNELSxKERNEL[@DILATION], such as 64x5 or 64x5@2"
            ));
        };
        let dilation = get('@').unwrap_or(1);
        Ok(BeatLayerText(BeatLayer {
            channels,
            kernel,
            dilation,
        }))
    }
}

impl fmt::Display for BeatLayerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BeatLayer {
            channels,
            kernel,
            dilation,
        } = self.0;
        write!(f, "{channels}x{kernel}")?;
        if dilation != 1 {
            write!(f, "@{dilation}")?;
        }
        Ok(())
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
through_text!(BeatLayerText);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_stems_survive_their_text() {
        for text in [
            "32x3",
            "64x5/2",
            "8x7@4",
            "32x3+2",
            "16x9/2@3+4",
            "32x3~2",
            "64x5/2-se16",
            "64x5-neck4",
            "64x5-pre",
            "64x5/2@3~4-se8-neck4-pre",
        ] {
            assert_eq!(text.parse::<BlockText>().unwrap().to_string(), text);
        }
        for text in ["none", "32x7", "32x7/2"] {
            assert_eq!(text.parse::<StemText>().unwrap().to_string(), text);
        }
        for text in ["64x5", "48x3@4"] {
            assert_eq!(text.parse::<BeatLayerText>().unwrap().to_string(), text);
        }
        let block = "64x5/2".parse::<BlockText>().unwrap().0;
        assert_eq!(
            (block.channels, block.kernel, block.stride, block.pool),
            (64, 5, 2, 1)
        );
        let block = "64x5~2-pre-neck4-se8".parse::<BlockText>().unwrap().0;
        let expected = Block {
            pool: 2,
            pool_kind: PoolKind::Average,
            squeeze: 8,
            bottleneck: 4,
            pre_activation: true,
            ..Block::new(64, 5)
        };
        assert_eq!(block, expected);
    }

    #[test]
    fn malformed_blocks_are_refused() {
        for text in [
            "",
            "32",
            "x3",
            "32x",
            "32x3x3",
            "32x3+",
            "32x3*2",
            "-1x3",
            "32 x3",
            "32x3é",
            "32x3+2~2",
            "32x3-",
            "32x3-se",
            "32x3-se0",
            "32x3-se4-se4",
            "32x3-neck",
            "32x3-neck2-neck2",
            "32x3-pre-pre",
            "32x3-pre2",
            "32x3-avg",
            "32x3-se-4",
            "-se4",
        ] {
            assert!(text.parse::<BlockText>().is_err(), "{text}");
        }
        for text in ["", "no", "32x7+2", "7"] {
            assert!(text.parse::<StemText>().is_err(), "{text}");
            assert!(text.parse::<BeatLayerText>().is_err(), "{text}");
        }
    }
}
