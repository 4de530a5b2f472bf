//! Tensors as the Open Inference Protocol has them, and why a request is refused.

use std::ops::Range;

/// Why a request gets no answer, in the words that its sender reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such model, version or recording.
    #[error("{0}")]
    NotFound(String),
    /// The request is not as the protocol or the model wants it.
    #[error("{0}")]
    Invalid(String),
    /// The request is larger than the server takes.
    #[error("{0}")]
    TooLarge(String),
    /// The body is of a kind that nothing here reads.
    #[error("{0}")]
    Unsupported(String),
    /// The answer comes in none of the kinds that are asked for.
    #[error("{0}")]
    NotAcceptable(String),
    /// The route knows other methods; the header `Allow` names them.
    #[error("the route does not have this method; see the header Allow, or /docs")]
    NoSuchMethod,
    /// The results are not there yet.
    #[error("the recording is still worked on; ask for it again")]
    NotYet,
    /// The token is missing or wrong.
    #[error("a bearer token is needed; send 'Authorization: Bearer TOKEN'")]
    Unauthorized,
    /// More waits already than the server lets wait.
    #[error("the server has as much to do as it takes on; try again in {RETRY_AFTER} s")]
    Busy,
    /// The server ends and takes nothing new.
    #[error("the server is shutting down")]
    Stopping,
    /// The request took longer than it may.
    #[error("the request took longer than {0} s")]
    TimedOut(u64),
    /// The server is at fault.
    #[error("{0}")]
    Failed(String),
}

/// Seconds after which a request that was shed may come again.
pub const RETRY_AFTER: u64 = 1;

/// What the elements of a tensor are. The project's graphs have no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataType {
    /// 32-bit floating point.
    Fp32,
    /// 64-bit signed integers.
    Int64,
}

impl DataType {
    /// The protocol's word.
    pub fn name(self) -> &'static str {
        match self {
            DataType::Fp32 => "FP32",
            DataType::Int64 => "INT64",
        }
    }

    /// Bytes of an element.
    pub fn size(self) -> usize {
        match self {
            DataType::Fp32 => 4,
            DataType::Int64 => 8,
        }
    }
}

/// The elements of a tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Of [`DataType::Fp32`].
    Fp32(Vec<f32>),
    /// Of [`DataType::Int64`].
    Int64(Vec<i64>),
}

impl Values {
    /// No values, with room for `capacity`.
    pub fn empty(data_type: DataType, capacity: usize) -> Values {
        match data_type {
            DataType::Fp32 => Values::Fp32(Vec::with_capacity(capacity)),
            DataType::Int64 => Values::Int64(Vec::with_capacity(capacity)),
        }
    }

    /// The values that little-endian bytes hold; `None` where the last is cut.
    pub fn of_bytes(data_type: DataType, bytes: &[u8]) -> Option<Values> {
        if !bytes.len().is_multiple_of(data_type.size()) {
            return None;
        }
        Some(match data_type {
            DataType::Fp32 => {
                let (words, _) = bytes.as_chunks::<4>();
                Values::Fp32(words.iter().map(|w| f32::from_le_bytes(*w)).collect())
            }
            DataType::Int64 => {
                let (words, _) = bytes.as_chunks::<8>();
                Values::Int64(words.iter().map(|w| i64::from_le_bytes(*w)).collect())
            }
        })
    }

    /// The values as little-endian bytes.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Values::Fp32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Values::Int64(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        }
    }

    /// What they are.
    pub fn data_type(&self) -> DataType {
        match self {
            Values::Fp32(_) => DataType::Fp32,
            Values::Int64(_) => DataType::Int64,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Values::Fp32(values) => values.len(),
            Values::Int64(values) => values.len(),
        }
    }

    /// Whether all are finite numbers.
    pub fn are_finite(&self) -> bool {
        match self {
            Values::Fp32(values) => values.iter().all(|v| v.is_finite()),
            Values::Int64(_) => true,
        }
    }

    /// Appends a part of others, which are of the same type.
    pub fn extend(&mut self, others: &Values, part: Range<usize>) {
        match (self, others) {
            (Values::Fp32(all), Values::Fp32(others)) => all.extend(&others[part]),
            (Values::Int64(all), Values::Int64(others)) => all.extend(&others[part]),
            _ => {}
        }
    }
}

