//! The ONNX graph of a classifier as a graph of tract's.
//!
//! tract's own reader knows every operator there is, and what is known is
//! linked. This one knows those that `models` writes, and puts what follows a
//! layer (bias, residual, ReLU) into it.
//!
//! A feature map `[1, channels, 1, length]` of the file is `[1, length,
//! channels]` here, and a vector `[1, features]` is `[1, 1, features]`.

use std::collections::HashMap;

use models::messages::{GraphProto, NodeProto, TensorProto};
use tract_core::internal::*;
use tract_core::ops::array::TypedConcat;
use tract_core::ops::math;
use tract_core::ops::nn::{Softmax, SoftmaxKind};

use crate::affine::{Affine, Shape};
use crate::pool::{Kind, Pool};

/// Reads a graph for one beat, with its inputs and outputs of the shapes here.
///
/// # Errors
/// A named input or output is missing, or the graph is not of the kind that
/// `models` writes.
pub(crate) fn read<'a>(
    graph: &'a GraphProto,
    inputs: &[(&'a str, [usize; 3])],
    outputs: &[&'a str],
) -> TractResult<TypedModel> {
    let mut reader = Reader {
        model: TypedModel::default(),
        constants: graph.initializer.iter().map(|t| (&*t.name, t)).collect(),
        values: HashMap::new(),
        uses: HashMap::new(),
    };
    for name in graph.node.iter().flat_map(|n| &n.input) {
        *reader.uses.entry(name).or_default() += 1;
    }
    // An output is a use like another.
    for name in outputs {
        *reader.uses.entry(name).or_default() += 1;
    }
    for (name, shape) in inputs {
        let source = reader.model.add_source(*name, f32::fact(*shape))?;
        reader.values.insert(name, Value::Wired(source));
    }
    for node in &graph.node {
        reader
            .node(node)
            .with_context(|| format!("{} ({})", node.name, node.op_type))?;
    }
    let mut outlets = TVec::new();
    for name in outputs {
        outlets.push(reader.outlet(name)?);
    }
    reader.model.select_output_outlets(&outlets)?;
    Ok(reader.model)
}

/// A value of the graph.
enum Value {
    Wired(OutletId),
    /// A layer that waits for what follows it, with its inputs.
    Waiting(Affine, TVec<OutletId>),
}

struct Reader<'a> {
    model: TypedModel,
    constants: HashMap<&'a str, &'a TensorProto>,
    values: HashMap<&'a str, Value>,
    uses: HashMap<&'a str, usize>,
}

impl<'a> Reader<'a> {
    fn wire(
        &mut self,
        name: &str,
        op: impl Into<Box<dyn TypedOp>>,
        inputs: &[OutletId],
    ) -> TractResult<OutletId> {
        let outlets = self.model.wire_node(name, op, inputs)?;
        outlets
            .first()
            .copied()
            .context("an operator without an output")
    }

    /// Where a value is; a layer that waited is wired now.
    fn outlet(&mut self, name: &'a str) -> TractResult<OutletId> {
        let value = self
            .values
            .remove(name)
            .with_context(|| format!("'{name}' is used before it is made"))?;
        let outlet = match value {
            Value::Wired(outlet) => outlet,
            Value::Waiting(layer, inputs) => self.wire(name, layer, &inputs)?,
        };
        self.values.insert(name, Value::Wired(outlet));
        Ok(outlet)
    }

    /// A layer that waits for `name`, its only use.
    fn waiting(&mut self, name: &'a str) -> Option<(Affine, TVec<OutletId>)> {
        if self.uses.get(name) != Some(&1) {
            return None;
        }
        match self.values.remove(name) {
            Some(Value::Waiting(layer, inputs)) => Some((layer, inputs)),
            Some(other) => {
                self.values.insert(name, other);
                None
            }
            None => None,
        }
    }

    /// Length and channels.
    fn shape(&self, outlet: OutletId) -> TractResult<[usize; 2]> {
        match self.model.outlet_fact(outlet)?.shape.as_concrete() {
            Some(&[1, length, channels]) => Ok([length, channels]),
            other => bail!("a value of shape {other:?}"),
        }
    }

    fn constant(&self, name: &str) -> TractResult<&'a TensorProto> {
        let found = self.constants.get(name).copied();
        found.with_context(|| format!("'{name}' is not a constant"))
    }

    fn floats(&self, name: &str) -> TractResult<Vec<f32>> {
        let values = self.constant(name)?.floats();
        values.with_context(|| format!("'{name}' is not stored as 32-bit floats"))
    }

    /// The shape of a constant.
    fn sizes(&self, name: &str) -> TractResult<TVec<usize>> {
        let shape = &self.constant(name)?.dims;
        let sizes = shape.iter().map(|d| usize::try_from(*d));
        Ok(sizes.collect::<Result<_, _>>()?)
    }

    fn node(&mut self, node: &'a NodeProto) -> TractResult<()> {
        let inputs: TVec<&str> = node.input.iter().map(|name| &**name).collect();
        let [name] = &*node.output else {
            bail!("{} outputs", node.output.len());
        };
        let on_channels = |node: &NodeProto| {
            ensure!(node.integer("axis") == Some(1), "another axis than 1");
            Ok(())
        };
        let value = match (&*node.op_type, &*inputs) {
            ("Conv", [x, weights, bias]) => self.convolution(node, x, weights, bias)?,
            ("Gemm", [x, weights, bias]) => self.dense(node, x, weights, bias)?,
            ("Relu", [x]) => match self.waiting(x) {
                Some((mut layer, inputs)) => {
                    layer.relu = true;
                    Value::Waiting(layer, inputs)
                }
                None => {
                    let zero = self
                        .model
                        .add_const(format!("{name}.zero"), tensor3(&[[[0f32]]]))?;
                    let x = self.outlet(x)?;
                    Value::Wired(self.wire(name, math::max(), &[x, zero])?)
                }
            },
            ("Add", [a, b]) => self.sum(name, a, b)?,
            ("Mul", [x, factor]) => {
                let [factor] = *self.floats(factor)? else {
                    bail!("a factor that is not one number");
                };
                let factor = self
                    .model
                    .add_const(format!("{name}.factor"), tensor3(&[[[factor]]]))?;
                let x = self.outlet(x)?;
                Value::Wired(self.wire(name, math::mul(), &[x, factor])?)
            }
            // Maps have no height here.
            ("Unsqueeze", [x, axes]) => {
                let axes = self.constant(axes)?.integers();
                ensure!(axes == Some(vec![2]), "another axis than the height");
                Value::Wired(self.outlet(x)?)
            }
            ("Flatten", [x]) => {
                on_channels(node)?;
                let x = self.outlet(x)?;
                Value::Wired(self.vector(name, x)?)
            }
            ("Concat", [_, ..]) => {
                on_channels(node)?;
                let parts: TVec<OutletId> = inputs
                    .iter()
                    .map(|x| self.outlet(x))
                    .collect::<TractResult<_>>()?;
                Value::Wired(self.wire(name, TypedConcat { axis: 2 }, &parts)?)
            }
            ("GlobalMaxPool", [x]) => self.pool(name, x, Kind::Max, None)?,
            ("GlobalAveragePool", [x]) => self.pool(name, x, Kind::Mean, None)?,
            ("MaxPool", [x]) => self.pool(name, x, Kind::Max, Some(node))?,
            ("AveragePool", [x]) => self.pool(name, x, Kind::Mean, Some(node))?,
            ("Softmax", [x]) => {
                on_channels(node)?;
                let x = self.outlet(x)?;
                let op = Softmax::new(tvec![2], None, SoftmaxKind::Softmax);
                Value::Wired(self.wire(name, op, &[x])?)
            }
            (_, inputs) => bail!(
                "this program has no such operator of {} inputs; it reads what `train` exports",
                inputs.len()
            ),
        };
        self.values.insert(name, value);
        Ok(())
    }

    fn convolution(
        &mut self,
        node: &'a NodeProto,
        x: &'a str,
        weights: &str,
        bias: &str,
    ) -> TractResult<Value> {
        let [outputs, channels, 1, kernel] = *self.sizes(weights)? else {
            bail!("weights of another shape");
        };
        only(node, &["kernel_shape", "pads", "strides", "dilations"])?;
        let along = |name: &str| match node.sizes(name).as_deref() {
            None => Ok(1),
            Some(&[1, length]) => Ok(length),
            Some(other) => bail!("{name} {other:?}"),
        };
        let padding = match node.sizes("pads").as_deref() {
            None => [0, 0],
            Some(&[0, before, 0, after]) => [before, after],
            Some(other) => bail!("padding {other:?}"),
        };
        let shape = Shape {
            channels,
            outputs,
            kernel,
            stride: along("strides")?,
            dilation: along("dilations")?,
            padding,
        };
        let layer = Affine::new(shape, &self.floats(weights)?, &self.floats(bias)?)?;
        Ok(Value::Waiting(layer, tvec![self.outlet(x)?]))
    }

    fn dense(
        &mut self,
        node: &'a NodeProto,
        x: &'a str,
        weights: &str,
        bias: &str,
    ) -> TractResult<Value> {
        let [outputs, channels] = *self.sizes(weights)? else {
            bail!("weights of another shape");
        };
        only(node, &["transB"])?;
        ensure!(
            node.integer("transB") == Some(1),
            "another product than W x + b"
        );
        let shape = Shape {
            channels,
            outputs,
            kernel: 1,
            stride: 1,
            dilation: 1,
            padding: [0, 0],
        };
        let layer = Affine::new(shape, &self.floats(weights)?, &self.floats(bias)?)?;
        let x = self.outlet(x)?;
        ensure!(self.shape(x)?[0] == 1, "a dense layer of a map");
        Ok(Value::Waiting(layer, tvec![x]))
    }

    /// The sum goes into a layer that makes one of the two.
    fn sum(&mut self, name: &str, a: &'a str, b: &'a str) -> TractResult<Value> {
        for (layer, other) in [(a, b), (b, a)] {
            match self.waiting(layer) {
                Some((layer, mut inputs)) if inputs.len() == 1 && !layer.relu => {
                    inputs.push(self.outlet(other)?);
                    return Ok(Value::Waiting(layer, inputs));
                }
                Some((waiting, inputs)) => {
                    self.values.insert(layer, Value::Waiting(waiting, inputs));
                }
                None => {}
            }
        }
        let parts = [self.outlet(a)?, self.outlet(b)?];
        Ok(Value::Wired(self.wire(name, math::add(), &parts)?))
    }

    /// A map as a vector, channel after channel.
    fn vector(&mut self, name: &str, x: OutletId) -> TractResult<OutletId> {
        let [length, channels] = self.shape(x)?;
        if length == 1 {
            return Ok(x);
        }
        let rows = self.wire(&format!("{name}.rows"), AxisOp::Move(1, 2), &[x])?;
        let from = tvec![channels.to_dim(), length.to_dim()];
        let to = tvec![1.to_dim(), (channels * length).to_dim()];
        self.wire(name, AxisOp::Reshape(1, from, to), &[rows])
    }

    /// Pools stretches that do not overlap, or the whole map where no node
    /// gives their size.
    fn pool(
        &mut self,
        name: &str,
        x: &'a str,
        kind: Kind,
        stretches: Option<&NodeProto>,
    ) -> TractResult<Value> {
        let x = self.outlet(x)?;
        let size = match stretches {
            None => self.shape(x)?[0],
            Some(node) => {
                only(node, &["kernel_shape", "strides"])?;
                let (kernel, strides) = (node.sizes("kernel_shape"), node.sizes("strides"));
                match kernel.as_deref() {
                    Some(&[1, size]) if strides == kernel => size,
                    _ => bail!("stretches of {kernel:?} every {strides:?}"),
                }
            }
        };
        Ok(Value::Wired(self.wire(name, Pool { size, kind }, &[x])?))
    }
}

