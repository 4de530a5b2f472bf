//! The lean reader against tract-onnx, and what it refuses.

// A test fails by unwrapping, in what it calls too.
#![allow(clippy::unwrap_used)]

use models::messages::{AttributeProto, AttributeType, DataType};

use super::*;

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Ints as i32,
        ints: values.into(),
        ..AttributeProto::default()
    }
}

fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Int as i32,
        i: value,
        ..AttributeProto::default()
    }
}

fn node(op: &str, inputs: &[&str], name: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        op_type: op.into(),
        name: name.into(),
        input: inputs.iter().map(|i| (*i).into()).collect(),
        output: vec![name.into()],
        attribute,
        ..NodeProto::default()
    }
}

fn weights(name: &str, dims: &[i64]) -> TensorProto {
    let count: i64 = dims.iter().product();
    let values = (0..count).map(|i| (i * 37 % 23 - 11) as f32 / 23.0);
    TensorProto {
        name: name.into(),
        dims: dims.into(),
        data_type: DataType::Float as i32,
        raw_data: values.flat_map(f32::to_le_bytes).collect(),
    }
}

fn integers(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: vec![values.len() as i64],
        data_type: DataType::Int64 as i32,
        raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
    }
}

/// A network with everything that can be read, of 3 channels of 20 samples.
fn everything() -> GraphProto {
    let pool = || vec![ints("kernel_shape", &[1, 2]), ints("strides", &[1, 2])];
    let same = || vec![ints("kernel_shape", &[1, 3]), ints("pads", &[0, 1, 0, 1])];
    let axis = || vec![int("axis", 1)];
    GraphProto {
        node: vec![
            node("Unsqueeze", &["beat", "height"], "map", vec![]),
            node("Conv", &["map", "w1", "b1"], "a", same()),
            node("Relu", &["a"], "b", vec![]),
            node("MaxPool", &["b"], "c", pool()),
            node("Conv", &["c", "w2", "b1"], "d", same()),
            node("Conv", &["c", "w2", "b1"], "e", same()),
            node("Add", &["d", "e"], "f", vec![]),
            node("Relu", &["f"], "g", vec![]),
            // One of two uses: nothing may be put into `e` by now.
            node("Add", &["g", "c"], "h", vec![]),
            node("Relu", &["h"], "i", vec![]),
            // A norm that no layer stands ahead of, and a gate.
            node("Mul", &["i", "gain"], "i.scaled", vec![]),
            node("Add", &["i.scaled", "shift"], "i.norm", vec![]),
            node("GlobalAveragePool", &["i.norm"], "s.map", vec![]),
            node("Flatten", &["s.map"], "s", axis()),
            node(
                "Gemm",
                &["s", "w4", "b1"],
                "s.dense",
                vec![int("transB", 1)],
            ),
            node("Sigmoid", &["s.dense"], "s.gate", vec![]),
            node("Reshape", &["s.gate", "column"], "s.column", vec![]),
            node("Mul", &["i.norm", "s.column"], "i.gated", vec![]),
            node("AveragePool", &["i.gated"], "j", pool()),
            node("Flatten", &["j"], "k", axis()),
            node("GlobalMaxPool", &["j"], "l.map", vec![]),
            node("Flatten", &["l.map"], "l", axis()),
            node("GlobalAveragePool", &["j"], "m.map", vec![]),
            node("Flatten", &["m.map"], "m", axis()),
            node("Concat", &["k", "l", "m", "rhythm"], "n", axis()),
            node("Gemm", &["n", "w3", "b3"], "o", vec![int("transB", 1)]),
            node("Mul", &["o", "factor"], "p", vec![]),
            node("Softmax", &["p"], "q", axis()),
        ],
        initializer: vec![
            integers("height", &[2]),
            integers("column", &[0, 6, 1, 1]),
            weights("gain", &[6, 1, 1]),
            weights("shift", &[6, 1, 1]),
            weights("w4", &[6, 6]),
            weights("w1", &[6, 3, 1, 3]),
            weights("w2", &[6, 6, 1, 3]),
            weights("b1", &[6]),
            weights("w3", &[4, 6 * 5 + 6 + 6 + 2]),
            weights("b3", &[4]),
            weights("factor", &[]),
        ],
        ..GraphProto::default()
    }
}

const OUTPUTS: [&str; 2] = ["o", "q"];

/// Inputs as this reader takes them, `[1, length, channels]`.
const INPUTS: [(&str, [usize; 3]); 2] = [("beat", [1, 20, 3]), ("rhythm", [1, 1, 2])];

/// What the lean reader makes of the graph.
fn lean(graph: &GraphProto) -> TractResult<TypedModel> {
    read(
        graph,
        &INPUTS.map(|(name, shape)| (name, TVec::from_slice(&shape))),
        &OUTPUTS,
    )
}

fn named<'a>(graph: &'a mut GraphProto, name: &str) -> &'a mut NodeProto {
    graph.node.iter_mut().find(|n| n.name == name).unwrap()
}

