//! The ONNX graph of a classifier as a graph of tract's.
//!
//! tract-onnx knows nearly every operator there is, and what is known is
//! linked. This reader knows those that `models` writes, and puts what follows
//! a layer (bias, residual, ReLU) into it. Whatever it is not sure to compute
//! as the file says it refuses: tract-onnx may then have the file.
//!
//! A feature map `[1, channels, 1, length]` of the file is `[1, length,
//! channels]` here, and a vector `[1, features]` is `[1, 1, features]`. Of a model
//! that remembers beats, rows `[beats, features]` are `[1, beats, features]`, and a
//! list of numbers `[count]` is `[1, 1, count]`.

mod rows;

use std::collections::{HashMap, HashSet};

use models::contract::STATE;
use models::messages::{GraphProto, NodeProto, TensorProto};
use tract_core::internal::*;
use tract_core::ops::array::TypedConcat;
use tract_core::ops::math;
use tract_core::ops::nn::{Softmax, SoftmaxKind, sigmoid};

use crate::fused_conv::{FusedConv, Shape};
use crate::pool::{Kind, Pool};

/// Reads a graph for one beat, with its inputs and outputs of the shapes here.
///
/// # Errors
/// A named input or output is missing, or the graph is not of the kind that
/// `models` writes.
pub(crate) fn read<'a>(
    graph: &'a GraphProto,
    inputs: &[(&'a str, TVec<usize>)],
    outputs: &[&'a str],
) -> TractResult<TypedModel> {
    let mut reader = Reader {
        model: TypedModel::default(),
        constants: graph.initializer.iter().map(|t| (&*t.name, t)).collect(),
        values: HashMap::new(),
        uses: HashMap::new(),
        maps: HashSet::new(),
        rows: HashSet::new(),
        lists: HashSet::new(),
    };
    for name in graph.node.iter().flat_map(|n| &n.input) {
        *reader.uses.entry(name).or_default() += 1;
    }
    // An output is a use like another.
    for name in outputs {
        *reader.uses.entry(name).or_default() += 1;
    }
    for (name, shape) in inputs {
        let source = reader.model.add_source(*name, f32::fact(&**shape))?;
        reader.values.insert(name, Value::Wired(source));
        if *name == STATE {
            reader.lists.insert(name);
        }
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
    Waiting(FusedConv, TVec<OutletId>),
}

struct Reader<'a> {
    model: TypedModel,
    constants: HashMap<&'a str, &'a TensorProto>,
    values: HashMap<&'a str, Value>,
    uses: HashMap<&'a str, usize>,
    /// Values that are feature maps in the file: a map of one sample and a
    /// vector look alike here, and go together with others differently there.
    maps: HashSet<&'a str>,
    /// Values that are rows of several beats in the file, and lists of numbers
    /// without a batch.
    rows: HashSet<&'a str>,
    lists: HashSet<&'a str>,
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
    fn waiting(&mut self, name: &'a str) -> Option<(FusedConv, TVec<OutletId>)> {
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
        // Of another set an operator may do something else under the same name.
        ensure!(
            matches!(&*node.domain, "" | "ai.onnx"),
            "an operator of '{}'",
            node.domain
        );
        let value = self.value(name, node, &inputs)?;
        self.values.insert(name, value);
        let is_map = match &*node.op_type {
            "Gemm" | "Flatten" | "Softmax" | "Slice" => false,
            "Relu" | "Sigmoid" | "Add" | "Mul" | "Concat" => self.maps.contains(inputs[0]),
            "Reshape" => !self.rows.contains(&**name) && !self.lists.contains(&**name),
            _ => true,
        };
        if is_map {
            self.maps.insert(name);
        }
        Ok(())
    }

    /// What a node makes of its inputs.
    fn value(
        &mut self,
        name: &'a str,
        node: &'a NodeProto,
        inputs: &[&'a str],
    ) -> TractResult<Value> {
        let on_channels = |node: &NodeProto| {
            ensure!(node.integer("axis") == Some(1), "another axis than 1");
            Ok(())
        };
        Ok(match (&*node.op_type, inputs) {
            ("Conv", [x, weights, bias]) => self.convolution(node, x, weights, bias)?,
            ("Gemm", [x, weights, bias]) => self.dense(node, x, weights, bias)?,
            ("Relu", [x]) => self.relu(name, x)?,
            ("Sigmoid", [x]) => {
                let x = self.outlet(x)?;
                Value::Wired(self.wire(name, sigmoid(), &[x])?)
            }
            ("Add", [a, b]) if !self.constants.contains_key(b) => self.sum(name, a, b)?,
            ("Add", [x, shift]) => {
                let parts = [self.outlet(x)?, self.per_channel(name, x, shift)?];
                Value::Wired(self.wire(name, math::add(), &parts)?)
            }
            ("Mul", [x, factor]) => {
                let parts = [self.outlet(x)?, self.per_channel(name, x, factor)?];
                Value::Wired(self.wire(name, math::mul(), &parts)?)
            }
            ("Reshape", [x, shape]) => Value::Wired(self.reshaped(name, x, shape)?),
            ("Slice", [x, start, end, axis]) => {
                Value::Wired(self.slice(name, x, [start, end, axis])?)
            }
            // Maps have no height here.
            ("Unsqueeze", [x, axes]) => {
                let axes = self.constant(axes)?.integers();
                let outlet = self.outlet(x)?;
                let of_vector = !self.maps.contains(x) && self.shape(outlet)?[0] == 1;
                ensure!(
                    axes == Some(vec![2]) || of_vector && axes == Some(vec![2, 3]),
                    "another axis than the height"
                );
                Value::Wired(outlet)
            }
            ("Flatten", [x]) => {
                on_channels(node)?;
                self.flattened(name, x)?
            }
            ("Concat", [_, ..]) if node.integer("axis") != Some(1) => {
                Value::Wired(self.joined(name, node.integer("axis"), inputs)?)
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
            (_, inputs) => bail!("it does not know this operator (inputs: {})", inputs.len()),
        })
    }

    /// A ReLU goes into the layer that it follows alone.
    fn relu(&mut self, name: &str, x: &'a str) -> TractResult<Value> {
        if let Some((mut layer, inputs)) = self.waiting(x) {
            layer.relu = true;
            return Ok(Value::Waiting(layer, inputs));
        }
        let zero = tensor3(&[[[0f32]]]);
        let zero = self.model.add_const(format!("{name}.zero"), zero)?;
        let x = self.outlet(x)?;
        Ok(Value::Wired(self.wire(name, math::max(), &[x, zero])?))
    }

    /// What stands beside `x`: one number, or one for each channel of a map,
    /// constant or computed.
    fn per_channel(&mut self, name: &str, x: &str, values: &'a str) -> TractResult<OutletId> {
        let of_map = self.maps.contains(x);
        if !self.constants.contains_key(values) {
            let outlet = self.outlet(values)?;
            let of_channels = self.maps.contains(values) && self.shape(outlet)?[0] == 1;
            ensure!(
                of_map && of_channels,
                "'{values}' is not a number per channel"
            );
            return Ok(outlet);
        }
        let (numbers, shape) = (self.floats(values)?, self.sizes(values)?);
        ensure!(
            numbers.len() == 1 || of_map && matches!(*shape, [_, 1, 1]),
            "a constant of shape {shape:?} is not one number and not one per channel"
        );
        let numbers = Tensor::from_shape(&[1, 1, numbers.len()], &numbers)?;
        self.model.add_const(format!("{name}.{values}"), numbers)
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
        let layer = FusedConv::new(shape, &self.floats(weights)?, &self.floats(bias)?)?;
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
        let layer = FusedConv::new(shape, &self.floats(weights)?, &self.floats(bias)?)?;
        let x = self.outlet(x)?;
        ensure!(self.shape(x)?[0] == 1, "a dense layer of a map");
        Ok(Value::Waiting(layer, tvec![x]))
    }

    /// The sum goes into a layer that makes one of the two.
    fn sum(&mut self, name: &str, a: &'a str, b: &'a str) -> TractResult<Value> {
        ensure!(
            self.maps.contains(a) == self.maps.contains(b),
            "a sum of a map and a vector"
        );
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
        ensure!(
            self.shape(parts[0])? == self.shape(parts[1])?,
            "a sum of two shapes"
        );
        Ok(Value::Wired(self.wire(name, math::add(), &parts)?))
    }

    /// A map as a vector; a layer that makes one sample goes on waiting.
    fn flattened(&mut self, name: &str, x: &'a str) -> TractResult<Value> {
        if let Some((layer, inputs)) = self.waiting(x) {
            if layer.output(self.shape(inputs[0])?)?[0] == 1 {
                return Ok(Value::Waiting(layer, inputs));
            }
            self.values.insert(x, Value::Waiting(layer, inputs));
        }
        let x = self.outlet(x)?;
        Ok(Value::Wired(self.vector(name, x)?))
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
mod tests;
