//! What a heartbeat model is: its contract, its architecture as data, and the
//! ONNX graphs built from it.

pub mod architecture;
pub mod contract;
#[cfg(feature = "onnx")]
pub mod onnx;
pub mod reference;
pub mod seal;
#[cfg(feature = "onnx")]
pub mod untrained;
pub mod weights;

pub use architecture::{Architecture, Network};
pub use contract::Contract;
pub use weights::{Tensor, Weights};
