//! Requests and answers of the Open Inference Protocol in JSON, and with its
//! binary tensor extension: the values of a tensor after the JSON, little-endian.

use serde::ser::{SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::numbers::{self, Lifted};
use super::repository::Model;
use super::tensor::{DataType, Refusal, Tensor, Values};

/// The header that says how many bytes of a body are JSON.
pub const JSON_LENGTH: &str = "inference-header-content-length";

/// Parameters of requests and tensors that ask for what this server cannot do.
const UNKNOWN: [&str; 4] = [
    "shared_memory_region",
    "classification",
    "sequence_id",
    "sequence_start",
];

/// A request for inference.
#[derive(Deserialize)]
pub struct Request<'a> {
    /// The sender's own number of the request, which the answer repeats.
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    parameters: Map<String, Value>,
    #[serde(borrow)]
    inputs: Vec<Input<'a>>,
    #[serde(default)]
    outputs: Vec<Output>,
}

#[derive(Deserialize)]
struct Input<'a> {
    name: String,
    shape: Vec<i64>,
    datatype: String,
    #[serde(default)]
    parameters: Map<String, Value>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Output {
    name: String,
    #[serde(default)]
    parameters: Map<String, Value>,
}

/// An output that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its place in the graph.
    pub place: usize,
    /// Whether its values come as bytes.
    pub binary: bool,
}

/// A request that has been understood.
pub struct Understood {
    /// The sender's number.
    pub id: Option<String>,
    /// The inputs.
    pub inputs: Vec<Tensor>,
    /// What is asked for.
    pub asked: Vec<Asked>,
}

/// Reads a body of which the first `json` bytes are JSON.
///
/// # Errors
/// [`Refusal::Invalid`] says what is wrong, and where.
pub fn read(body: &[u8], json: Option<usize>, model: &Model) -> Result<Understood, Refusal> {
    let invalid = |words: String| Refusal::Invalid(words);
    let length = json.unwrap_or(body.len());
    let (json, mut rest) = body.split_at_checked(length).ok_or_else(|| {
        invalid(format!(
            "{JSON_LENGTH} is {length}, the body has {} bytes",
            body.len()
        ))
    })?;
    let lifted = Lifted::of(json);
    let request: Request<'_> = serde_json::from_slice(lifted.json()).map_err(|e| {
        // What is wrong is told of the body as it came.
        let whole = serde_json::from_slice::<Request<'_>>(json)
            .err()
            .unwrap_or(e);
        invalid(format!(
            "the request is no JSON of an inference request: {whole}"
        ))
    })?;
    refuse_unknown(|name| request.parameters.contains_key(name))?;
    let mut inputs = Vec::with_capacity(request.inputs.len());
    for input in &request.inputs {
        refuse_unknown(|name| input.parameters.contains_key(name))?;
        let (_, spec) = model.input(&input.name)?;
        let count = spec.check(&input.datatype, &input.shape)?;
        let values = input.values(&lifted, (spec.data_type, count), &mut rest)?;
        inputs.push(spec.tensor(&input.shape, count, values)?);
    }
    if !rest.is_empty() {
        return Err(invalid(format!(
            "{} bytes follow the values of the last input",
            rest.len()
        )));
    }
    Ok(Understood {
        asked: asked(&request, model)?,
        id: request.id,
        inputs,
    })
}

/// Refuses parameters that ask for what this server cannot do; `holds` says whether
/// one is there.
///
/// # Errors
/// [`Refusal::Invalid`] names it.
pub fn refuse_unknown(holds: impl Fn(&str) -> bool) -> Result<(), Refusal> {
    match UNKNOWN.iter().find(|name| holds(name)) {
        Some(name) => Err(Refusal::Invalid(format!(
            "parameter '{name}': this server does not have that extension"
        ))),
        None => Ok(()),
    }
}

fn asked(request: &Request<'_>, model: &Model) -> Result<Vec<Asked>, Refusal> {
    let flag = |parameters: &Map<String, Value>, name: &str| -> Result<Option<bool>, Refusal> {
        parameters.get(name).map_or(Ok(None), |value| {
            let flag = value.as_bool().map(Some);
            flag.ok_or_else(|| Refusal::Invalid(format!("parameter '{name}' is true or false")))
        })
    };
    let all = flag(&request.parameters, "binary_data_output")?.unwrap_or(false);
    if request.outputs.is_empty() {
        let places = 0..model.outputs.len();
        return Ok(places.map(|place| Asked { place, binary: all }).collect());
    }
    let each = request.outputs.iter().map(|output| {
        refuse_unknown(|name| output.parameters.contains_key(name))?;
        Ok(Asked {
            place: model.output(&output.name)?,
            binary: flag(&output.parameters, "binary_data")?.unwrap_or(all),
        })
    });
    each.collect()
}

impl Input<'_> {
    /// Its values: those in the JSON, or the next bytes after it.
    fn values(
        &self,
        lifted: &Lifted<'_>,
        (data_type, count): (DataType, usize),
        rest: &mut &[u8],
    ) -> Result<Values, Refusal> {
        let name = &self.name;
        let binary = self.parameters.get("binary_data_size");
        Ok(match (self.data, binary) {
            (Some(data), None) => {
                let read = numbers::read(lifted.list(data.get()), data_type, count);
                read.map_err(|e| Refusal::Invalid(format!("data of input '{name}': {e}")))?
            }
            (None, Some(size)) => {
                let needed = count.checked_mul(data_type.size());
                let given = size.as_u64().and_then(|s| usize::try_from(s).ok());
                let bytes = given.filter(|g| needed == Some(*g)).ok_or_else(|| {
                    Refusal::Invalid(format!(
                        "binary_data_size of input '{name}' is {size}, its shape and data type need {}",
                        needed.unwrap_or(usize::MAX)
                    ))
                })?;
                let (own, others) = rest.split_at_checked(bytes).ok_or_else(|| {
                    Refusal::Invalid(format!(
                        "input '{name}' needs {bytes} bytes after the JSON, there are {}",
                        rest.len()
                    ))
                })?;
                *rest = others;
                let none = Values::empty(data_type, 0);
                Values::of_bytes(data_type, own).unwrap_or(none)
            }
            (Some(_), Some(_)) => {
                return Err(Refusal::Invalid(format!(
                    "input '{name}' has data and binary_data_size; give one of them"
                )));
            }
            (None, None) => {
                return Err(Refusal::Invalid(format!("input '{name}' has no data")));
            }
        })
    }
}

