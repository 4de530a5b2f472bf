//! `config.pbtxt`: what Triton and KServe have to know of a model, as protobuf's
//! text.

use std::fmt::Write;

use models::contract::ContractError;
use models::messages::DataType;
use models::onnx::{TensorSpec, tensors};

/// Most beats of one run.
const LARGEST_BATCH: usize = 1024;
/// Sizes of a run that are worth waiting for: multiples of what the kernels take at
/// a time.
const PREFERRED: [usize; 3] = [16, 64, 256];
/// How long a request may wait for others, in microseconds: about what a run of 64
/// beats takes on one core.
const DELAY_US: usize = 1000;

/// The file for a graph that is to be served under a name.
///
/// # Errors
/// As [`tensors`].
pub fn text(name: &str, graph: &[u8]) -> Result<String, ContractError> {
    let [inputs, outputs] = tensors(graph)?;
    let remembers = models::onnx::contract(graph)?.memory.is_some();
    // With a batch every tensor's first axis is the row, and no other is open.
    let is_row = |t: &TensorSpec| t.shape.first() == Some(&None);
    let batched = !remembers && inputs.iter().chain(&outputs).all(is_row);
    let mut text = format!("name: \"{name}\"\nplatform: \"onnxruntime_onnx\"\n");
    text += &match batched {
        true => format!(
            "# Rows are beats, each answered by itself; requests share a run.\n\
             max_batch_size: {LARGEST_BATCH}\n\
             dynamic_batching {{\n  preferred_batch_size: {PREFERRED:?}\n  max_queue_delay_microseconds: {DELAY_US}\n}}\n"
        ),
        false => {
            "# No batching: the model remembers beats. The rows of a request are consecutive\n\
                  # beats of one recording, and those of another request must not come between;\n\
                  # what is remembered has no axis for rows.\n\
                  max_batch_size: 0\n"
                .into()
        }
    };
    for (kind, specs) in [("input", &inputs), ("output", &outputs)] {
        for spec in specs {
            tensor(&mut text, kind, spec, batched);
        }
    }
    Ok(text)
}

fn tensor(text: &mut String, kind: &str, spec: &TensorSpec, batched: bool) {
    let data_type = match spec.data_type {
        DataType::Float => "TYPE_FP32",
        DataType::Int64 => "TYPE_INT64",
        DataType::Undefined => "TYPE_INVALID",
    };
    let axes = &spec.shape[usize::from(batched)..];
    let size = |axis: &Option<usize>| axis.map_or("-1".into(), |n| n.to_string());
    let dims: Vec<String> = axes.iter().map(size).collect();
    // Triton has no tensor without axes: one number a row is a row of one.
    let (dims, reshape) = match dims.is_empty() {
        true => ("1".into(), "  reshape { shape: [ ] }\n"),
        false => (dims.join(", "), ""),
    };
    let _ = write!(
        text,
        "{kind} {{\n  name: \"{}\"\n  data_type: {data_type}\n  dims: [ {dims} ]\n{reshape}}}\n",
        spec.name
    );
}
