//! Convolutions and dense layers as one operator of tract's.
//!
//! tract's own convolution copies its input into columns, packs those for its
//! matrix product and reshapes the result; in networks as small as these that
//! takes several times as long as the products. Here a map is `[1, length,
//! channels]`, so that the samples under a kernel lie in one piece and are
//! multiplied where they lie, and the bias, a residual and ReLU are part of it.
//!
//! A sum always runs over its inputs in order, so that its bits do not depend on
//! its position. Where the machine can (AVX2, NEON), product and addition are
//! one operation; elsewhere the last bits may differ.

use std::sync::LazyLock;

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch, f32x8};
use models::architecture::{EDGE_LANES, EDGE_VALUES};
use tract_core::internal::*;

/// The vectors of this machine.
static LEVEL: LazyLock<Level> = LazyLock::new(Level::new);
/// Outputs whose sums run side by side in one vector.
const LANES: usize = EDGE_LANES;
/// Sums that are added to in turn: additions take 4 cycles or more, 2 of them
/// begin in each, and with weights and samples they still fit into the 16
/// registers of AVX2.
const SUMS: usize = 8;

/// `y[p] = bias + W x[p * stride .. p * stride + kernel]`, then plus a residual
/// where it has a second input, then ReLU where asked. A dense layer is one of
/// length and kernel 1.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub(crate) struct FusedConv {
    /// Channels of the input and of the output.
    channels: usize,
    outputs: usize,
    /// Samples under the kernel, dilation included.
    kernel: usize,
    stride: usize,
    /// Zeros before the first sample and after the last one.
    padding: [usize; 2],
    pub relu: bool,
    /// For every block of [`LANES`] outputs: those of the first input, and so on.
    weights: Arc<Tensor>,
    /// Outputs in whole blocks.
    bias: Arc<Tensor>,
}

/// The numbers of a convolution. A dense layer has length and kernel 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub channels: usize,
    pub outputs: usize,
    pub kernel: usize,
    pub stride: usize,
    pub dilation: usize,
    pub padding: [usize; 2],
}

impl FusedConv {
    /// From weights `[outputs, channels, kernel]` and `outputs` biases.
    ///
    /// # Errors
    /// The numbers do not fit together.
    pub fn new(shape: Shape, weights: &[f32], bias: &[f32]) -> TractResult<FusedConv> {
        let Shape {
            channels,
            outputs,
            kernel: taps,
            stride,
            dilation,
            padding,
        } = shape;
        let count = channels
            .checked_mul(outputs)
            .and_then(|n| n.checked_mul(taps));
        ensure!(
            count == Some(weights.len()) && outputs == bias.len() && !weights.is_empty(),
            "{} weights and {} biases for {outputs} x {channels} x {taps}",
            weights.len(),
            bias.len()
        );
        let kernel = taps
            .saturating_sub(1)
            .saturating_mul(dilation)
            .saturating_add(1);
        ensure!(
            stride > 0 && dilation > 0 && padding.iter().all(|p| *p < kernel),
            "stride {stride}, dilation {dilation} and padding {padding:?} for a kernel of {taps}"
        );
        let blocks = outputs.div_ceil(LANES);
        let depth = kernel.saturating_mul(channels);
        let size = depth.saturating_mul(blocks * LANES);
        ensure!(
            size <= EDGE_VALUES,
            "a layer of {size} weights; {EDGE_VALUES} can be had"
        );
        // What a shorter last block and a dilated kernel do not use is 0.
        let mut packed = vec![0.0; blocks * depth * LANES];
        for (o, of_output) in weights.chunks_exact(channels * taps).enumerate() {
            for (c, of_channel) in of_output.chunks_exact(taps).enumerate() {
                for (tap, weight) in of_channel.iter().enumerate() {
                    let input = tap * dilation * channels + c;
                    packed[(o / LANES * depth + input) * LANES + o % LANES] = *weight;
                }
            }
        }
        let mut biases = bias.to_vec();
        biases.resize(blocks * LANES, 0.0);
        Ok(FusedConv {
            channels,
            outputs,
            kernel,
            stride,
            padding,
            relu: false,
            weights: tensor1(&packed).into_arc_tensor(),
            bias: tensor1(&biases).into_arc_tensor(),
        })
    }

    /// Length and channels of the output for an input of these.
    ///
    /// # Errors
    /// The input has other channels or is shorter than the kernel.
    pub fn output(&self, [length, channels]: [usize; 2]) -> TractResult<[usize; 2]> {
        let padded = length + self.padding[0] + self.padding[1];
        ensure!(
            channels == self.channels && padded >= self.kernel,
            "a layer for {} channels and at least {} samples has {padded} samples of {channels}",
            self.channels,
            self.kernel
        );
        let positions = (padded - self.kernel) / self.stride + 1;
        ensure!(
            positions.saturating_mul(self.outputs) <= EDGE_VALUES,
            "a layer with {positions} x {} outputs; {EDGE_VALUES} can be had",
            self.outputs
        );
        Ok([positions, self.outputs])
    }
}

impl Op for FusedConv {
    fn name(&self) -> StaticName {
        "FusedConv".into()
    }

