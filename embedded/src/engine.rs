//! Which reader makes a network of a file's graph, and how that network is run
//! on one beat.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use data::pipeline::input::InputSpec;
use models::contract::{BEAT, LOGITS, PROBABILITIES, RHYTHM};
use models::messages::GraphProto;
use tract_core::internal::*;

use crate::{any_onnx, graph};

/// The graph's outputs, in the order in which a network gives them.
pub(crate) const OUTPUTS: [&str; 2] = [LOGITS, PROBABILITIES];

/// What reads the graph of a model file. tract computes it either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// This crate's own reader. It knows the operators that `train` exports,
    /// and what it makes of them is faster.
    Lean,
    /// tract-onnx, which knows nearly every operator of ONNX. Without the
    /// feature `any-onnx` it refuses every file, and says how to be had.
    TractOnnx,
}

impl Engine {
    /// The engines, in the order in which they are tried.
    pub const ALL: [Engine; 2] = [Engine::Lean, Engine::TractOnnx];

    /// Names and shapes of the network's inputs for one beat. tract-onnx takes
    /// them as the file says, the lean reader as its maps are laid out.
    fn inputs(self, input: &InputSpec) -> TVec<(&'static str, TVec<usize>)> {
        let (channels, length) = (input.channels(), input.length());
        let (beat, rhythm) = match self {
            Engine::Lean => (tvec![1, length, channels], tvec![1, 1, input.rhythm.len()]),
            Engine::TractOnnx => (tvec![1, channels, length], tvec![1, input.rhythm.len()]),
        };
        let mut inputs = tvec![(BEAT, beat)];
        if !input.rhythm.is_empty() {
            inputs.push((RHYTHM, rhythm));
        }
        inputs
    }

    fn read(self, file: File, input: &InputSpec) -> TractResult<TypedModel> {
        let inputs = self.inputs(input);
        match self {
            Engine::Lean => graph::read(file.graph, &inputs, &OUTPUTS)?.into_optimized(),
            Engine::TractOnnx => any_onnx::read(file.bytes, &inputs, &OUTPUTS),
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Engine::Lean => "lean reader",
            Engine::TractOnnx => "tract-onnx",
        })
    }
}

/// A model file, as a whole and the graph in it.
#[derive(Clone, Copy)]
pub(crate) struct File<'a> {
    pub bytes: &'a [u8],
    pub graph: &'a GraphProto,
}

/// A graph that is ready to run on one beat at a time.
pub(crate) struct Network {
    engine: Engine,
    plan: Arc<TypedSimplePlan>,
    state: TypedSimpleState,
}

impl Network {
    /// What the first of `engines` that can read the graph makes of it.
    ///
    /// # Errors
    /// None of them can; the message has each one's reason.
    pub fn read(engines: &[Engine], file: File, input: &InputSpec) -> TractResult<Network> {
        let mut reasons = Vec::new();
        for &engine in engines {
            match engine.read(file, input) {
                Ok(model) => return Network::new(engine, model),
                Err(reason) => reasons.push(format!("{engine}: {reason:#}")),
            }
        }
        bail!("{}", reasons.join("; "))
    }

    fn new(engine: Engine, model: TypedModel) -> TractResult<Network> {
        let plan = model.into_runnable()?;
        let state = plan.spawn()?;
        Ok(Network {
            engine,
            plan,
            state,
        })
    }

    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Type and shape of an output, by its place in [`OUTPUTS`].
    pub fn output(&self, place: usize) -> TractResult<&TypedFact> {
        self.plan.model().output_fact(place)
    }

    /// The outputs for one beat: `window` is `[channels, length]`, `rhythm` the
    /// beat features, both as long as `input` says.
    pub fn run(
        &mut self,
        input: &InputSpec,
        window: &[f32],
        rhythm: &[f32],
    ) -> TractResult<TVec<TValue>> {
        let values = match self.engine {
            Engine::Lean => Cow::Owned(samples(window, input.length())),
            Engine::TractOnnx => {
                // LSTM and its like go on from the call before: no beat may
                // depend on the one before it.
                self.state = self.plan.spawn()?;
                Cow::Borrowed(window)
            }
        };
        let inputs = self.engine.inputs(input).into_iter();
        let inputs = inputs.map(|(name, shape)| {
            let values = if name == BEAT { &*values } else { rhythm };
            Ok(Tensor::from_shape(&shape, values)?.into_tvalue())
        });
        self.state.run(inputs.collect::<TractResult<_>>()?)
    }
}

/// `[channels, length]` as `[length, channels]`.
fn samples(window: &[f32], length: usize) -> Vec<f32> {
    let mut samples = Vec::with_capacity(window.len());
    for i in 0..length {
        samples.extend(window[i..].iter().step_by(length));
    }
    samples
}
