//! The seal of a model file: a SHA-256 over everything else in it.
//!
//! An ONNX file is a protobuf message, a row of fields. The seal is one more
//! entry of `metadata_props`, and covers the bytes of all other fields in their
//! order: the graph with its weights, the contract, the network. A file that
//! was damaged, or changed by another tool, no longer fits its seal. It is no
//! signature: who wants to deceive can seal again.
//!
//! Fields are copied byte for byte, never decoded, so that sealing a file
//! alters nothing else in it.

use data::record::checksum::hexadecimal;
use sha2::{Digest, Sha256};

use crate::contract::{ContractError, METADATA_KEY};

/// Key of the seal in ONNX `metadata_props`.
pub const SEAL_KEY: &str = "ectopy.sha256";

/// Number of the field `metadata_props` in `ModelProto`, and of key and value
/// in its entries, as of onnx.proto3.
const METADATA_PROPS: u64 = 14;
const KEY: u64 = 1;
const VALUE: u64 = 2;

/// `onnx`, a model file's bytes, with its seal in place of any earlier one.
///
/// # Errors
/// [`ContractError::NotOnnx`] when the bytes are no ONNX file.
pub fn seal(onnx: &[u8]) -> Result<Vec<u8>, ContractError> {
    Ok(with_seal(Contents::read(onnx)?.covered.concat()))
}

/// A model file that has no seal yet, with its seal added.
pub(crate) fn with_seal(mut onnx: Vec<u8>) -> Vec<u8> {
    let digest = hexadecimal(&Sha256::digest(&onnx));
    let mut entry = Vec::new();
    write_field(&mut entry, KEY, SEAL_KEY.as_bytes());
    write_field(&mut entry, VALUE, digest.as_bytes());
    write_field(&mut onnx, METADATA_PROPS, &entry);
    onnx
}

/// Checks that a model file is as it was sealed.
///
/// # Errors
/// [`ContractError::NotOnnx`] when the bytes are no ONNX file or are cut short,
/// [`ContractError::Missing`] when there is neither a seal nor a contract,
/// [`ContractError::Unsealed`] and [`ContractError::Damaged`] as they say.
pub fn verify(onnx: &[u8]) -> Result<(), ContractError> {
    let contents = Contents::read(onnx)?;
    let Some(stated) = contents.seal else {
        return Err(match contents.has_contract {
            true => ContractError::Unsealed,
            false => ContractError::Missing,
        });
    };
    let found = contents.digest();
    if stated != found.as_bytes() {
        return Err(ContractError::Damaged {
            stated: String::from_utf8_lossy(stated).into_owned(),
            found,
        });
    }
    Ok(())
}

/// A model file taken apart.
#[derive(Default)]
struct Contents<'a> {
    /// Every field but the seal, tag included.
    covered: Vec<&'a [u8]>,
    seal: Option<&'a [u8]>,
    has_contract: bool,
}

impl<'a> Contents<'a> {
    fn read(onnx: &'a [u8]) -> Result<Contents<'a>, ContractError> {
        let mut contents = Contents::default();
        for field in fields(onnx) {
            let field = field.ok_or(ContractError::NotOnnx)?;
            let entry = match field.number {
                METADATA_PROPS => entry(field.payload),
                _ => None,
            };
            match entry {
                Some((key, value)) if key == SEAL_KEY.as_bytes() => contents.seal = Some(value),
                entry => {
                    contents.has_contract |=
                        entry.is_some_and(|(key, _)| key == METADATA_KEY.as_bytes());
                    contents.covered.push(field.whole);
                }
            }
        }
        Ok(contents)
    }

    fn digest(&self) -> String {
        let mut digest = Sha256::new();
        self.covered.iter().for_each(|field| digest.update(field));
        hexadecimal(&digest.finalize())
    }
}

/// Key and value of an entry of `metadata_props`.
fn entry(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut key, mut value) = (&[][..], &[][..]);
    for field in fields(payload) {
        let field = field?;
        match field.number {
            KEY => key = field.payload,
            VALUE => value = field.payload,
            _ => {}
        }
    }
    Some((key, value))
}

/// One field of a protobuf message.
struct Field<'a> {
    number: u64,
    whole: &'a [u8],
    /// The bytes of a field that has a length; nothing for a plain number.
    payload: &'a [u8],
}

/// The fields of a message; `None`, and then no more, where it is malformed.
fn fields(message: &[u8]) -> impl Iterator<Item = Option<Field<'_>>> {
    let mut rest = Some(message).filter(|m| !m.is_empty());
    std::iter::from_fn(move || {
        let bytes = rest?;
        let field = field(bytes);
        rest = field
            .as_ref()
            .and_then(|f| bytes.get(f.whole.len()..))
            .filter(|r| !r.is_empty());
        Some(field)
    })
}

fn field(bytes: &[u8]) -> Option<Field<'_>> {
    let (tag, start) = varint(bytes, 0)?;
    let (from, to) = match tag & 7 {
        0 => {
            let end = varint(bytes, start)?.1;
            (end, end)
        }
        1 => (start + 8, start + 8),
        2 => {
            let (length, from) = varint(bytes, start)?;
            (from, from.checked_add(usize::try_from(length).ok()?)?)
        }
        5 => (start + 4, start + 4),
        _ => return None,
    };
    Some(Field {
        number: tag >> 3,
        whole: bytes.get(..to)?,
        payload: bytes.get(from..to)?,
    })
}

/// A number of seven bits per byte, the lowest first, and where it ends.
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    for (i, byte) in bytes.get(at..)?.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((value, at + i + 1));
        }
    }
    None
}

fn write_field(out: &mut Vec<u8>, number: u64, payload: &[u8]) {
    write_varint(out, number << 3 | 2);
    write_varint(out, payload.len() as u64);
    out.extend(payload);
}

fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ir_version` 7, a graph of some bytes, and a contract.
    fn unsealed() -> Vec<u8> {
        let mut file = vec![8, 7];
        write_field(&mut file, 7, &[5; 300]);
        let mut entry = Vec::new();
        write_field(&mut entry, KEY, METADATA_KEY.as_bytes());
        write_field(&mut entry, VALUE, b"{}");
        write_field(&mut file, METADATA_PROPS, &entry);
        file
    }

    #[test]
    fn a_sealed_file_is_intact_and_otherwise_the_same() {
        let sealed = seal(&unsealed()).unwrap();
        assert!(sealed.starts_with(&unsealed()));
        verify(&sealed).unwrap();
        assert_eq!(seal(&sealed).unwrap(), sealed);
        assert!(matches!(verify(&unsealed()), Err(ContractError::Unsealed)));
        assert!(matches!(verify(&[8, 7]), Err(ContractError::Missing)));
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_noticed() {
        let sealed = seal(&unsealed()).unwrap();
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[at] ^= 1 << bit;
                assert!(verify(&changed).is_err(), "bit {bit} of byte {at}");
            }
            assert!(verify(&sealed[..at]).is_err(), "cut at {at}");
        }
        let added = [&sealed[..], &[8, 7]].concat();
        let refusal = verify(&added).unwrap_err();
        assert!(refusal.to_string().contains(SEAL_KEY), "{refusal}");
    }
}