    op_as_typed_op!();
}

impl EvalOp for FusedConv {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let [input, residual @ ..] = &*inputs else {
            bail!("a layer without an input");
        };
        let &[1, length, channels] = input.shape() else {
            bail!("a layer of {:?}", input.shape());
        };
        let [positions, outputs] = self.output([length, channels])?;
        let view = input.try_as_plain_ram()?;
        let samples = view.as_slice::<f32>()?;
        let residual = residual.first().map(|r| r.try_as_plain_ram()).transpose()?;
        let residual = residual.as_ref().map(|r| r.as_slice::<f32>()).transpose()?;
        let padded: Vec<f32>;
        let samples = match self.padding {
            [0, 0] => samples,
            [before, after] => {
                let zeros = |count: usize| std::iter::repeat_n(0.0, count * channels);
                let inside = samples.iter().copied();
                padded = zeros(before).chain(inside).chain(zeros(after)).collect();
                &padded
            }
        };
        let mut output = Tensor::zero::<f32>(&[1, positions, outputs])?;
        let mut out = output.try_as_plain_ram_mut()?;
        let (weights, bias) = (
            self.weights.try_as_plain_ram()?,
            self.bias.try_as_plain_ram()?,
        );
        let run = Run {
            samples,
            step: self.stride * channels,
            weights: weights.as_slice()?,
            bias: bias.as_slice()?,
            residual,
            relu: self.relu,
            outputs,
            out: out.as_slice_mut()?,
        };
        dispatch!(*LEVEL, simd => run.all(simd));
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for FusedConv {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let shape = |fact: &TypedFact| match (fact.shape.as_concrete(), fact.datum_type) {
            (Some(&[1, length, channels]), DatumType::F32) => Ok([length, channels]),
            _ => bail!("a layer of {fact:?}; maps are [1, length, channels] of 32-bit floats"),
        };
        let [input, residual @ ..] = inputs else {
            bail!("a layer without an input");
        };
        let [length, outputs] = self.output(shape(input)?)?;
        for fact in residual {
            ensure!(
                shape(fact)? == [length, outputs],
                "the residual has another shape"
            );
        }
        Ok(tvec!(f32::fact([1, length, outputs])))
    }

    as_op!();
}

/// One run of a layer: all it works on.
struct Run<'a> {
    /// With the padding.
    samples: &'a [f32],
    /// Values from one position to the next.
    step: usize,
    weights: &'a [f32],
    bias: &'a [f32],
    residual: Option<&'a [f32]>,
    relu: bool,
    outputs: usize,
    /// `positions x outputs`.
    out: &'a mut [f32],
}

impl Run<'_> {
    #[inline(always)]
    fn all<S: Simd>(mut self, simd: S) {
        let blocks = self.bias.len() / LANES;
        let pairs = blocks / 2;
        for pair in 0..pairs {
            self.blocks::<S, 2, { SUMS / 2 }>(simd, 2 * pair);
        }
        if blocks % 2 == 1 {
            self.blocks::<S, 1, SUMS>(simd, blocks - 1);
        }
    }

    /// All positions of the `B` blocks of outputs from `block` on; `P` of them
    /// share a load of the weights.
    #[inline(always)]
    fn blocks<S: Simd, const B: usize, const P: usize>(&mut self, simd: S, block: usize) {
        let positions = self.out.len() / self.outputs;
        let mut at = 0;
        while at + P <= positions {
            self.tile::<S, B, P>(simd, block, at);
            at += P;
        }
        while at < positions {
            self.tile::<S, B, 1>(simd, block, at);
            at += 1;
        }
    }

    /// `B` blocks of outputs at `P` positions.
    #[inline(always)]
    fn tile<S: Simd, const B: usize, const P: usize>(&mut self, simd: S, block: usize, at: usize) {
        let weights = self.weights.as_chunks::<LANES>().0;
        let bias = self.bias.as_chunks::<LANES>().0;
        let depth = weights.len() / bias.len();
        // Slices of one length, so that the loop needs no checks.
        let weights: [&[[f32; LANES]]; B] =
            std::array::from_fn(|b| &weights[(block + b) * depth..][..depth]);
        let samples: [&[f32]; P] =
            std::array::from_fn(|p| &self.samples[(at + p) * self.step..][..depth]);
        let bias: [f32x8<S>; B] = std::array::from_fn(|b| f32x8::simd_from(simd, bias[block + b]));
        let mut sums = [bias; P];
        for i in 0..depth {
            let weights: [f32x8<S>; B] =
                std::array::from_fn(|b| f32x8::simd_from(simd, weights[b][i]));
            for (sums, samples) in sums.iter_mut().zip(&samples) {
                let sample = f32x8::splat(simd, samples[i]);
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    *sum = sample.mul_add(weights, *sum);
                }
            }
        }
        for (p, sums) in sums.into_iter().enumerate() {
            for (b, sum) in sums.into_iter().enumerate() {
                self.put(simd, block + b, at + p, sum);
            }
        }
    }

    /// Finishes and stores one block of one position.
    #[inline(always)]
    fn put<S: Simd>(&mut self, simd: S, block: usize, at: usize, mut sum: f32x8<S>) {
        let from = at * self.outputs + block * LANES;
        let to = (from + LANES).min((at + 1) * self.outputs);
        if let Some(residual) = self.residual {
            let residual = &residual[from..to];
            // A length that the compiler knows spares a call.
            let values = residual.first_chunk().copied().unwrap_or_else(|| {
                let mut values = [0.0; LANES];
                values[..to - from].copy_from_slice(residual);
                values
            });
            sum += f32x8::simd_from(simd, values);
        }
        if self.relu {
            sum = sum.max(f32x8::splat(simd, 0.0));
        }
        let values: [f32; LANES] = sum.into();
        let out = &mut self.out[from..to];
        match out.first_chunk_mut() {
            Some(out) => *out = values,
            None => out.copy_from_slice(&values[..to - from]),
        }
    }
}