/// An answer to a request for inference.
#[derive(Serialize)]
struct Answer<'a> {
    model_name: &'a str,
    model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    outputs: Vec<Answered<'a>>,
}

#[derive(Serialize)]
struct Answered<'a> {
    name: &'a str,
    shape: &'a [usize],
    datatype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Size>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Shown<'a>>,
}

#[derive(Serialize)]
struct Size {
    binary_data_size: usize,
}

/// Values as one flat list.
struct Shown<'a>(&'a Values);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        match self.0 {
            Values::Fp32(values) => values.iter().try_for_each(|v| list.serialize_element(v))?,
            Values::Int64(values) => values.iter().try_for_each(|v| list.serialize_element(v))?,
        }
        list.end()
    }
}

/// An answer as bytes; how many of them are JSON, where others follow.
///
/// # Errors
/// [`Refusal::Failed`] when an output has no finite values and JSON is asked for,
/// which has no word for them.
pub fn write(
    model: &Model,
    id: Option<&str>,
    outputs: &[Tensor],
    asked: &[Asked],
) -> Result<(Vec<u8>, Option<usize>), Refusal> {
    let mut binary = Vec::new();
    let mut answered = Vec::with_capacity(asked.len());
    for asked in asked {
        let tensor = &outputs[asked.place];
        let size = asked.binary.then(|| {
            let bytes = tensor.values.bytes();
            binary.extend_from_slice(&bytes);
            Size {
                binary_data_size: bytes.len(),
            }
        });
        if size.is_none() && !tensor.values.are_finite() {
            return Err(Refusal::Failed(format!(
                "output '{}' has values that are no finite numbers; ask for binary data",
                tensor.name
            )));
        }
        answered.push(Answered {
            name: &tensor.name,
            shape: &tensor.shape,
            datatype: tensor.values.data_type().name(),
            data: size.is_none().then_some(Shown(&tensor.values)),
            parameters: size,
        });
    }
    let answer = Answer {
        model_name: &model.name,
        model_version: &model.version,
        id,
        outputs: answered,
    };
    let mut body =
        serde_json::to_vec(&answer).map_err(|e| Refusal::Failed(format!("the answer: {e}")))?;
    let length = asked.iter().any(|a| a.binary).then_some(body.len());
    body.append(&mut binary);
    Ok((body, length))
}

/// A request for inference, for the description of the API.
#[derive(ToSchema)]
#[schema(as = InferenceRequest)]
#[allow(dead_code, reason = "the description alone reads it")]
pub struct RequestSchema {
    /// The sender's own number of the request, which the answer repeats.
    id: Option<String>,
    /// `binary_data_output`: whether all outputs come as bytes.
    parameters: Option<Parameters>,
    /// The model's inputs, each once.
    inputs: Vec<InputSchema>,
    /// Outputs to give; without it, all.
    outputs: Option<Vec<OutputSchema>>,
}

/// Parameters by name.
#[derive(ToSchema)]
#[allow(dead_code, reason = "the description alone reads it")]
pub struct Parameters {
    /// Values of the parameters.
    #[schema(additional_properties)]
    #[serde(flatten)]
    all: std::collections::BTreeMap<String, Value>,
}

/// An input tensor.
#[derive(ToSchema)]
#[schema(as = RequestInput)]
#[allow(dead_code, reason = "the description alone reads it")]
pub struct InputSchema {
    /// Its name in the graph.
    name: String,
    /// Its sizes.
    shape: Vec<u64>,
    /// `FP32` or `INT64`.
    datatype: String,
    /// `binary_data_size`: bytes after the JSON that hold the values.
    parameters: Option<Parameters>,
    /// The values, row-major, flat or in lists within lists.
    data: Option<Vec<Value>>,
}

/// An output that is asked for.
#[derive(ToSchema)]
#[schema(as = RequestOutput)]
#[allow(dead_code, reason = "the description alone reads it")]
pub struct OutputSchema {
    /// Its name in the graph.
    name: String,
    /// `binary_data`: whether it comes as bytes.
    parameters: Option<Parameters>,
}

/// An answer, for the description of the API.
#[derive(ToSchema)]
#[schema(as = InferenceResponse)]
#[allow(dead_code, reason = "the description alone reads it")]
pub struct AnswerSchema {
    /// The model that was run.
    model_name: String,
    /// Its version.
    model_version: String,
    /// The sender's number.
    id: Option<String>,
    /// The outputs.
    outputs: Vec<AnsweredSchema>,
}

/// An output tensor.
#[derive(ToSchema)]
#[schema(as = ResponseOutput)]
#[allow(dead_code, reason = "the description alone reads it")]
pub struct AnsweredSchema {
    /// Its name in the graph.
    name: String,
    /// Its sizes.
    shape: Vec<u64>,
    /// `FP32` or `INT64`.
    datatype: String,
    /// `binary_data_size`: bytes after the JSON that hold the values.
    parameters: Option<Parameters>,
    /// The values, row-major and flat.
    data: Option<Vec<Value>>,
}