/// Another attribute could mean something that is not done here.
fn only(node: &NodeProto, names: &[&str]) -> TractResult<()> {
    match node.attribute.iter().find(|a| !names.contains(&&*a.name)) {
        Some(other) => bail!("it has the attribute '{}'", other.name),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    // A test fails by unwrapping, in what it calls too.
    #![allow(clippy::unwrap_used)]

    use models::messages::{
        AttributeProto, AttributeType, DataType, ModelProto, OperatorSetIdProto, TensorTypeProto,
        TypeProto, ValueInfoProto,
    };
    use prost::Message;
    use tract_onnx::prelude::{Framework, InferenceModelExt};

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
                node("AveragePool", &["i"], "j", pool()),
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
                TensorProto {
                    name: "height".into(),
                    dims: vec![1],
                    data_type: DataType::Int64 as i32,
                    raw_data: 2i64.to_le_bytes().into(),
                },
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

    /// Values of one input, sample by sample.
    fn values(shape: [usize; 3]) -> Tensor {
        let count = shape.iter().product::<usize>();
        let values: Vec<f32> = (0..count).map(|i| (i as f32 * 1.7).sin()).collect();
        Tensor::from_shape(&shape, &values).unwrap()
    }

    /// Them as the file says: `[1, channels, length]`, `[1, features]`.
    fn as_in_the_file(name: &str, tensor: Tensor) -> Tensor {
        let mut tensor = tensor.move_axis(1, 2).unwrap();
        if name == "rhythm" {
            tensor.remove_axis(2).unwrap();
        }
        tensor
    }

    /// What tract's own reader makes of the graph.
    fn reference(graph: &GraphProto) -> TVec<TValue> {
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
        let onnx = tract_onnx::onnx();
        let file = file.encode_to_vec();
        let mut model = onnx.model_for_read(&mut &*file).unwrap();
        let inputs = INPUTS.map(|(name, shape)| as_in_the_file(name, values(shape)));
        for (i, input) in inputs.iter().enumerate() {
            let fact = f32::fact(input.shape()).into();
            model.set_input_fact(i, fact).unwrap();
        }
        let model = model.into_optimized().unwrap().into_runnable().unwrap();
        let inputs = inputs.into_iter().map(IntoTValue::into_tvalue);
        model.run(inputs.collect()).unwrap()
    }

    #[test]
    fn it_computes_what_tracts_own_reader_does() {
        let graph = everything();
        let model = read(&graph, &INPUTS, &OUTPUTS).unwrap();
        let model = model.into_optimized().unwrap().into_runnable().unwrap();
        let inputs = INPUTS.map(|(_, shape)| values(shape).into_tvalue());
        let found = model.run(inputs.into_iter().collect()).unwrap();
        for (found, expected) in found.iter().zip(reference(&graph)) {
            let found = found.clone().into_tensor();
            let found = found.into_shape(expected.shape()).unwrap();
            found
                .close_enough(&expected, Approximation::Approximate)
                .unwrap();
        }
    }

    #[test]
    fn what_it_does_not_know_is_refused() {
        let refusal = |change: fn(&mut GraphProto)| {
            let mut graph = everything();
            change(&mut graph);
            let error = read(&graph, &INPUTS, &OUTPUTS).unwrap_err();
            format!("{error:#}")
        };
        assert!(refusal(|g| g.node[2].op_type = "Tanh".into()).contains("b (Tanh)"));
        assert!(refusal(|g| g.node[1].attribute.push(int("group", 3))).contains("'group'"));
        assert!(refusal(|g| g.node[11].attribute[0].i = 2).contains("axis"));
        assert!(refusal(|g| g.node[17].attribute[0].i = 0).contains("W x + b"));
        assert!(refusal(|g| g.initializer[1].dims[0] = 7).contains("weights"));
        assert!(refusal(|g| g.initializer[1].raw_data.truncate(7)).contains("32-bit floats"));
        assert!(refusal(|g| g.node[1].input[0] = "later".into()).contains("'later'"));
        assert!(refusal(|g| g.node.truncate(5)).contains("'o'"));
    }
}
