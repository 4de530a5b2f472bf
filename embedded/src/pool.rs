//! Pooling as one operator of tract's, over maps `[1, length, channels]`.

use tract_core::internal::*;

/// The largest or the mean of every whole stretch of `size` samples.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub(crate) struct Pool {
    pub size: usize,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) enum Kind {
    Max,
    Mean,
}

impl Pool {
    fn output(&self, shape: &[usize]) -> TractResult<[usize; 3]> {
        match shape {
            &[1, length, channels] if self.size > 0 && length >= self.size => {
                Ok([1, length / self.size, channels])
            }
            _ => bail!("stretches of {} in a map {shape:?}", self.size),
        }
    }
}

impl Op for Pool {
    fn name(&self) -> StaticName {
        "Pool".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Pool {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let shape = self.output(input.shape())?;
        let view = input.try_as_plain_ram()?;
        let mut output = Tensor::zero::<f32>(&shape)?;
        let mut out = output.try_as_plain_ram_mut()?;
        let channels = shape[2].max(1);
        let stretches = view.as_slice::<f32>()?.chunks_exact(self.size * channels);
        let rows = out.as_slice_mut::<f32>()?.chunks_exact_mut(channels);
        for (row, stretch) in rows.zip(stretches) {
            let (first, rest) = stretch.split_at(channels);
            row.copy_from_slice(first);
            for samples in rest.chunks_exact(channels) {
                for (value, sample) in row.iter_mut().zip(samples) {
                    *value = match self.kind {
                        Kind::Max => value.max(*sample),
                        Kind::Mean => *value + sample,
                    };
                }
            }
            if self.kind == Kind::Mean {
                row.iter_mut().for_each(|v| *v /= self.size as f32);
            }
        }
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Pool {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let [input] = inputs else {
            bail!("{} inputs", inputs.len());
        };
        let shape = input.shape.as_concrete().unwrap_or_default();
        Ok(tvec!(f32::fact(self.output(shape)?)))
    }

    as_op!();
}