fn constant<'a>(graph: &'a mut GraphProto, name: &str) -> &'a mut TensorProto {
    graph
        .initializer
        .iter_mut()
        .find(|t| t.name == name)
        .unwrap()
}

#[test]
fn what_it_does_not_know_is_refused() {
    let refusal = |change: fn(&mut GraphProto)| {
        let mut graph = everything();
        change(&mut graph);
        let error = lean(&graph).unwrap_err();
        format!("{error:#}")
    };
    assert!(refusal(|g| g.node[2].op_type = "Tanh".into()).contains("b (Tanh)"));
    assert!(
        refusal(|g| g.node[2].domain = "mine".into()).contains("b (Relu): an operator of 'mine'")
    );
    assert!(refusal(|g| g.node[1].attribute.push(int("group", 3))).contains("'group'"));
    assert!(refusal(|g| named(g, "k").attribute[0].i = 2).contains("axis"));
    assert!(refusal(|g| named(g, "o").attribute[0].i = 0).contains("W x + b"));
    assert!(refusal(|g| constant(g, "w1").dims[0] = 7).contains("weights"));
    assert!(refusal(|g| constant(g, "w1").raw_data.truncate(7)).contains("32-bit floats"));
    assert!(refusal(|g| constant(g, "gain").dims = vec![1, 6, 1]).contains("[1, 6, 1]"));
    assert!(refusal(|g| named(g, "i.gated").input[1] = "beat".into()).contains("per channel"));
    assert!(refusal(|g| named(g, "i.gated").input[1] = "s.gate".into()).contains("per channel"));
    assert!(refusal(|g| named(g, "h").input[0] = "beat".into()).contains("map and a vector"));
    assert!(refusal(|g| named(g, "h").input[0] = "map".into()).contains("two shapes"));
    assert!(
        refusal(|g| *constant(g, "column") = integers("column", &[0, 3, 2, 1])).contains("1 x 6")
    );
    assert!(refusal(|g| g.node[1].input[0] = "later".into()).contains("'later'"));
    assert!(refusal(|g| g.node.truncate(5)).contains("'o'"));
}

#[cfg(feature = "any-onnx")]
mod against_tract_onnx {
    use models::messages::{
        ModelProto, OperatorSetIdProto, TensorTypeProto, TypeProto, ValueInfoProto,
    };
    use prost::Message;

    use super::*;

    /// Values of one input, sample by sample.
    fn values(shape: [usize; 3]) -> Tensor {
        let count = shape.iter().product::<usize>();
        let values: Vec<f32> = (0..count).map(|i| (i as f32 * 1.7).sin()).collect();
        Tensor::from_shape(&shape, &values).unwrap()
    }

    #[test]
    fn it_computes_what_tract_onnx_does() {
        let graph = everything();
        let run = |model: TypedModel, inputs: TVec<TValue>| {
            model.into_runnable().unwrap().run(inputs).unwrap()
        };
        let inputs = INPUTS.map(|(_, shape)| values(shape).into_tvalue());
        let found = run(
            lean(&graph).unwrap().into_optimized().unwrap(),
            inputs.into_iter().collect(),
        );

        let inputs = INPUTS.map(|(name, shape)| as_in_the_file(name, values(shape)));
        let shapes = [0, 1].map(|i| (INPUTS[i].0, inputs[i].shape().into()));
        let model = crate::any_onnx::read(&file(&graph), &shapes, &OUTPUTS).unwrap();
        let expected = run(
            model,
            inputs.into_iter().map(IntoTValue::into_tvalue).collect(),
        );
        for (found, expected) in found.iter().zip(expected) {
            let found = found.clone().into_tensor();
            let found = found.into_shape(expected.shape()).unwrap();
            found
                .close_enough(&expected, Approximation::Approximate)
                .unwrap();
        }
    }

    /// Values of an input as the file says: `[1, channels, length]`, `[1, features]`.
    fn as_in_the_file(name: &str, tensor: Tensor) -> Tensor {
        let mut tensor = tensor.move_axis(1, 2).unwrap();
        if name == "rhythm" {
            tensor.remove_axis(2).unwrap();
        }
        tensor
    }

    /// The graph as an ONNX file.
    fn file(graph: &GraphProto) -> Vec<u8> {
        let value = |name: &str| ValueInfoProto {
            name: name.into(),
            r#type: Some(TypeProto {
                tensor_type: Some(TensorTypeProto {
                    elem_type: DataType::Float as i32,
                    shape: None,
                }),
            }),
            ..ValueInfoProto::default()
        };
        let mut graph = graph.clone();
        graph.input = INPUTS.iter().map(|(name, _)| value(name)).collect();
        graph.output = OUTPUTS.iter().map(|name| value(name)).collect();
        let file = ModelProto {
            ir_version: 8,
            opset_import: vec![OperatorSetIdProto {
                version: 13,
                ..Default::default()
            }],
            graph: Some(graph),
            ..ModelProto::default()
        };
        file.encode_to_vec()
    }
}
