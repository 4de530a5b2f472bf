//! Graphs of any operators, by tract-onnx.

use tract_core::internal::*;

/// Reads the graph of a file for one beat, with its inputs and outputs in the
/// order and the inputs of the shapes given here.
///
/// # Errors
/// tract-onnx cannot read the file, or a named input or output is missing.
#[cfg(feature = "any-onnx")]
pub(crate) fn read(
    file: &[u8],
    inputs: &[(&str, TVec<usize>)],
    outputs: &[&str],
) -> TractResult<TypedModel> {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    // It takes some things for granted, such as that every output is made: a
    // file in which they are not is refused like any other.
    let read = catch_unwind(AssertUnwindSafe(|| optimized(file, inputs, outputs)));
    read.unwrap_or_else(|_| bail!("it cannot make sense of the graph (it panicked)"))
}

/// As with the feature `any-onnx`.
///
/// # Errors
/// Always, with the remedy.
#[cfg(not(feature = "any-onnx"))]
pub(crate) fn read(
    _file: &[u8],
    _inputs: &[(&str, TVec<usize>)],
    _outputs: &[&str],
) -> TractResult<TypedModel> {
    bail!(
        "not in this program; build it with the feature any-onnx, or export the model with this project's `train`"
    )
}

#[cfg(feature = "any-onnx")]
fn optimized(
    mut file: &[u8],
    inputs: &[(&str, TVec<usize>)],
    outputs: &[&str],
) -> TractResult<TypedModel> {
    use tract_onnx::prelude::{Framework, InferenceModelExt};

    let onnx = tract_onnx::onnx();
    let mut file = onnx.proto_model_for_read(&mut file)?;
    // tract wants a name of its own for every node, ONNX does not; no two nodes
    // make the same value.
    let nodes = file.graph.iter_mut().flat_map(|graph| &mut graph.node);
    for node in nodes {
        if let Some(made) = node.output.iter().find(|name| !name.is_empty()) {
            node.name.clone_from(made);
        }
    }
    // What a file says of values in between may leave the batch open.
    let onnx = onnx.with_ignore_value_info(true);
    let mut model = onnx.model_for_proto_model(&file)?;
    let sources = model.input_outlets()?.to_vec();
    let mut outlets = Vec::new();
    for (name, shape) in inputs {
        // A constant of the name would be computed with in the input's stead.
        let source = sources.iter().find(|s| model.node(s.node).name == *name);
        let source = *source.with_context(|| format!("'{name}' is not an input"))?;
        model.set_outlet_fact(source, f32::fact(&**shape).into())?;
        outlets.push(source);
    }
    model.set_input_outlets(&outlets)?;
    model.select_outputs_by_name(outputs)?;
    model.into_optimized()
}
