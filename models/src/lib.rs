//! What a heartbeat model is: its contract, its architecture as data, and the
//! ONNX graphs built from it.

pub mod architecture;
pub mod contract;

pub use architecture::{Architecture, Network};
pub use contract::Contract;