#[cfg(test)]
mod tests {
    // A test fails by unwrapping.
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Numbers between -1 and 1 that repeat.
    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    fn run(layer: &FusedConv, length: usize, inputs: &[&[f32]]) -> Vec<f32> {
        let inputs = inputs.iter().enumerate().map(|(i, values)| {
            let length = match i {
                0 => length,
                _ => values.len() / layer.outputs,
            };
            let shape = [1, length, values.len() / length];
            Tensor::from_shape(&shape, values).unwrap().into_tvalue()
        });
        let outputs = EvalOp::eval(layer, &EvalContext::out_of_plan(), inputs.collect()).unwrap();
        let plain = outputs[0].try_as_plain_ram().unwrap();
        plain.as_slice().unwrap().to_vec()
    }

    #[test]
    fn it_is_a_convolution_of_any_shape() {
        for (i, &(channels, outputs, taps, stride, dilation, padding, length)) in [
            (2, 16, 7, 2, 1, [3, 3], 128),
            (16, 24, 5, 1, 1, [2, 2], 19),
            (24, 32, 1, 2, 1, [0, 0], 9),
            (1, 5, 3, 1, 2, [2, 2], 31),
            (3, 9, 3, 3, 2, [4, 0], 8),
            (44, 13, 1, 1, 1, [0, 0], 1),
            (7, 8, 1, 1, 1, [0, 0], 1),
        ]
        .iter()
        .enumerate()
        {
            let shape = Shape {
                channels,
                outputs,
                kernel: taps,
                stride,
                dilation,
                padding,
            };
            let (weights, bias) = (numbers(channels * outputs * taps, 1), numbers(outputs, 2));
            let mut layer = FusedConv::new(shape, &weights, &bias).unwrap();
            layer.relu = i % 2 == 0;
            let input = numbers(length * channels, 3);
            let [positions, _] = layer.output([length, channels]).unwrap();
            let residual = numbers(positions * outputs, 4);
            let got = run(&layer, length, &[&input, &residual]);
            assert_eq!(got.len(), positions * outputs);
            for (at, (value, residual)) in got.iter().zip(&residual).enumerate() {
                let (position, output) = (at / outputs, at % outputs);
                let mut sum = f64::from(bias[output]) + f64::from(*residual);
                for c in 0..channels {
                    for tap in 0..taps {
                        let sample = (position * stride + tap * dilation).wrapping_sub(padding[0]);
                        if sample < length {
                            let weight = weights[(output * channels + c) * taps + tap];
                            sum += f64::from(weight) * f64::from(input[sample * channels + c]);
                        }
                    }
                }
                let expected = if layer.relu { sum.max(0.0) } else { sum };
                assert!(
                    (expected - f64::from(*value)).abs() < 1e-5,
                    "{shape:?}: {at}"
                );
            }
        }
    }

    #[test]
    fn a_sum_has_the_same_bits_at_every_position() {
        let shape = Shape {
            channels: 16,
            outputs: 8,
            kernel: 1,
            stride: 1,
            dilation: 1,
            padding: [0, 0],
        };
        let layer = FusedConv::new(shape, &numbers(128, 5), &numbers(8, 6)).unwrap();
        let sample = numbers(16, 7);
        let once = run(&layer, 1, &[&sample]);
        for row in run(&layer, 21, &[&sample.repeat(21)]).chunks_exact(8) {
            assert_eq!(row, once);
        }
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        let good = Shape {
            channels: 2,
            outputs: 3,
            kernel: 3,
            stride: 1,
            dilation: 1,
            padding: [1, 1],
        };
        let made = |shape| FusedConv::new(shape, &[0.0; 18], &[0.0; 3]);
        assert!(made(good).is_ok());
        assert!(made(Shape { stride: 0, ..good }).is_err());
        for dilation in [1 << 20, usize::MAX] {
            assert!(made(Shape { dilation, ..good }).is_err());
        }
        assert!(
            made(Shape {
                padding: [1, 3],
                ..good
            })
            .is_err()
        );
        assert!(
            made(Shape {
                channels: 3,
                ..good
            })
            .is_err()
        );
        assert!(made(Shape { kernel: 0, ..good }).is_err());
        assert!(made(good).is_ok_and(|layer| layer.output([0, 2]).is_err()));
    }
}
