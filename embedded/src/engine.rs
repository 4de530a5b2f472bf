//! Which reader makes a network of a file's graph, and how that network is run
//! on one beat.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use data::pipeline::input::InputSpec;
use models::contract::{BEAT, LOGITS, Memory, PROBABILITIES, RHYTHM, STATE, STATE_OUT};
use models::messages::GraphProto;
use tract_core::internal::*;

use crate::{any_onnx, graph};

/// The graph's outputs, in the order in which a network gives them; the last one
/// is there with a memory only.
const OUTPUTS: [&str; 3] = [LOGITS, PROBABILITIES, STATE_OUT];

/// Those of a model with this memory.
pub(crate) fn outputs(memory: Option<Memory>) -> &'static [&'static str] {
    &OUTPUTS[..if memory.is_some() { 3 } else { 2 }]
}

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
    fn inputs(
        self,
        input: &InputSpec,
        memory: Option<Memory>,
    ) -> TVec<(&'static str, TVec<usize>)> {
        let (channels, length) = (input.channels(), input.length());
        let (beat, rhythm) = match self {
            Engine::Lean => (tvec![1, length, channels], tvec![1, 1, input.rhythm.len()]),
            Engine::TractOnnx => (tvec![1, channels, length], tvec![1, input.rhythm.len()]),
        };
        let mut inputs = tvec![(BEAT, beat)];
        if !input.rhythm.is_empty() {
            inputs.push((RHYTHM, rhythm));
        }
        inputs.extend(memory.map(|memory| (STATE, self.state(memory))));
        inputs
    }

    /// Shape of the state.
    fn state(self, memory: Memory) -> TVec<usize> {
        match self {
            Engine::Lean => tvec![1, 1, memory.state],
            Engine::TractOnnx => tvec![memory.state],
        }
    }

    fn read(
        self,
        file: File,
        input: &InputSpec,
        memory: Option<Memory>,
    ) -> TractResult<TypedModel> {
        let (inputs, outputs) = (self.inputs(input, memory), outputs(memory));
        match self {
            Engine::Lean => graph::read(file.graph, &inputs, outputs)?.into_optimized(),
            Engine::TractOnnx => any_onnx::read(file.bytes, &inputs, outputs),
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
    memory: Option<Held>,
}

/// What is held of the beats before, and before the first one.
struct Held {
    now: TValue,
    nothing: TValue,
}

impl Network {
    /// What the first of `engines` that can read the graph makes of it.
    ///
    /// # Errors
    /// None of them can; the message has each one's reason.
    pub fn read(
        engines: &[Engine],
        file: File,
        input: &InputSpec,
        memory: Option<Memory>,
    ) -> TractResult<Network> {
        let mut reasons = Vec::new();
        for &engine in engines {
            match engine.read(file, input, memory) {
                Ok(model) => return Network::new(engine, model, memory),
                Err(reason) => reasons.push(format!("{engine}: {reason:#}")),
            }
        }
        bail!("{}", reasons.join("; "))
    }

    fn new(engine: Engine, model: TypedModel, memory: Option<Memory>) -> TractResult<Network> {
        let plan = model.into_runnable()?;
        let state = plan.spawn()?;
        let held = |memory| -> TractResult<Held> {
            let nothing = Tensor::zero::<f32>(&engine.state(memory))?.into_tvalue();
            let now = nothing.clone();
            Ok(Held { now, nothing })
        };
        Ok(Network {
            engine,
            plan,
            state,
            memory: memory.map(held).transpose()?,
        })
    }

    /// The next beat is the first of a stretch.
    pub fn forget(&mut self) {
        if let Some(held) = &mut self.memory {
            held.now = held.nothing.clone();
        }
    }

    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Type and shape of an output, by its place in [`outputs`].
    pub fn output(&self, place: usize) -> TractResult<&TypedFact> {
        self.plan.model().output_fact(place)
    }

    /// The outputs for one beat: `window` is `[channels, length]`, `rhythm` the
    /// beat features, both as long as `input` says. It is the one after the last,
    /// unless [`Network::forget`] was called.
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
        let inputs = self.engine.inputs(input, None).into_iter();
        let inputs = inputs.map(|(name, shape)| {
            let values = if name == BEAT { &*values } else { rhythm };
            Ok(Tensor::from_shape(&shape, values)?.into_tvalue())
        });
        let mut inputs: TVec<TValue> = inputs.collect::<TractResult<_>>()?;
        inputs.extend(self.memory.as_ref().map(|held| held.now.clone()));
        let mut outputs = self.state.run(inputs)?;
        if let Some(held) = &mut self.memory {
            held.now = outputs.pop().context("the network gave no state")?;
        }
        Ok(outputs)
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