/// A named tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Its name in the graph.
    pub name: String,
    /// Its sizes.
    pub shape: Vec<usize>,
    /// Its values, as many as the shape says.
    pub values: Values,
}

/// What the graph says of one of its tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub data_type: DataType,
    /// Its sizes; -1 for the one that the request chooses.
    pub shape: Vec<i64>,
}

impl TensorSpec {
    /// Checks name, type and sizes of what a request says of this tensor, before
    /// any value of it is read, and gives the number of values that it must have.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] says what differs.
    pub fn check(&self, data_type: &str, shape: &[i64]) -> Result<usize, Refusal> {
        let name = &self.name;
        if data_type != self.data_type.name() {
            return Err(Refusal::Invalid(format!(
                "input '{name}' has data type {data_type:?}, the model takes {}",
                self.data_type.name()
            )));
        }
        let fits = shape.len() == self.shape.len()
            && shape
                .iter()
                .zip(&self.shape)
                .all(|(&given, &own)| given > 0 && (own < 0 || own == given));
        if !fits {
            return Err(Refusal::Invalid(format!(
                "input '{name}' has shape {}, the model takes {}",
                shown(shape),
                shown(&self.shape)
            )));
        }
        let product = shape
            .iter()
            .try_fold(1_usize, |all, &d| all.checked_mul(usize::try_from(d).ok()?));
        product.ok_or_else(|| Refusal::Invalid(format!("input '{name}' is larger than memory")))
    }

    /// The tensor of a shape that [`TensorSpec::check`] has passed with this number of
    /// values.
    ///
    /// # Errors
    /// [`Refusal::Invalid`]: there are more or fewer.
    pub fn tensor(&self, shape: &[i64], count: usize, values: Values) -> Result<Tensor, Refusal> {
        let name = &self.name;
        if values.len() != count {
            return Err(Refusal::Invalid(format!(
                "input '{name}' has {} values, its shape needs {count}",
                values.len()
            )));
        }
        Ok(Tensor {
            name: name.clone(),
            shape: shape.iter().map(|&s| s.unsigned_abs() as usize).collect(),
            values,
        })
    }
}

/// A shape as `[N, 1, 187]`.
fn shown(shape: &[i64]) -> String {
    let sizes: Vec<String> = shape
        .iter()
        .map(|size| match size {
            -1 => "N".into(),
            size => size.to_string(),
        })
        .collect();
    format!("[{}]", sizes.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat() -> TensorSpec {
        TensorSpec {
            name: "beat".into(),
            data_type: DataType::Fp32,
            shape: vec![-1, 1, 187],
        }
    }

    #[test]
    fn a_shape_that_fits_tells_the_number_of_values() {
        assert_eq!(beat().check("FP32", &[3, 1, 187]), Ok(561));
    }

    #[test]
    fn what_does_not_fit_is_told_with_what_would() {
        let words = |data_type, shape: &[i64]| beat().check(data_type, shape).unwrap_err();
        let words = |data_type, shape| words(data_type, shape).to_string();
        assert!(words("FP64", &[1, 1, 187]).contains("\"FP64\", the model takes FP32"));
        for wrong in [
            &[1, 187][..],
            &[0, 1, 187],
            &[-1, 1, 187],
            &[1, 2, 187],
            &[],
        ] {
            assert!(words("FP32", wrong).ends_with("the model takes [N, 1, 187]"));
        }
        assert!(words("FP32", &[i64::MAX, 1, 187]).contains("larger than memory"));
    }

    #[test]
    fn bytes_and_values_are_the_same() {
        for values in [
            Values::Fp32(vec![1.5, -0.0, f32::MAX]),
            Values::Int64(vec![-1, i64::MAX]),
        ] {
            let bytes = values.bytes();
            assert_eq!(Values::of_bytes(values.data_type(), &bytes), Some(values));
        }
        assert_eq!(Values::of_bytes(DataType::Fp32, &[0; 5]), None);
    }
}
